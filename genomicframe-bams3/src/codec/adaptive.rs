//! Adaptive scores (stream codec 3, specification §6.2): binary decisions, predicted from two contexts, mixed, range coded.
//!
//! The raw bytes are symbols 0 to `count - 1`, at least 2 and all occurring, of a page of qualities, which knows `count`
//! and the lengths of the reads. There are at most 2^24 symbols.
//!
//! ```text
//! tree │ range coded decisions to the end of the stream
//! ```
//! `/` drops the fraction, `>>` rounds down, and `bits(n)` is the number of binary digits of n, 0 of 0.
//!
//! **Tree.** A binary tree with a symbol at each leaf, in preorder: a byte 1 is an inner node, whose branch of 0 follows
//! and then its branch of 1; bytes 0, s are the leaf of symbol s. Inner nodes have numbers from 0 in that order. Each symbol
//! has one leaf, at most 64 decisions from the root.
//!
//! **Contexts.** Before each read `a = b = c = count - 1` and `e = i = 0`. With `m = min(count, 64)`, and `q(s) = s` if
//! count is at most 64, else `s * 64 / count`, the next symbol has the contexts
//! ```text
//! 0: q(a) * m + q(max(b, c))
//! 1: (q(a) * 16 + min(15, i / 16)) * 16 + min(15, bits(e))
//! ```
//! After symbol s, `e += |s - a|`, `c = b`, `b = a`, `a = s`, `i += 1`.
//!
//! **Prediction.** Each context k has a counter at each inner node: `p`, 22 bits, at first 2^21, and `n`, at first 0. Each
//! node has two weights `w0`, `w1`, at first 2^15. With [`SIGMOID`] as T,
//! `squash(d) = (T[i] * (128 - f) + T[i + 1] * f) >> 7` where `i = (d + 2048) >> 7` and `f = (d + 2048) & 127`, for d of
//! -2047 to 2047; `stretch(v)` for v below 4096 is the least d with `squash(d) >> 4 >= v`, or 2047 if there is none.
//! ```text
//! s_k  = stretch(p_k >> 10)
//! P    = squash(clamp((w0 * s_0 + w1 * s_1) >> 16, -2047, 2047))    # that the decision is 1, of 65536
//! ... the decision d is coded with P
//! err  = (d * 65536 - P) >> 5
//! w_k  = clamp(w_k + ((s_k * err + 8192) >> 14), -2^18, 2^18)
//! p_k += ((d * (2^22 - 1) - p_k) * (131072 / (2 * n_k + 3))) >> 16
//! n_k  = min(n_k + 1, 1023)
//! ```
//!
//! **Range coder.** `low = 0`, `high = 2^64 - 1`, `x` the first 8 bytes, the highest first. For a decision
//! `mid = low + (high - low) / 65536 * P`; it is 1 if `x <= mid`, and then `high = mid`, else `low = mid + 1`. If now the
//! upper 32 bits of low and high agree, all three drop them: `low = low * 2^32`, `high = high * 2^32 + 2^32 - 1`,
//! `x = x * 2^32 + the next 4 bytes`, modulo 2^64. The stream ends with the last 8 bytes so read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use genomicframe_core::{Error, Result};

use super::rans::LONGEST;
use super::stream::Input;

/// `65536 / (1 + exp(-i / 2))` for i of -16 to 16, rounded.
pub const SIGMOID: [u32; 33] = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793, 47911, 53581,
    57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
];
const STEEPEST: i32 = 2047;
const MOST_SEEN: u32 = 1023;
const HEAVIEST: i32 = 1 << 18;
/// Symbols that contexts tell apart.
const TOLD_APART: usize = 64;
/// In the branches of a node: not a node but this more than a symbol.
const LEAF: u16 = 256;

fn squash(d: i32) -> u16 {
    let d = (d.clamp(-STEEPEST, STEEPEST) + 2048) as u32;
    let (i, f) = ((d >> 7) as usize, d & 127);
    ((SIGMOID[i] * (128 - f) + SIGMOID[i + 1] * f) >> 7) as u16
}

struct Tree {
    branches: Vec<[u16; 2]>,
    /// Of each symbol: its decisions, the first one lowest.
    codes: [u64; 256],
}

