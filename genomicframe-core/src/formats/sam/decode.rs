//! Lines into columns.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::parse::{parse_line, without};
use crate::alignment::AlignmentRows;
use crate::alignment::record::Layout;
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::scan::{BrokenRow, Rows, Segment, Selected, Warnings};
use crate::text::lines::{LineFramer, on_line, trim_end};

/// Frames lines and builds the projected columns of the records that pass.
pub(super) struct SamRows {
    rows: AlignmentRows,
    contigs: Arc<Contigs>,
    framer: LineFramer,
    /// Lines of the file so far; `None` in a partition that begins within the file.
    line: Option<u64>,
    /// Records selected for the next call of [`Rows::build`], in BAM's form; those of the last one until others are.
    records: Vec<u8>,
    built: bool,
}

/// A selected line.
pub(super) struct SamRow {
    /// Its record in [`SamRows::records`].
    record: Range<usize>,
    layout: Layout,
    line: Option<u64>,
}

impl SamRows {
    /// `line` is the number of lines before the first one, where it is known.
    pub(super) fn new(rows: AlignmentRows, contigs: Arc<Contigs>, line: Option<u64>) -> Self {
        Self { rows, contigs, framer: LineFramer::default(), line, records: Vec::new(), built: false }
    }

    fn row(&mut self, line: &[u8], warnings: &mut Warnings) -> Result<Option<SamRow>> {
        if std::mem::take(&mut self.built) {
            self.records.clear();
        }
        let start = self.records.len();
        let repairs = parse_line(line, &self.contigs, &mut self.records)?;
        match self.rows.select(&self.records[start..], warnings)? {
            Some(layout) => {
                repairs.warnings().for_each(|w| warnings.add(w));
                if !self.rows.builds() {
                    self.records.truncate(start);
                }
                Ok(Some(SamRow { record: start..self.records.len(), layout, line: self.line }))
            }
            None => {
                self.records.truncate(start);
                Ok(None)
            }
        }
    }
}

impl Rows for SamRows {
    type Row = SamRow;

    fn begin(&mut self, segment: &Segment) {
        self.rows.begin(segment);
    }

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(self.framer.frame(bytes, last))
    }

    fn select(&mut self, framed: &[u8], warnings: &mut Warnings) -> Result<Option<SamRow>> {
        self.line = self.line.map(|n| n + 1);
        self.row(trim_end(framed), warnings).map_err(|e| on_line(self.line, e))
    }

    fn select_without(
        &mut self,
        framed: &[u8],
        errors: &[Error],
        warnings: &mut Warnings,
    ) -> Option<Result<Option<SamRow>>> {
        let line = without(trim_end(framed), errors)?;
        Some(self.row(&line, warnings).map_err(|e| on_line(self.line, e)))
    }

    fn builds(&self) -> bool {
        self.rows.builds()
    }

    fn build(&mut self, _: &[u8], selected: &[Selected<SamRow>], warnings: &mut Warnings) -> Result<(), BrokenRow> {
        let records = selected.iter().map(|s| (&self.records[s.row.record.clone()], s.row.layout));
        let built = self.rows.build(records, warnings).map_err(|BrokenRow { index, error }| {
            let line = selected.get(index).and_then(|s| s.row.line);
            BrokenRow { index, error: on_line(line, error) }
        });
        self.built = true;
        built
    }

    fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.rows.take(rows)
    }

    fn restart(&mut self, only: Option<usize>) -> Result<()> {
        self.rows.restart(only)
    }

    fn is_over(&self) -> bool {
        self.rows.is_over()
    }
}
