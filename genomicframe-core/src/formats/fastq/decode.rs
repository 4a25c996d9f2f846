//! Records into columns.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::frame::{Framed, Parts, RecordFramer};
use super::header::{DESCRIPTION, ID, SEQ};
use crate::error::{Error, Result};
use crate::scan::{BrokenRow, FieldType, Fields, OnError, Rows, Selected, Warnings, row_by_row};
use crate::text::columns::{Columns, one_or_all};
use crate::text::filter::RowFilter;

pub(super) struct FastqRows {
    columns: Columns,
    projection: Vec<usize>,
    /// Those of them that are built: all, or one of a malformed record.
    building: Vec<usize>,
    filter: RowFilter,
    framer: RecordFramer,
    /// Sequence and quality of a wrapped record.
    joined: [Vec<u8>; 2],
}

impl FastqRows {
    /// `numbered`: the partition begins with the file's first record.
    pub(super) fn new(
        schema: &Schema,
        projection: &[usize],
        filter: RowFilter,
        numbered: bool,
        on_error: OnError,
    ) -> Result<Self> {
        Ok(Self {
            columns: Columns::new(schema, projection)?,
            projection: projection.to_vec(),
            building: projection.to_vec(),
            filter,
            framer: RecordFramer::new(numbered, on_error != OnError::Fail),
            joined: Default::default(),
        })
    }
}

impl Rows for FastqRows {
    type Row = Framed;

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        self.framer.frame(bytes, last)
    }

    fn select(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<Option<Framed>> {
        let Some(mut framed) = self.framer.next() else { return Ok(None) };
        framed.whole()?;
        if framed.after_blank {
            warnings.add("blank lines between records");
        }
        let Some(parts) = framed.parts(record, &mut self.joined) else { return Ok(None) };
        let place = |e| framed.explain(e);
        for (field, text) in [("seq", parts.seq), ("qual", parts.qual)] {
            if !is_printable(text) {
                return Err(place(Error::corrupt("characters outside '!' to '~'").field(field).text(text)));
            }
        }
        Ok(self.filter.keeps(&parts).map_err(place)?.then_some(framed))
    }

    fn builds(&self) -> bool {
        !self.projection.is_empty()
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<Framed>], _: &mut Warnings) -> Result<(), BrokenRow> {
        let rows = row_by_row(bytes, selected, |record, framed| {
            let Some(parts) = framed.parts(record, &mut self.joined) else { return Ok(()) };
            for (column, i) in self.building.iter().enumerate() {
                self.columns.put(column, parts.value(*i))?;
            }
            Ok(())
        });
        BrokenRow::first(rows, self.columns.check()).map_err(|broken| broken.explain(selected, Framed::explain))
    }

    fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.columns.take(rows)
    }

    fn restart(&mut self, only: Option<usize>) -> Result<()> {
        self.building = one_or_all(&self.projection, only);
        self.columns.restart(only)
    }
}

/// Whether every character is one of Phred+33's, `!` to `~`; bases lie among them. Without a way out, so that the
/// compiler makes it wide.
pub(super) fn is_printable(text: &[u8]) -> bool {
    text.iter().fold(0, |most: u8, b| most.max(b.wrapping_sub(b'!'))) <= b'~' - b'!'
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
            ID => Some(self.id()),
            DESCRIPTION => self.description(),
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
