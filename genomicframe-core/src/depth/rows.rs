//! The columns of rows under construction.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray, StringViewBuilder, UInt32Array, UInt64Array,
};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;

use super::windows::{Statistic, Sums};
use crate::error::Result;
use crate::genome::Contigs;

/// Rows of a report: where they lie, and what is told of each.
#[derive(Debug)]
pub(super) struct Rows {
    schema: SchemaRef,
    /// The names that rows have by number: of contigs, and of bands.
    contigs: StringViewArray,
    bands: Option<StringViewArray>,
    contig: Vec<u32>,
    start: Vec<i64>,
    end: Vec<i64>,
    /// The depth, or the number of the band.
    value: Vec<u32>,
    name: Option<StringViewBuilder>,
    statistics: Vec<Values>,
    at_least: Vec<Vec<u64>>,
}

#[derive(Debug)]
enum Values {
    Float(Statistic, Vec<f64>),
    Int(Statistic, Vec<u32>),
}

impl Rows {
    /// Rows of runs or, where there are `bands`, of those.
    pub(super) fn of_runs(schema: SchemaRef, contigs: &Contigs, bands: Option<Vec<&str>>) -> Self {
        Self {
            schema,
            contigs: contigs.iter().map(|c| Some(&c.name)).collect(),
            bands: bands.map(StringViewArray::from_iter_values),
            contig: Vec::new(),
            start: Vec::new(),
            end: Vec::new(),
            value: Vec::new(),
            name: None,
            statistics: Vec::new(),
            at_least: Vec::new(),
        }
    }

    /// Rows of windows.
    pub(super) fn of_windows(
        schema: SchemaRef,
        contigs: &Contigs,
        named: bool,
        statistics: &[Statistic],
        thresholds: usize,
    ) -> Self {
        let values = statistics.iter().map(|s| match s {
            Statistic::Mean | Statistic::Std => Values::Float(*s, Vec::new()),
            Statistic::Median | Statistic::Min | Statistic::Max => Values::Int(*s, Vec::new()),
        });
        Self {
            name: named.then(StringViewBuilder::new),
            statistics: values.collect(),
            at_least: vec![Vec::new(); thresholds],
            ..Self::of_runs(schema, contigs, None)
        }
    }

    pub(super) fn len(&self) -> usize {
        self.contig.len()
    }

    #[inline]
    fn place(&mut self, contig: usize, start: i64, end: i64) {
        self.contig.push(contig as u32);
        self.start.push(start);
        self.end.push(end);
    }

    #[inline]
    pub(super) fn run(&mut self, contig: usize, (start, end, value): (i64, i64, u32)) {
        self.place(contig, start, end);
        self.value.push(value);
    }

    pub(super) fn window(&mut self, contig: usize, sums: &Sums) {
        self.place(contig, sums.window.start, sums.window.end);
        if let Some(name) = &mut self.name {
            name.append_option(sums.window.name.as_deref());
        }
        for values in &mut self.statistics {
            match values {
                Values::Float(Statistic::Std, values) => values.push(sums.std()),
                Values::Float(_, values) => values.push(sums.mean()),
                Values::Int(Statistic::Median, values) => values.push(sums.median()),
                Values::Int(Statistic::Min, values) => values.push(sums.min()),
                Values::Int(_, values) => values.push(sums.max()),
            }
        }
        for (column, count) in self.at_least.iter_mut().zip(sums.at_least()) {
            column.push(*count);
        }
    }

    /// The rows so far.
    ///
    /// # Errors
    /// When Arrow refuses the columns.
    pub(super) fn take(&mut self) -> Result<RecordBatch> {
        let numbers = UInt32Array::from(std::mem::take(&mut self.contig));
        let mut columns: Vec<ArrayRef> = vec![take(&self.contigs, &numbers, None)?];
        columns.push(Arc::new(Int64Array::from(std::mem::take(&mut self.start))));
        columns.push(Arc::new(Int64Array::from(std::mem::take(&mut self.end))));
        let values = UInt32Array::from(std::mem::take(&mut self.value));
        if let Some(bands) = &self.bands {
            columns.push(take(bands, &values, None)?);
        } else if self.statistics.is_empty() && self.at_least.is_empty() {
            columns.push(Arc::new(values));
        }
        if let Some(name) = &mut self.name {
            columns.push(Arc::new(name.finish()));
        }
        for values in &mut self.statistics {
            columns.push(match values {
                Values::Float(_, values) => Arc::new(Float64Array::from(std::mem::take(values))),
                Values::Int(_, values) => Arc::new(UInt32Array::from(std::mem::take(values))),
            });
        }
        for column in &mut self.at_least {
            columns.push(Arc::new(UInt64Array::from(std::mem::take(column))));
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}
