//! The operator that makes rows of rows: the first input is streamed, the second one read before.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::{Column, DynamicFilterPhysicalExpr, lit};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType};
use datafusion::physical_plan::filter_pushdown::{
    ChildFilterDescription, ChildPushdownResult, FilterDescription, FilterPushdownPhase, FilterPushdownPropagation,
};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions, apply_expression_roots,
};
use futures::{StreamExt, TryStreamExt, stream};
use genomicframe_core::intervals::{Counts, Span, Union};

use super::super::batches::as_one;
use super::super::once::Once;
use super::ahead::Ahead;
use super::gather::{Bag, Gathered, Merging, Numbered, Reading, in_order, stopped};
use super::kernels::{ByContig, Kernel, Made, Nearest, Rows};
use super::node::Verb;
use super::options::Strands;
use super::place::{Indices, Names, Place, UNKNOWN, texts};
use crate::error::outer;
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

/// What the second input became.
struct Built {
    kernel: Box<dyn Kernel>,
    names: Names,
    /// All rows, where they are handed out.
    rows: Option<RecordBatch>,
    /// What was read of the first input, to tell the second one's scan.
    ahead: Option<Ahead>,
    _memory: Option<MemoryReservation>,
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
}

impl Built {
    async fn of(
        verb: Verb,
        second: Option<(Arc<dyn ExecutionPlan>, Indices)>,
        context: Arc<TaskContext>,
    ) -> Result<Self> {
        let tasks = context.session_config().target_partitions();
        if let Verb::Windows(windows) = verb {
            let names = Names::default();
            return Ok(Self { kernel: Box::new(windows), names, rows: None, ahead: None, _memory: None });
        }
        let Some((input, columns)) = second else { return internal_err!("{} has a second input", verb.name()) };
        let keeps_rows = matches!(verb, Verb::Nearest(_));
        let reading = Reading { verb: verb.name(), columns, keeps_rows, distance: 0 };
        let schema = input.schema();
        match verb {
            Verb::CountOverlaps(_) => {
                let all = reading.all(input, context, |_| Vec::<Span>::new()).await?;
                let counts = each(all.bags, |spans| Counts::try_of(&spans), tasks).await?;
                Ok(Self::new(Box::new(ByContig(counts)), all.names, None, all.memory))
            }
            Verb::Coverage(_) => {
                let all = reading.all(input, context, |_| Vec::<Span>::new()).await?;
                let of = |spans: Vec<Span>| Some((Counts::try_of(&spans)?, Union::try_of(spans)?));
                let of = each(all.bags, of, tasks).await?;
                Ok(Self::new(Box::new(ByContig(of)), all.names, None, all.memory))
            }
            Verb::Nearest(options) => {
                let all = reading.all(input, context, |_| Numbered::default()).await?;
                let Gathered { names, bags, rows, memory } = all;
                let rows = as_one(&schema, rows.iter().flatten())?;
                let contigs = ByContig(each(bags, Nearest::of, tasks).await?);
                Ok(Self::new(Box::new(Nearest { contigs, options }), names, Some(rows), memory))
            }
            _ => {
                let all = reading.all(input, context, |reading| Merging::new(reading.distance)).await?;
                if let Verb::Complement(known) = &verb
                    && let Some(name) = all.names.list.iter().find(|name| !known.contains(name))
                {
                    let e = genomicframe_core::Error::invalid("the length of a contig is not known");
                    return Err(outer(e.text(name.as_bytes())));
                }
                let union = |bag: Merging| Union::try_of(bag.merged.iter().map(|merged| merged.span));
                let unions = each(all.bags, union, tasks).await?;
                Ok(Self::new(Box::new(ByContig(unions)), all.names, None, all.memory))
            }
        }
    }

    fn new(kernel: Box<dyn Kernel>, names: Names, rows: Option<RecordBatch>, memory: MemoryReservation) -> Self {
        memory.resize(kernel.memory() + rows.as_ref().map_or(0, RecordBatch::get_array_memory_size));
        Self { kernel, names, rows, ahead: None, _memory: Some(memory) }
    }
}

/// Few intervals are not worth a task.
const WORTH_A_TASK: usize = 1 << 14;

/// What `make` makes of each contig, in about so many tasks.
pub(super) async fn each<B: Bag, T: Send + 'static>(
    bags: Vec<B>,
    make: impl Fn(B) -> Option<T> + Copy + Send + 'static,
    tasks: usize,
) -> Result<Vec<T>> {
    let rows: usize = bags.iter().map(B::len).sum();
    let share = (rows / (tasks * 4).max(1)).max(WORTH_A_TASK);
    let mut parts: Vec<(usize, Vec<B>)> = Vec::new();
    for bag in bags {
        match parts.last_mut() {
            Some((held, part)) if *held < share => {
                *held += bag.len();
                part.push(bag);
            }
            _ => parts.push((bag.len(), vec![bag])),
        }
    }
    let of_part = move |part: Vec<B>| part.into_iter().map(make).collect::<Option<Vec<T>>>().ok_or_else(too_many);
    if tasks < 2 {
        return Ok(parts
            .into_iter()
            .map(|(_, part)| of_part(part))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect());
    }
    let made = stream::iter(parts).map(|(_, part)| async move {
        SpawnedTask::spawn(async move { of_part(part) }).join().await.map_err(stopped)?
    });
    let made: Vec<Vec<T>> = made.buffered(tasks).try_collect().await?;
    Ok(made.into_iter().flatten().collect())
}

