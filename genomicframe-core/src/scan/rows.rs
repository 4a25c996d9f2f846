//! What a format supplies to the decoder of records: where one ends, whether it is wanted, and what rows the wanted ones make.

use arrow::array::RecordBatch;

use super::{Segment, Warnings};
use crate::error::{Error, Result};

/// What a format supplies: where a record ends, whether it is wanted, and what rows the wanted ones make.
///
/// Records are framed, and those framed selected, in their order; some may be framed and never selected.
pub trait Rows: Send {
    /// What selecting a record finds out that building its row needs: where its fields lie.
    type Row: Send;

    /// The records of `segment` follow.
    fn begin(&mut self, segment: &Segment) {
        let _ = segment;
    }

    /// The length of the record at the start of `bytes`, which is not empty. `None`: it does not end within them; the next
    /// call has these bytes and more. `last`: no byte follows `bytes`, so that an unfinished record is an error or ends here.
    ///
    /// # Errors
    /// When the bytes cannot begin a record, or it is cut short.
    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>>;

    /// Looks at `record`, as framed; `None` when a condition excludes it or it is no row (a comment).
    ///
    /// # Errors
    /// When a field that is needed to decide is malformed.
    fn select(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<Option<Self::Row>>;

    /// Looks again at a record that [`Rows::select`] refuses, as if the fields named by `errors` were missing. `None`: it
    /// cannot do without them. Only for formats whose [`Rows::build`] needs no bytes but what this keeps.
    ///
    /// # Errors
    /// As [`Rows::select`], of another field.
    fn select_without(
        &mut self,
        record: &[u8],
        errors: &[Error],
        warnings: &mut Warnings,
    ) -> Option<Result<Option<Self::Row>>> {
        let _ = (record, errors, warnings);
        None
    }

    /// Whether rows have any value; else they are counted and never built.
    fn builds(&self) -> bool {
        true
    }

    /// Appends the rows of records that were selected since the last call, all of them and in their order; they lie in `bytes`.
    ///
    /// # Errors
    /// Those of the first row with a field that is wanted and malformed.
    fn build(
        &mut self,
        bytes: &[u8],
        selected: &[Selected<Self::Row>],
        warnings: &mut Warnings,
    ) -> Result<(), BrokenRow>;

    /// Bytes of values held, about.
    fn bytes(&self) -> usize;

    /// The rows built since the last call. `rows` is their number.
    fn take(&mut self, rows: usize) -> Result<RecordBatch>;

    /// Begins anew with builders of all columns, or of column `only` of them alone, and forgets rows built and not taken.
    /// Records selected since the last [`Rows::build`] of others can be built again.
    ///
    /// # Errors
    /// When there is no such column.
    fn restart(&mut self, only: Option<usize>) -> Result<()>;

    /// Whether nothing that follows in the segment is a record (GFF's `##FASTA`), or one that is wanted.
    fn is_over(&self) -> bool {
        false
    }
}

/// A record that becomes a row.
#[derive(Debug, Clone, Copy)]
pub struct Selected<R> {
    pub(super) start: usize,
    pub(super) len: usize,
    /// How many records were seen before it.
    pub(super) before: u64,
    /// What [`Rows::select`] found.
    pub row: R,
}

impl<R> Selected<R> {
    /// Its bytes, as framed.
    pub fn record<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.start..self.start + self.len]
    }
}

/// Why rows could not be built, and which of them is the first such.
#[derive(Debug)]
pub struct BrokenRow {
    /// Its number among those selected.
    pub index: usize,
    /// What is wrong.
    pub error: Error,
}

impl BrokenRow {
    /// The first of what is wrong with rows and with their text, which is checked when the rows are built.
    ///
    /// # Errors
    /// Those given.
    pub fn first(rows: Result<(), Self>, text: Result<(), Self>) -> Result<(), Self> {
        match (rows, text) {
            (Err(row), Err(text)) if text.index < row.index => Err(text),
            (rows, text) => rows.and(text),
        }
    }

    /// The same, with what `explain` says of the row.
    #[must_use]
    pub fn explain<R>(self, selected: &[Selected<R>], explain: impl FnOnce(&R, Error) -> Error) -> Self {
        match selected.get(self.index) {
            Some(selected) => Self { index: self.index, error: explain(&selected.row, self.error) },
            None => self,
        }
    }
}

/// Builds rows one by one.
///
/// # Errors
/// The first of `build`.
pub fn row_by_row<R>(
    bytes: &[u8],
    selected: &[Selected<R>],
    mut build: impl FnMut(&[u8], &R) -> Result<()>,
) -> Result<(), BrokenRow> {
    for (index, selected) in selected.iter().enumerate() {
        build(selected.record(bytes), &selected.row).map_err(|error| BrokenRow { index, error })?;
    }
    Ok(())
}
