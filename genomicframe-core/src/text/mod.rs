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

/// A buffer for a batch like the one before, which needed `len`. Of one that does not quite fit, all would be copied to twice
/// the room; what is left over is never touched.
pub(crate) fn room_like<T>(len: usize) -> Vec<T> {
    Vec::with_capacity(len + len / 8)
}
