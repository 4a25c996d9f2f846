//! The asynchronous door: sessions, SQL, object stores, configuration.

use std::path::Path;
use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use genomicframe_core::Error as CoreError;
use genomicframe_core::io::{DiskCache, Location, ObjectIo, Requests, Storage};
use genomicframe_core::scan::{BadRecords, OnError};
use object_store::ObjectStore;
use object_store::path::Path as Key;
use url::Url;

use crate::deep;
use crate::error::Result;
use crate::formats;
use crate::functions;
use crate::operators::{self, GenomicPlanner};
use crate::options::GenomicOptions;
use crate::output::{ObjectTarget, Target};
use crate::runtime;
use crate::scan::{Access, GenomicTable, ReadOptions};
use crate::sql::{self, QueryLimits};
use crate::stores::{Paced, Settings, Stores};
use crate::untrusted::{Gate, Untrusted, UntrustedBuilder};

/// A session: its tables, object stores, threads and memory. Cheap to clone; clones share everything.
///
/// ```
/// use genomicframe::GenomicContext;
///
/// # #[tokio::main]
/// # async fn main() -> genomicframe::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
/// let ctx = GenomicContext::new();
/// let reads = ctx.sql(&format!("SELECT count(*) FROM '{path}' WHERE mapq >= 30")).await?;
/// reads.show().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct GenomicContext {
    session: SessionContext,
    access: Access,
    limits: QueryLimits,
    untrusted: Option<Arc<Untrusted>>,
}

impl std::fmt::Debug for GenomicContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenomicContext").field("session", &self.session.session_id()).finish_non_exhaustive()
    }
}

/// Settings of a [`GenomicContext`].
#[derive(Debug, Clone, Default)]
pub struct GenomicContextBuilder {
    threads: Option<usize>,
    batch_size: Option<usize>,
    memory: Option<usize>,
    spill: Option<u64>,
    on_error: OnError,
    untrusted: Option<Arc<Untrusted>>,
    limits: QueryLimits,
    storage: StorageOptions,
}

/// Options of object stores by name. Debug prints show names alone.
#[derive(Clone, Default)]
struct StorageOptions(Vec<(String, String)>);

