//! A line on the terminal of somebody who waits.

use std::io::IsTerminal;
use std::time::Duration;

use genomicframe::Progress;
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

impl Line {
    /// Watches a query; nothing is drawn where standard error is no terminal.
    pub(crate) fn start(progress: Progress, on: &Handle) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let (bar, shown) = (Bar(bar.clone()), Bar(bar));
        let task = on.spawn(async move {
            let shown = &shown.0;
            if !std::io::stderr().is_terminal() {
                return;
            }
            tokio::time::sleep(PATIENCE).await;
            let planned = progress.bytes_planned();
            let template = if planned > 0 { "{bar:30} {bytes} of {total_bytes}  {msg}" } else { "{spinner} {msg}" };
            if planned > 0 {
                shown.set_length(planned);
            }
            if let Ok(style) = ProgressStyle::with_template(template) {
                shown.set_style(style);
            }
            shown.set_draw_target(ProgressDrawTarget::stderr());
            loop {
                // The last record of a range may reach beyond it.
                shown.set_position(progress.bytes_read().min(planned));
                shown.set_message(format!("{} rows", HumanCount(progress.rows())));
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
