//! BAMS3: columnar, lossless, crash-safe alignments on object stores. The specification is `docs/bams3-spec.md`.
//!
//! | module | what it holds |
//! |---|---|
//! | [`metadata`], [`index`], [`chunk`] | the three levels of a dataset: root, index, chunks |
//! | [`bloom`] | filters of read names |
//! | [`mod@column`], [`group`] | columns and row groups: records to pages and back |
//! | [`codec`] | the encodings of pages, each with `encode` and `decode` side by side |
//! | [`source`], [`sort`], [`writer`] | records in, put in order, datasets out |
//! | [`dataset`] | the format as scans see it: pruning, planning, decoding |
//! | [`export`], [`validate`] | datasets back to BAM; everything a dataset says, checked |
//! | [`summary`] | what a dataset says of itself |
//! | [`legacy`] | versions 0.1 and 0.2, read only |

pub mod bloom;
pub mod chunk;
pub mod codec;
pub mod column;
pub mod dataset;
pub mod export;
pub mod group;
pub mod index;
pub mod legacy;
pub mod metadata;
pub mod paths;
pub mod sort;
pub mod source;
mod stages;
pub mod summary;
#[cfg(test)]
mod testing;
pub mod validate;
pub mod writer;

pub use codec::level::{Level, Preset};
pub use dataset::{Bams3, Bams3Dataset};
