//! What the functions share: argument types and columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::ColumnarValue;

/// Text of any layout, or an untyped null.
pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// An integer of any width, or an untyped null.
pub(super) fn is_integer(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_null()
}

/// The element of a list type of any layout.
pub(super) fn element(data_type: &DataType) -> Option<&Arc<Field>> {
    match data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Some(field),
        _ => None,
    }
}

/// The element of a list within lists.
pub(super) fn leaf(data_type: &DataType) -> &DataType {
    element(data_type).map_or(data_type, |field| leaf(field.data_type()))
}

/// The same list type as offset-based lists, its innermost elements as `leaf`.
pub(super) fn as_list(data_type: &DataType, leaf: &DataType) -> DataType {
    match element(data_type) {
        None => leaf.clone(),
        Some(field) => {
            let inner = as_list(field.data_type(), leaf);
            if *field.data_type() == inner {
                DataType::List(Arc::clone(field))
            } else {
                DataType::List(Arc::new(field.as_ref().clone().with_data_type(inner)))
            }
        }
    }
}

/// An argument count that the function takes.
pub(super) fn expect_count(name: &str, arguments: &str, types: &[DataType], count: usize) -> Result<()> {
    if types.len() == count {
        return Ok(());
    }
    plan_err!("{name}({arguments}) takes {count} arguments, not {}", types.len())
}

/// The `index`-th argument as a column of `data_type`.
pub(super) fn column(args: &[ColumnarValue], index: usize, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
    let Some(value) = args.get(index) else { return internal_err!("argument {index} is missing") };
    let array = value.to_array(rows)?;
    if array.data_type() == data_type { Ok(array) } else { Ok(cast(&array, data_type)?) }
}

/// The `index`-th argument as a column of text.
pub(super) fn text(args: &[ColumnarValue], index: usize, rows: usize) -> Result<StringViewArray> {
    Ok(column(args, index, rows, &DataType::Utf8View)?.as_string_view().clone())
}

/// The `index`-th argument as a column of integers.
pub(super) fn integers(args: &[ColumnarValue], index: usize, rows: usize) -> Result<Int64Array> {
    Ok(column(args, index, rows, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

/// The `index`-th argument as a column of lists, only that part of its elements which its rows use.
pub(super) fn list(args: &[ColumnarValue], index: usize, rows: usize, leaf: &DataType) -> Result<ListArray> {
    let Some(value) = args.get(index) else { return internal_err!("argument {index} is missing") };
    let array = column(args, index, rows, &as_list(&value.data_type(), leaf))?;
    match array.as_list_opt::<i32>() {
        Some(list) => Ok(list.clone()),
        None => internal_err!("expected a list, not {}", array.data_type()),
    }
}

/// A row's elements' place in the list's values.
pub(super) fn range(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    // Offsets are never negative: Arrow checks them where it makes the array.
    let offset = |i: usize| usize::try_from(list.value_offsets()[i]).unwrap_or(0);
    offset(row)..offset(row + 1)
}
