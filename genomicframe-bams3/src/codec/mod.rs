//! The encodings of columns, each with `encode` and `decode` side by side.

pub mod ints;
pub mod level;
pub mod names;
mod radix;
pub mod stream;
pub mod strings;
mod template;
pub mod text;
mod tokens;
