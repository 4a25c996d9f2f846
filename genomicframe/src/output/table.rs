//! Rows as a table for people: clipped cells, and only the columns that fit.

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

use super::text::Cells;
use super::writer::{BatchWriter, Encoder, Out, each};
use crate::error::Result;

/// Most rows of a table; it is laid out only when all of them are known.
pub(super) const MAX_ROWS: usize = 1000;
/// Longest cell, in characters, where the width is limited.
const MAX_CELL: usize = 40;

/// Writes a table.
pub(super) struct Table {
    out: Out,
    header: bool,
    width: Option<usize>,
    names: Vec<String>,
    columns: Vec<Column>,
    rows: usize,
    more: bool,
}

#[derive(Default)]
struct Column {
    cells: Vec<String>,
    is_number: bool,
}

impl Table {
    /// `width` in characters: what does not fit is left out. Without it everything is shown.
    pub(super) fn new(schema: &SchemaRef, header: bool, width: Option<usize>, out: Out) -> Self {
        let clip = width.map(|_| MAX_CELL);
        let names: Vec<_> = schema.fields().iter().map(|f| shown(f.name().as_bytes(), clip)).collect();
        let columns = names.iter().map(|_| Column::default()).collect();
        Self { out, header, width, names, columns, rows: 0, more: false }
    }

    fn widths(&self) -> Vec<usize> {
        let names = self.names.iter().map(|n| if self.header { count(n) } else { 0 });
        let cells = self.columns.iter().map(|c| c.cells.iter().map(|t| count(t)).max().unwrap_or(0));
        names.zip(cells).map(|(a, b)| a.max(b)).collect()
    }

    /// How many columns fit, at least one.
    fn fitting(&self, widths: &[usize]) -> usize {
        let Some(width) = self.width else { return widths.len() };
        let mut used = 1;
        let fit = widths.iter().take_while(|w| {
            used += *w + 3;
            used <= width
        });
        fit.count().max(1).min(widths.len())
    }

    fn draw(&self) -> String {
        let widths = self.widths();
        let fit = self.fitting(&widths);
        let mut text = String::new();
        let rule = |text: &mut String| {
            for width in &widths[..fit] {
                text.push('+');
                text.push_str(&"-".repeat(width + 2));
            }
            text.push_str("+\n");
        };
        let line = |text: &mut String, cell: &dyn Fn(usize) -> (String, bool)| {
            for (i, width) in widths[..fit].iter().enumerate() {
                let (cell, right) = cell(i);
                let gap = " ".repeat(width.saturating_sub(count(&cell)));
                text.push_str("| ");
                text.push_str(&if right { gap + &cell } else { cell + &gap });
                text.push(' ');
            }
            text.push_str("|\n");
        };
        if fit > 0 {
            rule(&mut text);
            if self.header {
                line(&mut text, &|i| (self.names[i].clone(), self.columns[i].is_number));
                rule(&mut text);
            }
            for row in 0..self.rows {
                line(&mut text, &|i| (self.columns[i].cells[row].clone(), self.columns[i].is_number));
            }
            if self.rows > 0 || !self.header {
                rule(&mut text);
            }
        }
        if fit < self.names.len() {
            let left = self.names[fit..].join(", ");
            let left = shown(left.as_bytes(), self.width.map(|w| w.saturating_sub(24).max(MAX_CELL)));
            text.push_str(&format!("{} not shown: {left}\n", self.names.len() - fit));
        }
        if self.more {
            text.push_str(&format!("… the first {MAX_ROWS} rows; all of them: --format tsv\n"));
        }
        text
    }
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// Text that cannot move the cursor, clipped.
fn shown(bytes: &[u8], clip: Option<usize>) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len().min(MAX_CELL * 4));
    for (i, c) in text.chars().enumerate() {
        if clip.is_some_and(|most| i + 1 >= most && text.chars().nth(most).is_some()) {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

impl BatchWriter for Table {
    type Piece = Vec<RecordBatch>;

    fn encoder(&self) -> Encoder<Vec<RecordBatch>> {
        each(Ok)
    }

    fn write(&mut self, batches: Vec<RecordBatch>) -> Result<()> {
        batches.iter().try_for_each(|batch| self.add(batch))
    }

    fn finish(mut self) -> Result<()> {
        let text = self.draw();
        self.out.put(text.as_bytes())?;
        self.out.end()
    }

    fn is_full(&self) -> bool {
        self.more
    }
}

impl Table {
    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let rows = batch.num_rows().min(MAX_ROWS - self.rows);
        self.more |= rows < batch.num_rows();
        let schema = batch.schema();
        let clip = self.width.map(|_| MAX_CELL);
        let mut text = Vec::new();
        for ((column, field), array) in self.columns.iter_mut().zip(schema.fields()).zip(batch.columns()) {
            let cells = Cells::new(field, array)?;
            column.is_number = cells.is_number();
            for row in 0..rows {
                text.clear();
                cells.write(row, &mut text);
                column.cells.push(shown(&text, clip));
            }
        }
        self.rows += rows;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::text::tests::every_kind;
    use crate::output::writer::tests::written;

    fn table(width: Option<usize>, header: bool) -> String {
        let batch = every_kind();
        written(|out| Table::new(&batch.schema(), header, width, out), &batch)
    }

    #[test]
    fn a_wide_screen_shows_everything() {
        let text = table(None, true);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|l| count(l) == count(lines[0])), "{text}");
        assert!(lines[3].starts_with("| a,\"b\"\\tc | -9223372036854775808 |   255 |"), "{text}");
        assert!(!table(None, false).contains("small"));
    }

    #[test]
    fn a_narrow_one_names_the_columns_left_out() {
        for width in [0, 20, 40, 60, 80] {
            let text = table(Some(width), true);
            let table = text.lines().filter(|l| l.starts_with(['|', '+']));
            assert!(table.map(count).max().unwrap() <= width.max(16), "{width}\n{text}");
            assert!(text.contains(" not shown: "), "{text}");
        }
    }

    #[test]
    fn long_cells_are_clipped_and_control_characters_shown() {
        assert_eq!(shown(b"\x1b[31m", None), "\\u{1b}[31m");
        let long = "x".repeat(100);
        assert_eq!(shown(long.as_bytes(), None), long);
        assert_eq!(count(&shown(long.as_bytes(), Some(40))), 40);
        assert_eq!(count(&shown("é".repeat(40).as_bytes(), Some(40))), 40);
        assert!(!shown("é".repeat(40).as_bytes(), Some(40)).contains('…'));
    }

    #[test]
    fn rows_beyond_the_limit_are_told() {
        let batch = every_kind();
        let many = datafusion::arrow::compute::concat_batches(&batch.schema(), &vec![batch.clone(); 600]).unwrap();
        let text = written(|out| Table::new(&batch.schema(), true, None, out), &many);
        assert!(text.ends_with("… the first 1000 rows; all of them: --format tsv\n"));
        assert_eq!(text.lines().count(), 1005);
    }
}
