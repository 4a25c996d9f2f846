//! Arrow record batches to a Polars frame, over the Arrow C data interface.
//!
//! Numbers, booleans and views of text and bytes are shared, not copied, and so are lists' and structs' elements of
//! these types (a list's offsets widen to 64 bits). Each batch becomes a chunk. A map becomes a list of
//! `{key, value}` structs; dictionaries become their values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, to_ffi};
use datafusion::common::{DataFusionError, Result, plan_err};
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::ffi;
use polars_core::error::PolarsError;
use polars_core::frame::DataFrame;
use polars_core::prelude::{Column, PlSmallStr, Series};

/// Hands record batches over to Polars.
///
/// Without batches, the frame is empty and its columns have the schema's types.
///
/// ```
/// use std::sync::Arc;
/// use datafusion::arrow::array::{RecordBatch, UInt8Array};
///
/// let mapq = Arc::new(UInt8Array::from(vec![Some(60), None])) as _;
/// let batch = RecordBatch::try_from_iter([("mapq", mapq)])?;
/// let frame = genomicframe::polars::to_polars(batch.schema(), vec![batch])?;
/// assert_eq!(frame.shape(), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a column has a type that Polars is not built for here (dates, decimals …), or two columns share a name.
pub fn to_polars(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame> {
    let height = batches.iter().map(RecordBatch::num_rows).sum();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (i, field) in schema.fields().iter().enumerate() {
        // Batches are checked, not trusted: what follows relies on all chunks being of one type.
        let chunks = batches.iter().map(|batch| match batch.columns().get(i) {
            Some(chunk) if chunk.data_type() == field.data_type() => shareable(field.name(), chunk),
            _ => plan_err!("a batch does not have the schema's column {}", field.name()),
        });
        let mut chunks = chunks.collect::<Result<Vec<_>>>()?;
        if chunks.is_empty() {
            chunks.push(shareable(field.name(), &new_empty_array(field.data_type()))?);
        }
        columns.push(Column::from(series(field.name(), &chunks)?));
    }
    DataFrame::new(height, columns).map_err(external)
}

fn external(error: PolarsError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// The array in a type that Polars takes.
fn shareable(column: &str, array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => shareable(column, &cast(array, values)?)?,
        DataType::Float16 => cast(array, &DataType::Float32)?,
        DataType::Map(..) => {
            let map = array.as_map();
            // Writers name a map's fields as they like.
            let fields = [("key", map.keys()), ("value", map.values())];
            let entries = fields.map(|(n, a)| (Arc::new(Field::new(n, a.data_type().clone(), true)), Arc::clone(a)));
            let entries: ArrayRef = Arc::new(StructArray::from(entries.to_vec()));
            lists(column, map.offsets(), &entries, map.nulls())?
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            lists(column, list.offsets(), list.values(), list.nulls())?
        }
        DataType::LargeList(element)
        | DataType::FixedSizeList(element, _)
        | DataType::ListView(element)
        | DataType::LargeListView(element) => shareable(column, &cast(array, &DataType::List(Arc::clone(element)))?)?,
        DataType::Struct(_) => {
            let parent = array.as_struct();
            let children = parent.columns().iter().map(|c| shareable(column, c)).collect::<Result<Vec<_>>>()?;
            let field = |(f, c): (&Arc<Field>, &ArrayRef)| Field::new(f.name(), c.data_type().clone(), true);
            let fields = parent.fields().iter().zip(&children).map(field).collect();
            Arc::new(StructArray::try_new_with_length(fields, children, parent.nulls().cloned(), parent.len())?)
        }
        DataType::Null
        | DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => Arc::clone(array),
        other => return plan_err!("Polars does not take column {column} of type {other} here; cast it first"),
    })
}

/// Lists over elements in a type that Polars takes.
fn lists(column: &str, offsets: &OffsetBuffer<i32>, values: &ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef> {
    let values = shareable(column, values)?;
    let element = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(element, offsets.clone(), values, nulls.cloned())?))
}

