//! Columns into lines.

use std::io::Write;

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, MapArray, RecordBatch, StringViewArray, UInt8Array,
};
use arrow::datatypes::{Float64Type, Int64Type, UInt8Type};

use super::attributes::{escape, escape_byte};
use crate::error::{Error, Result};
use crate::schema::KEY;
use crate::text::numbers::put_double;

/// Appends a line for each row of `batch`, from the columns that decoding gives; null and absent columns are `.`, but
/// `seqid`, `start` and `end` must be there. Positions are written as they are, 1-based with both ends included.
///
/// Attributes come from the map `attributes`, or, where the batch has none, from the `attr_` columns that say which key
/// they hold. Text is percent-encoded where it must be. A comma in a value is written as it is, as between the values of a
/// list (`Parent=a,b`), but escaped before a blank, as in prose; it reads back the same either way.
///
/// # Errors
/// When a column is missing or of another type; when `start` or `end` is null, or they do not make a feature.
pub fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let table = Table::of(batch)?;
    for row in 0..batch.num_rows() {
        table.name(table.seqid, row, out);
        out.push(b'\t');
        for column in [table.source, table.feature] {
            match column {
                Some(column) => table.name(column, row, out),
                None => out.push(b'.'),
            }
            out.push(b'\t');
        }
        table.span(row, out)?;
        match table.score.filter(|a| a.is_valid(row)) {
            Some(scores) => put_double(scores.value(row), out),
            None => out.push(b'.'),
        }
        out.push(b'\t');
        table.strand(row, out)?;
        out.push(b'\t');
        number(out, table.phase.filter(|a| a.is_valid(row)).map(|a| a.value(row)))?;
        let from = out.len();
        table.attributes.write(row, out);
        if out.len() == from {
            out.push(b'.');
        }
        out.push(b'\n');
    }
    Ok(())
}

/// The columns by name.
struct Table<'a> {
    seqid: &'a StringViewArray,
    source: Option<&'a StringViewArray>,
    feature: Option<&'a StringViewArray>,
    start: &'a Int64Array,
    end: &'a Int64Array,
    score: Option<&'a Float64Array>,
    strand: Option<&'a StringViewArray>,
    phase: Option<&'a UInt8Array>,
    attributes: Attributes<'a>,
}

impl<'a> Table<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self> {
        let missing = |name: &'static str| move || Error::invalid("GFF needs this column").field(name);
        let text = |name: &str| typed(batch, name, |a| a.as_string_view_opt());
        let int =
            |name: &'static str| typed(batch, name, |a| a.as_primitive_opt::<Int64Type>())?.ok_or_else(missing(name));
        Ok(Self {
            seqid: text("seqid")?.ok_or_else(missing("seqid"))?,
            source: text("source")?,
            feature: text("feature")?,
            start: int("start")?,
            end: int("end")?,
            score: typed(batch, "score", |a| a.as_primitive_opt::<Float64Type>())?,
            strand: text("strand")?,
            phase: typed(batch, "phase", |a| a.as_primitive_opt::<UInt8Type>())?,
            attributes: Attributes::of(batch)?,
        })
    }

    fn name(&self, column: &StringViewArray, row: usize, out: &mut Vec<u8>) {
        if column.is_null(row) {
            return out.push(b'.');
        }
        match column.value(row).as_bytes() {
            b"." => escape_byte(b'.', out),
            // At the start of a line these mean something else; elsewhere it does no harm.
            [first @ (b'>' | b'#' | b' '), ..] => {
                escape_byte(*first, out);
                escape(&column.value(row)[1..], b"", out);
            }
            _ => escape(column.value(row), b"", out),
        }
    }

    fn span(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.start.is_null(row) || self.end.is_null(row) {
            return Err(Error::invalid("GFF cannot write a feature without start and end"));
        }
        let (start, end) = (self.start.value(row), self.end.value(row));
        if start < 1 || start > end {
            return Err(Error::invalid(format!("GFF cannot write a feature from {start} to {end}")));
        }
        number(out, Some(start))?;
        number(out, Some(end))
    }

    fn strand(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let strand = self.strand.filter(|a| a.is_valid(row)).map_or(".", |a| a.value(row));
        if !matches!(strand, "+" | "-" | "?" | ".") {
            return Err(Error::invalid("none of + - . ?").field("strand").text(strand.as_bytes()));
        }
        out.extend_from_slice(strand.as_bytes());
        Ok(())
    }
}

