//! Operators that genomics needs and the relational algebra lacks: each a logical node of its own, and what runs it.
//!
//! | file | what it holds |
//! |---|---|
//! | `planner` | logical nodes become what runs them |

mod planner;

pub(crate) use planner::GenomicPlanner;
