//! The operator that makes rows of rows: the first input is streamed, the second one read before.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr, lit};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, SpillMetrics,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, apply_expression_roots,
};
use futures::{TryStreamExt, stream};

use super::super::later::taken;
use super::super::once::Once;
use super::super::spill::Spiller;
use super::ahead::Ahead;
use super::disk::{Room, spans_schema};
use super::gather::in_order;
use super::making::{Making, Output};
use super::node::Verb;
use super::place::Indices;
use super::second::{Held, Second};
use crate::scan::{SpansIn, reads_genomic_files};

/// One or two inputs and where their rows lie.
#[derive(Debug)]
pub(super) struct PerRowExec {
    verb: Verb,
    inputs: Vec<Arc<dyn ExecutionPlan>>,
    places: Vec<Indices>,
    /// What the second input's scan is told of the first one's rows.
    filter: Option<Arc<DynamicFilterPhysicalExpr>>,
    built: Once<Built>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

/// What is known before the first input's rows are looked at.
struct Built {
    second: Second,
    /// What was read of the first input, to tell the second one's scan.
    ahead: Option<Ahead>,
}

impl PerRowExec {
    pub(super) fn new(
        verb: Verb,
        mut inputs: Vec<Arc<dyn ExecutionPlan>>,
        places: Vec<Indices>,
        schema: SchemaRef,
    ) -> Result<Self> {
        // Which rows stand first must not depend on who read them.
        if let Some(second) = inputs.get_mut(1) {
            *second = in_order(Arc::clone(second));
        }
        let Some(first) = inputs.first() else { return internal_err!("{} has an input", verb.name()) };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(first.output_partitioning().partition_count()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        let (filter, built) = (None, Once::default());
        Ok(Self { verb, inputs, places, filter, built, metrics, properties: Arc::new(properties) })
    }

    /// The same verb of other inputs. Its filter stays the one that the second input knows.
    fn with(&self, inputs: Vec<Arc<dyn ExecutionPlan>>) -> Result<Self> {
        let new = Self::new(self.verb.clone(), inputs, self.places.clone(), self.schema())?;
        Ok(Self { filter: self.filter.clone(), ..new })
    }

    /// The second input and where its rows lie, if those far from all of the first one's are of no use.
    fn narrowed(&self) -> Option<(&Arc<dyn ExecutionPlan>, &Indices)> {
        self.verb.reach()?;
        self.inputs.get(1).filter(|second| reads_genomic_files(second)).zip(self.places.get(1))
    }

    /// Reads the second input, and before it, to tell its scan, what it may of the first one.
    fn build(
        &self,
        partition: usize,
        first: Arc<dyn ExecutionPlan>,
        places: Indices,
        context: Arc<TaskContext>,
    ) -> impl Future<Output = Result<Built>> + Send + use<> {
        let verb = self.verb.clone();
        let time = MetricBuilder::new(&self.metrics).subset_time("build_time", partition);
        let second = self.inputs.get(1).cloned().zip(self.places.get(1).cloned());
        let telling = self.filter.clone().zip(self.narrowed().map(|(plan, at)| (plan.schema(), at.clone())));
        let readers = first.output_partitioning().partition_count();
        let (runtime, spilled) = (context.runtime_env(), SpillMetrics::new(&self.metrics, partition));
        async move {
            let _timer = time.timer();
            if let Verb::Windows(windows) = verb {
                return Ok(Built { second: Second::Held(Arc::new(Held::alone(Box::new(windows)))), ahead: None });
            }
            let Some((second, columns)) = second else { return internal_err!("{} has a second input", verb.name()) };
            let ahead = match telling {
                Some((filter, (schema, at))) => {
                    let (ahead, covered) = Ahead::read(&verb, &first, &places, &context).await?;
                    if let Some(covered) = covered {
                        let [contig, start, end] = [at.contig, at.start, at.end].map(|i| column(&schema, i));
                        let (shift, regions) = (i64::from(at.zero_based), Arc::new(covered.at_most(SpansIn::MOST)));
                        filter.update(Arc::new(SpansIn { contig, start, shift, end, regions }))?;
                    }
                    filter.mark_complete();
                    Some(ahead)
                }
                None => None,
            };
            let schema = if verb.hands_out_second() { second.schema() } else { spans_schema() };
            let room = Room::new(Spiller::new(verb.name(), runtime, spilled, schema), readers);
            Ok(Built { second: Second::read(&verb, second, columns, context, room).await?, ahead })
        }
    }
}

fn column(schema: &SchemaRef, i: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema.field(i).name(), i))
}

impl DisplayAs for PerRowExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PerRowExec: {}", self.verb)
    }
}

impl ExecutionPlan for PerRowExec {
    fn name(&self) -> &str {
        "PerRowExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        self.inputs.iter().collect()
    }

    /// Rows are handed out in the order of the first input's, partition by partition.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false; self.inputs.len()]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.dynamic_expressions_produced(), f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(self.with(children)?))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (Some(first), Some(places)) = (self.inputs.first().cloned(), self.places.first().cloned()) else {
            return internal_err!("{} has an input", self.verb.name());
        };
        let built = self.built.get(|| self.build(partition, Arc::clone(&first), places.clone(), Arc::clone(&context)));
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let batch_size = context.session_config().batch_size();
        let making = Making { places, strands: self.verb.strands(), schema: self.schema(), batch_size };
        let verb = self.verb.clone();
        let memory = MemoryConsumer::new(format!("{}[{partition}]", verb.name())).register(context.memory_pool());
        let output = async move {
            let Built { second, ahead } = &*built.await?;
            // Of the first input no more is read before.
            let batches = match ahead.as_ref().and_then(|ahead| ahead.take(partition)) {
                Some(batches) => batches,
                None => first.execute(partition, context)?,
            };
            let (second, chunk, held) = (second.clone(), VecDeque::new(), None);
            let (waiting, most) = (VecDeque::new(), usize::MAX);
            let output = Output { verb, batches, second, making, metrics, memory, chunk, held, waiting, most };
            Ok::<_, DataFusionError>(output.run())
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), stream::once(output).try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn with_preserve_order(&self, preserve_order: bool) -> Option<Arc<dyn ExecutionPlan>> {
        let first = self.inputs.first()?.with_preserve_order(preserve_order)?;
        let inputs = std::iter::once(first).chain(self.inputs.iter().skip(1).cloned()).collect();
        Some(Arc::new(self.with(inputs).ok()?))
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.filter.iter().map(|f| Arc::clone(f) as Arc<dyn PhysicalExpr>).collect()
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parents: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        let mut all = FilterDescription::new();
        for (i, _) in self.inputs.iter().enumerate() {
            let mut of = ChildFilterDescription::all_unsupported(&parents);
            if i == 1
                && phase == FilterPushdownPhase::Post
                && self.filter.is_none()
                && let Some((second, at)) = self.narrowed()
            {
                let schema = second.schema();
                let columns = [at.contig, at.start, at.end].map(|i| column(&schema, i)).to_vec();
                of = of.with_self_filter(Arc::new(DynamicFilterPhysicalExpr::new(columns, lit(true))));
            }
            all = all.with_child(of);
        }
        Ok(all)
    }

    fn handle_child_pushdown_result(
        &self,
        _: FilterPushdownPhase,
        result: ChildPushdownResult,
        _: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        let filter = taken(&result);
        let propagation = FilterPushdownPropagation::if_any(result);
        if filter.is_none() {
            return Ok(propagation);
        }
        Ok(propagation.with_updated_node(Arc::new(Self { filter, ..self.with(self.inputs.clone())? })))
    }
}
