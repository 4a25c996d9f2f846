//! The stored input to chunks of inflated bytes: BGZF in parallel, plain gzip as a stream, all else as it is.

use std::io::Read;
use std::sync::{Arc, Mutex};

use genomicframe_core::bgzf::{
    EOF_BLOCK, GzipStream, Inflater, VirtualOffset, block_size, inflated_size, is_bgzf, is_gzip,
};
use genomicframe_core::{Error, Offset, Result};

use super::chunk::{Chunk, Places};
use super::workers::{Abandoned, Buffers, Feeder, Results, Workers, queue, spawn};

/// Read at once.
const READ: usize = 256 << 10;

/// How the input is read.
pub(super) struct Plan {
    pub(super) threads: usize,
    pub(super) allow_missing_eof: bool,
    /// Inflated bytes of a chunk, about.
    pub(super) chunk: usize,
    pub(super) buffers: Buffers,
    pub(super) warnings: Arc<Mutex<Vec<String>>>,
}

/// Reads `reader` in a thread of its own.
pub(super) fn start(reader: Box<dyn Read + Send>, plan: Plan, workers: &Workers) -> Result<Results<Chunk, Error>> {
    let (feeder, results) = queue(workers, plan.threads + 1);
    spawn("reader", move || {
        let spare = Buffers::new(plan.threads + 3);
        let mut stage = Stage { reader, plan, feeder, spare, stored: Vec::new() };
        // Once nobody listens there is nobody to tell.
        let _ = match stage.run() {
            Ok(()) => stage.feeder.end(),
            Err(Stop::Failed(e)) => stage.feeder.ready(Err(e)),
            Err(Stop::Abandoned) => Ok(()),
        };
    })?;
    Ok(results)
}

/// A reader of ours says itself what is wrong, and with what.
fn failed(e: std::io::Error) -> Error {
    e.downcast().unwrap_or_else(|e| Error::io("reading the input failed").caused_by(e))
}

enum Stop {
    Failed(Error),
    Abandoned,
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Self::Failed(e)
    }
}

impl From<Abandoned> for Stop {
    fn from(_: Abandoned) -> Self {
        Self::Abandoned
    }
}

struct Stage {
    reader: Box<dyn Read + Send>,
    plan: Plan,
    feeder: Feeder<Chunk, Error>,
    /// For stored bytes.
    spare: Buffers,
    /// Read and not handed on yet.
    stored: Vec<u8>,
}

impl Stage {
    fn run(&mut self) -> Result<(), Stop> {
        // A header's extra field may be longer than one read.
        let mut more = self.read()?;
        while more && matches!(block_size(&self.stored), Ok(None)) {
            more = self.read()?;
        }
        if self.stored.is_empty() {
            return Err(Error::corrupt("the input holds no data").into());
        }
        if self.stored.starts_with(b"CRAM") {
            let e = Error::unsupported("CRAM is not read here");
            return Err(e.hint("make it BAM first: samtools view -u x.cram | gf convert - x.bams3").into());
        }
        match &self.stored {
            head if is_bgzf(head) => self.bgzf(),
            head if is_gzip(head) => self.gzip(),
            _ => self.plain(),
        }
    }

    /// Reads on; `false` at the end.
    fn read(&mut self) -> Result<bool> {
        self.stored.reserve(READ);
        let read = self.reader.by_ref().take(READ as u64).read_to_end(&mut self.stored);
        Ok(read.map_err(failed)? > 0)
    }

    fn bgzf(&mut self) -> Result<(), Stop> {
        let mut pending = Pending::default();
        loop {
            if let Err(e) = self.blocks(&mut pending)? {
                self.emit(&mut pending)?;
                return Err(e.into());
            }
            if !self.read()? {
                break;
            }
        }
        let end = pending.next();
        let cut = pending.at() < self.stored.len();
        let whole = pending.eof;
        self.emit(&mut pending)?;
        if cut {
            return Err(Error::corrupt("truncated BGZF block").at(end).into());
        }
        if !whole {
            let what = "no BGZF end-of-file block: the file is probably truncated";
            if !self.plan.allow_missing_eof {
                return Err(Error::corrupt(what).at(end).into());
            }
            if let Ok(mut warnings) = self.plan.warnings.lock() {
                warnings.push(what.to_owned());
            }
        }
        Ok(())
    }

