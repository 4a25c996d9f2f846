//! CIGAR operations (SAMv1 §4.2.1, §4.2.2).

use super::tags::Tag;
use crate::error::{Error, Result};
use crate::text::numbers::write_int;

/// The tag that holds a CIGAR of more than 65,535 operations.
pub const LONG_TAG: [u8; 2] = *b"CG";

const OPS: &[u8; 9] = b"MIDNSHP=X";
const SOFT_CLIP: u32 = 4;
const SKIP: u32 = 3;

/// Packed operations: length in the upper 28 bits, code in the lower 4.
#[derive(Debug, Clone, Copy)]
pub struct Cigar<'a> {
    packed: &'a [u8],
    from_tag: bool,
}

impl<'a> Cigar<'a> {
    /// Operations as BAM packs them, four bytes each.
    pub fn new(packed: &'a [u8]) -> Self {
        Self { packed, from_tag: false }
    }

    /// The operations in a `CG:B,I` tag. Any other type, and fewer than the placeholder has, is a tag like all others.
    ///
    /// As htslib does, signed integers are taken for unsigned.
    pub fn from_tag(tag: &Tag<'a>) -> Option<Self> {
        let (b'I' | b'i', packed) = tag.array()? else { return None };
        (packed.len() >= 8).then_some(Self { packed, from_tag: true })
    }

    /// Whether they stood in the tag `CG`.
    pub fn is_from_tag(&self) -> bool {
        self.from_tag
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Length and code (0 to 8 for `MIDNSHP=X`) of each operation.
    pub fn ops(&self) -> impl Iterator<Item = (u32, u32)> + 'a {
        self.packed.chunks_exact(4).map(|b| {
            let op = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
            (op >> 4, op & 0xf)
        })
    }

    /// The operations, four bytes each.
    pub fn packed(&self) -> &'a [u8] {
        self.packed
    }

    /// Whether it is `<length of the sequence>S<n>N`, which says that the real one stands in a tag.
    pub fn is_placeholder(&self, sequence: usize) -> bool {
        let mut ops = self.ops();
        self.packed.len() == 8
            && ops.next() == Some((sequence as u32, SOFT_CLIP))
            && matches!(ops.next(), Some((_, SKIP)))
    }

    /// Bases of the reference and of the read that it covers.
    pub fn lengths(&self) -> Result<(i64, i64)> {
        let (mut reference, mut read) = (0, 0);
        for (len, op) in self.ops() {
            let len = i64::from(len);
            match op {
                // M, = and X.
                0 | 7 | 8 => (reference, read) = (reference + len, read + len),
                // D and N.
                2 | 3 => reference += len,
                // I and S.
                1 | 4 => read += len,
                // H and P.
                5 | 6 => {}
                _ => return Err(unknown(op)),
            }
        }
        Ok((reference, read))
    }

    /// Its text.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        for (len, op) in self.ops() {
            let Some(letter) = OPS.get(op as usize) else { return Err(unknown(op)) };
            write_int(i64::from(len), out);
            out.push(*letter);
        }
        Ok(())
    }
}

fn unknown(op: u32) -> Error {
    Error::corrupt(format!("operation {op} is not one of the nine")).field("CIGAR")
}
