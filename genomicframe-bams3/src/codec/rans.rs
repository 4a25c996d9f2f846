//! Order-1 rANS (stream codec 2, specification §6.1): bytes, each coded with the frequencies of its predecessor's cluster.
//!
//! ```text
//! bits u8 │ count u8 less 1 │ clusters u8 less 1 │ cluster u8 of each of `count` symbols │ frequencies │ 8 states u64 │ words u32
//! ```
//! All integers are little-endian. `bits` is 1 to 12 and `M = 1 << bits`; raw bytes are symbols 0 to `count - 1`; there are
//! 1 to 64 clusters and at most 2^24 symbols.
//!
//! **Frequencies**, cluster by cluster, symbol by symbol: a varint `f`; a 0 is followed by a byte with the number of
//! further symbols that have 0 too. The frequencies of a cluster add up to M. `start` of a symbol is the sum of those before.
//!
//! **Lanes.** With `each = 2 * ceil(n / 16)`, lane j of 8 has the symbols `j * each` to `(j + 1) * each` of the n raw ones,
//! those beyond n being any. Every lane has its state `x` and its cluster, at first the cluster of symbol 0.
//! ```text
//! for i in 0..each / 2, for lane j in 0..8:
//!     twice:
//!         slot = x mod M; s = the symbol of the cluster with start <= slot < start + f
//!         x = f * (x div M) + slot - start
//!         s is the lane's next symbol, its cluster the next one
//!     if x < 2^31: x = x * 2^32 + the next word
//! ```
//! At the end every state is 2^31 and no word is left. An encoder goes backwards: of a pair with frequencies f1, f2 it
//! emits `x mod 2^32` and keeps `x div 2^32` if `x >= f1 * f2 * 2^(63 - 2 bits)`; then, for the second symbol and for
//! the first, `x = (x div f) * M + start + x mod f`. It needs no check between the two, as 2^31 is a multiple of M².

use genomicframe_core::{Error, Result};

use super::clusters::{MOST as MOST_CLUSTERS, clusters};
use super::stream::{Input, put_varint};

/// Most symbols of a stream.
pub const LONGEST: usize = 1 << 24;

const LANES: usize = 8;
const LOWEST: u64 = 1 << 31;
const MOST_BITS: u32 = 12;
/// Symbols of a lane decoded at a time.
const BLOCK: usize = 256;
const WORDS: usize = BLOCK * LANES / 2;
const SLOTS: usize = MOST_CLUSTERS << MOST_BITS;
const STEPS: usize = MOST_CLUSTERS * 256;

/// How finely the encoder models.
#[derive(Debug, Clone, Copy)]
pub struct Precision {
    /// Binary digits of a frequency, 8 to 12: fewer decode faster, being tables that fit the cache.
    pub bits: u32,
    /// Most clusters, 1 to 64.
    pub clusters: usize,
}

/// How to encode a symbol after a given cluster.
#[derive(Clone, Copy, Default)]
struct Step {
    reciprocal: u64,
    start: u16,
    freq: u16,
    shift: u8,
}

impl Step {
    fn new(start: u32, freq: u32, bits: u32) -> Self {
        if freq == 1 {
            // The quotient below is x - 1 then.
            let start = (start + (1 << bits) - 1) as u16;
            return Self { reciprocal: u64::MAX, start, freq: 1, shift: 0 };
        }
        let shift = u32::BITS - (freq - 1).leading_zeros();
        let reciprocal = (1u128 << (shift + 63)).div_ceil(u128::from(freq)) as u64;
        Self { reciprocal, start: start as u16, freq: freq as u16, shift: (shift - 1) as u8 }
    }

    /// Exact below 2^63, without a division.
    #[inline]
    fn apply(self, x: u64, bits: u32) -> u64 {
        let quotient = ((u128::from(x) * u128::from(self.reciprocal)) >> 64) as u64 >> self.shift;
        x + u64::from(self.start) + quotient * ((1 << bits) - u64::from(self.freq))
    }
}

