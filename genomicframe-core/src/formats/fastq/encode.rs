//! Columns into records of four lines.

use arrow::array::{Array, AsArray, RecordBatch, StringViewArray};

use super::decode::is_printable;
use crate::error::{Error, Result};

/// Appends a record of four lines for each row of `batch`, from its columns `id`, `description`, `seq` and `qual`; the
/// `+` line repeats nothing. Without a description (column or value) the first line is the id alone.
///
/// # Errors
/// When a column is missing or not text; when `id`, `seq` or `qual` is null; when `seq` and `qual` differ in length or hold
/// other characters than `!` to `~`; when a name would read back as another one.
pub fn encode(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
    let column = |name: &str| -> Result<Option<&StringViewArray>> {
        let Some(column) = batch.column_by_name(name) else { return Ok(None) };
        let text = column.as_string_view_opt();
        text.map(Some).ok_or_else(|| Error::invalid("FASTQ writes text only").field(name))
    };
    let needed = |name: &'static str| {
        let missing = || Error::invalid("FASTQ needs this column").field(name);
        Ok::<_, Error>((name, column(name)?.ok_or_else(missing)?))
    };
    let (ids, seqs, quals) = (needed("id")?, needed("seq")?, needed("qual")?);
    let descriptions = column("description")?;
    for row in 0..batch.num_rows() {
        let (id, seq, qual) = (value(ids, row)?, value(seqs, row)?, value(quals, row)?);
        let description = descriptions.filter(|d| d.is_valid(row)).map(|d| d.value(row));
        check(id, description, seq, qual)?;
        out.push(b'@');
        out.extend_from_slice(id.as_bytes());
        if let Some(description) = description {
            out.push(b' ');
            out.extend_from_slice(description.as_bytes());
        }
        for part in ["\n", seq, "\n+\n", qual, "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    Ok(())
}

fn value<'a>((name, column): (&'static str, &'a StringViewArray), row: usize) -> Result<&'a str> {
    if column.is_null(row) { Err(Error::invalid("FASTQ cannot write null").field(name)) } else { Ok(column.value(row)) }
}

fn check(id: &str, description: Option<&str>, seq: &str, qual: &str) -> Result<()> {
    let bad = |why: &str, field: &str, text: &str| Err(Error::invalid(why).field(field).text(text.as_bytes()));
    if id.contains([' ', '\t', '\n', '\r']) {
        return bad("an id cannot hold blanks", "id", id);
    }
    if let Some(text) = description.filter(|d| d.contains(['\n', '\r'])) {
        return bad("a description cannot hold line breaks", "description", text);
    }
    if !is_printable(seq.as_bytes()) || seq.starts_with('+') {
        return bad("not a sequence that FASTQ can hold", "seq", seq);
    }
    if !is_printable(qual.as_bytes()) {
        return bad("qualities outside '!' to '~'", "qual", qual);
    }
    if seq.len() != qual.len() {
        return bad(&format!("{} qualities for {} bases", qual.len(), seq.len()), "qual", qual);
    }
    Ok(())
}
