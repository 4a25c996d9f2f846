//! Rows back to lines.

use std::io::Write;

use arrow::array::{Array, AsArray, BooleanArray, ListArray, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Float32Type, Int32Type, Int64Type};

use crate::error::{Error, Result};
use crate::schema;

/// Writes a header: that of a file that was read (its `header_text`), with `samples` in the `#CHROM` line.
pub fn write_header<'a>(text: &str, samples: impl IntoIterator<Item = &'a str>, out: &mut Vec<u8>) {
    for line in text.lines().filter(|line| line.starts_with("##")) {
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO");
    for (i, sample) in samples.into_iter().enumerate() {
        out.extend_from_slice(if i == 0 { b"\tFORMAT\t" } else { b"\t" });
        out.extend_from_slice(sample.as_bytes());
    }
    out.push(b'\n');
}

/// Writes a line for each row of `batch`, which has the columns of a VCF dataset's schema: `chrom`, `pos`, `id`, `ref`,
/// `alt`, `qual`, `filter`, and any `info_*` and `format_*`. Other columns (`end`) are not written.
///
/// Floats get the shortest text that reads back as the same number. Characters that would end an INFO or FORMAT value are
/// written as percent escapes (VCF §1.2).
///
/// # Errors
/// When a column is missing, has another type, or a fixed field holds what VCF cannot: a null `chrom`, `pos` or `ref`, a tab.
pub fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let columns = Columns::new(batch)?;
    for row in 0..batch.num_rows() {
        columns.line(row, out)?;
    }
    Ok(())
}

struct Columns<'a> {
    chrom: Fixed<'a>,
    pos: &'a dyn Array,
    id: Fixed<'a>,
    reference: Fixed<'a>,
    alt: &'a ListArray,
    qual: &'a dyn Array,
    filter: Fixed<'a>,
    info: Vec<(&'a str, Values<'a>)>,
    format: Vec<(&'a str, Samples<'a>)>,
    samples: usize,
}

impl<'a> Columns<'a> {
    fn new(batch: &'a RecordBatch) -> Result<Self> {
        let typed = |name: &str, ty: &DataType| {
            let column = batch.column_by_name(name).filter(|c| c.data_type() == ty);
            column.map(AsRef::as_ref).ok_or_else(|| invalid(name, &format!("a VCF needs this column, of type {ty}")))
        };
        let fixed = |name: &'static str| {
            let array = typed(name, &DataType::Utf8View)?;
            Ok::<_, Error>(Fixed { name, array: array.as_string_view() })
        };
        let list = DataType::List(std::sync::Arc::new(Field::new("item", DataType::Utf8View, true)));
        let mut columns = Self {
            chrom: fixed("chrom")?,
            pos: typed("pos", &DataType::Int64)?,
            id: fixed("id")?,
            reference: fixed("ref")?,
            alt: typed("alt", &list)?.as_list(),
            qual: typed("qual", &DataType::Float32)?,
            filter: fixed("filter")?,
            info: Vec::new(),
            format: Vec::new(),
            samples: 0,
        };
        for (field, array) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let Some(key) = field.metadata().get(schema::KEY) else { continue };
            if field.name().starts_with("info_") {
                let values = Values::new(array.as_ref(), b";,\t\r\n").ok_or_else(|| wrong(field))?;
                columns.info.push((key, values));
            } else if field.name().starts_with("format_") {
                let lists = array.as_list_opt::<i32>().ok_or_else(|| wrong(field))?;
                let values = Values::new(lists.values().as_ref(), b":,\t\r\n").ok_or_else(|| wrong(field))?;
                columns.samples = field.metadata().get(schema::SAMPLES).map_or(0, |s| s.split('\t').count());
                columns.format.push((key, Samples { lists, values }));
            }
        }
        columns.format.sort_by_key(|(key, _)| *key != "GT");
        Ok(columns)
    }

    fn line(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let pos = self.pos.as_primitive::<Int64Type>();
        if pos.is_null(row) {
            return Err(invalid("pos", "it is null"));
        }
        self.chrom.required(row, out)?;
        let _ = write!(out, "\t{}\t", pos.value(row));
        self.id.optional(row, out)?;
        out.push(b'\t');
        self.reference.required(row, out)?;
        out.push(b'\t');
        self.alt(row, out)?;
        out.push(b'\t');
        match self.qual.is_null(row) {
            true => out.push(b'.'),
            false => float(self.qual.as_primitive::<Float32Type>().value(row), out),
        }
        out.push(b'\t');
        self.filter.optional(row, out)?;
        out.push(b'\t');
        self.info(row, out);
        if self.samples > 0 {
            self.genotypes(row, out)?;
        }
        out.push(b'\n');
        Ok(())
    }

    fn alt(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let range = range(self.alt, row);
        if range.is_empty() {
            out.push(b'.');
        }
        let alleles = Fixed { name: "alt", array: self.alt.values().as_string_view() };
        for (i, allele) in range.enumerate() {
            if i > 0 {
                out.push(b',');
            }
            alleles.optional(allele, out)?;
        }
        Ok(())
    }

    fn info(&self, row: usize, out: &mut Vec<u8>) {
        let mut first = true;
        for (key, values) in &self.info {
            if !values.is_given(row) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push(b';');
            }
            out.extend_from_slice(key.as_bytes());
            if !matches!(values.items, Items::Flag(_)) {
                out.push(b'=');
                values.write(row, out);
            }
        }
        if first {
            out.push(b'.');
        }
    }

    fn genotypes(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let mut separator = b'\t';
        for (key, _) in self.format.iter().filter(|(_, s)| s.lists.is_valid(row)) {
            out.push(separator);
            out.extend_from_slice(key.as_bytes());
            separator = b':';
        }
        if separator == b'\t' {
            out.extend(b"\t.".repeat(self.samples + 1));
            return Ok(());
        }
        for sample in 0..self.samples {
            separator = b'\t';
            for (key, samples) in self.format.iter().filter(|(_, s)| s.lists.is_valid(row)) {
                out.push(separator);
                let range = range(samples.lists, row);
                if range.len() != self.samples {
                    return Err(invalid(key, &format!("{} values for {} samples", range.len(), self.samples)));
                }
                samples.values.write(range.start + sample, out);
                separator = b':';
            }
        }
        Ok(())
    }
}

