//! The dataset: requests to chunks.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;
use genomicframe_core::alignment::fields::field_of;
use genomicframe_core::alignment::record::frame;
use genomicframe_core::alignment::{self, AlignmentRows, Column, Record, SeenTags};
use genomicframe_core::genome::{Contigs, Interval, RegionSet, resolve_names};
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta};
use genomicframe_core::scan::{
    Condition, Dataset, Decoder, FieldType, FormatId, Framing, IndexUse, ObjectId, OpenOptions, Partition, Precision,
    Pruning, Pushdown, ScanPlan, ScanRequest, Segment, SpanColumns, SpanFilter, Statistics, Test,
};
use genomicframe_core::{Error, Result};

use super::decode::ChunkDecoder;
use super::open::Opened;
use super::{Flavour, LegacyMetadata};
use crate::Bams3;

/// An opened dataset of BAMS3 0.1 or 0.2.
///
/// Columns that it does not store are null. Where it stores no CIGAR, a mapped read is taken to span as much of its
/// contig as it has bases: `end` says so, and so do regions.
///
/// Nothing stored says how far a chunk's reads reach, so a region needs every chunk of its contig that starts before its
/// end. What scans see of a chunk is remembered as long as the dataset is open, and later scans leave out what ends too
/// early.
#[derive(Debug)]
pub struct LegacyDataset {
    opened: Arc<Opened>,
    schema: SchemaRef,
    columns: Vec<Column>,
    longest: usize,
}

impl LegacyDataset {
    /// Opens the dataset at `at`, whose `_metadata.json` is `root`. Reads its header, and the first chunk for its tags.
    ///
    /// # Errors
    /// When metadata or header are damaged, or the storage fails.
    pub async fn open(at: &Location, root: &[u8], io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let opened = Opened::open(at, root, io, &options.limits).await?;
        let mut seen = SeenTags::default();
        if opened.metadata.flavour != Flavour::PythonJson && !opened.metadata.chunks.is_empty() {
            sample(&opened, io, options.limits.sampled_records, &mut seen).await?;
        }
        let (schema, columns) = alignment::schema::build(seen, &options.columns);
        Ok(Self { opened: Arc::new(opened), schema, columns, longest: options.limits.record_bytes })
    }

    /// Its metadata.
    pub fn metadata(&self) -> &LegacyMetadata {
        &self.opened.metadata
    }

    /// The number under which a condition finds a column. The records' bytes have a template length, but it is 0 for not
    /// stored: as null as the mate's position, which takes its place.
    fn field(&self) -> impl Fn(&str) -> Option<(usize, FieldType)> {
        let fields = field_of(&self.schema, &self.columns);
        move |name| fields(if name == "tlen" { "pnext" } else { name })
    }

    /// Whether, and why, chunk `n` may hold records of `regions`.
    fn judge(&self, n: usize, regions: &RegionSet) -> Verdict {
        let Opened { metadata, contigs, .. } = &*self.opened;
        let chunk = &metadata.chunks[n];
        let Some(id) = chunk.contig else {
            // The Python program puts all unmapped reads there, without their position.
            let names_contig = metadata.flavour == Flavour::PythonJson;
            let whole_contig = regions.iter().any(|(_, intervals)| intervals == [Interval::ALL]);
            let wanted = regions.has_unplaced() || (names_contig && whole_contig);
            return if wanted { Verdict::Read } else { Verdict::Leave("of reads without a position") };
        };
        let intervals = regions.intervals(contigs.name(id).unwrap_or_default());
        // Reads without a position belong to the whole contig, and no bound tells of them.
        if intervals == [Interval::ALL] {
            return Verdict::Read;
        }
        if intervals.is_empty() {
            return Verdict::Leave("on other contigs");
        }
        let starts = i64::try_from(chunk.start).unwrap_or(i64::MAX).saturating_add(1);
        let touches = |end: u64| {
            let end = i64::try_from(end).unwrap_or(i64::MAX);
            intervals.iter().any(|i| i.overlaps(starts, end))
        };
        if !touches(u64::MAX) {
            return Verdict::Leave("after the regions");
        }
        match self.opened.reach(n) {
            Some(reach) if reach.get(&id).is_some_and(|end| touches(*end)) => Verdict::Read,
            Some(_) => Verdict::Leave("before the regions"),
            None if touches(chunk.end) => Verdict::Read,
            None => Verdict::Unbounded,
        }
    }