/// Appends `symbols` coded; nothing and false if there are none or more than [`LONGEST`].
pub fn encode(symbols: &[u8], precision: Precision, out: &mut Vec<u8>) -> bool {
    let Some(&last) = symbols.last() else { return false };
    if symbols.len() > LONGEST {
        return false;
    }
    let bits = precision.bits.clamp(8, MOST_BITS);
    let each = symbols.len().div_ceil(2 * LANES) * 2;
    let mut padded = symbols.to_vec();
    padded.resize(each * LANES, last);
    let count = usize::from(padded.iter().copied().max().unwrap_or(last)) + 1;
    let lanes: Vec<&[u8]> = padded.chunks_exact(each).collect();

    let mut counts = vec![0u32; 256 * 256];
    let mut before = [0u8; LANES];
    for i in 0..each {
        for (lane, before) in lanes.iter().zip(&mut before) {
            counts[usize::from(*before) << 8 | usize::from(lane[i])] += 1;
            *before = lane[i];
        }
    }
    let (cluster_of, clusters) = clusters(&counts, count, precision.clusters);
    out.extend([bits as u8, (count - 1) as u8, (clusters.len() - 1) as u8]);
    out.extend_from_slice(&cluster_of[..count]);
    let mut steps = vec![Step::default(); STEPS];
    for (counts, steps) in clusters.iter().zip(steps.chunks_exact_mut(256)) {
        put_frequencies(&frequencies(counts, bits)[..count], bits, steps, out);
    }

    let row: [usize; 256] = std::array::from_fn(|s| usize::from(cluster_of[s]) * 256);
    let mut words = vec![0u32; each * LANES / 2 + 1];
    let mut at = words.len() - 1;
    let mut states = [LOWEST; LANES];
    for i in (0..each).step_by(2).rev() {
        for (lane, x) in lanes.iter().zip(&mut states).rev() {
            let before = if i == 0 { 0 } else { lane[i - 1] };
            let first = steps[(row[usize::from(before)] + usize::from(lane[i])) & (STEPS - 1)];
            let second = steps[(row[usize::from(lane[i])] + usize::from(lane[i + 1])) & (STEPS - 1)];
            // Whether a word is due cannot be predicted, so it is arithmetic and no branch.
            let due = *x >= (u64::from(first.freq) * u64::from(second.freq)) << (63 - 2 * bits);
            words[at] = *x as u32;
            at -= usize::from(due);
            let kept = *x >> (u32::from(due) << 5);
            *x = first.apply(second.apply(kept, bits), bits);
        }
    }
    for x in states {
        out.extend(x.to_le_bytes());
    }
    out.reserve((words.len() - at) * 4);
    for word in &words[at + 1..] {
        out.extend(word.to_le_bytes());
    }
    true
}

/// `counts` scaled to a sum of `1 << bits`, at least 1 where a count is.
fn frequencies(counts: &[u32; 256], bits: u32) -> [u32; 256] {
    let total: u64 = counts.iter().map(|c| u64::from(*c)).sum();
    let mut scaled = [0u32; 256];
    let mut left = 1i64 << bits;
    for (f, c) in scaled.iter_mut().zip(counts) {
        if *c > 0 {
            *f = (((u64::from(*c) << bits) + total / 2) / total).max(1) as u32;
            left -= i64::from(*f);
        }
    }
    while left != 0 {
        // The most frequent loses or gains the least by it.
        let Some(most) = scaled.iter_mut().max() else { break };
        let change = left.max(-i64::from(*most / 4).max(1));
        *most = (i64::from(*most) + change) as u32;
        left -= change;
    }
    scaled
}

fn put_frequencies(frequencies: &[u32], bits: u32, steps: &mut [Step], out: &mut Vec<u8>) {
    let (mut start, mut zeros) = (0, 0usize);
    for (f, step) in frequencies.iter().zip(steps) {
        if *f == 0 {
            zeros += 1;
            continue;
        }
        put_zeros(zeros, out);
        zeros = 0;
        put_varint(u64::from(*f), out);
        *step = Step::new(start, *f, bits);
        start += f;
    }
    put_zeros(zeros, out);
}

fn put_zeros(n: usize, out: &mut Vec<u8>) {
    if let Some(further) = n.checked_sub(1) {
        out.extend([0, further as u8]);
    }
}

/// What slots and symbols lead to.
struct Tables {
    bits: u32,
    /// By cluster and slot: frequency less 1 in 12 bits, slot - start in 12, symbol in 8.
    slots: Box<[u32; SLOTS]>,
    /// Where the cluster of a symbol begins among the slots.
    rows: [u32; 256],
}

impl Tables {
    fn read(input: &mut Input<'_>) -> Result<Self> {
        let bits = u32::from(input.u8()?);
        let count = usize::from(input.u8()?) + 1;
        let clusters = usize::from(input.u8()?) + 1;
        if !(1..=MOST_BITS).contains(&bits) || clusters > MOST_CLUSTERS {
            return Err(Error::corrupt(format!("{clusters} clusters of frequencies of {bits} bits")));
        }
        let mut rows = [0; 256];
        for (row, cluster) in rows.iter_mut().zip(input.take(count)?) {
            if usize::from(*cluster) >= clusters {
                return Err(Error::corrupt(format!("cluster {cluster} of {clusters}")));
            }
            *row = u32::from(*cluster) << bits;
        }
        let slots = vec![0; SLOTS].into_boxed_slice();
        let Ok(mut slots) = Box::<[u32; SLOTS]>::try_from(slots) else {
            return Err(Error::limit("a table of slots has another size"));
        };
        let wrong = || Error::corrupt("frequencies do not add up");
        let whole = 1usize << bits;
        for row in slots.chunks_exact_mut(whole).take(clusters) {
            let (mut symbol, mut start) = (0, 0);
            while symbol < count {
                let f = input.length(whole - start)?;
                if f == 0 {
                    symbol += usize::from(input.u8()?) + 1;
                    continue;
                }
                for (i, slot) in row[start..start + f].iter_mut().enumerate() {
                    *slot = ((f - 1) << 20 | i << 8 | symbol) as u32;
                }
                start += f;
                symbol += 1;
            }
            if start != whole || symbol != count {
                return Err(wrong());
            }
        }
        Ok(Self { bits, slots, rows })
    }