fn too_many() -> DataFusionError {
    outer(genomicframe_core::Error::limit("there are more than 2^32 intervals on one contig"))
}

/// A batch of the first input, in the making.
struct Batch {
    batch: RecordBatch,
    places: Vec<Option<Place>>,
    strands: Option<StringViewArray>,
    next: usize,
    pieces: u64,
}

/// What makes output of batches.
struct Making {
    built: Arc<Built>,
    places: Indices,
    strands: Option<Strands>,
    schema: SchemaRef,
    batch_size: usize,
}

impl Making {
    fn begin(&self, batch: RecordBatch) -> Result<Batch> {
        let strands = self.places.strand.map(|strand| texts(&batch, strand)).transpose()?;
        let names = &self.built.names;
        let places = match self.strands {
            // The second input's contigs were told apart by strand.
            Some(of) => self.places.read(&batch, strands.as_ref(), |name| {
                let (contig, own) = name.rsplit_once('\t').unwrap_or((name, ""));
                Ok(of.partner(own).map_or(UNKNOWN, |strand| names.get(&format!("{contig}\t{strand}"))))
            })?,
            None => self.places.read(&batch, None, |name| Ok(names.get(name)))?,
        };
        Ok(Batch { batch, places, strands, next: 0, pieces: 0 })
    }

    /// The next rows; `None` when the batch is done.
    fn next(&self, of: &mut Batch) -> Result<Option<RecordBatch>> {
        if of.next >= of.places.len() {
            return Ok(None);
        }
        let mut rows = Rows {
            places: &of.places,
            strands: of.strands.as_ref(),
            next: of.next,
            pieces: of.pieces,
            most: self.batch_size,
        };
        let made = self.built.kernel.make(&mut rows)?;
        (of.next, of.pieces) = (rows.next, rows.pieces);
        self.assemble(&of.batch, made).map(Some)
    }

    fn assemble(&self, batch: &RecordBatch, made: Made) -> Result<RecordBatch> {
        let Made { rows, spans, others, columns: added } = made;
        let number = rows.as_ref().map_or(batch.num_rows(), Vec::len);
        let rows = rows.map(UInt32Array::from);
        let moved = spans.map(|spans| self.places.columns_of(&spans));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (i, column) in batch.columns().iter().enumerate() {
            columns.push(match (&moved, &rows) {
                (Some((starts, _)), _) if i == self.places.start => Arc::clone(starts),
                (Some((_, ends)), _) if i == self.places.end => Arc::clone(ends),
                (_, Some(rows)) => take(column, rows, None)?,
                (_, None) => Arc::clone(column),
            });
        }
        if let (Some(others), Some(of)) = (&others, &self.built.rows) {
            for column in of.columns() {
                columns.push(take(column, others, None)?);
            }
        }
        columns.extend(added);
        let options = RecordBatchOptions::new().with_row_count(Some(number));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
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
        let strands = self.verb.strands();
        let time = MetricBuilder::new(&self.metrics).subset_time("build_time", partition);
        let built = self.built.get(|| {
            let second = self.inputs.get(1).cloned().zip(self.places.get(1).cloned());
            let (verb, context) = (self.verb.clone(), Arc::clone(&context));
            let telling = self.filter.clone().zip(self.narrowed().map(|(plan, at)| (plan.schema(), at.clone())));
            let (first, places) = (Arc::clone(&first), places.clone());
            async move {
                let _timer = time.timer();
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
                Ok(Built { ahead, ..Built::of(verb, second, context).await? })
            }
        });
        let schema = self.schema();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let output = async move {
            let built = built.await?;
            let batch_size = context.session_config().batch_size();
            // Of the first input no more is read before.
            let batches = match built.ahead.as_ref().and_then(|ahead| ahead.take(partition)) {
                Some(batches) => batches,
                None => first.execute(partition, context)?,
            };
            let making = Making { built, places, strands, schema, batch_size };
            Ok::<_, DataFusionError>(stream::try_unfold(
                (batches, None::<Batch>, making, metrics),
                |(mut batches, mut of, making, metrics)| async move {
                    loop {
                        if let Some(batch) = &mut of {
                            let timer = metrics.elapsed_compute().timer();
                            let made = making.next(batch)?;
                            timer.done();
                            match made {
                                Some(made) if made.num_rows() == 0 => continue,
                                Some(made) => {
                                    metrics.record_output(made.num_rows());
                                    return Ok(Some((made, (batches, of, making, metrics))));
                                }
                                None => {}
                            }
                        }
                        match batches.try_next().await? {
                            Some(batch) => {
                                let _timer = metrics.elapsed_compute().timer();
                                of = Some(making.begin(batch)?);
                            }
                            None => return Ok(None),
                        }
                    }
                },
            ))
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
        let filter = result.self_filters.get(1).and_then(|of| of.first()).map(|f| Arc::clone(&f.predicate));
        let propagation = FilterPushdownPropagation::if_any(result);
        match filter.map(|f| Arc::downcast::<DynamicFilterPhysicalExpr>(f as Arc<dyn Any + Send + Sync>)) {
            Some(Ok(filter)) => {
                let new = Self { filter: Some(filter), ..self.with(self.inputs.clone())? };
                Ok(propagation.with_updated_node(Arc::new(new)))
            }
            _ => Ok(propagation),
        }
    }
}
