//! Sorted positions that are counted below a bound in about constant time.

/// Rows for each entry of the table of contents.
const ROWS_PER_ENTRY: usize = 8;

/// Positions in ascending order with a table of contents over equal widths of the contig.
///
/// A search starts within the few positions of one entry, whatever was asked before: neighbouring questions touch
/// neighbouring memory and need no cursor, and one that jumps costs a few misses instead of a whole binary search.
#[derive(Debug, Clone)]
pub(super) struct Positions {
    values: Vec<i64>,
    /// Entry `b` is the first value at or after `first + (b << shift)`; one entry more than there are widths.
    contents: Vec<u32>,
    shift: u32,
}

impl Positions {
    /// Of values in ascending order, at most `u32::MAX` of them.
    pub(super) fn of_sorted(values: Vec<i64>) -> Self {
        let (Some(&first), Some(&last)) = (values.first(), values.last()) else {
            return Self { values, contents: Vec::new(), shift: 0 };
        };
        let width = last.abs_diff(first);
        let entries = (values.len() / ROWS_PER_ENTRY).max(1) as u64;
        let mut shift = 0;
        while shift < 63 && (width >> shift) > entries {
            shift += 1;
        }
        let mut contents = Vec::with_capacity((width >> shift) as usize + 2);
        for (i, &value) in values.iter().enumerate() {
            let entry = (value.abs_diff(first) >> shift) as usize;
            while contents.len() <= entry {
                contents.push(i as u32);
            }
        }
        contents.push(values.len() as u32);
        Self { values, contents, shift }
    }

    pub(super) fn values(&self) -> &[i64] {
        &self.values
    }

    /// How many are less than `bound`.
    #[inline]
    pub(super) fn below(&self, bound: i64) -> usize {
        let Some(&first) = self.values.first() else { return 0 };
        if bound <= first {
            return 0;
        }
        let entry = (bound.abs_diff(first) >> self.shift) as usize;
        let (Some(&from), Some(&to)) = (self.contents.get(entry), self.contents.get(entry + 1)) else {
            return self.values.len();
        };
        let (from, to) = (from as usize, to as usize);
        from + self.values.get(from..to).map_or(0, |near| near.partition_point(|&v| v < bound))
    }

    /// How many are at most `bound`.
    #[inline]
    pub(super) fn up_to(&self, bound: i64) -> usize {
        bound.checked_add(1).map_or(self.values.len(), |next| self.below(next))
    }

    /// Bytes held.
    pub(super) fn memory(&self) -> usize {
        self.values.capacity() * size_of::<i64>() + self.contents.capacity() * size_of::<u32>()
    }

    /// Bytes that [`Positions::of_sorted`] would hold of `len` values.
    pub(super) const fn memory_of(len: usize) -> usize {
        len * size_of::<i64>() + (len / ROWS_PER_ENTRY + 3) * size_of::<u32>()
    }
}

/// The order of `values`: row numbers by ascending value, equal ones as they came. `None` when they already stand so.
pub(super) fn order(values: &[i64]) -> Option<Vec<u32>> {
    if values.is_sorted() {
        return None;
    }
    let (&first, &last) = (values.iter().min()?, values.iter().max()?);
    let width = last.abs_diff(first);
    if width > u64::from(u32::MAX) {
        let mut rows: Vec<u32> = (0..values.len() as u32).collect();
        rows.sort_by_key(|&row| values[row as usize]);
        return Some(rows);
    }
    // The row goes along below the value; only the value's bits are sorted by, and that keeps equal ones in order.
    let keys = values.iter().zip(0u64..).map(|(v, row)| v.abs_diff(first) << 32 | row).collect();
    Some(sort_by_bits(keys, 32, 32 + used_bits(width)).into_iter().map(|key| key as u32).collect())
}

/// The same values in ascending order.
pub(super) fn sorted(values: Vec<i64>) -> Vec<i64> {
    if values.is_sorted() {
        return values;
    }
    let (Some(&first), Some(&last)) = (values.iter().min(), values.iter().max()) else { return values };
    let keys = values.iter().map(|v| v.abs_diff(first)).collect();
    let keys = sort_by_bits(keys, 0, used_bits(last.abs_diff(first)));
    keys.into_iter().map(|key| first.wrapping_add_unsigned(key)).collect()
}

fn used_bits(width: u64) -> u32 {
    u64::BITS - width.leading_zeros()
}

/// Bits of a radix sort's digit: its counts stay in the first-level cache.
const DIGIT: u32 = 11;

/// Sorts by the bits `from..to`, the least first; stable. Few keys are not worth counting digits of.
fn sort_by_bits(mut keys: Vec<u64>, from: u32, to: u32) -> Vec<u64> {
    let mask = (1u64 << DIGIT) - 1;
    if keys.len() < 1 << DIGIT {
        keys.sort_by_key(|key| key >> from);
        return keys;
    }
    let mut other = vec![0; keys.len()];
    for shift in (from..to).step_by(DIGIT as usize) {
        let mut next = [0usize; 1 << DIGIT];
        for key in &keys {
            next[(key >> shift & mask) as usize] += 1;
        }
        let mut at = 0;
        for n in &mut next {
            at += std::mem::replace(n, at);
        }
        for &key in &keys {
            let n = &mut next[(key >> shift & mask) as usize];
            other[*n] = key;
            *n += 1;
        }
        std::mem::swap(&mut keys, &mut other);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            prop::collection::vec(0i64..50, 0..60),
            prop::collection::vec(-1_000_000i64..1_000_000, 0..60),
            prop::collection::vec(prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX)], 0..40),
        ]
    }

    proptest! {
        #[test]
        fn counts_below_and_up_to(values in values(), asked in prop::collection::vec(any::<i64>(), 0..10)) {
            let positions = Positions::of_sorted(sorted(values.clone()));
            for bound in values.iter().flat_map(|v| [*v, v.saturating_sub(1), v.saturating_add(1)]).chain(asked) {
                prop_assert_eq!(positions.below(bound), values.iter().filter(|v| **v < bound).count());
                prop_assert_eq!(positions.up_to(bound), values.iter().filter(|v| **v <= bound).count());
            }
        }

        #[test]
        fn sorts_as_the_standard_library_does(values in values(), copies in prop_oneof![Just(1usize), Just(100)]) {
            let values = values.repeat(copies);
            let mut expected = values.clone();
            expected.sort_unstable();
            let mut rows: Vec<u32> = (0..values.len() as u32).collect();
            rows.sort_by_key(|row| values[*row as usize]);
            prop_assert_eq!(order(&values).unwrap_or_else(|| (0..values.len() as u32).collect()), rows);
            prop_assert_eq!(sorted(values), expected);
        }
    }
}
