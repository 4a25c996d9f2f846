//! Streams: the compressed byte strings that pages are made of (specification §6).
//!
//! ```text
//! codec u8 │ raw length varint │ stored length varint, unless codec = 0 │ bytes
//! ```

use std::io::Read;

use genomicframe_core::{Error, Result};

use super::level::{Level, Preset};
use super::rans::{self, Precision};

/// The bytes as they are.
pub const RAW: u8 = 0;
/// One zstd frame (RFC 8878), without a dictionary.
pub const ZSTD: u8 = 1;
/// Order-1 rANS, see [`rans`].
pub const RANS1: u8 = 2;
/// Adaptive scores, see [`adaptive`](super::adaptive). Only pages of qualities know what it takes to read them.
pub const ADAPTIVE: u8 = 3;

/// Longest stream, raw: a row group holds no more of any column.
pub const LONGEST: usize = 1 << 30;
/// Bytes below which an entropy coder's tables cost more than they save.
const WORTH_CODING: usize = 512;
/// Raw lengths up to this are allocated at once; longer ones as the bytes come.
const TRUSTED: usize = 16 << 20;

/// Writes streams; keeps its compressor.
pub struct Packer {
    level: Level,
    zstd: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
    coded: Vec<u8>,
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Packer {
    /// A packer at `level`.
    ///
    /// # Errors
    /// When zstd cannot be set up.
    pub fn new(level: Level) -> Result<Self> {
        let zstd = zstd::bulk::Compressor::new(level.zstd()).map_err(|e| Error::io("zstd failed").caused_by(e))?;
        Ok(Self { level, zstd, scratch: Vec::new(), coded: Vec::new() })
    }

    /// Its level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Appends `raw` as a stream, compressed where that makes it smaller.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn put(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<()> {
        // What is tiny costs more to set up than it saves.
        if raw.len() > 24 {
            self.scratch.clear();
            self.scratch.reserve(zstd::zstd_safe::compress_bound(raw.len()));
            let n = self.zstd.compress_to_buffer(raw, &mut self.scratch);
            n.map_err(|e| Error::io("zstd failed").caused_by(e))?;
            let by_zstd = self.scratch.len();
            if self.level.preset() == Preset::Small && raw.len() >= WORTH_CODING {
                // What zstd finds no repeats in may still be told by the byte before.
                self.coded.clear();
                let precision = Precision { bits: 12, clusters: 16 };
                if rans::encode(raw, precision, &mut self.coded) && self.coded.len() < by_zstd.min(raw.len()) {
                    put_stored(RANS1, raw.len(), &self.coded, out);
                    return Ok(());
                }
            }
            if by_zstd + 2 < raw.len() {
                put_stored(ZSTD, raw.len(), &self.scratch, out);
                return Ok(());
            }
        }
        put_stored(RAW, raw.len(), raw, out);
        Ok(())
    }
}

/// Appends a stream that `codec` made of `raw` bytes.
pub fn put_stored(codec: u8, raw: usize, stored: &[u8], out: &mut Vec<u8>) {
    out.push(codec);
    put_varint(raw as u64, out);
    if codec != RAW {
        put_varint(stored.len() as u64, out);
    }
    out.extend_from_slice(stored);
}

/// Appends `n` as LEB128: seven bits a byte, the lowest first, the top bit set on all but the last.
pub fn put_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// 0, -1, 1, -2 … as 0, 1, 2, 3 …
pub fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The reverse of [`zigzag`].
pub fn unzigzag(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Reads streams; keeps its decompressor.
pub struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unpacker")
    }
}

