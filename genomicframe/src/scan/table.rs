//! One table for every format: filters in, ranges of files out.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::{ScanArgs, ScanResult, Session, TableProvider};
use datafusion::common::stats::Precision as Known;
use datafusion::common::{DFSchema, Result as QueryResult, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::source_as_provider;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableScan, TableType};
use datafusion::physical_plan::ExecutionPlan;
use genomicframe_core::genome::{Region, RegionSet, resolve_names};
use genomicframe_core::scan::{
    Condition, Dataset, FormatId, Precision, Predicate, Pushdown, ScanPlan, ScanRequest, narrow,
};

use super::Access;
use super::condition::Translator;
use super::files::{OpenFile, ReadOptions, open};
use super::source::{GenomicSource, PlannedPartition};
use crate::error::{Error, Result};

/// The table that one or several genomic files of one format make.
#[derive(Debug)]
pub struct GenomicTable {
    access: Access,
    files: Vec<TableFile>,
    /// Columns of the files, then those that are the same for all rows of a file.
    schema: TableSchema,
    regions: Option<Vec<String>>,
}

#[derive(Debug)]
struct TableFile {
    file: OpenFile,
    /// Values of the columns beyond the file's own.
    values: Vec<ScalarValue>,
}

/// Column of a table of several files: the path of the row's file.
const FILE: &str = "file";
/// Column of a table of several files: the one sample of the row's file, or null.
const SAMPLE: &str = "sample";

impl GenomicTable {
    /// Opens what `paths` name: headers are read, data is not.
    ///
    /// # Errors
    /// When nothing is found, files do not fit together, or a header is broken.
    pub(crate) async fn open(access: Access, paths: &[String], options: &ReadOptions) -> Result<Self> {
        let opened = open(paths, &access, options).await?;
        let columns = union(&opened.files)?;
        let names = partition_columns(&opened.files, options)?;
        let mut extra: Vec<FieldRef> = Vec::new();
        let mut add = |name: &str| {
            let taken = columns.fields().iter().any(|f| f.name() == name) || extra.iter().any(|f| f.name() == name);
            if !taken {
                extra.push(Arc::new(Field::new(name, DataType::Utf8View, true)));
            }
            !taken
        };
        let names: Vec<String> = names.into_iter().filter(|n| add(n)).collect();
        let file = opened.many && add(FILE);
        let sample = opened.many && add(SAMPLE);
        let text = |value: Option<String>| ScalarValue::Utf8View(value);
        let files = opened.files.into_iter().map(|f| {
            let of = |name: &String| f.partitions.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            let mut values: Vec<_> = names.iter().map(|n| text(of(n))).collect();
            values.extend(file.then(|| text(Some(f.location.to_string()))));
            values.extend(sample.then(|| text(f.dataset.sample())));
            TableFile { file: f, values }
        });
        let files = files.collect();
        let schema = TableSchema::builder(columns).with_table_partition_cols(extra).build();
        let regions = (!options.regions.is_empty()).then(|| options.regions.clone());
        Ok(Self { access, files, schema, regions })
    }

    /// The table that a node of a plan scans, if it is one of these.
    pub(crate) fn of(scan: &TableScan) -> QueryResult<Option<Arc<Self>>> {
        let provider: Arc<dyn Any + Send + Sync> = source_as_provider(&scan.source)?;
        Ok(provider.downcast().ok())
    }

    /// The format of its files.
    pub fn format(&self) -> FormatId {
        self.files.first().map_or(FormatId(""), |f| f.file.dataset.format())
    }

    /// Its files, opened.
    pub fn datasets(&self) -> impl Iterator<Item = &Arc<dyn Dataset>> {
        self.files.iter().map(|f| &f.file.dataset)
    }

    /// Whether it holds only the records that overlap regions.
    pub(crate) fn has_regions(&self) -> bool {
        self.regions.is_some()
    }

