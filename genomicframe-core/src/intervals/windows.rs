//! A span cut into pieces of a size.

use super::Span;

/// Windows of `size` bases whose starts lie `step` apart, from the span's start for as long as a window begins within it.
///
/// Windows are cut off at the span's end. A span of zero length has none. What `bedtools makewindows -w SIZE -s STEP`
/// makes.
///
/// ```
/// use genomicframe_core::intervals::{Span, Windows};
///
/// let span = |start, end| Span::new(start, end).unwrap();
/// let windows: Vec<_> = Windows::new(4, 3).unwrap().of(span(1, 10)).collect();
/// assert_eq!(windows, [span(1, 4), span(4, 7), span(7, 10), span(10, 10)]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Windows {
    size: i64,
    step: i64,
}

impl Windows {
    /// `None` when the size or the step is less than one base.
    pub const fn new(size: i64, step: i64) -> Option<Self> {
        if size >= 1 && step >= 1 { Some(Self { size, step }) } else { None }
    }

    /// Bases of a window.
    pub const fn size(self) -> i64 {
        self.size
    }

    /// Bases from one window's start to the next one's.
    pub const fn step(self) -> i64 {
        self.step
    }

    /// The windows of `span`, in order.
    pub fn of(self, span: Span) -> impl Iterator<Item = Span> {
        self.from(span, 0)
    }

    /// The windows of `span` from the one with this number on, counted from 0.
    pub fn from(self, span: Span, first: u64) -> impl Iterator<Item = Span> {
        let skipped = i64::try_from(first).ok().and_then(|first| first.checked_mul(self.step));
        let start = skipped.and_then(|skipped| span.start().checked_add(skipped));
        let starts = std::iter::successors(start, move |start| start.checked_add(self.step));
        starts.take_while(move |start| *start <= span.end()).map(move |start| {
            let end = start.saturating_add(self.size - 1);
            Span::of(start, end.min(span.end()))
        })
    }

    /// How many windows `span` has, without making them.
    pub const fn count(self, span: Span) -> u64 {
        if span.is_empty() { 0 } else { ((span.len() - 1) / self.step + 1) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::spans;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn begin_every_step_and_end_within(asked in spans(10), size in 1i64..15, step in 1i64..15) {
            let windows = Windows::new(size, step).unwrap();
            for span in asked {
                let made: Vec<Span> = windows.of(span).collect();
                prop_assert_eq!(made.len() as u64, windows.count(span));
                let starts = (span.start()..=span.end()).filter(|start| (start - span.start()) % step == 0);
                let expected: Vec<Span> = starts.map(|start| Span::of(start, (start + size - 1).min(span.end()))).collect();
                prop_assert_eq!(&made, &expected);
                let first = made.len() / 2;
                prop_assert_eq!(windows.from(span, first as u64).collect::<Vec<_>>(), &expected[first..]);
            }
        }
    }

    #[test]
    fn the_largest_sizes_do_not_overflow() {
        assert!(Windows::new(0, 1).is_none() && Windows::new(1, 0).is_none());
        let span = Span::new(5, 9).unwrap();
        assert_eq!(Windows::new(i64::MAX, i64::MAX).unwrap().of(span).collect::<Vec<_>>(), [span]);
    }
}
