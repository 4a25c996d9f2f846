//! The consensus of a row group: a base for each covered position (specification §7.11).
//!
//! ```text
//! stream: 2 bits per covered position, lowest first, A C G T as 0 to 3
//! ```
//! The page has no bytes when nothing is covered. Any base would do; the commonest makes the fewest differences.

use genomicframe_core::Result;

use super::layout::{Cover, Step};
use super::packed;
use super::stream::{Input, Packer, Unpacker};

/// A base that is known of a position though no read has it: one that a read deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    /// Number of the contig.
    pub contig: i32,
    /// 0-based.
    pub position: i64,
    /// BAM's code, 0 to 15.
    pub code: u8,
}

/// The highest bit of each count.
const HIGHEST: u32 = 0x8080_8080;

/// The code (1, 2, 4 or 8) most frequent at each covered position, the first of A, C, G and T where several are. A code
/// that stands for several bases counts for each. `codes` are those of all reads, `more` is known besides.
pub(super) fn count(cover: &Cover<'_>, lengths: &[u32], codes: &[u8], more: &[Vote]) -> Vec<u8> {
    let mut counts = vec![0u32; cover.positions];
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
                        *count = add(*count, *code);
                    }
                    position += len as i64;
                }
                Step::Insert => bases = &bases[len..],
                Step::Delete | Step::Skip => position += len as i64,
                Step::Match | Step::Nothing => {}
            }
        }
    }
    for vote in more {
        if let Some(at) = finder.find_all(vote.contig, vote.position, 1) {
            counts[at] = add(counts[at], vote.code);
        }
    }
    counts.iter().map(|count| commonest(*count)).collect()
}

/// Counts a code. A byte counts, so that most of the counts fit a cache. Where a count reaches 128 the position's are
/// halved, which leaves nearly the same base the commonest. Like [`commonest`] written for vectors: without branches.
#[inline]
fn add(counts: u32, code: u8) -> u32 {
    let code = u32::from(code);
    // Bit i to byte i.
    let counts = counts + ((code | code << 7 | code << 14 | code << 21) & 0x0101_0101);
    if counts & HIGHEST == 0 { counts } else { counts >> 1 & !HIGHEST }
}

/// The code of the largest count, the first of equals.
#[inline]
fn commonest(counts: u32) -> u8 {
    let key = |i: u32| ((counts >> (8 * i) & 0xff) << 4 | (15 - (1 << i))) as i32;
    (15 - (key(0).max(key(1)).max(key(2).max(key(3))) & 15)) as u8
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
    fn counts_are_halved_before_they_overflow() {
        let counts = (0..1000).fold(0, |counts, i| add(counts, [4, 8, 4, 2, 15][i % 5]));
        let [a, c, g, t] = counts.to_le_bytes();
        assert!(a < c && c.abs_diff(t) < 3 && t < g && g < 128, "{a} {c} {g} {t}");
        assert_eq!([1, 2, 4, 8, 5, 0].map(|code| add(0, code)), [1, 1 << 8, 1 << 16, 1 << 24, 1 << 16 | 1, 0]);
    }

    #[test]
    fn the_commonest_base_wins_and_the_first_of_equals() {
        let counts = u32::from_le_bytes;
        let cases = [
            ([0, 0, 0, 0], 1),
            ([1, 2, 0, 0], 2),
            ([0, 0, 1, 2], 8),
            ([1, 0, 0, 1], 1),
            ([0, 1, 1, 0], 2),
            ([0, 0, 1, 1], 4),
            ([3, 2, 127, 1], 4),
        ];
        for (of, expected) in cases {
            assert_eq!(commonest(counts(of)), expected, "{of:?}");
        }
    }
}
