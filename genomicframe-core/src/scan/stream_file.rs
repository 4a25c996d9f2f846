//! A file whose records follow one another, with or without a binning index: what most formats open and plan.

use std::sync::{Arc, OnceLock};

use super::feed::FeedState;
use super::stretches::{self, Stretch};
use super::{
    Condition, FieldType, Framing, Head, IndexChoice, IndexState, IndexUse, Literal, ObjectId, OnError, Op,
    OpenOptions, Partition, Pushdown, Test,
};
use super::{Precision, RecordStarts};
use super::{ScanMetrics, ScanPlan, ScanRequest, Segment, SpanFilter, Statistics};
use super::{advice, cuts};
use crate::bgzf::{EOF_BLOCK, MAX_BLOCK, VirtualOffset, block_size, is_bgzf, is_gzip};
use crate::error::{Error, Offset, Result};
use crate::genome::{Contigs, Interval, RegionSet, resolve_names};
use crate::index::{BinningIndex, MAX_BYTES, gzi};
use crate::io::{Location, ObjectIo, ObjectMeta};

/// How a file is stored, by its first bytes; its name does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    Plain,
    /// Plain gzip: readable from the start only.
    Gzip,
    /// Blocked gzip: readable from any block.
    Bgzf,
}

/// Whether a name's ending tells of a compression, and so nothing of the format.
pub(crate) fn is_compression(ending: &str) -> bool {
    ["gz", "bgz", "bgzf", "gzip"].iter().any(|known| known.eq_ignore_ascii_case(ending))
}

/// Whether a plain file may be cut into partitions at any line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Every line is a record on its own.
    AtLines,
    /// Where a record begins cannot be told from the middle.
    Never,
}

