//! A record's fields as they lie in its bytes (SAMv1 §4.2).
//!
//! ```text
//! refID pos l_read_name mapq bin n_cigar flag l_seq next_refID next_pos tlen │ read_name cigar seq qual tags
//!   4    4       1       1    2     2     2     4       4         4      4   │  …
//! ```

use super::cigar::{self, Cigar};
use super::tags::Tags;
use crate::error::{Error, Result};
use crate::scan::advice::DAMAGED;

const FIXED: usize = 32;
/// Smallest `block_size`: the fixed fields and a name of one NUL.
pub const SMALLEST: usize = FIXED + 1;

const UNMAPPED: u16 = 0x4;

/// One record, its lengths checked against its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
    /// The beginning of the bytes.
    fixed: &'a [u8; SMALLEST],
    layout: Layout,
}

/// Where the parts of a record begin that follow its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    cigar: u32,
    seq: u32,
    qual: u32,
    tags: u32,
}

impl<'a> Record<'a> {
    /// `bytes` is the record without its `block_size`; `contigs` is the size of the dictionary.
    ///
    /// # Errors
    /// When its lengths do not fit its bytes, or a field of fixed size has a value that none may have.
    #[inline(always)]
    pub fn new(bytes: &'a [u8], contigs: usize) -> Result<Self> {
        Self::whole(bytes, contigs).ok_or_else(|| broken(bytes, contigs))
    }

    /// The same, short enough to become part of the loops over records, so that what it finds stays in registers.
    #[inline(always)]
    fn whole(bytes: &'a [u8], contigs: usize) -> Option<Self> {
        let fixed = bytes.first_chunk::<SMALLEST>()?;
        let l_seq = u32::try_from(word(fixed, 16)).ok()?;
        let [cigar, seq, tags] = ends(fixed, l_seq);
        let is_known = |id: i32| id >= -1 && i64::from(id) < contigs as i64;
        // All bytes are looked at, several at once: a search that may stop is a call, and longer than most names.
        let is_name = |name: &[u8]| !name.iter().fold(false, |any, byte| any | (*byte == 0));
        let fits = tags <= bytes.len() as u64 && tags <= u64::from(u32::MAX);
        if !fits || !is_known(word(fixed, 0)) || !is_known(word(fixed, 20)) || word(fixed, 4) < -1 {
            return None;
        }
        let layout =
            Layout { cigar: cigar as u32, seq: seq as u32, qual: seq as u32 + l_seq.div_ceil(2), tags: tags as u32 };
        match bytes.get(FIXED..cigar as usize)?.split_last() {
            Some((0, name)) if is_name(name) => Some(Self { bytes, fixed, layout }),
            _ => None,
        }
    }

    /// A record whose layout was found before by [`Record::new`].
    pub fn with_layout(bytes: &'a [u8], layout: Layout) -> Self {
        Self { bytes, fixed: bytes.first_chunk().unwrap_or(&[0; SMALLEST]), layout }
    }

