//! The malformed records of a file as a table: what is wrong with each, and where.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::future::BoxFuture;

use super::{
    BadRecord, Condition, Counts, Dataset, Decoder, FormatId, ObjectId, Partition, Piece, Pushdown, ScanPlan,
    ScanRequest, Segment, SpanColumns, Statistics, Step,
};
use crate::error::Result;
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::schema;

/// A row for each malformed value of a dataset, instead of its rows. All columns are read; a record that cannot be taken apart
/// is one row.
///
/// | column | type | |
/// |---|---|---|
/// | `file` | text | as it was opened |
/// | `line` | i64 | of text, from 1 |
/// | `record` | i64 | from 1 |
/// | `offset` | text | `byte 120`, or `virtual offset 5120:17` of BGZF |
/// | `field` | text | as the format calls it; null where it is the whole record |
/// | `text` | text | what stands there, clipped |
/// | `reason` | text | what is wrong with it |
/// | `hint` | text | what to do about it, where that is known |
/// | `kept` | boolean | whether `on_error = null` keeps the record; `skip` leaves it out in any case |
///
/// The dataset must have been opened with [`OnError::Null`](super::OnError::Null).
#[derive(Debug)]
pub struct BadRecordsTable {
    file: String,
    dataset: Arc<dyn Dataset>,
    schema: SchemaRef,
}

impl BadRecordsTable {
    /// Those of `dataset`, which is the file at `location`.
    pub fn new(location: &Location, dataset: Arc<dyn Dataset>) -> Self {
        let number = |name: &str| Field::new(name, DataType::Int64, true);
        let fields = vec![
            schema::text("file"),
            number("line"),
            number("record"),
            schema::text("offset"),
            schema::text("field"),
            schema::text("text"),
            schema::text("reason"),
            schema::text("hint"),
            Field::new("kept", DataType::Boolean, true),
        ];
        Self { file: location.to_string(), dataset, schema: Arc::new(Schema::new(fields)) }
    }

    /// All columns of all rows, from the first to the last: so that lines and records have their numbers.
    fn everything(&self) -> ScanRequest {
        ScanRequest::all((0..self.dataset.schema().fields().len()).collect())
    }
}

impl Dataset for BadRecordsTable {
    fn format(&self) -> FormatId {
        self.dataset.format()
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        None
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        None
    }

    fn statistics(&self) -> Statistics {
        Statistics { bytes: self.dataset.statistics().bytes, ..Statistics::default() }
    }

    fn pushdown(&self, _: &Condition) -> Pushdown {
        Pushdown::Unsupported
    }

    fn load_index<'a>(&'a self, _: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn plan(&self, _: &ScanRequest) -> Result<ScanPlan> {
        self.dataset.plan(&self.everything())
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        Ok(Box::new(BadRecordsDecoder {
            decoder: self.dataset.decoder(&self.everything(), partition)?,
            file: self.file.clone(),
            schema: Arc::new(self.schema.project(&request.projection)?),
            projection: request.projection.clone(),
            batch_size: request.batch_size.max(1),
            left: request.limit.unwrap_or(usize::MAX),
            held: Vec::new(),
            told: 0,
        }))
    }
}

struct BadRecordsDecoder {
    decoder: Box<dyn Decoder>,
    file: String,
    schema: SchemaRef,
    projection: Vec<usize>,
    batch_size: usize,
    left: usize,
    held: Vec<BadRecord>,
    told: u64,
}

impl BadRecordsDecoder {
    fn take(&mut self) {
        self.held.extend(self.decoder.take_bad_records().examples);
        self.held.truncate(self.left);
    }

    fn batch(&mut self, rows: usize) -> Result<RecordBatch> {
        let bad: Vec<BadRecord> = self.held.drain(..rows).collect();
        self.left -= rows;
        self.told += rows as u64;
        let text = |value: &dyn Fn(&BadRecord) -> Option<String>| -> ArrayRef {
            Arc::new(bad.iter().map(value).collect::<StringViewArray>())
        };
        let number = |value: &dyn Fn(&BadRecord) -> Option<u64>| -> ArrayRef {
            Arc::new(bad.iter().map(|b| value(b).and_then(|n| i64::try_from(n).ok())).collect::<Int64Array>())
        };
        let column = |i: usize| -> ArrayRef {
            match i {
                0 => text(&|_| Some(self.file.clone())),
                1 => number(&|b| b.error.line()),
                2 => number(&|b| b.error.record()),
                3 => text(&|b| b.error.offset().map(|at| at.to_string())),
                4 => text(&|b| b.error.field_name().map(str::to_owned)),
                5 => text(&|b| b.error.offending_text().map(str::to_owned)),
                6 => text(&|b| Some(b.error.reason().to_owned())),
                7 => text(&|b| b.error.advice().map(str::to_owned)),
                _ => Arc::new(bad.iter().map(|b| Some(b.kept)).collect::<BooleanArray>()),
            }
        };
        let columns = self.projection.iter().map(|i| column(*i)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

impl Decoder for BadRecordsDecoder {
    fn begin(&mut self, segment: &Segment) -> Result<()> {
        self.decoder.begin(segment)
    }

    fn push(&mut self, object: ObjectId, piece: Piece) -> Result<()> {
        self.decoder.push(object, piece)
    }

    fn end_of_object(&mut self) -> Result<()> {
        self.decoder.end_of_object()
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            if self.left == 0 {
                return Ok(Step::Done);
            }
            if self.held.len() >= self.batch_size.min(self.left) {
                return Ok(Step::Batch(self.batch(self.batch_size.min(self.left))?));
            }
            let step = self.decoder.step()?;
            self.take();
            // The rows themselves are not asked for.
            if !matches!(step, Step::Batch(_)) {
                return Ok(step);
            }
        }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        self.decoder.finish()?;
        self.take();
        match self.held.len() {
            0 => Ok(None),
            rows => self.batch(rows).map(Some),
        }
    }

    fn counts(&self) -> Counts {
        Counts { kept: self.told, ..self.decoder.counts() }
    }
}
