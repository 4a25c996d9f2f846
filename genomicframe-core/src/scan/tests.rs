//! `decoder`: records, batches and limits; `partitions`: what a file is cut into; `spans`: regions, names and narrowing.

mod decoder;
mod partitions;
mod spans;