impl Tree {
    fn read(input: &mut Input<'_>, count: usize) -> Result<Self> {
        let broken = || Error::corrupt("a tree that does not have each symbol once");
        let mut branches: Vec<[u16; 2]> = Vec::new();
        let mut codes = [0; 256];
        let mut seen = [false; 256];
        let mut leaves = 0;
        // Branches yet to be filled: node, side, decisions so far, how many they are.
        let mut open: Vec<(usize, usize, u64, u32)> = Vec::new();
        loop {
            let (here, code, depth) = match open.pop() {
                None if branches.is_empty() => (None, 0, 0),
                None => break,
                Some((node, side, code, depth)) => {
                    if depth == u64::BITS {
                        return Err(broken());
                    }
                    (Some((node, side)), code | (side as u64) << depth, depth + 1)
                }
            };
            let target = match input.u8()? {
                1 if branches.len() + 1 < count => {
                    let node = branches.len();
                    branches.push([0; 2]);
                    open.extend([(node, 1, code, depth), (node, 0, code, depth)]);
                    node as u16
                }
                0 => {
                    let symbol = input.u8()?;
                    let at = usize::from(symbol);
                    if at >= count || std::mem::replace(&mut seen[at], true) || here.is_none() {
                        return Err(broken());
                    }
                    leaves += 1;
                    codes[at] = code;
                    LEAF + u16::from(symbol)
                }
                _ => return Err(broken()),
            };
            if let Some((node, side)) = here {
                branches[node][side] = target;
            }
        }
        if leaves == count { Ok(Self { branches, codes }) } else { Err(broken()) }
    }
}

/// The tree of a Huffman code, which has the fewest decisions, in preorder.
fn put_tree(symbols: &[u8], count: usize, out: &mut Vec<u8>) {
    let mut counts = [1u64; 256];
    for s in symbols {
        counts[usize::from(*s)] += 1;
    }
    let mut heap: BinaryHeap<_> = (0..count).map(|s| Reverse((counts[s], s))).collect();
    let mut inner: Vec<[usize; 2]> = Vec::new();
    while let (Some(Reverse((n, zero))), Some(Reverse((m, one)))) = (heap.pop(), heap.peek().copied()) {
        heap.pop();
        heap.push(Reverse((n + m, 256 + inner.len())));
        inner.push([zero, one]);
    }
    let mut open = vec![255 + inner.len()];
    while let Some(node) = open.pop() {
        match node.checked_sub(256) {
            Some(node) => {
                out.push(1);
                open.extend([inner[node][1], inner[node][0]]);
            }
            None => out.extend([0, node as u8]),
        }
    }
}

/// A side of the range coder.
trait Coder {
    /// Codes a decision that is 1 with a chance of `p` of 65536, and returns it. Decoders ignore `bit`.
    fn code(&mut self, p: u16, bit: bool) -> bool;
}

struct Encoder<'a> {
    low: u64,
    high: u64,
    out: &'a mut Vec<u8>,
}

impl Coder for Encoder<'_> {
    #[inline]
    fn code(&mut self, p: u16, bit: bool) -> bool {
        let mid = self.low + ((self.high - self.low) >> 16) * u64::from(p);
        if bit {
            self.high = mid;
        } else {
            self.low = mid + 1;
        }
        if (self.low ^ self.high) >> 32 == 0 {
            self.out.extend(((self.high >> 32) as u32).to_be_bytes());
            self.low <<= 32;
            self.high = self.high << 32 | 0xffff_ffff;
        }
        bit
    }
}

struct Decoder<'a> {
    low: u64,
    high: u64,
    x: u64,
    rest: &'a [u8],
    ended: bool,
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut new = Self { low: 0, high: u64::MAX, x: 0, rest: bytes, ended: false };
        new.more();
        new.more();
        new
    }

    fn more(&mut self) {
        let mut word = 0;
        match self.rest.split_at_checked(4) {
            Some((bytes, rest)) => {
                word = bytes.iter().fold(0, |w, b| w << 8 | u64::from(*b));
                self.rest = rest;
            }
            None => self.ended = true,
        }
        self.x = self.x << 32 | word;
    }
}

