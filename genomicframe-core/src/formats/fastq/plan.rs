//! An opened FASTQ file.

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::starts::FastqStarts;
use super::{ID, decode, header};
use crate::error::Result;
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Condition, Cut, Dataset, Decoder, FormatId, OpenOptions, Partition, Pushdown, RecordDecoder, ScanPlan, ScanRequest,
    SpanColumns, Statistics, StreamFile,
};
use crate::text::filter::RowFilter;
use crate::text::lines::is_from_start;

#[derive(Debug)]
pub(super) struct FastqFile {
    file: StreamFile,
    schema: SchemaRef,
    longest: usize,
}

impl FastqFile {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let file = StreamFile::open(at, io, options).await?;
        header::check(&mut file.head(io, options.limits.header_bytes)).await?;
        Ok(Self { file, schema: header::schema(), longest: options.limits.record_bytes })
    }
}

impl Dataset for FastqFile {
    fn format(&self) -> FormatId {
        ID
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        None
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        None
    }

    fn statistics(&self) -> Statistics {
        self.file.statistics(None, |_, _| None)
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        self.file.pushdown(condition, &decode::field)
    }

    fn load_index<'a>(&'a self, _: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        async { Ok(()) }.boxed()
    }

    fn find_cuts<'a>(&'a self, io: &'a dyn ObjectIo, partitions: usize) -> BoxFuture<'a, Result<()>> {
        self.file.find_cuts(io, partitions, &FastqStarts).boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        Ok(self.file.plan(request, Cut::Never, None, |_, _| None))
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        let filter = RowFilter::new(request, None, false, &decode::field)?;
        let numbered = is_from_start(partition);
        let rows = decode::FastqRows::new(&self.schema, &request.projection, filter, numbered, self.file.on_error())?;
        let decoder = RecordDecoder::new(rows, request, self.longest, numbered);
        Ok(Box::new(decoder.on_error(self.file.on_error())))
    }
}
