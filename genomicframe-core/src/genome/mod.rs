//! The genome's vocabulary: positions, intervals, regions, contigs, alleles.
//!
//! Everything here is 1-based and inclusive, as region strings, SAM, VCF and GFF are.
//! BED's 0-based, half-open pairs are converted where they enter ([`Interval::from_zero_based`]).

pub mod alleles;
mod contigs;
mod interval;
mod position;
mod region;
mod region_set;

pub use contigs::{Contig, Contigs, alias, resolve_names};
pub use interval::Interval;
pub use position::Position;
pub use region::Region;
pub use region_set::RegionSet;
