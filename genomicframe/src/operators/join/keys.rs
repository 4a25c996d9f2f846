//! The columns that must be equal: a contig, and whatever else a join asks for.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::Result;
use datafusion::physical_expr::expressions::cast;
use datafusion::physical_plan::PhysicalExpr;

use super::super::batches::is_text;
use super::condition::Span;

/// A batch's keys, equal when their bytes are.
pub(super) enum Keys {
    /// There is only one.
    None,
    /// A text, as it is.
    Text(StringViewArray),
    /// Several columns, or other ones than text.
    Rows(Rows, Option<NullBuffer>),
}

impl Keys {
    /// The values of `exprs`.
    pub(super) fn of(exprs: &[Arc<dyn PhysicalExpr>], batch: &RecordBatch) -> Result<Self> {
        let rows = batch.num_rows();
        let mut arrays =
            exprs.iter().map(|e| e.evaluate(batch)?.into_array(rows)).collect::<Result<Vec<ArrayRef>>>()?;
        if let [one] = arrays.as_slice()
            && is_text(one.data_type())
        {
            let text = datafusion::arrow::compute::cast(one, &DataType::Utf8View)?;
            return Ok(Self::Text(text.as_string_view().clone()));
        }
        if arrays.is_empty() {
            return Ok(Self::None);
        }
        for array in &mut arrays {
            // Both sides write a value alike only in one representation of it.
            if let DataType::Dictionary(_, value) = array.data_type() {
                *array = datafusion::arrow::compute::cast(array, value)?;
            }
        }
        let nulls = arrays.iter().fold(None, |all, a| NullBuffer::union(all.as_ref(), a.logical_nulls().as_ref()));
        let converter = RowConverter::new(arrays.iter().map(|a| SortField::new(a.data_type().clone())).collect())?;
        Ok(Self::Rows(converter.convert_columns(&arrays)?, nulls))
    }

    /// The row's key; `None` where a column is null, which equals nothing.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::None => Some(&[]),
            Self::Text(text) => text.is_valid(row).then(|| text.value(row).as_bytes()),
            Self::Rows(rows, nulls) => nulls.as_ref().is_none_or(|n| n.is_valid(row)).then(|| rows.row(row).data()),
        }
    }
}

/// A batch's spans.
pub(super) struct Spans {
    starts: ArrayRef,
    shift: i64,
    ends: ArrayRef,
}

impl Spans {
    pub(super) fn of(span: &Span, batch: &RecordBatch) -> Result<Self> {
        let column = |e: &Arc<dyn PhysicalExpr>| {
            cast(Arc::clone(e), &batch.schema(), DataType::Int64)?.evaluate(batch)?.into_array(batch.num_rows())
        };
        Ok(Self { starts: column(&span.start)?, shift: span.shift, ends: column(&span.end)? })
    }

    /// The row's first and last position; `None` where one of them is null.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<(i64, i64)> {
        if self.starts.is_null(row) || self.ends.is_null(row) {
            return None;
        }
        let start = self.starts.as_primitive::<Int64Type>().value(row);
        // Nothing is greater than the greatest number.
        Some((start.checked_add(self.shift)?, self.ends.as_primitive::<Int64Type>().value(row)))
    }
}