/// One stored file, its header's end and its index.
#[derive(Debug)]
pub struct StreamFile {
    objects: Arc<[ObjectMeta]>,
    compression: Compression,
    /// The first bytes as stored, kept so that they are read once.
    first: bytes::Bytes,
    data_start: Offset,
    /// The number and the name of the contig's column, whose rows the index counts.
    contig_column: Option<(usize, &'static str)>,
    choice: IndexChoice,
    on_error: OnError,
    index: OnceLock<Result<LoadedIndex, String>>,
    /// Where it can be cut without an index.
    cuts: OnceLock<Vec<Offset>>,
    warnings: Vec<String>,
    /// What opening it took.
    pub metrics: ScanMetrics,
}

#[derive(Debug)]
struct LoadedIndex {
    index: BinningIndex,
    meta: ObjectMeta,
    /// Written before the data: its counts prove nothing.
    stale: bool,
}

/// Bytes of memory for a byte of an index, which may be compressed.
const PARSED: u64 = 4;
/// Bytes of the first read.
const FIRST_READ: u64 = 64 << 10;
/// Blocks that tell how long others are.
const BLOCKS_ALIKE: usize = 3;
/// Smallest piece that a region's stretch is cut into: each cut reads a block twice, up to 64 KiB.
const REGION_PIECE: u64 = 1 << 20;

impl StreamFile {
    /// Looks at the first and, of a BGZF file, the last bytes.
    ///
    /// # Errors
    /// When there is no such file, a BGZF file lacks its end-of-file block, or one that is named as compressed is empty.
    pub async fn open(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<Self> {
        let (meta, first) = io.read_first(at, FIRST_READ).await?;
        // Text without a line is a file of no rows; what compresses it writes a header and an end all the same.
        if first.is_empty() && at.file_name().rsplit_once('.').is_some_and(|(_, ending)| is_compression(ending)) {
            return Err(Error::corrupt("the file is empty, which no compressed file is")
                .in_object(at)
                .hint("it was cut off before its first byte was written: make or copy it again"));
        }
        let compression = match () {
            () if is_bgzf(&first) => Compression::Bgzf,
            () if is_gzip(&first) => Compression::Gzip,
            () => Compression::Plain,
        };
        let mut warnings = Vec::new();
        if compression == Compression::Bgzf && !ends_whole(io, &meta).await? {
            let what = "no BGZF end-of-file block: the file is probably truncated";
            if !options.allow_missing_eof {
                return Err(Error::corrupt(what)
                    .in_object(at)
                    .at(Offset::Byte(meta.size))
                    .hint("the option allow_missing_eof reads it all the same"));
            }
            warnings.push(format!("{at}: {what}"));
        }
        let data_start = match compression {
            Compression::Bgzf => Offset::Virtual(VirtualOffset::default()),
            _ => Offset::Byte(0),
        };
        Ok(Self {
            objects: [meta].into(),
            compression,
            first,
            data_start,
            contig_column: None,
            choice: options.index.clone(),
            on_error: options.on_error,
            index: OnceLock::new(),
            cuts: OnceLock::new(),
            warnings,
            metrics: ScanMetrics::default(),
        })
    }

    /// The stored object.
    pub fn object(&self) -> &ObjectMeta {
        &self.objects[0]
    }

    /// What becomes of its malformed records.
    pub fn on_error(&self) -> OnError {
        self.on_error
    }

    /// Whether the scan itself can apply `condition`, exactly, by what `field` knows of columns. Where malformed fields are
    /// null it does not, for a condition must see the null.
    pub(crate) fn pushdown(
        &self,
        condition: &Condition,
        field: &impl Fn(&str) -> Option<(usize, FieldType)>,
    ) -> Pushdown {
        match Test::bind(condition, field) {
            Some(_) if self.on_error != OnError::Null => Pushdown::Exact,
            _ => Pushdown::Unsupported,
        }
    }

    /// How it is stored.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// Reads its inflated beginning, at most `limit` bytes and a piece more.
    pub fn head<'a>(&'a self, io: &'a dyn ObjectIo, limit: usize) -> Head<'a> {
        let segment = self.segment(0..self.first.len() as u64, self.whole_framing());
        let state = FeedState::new(&segment, [segment.bytes.clone()].into()).with_first(self.first.clone());
        Head::new(state.with(io, self.object(), &self.metrics), limit)
    }

    /// Records begin here; what lies before is the header.
    pub fn set_data_start(&mut self, at: Offset) {
        self.data_start = at;
    }

    /// The index counts the rows by this column of the schema, of type `Utf8View`.
    pub fn set_contig_column(&mut self, number: usize, name: &'static str) {
        self.contig_column = Some((number, name));
    }

    /// Finds and reads the index, once. `suffixes` are added to the file's name (`.bai`); the last may also replace its
    /// extension.
    ///
    /// # Errors
    /// When an index is there but broken, or was made for another file.
    pub async fn load_index(&self, io: &dyn ObjectIo, suffixes: &[&str]) -> Result<()> {
        if self.index.get().is_some() {
            return Ok(());
        }
        let found = self.find_index(io, suffixes).await?;
        let _ = self.index.set(found);
        Ok(())
    }

    async fn find_index(&self, io: &dyn ObjectIo, suffixes: &[&str]) -> Result<Result<LoadedIndex, String>> {
        let at = &self.object().location;
        let candidates = match &self.choice {
            IndexChoice::Ignore => return Ok(Err("told to ignore it".into())),
            _ if self.compression != Compression::Bgzf => return Ok(Err("the file is not BGZF-compressed".into())),
            IndexChoice::At(index) => vec![index.clone()],
            IndexChoice::Auto => {
                let beside = suffixes.iter().map(|s| at.with_suffix(s));
                let instead = suffixes.iter().filter_map(|s| at.with_extension(s.trim_start_matches('.')));
                beside.chain(instead).collect()
            }
        };
        for candidate in candidates {
            let (meta, bytes) = match io.read_small(&candidate, MAX_BYTES as u64).await {
                Ok(read) => read,
                // Who may not list a bucket is told 403 of what is not there; a signed link opens its own object only.
                Err(e) if (e.is_not_found() || e.is_denied()) && self.choice == IndexChoice::Auto => continue,
                Err(e) => return Err(e),
            };
            // One that came along with another version of the file says nothing of this one, which may still be open. Where
            // a store has another version by now, its reads fail.
            if matches!(at, Location::Local(_)) && io.head(at).await? != *self.object() {
                let e = Error::io("the file was replaced or rewritten while its index was being read").in_object(at);
                return Err(e.hint("read it again when its writer is done"));
            }
            let index = BinningIndex::parse(&bytes).map_err(|e| advice::on_index(e.in_object(&candidate)))?;
            if index.end_of_placed().is_some_and(|end| end > VirtualOffset::new(self.object().size, 0)) {
                return Err(Error::corrupt(format!("the index points past the end of {at}"))
                    .in_object(candidate)
                    .hint("it belongs to another version of the file: index it again"));
            }
            let stale = matches!((meta.modified, self.object().modified), (Some(i), Some(d)) if i < d);
            return Ok(Ok(LoadedIndex { index, meta, stale }));
        }
        Ok(Err(format!("no index beside it ({})", suffixes.join(", "))))
    }

    /// Finds places where the file can be cut into about `partitions` parts, where no index that was loaded tells of any; once.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn find_cuts(&self, io: &dyn ObjectIo, partitions: usize, starts: &dyn RecordStarts) -> Result<()> {
        if partitions < 2 || self.index().is_some() || self.cuts.get().is_some() {
            return Ok(());
        }
        let (object, from) = (self.object(), self.data_start);
        let blocks = self.blocks(io).await?;
        let places = cuts::places(object, from, partitions, blocks.as_deref());
        let found = cuts::find(io, object, self.compression, places, starts, &self.metrics).await;
        let _ = self.cuts.set(found.map_err(|e| e.in_object(&object.location))?);
        Ok(())
    }

