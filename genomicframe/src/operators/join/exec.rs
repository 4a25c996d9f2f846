//! The physical operator.

use std::fmt;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, JoinSide, JoinType, Result, internal_err};
use datafusion::execution::memory_pool::MemoryConsumer;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr, lit};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, SpillMetrics, Time,
};
use datafusion::physical_plan::projection::{EmbeddedProjection, ProjectionExec, try_embed_projection};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, Distribution, ExecutionPlan, ExecutionPlanProperties, InputDistributionRequirements,
    PhysicalExpr, PlanProperties, ReplaceChildrenOptions,
};
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};

use super::super::later::taken;
use super::super::once::Once;
use super::super::spill::Spiller;
use super::build::{Build, Room, Rows, Sides};
use super::pairs::Output;
use super::places::PlaceRows;
use super::rows::Probing;
use super::spill::Router;

/// Joins rows whose keys are equal and whose spans overlap.
///
/// The left side is read completely first; then the right one's partitions are streamed. In between, what the left side
/// covers is told to the right one's scan, unless rows of the right side are wanted that have no partner.
#[derive(Debug)]
pub(crate) struct IntervalJoinExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    sides: Sides,
    residual: Option<JoinFilter>,
    join_type: JoinType,
    /// Of the join's columns, those that are handed out.
    projection: Option<Vec<usize>>,
    /// What the right side's scan is told.
    filter: Option<Arc<DynamicFilterPhysicalExpr>>,
    /// What the user should know of it.
    warning: Option<String>,
    /// The left side, read once for all partitions.
    build: Once<Build>,
    metrics: ExecutionPlanMetricsSet,
    columns: Vec<ColumnIndex>,
    properties: Arc<PlanProperties>,
}

impl IntervalJoinExec {
    /// A join of `left`, which is read first, with `right`.
    pub(super) fn try_new(
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        sides: Sides,
        residual: Option<JoinFilter>,
        join_type: JoinType,
        projection: Option<Vec<usize>>,
    ) -> Result<Self> {
        let (schema, columns) = build_join_schema(&left.schema(), &right.schema(), &join_type);
        let (schema, columns) = match &projection {
            Some(kept) => (schema.project(kept)?, kept.iter().map(|i| columns[*i].clone()).collect()),
            None => (schema, columns),
        };
        let partitions = right.output_partitioning().partition_count();
        let emission = match join_type {
            JoinType::Left | JoinType::Full | JoinType::LeftSemi | JoinType::LeftAnti => EmissionType::Both,
            _ => EmissionType::Incremental,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::new(schema)),
            Partitioning::UnknownPartitioning(partitions),
            emission,
            Boundedness::Bounded,
        );
        Ok(Self {
            left,
            right,
            sides,
            residual,
            join_type,
            projection,
            filter: None,
            warning: None,
            build: Once::default(),
            metrics: ExecutionPlanMetricsSet::new(),
            columns,
            properties: Arc::new(properties),
        })
    }

    pub(super) fn with_warning(self, warning: Option<String>) -> Self {
        Self { warning, ..self }
    }

    /// The same join of other inputs, or with other columns. Its filter stays the one that the right side knows.
    fn with(
        &self,
        left: Arc<dyn ExecutionPlan>,
        right: Arc<dyn ExecutionPlan>,
        projection: Option<Vec<usize>>,
    ) -> Result<Self> {
        let (sides, residual) = (self.sides.clone(), self.residual.clone());
        let new = Self::try_new(left, right, sides, residual, self.join_type, projection)?;
        Ok(Self { filter: self.filter.clone(), warning: self.warning.clone(), ..new })
    }

    /// Whether rows of the right side that overlap nothing are of no use.
    fn narrows(&self) -> bool {
        use JoinType::{Full, Right, RightAnti, RightMark};
        self.sides.contig.is_some() && !matches!(self.join_type, Right | Full | RightAnti | RightMark)
    }

    /// The columns that the filter is about.
    fn filter_columns(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        let Sides { right_keys, spans, contig, .. } = &self.sides;
        let contig = contig.and_then(|i| right_keys.get(i));
        let exprs = contig.into_iter().chain([&spans.right.start, &spans.right.end]);
        let mut columns: Vec<Column> = exprs.flat_map(collect_columns).collect();
        columns.sort_by_key(Column::index);
        columns.dedup();
        columns.into_iter().map(|c| Arc::new(c) as Arc<dyn PhysicalExpr>).collect()
    }

    fn output(&self, batch_size: usize, time: Time) -> Arc<Output> {
        Arc::new(Output {
            schema: self.schema(),
            columns: self.columns.clone(),
            residual: self.residual.clone(),
            join_type: self.join_type,
            batch_size,
            time,
        })
    }

    /// The left side, which the first partition that asks begins to read.
    fn build(
        &self,
        output: &Arc<Output>,
        places: Option<&PlaceRows>,
        context: &Arc<TaskContext>,
    ) -> BoxFuture<'static, Result<Arc<Build>>> {
        self.build.get(|| {
            let stream = self.left.execute(0, Arc::clone(context));
            let memory = MemoryConsumer::new(super::NAME).with_can_spill(true).register(context.memory_pool());
            let places = places.cloned();
            let schema = places.as_ref().map_or_else(|| self.left.schema(), |rows| Arc::clone(&rows.schema));
            let spiller = Spiller::new(super::NAME, context.runtime_env(), SpillMetrics::new(&self.metrics, 0), schema);
            let probes = self.right.output_partitioning().partition_count();
            let room = Room { probes, memory, spiller: Arc::new(spiller) };
            let (sides, output, filter) = (self.sides.clone(), Arc::clone(output), self.filter.clone());
            let time = MetricBuilder::new(&self.metrics).subset_time("build_time", 0);
            let rows = MetricBuilder::new(&self.metrics).counter("build_rows", 0);
            let held = MetricBuilder::new(&self.metrics).gauge("build_mem_used", 0);
            let blocks = MetricBuilder::new(&self.metrics).counter("spilled_blocks", 0);
            async move {
                let _timer = time.timer();
                let built = Build::read(stream?, &sides, places.as_ref(), &output, room, filter.as_deref()).await?;
                rows.add(built.number);
                held.add(built.memory());
                if let Rows::Spilled(spilled, _) = &built.rows {
                    blocks.add(spilled.len());
                }
                Ok(built)
            }
        })
    }
}

