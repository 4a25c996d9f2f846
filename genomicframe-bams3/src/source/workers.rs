//! Threads that run jobs, and queues that give back the results in order.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};

use genomicframe_core::bgzf::Inflater;
use genomicframe_core::{Error, Result};

type Job = Box<dyn FnOnce(&mut Inflater) + Send>;

/// Threads that run jobs; they end with the last sender of jobs.
#[derive(Clone)]
pub(super) struct Workers(Sender<Job>);

impl Workers {
    pub(super) fn start(threads: usize) -> Result<Self> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            spawn("worker", move || {
                let mut inflater = Inflater::default();
                loop {
                    let job = match queue.lock() {
                        Ok(queue) => queue.recv(),
                        Err(_) => return,
                    };
                    match job {
                        Ok(job) => job(&mut inflater),
                        Err(_) => return,
                    }
                }
            })?;
        }
        Ok(Self(jobs))
    }
}

/// Starts a thread that nobody waits for: one that blocks on a pipe must not hold up who gave up reading.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let started = std::thread::Builder::new().name(format!("source {name}")).spawn(run);
    started.map(drop).map_err(|e| Error::io("starting a thread failed").caused_by(e))
}

/// A queue of which at most `ahead` results wait.
pub(super) fn queue<T, E>(workers: &Workers, ahead: usize) -> (Feeder<T, E>, Results<T, E>) {
    let (slots, results) = sync_channel(ahead);
    (Feeder { workers: workers.clone(), slots }, Results(results))
}

/// A slot is filled once; `None` ends the queue, so that a thread that dies is not taken for the end.
type Slot<T, E> = Option<Receiver<Result<T, E>>>;

pub(super) struct Feeder<T, E> {
    workers: Workers,
    slots: SyncSender<Slot<T, E>>,
}

/// Nobody takes the results any more.
pub(super) struct Abandoned;

impl<T: Send + 'static, E: Send + 'static> Feeder<T, E> {
    /// Has a worker run `job`; waits while too many results do.
    pub(super) fn submit(
        &self,
        job: impl FnOnce(&mut Inflater) -> Result<T, E> + Send + 'static,
    ) -> Result<(), Abandoned> {
        let (result, slot) = sync_channel(1);
        self.slots.send(Some(slot)).map_err(|_| Abandoned)?;
        // A result that nobody waits for is dropped.
        let job = Box::new(move |inflater: &mut Inflater| drop(result.send(job(inflater))));
        self.workers.0.send(job).map_err(|_| Abandoned)
    }

    /// Queues a result that needs no work.
    pub(super) fn ready(&self, value: Result<T, E>) -> Result<(), Abandoned> {
        let (result, slot) = sync_channel(1);
        result.send(value).map_err(|_| Abandoned)?;
        self.slots.send(Some(slot)).map_err(|_| Abandoned)
    }

    /// Says that no more results come.
    pub(super) fn end(self) -> Result<(), Abandoned> {
        self.slots.send(None).map_err(|_| Abandoned)
    }
}

pub(super) struct Results<T, E>(Receiver<Slot<T, E>>);

impl<T, E: From<Error>> Results<T, E> {
    /// The next result in the order of the jobs.
    pub(super) fn next(&self) -> Result<Option<T>, E> {
        let lost = || E::from(Error::io("a thread that reads the input ended early"));
        match self.0.recv() {
            Ok(Some(slot)) => slot.recv().map_err(|_| lost())?.map(Some),
            Ok(None) => Ok(None),
            Err(_) => Err(lost()),
        }
    }
}

/// Buffers used again: fresh pages cost as much as a tenth of inflating into them.
#[derive(Clone)]
pub(super) struct Buffers {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
}

/// A buffer that one huge record made larger than this is not kept.
const LARGE: usize = 16 << 20;

impl Buffers {
    /// Keeps at most `most` buffers.
    pub(super) fn new(most: usize) -> Self {
        Self { spare: Arc::default(), most }
    }

    /// A buffer with what was last in it, so that growing it back clears nothing.
    pub(super) fn take(&self) -> Vec<u8> {
        self.spare.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    pub(super) fn give(&self, buffer: Vec<u8>) {
        if let Ok(mut spare) = self.spare.lock()
            && spare.len() < self.most
            && buffer.capacity() <= LARGE
        {
            spare.push(buffer);
        }
    }
}
