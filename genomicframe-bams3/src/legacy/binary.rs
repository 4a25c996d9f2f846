//! The records of 0.2, little-endian.
//!
//! ```text
//! magic version flags records 0      │ per record:
//!   4      2      2      4    4      │ size name_len seq_len n_cigar n_tags │ name │ contig pos mapq flag │ …
//!                                    │  4      2        2       2      2    │      │    4    4    1    2  │
//! … cigar 4 each │ seq 4 bits a base │ qual Phred+33 │ tags: name 2, `Z`, text, NUL
//! ```
//! Lengths wrap at 65,536, and what the writer took for qualities may be one byte; only a record's own size is right.
//! The true lengths are those with which its tags end where it does.

use genomicframe_core::alignment::TagType;
use genomicframe_core::{Error, Offset, Result};

use super::row::{Row, Rows};
use super::{Flavour, tags};

const MAGIC: &[u8] = b"3MAB";
const VERSION: u16 = 0x0200;
const HEADER: usize = 16;
const FIXED: usize = 12;
const PLACE: usize = 11;
/// What a length loses when it wraps.
const WRAP: usize = 1 << 16;
/// So many qualities are looked at to tell whether they are any.
const LOOK: usize = 1 << 16;

/// Whether `payload` has binary records.
pub(super) fn is_binary(payload: &[u8]) -> bool {
    payload.starts_with(MAGIC)
}

pub(super) fn decode(payload: &[u8], rows: &mut Rows<'_>) -> Result<()> {
    if payload.len() < HEADER {
        return Err(Error::corrupt("cut short within its header").at(Offset::Byte(payload.len() as u64)));
    }
    // The flag that says zstd is of the whole payload, which is inflated by now.
    let (version, count) = (u16_at(payload, 4), u32_at(payload, 8));
    if version != VERSION {
        return Err(Error::unsupported(format!("chunk version {version:#06x}")).at(Offset::Byte(4)).field("version"));
    }
    let (mut row, mut at) = (Row::default(), HEADER);
    for n in 1..=u64::from(count) {
        let read = frame(&payload[at..]).and_then(|record| {
            read(record, &mut row, rows)?;
            rows.push(&row)?;
            Ok(record.len())
        });
        at += read.map_err(|e| e.in_record(n).at(Offset::Byte(at as u64)))?;
    }
    if at < payload.len() {
        let e = format!("{} bytes follow the last of {count} records", payload.len() - at);
        return Err(Error::corrupt(e).at(Offset::Byte(at as u64)));
    }
    Ok(())
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The record at the start of `rest`.
fn frame(rest: &[u8]) -> Result<&[u8]> {
    if rest.len() < FIXED {
        let e = format!("cut short: {} bytes where a record begins", rest.len());
        return Err(Error::corrupt(e).field("record_size"));
    }
    let size = u32_at(rest, 0) as usize;
    let least = FIXED + usize::from(u16_at(rest, 4)) + PLACE;
    match rest.get(..size) {
        Some(record) if size >= least => Ok(record),
        Some(_) => Err(Error::corrupt(format!("{size} bytes, but its fields need {least}")).field("record_size")),
        None => Err(Error::corrupt(format!("{size} bytes, but only {} remain", rest.len())).field("record_size")),
    }
}

/// `record` has its fixed fields and name.
fn read(record: &[u8], row: &mut Row, rows: &mut Rows<'_>) -> Result<()> {
    let (name_len, seq_len) = (usize::from(u16_at(record, 4)), usize::from(u16_at(record, 6)));
    let (n_cigar, n_tags) = (usize::from(u16_at(record, 8)), u16_at(record, 10));
    let (name, rest) = record[FIXED..].split_at(name_len);
    let (place, body) = rest.split_at(PLACE);
    row.clear();
    row.name.extend_from_slice(name);
    row.contig = u32_at(place, 0).cast_signed();
    row.pos = i64::from(u32_at(place, 4).cast_signed());
    row.mapq = place[8];
    row.flag = u16_at(place, 9);
    let streamed = rows.flavour() == Flavour::GoBinaryStdin;
    let body = Body { bytes: body, n_cigar, seq_len, first_tag: FirstTag::find(body, n_tags)?, streamed };
    let layout = body.layout()?;
    let (cigar, rest) = body.bytes.split_at(4 * layout.ops);
    let (seq, rest) = rest.split_at(layout.bases.div_ceil(2));
    let (qual, mut rest) = rest.split_at(layout.qual);
    row.cigar.extend(cigar.chunks_exact(4).map(|op| u32_at(op, 0)));
    let missing = streamed && qual == b"*";
    // A missing sequence of a stream is the one letter `*`, without a code.
    if !(missing && layout.bases == 1 && seq[0] >> 4 == 0) {
        row.bases = layout.bases;
        row.packed.extend(seq.iter().map(|pair| BASES[usize::from(*pair)]));
        if !layout.bases.is_multiple_of(2)
            && let Some(last) = row.packed.last_mut()
        {
            *last &= 0xf0;
        }
        if !missing && qual.len() == layout.bases {
            // 255, a missing score, was wrapped to a space.
            row.scores.extend(qual.iter().map(|q| q.wrapping_sub(b'!')));
        }
    }
    while let Some(nul) = memchr::memchr(0, rest) {
        match rest[..nul].split_at_checked(3) {
            Some(([key @ .., b'Z'], text)) => tags::put(key, text, &mut row.tags, rows.warnings())?,
            _ => return Err(Error::corrupt("not a tag with text").field("tags").text(&rest[..nul])),
        }
        rest = &rest[nul + 1..];
    }
    Ok(())
}

/// Codes of two bases. The writer knew A, C, G, T and N; what has another code is N.
const BASES: [u8; 256] = {
    const fn base(code: u8) -> u8 {
        if matches!(code, 1 | 2 | 4 | 8) { code } else { 15 }
    }
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = base(i as u8 >> 4) << 4 | base(i as u8 & 0xf);
        i += 1;
    }
    table
};