impl EmbeddedProjection for IntervalJoinExec {
    fn with_projection(&self, projection: Option<Vec<usize>>) -> Result<Self> {
        let projection = match (&self.projection, projection) {
            (Some(own), Some(of)) => Some(of.iter().map(|i| own[*i]).collect()),
            (own, None) => own.clone(),
            (None, of) => of,
        };
        self.with(Arc::clone(&self.left), Arc::clone(&self.right), projection)
    }
}

impl DisplayAs for IntervalJoinExec {
    fn fmt_as(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if t == DisplayFormatType::TreeRender { "\n" } else { ", " };
        if t != DisplayFormatType::TreeRender {
            write!(f, "IntervalJoinExec: ")?;
        }
        write!(f, "join_type={}", self.join_type)?;
        let keys = self.sides.left_keys.iter().zip(&self.sides.right_keys);
        for (i, (left, right)) in keys.enumerate() {
            write!(f, "{}{left} = {right}", if i == 0 { format!("{separator}on=[") } else { ", ".into() })?;
        }
        write!(f, "{}", if self.sides.left_keys.is_empty() { "" } else { "]" })?;
        write!(f, "{separator}overlap=[{}, {}]", self.sides.spans.left, self.sides.spans.right)?;
        if let Some(residual) = &self.residual {
            write!(f, "{separator}filter={residual}")?;
        }
        if let Some(projection) = &self.projection {
            let schema = self.schema();
            let names = schema.fields().iter().zip(projection).map(|(field, i)| format!("{}@{i}", field.name()));
            write!(f, "{separator}projection=[{}]", names.collect::<Vec<_>>().join(", "))?;
        }
        match &self.warning {
            Some(warning) => write!(f, "{separator}warning={warning}"),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for IntervalJoinExec {
    fn name(&self) -> &'static str {
        "IntervalJoinExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        InputDistributionRequirements::new(vec![Distribution::SinglePartition, Distribution::UnspecifiedDistribution])
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let Sides { left_keys, right_keys, spans, .. } = &self.sides;
        let spans = [&spans.left.start, &spans.left.end, &spans.right.start, &spans.right.end];
        let own = left_keys.iter().chain(right_keys).chain(spans).cloned();
        let residual = self.residual.iter().map(|r| Arc::clone(r.expression()));
        let roots = own.chain(residual).chain(self.dynamic_expressions_produced());
        datafusion::physical_plan::apply_expression_roots(roots, f)
    }

    fn dynamic_expressions_produced(&self) -> Vec<Arc<dyn PhysicalExpr>> {
        self.filter.iter().map(|f| Arc::clone(f) as Arc<dyn PhysicalExpr>).collect()
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Ok([left, right]) = <[_; 2]>::try_from(children) else {
            return internal_err!("an interval join has two inputs");
        };
        Ok(Arc::new(self.with(left, right, self.projection.clone())?))
    }

    #[allow(deprecated)]
    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let recompute = datafusion::physical_plan::execution_plan::ChildrenPropertiesMode::Recompute;
        self.replace_children(children, ReplaceChildrenOptions::new(recompute))
    }

    /// A new run reads its left side anew, and tells the same filter.
    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let (left, right) = (Arc::clone(&self.left), Arc::clone(&self.right));
        Ok(Arc::new(self.with(left, right, self.projection.clone())?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let output = self.output(context.session_config().batch_size(), baseline.elapsed_compute().clone());
        let places = PlaceRows::of(&self.sides, &output, &self.left.schema());
        let build = self.build(&output, places.as_ref(), &context);
        // As the left side's rows are kept.
        let sides = Arc::new(places.map_or_else(|| self.sides.clone(), |rows| rows.sides));
        let right = Arc::clone(&self.right);
        let spill = SpillMetrics::new(&self.metrics, partition);
        let rows = async move {
            let build = build.await?;
            // Only now does the right side know what it need not read.
            let probe = right.execute(partition, Arc::clone(&context))?;
            let router = Router::new(&context.runtime_env(), &spill, &right.schema());
            let memory = MemoryConsumer::new(format!("{}[{partition}]", super::NAME)).register(context.memory_pool());
            Ok::<_, DataFusionError>(Probing { sides, output, build }.run(probe, router, memory))
        };
        let rows = stream::once(rows).try_flatten().map(move |batch| {
            if let Ok(batch) = &batch {
                baseline.record_output(batch.num_rows());
            }
            batch
        });
        let rows = RecordBatchStreamAdapter::new(self.schema(), rows.boxed());
        Ok(Box::pin(datafusion::physical_plan::coop::cooperative(rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if self.projection.is_some() { Ok(None) } else { try_embed_projection(projection, self) }
    }

    fn gather_filters_for_pushdown(
        &self,
        phase: FilterPushdownPhase,
        parents: Vec<Arc<dyn PhysicalExpr>>,
        _: &ConfigOptions,
    ) -> Result<FilterDescription> {
        // A filter on rows of the join may go to the side whose rows are all in it, each as often as it has partners.
        let columns_of = |side: JoinSide| {
            let of_side = |(at, c): (usize, &ColumnIndex)| (c.side == side).then_some(at);
            self.columns.iter().enumerate().filter_map(of_side).collect()
        };
        let child = |side, plan: &Arc<dyn ExecutionPlan>, keeps: bool| {
            if keeps {
                ChildFilterDescription::from_child_with_allowed_indices(&parents, columns_of(side), plan)
            } else {
                Ok(ChildFilterDescription::all_unsupported(&parents))
            }
        };
        use JoinType::{Inner, Left, LeftAnti, LeftSemi, Right, RightAnti, RightMark, RightSemi};
        let left = child(JoinSide::Left, &self.left, matches!(self.join_type, Inner | Left | LeftSemi | LeftAnti))?;
        let of_right = matches!(self.join_type, Inner | Right | RightSemi | RightAnti | RightMark);
        let mut right = child(JoinSide::Right, &self.right, of_right)?;
        if phase == FilterPushdownPhase::Post && self.filter.is_none() && self.narrows() {
            right = right.with_self_filter(Arc::new(DynamicFilterPhysicalExpr::new(self.filter_columns(), lit(true))));
        }
        Ok(FilterDescription::new().with_child(left).with_child(right))
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
        let new = self.with(Arc::clone(&self.left), Arc::clone(&self.right), self.projection.clone())?;
        Ok(propagation.with_updated_node(Arc::new(Self { filter, ..new })))
    }
}
