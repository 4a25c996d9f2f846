//! Random alignments of every kind, and datasets of them in memory, for tests.

mod records;
mod shelf;

pub(crate) use records::{CONTIGS, Draft, Kinds, Rng, header_text, records, sorted};
pub(crate) use shelf::{Built, Scanned, Shelf, dataset, objects, regions, rows, scan};
