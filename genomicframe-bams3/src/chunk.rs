//! Chunks: objects of row groups, never rewritten (specification §3).
//!
//! ```text
//! header, 52 bytes: "BAMS3CHK" │ major u16 │ minor u16 │ row groups u32 │ dataset id 16 bytes │ ordinal u64 │ rows u64 │
//!                   CRC-32 of the 48 bytes before u32                                                 (all little-endian)
//! front pages:      of the filter columns: all of one column's pages, row group by row group, then the next column's
//! other pages:      row group by row group, each by column number
//! ```
//! Pages have no gap between them; where each lies stands in the index.

use genomicframe_core::{Error, Result};
use libdeflater::Crc;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::column::ColumnId;
use crate::group::{EncodedGroup, EncodedPage};
use crate::index::{ChunkEntry, GroupEntry, PageEntry};

/// The first bytes of a chunk.
pub const MAGIC: &[u8; 8] = b"BAMS3CHK";
/// Bytes of a chunk's header.
pub const HEADER: usize = 52;
/// The format's version, of datasets and chunks.
pub const VERSION: (u16, u16) = (1, 0);

/// Which dataset: derived from its input, so that the same conversion gives the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatasetId(pub [u8; 16]);

impl std::fmt::Display for DatasetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// CRC-32 as gzip's.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// What a chunk's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkHeader {
    /// Its dataset.
    pub dataset: DatasetId,
    /// Its number in it.
    pub ordinal: u64,
    /// Its row groups.
    pub groups: u32,
    /// Its rows.
    pub rows: u64,
}

impl ChunkHeader {
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.0.to_le_bytes());
        out.extend_from_slice(&VERSION.1.to_le_bytes());
        out.extend_from_slice(&self.groups.to_le_bytes());
        out.extend_from_slice(&self.dataset.0);
        out.extend_from_slice(&self.ordinal.to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        let crc = crc32(&out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Reads a header.
    ///
    /// # Errors
    /// When it is cut short, damaged, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let Some(bytes) = bytes.first_chunk::<HEADER>() else {
            return Err(Error::corrupt("a chunk shorter than its header"));
        };
        if !bytes.starts_with(MAGIC) {
            return Err(Error::corrupt("not a BAMS3 chunk").text(&bytes[..8]));
        }
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        if u32_at(48) != crc32(&bytes[..48]) {
            return Err(Error::corrupt("the checksum of the chunk's header differs"));
        }
        let major = u32_at(8) as u16;
        if major != VERSION.0 {
            return Err(Error::unsupported(format!("a chunk of BAMS3 {major}.x; this version reads {}.x", VERSION.0)));
        }
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[16..32]);
        Ok(Self { dataset: DatasetId(id), ordinal: u64_at(32), groups: u32_at(12), rows: u64_at(40) })
    }

    /// That the header is the one `entry` of `dataset` tells of.
    ///
    /// # Errors
    /// When it is another chunk's.
    pub fn check(&self, dataset: DatasetId, entry: &ChunkEntry) -> Result<()> {
        if self.dataset != dataset {
            return Err(Error::corrupt(format!("a chunk of another dataset ({}, not {dataset})", self.dataset)));
        }
        if self.ordinal != entry.ordinal {
            return Err(Error::corrupt(format!("chunk {} where chunk {} belongs", self.ordinal, entry.ordinal)));
        }
        if (self.rows, self.groups as usize) != (entry.rows(), entry.groups.len()) {
            let said = format!("{} rows in {} row groups", self.rows, self.groups);
            let told = format!("{} in {}", entry.rows(), entry.groups.len());
            return Err(Error::corrupt(format!("the chunk says it has {said} where the index tells of {told}")));
        }
        Ok(())
    }
}

/// What is escaped in a contig's name to make a part of a path.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'+').remove(b'.');

/// A contig's name as a part of a path: for people, who find the contig by it. Readers take paths from the index.
fn path_part(contig: &str) -> String {
    if contig.bytes().all(|b| b == b'.') {
        return "_".repeat(contig.len());
    }
    utf8_percent_encode(&contig.replace(['/', '\\'], "_"), ESCAPED).to_string()
}

/// Lays `groups` out as chunk number `ordinal`; `contig` names the contig of its first row.
pub fn assemble(
    groups: Vec<EncodedGroup>,
    dataset: DatasetId,
    ordinal: u64,
    contig: Option<&str>,
) -> (ChunkEntry, Vec<u8>) {
    let rows = groups.iter().map(|g| g.stats.rows).sum();
    let header = ChunkHeader { dataset, ordinal, groups: groups.len() as u32, rows };
    let mut bytes = Vec::with_capacity(HEADER + groups.iter().map(EncodedGroup::bytes).sum::<usize>());
    header.write(&mut bytes);
    let mut entries: Vec<GroupEntry> =
        groups.iter().map(|g| GroupEntry { stats: g.stats.clone(), pages: Vec::new() }).collect();
    let mut put = |entry: &mut GroupEntry, page: &EncodedPage| {
        let offset = bytes.len() as u64;
        bytes.extend_from_slice(&page.bytes);
        let (column, encoding, size) = (page.column, page.encoding, page.bytes.len() as u32);
        entry.pages.push(PageEntry { column, encoding, offset, bytes: size, crc: crc32(&page.bytes) });
    };
    for column in ColumnId::FRONT {
        for (group, entry) in groups.iter().zip(&mut entries) {
            group.pages.iter().filter(|p| p.column == column).for_each(|p| put(entry, p));
        }
    }
    for (group, entry) in groups.iter().zip(&mut entries) {
        group.pages.iter().filter(|p| !ColumnId::FRONT.contains(&p.column)).for_each(|p| put(entry, p));
    }
    for entry in &mut entries {
        entry.pages.sort_by_key(|p| p.column);
    }
    let sha256 = sha256(&bytes);
    let hash = hex(&sha256[..4]);
    let mut entry = ChunkEntry { ordinal, path: String::new(), bytes: bytes.len() as u64, sha256, groups: entries };
    let stats = entry.stats();
    entry.path = match contig {
        Some(contig) => {
            let contig = path_part(contig);
            format!(
                "data/{contig}/{:09}-{:09}-{ordinal:06}-{hash}.chunk",
                stats.start_first.max(0),
                stats.start_last.max(0)
            )
        }
        None => format!("unmapped/{ordinal:06}-{hash}.chunk"),
    };
    (entry, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_the_specification_says() {
        let header = ChunkHeader { dataset: DatasetId([7; 16]), ordinal: 3, groups: 2, rows: 300 };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        assert_eq!(bytes.len(), HEADER);
        assert_eq!(&bytes[..16], b"BAMS3CHK\x01\0\0\0\x02\0\0\0");
        assert_eq!(ChunkHeader::read(&bytes).unwrap(), header);
        for bit in 0..8 * HEADER {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(ChunkHeader::read(&broken).is_err(), "bit {bit}");
        }
    }
}
