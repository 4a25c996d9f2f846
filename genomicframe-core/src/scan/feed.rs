//! A segment's bytes, fetched and inflated piece by piece.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::advice::{DAMAGED, FOREIGN};
use super::metrics::add_time;
use super::requests::{Prefetch, Requester};
use super::{Framing, Piece, ScanMetrics, Segment, Spawn};
use crate::bgzf::{GzipStream, Inflater, MAX_BLOCK, VirtualOffset, block_size, inflated_size};
use crate::error::{Error, Offset, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// Bytes of a request beyond what was planned: a record that reaches over the end, or a header of unknown length.
const READ_ON: u64 = 64 << 10;
/// Bytes of one piece that is not BGZF: as much as the decoder's steps find in the processor's cache, one after another.
const PIECE: usize = 256 << 10;
/// The same in blocks. A scan begins with one, so that a short answer inflates little.
const PIECE_BLOCKS: usize = 6;
/// Of what a segment has inflated that may end early, a piece is at most this part: so much is inflated in vain.
const EARLY: usize = 8;

/// Reads `segment` from its planned range, and on beyond it for as long as it is asked.
pub(super) struct Feed<'a> {
    io: &'a dyn ObjectIo,
    object: &'a ObjectMeta,
    metrics: &'a ScanMetrics,
    /// For requests ahead of the bytes that are wanted.
    requester: Option<Requester<'a>>,
    state: FeedState,
}

/// The part that outlives a borrow of the storage.
pub(super) struct FeedState {
    /// Next byte to fetch.
    next: u64,
    requests: Prefetch,
    /// Size of the next request beyond the plan; grows, so that a long header is not read in crumbs.
    read_on: u64,
    stored: Stored,
    unframe: Unframe,
    /// The last piece, whose memory is used again when the decoder has let go of it.
    spare: Bytes,
}

enum Unframe {
    Raw,
    Gzip {
        stream: GzipStream,
        inflated: u64,
        pending: bool,
    },
    Bgzf {
        inflater: Inflater,
        /// Of the next piece.
        blocks: usize,
        most: usize,
        stop: u64,
        /// Whether the segment may end before its stop: then a piece is small beside those before it.
        ends_early: bool,
        inflated: usize,
    },
}

/// Bytes as they are stored, not yet inflated.
#[derive(Default)]
struct Stored {
    bytes: Bytes,
    /// Offset in the object of the first of them.
    at: u64,
    /// The read that `bytes` only begins with, and how many of `bytes` come before it.
    whole: Option<(usize, Bytes)>,
}

impl Stored {
    /// Adds the next read. A block that straddles two of them is put together apart, so that the rest need not be copied.
    fn append(&mut self, read: Bytes) {
        if self.bytes.is_empty() {
            self.bytes = read;
            return;
        }
        let mut joined = BytesMut::from(&self.bytes[..]);
        let rest = joined.len();
        joined.extend_from_slice(&read[..read.len().min(MAX_BLOCK)]);
        self.whole = (read.len() > MAX_BLOCK).then_some((rest, read));
        self.bytes = joined.freeze();
    }

    /// Drops what lies before `offset` of the object; all, and what is stored begins there, where it lies beyond.
    fn skip_to(&mut self, offset: u64) {
        // What is there of a read is dropped before the rest of it.
        for _ in 0..2 {
            let Some(before) = offset.checked_sub(self.at) else { break };
            self.take(usize::try_from(before).unwrap_or(usize::MAX).min(self.bytes.len()));
        }
        if self.at != offset {
            *self = Self { at: offset, ..Self::default() };
        }
    }

    /// Takes the first `n` bytes.
    fn take(&mut self, n: usize) -> Bytes {
        let taken = self.bytes.split_to(n);
        self.at += n as u64;
        if let Some((rest, read)) = self.whole.take() {
            match n.checked_sub(rest) {
                Some(of_read) => self.bytes = read.slice(of_read..),
                None => self.whole = Some((rest - n, read)),
            }
        }
        taken
    }
}

impl FeedState {
    /// Reads as planned within `runs`, the bytes of this and other segments of the object without gaps worth a request.
    pub(super) fn new(segment: &Segment, runs: Arc<[Range<u64>]>) -> Self {
        let start = segment.bytes.start;
        let unframe = match segment.framing {
            Framing::Raw { .. } | Framing::Pages { .. } | Framing::Counted { .. } => Unframe::Raw,
            Framing::Gzip => Unframe::Gzip { stream: GzipStream::default(), inflated: 0, pending: false },
            Framing::Bgzf { stop, .. } => {
                let (stop, ends_early) = (stop.compressed(), segment.until.is_some());
                let inflater = Inflater::default();
                Unframe::Bgzf { inflater, blocks: 1, most: PIECE_BLOCKS, stop, ends_early, inflated: 0 }
            }
        };
        let stored = Stored { at: start, ..Stored::default() };
        Self { next: start, requests: Prefetch::new(runs), read_on: READ_ON, stored, unframe, spare: Bytes::new() }
    }

