//! Rows of records some of which are malformed: the others are found by building fewer at a time.
//!
//! Nothing of this costs a scan whose records are all right more than smaller batches put together, nor a scan that fails at
//! the first error anything.

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::concat_batches;

use super::rows::{BrokenRow, Rows, Selected};
use super::{BadRecords, OnError, Warnings};
use crate::error::{Error, Result};

/// Rows built so far, and what was malformed.
pub(super) struct Lenient {
    on_error: OnError,
    /// Rows of a batch.
    ready: Vec<RecordBatch>,
    bytes: usize,
    pub(super) bad: BadRecords,
}

impl Lenient {
    /// `None` where the first error ends the scan.
    pub(super) fn new(on_error: OnError) -> Option<Self> {
        let (ready, bad) = (Vec::new(), BadRecords::default());
        (on_error != OnError::Fail).then_some(Self { on_error, ready, bytes: 0, bad })
    }

    /// Bytes of values held, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What becomes of a record that was refused: `Ok(None)` where it is left out.
    ///
    /// # Errors
    /// None: what is wrong is counted.
    pub(super) fn look_again<R: Rows>(
        &mut self,
        rows: &mut R,
        record: &[u8],
        mut looked: Result<Option<R::Row>>,
        warnings: &mut Warnings,
        explain: impl Fn(Error) -> Error,
    ) -> Result<Option<R::Row>> {
        let mut errors: Vec<Error> = Vec::new();
        loop {
            match looked {
                Ok(row) => {
                    errors.into_iter().for_each(|e| self.bad.null(explain(e)));
                    return Ok(row);
                }
                // A field that is refused again cannot be done without.
                Err(e) if errors.iter().all(|other| other.field_name() != e.field_name()) => errors.push(e),
                Err(_) => break,
            }
            let again = match self.on_error {
                OnError::Null => rows.select_without(record, &errors, warnings),
                _ => None,
            };
            let Some(again) = again else { break };
            looked = again;
        }
        errors.truncate(1);
        errors.into_iter().for_each(|e| self.bad.skip(explain(e)));
        Ok(None)
    }

    /// Builds the rows of `selected`; how many of them are left out. `explain` names a record.
    ///
    /// # Errors
    /// When builders cannot be made anew, or a batch of what they built.
    pub(super) fn build<R: Rows>(
        &mut self,
        rows: &mut R,
        bytes: &[u8],
        selected: &[Selected<R::Row>],
        warnings: &mut Warnings,
        explain: impl Fn(&Selected<R::Row>, Error) -> Error,
    ) -> Result<usize> {
        let (mut next, mut most, mut lost) = (0, selected.len(), 0);
        while next < selected.len() {
            let some = &selected[next..selected.len().min(next + most)];
            let mut told = Warnings::default();
            let Err(broken) = rows.build(bytes, some, &mut told) else {
                warnings.merge(&told);
                self.take(rows, some.len())?;
                next += some.len();
                most = most.saturating_mul(2);
                continue;
            };
            rows.restart(None)?;
            if broken.index > 0 && some.len() > 1 {
                // Those before it are right. Whatever its number is, they are fewer.
                most = broken.index.min(some.len() - 1);
                continue;
            }
            let whole = explain(&selected[next], broken.error);
            let one = &selected[next..=next];
            if self.on_error == OnError::Skip || !self.nulls(rows, bytes, one, warnings, &explain)? {
                self.bad.skip(whole);
                lost += 1;
            }
            (next, most) = (next + 1, 1);
        }
        Ok(lost)
    }

    /// Builds the row of a malformed record column by column; whether any of its fields could be told.
    fn nulls<R: Rows>(
        &mut self,
        rows: &mut R,
        bytes: &[u8],
        one: &[Selected<R::Row>],
        warnings: &mut Warnings,
        explain: impl Fn(&Selected<R::Row>, Error) -> Error,
    ) -> Result<bool> {
        let schema = rows.take(0)?.schema();
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut errors: Vec<Error> = Vec::new();
        for (i, field) in schema.fields().iter().enumerate() {
            rows.restart(Some(i))?;
            let mut told = Warnings::default();
            match rows.build(bytes, one, &mut told) {
                Ok(()) => {
                    warnings.merge(&told);
                    columns.push(rows.take(1)?.remove_column(0));
                }
                Err(BrokenRow { error, .. }) if field.is_nullable() => {
                    columns.push(new_null_array(field.data_type(), 1));
                    errors.push(explain(&one[0], error));
                }
                Err(_) => break,
            }
        }
        rows.restart(None)?;
        // What is wrong with every column, or with none alone, is no matter of a field.
        if columns.len() < schema.fields().len() || errors.is_empty() || errors.len() == columns.len() {
            return Ok(false);
        }
        errors.into_iter().for_each(|e| self.bad.null(e));
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        self.ready.push(RecordBatch::try_new_with_options(schema, columns, &options)?);
        Ok(true)
    }

    fn take<R: Rows>(&mut self, rows: &mut R, n: usize) -> Result<()> {
        self.bytes += rows.bytes();
        self.ready.push(rows.take(n)?);
        Ok(())
    }

    /// The rows built since the last call, in one batch.
    pub(super) fn batch<R: Rows>(&mut self, rows: &mut R) -> Result<RecordBatch> {
        self.bytes = 0;
        let ready = std::mem::take(&mut self.ready);
        match &ready[..] {
            [] => rows.take(0),
            [one] => Ok(one.clone()),
            [first, ..] => Ok(concat_batches(first.schema_ref(), &ready)?),
        }
    }
}
