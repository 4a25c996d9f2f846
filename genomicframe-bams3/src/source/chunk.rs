//! Inflated bytes that know where they lie in the input.

use genomicframe_core::{Error, Offset, Result};

use super::workers::Results;

/// A stretch of the inflated input.
pub(super) struct Chunk {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Places,
}

/// Where the bytes of a buffer lie in the input.
#[derive(Default)]
pub(super) struct Places(Vec<(usize, Offset)>);

impl Places {
    pub(super) fn one(at: Offset) -> Self {
        Self(vec![(0, at)])
    }

    /// The bytes from `start` on lie at `at`.
    pub(super) fn push(&mut self, start: usize, at: Offset) {
        self.0.push((start, at));
    }

    /// Where the byte at `index` lies.
    pub(super) fn at(&self, index: usize) -> Offset {
        let after = self.0.partition_point(|(start, _)| *start <= index);
        let mark = after.checked_sub(1).and_then(|i| self.0.get(i));
        mark.map_or(Offset::Byte(0), |(start, at)| at.plus((index - start) as u64))
    }

    /// Of a buffer with `bytes` appended that lie at `places`.
    pub(super) fn append(&mut self, places: Places, bytes: usize) {
        self.0.extend(places.0.into_iter().map(|(start, at)| (start + bytes, at)));
    }

    /// Of the buffer without its first `n` bytes.
    pub(super) fn skip(&self, n: usize) -> Self {
        let mut rest = Self::one(self.at(n));
        rest.0.extend(self.0.iter().filter(|(start, _)| *start > n).map(|(start, at)| (start - n, *at)));
        rest
    }
}

/// The inflated beginning of the input, read as far as its header reaches.
pub(super) struct Head {
    chunks: Results<Chunk, Error>,
    whole: Chunk,
    ended: bool,
}

impl Head {
    pub(super) fn new(chunks: Results<Chunk, Error>) -> Self {
        Self { chunks, whole: Chunk { bytes: Vec::new(), places: Places::default() }, ended: false }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.whole.bytes
    }

    /// Where the byte at `index` lies.
    pub(super) fn place(&self, index: usize) -> Offset {
        self.whole.places.at(index)
    }

    /// Reads on; `false` at the end of the input.
    ///
    /// # Errors
    /// When the input cannot be read, or more than `most` bytes would be held.
    pub(super) fn more(&mut self, most: usize) -> Result<bool> {
        if self.bytes().len() > most {
            return Err(Error::limit(format!("the header is longer than {most} bytes")));
        }
        if self.ended {
            return Ok(false);
        }
        match self.chunks.next()? {
            Some(chunk) if self.bytes().is_empty() => self.whole = chunk,
            Some(chunk) => {
                self.whole.places.append(chunk.places, self.whole.bytes.len());
                self.whole.bytes.extend_from_slice(&chunk.bytes);
            }
            None => self.ended = true,
        }
        Ok(!self.ended)
    }

    /// Reads on until `n` bytes are there; `false` when the input ends before.
    ///
    /// # Errors
    /// As [`Head::more`].
    pub(super) fn at_least(&mut self, n: usize, most: usize) -> Result<bool> {
        while self.bytes().len() < n {
            if !self.more(most)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What follows the header of `n` bytes: what was read of it, and the rest unless that was all.
    pub(super) fn split(self, n: usize) -> (Chunk, Option<Results<Chunk, Error>>) {
        let Chunk { mut bytes, places } = self.whole;
        bytes.drain(..n.min(bytes.len()));
        (Chunk { bytes, places: places.skip(n) }, (!self.ended).then_some(self.chunks))
    }
}
