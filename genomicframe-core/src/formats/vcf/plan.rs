//! The dataset: what the header and the index allow to decide without reading a record.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Field, SchemaRef};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::decode::{Begin, VcfRows};
use super::encode::write_header;
use super::header::{self, Header};
use super::schema::Columns;
use crate::error::{Error, Offset, Result};
use crate::genome::RegionSet;
use crate::genome::{Contig, Contigs};
use crate::index::BinningIndex;
use crate::io::{Location, ObjectIo};
use crate::scan::{
    Computed, Condition, Cut, Dataset, Decoder, FormatId, Framing, IndexState, LineStarts, OpenOptions, Partition,
    Pushdown, RecordDecoder, ScanPlan, ScanRequest, SpanColumns, Statistics, StreamFile, advice,
};

pub(super) const ID: FormatId = FormatId("vcf");

/// Names of index files, the first found counts.
const INDEX_SUFFIXES: [&str; 2] = [".tbi", ".csi"];

/// What to do about a broken header.
const CORRECT: &str = "correct the header; bcftools reheader replaces it";

/// An opened VCF file.
#[derive(Debug)]
pub struct VcfDataset {
    file: StreamFile,
    header: Header,
    /// The header of rows written back: with the samples that were asked for.
    written_header: String,
    /// Records begin here.
    data_start: Offset,
    columns: Arc<Columns>,
    indexed: OnceLock<Indexed>,
    longest_line: usize,
}

/// Names that the index adds.
#[derive(Debug)]
struct Indexed {
    /// Numbered as in the index.
    references: Contigs,
    /// The header's contigs and those that only the index names: headers often lack some or all.
    contigs: Contigs,
}

impl VcfDataset {
    pub(super) async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let mut file = StreamFile::open(at, io, options).await?;
        let mut head = file.head(io, options.limits.header_bytes);
        let header = header::read(&mut head, &options.limits).await;
        let mut header = header.map_err(|e| advice::on_header(e.in_object(at).at(Offset::Byte(0)), CORRECT))?;
        header.contigs = std::mem::take(&mut header.contigs).or_others(true);
        let data_start = head.offset(header.bytes);
        drop(head);
        file.set_data_start(data_start);
        file.set_contig_column(0, "chrom");
        let columns = Arc::new(Columns::new(&header, options)?);
        let longest_line = options.limits.record_bytes;
        let mut written = Vec::new();
        write_header(&header.text, columns.sample_names.iter().map(String::as_str), &mut written);
        let written_header = String::from_utf8_lossy(&written).into_owned();
        Ok(Self { file, header, written_header, data_start, columns, indexed: OnceLock::new(), longest_line })
    }

    /// The header as written, from `##fileformat` to the `#CHROM` line.
    pub fn header_text(&self) -> &str {
        &self.header.text
    }

    /// The samples that `format_*` lists are over, in their order.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.sample_names.iter().map(String::as_str)
    }

    /// A contig's number in the index.
    fn reference(&self, _: &BinningIndex, contig: &str) -> Option<usize> {
        self.indexed.get()?.references.get(contig)
    }

    fn learn_names(&self) -> Result<()> {
        let Some(index) = self.file.index() else { return Ok(()) };
        let tabix = index.tabix().filter(|t| t.columns[..2] == [1, 2] && !t.zero_based);
        let Some(tabix) = tabix else {
            return Err(Error::corrupt("the index was not made for VCF: it names no contigs, or other columns")
                .in_object(&self.file.object().location)
                .hint("index the file again: tabix -p vcf"));
        };
        let references: Contigs = tabix.names.iter().map(String::as_str).collect();
        let mut contigs = self.header.contigs.clone().or_others(false);
        for name in &tabix.names {
            if contigs.get(name).is_none() {
                contigs.push(Contig { name: name.clone(), length: None });
            }
        }
        let _ = self.indexed.set(Indexed { references, contigs });
        Ok(())
    }

    fn begin(&self, partition: &Partition) -> Begin {
        let [segment] = &partition.segments[..] else { return Begin::Within };
        let start = match segment.framing {
            Framing::Gzip => return Begin::Header(self.header.bytes),
            Framing::Pages { .. } | Framing::Counted { .. } => return Begin::Within,
            Framing::Raw { mid_line: true, .. } => return Begin::Within,
            Framing::Raw { start, .. } => Offset::Byte(start),
            Framing::Bgzf { start, .. } => Offset::Virtual(start),
        };
        if start == self.data_start { Begin::FirstRecord(self.header.lines) } else { Begin::Within }
    }
}

impl Dataset for VcfDataset {
    fn format(&self) -> FormatId {
        ID
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.columns.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        let header = (!self.header.contigs.is_empty()).then_some(&self.header.contigs);
        self.indexed.get().map(|i| &i.contigs).or(header)
    }

    fn header_text(&self) -> Option<&str> {
        Some(&self.written_header)
    }

    fn sample(&self) -> Option<String> {
        match &self.columns.sample_names[..] {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    /// Records may lie on contigs that the header does not list; an index names all that have records.
    fn names_every_contig(&self) -> bool {
        self.indexed.get().is_some()
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(SpanColumns { contig: "chrom", start: "pos", end: "end", zero_based: false })
    }

    fn statistics(&self) -> Statistics {
        self.file.statistics(self.contigs(), |index, contig| self.reference(index, contig))
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        self.file.pushdown(condition, &|name| self.columns.testable(name))
    }

    fn compute(&self, computed: &Computed) -> Option<Field> {
        self.columns.compute(computed).map(|(_, field)| field)
    }

    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        async move {
            self.file.load_index(io, &INDEX_SUFFIXES).await?;
            if self.indexed.get().is_some() {
                return Ok(());
            }
            self.learn_names()?;
            let name = |id| self.indexed.get()?.references.name(id).map(str::to_owned);
            let written = |contig: &[u8]| std::str::from_utf8(contig).ok().map(str::to_owned);
            let is_record = |line: &[u8]| !matches!(line.first(), None | Some(b'#'));
            self.file.check_first_record(io, self.header.bytes, is_record, name, written).await
        }
        .boxed()
    }

    fn index_state(&self) -> IndexState {
        self.file.index_state()
    }

    fn find_cuts<'a>(&'a self, io: &'a dyn ObjectIo, partitions: usize) -> BoxFuture<'a, Result<()>> {
        self.file.find_cuts(io, partitions, &LineStarts).boxed()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        let mut plan =
            self.file.plan(request, Cut::AtLines, self.contigs(), |index, contig| self.reference(index, contig));
        let at = &self.file.object().location;
        let told = self.header.warnings.iter().chain(&self.columns.warnings);
        plan.warnings.extend(told.map(|w| format!("{at}: {w}")));
        Ok(plan)
    }

    fn decoder(&self, request: &ScanRequest, partition: &Partition) -> Result<Box<dyn Decoder>> {
        let filter = self.file.span_filter(request, self.contigs());
        let begin = self.begin(partition);
        let rows = VcfRows::new(Arc::clone(&self.columns), request, filter, begin)?;
        // Of plain gzip the header's lines come through the decoder too: the line tells the place there.
        let numbered = matches!(begin, Begin::FirstRecord(_));
        let decoder = RecordDecoder::new(rows, request, self.longest_line, numbered);
        Ok(Box::new(decoder.on_error(self.file.on_error())))
    }
}
