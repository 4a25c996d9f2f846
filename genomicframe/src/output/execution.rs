//! A query on its way to an output: planned once, watched while it runs.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream, execute_stream_partitioned};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::{OutputFormat, Target, WriteOptions, Written, write_stream};
use crate::error::Result;

/// A planned query.
#[derive(Debug)]
pub struct Execution {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    rows: Arc<AtomicU64>,
}

/// Batches that may wait to be written while the next ones are made.
const AHEAD: usize = 2;

impl Execution {
    /// Plans `frame`. Headers and indexes are read, data is not.
    ///
    /// # Errors
    /// When the query cannot be planned.
    pub async fn new(frame: DataFrame) -> Result<Self> {
        let context = Arc::new(frame.task_ctx());
        Ok(Self { plan: frame.create_physical_plan().await?, context, rows: Arc::default() })
    }

    /// What to look at while it runs.
    pub fn progress(&self) -> Progress {
        Progress { plan: Arc::clone(&self.plan), rows: Arc::clone(&self.rows) }
    }

    /// Starts it, in a task of its own on the current runtime, which ends when the stream is dropped.
    ///
    /// The stream may be read on another runtime: there, whoever reads it is not kept waiting by an operator that computes
    /// for long without a pause.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(self.plan.schema(), AHEAD);
        let (sender, rows) = (builder.tx(), self.rows);
        builder.spawn(async move {
            let mut batches = execute_stream(self.plan, self.context)?;
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
        builder.build()
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
        write_stream(self.start(), format, target, options).await
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
        let read = |plan: &Arc<dyn ExecutionPlan>| {
            let metrics = plan.metrics()?;
            metrics.sum_by_name("bytes_read").map(|v| v.as_usize() as u64)
        };
        sum(&self.plan, &read)
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
