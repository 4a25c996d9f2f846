//! CSI (CSIv1): windows of any size, contigs of any length.

use super::IndexKind;
use super::bai;
use super::binning::{BinningIndex, Bins, Reference, bins_of};
use super::cursor::Cursor;
use super::tbi;
use crate::bgzf::VirtualOffset;
use crate::error::{Error, Result};

pub(super) fn parse(bytes: &[u8]) -> Result<BinningIndex> {
    let mut cursor = Cursor::new(bytes);
    let (min_shift, depth) = (cursor.u32("min_shift")?, cursor.u32("depth")?);
    // Bin ids are 32 bits wide and positions 63, which bounds both.
    if min_shift > 40 || depth > 9 || min_shift + 3 * depth > 62 {
        return Err(Error::corrupt(format!("CSI min_shift {min_shift} and depth {depth} address no genome")));
    }
    let aux = cursor.count(1, "l_aux")?;
    let aux = cursor.take(aux, "aux")?;
    let tabix = if aux.is_empty() { None } else { Some(tbi::header(&mut Cursor::new(aux))?) };
    let n = cursor.count(4, "n_ref")?;
    if let Some(tabix) = &tabix
        && tabix.names.len() < n
    {
        return Err(Error::corrupt(format!("the index has {n} contigs but {} names", tabix.names.len())));
    }
    let most = bins_of(depth);
    let mut references = Vec::with_capacity(n);
    for _ in 0..n {
        let mut bins = Bins::default();
        let mut counts = None;
        for _ in 0..cursor.count(16, "n_bin")? {
            let id = cursor.u32("bin")?;
            let first = VirtualOffset::from_raw(cursor.u64("loffset")?);
            let chunks = cursor.count(16, "n_chunk")?;
            if u64::from(id) == most + 1 && chunks == 2 {
                cursor.take(16, "pseudo-bin")?;
                counts = Some((cursor.u64("n_mapped")?, cursor.u64("n_unmapped")?));
                continue;
            }
            bins.push(id, first, cursor.arrays(chunks, "chunks")?)?;
        }
        references.push(Reference::new(bins, Vec::new(), counts, most)?);
    }
    let unplaced = bai::unplaced(&mut cursor)?;
    Ok(BinningIndex { kind: IndexKind::Csi, min_shift, depth, references, unplaced, tabix })
}
