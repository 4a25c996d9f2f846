//! The dataset: requests to pages.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use futures::FutureExt;
use futures::future::BoxFuture;
use genomicframe_core::alignment::fields::field_of;
use genomicframe_core::alignment::{self, Column, SeenTags};
use genomicframe_core::genome::{Contigs, RegionSet, resolve_names};
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta};
use genomicframe_core::scan::{
    Condition, Dataset, Decoder, FormatId, Framing, IndexState, IndexUse, ObjectId, OpenOptions, Partition, Precision,
    Predicate, Pruning, Pushdown, ScanPlan, ScanRequest, Segment, SpanColumns, Statistics, Test,
};
use genomicframe_core::stats::Stats;
use genomicframe_core::{Error, Result};

use super::Bams3;
use super::decode::PageDecoder;
use super::early::Early;
use super::filter;
use super::open::{Opened, meta_of};
use super::prune::{self, Action, Filter, Known, tag_type};
use crate::chunk::HEADER;
use crate::column::ColumnId;
use crate::group::decode::Part;
use crate::index::{ChunkEntry, GroupEntry};
use crate::metadata::{Metadata, ROOT};
use crate::summary;

/// An opened dataset.
#[derive(Debug)]
pub struct Bams3Dataset {
    opened: Arc<Opened>,
    schema: SchemaRef,
    columns: Vec<Column>,
}

/// Gaps up to this are read over: cheaper than a request of its own.
const GAP: u64 = 32 << 10;
/// Stored bytes of a partition of a storage that is far, at least: fewer are there sooner than several threads' requests for them.
const LEAST_FAR: u64 = 1 << 20;
/// Stored bytes of one request.
const MOST_OF_A_REQUEST: u64 = 16 << 20;

impl Bams3Dataset {
    pub(super) async fn open(
        at: &Location,
        root: &[u8],
        early: Early,
        io: &dyn ObjectIo,
        options: &OpenOptions,
    ) -> Result<Self> {
        let opened = Opened::open_with(at, root, early, io, &options.limits).await?;
        let (schema, columns) = alignment::schema::build(stored_tags(&opened.metadata), &options.columns);
        Ok(Self { opened: Arc::new(opened), schema, columns })
    }

    /// Root, header and index.
    pub fn opened(&self) -> &Arc<Opened> {
        &self.opened
    }

    fn localize(&self, regions: &RegionSet) -> (RegionSet, Vec<(String, String)>) {
        resolve_names(regions, Some(&self.opened.contigs))
    }

    fn projected(&self, request: &ScanRequest) -> Vec<Column> {
        request.projection.iter().filter_map(|i| self.columns.get(*i).copied()).collect()
    }
}

/// The tags of the catalogue, each with the type of its column.
pub(super) fn stored_tags(root: &Metadata) -> SeenTags {
    let mut seen = SeenTags::default();
    for kind in root.columns.iter().filter_map(|column| ColumnId(column.id).as_tag()) {
        seen.insert(kind.key, tag_type(kind.of, kind.sub));
    }
    seen
}

/// The parts of rows that a column shows.
pub(super) fn part_of(column: Column) -> Part {
    match column {
        Column::Qname => Part::Name,
        Column::Flag => Part::Flag,
        Column::Rname => Part::Contig,
        Column::Pos => Part::Start,
        Column::End => Part::End,
        Column::Mapq => Part::Mapq,
        Column::Cigar => Part::Cigar,
        Column::Rnext | Column::Pnext => Part::Mate,
        Column::Tlen => Part::Tlen,
        Column::Seq => Part::Bases,
        Column::Qual => Part::Quality,
        Column::Tag(key, _) => Part::Tag(key),
        Column::Tags => Part::Tags,
    }
}

