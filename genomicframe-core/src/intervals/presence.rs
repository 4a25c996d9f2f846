//! Whether any interval overlaps a span.

use std::cmp::Reverse;

/// The outermost intervals of one contig: enough to tell whether any overlaps a span. 16 bytes for each that lies in no other.
///
/// Bounds may be any numbers: an interval and a span overlap when neither starts behind the other's end.
///
/// ```
/// use genomicframe_core::intervals::Presence;
///
/// let mut presence = Presence::default();
/// for (start, end) in [(30, 40), (1, 10), (5, 8)] {
///     presence.push(start, end);
/// }
/// presence.finish();
/// assert!(presence.any(8, 20) && !presence.any(11, 29));
/// assert_eq!(presence.iter().collect::<Vec<_>>(), [(1, 10), (30, 40)]);
/// ```
#[derive(Debug, Default, Clone)]
pub struct Presence {
    /// None lies in another one, so that starts and ends ascend together; but for those that were pushed out of order.
    spans: Vec<(i64, i64)>,
    is_unsorted: bool,
}

impl Presence {
    /// Adds an interval. Sorted ones are cheapest.
    #[inline]
    pub fn push(&mut self, start: i64, end: i64) {
        while let Some(&(first, last)) = self.spans.last() {
            if first <= start && end <= last {
                return;
            }
            if start <= first && last <= end {
                self.spans.pop();
                continue;
            }
            self.is_unsorted |= start < first;
            break;
        }
        self.spans.push((start, end));
    }

    /// Puts what was pushed out of order into order. Nothing may be asked before.
    pub fn finish(&mut self) {
        if std::mem::take(&mut self.is_unsorted) {
            self.spans.sort_unstable_by_key(|(start, end)| (*start, Reverse(*end)));
            let mut outermost = i64::MIN;
            let mut is_first = true;
            self.spans.retain(|(_, end)| {
                let kept = is_first || *end > outermost;
                is_first = false;
                outermost = outermost.max(*end);
                kept
            });
        }
        self.spans.shrink_to_fit();
    }

    /// Whether any interval overlaps `start..=end`.
    #[inline]
    pub fn any(&self, start: i64, end: i64) -> bool {
        debug_assert!(!self.is_unsorted, "asked before it was finished");
        // The first one that ends late enough also starts first of these.
        let next = self.spans.partition_point(|(_, last)| *last < start);
        self.spans.get(next).is_some_and(|(first, _)| *first <= end)
    }

    /// The outermost intervals; those of a finished one ascend.
    pub fn iter(&self) -> impl Iterator<Item = (i64, i64)> {
        self.spans.iter().copied()
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.spans.capacity() * size_of::<(i64, i64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sorted or not, also such as end before they start, and the outermost numbers.
    fn pairs(most: usize) -> impl Strategy<Value = Vec<(i64, i64)>> {
        let one = prop_oneof![
            12 => (0i64..60, -4i64..12).prop_map(|(start, more)| (start, start + more)),
            1 => Just((i64::MIN, i64::MIN)),
            1 => Just((i64::MAX, i64::MAX)),
        ];
        (prop::collection::vec(one, 0..most), any::<bool>()).prop_map(|(mut all, sorted)| {
            if sorted {
                all.sort_unstable();
            }
            all
        })
    }

    proptest! {
        #[test]
        fn tells_what_comparing_every_interval_does(all in pairs(40), asked in pairs(40)) {
            let mut presence = Presence::default();
            all.iter().for_each(|(start, end)| presence.push(*start, *end));
            presence.finish();
            for (start, end) in asked {
                let expected = all.iter().any(|(first, last)| *first <= end && *last >= start);
                prop_assert_eq!(presence.any(start, end), expected, "{} {}", start, end);
            }
            let kept: Vec<_> = presence.iter().collect();
            prop_assert!(kept.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{:?}", kept);
        }
    }
}
