//! The scan contract: decide without I/O, then read.
//!
//! ```text
//! Format::open ─► Dataset ─ plan(ScanRequest) ─► ScanPlan ─ partitions ─► drive ─► RecordBatch stream
//!    reads header     │ pure                      a value that prints        │ reads, inflates
//!                     └─ decoder(Partition) ─► Decoder: bytes in, batches out ┘
//! ```
//! Only `open`, `load_index` and [`drive`] read bytes. A plan is a value: `EXPLAIN` prints it and tests count its requests
//! and bytes. A decoder never waits for anything, so the same one serves files, object stores, tests and fuzzers.

pub(crate) mod advice;
mod ahead;
mod bad_records;
mod bad_table;
mod cuts;
mod drive;
pub(crate) mod evaluate;
mod feed;
mod first_record;
mod lenient;
mod metrics;
mod narrow;
mod options;
mod piece;
mod plan;
mod predicate;
mod records;
mod request;
mod requests;
mod rows;
mod spans;
mod stream_file;
mod stretches;
#[cfg(test)]
mod tests;
mod upcoming;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::stats::Stats;
pub use ahead::Spawn;
pub use bad_records::{BadRecord, BadRecords};
pub use bad_table::BadRecordsTable;
pub use cuts::{LineStarts, RecordStarts};
pub use drive::{Tasks, drive, drive_with};
pub use evaluate::{FieldType, Fields, Test};
pub use feed::Head;
pub use metrics::{Counts, ScanMetrics, Warnings};
pub use narrow::narrow;
pub use options::{IndexChoice, Limits, OnError, OpenOptions};
pub use piece::Piece;
pub use plan::{Framing, IndexUse, ObjectId, Partition, Pruning, ScanPlan, Segment, Until};
pub use predicate::{Condition, Literal, Op, Predicate, Pushdown};
pub use records::RecordDecoder;
pub use request::{Computed, ComputedValue, ScanRequest};
pub use rows::{BrokenRow, Rows, Selected, row_by_row};
pub use spans::{SpanColumns, SpanFilter};
pub(crate) use stream_file::is_compression;
pub use stream_file::{Compression, Cut, StreamFile};

/// Which format: its name in SQL (`STORED AS`), in `read_<id>` functions and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FormatId(pub &'static str);

impl fmt::Display for FormatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A file format. One of each is listed in [`crate::formats::ALL`].
pub trait Format: fmt::Debug + Send + Sync {
    /// Its lower-case name.
    fn id(&self) -> FormatId;

    /// Names of its files end so, without a leading dot and without a compression's ending (`vcf`, not `vcf.gz`).
    fn extensions(&self) -> &'static [&'static str];

    /// Whether a dataset is not one object but a folder or prefix, whose name has the extension.
    fn is_prefix(&self) -> bool {
        false
    }

    /// Whether `head`, the first bytes of the inflated data, can only be this format.
    fn sniff(&self, head: &[u8]) -> bool;

    /// Reads the header and fixes the schema. Reads no index.
    fn open<'a>(
        &'a self,
        at: &'a Location,
        io: &'a dyn ObjectIo,
        options: &'a OpenOptions,
    ) -> BoxFuture<'a, Result<Arc<dyn Dataset>>>;

    /// Appends rows as the format's text, a line (or, for FASTQ, four) per row; the header is [`Dataset::header_text`].
    ///
    /// # Errors
    /// When a column is missing that the text needs, or the format has no text form.
    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        let _ = (batch, out);
        Err(Error::unsupported(format!("{} cannot be written as text", self.id())))
    }

    /// Whether `encode` looks at this column of the schema, so that the others need not be read.
    fn encodes(&self, column: &str) -> bool {
        let _ = column;
        true
    }
}

/// An opened object, or several that make one table.
pub trait Dataset: fmt::Debug + Send + Sync {
    /// Its format.
    fn format(&self) -> FormatId;

    /// Its columns, with their meaning as field metadata ([`crate::schema`]).
    fn schema(&self) -> SchemaRef;

    /// The contigs that the header or the index names.
    fn contigs(&self) -> Option<&Contigs>;

    /// Whether no record can lie on a contig that [`Dataset::contigs`] lacks.
    fn names_every_contig(&self) -> bool {
        self.contigs().is_some()
    }

    /// The one sample it holds (the read groups' `SM`, a VCF's only sample), where there is just one.
    fn sample(&self) -> Option<String> {
        None
    }

    /// The header as it stands in front of the rows of [`Format::encode`]; `None` for formats without one. A file's last line
    /// may have no end, which who writes rows behind it adds.
    fn header_text(&self) -> Option<&str> {
        None
    }

    /// Which columns hold a record's span; `None` for formats without a genome (FASTQ).
    fn span_columns(&self) -> Option<SpanColumns>;

    /// What is known of its rows without reading them.
    fn statistics(&self) -> Statistics;

    /// Statistics of all its rows that it keeps, where it does.
    fn totals(&self) -> Option<Stats> {
        None
    }

    /// Whether the scan itself can apply `condition`, exactly.
    fn pushdown(&self, condition: &Condition) -> Pushdown;

