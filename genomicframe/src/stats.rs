//! Statistics of a query's rows, counted in one pass: a task for each partition of the plan, merged at the end.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, LogicalPlan};
use futures::{Stream, StreamExt};
use genomicframe_core::scan::Dataset;
use genomicframe_core::stats::Stats;
use tokio::task::JoinSet;

use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::frame::GenomicFrame;
use crate::output::{Execution, Progress};
use crate::runtime;
use crate::scan::GenomicTable;

/// A planned pass over a query's rows.
///
/// ```
/// use genomicframe::{GenomicContext, StatsQuery};
///
/// # #[tokio::main]
/// # async fn main() -> genomicframe::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cohort.vcf.gz");
/// let ctx = GenomicContext::new();
/// let rare = ctx.sql(&format!("SELECT * FROM '{path}' WHERE info_af < 0.1")).await?;
/// println!("{}", StatsQuery::new(rare).await?.run().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StatsQuery {
    execution: Execution,
    empty: Stats,
    source: Source,
}

/// Where rows come from.
#[derive(Debug)]
struct Source {
    datasets: Vec<Arc<dyn Dataset>>,
    /// Whether they are all rows of the datasets.
    is_whole: bool,
}

impl StatsQuery {
    /// Plans to count the rows of `frame`, which reads one genomic table and keeps the columns that statistics need; only
    /// those are read. Headers and indexes are read now, data is not.
    ///
    /// # Errors
    /// When the rows are not those of one genomic table, columns are missing, or the query cannot be planned.
    pub async fn new(frame: DataFrame) -> Result<Self> {
        let source = Source::of(frame.logical_plan())?;
        let schema = source.datasets.first().map(|d| d.schema()).ok_or_else(|| Error::invalid("no file is read"))?;
        let empty = Stats::of_schema(&schema)?;
        let frame = project(frame, empty.columns())?;
        Ok(Self { execution: Execution::unordered(frame).await?, empty, source })
    }

    /// What datasets that keep totals (BAMS3) know of these rows without any being read: less than [`StatsQuery::run`], as
    /// [`AlignmentStats::of_totals`](genomicframe_core::stats::AlignmentStats::of_totals) tells. `None` where some keep none,
    /// and when the query leaves out rows.
    pub fn totals(&self) -> Option<Stats> {
        let mut all = self.source.datasets.iter().filter(|_| self.source.is_whole).map(|d| d.totals());
        let first = all.next()??;
        let mut stats = all.try_fold(first, |mut sum, next| sum.merge(&next?).ok().map(|()| sum))?;
        self.source.sort(&mut stats);
        Some(stats)
    }

    /// What to look at while it runs.
    pub fn progress(&self) -> Progress {
        self.execution.progress()
    }

    /// Counts. Each partition of the plan is a task on the current runtime; how many there are changes nothing.
    ///
    /// # Errors
    /// When a file is broken or the query fails.
    pub async fn run(self) -> Result<Stats> {
        let Self { execution, empty: mut stats, source } = self;
        let mut tasks = JoinSet::new();
        for batches in execution.start_partitions()? {
            tasks.spawn(count(batches, stats.clone()));
        }
        while let Some(counted) = tasks.join_next().await {
            stats.merge(&counted.map_err(|_| runtime::lost())??)?;
        }
        source.sort(&mut stats);
        Ok(stats)
    }
}

async fn count(mut batches: impl Stream<Item = Result<RecordBatch>> + Unpin, mut stats: Stats) -> Result<Stats> {
    while let Some(batch) = batches.next().await {
        stats.update(&batch?)?;
        // A stream that always has a batch ready would otherwise never notice that it is cancelled.
        tokio::task::yield_now().await;
    }
    Ok(stats)
}

