//! Threads, signals, warnings and exit codes.

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use genomicframe::{BadRecords, Error, GenomicContext};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::args::{Args, Command, SqlArgs};
use crate::commands::{Failure, Session, execute};

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
const CLEAN_UP: Duration = Duration::from_secs(1);
/// Time to remove what was sent to an object store.
const REMOTE_CLEAN_UP: Duration = Duration::from_secs(3);

/// The threads of a run. An operator may compute for seconds without a pause, and a pipe may block its writer for good:
/// apart from each other, neither keeps a signal from being heard, nor a temporary file from being removed.
struct Runtimes {
    /// Plans and runs queries.
    engine: Runtime,
    /// Writes rows, and shows the progress.
    writer: Runtime,
    /// The main thread: waits for the end or a signal.
    supervisor: Runtime,
    /// Of the engine.
    threads: usize,
}

impl Runtimes {
    fn new(threads: Option<u16>) -> io::Result<Self> {
        let workers = threads.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
        Ok(Self {
            engine: Builder::new_multi_thread().worker_threads(workers).enable_all().build()?,
            writer: Builder::new_multi_thread().worker_threads(1).enable_all().build()?,
            supervisor: Builder::new_current_thread().enable_all().build()?,
            threads: workers,
        })
    }
}

/// Does what the arguments ask.
pub fn run(args: Args) -> Status {
    let runtimes = match Runtimes::new(args.command.engine().threads) {
        Ok(runtimes) => runtimes,
        Err(e) => {
            tell(&format!("cannot start threads: {e}"));
            return Status::Failed;
        }
    };
    let ctx = match context(&args.command) {
        Ok(ctx) => ctx,
        Err(e) => {
            tell(&e.to_string());
            return Status::Failed;
        }
    };
    let session = Session { ctx: ctx.clone(), writer: runtimes.writer.handle().clone(), threads: runtimes.threads };
    let parting = args.command.parting();
    // Before any work: a signal that comes while nobody hears it would end the process and leave its temporary file.
    let signal = {
        let _registers_here = runtimes.supervisor.enter();
        match signals() {
            Ok(signal) => signal,
            Err(e) => {
                tell(&format!("cannot wait for signals: {e}"));
                return Status::Failed;
            }
        }
    };
    let mut work = runtimes.engine.spawn(async move { execute(&session, args.command).await });
    let status = runtimes.supervisor.block_on(supervise(&mut work, signal));
    if let Status::Interrupted(_) = status {
        // What it writes itself goes away with it; where all threads compute, that takes too long.
        work.abort();
        let _ = runtimes.supervisor.block_on(async { tokio::time::timeout(CLEAN_UP, work).await });
        if let Some(parting) = parting {
            tell(parting);
        }
        // Drops what is being written, and with it the temporary file.
        runtimes.writer.shutdown_timeout(CLEAN_UP);
        genomicframe::give_up_writes();
    } else {
        for (what, times) in ctx.take_warnings() {
            let often = if times > 1 { format!(" ({times} times)") } else { String::new() };
            tell(&format!("warning: {what}{often}"));
        }
        tell_bad(ctx.take_bad_records());
        runtimes.writer.shutdown_background();
    }
    // Of what was not finished.
    if !genomicframe::settle(REMOTE_CLEAN_UP) {
        tell("parts of the output may be left; docs/cloud.md tells how an object store removes them");
    }
    // What still runs there makes rows that nobody takes.
    runtimes.engine.shutdown_background();
    status
}

/// Malformed records shown.
const SHOWN: usize = 5;

/// Tells what was gone past with `--on-error`.
fn tell_bad(mut bad: BadRecords) {
    let counted = |n: u64, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let skipped = counted(bad.skipped, "malformed record is left out", "malformed records are left out");
    let nulled = counted(bad.nulled, "malformed value is null", "malformed values are null");
    let Some(told) = [skipped, nulled].into_iter().flatten().reduce(|a, b| format!("{a}, {b}")) else { return };
    tell(&format!("warning: {told}"));
    bad.examples.sort_by_key(|bad| (bad.error.line(), bad.error.record()));
    for example in bad.examples.iter().take(SHOWN) {
        tell(&format!("  {}", example.error));
    }
    if bad.skipped + bad.nulled > SHOWN as u64 {
        tell("  … (all of them: SELECT * FROM bad_records('FILE'))");
    }
}

/// Waits for the end or a signal, whichever is first.
async fn supervise(work: &mut JoinHandle<Result<(), Failure>>, signal: impl Future<Output = u8>) -> Status {
    let result = tokio::select! {
        result = work => result.unwrap_or_else(|lost| Err(Failure::Lost(lost.to_string()))),
        signal = signal => return Status::Interrupted(signal),
    };
    match result {
        Ok(()) => Status::Done,
        Err(Failure::Usage(message)) => {
            tell(&message);
            Status::Usage
        }
        Err(Failure::Work(e)) => {
            tell(&e.to_string());
            Status::Failed
        }
        Err(Failure::Lost(how)) => {
            tell(&format!("a worker stopped without an answer, which is a bug in gf: {how}"));
            Status::Failed
        }
    }
}

fn context(command: &Command) -> Result<GenomicContext, Error> {
    let engine = command.engine();
    let storage = engine.storage.iter().map(|option| (option.0.as_str(), option.1.as_str()));
    if let Command::Sql(sql) = command
        && sql.untrusted
    {
        return untrusted(sql, storage);
    }
    let mut builder = GenomicContext::builder();
    if let Command::Sql(sql) = command {
        builder = builder.on_error(sql.on_error);
    }
    if command.keeps_order() {
        builder = builder.threads(1);
    } else if let Some(threads) = engine.threads {
        builder = builder.threads(threads.into());
    }
    if let Some(bytes) = engine.memory {
        builder = builder.memory_limit(bytes);
    }
    builder.storage_options(storage).build()
}

/// For a statement that somebody else wrote.
fn untrusted<'a>(sql: &SqlArgs, storage: impl Iterator<Item = (&'a str, &'a str)>) -> Result<GenomicContext, Error> {
    let mut builder = GenomicContext::untrusted().on_error(sql.on_error).storage_options(storage);
    for place in &sql.allow {
        let is_url = place.contains("://");
        builder = if is_url { builder.allow_prefix(place) } else { builder.allow_folder(place) };
    }
    if let Some(threads) = sql.engine.threads {
        builder = builder.threads(threads.into());
    }
    if let Some(bytes) = sql.engine.memory {
        builder = builder.memory_limit(bytes);
    }
    builder.build()
}

/// `SIGXFSZ`, whose number is the same on Linux and macOS.
#[cfg(unix)]
const FILE_TOO_LARGE: i32 = 25;

/// Hears Ctrl-C and a polite kill from this call on; the future tells which came. Called within a runtime.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = u8>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // A file beyond `ulimit -f` is then an error of its writer, who removes it, and not the end of the process.
    let too_large = signal(SignalKind::from_raw(FILE_TOO_LARGE))?;
    Ok(async move {
        let _too_large = too_large;
        tokio::select! {
            _ = interrupt.recv() => 2,
            _ = terminate.recv() => 15,
        }
    })
}

/// Hears Ctrl-C from this call on. Called within a runtime.
#[cfg(windows)]
fn signals() -> io::Result<impl Future<Output = u8>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
        2
    })
}

/// A line on standard error, if anybody listens.
fn tell(message: &str) {
    let _ = writeln!(io::stderr().lock(), "gf: {message}");
}
