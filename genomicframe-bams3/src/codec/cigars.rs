//! CIGARs (specification §7.8): a dictionary of the distinct ones, and which one each row has.
//!
//! ```text
//! distinct: varint │ ids: integers, one per row │ operations of each: integers │ a stream of op codes, a byte each (0 to 8 for
//! MIDNSHP=X) │ lengths of all operations: integers
//! ```
//! The dictionary is in order of first use.

use std::collections::HashMap;

use genomicframe_core::{Error, Result};

use super::ints;
use super::links::FoldState;
use super::stream::{Input, Packer, Unpacker, put_varint};

/// Distinct CIGARs, and each row's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cigars {
    /// Operations of all distinct CIGARs as BAM packs them: length << 4 | code.
    pub ops: Vec<u32>,
    /// Where each distinct CIGAR ends in `ops`.
    pub ends: Vec<u32>,
    /// Each row's, by number.
    pub ids: Vec<u32>,
}

/// Most operations of a row group's distinct CIGARs.
const MOST_OPS: usize = 1 << 28;

impl Cigars {
    /// Distinct CIGAR number `id`.
    pub fn distinct(&self, id: usize) -> &[u32] {
        let start = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        &self.ops[start..self.ends[id] as usize]
    }

    /// Each row's operations, one row after the other, and where each row's end.
    pub fn rows(&self) -> (Vec<u32>, Vec<u32>) {
        let mut ops = Vec::with_capacity(self.ids.len());
        let ends = self.ids.iter().map(|id| {
            ops.extend_from_slice(self.distinct(*id as usize));
            ops.len() as u32
        });
        let ends = ends.collect();
        (ops, ends)
    }

    /// The CIGAR of `row`.
    pub fn of(&self, row: usize) -> &[u32] {
        self.distinct(self.ids[row] as usize)
    }
}

/// Builds [`Cigars`] row by row.
#[derive(Debug, Default)]
pub struct CigarsBuilder {
    cigars: Cigars,
    known: HashMap<Vec<u32>, u32, FoldState>,
    scratch: Vec<u32>,
}

impl CigarsBuilder {
    /// Adds a row's, as BAM packs it.
    pub fn push(&mut self, packed: &[u8]) {
        self.scratch.clear();
        self.scratch.extend(packed.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        // Neighbours often have the same one.
        if let Some(last) = self.cigars.ids.last().copied()
            && self.cigars.distinct(last as usize) == self.scratch
        {
            self.cigars.ids.push(last);
            return;
        }
        let id = match self.known.get(&self.scratch) {
            Some(id) => *id,
            None => {
                let id = self.cigars.ends.len() as u32;
                self.cigars.ops.extend_from_slice(&self.scratch);
                self.cigars.ends.push(self.cigars.ops.len() as u32);
                self.known.insert(self.scratch.clone(), id);
                id
            }
        };
        self.cigars.ids.push(id);
    }

    /// What was added.
    pub fn finish(self) -> Cigars {
        self.cigars
    }
}

/// Appends `cigars`.
///
/// # Errors
/// When zstd fails.
pub fn encode(cigars: &Cigars, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    put_varint(cigars.ends.len() as u64, out);
    let wide = |list: &[u32]| list.iter().map(|n| i64::from(*n)).collect::<Vec<_>>();
    ints::encode(&wide(&cigars.ids), packer, out)?;
    let mut before = 0;
    let counts: Vec<i64> = cigars.ends.iter().map(|e| i64::from(e - std::mem::replace(&mut before, *e))).collect();
    ints::encode(&counts, packer, out)?;
    let codes: Vec<u8> = cigars.ops.iter().map(|op| (op & 0xf) as u8).collect();
    packer.put(&codes, out)?;
    let lengths: Vec<i64> = cigars.ops.iter().map(|op| i64::from(op >> 4)).collect();
    ints::encode(&lengths, packer, out)
}

/// Reads the CIGARs of `rows` rows.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(input: &mut Input<'_>, rows: usize, unpacker: &mut Unpacker) -> Result<Cigars> {
    let broken = |what: &str| Error::corrupt(what.to_owned()).field("cigar");
    let distinct = input.length(rows)?;
    let ids = ints::decode(input, rows, unpacker)?;
    let ids: Option<Vec<u32>> =
        ids.iter().map(|id| u32::try_from(*id).ok().filter(|id| (*id as usize) < distinct)).collect();
    let ids = ids.ok_or_else(|| broken("an entry beyond its dictionary"))?;
    let counts = ints::decode(input, distinct, unpacker)?;
    let mut total = 0usize;
    let mut ends = Vec::with_capacity(distinct);
    for count in counts {
        total = usize::try_from(count)
            .ok()
            .and_then(|n| total.checked_add(n))
            .filter(|n| *n <= MOST_OPS)
            .ok_or_else(|| broken("too many operations"))?;
        ends.push(total as u32);
    }
    let codes = unpacker.get_exact(input, total)?;
    if codes.iter().any(|c| *c > 8) {
        return Err(broken("an unknown operation"));
    }
    let lengths = ints::decode(input, total, unpacker)?;
    let op = |(code, length): (&u8, i64)| {
        u32::try_from(length).ok().filter(|n| *n < 1 << 28).map(|n| n << 4 | u32::from(*code))
    };
    let ops: Option<Vec<u32>> = codes.iter().zip(lengths).map(op).collect();
    Ok(Cigars { ops: ops.ok_or_else(|| broken("an operation's length is beyond 28 bits"))?, ends, ids })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Level;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(rows in prop::collection::vec(prop::collection::vec((0u32..9, 0u32..1 << 28), 0..5), 0..80), at: prop::sample::Index, with: u8) {
            let mut builder = CigarsBuilder::default();
            let packed: Vec<Vec<u32>> = rows.iter().map(|r| r.iter().map(|(op, n)| n << 4 | op).collect()).collect();
            for row in packed.iter().chain(&packed) {
                builder.push(&row.iter().flat_map(|op| op.to_le_bytes()).collect::<Vec<_>>());
            }
            let cigars = builder.finish();
            let mut out = Vec::new();
            encode(&cigars, &mut Packer::new(Level::DEFAULT).unwrap(), &mut out).unwrap();
            let mut input = Input::new(&out);
            let mut unpacker = Unpacker::new().unwrap();
            let read = decode(&mut input, 2 * rows.len(), &mut unpacker).unwrap();
            prop_assert!(input.end().is_ok());
            for (row, cigar) in packed.iter().chain(&packed).enumerate() {
                prop_assert_eq!(read.of(row), cigar.as_slice());
            }
            let at = at.index(out.len());
            let _ = decode(&mut Input::new(&out[..at]), 2 * rows.len(), &mut unpacker);
            out[at] = with;
            let _ = decode(&mut Input::new(&out), 2 * rows.len(), &mut unpacker);
        }
    }
}
