//! Synchronous calls on the asynchronous engine.

use std::future::Future;
use std::sync::{Condvar, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{Error, Result};

/// Threads that the machine runs at once.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The one runtime of the process for synchronous calls, made on the first of them.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(processors())
            .thread_name("genomicframe")
            .enable_all()
            .build()
            .map_err(|e| e.to_string())
    });
    made.as_ref().map_err(|e| genomicframe_core::Error::io(format!("cannot start threads: {e}")).into())
}

/// Runs `work` there and waits on a channel, so that the caller may itself be a task of any runtime.
pub(crate) fn wait<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    runtime()?.spawn(async move {
        // A caller that has gone away needs no answer.
        let _ = sender.send(work.await);
    });
    receiver.recv().unwrap_or_else(|_| Err(lost()))
}

/// Where its tasks are started.
pub(crate) fn handle() -> Result<&'static Handle> {
    Ok(runtime()?.handle())
}

/// Runs `work` there without waiting.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>> {
    Ok(runtime()?.spawn(work))
}

/// Waits until `end`, and then does `work` and tells: on a thread of its own, because operators that compute without a pause keep
/// others from it.
pub(crate) fn at(end: Instant, work: impl FnOnce() + Send + 'static) -> tokio::sync::oneshot::Receiver<()> {
    static CLOCK: OnceLock<Option<Handle>> = OnceLock::new();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let clock = CLOCK.get_or_init(|| {
        let clock = Builder::new_current_thread().enable_time().build().ok()?;
        let handle = clock.handle().clone();
        let run = move || clock.block_on(std::future::pending::<()>());
        std::thread::Builder::new().name("genomicframe-clock".into()).spawn(run).ok()?;
        Some(handle)
    });
    if let Some(clock) = clock {
        clock.spawn(async move {
            tokio::time::sleep_until(end.into()).await;
            work();
            // Whoever waited may be done.
            let _ = sender.send(());
        });
    }
    // Without a clock the sender is dropped, and the wait ends at once: a limit that cannot be kept lets nothing pass.
    receiver
}

/// What cancelled work still has to put away.
struct CleaningUp {
    tasks: Mutex<usize>,
    done: Condvar,
}

static CLEANING_UP: CleaningUp = CleaningUp { tasks: Mutex::new(0), done: Condvar::new() };

/// Runs `work` there, which puts away what something cancelled left; [`settle`] waits for it, and who likes for what is returned.
pub(crate) fn clean_up(work: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
    struct Counted;

    impl Drop for Counted {
        fn drop(&mut self) {
            *CLEANING_UP.tasks.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            CLEANING_UP.done.notify_all();
        }
    }

    *CLEANING_UP.tasks.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    let counted = Counted;
    let cleaning = spawn(async move {
        work.await;
        drop(counted);
    });
    cleaning.inspect_err(|e| tracing::warn!("what was cancelled cannot be put away: {e}")).ok()
}

/// When what is put away must not wait for others any longer: the program is about to end.
static HURRY: LazyLock<watch::Sender<Option<Instant>>> = LazyLock::new(watch::Sender::default);

/// Waits for `time`, or until half of the time is over that somebody gives to [`settle`]. For work of [`clean_up`].
pub(crate) async fn patience(time: Duration) {
    let mut hurry = HURRY.subscribe();
    let hurried = async {
        let at = hurry.wait_for(Option::is_some).await.ok().and_then(|at| *at);
        match at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            // Time without an end.
            None => std::future::pending().await,
        }
    };
    let _ = tokio::time::timeout(time, hurried).await;
}

/// Waits until what cancelled writes had sent to object stores is removed, at most `longest`; whether it is. For programs that
/// end soon after they cancelled one: parts of an object stay, and cost, until somebody removes them. Parts on their way have
/// half of that time to arrive, and are cut off then.
///
/// ```
/// assert!(genomicframe::settle(std::time::Duration::from_secs(1)));
/// ```
pub fn settle(longest: Duration) -> bool {
    // Of several that wait, the last.
    HURRY.send_replace(Instant::now().checked_add(longest / 2));
    let tasks = CLEANING_UP.tasks.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = CLEANING_UP.done.wait_timeout_while(tasks, longest, |tasks| *tasks > 0);
    let is_done = !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out();
    HURRY.send_replace(None);
    is_done
}

/// A task ends without an answer only by panicking.
pub(crate) fn lost() -> Error {
    genomicframe_core::Error::io("a worker stopped without an answer; this is a bug in genomicframe").into()
}
