//! Rows that do not fit into memory.
//!
//! The left side goes to disk in blocks of successive rows, each small enough to be held by every partition. Each partition
//! sends the rows of its right side to the blocks that they may overlap, as the keys and the outermost positions of each tell,
//! and joins block after block. Sides that are sorted by place are so read from disk about once.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array, UInt64Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::SpillMetrics;
use futures::StreamExt;

use super::super::spill::{File, Spiller, Writer};
use super::block::Block;
use super::build::{Sides, memory_of};
use super::keys::{Keys, Spans};

/// A part of the left side.
#[derive(Clone)]
pub(super) struct SpilledBlock {
    pub(super) file: File,
    /// Number of its first row.
    pub(super) first: usize,
    bounds: Arc<Bounds>,
}

impl std::fmt::Debug for SpilledBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpilledBlock").field("first", &self.first).finish_non_exhaustive()
    }
}

/// The first and the last position of each key's rows.
#[derive(Debug, Default)]
struct Bounds(HashMap<Box<[u8]>, (i64, i64)>);

impl SpilledBlock {
    /// The block in memory, as long as `memory` has room for it.
    pub(super) async fn load(&self, spiller: &Spiller, sides: &Sides, memory: &MemoryReservation) -> Result<Block> {
        let mut batches = Vec::new();
        let mut stream = spiller.read(&self.file)?;
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            memory.try_grow(memory_of(&batch))?;
            batches.push(batch);
        }
        let block = Block::new(spiller.schema(), &batches, self.first, &sides.left_keys, &sides.spans.left)?;
        memory.resize(block.memory());
        Ok(block)
    }
}

/// The left side on its way to disk.
pub(super) struct Blocks {
    spiller: Arc<Spiller>,
    most: usize,
    done: Vec<SpilledBlock>,
    open: Option<Open>,
    /// Number of the next row.
    first: usize,
}

struct Open {
    file: Writer,
    first: usize,
    bytes: usize,
    bounds: Bounds,
}

impl Blocks {
    /// Rows are taken into blocks of about so many bytes.
    pub(super) fn new(spiller: Arc<Spiller>, bytes: usize) -> Self {
        Self { spiller, most: bytes, done: Vec::new(), open: None, first: 0 }
    }

    /// About how many bytes a block has.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn add(&mut self, batch: &RecordBatch, sides: &Sides) -> Result<()> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let file = self.spiller.create()?;
                Open { file, first: self.first, bytes: 0, bounds: Bounds::default() }
            }
        };
        open.bounds.add(batch, sides)?;
        open.file.append(batch)?;
        open.bytes += memory_of(batch);
        self.first += batch.num_rows();
        if open.bytes >= self.most {
            self.done.extend(open.finish()?);
        } else {
            self.open = Some(open);
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<SpilledBlock>> {
        if let Some(open) = self.open.take() {
            self.done.extend(open.finish()?);
        }
        Ok(self.done)
    }
}

impl Open {
    fn finish(self) -> Result<Option<SpilledBlock>> {
        let (first, bounds) = (self.first, Arc::new(self.bounds));
        Ok(self.file.finish()?.map(|file| SpilledBlock { file, first, bounds }))
    }
}

impl Bounds {
    fn add(&mut self, batch: &RecordBatch, sides: &Sides) -> Result<()> {
        let (keys, spans) = (Keys::of(&sides.left_keys, batch)?, Spans::of(&sides.spans.left, batch)?);
        for row in 0..batch.num_rows() {
            let (Some(key), Some((start, end))) = (keys.get(row), spans.get(row)) else { continue };
            match self.0.get_mut(key) {
                Some((first, last)) => (*first, *last) = ((*first).min(start), (*last).max(end)),
                None => {
                    self.0.insert(key.into(), (start, end));
                }
            }
        }
        Ok(())
    }

    fn may_overlap(&self, key: &[u8], start: i64, end: i64) -> bool {
        self.0.get(key).is_some_and(|(first, last)| *first <= end && *last >= start)
    }
}

