//! BAI (SAMv1 §5.2).

use super::IndexKind;
use super::binning::{BinningIndex, Bins, Reference, bins_of};
use super::cursor::Cursor;
use crate::bgzf::VirtualOffset;
use crate::error::{Error, Result};

/// The levels of bins below the first.
const DEPTH: u32 = 5;
/// The pseudo-bin that counts a contig's records.
const COUNTS_BIN: u32 = 37_450;

pub(super) fn parse(bytes: &[u8]) -> Result<BinningIndex> {
    let mut cursor = Cursor::new(bytes);
    let n = cursor.count(8, "n_ref")?;
    let (references, unplaced) = references(&mut cursor, n)?;
    Ok(BinningIndex { kind: IndexKind::Bai, min_shift: 14, depth: DEPTH, references, unplaced, tabix: None })
}

/// The part that BAI and TBI share: bins and linear index of each contig, then the count of unplaced records.
pub(super) fn references(cursor: &mut Cursor<'_>, n: usize) -> Result<(Vec<Reference>, Option<u64>)> {
    let mut references = Vec::with_capacity(n);
    for _ in 0..n {
        let mut bins = Bins::default();
        let mut counts = None;
        for _ in 0..cursor.count(8, "n_bin")? {
            let id = cursor.u32("bin")?;
            let chunks = cursor.count(16, "n_chunk")?;
            if id == COUNTS_BIN && chunks == 2 {
                cursor.take(16, "pseudo-bin")?;
                counts = Some((cursor.u64("n_mapped")?, cursor.u64("n_unmapped")?));
                continue;
            }
            bins.push(id, VirtualOffset::default(), cursor.arrays(chunks, "chunks")?)?;
        }
        let windows = cursor.count(8, "n_intv")?;
        let linear = cursor.arrays(windows, "ioffset")?.iter();
        let linear = linear.map(|bytes| VirtualOffset::from_raw(u64::from_le_bytes(*bytes))).collect();
        references.push(Reference::new(bins, linear, counts, bins_of(DEPTH))?);
    }
    Ok((references, unplaced(cursor)?))
}

/// The count of unplaced records, which an index may end with.
pub(super) fn unplaced(cursor: &mut Cursor<'_>) -> Result<Option<u64>> {
    if cursor.is_empty() {
        return Ok(None);
    }
    let unplaced = cursor.u64("n_no_coor")?;
    if !cursor.is_empty() {
        return Err(Error::corrupt("bytes follow the index's end"));
    }
    Ok(Some(unplaced))
}
