//! The tag `MC`, told by the CIGAR of the mate where it is in the group (specification §7.15).
//!
//! ```text
//! a stream of a byte per value: 1 the text of the mate's CIGAR (`*` for none), 0 told │ the values told: text
//! ```

use genomicframe_core::alignment::write_int;
use genomicframe_core::{Error, Result};

use super::cigars::Cigars;
use super::links::NONE;
use super::stream::{Input, Packer, Unpacker};
use super::strings::Strings;
use super::text;
use crate::column::TagKind;
use crate::group::tags::Layouts;

/// What values are told by.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The rows' CIGARs.
    pub cigars: &'a Cigars,
    /// Each row's mate in the group.
    pub mates: &'a [u32],
    /// Each value's row.
    pub owners: &'a [u32],
}

impl Expected<'_> {
    /// Whether `value` has an expectation, which is then in `out`.
    fn write(&self, value: usize, out: &mut Vec<u8>) -> bool {
        let mate = self.mates[self.owners[value] as usize];
        if mate != NONE {
            write_text(self.cigars.of(mate as usize), out);
        }
        mate != NONE
    }
}

/// The row of each value of `kind`.
pub fn owners(layouts: &Layouts, kind: TagKind) -> Vec<u32> {
    let times: Vec<usize> = layouts.distinct.iter().map(|l| l.iter().filter(|k| **k == kind).count()).collect();
    let rows = layouts.ids.iter().enumerate();
    rows.flat_map(|(row, id)| std::iter::repeat_n(row as u32, times[*id as usize])).collect()
}

/// Appends a CIGAR's text.
pub fn write_text(ops: &[u32], out: &mut Vec<u8>) {
    if ops.is_empty() {
        out.push(b'*');
    }
    for op in ops {
        write_int(i64::from(op >> 4), out);
        out.push(b"MIDNSHP=X???????"[(op & 0xf) as usize]);
    }
}

/// Appends `values`.
///
/// # Errors
/// When zstd fails.
pub fn encode(expected: Expected<'_>, values: &Strings, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    let mut told = Strings::default();
    let mut scratch = Vec::new();
    let kind = |value: usize| {
        scratch.clear();
        let is_known = expected.write(value, &mut scratch) && scratch == values.get(value);
        if !is_known {
            told.push(values.get(value));
        }
        u8::from(is_known)
    };
    let kinds: Vec<u8> = (0..values.len()).map(kind).collect();
    packer.put(&kinds, out)?;
    text::encode(&told, packer, out)
}

/// Reads values, one per owner.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(expected: Expected<'_>, input: &mut Input<'_>, unpacker: &mut Unpacker) -> Result<Strings> {
    let kinds = unpacker.get_exact(input, expected.owners.len())?;
    let told = text::decode(input, kinds.iter().filter(|k| **k != 1).count(), unpacker)?;
    let mut told = told.iter();
    let mut values = Strings::default();
    for (value, kind) in kinds.iter().enumerate() {
        let is_there = match kind {
            1 => expected.write(value, &mut values.bytes),
            0 => told.next().map(|t| values.bytes.extend_from_slice(t)).is_some(),
            _ => false,
        };
        if !is_there || values.bytes.len() > super::stream::LONGEST {
            return Err(Error::corrupt("a mate's CIGAR that cannot be").field("MC"));
        }
        values.ends.push(values.bytes.len() as u32);
    }
    Ok(values)
}