/// A column of chunks that are all of one type, at least one.
#[allow(unsafe_code, reason = "the C data interface is the one way between two libraries' arrays without copying")]
fn series(name: &str, chunks: &[ArrayRef]) -> Result<Series> {
    let mut imported = Vec::with_capacity(chunks.len());
    let mut data_type = ArrowDataType::Null;
    for chunk in chunks {
        let (array, schema) = to_ffi(&chunk.to_data())?;
        // SAFETY: both sides declare the two structs of the Arrow C data interface as #[repr(C)], with the fields, and
        // so the layout, that its specification fixes (transmute checks the sizes). Each value is moved, not
        // duplicated, so that its release callback runs once, from Polars' drop. They describe an array that arrow-rs
        // has validated and exported just now, which is what the imports ask for; `data_type` is the array's own.
        let array = unsafe {
            let schema = std::mem::transmute::<FFI_ArrowSchema, ffi::ArrowSchema>(schema);
            data_type = ffi::import_field_from_c(&schema).map_err(external)?.dtype;
            let array = std::mem::transmute::<FFI_ArrowArray, ffi::ArrowArray>(array);
            ffi::import_array_from_c(array, data_type.clone()).map_err(external)?
        };
        imported.push(array);
    }
    // SAFETY: `to_polars` has checked that all chunks are of one type, whose import `data_type` is.
    unsafe { Series::_try_from_arrow_unchecked(PlSmallStr::from_str(name), imported, &data_type) }.map_err(external)
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        BooleanArray, Date32Array, DictionaryArray, Float32Array, Int32Array, Int64Array, Int64Builder, ListBuilder,
        MapBuilder, StringArray, StringViewArray, StringViewBuilder, UInt8Array, UInt16Array,
    };
    use arrow::datatypes::{Int32Type, Schema, UInt16Type};
    use polars_core::prelude::{AnyValue, DataType as Polars};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
    }

    fn frame(batches: Vec<RecordBatch>) -> DataFrame {
        to_polars(batches[0].schema(), batches).unwrap()
    }

    /// Reads with their tags.
    fn reads() -> RecordBatch {
        let mut pages = ListBuilder::new(ListBuilder::new(Int64Builder::new()));
        pages.append_value([Some(vec![Some(1), None]), None]);
        pages.append_null();
        let mut alt = ListBuilder::new(StringViewBuilder::new());
        alt.append_value([Some("T"), Some("an allele longer than a view keeps within itself")]);
        alt.append_null();
        let mut tags = MapBuilder::new(None, StringViewBuilder::new(), StringViewBuilder::new());
        tags.keys().append_value("NM");
        tags.values().append_value("i:3");
        tags.keys().append_value("RG");
        tags.values().append_null();
        tags.append(true).unwrap();
        tags.append(false).unwrap();
        batch(vec![
            ("qname", Arc::new(StringViewArray::from(vec![Some("a read's name that needs a buffer"), None]))),
            ("flag", Arc::new(UInt16Array::from(vec![Some(99), None]))),
            ("mapq", Arc::new(UInt8Array::from(vec![60, 255]))),
            ("pos", Arc::new(Int64Array::from(vec![Some(1 << 40), None]))),
            ("qual", Arc::new(Float32Array::from(vec![Some(0.5), None]))),
            ("ok", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("alt", Arc::new(alt.finish())),
            ("pages", Arc::new(pages.finish())),
            ("tags", Arc::new(tags.finish())),
            ("old", Arc::new(StringArray::from(vec![Some("utf8"), None]))),
        ])
    }

    fn value<'a>(frame: &'a DataFrame, column: &str, row: usize) -> AnyValue<'a> {
        frame.column(column).unwrap().get(row).unwrap()
    }

    #[test]
    fn values_and_nulls_arrive() {
        let frame = frame(vec![reads()]);
        assert_eq!(frame.shape(), (2, 10));
        assert_eq!(value(&frame, "qname", 0), AnyValue::String("a read's name that needs a buffer"));
        assert_eq!(value(&frame, "flag", 0), AnyValue::UInt16(99));
        assert_eq!(value(&frame, "mapq", 1), AnyValue::UInt8(255));
        assert_eq!(value(&frame, "pos", 0), AnyValue::Int64(1 << 40));
        assert_eq!(value(&frame, "qual", 0), AnyValue::Float32(0.5));
        assert_eq!(value(&frame, "ok", 0), AnyValue::Boolean(true));
        assert_eq!(value(&frame, "old", 0), AnyValue::String("utf8"));
        for column in ["qname", "flag", "pos", "qual", "ok", "alt", "pages", "tags", "old"] {
            assert!(value(&frame, column, 1).is_null(), "{column}");
        }
    }

    #[test]
    fn lists_and_maps_arrive_as_lists() {
        let frame = frame(vec![reads()]);
        let list = |column: &str| match value(&frame, column, 0) {
            AnyValue::List(series) => series,
            other => panic!("{other:?}"),
        };
        assert_eq!(list("alt").dtype(), &Polars::String);
        assert_eq!(list("alt").get(1).unwrap(), AnyValue::String("an allele longer than a view keeps within itself"));
        let pages = list("pages");
        assert!(pages.get(1).unwrap().is_null());
        let AnyValue::List(inner) = pages.get(0).unwrap() else { panic!("{pages:?}") };
        assert_eq!(inner.get(0).unwrap(), AnyValue::Int64(1));
        assert!(inner.get(1).unwrap().is_null());
        let tags = list("tags");
        let tags = tags.struct_().unwrap();
        let field = |name: &str| tags.fields_as_series().into_iter().find(|s| s.name() == name).unwrap();
        assert_eq!(field("key").get(1).unwrap(), AnyValue::String("RG"));
        assert_eq!(field("value").get(0).unwrap(), AnyValue::String("i:3"));
        assert!(field("value").get(1).unwrap().is_null());
    }

    #[test]
    fn text_is_shared_not_copied() {
        let batch = reads();
        let names = batch.column(0).as_string_view().clone();
        let shared = names.value(0).as_ptr();
        let frame = frame(vec![batch]);
        let AnyValue::String(name) = value(&frame, "qname", 0) else { panic!() };
        assert_eq!(name.as_ptr(), shared);
    }

    #[test]
    fn each_batch_is_a_chunk_and_slices_keep_their_place() {
        let (a, b) = (reads(), reads());
        let rest = b.slice(1, 1);
        let frame = frame(vec![a, rest, b.slice(0, 1)]);
        assert_eq!(frame.height(), 4);
        assert_eq!(frame.column("pos").unwrap().n_chunks(), 3);
        assert_eq!(value(&frame, "flag", 3), AnyValue::UInt16(99));
        assert!(value(&frame, "alt", 2).is_null());
        assert!(matches!(value(&frame, "alt", 3), AnyValue::List(s) if s.len() == 2));
        assert!(matches!(value(&frame, "tags", 3), AnyValue::List(s) if s.len() == 2));
    }

    #[test]
    fn no_batches_make_an_empty_frame_of_the_same_types() {
        let empty = to_polars(reads().schema(), vec![]).unwrap();
        let full = frame(vec![reads()]);
        assert_eq!(empty.shape(), (0, 10));
        assert_eq!(empty.dtypes(), full.dtypes());
        assert_eq!(full.column("tags").unwrap().dtype().to_string(), "list[struct[2]]");
    }

    #[test]
    fn rows_without_columns_keep_their_number() {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(7));
        let schema = Arc::new(Schema::empty());
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), vec![], &options).unwrap();
        assert_eq!(to_polars(schema, vec![batch]).unwrap().height(), 7);
    }

    #[test]
    fn dictionaries_and_structs_become_plain() {
        let sample: DictionaryArray<UInt16Type> = [Some("a"), None, Some("a")].into_iter().collect();
        let children: Vec<(Arc<Field>, ArrayRef)> = vec![(
            Arc::new(Field::new("n", DataType::Int32, true)),
            Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])),
        )];
        let frame = frame(vec![batch(vec![
            ("sample", Arc::new(sample)),
            ("s", Arc::new(StructArray::from(children))),
            (
                "fixed",
                Arc::new(arrow::array::FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(
                    (0..3).map(|i| Some(vec![Some(i)])),
                    1,
                )),
            ),
        ])]);
        assert_eq!(value(&frame, "sample", 2), AnyValue::String("a"));
        assert_eq!(frame.column("s").unwrap().dtype().to_string(), "struct[1]");
        assert_eq!(frame.column("fixed").unwrap().dtype().to_string(), "list[i32]");
    }

    #[test]
    fn what_polars_does_not_take_is_said() {
        let dates = batch(vec![("day", Arc::new(Date32Array::from(vec![1])))]);
        let e = to_polars(dates.schema(), vec![dates]).unwrap_err().to_string();
        assert!(e.contains("column day of type Date32"), "{e}");
        let numbers = batch(vec![("x", Arc::new(Int32Array::from(vec![1])))]);
        let e = to_polars(reads().schema(), vec![numbers]).unwrap_err().to_string();
        assert!(e.contains("does not have the schema's column qname"), "{e}");
    }
}
