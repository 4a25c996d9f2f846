//! A schema as rows: what each column is and means.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use genomicframe_core::schema::{BASE, DESCRIPTION, KEY, NUMBER, TYPE};

use crate::error::Result;

/// A row per column: `name`, `type`, and where the file tells them `key`, `number`, `file_type`, `base` (of positions) and
/// `description`.
///
/// # Errors
/// Never in practice.
pub fn describe(schema: &Schema) -> Result<RecordBatch> {
    let fields = schema.fields();
    let told = |key: &str| {
        let values = fields.iter().map(|f| f.metadata().get(key).map(String::as_str));
        Arc::new(values.collect::<StringViewArray>()) as ArrayRef
    };
    let made = |of: &dyn Fn(&Field) -> String| {
        Arc::new(fields.iter().map(|f| Some(of(f))).collect::<StringViewArray>()) as ArrayRef
    };
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("name", made(&|f| f.name().clone()), false),
        ("type", made(&|f| type_name(f.data_type())), false),
        ("key", told(KEY), true),
        ("number", told(NUMBER), true),
        ("file_type", told(TYPE), true),
        ("base", told(BASE), true),
        ("description", told(DESCRIPTION), true),
    ])?)
}

/// A type's short name.
fn type_name(of: &DataType) -> String {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "i8".into(),
        DataType::Int16 => "i16".into(),
        DataType::Int32 => "i32".into(),
        DataType::Int64 => "i64".into(),
        DataType::UInt8 => "u8".into(),
        DataType::UInt16 => "u16".into(),
        DataType::UInt32 => "u32".into(),
        DataType::UInt64 => "u64".into(),
        DataType::Float32 => "f32".into(),
        DataType::Float64 => "f64".into(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("list<{}>", type_name(item.data_type()))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!("map<{}, {}>", type_name(pair[0].data_type()), type_name(pair[1].data_type()))
            }
            other => format!("map<{}>", type_name(other)),
        },
        DataType::Struct(fields) => {
            let fields: Vec<_> = fields.iter().map(|f| format!("{}: {}", f.name(), type_name(f.data_type()))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::text::tests::every_kind;

    #[test]
    fn types_are_named_shortly() {
        let batch = describe(&every_kind().schema()).unwrap();
        let types = batch.column_by_name("type").unwrap();
        let types: Vec<_> =
            types.as_any().downcast_ref::<StringViewArray>().unwrap().iter().map(Option::unwrap).collect();
        assert_eq!(types, ["text", "i64", "u8", "f64", "boolean", "list<f32>", "map<text, text>"]);
    }
}
