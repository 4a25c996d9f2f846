//! How many intervals overlap a span.

use super::Span;
use super::positions::{Positions, sorted};

/// The starts and the ends of the intervals of one contig: enough to count those that overlap a span.
///
/// ```
/// use genomicframe_core::intervals::{Counts, Span};
///
/// let span = |start, end| Span::new(start, end).unwrap();
/// let counts = Counts::try_of(&[span(1, 10), span(5, 20), span(30, 40)]).unwrap();
/// assert_eq!(counts.overlapping(span(10, 30)), 3);
/// assert_eq!(counts.overlapping(span(21, 29)), 0);
/// ```
#[derive(Debug)]
pub struct Counts {
    starts: Positions,
    ends: Positions,
    /// The starts of intervals of zero length, ascending.
    empty: Vec<i64>,
}

impl Counts {
    /// Of intervals in any order, in time proportional to their number. There are at most `u32::MAX`, else `None`.
    pub fn try_of(spans: &[Span]) -> Option<Self> {
        u32::try_from(spans.len()).ok()?;
        let starts = Positions::of_sorted(sorted(spans.iter().map(|span| span.start()).collect()));
        let ends = Positions::of_sorted(sorted(spans.iter().map(|span| span.end()).collect()));
        let empty = sorted(spans.iter().filter(|span| span.is_empty()).map(|span| span.start()).collect());
        Some(Self { starts, ends, empty })
    }

    /// How many overlap `span`, in about constant time.
    #[inline]
    pub fn overlapping(&self, span: Span) -> usize {
        count(&self.starts, &self.ends, &self.empty, span.start(), span.end())
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.starts.memory() + self.ends.memory() + self.empty.capacity() * size_of::<i64>()
    }
}

/// How many intervals overlap `start..=end`: those that start early enough, less those that end too early.
///
/// Neither they nor the span are shorter than zero, so that only one of zero length can lie on both sides of another.
#[inline]
pub(super) fn count(starts: &Positions, ends: &Positions, empty: &[i64], start: i64, end: i64) -> usize {
    let mut too_early = ends.below(start);
    if end < start && !empty.is_empty() {
        // At the same place: before and behind the span, and taken away twice.
        too_early -= empty.partition_point(|s| *s <= start) - empty.partition_point(|s| *s < start);
    }
    starts.up_to(end) - too_early
}

#[cfg(test)]
mod tests {
    use super::super::testing::spans;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_what_comparing_every_interval_does(intervals in spans(50), asked in spans(30)) {
            let counts = Counts::try_of(&intervals).unwrap();
            for span in asked {
                let expected = intervals.iter().filter(|interval| interval.overlaps(span)).count();
                prop_assert_eq!(counts.overlapping(span), expected, "{:?}", span);
            }
        }
    }
}
