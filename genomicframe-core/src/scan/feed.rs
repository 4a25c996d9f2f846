//! A segment's bytes, fetched and inflated piece by piece.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes, BytesMut};

use super::{Framing, ScanMetrics, Segment};
use crate::bgzf::{GzipStream, Inflater, MAX_BLOCK, VirtualOffset, block_size};
use crate::error::{Error, Offset, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// Most bytes of one request.
pub(super) const READ_BYTES: u64 = 4 << 20;
/// Bytes of a request beyond what was planned: a record that reaches over the end, or a header of unknown length.
const READ_ON: u64 = 64 << 10;
/// Inflated bytes of one piece of plain gzip.
const GZIP_PIECE: usize = 256 << 10;

/// Reads `segment` from its planned range, and on beyond it for as long as it is asked.
pub(super) struct Feed<'a> {
    io: &'a dyn ObjectIo,
    object: &'a ObjectMeta,
    metrics: &'a ScanMetrics,
    state: FeedState,
}

/// The part that outlives a borrow of the storage.
pub(super) struct FeedState {
    /// Next byte to fetch.
    next: u64,
    planned_end: u64,
    /// Size of the next request beyond the plan; grows, so that a long header is not read in crumbs.
    read_on: u64,
    stored: BytesMut,
    /// Offset in the object of the first byte of `stored`.
    at: u64,
    unframe: Unframe,
}

enum Unframe {
    Raw,
    Gzip { stream: GzipStream, inflated: u64, pending: bool },
    Bgzf { inflater: Inflater },
}

impl FeedState {
    pub(super) fn new(segment: &Segment) -> Self {
        let Range { start, end } = segment.bytes;
        let unframe = match segment.framing {
            Framing::Raw { .. } | Framing::Pages { .. } | Framing::Counted { .. } => Unframe::Raw,
            Framing::Gzip => Unframe::Gzip { stream: GzipStream::default(), inflated: 0, pending: false },
            Framing::Bgzf { .. } => Unframe::Bgzf { inflater: Inflater::default() },
        };
        Self { next: start, planned_end: end, read_on: READ_ON, stored: BytesMut::new(), at: start, unframe }
    }

    /// Starts with bytes that were read before.
    pub(super) fn with_first(mut self, first: &[u8]) -> Self {
        self.stored.extend_from_slice(first);
        self.next += first.len() as u64;
        self
    }

    pub(super) fn with<'a>(self, io: &'a dyn ObjectIo, object: &'a ObjectMeta, metrics: &'a ScanMetrics) -> Feed<'a> {
        Feed { io, object, metrics, state: self }
    }
}

impl<'a> Feed<'a> {
    pub(super) fn into_state(self) -> FeedState {
        self.state
    }

