//! Record bytes to columns.

use arrow::array::RecordBatch;

use crate::alignment::{AlignmentRows, record};
use crate::error::Result;
use crate::scan::{Rows, Warnings};

/// Frames the records of a BAM and builds the projected columns of those that pass.
pub(super) struct BamRows {
    pub(super) rows: AlignmentRows,
    pub(super) longest: usize,
}

impl Rows for BamRows {
    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        record::frame(bytes, last, self.longest)
    }

    fn append(&mut self, framed: &[u8], warnings: &mut Warnings) -> Result<bool> {
        self.rows.append(&framed[4..], warnings)
    }

    fn bytes(&self) -> usize {
        self.rows.bytes()
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.rows.take(rows)
    }
}