/// Byte ranges of a chunk, in order, near ones joined, but not over what is `held` already.
pub(crate) fn coalesce(mut ranges: Vec<Range<u64>>, held: &[Range<u64>]) -> Vec<Range<u64>> {
    let is_free = |gap: Range<u64>| !held.iter().any(|h| h.start < gap.end && gap.start < h.end);
    ranges.sort_by_key(|r| r.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges.into_iter().filter(|r| !r.is_empty()) {
        match joined.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(GAP)
                    && range.end.max(last.end) - last.start <= MOST_OF_A_REQUEST
                    && is_free(last.end..range.start) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// The ranges of what `parts` are made from, in `groups` of `chunk`, and of its header if the first group is among them.
pub(crate) fn ranges_of(chunk: &ChunkEntry, groups: Range<usize>, parts: &BTreeSet<Part>) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    for group in &chunk.groups[groups.clone()] {
        ranges.extend(pages_of(group, parts).filter_map(|c| group.page(c)).map(|p| p.range()));
    }
    if groups.start == 0 && !ranges.is_empty() {
        ranges.push(0..HEADER as u64);
    }
    coalesce(ranges, &[])
}

/// The ranges of what `parts` of `group` are made from, without those that are `held`.
pub(super) fn more_of(group: &GroupEntry, parts: &BTreeSet<Part>, held: &[Range<u64>]) -> Vec<Range<u64>> {
    let pages = pages_of(group, parts).filter_map(|c| group.page(c)).map(|p| p.range());
    pages.filter(|p| !held.iter().any(|h| h.start <= p.start && p.end <= h.end)).collect()
}

/// What a scan's rows are made from and tested by.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Of the projection.
    pub(super) payload: BTreeSet<Part>,
    /// Of the filters.
    pub(super) tested: BTreeSet<Part>,
}

/// Payload bytes that make a second round worth its wait.
const PAYLOAD: u64 = 64 << 10;

impl Wanted {
    pub(super) fn all(&self) -> BTreeSet<Part> {
        self.payload.union(&self.tested).copied().collect()
    }

    /// Whether statistics leave it open if a group keeps any row, so that reading its filter columns first may save the
    /// others. Regions do not: a group that reaches into one keeps rows of it.
    pub(super) fn is_in_two_steps(&self, groups: &[GroupEntry], filter: Filter<'_>, contigs: &Contigs) -> bool {
        let is_open = |group: &GroupEntry| {
            filter.action(Known { stats: &group.stats, group: Some(group), contigs, names: None }) == Action::Test
        };
        let extra = |group: &GroupEntry| {
            let tested: BTreeSet<_> = pages_of(group, &self.tested).collect();
            let extra = pages_of(group, &self.payload).filter(|c| !tested.contains(c));
            extra.filter_map(|c| group.page(c)).map(|p| u64::from(p.bytes)).sum::<u64>()
        };
        filter.conditions.iter().any(is_selective)
            && groups.iter().map(extra).sum::<u64>() > PAYLOAD
            && groups.iter().any(is_open)
    }
}

/// Whether a condition is on values that a whole row group may lack though its statistics do not say so.
fn is_selective(condition: &Condition) -> bool {
    match condition {
        Condition::And(list) | Condition::Or(list) => list.iter().any(is_selective),
        Condition::Not(inner) => is_selective(inner),
        Condition::Compare(c, ..) | Condition::In(c, _) | Condition::IsNull(c) | Condition::Bits { column: c, .. } => {
            !matches!(c.as_str(), "rname" | "pos" | "end")
        }
        Condition::Overlaps(_) | Condition::Unknown => false,
    }
}

/// The columns of what `parts` are made from.
pub(crate) fn pages_of(group: &GroupEntry, parts: &BTreeSet<Part>) -> impl Iterator<Item = ColumnId> + use<> {
    let mut columns = BTreeSet::new();
    parts.iter().for_each(|p| p.columns(group, &mut columns));
    columns.into_iter()
}

/// Row groups that follow one another in a chunk and are treated alike.
struct Run {
    part: Arc<Vec<ChunkEntry>>,
    chunk: usize,
    groups: Range<usize>,
    bytes: u64,
}

impl Dataset for Bams3Dataset {
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
        alignment::sample(&self.opened.header_text)
    }

    fn header_text(&self) -> Option<&str> {
        Some(&self.opened.header_text)
    }

    fn span_columns(&self) -> Option<SpanColumns> {
        Some(alignment::SPAN)
    }

    fn statistics(&self) -> Statistics {
        let totals = &self.opened.metadata.totals;
        let rows = totals.stats.as_ref().map_or(0, |s| s.rows);
        let mut ranges = Vec::new();
        if let Some(s) = totals.stats.as_ref().filter(|s| s.rows > 0) {
            if s.unplaced < s.rows {
                ranges.push(("pos", s.start_min + 1, s.start_max + 1));
                ranges.push(("end", s.end_min, s.end_max));
            }
            ranges.push(("mapq", s.mapq_min.into(), s.mapq_max.into()));
            ranges.push(("tlen", s.tlen_min.into(), s.tlen_max.into()));
        }
        let of = |id: usize| totals.tally.contigs.get(&(id as i32)).copied().unwrap_or(0);
        Statistics {
            rows: Precision::Exact(rows),
            bytes: Precision::Exact(totals.bytes),
            rows_by_contig: Some((0..self.opened.contigs.len()).map(of).collect()),
            ranges,
        }
    }

    fn totals(&self) -> Option<Stats> {
        Some(summary::totals(&self.opened.metadata.totals.tally, &self.opened.contigs))
    }

    fn pushdown(&self, condition: &Condition) -> Pushdown {
        match Test::bind(condition, &field_of(&self.schema, &self.columns)) {
            Some(_) => Pushdown::Exact,
            None => Pushdown::Unsupported,
        }
    }

    fn load_index<'a>(&'a self, io: &'a dyn ObjectIo, regions: Option<&'a RegionSet>) -> BoxFuture<'a, Result<()>> {
        async move {
            let own = regions.map(|r| self.localize(r).0);
            self.opened.load_index(io, own.as_ref()).await
        }
        .boxed()
    }

    fn index_state(&self) -> IndexState {
        IndexState::Read(self.opened.index_bytes())
    }

    fn load_filters<'a>(&'a self, io: &'a dyn ObjectIo, predicate: &'a Predicate) -> BoxFuture<'a, Result<()>> {
        async move {
            if predicate.all.iter().any(prune::asks_for_names) { self.opened.load_names(io).await } else { Ok(()) }
        }
        .boxed()
    }

    fn needs_index(&self) -> bool {
        true
    }

    fn plan(&self, request: &ScanRequest) -> Result<ScanPlan> {
        let at = &self.opened.at;
        let mut warnings = Vec::new();
        let own = request.regions.as_ref().map(|regions| {
            let (own, replaced) = self.localize(regions);
            warnings.extend(replaced.iter().map(|(asked, own)| format!("{at}: contig {asked} is read as {own}")));
            Arc::new(own)
        });
        let filter = Filter { regions: own.as_deref(), conditions: &request.predicate.all };
        let (columns, tested) = (self.projected(request), filter::parts(&request.predicate, own.is_some()));
        let payload: BTreeSet<Part> = columns.iter().map(|c| part_of(*c)).collect();
        let counts_only = columns.is_empty();
        if counts_only && own.is_none() && request.predicate.all.is_empty() {
            return Ok(self.count_all(request));
        }

        let totals = &self.opened.metadata.totals;
        let (mut kept_chunks, mut kept_groups, mut counted) = (0, 0, 0);
        let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
        let mut runs: Vec<Run> = Vec::new();
        let mut seen_groups = 0;
        for (first_group, part) in self.opened.index(own.as_deref())? {
            let mut number_of_group = first_group;
            for (number, chunk) in part.iter().enumerate() {
                seen_groups += chunk.groups.len() as u64;
                let mut is_read = false;
                for (i, group) in chunk.groups.iter().enumerate() {
                    let names = self.opened.names().map(|names| (names, number_of_group));
                    number_of_group += 1;
                    let known = Known { stats: &group.stats, group: Some(group), contigs: &self.opened.contigs, names };
                    let wanted = match filter.action(known) {
                        Action::Leave(reason) => {
                            *reasons.entry(reason).or_default() += 1;
                            continue;
                        }
                        Action::Keep if counts_only => {
                            counted += group.stats.rows;
                            continue;
                        }
                        Action::Count(rows) if counts_only => {
                            counted += rows;
                            continue;
                        }
                        Action::Keep => payload.clone(),
                        Action::Count(_) | Action::Test => payload.union(&tested).copied().collect(),
                    };
                    kept_groups += 1;
                    is_read = true;
                    let bytes =
                        pages_of(group, &wanted).filter_map(|c| group.page(c)).map(|p| u64::from(p.bytes)).sum();
                    match runs.last_mut() {
                        Some(run) if run.chunk == number && Arc::ptr_eq(&run.part, &part) && run.groups.end == i => {
                            run.groups.end += 1;
                            run.bytes += bytes;
                        }
                        _ => runs.push(Run { part: Arc::clone(&part), chunk: number, groups: i..i + 1, bytes }),
                    }
                }
                kept_chunks += u64::from(is_read);
            }
        }
        if totals.groups > seen_groups {
            *reasons.entry("outside the regions".into()).or_default() += totals.groups - seen_groups;
        }
        let wanted = Wanted { payload, tested };
        let mut objects: Vec<ObjectMeta> = Vec::new();
        let mut partitions = self.share(runs, request.partitions, &wanted, filter, &mut objects);
        if counted > 0 {
            let left_out = kept_groups + reasons.values().sum::<u64>();
            reasons.insert("counted by statistics".into(), totals.groups.saturating_sub(left_out));
            if objects.is_empty() {
                // A segment names an object, though nothing is read of it.
                objects.push(meta_of(at, ROOT, 0));
            }
            let segment = Segment::counted(counted, None);
            match partitions.first_mut() {
                Some(first) => first.segments.insert(0, segment),
                None => partitions.push(Partition { segments: vec![segment] }),
            }
        }
        if request.limit == Some(0) {
            partitions.clear();
        }
        let pruning = Pruning {
            units: vec![("chunks", totals.chunks, kept_chunks), ("row groups", totals.groups, kept_groups)],
            reasons: reasons.into_iter().collect(),
        };
        let index = IndexUse::Statistics;
        Ok(ScanPlan { objects: objects.into(), partitions, index, regions: own, pruning: Some(pruning), warnings })
    }

    fn decoder(&self, request: &ScanRequest, _: &Partition) -> Result<Box<dyn Decoder>> {
        let schema = Arc::new(self.schema.project(&request.projection)?);
        let test = Test::bind_all(&request.predicate.all, &field_of(&self.schema, &self.columns));
        let test = test
            .ok_or_else(|| Error::invalid(format!("the scan of a BAMS3 dataset cannot apply {}", request.predicate)))?;
        let regions = request.regions.as_ref().map(|r| Arc::new(self.localize(r).0));
        let columns = self.projected(request);
        Ok(Box::new(PageDecoder::new(Arc::clone(&self.opened), schema, columns, regions, test, request)?))
    }
}