    /// Finds the whole blocks that were read and hands them on by the chunk. The inner error is that of a block.
    fn blocks(&mut self, pending: &mut Pending) -> Result<Result<()>, Stop> {
        loop {
            let rest = &self.stored[pending.at()..];
            let block = match block_size(rest) {
                Ok(Some(n)) if n <= rest.len() => &rest[..n],
                Ok(_) => return Ok(Ok(())),
                Err(e) => return Ok(Err(e.at(pending.next()))),
            };
            match inflated_size(block) {
                Ok(n) => pending.inflated += n,
                Err(e) => return Ok(Err(e.at(pending.next()))),
            }
            pending.eof = block == EOF_BLOCK;
            pending.ends.push(pending.at() + block.len());
            if pending.inflated >= self.plan.chunk || pending.at() >= self.plan.chunk {
                self.emit(pending)?;
            }
        }
    }

    fn emit(&mut self, pending: &mut Pending) -> Result<(), Abandoned> {
        let mut rest = self.spare.take();
        rest.clear();
        rest.extend_from_slice(&self.stored[pending.at()..]);
        let next = Pending { start: pending.start + pending.at() as u64, eof: pending.eof, ..Pending::default() };
        let blocks = std::mem::replace(pending, next);
        let stored = std::mem::replace(&mut self.stored, rest);
        if blocks.ends.is_empty() {
            return Ok(());
        }
        let (buffers, spare) = (self.plan.buffers.clone(), self.spare.clone());
        self.feeder.submit(move |inflater| {
            let mut chunk = Chunk { bytes: buffers.take(), places: Places::default() };
            blocks.inflate(&stored, inflater, &mut chunk)?;
            spare.give(stored);
            Ok(chunk)
        })
    }

    fn gzip(&mut self) -> Result<(), Stop> {
        let mut stream = GzipStream::default();
        let mut start = 0;
        let mut out = Vec::new();
        loop {
            let room = self.plan.chunk - out.len();
            let used = stream.inflate(&self.stored, &mut out, room);
            self.stored.clear();
            let ended = match used {
                Ok(true) => !self.read()?,
                Ok(false) => false,
                Err(_) => true,
            };
            if out.len() >= self.plan.chunk || ended {
                let mut chunk = self.plan.buffers.take();
                chunk.clear();
                std::mem::swap(&mut chunk, &mut out);
                start += self.hand_on(chunk, start)?;
            }
            let used = used.map_err(|e| e.at(Offset::Byte(start)))?;
            if used && ended {
                return Ok(stream.finish().map_err(|e| e.at(Offset::Byte(start)))?);
            }
        }
    }

    fn plain(&mut self) -> Result<(), Stop> {
        let mut start = 0;
        loop {
            let more = self.read()?;
            if self.stored.len() >= self.plan.chunk || !more {
                let mut chunk = self.plan.buffers.take();
                chunk.clear();
                std::mem::swap(&mut chunk, &mut self.stored);
                start += self.hand_on(chunk, start)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn hand_on(&self, bytes: Vec<u8>, start: u64) -> Result<u64, Abandoned> {
        let n = bytes.len() as u64;
        self.feeder.ready(Ok(Chunk { bytes, places: Places::one(Offset::Byte(start)) }))?;
        Ok(n)
    }
}

/// Whole blocks at the beginning of what is stored.
#[derive(Default)]
struct Pending {
    /// Where the first lies in the file.
    start: u64,
    ends: Vec<usize>,
    inflated: usize,
    /// The last block found is the end-of-file block.
    eof: bool,
}

impl Pending {
    /// Where the next block begins.
    fn at(&self) -> usize {
        self.ends.last().copied().unwrap_or_default()
    }

    fn next(&self) -> Offset {
        self.place(self.at())
    }

    fn place(&self, at: usize) -> Offset {
        Offset::Virtual(VirtualOffset::new(self.start + at as u64, 0))
    }

    fn inflate(&self, stored: &[u8], inflater: &mut Inflater, out: &mut Chunk) -> Result<()> {
        out.bytes.resize(self.inflated, 0);
        let (mut from, mut rest, mut made) = (0, &mut out.bytes[..], 0);
        for &end in &self.ends {
            let (block, place) = (&stored[from..end], self.place(from));
            let (room, after) = rest.split_at_mut(inflated_size(block)?);
            inflater.inflate_into(block, room).map_err(|e| e.at(place))?;
            out.places.push(made, place);
            made += room.len();
            (from, rest) = (end, after);
        }
        Ok(())
    }
}
