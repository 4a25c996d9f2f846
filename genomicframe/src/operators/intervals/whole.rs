//! The operator of verbs that look at all rows of their one input before they hand out any: merge and cluster.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewBuilder};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning};
use datafusion::physical_plan::execution_plan::{Boundedness, ChildrenPropertiesMode, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{TryStreamExt, stream};
use genomicframe_core::intervals::{Merged, cluster};

use super::super::once::Once;
use super::gather::{Merging, Numbered, Reading, in_order};
use super::node::Verb;
use super::options::MergeOptions;
use super::place::Indices;
use super::second::each;

/// An input and where its rows lie.
#[derive(Debug)]
pub(super) struct WholeExec {
    verb: Verb,
    options: MergeOptions,
    input: Arc<dyn ExecutionPlan>,
    places: Indices,
    whole: Once<Whole>,
    metrics: ExecutionPlanMetricsSet,
    properties: Arc<PlanProperties>,
}

/// All rows, ready to be handed out.
struct Whole {
    rows: Ready,
    _memory: MemoryReservation,
}

enum Ready {
    Merged(Vec<Row>, Vec<String>),
    /// The batches of each partition, with the clusters of their rows; 0 is none.
    Clustered(Vec<Vec<(RecordBatch, Vec<i64>)>>),
}

/// A merged row: the number of its contig among the names, or of its contig and strand.
#[derive(Clone, Copy)]
struct Row {
    merged: Merged,
    name: u32,
}

impl WholeExec {
    pub(super) fn new(
        verb: Verb,
        options: MergeOptions,
        input: Arc<dyn ExecutionPlan>,
        places: Indices,
        schema: SchemaRef,
    ) -> Self {
        // The order of rows numbers clusters and contigs, and must not depend on who read them.
        let input = in_order(input);
        let partitions = match verb {
            Verb::Cluster(_) => input.output_partitioning().partition_count(),
            _ => 1,
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Self { verb, options, input, places, whole: Once::default(), metrics, properties: Arc::new(properties) }
    }
}

impl Whole {
    async fn of(
        is_merge: bool,
        reading: Reading,
        input: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    ) -> Result<Self> {
        let tasks = context.session_config().target_partitions();
        let stranded = reading.columns.strand.is_some();
        if is_merge {
            let all = reading.all(input, context, |reading| Merging::new(reading.distance)).await?;
            let merge = |mut bag: Merging| {
                bag.merge();
                Some(bag.merged)
            };
            let merged = each(all.bags, merge, tasks).await?;
            let of_name =
                |(merged, name): (Vec<Merged>, u32)| merged.into_iter().map(move |merged| Row { merged, name });
            let mut rows: Vec<Row> = merged.into_iter().zip(0..).flat_map(of_name).collect();
            let names = all.names.list;
            if stranded {
                let contigs = contigs_of(&names);
                rows.sort_by_key(|row| (contigs[row.name as usize], row.merged.span, row.name));
            }
            return Ok(Self { rows: Ready::Merged(rows, names), _memory: all.memory });
        }
        let distance = reading.distance;
        let all = reading.all(input, context, |_| Numbered::default()).await?;
        let number = all.rows.iter().flatten().map(RecordBatch::num_rows).sum();
        let mut clusters = vec![0i64; number];
        let mut before = 0;
        let of = move |bag: Numbered| Some((cluster(&bag.spans, distance), bag.rows));
        for ((of, number), rows) in each(all.bags, of, tasks).await? {
            for (cluster, row) in of.into_iter().zip(rows) {
                if let Some(to) = clusters.get_mut(row as usize) {
                    *to = before + cluster as i64 + 1;
                }
            }
            before += number as i64;
        }
        let mut clusters = clusters.into_iter();
        let mut with_clusters = |batch: RecordBatch| {
            let of: Vec<i64> = clusters.by_ref().take(batch.num_rows()).collect();
            (batch, of)
        };
        let rows = all.rows.into_iter().map(|part| part.into_iter().map(&mut with_clusters).collect()).collect();
        Ok(Self { rows: Ready::Clustered(rows), _memory: all.memory })
    }

    /// The rows of a partition in batches.
    fn batch(
        &self,
        partition: usize,
        number: usize,
        batch_size: usize,
        schema: &SchemaRef,
        places: &Indices,
    ) -> Result<Option<RecordBatch>> {
        let columns = match &self.rows {
            Ready::Merged(rows, names) => {
                let from = number.saturating_mul(batch_size).min(rows.len());
                let rows = &rows[from..rows.len().min(from.saturating_add(batch_size))];
                if rows.is_empty() {
                    return Ok(None);
                }
                merged_columns(places, rows, names)
            }
            Ready::Clustered(parts) => {
                let Some((batch, clusters)) = parts.get(partition).and_then(|part| part.get(number)) else {
                    return Ok(None);
                };
                let clusters: Int64Array = clusters.iter().map(|cluster| (*cluster > 0).then_some(*cluster)).collect();
                let mut columns = batch.columns().to_vec();
                columns.push(Arc::new(clusters));
                columns
            }
        };
        Ok(Some(RecordBatch::try_new(Arc::clone(schema), columns)?))
    }
}

/// For each name of contig and strand the number of its contig, in order of appearance.
fn contigs_of(names: &[String]) -> Vec<usize> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let contig = |name: &'_ String| name.rsplit_once('\t').map_or(name.len(), |(contig, _)| contig.len());
    names
        .iter()
        .map(|name| {
            let next = seen.len();
            *seen.entry(&name[..contig(name)]).or_insert(next)
        })
        .collect()
}

/// Merged rows, with columns that count as these of the input do.
fn merged_columns(places: &Indices, rows: &[Row], names: &[String]) -> Vec<ArrayRef> {
    let (mut contigs, mut strands) = (StringViewBuilder::new(), StringViewBuilder::new());
    let mut spans = Vec::with_capacity(rows.len());
    for Row { merged, name } in rows {
        let name = names.get(*name as usize).map_or("", String::as_str);
        let (contig, strand) =
            if places.strand.is_some() { name.rsplit_once('\t').unwrap_or((name, ".")) } else { (name, "") };
        contigs.append_value(contig);
        strands.append_value(strand);
        spans.push(merged.span);
    }
    let (starts, ends) = places.columns_of(&spans);
    let counts: Int64Array = rows.iter().map(|row| row.merged.count as i64).collect();
    let mut columns: Vec<ArrayRef> = vec![Arc::new(contigs.finish()), starts, ends];
    if places.strand.is_some() {
        columns.push(Arc::new(strands.finish()));
    }
    columns.push(Arc::new(counts));
    columns
}

impl DisplayAs for WholeExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeExec: {}", self.verb)
    }
}

