//! Strings that share a template: its fields one after the other (specification §7.4).
//!
//! ```text
//! count u8 │ count × field │ what their columns hold in packed form (§7.2)
//! field: kind u8 │ ...
//!   0 LITERAL    length varint │ bytes: the same in every string
//!   1 NUMBER     least u8 (1 to 20) │ column: decimal digits, with zeros before them up to `least` digits
//!   2 LETTERS    width u8 (1 to 64) │ size u8 (2 to 64) │ size bytes: the alphabet │ column: `width` letters, the digits of
//!                the number to the base of the alphabet's size, the most significant first
//!   3 DICTIONARY count varint │ page of count strings │ column: which of them, from 0
//!   4 TEXT       page: a string for each string
//! ```

use genomicframe_core::{Error, Result};

use super::radix;
use super::stream::{Input, LONGEST, Packer, Unpacker, put_varint};
use super::strings::Strings;
use super::text::{decode_page, encode_page, too_long};
use super::tokens::{ALPHABET, DIGITS, Field};

const LITERAL: u8 = 0;
const NUMBER: u8 = 1;
const LETTERS: u8 = 2;
const DICTIONARY: u8 = 3;
const TEXT: u8 = 4;

/// Appends what [`decode`] reads.
///
/// # Errors
/// When zstd fails.
pub(super) fn encode(fields: Vec<Field>, depth: u8, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    let mut columns = radix::Writer::default();
    out.push(fields.len() as u8);
    for field in fields {
        match field {
            Field::Literal(text) => {
                out.push(LITERAL);
                put_varint(text.len() as u64, out);
                out.extend_from_slice(&text);
            }
            Field::Number { least, values } => {
                out.extend([NUMBER, least]);
                columns.put(values, packer, out)?;
            }
            Field::Letters { width, alphabet, values } => {
                out.extend([LETTERS, width, alphabet.len() as u8]);
                out.extend_from_slice(&alphabet);
                columns.put(values, packer, out)?;
            }
            Field::Dictionary { entries, ids } => {
                out.push(DICTIONARY);
                put_varint(entries.len() as u64, out);
                encode_page(&entries, depth + 1, packer, out)?;
                columns.put(ids, packer, out)?;
            }
            Field::Text(texts) => {
                out.push(TEXT);
                encode_page(&texts, depth + 1, packer, out)?;
            }
        }
    }
    columns.finish(out);
    Ok(())
}

/// A field as it is written out.
enum Piece {
    /// Filled up to whole steps of `STEP`.
    Literal {
        text: Vec<u8>,
        length: usize,
    },
    Number {
        least: usize,
        values: Vec<u64>,
    },
    Letters {
        width: usize,
        alphabet: Vec<u8>,
        values: Vec<u64>,
    },
    Dictionary {
        entries: Strings,
        ids: Vec<u64>,
    },
    Text(Strings),
}

/// Short texts are copied in pieces of this size, whole: that needs no call.
const STEP: usize = 16;
/// The output grows by at least this much.
const GROWTH: usize = 64 << 10;

/// Reads `n` strings.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub(super) fn decode(input: &mut Input<'_>, n: usize, depth: u8, unpacker: &mut Unpacker) -> Result<Strings> {
    let (mut pieces, longest) = pieces(input, n, depth, unpacker)?;
    let mut out = Strings { bytes: Vec::new(), ends: Vec::with_capacity(n) };
    let mut at = 0;
    for row in 0..n {
        if out.bytes.len() - at < longest {
            if at > LONGEST {
                return Err(too_long());
            }
            // As the strings so far suggest, but twice as much at most.
            let guess = (at / (row + 1)).saturating_mul(n - row).min(at);
            out.bytes.resize(at + longest + guess.max(GROWTH), 0);
        }
        for piece in &mut pieces {
            at += piece.write(row, &mut out.bytes[at..])?;
        }
        out.ends.push(at as u32);
    }
    if at > LONGEST {
        return Err(too_long());
    }
    out.bytes.truncate(at);
    Ok(out)
}

