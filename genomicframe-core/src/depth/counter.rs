//! The reads of one partition to chunks of runs.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};

use super::DepthRules;
use super::columns::{Columns, ContigOf};
use super::differences::{Differences, in_u32};
use super::mates::{Mates, Waiting};
use super::spans::{self, Span};
use crate::error::{Error, Result};
use crate::genome::Contigs;

/// Runs of equal depth, one after the other.
#[derive(Debug, Default)]
pub(super) struct Runs {
    pub(super) start: i64,
    pub(super) ends: Vec<i64>,
    pub(super) depths: Vec<u32>,
}

impl Runs {
    fn at(start: i64) -> Self {
        Self { start, ends: Vec::new(), depths: Vec::new() }
    }

    /// Where the next run begins.
    pub(super) fn end(&self) -> i64 {
        self.ends.last().copied().unwrap_or(self.start)
    }

    /// The run from the last end to `position` has this depth.
    #[inline]
    pub(super) fn close(&mut self, position: i64, depth: i64) -> Result<()> {
        if position > self.end() {
            self.depths.push(in_u32(depth)?);
            self.ends.push(position);
        }
        Ok(())
    }
}

/// Depth of a stretch of a contig, as the reads of one partition make it. Made for [`DepthMerger`](super::DepthMerger), which
/// takes the chunks of all partitions in order.
#[derive(Debug)]
pub struct Chunk {
    pub(super) contig: usize,
    /// The runs go up to the last end: no read that follows, of this or a later partition, counts before it.
    pub(super) runs: Runs,
    /// Reads whose mates may be another partition's, in order.
    pub(super) deferred: Vec<Waiting>,
    /// Of a partition's last chunk, what its reads count further on.
    pub(super) tail: Option<Tail>,
}

/// What reaches over the end of a partition.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Changes of depth.
    pub(super) changes: Vec<(i64, i64)>,
    /// Reads that wait for mates.
    pub(super) waiting: Vec<Waiting>,
}

/// Runs after which a chunk ends.
const RUNS: usize = 1 << 14;

/// Counts the depth that the reads of one partition make.
///
/// ```
/// # use std::sync::Arc;
/// use genomicframe_core::depth::{DepthCounter, DepthMerger, DepthRules, Layout, Report};
/// use genomicframe_core::genome::{Contig, Contigs};
/// # use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
/// # use arrow::datatypes::UInt32Type;
///
/// # fn main() -> genomicframe_core::Result<()> {
/// # let column = |numbers: [i64; 2]| Arc::new(Int64Array::from(numbers.to_vec())) as ArrayRef;
/// # let names = Arc::new(StringViewArray::from(vec!["chr1", "chr1"])) as ArrayRef;
/// # let alignments = RecordBatch::try_from_iter([("rname", names), ("pos", column([3, 5])), ("end", column([7, 9]))])?;
/// let mut contigs = Contigs::default();
/// contigs.push(Contig { name: "chr1".into(), length: Some(10) });
/// let contigs = Arc::new(contigs);
/// let mut counter = DepthCounter::new(Arc::clone(&contigs), DepthRules::fast());
/// let mut merger = DepthMerger::new(Report::new(contigs, Layout::Runs)?);
/// counter.add(&alignments)?;
/// let mut rows = Vec::new();
/// while let Some(chunk) = counter.step()? {
///     merger.add(chunk)?;
///     while let Some(batch) = merger.step()? {
///         rows.push(batch);
///     }
/// }
/// counter.finish()?.map(|chunk| merger.add(chunk)).transpose()?;
/// merger.finish();
/// while let Some(batch) = merger.step()? {
///     rows.push(batch);
/// }
/// let depths: Vec<u32> = rows.iter().flat_map(|b| b["depth"].as_primitive::<UInt32Type>().values().to_vec()).collect();
/// assert_eq!(depths, [0, 1, 2, 1, 0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct DepthCounter {
    contigs: Arc<Contigs>,
    rules: DepthRules,
    batch: Option<(Columns, usize)>,
    of: ContigOf,
    /// The contig of the last read.
    contig: Option<usize>,
    /// Where the partition's first read lies: what reads there, or mates before, do to one another is not for it to tell.
    first: Option<(usize, i64)>,
    /// The start of the last read.
    start: i64,
    ahead: Differences,
    mates: Mates,
    runs: Runs,
    deferred: Vec<Waiting>,
    spans: Vec<Span>,
}

impl DepthCounter {
    /// A counter of reads on `contigs`.
    pub fn new(contigs: Arc<Contigs>, rules: DepthRules) -> Self {
        Self {
            contigs,
            rules,
            batch: None,
            of: ContigOf::default(),
            contig: None,
            first: None,
            start: 0,
            ahead: Differences::new(),
            mates: Mates::default(),
            runs: Runs::default(),
            deferred: Vec::new(),
            spans: Vec::new(),
        }
    }

    /// The same with a ring of other sizes.
    #[cfg(test)]
    pub(super) fn with_cells(self, cells: usize, most: usize) -> Self {
        Self { ahead: Differences::with_cells(cells, most), ..self }
    }

