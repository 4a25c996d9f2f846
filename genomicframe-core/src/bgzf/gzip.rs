//! Plain gzip, inflated as a stream of one or several members.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::Crc;

use crate::error::{Error, Result};

/// Whether `head`, a file's first bytes, begins a gzip member.
pub fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// Inflates the members of a gzip file one after another (RFC 1952 §2.2), checking each one's CRC32 and ISIZE.
pub struct GzipStream {
    /// Input, of which `used` bytes are inflated: dropped when more comes, not moved for each piece of output.
    pending: Vec<u8>,
    used: usize,
    state: State,
    members: u64,
    /// Bytes of input used and of output made, of all members.
    eaten: u64,
    made: u64,
}

enum State {
    Header,
    Body {
        inflate: Box<Decompress>,
        /// Libdeflate's, which is several times as fast as the inflater's.
        crc: Crc,
        size: u32,
    },
    Trailer {
        crc: u32,
        size: u32,
    },
    /// Zero padding after the last member, as tapes and some tools leave it.
    Padding,
}

/// What may be inflated of however little, and more of it than so many times its size must not be: deflate reaches 1,032, of
/// one byte repeated.
const FREE: u64 = 64 << 20;
const RATIO: u64 = 1000;

/// Optional header fields are bounded, so that a hostile header cannot grow without end.
const MAX_HEADER: usize = 1 << 17;

impl fmt::Debug for GzipStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipStream").field("members", &self.members).finish_non_exhaustive()
    }
}

impl Default for GzipStream {
    fn default() -> Self {
        Self { pending: Vec::new(), used: 0, state: State::Header, members: 0, eaten: 0, made: 0 }
    }
}

impl GzipStream {
    /// Takes the file's next bytes and appends what they inflate to; at most about `at_most` bytes a call.
    ///
    /// Returns whether all of the input was used: when not, call again with no new input.
    ///
    /// # Errors
    /// When a member is malformed or its checksum or size differ.
    pub fn inflate(&mut self, input: &[u8], out: &mut Vec<u8>, at_most: usize) -> Result<bool> {
        if !input.is_empty() {
            self.pending.drain(..self.used);
            self.used = 0;
            self.pending.extend_from_slice(input);
        }
        let limit = out.len() + at_most;
        let mut used = self.used;
        let drained = loop {
            let bytes = &self.pending[used..];
            match &mut self.state {
                State::Header => {
                    if self.members > 0 && bytes.first() == Some(&0) {
                        self.state = State::Padding;
                        continue;
                    }
                    match header_len(bytes)? {
                        Some(n) => {
                            used += n;
                            self.state =
                                State::Body { inflate: Box::new(Decompress::new(false)), crc: Crc::new(), size: 0 };
                        }
                        None => break true,
                    }
                }
                State::Body { inflate, crc, size } => {
                    let start = out.len();
                    if start >= limit {
                        break false;
                    }
                    let room = (limit - start).min(1 << 16);
                    out.resize(start + room, 0);
                    let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
                    let status = inflate
                        .decompress(bytes, &mut out[start..], FlushDecompress::None)
                        .map_err(|e| Error::corrupt("broken gzip data").caused_by(e))?;
                    let made = (inflate.total_out() - before_out) as usize;
                    let eaten = (inflate.total_in() - before_in) as usize;
                    used += eaten;
                    (self.eaten, self.made) = (self.eaten + eaten as u64, self.made + made as u64);
                    if self.made > FREE && self.made / RATIO > self.eaten {
                        let what =
                            format!("{} bytes inflate to {}, more than {RATIO} times as many", self.eaten, self.made);
                        return Err(Error::limit(what).hint("if that is meant, pack it anew: gzip -dc | bgzip"));
                    }
                    out.truncate(start + made);
                    crc.update(&out[start..]);
                    // Modulo 2^32 (RFC 1952 §2.3.1).
                    *size = size.wrapping_add(made as u32);
                    if status == Status::StreamEnd {
                        self.state = State::Trailer { crc: crc.sum(), size: *size };
                    } else if made == 0 && eaten == 0 {
                        break true;
                    }
                }
                State::Trailer { crc, size } => {
                    let Some(t) = bytes.first_chunk::<8>() else { break true };
                    let [a, b, c, d, e, f, g, h] = *t;
                    if u32::from_le_bytes([a, b, c, d]) != *crc {
                        return Err(Error::corrupt("gzip member checksum (CRC32) differs"));
                    }
                    if u32::from_le_bytes([e, f, g, h]) != *size {
                        return Err(Error::corrupt("gzip member size (ISIZE) differs"));
                    }
                    used += 8;
                    self.members += 1;
                    self.state = State::Header;
                }
                State::Padding => {
                    if let Some(i) = bytes.iter().position(|b| *b != 0) {
                        return Err(Error::corrupt("bytes after the last gzip member").text(&bytes[i..]));
                    }
                    used = self.pending.len();
                    break true;
                }
            }
        };
        self.used = used;
        Ok(drained)
    }