fn invalid(column: &str, why: &str) -> Error {
    Error::invalid(why).field(column)
}

fn wrong(field: &Field) -> Error {
    invalid(field.name(), &format!("values of type {} cannot be written", field.data_type()))
}

fn range(lists: &ListArray, row: usize) -> std::ops::Range<usize> {
    if lists.is_null(row) {
        return 0..0;
    }
    let offsets = lists.value_offsets();
    offsets[row] as usize..offsets[row + 1] as usize
}

/// A fixed text field.
struct Fixed<'a> {
    name: &'static str,
    array: &'a StringViewArray,
}

impl Fixed<'_> {
    fn required(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.array.is_null(row) {
            return Err(invalid(self.name, "it is null"));
        }
        self.optional(row, out)
    }

    fn optional(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.array.is_null(row) {
            out.push(b'.');
            return Ok(());
        }
        let text = self.array.value(row).as_bytes();
        if text.is_empty() || text.iter().any(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0)) {
            return Err(invalid(self.name, "VCF cannot hold an empty text, a tab or a line's end here").text(text));
        }
        out.extend_from_slice(text);
        Ok(())
    }
}

struct Samples<'a> {
    lists: &'a ListArray,
    values: Values<'a>,
}

/// The values of a key, scalar or list.
struct Values<'a> {
    lists: Option<&'a ListArray>,
    items: Items<'a>,
    /// Bytes that would end a value.
    escaped: &'static [u8],
}

enum Items<'a> {
    Flag(&'a BooleanArray),
    Int(&'a arrow::array::Int32Array),
    Float(&'a arrow::array::Float32Array),
    Text(&'a StringViewArray),
}

impl<'a> Values<'a> {
    fn new(array: &'a dyn Array, escaped: &'static [u8]) -> Option<Self> {
        let lists = array.as_list_opt::<i32>();
        let items = lists.map_or(array, |l| l.values().as_ref());
        let items = match items.data_type() {
            DataType::Boolean => Items::Flag(items.as_boolean()),
            DataType::Int32 => Items::Int(items.as_primitive::<Int32Type>()),
            DataType::Float32 => Items::Float(items.as_primitive::<Float32Type>()),
            DataType::Utf8View => Items::Text(items.as_string_view()),
            _ => return None,
        };
        Some(Self { lists, items, escaped })
    }

    /// Whether INFO gets an entry.
    fn is_given(&self, row: usize) -> bool {
        match (&self.items, self.lists) {
            (_, Some(lists)) => lists.is_valid(row),
            (Items::Flag(a), _) => a.is_valid(row) && a.value(row),
            (Items::Int(a), _) => a.is_valid(row),
            (Items::Float(a), _) => a.is_valid(row),
            (Items::Text(a), _) => a.is_valid(row),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) {
        let Some(lists) = self.lists else { return self.item(row, out) };
        if lists.is_null(row) {
            return out.push(b'.');
        }
        for (i, item) in range(lists, row).enumerate() {
            if i > 0 {
                out.push(b',');
            }
            self.item(item, out);
        }
    }

    fn item(&self, i: usize, out: &mut Vec<u8>) {
        match self.items {
            Items::Flag(a) => out.push(if a.is_valid(i) && a.value(i) { b'1' } else { b'0' }),
            Items::Int(a) if a.is_valid(i) => {
                let _ = write!(out, "{}", a.value(i));
            }
            Items::Float(a) if a.is_valid(i) => float(a.value(i), out),
            Items::Text(a) if a.is_valid(i) => self.text(a.value(i).as_bytes(), out),
            _ => out.push(b'.'),
        }
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        // A comma of a scalar was read as part of it: the key's Number is 1, whatever the file holds.
        let ends = |b: &u8| self.escaped.contains(b) && (*b != b',' || self.lists.is_some());
        let mut rest = text;
        while let Some(at) = rest.iter().position(ends) {
            out.extend_from_slice(&rest[..at]);
            let _ = write!(out, "%{:02X}", rest[at]);
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
    }
}

/// The shortest text that reads back as the same number.
fn float(x: f32, out: &mut Vec<u8>) {
    if x.is_nan() {
        return out.extend_from_slice(b"nan");
    }
    let start = out.len();
    let _ = write!(out, "{x}");
    let plain = out.len() - start;
    let _ = write!(out, "{x:e}");
    if out.len() - start - plain < plain && x.is_finite() {
        out.drain(start..start + plain);
    } else {
        out.truncate(start + plain);
    }
}
