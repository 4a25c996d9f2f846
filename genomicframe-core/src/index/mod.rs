//! Binning indexes: which stretches of a sorted file may hold the records of a region.
//!
//! BAI (SAMv1 §5.2), TBI (tabix specification) and CSI (CSIv1) are one structure in three encodings, [`BinningIndex`];
//! only their readers differ. [`IndexBuilder`] writes the first and the last. Counts from the file are checked against the
//! bytes that are there before anything is allocated. A GZI (`gzi`) tells where blocks begin, and nothing of
//! their records.

mod bai;
mod binning;
mod build;
mod csi;
mod cursor;
pub(crate) mod gzi;
#[cfg(test)]
mod oracle;
mod tbi;

pub use binning::{BinningIndex, Chunk, Reference, Tabix};
pub use build::{Admitted, IndexBuilder, Span};

use crate::bgzf::{Inflater, block_size};
use crate::error::{Error, Result};

/// Which encoding an index has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// BAM index, 16 KiB windows, contigs up to 2^29.
    Bai,
    /// Coordinate-sorted index, any window, any contig length.
    Csi,
    /// Tabix index of a text format.
    Tbi,
}

impl std::fmt::Display for IndexKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bai => "BAI",
            Self::Csi => "CSI",
            Self::Tbi => "TBI",
        })
    }
}

/// Largest index read, stored or inflated: a deep human genome's is a thirtieth of it.
pub(crate) const MAX_BYTES: usize = 256 << 20;

impl BinningIndex {
    /// Reads an index of any of the three encodings, told by its magic.
    ///
    /// # Errors
    /// When the bytes are no index, are cut short, or claim more than is there.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let inflated;
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) {
            inflated = inflate(bytes)?;
            &inflated
        } else {
            bytes
        };
        match bytes.first_chunk::<4>() {
            Some(b"BAI\x01") => bai::parse(&bytes[4..]),
            Some(b"CSI\x01") => csi::parse(&bytes[4..]),
            Some(b"TBI\x01") => tbi::parse(&bytes[4..]),
            _ => Err(Error::corrupt("not a BAI, CSI or TBI index").text(&bytes[..bytes.len().min(4)])),
        }
    }
}

/// What an index may inflate to of however little, and how many times its size it may have beyond that: offsets of a real one
/// grow, and hardly compress.
const FREE: usize = 64 << 20;
const RATIO: usize = 100;

fn inflate(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let (stored, mut inflater, mut out) = (bytes.len(), Inflater::default(), Vec::new());
    while !bytes.is_empty() {
        let size = block_size(bytes)?.filter(|n| *n <= bytes.len());
        let Some(size) = size else { return Err(Error::corrupt("truncated index")) };
        inflater.inflate(&bytes[..size], &mut out)?;
        bytes = &bytes[size..];
        let used = stored - bytes.len();
        if out.len() > MAX_BYTES || (out.len() > FREE && out.len() / RATIO > used) {
            return Err(Error::limit(format!("{used} bytes of the index inflate to {}", out.len())));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_counts_are_errors_before_allocation() {
        let huge = i32::MAX.to_le_bytes();
        let negative = (-1i32).to_le_bytes();
        // The counts among the leading numbers: n_ref, n_bin, n_chunk; l_aux; n_ref, l_nm.
        let places: [(&[u8; 4], &[usize]); 3] = [(b"BAI\x01", &[0, 1, 3]), (b"CSI\x01", &[2]), (b"TBI\x01", &[0, 7])];
        for (magic, places) in places {
            for (place, count) in places.iter().flat_map(|p| [(*p, huge), (*p, negative)]) {
                let mut bytes = magic.to_vec();
                bytes.extend(1i32.to_le_bytes().repeat(place));
                bytes.extend(count);
                bytes.extend([0; 64]);
                assert!(BinningIndex::parse(&bytes).is_err(), "{magic:?} at {place}");
            }
        }
    }

    /// The windows of an unsorted file's index do not bound where a region's records lie.
    #[test]
    fn windows_that_go_down_are_an_error() {
        let of = |windows: [u64; 3]| {
            let mut bai = b"BAI\x01".to_vec();
            bai.extend([1i32, 1, 4681, 1].map(i32::to_le_bytes).concat());
            bai.extend([100u64, 900].map(u64::to_le_bytes).concat());
            bai.extend(3i32.to_le_bytes());
            bai.extend(windows.map(u64::to_le_bytes).concat());
            BinningIndex::parse(&bai)
        };
        assert!(of([100, 0, 200]).is_ok() && of([100, 100, 100]).is_ok());
        assert!(of([100, 300, 200]).unwrap_err().to_string().contains("not sorted"));
    }

    #[test]
    fn a_cut_anywhere_is_an_error() {
        let mut bai = b"BAI\x01".to_vec();
        bai.extend(1i32.to_le_bytes());
        bai.extend(1i32.to_le_bytes());
        bai.extend(4681u32.to_le_bytes());
        bai.extend(1i32.to_le_bytes());
        bai.extend(100u64.to_le_bytes());
        bai.extend(200u64.to_le_bytes());
        bai.extend(1i32.to_le_bytes());
        bai.extend(100u64.to_le_bytes());
        assert!(BinningIndex::parse(&bai).is_ok());
        for n in 0..bai.len() {
            assert!(BinningIndex::parse(&bai[..n]).is_err(), "{n}");
        }
    }
}
