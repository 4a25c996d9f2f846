//! The intervals of a contig, in the order that finds those over a span.

use std::sync::OnceLock;

use super::positions::{Positions, order, sorted};
use crate::{Error, Result};

/// No interval further left reaches further right.
const NONE: u32 = u32::MAX;

/// The intervals of one contig, asked which of them overlap a span.
///
/// Both ends are included, and rows overlap a span when `row.start <= end && row.end >= start`, exactly: intervals and
/// spans whose end lies before their start (a BED line of zero length) are compared like any other.
///
/// Rows stand by start. Those that overlap a span are found from the last that starts within it to the left; where one
/// ends before the span, so do all rows between it and the next one to its left that reaches further, and they are
/// stepped over. A second, longer step for each row bounds the search by the logarithm of the number of rows for each
/// row found, however deeply intervals nest.
///
/// ```
/// use genomicframe_core::intervals::IntervalIndex;
///
/// let genes = IntervalIndex::try_new(vec![100, 1, 40], vec![120, 500, 90])?;
/// let mut rows = Vec::new();
/// genes.overlaps(90, 100, &mut rows);
/// assert_eq!(rows, [1, 2, 0]);
/// assert_eq!(genes.count(91, 99), 1);
/// assert!(!genes.any(501, 600));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug)]
pub struct IntervalIndex {
    starts: Positions,
    /// In the order of the starts, as are `rows` and `steps`.
    ends: Vec<i64>,
    /// `None` when the intervals came in order of their starts.
    rows: Option<Vec<u32>>,
    steps: Vec<Step>,
    /// The ends by themselves, sorted when something is counted.
    sorted_ends: OnceLock<Positions>,
    /// The starts of rows with `end == start - 1`, ascending.
    empty: Vec<i64>,
    /// Whether a row has `end < start - 1`, which no format calls an interval.
    inverted: bool,
}

/// Where to go on to the left of a row that ends too early.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The next row that ends later.
    near: u32,
    /// One found by several such steps.
    far: u32,
}

impl IntervalIndex {
    /// An index of the intervals `starts[i]..=ends[i]`, in any order; row `i` answers as `i`.
    ///
    /// Takes time proportional to the number of rows.
    ///
    /// # Errors
    /// When there are not as many ends as starts, or more than `u32::MAX - 1` rows.
    pub fn try_new(starts: Vec<i64>, ends: Vec<i64>) -> Result<Self> {
        if starts.len() != ends.len() {
            return Err(Error::invalid(format!("{} starts and {} ends make no intervals", starts.len(), ends.len())));
        }
        if starts.len() >= NONE as usize {
            return Err(Error::limit(format!("{} intervals on one contig are more than an index holds", starts.len())));
        }
        let rows = order(&starts);
        let (starts, ends) = match &rows {
            None => (starts, ends),
            Some(rows) => (
                rows.iter().map(|&row| starts[row as usize]).collect(),
                rows.iter().map(|&row| ends[row as usize]).collect(),
            ),
        };
        let before = |&(start, end): &(&i64, &i64)| end < start;
        let backwards = || starts.iter().zip(&ends).filter(before);
        let empty = backwards().filter(|(s, e)| e.checked_add(1) == Some(**s)).map(|(s, _)| *s).collect();
        let inverted = backwards().any(|(s, e)| e.checked_add(1) != Some(*s));
        let steps = steps(&ends);
        let starts = Positions::of_sorted(starts);
        Ok(Self { starts, ends, rows, steps, sorted_ends: OnceLock::new(), empty, inverted })
    }

    /// Number of intervals.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends the rows that overlap `start..=end`, ascending by their start and then by their number.
    ///
    /// What `rows` holds already is kept.
    pub fn overlaps(&self, start: i64, end: i64, rows: &mut Vec<u32>) {
        let before = rows.len();
        match &self.rows {
            None => self.walk(start, end, |i| rows.push(i as u32)),
            Some(of) => self.walk(start, end, |i| rows.push(of[i])),
        }
        if let Some(found) = rows.get_mut(before..) {
            found.reverse();
        }
    }

    /// How many rows overlap `start..=end`, without listing them, in about constant time.
    ///
    /// The first call sorts the ends, once.
    pub fn count(&self, start: i64, end: i64) -> usize {
        if self.inverted || end < start.saturating_sub(1) {
            // Rows can lie on both sides at once, and would be taken away twice.
            let mut count = 0;
            self.walk(start, end, |_| count += 1);
            return count;
        }
        let ends = self.sorted_ends.get_or_init(|| Positions::of_sorted(sorted(self.ends.clone())));
        let mut too_early = ends.below(start);
        if end < start && !self.empty.is_empty() {
            // An empty span, and empty rows at the same place: both before and behind it.
            let (from, to) = (self.empty.partition_point(|s| *s < start), self.empty.partition_point(|s| *s <= start));
            too_early -= to - from;
        }
        self.starts.up_to(end) - too_early
    }

    /// Whether a row overlaps `start..=end`.
    pub fn any(&self, start: i64, end: i64) -> bool {
        let first = self.starts.up_to(end).checked_sub(1);
        first.is_some_and(|i| self.reaching(i, start).is_some())
    }

