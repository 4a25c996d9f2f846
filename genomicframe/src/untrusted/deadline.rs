//! A query that ends when its time is over.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::{RecordBatchReceiverStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use futures::StreamExt;
use genomicframe_core::Error as CoreError;

use super::stop::{Stop, stoppable};
use crate::error::outer;
use crate::runtime::at;

/// Batches that are made before they are asked for.
const AHEAD: usize = 1;

/// Passes on its input's rows until a time is over, which begins with the first partition that is asked for.
#[derive(Debug)]
pub(crate) struct DeadlineExec {
    input: Arc<dyn ExecutionPlan>,
    time: Duration,
    end: OnceLock<Instant>,
    stop: Arc<Stop>,
    properties: Arc<PlanProperties>,
}

impl DeadlineExec {
    /// Around a whole plan.
    pub(crate) fn around(plan: Arc<dyn ExecutionPlan>, time: Duration) -> Result<Self> {
        let stop = Arc::default();
        Ok(Self::new(stoppable(plan, &stop)?, time, stop))
    }

    fn new(input: Arc<dyn ExecutionPlan>, time: Duration, stop: Arc<Stop>) -> Self {
        let properties = Arc::clone(input.properties());
        Self { input, time, end: OnceLock::new(), stop, properties }
    }
}

/// What is told then.
pub(crate) fn over(time: Duration) -> CoreError {
    CoreError::limit(format!("the query took longer than {time:?}")).hint("ask for fewer regions, columns or files")
}

impl DisplayAs for DeadlineExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeadlineExec: within={:?}", self.time)
    }
}

impl ExecutionPlan for DeadlineExec {
    fn name(&self) -> &'static str {
        "DeadlineExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let [input] = <[_; 1]>::try_from(children)
            .map_err(|_| DataFusionError::Internal("a deadline has one input".to_owned()))?;
        Ok(Arc::new(Self::new(input, self.time, Arc::clone(&self.stop))))
    }

    #[allow(deprecated, reason = "required of every plan")]
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(datafusion::physical_plan::ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let end = *self.end.get_or_init(|| Instant::now() + self.time);
        let time = self.time;
        let stop = Arc::clone(&self.stop);
        let is_over = at(end, move || stop.now());
        // In a task of its own, which may compute for long without a pause. What is dropped stops it at the next one.
        let mut builder = RecordBatchReceiverStream::builder(self.input.schema(), AHEAD);
        let (input, sender) = (Arc::clone(&self.input), builder.tx());
        builder.spawn(async move {
            let mut rows = input.execute(partition, context)?;
            while let Some(batch) = rows.next().await {
                let failed = batch.is_err();
                if sender.send(batch).await.is_err() || failed {
                    break;
                }
            }
            Ok(())
        });
        // The time first: rows may come without end.
        let rows = futures::stream::unfold(Some((builder.build(), is_over)), move |state| async move {
            let (mut rows, mut is_over) = state?;
            tokio::select! {
                biased;
                _ = &mut is_over => Some((Err(outer(over(time))), None)),
                batch = rows.next() => batch.map(|batch| (batch, Some((rows, is_over)))),
            }
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.input.schema(), rows)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::physical_plan::execute_stream;
    use futures::TryStreamExt;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_query_without_end_ends() {
        let ctx = datafusion::prelude::SessionContext::new();
        for sql in [
            "SELECT sum(a.value) FROM range(1000000000000) a",
            "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.value + b.value < 0",
            "SELECT value FROM range(1000000000000)",
            "SELECT count(*) FROM range(3000000) a JOIN range(3000000) b ON a.value % 2 = b.value % 2 AND a.value + b.value < 0",
        ] {
            let query = ctx.sql(sql).await.unwrap();
            let context = Arc::new(query.task_ctx());
            let plan = query.create_physical_plan().await.unwrap();
            let plan = Arc::new(DeadlineExec::around(plan, Duration::from_millis(200)).unwrap());
            let begun = Instant::now();
            let mut rows = execute_stream(plan, context).unwrap();
            let e = loop {
                match rows.try_next().await {
                    Ok(batch) => assert!(batch.is_some(), "{sql} came to its end"),
                    Err(e) => break e,
                }
            };
            assert!(e.to_string().contains("took longer than 200ms"), "{e}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{sql}: {:?}", begun.elapsed());
        }
    }
}
