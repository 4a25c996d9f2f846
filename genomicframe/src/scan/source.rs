//! Planned ranges become streams of batches: DataFusion's side of the driver.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource};
use datafusion::datasource::projection::ProjectionOpener;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::LexOrdering;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet, MetricBuilder, Time};
use datafusion::physical_plan::{DisplayFormatType, PhysicalExpr};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use genomicframe_core::io::{ObjectMeta, Requests};
use genomicframe_core::scan::{
    Computed, Dataset, FormatId, Partition, Precision, ScanMetrics, ScanPlan, ScanRequest, Spawn, Tasks, drive_with,
    text_schema,
};
use object_store::ObjectStore;

use super::Access;
use super::computed::Reading;
use super::cost::Cost;
use super::narrowing::{Narrowing, Share};
use crate::error::outer;
use crate::options::GenomicOptions;
use crate::warnings::WarningLog;

/// One partition of one file, with all it takes to read it.
pub(super) struct PlannedPartition {
    pub(super) dataset: Arc<dyn Dataset>,
    pub(super) request: Arc<ScanRequest>,
    pub(super) objects: Arc<[ObjectMeta]>,
    pub(super) partition: Partition,
    /// Which partition of its file's plan it is, and of how many.
    pub(super) share: (usize, usize),
    /// Whether threads are left over for it, so that it is inflated beside being decoded.
    pub(super) ahead: bool,
}

/// Tasks of the runtime that polls the query.
struct OnRuntime;

impl Spawn for OnRuntime {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        tokio::spawn(work);
    }
}

/// The one file source, for every format.
#[derive(Clone)]
pub(super) struct GenomicSource {
    format: FormatId,
    schema: TableSchema,
    access: Access,
    /// As DataFusion sees it, over the table's columns.
    projection: ProjectionExprs,
    reading: Reading,
    batch_size: usize,
    metrics: ExecutionPlanMetricsSet,
    plans: Vec<Arc<PlanSummary>>,
    datasets: Vec<Arc<dyn Dataset>>,
    /// Files left out by what their path or header says.
    pub(super) excluded: usize,
    /// Whether rows are handed out as their own text.
    text: bool,
    /// What a join will tell of the rows it needs.
    narrowing: Option<Arc<Narrowing>>,
}

/// What `EXPLAIN` tells of one file's plan.
struct PlanSummary {
    location: String,
    index: String,
    regions: Option<String>,
    predicate: String,
    /// What statistics leave out.
    pruning: Option<String>,
    partitions: usize,
    requests: u64,
    bytes: u64,
    of_bytes: u64,
    /// Where somebody is charged for it.
    cost: Option<Cost>,
    warnings: Vec<String>,
}

impl GenomicSource {
    pub(super) fn new(format: FormatId, schema: TableSchema, access: Access, batch_size: usize) -> Self {
        let reading = Reading::unprojected(&schema);
        let projection = reading.split.source.clone();
        let metrics = ExecutionPlanMetricsSet::new();
        let (plans, datasets) = (Vec::new(), Vec::new());
        Self {
            format,
            schema,
            access,
            projection,
            reading,
            batch_size,
            metrics,
            plans,
            datasets,
            excluded: 0,
            text: false,
            narrowing: None,
        }
    }

    /// Remembers a file's plan for `EXPLAIN`, and passes on what it warns of.
    pub(super) fn add_plan(
        &mut self,
        location: &str,
        dataset: &Arc<dyn Dataset>,
        request: &ScanRequest,
        plan: &ScanPlan,
    ) {
        self.datasets.push(Arc::clone(dataset));
        for warning in &plan.warnings {
            self.access.warnings.tell(warning, 1);
        }
        // The objects of a plan with pruning are those that it leaves.
        let of_bytes = match (&plan.pruning, dataset.statistics().bytes) {
            (Some(_), Precision::Exact(bytes)) => bytes,
            _ => plan.objects.iter().map(|o| o.size).sum(),
        };
        let suited = plan.objects.first().map_or(Requests::LOCAL, |o| self.access.io.requests(&o.location));
        let (bytes, requests) = plan.reads(suited);
        self.plans.push(Arc::new(PlanSummary {
            location: location.to_owned(),
            index: plan.index.to_string(),
            regions: plan.regions.as_ref().map(|r| r.to_string()),
            predicate: request.predicate.to_string(),
            pruning: plan.pruning.as_ref().map(ToString::to_string),
            partitions: plan.partitions.len(),
            requests,
            bytes,
            of_bytes,
            cost: plan.objects.first().and_then(|o| Cost::new(&o.location, requests, bytes)),
            warnings: plan.warnings.clone(),
        }));
    }

    /// The same scan of rows as text.
    pub(super) fn of_text(&self) -> Self {
        let schema = TableSchema::builder(text_schema()).build();
        let reading = Reading::unprojected(&schema);
        let projection = reading.split.source.clone();
        let batch_size = self.batch_size.min(LINES);
        Self { schema, projection, reading, batch_size, text: true, ..self.clone() }
    }

