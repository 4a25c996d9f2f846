//! A query on its way to an output: planned once, watched while it runs.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, execute_stream, execute_stream_partitioned};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::runtime::Handle;

use super::{Native, OutputFormat, Target, WriteOptions, Written};
use crate::error::Result;
use crate::scan::in_pieces;

/// A planned query.
///
/// Where its rows come one by one from one genomic scan (filters and projections may lie between), they come out in the
/// order of the files, however many threads make them; so they do wherever the query itself has an order.
#[derive(Debug)]
pub struct Execution {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    rows: Arc<AtomicU64>,
    threads: usize,
    /// Whether the plan's partitions, one after the other, are the rows in their order.
    ordered: bool,
}

/// Batches that may wait to be written while the next ones are made.
const AHEAD: usize = 2;

impl Execution {
    /// Plans `frame`. Headers and indexes are read, data is not.
    ///
    /// # Errors
    /// When the query cannot be planned.
    pub async fn new(frame: DataFrame) -> Result<Self> {
        let threads = frame.task_ctx().session_config().target_partitions();
        Self::unordered(frame).await?.threads(threads).await
    }

    /// Plans `frame` for a reader that does not mind the order of its rows: with no more partitions than there are threads.
    ///
    /// # Errors
    /// When the query cannot be planned.
    pub(crate) async fn unordered(frame: DataFrame) -> Result<Self> {
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        Ok(Self { plan, context, rows: Arc::default(), threads: 1, ordered: false })
    }

    /// Uses this many threads where rows can be made in pieces, whatever number the query was planned for. A query that was
    /// planned for one thread keeps the files' order also where its parts run on several.
    ///
    /// # Errors
    /// When an index that is needed for this cannot be read.
    pub async fn threads(mut self, threads: usize) -> Result<Self> {
        self.threads = threads.max(1);
        if self.threads > 1
            && !self.ordered
            && let Some(plan) = in_pieces(&self.plan).await?
        {
            (self.plan, self.ordered) = (plan, true);
        }
        Ok(self)
    }

    /// For rows that are written as [`OutputFormat::Native`]: lets the scan hand out text where nothing needs the columns.
    ///
    /// # Errors
    /// When the scan cannot be planned so.
    pub fn as_text(mut self, native: &Native) -> Result<Self> {
        if let Some(plan) = native.shorten(&self.plan)? {
            self.plan = plan;
        }
        Ok(self)
    }

    /// What to look at while it runs.
    pub fn progress(&self) -> Progress {
        Progress { plan: Arc::clone(&self.plan), rows: Arc::clone(&self.rows) }
    }

    /// Starts it, in tasks of their own on the current runtime, which end when the rows are dropped.
    ///
    /// The rows may be read on another runtime: there, whoever reads them is not kept waiting by an operator that computes
    /// for long without a pause.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Rows {
        let Self { plan, context, rows, threads, ordered } = self;
        let schema = plan.schema();
        // Several threads share the pieces of a file or, of one that cannot be cut, what is made of its rows. One thread has
        // nothing to gain from making rows apart from encoding them.
        let is_cut = plan.output_partitioning().partition_count() > 1;
        let batches = if (ordered && is_cut) || (threads == 1 && !is_cut) {
            Batches::InPieces { plan, context, rows }
        } else {
            let mut builder = RecordBatchReceiverStream::builder(plan.schema(), AHEAD);
            let sender = builder.tx();
            builder.spawn(async move {
                let mut batches = execute_stream(plan, context)?;
                while let Some(batch) = batches.next().await {
                    if let Ok(batch) = &batch {
                        rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
                    }
                    let failed = batch.is_err();
                    if sender.send(batch).await.is_err() || failed {
                        break;
                    }
                }
                Ok(())
            });
            Batches::OneByOne(builder.build())
        };
        Rows { schema, batches, workers: Handle::current(), threads }
    }

    /// A stream for each partition of the plan, to be read at the same time. Nothing is read before they are.
    pub(crate) fn start_partitions(self) -> Result<Vec<BoxStream<'static, Result<RecordBatch>>>> {
        let streams = execute_stream_partitioned(self.plan, self.context)?.into_iter();
        let counted = streams.map(|stream| {
            let rows = Arc::clone(&self.rows);
            let stream = stream.inspect_ok(move |batch| {
                rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
            });
            stream.map_err(Into::into).boxed()
        });
        Ok(counted.collect())
    }

    /// Runs it and writes its rows. Rows are made in one task and written in another.
    ///
    /// # Errors
    /// When a file is broken, the query fails, or the output cannot be written.
    pub async fn write(self, format: OutputFormat, target: Target, options: &WriteOptions) -> Result<Written> {
        self.start().write(format, target, options).await
    }
}

