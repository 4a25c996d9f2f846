//! Bloom filters of read names, one per row group, in one object (specification §4.4).
//!
//! ```text
//! "BAMS3BLM" │ row groups u32 │ of each: words u32 │ of each: its words, u64                          (all little-endian)
//! ```
//! A name's hash is the first 16 bytes of its SHA-256, two little-endian u64 `a` and `b`. Its 7 bits in a filter of w words
//! are `(a + i × (b | 1)) mod (64 × w)` for i from 0, in wrapping arithmetic; bit n is bit `n mod 64` of word `n div 64`.

use std::collections::HashSet;

use genomicframe_core::{Error, Result};
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 8] = b"BAMS3BLM";
const HASHES: u64 = 7;
/// Bits per name: about one absent name in a hundred is not told.
const BITS_PER_NAME: usize = 10;

/// A name's two numbers.
fn hash(name: &[u8]) -> (u64, u64) {
    let digest = Sha256::digest(name);
    let number = |at: usize| digest[at..at + 8].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
    (number(0), number(8) | 1)
}

fn bits((a, b): (u64, u64), words: usize) -> impl Iterator<Item = (usize, u64)> {
    let size = words as u64 * 64;
    (0..HASHES).map(move |i| {
        let bit = a.wrapping_add(i.wrapping_mul(b)) % size;
        ((bit / 64) as usize, 1 << (bit % 64))
    })
}

/// The filter of a row group with these names.
pub fn filter_of<'a>(names: impl Iterator<Item = &'a [u8]>) -> Vec<u64> {
    let distinct: HashSet<&[u8]> = names.collect();
    let mut words = vec![0; (distinct.len() * BITS_PER_NAME).div_ceil(64).max(1)];
    for name in distinct {
        for (word, bit) in bits(hash(name), words.len()) {
            words[word] |= bit;
        }
    }
    words
}

/// The object of `filters`, in the order of row groups.
pub fn encode(filters: &[Vec<u64>]) -> Vec<u8> {
    let words: usize = filters.iter().map(Vec::len).sum();
    let mut out = Vec::with_capacity(12 + 4 * filters.len() + 8 * words);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(filters.len() as u32).to_le_bytes());
    filters.iter().for_each(|f| out.extend_from_slice(&(f.len() as u32).to_le_bytes()));
    filters.iter().flatten().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
    out
}

/// Filters as read.
#[derive(Debug)]
pub struct NameFilters {
    bytes: bytes::Bytes,
    /// Where each filter's words begin and how many there are.
    filters: Vec<(usize, usize)>,
}

impl NameFilters {
    /// Reads the object, which must have a filter for each of `groups` row groups.
    ///
    /// # Errors
    /// When it has not, or is cut short.
    pub fn parse(bytes: bytes::Bytes, groups: u64) -> Result<Self> {
        let broken = || Error::corrupt("no filter of read names, or one that is cut short");
        let u32_at = |at: usize| bytes.get(at..at + 4).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b));
        if !bytes.starts_with(MAGIC) {
            return Err(broken());
        }
        let count = u32_at(8).ok_or_else(broken)?;
        if u64::from(count) != groups {
            return Err(Error::corrupt(format!("filters of {count} row groups where the dataset has {groups}")));
        }
        let mut at = (count as usize).checked_mul(4).and_then(|n| n.checked_add(12)).ok_or_else(broken)?;
        let mut filters = Vec::with_capacity((count as usize).min(bytes.len() / 4));
        for i in 0..count as usize {
            let words = u32_at(12 + 4 * i).filter(|w| *w > 0).ok_or_else(broken)? as usize;
            filters.push((at, words));
            at = at.checked_add(8 * words).ok_or_else(broken)?;
        }
        if at == bytes.len() { Ok(Self { bytes, filters }) } else { Err(broken()) }
    }

    /// Whether row group `group` may have `name`; a group that is not known may.
    pub fn may_have(&self, group: u64, name: &[u8]) -> bool {
        let Some((at, words)) = usize::try_from(group).ok().and_then(|g| self.filters.get(g)) else { return true };
        bits(hash(name), *words).all(|(word, bit)| {
            let start = at + 8 * word;
            let held = self.bytes[start..start + 8].iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
            held & bit != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_there_are_never_missed_and_few_others_are_taken_for_it() {
        let name = |i: u32| format!("A00:1:{i}").into_bytes();
        let names: Vec<_> = (0..3000).map(name).collect();
        let groups: Vec<_> = names.chunks(1000).map(|g| filter_of(g.iter().map(Vec::as_slice))).collect();
        let bytes = encode(&groups);
        let filters = NameFilters::parse(bytes.clone().into(), 3).unwrap();
        for (i, name) in names.iter().enumerate() {
            assert!(filters.may_have(i as u64 / 1000, name));
        }
        let wrong = (10_000..20_000).filter(|i| filters.may_have(1, &name(*i))).count();
        assert!(wrong < 200, "{wrong} of 10,000");
        assert!(filters.may_have(7, b"x"));
        for cut in 0..bytes.len() {
            assert!(NameFilters::parse(bytes[..cut].to_vec().into(), 3).is_err());
        }
        assert!(NameFilters::parse(bytes.into(), 4).is_err());
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let filter = filter_of([&b"r1"[..]].into_iter());
        let bytes = encode(&[filter]);
        assert_eq!(&bytes[..16], b"BAMS3BLM\x01\0\0\0\x01\0\0\0");
        assert_eq!(bytes[16..], [0x04, 0x02, 0x08, 0x20, 0x10, 0x40, 0x00, 0x01]);
    }
}
