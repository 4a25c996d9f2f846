//! What a binning index names for a request, shared out to partitions.

use std::ops::Range;

use super::{Framing, ObjectId, Partition, Segment, Until};
use crate::bgzf::{MAX_BLOCK, VirtualOffset};
use crate::genome::RegionSet;
use crate::index::{BinningIndex, Chunk};

/// Records that follow one another and lie wholly in the file's blocks from a place to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) chunk: Chunk,
    /// The chunk's last block is believed to end by here: one that is longer takes another read.
    last_end: Option<u64>,
    until: Option<Until>,
}

impl Stretch {
    /// All records from `start` on.
    pub(super) fn from(start: VirtualOffset) -> Self {
        Self::between(start, VirtualOffset::MAX)
    }

    /// The records from `start` on that start before `stop`.
    pub(super) fn between(start: VirtualOffset, stop: VirtualOffset) -> Self {
        Self { chunk: Chunk { start, stop }, last_end: None, until: None }
    }

    /// Where its stored bytes end in an object of `size`: of the last block only the beginning is known, 64 KiB at most.
    fn end(&self, size: u64) -> u64 {
        let stop = self.chunk.stop;
        let furthest = match (stop.compressed(), stop.within()) {
            _ if stop == VirtualOffset::MAX => size,
            (block, 0) => block,
            (block, _) => self.last_end.unwrap_or(u64::MAX).min(block.saturating_add(MAX_BLOCK as u64)),
        };
        furthest.min(size)
    }

    fn bytes(&self, size: u64) -> Range<u64> {
        self.chunk.start.compressed().min(size)..self.end(size)
    }

    pub(super) fn segment(&self, size: u64, joined: bool) -> Segment {
        let framing = Framing::Bgzf { start: self.chunk.start, stop: self.chunk.stop };
        // Where another partition begins, the last record must be read to see that it does.
        let until = self.until.clone().filter(|_| !joined);
        Segment { joined, until, ..Segment::new(ObjectId(0), self.bytes(size), framing) }
    }

    /// Takes in `other`, which does not begin before this one, where they share a block: no block is read twice.
    fn join(&mut self, other: &Self) -> bool {
        if other.chunk.start.compressed() > self.chunk.stop.compressed() {
            return false;
        }
        self.until = match (&self.until, &other.until) {
            (Some(a), Some(b)) if a.contig == b.contig => {
                Some(Until { position: a.position.max(b.position), ..b.clone() })
            }
            // All of the other contig's records follow.
            (Some(_), b) if other.chunk.start >= self.chunk.stop => b.clone(),
            _ => None,
        };
        if other.chunk.stop > self.chunk.stop {
            self.chunk.stop = other.chunk.stop;
            self.last_end = other.last_end;
        }
        true
    }
}

/// Where the records of `regions` are. `first` is where the file's own begin, blocks are believed to be no longer than `longest`;
/// `reference` numbers a contig as the index does.
pub(super) fn of_regions(
    index: &BinningIndex,
    regions: &RegionSet,
    first: VirtualOffset,
    longest: u64,
    reference: impl Fn(&BinningIndex, &str) -> Option<usize>,
) -> Vec<Stretch> {
    let mut found = Vec::new();
    for (contig, intervals) in regions.iter() {
        let Some(id) = reference(index, contig) else { continue };
        for interval in &index.by_window(intervals) {
            let until = Until { contig: contig.to_owned(), position: interval.end().get() };
            found.extend(index.chunks(id, std::slice::from_ref(interval)).into_iter().map(|chunk| Stretch {
                chunk,
                // The next block that the index names begins behind this one's end.
                last_end: Some(
                    index.block_after(id, chunk.stop).unwrap_or(u64::MAX).min(chunk.stop.compressed() + longest),
                ),
                until: Some(until.clone()),
            }));
        }
    }
    // Every line of a text format has a contig.
    if regions.has_unplaced() && index.tabix().is_none() {
        found.push(Stretch::from(index.end_of_placed().unwrap_or(first).max(first)));
    }
    found.sort_by_key(|s| s.chunk);
    let mut joined: Vec<Stretch> = Vec::with_capacity(found.len());
    for stretch in found {
        if !joined.last_mut().is_some_and(|last| last.join(&stretch)) {
            joined.push(stretch);
        }
    }
    joined
}

/// Shares `stretches` of an object of `size` out to `wanted` partitions by stored bytes, cutting them where records start,
/// into pieces of at least `least` bytes.
pub(super) fn share_out(
    stretches: Vec<Stretch>,
    size: u64,
    wanted: usize,
    least: u64,
    starts: impl FnOnce() -> Vec<VirtualOffset>,
) -> Vec<Partition> {
    let length = |s: &Stretch| s.end(size).saturating_sub(s.chunk.start.compressed());
    let total: u64 = stretches.iter().map(length).sum();
    let share = total.div_ceil(wanted.max(1) as u64).max(least);
    // There may be millions of them.
    let starts = if wanted > 1 && total > share { starts() } else { Vec::new() };
    let mut out: Vec<Partition> = Vec::new();
    let mut open = Partition::default();
    let mut room = share;
    for mut rest in stretches {
        while out.len() + 1 < wanted && length(&rest) > room {
            let Chunk { start, stop } = rest.chunk;
            let target = VirtualOffset::new(start.compressed() + room, 0).max(start);
            let next = starts.partition_point(|s| *s < target || *s <= start);
            let Some(cut) = starts.get(next).copied().filter(|s| *s < stop && s.compressed() < size) else { break };
            open.segments.push(Stretch::between(start, cut).segment(size, true));
            out.push(std::mem::take(&mut open));
            rest.chunk.start = cut;
            room = share;
        }
        let used = length(&rest);
        open.segments.push(rest.segment(size, false));
        if used >= room && out.len() + 1 < wanted {
            out.push(std::mem::take(&mut open));
            room = share;
        } else {
            room = room.saturating_sub(used).max(1);
        }
    }
    if !open.segments.is_empty() {
        out.push(open);
    }
    out
}