    /// What it reads with.
    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    fn columns(&self) -> Vec<&str> {
        let Reading { split, schema, .. } = &self.reading;
        split.file_indices.iter().filter_map(|i| schema.fields().get(*i)).map(|f| f.name().as_str()).collect()
    }
}

/// Most rows of a batch of text: what is written next should still be in the cache.
const LINES: usize = 2048;
/// Files whose plans are shown one by one.
const SHOWN: usize = 4;

impl FileSource for GenomicSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let opener = Arc::new(GenomicOpener {
            access: self.access.clone(),
            columns: Arc::new(self.reading.columns()?),
            computed: Arc::clone(&self.reading.computed),
            batch_size: self.batch_size,
            text: self.text,
            // Which rows come first under a limit is settled already.
            narrowing: self.narrowing.clone().filter(|_| config.limit.is_none()),
            counters: Counters::new(&self.metrics, partition),
        });
        ProjectionOpener::try_new(self.reading.split.clone(), opener, &self.reading.schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, batch_size: usize) -> Arc<dyn FileSource> {
        // The session's is for columns.
        let batch_size = if self.text { batch_size.min(LINES) } else { batch_size };
        Arc::new(Self { batch_size, ..self.clone() })
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let projection = self.projection.try_merge(projection)?;
        let computes = self.access.options.compute_in_scan;
        let reading = Reading::new(&self.schema, &projection, &self.datasets, computes)?;
        Ok(Some(Arc::new(Self { projection, reading, ..self.clone() })))
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        self.format.0
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    /// Partitions were cut where records begin; cutting files by bytes would repeat and lose rows.
    fn repartitioned(
        &self,
        _: usize,
        _: usize,
        _: Option<LexOrdering>,
        _: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        Ok(None)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<datafusion::physical_plan::filter_pushdown::FilterPushdownPropagation<Arc<dyn FileSource>>> {
        use datafusion::physical_plan::filter_pushdown::{FilterPushdownPropagation, PushedDown};
        // What the scan can apply reached it through `scan_with_args`; the rest stays above it. What becomes known while the
        // query runs narrows the scan, and is tested again by who knows it.
        let answer = FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; filters.len()]);
        let narrowing = GenomicOptions::of(config).dynamic_regions.then(|| Narrowing::by(&filters)).flatten();
        Ok(match narrowing {
            Some(narrowing) => {
                let narrowing = Some(Arc::new(narrowing.and(self.narrowing.as_ref())));
                answer.with_updated_node(Arc::new(Self { narrowing, ..self.clone() }))
            }
            None => answer,
        })
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let filters = self.narrowing.iter().flat_map(|n| n.filters().cloned());
        let projected = self.projection.iter().map(|p| Arc::clone(&p.expr));
        datafusion::physical_plan::apply_expression_roots(projected.chain(filters), f)
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A tree has a line for each fact, the others have one line for everything.
        let (separator, part) = if t == DisplayFormatType::TreeRender { ("\n", "\n") } else { (", ", " ") };
        write!(f, "{separator}columns=[{}]", self.columns().join(", "))?;
        if let Some(narrowing) = &self.narrowing {
            write!(f, "{separator}{narrowing}")?;
        }
        for plan in self.plans.iter().take(SHOWN) {
            write!(f, "{separator}scan={}:{part}index={}", plan.location, plan.index)?;
            if let Some(regions) = &plan.regions {
                write!(f, "{part}regions={regions}")?;
            }
            if !plan.predicate.is_empty() {
                write!(f, "{part}filter={}", plan.predicate)?;
            }
            if let Some(pruning) = &plan.pruning {
                write!(f, "{part}{pruning}")?;
            }
            write!(
                f,
                "{part}partitions={} requests={} bytes={} of {}",
                plan.partitions, plan.requests, plan.bytes, plan.of_bytes
            )?;
            if let Some(cost) = &plan.cost {
                write!(f, "{part}cost={cost}")?;
            }
            for warning in &plan.warnings {
                write!(f, "{part}warning={warning}")?;
            }
        }
        if self.plans.len() > SHOWN || self.excluded > 0 {
            let bytes: u64 = self.plans.iter().map(|p| p.bytes).sum();
            let requests: u64 = self.plans.iter().map(|p| p.requests).sum();
            write!(f, "{separator}files={} excluded={}", self.plans.len(), self.excluded)?;
            write!(f, " requests={requests} bytes={bytes}")?;
            if self.plans.iter().any(|p| p.cost.is_some()) {
                write!(f, " cost={}", self.plans.iter().filter_map(|p| p.cost).sum::<Cost>())?;
            }
        }
        Ok(())
    }
}

struct GenomicOpener {
    access: Access,
    /// The files' columns that are read, and those that are computed.
    columns: SchemaRef,
    computed: Arc<[Computed]>,
    batch_size: usize,
    text: bool,
    narrowing: Option<Arc<Narrowing>>,
    counters: Counters,
}

