//! Contexts for queries that somebody else wrote.
//!
//! | file | what it holds |
//! |---|---|
//! | `places` | the folders and prefixes that may be read |
//! | `statements` | only queries |
//! | `functions` | functions whose values have a size that is known before |
//! | `deadline` | a query that ends when its time is over |
//! | `stop` | joins that look at it |

mod deadline;
mod functions;
mod places;
mod statements;
mod stop;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use genomicframe_core::scan::OnError;

use crate::context::{GenomicContext, GenomicContextBuilder};
use crate::error::Result;
use crate::sql::QueryLimits;
pub(crate) use deadline::{DeadlineExec, over};
pub(crate) use places::{Gate, Places};

/// Settings of a context for queries that somebody else wrote: [`GenomicContext::untrusted`].
///
/// Its queries
/// - only read: `SELECT`, `WITH`, `VALUES`, `DESCRIBE`, `EXPLAIN` and `EXPLAIN ANALYZE` (which runs its query within the same
///   limits), one statement at a time; no `SET`, `COPY`, `INSERT`, `CREATE`, no `information_schema`;
/// - read only genomic files, and only below the folders and prefixes that are allowed, of which there are none at first. Links
///   are resolved, `..` is refused, servers may not send them elsewhere. What is refused is not looked at, so that the answer
///   does not tell whether it exists. Tables that were registered by the program are seen too;
/// - end after a time (30 s), with operators that hold at most 1 GiB and spill at most 4 GiB;
/// - are at most as large as [`QueryLimits`] of an untrusted query: 256 KiB of text, 5,000 operators, 50 tables;
/// - call only functions whose values are about as large as their arguments, or whose size is known before: `repeat`, `lpad`,
///   `replace`, `||` and their like make at most 16 MiB for a batch of rows, in at most 64 places.
///
/// What it cannot limit is memory that is not asked for by operators: of decoders, some 100 MB for each thread, and of
/// functions. A server for strangers also sets limits for its process (`ulimit -v`, a cgroup). Whoever may write in the allowed
/// folders can exchange a file for a link between its check and its reading.
///
/// ```
/// use std::time::Duration;
/// use genomicframe::GenomicContext;
///
/// # #[tokio::main]
/// # async fn main() -> genomicframe::Result<()> {
/// # let data = std::fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data")).unwrap();
/// # let data = data.to_str().unwrap();
/// let ctx = GenomicContext::untrusted()
///     .allow_folder(data)
///     .allow_prefix("s3://lab/public")
///     .timeout(Duration::from_secs(10))
///     .memory_limit(512 << 20)
///     .build()?;
/// let reads = ctx.sql(&format!("SELECT count(*) FROM '{data}/sample.bam' WHERE mapq >= 30")).await?;
/// reads.show().await?;
/// let e = ctx.sql("SELECT * FROM '/etc/passwd'").await.unwrap_err();
/// assert!(e.is_denied());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct UntrustedBuilder {
    context: GenomicContextBuilder,
    folders: Vec<PathBuf>,
    prefixes: Vec<String>,
    timeout: Duration,
}

/// What holds for the queries of such a context.
#[derive(Debug)]
pub(crate) struct Untrusted {
    pub(crate) places: Arc<Places>,
    pub(crate) timeout: Duration,
}

const TIMEOUT: Duration = Duration::from_secs(30);
const MEMORY: usize = 1 << 30;
const SPILL: u64 = 4 << 30;

impl Default for UntrustedBuilder {
    fn default() -> Self {
        let limits = QueryLimits {
            text: 256 << 10,
            terms: 5000,
            levels: 100,
            tables: 50,
            plan_levels: 100,
            plan_nodes: 1000,
            written_out: 20_000,
        };
        let context = GenomicContext::builder().memory_limit(MEMORY).spill_limit(SPILL).query_limits(limits);
        Self { context, folders: Vec::new(), prefixes: Vec::new(), timeout: TIMEOUT }
    }
}

impl UntrustedBuilder {
    /// Lets queries read what lies below a folder of this machine.
    pub fn allow_folder(mut self, path: impl AsRef<Path>) -> Self {
        self.folders.push(path.as_ref().to_owned());
        self
    }

    /// Lets queries read what lies below a URL: scheme, host or bucket, and the beginning of a path, as in
    /// `s3://lab/public` or `https://host/data/`.
    pub fn allow_prefix(mut self, url: impl Into<String>) -> Self {
        self.prefixes.push(url.into());
        self
    }

    /// Time of a query, for its planning and for its rows each; default: 30 s.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// Bytes that sorts, joins and aggregates may hold before they spill or fail; default: 1 GiB.
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.context = self.context.memory_limit(bytes);
        self
    }

    /// Bytes that may be spilled to disk; default: 4 GiB.
    pub fn spill_limit(mut self, bytes: u64) -> Self {
        self.context = self.context.spill_limit(bytes);
        self
    }

    /// How large a query may be.
    pub fn query_limits(mut self, limits: QueryLimits) -> Self {
        self.context = self.context.query_limits(limits);
        self
    }

    /// Partitions that are worked on at once; default: all cores.
    pub fn threads(mut self, threads: usize) -> Self {
        self.context = self.context.threads(threads);
        self
    }

    /// What becomes of records with a malformed field; see [`GenomicContextBuilder::on_error`].
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.context = self.context.on_error(on_error);
        self
    }

    /// Options of object stores; see [`GenomicContextBuilder::storage_options`]. Queries can neither see nor change them.
    pub fn storage_options<K: Into<String>, V: Into<String>>(
        mut self,
        options: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.context = self.context.storage_options(options);
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// When an allowed folder does not exist, an allowed prefix is no URL, or as those of [`GenomicContextBuilder::build`].
    pub fn build(self) -> Result<GenomicContext> {
        let mut places = Places::default();
        self.folders.iter().try_for_each(|folder| places.folder(folder))?;
        self.prefixes.iter().try_for_each(|prefix| places.prefix(prefix))?;
        let untrusted = Untrusted { places: Arc::new(places), timeout: self.timeout };
        self.context.untrusted(Arc::new(untrusted)).build()
    }
}

impl Untrusted {
    /// That a text's statements only read.
    pub(crate) fn check_statements<'a>(&self, mut all: impl Iterator<Item = &'a Statement>) -> Result<()> {
        match (all.next(), all.next()) {
            (Some(statement), None) => statements::check(statement),
            (None, _) => Ok(()),
            _ => Err(statements::several().into()),
        }
    }

    /// The same of a plan.
    pub(crate) fn check_plan(&self, plan: &LogicalPlan) -> Result<()> {
        statements::check_plan(plan)?;
        Ok(functions::check_calls(plan)?)
    }

    /// Leaves out what is not allowed.
    pub(crate) fn confine(&self, mut builder: SessionStateBuilder) -> SessionStateBuilder {
        if let Some(all) = builder.scalar_functions() {
            *all = functions::allowed(all);
        }
        *builder.higher_order_functions() = None;
        builder.expr_planners().get_or_insert_default().insert(0, Arc::new(functions::Concatenation));
        builder
    }
}