impl Source {
    /// The one genomic table that a query reads.
    fn of(plan: &LogicalPlan) -> Result<Self> {
        let (mut found, mut is_whole) = (Vec::new(), true);
        plan.apply(|node| {
            is_whole &= match node {
                LogicalPlan::Projection(projection) => projection.expr.iter().all(|e| matches!(e, Expr::Column(_))),
                LogicalPlan::TableScan(scan) => {
                    let table = GenomicTable::of(scan)?;
                    found.extend(table.as_ref().map(|t| t.datasets().cloned().collect::<Vec<_>>()));
                    table.is_some_and(|t| !t.has_regions()) && scan.filters.is_empty() && scan.fetch.is_none()
                }
                LogicalPlan::SubqueryAlias(_) => true,
                _ => false,
            };
            Ok(TreeNodeRecursion::Continue)
        })?;
        match (found.pop(), found.is_empty()) {
            (Some(datasets), true) => Ok(Self { datasets, is_whole }),
            (None, _) => Err(Error::invalid("statistics are made of the rows of a genomic file; these are of none")),
            (Some(_), false) => Err(Error::invalid("statistics are made of the rows of one table, not of several")),
        }
    }

    /// Puts contigs in the header's order, of several files in the first one's; those of text formats by name, for their list
    /// may be the index's, which is not always read.
    fn sort(&self, stats: &mut Stats) {
        let header = self.datasets.first().filter(|_| matches!(stats, Stats::Alignments(_)));
        stats.sort(header.and_then(|d| d.contigs()));
    }
}

/// The frame with these columns only.
fn project(frame: DataFrame, names: &[&str]) -> Result<DataFrame> {
    let all = frame.schema().columns();
    let of = |name: &&str| {
        let mut found = all.iter().filter(|c| c.name == *name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(Expr::Column(column.clone())),
            (None, _) => Err(Error::invalid(format!("statistics need the column {name}, which the rows lack"))),
            (Some(_), Some(_)) => Err(Error::invalid(format!("the rows have several columns {name}"))),
        }
    };
    let columns = names.iter().map(of).collect::<Result<Vec<_>>>()?;
    Ok(frame.select(columns)?)
}

impl GenomicContext {
    /// Counts what is usually asked first of the rows of one genomic table: flagstat, records by contig and mapping
    /// qualities of alignments, classes and Ts/Tv of variants, lengths and qualities of reads. Only the columns for that are
    /// read, once; filters and regions of the query narrow what is read.
    ///
    /// ```
    /// use genomicframe::{GenomicContext, ReadOptions, core::stats::Stats};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// let ctx = GenomicContext::new();
    /// let reads = ctx.read(path, ReadOptions::new().region("chr1:1-5,000")).await?;
    /// let Stats::Alignments(stats) = ctx.stats(reads).await? else { unreachable!("BAM holds alignments") };
    /// assert_eq!(stats.contigs().next().map(|(name, ..)| name), Some("chr1"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the rows are not those of one genomic table, columns are missing, a file is broken, or the query fails.
    pub async fn stats(&self, rows: DataFrame) -> Result<Stats> {
        StatsQuery::new(rows).await?.run().await
    }
}

impl GenomicFrame {
    /// Counts what is usually asked first of the rows; see [`GenomicContext::stats`].
    ///
    /// ```
    /// use genomicframe::core::stats::Stats;
    /// use genomicframe::prelude::*;
    ///
    /// # fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cohort.vcf.gz");
    /// let passed = GenomicFrame::scan_vcf(path)?.filter(col("filter").eq(lit("PASS")));
    /// let Stats::Variants(stats) = passed.stats()? else { unreachable!("VCF holds variants") };
    /// println!("Ts/Tv {:.2}", stats.transitions() as f64 / stats.transversions() as f64);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What is wrong with a verb or a file; when the rows are not those of one genomic table, or columns are missing.
    pub fn stats(&self) -> Result<Stats> {
        let (context, rows) = (self.context().clone(), self.dataframe()?);
        runtime::wait(async move { context.stats(rows).await })
    }
}
