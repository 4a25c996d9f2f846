//! Rows as lines of cells: tsv and csv.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::datatypes::SchemaRef;
use memchr::memchr2;

use super::text::Cells;
use super::writer::{Out, Text};
use crate::error::Result;

/// How cells are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Tabs; a tab, line break or backslash in a cell is written `\t`, `\n`, `\r`, `\\`.
    Tsv,
    /// RFC 4180: commas; a cell with a comma, quote or line break is quoted.
    Csv,
}

/// A writer of tsv or csv.
pub(super) fn writer(style: Style, schema: &SchemaRef, header: bool, out: Out) -> Result<Text> {
    let mut names = Vec::new();
    if header && !schema.fields().is_empty() {
        for (i, field) in schema.fields().iter().enumerate() {
            separate(style, i, &mut names);
            let start = names.len();
            names.extend_from_slice(field.name().as_bytes());
            protect(style, start, &mut names);
        }
        names.push(b'\n');
    }
    Text::new(out, &names, move |batch| encode(style, batch))
}

fn encode(style: Style, batch: &RecordBatch) -> Result<Buffer> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(f, c)| Cells::new(f, c));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    // Where the cell of the row before was written: texts that lie in order, such as contigs, mostly repeat.
    let mut above = vec![0..0; columns.len()];
    let mut text = Vec::new();
    for row in 0..batch.num_rows() {
        for ((i, column), above) in columns.iter().enumerate().zip(&mut above) {
            separate(style, i, &mut text);
            let start = text.len();
            if column.is_number() {
                column.write(row, &mut text);
                continue;
            }
            if column.repeats(row) {
                text.extend_from_within(above.clone());
            } else {
                column.write(row, &mut text);
                protect(style, start, &mut text);
            }
            *above = start..text.len();
        }
        text.push(b'\n');
    }
    Ok(text.into())
}

fn separate(style: Style, column: usize, buffer: &mut Vec<u8>) {
    if column > 0 {
        buffer.push(if style == Style::Tsv { b'\t' } else { b',' });
    }
}

fn is_plain(style: Style, cell: &[u8]) -> bool {
    let others = if style == Style::Tsv { memchr2(b'\t', b'\\', cell) } else { memchr2(b',', b'"', cell) };
    others.is_none() && memchr2(b'\n', b'\r', cell).is_none()
}

/// Rewrites the cell that begins at `start` if it holds a byte with a meaning; few do.
fn protect(style: Style, start: usize, buffer: &mut Vec<u8>) {
    let others = if style == Style::Tsv { [b'\\', b'\\'] } else { [b',', b'"'] };
    // Without a way out of the loop, which so compares many bytes at once: tabs and ends of lines are among the control bytes.
    let suspect = |found: bool, b: &u8| found | (*b < b' ') | (*b == others[0]) | (*b == others[1]);
    if !buffer[start..].iter().fold(false, suspect) || is_plain(style, &buffer[start..]) {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{ArrayRef, StringViewArray};

    use super::*;
    use crate::output::text::tests::every_kind;
    use crate::output::writer::tests::written;

    #[test]
    fn tsv_escapes_what_would_break_a_line() {
        let batch = every_kind();
        let text = written(|out| writer(Style::Tsv, &batch.schema(), true, out).unwrap(), &batch);
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
        let text = written(|out| writer(Style::Csv, &batch.schema(), false, out).unwrap(), &batch);
        assert_eq!(
            text,
            "\"a,\"\"b\"\"\tc\",-9223372036854775808,255,0.1,true,\"0.25,.,3\",NM:i:5;MD:Z:10A\n.,.,.,.,.,.,.\n"
        );
    }

    #[test]
    fn cells_that_repeat_are_the_same_again() {
        let texts =
            ["a\tb", "a\tb", "a text that is longer than a view", "a text that is longer than a view", "", "", "c"];
        let column: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        let batch = RecordBatch::try_from_iter([("text", Arc::clone(&column)), ("again", column)]).unwrap();
        let text = written(|out| writer(Style::Tsv, &batch.schema(), false, out).unwrap(), &batch);
        let expected: Vec<String> =
            texts.iter().map(|t| t.replace('\t', "\\t")).map(|t| format!("{t}\t{t}\n")).collect();
        assert_eq!(text, expected.concat());
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
