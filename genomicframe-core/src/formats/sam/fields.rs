//! CIGAR, bases, qualities and tags as BAM packs them.

use crate::error::{Error, Result};
use crate::text::numbers::{double, int};

/// Operations by their code.
const OPS: &[u8; 9] = b"MIDNSHP=X";
/// What an operation's length stays below.
const OP_LENGTHS: u32 = 1 << 28;

/// The code of each letter; of all others 255.
const OP_CODES: [u8; 256] = {
    let mut codes = [255; 256];
    let mut code = 0;
    while code < OPS.len() {
        codes[OPS[code] as usize] = code as u8;
        code += 1;
    }
    codes
};

/// An operation as BAM packs it; `letter` is one of the nine.
pub(super) fn packed(length: u32, letter: u8) -> u32 {
    length << 4 | u32::from(OP_CODES[usize::from(letter)])
}

/// Appends the operations of a CIGAR that is not `*`. Returns the bases of the reference and of the read that it covers.
pub(super) fn cigar(text: &[u8], out: &mut Vec<u8>) -> Result<(i64, i64)> {
    let bad = |why: &str| Err(Error::corrupt(why).field("CIGAR").text(text));
    let (mut reference, mut read) = (0, 0);
    let mut length = None;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        if digit <= 9 {
            let n = length.unwrap_or(0) * 10 + u32::from(digit);
            if n >= OP_LENGTHS {
                return bad("an operation of 2^28 bases or more");
            }
            length = Some(n);
            continue;
        }
        let Some(n) = length.take() else { return bad("an operation without its length") };
        let code = OP_CODES[usize::from(*b)];
        let bases = i64::from(n);
        match code {
            // M, = and X.
            0 | 7 | 8 => (reference, read) = (reference + bases, read + bases),
            // D and N.
            2 | 3 => reference += bases,
            // I and S.
            1 | 4 => read += bases,
            // H and P.
            5 | 6 => {}
            _ => return bad("an operation that is none of MIDNSHP=X"),
        }
        out.extend_from_slice(&(n << 4 | u32::from(code)).to_le_bytes());
    }
    if length.is_some() || text.is_empty() {
        return bad("a length without its operation");
    }
    Ok((reference, read))
}

/// Codes of bases (SAMv1 §4.2.3) as htslib reads them: letters without one of their own, and `.`, are N; U is T.
const BASE_CODES: [u8; 256] = {
    let mut codes = [255; 256];
    let mut letter = b'A';
    while letter <= b'Z' {
        codes[letter as usize] = 15;
        letter += 1;
    }
    let letters = b"=ACMGRSVTWYHKDBN";
    let mut code = 0;
    while code < letters.len() {
        codes[letters[code] as usize] = code as u8;
        code += 1;
    }
    codes[b'U' as usize] = 8;
    codes[b'.' as usize] = 15;
    letter = b'A';
    while letter <= b'Z' {
        codes[letter.to_ascii_lowercase() as usize] = codes[letter as usize];
        letter += 1;
    }
    codes
};

/// Appends a sequence, two bases a byte.
pub(super) fn bases(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // Codes need four bits, so that any 255 is seen in the end.
    let mut seen = 0;
    let (pairs, rest) = text.as_chunks::<2>();
    out.extend(pairs.iter().map(|[a, b]| {
        let (a, b) = (BASE_CODES[usize::from(*a)], BASE_CODES[usize::from(*b)]);
        seen |= a | b;
        a << 4 | b
    }));
    if let [base] = rest {
        let code = BASE_CODES[usize::from(*base)];
        seen |= code;
        out.push(code << 4);
    }
    if seen > 15 {
        return Err(Error::corrupt("a base that is neither a letter nor '=' or '.'").field("SEQ").text(text));
    }
    Ok(())
}

/// Highest Phred score that the text can show.
const MAX_PHRED: u8 = b'~' - b'!';

/// Appends Phred scores of a sequence of `bases`; 255 for each where they are missing.
pub(super) fn qualities(text: &[u8], bases: usize, out: &mut Vec<u8>) -> Result<()> {
    if text == b"*" {
        out.resize(out.len() + bases, 0xff);
        return Ok(());
    }
    if text.len() != bases {
        let message = format!("{} qualities for a sequence of {bases} bases", text.len());
        return Err(Error::corrupt(message).field("QUAL").text(text));
    }
    // Without a way out, so that the compiler makes it wide.
    if text.iter().fold(0, |most, b| b.wrapping_sub(b'!').max(most)) > MAX_PHRED {
        return Err(Error::corrupt("characters outside '!' to '~'").field("QUAL").text(text));
    }
    out.extend(text.iter().map(|b| b.wrapping_sub(b'!')));
    Ok(())
}

/// Appends the tags of a line, `text` being what follows QUAL and a tab.
pub(super) fn tags(text: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let mut rest = text;
    // As in htslib, a tab at the line's end is none before a tag.
    while !rest.is_empty() {
        let (field, after) = match memchr::memchr(b'\t', rest) {
            Some(tab) => (&rest[..tab], &rest[tab + 1..]),
            None => (rest, &rest[..0]),
        };
        rest = after;
        let [a, b, b':', kind, b':', value @ ..] = field else {
            return Err(Error::corrupt("not a tag: two characters, ':', a type, ':' and a value")
                .field("tags")
                .text(field));
        };
        if !(a.is_ascii_graphic() && b.is_ascii_graphic()) {
            return Err(Error::corrupt("a tag's name with other than printable characters").field("tags").text(field));
        }
        out.extend_from_slice(&[*a, *b]);
        tag(*kind, value, out).map_err(|e| e.field(format!("tag {}", [*a, *b].escape_ascii())).text(field))?;
    }
    Ok(())
}

