//! Rows of the side that is read first, with an index of their spans for each key.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::physical_plan::PhysicalExpr;
use genomicframe_core::genome::{Interval, RegionSet};
use genomicframe_core::intervals::IntervalIndex;

use super::super::batches::as_one;
use super::condition::Span;
use super::keys::{Keys, Spans};
use crate::error::outer;

/// Rows in memory, found by key and span.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) batch: RecordBatch,
    /// Number of its first row among all of its side's.
    pub(super) first: usize,
    numbers: HashMap<Box<[u8]>, usize>,
    groups: Vec<Group>,
}

/// The rows of one key.
#[derive(Debug)]
pub(super) struct Group {
    index: IntervalIndex,
    rows: Members,
}

/// Where a group's rows stand in their block.
#[derive(Debug)]
enum Members {
    /// One after the other.
    Run(u32),
    Each(Vec<u32>),
}

/// Spans of one key as they are collected.
#[derive(Default)]
struct Collected {
    starts: Vec<i64>,
    ends: Vec<i64>,
    rows: Vec<u32>,
}

impl Block {
    pub(super) fn new(
        schema: &SchemaRef,
        batches: &[RecordBatch],
        first: usize,
        keys: &[Arc<dyn PhysicalExpr>],
        span: &Span,
    ) -> Result<Self> {
        let batch = as_one(schema, batches)?;
        let (keys, spans) = (Keys::of(keys, &batch)?, Spans::of(span, &batch)?);
        let mut numbers: HashMap<Box<[u8]>, usize> = HashMap::new();
        let mut collected: Vec<Collected> = Vec::new();
        // Rows of a contig mostly stand together.
        let mut last: Option<(&[u8], usize)> = None;
        for row in 0..batch.num_rows() {
            let (Some(key), Some((start, end))) = (keys.get(row), spans.get(row)) else { continue };
            let number = match last {
                Some((known, number)) if known == key => number,
                _ => match numbers.get(key) {
                    Some(number) => *number,
                    None => {
                        collected.push(Collected::default());
                        numbers.insert(key.into(), collected.len() - 1);
                        collected.len() - 1
                    }
                },
            };
            last = Some((key, number));
            let group = &mut collected[number];
            group.starts.push(start);
            group.ends.push(end);
            group.rows.push(u32::try_from(row).map_err(|_| too_many())?);
        }
        let groups = collected.into_iter().map(Group::new).collect::<Result<_>>()?;
        Ok(Self { batch, first, numbers, groups })
    }

    /// The rows of `key`.
    pub(super) fn group(&self, key: &[u8]) -> Option<&Group> {
        self.groups.get(*self.numbers.get(key)?)
    }

    pub(super) fn memory(&self) -> usize {
        let rows = |g: &Group| if let Members::Each(rows) = &g.rows { rows.capacity() * size_of::<u32>() } else { 0 };
        let groups: usize = self.groups.iter().map(|g| g.index.memory() + rows(g)).sum();
        self.batch.get_array_memory_size() + groups
    }
}

/// What `spans` of rows with these contigs cover. Those of no length, between two bases, count as both.
pub(super) fn regions(
    contig: &Arc<dyn PhysicalExpr>,
    span: &Span,
    batch: &RecordBatch,
    into: &mut RegionSet,
) -> Result<()> {
    let (contigs, spans) = (Keys::of(std::slice::from_ref(contig), batch)?, Spans::of(span, batch)?);
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    let mut collected: Vec<(&[u8], Vec<Interval>)> = Vec::new();
    for row in 0..batch.num_rows() {
        let (Some(contig), Some((start, end))) = (contigs.get(row), spans.get(row)) else { continue };
        let Some(interval) = Interval::new(start.min(end).max(0), start.max(end)) else { continue };
        match collected.last_mut() {
            Some((on, intervals)) if *on == contig => intervals.push(interval),
            _ => {
                let number = *numbers.entry(contig).or_insert(collected.len());
                match collected.get_mut(number) {
                    Some((_, intervals)) => intervals.push(interval),
                    None => collected.push((contig, vec![interval])),
                }
            }
        }
    }
    for (contig, intervals) in collected {
        if let Ok(contig) = std::str::from_utf8(contig) {
            into.add(contig, intervals);
        }
    }
    Ok(())
}

impl Group {
    fn new(collected: Collected) -> Result<Self> {
        let Collected { starts, ends, rows } = collected;
        let index = IntervalIndex::try_new(starts, ends).map_err(outer)?;
        let first = rows.first().copied().unwrap_or(0);
        let is_run = rows.last().is_some_and(|last| (last - first) as usize + 1 == rows.len());
        Ok(Self { index, rows: if is_run { Members::Run(first) } else { Members::Each(rows) } })
    }

    /// Appends the block's rows whose spans overlap `start..=end`.
    pub(super) fn overlaps(&self, start: i64, end: i64, rows: &mut Vec<u32>) {
        let before = rows.len();
        self.index.overlaps(start, end, rows);
        match &self.rows {
            Members::Run(0) => {}
            Members::Run(first) => rows[before..].iter_mut().for_each(|row| *row += first),
            Members::Each(of) => rows[before..].iter_mut().for_each(|row| *row = of[*row as usize]),
        }
    }

    pub(super) fn count(&self, start: i64, end: i64) -> usize {
        self.index.count(start, end)
    }

    pub(super) fn any(&self, start: i64, end: i64) -> bool {
        self.index.any(start, end)
    }
}

fn too_many() -> DataFusionError {
    outer(genomicframe_core::Error::limit("an interval join holds at most 2^32 rows of a side at once"))
}
