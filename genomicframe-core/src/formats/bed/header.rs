//! What the first lines tell: how many columns there are, and which of them are BED's own.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::scan::{Head, Limits};
use crate::schema;
use crate::text::columns::{ints_type, items};
use crate::text::fields::{Cells, present};
use crate::text::numbers::{double, int};
use crate::text::sample;

/// The specification's columns, in its order.
pub(super) const NAMES: [&str; 12] = [
    "chrom",
    "start",
    "end",
    "name",
    "score",
    "strand",
    "thick_start",
    "thick_end",
    "item_rgb",
    "block_count",
    "block_sizes",
    "block_starts",
];

/// Field numbers.
pub(super) const CHROM: usize = 0;
pub(super) const START: usize = 1;
pub(super) const END: usize = 2;
pub(super) const BLOCKS: std::ops::RangeInclusive<usize> = 9..=11;

/// Most columns, custom ones included.
const MAX_COLUMNS: usize = 10_000;

/// Reads the schema off the first records.
///
/// # Errors
/// When the first data line has fewer than 3 columns, or an absurd number.
pub(super) async fn read(head: &mut Head<'_>, limits: &Limits) -> Result<SchemaRef> {
    let mut layout: Option<Layout> = None;
    let mut cells = Cells::default();
    let mut seen = 0;
    sample::lines(head, |line| {
        if is_skipped(line) {
            return Ok(ControlFlow::Continue(false));
        }
        let columns = cut(&mut cells, line, MAX_COLUMNS);
        let layout = match &mut layout {
            Some(layout) => layout,
            None => layout.insert(Layout::of(columns, line)?),
        };
        // Another number of columns is for the scan to report.
        if columns == layout.custom.len() {
            layout.see(line, &cells);
        }
        seen += 1;
        Ok(if seen < limits.sampled_records { ControlFlow::Continue(true) } else { ControlFlow::Break(()) })
    })
    .await?;
    let custom = layout.map_or_else(|| vec![false; 3], |l| l.custom);
    let fields: Vec<Field> = custom.iter().enumerate().map(|(i, custom)| field(i, *custom)).collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Which columns are custom.
struct Layout {
    custom: Vec<bool>,
}

impl Layout {
    fn of(columns: usize, line: &[u8]) -> Result<Self> {
        if columns < 3 {
            return Err(Error::corrupt(format!("{columns} columns where BED has 3 or more"))
                .text(line)
                .hint("columns are separated by tabs"));
        }
        if columns > MAX_COLUMNS {
            return Err(Error::limit(format!("{columns} columns, more than {MAX_COLUMNS}")));
        }
        Ok(Self { custom: (0..columns).map(|i| i >= NAMES.len()).collect() })
    }

    /// A score alone may be anything. From any other column that does not hold BED's type on, all are custom: those of
    /// BEDn+m follow its own in the groups 6, 7–8, 9 and 10–12.
    fn see(&mut self, line: &[u8], cells: &Cells) {
        for (i, group) in [(4, 4), (5, 5), (6, 6), (7, 6), (8, 8), (9, 9), (10, 9), (11, 9)] {
            if i >= self.custom.len() || self.custom[i] || holds(i, cells.get(line, i)) {
                continue;
            }
            let end = if i == 4 { 5 } else { self.custom.len() };
            self.custom[group..end].fill(true);
        }
    }
}

/// Whether `text` is a value of BED's column `i`.
fn holds(i: usize, text: &[u8]) -> bool {
    let Some(text) = present(text) else { return true };
    let count = |text: &[u8]| int(text, NAMES[i]).is_ok_and(|n| n >= 0);
    match i {
        4 => double(text, NAMES[i]).is_ok(),
        5 => matches!(text, b"+" | b"-"),
        6 | 7 | 9 => count(text),
        8 => matches!(items(text).count(), 1 | 3) && items(text).all(count),
        10 | 11 => items(text).all(count),
        _ => true,
    }
}

fn field(i: usize, custom: bool) -> Field {
    match (NAMES.get(i), i) {
        (Some(name), _) if !custom => match i {
            0 => schema::contig(name),
            START => schema::start(name, true),
            END => schema::end(name, true),
            4 => Field::new(*name, DataType::Float64, true),
            6 | 7 | 9 => Field::new(*name, DataType::Int64, true),
            10 | 11 => Field::new(*name, ints_type(), true),
            _ => schema::text(name),
        },
        _ => schema::text(&format!("column_{}", i + 1)),
    }
}

/// Whether a line is no record.
pub(super) fn is_skipped(line: &[u8]) -> bool {
    let word = |word: &[u8]| line.strip_prefix(word).is_some_and(|rest| matches!(rest, [] | [b' ' | b'\t', ..]));
    match line.first() {
        None | Some(b'#') => true,
        Some(b't') => word(b"track"),
        Some(b'b') => word(b"browser"),
        Some(b' ' | b'\t') => line.iter().all(|b| matches!(b, b' ' | b'\t')),
        _ => false,
    }
}

/// Cuts a line into its fields and counts them.
pub(super) fn cut(cells: &mut Cells, line: &[u8], most: usize) -> usize {
    match cells.cut(line, most) {
        1 => cells.cut_at_blanks(line, most),
        n => n,
    }
}
