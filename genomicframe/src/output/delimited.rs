//! Rows as lines of cells: tsv and csv.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use memchr::{memchr, memchr3};

use super::text::Cells;
use super::writer::{BatchWriter, Out};
use crate::error::Result;

/// How cells are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Tabs; a tab, line break or backslash in a cell is written `\t`, `\n`, `\r`, `\\`.
    Tsv,
    /// RFC 4180: commas; a cell with a comma, quote or line break is quoted.
    Csv,
}

/// Writes tsv or csv.
pub(super) struct Delimited {
    style: Style,
    out: Out,
    buffer: Vec<u8>,
}

impl Delimited {
    pub(super) fn new(style: Style, schema: &SchemaRef, header: bool, out: Out) -> Result<Self> {
        let mut writer = Self { style, out, buffer: Vec::new() };
        if header && !schema.fields().is_empty() {
            for (i, field) in schema.fields().iter().enumerate() {
                writer.cell(i, |buffer| buffer.extend_from_slice(field.name().as_bytes()));
            }
            writer.buffer.push(b'\n');
            writer.out.put(&writer.buffer)?;
        }
        Ok(writer)
    }

    fn cell(&mut self, column: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if column > 0 {
            self.buffer.push(if self.style == Style::Tsv { b'\t' } else { b',' });
        }
        let start = self.buffer.len();
        write(&mut self.buffer);
        protect(self.style, start, &mut self.buffer);
    }
}

/// Rewrites the cell that begins at `start` if it holds a byte with a meaning; few do.
fn protect(style: Style, start: usize, buffer: &mut Vec<u8>) {
    let cell = &buffer[start..];
    let plain = match style {
        Style::Tsv => memchr3(b'\t', b'\n', b'\\', cell).is_none() && memchr(b'\r', cell).is_none(),
        Style::Csv => memchr3(b',', b'\n', b'"', cell).is_none() && memchr(b'\r', cell).is_none(),
    };
    if plain {
        return;
    }
    let cell = buffer.split_off(start);
    if style == Style::Csv {
        buffer.push(b'"');
    }
    for byte in cell {
        match (style, byte) {
            (Style::Tsv, b'\t') => buffer.extend_from_slice(b"\\t"),
            (Style::Tsv, b'\n') => buffer.extend_from_slice(b"\\n"),
            (Style::Tsv, b'\r') => buffer.extend_from_slice(b"\\r"),
            (Style::Tsv, b'\\') => buffer.extend_from_slice(b"\\\\"),
            (Style::Csv, b'"') => buffer.extend_from_slice(b"\"\""),
            _ => buffer.push(byte),
        }
    }
    if style == Style::Csv {
        buffer.push(b'"');
    }
}

impl BatchWriter for Delimited {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let schema = batch.schema();
        let columns = schema.fields().iter().zip(batch.columns()).map(|(f, c)| Cells::new(f, c));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        self.buffer.clear();
        for row in 0..batch.num_rows() {
            for (i, column) in columns.iter().enumerate() {
                self.cell(i, |buffer| column.write(row, buffer));
            }
            self.buffer.push(b'\n');
        }
        self.out.put(&self.buffer)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::text::tests::every_kind;
    use crate::output::writer::tests::written;

    #[test]
    fn tsv_escapes_what_would_break_a_line() {
        let batch = every_kind();
        let text = written(|out| Ok(Box::new(Delimited::new(Style::Tsv, &batch.schema(), true, out)?)), &batch);
        assert_eq!(
            text,
            "text\tint\tsmall\tfloat\tflag\tlist\ttags\n\
             a,\"b\"\\tc\t-9223372036854775808\t255\t0.1\ttrue\t0.25,.,3\tNM:i:5;MD:Z:10A\n\
             .\t.\t.\t.\t.\t.\t.\n"
        );
    }

    #[test]
    fn csv_quotes_as_rfc_4180_says() {
        let batch = every_kind();
        let text = written(|out| Ok(Box::new(Delimited::new(Style::Csv, &batch.schema(), false, out)?)), &batch);
        assert_eq!(
            text,
            "\"a,\"\"b\"\"\tc\",-9223372036854775808,255,0.1,true,\"0.25,.,3\",NM:i:5;MD:Z:10A\n.,.,.,.,.,.,.\n"
        );
    }

    #[test]
    fn every_byte_with_a_meaning_is_protected() {
        let protected = |style, cell: &str| {
            let mut buffer = [b"before", cell.as_bytes()].concat();
            protect(style, 6, &mut buffer);
            String::from_utf8(buffer).unwrap().split_off(6)
        };
        assert_eq!(protected(Style::Tsv, "a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e");
        assert_eq!(protected(Style::Csv, "a\rb"), "\"a\rb\"");
        assert_eq!(protected(Style::Csv, "line\nbreak"), "\"line\nbreak\"");
        assert_eq!(protected(Style::Csv, "back\\slash\t"), "back\\slash\t");
    }
}
