//! The dataset: an opened BAM file and its index.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::Bam;
use super::decode::BamRows;
use super::header::BamHeader;
use crate::alignment::record::{Record, SMALLEST};
use crate::alignment::rows::{AlignmentRows, field_of};
use crate::alignment::schema::{self, Column, SeenTags};
use crate::error::{Error, Offset, Result};
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
    /// Where the first record starts, and its contig, if there is one and it is sound.
    start: Offset,
    first_contig: Option<Option<usize>>,
    longest: usize,
}

impl BamDataset {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let mut file = StreamFile::open(at, io, options).await?;
        let (header, seen, first_contig, start) = {
            let mut head = file.head(io, options.limits.header_bytes);
            let read = async {
                let header = BamHeader::read(&mut head, &options.limits).await?;
                // An empty block may follow the header, so the first record's place is where the next byte comes from.
                let start = head.offset(header.len);
                let (seen, first_contig) = sample_records(&mut head, &header, options).await?;
                Ok((header, seen, first_contig, start))
            };
            read.await.map_err(|e: Error| e.in_object(at))?
        };
        file.set_data_start(start);
        let (schema, columns) = schema::build(seen, &options.columns);
        let longest = options.limits.record_bytes;
        Ok(Self { file, header: Arc::new(header), schema, columns, start, first_contig, longest })
    }

    /// The header.
    pub fn header(&self) -> &BamHeader {
        &self.header
    }

    /// Whether the index was made for this file, as far as the file's beginning can tell.
    fn check_index(&self) -> Result<()> {
        let Some(index) = self.file.index() else { return Ok(()) };
        if index.tabix().is_some() {
            return Err(Error::corrupt("its index is one of a text file"));
        }
        let (indexed, contigs) = (index.references().len(), self.header.contigs.len());
        if indexed > contigs {
            return Err(Error::corrupt(format!("its index has {indexed} contigs where the file has {contigs}")));
        }
        let Offset::Virtual(first) = self.start else { return Ok(()) };
        match (index.start_of_placed(), self.first_contig) {
            (None, Some(Some(contig))) => {
                let name = self.header.contigs.name(contig).unwrap_or_default();
                Err(Error::corrupt(format!("its index is empty but its first record lies on {name}")))
            }
            (Some((start, _)), _) if start > first => {
                Err(Error::corrupt(format!("its first record is at {first} but its index begins at {start}")))
            }
            // A writer may say that a block's end is where the next one's record starts.
            (Some((start, _)), _)
                if start < first && (start.within() == 0 || start.compressed() == first.compressed()) =>
            {
                Err(Error::corrupt(format!("its index begins at {start}, within its header")))
            }
            (Some((_, indexed)), Some(first)) if first != Some(indexed) => {
                let name = |id: Option<usize>| id.and_then(|id| self.header.contigs.name(id)).unwrap_or("no contig");
                Err(Error::corrupt(format!(
                    "its first record lies on {} but its index begins with {}",
                    name(first),
                    name(Some(indexed))
                )))
            }
            _ => Ok(()),
        }
    }

    fn reference(&self) -> impl Fn(&BinningIndex, &str) -> Option<usize> {
        |_, contig| self.header.contigs.get(contig)
    }
}

/// Looks for tags in the first records, and at where the first one lies. A broken record is left for the scan to report.
async fn sample_records(
    head: &mut Head<'_>,
    header: &BamHeader,
    options: &OpenOptions,
) -> Result<(SeenTags, Option<Option<usize>>)> {
    let mut seen = SeenTags::default();
    let mut first_contig = None;
    let mut at = header.len;
    // The header's bytes are bounded; a sample that would go beyond has seen enough.
    for _ in 0..options.limits.sampled_records {
        if at + 4 > options.limits.header_bytes || !head.at_least(at + 4).await? {
            break;
        }
        let Some(size) = head.bytes()[at..].first_chunk::<4>().map(|b| i32::from_le_bytes(*b)) else { break };
        let size = match usize::try_from(size) {
            Ok(size) if (SMALLEST..=options.limits.record_bytes).contains(&size) => size,
            _ => break,
        };
        if at + 4 + size > options.limits.header_bytes || !head.at_least(at + 4 + size).await? {
            break;
        }
        let Ok(record) = Record::new(&head.bytes()[at + 4..at + 4 + size], header.contigs.len()) else { break };
        first_contig.get_or_insert(record.contig());
        if seen.add(&record).is_err() {
            break;
        }
        at += 4 + size;
    }
    Ok((seen, first_contig))
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

    fn header_text(&self) -> Option<&str> {
        Some(&self.header.text)
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
        async move {
            self.file.load_index(io, &[".bai", ".csi"]).await?;
            self.check_index().map_err(|e| {
                e.in_object(&self.file.object().location).hint("the index belongs to another file: index it again")
            })
        }
        .boxed()
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
            test.ok_or_else(|| Error::invalid(format!("the scan of a BAM cannot apply {}", request.predicate)))?;
        let contigs = Arc::clone(&self.header.contigs);
        let rows = BamRows { rows: AlignmentRows::new(schema, &columns, contigs, span, test), longest: self.longest };
        let numbered = self.file.is_first(partition);
        let decoder = RecordDecoder::new(rows, request, self.longest.saturating_add(4), numbered);
        Ok(Box::new(decoder.after_header(self.header.len)))
    }
}
