//! Genomic files into Arrow record batches: the lean half of GenomicFrame, without a query engine.
//!
//! | module | what it holds |
//! |---|---|
//! | [`genome`] | positions, intervals, regions, region sets, contigs |
//! | [`io`] | locations and the one trait that reads ranges of objects |
//! | [`bgzf`], [`index`] | blocked gzip; BAI, CSI and TBI |
//! | [`scan`] | the contract: decide without I/O, then read; the one driver |
//! | [`alignment`] | alignment records, shared by the formats that hold them |
//! | [`formats`] | one folder per file format, each an implementation of [`scan::Format`] |
//! | [`depth`] | reads on each base: runs, windows, bands, by partitions that are added up |
//! | [`intervals`] | what overlaps, lies nearest, covers or joins: kernels over the spans of one contig |
//! | [`stats`] | flagstat, variant classes, qualities: one pass over a few columns, mergeable |
//! | [`schema`] | what columns mean, as Arrow field metadata |
//! | [`error`] | the one error type |

pub mod alignment;
pub mod bgzf;
pub mod depth;
pub mod error;
pub mod formats;
pub mod genome;
pub mod index;
pub mod intervals;
pub mod io;
pub mod scan;
pub mod schema;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod text;

pub use error::{Error, Offset, Result};