impl std::fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl GenomicContextBuilder {
    /// Partitions that are worked on at once; default: all cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// Most rows of a batch; default 8192.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.batch_size = Some(rows.max(1));
        self
    }

    /// Bytes that sorts, joins and aggregates may hold before they spill or fail; default: half of the machine's memory. Of
    /// remote files a query's threads read ahead no more than a quarter of it.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Bytes that may be spilled to disk; default: 100 GB.
    pub fn spill_limit(mut self, bytes: u64) -> Self {
        self.spill = Some(bytes);
        self
    }

    /// What becomes of records with a malformed field, of all files whose options do not say it: see [`ReadOptions::on_error`].
    ///
    /// ```
    /// use genomicframe::{GenomicContext, OnError};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> genomicframe::Result<()> {
    /// # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    /// let ctx = GenomicContext::builder().on_error(OnError::Skip).build()?;
    /// let good = ctx.sql(&format!("SELECT pos, qual FROM '{data}/malformed.vcf'")).await?.collect().await?;
    /// assert_eq!(ctx.take_bad_records().skipped, 2);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    pub(crate) fn untrusted(mut self, with: Arc<Untrusted>) -> Self {
        self.untrusted = Some(with);
        self
    }

    /// How large a query may be; what is larger is an error before it is planned.
    pub fn query_limits(mut self, limits: QueryLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Options of object stores, which come before the environment's variables. Their names are those of the variables or
    /// shorter, in any case: `AWS_REGION` or `region`. `docs/cloud.md` lists them.
    ///
    /// ```
    /// use genomicframe::GenomicContext;
    ///
    /// let public = [("aws_skip_signature", "true"), ("aws_region", "eu-west-1"), ("read_timeout", "30s")];
    /// let ctx = GenomicContext::builder().storage_options(public).build()?;
    /// # Ok::<(), genomicframe::Error>(())
    /// ```
    pub fn storage_options<K: Into<String>, V: Into<String>>(
        mut self,
        options: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.storage.0.extend(options.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// When no folder for spilled data can be had, or no storage option has a given name.
    pub fn build(self) -> Result<GenomicContext> {
        let mut settings = Settings::new(self.storage.0.clone())?;
        if let Some(untrusted) = &self.untrusted {
            settings = settings.confined_to(Arc::clone(&untrusted.places));
        }
        let cache = settings.cache()?.map(|(folder, most)| DiskCache::new(folder, most)).transpose()?;
        let memory = self.memory.unwrap_or_else(default_memory);
        let threads = self.threads.unwrap_or_else(runtime::processors);
        let requests = settings.requests()?.within((memory / AHEAD_OF_MEMORY / threads.max(1)) as u64);
        let stores = Arc::new(Stores::new(settings));
        let mut runtime = RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::clone(&stores) as Arc<dyn ObjectStoreRegistry>)
            .with_memory_limit(memory, 1.0);
        if let Some(bytes) = self.spill {
            runtime = runtime.with_max_temp_directory_size(bytes);
        }
        let runtime = runtime.build_arc()?;
        let storage = Storage::with_stores(move |url| stores.store(url));
        let storage = if let Some(cache) = cache { storage.cached(cache) } else { storage };
        Ok(self.assemble(runtime, Paced::new(storage, requests)))
    }

    fn assemble(self, runtime: Arc<RuntimeEnv>, io: Paced) -> GenomicContext {
        let untrusted = self.untrusted;
        let io: Arc<dyn ObjectIo> = match &untrusted {
            Some(untrusted) => Arc::new(Gate { io: Arc::new(io), places: Arc::clone(&untrusted.places) }),
            None => Arc::new(io),
        };
        let (warnings, known, options) = Default::default();
        let access = Access { io, warnings, known, on_error: self.on_error, options };
        let mut config = SessionConfig::new()
            .with_information_schema(untrusted.is_none())
            .with_option_extension(GenomicOptions::default());
        if let Some(threads) = self.threads {
            config = config.with_target_partitions(threads);
        }
        if let Some(rows) = self.batch_size {
            config = config.with_batch_size(rows);
        }
        let mut builder = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_analyzer_rules(deep::analyzer_rules())
            .with_optimizer_rules(deep::optimizer_rules(operators::FiltersBelowVerbs))
            .with_query_planner(Arc::new(GenomicPlanner { timeout: untrusted.as_ref().map(|u| u.timeout) }))
            .with_physical_optimizer_rules(operators::physical_rules());
        if let Some(untrusted) = &untrusted {
            builder = untrusted.confine(builder);
        }
        for format in formats::all() {
            let factory = sql::GenomicTableFactory { access: access.clone() };
            builder = builder.with_table_factory(format.id().0.to_ascii_uppercase(), Arc::new(factory));
        }
        let mut state = builder.build();
        // Registering fails only for a name of another kind of function, which a test would show.
        if let Err(e) = functions::register(&mut state) {
            tracing::error!("genomic functions are missing: {e}");
        }
        let session = SessionContext::new_with_state(state);
        let session = if untrusted.is_some() { session } else { session.enable_url_table() };
        GenomicContext { session, access, limits: self.limits, untrusted }
    }
}

/// What is read ahead of one query's threads is so small a part of the memory.
const AHEAD_OF_MEMORY: usize = 4;

/// Memory of a machine that does not tell.
const UNKNOWN_MEMORY: usize = 4 << 30;

/// Half of the machine's memory.
pub(crate) fn default_memory() -> usize {
    let told = std::fs::read_to_string("/proc/meminfo").ok();
    let total = told.and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
        line.trim().strip_suffix(" kB")?.parse::<usize>().ok()
    });
    total.map_or(UNKNOWN_MEMORY, |kb| kb.saturating_mul(1024)) / 2
}

impl Default for GenomicContext {
    fn default() -> Self {
        Self::new()
    }
}

impl GenomicContext {
    /// With default settings.
    pub fn new() -> Self {
        Self::builder().build().unwrap_or_else(|_| {
            // No folder to spill to: what does not fit in memory fails, all else works.
            let stores = Arc::new(Stores::new(Settings::new([]).unwrap_or_default()));
            let storage = Storage::with_stores(move |url| stores.store(url));
            Self::builder().assemble(Arc::new(RuntimeEnv::default()), Paced::new(storage, Requests::REMOTE))
        })
    }

    /// With options of object stores, else default settings; see [`GenomicContextBuilder::storage_options`].
    ///
    /// # Errors
    /// When no storage option has a given name.
    pub fn with_storage_options<K: Into<String>, V: Into<String>>(
        options: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        Self::builder().storage_options(options).build()
    }

    /// With other settings.
    pub fn builder() -> GenomicContextBuilder {
        GenomicContextBuilder::default()
    }

    /// For queries that somebody else wrote: they only read, what they may read is listed, and what they may take is limited.
    pub fn untrusted() -> UntrustedBuilder {
        UntrustedBuilder::default()
    }

    /// Plans SQL. Files are named in quotes (`FROM 'x.bam'`, globs and folders too), or read by `read_bam('x.bam', region =>
    /// 'chr1:1-100')`. Of several statements all but the last are run.
    ///
    /// # Errors
    /// When the text is no SQL, names unknown columns, or a file cannot be opened.
    pub async fn sql(&self, query: &str) -> Result<DataFrame> {
        sql::plan(self, query).await
    }

