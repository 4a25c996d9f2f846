//! A line on the terminal of somebody who waits.

use std::io::IsTerminal;
use std::time::Duration;

use genomicframe::Progress;
use genomicframe::convert::ConvertProgress;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Shown after a second, and gone when dropped.
pub(crate) struct Line {
    task: JoinHandle<()>,
    _bar: Bar,
}

/// Leaves the terminal when dropped: by whoever waits, or with its task when a signal ends the program.
struct Bar(ProgressBar);

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(200);

/// What a line shows.
struct Shown {
    /// Of [`Shown::total`].
    position: u64,
    total: u64,
    message: String,
}

const TO_GO: &str = "{bar:30} {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left  {msg}";

impl Line {
    /// Watches a query; nothing is drawn where standard error is no terminal.
    pub(crate) fn start(progress: Progress, on: &Handle) -> Self {
        Self::watch("{bar:30} {bytes} of {total_bytes}  {bytes_per_sec}  {msg}", on, move || {
            let total = progress.bytes_planned();
            // The last record of a range may reach beyond it.
            let position = progress.bytes_read().min(total);
            Shown {
                position,
                total,
                message: format!("{} rows, {} requests", HumanCount(progress.rows()), HumanCount(progress.requests())),
            }
        })
    }

    /// Watches a conversion, likewise.
    pub(crate) fn of_conversion(progress: ConvertProgress, on: &Handle) -> Self {
        Self::watch(TO_GO, on, move || Shown {
            position: progress.bytes_read(),
            total: progress.bytes_total(),
            message: format!("{} reads, {} chunks", HumanCount(progress.records()), HumanCount(progress.chunks())),
        })
    }

    fn watch(template: &'static str, on: &Handle, look: impl Fn() -> Shown + Send + 'static) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let (bar, shown) = (Bar(bar.clone()), Bar(bar));
        let task = on.spawn(async move {
            let shown = &shown.0;
            if !std::io::stderr().is_terminal() {
                return;
            }
            tokio::time::sleep(PATIENCE).await;
            let total = look().total;
            if total > 0 {
                shown.set_length(total);
            }
            if let Ok(style) = ProgressStyle::with_template(if total > 0 { template } else { "{spinner} {msg}" }) {
                shown.set_style(style);
            }
            shown.set_draw_target(ProgressDrawTarget::stderr());
            loop {
                let now = look();
                shown.set_position(now.position);
                shown.set_message(now.message);
                shown.tick();
                tokio::time::sleep(BETWEEN).await;
            }
        });
        Self { task, _bar: bar }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}