    /// Goes on with `segment`, which is among the planned ones too, keeping what was read of it already.
    pub(super) fn move_to(&mut self, segment: &Segment) {
        let mut moved = Self::new(segment, [].into());
        std::mem::swap(&mut moved.requests, &mut self.requests);
        let stored = std::mem::take(&mut self.stored);
        if stored.at <= segment.bytes.start && segment.bytes.start <= self.next {
            (moved.stored, moved.next) = (stored, self.next);
            moved.stored.skip_to(segment.bytes.start);
        }
        moved.spare = std::mem::take(&mut self.spare);
        if let (Unframe::Bgzf { inflater, .. }, Unframe::Bgzf { inflater: used, .. }) =
            (&mut moved.unframe, &mut self.unframe)
        {
            std::mem::swap(inflater, used);
        }
        *self = moved;
    }

    /// Starts with bytes that were read before, and goes on no further than it must: block by block.
    pub(super) fn with_first(mut self, first: Bytes) -> Self {
        if let Unframe::Bgzf { most, .. } = &mut self.unframe {
            *most = 1;
        }
        self.next += first.len() as u64;
        self.stored.append(first);
        self
    }

    pub(super) fn with<'a>(self, io: &'a dyn ObjectIo, object: &'a ObjectMeta, metrics: &'a ScanMetrics) -> Feed<'a> {
        Feed { io, object, metrics, requester: None, state: self }
    }
}

impl<'a> Feed<'a> {
    /// Sends requests ahead, where that suits the storage.
    pub(super) fn ahead(self, io: &'a Arc<dyn ObjectIo>, spawner: Option<&'a dyn Spawn>) -> Self {
        Self { requester: spawner.map(|spawner| Requester { io, spawner }), ..self }
    }

    pub(super) fn into_state(self) -> FeedState {
        self.state
    }

    /// Whether the next piece takes a request for bytes that were not planned.
    pub(super) fn reads_on(&self) -> bool {
        let FeedState { next, requests, stored, unframe, .. } = &self.state;
        let is_there = match unframe {
            Unframe::Raw => !stored.bytes.is_empty(),
            Unframe::Gzip { pending, .. } => *pending || !stored.bytes.is_empty(),
            // What is broken is told without a request.
            Unframe::Bgzf { .. } => {
                block_size(&stored.bytes).map_or(true, |n| n.is_some_and(|n| n <= stored.bytes.len()))
            }
        };
        !is_there && requests.planned_end(*next) == *next && *next < self.object.size
    }

    /// The next piece; `None` at the end of the object.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>> {
        let piece = self.piece().await.map_err(|e| match e.is_corrupt() {
            true => e.in_object(&self.object.location).hint(DAMAGED),
            false => e.in_object(&self.object.location),
        })?;
        if let Some(piece) = &piece {
            self.metrics.bytes_inflated.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(piece)
    }

    async fn piece(&mut self) -> Result<Option<Piece>> {
        loop {
            let started = Instant::now();
            let unframed = self.state.unframe();
            if !matches!(self.state.unframe, Unframe::Raw) {
                add_time(&self.metrics.inflate_time, started.elapsed());
            }
            if let Some(piece) = unframed? {
                return Ok(Some(piece));
            }
            if !self.fetch().await? {
                return self.state.finish().map(|()| None);
            }
        }
    }

    /// Adds the next bytes to those stored; `false` at the end of the object.
    async fn fetch(&mut self) -> Result<bool> {
        let state = &mut self.state;
        if state.next >= self.object.size {
            return Ok(false);
        }
        let started = Instant::now();
        if let Some(requester) = self.requester {
            state.requests.send(state.next, self.object, self.metrics, requester);
        }
        if let Some(bytes) = state.requests.next(state.next).await {
            let bytes = bytes?;
            add_time(&self.metrics.read_time, started.elapsed());
            self.metrics.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            state.next += bytes.len() as u64;
            state.stored.append(bytes);
            if let Some(requester) = self.requester {
                state.requests.send(state.next, self.object, self.metrics, requester);
            }
            return Ok(true);
        }
        let largest = self.io.requests(&self.object.location).largest;
        let planned = state.requests.planned_end(state.next).saturating_sub(state.next);
        let len = if planned > 0 {
            planned.min(largest)
        } else {
            let len = state.read_on;
            state.read_on = (len * 2).min(largest);
            len
        };
        let end = state.next.saturating_add(len).min(self.object.size);
        let bytes = self.io.read(self.object, state.next..end).await?;
        add_time(&self.metrics.read_time, started.elapsed());
        self.metrics.requests.fetch_add(1, Ordering::Relaxed);
        self.metrics.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        state.next = end;
        state.stored.append(bytes);
        Ok(true)
    }
}

