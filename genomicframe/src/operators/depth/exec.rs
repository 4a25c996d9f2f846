//! What runs it: partitions counted in tasks, added up in the order of the file.

use std::fmt;
use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, replace_children_if_necessary};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use genomicframe_core::depth::{Chunk, DepthCounter, DepthMerger};
use tokio::sync::mpsc::{Sender, channel};

use super::node::Spec;
use crate::error::outer;
use crate::runtime;
use crate::scan::in_pieces;

/// Rows of depth, in the order of the header, in one partition.
#[derive(Debug)]
pub(super) struct DepthExec {
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<Spec>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl DepthExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>, spec: Arc<Spec>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(spec.layout.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self { input, spec, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for DepthExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match t {
            DisplayFormatType::TreeRender => write!(f, "{}", self.spec),
            _ => write!(f, "DepthExec: {}", self.spec),
        }
    }
}

impl ExecutionPlan for DepthExec {
    fn name(&self) -> &'static str {
        "DepthExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Pieces of the file are cut when it runs; other partitions than the scan's would mix their rows.
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
        let [input] =
            <[_; 1]>::try_from(children).map_err(|_| DataFusionError::Internal("depth has one input".to_owned()))?;
        Ok(Arc::new(Self::new(input, Arc::clone(&self.spec))))
    }

    #[allow(deprecated, reason = "required of every plan")]
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let options = ReplaceChildrenOptions::new(datafusion::physical_plan::ChildrenPropertiesMode::Recompute);
        self.replace_children(children, options)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (input, spec) = (Arc::clone(&self.input), Arc::clone(&self.spec));
        let metrics = BaselineMetrics::new(&self.metrics, 0);
        let rows = futures::stream::once(start(input, spec, context)).try_flatten();
        let rows = rows.inspect_ok(move |batch| {
            metrics.record_output(batch.num_rows());
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

type Rows = BoxStream<'static, Result<datafusion::arrow::array::RecordBatch>>;

/// Cuts the input into pieces and adds up what they count.
async fn start(input: Arc<dyn ExecutionPlan>, spec: Arc<Spec>, context: Arc<TaskContext>) -> Result<Rows> {
    let config = context.session_config();
    let threads = config.target_partitions().max(1);
    let merger = DepthMerger::new(spec.report(config.batch_size()).map_err(outer)?);
    let input = in_file_order(input)?;
    let cut = if threads > 1 { in_pieces(&input).await.map_err(DataFusionError::from)? } else { None };
    let input = match cut {
        Some(pieces) => pieces,
        // Whatever order the partitions have, reads that are not sorted are told.
        None if input.output_partitioning().partition_count() > 1 => Arc::new(CoalescePartitionsExec::new(input)),
        None => input,
    };
    let partitions = input.output_partitioning().partition_count();
    let start = move |partition| {
        let (input, spec, context) = (Arc::clone(&input), Arc::clone(&spec), Arc::clone(&context));
        std::future::ready(in_task(input, spec, context, partition))
    };
    // The one whose turn it is, and those after it that keep the other threads busy.
    let ahead = threads.min(partitions).max(1);
    let chunks = futures::stream::iter(0..partitions).map(start).buffered(ahead).flatten().boxed();
    Ok(futures::stream::try_unfold((merger, chunks, false), merge).boxed())
}

type Merging = (DepthMerger, BoxStream<'static, Result<Chunk>>, bool);

/// The next batch of rows.
async fn merge(
    (mut merger, mut chunks, mut is_last): Merging,
) -> Result<Option<(datafusion::arrow::array::RecordBatch, Merging)>> {
    loop {
        if let Some(batch) = merger.step().map_err(outer)? {
            return Ok(Some((batch, (merger, chunks, is_last))));
        }
        if is_last {
            return Ok(None);
        }
        match chunks.try_next().await? {
            Some(chunk) => merger.add(chunk).map_err(outer)?,
            None => {
                is_last = true;
                merger.finish();
            }
        }
    }
}

/// Chunks that a piece may have ready before it is its turn: about all of them, or its thread would wait.
const READY: usize = 16;

/// Counts a partition in a task, which ends when the stream is dropped.
fn in_task(
    input: Arc<dyn ExecutionPlan>,
    spec: Arc<Spec>,
    context: Arc<TaskContext>,
    partition: usize,
) -> BoxStream<'static, Result<Chunk>> {
    let (sender, receiver) = channel(READY);
    let task = SpawnedTask::spawn(async move {
        if let Err(e) = count(input, &spec, context, partition, &sender).await {
            // Whoever would be told has gone away.
            let _ = sender.send(Err(e)).await;
        }
    });
    let chunks = futures::stream::unfold((receiver, Some(task)), |(mut receiver, task)| async move {
        match receiver.recv().await {
            Some(chunk) => Some((chunk, (receiver, task))),
            // A task that panicked has not counted all of its reads.
            None => task?.await.is_err().then(|| (Err(runtime::lost().into()), (receiver, None))),
        }
    });
    chunks.boxed()
}

async fn count(
    input: Arc<dyn ExecutionPlan>,
    spec: &Spec,
    context: Arc<TaskContext>,
    partition: usize,
    sender: &Sender<Result<Chunk>>,
) -> Result<()> {
    let mut batches = input.execute(partition, context)?;
    let mut counter = DepthCounter::new(Arc::clone(&spec.contigs), spec.rules);
    while let Some(batch) = batches.try_next().await? {
        counter.add(&batch).map_err(outer)?;
        while let Some(chunk) = counter.step().map_err(outer)? {
            if sender.send(Ok(chunk)).await.is_err() {
                return Ok(());
            }
        }
    }
    if let Some(chunk) = counter.finish().map_err(outer)? {
        let _ = sender.send(Ok(chunk)).await;
    }
    Ok(())
}

/// The plan without operators that only spread its rows over threads, and so out of their order.
fn in_file_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(spread) = (&*plan as &dyn std::any::Any).downcast_ref::<RepartitionExec>()
        && matches!(spread.partitioning(), Partitioning::RoundRobinBatch(_))
    {
        return in_file_order(Arc::clone(spread.input()));
    }
    match plan.children()[..] {
        [child] => {
            let child = in_file_order(Arc::clone(child))?;
            replace_children_if_necessary(plan, vec![child])
        }
        _ => Ok(plan),
    }
}