    /// The regions that the table and `filters`, all of which hold, confine the first file's records to, with its own names
    /// of contigs; `None` when none is named.
    pub(crate) fn confined_to<'a>(&self, filters: impl IntoIterator<Item = &'a Expr>) -> Result<Option<RegionSet>> {
        let Some(file) = self.files.first() else { return Ok(None) };
        let dataset = &*file.file.dataset;
        let mut all: Option<RegionSet> = None;
        let mut confine =
            |to: RegionSet| all = Some(all.as_ref().map_or_else(|| to.clone(), |all| all.intersection(&to)));
        if let Some(texts) = &self.regions {
            confine(regions(texts, dataset)?.0);
        }
        let translator = self.translator(dataset);
        let mut conditions: Vec<Condition> = filters.into_iter().map(|f| translator.condition(f)).collect();
        while let Some(condition) = conditions.pop() {
            match condition {
                Condition::Overlaps(to) => confine((*to).clone()),
                Condition::And(parts) => conditions.extend(parts),
                _ => {}
            }
        }
        Ok(all)
    }

    fn translator<'a>(&'a self, dataset: &'a dyn Dataset) -> Translator<'a> {
        Translator {
            schema: self.schema.file_schema(),
            span: dataset.span_columns(),
            contigs: dataset.contigs(),
            replaced: RefCell::default(),
        }
    }

    /// Whether only the columns that a path or a header decides are used, so that whole files can be left out.
    fn is_about_files(&self, filter: &Expr) -> bool {
        let columns = filter.column_refs();
        let extra = self.schema.table_partition_cols();
        !columns.is_empty() && columns.iter().all(|c| extra.iter().any(|f| *f.name() == c.name))
    }

    fn pushdown(&self, filter: &Expr) -> TableProviderFilterPushDown {
        let exact = |f: &TableFile| {
            let dataset = &*f.file.dataset;
            dataset.pushdown(&self.translator(dataset).condition(filter)) == Pushdown::Exact
        };
        if self.access.options.pushdown_filters && self.files.iter().all(exact) {
            return TableProviderFilterPushDown::Exact;
        }
        TableProviderFilterPushDown::Inexact
    }

    /// Whether no row of the file can satisfy the filters on its own columns.
    fn is_excluded(&self, file: &TableFile, filters: &[Expr], state: &dyn Session) -> QueryResult<bool> {
        let fields = self.schema.table_partition_cols();
        let row: Vec<ArrayRef> = file.values.iter().map(|v| v.to_array()).collect::<QueryResult<_>>()?;
        let schema = Arc::new(Schema::new(fields.clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let row = RecordBatch::try_new_with_options(Arc::clone(&schema), row, &options)?;
        let schema = DFSchema::try_from(schema)?;
        for filter in filters.iter().filter(|f| self.is_about_files(f)) {
            let filter = state.create_physical_expr(unqualified(filter.clone())?, &schema)?;
            let value = ScalarValue::try_from_array(&*filter.evaluate(&row)?.into_array(1)?, 0)?;
            if value != ScalarValue::Boolean(Some(true)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Decides what to read of one file.
    async fn plan_file(&self, file: &OpenFile, scan: &Scan<'_>) -> Result<(ScanRequest, ScanPlan)> {
        let dataset = &*file.dataset;
        let span = dataset.span_columns();
        let partitions = scan.partitions(dataset.statistics().bytes);
        // Beside its data, an index only helps, and may name contigs of its own, so it is read before anything is decided.
        let helps = || {
            self.regions.is_some()
                || partitions > 1
                || span.is_some_and(|s| scan.names_only(s.contig, self.schema.file_schema()))
                || span.is_some_and(|s| scan.mentions(&[s.contig, s.start, s.end]))
        };
        if !dataset.needs_index() && helps() {
            dataset.load_index(&*self.access.io, None).await?;
        }
        let translator = self.translator(dataset);
        let mut conditions: Vec<Condition> = scan.filters.iter().map(|f| translator.condition(f)).collect();
        let mut replaced = translator.replaced.into_inner();
        if let Some(texts) = &self.regions {
            let (own, aliases) = regions(texts, dataset)?;
            conditions.push(Condition::Overlaps(Arc::new(own)));
            replaced.extend(aliases);
        }
        let contigs = dataset.contigs().filter(|_| dataset.names_every_contig());
        let options = &self.access.options;
        // The table's own regions are last, and say which rows it has.
        let own = conditions.len() - usize::from(self.regions.is_some());
        let narrowing = if options.narrow_regions { &conditions[..] } else { &conditions[own..] };
        let narrowed = span.and_then(|span| narrow(narrowing, span, contigs));
        if !options.pushdown_filters {
            conditions.drain(..own);
        }
        // Where it is part of the data, it is read as far as the regions go, unless the number of rows is all that is asked.
        let is_counted = scan.counts_only() && narrowed.is_none() && is_exact(dataset.statistics().rows);
        if dataset.needs_index() && !is_counted {
            dataset.load_index(&*self.access.io, narrowed.as_ref()).await?;
        }
        // Where no row can be, nothing is read. A limit is reached soon, and by one partition with the least read.
        if scan.limit.is_none() && !narrowed.as_ref().is_some_and(RegionSet::is_empty) {
            dataset.find_cuts(&*self.access.io, partitions).await?;
        }
        conditions.retain(|c| dataset.pushdown(c) == Pushdown::Exact);
        let schema = dataset.schema();
        let names = scan.columns.iter().filter_map(|i| self.schema.file_schema().fields().get(*i));
        let request = ScanRequest {
            projection: names.filter_map(|f| schema.index_of(f.name()).ok()).collect(),
            computed: Vec::new(),
            regions: narrowed.map(Arc::new),
            predicate: Predicate { all: conditions },
            limit: scan.limit,
            batch_size: scan.batch_size,
            partitions,
        };
        dataset.load_filters(&*self.access.io, &request.predicate).await?;
        let mut plan = dataset.plan(&request)?;
        let told = replaced.iter().map(|(asked, own)| format!("{}: contig {asked} is read as {own}", file.location));
        plan.warnings.extend(told);
        Ok((request, plan))
    }

    /// The number of rows and the ranges of columns, when every file knows them and nothing is filtered.
    fn statistics(&self, filters: &[Expr]) -> Statistics {
        let mut out = Statistics::new_unknown(self.schema.table_schema());
        let all: Vec<_> = self.files.iter().map(|f| f.file.dataset.statistics()).collect();
        let exact = |p: Precision| if let Precision::Exact(n) = p { usize::try_from(n).ok() } else { None };
        let sum = |of: fn(&genomicframe_core::scan::Statistics) -> Precision| {
            all.iter().map(|s| exact(of(s))).sum::<Option<usize>>()
        };
        if filters.is_empty() && self.regions.is_none() && self.access.options.use_statistics {
            out.num_rows = sum(|s| s.rows).map_or(Known::Absent, Known::Exact);
            for (field, column) in self.schema.file_schema().fields().iter().zip(&mut out.column_statistics) {
                let Some((least, most)) = range(&all, field.name()) else { continue };
                // A value that the column's type cannot hold would be a lie of the file's.
                if let (Some(least), Some(most)) = (integer(field, least), integer(field, most)) {
                    (column.min_value, column.max_value) = (Known::Exact(least), Known::Exact(most));
                }
            }
        }
        out.total_byte_size = sum(|s| s.bytes).map_or(Known::Absent, Known::Inexact);
        out
    }
}

fn is_exact(p: Precision) -> bool {
    matches!(p, Precision::Exact(_))
}

/// The least and the greatest value of a column in files that all know theirs; those without rows have none.
fn range(files: &[genomicframe_core::scan::Statistics], column: &str) -> Option<(i64, i64)> {
    let with_rows = files.iter().filter(|s| s.rows != Precision::Exact(0));
    let ranges = with_rows.map(|s| s.ranges.iter().find(|(name, ..)| *name == column).map(|(_, a, b)| (*a, *b)));
    let all: Vec<(i64, i64)> = ranges.collect::<Option<_>>()?;
    all.into_iter().reduce(|(a, b), (c, d)| (a.min(c), b.max(d)))
}

/// The number in the column's own type.
fn integer(field: &Field, value: i64) -> Option<ScalarValue> {
    Some(match field.data_type() {
        DataType::Int64 => ScalarValue::Int64(Some(value)),
        DataType::Int32 => ScalarValue::Int32(Some(value.try_into().ok()?)),
        DataType::UInt8 => ScalarValue::UInt8(Some(value.try_into().ok()?)),
        DataType::UInt16 => ScalarValue::UInt16(Some(value.try_into().ok()?)),
        _ => return None,
    })
}

/// What one query asks of every file.
struct Scan<'a> {
    filters: &'a [Expr],
    /// Of the files' own columns.
    columns: Vec<usize>,
    limit: Option<usize>,
    batch_size: usize,
    /// For each file.
    threads: usize,
}

/// Partitions for each thread, so that one that is done takes over from one that is not.
const PIECES: u64 = 4;
/// Stored bytes that are worth a partition more than there are threads.
const PIECE_BYTES: u64 = 4 << 20;

impl Scan<'_> {
    /// Partitions wanted of a file of so many bytes.
    fn partitions(&self, bytes: Precision) -> usize {
        let pieces = match bytes {
            Precision::Exact(bytes) | Precision::Inexact(bytes) => {
                (bytes / PIECE_BYTES).min(PIECES * self.threads as u64)
            }
            Precision::Absent => 0,
        };
        // One thread has nobody to share with, and reads in one go.
        if self.threads == 1 { 1 } else { self.threads.max(pieces as usize) }
    }

    fn counts_only(&self) -> bool {
        self.columns.is_empty() && self.filters.is_empty()
    }

    /// Whether nothing is asked but on which contigs rows lie.
    fn names_only(&self, contig: &str, schema: &Schema) -> bool {
        self.filters.is_empty() && self.columns.iter().all(|i| schema.field(*i).name() == contig)
    }

    fn mentions(&self, columns: &[&str]) -> bool {
        self.filters.iter().any(|f| f.column_refs().iter().any(|c| columns.contains(&c.name.as_str())))
    }
}

/// The regions with the file's own contig names, and the names that were replaced.
fn regions(texts: &[String], dataset: &dyn Dataset) -> Result<(RegionSet, Vec<(String, String)>)> {
    if dataset.span_columns().is_none() {
        return Err(Error::invalid(format!("{} records have no place, so no region", dataset.format())));
    }
    let known = |name: &str| dataset.contigs().is_some_and(|c| c.get(name).is_some());
    let parsed = texts.iter().map(|t| Region::parse(t, known)).collect::<genomicframe_core::Result<RegionSet>>()?;
    Ok(resolve_names(&parsed, dataset.contigs()))
}

/// Columns of all files by name; a name must have one type.
fn union(files: &[OpenFile]) -> Result<SchemaRef> {
    let mut fields: Vec<FieldRef> = Vec::new();
    let mut owner: Vec<&OpenFile> = Vec::new();
    for file in files {
        for field in file.dataset.schema().fields() {
            let Some(i) = fields.iter().position(|f| f.name() == field.name()) else {
                fields.push(Arc::clone(field));
                owner.push(file);
                continue;
            };
            let samples = genomicframe_core::schema::SAMPLES;
            if fields[i].metadata().get(samples) != field.metadata().get(samples) {
                return Err(Error::invalid(format!(
                    "{} and {} hold different samples; name those you want with samples => [...]",
                    owner[i].location, file.location
                )));
            }
            if fields[i].data_type() != field.data_type() {
                return Err(Error::invalid(format!(
                    "column {} is {} in {} but {} in {}",
                    field.name(),
                    fields[i].data_type(),
                    owner[i].location,
                    field.data_type(),
                    file.location
                )));
            }
        }
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// Names of `key=value` folders: those asked for, or those that every file's path has.
fn partition_columns(files: &[OpenFile], options: &ReadOptions) -> Result<Vec<String>> {
    let has = |f: &OpenFile, name: &str| f.partitions.iter().any(|(key, _)| key == name);
    if let Some(asked) = &options.partitions {
        for name in asked {
            if let Some(file) = files.iter().find(|f| !has(f, name)) {
                return Err(Error::invalid(format!("the path of {} has no folder {name}=…", file.location)));
            }
        }
        return Ok(asked.clone());
    }
    let Some(first) = files.first() else { return Ok(Vec::new()) };
    let mut seen = BTreeSet::new();
    let common = first.partitions.iter().map(|(key, _)| key).filter(|key| files.iter().all(|f| has(f, key)));
    Ok(common.filter(|key| seen.insert((*key).clone())).cloned().collect())
}

/// The filter without table names, as it is evaluated on a table's own columns.
fn unqualified(filter: Expr) -> QueryResult<Expr> {
    use datafusion::common::Column;
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let plain = filter.transform(|e| {
        Ok(match e {
            Expr::Column(c) if c.relation.is_some() => Transformed::yes(Expr::Column(Column::new_unqualified(c.name))),
            other => Transformed::no(other),
        })
    })?;
    Ok(plain.data)
}

#[async_trait]
impl TableProvider for GenomicTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> QueryResult<Vec<TableProviderFilterPushDown>> {
        Ok(filters.iter().map(|f| self.pushdown(f)).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> QueryResult<Arc<dyn ExecutionPlan>> {
        let args = ScanArgs::default().with_projection(projection.map(Vec::as_slice));
        Ok(self.scan_with_args(state, args.with_filters(Some(filters)).with_limit(limit)).await?.into_inner())
    }

    async fn scan_with_args<'a>(&self, state: &dyn Session, args: ScanArgs<'a>) -> QueryResult<ScanResult> {
        let filters = args.filters().unwrap_or_default();
        let own = self.schema.file_schema().fields().len();
        let all: Vec<usize> = (0..self.schema.table_schema().fields().len()).collect();
        let projection = args.projection().unwrap_or(&all).to_vec();
        let target = state.config().target_partitions().max(1);
        let mut kept = Vec::new();
        for file in &self.files {
            if !self.is_excluded(file, filters, state)? {
                kept.push(file);
            }
        }
        // A limit holds for rows returned, so it may stop a scan early only if the scan itself applies every filter.
        let exact = filters.iter().all(|f| self.pushdown(f) == TableProviderFilterPushDown::Exact);
        let scan = Scan {
            filters,
            columns: projection.iter().copied().filter(|i| *i < own).collect(),
            limit: args.limit().filter(|_| exact),
            batch_size: state.config().batch_size(),
            threads: (target / kept.len().max(1)).max(1),
        };
        let mut source = GenomicSource::new(self.format(), self.schema.clone(), self.access.clone(), scan.batch_size);
        let mut groups: Vec<Vec<PartitionedFile>> = vec![Vec::new(); target];
        let mut next = 0;
        for file in &kept {
            let (request, plan) = self.plan_file(&file.file, &scan).await?;
            let location = file.file.location.to_string();
            source.add_plan(&location, &file.file.dataset, &request, &plan);
            let request = Arc::new(request);
            let of = plan.partitions.len();
            let ahead = scan.threads > 1 && of == 1 && request.limit.is_none();
            for (number, partition) in plan.partitions.into_iter().enumerate() {
                let planned = PlannedPartition {
                    share: (number, of),
                    dataset: Arc::clone(&file.file.dataset),
                    request: Arc::clone(&request),
                    objects: Arc::clone(&plan.objects),
                    partition,
                    ahead,
                };
                let bytes = planned.partition.bytes();
                let file = PartitionedFile::new(location.clone(), bytes).with_partition_values(file.values.clone());
                groups[next % target].push(file.with_extension(Arc::new(planned)));
                next += 1;
            }
        }
        groups.truncate(next.clamp(1, target));
        source.excluded = self.files.len() - kept.len();
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
            .with_file_groups(groups.into_iter().map(FileGroup::new).collect())
            .with_statistics(self.statistics(filters))
            .with_projection_indices(Some(projection))?
            .with_limit(args.limit().filter(|_| exact))
            .build();
        Ok(ScanResult::new(DataSourceExec::from_data_source(config)))
    }
}