impl Bams3Dataset {
    /// The plan of all rows without any of their columns: the root tells their number.
    fn count_all(&self, request: &ScanRequest) -> ScanPlan {
        let totals = &self.opened.metadata.totals;
        let rows = totals.stats.as_ref().map_or(0, |s| s.rows);
        let segment = Segment::counted(rows, None);
        let is_empty = rows == 0 || request.limit == Some(0);
        let pruning = Pruning {
            units: vec![("chunks", totals.chunks, 0), ("row groups", totals.groups, 0)],
            reasons: vec![("counted by statistics".into(), totals.groups)],
        };
        ScanPlan {
            // A segment names an object, though nothing is read of it.
            objects: vec![meta_of(&self.opened.at, ROOT, 0)].into(),
            partitions: if is_empty { Vec::new() } else { vec![Partition { segments: vec![segment] }] },
            index: IndexUse::Statistics,
            regions: None,
            pruning: Some(pruning),
            warnings: Vec::new(),
        }
    }

    /// Shares `runs` out by their bytes, in order.
    fn share(
        &self,
        runs: Vec<Run>,
        wanted: usize,
        parts: &Wanted,
        filter: Filter<'_>,
        objects: &mut Vec<ObjectMeta>,
    ) -> Vec<Partition> {
        let total: u64 = runs.iter().map(|r| r.bytes.max(1)).sum();
        let least = if self.opened.requests.ahead > 0 { LEAST_FAR } else { 1 };
        let share = total.div_ceil(wanted.max(1) as u64).max(least);
        let mut out: Vec<Partition> = Vec::new();
        let mut room = 0;
        let mut last_object: Option<u64> = None;
        for run in runs {
            let chunk = &run.part[run.chunk];
            if last_object != Some(chunk.ordinal) {
                objects.push(meta_of(&self.opened.at, &chunk.path, chunk.bytes));
                last_object = Some(chunk.ordinal);
            }
            let object = ObjectId((objects.len() - 1) as u32);
            let each = run.bytes.max(1) / run.groups.len() as u64;
            let mut begin = run.groups.start;
            while begin < run.groups.end {
                if room == 0 {
                    out.push(Partition::default());
                    room = share;
                }
                let fit = usize::try_from(room.div_ceil(each.max(1))).unwrap_or(usize::MAX).max(1);
                let end = run.groups.end.min(begin.saturating_add(fit));
                room = room.saturating_sub(each * (end - begin) as u64);
                let groups = &chunk.groups[begin..end];
                let ranges = if parts.is_in_two_steps(groups, filter, &self.opened.contigs) {
                    let mut first = ranges_of(chunk, begin..end, &parts.tested);
                    let then = groups.iter().flat_map(|g| more_of(g, &parts.payload, &first)).collect();
                    let then = coalesce(then, &first);
                    first.extend(then);
                    first
                } else {
                    ranges_of(chunk, begin..end, &parts.all())
                };
                let bytes = ranges.iter().map(|r| r.end - r.start).sum();
                let around =
                    ranges.iter().map(|r| r.start).min().unwrap_or(0)..ranges.iter().map(|r| r.end).max().unwrap_or(0);
                let framing = Framing::Pages {
                    chunk: chunk.ordinal,
                    first: begin as u32,
                    groups: (end - begin) as u32,
                    bytes,
                    requests: ranges.len() as u32,
                };
                if let Some(open) = out.last_mut() {
                    open.segments.push(Segment::new(object, around, framing));
                }
                begin = end;
            }
        }
        out
    }
}
