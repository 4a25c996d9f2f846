//! Rows that are held as a whole.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;

/// Whether values are texts, of any layout but a dictionary.
pub(super) fn is_text(of: &DataType) -> bool {
    matches!(of, DataType::Utf8View | DataType::Utf8 | DataType::LargeUtf8)
}

/// The batches as one, its texts in few buffers: every batch made of its rows carries all of those along.
pub(super) fn as_one<'a>(
    schema: &SchemaRef,
    batches: impl IntoIterator<Item = &'a RecordBatch>,
) -> Result<RecordBatch> {
    let batch = concat_batches(schema, batches)?;
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Utf8View => Arc::new(column.as_string_view().gc()) as ArrayRef,
        DataType::BinaryView => Arc::new(column.as_binary_view().gc()) as ArrayRef,
        _ => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)?)
}