impl FeedState {
    /// A piece of what is stored; `None` when more is needed for one.
    fn unframe(&mut self) -> Result<Option<Piece>> {
        let Self { stored, unframe, spare, .. } = self;
        match unframe {
            Unframe::Raw => {
                let (at, n) = (Offset::Byte(stored.at), stored.bytes.len().min(PIECE));
                Ok((n > 0).then(|| Piece::new(at, stored.take(n))))
            }
            Unframe::Gzip { stream, inflated, pending } => {
                let input = if *pending { Bytes::new() } else { stored.take(stored.bytes.len()) };
                let mut out: Vec<u8> = std::mem::take(spare).try_into_mut().unwrap_or_default().into();
                out.clear();
                out.reserve(PIECE);
                let at = Offset::Byte(stored.at - input.len() as u64);
                *pending = !stream.inflate(&input, &mut out, PIECE).map_err(|e| e.at(at))?;
                let at = Offset::Byte(*inflated);
                *inflated += out.len() as u64;
                *spare = out.into();
                Ok((!spare.is_empty()).then(|| Piece::new(at, spare.clone())))
            }
            Unframe::Bgzf { inflater, blocks, most, stop, ends_early, inflated } => {
                let mut out = std::mem::take(spare).try_into_mut().unwrap_or_default();
                let (mut filled, mut starts) = (0, Vec::with_capacity(*blocks));
                while starts.len() < *blocks && (starts.is_empty() || stored.at <= *stop) {
                    let here = Offset::Virtual(VirtualOffset::new(stored.at, 0));
                    match inflate(inflater, &stored.bytes, &mut out, filled) {
                        Ok(Some((size, length))) => {
                            stored.take(size);
                            if length > 0 {
                                starts.push((filled, here));
                                filled += length;
                            }
                        }
                        Ok(None) => break,
                        // What comes before it is whole.
                        Err(_) if !starts.is_empty() => break,
                        Err(e) if *inflated == 0 && stored.at > 0 => return Err(e.at(here).hint(FOREIGN)),
                        Err(e) => return Err(e.at(here)),
                    }
                }
                if starts.is_empty() {
                    return Ok(None);
                }
                *inflated += starts.len();
                let next = if *ends_early { *inflated / EARLY } else { *blocks * 2 };
                *blocks = next.clamp(1, *most);
                out.truncate(filled);
                *spare = out.freeze();
                let next = Some(Offset::Virtual(VirtualOffset::new(stored.at, 0)));
                Ok(Some(Piece { bytes: spare.clone(), starts, next }))
            }
        }
    }

    /// Checks that nothing is missing at the end of the object.
    fn finish(&self) -> Result<()> {
        match &self.unframe {
            Unframe::Raw => Ok(()),
            Unframe::Gzip { stream, .. } => stream.finish().map_err(|e| e.at(Offset::Byte(self.stored.at))),
            Unframe::Bgzf { .. } if self.stored.bytes.is_empty() => Ok(()),
            Unframe::Bgzf { .. } => {
                let here = Offset::Virtual(VirtualOffset::new(self.stored.at, 0));
                Err(Error::corrupt("truncated BGZF block").at(here))
            }
        }
    }
}

/// Inflates the block at the start of `stored` to `out[filled..]`: its stored and inflated size. `None`: it does not end there.
fn inflate(
    inflater: &mut Inflater,
    stored: &[u8],
    out: &mut BytesMut,
    filled: usize,
) -> Result<Option<(usize, usize)>> {
    let Some(size) = block_size(stored)?.filter(|size| *size <= stored.len()) else { return Ok(None) };
    let inflated = inflated_size(&stored[..size])?;
    if out.len() < filled + inflated {
        out.resize(filled + inflated, 0);
    }
    inflater.inflate_into(&stored[..size], &mut out[filled..filled + inflated])?;
    Ok(Some((size, inflated)))
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
                .in_object(&self.feed.object.location)
                .at(self.offset(self.bytes.len()))
                .hint("if the file is to be trusted, raise the option header_bytes"));
        }
        match self.feed.next().await? {
            Some(piece) => {
                let before = self.bytes.len();
                self.pieces.extend(piece.starts.iter().map(|(start, at)| (before + start, *at)));
                self.bytes.extend_from_slice(&piece.bytes);
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

    /// Whether what follows [`Head::bytes`] must be asked for.
    pub(crate) fn reads_on(&self) -> bool {
        !self.ended && self.feed.reads_on()
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
            return Offset::Virtual(VirtualOffset::new(self.feed.state.stored.at, 0));
        }
        let piece = self.pieces.partition_point(|(start, _)| *start <= index).saturating_sub(1);
        self.pieces.get(piece).map_or(Offset::Byte(0), |(start, at)| at.plus((index - start) as u64))
    }
}
