//! Depth of coverage: how many reads lie on each base.
//!
//! ```text
//! alignments, sorted ─► DepthCounter ─► Chunk ─┐
//!   (each partition)    DepthCounter ─► Chunk ─┼─► DepthMerger ─► RecordBatch: runs, bands or windows
//!                       DepthCounter ─► Chunk ─┘   in order
//! ```
//! Counts are additive, so partitions of a file are counted at the same time, each from its own first read on; what reaches
//! over a partition's end (reads, and mates that wait for theirs) is handed on with its last chunk. Memory is that of the
//! reads that are alive at a position: no array over a contig is made.
//!
//! | file | what it holds |
//! |---|---|
//! | `rules` | which bases of a read count |
//! | `spans` | a read's CIGAR to the spans that count |
//! | `differences` | where depth rises and falls ahead of a position |
//! | `mates` | reads that wait for their mate, so that bases of both count once |
//! | `columns` | what is read of a batch of alignments |
//! | `counter` | the reads of one partition to chunks of runs |
//! | `merge` | chunks in order to the runs of whole contigs |
//! | `report` | runs to rows: the runs themselves, bands or windows |
//! | `windows` | what windows lie where, and what is summed up in each |
//! | `rows` | the columns of rows under construction |
//!
//! Positions are 0-based and half-open in all of it, as in BED.

mod columns;
mod counter;
mod differences;
mod mates;
mod merge;
mod report;
mod rows;
mod rules;
mod spans;
#[cfg(test)]
mod tests;
mod windows;

pub use counter::{Chunk, DepthCounter};
pub use merge::DepthMerger;
pub use report::{Bands, Layout, Report};
pub use rules::DepthRules;
pub use windows::{Statistic, Window, Windows};
