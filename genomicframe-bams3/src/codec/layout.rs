//! Where reads lie on the reference, and which positions they cover (specification §7.9).
//!
//! A read is *aligned* when it is mapped, has a contig and a start of at least 0, and its CIGAR has only the nine
//! operations, does not end beyond 2^63 - 1, and covers exactly the bases that the read has, of which there is one at
//! least. All others are *plain*.
//!
//! An aligned read covers *segments*: each begins with an M, = or X and ends with one. An N ends a segment, and so does
//! a D that would make the segment's deleted bases more than the aligned ones before it. Segments of a contig that
//! overlap or touch make a *run*. Runs are ordered by contig, then start; their positions, one after the other, are the
//! *covered positions*. There are at most twice as many as there are bases.

use genomicframe_core::{Error, Result};

use super::stream::LONGEST;

/// The CIGARs of reads, one after the other in `ops`; that of read `i` ends at `ends[i]`.
#[derive(Debug, Clone, Copy)]
pub struct Cigars<'a> {
    /// Operations as BAM packs them: length in the upper 28 bits, code in the lower 4.
    pub ops: &'a [u32],
    /// Where each ends.
    pub ends: &'a [u32],
}

impl<'a> Cigars<'a> {
    /// That of read `i`.
    fn get(&self, i: usize) -> &'a [u32] {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.ops[start..self.ends[i] as usize]
    }
}

/// What bases are laid out by: columns that are known before bases are.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    /// Number of each read's contig, -1: none.
    pub contigs: &'a [i32],
    /// Leftmost position, 0-based, -1: none.
    pub starts: &'a [i64],
    /// CIGARs, empty where there is none.
    pub cigars: Cigars<'a>,
    /// Bases of each read.
    pub lengths: &'a [u32],
    /// Whether the read is flagged as unmapped.
    pub unmapped: &'a [bool],
}

/// Where the bases of reads of these lengths begin, one after the other.
pub(crate) fn begins(lengths: &[u32]) -> Vec<usize> {
    let mut next = 0;
    let begin = |length: &u32| {
        let begin = next;
        next += *length as usize;
        begin
    };
    lengths.iter().map(begin).collect()
}

/// An operation's part in laying bases out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// M, = and X: bases at positions.
    Match,
    /// I and S: bases without.
    Insert,
    /// D: positions without bases.
    Delete,
    /// N.
    Skip,
    /// H and P.
    Nothing,
}

impl Step {
    /// Of a packed operation; `None`: not one of the nine.
    pub(super) fn of(op: u32) -> Option<Self> {
        Some(match op & 0xf {
            0 | 7 | 8 => Self::Match,
            1 | 4 => Self::Insert,
            2 => Self::Delete,
            3 => Self::Skip,
            5 | 6 => Self::Nothing,
            _ => return None,
        })
    }
}

/// An aligned read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) contig: i32,
    pub(super) start: i64,
    pub(super) ops: &'a [u32],
}

impl<'a> Placed<'a> {
    /// Its operations and their lengths.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Step, usize)> + 'a {
        self.ops.iter().filter_map(|op| Some((Step::of(*op)?, (*op >> 4) as usize)))
    }
}

impl<'a> Layout<'a> {
    /// Reads.
    pub fn reads(&self) -> usize {
        self.lengths.len()
    }

    /// The bases of all reads.
    ///
    /// # Errors
    /// When its columns differ in length, or there are more bases than a stream can have.
    pub(super) fn bases(&self) -> Result<usize> {
        let reads = self.reads();
        let columns = [self.contigs.len(), self.starts.len(), self.cigars.ends.len(), self.unmapped.len()];
        let ends = self.cigars.ends;
        let last = ends.last().is_none_or(|end| *end as usize <= self.cigars.ops.len());
        if columns != [reads; 4] || !ends.is_sorted() || !last {
            return Err(Error::corrupt("the columns that bases are laid out by differ in length"));
        }
        let bases: u64 = self.lengths.iter().map(|n| u64::from(*n)).sum();
        match usize::try_from(bases) {
            Ok(n) if n <= LONGEST => Ok(n),
            _ => Err(Error::limit(format!("{bases} bases, more than the limit of {LONGEST}"))),
        }
    }

    /// Read `i`, if it is aligned.
    fn place(&self, i: usize) -> Option<Placed<'a>> {
        let (contig, start, ops) = (self.contigs[i], self.starts[i], self.cigars.get(i));
        if self.unmapped[i] || contig < 0 || start < 0 || self.lengths[i] == 0 {
            return None;
        }
        let (mut read, mut reference) = (0u64, 0u64);
        for op in ops {
            let len = u64::from(*op >> 4);
            match Step::of(*op)? {
                Step::Match => (read, reference) = (read + len, reference + len),
                Step::Insert => read += len,
                Step::Delete | Step::Skip => reference += len,
                Step::Nothing => {}
            }
        }
        let end = start.checked_add_unsigned(reference);
        (end.is_some() && read == u64::from(self.lengths[i])).then_some(Placed { contig, start, ops })
    }
}

