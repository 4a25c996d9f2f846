//! The bases of many intervals, each once.

use super::positions::Positions;
use super::{Merged, Span, merge};

/// The union of the intervals of one contig: what it covers of a span, what it leaves of it, and what of the contig.
///
/// It is a set of bases; intervals of zero length add none.
///
/// ```
/// use genomicframe_core::intervals::{Span, Union};
///
/// let span = |start, end| Span::new(start, end).unwrap();
/// let union = Union::try_of([span(1, 10), span(5, 20), span(31, 40)]).unwrap();
/// assert_eq!(union.covered(span(15, 32)), 8);
/// let mut left = Vec::new();
/// union.subtract(span(15, 32), &mut left);
/// assert_eq!(left, [span(21, 30)]);
/// assert_eq!(union.gaps(50).collect::<Vec<_>>(), [span(21, 30), span(41, 50)]);
/// ```
#[derive(Debug)]
pub struct Union {
    /// Apart from one another, and in order.
    starts: Positions,
    ends: Vec<i64>,
    /// Bases of all that lie before each, and of all.
    before: Vec<i64>,
}

impl Union {
    /// Of intervals in any order; those that are in order are not sorted. `None` when more than `u32::MAX` are apart.
    pub fn try_of(spans: impl IntoIterator<Item = Span>) -> Option<Self> {
        let mut merged: Vec<Merged> = spans.into_iter().filter(|s| !s.is_empty()).map(Merged::from).collect();
        merge(&mut merged, 0);
        u32::try_from(merged.len()).ok()?;
        let mut before = Vec::with_capacity(merged.len() + 1);
        let mut bases = 0i64;
        before.push(0);
        for merged in &merged {
            bases += merged.span.len();
            before.push(bases);
        }
        let ends = merged.iter().map(|merged| merged.span.end()).collect();
        let starts = Positions::of_sorted(merged.iter().map(|merged| merged.span.start()).collect());
        Some(Self { starts, ends, before })
    }

    /// Number of intervals that are apart.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no base.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many bases of `span` it has.
    #[inline]
    pub fn covered(&self, span: Span) -> i64 {
        if span.is_empty() { 0 } else { self.up_to(span.end()) - self.up_to(span.start() - 1) }
    }

    /// How many bases it has up to `position`.
    #[inline]
    fn up_to(&self, position: i64) -> i64 {
        let Some(last) = self.starts.up_to(position).checked_sub(1) else { return 0 };
        let all = self.before.get(last + 1).copied().unwrap_or_default();
        all - self.ends.get(last).map_or(0, |end| (end - position).max(0))
    }

    /// Appends the pieces of `span` that it has not, in order.
    ///
    /// One of zero length is left unless the union has the bases on both sides of it.
    pub fn subtract(&self, span: Span, pieces: &mut Vec<Span>) {
        let mut from = span.start();
        let mut i = self.starts.up_to(from).saturating_sub(1);
        if span.is_empty() {
            let inside = self.get(i).is_some_and(|of| of.overlaps(span));
            if !inside {
                pieces.push(span);
            }
            return;
        }
        while let Some(of) = self.get(i).filter(|of| of.start() <= span.end()) {
            if of.end() >= from {
                if of.start() > from {
                    pieces.push(Span::of(from, of.start() - 1));
                }
                from = of.end() + 1;
            }
            i += 1;
        }
        if from <= span.end() {
            pieces.push(Span::of(from, span.end()));
        }
    }

    /// What it leaves of the contig's bases `1..=length`, in order.
    pub fn gaps(&self, length: i64) -> impl Iterator<Item = Span> {
        let mut pieces = Vec::new();
        if let Some(contig) = Span::new(1, length).filter(|contig| !contig.is_empty()) {
            self.subtract(contig, &mut pieces);
        }
        pieces.into_iter()
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.starts.memory() + (self.ends.capacity() + self.before.capacity()) * size_of::<i64>()
    }

    fn get(&self, i: usize) -> Option<Span> {
        Some(Span::of(*self.starts.values().get(i)?, *self.ends.get(i)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bases, spans};
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Runs of bases that follow one another.
    fn runs(bases: impl IntoIterator<Item = i64>) -> Vec<Span> {
        let mut runs: Vec<Span> = Vec::new();
        for base in bases {
            match runs.last_mut() {
                Some(last) if last.end() + 1 == base => *last = Span::of(last.start(), base),
                _ => runs.push(Span::of(base, base)),
            }
        }
        runs
    }

    proptest! {
        #[test]
        fn is_a_set_of_bases(intervals in spans(20), asked in spans(30), length in -1i64..120) {
            let all: BTreeSet<i64> = intervals.iter().flat_map(|span| bases(*span)).collect();
            let union = Union::try_of(intervals).unwrap();
            prop_assert_eq!(union.is_empty(), all.is_empty());
            for span in asked {
                let covered = bases(span).filter(|base| all.contains(base)).count();
                prop_assert_eq!(union.covered(span), covered as i64);
                let mut pieces = Vec::new();
                union.subtract(span, &mut pieces);
                if span.is_empty() {
                    let inside = all.contains(&span.start()) && all.contains(&span.end());
                    prop_assert_eq!(pieces, if inside { vec![] } else { vec![span] });
                } else {
                    prop_assert_eq!(pieces, runs(bases(span).filter(|base| !all.contains(base))));
                }
            }
            let gaps = runs((1..=length).filter(|base| !all.contains(base)));
            prop_assert_eq!(union.gaps(length).collect::<Vec<_>>(), gaps);
        }
    }
}
