//! Base qualities: the scores of a page's reads, one read after the other (specification §7.12).
//!
//! ```text
//! missing u8 │ a stream, if missing = 2 │ unless no score is left: alphabet │ unless it has one score: per symbol u8 │ stream
//! ```
//! **missing**: 0, no read; 1, all; 2, those whose bit is set in the stream of `ceil(reads / 8)` bytes, that of read i being
//! bit `i mod 8`, counted from the lowest, of byte `i div 8`. A missing read has 255 as each score; its scores are not
//! among what follows, and neither counts its length in what is said of lengths. A read of no bases may be either.
//!
//! **alphabet**: `count` u8 less 1 │ the scores that occur, ascending: a byte each if `count` ≤ 32, else 32 bytes, where
//! score v has bit `v mod 8`, counted from the lowest, of byte `v div 8`. The digit of a score is its place among them.
//!
//! **per symbol**: k, 1 to 8 scores, with `count^k` ≤ 256. The stream's raw bytes are symbols: of k scores each, the first
//! digit being `symbol mod count`, the next `symbol div count mod count`, and so on; the last symbol is filled with zeros.
//! Its codec is RAW, ZSTD, RANS1 or, only if k is 1, ADAPTIVE.

use std::borrow::Cow;

use genomicframe_core::{Error, Result};

use super::level::Preset;
use super::rans::Precision;
use super::stream::{ADAPTIVE, Input, LONGEST, Packer, RANS1, Unpacker, put_stored};
use super::{adaptive, rans};

/// The score of bases without one.
pub const MISSING: u8 = 255;

const NONE: u8 = 0;
const ALL: u8 = 1;
const SOME: u8 = 2;
/// Larger alphabets are written as a set of bits.
const LISTED: usize = 32;
const MOST_PER_SYMBOL: usize = 8;
/// More symbols than this do not leave rare ones the precision that they need.
const MOST_SYMBOLS: usize = 81;
/// What tells whether zstd may be better.
const SAMPLE: usize = 32 << 10;

/// The scores of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scores {
    /// All of them, one read after the other.
    pub bytes: Vec<u8>,
    /// Which reads have no scores, if any; their bytes are 255.
    pub missing: Option<Vec<bool>>,
}