/// Consecutive positions of a contig.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    contig: i32,
    start: i64,
    end: i64,
    /// Covered positions before it.
    before: usize,
}

/// The positions that reads cover.
#[derive(Debug)]
pub(super) struct Cover<'a> {
    /// The aligned reads; `None`: plain.
    pub(super) reads: Vec<Option<Placed<'a>>>,
    /// How many are aligned.
    pub(super) aligned: usize,
    /// Covered positions.
    pub(super) positions: usize,
    /// Bases that lie at no position: inserted, clipped and those of plain reads.
    pub(super) literals: usize,
    runs: Vec<Run>,
}

impl<'a> Cover<'a> {
    /// `layout` is one whose columns were checked by [`Layout::bases`].
    pub(super) fn new(layout: &Layout<'a>) -> Self {
        let reads = Vec::with_capacity(layout.reads());
        let mut cover = Self { reads, aligned: 0, positions: 0, literals: 0, runs: Vec::new() };
        let mut sorted = true;
        for i in 0..layout.reads() {
            let placed = layout.place(i);
            match &placed {
                Some(read) => {
                    cover.aligned += 1;
                    sorted &= cover.add(read);
                }
                None => cover.literals += layout.lengths[i] as usize,
            }
            cover.reads.push(placed);
        }
        if !sorted {
            cover.runs.sort();
            cover.runs.dedup_by(|next, run| {
                let joins = run.contig == next.contig && next.start <= run.end;
                if joins {
                    run.end = run.end.max(next.end);
                }
                joins
            });
        }
        for run in &mut cover.runs {
            run.before = cover.positions;
            cover.positions += (run.end - run.start) as usize;
        }
        cover
    }

    /// Adds a read's segments; whether they follow those before.
    fn add(&mut self, read: &Placed<'_>) -> bool {
        let (mut at, mut from, mut to) = (read.start, read.start, read.start);
        let (mut matched, mut deleted, mut sorted) = (0, 0, true);
        for (step, len) in read.steps() {
            let len = len as i64;
            match step {
                Step::Match => {
                    if matched == 0 {
                        from = at;
                    }
                    (at, matched) = (at + len, matched + len);
                    to = at;
                }
                Step::Insert => self.literals += len as usize,
                Step::Delete if deleted + len <= matched => (at, deleted) = (at + len, deleted + len),
                Step::Delete | Step::Skip => {
                    sorted &= self.segment(read.contig, from, to);
                    (at, matched, deleted) = (at + len, 0, 0);
                    to = from;
                }
                Step::Nothing => {}
            }
        }
        sorted & self.segment(read.contig, from, to)
    }

    fn segment(&mut self, contig: i32, start: i64, end: i64) -> bool {
        if start == end {
            return true;
        }
        let mut sorted = true;
        if let Some(last) = self.runs.last_mut() {
            if last.contig == contig && last.start <= start && start <= last.end {
                last.end = last.end.max(end);
                return true;
            }
            sorted = (last.contig, last.start) <= (contig, start);
        }
        self.runs.push(Run { contig, start, end, before: 0 });
        sorted
    }

    /// Finds the number that a position has among the covered ones.
    pub(super) fn finder(&self) -> Finder<'_> {
        Finder { runs: &self.runs, at: 0 }
    }
}

/// Finds covered positions; fast where they ascend.
#[derive(Debug)]
pub(super) struct Finder<'a> {
    runs: &'a [Run],
    at: usize,
}

impl Finder<'_> {
    /// How many covered positions precede this one, which is covered too.
    #[inline]
    pub(super) fn find(&mut self, contig: i32, position: i64) -> usize {
        let holds = |r: &&Run| r.contig == contig && r.start <= position && position < r.end;
        let run = match self.runs.get(self.at).filter(holds) {
            Some(run) => run,
            None => {
                let after = self.runs.partition_point(|r| (r.contig, r.start) <= (contig, position));
                self.at = after.saturating_sub(1);
                &self.runs[self.at]
            }
        };
        run.before + (position - run.start) as usize
    }

    /// How many covered positions precede this one; `None` unless it and the `len - 1` after it are covered.
    pub(super) fn find_all(&mut self, contig: i32, position: i64, len: usize) -> Option<usize> {
        let after = self.runs.partition_point(|r| (r.contig, r.start) <= (contig, position));
        let run = self.runs.get(after.checked_sub(1)?)?;
        let end = position.checked_add_unsigned(len as u64)?;
        (run.contig == contig && end <= run.end).then(|| run.before + (position - run.start) as usize)
    }
}
