//! The other side's rows, batch by batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use datafusion::common::{DataFusionError, JoinType, Result};
use datafusion::physical_plan::PhysicalExpr;

use super::block::{Block, Group};
use super::condition::Span;
use super::keys::{Keys, Spans};
use super::pairs::{Output, Pairs};

/// Which rows have a partner, set from several threads.
#[derive(Debug)]
pub(super) struct Marks(Vec<AtomicU64>);

impl Marks {
    pub(super) fn new(rows: usize) -> Self {
        Self(std::iter::repeat_with(AtomicU64::default).take(rows.div_ceil(64)).collect())
    }

    pub(super) fn set(&self, row: usize) {
        if let Some(word) = self.0.get(row / 64) {
            word.fetch_or(1 << (row % 64), Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self, row: usize) -> bool {
        self.0.get(row / 64).is_some_and(|word| word.load(Ordering::Relaxed) >> (row % 64) & 1 == 1)
    }
}

/// What happens to the marks of a batch's rows.
pub(super) enum Rest {
    /// Rows that the join hands out for their mark follow the batch's pairs.
    Follows,
    /// They are set here, for these rows.
    Kept(Arc<Marks>, Vec<usize>),
}

/// Rows without columns in a batch: who makes a column of constants for them holds so many.
const MOST_COUNTED: usize = 1 << 20;

/// The rows that a batch of the right side and a block of the left one make, lazily.
pub(super) struct Joined {
    output: Arc<Output>,
    block: Arc<Block>,
    batch: RecordBatch,
    keys: Keys,
    spans: Spans,
    /// The next row to look up.
    row: usize,
    /// Rows found for the row before it, of which those from `taken` on are yet to be handed out.
    found: Vec<u32>,
    taken: usize,
    /// Pairs that are counted and yet to be handed out.
    counted: usize,
    left_marks: Option<Arc<Marks>>,
    /// For each row of the batch, where it matters.
    marked: Vec<bool>,
    rest: Rest,
    is_done: bool,
}

impl Joined {
    pub(super) fn new(
        output: Arc<Output>,
        block: Arc<Block>,
        batch: RecordBatch,
        keys: &[Arc<dyn PhysicalExpr>],
        span: &Span,
        left_marks: Option<Arc<Marks>>,
        rest: Rest,
    ) -> Result<Self> {
        let (keys, spans) = (Keys::of(keys, &batch)?, Spans::of(span, &batch)?);
        let marked = if output.marks_right() { vec![false; batch.num_rows()] } else { Vec::new() };
        let (found, taken, row) = (Vec::new(), 0, 0);
        let (counted, is_done) = (0, false);
        Ok(Self { output, block, batch, keys, spans, row, found, taken, counted, left_marks, marked, rest, is_done })
    }

    /// Looks each of the remaining rows up in its group.
    fn each(&mut self, mut look: impl FnMut(&mut Vec<bool>, usize, &Group, i64, i64) -> bool) {
        let mut last: Option<(&[u8], Option<&Group>)> = None;
        while self.row < self.batch.num_rows() {
            let row = self.row;
            self.row += 1;
            let (Some(key), Some((start, end))) = (self.keys.get(row), self.spans.get(row)) else { continue };
            let group = match last {
                Some((known, group)) if known == key => group,
                _ => self.block.group(key),
            };
            last = Some((key, group));
            if let Some(group) = group
                && !look(&mut self.marked, row, group, start, end)
            {
                return;
            }
        }
    }

    /// All pairs, counted.
    fn count(&mut self) -> usize {
        let mut pairs = 0;
        self.each(|_, _, group, start, end| {
            pairs += group.count(start, end);
            true
        });
        pairs
    }

    /// Marks the rows that have a partner at all.
    fn mark_any(&mut self) {
        self.each(|marked, row, group, start, end| {
            marked[row] = group.any(start, end);
            true
        });
    }

    /// The next pairs, at most as many as a batch holds; none at the end.
    fn pairs(&mut self) -> Pairs {
        let most = self.output.batch_size;
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut found = std::mem::take(&mut self.found);
        if self.taken < found.len() {
            let to = found.len().min(self.taken + most);
            left.extend_from_slice(&found[self.taken..to]);
            right.resize(left.len(), self.row as u32 - 1);
            self.taken = to;
        }
        if left.len() < most {
            let mut taken = found.len();
            self.each(|_, row, group, start, end| {
                found.clear();
                group.overlaps(start, end, &mut found);
                taken = found.len().min(most - left.len());
                left.extend_from_slice(&found[..taken]);
                right.resize(left.len(), row as u32);
                left.len() < most
            });
            self.taken = taken;
        }
        self.found = found;
        Pairs { left: left.into(), right: right.into() }
    }

    fn is_exhausted(&self) -> bool {
        self.row >= self.batch.num_rows() && self.taken >= self.found.len()
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        let output = Arc::clone(&self.output);
        if self.is_done {
            return Ok(None);
        }
        if output.is_count() {
            if self.row == 0 {
                self.counted = self.count();
            }
            let rows = self.counted.min(MOST_COUNTED);
            self.counted -= rows;
            self.is_done = rows == 0;
            return if rows > 0 { output.counted(rows).map(Some) } else { Ok(None) };
        }
        if !output.has_pairs() && output.residual.is_none() && self.left_marks.is_none() {
            self.mark_any();
        }
        while !self.is_exhausted() {
            let pairs = self.pairs();
            let pairs = output.kept(pairs, &self.block.batch, &self.batch)?;
            if let Some(marks) = &self.left_marks {
                pairs.left.values().iter().for_each(|row| marks.set(self.block.first + *row as usize));
            }
            if output.marks_right() {
                pairs.right.values().iter().for_each(|row| self.marked[*row as usize] = true);
            }
            if output.has_pairs() && !pairs.left.is_empty() {
                return output
                    .rows(Some((&self.block.batch, &pairs.left)), Some((&self.batch, &pairs.right)))
                    .map(Some);
            }
        }
        self.is_done = true;
        if !output.marks_right() {
            return Ok(None);
        }
        match &self.rest {
            Rest::Kept(marks, numbers) => {
                let set = self.marked.iter().zip(numbers).filter(|(marked, _)| **marked);
                set.for_each(|(_, number)| marks.set(*number));
                Ok(None)
            }
            Rest::Follows => rest(&output, &self.batch, |row| self.marked[row]),
        }
    }
}

/// Those rows of a right side's batch that the join hands out for having a partner or none, or all with the answer; `None`
/// when there are none.
pub(super) fn rest(
    output: &Output,
    batch: &RecordBatch,
    is_marked: impl Fn(usize) -> bool,
) -> Result<Option<RecordBatch>> {
    if output.join_type == JoinType::RightMark {
        let marks: BooleanArray = (0..batch.num_rows()).map(|row| Some(is_marked(row))).collect();
        return if batch.num_rows() > 0 { output.marked(batch, marks).map(Some) } else { Ok(None) };
    }
    let wanted = |row: &u32| is_marked(*row as usize) == output.wants_marked();
    let rows: UInt32Array = (0..batch.num_rows() as u32).filter(wanted).collect::<Vec<_>>().into();
    if rows.values().is_empty() {
        return Ok(None);
    }
    output.rows(None, Some((batch, &rows))).map(Some)
}

impl Iterator for Joined {
    type Item = Result<RecordBatch, DataFusionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let time = self.output.time.clone();
        let _timer = time.timer();
        let next = self.advance();
        if next.is_err() {
            self.is_done = true;
        }
        next.transpose()
    }
}
