//! The intervals of a contig, in the order that finds those over a span.

use std::sync::OnceLock;

use super::counts::count;
use super::positions::{Positions, order, sorted};
use super::steps::Steps;
use crate::{Error, Result};

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
    steps: Steps,
    /// The ends by themselves, sorted when something is counted.
    sorted_ends: OnceLock<Positions>,
    /// The starts of rows with `end == start - 1`, ascending.
    empty: Vec<i64>,
    /// Whether a row has `end < start - 1`, which no format calls an interval.
    inverted: bool,
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
        if starts.len() > Steps::MOST {
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
        let steps = Steps::of(&ends);
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
        count(&self.starts, ends, &self.empty, start, end)
    }

    /// Whether a row overlaps `start..=end`.
    pub fn any(&self, start: i64, end: i64) -> bool {
        let first = self.starts.up_to(end).checked_sub(1);
        first.is_some_and(|i| self.steps.reaching(&self.ends, i, start).is_some())
    }

    /// Bytes of memory held, with what [`IntervalIndex::count`] makes when first called.
    pub fn memory(&self) -> usize {
        let ends = self.sorted_ends.get().map_or(Positions::memory_of(self.len()), Positions::memory);
        self.starts.memory()
            + ends
            + self.ends.capacity() * size_of::<i64>()
            + self.steps.memory()
            + self.rows.as_ref().map_or(0, |rows| rows.capacity() * size_of::<u32>())
            + self.empty.capacity() * size_of::<i64>()
    }

    /// The places of the rows that overlap `start..=end`, from right to left.
    #[inline]
    fn walk(&self, start: i64, end: i64, found: impl FnMut(usize)) {
        self.steps.walk(&self.ends, self.starts.up_to(end), start, found);
    }
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
    fn what_makes_no_intervals_is_an_error() {
        assert!(IntervalIndex::try_new(vec![1], vec![]).unwrap_err().is_invalid());
    }
}
