//! Lines into columns.

use std::sync::Arc;

use arrow::array::RecordBatch;

use super::parse::parse_line;
use crate::alignment::AlignmentRows;
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::scan::{Rows, Warnings};
use crate::text::lines::{LineFramer, trim_end};

/// Frames lines and builds the projected columns of the records that pass.
pub(super) struct SamRows {
    rows: AlignmentRows,
    contigs: Arc<Contigs>,
    framer: LineFramer,
    /// Lines of the file so far; `None` in a partition that begins within the file.
    line: Option<u64>,
    /// The record at hand.
    record: Vec<u8>,
}

impl SamRows {
    /// `line` is the number of lines before the first one, where it is known.
    pub(super) fn new(rows: AlignmentRows, contigs: Arc<Contigs>, line: Option<u64>) -> Self {
        Self { rows, contigs, framer: LineFramer::default(), line, record: Vec::new() }
    }

    fn row(&mut self, line: &[u8], warnings: &mut Warnings) -> Result<bool> {
        self.record.clear();
        let repairs = parse_line(line, &self.contigs, &mut self.record)?;
        let kept = self.rows.append(&self.record, warnings)?;
        if kept {
            repairs.warnings().for_each(|w| warnings.add(w));
        }
        Ok(kept)
    }
}

impl Rows for SamRows {
    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(self.framer.frame(bytes, last))
    }

    fn append(&mut self, framed: &[u8], warnings: &mut Warnings) -> Result<bool> {
        self.line = self.line.map(|n| n + 1);
        let row = self.row(trim_end(framed), warnings);
        row.map_err(|e: Error| match self.line {
            Some(line) => e.on_line(line),
            None => e,
        })
    }

    fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.rows.take(rows)
    }
}