    /// Where blocks begin, if a GZI index beside the file tells.
    async fn blocks(&self, io: &dyn ObjectIo) -> Result<Option<Vec<u64>>> {
        if self.compression != Compression::Bgzf || self.choice == IndexChoice::Ignore {
            return Ok(None);
        }
        let at = self.object().location.with_suffix(".gzi");
        let (_, bytes) = match io.read_small(&at, MAX_BYTES as u64).await {
            Err(e) if e.is_not_found() || e.is_denied() => return Ok(None),
            read => read?,
        };
        let blocks = gzi::blocks(&bytes).map_err(|e| e.in_object(&at).hint("make it anew: bgzip -r"))?;
        if blocks.last().is_some_and(|last| *last >= self.object().size) {
            return Err(Error::corrupt(format!("the index points past the end of {}", self.object().location))
                .in_object(at)
                .hint("it belongs to another version of the file: index it again"));
        }
        Ok(Some(blocks))
    }

    /// The index, when it was loaded and is there.
    pub fn index(&self) -> Option<&BinningIndex> {
        self.loaded().map(|l| &l.index)
    }

    /// What is there of the index.
    pub fn index_state(&self) -> IndexState {
        match self.index.get() {
            None => IndexState::Unread,
            Some(Err(_)) if self.choice == IndexChoice::Ignore || self.compression != Compression::Bgzf => {
                IndexState::Unread
            }
            Some(Ok(loaded)) if !loaded.stale => IndexState::Read(PARSED * loaded.meta.size),
            Some(_) => IndexState::Wanting,
        }
    }

    fn loaded(&self) -> Option<&LoadedIndex> {
        self.index.get()?.as_ref().ok()
    }