/// Appends the scores of reads of `lengths`.
///
/// # Errors
/// When the lengths do not add up to the scores, or zstd fails.
pub fn encode(scores: &[u8], lengths: &[u32], packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    if total(lengths)? != scores.len() {
        return Err(Error::invalid(format!("{} scores of reads of other lengths", scores.len())));
    }
    let missing = missing_reads(scores, lengths);
    let (mut present, mut present_lengths) = (Cow::Borrowed(scores), Cow::Borrowed(lengths));
    match &missing {
        None => out.push(NONE),
        Some(missing) => {
            present = Cow::Owned(keep(scores, lengths, missing));
            present_lengths = Cow::Owned(kept_lengths(lengths, missing));
            if present.is_empty() {
                out.push(ALL);
            } else {
                out.push(SOME);
                let bits = missing.chunks(8).map(|bits| bits.iter().rev().fold(0, |b, m| b << 1 | u8::from(*m)));
                packer.put(&bits.collect::<Vec<_>>(), out)?;
            }
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    let alphabet = alphabet(&present);
    put_alphabet(&alphabet, out);
    if alphabet.len() == 1 {
        return Ok(());
    }
    let mut digits = [0; 256];
    for (digit, score) in alphabet.iter().enumerate() {
        digits[usize::from(*score)] = digit as u8;
    }
    put_digits(&present, &digits, alphabet.len(), &present_lengths, packer, out)
}

fn put_digits(
    scores: &[u8],
    digits: &[u8; 256],
    count: usize,
    lengths: &[u32],
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<()> {
    let preset = packer.level().preset();
    let per_symbol = (1..=MOST_PER_SYMBOL).rev().find(|k| count.saturating_pow(*k as u32) <= MOST_SYMBOLS).unwrap_or(1);
    let symbols = pack(scores, digits, count, per_symbol);
    let precision = match preset {
        Preset::Fast => Precision { bits: 10, clusters: 16 },
        Preset::Default if per_symbol == 1 => Precision { bits: 11, clusters: 24 },
        Preset::Default | Preset::Small => Precision { bits: 12, clusters: 64 },
    };
    let mut best = Vec::new();
    let mut per = per_symbol;
    let mut codec = rans::encode(&symbols, precision, &mut best).then_some(RANS1);
    let mut raw = symbols.len();
    if preset == Preset::Small {
        let digits: Vec<u8> = scores.iter().map(|s| digits[usize::from(*s)]).collect();
        let mut coded = Vec::new();
        // It takes many times longer to decode, so it has to be worth it.
        if adaptive::encode(&digits, count, lengths, &mut coded)? && coded.len() < best.len() / 100 * 99 {
            (best, codec, per, raw) = (coded, Some(ADAPTIVE), 1, digits.len());
        }
    }
    // Scores repeat themselves rarely; a sample tells whether these do.
    let start = out.len();
    let sample = symbols.len().min(SAMPLE);
    packer.put(&symbols[..sample], out)?;
    let likely = (out.len() - start) as f64 / sample as f64 * symbols.len() as f64;
    out.truncate(start);
    if codec.is_none() || likely < best.len() as f64 {
        out.push(per_symbol as u8);
        packer.put(&symbols, out)?;
        if codec.is_none() || out.len() - start <= best.len() {
            return Ok(());
        }
        out.truncate(start);
    }
    if let Some(codec) = codec {
        out.push(per as u8);
        put_stored(codec, raw, &best, out);
    }
    Ok(())
}

/// Reads the scores of reads of `lengths`; to each that is present, `add` is added, wrapping.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(input: &mut Input<'_>, lengths: &[u32], add: u8, unpacker: &mut Unpacker) -> Result<Scores> {
    let wanted = total(lengths)?;
    let missing = match input.u8()? {
        NONE => None,
        ALL => return Ok(Scores { bytes: vec![MISSING; wanted], missing: Some(vec![true; lengths.len()]) }),
        SOME => {
            let bits = unpacker.get_exact(input, lengths.len().div_ceil(8))?;
            Some((0..lengths.len()).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect::<Vec<bool>>())
        }
        other => return Err(Error::unsupported(format!("missing qualities of kind {other} are not known"))),
    };
    let Some(missing) = missing else {
        return Ok(Scores { bytes: present(input, lengths, wanted, add, unpacker)?, missing: None });
    };
    let kept = kept_lengths(lengths, &missing);
    let present = present(input, &kept, total(&kept)?, add, unpacker)?;
    let mut bytes = Vec::with_capacity(wanted);
    let mut at = 0;
    for (length, missing) in lengths.iter().zip(&missing) {
        let length = *length as usize;
        if *missing {
            bytes.resize(bytes.len() + length, MISSING);
        } else {
            bytes.extend_from_slice(&present[at..at + length]);
            at += length;
        }
    }
    Ok(Scores { bytes, missing: Some(missing) })
}

/// The `wanted` scores of reads that have some, of `lengths`.
fn present(input: &mut Input<'_>, lengths: &[u32], wanted: usize, add: u8, unpacker: &mut Unpacker) -> Result<Vec<u8>> {
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let mut alphabet = get_alphabet(input)?;
    for score in &mut alphabet {
        *score = score.wrapping_add(add);
    }
    let count = alphabet.len();
    if let [score] = alphabet[..] {
        return Ok(vec![score; wanted]);
    }
    let per_symbol = usize::from(input.u8()?);
    let kinds = u32::try_from(per_symbol).ok().and_then(|k| count.checked_pow(k)).filter(|kinds| *kinds <= 256);
    let Some(kinds) = kinds.filter(|_| (1..=MOST_PER_SYMBOL).contains(&per_symbol)) else {
        return Err(Error::corrupt(format!("symbols of {per_symbol} of {count} scores")));
    };
    let stream = input.stream()?;
    if stream.raw != wanted.div_ceil(per_symbol) {
        return Err(Error::corrupt(format!("{} symbols of {per_symbol} for {wanted} scores", stream.raw)));
    }
    let symbols = match stream.codec {
        ADAPTIVE if per_symbol == 1 => adaptive::decode(stream.bytes, count, lengths)?,
        _ => unpacker.unpack(&stream)?,
    };
    let highest = symbols.iter().copied().max().unwrap_or(0);
    if usize::from(highest) >= kinds {
        return Err(Error::corrupt(format!("symbol {highest} of {kinds}")));
    }
    let mut scores = match per_symbol {
        1 => spell(symbols, &alphabet),
        2 => unpack::<2>(&symbols, &alphabet),
        3 => unpack::<3>(&symbols, &alphabet),
        4 => unpack::<4>(&symbols, &alphabet),
        5 => unpack::<5>(&symbols, &alphabet),
        6 => unpack::<6>(&symbols, &alphabet),
        7 => unpack::<7>(&symbols, &alphabet),
        _ => unpack::<8>(&symbols, &alphabet),
    };
    scores.truncate(wanted);
    Ok(scores)
}

/// The scores that digits stand for.
fn spell(mut digits: Vec<u8>, alphabet: &[u8]) -> Vec<u8> {
    let first = alphabet.first().copied().unwrap_or(0);
    if alphabet.iter().enumerate().all(|(i, score)| *score == first.wrapping_add(i as u8)) {
        for digit in &mut digits {
            *digit = digit.wrapping_add(first);
        }
        return digits;
    }
    let mut scores = [0; 256];
    scores[..alphabet.len()].copy_from_slice(alphabet);
    for digit in &mut digits {
        *digit = scores[usize::from(*digit)];
    }
    digits
}

fn pack(scores: &[u8], digits: &[u8; 256], count: usize, per_symbol: usize) -> Vec<u8> {
    let digit = |score: &u8| digits[usize::from(*score)];
    let count = count as u8;
    match per_symbol {
        1 => scores.iter().map(digit).collect(),
        // Constants, so that the compiler unrolls them.
        3 => pack_by::<3>(scores, digit, count),
        4 => pack_by::<4>(scores, digit, count),
        _ => scores.chunks(per_symbol).map(|some| number(some, digit, count)).collect(),
    }
}

fn pack_by<const K: usize>(scores: &[u8], digit: impl Fn(&u8) -> u8 + Copy, count: u8) -> Vec<u8> {
    let (whole, rest) = scores.as_chunks::<K>();
    let mut symbols: Vec<u8> = whole.iter().map(|some| number(some, digit, count)).collect();
    if !rest.is_empty() {
        symbols.push(number(rest, digit, count));
    }
    symbols
}

#[inline]
fn number(scores: &[u8], digit: impl Fn(&u8) -> u8, count: u8) -> u8 {
    scores.iter().rev().fold(0, |symbol: u8, score| symbol.wrapping_mul(count).wrapping_add(digit(score)))
}

fn unpack<const K: usize>(symbols: &[u8], alphabet: &[u8]) -> Vec<u8> {
    let count = alphabet.len();
    let table: [[u8; K]; 256] = std::array::from_fn(|symbol| {
        let mut left = symbol;
        std::array::from_fn(|_| {
            let score = alphabet[left % count];
            left /= count;
            score
        })
    });
    let mut scores = vec![0; symbols.len() * K];
    for (scores, symbol) in scores.as_chunks_mut::<K>().0.iter_mut().zip(symbols) {
        *scores = table[usize::from(*symbol)];
    }
    scores
}

/// The scores that occur, ascending.
fn alphabet(scores: &[u8]) -> Vec<u8> {
    let mut seen = [false; 256];
    for score in scores {
        seen[usize::from(*score)] = true;
    }
    (0..=u8::MAX).filter(|score| seen[usize::from(*score)]).collect()
}

fn put_alphabet(alphabet: &[u8], out: &mut Vec<u8>) {
    out.push((alphabet.len() - 1) as u8);
    if alphabet.len() <= LISTED {
        out.extend_from_slice(alphabet);
        return;
    }
    let mut bits = [0u8; 32];
    for score in alphabet {
        bits[usize::from(score / 8)] |= 1 << (score % 8);
    }
    out.extend_from_slice(&bits);
}

fn get_alphabet(input: &mut Input<'_>) -> Result<Vec<u8>> {
    let count = usize::from(input.u8()?) + 1;
    let alphabet: Vec<u8> = if count <= LISTED {
        input.take(count)?.to_vec()
    } else {
        let bits = input.take(32)?;
        (0..=u8::MAX).filter(|score| bits[usize::from(score / 8)] >> (score % 8) & 1 == 1).collect()
    };
    if alphabet.len() != count || !alphabet.is_sorted_by(|a, b| a < b) {
        return Err(Error::corrupt(format!("an alphabet that is not {count} ascending scores")));
    }
    Ok(alphabet)
}

/// Which reads have scores of 255 only, if any.
fn missing_reads(scores: &[u8], lengths: &[u32]) -> Option<Vec<bool>> {
    let mut at = 0;
    let reads = lengths.iter().map(|length| {
        let read = &scores[at..at + *length as usize];
        at += read.len();
        !read.is_empty() && read.iter().all(|score| *score == MISSING)
    });
    let missing: Vec<bool> = reads.collect();
    missing.contains(&true).then_some(missing)
}

fn keep(scores: &[u8], lengths: &[u32], missing: &[bool]) -> Vec<u8> {
    let (mut kept, mut at) = (Vec::new(), 0);
    for (length, missing) in lengths.iter().zip(missing) {
        let end = at + *length as usize;
        if !missing {
            kept.extend_from_slice(&scores[at..end]);
        }
        at = end;
    }
    kept
}

fn kept_lengths(lengths: &[u32], missing: &[bool]) -> Vec<u32> {
    lengths.iter().zip(missing).filter(|(_, missing)| !**missing).map(|(length, _)| *length).collect()
}

fn total(lengths: &[u32]) -> Result<usize> {
    let total: u64 = lengths.iter().map(|length| u64::from(*length)).sum();
    usize::try_from(total)
        .ok()
        .filter(|total| *total <= LONGEST)
        .ok_or_else(|| Error::limit(format!("a page of {total} qualities where {LONGEST} is the most")))
}

#[cfg(test)]
mod tests;
