//! Intervals that overlap, touch or lie near become one, or of one group.

use super::Span;

/// What [`merge`] makes of intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merged {
    /// From the first of their starts to the last of their ends.
    pub span: Span,
    /// How many they were.
    pub count: u64,
}

impl From<Span> for Merged {
    fn from(span: Span) -> Self {
        Self { span, count: 1 }
    }
}

/// Joins intervals between which at most `distance` bases lie, in place; they come out in order, and apart.
///
/// Distance 0 joins what overlaps or touches end to start (book-ended), as `bedtools merge` does; below zero, so many
/// bases must be shared. One of zero length lies between its neighbouring bases and touches what begins or ends there.
///
/// To merge what was merged in parts gives the same as merging all at once, and counts add up.
///
/// ```
/// use genomicframe_core::intervals::{Span, merge};
///
/// let mut spans = [(30, 40), (1, 10), (11, 20)].map(|(a, b)| Span::new(a, b).unwrap().into()).to_vec();
/// merge(&mut spans, 0);
/// let merged: Vec<_> = spans.iter().map(|m| (m.span.start(), m.span.end(), m.count)).collect();
/// assert_eq!(merged, [(1, 20, 2), (30, 40, 1)]);
/// ```
pub fn merge(spans: &mut Vec<Merged>, distance: i64) {
    if !spans.is_sorted_by_key(|merged| merged.span) {
        spans.sort_unstable_by_key(|merged| merged.span);
    }
    spans.dedup_by(|next, last| {
        let joined = next.span.start() - last.span.end() - 1 <= distance;
        if joined {
            last.span = Span::of(last.span.start(), last.span.end().max(next.span.end()));
            last.count += next.count;
        }
        joined
    });
}

/// For each interval the number, from 0, of the merged one that [`merge`] makes of it and its neighbours; in the order
/// of their starts.
///
/// ```
/// use genomicframe_core::intervals::{Span, cluster};
///
/// let spans = [(30, 40), (1, 10), (11, 20)].map(|(a, b)| Span::new(a, b).unwrap());
/// assert_eq!(cluster(&spans, 0), (vec![1, 0, 0], 2));
/// ```
pub fn cluster(spans: &[Span], distance: i64) -> (Vec<u64>, u64) {
    let mut order: Vec<usize> = (0..spans.len()).collect();
    if !spans.is_sorted() {
        order.sort_unstable_by_key(|&i| spans[i]);
    }
    let mut of = vec![0; spans.len()];
    let (mut clusters, mut reach) = (0, i64::MIN);
    for i in order {
        if clusters == 0 || spans[i].start() - reach - 1 > distance {
            clusters += 1;
            reach = spans[i].end();
        }
        reach = reach.max(spans[i].end());
        of[i] = clusters - 1;
    }
    (of, clusters)
}

#[cfg(test)]
mod tests {
    use super::super::testing::spans;
    use super::*;
    use proptest::prelude::*;

    /// Joins any two for as long as there are two to join.
    fn by_pairs(intervals: &[Span], distance: i64) -> Vec<Merged> {
        let near = |a: Span, b: Span| {
            let (first, second) = (a.min(b), a.max(b));
            second.start() - first.end() - 1 <= distance
        };
        let mut merged: Vec<Merged> = intervals.iter().map(|span| (*span).into()).collect();
        'again: loop {
            for i in 0..merged.len() {
                for j in 0..i {
                    let (a, b) = (merged[i], merged[j]);
                    if near(a.span, b.span) {
                        let start = a.span.start().min(b.span.start());
                        let end = a.span.end().max(b.span.end());
                        merged[j] = Merged { span: Span::of(start, end), count: a.count + b.count };
                        merged.remove(i);
                        continue 'again;
                    }
                }
            }
            merged.sort_unstable_by_key(|m| m.span);
            return merged;
        }
    }

    proptest! {
        #[test]
        fn joins_as_any_two_would_be(intervals in spans(25), distance in 0i64..6) {
            let mut merged = intervals.iter().map(|span| (*span).into()).collect();
            merge(&mut merged, distance);
            prop_assert_eq!(merged, by_pairs(&intervals, distance));
        }

        #[test]
        fn parts_merge_to_the_same(intervals in spans(40), distance in -4i64..6, part in 1usize..12) {
            let mut whole = intervals.iter().map(|span| (*span).into()).collect();
            merge(&mut whole, distance);
            let mut parts = Vec::new();
            for piece in intervals.chunks(part) {
                parts.extend(piece.iter().map(|span| Merged::from(*span)));
                merge(&mut parts, distance);
            }
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn clusters_are_what_is_merged(intervals in spans(40), distance in -4i64..6) {
            let mut merged = intervals.iter().map(|span| (*span).into()).collect();
            merge(&mut merged, distance);
            let (of, clusters) = cluster(&intervals, distance);
            prop_assert_eq!(clusters as usize, merged.len());
            for (number, merged) in merged.iter().enumerate() {
                let rows = (0..of.len()).filter(|i| of[*i] == number as u64);
                let members: Vec<Span> = rows.map(|i| intervals[i]).collect();
                prop_assert_eq!(members.len() as u64, merged.count);
                prop_assert_eq!(members.iter().map(|s| s.start()).min().unwrap(), merged.span.start());
                prop_assert_eq!(members.iter().map(|s| s.end()).max().unwrap(), merged.span.end());
            }
        }
    }
}
