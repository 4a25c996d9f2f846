//! Record bytes to columns.

use arrow::array::RecordBatch;

use crate::alignment::AlignmentRows;
use crate::alignment::record::{self, Layout};
use crate::error::Result;
use crate::scan::{BrokenRow, Rows, Segment, Selected, Warnings};

/// Frames the records of a BAM and builds the projected columns of those that pass.
pub(super) struct BamRows {
    pub(super) rows: AlignmentRows,
    pub(super) longest: usize,
}

/// Bytes of a record's length before it.
const BLOCK_SIZE: usize = 4;

impl Rows for BamRows {
    type Row = Layout;

    fn begin(&mut self, segment: &Segment) {
        self.rows.begin(segment);
    }

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        record::frame(bytes, last, self.longest)
    }

    fn select(&mut self, framed: &[u8], warnings: &mut Warnings) -> Result<Option<Layout>> {
        self.rows.select(&framed[BLOCK_SIZE..], warnings)
    }

    fn builds(&self) -> bool {
        self.rows.builds()
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<Layout>], warnings: &mut Warnings) -> Result<(), BrokenRow> {
        self.rows.build(selected.iter().map(|s| (&s.record(bytes)[BLOCK_SIZE..], s.row)), warnings)
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