impl ExecutionPlan for WholeExec {
    fn name(&self) -> &str {
        "WholeExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// Clusters are handed out in the order of the input's rows.
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
        let Ok([input]) = <[_; 1]>::try_from(children) else {
            return internal_err!("{} has one input", self.verb.name());
        };
        let places = self.places.clone();
        Ok(Arc::new(Self::new(self.verb.clone(), self.options, input, places, self.schema())))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let is_merge = matches!(self.verb, Verb::Merge(_));
        let batch_size = context.session_config().batch_size();
        let whole = self.whole.get(|| {
            let reading = Reading {
                verb: self.verb.name(),
                columns: self.places.clone(),
                keeps_rows: !is_merge,
                distance: self.options.distance,
            };
            Whole::of(is_merge, reading, Arc::clone(&self.input), context)
        });
        let places = self.places.clone();
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let schema = self.schema();
        let batches = stream::once(whole).map_ok(move |whole| {
            let all = (whole, places.clone(), Arc::clone(&schema), metrics.clone());
            stream::try_unfold((all, 0), move |(all, number)| async move {
                let (whole, places, schema, metrics) = &all;
                let batch = whole.batch(partition, number, batch_size, schema, places)?;
                batch.iter().for_each(|batch| metrics.record_output(batch.num_rows()));
                Ok::<_, DataFusionError>(batch.map(|batch| (batch, (all, number + 1))))
            })
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema(), batches.try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
