//! `cuts`: files cut without an index; `decoder`: records, batches and limits; `lenient`: malformed records left out or read with nulls; `partitions`: what a file is cut into; `spans`: regions, names and narrowing.

mod cuts;
mod decoder;
mod lenient;
mod partitions;
mod spans;