impl Coder for Decoder<'_> {
    #[inline]
    fn code(&mut self, p: u16, _: bool) -> bool {
        let mid = self.low + ((self.high - self.low) >> 16) * u64::from(p);
        let bit = self.x <= mid;
        // Decisions cannot be predicted, so this is arithmetic and no branch.
        let ones = u64::from(bit).wrapping_neg();
        self.high = (mid & ones) | (self.high & !ones);
        self.low = (self.low & ones) | (mid.wrapping_add(1) & !ones);
        if (self.low ^ self.high) >> 32 == 0 {
            self.low <<= 32;
            self.high = self.high << 32 | 0xffff_ffff;
            self.more();
        }
        bit
    }
}

struct Model<'a> {
    tree: &'a Tree,
    count: usize,
    squash: Box<[u16; 4096]>,
    stretch: Box<[i16; 4096]>,
    rates: Box<[u32; 1024]>,
    /// By context and node: p in the upper 22 bits, n in the lower 10.
    counters: [Vec<u32>; 2],
    weights: Vec<[i32; 2]>,
}

impl<'a> Model<'a> {
    fn new(tree: &'a Tree, count: usize) -> Self {
        let mut stretch = [STEEPEST as i16; 4096];
        let mut next = 0;
        for d in -STEEPEST..=STEEPEST {
            while next <= usize::from(squash(d) >> 4) {
                stretch[next] = d as i16;
                next += 1;
            }
        }
        let told = count.min(TOLD_APART);
        let nodes = tree.branches.len();
        Self {
            tree,
            count,
            squash: Box::new(std::array::from_fn(|d| squash(d as i32 - 2048))),
            stretch: Box::new(stretch),
            rates: Box::new(std::array::from_fn(|n| 131_072 / (2 * n as u32 + 3))),
            counters: [told * told, told * 256].map(|contexts| vec![1 << 31; contexts * nodes]),
            weights: vec![[1 << 15; 2]; nodes],
        }
    }

    #[inline]
    fn symbol(&mut self, coder: &mut impl Coder, contexts: [usize; 2], mut code: u64) -> u8 {
        let nodes = self.tree.branches.len();
        let [zero, one] = &mut self.counters;
        let (zero, one) = (&mut zero[contexts[0] * nodes..][..nodes], &mut one[contexts[1] * nodes..][..nodes]);
        let mut node = 0;
        loop {
            let w = &mut self.weights[node];
            let counters = [&mut zero[node], &mut one[node]];
            let s = [*counters[0], *counters[1]].map(|c| i32::from(self.stretch[(c >> 20) as usize]));
            let mixed = ((w[0] * s[0] + w[1] * s[1]) >> 16).clamp(-STEEPEST, STEEPEST);
            let p = self.squash[(mixed + 2048) as usize & 4095];
            let bit = coder.code(p, code & 1 == 1);
            code >>= 1;
            let error = ((i32::from(bit) << 16) - i32::from(p)) >> 5;
            for (w, s) in w.iter_mut().zip(s) {
                *w = (*w + ((s * error + 8192) >> 14)).clamp(-HEAVIEST, HEAVIEST);
            }
            let target = -i32::from(bit) & ((1 << 22) - 1);
            for counter in counters {
                let (p, n) = ((*counter >> 10) as i32, *counter & 1023);
                let change = (i64::from(target - p) * i64::from(self.rates[n as usize])) >> 16;
                *counter = ((p + change as i32) as u32) << 10 | (n + u32::from(n < MOST_SEEN));
            }
            let next = self.tree.branches[node][usize::from(bit)];
            if next >= LEAF {
                return next as u8;
            }
            node = usize::from(next);
        }
    }

