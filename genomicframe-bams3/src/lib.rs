//! BAMS3: columnar, lossless, crash-safe alignments on object stores.

pub mod codec;
pub mod sort;
pub mod source;

pub use codec::level::{Level, Preset};
