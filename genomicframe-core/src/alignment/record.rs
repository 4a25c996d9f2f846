//! A record's fields as they lie in its bytes (SAMv1 §4.2).
//!
//! ```text
//! refID pos l_read_name mapq bin n_cigar flag l_seq next_refID next_pos tlen │ read_name cigar seq qual tags
//!   4    4       1       1    2     2     2     4       4         4      4   │  …
//! ```

use super::cigar::{self, Cigar};
use super::tags::Tags;
use crate::error::{Error, Result};

const FIXED: usize = 32;
/// Smallest `block_size`: the fixed fields and a name of one NUL.
pub const SMALLEST: usize = FIXED + 1;

const UNMAPPED: u16 = 0x4;

/// One record, its lengths checked against its bytes.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    bytes: &'a [u8],
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
    pub fn new(bytes: &'a [u8], contigs: usize) -> Result<Self> {
        let Some(fixed) = bytes.first_chunk::<SMALLEST>() else {
            return Err(Error::corrupt("a record shorter than its fixed fields").field("block_size"));
        };
        let i32 = |at: usize| i32::from_le_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let l_seq = u32::try_from(i32(16)).map_err(|_| Error::corrupt("a negative length").field("l_seq"))?;
        let cigar = FIXED as u32 + u32::from(fixed[8]);
        let seq = cigar + 4 * u32::from(u16::from_le_bytes([fixed[12], fixed[13]]));
        // In 64 bits: both together may be beyond 32.
        let tags = u64::from(seq) + u64::from(l_seq.div_ceil(2)) + u64::from(l_seq);
        if tags > bytes.len() as u64 || tags > u64::from(u32::MAX) {
            let field = match bytes.len() {
                n if cigar as usize > n => "l_read_name",
                n if seq as usize > n => "n_cigar_op",
                _ => "l_seq",
            };
            return Err(Error::corrupt(format!("its fields need {tags} bytes but it has {}", bytes.len())).field(field));
        }
        let layout = Layout { cigar, seq, qual: seq + l_seq.div_ceil(2), tags: tags as u32 };
        match bytes[FIXED..cigar as usize].split_last() {
            Some((0, name)) if memchr::memchr(0, name).is_none() => {}
            _ => return Err(Error::corrupt("the name is not ended by one NUL").field("read_name")),
        }
        for (at, field) in [(0, "refID"), (20, "next_refID")] {
            let id = i32(at);
            if id < -1 || usize::try_from(id).is_ok_and(|id| id >= contigs) {
                return Err(Error::corrupt(format!("contig {id} is not in the dictionary of {contigs}")).field(field));
            }
        }
        if i32(4) < -1 {
            return Err(Error::corrupt(format!("{} is not a position", i32(4))).field("pos"));
        }
        Ok(Self { bytes, layout })
    }

    /// A record whose layout was found before by [`Record::new`].
    pub fn with_layout(bytes: &'a [u8], layout: Layout) -> Self {
        Self { bytes, layout }
    }

    /// Where its parts begin.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    fn part(&self, from: u32, to: u32) -> &'a [u8] {
        &self.bytes[from as usize..to as usize]
    }

    fn i32(&self, at: usize) -> i32 {
        let b = self.bytes;
        i32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// Number of its contig in the dictionary.
    pub fn contig(&self) -> Option<usize> {
        usize::try_from(self.i32(0)).ok()
    }

    /// Number of its mate's contig in the dictionary.
    pub fn mate_contig(&self) -> Option<usize> {
        usize::try_from(self.i32(20)).ok()
    }

    /// 1-based.
    pub fn pos(&self) -> Option<i64> {
        let stored = self.i32(4);
        (stored >= 0).then(|| i64::from(stored) + 1)
    }

    /// 1-based. Nothing is derived from it, so that a meaningless one is shown as it is, as samtools does.
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
    pub fn mapq(&self) -> u8 {
        self.bytes[9]
    }

    /// As stored.
    pub fn flag(&self) -> u16 {
        self.u16(14)
    }

    /// As stored.
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

/// The length of the record at the start of `bytes`, its `block_size` included; `None`: it does not end within them.
/// `last`: no byte follows `bytes`. `longest` bounds it.
///
/// # Errors
/// When the bytes cannot begin a record, or it is cut short.
pub fn frame(bytes: &[u8], last: bool, longest: usize) -> Result<Option<usize>> {
    let cut = || Error::corrupt("the file ends within a record").field("block_size");
    let Some(size) = bytes.first_chunk::<4>().map(|b| i32::from_le_bytes(*b)) else {
        return if last { Err(cut()) } else { Ok(None) };
    };
    let size = match usize::try_from(size) {
        Ok(n) if n < SMALLEST => return Err(Error::corrupt(format!("a record of {n} bytes")).field("block_size")),
        Ok(n) if n > longest => {
            let e = Error::limit(format!("a record of {n} bytes, more than the limit of {}", longest));
            return Err(e.field("block_size"));
        }
        Ok(n) => n,
        Err(_) => return Err(Error::corrupt(format!("a record of {size} bytes")).field("block_size")),
    };
    match bytes.len() >= 4 + size {
        true => Ok(Some(4 + size)),
        false if last => Err(cut()),
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
