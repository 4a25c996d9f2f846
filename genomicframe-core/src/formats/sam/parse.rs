//! A line to the bytes of a BAM record (SAMv1 §1.4, §4.2), as htslib writes them.

use super::fields;
use crate::alignment::cigar::LONG_TAG;
use crate::alignment::record::bin;
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::text::fields::split;
use crate::text::numbers;

const NAMES: [&str; 11] = ["QNAME", "FLAG", "RNAME", "POS", "MAPQ", "CIGAR", "RNEXT", "PNEXT", "TLEN", "SEQ", "QUAL"];

/// Bytes of a record before its name.
const FIXED: usize = 32;
const LONGEST_NAME: usize = 254;
/// Most operations that a record's own field counts.
const MOST_OPS: usize = 65_535;
/// What an operation's length stays below.
const OP_LENGTHS: i64 = 1 << 28;
const UNMAPPED: u16 = 0x4;
const MAX_POS: u32 = i32::MAX as u32;

/// What was read as htslib reads it, because a BAM record cannot say what the line said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs(u8);

impl Repairs {
    const NO_NAME: u8 = 1;
    const NO_CONTIG: u8 = 2;
    const NO_POSITION: u8 = 4;
    const NO_CIGAR: u8 = 8;
    const NO_MATE_POSITION: u8 = 16;
    const TEXTS: [(u8, &'static str); 5] = [
        (Self::NO_NAME, "a read has an empty name"),
        (Self::NO_CONTIG, "a read with RNAME * is read as unmapped"),
        (Self::NO_POSITION, "a read with a contig but POS 0 is read as unmapped, without the contig"),
        (Self::NO_CIGAR, "a mapped read without a CIGAR is read as unmapped"),
        (Self::NO_MATE_POSITION, "a mate with a contig but PNEXT 0 is read without the contig"),
    ];

    /// These and `others`.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Warnings, one for each kind.
    pub fn warnings(self) -> impl Iterator<Item = &'static str> {
        Self::TEXTS.iter().filter(move |(bit, _)| self.0 & bit != 0).map(|(_, text)| *text)
    }
}

/// Appends the record that `line`, without its end, stands for: its bytes in BAM without `block_size`.
///
/// After an error `out` is as it was.
///
/// # Errors
/// When a field is missing or malformed, or names a contig that is not among `contigs`.
pub fn parse_line(line: &[u8], contigs: &Contigs, out: &mut Vec<u8>) -> Result<Repairs> {
    let start = out.len();
    let parsed = parse(line, contigs, out);
    if parsed.is_err() {
        out.truncate(start);
    }
    parsed
}

fn parse(line: &[u8], contigs: &Contigs, out: &mut Vec<u8>) -> Result<Repairs> {
    // Within a record it would end a name or a tag's text.
    if memchr::memchr(0, line).is_some() {
        return Err(Error::corrupt("a NUL byte in text").text(line));
    }
    if line.first() == Some(&b'@') {
        return Err(Error::corrupt("a header line after the first record, or a name that begins with '@'").text(line));
    }
    let ([qname, flag, rname, pos, mapq, cigar, rnext, pnext, tlen, seq, qual], tags) = split(line, &NAMES)?;
    let mut repairs = Repairs::default();
    let start = out.len();
    if qname.len() > LONGEST_NAME {
        let message = format!("a name of {} characters, where {LONGEST_NAME} are allowed", qname.len());
        return Err(Error::corrupt(message).field("QNAME").text(qname));
    }
    if qname.is_empty() {
        repairs.0 |= Repairs::NO_NAME;
    }
    out.extend_from_slice(&[0; FIXED]);
    out.extend_from_slice(qname);
    out.push(0);

    let mut flags = parse_flag(flag)?;
    let mut contig = contig_id(rname, contigs, "RNAME")?;
    let pos = i64::from(unsigned(pos, MAX_POS, "POS")?) - 1;
    if pos < 0 && contig >= 0 {
        repairs.0 |= Repairs::NO_POSITION;
        contig = -1;
        flags |= UNMAPPED;
    } else if contig < 0 && flags & UNMAPPED == 0 {
        repairs.0 |= Repairs::NO_CONTIG;
        flags |= UNMAPPED;
    }
    let mapq = unsigned(mapq, 255, "MAPQ")? as u8;

    let cigar_at = out.len();
    let (reference, read) = if cigar == b"*" { (0, 0) } else { fields::cigar(cigar, out)? };
    if cigar == b"*" && flags & UNMAPPED == 0 {
        repairs.0 |= Repairs::NO_CIGAR;
        flags |= UNMAPPED;
    }
    let bases = if seq == b"*" { 0 } else { seq.len() };
    if bases > 0 && cigar != b"*" && read != bases as i64 {
        return Err(Error::corrupt(format!("it covers {read} bases of a sequence of {bases}")).field("CIGAR"));
    }
    let mut ops = (out.len() - cigar_at) / 4;
    let mut long = None;
    if ops > MOST_OPS {
        if reference >= OP_LENGTHS || bases as i64 >= OP_LENGTHS {
            let message = format!("{ops} operations over 2^28 bases or more, which BAM cannot hold");
            return Err(Error::unsupported(message).field("CIGAR"));
        }
        long = Some(out.split_off(cigar_at));
        out.extend_from_slice(&fields::packed(bases as u32, b'S').to_le_bytes());
        out.extend_from_slice(&fields::packed(reference as u32, b'N').to_le_bytes());
        ops = 2;
    }
    let span = if flags & UNMAPPED == 0 { reference.max(1) } else { 1 };

    let mut mate = if rnext == b"=" { contig } else { contig_id(rnext, contigs, "RNEXT")? };
    let mate_pos = i64::from(unsigned(pnext, MAX_POS, "PNEXT")?) - 1;
    if mate_pos < 0 && mate >= 0 {
        repairs.0 |= Repairs::NO_MATE_POSITION;
        mate = -1;
    }
    let tlen = numbers::int32(tlen, "TLEN")?;
    let Ok(l_seq) = i32::try_from(bases) else {
        return Err(Error::limit(format!("{bases} bases, more than BAM can hold")).field("SEQ"));
    };
    if l_seq > 0 {
        fields::bases(seq, out)?;
    }
    fields::qualities(qual, bases, out)?;

    let tags_at = out.len();
    if let Some(tags) = tags {
        fields::tags(tags, out)?;
    }
    if let Some(ops) = long {
        let mut written = crate::alignment::Tags::new(&out[tags_at..]);
        if written.any(|tag| matches!(tag, Ok(tag) if tag.key == LONG_TAG)) {
            let message = format!("more than {MOST_OPS} operations, which BAM keeps in the tag CG, and such a tag");
            return Err(Error::unsupported(message).field("CIGAR"));
        }
        out.extend_from_slice(&LONG_TAG);
        out.extend_from_slice(b"BI");
        out.extend_from_slice(&((ops.len() / 4) as u32).to_le_bytes());
        out.extend_from_slice(&ops);
    }

    let mut fixed = [0; FIXED];
    // A contig's number, positions and the number of operations were checked to fit.
    let words = [
        contig,
        pos as i32,
        i32::from_le_bytes(halves(u16::from_le_bytes([qname.len() as u8 + 1, mapq]), bin(pos, pos + span))),
        i32::from_le_bytes(halves(ops as u16, flags)),
        l_seq,
        mate,
        mate_pos as i32,
        tlen,
    ];
    for (to, word) in fixed.chunks_exact_mut(4).zip(words) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    out[start..start + FIXED].copy_from_slice(&fixed);
    Ok(repairs)
}