    /// Row counts, exact only if the index is complete and not older than the data.
    ///
    /// `reference` numbers a contig as the index does.
    pub fn statistics(
        &self,
        contigs: Option<&Contigs>,
        reference: impl Fn(&BinningIndex, &str) -> Option<usize>,
    ) -> Statistics {
        let bytes = Precision::Exact(self.object().size);
        let trusted = self.loaded().filter(|l| !l.stale && self.warnings.is_empty()).map(|l| &l.index);
        let rows = trusted.and_then(BinningIndex::records).map_or(Precision::Absent, Precision::Exact);
        let of = |index: &BinningIndex, name: &str| match reference(index, name) {
            Some(id) => index.references().get(id)?.counts().map(|(mapped, unmapped)| mapped + unmapped),
            None => Some(0),
        };
        let rows_by_contig = trusted
            .filter(|_| matches!(rows, Precision::Exact(_)))
            .zip(contigs)
            .and_then(|(index, contigs)| contigs.iter().map(|c| of(index, &c.name)).collect());
        Statistics { rows, bytes, rows_by_contig, ranges: Vec::new() }
    }

    /// What to read for `request`. `contigs` resolve aliases; `reference` numbers a contig as the index does.
    pub fn plan(
        &self,
        request: &ScanRequest,
        cut: Cut,
        contigs: Option<&Contigs>,
        reference: impl Fn(&BinningIndex, &str) -> Option<usize>,
    ) -> ScanPlan {
        let mut plan = ScanPlan {
            objects: Arc::clone(&self.objects),
            partitions: Vec::new(),
            index: IndexUse::NotNeeded,
            regions: None,
            pruning: None,
            warnings: self.warnings.clone(),
        };
        let at = &self.object().location;
        let regions = request.regions.as_ref().map(|regions| localize(regions, contigs, at, &mut plan.warnings));
        let counted = self.counted(request, regions.as_ref(), contigs, &reference);
        plan.partitions = match (counted, &regions, self.index()) {
            (Some(segments), ..) => vec![Partition { segments }],
            (None, Some(regions), Some(index)) => {
                let stretches = stretches::of_regions(index, regions, self.start(), self.longest_block(), reference);
                self.share_out(stretches, request.partitions, REGION_PIECE)
            }
            (None, Some(regions), None) if regions.is_empty() => Vec::new(),
            _ => self.whole(request.partitions, cut),
        };
        plan.partitions.retain(|p| !p.segments.is_empty());
        if let Some(regions) = regions {
            plan.index = match self.index.get() {
                Some(Ok(loaded)) => IndexUse::Used(loaded.index.kind(), loaded.meta.location.clone()),
                Some(Err(why)) => IndexUse::Missing(why.clone()),
                None => IndexUse::Missing("it was not loaded".into()),
            };
            if let Some(loaded) = self.loaded().filter(|l| l.stale) {
                let stale = "the index is older than the data; index it again";
                plan.warnings.push(format!("{}: {stale}", loaded.meta.location));
            }
            plan.regions = Some(Arc::new(regions));
        }
        if request.limit == Some(0) {
            plan.partitions.clear();
        }
        plan
    }

