//! Operators that genomics needs and the relational algebra lacks: each a logical node of its own, and what runs it.
//!
//! | file | what it holds |
//! |---|---|
//! | `depth` | reads on each base: runs, windows, bands |
//! | `planner` | logical nodes become what runs them |

mod depth;
mod planner;

pub use depth::{Coverage, DepthBy, DepthOptions};
pub(crate) use planner::GenomicPlanner;