    fn warnings(&self, request: &ScanRequest) -> Vec<String> {
        let Opened { at, metadata, .. } = &*self.opened;
        let mut out: Vec<String> = metadata.warnings.iter().map(|w| format!("{at}: {w}")).collect();
        let projected: Vec<&str> =
            request.projection.iter().filter_map(|i| self.schema.fields().get(*i)).map(|f| f.name().as_str()).collect();
        let absent = metadata.absent_columns();
        let asked: Vec<&str> = absent.iter().copied().filter(|c| projected.contains(c)).collect();
        if !asked.is_empty() {
            let version = &metadata.version;
            out.push(format!("{at}: BAMS3 {version} as it was written here stores no {}: null", asked.join(", ")));
        }
        if absent.contains(&"cigar") && (request.regions.is_some() || projected.contains(&"end")) {
            out.push(format!("{at}: no CIGAR is stored: reads are taken to end as if all their bases were aligned"));
        }
        out
    }

    /// Shares chunks out by their bytes, in order.
    fn share(&self, chunks: &[usize], wanted: usize) -> Result<(Vec<ObjectMeta>, Vec<Partition>)> {
        let objects: Vec<ObjectMeta> = chunks.iter().map(|n| self.opened.object(*n)).collect::<Result<_>>()?;
        let total = objects.iter().fold(0u64, |sum, o| sum.saturating_add(o.size.max(1)));
        let share = total.div_ceil(wanted.max(1) as u64).max(1);
        let (mut out, mut room): (Vec<Partition>, u64) = (Vec::new(), 0);
        for ((i, n), object) in chunks.iter().enumerate().zip(&objects) {
            if room == 0 {
                out.push(Partition::default());
                room = share;
            }
            room = room.saturating_sub(object.size.max(1));
            let chunk = *n as u64;
            let framing = Framing::Pages { chunk, first: 0, groups: 1, bytes: object.size, requests: 1 };
            if let Some(open) = out.last_mut() {
                open.segments.push(Segment::new(ObjectId(i as u32), 0..object.size, framing));
            }
        }
        Ok((objects, out))
    }
}

/// What becomes of a chunk, and why.
enum Verdict {
    Read,
    /// It would not be read if it was known how far it reaches.
    Unbounded,
    Leave(&'static str),
}

/// Looks for tags in the first records. What is damaged or missing is left for the scan to report.
async fn sample(opened: &Opened, io: &dyn ObjectIo, most: usize, seen: &mut SeenTags) -> Result<()> {
    let mut records = Vec::new();
    match opened.read(0, io, &mut records).await {
        Err(e) if e.is_io() => return Err(e),
        Err(_) => return Ok(()),
        Ok(_) => {}
    }
    let mut rest = &records[..];
    for _ in 0..most {
        let Some(len) = (if rest.is_empty() { None } else { frame(rest, true, usize::MAX)? }) else { break };
        seen.add(&Record::new(&rest[4..len], opened.contigs.len())?)?;
        rest = &rest[len..];
    }
    Ok(())
}

impl Dataset for LegacyDataset {
    fn format(&self) -> FormatId {
        Bams3::ID
    }

    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn contigs(&self) -> Option<&Contigs> {
        Some(&self.opened.contigs)
    }

    fn sample(&self) -> Option<String> {
        alignment::sample(&self.opened.metadata.header_text)
    }

    fn header_text(&self) -> Option<&str> {
        Some(&self.opened.metadata.header_text)
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(alignment::SPAN)
    }