/// Where attributes come from.
enum Attributes<'a> {
    Map(&'a MapArray, &'a StringViewArray, &'a StringViewArray),
    Columns(Vec<(&'a str, &'a StringViewArray)>),
}

impl<'a> Attributes<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self> {
        if let Some(map) = typed(batch, "attributes", |a| a.as_map_opt())? {
            let wrong = || Error::invalid("GFF writes maps from text to text").field("attributes");
            let text = |a: &'a ArrayRef| a.as_string_view_opt().ok_or_else(wrong);
            return Ok(Self::Map(map, text(map.keys())?, text(map.values())?));
        }
        let columns = batch.schema_ref().fields().iter().zip(batch.columns());
        let keyed = columns.filter_map(|(field, column)| Some((field.metadata().get(KEY)?, column)));
        let text = keyed.filter_map(|(key, column)| Some((key.as_str(), column.as_string_view_opt()?)));
        Ok(Self::Columns(text.collect()))
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Map(map, ..) if map.is_null(row) => {}
            Self::Map(map, keys, values) => {
                let offsets = map.offsets();
                let first = offsets[row] as usize;
                for i in first..offsets[row + 1] as usize {
                    let value = values.is_valid(i).then(|| values.value(i));
                    attribute(i > first, keys.value(i), value, out);
                }
            }
            Self::Columns(columns) => {
                let mut more = false;
                for (key, column) in columns.iter().filter(|(_, c)| c.is_valid(row)) {
                    attribute(std::mem::replace(&mut more, true), key, Some(column.value(row)), out);
                }
            }
        }
    }
}

fn attribute(more: bool, key: &str, value: Option<&str>, out: &mut Vec<u8>) {
    if more {
        out.push(b';');
    }
    // Alone it would mean that there are no attributes.
    if key == "." {
        escape_byte(b'.', out);
    } else {
        word(key, b"=;&,", out);
    }
    if let Some(value) = value {
        out.push(b'=');
        word(value, b"=;&", out);
    }
}

/// Escapes also the blanks at both ends, which reading drops, and commas before blanks.
fn word(text: &str, reserved: &[u8], out: &mut Vec<u8>) {
    let inner = text.trim_matches(' ');
    let before = text.len() - text.trim_start_matches(' ').len();
    (0..before).for_each(|_| escape_byte(b' ', out));
    for (i, phrase) in inner.split(", ").enumerate() {
        if i > 0 {
            out.extend_from_slice(b"%2C ");
        }
        escape(phrase, reserved, out);
    }
    (before + inner.len()..text.len()).for_each(|_| escape_byte(b' ', out));
}

fn typed<'a, T: ?Sized>(
    batch: &'a RecordBatch,
    name: &str,
    read: impl Fn(&'a ArrayRef) -> Option<&'a T>,
) -> Result<Option<&'a T>> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let wrong = || Error::invalid(format!("GFF cannot write a column of {}", column.data_type())).field(name);
    read(column).map(Some).ok_or_else(wrong)
}

/// A number or `.`, and a tab.
fn number(out: &mut Vec<u8>, n: Option<impl std::fmt::Display>) -> Result<()> {
    let written = match n {
        Some(n) => write!(out, "{n}\t"),
        None => write!(out, ".\t"),
    };
    written.map_err(|e| Error::io("writing a number failed").caused_by(e))
}
