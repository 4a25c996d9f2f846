//! Operators that genomics needs and the relational algebra lacks: each a logical node of its own, and what runs it.
//!
//! | file | what it holds |
//! |---|---|
//! | `depth` | reads on each base: runs, windows, bands |
//! | `intervals` | verbs on intervals: what overlaps, lies nearest, is covered, merged, left |
//! | `join` | joins of rows whose spans overlap |
//! | `later` | what the scan of a second input is told when the first one is read |
//! | `once` | something that all partitions share |
//! | `batches` | rows that are held as a whole |
//! | `spill` | rows on disk |
//! | `planner` | logical nodes become what runs them |

mod batches;
mod depth;
mod intervals;
mod join;
mod later;
mod once;
mod planner;
mod spill;

pub use depth::{Coverage, DepthBy, DepthOptions};
pub use intervals::{Direction, MergeOptions, NearestOptions, Strands, Ties};
pub(crate) use intervals::{FiltersBelowVerbs, Intervals, Verb};
pub(crate) use planner::GenomicPlanner;

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use crate::output::WholeWrites;

/// DataFusion's physical rules with ours in their places.
pub(crate) fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    let behind = rules.iter().position(|rule| rule.name() == "join_selection").map_or(0, |at| at + 1);
    rules.insert(behind, Arc::new(join::IntervalJoins));
    rules.push(Arc::new(WholeWrites));
    rules
}