    /// The column that the scan itself can make of `computed` for `ScanRequest::computed`, if it can: by its name, its text.
    fn compute(&self, _computed: &Computed) -> Option<Field> {
        None
    }

    /// Reads the index, once; nothing happens when there is none or it was read before. Of an index in several parts, only
    /// those that `regions` touch need be read; `None`: all.
    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, regions: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>>;

    /// What it has of its index.
    fn index_state(&self) -> IndexState {
        IndexState::Unread
    }

    /// Finds places where a scan can be cut into about `partitions` parts, where no index that was read tells of any; once.
    /// A little is read at each place.
    fn find_cuts<'a>(&'a self, io: &'a dyn ObjectIo, partitions: usize) -> BoxFuture<'a, Result<()>> {
        let _ = (io, partitions);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Reads what is kept beside the index for conditions like these (filters of read names), once.
    fn load_filters<'a>(&'a self, io: &'a dyn ObjectIo, predicate: &'a Predicate) -> BoxFuture<'a, Result<()>> {
        let _ = (io, predicate);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether nothing can be planned without the index.
    fn needs_index(&self) -> bool {
        false
    }

    /// Decides what to read. Pure: the same request gives the same plan.
    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan>;

    /// Makes what turns a partition's bytes into batches.
    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>>;

    /// Whether there is a [`Dataset::text_decoder`].
    fn makes_text(&self) -> bool {
        false
    }

    /// Makes what turns a partition's bytes into the rows' own text without columns in between: the rows of
    /// [`Dataset::decoder`], each as [`Format::encode`] would write it, in batches of [`text_schema`]. The request's
    /// projection means nothing.
    ///
    /// # Errors
    /// When the dataset has no such way.
    fn text_decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        let _ = (request, partition);
        Err(Error::unsupported(format!("{} rows are made into text from their columns", self.format())))
    }
}

/// The schema of batches that hold rows as text: one column of bytes, the lines of a row with their ends.
pub fn text_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(TEXT, DataType::Binary, false)]))
}

const TEXT: &str = "text";

/// The text of all rows of a batch of [`text_schema`], without a copy; `None` for any other batch.
pub fn text_of(batch: &RecordBatch) -> Option<Buffer> {
    let [column] = batch.columns() else { return None };
    let text = column.as_binary_opt::<i32>().filter(|_| batch.schema_ref().field(0).name() == TEXT)?;
    let (first, last) = (text.value_offsets().first()?, text.value_offsets().last()?);
    Some(text.values().slice_with_length(*first as usize, (last - first) as usize))
}

/// What a dataset has of its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// It was not looked for yet, or the format has none.
    Unread,
    /// It was read and takes about so many bytes of memory.
    Read(u64),
    /// There is none, or it is older than the data: who opens the file anew may find another.
    Wanting,
}

/// Turns bytes into batches, never waiting.
///
/// The driver calls `begin` for each segment of the partition, then `step` until it says [`Step::SegmentEnd`], giving it
/// bytes by `push` or `end_of_object` each time it says [`Step::More`]; last of all `finish`.
pub trait Decoder: Send {
    /// The records of `segment` follow.
    fn begin(&mut self, segment: &Segment) -> Result<()>;

    /// The next bytes of `object`.
    fn push(&mut self, object: ObjectId, piece: Piece) -> Result<()>;

    /// No byte follows in this object.
    fn end_of_object(&mut self) -> Result<()>;

    /// Works until it has a batch or needs something.
    fn step(&mut self) -> Result<Step>;

    /// The rows still held after the last segment.
    fn finish(&mut self) -> Result<Option<RecordBatch>>;

    /// Records seen and kept, and warnings, since the beginning.
    fn counts(&self) -> Counts;

    /// What [`Step::Need`] will name first of `segment`, in any order, where that is known before it begins: it may be under way
    /// while the segments before it are decoded.
    fn first_needs(&self, segment: &Segment) -> Vec<Range<u64>> {
        let _ = segment;
        Vec::new()
    }

    /// The malformed records met since the last call, where they do not end the scan.
    fn take_bad_records(&mut self) -> BadRecords {
        BadRecords::default()
    }
}

/// What a decoder wants next.
#[derive(Debug)]
pub enum Step {
    /// The segment's next bytes, also beyond its planned range: a record may reach over the end.
    More,
    /// These ranges, whole and in this order.
    Need(Vec<(ObjectId, Range<u64>)>),
    /// Rows for the caller; call `step` again.
    Batch(RecordBatch),
    /// The segment is finished.
    SegmentEnd,
    /// The partition is finished: a limit was reached.
    Done,
}

/// How sure a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// True.
    Exact(u64),
    /// An estimate.
    Inexact(u64),
    /// Unknown.
    #[default]
    Absent,
}

/// What is known of a dataset's rows without reading them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics {
    /// All rows.
    pub rows: Precision,
    /// Stored bytes.
    pub bytes: Precision,
    /// Rows per contig, in the file's order, where they are exact.
    pub rows_by_contig: Option<Vec<u64>>,
    /// Least and greatest value of integer columns, where they are exact.
    pub ranges: Vec<(&'static str, i64, i64)>,
}
