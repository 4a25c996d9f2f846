//! Bases at two bits each, and what is not one of A, C, G and T (specification §7.10).
//!
//! ```text
//! stream: 2 bits per base, lowest first, A C G T as 0 to 3; ⌈n / 4⌉ bytes
//! varint: runs of other codes
//!   integers (codec::ints): a gap per run: bases since the run before, or since the beginning
//!   integers:               a length per run, less 1
//!   stream:                 a BAM code (0 to 15) per run
//! ```
//! The two bits of a base in a run say nothing, nor do those beyond the last base.

use genomicframe_core::{Error, Result};

use super::ints;
use super::stream::{Input, Packer, Unpacker, put_varint};

/// The letters of BAM's codes.
pub const LETTERS: &[u8; 16] = b"=ACMGRSVTWYHKDBN";

/// Codes of letters; those without one are N.
pub const CODES: [u8; 256] = {
    let mut table = [15; 256];
    let mut i = 0;
    while i < 16 {
        table[LETTERS[i] as usize] = i as u8;
        table[LETTERS[i].to_ascii_lowercase() as usize] = i as u8;
        i += 1;
    }
    table
};

/// Letters of the four bases in each byte.
const EXPANDED: [[u8; 4]; 256] = {
    let mut table = [[0; 4]; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut i = 0;
        while i < 4 {
            table[byte][i] = b"ACGT"[byte >> (2 * i) & 3];
            i += 1;
        }
        byte += 1;
    }
    table
};

/// Appends `codes` (0 to 15).
///
/// # Errors
/// When zstd fails.
pub fn encode(codes: &[u8], packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    packer.put(&pack(codes), out)?;
    let (mut gaps, mut lengths, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut done = 0;
    while let Some(gap) = codes[done..].iter().position(|c| c.count_ones() != 1) {
        let start = done + gap;
        let code = codes[start];
        let length = codes[start..].iter().take_while(|c| **c == code).count();
        gaps.push(gap as i64);
        lengths.push(length as i64 - 1);
        others.push(code);
        done = start + length;
    }
    put_varint(others.len() as u64, out);
    if !others.is_empty() {
        ints::encode(&gaps, packer, out)?;
        ints::encode(&lengths, packer, out)?;
        packer.put(&others, out)?;
    }
    Ok(())
}

/// Two bits per code, of which those of A, C, G and T matter.
pub(super) fn pack(codes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(codes.len().div_ceil(4) + 1);
    let (eights, rest) = codes.as_chunks::<8>();
    packed.extend(eights.iter().flat_map(|eight| eight_to_two(*eight)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    packed.extend_from_slice(&eight_to_two(last)[..rest.len().div_ceil(4)]);
    packed
}

/// Codes 1, 2, 4 and 8 to 0, 1, 2 and 3, all eight at once.
#[inline]
fn eight_to_two(codes: [u8; 8]) -> [u8; 2] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let codes = u64::from_le_bytes(codes);
    let low = (codes >> 1 | codes >> 3) & ONES;
    let high = (codes >> 2 | codes >> 3) & ONES;
    let two = low | high << 1;
    let two = (two | two >> 6) & 0x000f_000f_000f_000f;
    let two = two | two >> 12;
    [two as u8, (two >> 32) as u8]
}

/// The letters of `n` bases.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(input: &mut Input<'_>, n: usize, unpacker: &mut Unpacker) -> Result<Vec<u8>> {
    let packed = unpacker.get_exact(input, n.div_ceil(4))?;
    let mut letters = expand(&packed, n);
    let runs = input.length(n)?;
    if runs == 0 {
        return Ok(letters);
    }
    let gaps = ints::decode(input, runs, unpacker)?;
    let lengths = ints::decode(input, runs, unpacker)?;
    let others = unpacker.get_exact(input, runs)?;
    let mut rest = letters.as_mut_slice();
    for ((gap, length), code) in gaps.into_iter().zip(lengths).zip(others) {
        let (Ok(gap), Ok(length)) = (usize::try_from(gap), usize::try_from(length)) else {
            return Err(Error::corrupt("a negative length of bases"));
        };
        let (Some(letter), true) = (LETTERS.get(usize::from(code)), gap < rest.len() && length < rest.len() - gap)
        else {
            return Err(Error::corrupt(format!("code {code} for bases that there are not")));
        };
        let (run, after) = rest[gap..].split_at_mut(length + 1);
        run.fill(*letter);
        rest = after;
    }
    Ok(letters)
}

/// The letters of the first `n` bases of `packed`, which has as many.
pub(super) fn expand(packed: &[u8], n: usize) -> Vec<u8> {
    let mut letters = vec![0; n];
    let (fours, rest) = letters.as_chunks_mut::<4>();
    for (four, byte) in fours.iter_mut().zip(packed) {
        *four = EXPANDED[usize::from(*byte)];
    }
    if let (false, Some(byte)) = (rest.is_empty(), packed.last()) {
        rest.copy_from_slice(&EXPANDED[usize::from(*byte)][..rest.len()]);
    }
    letters
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Level;

    fn page(codes: &[u8], level: Level) -> Vec<u8> {
        let mut out = Vec::new();
        encode(codes, &mut Packer::new(level).unwrap(), &mut out).unwrap();
        out
    }

    fn round_trip(codes: &[u8], level: Level) -> Vec<u8> {
        let out = page(codes, level);
        let mut input = Input::new(&out);
        let letters = decode(&mut input, codes.len(), &mut Unpacker::new().unwrap()).unwrap();
        let expected: Vec<u8> = codes.iter().map(|c| LETTERS[usize::from(*c)]).collect();
        assert_eq!(letters, expected);
        input.end().unwrap();
        out
    }

    fn bases() -> impl Strategy<Value = Vec<u8>> {
        let run = prop_oneof![
            4 => prop::collection::vec(prop::sample::select(vec![1u8, 2, 4, 8]), 0..40),
            1 => (0u8..16, 0usize..60).prop_map(|(code, n)| vec![code; n]),
            1 => prop::collection::vec(0u8..16, 0..10),
        ];
        prop::collection::vec(run, 0..12).prop_map(|runs| runs.concat())
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(codes in bases()) {
            for level in [Level::FAST, Level::DEFAULT, Level::SMALL] {
                round_trip(&codes, level);
            }
        }

        #[test]
        fn damage_is_an_error_or_other_bases(codes in bases(), at: prop::sample::Index, with: u8) {
            let mut bytes = page(&codes, Level::DEFAULT);
            let mut unpacker = Unpacker::new().unwrap();
            for cut in 0..bytes.len() {
                prop_assert!(decode(&mut Input::new(&bytes[..cut]), codes.len(), &mut unpacker).is_err());
            }
            let at = at.index(bytes.len());
            bytes[at] = with;
            let _ = decode(&mut Input::new(&bytes), codes.len(), &mut unpacker);
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        // ACGTT, then NN: the two bits of an N are 3.
        let page = round_trip(&[1, 2, 4, 8, 8, 15, 15], Level::DEFAULT);
        assert_eq!(page, [0, 2, 0b1110_0100, 0b11_1111, 1, 0, 10, 0, 2, 0, 1, 15]);
    }

    #[test]
    fn a_long_run_costs_nothing() {
        assert!(page(&[15; 1 << 20], Level::DEFAULT).len() < 100);
    }
}
