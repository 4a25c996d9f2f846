//! TBI, the tabix index of sorted text.

use super::IndexKind;
use super::bai;
use super::binning::{BinningIndex, Tabix};
use super::cursor::Cursor;
use crate::error::{Error, Result};

pub(super) fn parse(bytes: &[u8]) -> Result<BinningIndex> {
    let mut cursor = Cursor::new(bytes);
    let n = cursor.count(8, "n_ref")?;
    let tabix = header(&mut cursor)?;
    if tabix.names.len() < n {
        return Err(Error::corrupt(format!("the index has {n} contigs but {} names", tabix.names.len())));
    }
    let (references, unplaced) = bai::references(&mut cursor, n)?;
    Ok(BinningIndex { kind: IndexKind::Tbi, min_shift: 14, depth: 5, references, unplaced, tabix: Some(tabix) })
}

/// `format, col_seq, col_beg, col_end, meta, skip, l_nm, names`: the head of a TBI, and the auxiliary data of a text file's CSI.
pub(super) fn header(cursor: &mut Cursor<'_>) -> Result<Tabix> {
    let format = cursor.i32("format")?;
    let columns = [cursor.i32("col_seq")?, cursor.i32("col_beg")?, cursor.i32("col_end")?];
    cursor.take(8, "meta, skip")?;
    let len = cursor.count(1, "l_nm")?;
    let bytes = cursor.take(len, "names")?;
    let text = std::str::from_utf8(bytes).map_err(|_| Error::corrupt("a contig name of the index is not UTF-8"))?;
    let names = match text.strip_suffix('\0') {
        Some(names) => names.split('\0').map(str::to_owned).collect(),
        None if text.is_empty() => Vec::new(),
        None => return Err(Error::corrupt("the contig names of the index do not end with a NUL").field("names")),
    };
    Ok(Tabix { names, columns, zero_based: format & 0x1_0000 != 0 })
}
