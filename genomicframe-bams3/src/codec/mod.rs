//! The encodings of columns, each with `encode` and `decode` side by side.

pub mod ints;
pub mod level;
pub mod stream;
pub mod strings;