/// The column of a row's number among those of its partition's right side.
const NUMBER: &str = "row number";

/// One partition's right side on disk.
pub(super) struct Routed {
    /// For each block, the rows that it may have partners for, with their numbers.
    pub(super) by_block: Vec<Option<File>>,
    /// All rows, where those without a partner are needed too.
    pub(super) all: Option<File>,
    /// How many.
    pub(super) rows: usize,
}

/// Writes and reads a partition's right side.
pub(super) struct Router {
    numbered: Spiller,
    plain: Spiller,
}

impl Router {
    pub(super) fn new(runtime: &Arc<RuntimeEnv>, metrics: &SpillMetrics, schema: &SchemaRef) -> Self {
        let number = Arc::new(Field::new(NUMBER, DataType::UInt64, false));
        let with_number = Schema::new(schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>());
        let spiller = |schema| Spiller::new(super::NAME, Arc::clone(runtime), metrics.clone(), schema);
        Self { numbered: spiller(Arc::new(with_number)), plain: spiller(Arc::clone(schema)) }
    }

    /// Reads all of `probe`.
    pub(super) async fn route(
        &self,
        mut probe: SendableRecordBatchStream,
        blocks: &[SpilledBlock],
        sides: &Sides,
        keeps_all: bool,
    ) -> Result<Routed> {
        let mut by_block: Vec<Option<Writer>> = blocks.iter().map(|_| None).collect();
        let mut all = keeps_all.then(|| self.plain.create()).transpose()?;
        let mut rows = 0;
        while let Some(batch) = probe.next().await {
            let batch = batch?;
            let (keys, spans) = (Keys::of(&sides.right_keys, &batch)?, Spans::of(&sides.spans.right, &batch)?);
            let numbered = self.number(&batch, rows)?;
            for (block, writer) in blocks.iter().zip(&mut by_block) {
                let wanted = (0..batch.num_rows()).filter(|row| match (keys.get(*row), spans.get(*row)) {
                    (Some(key), Some((start, end))) => block.bounds.may_overlap(key, start, end),
                    _ => false,
                });
                let wanted: UInt32Array = wanted.map(|row| row as u32).collect::<Vec<_>>().into();
                if wanted.is_empty() {
                    continue;
                }
                let writer = match writer {
                    Some(writer) => writer,
                    None => writer.insert(self.numbered.create()?),
                };
                writer.append(&take_record_batch(&numbered, &wanted)?)?;
            }
            if let Some(all) = &mut all {
                all.append(&batch)?;
            }
            rows += batch.num_rows();
        }
        let finish = |writer: Option<Writer>| writer.map_or(Ok(None), Writer::finish);
        Ok(Routed { by_block: by_block.into_iter().map(finish).collect::<Result<_>>()?, all: finish(all)?, rows })
    }

    fn number(&self, batch: &RecordBatch, first: usize) -> Result<RecordBatch> {
        let numbers: UInt64Array = (first as u64..).take(batch.num_rows()).collect::<Vec<_>>().into();
        let columns = batch.columns().iter().cloned().chain([Arc::new(numbers) as ArrayRef]).collect();
        Ok(RecordBatch::try_new(Arc::clone(self.numbered.schema()), columns)?)
    }

    /// A block's rows, batch by batch.
    pub(super) fn of_block(&self, file: &File) -> Result<SendableRecordBatchStream> {
        self.numbered.read(file)
    }

    /// The batch without its numbers, and the numbers.
    pub(super) fn without_numbers(&self, mut batch: RecordBatch) -> Result<(RecordBatch, Vec<usize>)> {
        let numbers = batch.remove_column(batch.num_columns() - 1);
        let numbers = numbers.as_primitive::<UInt64Type>().values().iter().map(|n| *n as usize).collect();
        Ok((RecordBatch::try_new(Arc::clone(self.plain.schema()), batch.columns().to_vec())?, numbers))
    }

    /// All rows, batch by batch, in order.
    pub(super) fn all(&self, file: &File) -> Result<SendableRecordBatchStream> {
        self.plain.read(file)
    }
}