    /// Call at the end of the file.
    ///
    /// # Errors
    /// When the last member is cut short.
    pub fn finish(&self) -> Result<()> {
        match self.state {
            State::Padding => Ok(()),
            State::Header if self.used == self.pending.len() && self.members > 0 => Ok(()),
            State::Header if self.members > 0 => Err(Error::corrupt("truncated gzip member or junk at the end")),
            _ => Err(Error::corrupt("truncated gzip file")),
        }
    }
}

/// Length of the member header at the start of `bytes` (RFC 1952 §2.3); `None` when it is not complete yet.
fn header_len(bytes: &[u8]) -> Result<Option<usize>> {
    let magic = &[0x1f, 0x8b, 0x08];
    let seen = bytes.len().min(magic.len());
    if bytes[..seen] != magic[..seen] {
        return Err(Error::corrupt("not a gzip member").text(&bytes[..bytes.len().min(16)]));
    }
    if bytes.len() < 10 {
        return Ok(None);
    }
    let flags = bytes[3];
    if flags & 0xe0 != 0 {
        return Err(Error::corrupt("a gzip member with unknown flags"));
    }
    let mut at = 10;
    if flags & 0x04 != 0 {
        let Some(n) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([n[0], n[1]]));
    }
    for flag in [0x08, 0x10] {
        if flags & flag != 0 {
            let Some(nul) = bytes.get(at..).and_then(|b| memchr::memchr(0, b)) else {
                return if bytes.len() > MAX_HEADER { Err(Error::limit("gzip header is too long")) } else { Ok(None) };
            };
            at += nul + 1;
        }
    }
    if flags & 0x02 != 0 {
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut e = GzEncoder::new(Vec::new(), Compression::default());
        e.write_all(text).unwrap();
        e.finish().unwrap()
    }

    fn inflate(file: &[u8], piece: usize) -> Result<Vec<u8>> {
        let mut stream = GzipStream::default();
        let mut out = Vec::new();
        for p in file.chunks(piece) {
            let mut done = stream.inflate(p, &mut out, 100)?;
            while !done {
                done = stream.inflate(&[], &mut out, 100)?;
            }
        }
        stream.finish()?;
        Ok(out)
    }

    #[test]
    fn several_members_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..5000u32).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        let mut file = member(&text);
        file.extend(member(b""));
        file.extend(member(b"tail"));
        file.extend([0; 512]);
        for piece in [1, 7, 1000, usize::MAX >> 1] {
            let out = inflate(&file, piece).unwrap();
            assert_eq!(out.len(), text.len() + 4);
            assert!(out.ends_with(b"tail"));
        }
    }

    #[test]
    fn what_inflates_a_thousandfold_is_refused_beyond_64_mib() {
        let of = |len: usize| {
            let (file, mut stream, mut out, mut made) = (member(&vec![0; len]), GzipStream::default(), Vec::new(), 0);
            let mut done = stream.inflate(&file, &mut out, 1 << 20);
            while let Ok(false) = done {
                made += out.len();
                out.clear();
                done = stream.inflate(&[], &mut out, 1 << 20);
            }
            done.map(|_| made + out.len())
        };
        assert_eq!(of(64 << 20).unwrap(), 64 << 20);
        let e = of(80 << 20).unwrap_err();
        assert!(e.is_limit(), "{e}");
    }

    #[test]
    fn a_cut_at_every_byte_is_told() {
        let file = member(b"some text that is short");
        for n in 1..file.len() {
            assert!(inflate(&file[..n], 5).is_err(), "{n}");
        }
    }
}