/// Appends a tag's type and value.
fn tag(kind: u8, value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    match (kind, value) {
        (b'i', _) => {
            let n = integer(value)?;
            let kind = smallest(n.min(0), n.max(0)).ok_or_else(not_integer)?;
            out.push(kind);
            put_int(kind, n, out);
        }
        (b'Z', _) => {
            out.push(kind);
            out.extend_from_slice(value);
            out.push(0);
        }
        (b'A', [c]) if c.is_ascii_graphic() => out.extend_from_slice(&[kind, *c]),
        (b'A', _) => return Err(Error::corrupt("a value of type A is one printable character")),
        (b'f', _) => {
            out.push(kind);
            out.extend_from_slice(&float(value)?.to_le_bytes());
        }
        (b'H', _) if value.len().is_multiple_of(2) && value.iter().all(u8::is_ascii_hexdigit) => {
            out.push(kind);
            out.extend_from_slice(value);
            out.push(0);
        }
        (b'H', _) => return Err(Error::corrupt("a value of type H is pairs of hexadecimal digits")),
        (b'B', [sub, elements @ ..]) if matches!(elements, [] | [b',', ..]) => array(*sub, elements, out)?,
        (b'B', _) => return Err(Error::corrupt("an array is its type and then ',' before each number")),
        _ => return Err(Error::corrupt(format!("'{}' is not a tag's type", kind.escape_ascii()))),
    }
    Ok(())
}

/// The field's name and text are the caller's to add.
fn integer(text: &[u8]) -> Result<i64> {
    int(text, "").map_err(|_| not_integer())
}

fn not_integer() -> Error {
    Error::corrupt("not a whole number of at most 32 bits")
}

/// As htslib, by way of a double.
fn float(text: &[u8]) -> Result<f32> {
    double(text, "").map(|x| x as f32).map_err(|_| Error::corrupt("not a number"))
}

/// The type of integer that htslib takes for numbers from `min`, which is not above 0, to `max`, which is not below.
fn smallest(min: i64, max: i64) -> Option<u8> {
    let fits = |low: i64, high: i64| low <= min && max <= high;
    Some(match () {
        () if min == 0 && max <= u8::MAX.into() => b'C',
        () if min == 0 && max <= u16::MAX.into() => b'S',
        () if min == 0 && max <= u32::MAX.into() => b'I',
        () if fits(i8::MIN.into(), i8::MAX.into()) => b'c',
        () if fits(i16::MIN.into(), i16::MAX.into()) => b's',
        () if fits(i32::MIN.into(), i32::MAX.into()) => b'i',
        () => return None,
    })
}

/// Appends the low bytes of `n`, which fits the type.
fn put_int(kind: u8, n: i64, out: &mut Vec<u8>) {
    let bytes = n.to_le_bytes();
    let width = match kind {
        b'c' | b'C' => 1,
        b's' | b'S' => 2,
        _ => 4,
    };
    out.extend_from_slice(&bytes[..width]);
}

/// Appends an array; `elements` are its numbers, each behind a comma.
fn array(kind: u8, elements: &[u8], out: &mut Vec<u8>) -> Result<()> {
    let (low, high) = match kind {
        b'c' => (i8::MIN.into(), i8::MAX.into()),
        b'C' => (0, u8::MAX.into()),
        b's' => (i16::MIN.into(), i16::MAX.into()),
        b'S' => (0, u16::MAX.into()),
        b'i' => (i32::MIN.into(), i32::MAX.into()),
        b'I' => (0, i64::from(u32::MAX)),
        b'f' => (0, 0),
        _ => return Err(Error::corrupt(format!("'{}' is not an array's type", kind.escape_ascii()))),
    };
    let values = || elements.split(|b| *b == b',').skip(1);
    let start = out.len();
    out.extend_from_slice(&[b'B', kind, 0, 0, 0, 0]);
    let (mut min, mut max) = (0, 0);
    if kind == b'f' {
        for value in values() {
            out.extend_from_slice(&float(value)?.to_le_bytes());
        }
    } else {
        for value in values() {
            let n = integer(value)?;
            (min, max) = (min.min(n), max.max(n));
            put_int(kind, n, out);
        }
    }
    if min < low || high < max {
        // Numbers beyond their type get one that fits, as in htslib, which takes a size more than 255 needs.
        let fitting = smallest(min, if (min, max) == (0, 255) { 256 } else { max });
        let fitting = fitting.ok_or_else(not_integer)?;
        out.truncate(start);
        out.extend_from_slice(&[b'B', fitting, 0, 0, 0, 0]);
        for value in values() {
            put_int(fitting, integer(value)?, out);
        }
    }
    let count = u32::try_from(values().count()).map_err(|_| Error::limit("an array too long for BAM"))?;
    out[start + 2..start + 6].copy_from_slice(&count.to_le_bytes());
    Ok(())
}