    /// The files that a path, list, glob or folder names, as one table.
    ///
    /// # Errors
    /// When nothing is found, or a header is broken.
    pub async fn read(&self, paths: impl Paths, options: ReadOptions) -> Result<DataFrame> {
        let paths = paths.paths();
        let table = GenomicTable::open(self.access_now(), &paths, &options).await?;
        // As plans and messages show it.
        let name = paths.first().map(|path| Location::shown(path)).unwrap_or_default();
        let name = datafusion::common::TableReference::bare(name);
        let source = datafusion::datasource::provider_as_source(Arc::new(table));
        let plan = datafusion::logical_expr::LogicalPlanBuilder::scan(name, source, None)?.build()?;
        Ok(DataFrame::new(self.session.state(), plan))
    }

    /// Opens files without making a query of them: their schema, contigs and statistics.
    ///
    /// # Errors
    /// When nothing is found, or a header is broken.
    pub async fn open(&self, paths: impl Paths, options: ReadOptions) -> Result<GenomicTable> {
        GenomicTable::open(self.access_now(), &paths.paths(), &options).await
    }

    /// Serves URLs that begin like `url` from `store`.
    pub fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) {
        self.session.register_object_store(url, store);
    }

    /// Where rows are written: a path, or the URL of an object.
    ///
    /// ```
    /// use genomicframe::{Execution, GenomicContext, OutputFormat, WriteOptions};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// let ctx = GenomicContext::new();
    /// # ctx.register_store(&"s3://lab".parse().unwrap(), std::sync::Arc::new(object_store::memory::InMemory::new()));
    /// let reads = ctx.sql(&format!("SELECT qname, pos FROM '{path}' WHERE mapq >= 30")).await?;
    /// let target = ctx.target("s3://lab/reads.parquet")?;
    /// let written = Execution::new(reads).await?.write(OutputFormat::Parquet, target, &WriteOptions::new()).await?;
    /// # assert!(written.rows > 0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the URL is no object's, no store serves it, or its server is only read (`http`, `https`).
    pub fn target(&self, path: impl AsRef<Path>) -> Result<Target> {
        let path = path.as_ref();
        let at = match path.to_str().filter(|text| text.contains("://")) {
            Some(url) => Location::parse(url)?,
            None => return Ok(Target::File(path.to_owned())),
        };
        match &at {
            Location::Local(path) => Ok(Target::File(path.clone())),
            Location::Url(url) if at.file_name().is_empty() || url.path().ends_with('/') => {
                Err(CoreError::invalid("is a folder; name an object in it").in_object(&at).into())
            }
            Location::Url(_) if at.is_http() => {
                let e = CoreError::unsupported("HTTP servers are only read").in_object(&at);
                Err(e.hint("write to s3://, gs:// or az://, or to a file").into())
            }
            Location::Url(url) => {
                let (store, key) = self.object(url)?;
                Ok(Target::Object(ObjectTarget::new(store, key, at.to_string())))
            }
        }
    }

    /// The store that serves a URL, and what it calls the object.
    pub(crate) fn object(&self, url: &Url) -> Result<(Arc<dyn ObjectStore>, Key)> {
        let malformed =
            |e| CoreError::invalid("malformed object key").in_object(Location::Url(url.clone())).caused_by(e);
        let key = Key::from_url_path(url.path()).map_err(malformed)?;
        Ok((self.session.runtime_env().object_store_registry.get_store(url)?, key))
    }

    /// The session below: for DataFusion's own functions, tables and settings.
    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    pub(crate) fn distrust(&self) -> Option<&Untrusted> {
        self.untrusted.as_deref()
    }

    pub(crate) fn query_limits(&self) -> &QueryLimits {
        &self.limits
    }

    /// With the session's settings as they are.
    pub(crate) fn access_now(&self) -> Access {
        let options = GenomicOptions::of(self.session.state_ref().read().config_options());
        Access { options, ..self.access.clone() }
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    /// What this context's queries read leniently since the last call, and how often: an index older than its data, a contig
    /// read by its alias, a tag that stands twice in a record.
    pub fn take_warnings(&self) -> Vec<(String, u64)> {
        self.access.warnings.take()
    }

    /// The malformed records that this context's queries left out or read with nulls since the last call, because they were asked
    /// to go on ([`ReadOptions::on_error`]): their numbers, and up to 100 of them with what is wrong.
    ///
    /// Numbers are those of queries that ended; the table function `bad_records('file')` lists all.
    pub fn take_bad_records(&self) -> BadRecords {
        self.access.warnings.take_bad()
    }
}

/// What names files: a path, or several.
pub trait Paths {
    /// The paths.
    fn paths(self) -> Vec<String>;
}

impl Paths for &str {
    fn paths(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl Paths for String {
    fn paths(self) -> Vec<String> {
        vec![self]
    }
}

impl Paths for &String {
    fn paths(self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl Paths for &Path {
    fn paths(self) -> Vec<String> {
        vec![self.to_string_lossy().into_owned()]
    }
}

impl Paths for std::path::PathBuf {
    fn paths(self) -> Vec<String> {
        self.as_path().paths()
    }
}

impl<T: Into<String>> Paths for Vec<T> {
    fn paths(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T: Into<String>, const N: usize> Paths for [T; N] {
    fn paths(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}
