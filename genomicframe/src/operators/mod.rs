//! Operators that genomics needs and the relational algebra lacks: each a logical node of its own, and what runs it.
//!
//! | file | what it holds |
//! |---|---|
//! | `intervals` | verbs on intervals: what overlaps, lies nearest, is covered, merged, left |
//! | `planner` | logical nodes become what runs them |

mod intervals;
mod planner;

pub use intervals::{Direction, MergeOptions, NearestOptions, Ties};
pub(crate) use intervals::{Intervals, Verb};
pub(crate) use planner::GenomicPlanner;