    /// The next piece and where its first byte lies; `None` at the end of the object.
    pub(super) async fn next(&mut self) -> Result<Option<(Offset, Bytes)>> {
        let piece = self.piece().await.map_err(|e| e.in_object(&self.object.location))?;
        if let Some((_, bytes)) = &piece {
            self.metrics.bytes_inflated.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(piece)
    }

    async fn piece(&mut self) -> Result<Option<(Offset, Bytes)>> {
        loop {
            let state = &mut self.state;
            match &mut state.unframe {
                Unframe::Raw => {
                    if !state.stored.is_empty() {
                        let bytes = state.stored.split().freeze();
                        let at = Offset::Byte(state.at);
                        state.at += bytes.len() as u64;
                        return Ok(Some((at, bytes)));
                    }
                    if !self.fetch().await? {
                        return Ok(None);
                    }
                }
                Unframe::Gzip { stream, inflated, pending } => {
                    let mut out = Vec::new();
                    let input = if *pending { Bytes::new() } else { state.stored.split().freeze() };
                    let drained =
                        stream.inflate(&input, &mut out, GZIP_PIECE).map_err(|e| e.at(Offset::Byte(state.at)))?;
                    state.at += input.len() as u64;
                    *pending = !drained;
                    if !out.is_empty() {
                        let at = Offset::Byte(*inflated);
                        *inflated += out.len() as u64;
                        return Ok(Some((at, out.into())));
                    }
                    if drained && state.stored.is_empty() && !self.fetch().await? {
                        if let Unframe::Gzip { stream, .. } = &self.state.unframe {
                            stream.finish().map_err(|e| e.at(Offset::Byte(self.state.at)))?;
                        }
                        return Ok(None);
                    }
                }
                Unframe::Bgzf { inflater } => {
                    let here = Offset::Virtual(VirtualOffset::new(state.at, 0));
                    let size = block_size(&state.stored).map_err(|e| e.at(here))?.filter(|n| *n <= state.stored.len());
                    if let Some(size) = size {
                        let mut out = Vec::with_capacity(MAX_BLOCK);
                        inflater.inflate(&state.stored[..size], &mut out).map_err(|e| e.at(here))?;
                        state.stored.advance(size);
                        state.at += size as u64;
                        if !out.is_empty() {
                            return Ok(Some((here, out.into())));
                        }
                    } else if !self.fetch().await? {
                        if self.state.stored.is_empty() {
                            return Ok(None);
                        }
                        return Err(Error::corrupt("truncated BGZF block").at(here));
                    }
                }
            }
        }
    }

    /// Adds the next bytes to `stored`; `false` at the end of the object.
    async fn fetch(&mut self) -> Result<bool> {
        let state = &mut self.state;
        if state.next >= self.object.size {
            return Ok(false);
        }
        let planned = state.planned_end.saturating_sub(state.next);
        let len = if planned > 0 {
            planned.min(READ_BYTES)
        } else {
            let len = state.read_on;
            state.read_on = (len * 2).min(READ_BYTES);
            len
        };
        let end = state.next.saturating_add(len).min(self.object.size);
        let bytes = self.io.read(self.object, state.next..end).await?;
        self.metrics.requests.fetch_add(1, Ordering::Relaxed);
        self.metrics.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        state.next = end;
        state.stored.extend_from_slice(&bytes);
        Ok(true)
    }
}

/// The inflated beginning of an object, read as far as its header reaches.
pub struct Head<'a> {
    feed: Feed<'a>,
    bytes: Vec<u8>,
    pieces: VecDeque<(usize, Offset)>,
    limit: usize,
    ended: bool,
}

impl<'a> Head<'a> {
    pub(super) fn new(feed: Feed<'a>, limit: usize) -> Self {
        Self { feed, bytes: Vec::new(), pieces: VecDeque::new(), limit, ended: false }
    }

    /// The inflated bytes so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads on; `false` when the object ends.
    ///
    /// # Errors
    /// When the storage fails, the data is corrupt, or more than the allowed header bytes would be held.
    pub async fn more(&mut self) -> Result<bool> {
        if self.bytes.len() > self.limit {
            return Err(Error::limit(format!("the header is longer than {} bytes", self.limit))
                .in_object(&self.feed.object.location));
        }
        match self.feed.next().await? {
            Some((at, bytes)) => {
                self.pieces.push_back((self.bytes.len(), at));
                self.bytes.extend_from_slice(&bytes);
                Ok(true)
            }
            None => {
                self.ended = true;
                Ok(false)
            }
        }
    }

    /// Whether `bytes` is all that the object holds.
    pub fn is_whole(&self) -> bool {
        self.ended
    }

    /// Reads on until `n` bytes are there; `false` when the object ends before.
    pub async fn at_least(&mut self, n: usize) -> Result<bool> {
        while self.bytes.len() < n {
            if !self.more().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Where the byte at `index` of [`Head::bytes`] lies; the end of the bytes is where the next piece would begin.
    pub fn offset(&self, index: usize) -> Offset {
        // A block that is used up is not addressed any more: its last byte may be number 65,536.
        if index >= self.bytes.len() && matches!(self.feed.state.unframe, Unframe::Bgzf { .. }) {
            return Offset::Virtual(VirtualOffset::new(self.feed.state.at, 0));
        }
        let piece = self.pieces.partition_point(|(start, _)| *start <= index).saturating_sub(1);
        self.pieces.get(piece).map_or(Offset::Byte(0), |(start, at)| at.plus((index - start) as u64))
    }
}
