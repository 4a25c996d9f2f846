//! Records into columns.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::frame::{Parts, RecordFramer};
use super::header::{DESCRIPTION, ID, SEQ};
use crate::error::{Error, Result};
use crate::scan::{FieldType, Fields, Rows, Warnings};
use crate::text::columns::Columns;
use crate::text::filter::RowFilter;

pub(super) struct FastqRows {
    columns: Columns,
    projection: Vec<usize>,
    filter: RowFilter,
    framer: RecordFramer,
    /// Sequence and quality of a wrapped record.
    joined: [Vec<u8>; 2],
}

impl FastqRows {
    pub(super) fn new(schema: &Schema, projection: &[usize], filter: RowFilter) -> Result<Self> {
        Ok(Self {
            columns: Columns::new(schema, projection)?,
            projection: projection.to_vec(),
            filter,
            framer: RecordFramer::default(),
            joined: Default::default(),
        })
    }
}

impl Rows for FastqRows {
    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        self.framer.frame(bytes, last)
    }

    fn append(&mut self, record: &[u8], _: &mut Warnings) -> Result<bool> {
        let Some(parts) = self.framer.parts(record, &mut self.joined) else { return Ok(false) };
        let place = |e: Error| e.on_line(self.framer.first_line());
        for (field, text) in [("seq", parts.seq), ("qual", parts.qual)] {
            if !is_printable(text) {
                return Err(place(Error::corrupt("characters outside '!' to '~'").field(field).text(text)));
            }
        }
        if !self.filter.keeps(&parts).map_err(place)? {
            return Ok(false);
        }
        for (column, i) in self.projection.iter().enumerate() {
            self.columns.put(column, parts.value(*i)).map_err(place)?;
        }
        Ok(true)
    }

    fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.columns.take(rows)
    }
}

/// Whether every character is one of Phred+33's, `!` to `~`; bases lie among them. Without a way out, so that the
/// compiler makes it wide.
pub(super) fn is_printable(text: &[u8]) -> bool {
    text.iter().fold(true, |all, b| all & b.is_ascii_graphic())
}

/// The columns that conditions can be on.
pub(super) fn field(name: &str) -> Option<(usize, FieldType)> {
    match name {
        "id" => Some((ID, FieldType::Text)),
        "description" => Some((DESCRIPTION, FieldType::Text)),
        _ => None,
    }
}

impl<'a> Parts<'a> {
    fn value(&self, i: usize) -> Option<&'a [u8]> {
        match i {
            ID => Some(self.id),
            DESCRIPTION => self.description,
            SEQ => Some(self.seq),
            _ => Some(self.qual),
        }
    }
}

impl Fields for Parts<'_> {
    fn int(&self, _: usize) -> Result<Option<i64>> {
        Ok(None)
    }

    fn float(&self, _: usize) -> Result<Option<f64>> {
        Ok(None)
    }

    fn text(&self, field: usize) -> Result<Option<&[u8]>> {
        Ok(self.value(field))
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        Ok(None)
    }
}
