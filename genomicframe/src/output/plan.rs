//! Plans as text: a line for each fact of a scan.

use std::fmt::{self, Write};
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use datafusion::dataframe::DataFrame;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::{DisplayFormatType, ExecutionPlan, execute_stream};
use futures::TryStreamExt;

use super::execution::file_scan;
use crate::error::Result;

/// A query's plans, to be shown.
///
/// ```
/// use genomicframe::{Explained, GenomicContext};
///
/// # #[tokio::main]
/// # async fn main() -> genomicframe::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
/// let ctx = GenomicContext::new();
/// let query = format!("SELECT pos FROM '{path}' WHERE rname = 'chr1' AND pos < 1000 AND mapq >= 30");
/// let plans = Explained::new(ctx.sql(&query).await?).await?;
/// assert!(plans.physical.contains("index=BAI sample.bam.bai"));
/// println!("{plans}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What is asked, after optimisation.
    pub logical: String,
    /// How it is done: for each scan its files, index, regions, bytes, columns and filters; after a run also what was read.
    pub physical: String,
}

impl Explained {
    /// Plans `frame` without reading data.
    ///
    /// # Errors
    /// When the query cannot be planned.
    pub async fn new(frame: DataFrame) -> Result<Self> {
        Self::of(frame, false).await
    }

    /// Runs `frame`, forgets its rows and shows what was read.
    ///
    /// # Errors
    /// When the query cannot be planned or fails.
    pub async fn analyze(frame: DataFrame) -> Result<Self> {
        Self::of(frame, true).await
    }

    async fn of(frame: DataFrame, run: bool) -> Result<Self> {
        let context = Arc::new(frame.task_ctx());
        let (state, plan) = frame.into_parts();
        let plan = state.optimize(&plan)?;
        let logical = format!("{}\n", plan.display_indent());
        let plan = state.query_planner().create_physical_plan(&plan, &state).await?;
        if run {
            let mut rows = execute_stream(Arc::clone(&plan), context)?;
            while rows.try_next().await?.is_some() {}
        }
        let mut physical = String::new();
        // Writing to a string does not fail.
        let _ = draw(&plan, 0, run, &mut physical);
        Ok(Self { logical, physical })
    }

    /// A row per plan: `plan_type`, `plan`.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let column = |texts: [&str; 2]| Arc::new(StringViewArray::from(texts.to_vec())) as ArrayRef;
        let columns =
            [("plan_type", column(["logical", "physical"])), ("plan", column([&self.logical, &self.physical]))];
        Ok(RecordBatch::try_from_iter(columns)?)
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, plan) in [("Logical plan", &self.logical), ("Physical plan", &self.physical)] {
            writeln!(f, "{title}")?;
            for line in plan.lines() {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

fn draw(plan: &Arc<dyn ExecutionPlan>, depth: usize, ran: bool, out: &mut String) -> fmt::Result {
    let indent = "  ".repeat(depth);
    let metrics = plan.metrics().filter(|_| ran);
    if let Some(scan) = file_scan(plan).filter(|_| plan.metrics().is_some()) {
        writeln!(out, "{indent}Scan of {}", scan.file_source().file_type())?;
        for line in facts(scan).lines().map(str::trim_end).filter(|l| !l.is_empty()) {
            // What belongs to one file stands below it.
            let deeper = if OF_FILE.iter().any(|key| line.starts_with(key)) { "    " } else { "  " };
            writeln!(out, "{indent}{deeper}{line}")?;
        }
        if let Some(metrics) = metrics {
            writeln!(out, "{indent}  read: {}", read(&metrics))?;
        }
    } else {
        let line = DisplayableExecutionPlan::new(&**plan).one_line().to_string();
        write!(out, "{indent}{}", line.trim_end())?;
        let of = |metrics: MetricsSet| {
            let rows = metrics.output_rows()?;
            let nanos = metrics.elapsed_compute().unwrap_or_default();
            Some(format!(" [rows={rows} time={:.1?}]", std::time::Duration::from_nanos(nanos as u64)))
        };
        writeln!(out, "{}", metrics.and_then(of).unwrap_or_default())?;
    }
    plan.children().into_iter().try_for_each(|child| draw(child, depth + 1, ran, out))
}

/// Lines of a scan that tell of the file named before.
const OF_FILE: [&str; 7] = ["index=", "regions=", "filter=", "chunks=", "partitions=", "cost=", "warning="];

/// What the scan tells of itself.
fn facts(scan: &FileScanConfig) -> String {
    struct Facts<'a>(&'a FileScanConfig);
    impl fmt::Display for Facts<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.file_source().fmt_extra(DisplayFormatType::TreeRender, f)?;
            self.0.limit.map_or(Ok(()), |n| write!(f, "\nlimit={n}"))
        }
    }
    Facts(scan).to_string()
}

fn read(metrics: &MetricsSet) -> String {
    let counts = ["requests", "bytes_read", "bytes_inflated", "records_seen", "records_kept"];
    let counts = counts.iter().filter_map(|name| Some(format!("{name}={}", metrics.sum_by_name(name)?.as_usize())));
    counts.collect::<Vec<_>>().join(" ")
}
