//! Arithmetic of intervals on one contig: what overlaps, and how many.
//!
//! Everything here takes spans with both ends included, as SAM, VCF and GFF write them and as the rest of the crate
//! counts: a BED line `start end` is the span `start + 1..=end`. Its zero-length line `s s`, a place between two bases,
//! is the span `s + 1..=s`, whose end lies before its start. Such spans are no error here: they overlap what holds the
//! bases on both sides of them, which is what the comparisons `a.start <= b.end AND a.end >= b.start` say.

mod index;
mod positions;

pub use index::IntervalIndex;