/// The fields, and the most bytes that writing a string touches.
fn pieces(input: &mut Input<'_>, n: usize, depth: u8, unpacker: &mut Unpacker) -> Result<(Vec<Piece>, usize)> {
    let mut columns = radix::Reader::new(n);
    let mut pieces = Vec::new();
    let mut longest = STEP;
    let mut total = 0;
    for _ in 0..input.u8()? {
        let none = Vec::new();
        let (piece, length) = match input.u8()? {
            LITERAL => {
                let length = input.length(input.rest().len())?;
                let mut text = input.take(length)?.to_vec();
                text.resize(length.next_multiple_of(STEP), 0);
                (Piece::Literal { text, length }, length)
            }
            NUMBER => {
                let least = usize::from(input.u8()?);
                if !(1..=DIGITS).contains(&least) {
                    return Err(Error::corrupt(format!("a number of at least {least} digits")));
                }
                columns.describe(input, unpacker)?;
                (Piece::Number { least, values: none }, DIGITS)
            }
            LETTERS => {
                let (width, size) = (usize::from(input.u8()?), usize::from(input.u8()?));
                if !(1..=64).contains(&width) || !(2..=ALPHABET).contains(&size) {
                    return Err(Error::corrupt(format!("{width} letters of an alphabet of {size}")));
                }
                let alphabet = input.take(size)?.to_vec();
                columns.describe(input, unpacker)?;
                (Piece::Letters { width, alphabet, values: none }, width)
            }
            DICTIONARY => {
                let count = input.length(n)?;
                let entries = decode_page(input, count, depth + 1, unpacker)?;
                columns.describe(input, unpacker)?;
                total += entries.bytes.len();
                let length = lengths(&entries).max().unwrap_or_default();
                (Piece::Dictionary { entries, ids: none }, length)
            }
            TEXT => {
                let texts = decode_page(input, n, depth + 1, unpacker)?;
                total += texts.bytes.len();
                let length = lengths(&texts).max().unwrap_or_default();
                (Piece::Text(texts), length)
            }
            other => return Err(Error::unsupported(format!("field kind {other} is not known to this version"))),
        };
        if total > LONGEST {
            return Err(too_long());
        }
        longest += length;
        pieces.push(piece);
    }
    let mut values = columns.finish(input)?.into_iter();
    for piece in &mut pieces {
        if let Piece::Number { values: own, .. }
        | Piece::Letters { values: own, .. }
        | Piece::Dictionary { ids: own, .. } = piece
        {
            *own = values.next().unwrap_or_default();
        }
        if let Piece::Dictionary { entries, ids } = piece {
            let count = entries.len() as u64;
            if let Some(bad) = ids.iter().find(|id| **id >= count) {
                return Err(Error::corrupt(format!("entry {bad} of a dictionary of {count}")));
            }
        }
    }
    Ok((pieces, longest))
}

fn lengths(strings: &Strings) -> impl Iterator<Item = usize> {
    (0..strings.len()).map(|i| strings.range(i).len())
}

impl Piece {
    /// Writes what string `row` has here to the beginning of `out`, which has room; returns how long it is.
    #[inline]
    fn write(&self, row: usize, out: &mut [u8]) -> Result<usize> {
        Ok(match self {
            Self::Literal { text, length } => {
                for (to, from) in out.chunks_exact_mut(STEP).zip(text.chunks_exact(STEP)) {
                    to.copy_from_slice(from);
                }
                *length
            }
            Self::Number { least, values } => write_number(values[row], *least, out),
            Self::Letters { width, alphabet, values } => {
                let mut rest = values[row];
                let size = alphabet.len() as u64;
                if size == 16 {
                    for to in out[..*width].iter_mut().rev() {
                        *to = alphabet[(rest % 16) as usize];
                        rest /= 16;
                    }
                } else {
                    for to in out[..*width].iter_mut().rev() {
                        *to = alphabet[(rest % size) as usize];
                        rest /= size;
                    }
                }
                if rest != 0 {
                    return Err(Error::corrupt(format!("{} is no {width} letters", values[row])));
                }
                *width
            }
            Self::Dictionary { entries, ids } => copy(entries.get(ids[row] as usize), out),
            Self::Text(texts) => copy(texts.get(row), out),
        })
    }
}

fn copy(text: &[u8], out: &mut [u8]) -> usize {
    out[..text.len()].copy_from_slice(text);
    text.len()
}

/// `out` has at least [`DIGITS`] bytes.
#[inline]
fn write_number(n: u64, least: usize, out: &mut [u8]) -> usize {
    const ZEROS: u64 = u64::from_le_bytes(*b"00000000");
    if n < 100_000_000 && least <= 8 {
        let digits = eight_digits(n);
        let skipped = (digits.trailing_zeros() as usize / 8).min(8 - least);
        out[..8].copy_from_slice(&((digits | ZEROS) >> (8 * skipped)).to_le_bytes());
        return 8 - skipped;
    }
    let mut text = [b'0'; DIGITS];
    let mut rest = n;
    let mut first = DIGITS;
    while rest > 0 {
        first -= 1;
        text[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    copy(&text[first.min(DIGITS - least)..], out)
}

/// The decimal digits of a number below 10⁸, a byte each, the first in the lowest byte.
#[inline]
fn eight_digits(n: u64) -> u64 {
    // Halves, then quarters, then digits: each step divides all lanes by multiplying with a reciprocal.
    let fours = (n / 10_000) | ((n % 10_000) << 32);
    let high = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = high | ((fours - 100 * high) << 16);
    let high = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    high | ((twos - 10 * high) << 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let mut numbers: Vec<u64> = (0..20_000).collect();
        numbers.extend((0..64).flat_map(|b| [(1 << b) - 1, 1 << b, (1 << b) + 1]));
        numbers.extend((0..20).flat_map(|p| [10u64.pow(p) - 1, 10u64.pow(p)]).chain([u64::MAX]));
        numbers.extend((0..100_000_000).step_by(9_973));
        for n in numbers {
            for least in [1, 2, 5, 8, 9, 20] {
                let mut out = [0; DIGITS];
                let length = write_number(n, least, &mut out);
                assert_eq!(out[..length], *format!("{n:0least$}").as_bytes());
            }
        }
    }
}
