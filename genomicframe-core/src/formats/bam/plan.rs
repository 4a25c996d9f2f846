//! The dataset: an opened BAM file and its index.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Bam;
use super::decode::BamRows;
use super::header::BamHeader;
use super::starts::BamStarts;
use crate::alignment::AlignmentRows;
use crate::alignment::file::{AlignmentFile, ENOUGH, FirstRecords, SPAN};
use crate::alignment::record::{Record, SMALLEST};
use crate::error::{Error, Offset, Result};
use crate::genome::{Contigs, RegionSet};
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Condition, Cut, Dataset, Decoder, FormatId, Head, IndexState, OnError, OpenOptions, Partition, Pushdown,
    RecordDecoder, ScanPlan, ScanRequest, SpanColumns, Statistics, StreamFile, advice,
};

/// An opened BAM file.
#[derive(Debug)]
pub struct BamDataset {
    file: AlignmentFile,
    header: Arc<BamHeader>,
    longest: usize,
}

impl BamDataset {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let file = StreamFile::open(at, io, options).await?;
        let (header, first, start) = {
            let mut head = file.head(io, options.limits.header_bytes);
            let read = async {
                let header = BamHeader::read(&mut head, &options.limits).await.map_err(|e| e.at(Offset::Byte(0)))?;
                // An empty block may follow the header, so the first record's place is where the next byte comes from.
                let start = head.offset(header.len);
                let first = sample_records(&mut head, &header, options).await?;
                Ok((header, first, start))
            };
            read.await.map_err(|e: Error| advice::on_header(e.in_object(at), CORRECT))?
        };
        let file = AlignmentFile::new(file, Arc::clone(&header.contigs), start, first, &options.columns);
        Ok(Self { file, header: Arc::new(header), longest: options.limits.record_bytes })
    }

    /// The header.
    pub fn header(&self) -> &BamHeader {
        &self.header
    }
}

/// What to do about a broken header.
const CORRECT: &str = "the file is damaged or no BAM: copy or download it again; samtools quickcheck looks at it too";

/// Looks for tags in the first records, and at where the first one lies. A broken record is left for the scan to report.
async fn sample_records(head: &mut Head<'_>, header: &BamHeader, options: &OpenOptions) -> Result<FirstRecords> {
    let mut first = FirstRecords::default();
    let (mut at, limit) = (header.len, options.limits.header_bytes);
    for _ in 0..options.limits.sampled_records {
        if at - header.len >= ENOUGH || !reach(head, at + 4, &first, limit).await? {
            break;
        }
        let Some(size) = head.bytes()[at..].first_chunk::<4>().map(|b| i32::from_le_bytes(*b)) else { break };
        let size = match usize::try_from(size) {
            Ok(size) if (SMALLEST..=options.limits.record_bytes).contains(&size) => size,
            _ => break,
        };
        if !reach(head, at + 4 + size, &first, limit).await? {
            break;
        }
        let Ok(record) = Record::new(&head.bytes()[at + 4..at + 4 + size], header.contigs.len()) else { break };
        if first.add(&record).is_err() {
            break;
        }
        at += 4 + size;
    }
    Ok(first)
}

/// Whether `n` bytes are there, or are worth to be read on for. The header's bytes are bounded by `limit`; a sample that would
/// go beyond has seen enough.
async fn reach(head: &mut Head<'_>, n: usize, first: &FirstRecords, limit: usize) -> Result<bool> {
    while head.bytes().len() < n {
        if n > limit || first.are_enough(head) || !head.more().await? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl BamDataset {
    fn decode(&self, rows: AlignmentRows, request: &ScanRequest, partition: &Partition) -> Box<dyn Decoder> {
        let rows = BamRows { rows, longest: self.longest };
        let numbered = self.file.is_first(partition);
        let decoder = RecordDecoder::new(rows, request, self.longest.saturating_add(4), numbered);
        Box::new(decoder.after_header(self.header.len).on_error(self.file.on_error()))
    }
}

impl Dataset for BamDataset {
    fn format(&self) -> FormatId {
        Bam::ID
    }

    fn schema(&self) -> SchemaRef {
        self.file.schema()
    }

    fn contigs(&self) -> Option<&Contigs> {
        Some(&self.header.contigs)
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
        async move {
            let starts = BamStarts { contigs: Arc::clone(&self.header.contigs), longest: self.longest };
            self.file.find_cuts(io, partitions, &starts).await
        }
        .boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        Ok(self.file.plan(request, Cut::Never, &self.header.warnings))
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