impl Unpacker {
    /// An unpacker.
    ///
    /// # Errors
    /// When zstd cannot be set up.
    pub fn new() -> Result<Self> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|e| Error::io("zstd failed").caused_by(e))?;
        Ok(Self { zstd })
    }

    /// The next stream of `input`, of RAW, ZSTD or RANS1.
    ///
    /// # Errors
    /// When it is cut short, of another codec, or does not have the length it claims.
    pub fn get(&mut self, input: &mut Input<'_>) -> Result<Vec<u8>> {
        let stream = input.stream()?;
        self.unpack(&stream)
    }

    /// The next stream, which must have `expected` raw bytes.
    ///
    /// # Errors
    /// As [`Unpacker::get`].
    pub fn get_exact(&mut self, input: &mut Input<'_>, expected: usize) -> Result<Vec<u8>> {
        let stream = input.stream()?;
        if stream.raw != expected {
            return Err(Error::corrupt(format!("a stream of {} bytes where {expected} belong", stream.raw)));
        }
        self.unpack(&stream)
    }

    /// The raw bytes of a stream of RAW, ZSTD or RANS1.
    ///
    /// # Errors
    /// As [`Unpacker::get`].
    pub fn unpack(&mut self, stream: &Stream<'_>) -> Result<Vec<u8>> {
        let broken = |e| Error::corrupt("broken zstd data").caused_by(e);
        let out = match stream.codec {
            RAW => stream.bytes.to_vec(),
            ZSTD if stream.raw <= TRUSTED => self.zstd.decompress(stream.bytes, stream.raw).map_err(broken)?,
            ZSTD => {
                let mut out = Vec::new();
                let reader = zstd::stream::read::Decoder::with_buffer(stream.bytes).map_err(broken)?;
                reader.take(stream.raw as u64 + 1).read_to_end(&mut out).map_err(broken)?;
                out
            }
            RANS1 => rans::decode(stream.bytes, stream.raw)?,
            other => return Err(Error::unsupported(format!("stream codec {other} is not known to this version"))),
        };
        if out.len() != stream.raw {
            return Err(Error::corrupt(format!("a stream of {} bytes claims {}", out.len(), stream.raw)));
        }
        Ok(out)
    }
}

/// A stream as stored.
#[derive(Debug, Clone, Copy)]
pub struct Stream<'a> {
    /// How it is compressed.
    pub codec: u8,
    /// Raw length claimed, at most [`LONGEST`].
    pub raw: usize,
    /// As stored.
    pub bytes: &'a [u8],
}

/// A page being read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    /// Reads `bytes` from their beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next byte.
    ///
    /// # Errors
    /// At the end.
    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(n) else {
            return Err(Error::corrupt(format!("a page ends {} bytes early", n - self.rest.len())));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// A LEB128 number.
    ///
    /// # Errors
    /// When it is cut short or beyond 64 bits.
    pub fn varint(&mut self) -> Result<u64> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            n |= bits << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Error::corrupt("a number beyond 64 bits"))
    }

    /// A LEB128 number that counts or measures something, at most `most`.
    ///
    /// # Errors
    /// When it is larger.
    pub fn length(&mut self, most: usize) -> Result<usize> {
        let n = self.varint()?;
        match usize::try_from(n) {
            Ok(n) if n <= most => Ok(n),
            _ => Err(Error::corrupt(format!("a length of {n} where {most} is the most possible"))),
        }
    }

    /// The next stream, still compressed.
    ///
    /// # Errors
    /// When it is cut short.
    pub fn stream(&mut self) -> Result<Stream<'a>> {
        let codec = self.u8()?;
        let raw = self.length(LONGEST)?;
        let stored = if codec == RAW { raw } else { self.length(self.rest.len())? };
        Ok(Stream { codec, raw, bytes: self.take(stored)? })
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::corrupt(format!("{} bytes follow the end of a page", self.rest.len())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(raw in prop::collection::vec(0u8..4, 0..300), n: u64, z: i64) {
            let mut out = Vec::new();
            Packer::new(Level::DEFAULT).unwrap().put(&raw, &mut out).unwrap();
            put_varint(n, &mut out);
            put_varint(zigzag(z), &mut out);
            let mut input = Input::new(&out);
            prop_assert_eq!(Unpacker::new().unwrap().get_exact(&mut input, raw.len()).unwrap(), raw);
            prop_assert_eq!(input.varint().unwrap(), n);
            prop_assert_eq!(unzigzag(input.varint().unwrap()), z);
            prop_assert!(input.end().is_ok());
            for cut in 0..out.len() {
                let mut input = Input::new(&out[..cut]);
                let read = input.stream().and_then(|_| Ok((input.varint()?, input.varint()?)));
                prop_assert!(read.is_err());
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let mut out = Vec::new();
        put_stored(RAW, 3, b"abc", &mut out);
        put_varint(300, &mut out);
        assert_eq!(out, [0, 3, b'a', b'b', b'c', 0xac, 2]);
        assert_eq!([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
    }
}
