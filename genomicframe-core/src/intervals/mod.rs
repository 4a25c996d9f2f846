//! Arithmetic of intervals on one contig: what overlaps, how many, what lies nearest, what is covered, joined or left.
//!
//! | file | what it holds |
//! |---|---|
//! | `span` | [`Span`]: the interval that all of these take |
//! | `index` | [`IntervalIndex`]: which intervals overlap a span |
//! | `counts` | [`Counts`]: how many do, and nothing else |
//! | `presence` | [`Presence`]: whether any does, and nothing else |
//! | `nearest` | [`Neighbours`]: which lie nearest to a span |
//! | `merge` | [`merge`], [`cluster`]: intervals that touch or lie near are one, or of one group |
//! | `union` | [`Union`]: the bases of all; what it covers of a span, leaves of it, and leaves of a contig |
//! | `windows` | [`Windows`]: a span cut into pieces of a size |
//! | `positions` | sorted positions that are counted below a bound |
//! | `steps` | ways over intervals that end too early |
//!
//! Spans include both of their ends, as SAM, VCF and GFF write them and as the rest of the crate counts: a BED line
//! `start end` is the span `start + 1..=end`. Its zero-length line `s s`, a place between two bases, is the span
//! `s + 1..=s`, whose end lies before its start. It overlaps what holds the bases on both sides of it, which is what the
//! comparisons `a.start <= b.end AND a.end >= b.start` say; it covers no base and takes none away.

mod counts;
mod index;
mod merge;
mod nearest;
mod positions;
mod presence;
mod span;
mod steps;
#[cfg(test)]
mod testing;
mod union;
mod windows;

pub use counts::Counts;
pub use index::IntervalIndex;
pub use merge::{Merged, cluster, merge};
pub use nearest::{Choice, Neighbour, Neighbours, Ties};
pub use presence::Presence;
pub use span::Span;
pub use union::Union;
pub use windows::Windows;
