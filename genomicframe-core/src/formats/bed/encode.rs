//! Columns into lines.

use std::io::Write;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::header::{NAMES, is_skipped};
use crate::error::{Error, Result};
use crate::text::numbers::put_double;

/// Appends a line for each row of `batch`, whose columns are BED's in BED's order (`chrom`, `start`, `end`, …, as far
/// as they go) and then any text columns. Positions are written as they are, 0-based and half-open; null is `.`.
///
/// # Errors
/// When a column is missing, out of order or of another type than decoding gives; when `chrom`, `start` or `end` is
/// null; when text holds a tab or a line break, or a line would read as a comment.
pub fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let schema = batch.schema_ref();
    let named = schema.fields().iter().map(|f| f.name().as_str());
    if named.take(3).ne(NAMES[..3].iter().copied()) {
        return Err(Error::invalid("a BED file begins with the columns chrom, start and end"));
    }
    for (i, field) in schema.fields().iter().enumerate().skip(3) {
        let place = NAMES.iter().position(|n| n == field.name());
        if place.is_some_and(|place| place != i) {
            return Err(
                Error::invalid(format!("column {} of a BED file cannot be this one", i + 1)).field(field.name())
            );
        }
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Vec<_> = columns.map(|(c, f)| Cells::of(c).map_err(|e| e.field(f.name()))).collect::<Result<_>>()?;
    for row in 0..batch.num_rows() {
        let line = out.len();
        for (i, cells) in columns.iter().enumerate() {
            if i > 0 {
                out.push(b'\t');
            }
            let named = |e: Error| e.field(schema.field(i).name());
            if cells.is_null(row) {
                if i < 3 {
                    return Err(named(Error::invalid("BED cannot write null here")));
                }
                out.push(b'.');
            } else {
                cells.write(row, out).map_err(named)?;
            }
        }
        if is_skipped(&out[line..]) {
            let e = Error::invalid("a line of BED cannot begin so: it reads as a comment").text(&out[line..]);
            return Err(e.field("chrom"));
        }
        out.push(b'\n');
    }
    Ok(())
}

/// A column that BED can write.
enum Cells<'a> {
    Text(&'a StringViewArray),
    Int(&'a Int64Array),
    Float(&'a Float64Array),
    Ints(&'a ListArray),
}

impl<'a> Cells<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        let wrong = || Error::invalid(format!("BED cannot write a column of {}", column.data_type()));
        Ok(match column.data_type() {
            DataType::Utf8View => Self::Text(column.as_string_view()),
            DataType::Int64 => Self::Int(column.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Float(column.as_primitive::<Float64Type>()),
            DataType::List(item) if *item.data_type() == DataType::Int64 => Self::Ints(column.as_list()),
            _ => return Err(wrong()),
        })
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(a) => a.is_null(row),
            Self::Int(a) => a.is_null(row),
            Self::Float(a) => a.is_null(row),
            Self::Ints(a) => a.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Text(a) => {
                let text = a.value(row);
                if text.contains(['\t', '\n', '\r']) {
                    return Err(Error::invalid("BED cannot write a tab or a line break").text(text.as_bytes()));
                }
                out.extend_from_slice(text.as_bytes());
                Ok(())
            }
            Self::Int(a) => number(out, a.value(row)),
            Self::Float(a) => {
                put_double(a.value(row), out);
                Ok(())
            }
            Self::Ints(a) => {
                let items = a.value(row);
                for n in items.as_primitive::<Int64Type>() {
                    number(out, n.ok_or_else(|| Error::invalid("BED cannot write null within a list"))?)?;
                    out.push(b',');
                }
                Ok(())
            }
        }
    }
}

fn number(out: &mut Vec<u8>, n: impl std::fmt::Display) -> Result<()> {
    write!(out, "{n}").map_err(|e| Error::io("writing a number failed").caused_by(e))
}
