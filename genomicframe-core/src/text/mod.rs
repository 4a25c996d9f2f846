//! What the text formats share: lines, fields, numbers.

pub(crate) mod fields;
pub(crate) mod lines;
pub(crate) mod numbers;
