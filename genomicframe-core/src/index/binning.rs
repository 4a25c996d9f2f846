//! The structure that the three encodings share, and the questions it answers.

use super::IndexKind;
use crate::bgzf::VirtualOffset;
use crate::error::{Error, Result};
use crate::genome::Interval;

/// A stretch of the file: from a record's start to the end of a later record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chunk {
    /// Start of its first record.
    pub start: VirtualOffset,
    /// End of its last record.
    pub stop: VirtualOffset,
}

impl Chunk {
    pub(super) fn new(start: u64, stop: u64) -> Result<Self> {
        if start > stop {
            return Err(Error::corrupt("a chunk of the index ends before it starts"));
        }
        Ok(Self { start: VirtualOffset::from_raw(start), stop: VirtualOffset::from_raw(stop) })
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Bin {
    pub(super) id: u32,
    /// CSI only: start of the first record that overlaps the bin's first window.
    pub(super) first: VirtualOffset,
    /// Which of the contig's chunks are its.
    chunks: (u32, u32),
}

/// Bins as an index lists them, the chunks of all in one piece: a genome has a hundred thousand bins of a chunk or two.
#[derive(Debug, Default)]
pub(super) struct Bins {
    bins: Vec<Bin>,
    chunks: Vec<Chunk>,
}

impl Bins {
    /// The next bin, whose chunks are the next 16-byte pairs of offsets.
    pub(super) fn push(&mut self, id: u32, first: VirtualOffset, pairs: &[[u8; 16]]) -> Result<()> {
        let begin = self.chunks.len();
        self.chunks.reserve(pairs.len());
        for pair in pairs {
            let both = u128::from_le_bytes(*pair);
            self.chunks.push(Chunk::new(both as u64, (both >> 64) as u64)?);
        }
        let number = |n: usize| u32::try_from(n).map_err(|_| Error::limit("a contig of the index has 2^32 chunks"));
        self.bins.push(Bin { id, first, chunks: (number(begin)?, number(self.chunks.len())?) });
        Ok(())
    }
}

/// One contig's part of an index.
///
/// A contig without records takes four bytes of an index, and no more than a pointer here: millions of them are cheap.
#[derive(Debug, Clone, Default)]
pub struct Reference(Option<Box<Content>>);

#[derive(Debug, Clone)]
struct Content {
    /// Sorted by id, each with at least one chunk.
    bins: Vec<Bin>,
    chunks: Vec<Chunk>,
    /// BAI and TBI only: per 16 KiB window the start of the first record that overlaps it.
    linear: Vec<VirtualOffset>,
    counts: Option<(u64, u64)>,
}

impl Reference {
    /// `bins` is what the index may number bins with: they are fewer than this.
    pub(super) fn new(
        Bins { mut bins, chunks }: Bins,
        linear: Vec<VirtualOffset>,
        counts: Option<(u64, u64)>,
        most: u64,
    ) -> Result<Self> {
        // Most writers sort them already.
        bins.sort_by_key(|b| b.id);
        if let Some([twice, _]) = bins.array_windows().find(|[a, b]| a.id == b.id) {
            return Err(Error::corrupt(format!("bin {} is in the index twice", twice.id)).field("bin"));
        }
        if let Some(beyond) = bins.last().filter(|b| u64::from(b.id) >= most) {
            return Err(Error::corrupt(format!("bin {} where the last is {}", beyond.id, most - 1))
                .field("bin")
                .hint("a BAI or TBI reaches to 2^29 only; longer contigs need a CSI"));
        }
        bins.retain(|b| b.chunks.0 < b.chunks.1);
        let stop = chunks.iter().map(|c| c.stop).max().unwrap_or_default();
        if linear.iter().any(|start| *start > stop) {
            return Err(Error::corrupt("a window starts after the contig's last chunk").field("ioffset"));
        }
        // Where a record starts and where it lies go up together: else a region's records lie outside what the windows bound.
        let leaves = bins.iter().filter(|b| u64::from(b.id) >= (most - 1) / 8).map(|b| b.first);
        if !go_up(linear.iter().copied()) || !go_up(leaves) {
            let e = Error::corrupt("a window starts before the one before it: the file it was made of is not sorted");
            return Err(e.hint("sort the file (samtools sort, bcftools sort) and index it again"));
        }
        if bins.is_empty() && counts.is_none() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Box::new(Content { bins, chunks, linear, counts }))))
    }

    /// Mapped and placed-unmapped records, where the index counts them; a contig without bins has none.
    pub fn counts(&self) -> Option<(u64, u64)> {
        let Some(content) = &self.0 else { return Some((0, 0)) };
        if content.bins.is_empty() { Some(content.counts.unwrap_or((0, 0))) } else { content.counts }
    }

    fn bins(&self) -> &[Bin] {
        self.0.as_ref().map_or(&[], |c| &c.bins)
    }

    fn linear(&self) -> &[VirtualOffset] {
        self.0.as_ref().map_or(&[], |c| &c.linear)
    }

    pub(super) fn bin(&self, id: u32) -> Option<&Bin> {
        self.bins().binary_search_by_key(&id, |b| b.id).ok().and_then(|i| self.bins().get(i))
    }

    /// The chunks of all bins.
    fn chunks(&self) -> &[Chunk] {
        self.0.as_ref().map_or(&[], |c| &c.chunks)
    }

    /// The chunks of one of its bins.
    pub(super) fn chunks_of(&self, bin: &Bin) -> &[Chunk] {
        self.chunks().get(bin.chunks.0 as usize..bin.chunks.1 as usize).unwrap_or_default()
    }
}

