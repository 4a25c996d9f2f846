//! The chained door: lazy verbs, then one terminal call.
//!
//! | file | what it holds |
//! |---|---|
//! | `scan` | where a chain begins |
//! | `verbs` | lazy verbs on rows and columns |
//! | `group` | `group_by` … `agg` |
//! | `join` | joins by key and by overlap |
//! | `genomic` | terminal calls that answer in the words of genomics |
//! | `intervals` | verbs on intervals: counted, covered, nearest, merged, cut |
//! | `roles` | which columns hold a row's place |
//! | `collect` | terminal calls that return rows |
//! | `explain` | the plan as text |
//! | `write` | terminal calls that write files |

mod collect;
mod explain;
mod genomic;
mod group;
mod intervals;
mod join;
mod roles;
mod scan;
mod verbs;
mod write;

use datafusion::dataframe::DataFrame;

use crate::context::GenomicContext;
use crate::error::Result;

pub use collect::ArrowStream;
pub use group::GroupBy;
pub use join::OverlapOptions;
pub(crate) use roles::Place;
pub(crate) use scan::global;
pub use verbs::Regions;
pub(crate) use verbs::bind;

/// A lazy query over genomic files.
///
/// Verbs return a frame and never fail: what is wrong with one (an unknown column, a malformed region) is told by the
/// terminal call. Terminal calls may be made from any thread, inside or outside an asynchronous runtime, and more than once.
///
/// Column names fold to lower case as in SQL (`CHROM` is `chrom`); `"\"Name\""` keeps its case.
///
/// ```
/// use genomicframe::prelude::*;
///
/// # fn main() -> genomicframe::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
/// let well_mapped = GenomicFrame::scan_bam(path)?
///     .filter_by_region("chr1:10,000-20,000")
///     .filter(col("mapq").gt_eq(lit(30)).and(not(is_duplicate())));
/// assert!(well_mapped.count()? > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GenomicFrame {
    context: GenomicContext,
    query: Result<DataFrame>,
}

impl GenomicFrame {
    /// A frame over a query of the context's session.
    pub fn new(context: &GenomicContext, query: DataFrame) -> Self {
        Self { context: context.clone(), query: Ok(query) }
    }

    /// The context it runs in.
    pub fn context(&self) -> &GenomicContext {
        &self.context
    }

    /// The DataFusion query below: for its asynchronous calls, and verbs that frames do not have.
    ///
    /// # Errors
    /// What is wrong with one of the verbs so far.
    pub fn dataframe(&self) -> Result<DataFrame> {
        self.query.clone()
    }

    /// Applies a verb, unless an earlier one failed.
    pub(crate) fn then(mut self, verb: impl FnOnce(DataFrame) -> Result<DataFrame>) -> Self {
        self.query = self.query.and_then(verb);
        self
    }
}

/// The column's name as SQL would take it: folded to lower case unless it stands in double quotes.
pub(crate) fn fold(name: &str) -> String {
    match name.strip_prefix('"').and_then(|n| n.strip_suffix('"')) {
        Some(quoted) if !name.is_empty() => quoted.replace("\"\"", "\""),
        _ => name.to_lowercase(),
    }
}