    /// The reads of `batch`, with the columns of [`DepthRules::columns`], follow in order. [`DepthCounter::step`] counts them.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.of.new_batch();
        self.batch = Some((Columns::of(batch, self.rules)?, 0));
        Ok(())
    }

    /// The next chunk that the batch makes; `None` when it is used up.
    ///
    /// # Errors
    /// When reads are not sorted by position, lie on a contig that the header lacks, or are broken.
    pub fn step(&mut self) -> Result<Option<Chunk>> {
        let Some((columns, from)) = self.batch.take() else { return Ok(None) };
        let rows = columns.pos.len();
        for row in from..rows {
            let Some((start, end)) = columns.span(row) else { continue };
            let contig = self.of.of(&columns.rname, row, &self.contigs)?;
            if self.contig != Some(contig) {
                if let Some(chunk) = self.close_contig()? {
                    self.batch = Some((columns, row));
                    return Ok(Some(chunk));
                }
                self.open_contig(contig, start)?;
            } else if start < self.start {
                return Err(unsorted(&self.contigs, (contig, start), (contig, self.start)));
            }
            self.start = start;
            if !self.ahead.is_near(end) || self.ahead.lags(start) || self.runs.ends.len() >= RUNS {
                self.ahead.advance(start, &mut self.runs)?;
                if self.runs.ends.len() >= RUNS {
                    let chunk = self.chunk()?;
                    self.batch = Some((columns, row));
                    return Ok(Some(chunk));
                }
            }
            self.count(&columns, row, (start, end))?;
        }
        // What follows may lie far ahead; what is passed need not wait for it.
        self.ahead.advance(self.start, &mut self.runs)?;
        let is_any = self.contig.is_some() && (!self.runs.ends.is_empty() || !self.deferred.is_empty());
        if is_any { self.chunk().map(Some) } else { Ok(None) }
    }

    /// The last chunk of the partition, with what reaches over its end; `None` where it had no reads.
    ///
    /// # Errors
    /// When a depth is no `u32`.
    pub fn finish(mut self) -> Result<Option<Chunk>> {
        if self.contig.is_none() {
            return Ok(None);
        }
        self.ahead.advance(self.start, &mut self.runs)?;
        let mut chunk = self.chunk()?;
        let mut changes = self.ahead.drain();
        changes.insert(0, (self.start, self.ahead.depth()));
        chunk.tail = Some(Tail { changes, waiting: self.mates.drain(self.start) });
        Ok(Some(chunk))
    }

    /// The whole rest of the contig, if there is one; afterwards there is none.
    fn close_contig(&mut self) -> Result<Option<Chunk>> {
        if self.contig.is_none() {
            return Ok(None);
        }
        let limit = self.ahead.limit().max(self.start);
        self.ahead.advance(limit, &mut self.runs)?;
        self.start = limit;
        let chunk = self.chunk()?;
        self.contig = None;
        Ok(Some(chunk))
    }

    fn open_contig(&mut self, contig: usize, start: i64) -> Result<()> {
        self.contig = Some(contig);
        self.first.get_or_insert((contig, start));
        self.ahead.restart(start);
        self.mates.clear();
        self.runs = Runs::at(start);
        Ok(())
    }

    /// The runs up to the start of the last read.
    fn chunk(&mut self) -> Result<Chunk> {
        let contig = self.contig.unwrap_or_default();
        self.runs.close(self.start, self.ahead.depth())?;
        let next = Runs::at(self.runs.end());
        let runs = std::mem::replace(&mut self.runs, next);
        Ok(Chunk { contig, runs, deferred: std::mem::take(&mut self.deferred), tail: None })
    }

    #[inline]
    fn count(&mut self, columns: &Columns, row: usize, (start, end): Span) -> Result<()> {
        let spans = match &columns.cigar {
            None => &[(start, end)][..],
            Some(cigars) => {
                if cigars.is_null(row) {
                    self.spans.clear();
                } else {
                    let quality = columns.qual.as_ref().filter(|q| !q.is_null(row)).map(|q| q.value(row).as_bytes());
                    let cigar = cigars.value(row).as_bytes();
                    spans::of_cigar(cigar, quality, start, self.rules, &mut self.spans)?;
                }
                &self.spans
            }
        };
        for (start, end) in spans {
            self.ahead.add(*start, *end);
        }
        let Some((name, mate)) = columns.mate(row) else { return Ok(()) };
        // A read before its mate that does not reach it shares nothing.
        if start < mate && end <= mate {
            return Ok(());
        }
        if let Some((contig, first)) = self.first
            && self.contig == Some(contig)
            && (start == first || mate <= first)
        {
            self.deferred.push(Waiting::new(name, start, mate, spans));
            return Ok(());
        }
        let ahead = &mut self.ahead;
        self.mates.meet(name, start, mate, spans, |from, to| ahead.subtract(from, to));
        Ok(())
    }
}

/// What is told of reads that are not sorted.
pub(super) fn unsorted(contigs: &Contigs, read: (usize, i64), last: (usize, i64)) -> Error {
    let place = |(contig, start): (usize, i64)| format!("{}:{}", contigs.name(contig).unwrap_or_default(), start + 1);
    Error::invalid(format!(
        "the alignments are not sorted by position: one that starts at {} follows one at {}",
        place(read),
        place(last)
    ))
    .hint("samtools sort")
}
