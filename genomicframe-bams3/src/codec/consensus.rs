//! The consensus of a row group: a base for each covered position (specification of bases).
//!
//! ```text
//! stream: 2 bits per covered position, lowest first, A C G T as 0 to 3
//! ```
//! The page has no bytes when nothing is covered. Any base would do; the commonest makes the fewest differences.

use genomicframe_core::Result;

use super::layout::{Cover, Step};
use super::packed;
use super::stream::{Input, Packer, Unpacker};

/// One in the 16 bits that count a base, for each code.
const ONE: [u64; 16] = {
    let mut table = [0; 16];
    table[1] = 1;
    table[2] = 1 << 16;
    table[4] = 1 << 32;
    table[8] = 1 << 48;
    table
};

/// The code (1, 2, 4 or 8) most frequent at each covered position, A where there is none and the first of A, C, G and T
/// where several are. `codes` are those of all reads.
///
/// The counts are those of up to 65,535 reads; beyond that they may name another base.
pub(super) fn count(cover: &Cover<'_>, lengths: &[u32], codes: &[u8]) -> Vec<u8> {
    let mut counts = vec![0u64; cover.positions];
    let (mut finder, mut rest) = (cover.finder(), codes);
    for (read, length) in cover.reads.iter().zip(lengths) {
        let (mut bases, after) = rest.split_at(*length as usize);
        rest = after;
        let Some(read) = read else { continue };
        let mut position = read.start;
        for (step, len) in read.steps() {
            match step {
                Step::Match if len > 0 => {
                    let (aligned, after) = bases.split_at(len);
                    bases = after;
                    let at = finder.find(read.contig, position);
                    for (count, code) in counts[at..at + len].iter_mut().zip(aligned) {
                        *count = count.wrapping_add(ONE[usize::from(code & 0xf)]);
                    }
                    position += len as i64;
                }
                Step::Insert => bases = &bases[len..],
                Step::Delete | Step::Skip => position += len as i64,
                Step::Match | Step::Nothing => {}
            }
        }
    }
    counts.iter().map(|count| commonest(*count)).collect()
}

#[inline]
fn commonest(count: u64) -> u8 {
    let of = |i: u32| (count >> (16 * i)) as u16;
    let (left, right) = (of(0).max(of(1)), of(2).max(of(3)));
    let first = if of(1) > of(0) { 2 } else { 1 };
    let second = if of(3) > of(2) { 8 } else { 4 };
    if right > left { second } else { first }
}

/// Appends the page.
pub(super) fn encode(consensus: &[u8], packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    if consensus.is_empty() {
        return Ok(());
    }
    packer.put(&packed::pack(consensus), out)
}

/// The letters of `positions` covered positions.
pub(super) fn decode(page: &[u8], positions: usize, unpacker: &mut Unpacker) -> Result<Vec<u8>> {
    let mut input = Input::new(page);
    let packed = if positions == 0 { Vec::new() } else { unpacker.get_exact(&mut input, positions.div_ceil(4))? };
    input.end()?;
    Ok(packed::expand(&packed, positions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_base_wins_and_the_first_of_equals() {
        let counts = |of: [u64; 4]| of[0] | of[1] << 16 | of[2] << 32 | of[3] << 48;
        let cases = [
            ([0, 0, 0, 0], 1),
            ([1, 2, 0, 0], 2),
            ([0, 0, 1, 2], 8),
            ([1, 0, 0, 1], 1),
            ([0, 1, 1, 0], 2),
            ([0, 0, 1, 1], 4),
            ([3, 2, 9, 1], 4),
        ];
        for (of, expected) in cases {
            assert_eq!(commonest(counts(of)), expected, "{of:?}");
        }
    }
}
