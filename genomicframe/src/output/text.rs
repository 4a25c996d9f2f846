//! Values as text, for people and for line-oriented tools.
//!
//! | value | text |
//! |---|---|
//! | null | `.` |
//! | boolean | `true`, `false` |
//! | float | the shortest text that reads back as the same number: `0.1`, `30`, `1e-7` |
//! | list | elements joined by `,`; in a list of lists the inner lists are joined by `;` |
//! | map | entries joined by `;`: `KEY:TYPE:VALUE` in the column `tags` (as SAM writes them), else `key=value` |
//! | struct | as a map: `name=value` joined by `;` |
//! | everything else | as Arrow prints it |

use std::io::Write;
use std::ops::Range;

use datafusion::arrow::array::{
    Array, AsArray, BooleanArray, Float32Array, Float64Array, LargeStringArray, StringArray, StringViewArray,
    UInt64Array,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{
    DataType, Field, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use genomicframe_core::alignment::write_int;

use crate::error::Result;

/// The column whose entries SAM writes as `KEY:TYPE:VALUE`.
const SAM_TAGS: &str = "tags";

/// A column, ready to be written row by row into a byte buffer.
pub(super) struct Cells<'a> {
    nulls: Option<NullBuffer>,
    values: Values<'a>,
}

type Spans<'a> = Box<dyn Fn(usize) -> Range<usize> + 'a>;

enum Values<'a> {
    Nothing,
    Bool(&'a BooleanArray),
    View(&'a StringViewArray),
    Text(&'a StringArray),
    LargeText(&'a LargeStringArray),
    Int(Box<dyn Fn(usize) -> i64 + 'a>),
    Unsigned(&'a UInt64Array),
    Single(&'a Float32Array),
    Double(&'a Float64Array),
    List { spans: Spans<'a>, items: Box<Cells<'a>>, separator: u8 },
    Map { spans: Spans<'a>, keys: Box<Cells<'a>>, values: Box<Cells<'a>>, assign: u8 },
    Struct(Vec<(&'a str, Cells<'a>)>),
    Other(ArrayFormatter<'a>),
}

const OPTIONS: FormatOptions<'static> = FormatOptions::new();

impl<'a> Cells<'a> {
    /// The cells of a column.
    ///
    /// # Errors
    /// When its type has no text.
    pub(super) fn new(field: &'a Field, array: &'a dyn Array) -> Result<Self> {
        let int = |of: Box<dyn Fn(usize) -> i64 + 'a>| Values::Int(of);
        macro_rules! small {
            ($of:ty) => {{
                let array = array.as_primitive::<$of>();
                int(Box::new(move |row| i64::from(array.value(row))))
            }};
        }
        let values = match array.data_type() {
            DataType::Null => Values::Nothing,
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Utf8View => Values::View(array.as_string_view()),
            DataType::Utf8 => Values::Text(array.as_string()),
            DataType::LargeUtf8 => Values::LargeText(array.as_string()),
            DataType::Int8 => small!(Int8Type),
            DataType::Int16 => small!(Int16Type),
            DataType::Int32 => small!(Int32Type),
            DataType::Int64 => small!(Int64Type),
            DataType::UInt8 => small!(UInt8Type),
            DataType::UInt16 => small!(UInt16Type),
            DataType::UInt32 => small!(UInt32Type),
            DataType::UInt64 => Values::Unsigned(array.as_primitive()),
            DataType::Float32 => Values::Single(array.as_primitive()),
            DataType::Float64 => Values::Double(array.as_primitive()),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                Self::list(item, list.values(), Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize))?
            }
            DataType::LargeList(item) => {
                let list = array.as_list::<i64>();
                let offsets = list.value_offsets();
                Self::list(item, list.values(), Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize))?
            }
            DataType::FixedSizeList(item, width) => {
                let width = usize::try_from(*width).unwrap_or_default();
                let list = array.as_fixed_size_list();
                Self::list(item, list.values(), Box::new(move |row| row * width..(row + 1) * width))?
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let offsets = map.value_offsets();
                let (key, value) = map.entries_fields();
                Values::Map {
                    spans: Box::new(move |row| offsets[row] as usize..offsets[row + 1] as usize),
                    keys: Box::new(Self::new(key, map.keys())?),
                    values: Box::new(Self::new(value, map.values())?),
                    assign: if field.name() == SAM_TAGS { b':' } else { b'=' },
                }
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let named = columns.map(|(f, c)| Ok((f.name().as_str(), Self::new(f, c)?)));
                Values::Struct(named.collect::<Result<_>>()?)
            }
            _ => Values::Other(ArrayFormatter::try_new(array, &OPTIONS)?),
        };
        Ok(Self { nulls: array.logical_nulls(), values })
    }

    fn list(item: &'a Field, items: &'a dyn Array, spans: Spans<'a>) -> Result<Values<'a>> {
        let separator = if item.data_type().is_nested() { b';' } else { b',' };
        Ok(Values::List { spans, items: Box::new(Self::new(item, items)?), separator })
    }

    /// Whether the value is a number, which tables align to the right.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.values, Values::Int(_) | Values::Unsigned(_) | Values::Single(_) | Values::Double(_))
    }

    /// Whether the value is a text that is known at a glance to be that of the row before.
    pub(super) fn repeats(&self, row: usize) -> bool {
        match (&self.values, &self.nulls, row.checked_sub(1)) {
            // Equal views are equal texts.
            (Values::View(a), None, Some(above)) => a.views()[row] == a.views()[above],
            _ => false,
        }
    }

    /// Appends the text of one value.
    pub(super) fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.as_ref().is_some_and(|n| n.is_null(row)) {
            out.push(b'.');
            return;
        }
        match &self.values {
            Values::Nothing => out.push(b'.'),
            Values::Bool(a) => out.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Values::View(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::Text(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::LargeText(a) => out.extend_from_slice(a.value(row).as_bytes()),
            Values::Int(value) => write_int(value(row), out),
            Values::Unsigned(a) => display(a.value(row), out),
            Values::Single(a) => write_float(a.value(row), a.value(row).is_finite(), out),
            Values::Double(a) => write_float(a.value(row), a.value(row).is_finite(), out),
            Values::List { spans, items, separator } => {
                join(spans(row), *separator, out, |i, out| items.write(i, out));
            }
            Values::Map { spans, keys, values, assign } => join(spans(row), b';', out, |i, out| {
                keys.write(i, out);
                out.push(*assign);
                values.write(i, out);
            }),
            Values::Struct(columns) => join(0..columns.len(), b';', out, |i, out| {
                out.extend_from_slice(columns[i].0.as_bytes());
                out.push(b'=');
                columns[i].1.write(row, out);
            }),
            Values::Other(formatter) => display(formatter.value(row), out),
        }
    }
}

fn join(items: Range<usize>, separator: u8, out: &mut Vec<u8>, write: impl Fn(usize, &mut Vec<u8>)) {
    let first = items.start;
    for i in items {
        if i > first {
            out.push(separator);
        }
        write(i, out);
    }
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    // Writing to memory does not fail; a value that cannot be shown is left empty.
    let _ = write!(out, "{value}");
}

/// The shortest text that reads back as the same number; a whole one without `.0`.
fn write_float(x: impl std::fmt::Debug, finite: bool, out: &mut Vec<u8>) {
    let _ = write!(out, "{x:?}");
    if finite && out.ends_with(b".0") {
        out.truncate(out.len() - 2);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::*;
    use datafusion::arrow::datatypes::{Float32Type, Schema};

    use super::*;

    /// A batch with a value of every kind, and a row of nulls.
    pub(in crate::output) fn every_kind() -> RecordBatch {
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(0.25), None, Some(3.0)]), None]);
        let mut tags = MapBuilder::new(None, StringViewBuilder::new(), StringViewBuilder::new());
        for (key, value) in [("NM", "i:5"), ("MD", "Z:10A")] {
            tags.keys().append_value(key);
            tags.values().append_value(value);
        }
        tags.append(true).unwrap();
        tags.append(false).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("text", Arc::new(StringViewArray::from(vec![Some("a,\"b\"\tc"), None]))),
            ("int", Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
            ("small", Arc::new(UInt8Array::from(vec![Some(255), None]))),
            ("float", Arc::new(Float64Array::from(vec![Some(0.1), None]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("list", Arc::new(list)),
            ("tags", Arc::new(tags.finish())),
        ];
        let fields: Vec<_> = columns.iter().map(|(n, c)| Field::new(*n, c.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, c)| c).collect()).unwrap()
    }

    fn cell(name: &str, array: &dyn Array, row: usize) -> String {
        let field = Field::new(name, array.data_type().clone(), true);
        let mut out = Vec::new();
        Cells::new(&field, array).unwrap().write(row, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_has_its_text_and_null_is_a_dot() {
        let batch = every_kind();
        let expected = ["a,\"b\"\tc", "-9223372036854775808", "255", "0.1", "true", "0.25,.,3", "NM:i:5;MD:Z:10A"];
        for (i, text) in expected.iter().enumerate() {
            let name = batch.schema().field(i).name().clone();
            assert_eq!(cell(&name, batch.column(i), 0), *text, "{name}");
            assert_eq!(cell(&name, batch.column(i), 1), ".", "{name}");
        }
        assert_eq!(cell("attributes", batch.column(6), 0), "NM=i:5;MD=Z:10A");
    }

    #[test]
    fn floats_are_short_and_read_back() {
        let values = [0.0, -1.0, 30.0, 0.1, 1e-7, 1e300, f64::MIN_POSITIVE, 123_456_789.125];
        let array = Float64Array::from(values.to_vec());
        for (row, value) in values.iter().enumerate() {
            let text = cell("x", &array, row);
            assert_eq!(text.parse::<f64>().unwrap(), *value, "{text}");
            assert!(text.len() < 25 && !text.ends_with(".0"), "{text}");
        }
        assert_eq!(cell("x", &Float32Array::from(vec![0.1]), 0), "0.1");
        assert_eq!(cell("x", &Float32Array::from(vec![f32::NAN]), 0), "NaN");
        assert_eq!(cell("x", &Float64Array::from(vec![f64::NEG_INFINITY]), 0), "-inf");
    }

    #[test]
    fn lists_of_lists_keep_their_inner_commas() {
        let mut builder = ListBuilder::new(ListBuilder::new(Int64Builder::new()));
        for inner in [vec![1, 2], vec![3]] {
            builder.values().values().append_slice(&inner);
            builder.values().append(true);
        }
        builder.values().append(false);
        builder.append(true);
        assert_eq!(cell("format_ad", &builder.finish(), 0), "1,2;3;.");
    }

    #[test]
    fn sliced_columns_show_their_own_rows() {
        let batch = every_kind();
        let tags = batch.column(6).slice(1, 1);
        assert_eq!(cell("tags", &tags, 0), ".");
        let list = ListArray::from_iter_primitive::<Float32Type, _, _>([Some(vec![Some(1.0)]), Some(vec![Some(2.0)])]);
        assert_eq!(cell("x", &list.slice(1, 1), 0), "2");
    }

    #[test]
    fn other_types_print_as_arrow_prints_them() {
        let date = Date32Array::from(vec![Some(0), None]);
        assert_eq!((cell("d", &date, 0), cell("d", &date, 1)), ("1970-01-01".into(), ".".into()));
        let words: DictionaryArray<datafusion::arrow::datatypes::Int32Type> =
            vec![Some("x"), None].into_iter().collect();
        assert_eq!((cell("d", &words, 0), cell("d", &words, 1)), ("x".into(), ".".into()));
    }
}