/// Where the first tag can begin: tags hold no NUL but their last byte, so that all others are found from the end.
#[derive(Debug)]
enum FirstTag {
    /// No tags: they "begin" at the end.
    None,
    /// Within these, and it ends with the last.
    Within { least: usize, nul: usize },
}

impl FirstTag {
    fn find(body: &[u8], n_tags: u16) -> Result<Self> {
        if n_tags == 0 {
            return Ok(Self::None);
        }
        let fewer = || Error::corrupt(format!("it does not end with {n_tags} tags")).field("tags");
        let (0, mut nul) = (body.last().map_or(1, |last| *last), body.len().saturating_sub(1)) else {
            return Err(fewer());
        };
        for _ in 1..n_tags {
            let before = memchr::memrchr(0, &body[..nul]).ok_or_else(fewer)?;
            if body[before + 1..nul].get(2) != Some(&b'Z') {
                return Err(Error::corrupt("not a tag with text").field("tags").text(&body[before + 1..nul]));
            }
            nul = before;
        }
        let least = memchr::memrchr(0, &body[..nul]).map_or(0, |before| before + 1);
        Ok(Self::Within { least, nul })
    }

    /// Whether tags that begin at `at` end with the record.
    fn is_at(&self, at: usize, body: &[u8], strict: bool) -> bool {
        match *self {
            Self::None => at == body.len(),
            Self::Within { least, nul } => {
                (least..nul.saturating_sub(2)).contains(&at)
                    && body[at + 2] == b'Z'
                    && (!strict || body[at].is_ascii_alphabetic() && body[at + 1].is_ascii_alphanumeric())
            }
        }
    }

    /// Whether tags at `at` begin with a name that the specification gives or leaves to everyone.
    fn is_usual(&self, at: usize, body: &[u8]) -> bool {
        match (self, &body[at..]) {
            (Self::Within { .. }, [a, b, ..]) => {
                let free = matches!(a, b'X'..=b'Z') || a.is_ascii_lowercase() || b.is_ascii_lowercase();
                free || TagType::of_standard([*a, *b]).is_some()
            }
            _ => true,
        }
    }
}

/// What follows a record's place, and what its fields say of it.
#[derive(Debug)]
struct Body<'a> {
    bytes: &'a [u8],
    n_cigar: usize,
    seq_len: usize,
    first_tag: FirstTag,
    /// From a stream: no CIGAR, so that no more than none has wrapped.
    streamed: bool,
}

