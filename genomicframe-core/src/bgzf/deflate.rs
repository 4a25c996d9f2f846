//! One BGZF block, compressed.

use std::fmt;

use libdeflater::{CompressionLvl, Compressor, crc32};

use super::block::EOF_BLOCK;
use crate::error::{Error, Result};

/// Most bytes that go into a block, as htslib has it: they fit also when they cannot be compressed.
pub const BLOCK_INPUT: usize = 0xff00;

/// A gzip header with the `BC` subfield, its `BSIZE` still to be set.
const HEADER: [u8; 18] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0, 0];
const BSIZE: usize = 16;
/// What a stored deflate block (RFC 1951 §3.2.4) has before its bytes.
const STORED_HEADER: usize = 5;

/// How hard a block is compressed: libdeflate's levels, 0 (stored) to 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// Stored as it is.
    pub const STORED: Self = Self(0);
    /// Level 6.
    pub const DEFAULT: Self = Self(6);

    /// # Errors
    /// When it is beyond 12.
    pub fn new(level: u8) -> Result<Self> {
        match level {
            0..=12 => Ok(Self(level)),
            _ => Err(Error::invalid(format!("compression level {level} is not one of 0 to 12"))),
        }
    }

    /// The number.
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Compresses blocks; each thread has its own.
pub struct Deflater(Option<Compressor>);

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflater")
    }
}

impl Deflater {
    /// Of this level.
    ///
    /// # Errors
    /// When libdeflate does not know the level.
    pub fn new(level: Level) -> Result<Self> {
        if level == Level::STORED {
            return Ok(Self(None));
        }
        let level = CompressionLvl::new(i32::from(level.0))
            .map_err(|_| Error::unsupported(format!("compression level {level} is not known to libdeflate")))?;
        Ok(Self(Some(Compressor::new(level))))
    }

    /// Appends `raw` as one block to `out`; bytes that cannot be compressed are stored. Nothing becomes [`EOF_BLOCK`].
    ///
    /// # Errors
    /// When `raw` is longer than [`BLOCK_INPUT`].
    pub fn compress_block(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if raw.len() > BLOCK_INPUT {
            return Err(Error::limit(format!("{} bytes are more than a BGZF block takes", raw.len())));
        }
        if raw.is_empty() {
            out.extend_from_slice(&EOF_BLOCK);
            return Ok(());
        }
        let start = out.len();
        out.extend_from_slice(&HEADER);
        let data = out.len();
        // No more room than storing takes: what does not fit is better stored.
        let deflated = self.0.as_mut().and_then(|compressor| {
            out.resize(data + STORED_HEADER + raw.len(), 0);
            compressor.deflate_compress(raw, &mut out[data..]).ok()
        });
        match deflated {
            Some(len) => out.truncate(data + len),
            None => {
                out.truncate(data);
                let len = raw.len() as u16;
                out.push(1);
                out.extend_from_slice(&len.to_le_bytes());
                out.extend_from_slice(&(!len).to_le_bytes());
                out.extend_from_slice(raw);
            }
        }
        out.extend_from_slice(&crc32(raw).to_le_bytes());
        out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
        let size = (out.len() - start - 1) as u16;
        out[start + BSIZE..start + BSIZE + 2].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }

    /// Appends all of `raw` in as many blocks as it needs, without [`EOF_BLOCK`].
    ///
    /// # Errors
    /// As [`Deflater::compress_block`].
    pub fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        raw.chunks(BLOCK_INPUT).try_for_each(|block| self.compress_block(block, out))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bgzf::{Inflater, MAX_BLOCK, block_size};
    use crate::testing::Random;

    fn round_trip(raw: &[u8], level: u8) -> Vec<u8> {
        let mut block = b"before".to_vec();
        Deflater::new(Level::new(level).unwrap()).unwrap().compress_block(raw, &mut block).unwrap();
        let block = block.split_off(6);
        assert_eq!(block_size(&block).unwrap(), Some(block.len()));
        let mut read = Vec::new();
        Inflater::default().inflate(&block, &mut read).unwrap();
        assert!(read == raw);
        block
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            raw in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                proptest::collection::vec(0..4u8, 0..3000),
            ],
            level in 0..=12u8,
        ) {
            round_trip(&raw, level);
        }
    }

    #[test]
    fn full_blocks_of_noise_and_of_nothing_new() {
        let mut random = Random(5);
        let noise: Vec<u8> = (0..BLOCK_INPUT).map(|_| random.below(256) as u8).collect();
        for level in 0..=12 {
            let size = round_trip(&noise, level).len();
            assert!(size <= (BLOCK_INPUT + 31).min(MAX_BLOCK), "{level}: {size}");
        }
        assert!(round_trip(&[7; BLOCK_INPUT], 6).len() < 1000);
        assert_eq!(round_trip(b"", 6), EOF_BLOCK);
        assert_eq!(round_trip(b"", 0), EOF_BLOCK);
    }

    #[test]
    fn too_much_is_refused() {
        assert!(Level::new(13).unwrap_err().is_invalid());
        let mut out = Vec::new();
        let mut deflater = Deflater::new(Level::DEFAULT).unwrap();
        assert!(deflater.compress_block(&[0; BLOCK_INPUT + 1], &mut out).unwrap_err().is_limit());
        assert!(out.is_empty());
        deflater.compress(&[0; BLOCK_INPUT + 1], &mut out).unwrap();
        let first = block_size(&out).unwrap().unwrap();
        assert_eq!(block_size(&out[first..]).unwrap(), Some(out.len() - first));
    }
}
