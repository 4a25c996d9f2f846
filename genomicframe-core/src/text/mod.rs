//! What the text formats share: lines, fields, numbers, columns, and tables of spans.

pub(crate) mod columns;
pub(crate) mod fields;
pub(crate) mod filter;
pub(crate) mod lines;
pub(crate) mod lists;
pub(crate) mod map_column;
pub(crate) mod numbers;
pub(crate) mod repeated;
pub(crate) mod sample;
pub(crate) mod spans;
pub(crate) mod text_column;
