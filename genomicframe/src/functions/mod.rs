//! The genomic SQL functions, one concept per file. Their Rust twins are in [`crate::expr`].
//!
//! | file | functions |
//! |---|---|
//! | [`variants`] | `is_snp`, `is_indel`, `is_mnp`, `is_transition`, `is_transversion`, `variant_type` over `(ref, alt)` |
//! | [`flags`] | `is_paired`, `is_duplicate` … over a SAM flag |
//! | [`filters`] | `is_pass(filter)` |
//! | [`regions`] | `in_region(contig, start, end, 'chr1:1,000-2,000', …)` |
//! | [`overlaps`] | `overlaps(c1, s1, e1, c2, s2, e2)` |
//! | [`coordinates`] | `one_based(x)`, `zero_based(x)` |
//! | [`genotypes`] | `sample(format_gt, 'NA12878')`, `allele_frequency(format_gt)`, `allele_number`, `allele_count` |
//! | [`lists`] | `list_any_gt(info_af, 0.3)` …, `all_of(info_af)`: what a comparison with a list means |
//!
//! Functions whose meaning is plain comparisons rewrite themselves into these while the query is optimised
//! (`is_duplicate(flag)` into a bit test), so that whatever understands comparisons understands them.

mod args;
pub mod coordinates;
pub mod filters;
pub mod flags;
mod floats;
pub mod genotypes;
mod list_rewrite;
pub mod lists;
pub mod overlaps;
pub(crate) mod region_sets;
pub mod regions;
pub mod variants;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::registry::FunctionRegistry;

pub(crate) use floats::round_constants;
pub(crate) use list_rewrite::rewrite_comparison;
pub use list_rewrite::{ListComparisonPlanner, rewrite_list_comparisons};

/// Every genomic function.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let mut out = Vec::new();
    out.extend(variants::all());
    out.extend(flags::all());
    out.push(filters::is_pass());
    out.push(regions::in_region());
    out.push(overlaps::overlaps());
    out.extend(coordinates::all());
    out.extend(genotypes::all());
    out.extend(lists::all());
    out.into_iter().map(Arc::new).collect()
}

/// Registers the functions, and what gives comparisons with lists and calls over "this row" their meaning in SQL.
///
/// A `SessionContext` is itself such a registry by way of its state:
///
/// ```
/// # use datafusion::prelude::SessionContext;
/// let ctx = SessionContext::new();
/// genomicframe::functions::register(&mut *ctx.state_ref().write())?;
/// # Ok::<(), datafusion::error::DataFusionError>(())
/// ```
///
/// # Errors
/// When the registry takes no functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in all() {
        registry.register_udf(function)?;
    }
    registry.register_expr_planner(Arc::new(ListComparisonPlanner))?;
    registry.register_function_rewrite(Arc::new(crate::expr::GenomicRewrite))
}

#[cfg(test)]
pub(crate) mod testing;