    /// Exact where the manifest lists every object once and its sums agree.
    fn statistics(&self) -> Statistics {
        let metadata = &self.opened.metadata;
        let sum =
            |of: fn(&super::LegacyChunk) -> u64| metadata.chunks.iter().try_fold(0u64, |n, c| n.checked_add(of(c)));
        let (Some(rows), Some(bytes)) = (sum(|c| c.rows), sum(|c| c.bytes)) else { return Statistics::default() };
        if self.opened.lacks_sizes() || metadata.totals.reads.is_some_and(|n| n != rows) {
            let (rows, bytes) = (Precision::Inexact(rows), Precision::Inexact(bytes));
            return Statistics { rows, bytes, ..Statistics::default() };
        }
        // The Python program's reads without a position may name any contig.
        let hides_contigs =
            metadata.flavour == Flavour::PythonJson && metadata.chunks.iter().any(|c| c.contig.is_none() && c.rows > 0);
        let rows_by_contig = (!hides_contigs).then(|| {
            let mut counts = vec![0; self.opened.contigs.len()];
            metadata.chunks.iter().filter_map(|c| Some((c.contig?, c.rows))).for_each(|(id, n)| counts[id] += n);
            counts
        });
        let (rows, bytes) = (Precision::Exact(rows), Precision::Exact(bytes));
        Statistics { rows, bytes, rows_by_contig, ranges: Vec::new() }
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        match Test::bind(condition, &self.field()) {
            Some(_) => Pushdown::Exact,
            None => Pushdown::Unsupported,
        }
    }

    /// There is none; but sizes that the manifest leaves open are found.
    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, _: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        self.opened.find_all(io).boxed()
    }

    fn needs_index(&self) -> bool {
        self.opened.lacks_sizes()
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        let at = &self.opened.at;
        let mut warnings = self.warnings(request);
        let own = request.regions.as_ref().map(|regions| {
            let (own, replaced) = resolve_names(regions, Some(&self.opened.contigs));
            warnings.extend(replaced.iter().map(|(asked, own)| format!("{at}: contig {asked} is read as {own}")));
            Arc::new(own)
        });
        let all = self.opened.metadata.chunks.len();
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        let (mut chunks, mut unbounded) = (Vec::new(), 0u64);
        for n in 0..all {
            match own.as_ref().map_or(Verdict::Read, |regions| self.judge(n, regions)) {
                Verdict::Read => chunks.push(n),
                Verdict::Unbounded => {
                    unbounded += 1;
                    chunks.push(n);
                }
                Verdict::Leave(reason) => *reasons.entry(reason.to_owned()).or_default() += 1,
            }
        }
        if unbounded > 0 {
            warnings.push(format!(
                "{at}: {unbounded} chunks are read only because nothing stored says how far their reads reach"
            ));
        }
        if request.limit == Some(0) {
            chunks.clear();
        }
        let (objects, partitions) = self.share(&chunks, request.partitions)?;
        let units = vec![("chunks", all as u64, chunks.len() as u64)];
        let pruning = Some(Pruning { units, reasons: reasons.into_iter().collect() });
        let (objects, index) = (objects.into(), IndexUse::Statistics);
        Ok(ScanPlan { objects, partitions, index, regions: own, pruning, warnings })
    }

    fn decoder(&self, request: &ScanRequest, _: &Partition) -> Result<Box<dyn Decoder>> {
        let schema = Arc::new(self.schema.project(&request.projection)?);
        let columns: Vec<_> = request.projection.iter().filter_map(|i| self.columns.get(*i).copied()).collect();
        let regions = request.regions.as_ref().map(|r| Arc::new(resolve_names(r, Some(&self.opened.contigs)).0));
        let test = Test::bind_all(&request.predicate.all, &self.field());
        let test = test
            .ok_or_else(|| Error::invalid(format!("the scan of a BAMS3 dataset cannot apply {}", request.predicate)))?;
        // Objects may overlap where a manifest says so; each is in order for itself.
        let span = regions.map(|r| SpanFilter::new(r, false));
        let rows = AlignmentRows::new(Arc::clone(&schema), &columns, Arc::clone(&self.opened.contigs), span, test)?;
        Ok(Box::new(ChunkDecoder::new(Arc::clone(&self.opened), schema, rows, self.longest, request)))
    }
}