impl FileOpener for GenomicOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let planned = file
            .extension::<Arc<PlannedPartition>>()
            .cloned()
            .ok_or_else(|| DataFusionError::Internal("a genomic scan without its planned partition".into()))?;
        let (access, columns, counters) = (self.access.clone(), Arc::clone(&self.columns), self.counters.clone());
        let schema = planned.dataset.schema();
        let projection = columns.fields().iter().filter_map(|f| schema.index_of(f.name()).ok()).collect();
        let computed = self.computed.iter().filter(|c| planned.dataset.compute(c).is_some()).cloned().collect();
        let (batch_size, text) = (self.batch_size, self.text);
        let narrowing = self.narrowing.clone().filter(|_| planned.request.limit.is_none());
        Ok(async move {
            let share = match narrowing {
                Some(narrowing) => narrowing.share(&planned, &access).await.map_err(outer)?,
                None => Share::whole(&planned),
            };
            let (dataset, partition) = (&planned.dataset, &share.partition);
            // Projection and batch size are settled only now; regions and filters were settled by the plan.
            let request = ScanRequest { projection, computed, batch_size, ..(*share.request).clone() };
            let decoder =
                if text { dataset.text_decoder(&request, partition) } else { dataset.decoder(&request, partition) };
            let decoder = decoder.map_err(outer)?;
            let metrics = Arc::new(ScanMetrics::default());
            // Few rows are wanted of a limit: what is asked for ahead of them would come in vain.
            let spawner = request.limit.is_none().then(|| Arc::new(OnRuntime) as Arc<dyn Spawn>);
            let tasks = Tasks { spawner, inflate: planned.ahead };
            let stream = drive_with(access.io, share.objects, share.partition, decoder, Arc::clone(&metrics), tasks);
            let told = Told { counters, metrics, warnings: access.warnings };
            let stream = stream.map(move |batch| {
                told.update();
                complete(batch.map_err(outer)?, &columns)
            });
            Ok(stream.boxed())
        }
        .boxed())
    }
}

/// Adds nulls for columns that other files of the table have and this one lacks.
fn complete(batch: RecordBatch, columns: &SchemaRef) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let column = |name: &str, of| batch.column_by_name(name).cloned().unwrap_or_else(|| new_null_array(of, rows));
    let arrays = columns.fields().iter().map(|f| column(f.name(), f.data_type())).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::clone(columns), arrays, &options)?)
}

/// The scan's counters as `EXPLAIN ANALYZE` shows them.
#[derive(Clone)]
struct Counters {
    requests: Count,
    bytes_read: Count,
    bytes_inflated: Count,
    records_seen: Count,
    records_kept: Count,
    records_skipped: Count,
    values_nulled: Count,
    read_time: Time,
    inflate_time: Time,
    frame_time: Time,
    filter_time: Time,
    build_time: Time,
}

impl Counters {
    fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name| MetricBuilder::new(metrics).counter(name, partition);
        let time = |name| MetricBuilder::new(metrics).subset_time(name, partition);
        Self {
            requests: counter("requests"),
            bytes_read: counter("bytes_read"),
            bytes_inflated: counter("bytes_inflated"),
            records_seen: counter("records_seen"),
            records_kept: counter("records_kept"),
            records_skipped: counter("records_skipped"),
            values_nulled: counter("values_nulled"),
            read_time: time("read_time"),
            inflate_time: time("inflate_time"),
            frame_time: time("frame_time"),
            filter_time: time("filter_time"),
            build_time: time("build_time"),
        }
    }
}

/// Passes a stream's counts on, batch by batch and when it ends or is dropped.
struct Told {
    counters: Counters,
    metrics: Arc<ScanMetrics>,
    warnings: Arc<WarningLog>,
}

impl Told {
    fn update(&self) {
        let (m, c) = (&self.metrics, &self.counters);
        let pairs = [
            (&m.requests, &c.requests),
            (&m.bytes_read, &c.bytes_read),
            (&m.bytes_inflated, &c.bytes_inflated),
            (&m.records_seen, &c.records_seen),
            (&m.records_kept, &c.records_kept),
        ];
        let bad = m.take_bad_records();
        c.records_skipped.add(usize::try_from(bad.skipped).unwrap_or(usize::MAX));
        c.values_nulled.add(usize::try_from(bad.nulled).unwrap_or(usize::MAX));
        self.warnings.add_bad(bad);
        for (from, to) in pairs {
            to.add(usize::try_from(from.swap(0, Ordering::Relaxed)).unwrap_or(usize::MAX));
        }
        let times = [
            (&m.read_time, &c.read_time),
            (&m.inflate_time, &c.inflate_time),
            (&m.frame_time, &c.frame_time),
            (&m.filter_time, &c.filter_time),
            (&m.build_time, &c.build_time),
        ];
        for (from, to) in times {
            to.add_duration(Duration::from_nanos(from.swap(0, Ordering::Relaxed)));
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.update();
        for (what, times) in self.metrics.warnings().iter() {
            self.warnings.tell(what, times);
        }
    }
}
