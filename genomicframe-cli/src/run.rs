//! Threads, signals, warnings and exit codes.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use genomicframe::{Error, GenomicContext};
use tokio::runtime::Builder;

use crate::args::{Args, Command};
use crate::commands::{Failure, execute};

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// All was done.
    Done,
    /// Something failed; it was told.
    Failed,
    /// The options contradict each other; it was told.
    Usage,
    /// A signal of this number ended it.
    Interrupted(u8),
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            // As shells report it.
            Status::Interrupted(signal) => 128 + signal,
        })
    }
}

/// Time that a cancelled query has to remove its files.
const CLEAN_UP: Duration = Duration::from_secs(3);

/// Does what the arguments ask.
pub fn run(args: Args) -> Status {
    let threads = args.command.engine().threads.map(usize::from);
    let workers = threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
    let runtime = match Builder::new_multi_thread().worker_threads(workers).enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            tell(&format!("cannot start threads: {e}"));
            return Status::Failed;
        }
    };
    let status = runtime.block_on(supervise(args.command));
    // What still runs belongs to a cancelled query.
    runtime.shutdown_background();
    status
}

/// Runs the command until it ends or a signal comes.
async fn supervise(command: Command) -> Status {
    let ctx = match context(&command) {
        Ok(ctx) => ctx,
        Err(e) => {
            tell(&e.to_string());
            return Status::Failed;
        }
    };
    let signal = match signals() {
        Ok(signal) => signal,
        Err(e) => {
            tell(&format!("cannot wait for signals: {e}"));
            return Status::Failed;
        }
    };
    let mut work = tokio::spawn({
        let ctx = ctx.clone();
        async move { execute(&ctx, command).await }
    });
    let result = tokio::select! {
        result = &mut work => result,
        signal = signal => {
            work.abort();
            // Ends as soon as its task is dropped, and with it the temporary file.
            let _ = tokio::time::timeout(CLEAN_UP, work).await;
            return Status::Interrupted(signal);
        }
    };
    let status = match result {
        Ok(Ok(())) => Status::Done,
        Ok(Err(Failure::Usage(message))) => {
            tell(&message);
            Status::Usage
        }
        Ok(Err(Failure::Work(e))) => {
            tell(&e.to_string());
            Status::Failed
        }
        Err(_) => {
            tell("a worker stopped without an answer; this is a bug in gf");
            Status::Failed
        }
    };
    for (what, times) in ctx.take_warnings() {
        let often = if times > 1 { format!(" ({times} times)") } else { String::new() };
        tell(&format!("warning: {what}{often}"));
    }
    status
}

fn context(command: &Command) -> Result<GenomicContext, Error> {
    let engine = command.engine();
    let mut builder = GenomicContext::builder();
    if command.keeps_order() {
        builder = builder.threads(1);
    } else if let Some(threads) = engine.threads {
        builder = builder.threads(threads.into());
    }
    if let Some(bytes) = engine.memory {
        builder = builder.memory_limit(bytes);
    }
    builder.build()
}

/// Waits for Ctrl-C or a polite kill, and tells which.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = u8>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = u8>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        2
    })
}

/// A line on standard error, if anybody listens.
fn tell(message: &str) {
    let _ = writeln!(io::stderr().lock(), "gf: {message}");
}
