//! The encodings of columns, each with `encode` and `decode` side by side.

pub mod adaptive;
mod clusters;
pub mod ints;
pub mod level;
pub mod quality;
pub mod rans;
pub mod stream;
pub mod strings;
