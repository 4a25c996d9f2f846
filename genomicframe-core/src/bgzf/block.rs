//! One BGZF block: its size, its inflation, its checks.

use libdeflater::{Crc, DecompressionError, Decompressor};

use crate::error::{Error, Result};

/// Largest stored or inflated size of a block: 64 KiB.
pub const MAX_BLOCK: usize = 1 << 16;

/// The empty block that ends every complete file (SAMv1 §4.1.2).
pub const EOF_BLOCK: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const FIXED_HEADER: usize = 12;
const TRAILER: usize = 8;

/// Whether `head`, a file's first bytes, begins a BGZF block, even one that claims an impossible size.
pub fn is_bgzf(head: &[u8]) -> bool {
    matches!(claimed(head), Ok(Some(_)))
}

/// The stored size of the block at the start of `bytes`; `None` when its header is not complete yet.
///
/// # Errors
/// When the bytes are no BGZF block, or its `BSIZE` cannot hold a header and a trailer.
pub fn block_size(bytes: &[u8]) -> Result<Option<usize>> {
    Ok(header(bytes)?.map(|h| h.size))
}

struct Header {
    size: usize,
    data: usize,
}

fn header(bytes: &[u8]) -> Result<Option<Header>> {
    match claimed(bytes)? {
        Some(Header { size, data }) if size < data + TRAILER => {
            Err(Error::corrupt(format!("BGZF block size {size} is smaller than its header")).field("BSIZE"))
        }
        claimed => Ok(claimed),
    }
}

/// Finds the `BC` subfield among the gzip extra subfields, which other tools may add to.
fn claimed(bytes: &[u8]) -> Result<Option<Header>> {
    let magic = &[0x1f, 0x8b, 0x08];
    let seen = bytes.len().min(magic.len());
    if bytes[..seen] != magic[..seen] {
        return Err(Error::corrupt("not a BGZF block"));
    }
    if bytes.len() < FIXED_HEADER {
        return Ok(None);
    }
    if bytes[3] & 0x04 == 0 {
        return Err(Error::corrupt("a gzip member without the BGZF extra field")
            .hint("plain gzip inside a BGZF file; recompress with bgzip"));
    }
    let extra_end = FIXED_HEADER + usize::from(u16::from_le_bytes([bytes[10], bytes[11]]));
    let Some(mut extra) = bytes.get(FIXED_HEADER..extra_end) else { return Ok(None) };
    while let [a, b, lo, hi, rest @ ..] = extra {
        let len = usize::from(u16::from_le_bytes([*lo, *hi]));
        if (*a, *b, len) == (b'B', b'C', 2) {
            let [lo, hi, ..] = rest else { break };
            let size = usize::from(u16::from_le_bytes([*lo, *hi])) + 1;
            return Ok(Some(Header { size, data: extra_end }));
        }
        extra = rest.get(len..).unwrap_or_default();
    }
    Err(Error::corrupt("a gzip member without the BGZF extra field")
        .hint("plain gzip inside a BGZF file; recompress with bgzip"))
}

/// Inflates blocks, always checking `CRC32` and `ISIZE`.
pub struct Inflater(Decompressor);

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inflater")
    }
}

impl Default for Inflater {
    fn default() -> Self {
        Self(Decompressor::new())
    }
}

impl Inflater {
    /// Appends the inflated bytes of `block`, which must be one whole block, to `out`.
    ///
    /// # Errors
    /// When the block is cut, its deflate stream is broken, or size or checksum differ.
    pub fn inflate(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let whole = Whole::new(block)?;
        let start = out.len();
        out.resize(start + whole.size, 0);
        self.fill(&whole, &mut out[start..])
    }

    /// Inflates `block`, which must be one whole block, into `out`, of exactly its [`inflated_size`].
    ///
    /// # Errors
    /// As [`Inflater::inflate`], and when `out` has another length.
    pub fn inflate_into(&mut self, block: &[u8], out: &mut [u8]) -> Result<()> {
        self.fill(&Whole::new(block)?, out)
    }

    fn fill(&mut self, block: &Whole<'_>, out: &mut [u8]) -> Result<()> {
        let Whole { data, crc, size } = *block;
        let inflated = self.0.deflate_decompress(data, out).map_err(|e| match e {
            DecompressionError::InsufficientSpace => {
                Error::corrupt(format!("BGZF block inflates to more than the {size} bytes that it claims"))
            }
            DecompressionError::BadData => Error::corrupt("broken deflate data in a BGZF block"),
        })?;
        if inflated != size || size != out.len() {
            return Err(Error::corrupt(format!("BGZF block inflates to {inflated} bytes but claims {size}")));
        }
        let mut sum = Crc::new();
        sum.update(out);
        if sum.sum() != crc {
            return Err(Error::corrupt("BGZF block checksum (CRC32) differs"));
        }
        Ok(())
    }
}

/// How many bytes `block`, one whole block, claims to inflate to.
///
/// # Errors
/// When the block is cut, or claims more than [`MAX_BLOCK`].
pub fn inflated_size(block: &[u8]) -> Result<usize> {
    Ok(Whole::new(block)?.size)
}

/// The parts of a whole block, sizes checked.
struct Whole<'a> {
    data: &'a [u8],
    crc: u32,
    size: usize,
}

impl<'a> Whole<'a> {
    fn new(block: &'a [u8]) -> Result<Self> {
        let Some(header) = header(block)? else { return Err(Error::corrupt("truncated BGZF block header")) };
        if block.len() != header.size {
            return Err(Error::corrupt("truncated BGZF block"));
        }
        let (data, trailer) = block[header.data..].split_at(header.size - header.data - TRAILER);
        let word = |i: usize| u32::from_le_bytes([trailer[i], trailer[i + 1], trailer[i + 2], trailer[i + 3]]);
        let (crc, size) = (word(0), word(4) as usize);
        if size > MAX_BLOCK {
            return Err(Error::corrupt(format!("BGZF block claims {size} inflated bytes, more than 64 KiB")));
        }
        Ok(Self { data, crc, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_block_inflates_to_nothing() {
        let mut out = Vec::new();
        Inflater::default().inflate(&EOF_BLOCK, &mut out).unwrap();
        assert!(out.is_empty());
        assert_eq!(block_size(&EOF_BLOCK).unwrap(), Some(28));
    }

    #[test]
    fn every_flipped_bit_of_a_block_is_an_error_or_harmless() {
        let mut out = Vec::new();
        for byte in 0..EOF_BLOCK.len() {
            for bit in 0..8 {
                let mut block = EOF_BLOCK;
                block[byte] ^= 1 << bit;
                out.clear();
                // Times, OS and flags of the gzip header carry no data, nor does the padding after the deflate stream's
                // last bit (byte 19); all else must be told.
                if Inflater::default().inflate(&block, &mut out).is_ok() {
                    assert!(out.is_empty() && ((3..10).contains(&byte) || byte == 19), "byte {byte} bit {bit}");
                }
            }
        }
    }

    #[test]
    fn a_cut_header_asks_for_more() {
        for n in 0..18 {
            assert!(matches!(block_size(&EOF_BLOCK[..n]), Ok(None)), "{n}");
        }
        assert!(block_size(b"plain text").is_err());
    }
}