    /// Codes the symbols of reads of `lengths`. What `symbols` gives is ignored by decoders.
    fn run(
        mut self,
        coder: &mut impl Coder,
        lengths: &[u32],
        mut symbols: impl FnMut() -> u8,
        mut done: impl FnMut(u8),
    ) {
        let count = self.count;
        let told = count.min(TOLD_APART);
        let q: [usize; 256] = std::array::from_fn(|s| if count <= TOLD_APART { s } else { s * TOLD_APART / count });
        for length in lengths {
            let [mut a, mut b, mut c] = [count - 1; 3];
            let mut e = 0usize;
            for i in 0..*length as usize {
                let unrest = (usize::BITS - e.leading_zeros()).min(15) as usize;
                let contexts = [q[a] * told + q[b.max(c)], (q[a] * 16 + (i / 16).min(15)) * 16 + unrest];
                let code = self.tree.codes[usize::from(symbols())];
                let symbol = self.symbol(coder, contexts, code);
                done(symbol);
                let s = usize::from(symbol);
                e += s.abs_diff(a);
                [a, b, c] = [s, a, b];
            }
        }
    }
}

/// Appends `symbols` coded, the reads' one after the other; nothing and false if there are more than 2^24. All are below
/// `count`, which is at least 2, and their number is the sum of `lengths`.
pub fn encode(symbols: &[u8], count: usize, lengths: &[u32], out: &mut Vec<u8>) -> Result<bool> {
    if symbols.len() > LONGEST {
        return Ok(false);
    }
    let start = out.len();
    put_tree(symbols, count, out);
    let tree = Tree::read(&mut Input::new(&out[start..]), count)?;
    let mut encoder = Encoder { low: 0, high: u64::MAX, out };
    let mut symbols = symbols.iter();
    Model::new(&tree, count).run(&mut encoder, lengths, || symbols.next().copied().unwrap_or(0), |_| ());
    let high = encoder.high;
    out.extend(high.to_be_bytes());
    Ok(true)
}

/// The symbols of a stream, whose number the caller takes from `lengths`.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(bytes: &[u8], count: usize, lengths: &[u32]) -> Result<Vec<u8>> {
    let n: u64 = lengths.iter().map(|l| u64::from(*l)).sum();
    if n > LONGEST as u64 || !(2..=256).contains(&count) {
        return Err(Error::corrupt(format!("an adaptive stream of {n} symbols, {count} different")));
    }
    let mut input = Input::new(bytes);
    let tree = Tree::read(&mut input, count)?;
    let mut decoder = Decoder::new(input.rest());
    let mut out = Vec::with_capacity(n as usize);
    Model::new(&tree, count).run(&mut decoder, lengths, || 0, |s| out.push(s));
    if decoder.ended || !decoder.rest.is_empty() {
        return Err(Error::corrupt("an adaptive stream does not end where its symbols do"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_goes_in_comes_out(
            (count, symbols) in (2usize..=256, 0usize..1500).prop_flat_map(|(count, n)| {
                (Just(count), prop::collection::vec((0..count).prop_map(|s| s as u8), n))
            }),
            length in 1u32..200,
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let lengths: Vec<u32> = symbols.chunks(length as usize).map(|c| c.len() as u32).collect();
            let mut bytes = Vec::new();
            prop_assert!(encode(&symbols, count, &lengths, &mut bytes).unwrap());
            prop_assert_eq!(decode(&bytes, count, &lengths).unwrap(), symbols);
            let cut = flips[0].0.index(bytes.len());
            prop_assert!(decode(&bytes[..cut], count, &lengths).is_err());
            for (at, with) in flips {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            let _ = decode(&bytes, count, &lengths);
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let mut bytes = Vec::new();
        encode(&[0, 1, 2, 2, 2, 2], 3, &[2, 0, 4], &mut bytes).unwrap();
        assert_eq!(bytes, [1, 1, 0, 0, 0, 1, 0, 2, 224, 158, 77, 58, 194, 228, 88, 3]);
        assert_eq!(decode(&bytes, 3, &[2, 0, 4]).unwrap(), [0, 1, 2, 2, 2, 2]);
        assert_eq!((squash(0), squash(-9000), squash(9000)), (32768, 22, 65513));
    }

    #[test]
    fn broken_trees_are_errors() {
        for tree in [&[0u8, 0][..], &[1, 0, 0, 0, 0], &[1, 1, 1], &[2], &[1, 0, 0, 0, 3], &[]] {
            assert!(Tree::read(&mut Input::new(tree), 3).is_err());
        }
    }
}
