//! Where rows lie: columns of a batch become contigs and spans.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Column, DFSchema, DataFusionError, Result};
use genomicframe_core::intervals::Span;

use super::super::batches::is_text;
use crate::error::outer;
use crate::frame::Place as Columns;

/// The columns that tell where a row of an input lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Places {
    pub(super) contig: Column,
    pub(super) start: Column,
    pub(super) end: Column,
    pub(super) strand: Option<Column>,
    /// BED's coordinates: the start is counted from 0, the end excluded.
    pub(super) zero_based: bool,
}

impl Places {
    /// The columns of a schema, known by their metadata; a strand by its name.
    pub(super) fn of(schema: &DFSchema, verb: &str) -> Result<Self> {
        let Some(Columns { contig, start, end, zero_based }) = Columns::find(schema)? else {
            return Err(DataFusionError::Plan(format!(
                "{verb} needs the columns that tell contig, start and end; ask before they are projected away"
            )));
        };
        // Columns of a second input that are called as the first one's have got a name of their own.
        let named = |name: &str| schema.iter().find(|(_, f)| f.name() == name && is_text(f.data_type()));
        let strand = named("strand").or_else(|| named("strand_right")).map(Column::from);
        Ok(Self { contig, start, end, strand, zero_based })
    }

    /// Where the columns stand in an input.
    pub(super) fn indices(&self, schema: &DFSchema) -> Result<Indices> {
        let strand = self.strand.as_ref().map(|strand| schema.index_of_column(strand)).transpose()?;
        Ok(Indices {
            contig: schema.index_of_column(&self.contig)?,
            start: schema.index_of_column(&self.start)?,
            end: schema.index_of_column(&self.end)?,
            strand,
            zero_based: self.zero_based,
        })
    }
}

/// [`Places`] by number.
#[derive(Debug, Clone)]
pub(super) struct Indices {
    pub(super) contig: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) strand: Option<usize>,
    pub(super) zero_based: bool,
}

/// Where a row lies: the contig's number, and the span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) contig: u32,
    pub(super) span: Span,
}

/// No contig of this number is known.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// Texts of rows.
pub(super) fn texts(batch: &RecordBatch, column: usize) -> Result<StringViewArray> {
    let column = batch.column(column);
    Ok(match column.as_string_view_opt() {
        Some(texts) => texts.clone(),
        None => cast(column, &DataType::Utf8View)?.as_string_view().clone(),
    })
}

fn positions(column: &ArrayRef) -> Result<Cow<'_, Int64Array>> {
    Ok(match column.as_primitive_opt::<Int64Type>() {
        Some(positions) => Cow::Borrowed(positions),
        None => Cow::Owned(cast(column, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
    })
}

impl Indices {
    /// The place of each row; none of a row without contig or start. A row without an end is one base long.
    ///
    /// With strands, contigs are numbered by their name, a tab and the row's strand.
    ///
    /// # Errors
    /// When a row is no interval: it ends before it starts.
    pub(super) fn read(
        &self,
        batch: &RecordBatch,
        strands: Option<&StringViewArray>,
        mut number: impl FnMut(&str) -> Result<u32>,
    ) -> Result<Vec<Option<Place>>> {
        let contigs = texts(batch, self.contig)?;
        let (starts, ends) = (positions(batch.column(self.start))?, positions(batch.column(self.end))?);
        let mut places = Vec::with_capacity(batch.num_rows());
        let shift = i64::from(self.zero_based);
        let has_nulls = contigs.null_count() + starts.null_count() + ends.null_count() > 0;
        // Rows of a contig mostly stand together, and equal short names are equal views.
        let mut last: Option<(u128, &str, u32)> = None;
        let mut name = String::new();
        let rows = contigs.views().iter().zip(starts.values()).zip(ends.values()).enumerate();
        for (row, ((&view, &start), &end)) in rows {
            if has_nulls && (contigs.is_null(row) || starts.is_null(row)) {
                places.push(None);
                continue;
            }
            let strand = strands.map_or("", |strands| if strands.is_null(row) { "." } else { strands.value(row) });
            let contig = match last {
                // Comparing empty texts costs more than the rest of the row, so without strands none are.
                Some((same, on, contig)) if same == view && is_inline(view) && (strands.is_none() || on == strand) => {
                    contig
                }
                _ if strands.is_some() => {
                    name.clear();
                    name.extend([contigs.value(row), "\t", strand]);
                    number(&name)?
                }
                _ => number(contigs.value(row))?,
            };
            last = Some((view, strand, contig));
            let first = start.saturating_add(shift);
            let end = if has_nulls && ends.is_null(row) { first } else { end };
            let Some(span) = Span::new(first, end) else {
                return Err(no_interval(contigs.value(row), start, end));
            };
            places.push(Some(Place { contig, span }));
        }
        Ok(places)
    }

    /// The span's start and end as these columns count.
    pub(super) fn columns_of(&self, spans: &[Span]) -> (ArrayRef, ArrayRef) {
        let shift = i64::from(self.zero_based);
        let starts: Int64Array = spans.iter().map(|span| span.start() - shift).collect();
        let ends: Int64Array = spans.iter().map(|span| span.end()).collect();
        (Arc::new(starts), Arc::new(ends))
    }
}

/// Whether all of a text stands in its view.
fn is_inline(view: u128) -> bool {
    view as u32 <= 12
}

fn no_interval(contig: &str, start: i64, end: i64) -> DataFusionError {
    let e = genomicframe_core::Error::corrupt("an interval ends before it starts, or lies beyond every contig");
    outer(e.text(format!("{contig} {start} {end}").as_bytes()))
}

/// Names numbered in order of their appearance.
#[derive(Debug, Default, Clone)]
pub(super) struct Names {
    pub(super) list: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Names {
    /// The number of a name, which is a new one when it was not seen before.
    pub(super) fn add(&mut self, name: &str) -> Result<u32> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = u32::try_from(self.list.len())
            .ok()
            .filter(|number| *number != UNKNOWN)
            .ok_or_else(|| outer(genomicframe_core::Error::limit("there are more than 2^32 contigs")))?;
        self.numbers.insert(name.to_owned(), number);
        self.list.push(name.to_owned());
        Ok(number)
    }

    /// The number of a name that was seen, else [`UNKNOWN`].
    pub(super) fn get(&self, name: &str) -> u32 {
        self.numbers.get(name).copied().unwrap_or(UNKNOWN)
    }
}