    /// Where its parts begin.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    #[inline]
    fn part(&self, from: u32, to: u32) -> &'a [u8] {
        &self.bytes[from as usize..to as usize]
    }

    #[inline]
    fn i32(&self, at: usize) -> i32 {
        word(self.fixed, at)
    }

    #[inline]
    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.fixed[at], self.fixed[at + 1]])
    }

    /// Number of its contig in the dictionary.
    #[inline]
    pub fn contig(&self) -> Option<usize> {
        usize::try_from(self.i32(0)).ok()
    }

    /// Number of its mate's contig in the dictionary.
    #[inline]
    pub fn mate_contig(&self) -> Option<usize> {
        usize::try_from(self.i32(20)).ok()
    }

    /// 1-based.
    #[inline]
    pub fn pos(&self) -> Option<i64> {
        let stored = self.i32(4);
        (stored >= 0).then(|| i64::from(stored) + 1)
    }

    /// 1-based. Nothing is derived from it, so that a meaningless one is shown as it is, as samtools does.
    #[inline]
    pub fn mate_pos(&self) -> Option<i64> {
        let stored = self.i32(24);
        (stored != -1).then(|| i64::from(stored) + 1)
    }

    /// The last base aligned, 1-based: htslib's `bam_endpos`. The start itself when unmapped or nothing is aligned.
    pub fn end(&self) -> Result<Option<i64>> {
        let Some(pos) = self.pos() else { return Ok(None) };
        if self.flag() & UNMAPPED != 0 {
            return Ok(Some(pos));
        }
        let (_, span) = self.checked_cigar()?;
        Ok(Some(pos + span.max(1) - 1))
    }

    /// The CIGAR and the reference bases it spans. A mapped read's must cover its sequence, where it has both.
    pub fn checked_cigar(&self) -> Result<(Cigar<'a>, i64)> {
        let cigar = self.cigar()?;
        let (span, covered) = cigar.lengths()?;
        let bases = self.sequence_length();
        if bases > 0 && !cigar.is_empty() && self.flag() & UNMAPPED == 0 && covered != bases as i64 {
            return Err(Error::corrupt(format!("it covers {covered} bases of a sequence of {bases}")).field("CIGAR"));
        }
        Ok((cigar, span))
    }

    /// As stored: 255 stays 255.
    #[inline]
    pub fn mapq(&self) -> u8 {
        self.fixed[9]
    }

    /// As stored.
    #[inline]
    pub fn flag(&self) -> u16 {
        self.u16(14)
    }

    /// As stored.
    #[inline]
    pub fn template_length(&self) -> i32 {
        self.i32(28)
    }

    /// Without its NUL; may be `*`.
    pub fn name(&self) -> &'a [u8] {
        self.part(FIXED as u32, self.layout.cigar - 1)
    }

    /// The CIGAR, also when it is too long for its field and stands in the tag `CG`.
    pub fn cigar(&self) -> Result<Cigar<'a>> {
        let stored = Cigar::new(self.part(self.layout.cigar, self.layout.seq));
        // As in htslib, a record without a place keeps the CIGAR it has.
        if !stored.is_placeholder(self.sequence_length()) || self.contig().is_none() || self.pos().is_none() {
            return Ok(stored);
        }
        let long = self.tags().find(|t| !matches!(t, Ok(t) if t.key != cigar::LONG_TAG)).transpose()?;
        Ok(long.and_then(|tag| Cigar::from_tag(&tag)).unwrap_or(stored))
    }

    /// Whether the tag `CG` is the CIGAR and so no tag of its own.
    pub fn has_long_cigar(&self) -> Result<bool> {
        Ok(self.cigar()?.is_from_tag())
    }

    /// Bases.
    pub fn sequence_length(&self) -> usize {
        (self.layout.tags - self.layout.qual) as usize
    }

    /// Two bases a byte, the first in the high half.
    pub fn packed_sequence(&self) -> &'a [u8] {
        self.part(self.layout.seq, self.layout.qual)
    }

    /// Phred scores as stored, also where they are missing.
    pub fn stored_qualities(&self) -> &'a [u8] {
        self.part(self.layout.qual, self.layout.tags)
    }

    /// The tags' bytes.
    pub fn stored_tags(&self) -> &'a [u8] {
        &self.bytes[self.layout.tags as usize..]
    }

    /// Phred scores; `None` when they are missing (the first is 255).
    pub fn qualities(&self) -> Option<&'a [u8]> {
        let scores = self.stored_qualities();
        scores.first().is_some_and(|q| *q != 0xff).then_some(scores)
    }

    /// Its tags, in order, the one that holds a long CIGAR included.
    pub fn tags(&self) -> Tags<'a> {
        Tags::new(self.stored_tags())
    }
}

#[inline(always)]
fn word(fixed: &[u8; SMALLEST], at: usize) -> i32 {
    i32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
}

