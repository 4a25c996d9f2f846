//! The encodings of columns, each with `encode` and `decode` side by side.

pub mod bases;
pub mod cigars;
mod consensus;
pub mod adaptive;
mod clusters;
pub mod ints;
pub mod layout;
pub mod level;
pub mod links;
pub mod mate_cigar;
pub mod mates;
pub mod names;
pub mod packed;
pub mod quality;
pub mod rans;
pub mod stream;
pub mod strings;
pub mod text;
mod radix;
mod template;
mod tokens;
