//! Joins of rows whose spans overlap.
//!
//! | file | what it holds |
//! |---|---|
//! | `rule` | hash joins whose filter compares spans become interval joins |
//! | `condition` | the spans that a join's filter compares, and what is left of it |
//! | `exec` | the physical operator |
//! | `keys` | the columns that must be equal |
//! | `build` | the side that is read first, and what it tells the other side's scan |
//! | `block` | its rows, or as many as fit into memory, with an index for each key |
//! | `places` | places alone, where nothing else is asked of its rows |
//! | `spill` | rows that do not fit, on disk |
//! | `rows` | a partition's rows of the join |
//! | `probe` | the other side's rows, batch by batch |
//! | `pairs` | rows found for a batch become rows of the join |

mod block;
mod build;
mod condition;
mod exec;
mod keys;
mod pairs;
mod places;
mod probe;
mod rows;
mod rule;
mod spill;
#[cfg(test)]
mod tests;

/// What memory and disk are asked for.
const NAME: &str = "IntervalJoin";

pub(crate) use rule::IntervalJoins;