    /// Decodes `steps` symbols, an even number, of each lane; returns the words used.
    #[inline(never)]
    fn block(&self, lanes: &mut Lanes, words: &[u32; WORDS], steps: usize, out: &mut [[u8; BLOCK]; LANES]) -> usize {
        let mask = (1u64 << self.bits) - 1;
        let (mut states, mut rows) = (lanes.states, lanes.rows);
        let mut at = 0;
        let one = |x: u64, row: u32| {
            let slot = self.slots[(row as usize + (x & mask) as usize) & (SLOTS - 1)];
            let next = u64::from((slot >> 20) + 1) * (x >> self.bits) + u64::from(slot >> 8 & 0xfff);
            (slot as u8, next)
        };
        for i in 0..(steps / 2).min(BLOCK / 2) {
            for j in 0..LANES {
                let (first, x) = one(states[j], rows[j]);
                let (second, x) = one(x, self.rows[usize::from(first)]);
                out[j][2 * i] = first;
                out[j][2 * i + 1] = second;
                rows[j] = self.rows[usize::from(second)];
                // As in the encoder, no branch.
                let due = x.wrapping_sub(LOWEST) >> 63;
                let word = u64::from(words[at & (WORDS - 1)]);
                states[j] = x << (due << 5) | (word & due.wrapping_neg());
                at += due as usize;
            }
        }
        *lanes = Lanes { states, rows };
        at
    }
}

struct Lanes {
    states: [u64; LANES],
    rows: [u32; LANES],
}

/// The `n` symbols of a stream.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(bytes: &[u8], n: usize) -> Result<Vec<u8>> {
    if n == 0 || n > LONGEST {
        return Err(Error::corrupt(format!("an rANS stream of {n} symbols")));
    }
    let mut input = Input::new(bytes);
    let tables = Tables::read(&mut input)?;
    let mut lanes = Lanes { states: [0; LANES], rows: [tables.rows[0]; LANES] };
    for x in &mut lanes.states {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(input.take(8)?);
        *x = u64::from_le_bytes(bytes);
        if !(LOWEST..LOWEST << 32).contains(x) {
            return Err(Error::corrupt("an rANS state out of range"));
        }
    }
    let each = n.div_ceil(2 * LANES) * 2;
    let mut out = vec![0; each * LANES];
    let mut decoded = [[0; BLOCK]; LANES];
    let mut words = [0; WORDS];
    for done in (0..each).step_by(BLOCK) {
        let steps = (each - done).min(BLOCK);
        for (word, bytes) in words.iter_mut().zip(input.rest().chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let used = tables.block(&mut lanes, &words, steps, &mut decoded);
        input.take(used * 4)?;
        for (lane, decoded) in out.chunks_exact_mut(each).zip(&decoded) {
            lane[done..done + steps].copy_from_slice(&decoded[..steps]);
        }
    }
    input.end()?;
    if lanes.states != [LOWEST; LANES] {
        return Err(Error::corrupt("an rANS stream does not end as it began"));
    }
    out.truncate(n);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coded(symbols: &[u8], bits: u32, clusters: usize) -> Vec<u8> {
        let mut out = Vec::new();
        assert_eq!(encode(symbols, Precision { bits, clusters }, &mut out), !symbols.is_empty());
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn what_goes_in_comes_out(
            symbols in (1u16..=256, 1usize..6000).prop_flat_map(|(most, n)| {
                prop::collection::vec((0..most).prop_map(|s| s as u8), n)
            }),
            bits in 8u32..=12,
            clusters in 1usize..=64,
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = coded(&symbols, bits, clusters);
            prop_assert_eq!(decode(&bytes, symbols.len()).unwrap(), symbols.clone());
            let cut = flips[0].0.index(bytes.len());
            prop_assert!(decode(&bytes[..cut], symbols.len()).is_err());
            for (at, with) in flips {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            let _ = decode(&bytes, symbols.len());
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let bytes = coded(&[1, 1, 0], 8, 1);
        // One cluster of 14 zeros and 2 ones, after the filling.
        assert_eq!(bytes[..8], [8, 1, 0, 0, 0, 224, 1, 32]);
        assert_eq!(decode(&bytes, 3).unwrap(), [1, 1, 0]);
        assert!(decode(&bytes, 0).is_err() && decode(&bytes, LONGEST + 1).is_err());
        assert!(!encode(&[], Precision { bits: 12, clusters: 1 }, &mut Vec::new()));
    }

    #[test]
    fn divisions_by_reciprocals_are_exact() {
        for f in 1..=4096u32 {
            let step = Step::new(0, f, 12);
            for x in [LOWEST, LOWEST + 12345, u64::from(f) << 40, (u64::from(f) << 40) - 1, (u64::from(f) << 51) - 1] {
                if f < 4096 {
                    let f = u64::from(f);
                    assert_eq!(step.apply(x, 12), ((x / f) << 12) + x % f);
                }
            }
        }
    }
}
