//! Where depth rises and falls ahead of a position.

use std::collections::BTreeMap;

use super::counter::Runs;
use crate::error::{Error, Result};

/// Cells of the ring at first: what short reads need, and still in the nearest caches.
const CELLS: usize = 1 << 13;
/// Cells up to which the ring grows with the spans it meets; ends that lie further ahead are kept in a tree.
const MOST_CELLS: usize = 1 << 19;

/// Positions passed at a time: room is made for a run at each of them.
const PASSED: i64 = 1 << 12;

/// Changes of depth at positions not yet passed, and the depth before them.
///
/// A ring of cells holds those near the position; its memory follows the longest span near, never a contig's length.
#[derive(Debug)]
pub(super) struct Differences {
    /// Changes before it are passed.
    base: i64,
    /// The change at position `p` is in cell `p % cells`.
    cells: Vec<i64>,
    most: usize,
    far: BTreeMap<i64, i64>,
    /// The depth just before `base`.
    depth: i64,
    /// No change lies at this position or behind it.
    limit: i64,
}

impl Differences {
    pub(super) fn new() -> Self {
        Self::with_cells(CELLS, MOST_CELLS)
    }

    /// Of other sizes, which are powers of two.
    pub(super) fn with_cells(cells: usize, most: usize) -> Self {
        Self { base: 0, cells: vec![0; cells], most, far: BTreeMap::new(), depth: 0, limit: 0 }
    }

    /// Begins anew at `base`: nothing may be left ahead.
    pub(super) fn restart(&mut self, base: i64) {
        (self.base, self.depth, self.limit) = (base, 0, base);
    }

    /// The depth before the first change that is left.
    pub(super) fn depth(&self) -> i64 {
        self.depth
    }

    /// No change lies at this position or behind it.
    pub(super) fn limit(&self) -> i64 {
        self.limit
    }

    /// Whether so many positions before `position` are not passed that it is time to.
    #[inline]
    pub(super) fn lags(&self, position: i64) -> bool {
        position - self.base >= CELLS as i64
    }

    /// Whether a change at `position` has a cell.
    #[inline]
    pub(super) fn is_near(&self, position: i64) -> bool {
        position - self.base < self.cells.len() as i64
    }

    /// One more on each base of the span, which lies ahead.
    #[inline]
    pub(super) fn add(&mut self, start: i64, end: i64) {
        self.change(start, 1);
        self.change(end, -1);
    }

    /// One less on each base of the span.
    #[inline]
    pub(super) fn subtract(&mut self, start: i64, end: i64) {
        self.change(start, -1);
        self.change(end, 1);
    }

    #[inline]
    fn change(&mut self, position: i64, by: i64) {
        debug_assert!(position >= self.base, "{position} is passed: {}", self.base);
        if self.is_near(position) {
            let mask = self.cells.len() - 1;
            self.cells[position as usize & mask] += by;
        } else {
            self.change_far(position, by);
        }
        self.limit = self.limit.max(position + 1);
    }

    #[cold]
    fn change_far(&mut self, position: i64, by: i64) {
        let ahead = usize::try_from(position - self.base).unwrap_or(usize::MAX);
        if ahead < self.most {
            let mut cells = vec![0; (ahead + 1).next_power_of_two()];
            let (old, new) = (self.cells.len(), cells.len());
            for p in self.base..self.base + old as i64 {
                cells[p as usize & (new - 1)] = self.cells[p as usize & (old - 1)];
            }
            cells[position as usize & (new - 1)] += by;
            self.cells = cells;
        } else {
            *self.far.entry(position).or_default() += by;
        }
    }

    /// Passes all positions before `to`: their runs go to `runs`, of which the last one stays open.
    ///
    /// # Errors
    /// When a depth is no `u32`.
    pub(super) fn advance(&mut self, to: i64, runs: &mut Runs) -> Result<()> {
        let until = to.min(self.limit);
        while self.base < until {
            let next = until.min(self.base + PASSED.min(self.cells.len() as i64));
            self.fetch_far(next);
            // The ring's end may lie in between.
            let mask = self.cells.len() - 1;
            let first = self.base as usize & mask;
            let whole = (next - self.base) as usize;
            let before = whole.min(self.cells.len() - first);
            self.pass(first, before, self.base, runs)?;
            self.pass(0, whole - before, self.base + before as i64, runs)?;
            self.base = next;
        }
        self.base = self.base.max(to);
        Ok(())
    }

    fn pass(&mut self, first: usize, count: usize, base: i64, runs: &mut Runs) -> Result<()> {
        let (mut depth, mut at) = (self.depth, 0);
        let cells = &mut self.cells[first..first + count];
        // The first change may lie where the last run ended.
        while at < count && base + at as i64 <= runs.end() {
            depth += std::mem::take(&mut cells[at]);
            at += 1;
        }
        // Whether there is a change cannot be foretold: each position is written down, and the next one over it if there is none.
        let held = runs.ends.len();
        runs.ends.resize(held + count - at, 0);
        runs.depths.resize(held + count - at, 0);
        let (ends, depths) = (&mut runs.ends[held..], &mut runs.depths[held..]);
        let (mut found, mut range) = (0, 0);
        for (cell, position) in cells[at..].iter_mut().zip(base + at as i64..) {
            ends[found] = position;
            depths[found] = depth as u32;
            let by = std::mem::take(cell);
            found += usize::from(by != 0);
            range |= depth;
            depth += by;
        }
        // Negative ones have the highest bit.
        if range >> 32 != 0 {
            return Err(too_deep(range));
        }
        runs.ends.truncate(held + found);
        runs.depths.truncate(held + found);
        self.depth = depth;
        Ok(())
    }

    /// Gives cells to the far changes before `next`, which all have one.
    fn fetch_far(&mut self, next: i64) {
        let mask = self.cells.len() - 1;
        while let Some(entry) = self.far.first_entry().filter(|e| *e.key() < next) {
            let (position, by) = entry.remove_entry();
            self.cells[position as usize & mask] += by;
        }
    }

    /// The changes that are left, in order, and nothing ahead any more.
    pub(super) fn drain(&mut self) -> Vec<(i64, i64)> {
        let mut left = Vec::new();
        let mask = self.cells.len() - 1;
        let near = self.limit.min(self.base + self.cells.len() as i64);
        for position in self.base..near {
            let cell = std::mem::take(&mut self.cells[position as usize & mask]);
            if cell != 0 {
                left.push((position, cell));
            }
        }
        left.extend(std::mem::take(&mut self.far));
        // A change may have come to the tree before the ring grew to where it lies.
        left.sort_unstable();
        left
    }
}

/// A depth that a row can hold.
pub(super) fn in_u32(depth: i64) -> Result<u32> {
    u32::try_from(depth).map_err(|_| too_deep(depth))
}

#[cold]
fn too_deep(depth: i64) -> Error {
    Error::limit(format!("a depth of about {depth} does not fit 32 bits"))
}