/// True lengths: operations, bases, bytes of qualities.
#[derive(Debug, Clone, Copy)]
struct Layout {
    ops: usize,
    bases: usize,
    qual: usize,
}

impl Body<'_> {
    fn layout(&self) -> Result<Layout> {
        self.check_cigar()?;
        // What looks like a record of the writer comes before what merely has its size.
        let found = self.search(true).or_else(|| self.search(false));
        found.ok_or_else(|| {
            let e = format!(
                "its {} bytes of CIGAR, sequence, qualities and tags fit no sequence of {} or, wrapped, more bases",
                self.bytes.len(),
                self.seq_len
            );
            Error::corrupt(e).field("record_size")
        })
    }

    fn check_cigar(&self) -> Result<()> {
        let Some(ops) = self.bytes.get(..4 * self.n_cigar) else {
            return Err(Error::corrupt(format!("{} operations reach past the record", self.n_cigar)).field("n_cigar"));
        };
        match ops.chunks_exact(4).map(|op| op[0] & 0xf).find(|code| *code > 8) {
            Some(9) => Err(Error::unsupported("the operation B, which SAM has no longer").field("CIGAR")),
            Some(code) => Err(Error::corrupt(format!("operation {code} is not one of the nine")).field("CIGAR")),
            None => Ok(()),
        }
    }

    fn search(&self, strict: bool) -> Option<Layout> {
        let (mut ops, mut walked, mut covered, mut other) = (self.n_cigar, 0, 0, None);
        while let Some(more) = self.bytes.get(4 * walked..4 * ops) {
            for op in more.chunks_exact(4) {
                match op[0] & 0xf {
                    0 | 1 | 4 | 7 | 8 => covered += (u32_at(op, 0) >> 4) as usize,
                    2 | 3 | 5 | 6 => {}
                    _ => return other.or_else(|| self.wrapped(strict)),
                }
            }
            // The CIGAR tells how many bases there are, unless the sequence is missing.
            if ops > 0
                && covered % WRAP == self.seq_len
                && let Some(found) = self.fit(ops, covered, strict)
            {
                return Some(found);
            }
            other = other.or_else(|| self.fit(ops, self.seq_len, strict));
            if self.streamed {
                break;
            }
            walked = ops;
            ops += WRAP;
        }
        other.or_else(|| self.wrapped(strict))
    }

    /// More bases than the field holds, without a CIGAR that says how many.
    fn wrapped(&self, strict: bool) -> Option<Layout> {
        let lengths = (self.seq_len..=2 * self.bytes.len()).step_by(WRAP);
        lengths.skip(1).find_map(|bases| self.fit(self.n_cigar, bases, strict))
    }

    fn fit(&self, ops: usize, bases: usize, strict: bool) -> Option<Layout> {
        let seq = 4 * ops;
        let qual = seq + bases.div_ceil(2);
        let fits = |length: &usize| {
            let tags = qual.saturating_add(*length);
            tags <= self.bytes.len()
                && self.first_tag.is_at(tags, self.bytes, strict)
                && (!strict || looks_written(&self.bytes[seq..qual], &self.bytes[qual..tags], bases))
        };
        // A stream's `*` and tags can look like qualities and a tag, and the other way round; rarely with names in use.
        let usual = |length: &usize| self.first_tag.is_usual(qual + length, self.bytes);
        let named = [bases, 1].into_iter().find(|length| self.streamed && fits(length) && usual(length));
        let length = named.or_else(|| [bases, 1, 0].into_iter().find(fits))?;
        Some(Layout { ops, bases, qual: length })
    }
}

/// Whether the writer could have written these qualities after this sequence.
fn looks_written(seq: &[u8], qual: &[u8], bases: usize) -> bool {
    let padded = bases.is_multiple_of(2) || seq.last().is_some_and(|last| last & 0xf == 0);
    padded
        && match qual {
            [one] if bases != 1 => *one == b'*',
            some => some[..some.len().min(LOOK)].iter().all(|q| matches!(q, b' '..=b'~')),
        }
}
