//! Chunks to blocks of whole records: cut in one thread, finished in parallel.

use std::sync::Arc;

use genomicframe_core::{Error, Result};

use super::Records;
use super::chunk::{Chunk, Places};
use super::workers::{Abandoned, Buffers, Feeder, Results, Workers, queue, spawn};

/// What BAM and SAM differ in.
pub(super) trait Format: Send + Sync + 'static {
    /// The length of the whole records that `bytes` begin with, and where they start if that is found on the way.
    /// `last`: no byte follows.
    ///
    /// # Errors
    /// When what follows those records is none.
    fn cut(&self, bytes: &[u8], last: bool, starts: &mut Vec<u32>) -> (usize, Result<()>);

    /// Makes records, checked, of what was cut.
    fn finish(&self, chunk: Chunk, starts: Vec<u32>) -> Result<Records, Failed>;
}

/// An error and, where it is a record's, the record's number in its block.
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) record: Option<usize>,
}

impl Failed {
    pub(super) fn of(error: Error, record: usize) -> Self {
        Self { error, record: Some(record) }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, record: None }
    }
}

/// Cuts `first` and then `rest` in a thread of its own.
pub(super) fn start(
    format: Arc<dyn Format>,
    first: Chunk,
    rest: Option<Results<Chunk, Error>>,
    buffers: Buffers,
    workers: &Workers,
    ahead: usize,
) -> Result<Results<Records, Failed>> {
    let (feeder, results) = queue(workers, ahead);
    spawn("framer", move || {
        let mut stage = Stage { format, buffers, feeder, carry: None };
        // Once nobody listens there is nobody to tell.
        let _ = stage.run(first, rest).and_then(|whole| if whole { stage.feeder.end() } else { Ok(()) });
    })?;
    Ok(results)
}

struct Stage {
    format: Arc<dyn Format>,
    buffers: Buffers,
    feeder: Feeder<Records, Failed>,
    /// The beginning of a record whose end is in the next chunk.
    carry: Option<Chunk>,
}

impl Stage {
    /// Whether the end was reached without an error.
    fn run(&mut self, first: Chunk, rest: Option<Results<Chunk, Error>>) -> Result<bool, Abandoned> {
        if !self.cut(first, rest.is_none())? {
            return Ok(false);
        }
        let Some(rest) = rest else { return Ok(true) };
        loop {
            match rest.next() {
                Ok(Some(chunk)) => {
                    if !self.cut(chunk, false)? {
                        return Ok(false);
                    }
                }
                Ok(None) => break,
                Err(e) => {
                    self.feeder.ready(Err(e.into()))?;
                    return Ok(false);
                }
            }
        }
        match self.carry.take() {
            Some(chunk) => self.cut(chunk, true),
            None => Ok(true),
        }
    }

    fn cut(&mut self, chunk: Chunk, last: bool) -> Result<bool, Abandoned> {
        let mut whole = match self.carry.take() {
            Some(mut carry) => {
                carry.places.append(chunk.places, carry.bytes.len());
                carry.bytes.extend_from_slice(&chunk.bytes);
                self.buffers.give(chunk.bytes);
                carry
            }
            None => chunk,
        };
        let mut starts = Vec::with_capacity(whole.bytes.len() / 256);
        let (end, framed) = self.format.cut(&whole.bytes, last, &mut starts);
        if framed.is_ok() && end < whole.bytes.len() {
            if end == 0 {
                // Only where it begins is ever asked for.
                whole.places = Places::one(whole.places.at(0));
                self.carry = Some(whole);
                return Ok(true);
            }
            let mut bytes = self.buffers.take();
            bytes.clear();
            bytes.extend_from_slice(&whole.bytes[end..]);
            self.carry = Some(Chunk { bytes, places: Places::one(whole.places.at(end)) });
        }
        let place = whole.places.at(end);
        whole.bytes.truncate(end);
        if end > 0 {
            let format = Arc::clone(&self.format);
            self.feeder.submit(move |_| format.finish(whole, starts))?;
        }
        match framed {
            Ok(()) => Ok(true),
            Err(e) => {
                self.feeder.ready(Err(Failed::of(e.at(place), 0)))?;
                Ok(false)
            }
        }
    }
}