/// The rows of a running query, in batches, and the threads that it runs on.
pub struct Rows {
    pub(super) schema: SchemaRef,
    pub(super) batches: Batches,
    pub(super) workers: Handle,
    pub(super) threads: usize,
}

/// Where the batches come from.
pub(super) enum Batches {
    /// Made in one task.
    OneByOne(SendableRecordBatchStream),
    /// Made by whoever encodes them, a task for each partition of the plan: one after the other they are the rows in order.
    InPieces { plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, rows: Arc<AtomicU64> },
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("schema", &self.schema).field("threads", &self.threads).finish()
    }
}

impl From<SendableRecordBatchStream> for Rows {
    /// # Panics
    /// Outside of a tokio runtime.
    fn from(batches: SendableRecordBatchStream) -> Self {
        let workers = Handle::current();
        let threads = workers.metrics().num_workers();
        Self { schema: batches.schema(), batches: Batches::OneByOne(batches), workers, threads }
    }
}

/// How far a query has come.
#[derive(Debug, Clone)]
pub struct Progress {
    plan: Arc<dyn ExecutionPlan>,
    rows: Arc<AtomicU64>,
}

impl Progress {
    /// Rows that came out.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes that the scans have read.
    pub fn bytes_read(&self) -> u64 {
        self.counted("bytes_read")
    }

    /// Requests that the scans have made for them.
    pub fn requests(&self) -> u64 {
        self.counted("requests")
    }

    fn counted(&self, name: &str) -> u64 {
        sum(&self.plan, &|plan| plan.metrics()?.sum_by_name(name).map(|v| v.as_usize() as u64))
    }

    /// Bytes that the scans plan to read, of the files this crate reads.
    pub fn bytes_planned(&self) -> u64 {
        sum(&self.plan, &|plan| {
            let groups = &file_scan(plan)?.file_groups;
            Some(groups.iter().flat_map(|g| g.files()).map(|f| f.object_meta.size).sum())
        })
    }
}

/// The scan of files that a plan's node is, if it is one.
pub(super) fn file_scan(plan: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let exec = (&**plan as &dyn Any).downcast_ref::<DataSourceExec>()?;
    exec.data_source().downcast_ref::<FileScanConfig>()
}

fn sum(plan: &Arc<dyn ExecutionPlan>, of: &dyn Fn(&Arc<dyn ExecutionPlan>) -> Option<u64>) -> u64 {
    of(plan).unwrap_or(0) + plan.children().into_iter().map(|child| sum(child, of)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::GenomicContext;

    #[tokio::test]
    async fn text_comes_in_batches_that_are_still_in_the_cache_when_they_are_written() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
        let ctx = GenomicContext::builder().threads(1).build().unwrap();
        let frame = ctx.sql(&format!("SELECT * FROM '{path}'")).await.unwrap();
        let native = Native::of(&frame).unwrap();
        let columns = Execution::new(frame.clone()).await.unwrap();
        let text = Execution::new(frame).await.unwrap().as_text(&native).unwrap();
        for (execution, most) in [(columns, 8192), (text, 2048)] {
            let mut rows = Vec::new();
            for stream in execution.start_partitions().unwrap() {
                rows.extend(stream.map_ok(|b| b.num_rows()).try_collect::<Vec<_>>().await.unwrap());
            }
            assert_eq!((rows.iter().sum::<usize>(), rows.iter().max()), (4905, Some(&most.min(4905))), "{rows:?}");
        }
    }
}