/// Whether offsets never go down; zero is none.
fn go_up(offsets: impl Iterator<Item = VirtualOffset>) -> bool {
    offsets.filter(|o| *o != VirtualOffset::default()).is_sorted()
}

/// How many bins an index of this depth has.
pub(super) fn bins_of(depth: u32) -> u64 {
    ((1u64 << (3 * (depth + 1))) - 1) / 7
}

/// What a tabix index says of the text it indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tabix {
    /// Contig names, in the order of the index's references.
    pub names: Vec<String>,
    /// 1-based columns of contig, start and end; no end column is 0.
    pub columns: [i32; 3],
    /// Whether starts are 0-based, as in BED.
    pub zero_based: bool,
}

/// A BAI, CSI or TBI index.
#[derive(Debug, Clone)]
pub struct BinningIndex {
    pub(super) kind: IndexKind,
    pub(super) min_shift: u32,
    pub(super) depth: u32,
    pub(super) references: Vec<Reference>,
    pub(super) unplaced: Option<u64>,
    pub(super) tabix: Option<Tabix>,
}

impl BinningIndex {
    /// Its encoding.
    pub fn kind(&self) -> IndexKind {
        self.kind
    }

    /// Its contigs, numbered as in the BAM header, or as [`BinningIndex::tabix`] names them.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// What a text format's index says of its columns and names.
    pub fn tabix(&self) -> Option<&Tabix> {
        self.tabix.as_ref()
    }

    /// Records without a contig, where the index counts them.
    pub fn unplaced(&self) -> Option<u64> {
        self.unplaced
    }

    /// All records, when every contig is counted and the unplaced are too.
    pub fn records(&self) -> Option<u64> {
        let placed = self.references.iter().try_fold(0u64, |sum, r| {
            let (mapped, unmapped) = r.counts()?;
            sum.checked_add(mapped)?.checked_add(unmapped)
        })?;
        placed.checked_add(self.unplaced?)
    }

    /// Where the first record that has a contig starts, and the number of that contig.
    pub fn start_of_placed(&self) -> Option<(VirtualOffset, usize)> {
        let first = |(id, r): (usize, &Reference)| r.chunks().iter().map(|c| (c.start, id)).min();
        self.references.iter().enumerate().filter_map(first).min()
    }

    /// The end of the last record that has a contig: unplaced records follow it.
    pub fn end_of_placed(&self) -> Option<VirtualOffset> {
        self.references.iter().flat_map(Reference::chunks).map(|c| c.stop).max()
    }

    /// Starts of records all over the file, sorted: where a scan may be cut into partitions.
    pub fn record_starts(&self) -> Vec<VirtualOffset> {
        let zero = VirtualOffset::default();
        let mut starts = Vec::new();
        for reference in &self.references {
            starts.extend(reference.chunks().iter().map(|c| c.start).filter(|v| *v != zero));
            starts.extend(reference.linear().iter().filter(|v| **v != zero));
        }
        // They are stretches in order, which this sort finds.
        starts.sort();
        starts.dedup();
        starts
    }

    /// The stretches that hold every record of `reference` whose span overlaps one of the sorted, disjoint `intervals`;
    /// sorted and disjoint themselves. They hold other records too.
    pub fn chunks(&self, reference: usize, intervals: &[Interval]) -> Vec<Chunk> {
        let Some(reference) = self.references.get(reference) else { return Vec::new() };
        let mut found = Vec::new();
        for interval in intervals {
            self.chunks_of(reference, *interval, &mut found);
        }
        merge(found)
    }

    /// Of the sorted, disjoint `intervals` those joined that have a window of the index in common: it tells nothing finer.
    pub(crate) fn by_window(&self, intervals: &[Interval]) -> Vec<Interval> {
        let window = |position: i64| (position - 1).max(0) >> self.min_shift;
        let mut joined: Vec<Interval> = Vec::new();
        for next in intervals {
            match joined.last_mut() {
                Some(last) if window(last.end().get()) == window(next.start().get()) => {
                    *last = Interval::new(last.start().get(), next.end().get()).unwrap_or(*last);
                }
                _ => joined.push(*next),
            }
        }
        joined
    }

