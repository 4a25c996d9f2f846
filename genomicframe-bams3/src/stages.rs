//! Jobs on all cores, their results in order, in bounded memory.
//!
//! ```text
//! stream of batches ─▶ queue of one ─▶ jobs on the pool ─▶ queue of results, in order ─▶ a thread that takes them
//! ```

use std::sync::mpsc::{Receiver, sync_channel};

use futures::{Stream, StreamExt};
use genomicframe_core::{Error, Result};
use rayon::ThreadPool;
use tokio::sync::{mpsc, oneshot};

/// What the pool runs.
pub(crate) type Job<T> = Box<dyn FnOnce() -> T + Send>;

/// Objects that are fetched at the same time.
pub(crate) const IN_FLIGHT: usize = 2;

/// How many threads `asked` means; 0: one per core.
pub(crate) fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

/// A pool of `threads` threads. A job that panics gives no result, which is an error; it does not end the process.
///
/// # Errors
/// When threads cannot be started.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).panic_handler(|_| {}).build();
    pool.map_err(|e| no_threads(e.into()))
}

fn no_threads(e: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::io("threads cannot be started").caused_by(e)
}

/// Results in the order of their jobs. `None` ends them, so that work that was stopped is not taken for the end.
pub(crate) struct Results<T>(mpsc::Receiver<Option<Receiver<T>>>);

impl<T> Results<T> {
    /// The next result; waits for it.
    ///
    /// # Errors
    /// When there will be none though more belong.
    pub(crate) fn next(&mut self) -> Result<Option<T>> {
        match self.0.blocking_recv() {
            Some(Some(slot)) => slot.recv().map(Some).map_err(|_| Error::io("a thread ended without its result")),
            Some(None) => Ok(None),
            None => Err(Error::io("the work was stopped")),
        }
    }
}

/// Runs the jobs of `batches` on `threads`; `take` gets their results in a thread of its own, and its outcome is returned.
/// The threads end when the future is dropped.
///
/// # Errors
/// Those of `take`, or when threads cannot be started.
pub(crate) async fn run<T: Send + 'static, R: Send + 'static>(
    batches: impl Stream<Item = Vec<Job<T>>>,
    threads: usize,
    take: impl FnOnce(&mut Results<T>) -> Result<R> + Send + 'static,
) -> Result<R> {
    let pool = pool(threads)?;
    let (slots, results) = mpsc::channel(threads + 1);
    let (done, outcome) = oneshot::channel();
    let taking = std::thread::Builder::new().name("bams3-take".into()).spawn(move || {
        // When nobody waits for it any more there is nobody to tell.
        let _ = done.send(take(&mut Results(results)));
    });
    taking.map_err(|e| no_threads(e.into()))?;

    let (fetched, mut waiting) = mpsc::channel(1);
    let fetch = async move {
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            if fetched.send(batch).await.is_err() {
                break;
            }
        }
    };
    let submit = async move {
        while let Some(batch) = waiting.recv().await {
            for job in batch {
                let Ok(slot) = slots.reserve().await else { return };
                let (result, receiver) = sync_channel(1);
                pool.spawn(move || drop(result.send(job())));
                slot.send(Some(receiver));
            }
        }
        drop(slots.send(None).await);
    };
    futures::join!(fetch, submit);
    outcome.await.map_err(|_| Error::io("a thread ended without its result"))?
}