    /// What stands for the rows of whole contigs, where the index knows how many they are and nothing else of them is asked.
    fn counted(
        &self,
        request: &ScanRequest,
        regions: Option<&RegionSet>,
        contigs: Option<&Contigs>,
        reference: impl Fn(&BinningIndex, &str) -> Option<usize>,
    ) -> Option<Vec<Segment>> {
        let (number, column) = self.contig_column?;
        let conditions = &request.predicate.all;
        let only_contigs =
            request.projection.iter().all(|i| *i == number) && request.computed.is_empty() && request.limit.is_none();
        let of_whole = match regions {
            Some(regions) => {
                let is_whole = |(_, intervals): (&str, &[Interval])| *intervals == [Interval::ALL];
                !regions.has_unplaced()
                    && regions.iter().all(is_whole)
                    && conditions.iter().all(|c| is_of_contigs(c, column))
            }
            None => conditions.is_empty(),
        };
        if !only_contigs || !of_whole {
            return None;
        }
        let (index, statistics) = (self.index()?, self.statistics(contigs, &reference));
        let (Precision::Exact(all), counts) = (statistics.rows, statistics.rows_by_contig?) else { return None };
        let wanted = |name: &str| regions.is_none_or(|r| !r.intervals(name).is_empty());
        let placed: u64 = counts.iter().sum();
        // In the order of the file, which is the index's.
        let mut rows: Vec<(usize, Option<Arc<str>>, u64)> = Vec::new();
        for (contig, rows_of) in contigs?.iter().zip(counts).filter(|(c, rows)| *rows > 0 && wanted(&c.name)) {
            rows.push((reference(index, &contig.name)?, Some(contig.name.as_str().into()), rows_of));
        }
        if regions.is_none() {
            rows.push((usize::MAX, None, all.checked_sub(placed)?));
        }
        rows.sort_unstable();
        if request.projection.is_empty() {
            rows = vec![(0, None, rows.iter().map(|(.., rows)| rows).sum())];
        }
        let rows = rows.into_iter().filter(|(.., rows)| *rows > 0);
        Some(rows.map(|(_, contig, rows)| Segment::counted(rows, contig)).collect())
    }

    /// What keeps the records of `request.regions`; names are resolved as in [`StreamFile::plan`].
    pub fn span_filter(&self, request: &ScanRequest, contigs: Option<&Contigs>) -> Option<SpanFilter> {
        let regions = request.regions.as_ref()?;
        let own = localize(regions, contigs, &self.object().location, &mut Vec::new());
        Some(SpanFilter::new(Arc::new(own), self.index().is_some()))
    }

    /// Whether `partition` begins with the file's first record.
    pub fn is_first(&self, partition: &Partition) -> bool {
        partition.segments.first().is_some_and(|s| match (&s.framing, self.data_start) {
            (Framing::Raw { start, .. }, Offset::Byte(first)) => *start == first,
            (Framing::Gzip, _) => true,
            (Framing::Bgzf { start, .. }, Offset::Virtual(first)) => *start == first,
            _ => false,
        })
    }

    fn start(&self) -> VirtualOffset {
        match self.data_start {
            Offset::Virtual(v) => v,
            Offset::Byte(_) => VirtualOffset::default(),
        }
    }

    /// What the file's blocks are believed not to exceed, by those that were read with its beginning.
    fn longest_block(&self) -> u64 {
        let (mut at, mut longest, mut seen) = (0, 0, 0);
        while let Ok(Some(size)) = block_size(&self.first[at..])
            && at + size <= self.first.len()
        {
            (at, longest, seen) = (at + size, longest.max(size), seen + 1);
        }
        // Blocks of one file are much alike; few of them, of which one is the header's, tell nothing.
        let believed = if seen >= BLOCKS_ALIKE { longest + longest / 4 } else { MAX_BLOCK };
        believed.min(MAX_BLOCK) as u64
    }

    fn whole(&self, partitions: usize, cut: Cut) -> Vec<Partition> {
        let size = self.object().size;
        match (self.compression, self.data_start) {
            (Compression::Bgzf, from) | (Compression::Plain, from)
                if self.index().is_none() && self.cuts.get().is_some_and(|cuts| !cuts.is_empty()) =>
            {
                self.between_cuts(from, partitions)
            }
            (Compression::Bgzf, _) => self.share_out(vec![Stretch::from(self.start())], partitions, 1),
            (Compression::Plain, Offset::Byte(start)) if cut == Cut::AtLines && start < size => {
                let parts = (partitions.max(1) as u64).min(size - start);
                let edge = |i: u64| start + ((size - start) as u128 * i as u128 / parts as u128) as u64;
                let part = |i: u64| {
                    let (from, stop, mid_line) = (edge(i), if i + 1 == parts { u64::MAX } else { edge(i + 1) }, i > 0);
                    // One byte earlier: when it is a newline, the line at `from` is this partition's own.
                    let first = if mid_line { from - 1 } else { from };
                    let framing = Framing::Raw { start: from, stop, mid_line };
                    Partition { segments: vec![self.segment(first..stop.min(size), framing)] }
                };
                (0..parts).map(part).collect()
            }
            (Compression::Plain, Offset::Byte(start)) => {
                let framing = Framing::Raw { start, stop: u64::MAX, mid_line: false };
                vec![Partition { segments: vec![self.segment(start..size, framing)] }]
            }
            _ => vec![Partition { segments: vec![self.segment(0..size, self.whole_framing())] }],
        }
    }

