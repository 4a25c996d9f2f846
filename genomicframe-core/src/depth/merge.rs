//! Chunks in order to the runs of whole contigs.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use super::Report;
use super::counter::{Chunk, Tail, unsorted};
use super::differences::in_u32;
use super::mates::Mates;
use crate::error::Result;

/// Adds up what partitions counted, in the order of the file, and makes rows of it.
///
/// See [`DepthCounter`](super::DepthCounter) for how the two work together.
#[derive(Debug)]
pub struct DepthMerger {
    report: Report,
    /// The contig whose rows are made; the number of contigs when all are.
    contig: usize,
    /// Bases of it before this one are reported.
    at: i64,
    chunk: Option<(Chunk, usize)>,
    /// The contig and the end of the last chunk.
    last: Option<(usize, i64)>,
    /// Changes of depth by reads of partitions that are finished, and the sum of those that are passed.
    carried: BTreeMap<i64, i64>,
    depth: i64,
    mates: Mates,
    /// Whether no chunk follows.
    is_last: bool,
}

/// Bases of one depth.
type Run = (i64, i64, u32);

impl DepthMerger {
    /// Rows as `report` makes them.
    pub fn new(report: Report) -> Self {
        let mut merger = Self {
            report,
            contig: 0,
            at: 0,
            chunk: None,
            last: None,
            carried: BTreeMap::new(),
            depth: 0,
            mates: Mates::default(),
            is_last: false,
        };
        merger.report.begin(0);
        merger
    }

    /// Takes the next chunk: of each partition in the order of the file, all of them, before those of the next.
    ///
    /// # Errors
    /// When it begins before the last one ended, as those of files that are not sorted do.
    pub fn add(&mut self, chunk: Chunk) -> Result<()> {
        let begin = (chunk.contig, chunk.runs.start);
        if let Some(last) = self.last
            && begin < last
        {
            return Err(unsorted(&self.report.contigs, begin, last));
        }
        // The rest of the contig before comes first, so what waits there is kept till then.
        self.last = Some((chunk.contig, chunk.runs.ends.last().copied().unwrap_or(chunk.runs.start)));
        self.chunk = Some((chunk, 0));
        Ok(())
    }

    /// No chunk follows.
    pub fn finish(&mut self) {
        self.is_last = true;
    }

    /// The next batch of rows; `None` when the chunk is used up or, after [`DepthMerger::finish`], nothing is left.
    ///
    /// # Errors
    /// When a depth is no `u32`.
    pub fn step(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.report.is_full() {
                return self.report.take().map(Some);
            }
            if self.report.is_hungry() {
                self.pass_on();
            }
            if self.report.is_full() {
                return self.report.take().map(Some);
            }
            if self.report.is_hungry() {
                match self.next()? {
                    Some(run) => self.report.feed(run),
                    None if self.is_last && !self.report.is_empty() => return self.report.take().map(Some),
                    None => return Ok(None),
                }
            }
            self.report.step();
        }
    }

    /// Hands the chunk's runs on where nothing is to be added to them, as is so of nearly all.
    fn pass_on(&mut self) {
        let Some((chunk, place)) = &mut self.chunk else { return };
        let is_plain = self.carried.is_empty() && self.depth == 0 && chunk.deferred.is_empty();
        if !is_plain || chunk.contig != self.contig || self.at < chunk.runs.start {
            return;
        }
        let left = chunk.runs.ends.iter().zip(&chunk.runs.depths).skip(*place);
        for (end, depth) in left {
            if self.report.is_full() || !self.report.is_hungry() {
                break;
            }
            self.report.feed((self.at, *end, *depth));
            self.report.step();
            self.at = *end;
            *place += 1;
        }
    }

    /// The next run; `None` where the next chunk is needed first, or there is no other contig.
    fn next(&mut self) -> Result<Option<Run>> {
        let contigs = self.report.contigs.len();
        loop {
            let target = match &self.chunk {
                Some((chunk, _)) => chunk.contig,
                None if self.is_last => contigs,
                None => return Ok(None),
            };
            if self.contig < target {
                if let Some(run) = self.rest()? {
                    return Ok(Some(run));
                }
                self.report.end();
                // Contigs of which nothing is asked are passed at once.
                self.contig = self.report.next_reported(self.contig + 1).min(target);
                (self.at, self.depth) = (0, 0);
                self.mates.clear();
                if self.contig < contigs {
                    self.report.begin(self.contig);
                }
                if self.contig == target && target == contigs {
                    return Ok(None);
                }
                continue;
            }
            let Some((chunk, place)) = &mut self.chunk else { return Ok(None) };
            for read in std::mem::take(&mut chunk.deferred) {
                let carried = &mut self.carried;
                self.mates.meet_waiting(&read, |start, end| {
                    *carried.entry(start).or_default() -= 1;
                    *carried.entry(end).or_default() += 1;
                });
            }
            // What the chunk itself counts next, from `at` on.
            let (end, own) = if self.at < chunk.runs.start {
                (chunk.runs.start, 0)
            } else {
                match chunk.runs.ends.get(*place) {
                    Some(end) => (*end, i64::from(chunk.runs.depths[*place])),
                    None => {
                        let tail = chunk.tail.take();
                        self.chunk = None;
                        self.carry(tail.unwrap_or_default());
                        return Ok(None);
                    }
                }
            };
            let run = if self.carried.is_empty() {
                (self.at, end, in_u32(own)?)
            } else {
                let until = pass_carried(&mut self.carried, &mut self.depth, self.at, end);
                (self.at, until, in_u32(own + self.depth)?)
            };
            self.at = run.1;
            if run.1 == end && end > chunk.runs.start {
                *place += 1;
            }
            if run.0 < run.1 {
                return Ok(Some(run));
            }
        }
    }

    /// The next run behind all reads of the contig's chunks; `None` when the contig's bases are all told.
    fn rest(&mut self) -> Result<Option<Run>> {
        let end = self.report.extent();
        while self.at < end {
            let until = pass_carried(&mut self.carried, &mut self.depth, self.at, end);
            let run = (self.at, until, in_u32(self.depth)?);
            self.at = until;
            if run.0 < run.1 {
                return Ok(Some(run));
            }
        }
        // What lies behind the contig's end is no base of it.
        self.carried.clear();
        Ok(None)
    }

    fn carry(&mut self, tail: Tail) {
        for (position, by) in tail.changes.into_iter().filter(|(_, by)| *by != 0) {
            *self.carried.entry(position).or_default() += by;
        }
        for read in tail.waiting {
            self.mates.meet_waiting(&read, |_, _| {});
        }
    }
}

/// Adds the changes up to `at` to the depth; where the next one is, but `end` at most.
fn pass_carried(carried: &mut BTreeMap<i64, i64>, depth: &mut i64, at: i64, end: i64) -> i64 {
    while let Some(entry) = carried.first_entry() {
        if *entry.key() > at {
            return end.min(*entry.key());
        }
        *depth += entry.remove();
    }
    end
}
