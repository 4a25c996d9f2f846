//! `cuts`: files cut without an index; `decoder`: records, batches and limits; `partitions`: what a file is cut into; `spans`: regions, names and narrowing.

mod cuts;
mod decoder;
mod partitions;
mod spans;
