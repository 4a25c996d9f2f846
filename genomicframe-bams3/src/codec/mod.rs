//! The encodings of columns, each with `encode` and `decode` side by side.

pub mod adaptive;
pub mod bases;
pub mod cigars;
mod clusters;
pub mod consensus;
pub mod ints;
pub mod layout;
pub mod level;
pub mod links;
pub mod mate_cigar;
pub mod mates;
pub mod mismatches;
pub mod names;
pub mod packed;
pub mod quality;
mod radix;
pub mod rans;
pub mod stream;
pub mod strings;
mod template;
pub mod text;
mod tokens;
