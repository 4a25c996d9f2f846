//! The dataset: an opened SAM file and its index, if it is BGZF and has one.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Sam;
use super::decode::SamRows;
use super::header::SamHeader;
use super::parse::parse_line;
use crate::alignment::AlignmentRows;
use crate::alignment::Record;
use crate::alignment::file::{AlignmentFile, ENOUGH, FirstRecords, SPAN};
use crate::error::{Offset, Result};
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Condition, Cut, Dataset, Decoder, FormatId, Head, IndexState, LineStarts, OnError, OpenOptions, Partition,
    Pushdown, RecordDecoder, ScanPlan, ScanRequest, SpanColumns, Statistics, StreamFile,
};
use crate::text::lines::{LineFramer, trim_end};

/// An opened SAM file.
#[derive(Debug)]
pub struct SamDataset {
    file: AlignmentFile,
    header: SamHeader,
    longest: usize,
}

impl SamDataset {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let file = StreamFile::open(at, io, options).await?;
        let (header, first, start) = {
            let mut head = file.head(io, options.limits.header_bytes);
            let header = SamHeader::read(&mut head, &options.limits).await.map_err(|e| e.at(Offset::Byte(0)))?;
            // An empty block may follow the header, so the first record's place is where the next byte comes from.
            let start = head.offset(header.len);
            let first = sample_records(&mut head, &header, options).await;
            (header, first, start)
        };
        let file = AlignmentFile::new(file, Arc::clone(&header.contigs), start, first, &options.columns);
        Ok(Self { file, header, longest: options.limits.record_bytes })
    }

    /// The header.
    pub fn header(&self) -> &SamHeader {
        &self.header
    }
}

/// Looks for tags in the first records, and at where the first one lies. What is broken is left for the scan to report.
async fn sample_records(head: &mut Head<'_>, header: &SamHeader, options: &OpenOptions) -> FirstRecords {
    let mut first = FirstRecords::default();
    let mut framer = LineFramer::default();
    let mut record = Vec::new();
    let mut at = header.len;
    for _ in 0..options.limits.sampled_records {
        if at - header.len >= ENOUGH {
            break;
        }
        let len = loop {
            let rest = &head.bytes()[at..];
            match framer.frame(rest, head.is_whole()) {
                Some(len) => break len,
                // The header's bytes are bounded; a sample that would go beyond has seen enough.
                None if !head.is_whole() && (first.are_enough(head) || head.more().await.is_err()) => return first,
                None => {}
            }
        };
        let line = trim_end(&head.bytes()[at..at + len]);
        record.clear();
        if parse_line(line, &header.contigs, &mut record).is_err() {
            break;
        }
        match Record::new(&record, header.contigs.len()) {
            Ok(record) if first.add(&record).is_ok() => at += len,
            _ => break,
        }
    }
    first
}

impl SamDataset {
    fn decode(&self, rows: AlignmentRows, request: &ScanRequest, partition: &Partition) -> Box<dyn Decoder> {
        let numbered = self.file.is_first(partition);
        // What lies between two segments is not counted.
        let line = (numbered && partition.segments.len() == 1).then_some(self.header.lines);
        let rows = SamRows::new(rows, Arc::clone(&self.header.contigs), line);
        let decoder = RecordDecoder::new(rows, request, self.longest, numbered);
        Box::new(decoder.after_header(self.header.len).on_error(self.file.on_error()))
    }
}

impl Dataset for SamDataset {
    fn format(&self) -> FormatId {
        Sam::ID
    }

    fn schema(&self) -> SchemaRef {
        self.file.schema()
    }

    fn contigs(&self) -> Option<&Contigs> {
        (!self.header.contigs.is_empty()).then_some(&*self.header.contigs)
    }

    fn sample(&self) -> Option<String> {
        crate::alignment::sample(&self.header.text)
    }

    fn header_text(&self) -> Option<&str> {
        Some(&self.header.text)
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(SPAN)
    }

    fn statistics(&self) -> Statistics {
        self.file.statistics()
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        self.file.pushdown(condition)
    }

    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        self.file.load_index(io).boxed()
    }

    fn index_state(&self) -> IndexState {
        self.file.index_state()
    }

    fn find_cuts<'a>(&'a self, io: &'a dyn ObjectIo, partitions: usize) -> BoxFuture<'a, Result<()>> {
        self.file.find_cuts(io, partitions, &LineStarts).boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        Ok(self.file.plan(request, Cut::AtLines, &[]))
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        Ok(self.decode(self.file.rows(request)?, request, partition))
    }

    fn makes_text(&self) -> bool {
        self.file.on_error() != OnError::Null
    }

    fn text_decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        Ok(self.decode(self.file.lines(request)?, request, partition))
    }
}
