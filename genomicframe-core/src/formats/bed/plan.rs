//! An opened BED file.

use arrow::datatypes::{DataType, SchemaRef};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{ID, decode, header};
use crate::error::Result;
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Condition, Cut, Dataset, Decoder, FieldType, FormatId, IndexState, LineStarts, OpenOptions, Partition, Pushdown,
    RecordDecoder, ScanPlan, ScanRequest, SpanColumns, Statistics, StreamFile,
};
use crate::text::lines::is_from_start;
use crate::text::spans::{Preset, SpanText};

#[derive(Debug)]
pub(super) struct BedFile {
    text: SpanText,
    schema: SchemaRef,
    longest: usize,
}

const PRESET: Preset = Preset {
    name: "bed",
    columns: [1, 2, 3],
    contig_column: "chrom",
    zero_based: true,
    contig: str::to_owned,
    is_record: |line| !header::is_skipped(line),
};

impl BedFile {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let file = StreamFile::open(at, io, options).await?;
        let schema = header::read(&mut file.head(io, options.limits.header_bytes), &options.limits).await?;
        Ok(Self { text: SpanText::new(file, PRESET), schema, longest: options.limits.record_bytes })
    }

    /// A column's number and how it compares.
    fn field(&self, name: &str) -> Option<(usize, FieldType)> {
        let (i, field) = self.schema.column_with_name(name)?;
        let kind = match field.data_type() {
            DataType::Int64 => FieldType::Int,
            DataType::Float64 => FieldType::Float,
            DataType::Utf8View => FieldType::Text,
            _ => return None,
        };
        Some((i, kind))
    }
}

impl Dataset for BedFile {
    fn format(&self) -> FormatId {
        ID
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        self.text.contigs()
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(SpanColumns { contig: "chrom", start: "start", end: "end", zero_based: true })
    }

    fn statistics(&self) -> Statistics {
        self.text.statistics()
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        self.text.pushdown(condition, &|name| self.field(name))
    }

    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        self.text.load_index(io).boxed()
    }

    fn index_state(&self) -> IndexState {
        self.text.index_state()
    }

    fn find_cuts<'a>(&'a self, io: &'a dyn ObjectIo, partitions: usize) -> BoxFuture<'a, Result<()>> {
        self.text.find_cuts(io, partitions, &LineStarts).boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        Ok(self.text.plan(request, Cut::AtLines))
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        let filter = self.text.filter(request, &|name| self.field(name))?;
        let rows = decode::BedRows::new(&self.schema, &request.projection, filter, partition)?;
        let decoder = RecordDecoder::new(rows, request, self.longest, is_from_start(partition));
        Ok(Box::new(decoder.on_error(self.text.on_error())))
    }
}
