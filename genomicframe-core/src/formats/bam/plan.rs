//! The dataset: an opened BAM file and its index.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Bam;
use super::decode::{BamRows, field_of};
use super::header::BamHeader;
use super::record::{Record, SMALLEST};
use super::schema::{self, Column, SeenTags};
use crate::error::Result;
use crate::genome::Contigs;
use crate::index::BinningIndex;
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Condition, Cut, Dataset, Decoder, FormatId, Head, OpenOptions, Partition, Pushdown, RecordDecoder, ScanPlan,
    ScanRequest, SpanColumns, Statistics, StreamFile, Test,
};

/// An opened BAM file.
#[derive(Debug)]
pub struct BamDataset {
    file: StreamFile,
    header: Arc<BamHeader>,
    schema: SchemaRef,
    columns: Vec<Column>,
    longest: usize,
}

impl BamDataset {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let mut file = StreamFile::open(at, io, options).await?;
        let (header, seen, start) = {
            let mut head = file.head(io, options.limits.header_bytes);
            let read = async {
                let header = BamHeader::read(&mut head, &options.limits).await?;
                // An empty block may follow the header, so the first record's place is where the next byte comes from.
                let start = head.offset(header.len);
                let seen = sample_tags(&mut head, &header, options).await?;
                Ok((header, seen, start))
            };
            read.await.map_err(|e: crate::Error| e.in_object(at))?
        };
        file.set_data_start(start);
        let (schema, columns) = schema::build(seen, &options.columns);
        Ok(Self { file, header: Arc::new(header), schema, columns, longest: options.limits.record_bytes })
    }

    /// The header.
    pub fn header(&self) -> &BamHeader {
        &self.header
    }

    fn reference(&self) -> impl Fn(&BinningIndex, &str) -> Option<usize> {
        |_, contig| self.header.contigs.get(contig)
    }
}

/// Looks for tags in the first records, as far as whole ones are at hand. A broken record is left for the scan to report.
async fn sample_tags(head: &mut Head<'_>, header: &BamHeader, options: &OpenOptions) -> Result<SeenTags> {
    let mut seen = SeenTags::default();
    let mut at = header.len;
    for _ in 0..options.limits.sampled_records {
        if !head.at_least(at + 4).await? {
            break;
        }
        let Some(size) = head.bytes()[at..].first_chunk::<4>().map(|b| i32::from_le_bytes(*b)) else { break };
        let size = match usize::try_from(size) {
            Ok(size) if (SMALLEST..=options.limits.record_bytes).contains(&size) => size,
            _ => break,
        };
        // The header's bytes are bounded; a sample that would go beyond has seen enough.
        if at + 4 + size > options.limits.header_bytes || !head.at_least(at + 4 + size).await? {
            break;
        }
        let Ok(record) = Record::new(&head.bytes()[at + 4..at + 4 + size], header.contigs.len()) else { break };
        if seen.add(&record).is_err() {
            break;
        }
        at += 4 + size;
    }
    Ok(seen)
}

impl Dataset for BamDataset {
    fn format(&self) -> FormatId {
        Bam::ID
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        Some(&self.header.contigs)
    }

    fn sample(&self) -> Option<String> {
        let read_groups = self.header.text.lines().filter_map(|l| l.strip_prefix("@RG\t"));
        let mut samples = read_groups.filter_map(|l| l.split('\t').find_map(|field| field.strip_prefix("SM:")));
        let first = samples.next()?;
        samples.all(|s| s == first).then(|| first.to_owned())
    }

    fn encode_header(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.header.text.as_bytes());
        if out.last().is_some_and(|last| *last != b'\n') {
            out.push(b'\n');
        }
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: false })
    }

    fn statistics(&self) -> Statistics {
        self.file.statistics(self.contigs(), self.reference())
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        match Test::bind(condition, &field_of(&self.schema, &self.columns)) {
            Some(_) => Pushdown::Exact,
            None => Pushdown::Unsupported,
        }
    }

    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo) -> BoxFuture<'a, Result<()>> {
        self.file.load_index(io, &[".bai", ".csi"]).boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        let mut plan = self.file.plan(request, Cut::Never, self.contigs(), self.reference());
        let at = &self.file.object().location;
        plan.warnings.extend(self.header.warnings.iter().map(|w| format!("{at}: {w}")));
        Ok(plan)
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        let columns: Vec<_> = request.projection.iter().filter_map(|i| self.columns.get(*i).copied()).collect();
        let schema = Arc::new(self.schema.project(&request.projection)?);
        let span = self.file.span_filter(request, self.contigs());
        let test = Test::bind_all(&request.predicate.all, &field_of(&self.schema, &self.columns));
        let test =
            test.ok_or_else(|| crate::Error::invalid(format!("the scan of a BAM cannot apply {}", request.predicate)))?;
        let rows = BamRows::new(schema, &columns, Arc::clone(&self.header), span, test, self.longest);
        let numbered = self.file.is_first(partition);
        Ok(Box::new(RecordDecoder::new(rows, request, self.longest.saturating_add(4), numbered)))
    }
}
