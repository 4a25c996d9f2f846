//! The encodings of columns, each with `encode` and `decode` side by side.

pub mod bases;
mod consensus;
pub mod ints;
pub mod layout;
pub mod level;
pub mod packed;
pub mod stream;
pub mod strings;
