//! The size of arrays, and arrays without what their rows do not use.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, GenericListArray, MapArray, OffsetSizeTrait, RecordBatch,
    RecordBatchOptions, StringViewArray, StructArray,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::DataType;

use crate::error::Result;

/// Bytes of the batch's rows, also where its buffers hold other rows too.
pub(super) fn size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|c| size_of(c)).sum()
}

/// Bytes of one view.
const VIEW: usize = 16;

fn size_of(array: &dyn Array) -> usize {
    match array.data_type() {
        DataType::Utf8View => views(array.len(), array.as_string_view().total_buffer_bytes_used()),
        DataType::BinaryView => views(array.len(), array.as_binary_view().total_buffer_bytes_used()),
        DataType::List(_) => size_of_list(array.as_list::<i32>()),
        DataType::LargeList(_) => size_of_list(array.as_list::<i64>()),
        DataType::Map(..) => {
            let (map, offsets) = (array.as_map(), array.as_map().value_offsets());
            let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
            let entries = map.entries().slice(first as usize, (last - first) as usize);
            size_of_val(offsets) + size_of(&entries)
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|c| size_of(c)).sum(),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    }
}

fn views(rows: usize, long: usize) -> usize {
    rows * VIEW + long
}

fn size_of_list<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> usize {
    let offsets = list.value_offsets();
    size_of_val(offsets) + size_of(&within(list.values(), offsets))
}

/// Those of a list's values that lie within its offsets.
fn within<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &[O]) -> ArrayRef {
    let first = offsets.first().map_or(0, |o| o.as_usize());
    let last = offsets.last().map_or(first, |o| o.as_usize());
    values.slice(first, last - first)
}

/// The same rows, without text that none of them refers to: Arrow IPC writes buffers as they are, and a filter or limit
/// leaves views of few rows on the buffers of many.
pub(super) fn compact(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(compacted).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(batch.schema(), columns, &options)?)
}

/// Buffers of this size are not worth a look.
const SMALL: usize = 64 << 10;

fn compacted(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Utf8View => {
            let text: &StringViewArray = array.as_string_view();
            let held: usize = text.data_buffers().iter().map(|b| b.len()).sum();
            if held > SMALL && held > 2 * text.total_buffer_bytes_used() { Arc::new(text.gc()) } else { array.clone() }
        }
        DataType::BinaryView => {
            let bytes: &BinaryViewArray = array.as_binary_view();
            let held: usize = bytes.data_buffers().iter().map(|b| b.len()).sum();
            if held > SMALL && held > 2 * bytes.total_buffer_bytes_used() {
                Arc::new(bytes.gc())
            } else {
                array.clone()
            }
        }
        DataType::List(_) => Arc::new(compacted_list(array.as_list::<i32>())?),
        DataType::LargeList(_) => Arc::new(compacted_list(array.as_list::<i64>())?),
        DataType::Map(field, ordered) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = compacted(&within(&entries, map.value_offsets()))?;
            let offsets = from_zero(map.offsets());
            let nulls = map.nulls().cloned();
            Arc::new(MapArray::try_new(field.clone(), offsets, entries.as_struct().clone(), nulls, *ordered)?)
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns().iter().map(compacted).collect::<Result<_>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, array.nulls().cloned(), array.len())?)
        }
        _ => array.clone(),
    })
}

fn compacted_list<O: OffsetSizeTrait>(list: &GenericListArray<O>) -> Result<GenericListArray<O>> {
    let values = compacted(&within(list.values(), list.value_offsets()))?;
    let field = match list.data_type() {
        DataType::List(field) | DataType::LargeList(field) => field.clone(),
        _ => return Ok(list.clone()),
    };
    Ok(GenericListArray::try_new(field, from_zero(list.offsets()), values, list.nulls().cloned())?)
}

fn from_zero<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>) -> OffsetBuffer<O> {
    match offsets.first().copied() {
        Some(first) if first != O::zero() => OffsetBuffer::new(offsets.iter().map(|o| *o - first).collect()),
        _ => offsets.clone(),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{MapBuilder, StringViewBuilder};
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    /// Long texts, by themselves and in a map.
    fn batch(rows: usize) -> RecordBatch {
        let (mut text, mut map) =
            (StringViewBuilder::new(), MapBuilder::new(None, StringViewBuilder::new(), StringViewBuilder::new()));
        for row in 0..rows {
            let long = format!("{row:0>100}");
            text.append_value(&long);
            map.keys().append_value("XX");
            map.values().append_value(&long);
            map.append(row % 3 > 0).unwrap();
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(text.finish()), Arc::new(map.finish())];
        let fields: Vec<_> = columns.iter().map(|c| Field::new("x", c.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    #[test]
    fn rows_of_a_slice_are_counted_and_kept_alone() {
        let (whole, part) = (batch(5000), batch(5000).slice(1000, 3));
        assert!(size(&whole) > 1_000_000);
        assert!(size(&part) < 1_000, "{}", size(&part));
        let kept = compact(&part).unwrap();
        assert_eq!(kept, part);
        let held = |text: &StringViewArray| text.data_buffers().iter().map(|b| b.len()).sum::<usize>();
        let (text, values) = (kept.column(0).as_string_view(), kept.column(1).as_map().values().as_string_view());
        assert_eq!((held(text), held(values)), (300, 300));
    }

    #[test]
    fn whole_batches_are_not_copied() {
        let whole = batch(5000);
        let kept = compact(&whole).unwrap();
        let buffer = |b: &RecordBatch| b.column(0).as_string_view().data_buffers()[0].as_ptr();
        assert_eq!((&kept, buffer(&kept)), (&whole, buffer(&whole)));
    }
}
