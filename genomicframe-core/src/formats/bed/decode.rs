//! Lines into columns.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::header::{BLOCKS, CHROM, END, NAMES, START, cut, is_skipped};
use crate::error::{Error, Result};
use crate::scan::{BrokenRow, Fields, Partition, Rows, Segment, Selected, Warnings, row_by_row};
use crate::text::columns::{Columns, items, one_or_all};
use crate::text::fields::{Cells, present};
use crate::text::filter::RowFilter;
use crate::text::lines::{LineCounter, LineFramer, LineNumber};
use crate::text::numbers::{double, int};

pub(super) struct BedRows {
    columns: Columns,
    projection: Vec<usize>,
    /// Those of them that are built: all, or one of a malformed record.
    building: Vec<usize>,
    /// Columns of every line.
    width: usize,
    /// Whether a block column is wanted, so that their counts must agree.
    blocks: bool,
    filter: RowFilter,
    framer: LineFramer,
    lines: LineCounter,
    cells: Cells,
}

impl BedRows {
    pub(super) fn new(schema: &Schema, projection: &[usize], filter: RowFilter, partition: &Partition) -> Result<Self> {
        let is_block = |i: &usize| BLOCKS.contains(i) && schema.field(*i).name() == NAMES[*i];
        Ok(Self {
            columns: Columns::new(schema, projection)?,
            projection: projection.to_vec(),
            building: projection.to_vec(),
            width: schema.fields().len(),
            blocks: projection.iter().any(is_block),
            filter,
            framer: LineFramer::default(),
            lines: LineCounter::new(partition),
            cells: Cells::default(),
        })
    }

    /// Finds the fields of `line` and its span.
    fn cut(&mut self, line: &[u8]) -> Result<(i64, i64)> {
        let width = cut(&mut self.cells, line, self.width);
        if width != self.width {
            return Err(Error::corrupt(format!("{width} columns where the first line has {}", self.width)).text(line));
        }
        let row = Line { line, cells: &self.cells, span: (0, 0) };
        if row.cell(CHROM).is_empty() {
            return Err(Error::corrupt("it is empty").field("chrom").text(line));
        }
        let (start, end) = (int(row.cell(START), "start")?, int(row.cell(END), "end")?);
        if start < 0 {
            return Err(Error::corrupt("a negative position").field("start").text(row.cell(START)));
        }
        if start > end {
            return Err(Error::corrupt(format!("the interval ends at {end}, before its start {start}"))
                .field("end")
                .text(line));
        }
        Ok((start, end))
    }

    fn keeps(&mut self, line: &[u8]) -> Result<bool> {
        let span = self.cut(line)?;
        self.filter.keeps(&Line { line, cells: &self.cells, span })
    }

    fn put(&mut self, line: &[u8]) -> Result<()> {
        let span = self.cut(line)?;
        let row = Line { line, cells: &self.cells, span };
        if self.blocks {
            row.check_blocks(self.width)?;
        }
        for (column, i) in self.building.iter().enumerate() {
            let is_put = match *i {
                START => self.columns.put_int(column, span.0),
                END => self.columns.put_int(column, span.1),
                _ => false,
            };
            if !is_put {
                self.columns.put(column, row.value(*i))?;
            }
        }
        Ok(())
    }
}

impl Rows for BedRows {
    type Row = LineNumber;

    fn begin(&mut self, segment: &Segment) {
        self.filter.begin(segment);
    }

    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        Ok(self.framer.frame(bytes, last))
    }

    fn select(&mut self, record: &[u8], _: &mut Warnings) -> Result<Option<LineNumber>> {
        let line = self.lines.text(record);
        if is_skipped(line) {
            return Ok(None);
        }
        // What is broken is told when it is built, with the same number.
        if self.filter.keeps_all() && self.builds() {
            return Ok(Some(self.lines.number()));
        }
        let wanted = self.keeps(line).map_err(|e| self.lines.number().explain(e))?;
        Ok(wanted.then(|| self.lines.number()))
    }

    fn builds(&self) -> bool {
        !self.projection.is_empty()
    }

    fn build(&mut self, bytes: &[u8], selected: &[Selected<LineNumber>], _: &mut Warnings) -> Result<(), BrokenRow> {
        let rows = row_by_row(bytes, selected, |record, number| self.put(number.text(record)));
        BrokenRow::first(rows, self.columns.check())
            .map_err(|broken| broken.explain(selected, |number, e| number.explain(e)))
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

    fn is_over(&self) -> bool {
        self.filter.is_over()
    }
}

/// A line's fields.
#[derive(Clone, Copy)]
struct Line<'a> {
    line: &'a [u8],
    cells: &'a Cells,
    span: (i64, i64),
}

impl<'a> Line<'a> {
    fn cell(&self, i: usize) -> &'a [u8] {
        self.cells.get(self.line, i)
    }

    fn value(&self, i: usize) -> Option<&'a [u8]> {
        if i <= END { Some(self.cell(i)) } else { present(self.cell(i)) }
    }

    /// The number of blocks is told three times.
    fn check_blocks(&self, width: usize) -> Result<()> {
        let claimed = self.value(*BLOCKS.start()).map_or(Ok(0), |n| int(n, "block_count"))?;
        for i in BLOCKS.skip(1).take_while(|i| *i < width) {
            let listed = self.value(i).map_or(0, |list| items(list).count() as i64);
            if listed != claimed {
                return Err(Error::corrupt(format!("{listed} blocks where block_count is {claimed}"))
                    .field(NAMES[i])
                    .text(self.cell(i)));
            }
        }
        Ok(())
    }
}

impl Fields for Line<'_> {
    fn int(&self, field: usize) -> Result<Option<i64>> {
        match field {
            START => Ok(Some(self.span.0)),
            END => Ok(Some(self.span.1)),
            _ => self.value(field).map(|v| int(v, name(field))).transpose(),
        }
    }

    fn float(&self, field: usize) -> Result<Option<f64>> {
        self.value(field).map(|v| double(v, name(field))).transpose()
    }

    fn text(&self, field: usize) -> Result<Option<&[u8]>> {
        Ok(self.value(field))
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        // A start of `i64::MAX` is no base of any contig; its span stays empty.
        Ok(Some((self.cell(0), self.span.0.saturating_add(1), self.span.1)))
    }
}

fn name(field: usize) -> &'static str {
    NAMES.get(field).copied().unwrap_or("column")
}