/// Where name, CIGAR and qualities end. In 64 bits: together they may be beyond 32.
#[inline(always)]
fn ends(fixed: &[u8; SMALLEST], l_seq: u32) -> [u64; 3] {
    let cigar = FIXED as u64 + u64::from(fixed[8]);
    let seq = cigar + 4 * u64::from(u16::from_le_bytes([fixed[12], fixed[13]]));
    [cigar, seq, seq + u64::from(l_seq.div_ceil(2)) + u64::from(l_seq)]
}

/// What is wrong with a record.
#[cold]
#[inline(never)]
fn broken(bytes: &[u8], contigs: usize) -> Error {
    let Some(fixed) = bytes.first_chunk::<SMALLEST>() else {
        return Error::corrupt("a record shorter than its fixed fields").field("block_size");
    };
    let Ok(l_seq) = u32::try_from(word(fixed, 16)) else {
        return Error::corrupt("a negative length").field("l_seq");
    };
    let length = bytes.len() as u64;
    let [cigar, seq, tags] = ends(fixed, l_seq);
    if tags > length || tags > u64::from(u32::MAX) {
        let field = match length {
            n if cigar > n => "l_read_name",
            n if seq > n => "n_cigar_op",
            _ => "l_seq",
        };
        return Error::corrupt(format!("its fields need {tags} bytes but it has {length}")).field(field);
    }
    match bytes[FIXED..cigar as usize].split_last() {
        Some((0, name)) if memchr::memchr(0, name).is_none() => {}
        _ => return Error::corrupt("the name is not ended by one NUL").field("read_name"),
    }
    for (at, field) in [(0, "refID"), (20, "next_refID")] {
        let id = word(fixed, at);
        if id < -1 || usize::try_from(id).is_ok_and(|id| id >= contigs) {
            return Error::corrupt(format!("contig {id} is not in the dictionary of {contigs}")).field(field);
        }
    }
    Error::corrupt(format!("{} is not a position", word(fixed, 4))).field("pos")
}

/// The length of the record at the start of `bytes`, its `block_size` included; `None`: it does not end within them.
/// `last`: no byte follows `bytes`. `longest` bounds it.
///
/// # Errors
/// When the bytes cannot begin a record, or it is cut short.
#[inline(always)]
pub fn frame(bytes: &[u8], last: bool, longest: usize) -> Result<Option<usize>> {
    let size = bytes.first_chunk::<4>().map(|b| u32::from_le_bytes(*b) as usize);
    match size {
        Some(size) if (SMALLEST..=longest).contains(&size) && bytes.len() - 4 >= size => Ok(Some(4 + size)),
        _ => unfinished(bytes, last, longest),
    }
}

/// Why no whole record lies at the start of `bytes`; `None`: more of it may follow.
#[cold]
#[inline(never)]
fn unfinished(bytes: &[u8], last: bool, longest: usize) -> Result<Option<usize>> {
    if let Some(size) = bytes.first_chunk::<4>().map(|b| i32::from_le_bytes(*b)) {
        match usize::try_from(size) {
            Ok(n) if n > longest => {
                let e = Error::limit(format!("a record of {n} bytes, more than the limit of {longest}"));
                return Err(e.field("block_size"));
            }
            Ok(n) if n >= SMALLEST => {}
            _ => return Err(Error::corrupt(format!("a record of {size} bytes")).field("block_size").hint(DAMAGED)),
        }
    }
    match last {
        true => Err(Error::corrupt("the file ends within a record").field("block_size").hint(DAMAGED)),
        false => Ok(None),
    }
}

/// The smallest bin of a BAI that holds `start..end`, 0-based (SAMv1 §5.3). As in htslib, beyond 2^29 it means nothing.
pub fn bin(start: i64, end: i64) -> u16 {
    let last = end - 1;
    for (shift, first) in [(14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)] {
        if start >> shift == last >> shift {
            return (first + (start >> shift)) as u16;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_those_of_the_specification() {
        assert_eq!(bin(-1, 0), 4680);
        assert_eq!(bin(0, 1), 4681);
        assert_eq!(bin(16383, 16385), 585);
        assert_eq!(bin(0, 1 << 29), 0);
        assert_eq!(bin((1 << 26) - 1, (1 << 26) + 1), 0);
    }
}
