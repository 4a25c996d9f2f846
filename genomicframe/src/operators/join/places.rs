//! The left side of a join that asks nothing of its rows but whether one of them overlaps: places alone, so that a panel may
//! have very many.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::PhysicalExpr;
use genomicframe_core::genome::{Interval, RegionSet};
use genomicframe_core::intervals::Presence;

use super::build::Sides;
use super::condition::{Overlap, Span};
use super::keys::{Keys, Spans};
use super::pairs::Output;
use super::probe::rest;
use super::rule::has_texts;

/// The outermost spans of each contig.
#[derive(Debug, Default)]
pub(super) struct Places {
    numbers: HashMap<Box<[u8]>, usize>,
    contigs: Vec<Presence>,
}

/// How the left side's rows look where their places are all that is kept of them.
#[derive(Debug, Clone)]
pub(super) struct PlaceRows {
    pub(super) schema: SchemaRef,
    /// The join over such rows.
    pub(super) sides: Sides,
}

/// Most rows of a batch of places, and about what one takes in a block.
const ROWS: usize = 8192;
const ROW_BYTES: usize = 128;

impl PlaceRows {
    /// Of a join that asks only whether a row of the right side has a partner, and whose one key is a text: `None` of others.
    pub(super) fn of(sides: &Sides, output: &Output, left: &Schema) -> Option<Self> {
        let [key] = sides.left_keys.as_slice() else { return None };
        if !has_texts(key, left) || output.has_pairs() || output.marks_left() || output.residual.is_some() {
            return None;
        }
        let fields = [("contig", DataType::Utf8View), ("start", DataType::Int64), ("end", DataType::Int64)]
            .map(|(name, of)| Field::new(name, of, false));
        let column = |at: usize| Arc::new(Column::new(fields[at].name(), at)) as Arc<dyn PhysicalExpr>;
        let left = Span { start: column(1), shift: 0, end: column(2) };
        let sides = Sides {
            left_keys: vec![column(0)],
            spans: Overlap { left, right: sides.spans.right.clone() },
            ..sides.clone()
        };
        Some(Self { schema: Arc::new(Schema::new(fields.to_vec())), sides })
    }
}

impl Places {
    /// Adds the places of a batch's rows.
    pub(super) fn add(&mut self, batch: &RecordBatch, sides: &Sides) -> Result<()> {
        let (keys, spans) = (Keys::of(&sides.left_keys, batch)?, Spans::of(&sides.spans.left, batch)?);
        // Rows of a contig mostly stand together.
        let mut last: Option<(&[u8], usize)> = None;
        for row in 0..batch.num_rows() {
            let (Some(key), Some((start, end))) = (keys.get(row), spans.get(row)) else { continue };
            let number = match last {
                Some((known, number)) if known == key => number,
                _ => match self.numbers.get(key) {
                    Some(number) => *number,
                    None => {
                        self.contigs.push(Presence::default());
                        self.numbers.insert(key.into(), self.contigs.len() - 1);
                        self.contigs.len() - 1
                    }
                },
            };
            last = Some((key, number));
            self.contigs[number].push(start, end);
        }
        Ok(())
    }

    /// No more rows come.
    pub(super) fn finish(&mut self) {
        self.contigs.iter_mut().for_each(Presence::finish);
    }

    pub(super) fn memory(&self) -> usize {
        self.contigs.iter().map(Presence::memory).sum()
    }

    /// As rows, where they do not fit into memory, in batches for blocks of so many bytes.
    pub(super) fn batches(self, schema: &SchemaRef, bytes: usize) -> impl Iterator<Item = Result<RecordBatch>> {
        let Self { numbers, contigs } = self;
        let rows = (bytes / ROW_BYTES).clamp(1, ROWS);
        let each = numbers.into_iter().flat_map(move |(contig, number)| {
            // Keys of one text column are its bytes.
            let contig = String::from_utf8_lossy(&contig).into_owned();
            let spans: Vec<_> = contigs[number].iter().collect();
            let chunks: Vec<_> = spans.chunks(rows).map(<[_]>::to_vec).collect();
            chunks.into_iter().map(move |chunk| (contig.clone(), chunk))
        });
        each.map(|(contig, spans)| {
            let contigs = StringViewArray::from_iter_values(std::iter::repeat_n(&contig, spans.len()));
            let column = |of: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(spans.iter().map(of)));
            let columns: Vec<ArrayRef> = vec![Arc::new(contigs), column(|span| span.0), column(|span| span.1)];
            Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
        })
    }

    /// What they cover. Those of no length, between two bases, count as both.
    pub(super) fn regions(&self) -> RegionSet {
        let mut out = RegionSet::empty();
        for (contig, number) in &self.numbers {
            let interval = |(start, end): (i64, i64)| Interval::new(start.min(end).max(0), start.max(end));
            if let Ok(contig) = std::str::from_utf8(contig) {
                out.add(contig, self.contigs[*number].iter().filter_map(interval).collect());
            }
        }
        out
    }

    /// The rows of a right side's batch that the join hands out.
    pub(super) fn join(&self, batch: &RecordBatch, sides: &Sides, output: &Output) -> Result<Option<RecordBatch>> {
        let time = output.time.clone();
        let _timer = time.timer();
        let (keys, spans) = (Keys::of(&sides.right_keys, batch)?, Spans::of(&sides.spans.right, batch)?);
        let mut marked = vec![false; batch.num_rows()];
        let mut last: Option<(&[u8], Option<&Presence>)> = None;
        for (row, marked) in marked.iter_mut().enumerate() {
            let (Some(key), Some((start, end))) = (keys.get(row), spans.get(row)) else { continue };
            let presence = match last {
                Some((known, presence)) if known == key => presence,
                _ => self.numbers.get(key).map(|number| &self.contigs[*number]),
            };
            last = Some((key, presence));
            *marked = presence.is_some_and(|p| p.any(start, end));
        }
        rest(output, batch, |row| marked[row])
    }
}
