//! What the kernels' tests share: spans of every shape, and the bases of one.

use proptest::prelude::*;

use super::Span;

/// Spans on a short contig: they nest, touch, repeat and are now and then of zero length.
pub(super) fn spans(most: usize) -> impl Strategy<Value = Vec<Span>> {
    let one = (1i64..60, prop_oneof![1 => Just(0i64), 6 => 1i64..12, 1 => 12i64..40]);
    prop::collection::vec(one.prop_map(|(start, length)| Span::new(start, start + length - 1).unwrap()), 0..most)
}

pub(super) fn bases(span: Span) -> std::ops::RangeInclusive<i64> {
    span.start()..=span.end()
}