    /// Bytes of memory held, with what [`IntervalIndex::count`] makes when first called.
    pub fn memory(&self) -> usize {
        let ends = self.sorted_ends.get().map_or(Positions::memory_of(self.len()), Positions::memory);
        self.starts.memory()
            + ends
            + self.ends.capacity() * size_of::<i64>()
            + self.steps.capacity() * size_of::<Step>()
            + self.rows.as_ref().map_or(0, |rows| rows.capacity() * size_of::<u32>())
            + self.empty.capacity() * size_of::<i64>()
    }

    /// The places of the rows that overlap `start..=end`, from right to left.
    #[inline]
    fn walk(&self, start: i64, end: i64, mut found: impl FnMut(usize)) {
        let mut next = self.starts.up_to(end);
        while let Some(i) = next.checked_sub(1).and_then(|i| self.reaching(i, start)) {
            found(i);
            next = i;
        }
    }

    /// The last place at or before `i` whose row ends at `start` or later.
    #[inline]
    fn reaching(&self, mut i: usize, start: i64) -> Option<usize> {
        while *self.ends.get(i)? < start {
            i = self.further_left(i, start)?;
        }
        Some(i)
    }

    /// Where to go on from a row that ends before `start`: no row between the two reaches it.
    #[inline]
    fn further_left(&self, i: usize, start: i64) -> Option<usize> {
        let step = self.steps.get(i)?;
        // Ends rise from step to step, so a far one that is too early leaves nothing behind.
        let far_is_early = self.ends.get(step.far as usize).is_some_and(|end| *end < start);
        Some(if far_is_early { step.far } else { step.near } as usize)
    }
}

/// The steps to the left of every row, by a stack of the rows that nothing behind them outreaches.
///
/// The far step spans twice as many near ones whenever the last two spanned the same number (a skew-binary list).
fn steps(ends: &[i64]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::with_capacity(ends.len());
    let mut depths: Vec<u32> = Vec::with_capacity(ends.len());
    for (i, end) in ends.iter().enumerate() {
        let mut near = i.checked_sub(1);
        while let Some(left) = near
            && ends[left] <= *end
        {
            near = (steps[left].near != NONE).then_some(steps[left].near as usize);
        }
        let (step, depth) = match near {
            None => (Step { near: NONE, far: NONE }, 0),
            Some(near) => {
                let depth = |at: u32| depths.get(at as usize).map_or(-1, |d| i64::from(*d));
                let first = steps[near].far;
                let second = steps.get(first as usize).map_or(NONE, |step| step.far);
                let even = first != NONE && i64::from(depths[near]) - depth(first) == depth(first) - depth(second);
                (Step { near: near as u32, far: if even { second } else { near as u32 } }, depths[near] + 1)
            }
        };
        steps.push(step);
        depths.push(depth);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Spans of every shape that a file can hold: ordinary, of zero length, inverted, and at the ends of the numbers.
    fn spans(most: usize) -> impl Strategy<Value = Vec<(i64, i64)>> {
        let near = (0i64..60, -3i64..20).prop_map(|(start, length)| (start, start + length));
        let ordinary = (0i64..60, -1i64..20).prop_map(|(start, length)| (start, start + length));
        let far = prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()];
        let wild = (far.clone(), far);
        prop_oneof![
            3 => prop::collection::vec(ordinary.clone(), 0..most),
            1 => prop::collection::vec(near, 0..most),
            1 => prop::collection::vec(prop_oneof![9 => ordinary, 1 => wild], 0..most),
        ]
    }

    fn index(rows: &[(i64, i64)]) -> IntervalIndex {
        let (starts, ends) = rows.iter().copied().unzip();
        IntervalIndex::try_new(starts, ends).unwrap()
    }

    proptest! {
        #[test]
        fn answers_as_comparing_every_row_does(rows in spans(40), asked in spans(20), by_start in any::<bool>()) {
            let mut rows = rows;
            if by_start {
                rows.sort_unstable();
            }
            let index = index(&rows);
            prop_assert_eq!(index.len(), rows.len());
            for (start, end) in asked {
                let mut expected: Vec<u32> =
                    (0..rows.len()).filter(|&i| rows[i].0 <= end && rows[i].1 >= start).map(|i| i as u32).collect();
                expected.sort_by_key(|&row| rows[row as usize].0);
                let mut found = vec![7];
                index.overlaps(start, end, &mut found);
                prop_assert_eq!(found.remove(0), 7);
                prop_assert_eq!(index.count(start, end), expected.len());
                prop_assert_eq!(index.any(start, end), !expected.is_empty());
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn rows_that_nest_like_an_onion_are_stepped_over() {
        let n = 1 << 16;
        let rows: Vec<(i64, i64)> = (0..n).map(|i| (i, 10 * n - i)).collect();
        let index = index(&rows);
        for reach in [1, 2, 1000, n - 1] {
            let start = 10 * n - reach + 1;
            let (mut i, mut steps) = (n as usize - 1, 0);
            while index.ends[i] < start {
                i = index.further_left(i, start).unwrap();
                steps += 1;
            }
            assert!(steps <= 3 * 17, "{steps} steps to what reaches {reach}");
            assert_eq!(index.count(start, start), reach as usize);
            let mut found = Vec::new();
            index.overlaps(start, start, &mut found);
            assert_eq!(found.len(), reach as usize);
        }
    }

    #[test]
    fn what_makes_no_intervals_is_an_error() {
        assert!(IntervalIndex::try_new(vec![1], vec![]).unwrap_err().is_invalid());
    }
}
