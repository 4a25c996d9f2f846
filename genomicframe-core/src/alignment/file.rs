//! A file of alignments, possibly with a BAI or CSI: what BAM and SAM share.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::fields::field_of;
use super::record::Record;
use super::rows::AlignmentRows;
use super::schema::{self, Column, SeenTags};
use crate::error::{Error, Offset, Result};
use crate::genome::Contigs;
use crate::index::BinningIndex;
use crate::io::ObjectIo;
use crate::scan::{
    Condition, Cut, Head, IndexState, OnError, Partition, Pushdown, RecordStarts, ScanPlan, ScanRequest, SpanColumns,
    SpanFilter, Statistics, StreamFile, Test,
};

/// Where a record lies, as columns.
pub const SPAN: SpanColumns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: false };

/// Bytes of first records after which looking ends: a sample of long ones is as good as one of many.
pub(crate) const ENOUGH: usize = 4 << 20;
/// Records for which another read is made, where the first one holds fewer.
const FEW: usize = 20;

/// What the first records show.
#[derive(Debug, Default)]
pub(crate) struct FirstRecords {
    seen: SeenTags,
    records: usize,
    /// The contig of the first one, if there is one and it is sound.
    contig: Option<Option<usize>>,
}

impl FirstRecords {
    /// Adds `record`.
    ///
    /// # Errors
    /// When its tags are broken.
    pub(crate) fn add(&mut self, record: &Record<'_>) -> Result<()> {
        self.contig.get_or_insert(record.contig());
        self.records += 1;
        self.seen.add(record)
    }

    /// Whether these few are enough, rather than to read on: that would be a round trip before each query.
    pub(crate) fn are_enough(&self, head: &Head<'_>) -> bool {
        self.records >= FEW && head.reads_on()
    }
}

/// The stored file, its schema, and how it is narrowed.
#[derive(Debug)]
pub(crate) struct AlignmentFile {
    file: StreamFile,
    contigs: Arc<Contigs>,
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Where the first record starts.
    start: Offset,
    first_contig: Option<Option<usize>>,
}

impl AlignmentFile {
    /// `asked` are column names that a query uses.
    pub(crate) fn new(
        mut file: StreamFile,
        contigs: Arc<Contigs>,
        start: Offset,
        first: FirstRecords,
        asked: &[String],
    ) -> Self {
        file.set_data_start(start);
        let (schema, columns) = schema::build(first.seen, asked);
        if let Ok(number) = schema.index_of(SPAN.contig) {
            file.set_contig_column(number, SPAN.contig);
        }
        Self { file, contigs, schema, columns, start, first_contig: first.contig }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        self.file.statistics(Some(&self.contigs), self.reference())
    }

    pub(crate) fn pushdown(&self, condition: &Condition) -> Pushdown {
        self.file.pushdown(condition, &field_of(&self.schema, &self.columns))
    }

    /// What becomes of malformed records.
    pub(crate) fn on_error(&self) -> OnError {
        self.file.on_error()
    }

    /// Reads the index, once.
    ///
    /// # Errors
    /// When it is broken or another file's.
    pub(crate) async fn load_index(&self, io: &dyn ObjectIo) -> Result<()> {
        self.file.load_index(io, &[".bai", ".csi"]).await?;
        self.check_index().map_err(|e| {
            e.in_object(&self.file.object().location).hint("the index belongs to another file: index it again")
        })
    }

    /// What is there of the index.
    pub(crate) fn index_state(&self) -> IndexState {
        self.file.index_state()
    }

    /// Finds places where it can be cut without an index, once.
    ///
    /// # Errors
    /// When the storage fails.
    pub(crate) async fn find_cuts(
        &self,
        io: &dyn ObjectIo,
        partitions: usize,
        starts: &dyn RecordStarts,
    ) -> Result<()> {
        self.file.find_cuts(io, partitions, starts).await
    }

    /// What to read for `request`; `told` are the header's warnings.
    pub(crate) fn plan(&self, request: &ScanRequest, cut: Cut, told: &[String]) -> ScanPlan {
        let mut plan = self.file.plan(request, cut, Some(&self.contigs), self.reference());
        let at = &self.file.object().location;
        plan.warnings.extend(told.iter().map(|w| format!("{at}: {w}")));
        plan
    }

    /// What builds the rows that `request` wants.
    ///
    /// # Errors
    /// When it has a condition that cannot be tested.
    pub(crate) fn rows(&self, request: &ScanRequest) -> Result<AlignmentRows> {
        let columns: Vec<_> = request.projection.iter().filter_map(|i| self.columns.get(*i).copied()).collect();
        let schema = Arc::new(self.schema.project(&request.projection)?);
        let (span, test) = self.conditions(request)?;
        AlignmentRows::new(schema, &columns, Arc::clone(&self.contigs), span, test)
    }

    /// What makes lines of the same records.
    ///
    /// # Errors
    /// When `request` has a condition that cannot be tested.
    pub(crate) fn lines(&self, request: &ScanRequest) -> Result<AlignmentRows> {
        let (span, test) = self.conditions(request)?;
        Ok(AlignmentRows::lines(Arc::clone(&self.contigs), span, test))
    }

    fn conditions(&self, request: &ScanRequest) -> Result<(Option<SpanFilter>, Test)> {
        let (conditions, decided) = request.predicate.besides(request.regions.as_deref());
        let test = Test::bind_all(&conditions, &field_of(&self.schema, &self.columns));
        let test =
            test.ok_or_else(|| Error::invalid(format!("the scan of alignments cannot apply {}", request.predicate)))?;
        // Of the regions themselves, a record on the contig without a position is one; the condition holds for none such.
        let span = self.file.span_filter(request, Some(&self.contigs)).map(|span| span.strictly(decided));
        Ok((span, test))
    }

    /// Whether `partition` begins with the first record.
    pub(crate) fn is_first(&self, partition: &Partition) -> bool {
        self.file.is_first(partition)
    }

    fn reference(&self) -> impl Fn(&BinningIndex, &str) -> Option<usize> {
        |_, contig| self.contigs.get(contig)
    }

    /// Whether the index was made for this file, as far as the file's beginning can tell.
    fn check_index(&self) -> Result<()> {
        let Some(index) = self.file.index() else { return Ok(()) };
        if index.tabix().is_some() {
            return Err(Error::corrupt("its index is one of a text file"));
        }
        let (indexed, contigs) = (index.references().len(), self.contigs.len());
        if indexed > contigs {
            return Err(Error::corrupt(format!("its index has {indexed} contigs where the file has {contigs}")));
        }
        let Offset::Virtual(first) = self.start else { return Ok(()) };
        match (index.start_of_placed(), self.first_contig) {
            (None, Some(Some(contig))) => {
                let name = self.contigs.name(contig).unwrap_or_default();
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
                let name = |id: Option<usize>| id.and_then(|id| self.contigs.name(id)).unwrap_or("no contig");
                Err(Error::corrupt(format!(
                    "its first record lies on {} but its index begins with {}",
                    name(first),
                    name(Some(indexed))
                )))
            }
            _ => Ok(()),
        }
    }
}

/// The one sample that a SAM header's read groups name, where it is just one.
pub fn sample(header: &str) -> Option<String> {
    let read_groups = header.lines().filter_map(|l| l.strip_prefix("@RG\t"));
    let mut samples = read_groups.filter_map(|l| l.split('\t').find_map(|field| field.strip_prefix("SM:")));
    let first = samples.next()?;
    samples.all(|s| s == first).then(|| first.to_owned())
}
