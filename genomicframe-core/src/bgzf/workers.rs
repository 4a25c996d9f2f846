//! Threads that compress batches of blocks.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::deflate::{BLOCK_INPUT, Deflater, Level};
use crate::error::{Error, Result};

/// Blocks of a batch: half a megabyte, so that handing it over costs nothing beside compressing it.
pub(super) const BATCH_BLOCKS: usize = 8;

/// Blocks as they come and, once compressed, as they are stored.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) raw: Vec<u8>,
    /// Where the blocks that are full end in `raw`.
    pub(super) ends: Vec<usize>,
    pub(super) stored: Vec<u8>,
    /// Where each block starts in `stored`.
    pub(super) starts: Vec<usize>,
}

impl Batch {
    pub(super) fn compress(&mut self, deflater: &mut Deflater) -> Result<()> {
        let mut start = 0;
        for end in &self.ends {
            self.starts.push(self.stored.len());
            deflater.compress_block(&self.raw[start..*end], &mut self.stored)?;
            start = *end;
        }
        Ok(())
    }

    /// Bytes of the block that is not full yet.
    pub(super) fn filled(&self) -> usize {
        self.raw.len() - self.ends.last().copied().unwrap_or_default()
    }

    /// Empty, with its memory kept.
    pub(super) fn cleared(mut self) -> Self {
        self.raw.clear();
        self.ends.clear();
        self.stored.clear();
        self.starts.clear();
        self
    }

    /// Appends bytes for which the block has room.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        if self.raw.capacity() == 0 {
            self.raw.reserve_exact(BATCH_BLOCKS * BLOCK_INPUT);
        }
        self.raw.extend_from_slice(bytes);
    }
}

/// A batch under way. Should its worker be gone, so is the sender: waiting for it ends in any case.
pub(super) type Ticket = Receiver<Result<Batch>>;

struct Job {
    batch: Batch,
    done: Sender<Result<Batch>>,
}

/// The threads, which end when this is dropped.
#[derive(Debug)]
pub(super) struct Workers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(super) fn start(threads: usize, level: Level) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        let mut workers = Self { jobs: Some(jobs), threads: Vec::new() };
        for i in 0..threads {
            let queue = Arc::clone(&queue);
            let mut deflater = Deflater::new(level)?;
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Job { mut batch, done }) = job else { return };
                    let compressed = batch.compress(&mut deflater);
                    // Nobody waits for it when the writer was dropped.
                    let _ = done.send(compressed.map(|()| batch));
                }
            };
            let thread = thread::Builder::new().name(format!("bgzf-{i}")).spawn(work);
            workers.threads.push(thread.map_err(|e| Error::io("starting a thread failed").caused_by(e))?);
        }
        Ok(workers)
    }

    pub(super) fn send(&self, batch: Batch) -> Result<Ticket> {
        let (done, ticket) = mpsc::channel();
        let sent = self.jobs.as_ref().and_then(|jobs| jobs.send(Job { batch, done }).ok());
        sent.map(|()| ticket).ok_or_else(gone)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

pub(super) fn gone() -> Error {
    Error::io("a thread that compresses has ended")
}