    /// One partition from each cut to the next, or of fewer cuts where fewer are wanted.
    fn between_cuts(&self, from: Offset, partitions: usize) -> Vec<Partition> {
        let all = self.cuts.get().map(Vec::as_slice).unwrap_or_default();
        let parts = (all.len() + 1).min(partitions.max(1));
        let edges = (1..parts).map(|i| all[i * (all.len() + 1) / parts - 1]);
        let starts = std::iter::once(from).chain(edges.clone());
        let stops = edges.map(Some).chain([None]);
        let size = self.object().size;
        let part = |(start, stop): (Offset, Option<Offset>)| {
            let joined = stop.is_some();
            let segment = match (start, stop) {
                (Offset::Virtual(start), Some(Offset::Virtual(stop))) => {
                    Stretch::between(start, stop).segment(size, joined)
                }
                (Offset::Virtual(start), _) => Stretch::from(start).segment(size, joined),
                (Offset::Byte(start), stop) => {
                    let stop = if let Some(Offset::Byte(stop)) = stop { stop } else { u64::MAX };
                    let framing = Framing::Raw { start, stop, mid_line: false };
                    Segment { joined, ..self.segment(start..stop.min(size), framing) }
                }
            };
            Partition { segments: vec![segment] }
        };
        starts.zip(stops).map(part).collect()
    }

    fn whole_framing(&self) -> Framing {
        match self.compression {
            Compression::Plain => Framing::Raw { start: 0, stop: u64::MAX, mid_line: false },
            Compression::Gzip => Framing::Gzip,
            Compression::Bgzf => Framing::Bgzf { start: VirtualOffset::default(), stop: VirtualOffset::MAX },
        }
    }

    fn segment(&self, bytes: std::ops::Range<u64>, framing: Framing) -> Segment {
        Segment::new(ObjectId(0), bytes, framing)
    }

    fn share_out(&self, stretches: Vec<Stretch>, partitions: usize, least: u64) -> Vec<Partition> {
        let starts = || self.index().map(BinningIndex::record_starts).unwrap_or_default();
        stretches::share_out(stretches, self.object().size, partitions, least, starts)
    }
}

/// Whether `condition` holds for all records of a contig or for none, and so says nothing that whole contigs do not.
fn is_of_contigs(condition: &Condition, column: &str) -> bool {
    match condition {
        Condition::And(inner) | Condition::Or(inner) => inner.iter().all(|c| is_of_contigs(c, column)),
        Condition::Compare(of, Op::Eq, Literal::Text(_)) | Condition::In(of, _) => of == column,
        Condition::Overlaps(regions) => !regions.has_unplaced() && regions.iter().all(|(_, i)| *i == [Interval::ALL]),
        _ => false,
    }
}

async fn ends_whole(io: &dyn ObjectIo, meta: &ObjectMeta) -> Result<bool> {
    let Some(at) = meta.size.checked_sub(EOF_BLOCK.len() as u64) else { return Ok(false) };
    Ok(io.read(meta, at..meta.size).await? == EOF_BLOCK[..])
}

fn localize(regions: &RegionSet, contigs: Option<&Contigs>, at: &Location, warnings: &mut Vec<String>) -> RegionSet {
    let (own, replaced) = resolve_names(regions, contigs);
    for (asked, own) in replaced {
        warnings.push(format!("{at}: contig {asked} is read as {own}"));
    }
    own
}