    fn chunks_of(&self, reference: &Reference, interval: Interval, found: &mut Vec<Chunk>) {
        let longest = 1i64 << (self.min_shift + 3 * self.depth);
        let start = (interval.start().get() - 1).max(0);
        // A region beyond what the index can address may still hold the records that were put into its last bins.
        let start = start.min(longest - 1);
        let end = interval.end().get().min(longest);
        if start == 0 && end == longest {
            found.extend_from_slice(reference.chunks());
            return;
        }
        let from = self.first_offset(reference, start);
        let to = self.end_offset(reference, end);
        let (mut level_start, mut shift) = (0u32, self.min_shift + 3 * self.depth);
        for level in 0..=self.depth {
            let first = level_start + (start >> shift) as u32;
            let last = level_start + ((end - 1).max(start) >> shift) as u32;
            let bins = reference.bins();
            let at = bins.partition_point(|b| b.id < first);
            for bin in bins[at..].iter().take_while(|b| b.id <= last) {
                for chunk in reference.chunks_of(bin) {
                    if chunk.stop > from && chunk.start < to {
                        found.push(Chunk { start: chunk.start.max(from), stop: chunk.stop.min(to) });
                    }
                }
            }
            level_start += 1 << (3 * level);
            shift = shift.saturating_sub(3);
        }
    }

    /// A block that begins after the one of `offset` and before or with that of any record that starts in the next window:
    /// where the block of `offset` has ended. `None` where the index tells of none.
    pub(crate) fn block_after(&self, reference: usize, offset: VirtualOffset) -> Option<u64> {
        let reference = self.references.get(reference)?;
        let is_before = |o: VirtualOffset| o.compressed() <= offset.compressed();
        let next = if self.kind == IndexKind::Csi {
            let bins = reference.bins();
            let leaves = &bins[bins.partition_point(|b| b.id < self.leaf(0))..];
            leaves.get(leaves.partition_point(|b| is_before(b.first)))?.first
        } else {
            let linear = reference.linear();
            *linear.get(linear.partition_point(|o| is_before(*o)))?
        };
        // Of windows out of order, as a broken index may have them, the search finds anything.
        (!is_before(next)).then_some(next.compressed())
    }

    /// No record that starts before this offset overlaps a window from `start` (0-based) on.
    fn first_offset(&self, reference: &Reference, start: i64) -> VirtualOffset {
        if self.kind != IndexKind::Csi {
            let window = (start >> self.min_shift) as usize;
            let linear = reference.linear();
            return linear.get(window).or(linear.last()).copied().unwrap_or_default();
        }
        // The leaf bin of `start`, or else the nearest bin to its left or above: its first record comes no later.
        let mut bin = self.leaf(start);
        loop {
            if let Some(found) = reference.bin(bin) {
                return found.first;
            }
            if bin == 0 {
                return VirtualOffset::default();
            }
            let parent = (bin - 1) >> 3;
            bin = if bin > (parent << 3) + 1 { bin - 1 } else { parent };
        }
    }

    /// Every record that starts at or after this offset starts at or after `end` (0-based): it is the first record of
    /// the nearest bin that lies wholly to the right.
    fn end_offset(&self, reference: &Reference, end: i64) -> VirtualOffset {
        let bins = bins_of(self.depth);
        let next = u64::from(self.leaf((end - 1).max(0))) + 1;
        let mut bin = if next >= bins { 0 } else { next as u32 };
        loop {
            // A first child lies under the same parent's left edge: go up, so that whole subtrees are skipped at once.
            while bin % 8 == 1 {
                bin = (bin - 1) >> 3;
            }
            if bin == 0 {
                return VirtualOffset::MAX;
            }
            if let Some(first) = reference.bin(bin).and_then(|b| reference.chunks_of(b).iter().map(|c| c.start).min()) {
                return first;
            }
            bin += 1;
        }
    }

    fn leaf(&self, position: i64) -> u32 {
        let leaves = ((1u64 << (3 * self.depth)) - 1) / 7;
        (leaves + (position >> self.min_shift) as u64) as u32
    }
}

/// Sorts chunks and joins those that touch or share a block, so that no block is read twice.
fn merge(mut chunks: Vec<Chunk>) -> Vec<Chunk> {
    chunks.retain(|c| c.start < c.stop);
    chunks.sort_unstable();
    let mut merged: Vec<Chunk> = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        match merged.last_mut() {
            Some(last) if chunk.start.compressed() <= last.stop.compressed() => last.stop = last.stop.max(chunk.stop),
            _ => merged.push(chunk),
        }
    }
    merged
}
