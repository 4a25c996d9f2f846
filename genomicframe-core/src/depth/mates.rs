//! Reads that wait for their mate, so that bases on which both lie count once.

use std::collections::HashMap;

use super::spans::{Span, common};

/// A read of a pair that may overlap its mate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its name and where the pair lies: what both reads have in common.
    key: Vec<u8>,
    start: i64,
    mate: i64,
    spans: Vec<Span>,
}

impl Waiting {
    pub(super) fn new(name: &[u8], start: i64, mate: i64, spans: &[Span]) -> Self {
        let mut key = Vec::with_capacity(name.len() + 16);
        write_key(name, start, mate, &mut key);
        Self { key, start, mate, spans: spans.to_vec() }
    }
}

/// Both reads of a pair say where it lies. A name alone might be that of other reads too, which another partition has.
fn write_key(name: &[u8], start: i64, mate: i64, key: &mut Vec<u8>) {
    key.clear();
    key.extend_from_slice(name);
    key.extend_from_slice(&start.min(mate).to_le_bytes());
    key.extend_from_slice(&start.max(mate).to_le_bytes());
}

/// Starts of reads that wait are found in so many slots.
const SLOTS: usize = 1 << 12;
/// So few reads are kept although their mates never came.
const FEW: usize = 1 << 12;

/// The reads of a contig that wait for mates further on.
#[derive(Debug)]
pub(super) struct Mates {
    waiting: HashMap<Vec<u8>, Kept>,
    /// The start last put into each slot: most reads whose mate does not wait are known by it without a look at the names.
    starts: Vec<i64>,
    is_noted: bool,
    key: Vec<u8>,
    /// Number of reads at which those whose mate did not come are looked for.
    look_at: usize,
}

#[derive(Debug)]
struct Kept {
    start: i64,
    mate: i64,
    first: Span,
    rest: Vec<Span>,
}

impl Kept {
    fn new(start: i64, mate: i64, spans: &[Span]) -> Self {
        let (first, rest) = spans.split_first().map_or(((start, start), &[][..]), |(first, rest)| (*first, rest));
        Self { start, mate, first, rest: rest.to_vec() }
    }

    fn common(&self, other: &[Span], found: &mut impl FnMut(i64, i64)) {
        common(&[self.first], other, &mut *found);
        common(&self.rest, other, found);
    }
}

impl Default for Mates {
    fn default() -> Self {
        Self { waiting: HashMap::new(), starts: vec![-1; SLOTS], is_noted: false, key: Vec::new(), look_at: FEW }
    }
}

impl Mates {
    /// Forgets all reads: those that follow lie on another contig.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.look_at = FEW;
        // Nothing waited where nothing was noted; a file may have millions of contigs with a read or two.
        if std::mem::take(&mut self.is_noted) {
            self.starts.fill(-1);
        }
    }

    /// A read that starts at `start`, whose mate starts at `mate`: the spans that it shares with the mate, if that waits. If
    /// it does not, and starts here or further on, the read waits for it.
    pub(super) fn meet(
        &mut self,
        name: &[u8],
        start: i64,
        mate: i64,
        spans: &[Span],
        mut shared: impl FnMut(i64, i64),
    ) {
        if start > mate && start - mate < SLOTS as i64 && self.starts[mate as usize % SLOTS] != mate {
            return;
        }
        let mut key = std::mem::take(&mut self.key);
        write_key(name, start, mate, &mut key);
        if start < mate {
            self.keep(key.clone(), Kept::new(start, mate, spans));
        } else if let Some(other) = self.waiting.remove(&key) {
            other.common(spans, &mut shared);
        } else if start == mate {
            self.keep(key.clone(), Kept::new(start, mate, spans));
        }
        self.key = key;
    }

    /// The same of a read that was handed on.
    pub(super) fn meet_waiting(&mut self, read: &Waiting, mut shared: impl FnMut(i64, i64)) {
        if read.start >= read.mate
            && let Some(other) = self.waiting.remove(&read.key)
        {
            other.common(&read.spans, &mut shared);
        } else if read.start <= read.mate {
            self.keep(read.key.clone(), Kept::new(read.start, read.mate, &read.spans));
        }
    }

    fn keep(&mut self, key: Vec<u8>, kept: Kept) {
        let here = kept.start;
        self.starts[here as usize % SLOTS] = here;
        self.is_noted = true;
        self.waiting.insert(key, kept);
        if self.waiting.len() >= self.look_at {
            self.waiting.retain(|_, kept| kept.mate >= here);
            self.look_at = (2 * self.waiting.len()).max(FEW);
        }
    }

    /// The reads that still wait, whose mates start at `from` or behind it.
    pub(super) fn drain(&mut self, from: i64) -> Vec<Waiting> {
        let left = self.waiting.drain().filter(|(_, kept)| kept.mate >= from);
        let left = left.map(|(key, Kept { start, mate, first, rest })| {
            let spans = std::iter::once(first).filter(|(start, end)| start < end).chain(rest).collect();
            Waiting { key, start, mate, spans }
        });
        let mut left: Vec<Waiting> = left.collect();
        left.sort_by(|a, b| (a.start, &a.key).cmp(&(b.start, &b.key)));
        self.clear();
        left
    }
}