/// `line` with what SAM writes for a missing value in the fields that `errors` name, and without such tags. `None`: a record
/// must have them.
pub(super) fn without(line: &[u8], errors: &[Error]) -> Option<Vec<u8>> {
    let mut fields: Vec<&[u8]> = line.split(|b| *b == b'\t').collect();
    if fields.len() < NAMES.len() {
        return None;
    }
    for error in errors {
        let name = error.field_name()?;
        if let Some(key) = name.strip_prefix("tag ") {
            let mut place = 0..;
            fields.retain(|field| place.next() < Some(NAMES.len()) || !field.starts_with(key.as_bytes()));
            continue;
        }
        if name == "tags" {
            let mut place = 0..;
            fields.retain(|field| place.next() < Some(NAMES.len()) || matches!(field, [_, _, b':', _, b':', ..]));
            continue;
        }
        let i = NAMES.iter().position(|n| *n == name)?;
        fields[i] = match name {
            "RNAME" | "CIGAR" | "RNEXT" | "QUAL" => b"*",
            "SEQ" => {
                // Qualities are those of bases.
                fields[NAMES.len() - 1] = b"*";
                b"*"
            }
            "POS" | "PNEXT" | "TLEN" => b"0",
            "MAPQ" => b"255",
            _ => return None,
        };
    }
    Some(fields.join(&b'\t'))
}

fn halves(low: u16, high: u16) -> [u8; 4] {
    (u32::from(high) << 16 | u32::from(low)).to_le_bytes()
}

/// A number in digits only, from 0 to `most`.
fn unsigned(text: &[u8], most: u32, field: &str) -> Result<u32> {
    let bad = || Error::corrupt(format!("not a whole number from 0 to {most}")).field(field).text(text);
    let mut n = 0u32;
    for b in text {
        let digit = b.wrapping_sub(b'0');
        let next = n.checked_mul(10).and_then(|n| n.checked_add(u32::from(digit)));
        n = next.filter(|n| digit <= 9 && *n <= most).ok_or_else(bad)?;
    }
    if text.is_empty() { Err(bad()) } else { Ok(n) }
}

fn parse_flag(text: &[u8]) -> Result<u16> {
    // htslib takes it for octal or hexadecimal, others for decimal.
    if let [b'0', _, ..] = text {
        return Err(Error::corrupt("a number with a leading zero").field("FLAG").text(text));
    }
    Ok(unsigned(text, u16::MAX.into(), "FLAG")? as u16)
}

/// The contig's number; -1 for `*`.
fn contig_id(name: &[u8], contigs: &Contigs, field: &str) -> Result<i32> {
    if name == b"*" {
        return Ok(-1);
    }
    let id = std::str::from_utf8(name).ok().and_then(|name| contigs.get(name)).and_then(|id| i32::try_from(id).ok());
    id.ok_or_else(|| {
        if contigs.is_empty() {
            let e = Error::corrupt("a contig where the header has no @SQ lines").field(field).text(name);
            return e.hint("give the file its header: samtools view -ht reference.fa.fai");
        }
        let e = Error::corrupt("a contig that no @SQ line of the header lists").field(field).text(name);
        e.hint("the header is another file's or incomplete")
    })
}
