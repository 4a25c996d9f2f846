//! Bins of whole numbers: one for each up to 1,023, then 32 for each doubling, so that memory is bounded whatever comes.

use std::ops::Range;

/// Numbers below this have a bin each.
pub(super) const EXACT: usize = 1 << EXACT_BITS;
const EXACT_BITS: u32 = 10;
/// Bins of a doubling, as a power of two.
const STEP_BITS: u32 = 5;

/// The bin of a number.
pub(super) fn bin_of(x: u64) -> usize {
    if x < EXACT as u64 {
        return x as usize;
    }
    let doubling = x.ilog2();
    let step = (x >> (doubling - STEP_BITS)) as usize & ((1 << STEP_BITS) - 1);
    EXACT + (((doubling - EXACT_BITS) as usize) << STEP_BITS) + step
}

/// The numbers of a bin.
pub(super) fn numbers_of(bin: usize) -> Range<u64> {
    let Some(beyond) = bin.checked_sub(EXACT) else { return bin as u64..bin as u64 + 1 };
    let doubling = EXACT_BITS + (beyond >> STEP_BITS) as u32;
    let step = (beyond & ((1 << STEP_BITS) - 1)) as u64;
    let (first, width) = (1u64 << STEP_BITS | step, doubling - STEP_BITS);
    first << width..((first + 1) << width)
}

/// Numbers as people write them: `7`, or `10-19` for several.
pub(super) fn label(numbers: &Range<u64>) -> String {
    match numbers.end - numbers.start {
        1 => numbers.start.to_string(),
        _ => format!("{}-{}", numbers.start, numbers.end - 1),
    }
}

/// Adds `n` to place `i`, with zeros up to there.
pub(super) fn add_at(counts: &mut Vec<u64>, i: usize, n: u64) {
    if counts.len() <= i {
        counts.resize(i + 1, 0);
    }
    counts[i] += n;
}

/// Adds counts place by place.
pub(super) fn add_all(counts: &mut Vec<u64>, others: &[u64]) {
    if counts.len() < others.len() {
        counts.resize(others.len(), 0);
    }
    for (sum, n) in counts.iter_mut().zip(others) {
        *sum += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_lies_in_its_bin_and_bins_follow_one_another() {
        let mut next = 0;
        for bin in 0..EXACT + 32 * 40 {
            let numbers = numbers_of(bin);
            assert_eq!(numbers.start, next, "{bin}");
            assert_eq!((bin_of(numbers.start), bin_of(numbers.end - 1)), (bin, bin));
            next = numbers.end;
        }
        assert_eq!((label(&numbers_of(7)), label(&numbers_of(EXACT))), ("7".into(), "1024-1055".into()));
    }
}
