//! The side that is read first, and what it tells the other side's scan.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::{PhysicalExpr, SendableRecordBatchStream};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use genomicframe_core::genome::RegionSet;

use super::block::{self, Block};
use super::condition::Overlap;
use super::pairs::Output;
use super::probe::Marks;
use super::spill::{SpilledBlock, Spiller};
use crate::scan::SpansIn;

/// What two sides are compared by. Left is the side that is read first.
#[derive(Debug, Clone)]
pub(super) struct Sides {
    pub(super) left_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) right_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(super) spans: Overlap,
    /// Which of the keys is the contig.
    pub(super) contig: Option<usize>,
}

/// The left side's rows.
#[derive(Debug)]
pub(super) struct Build {
    pub(super) rows: Rows,
    /// How many.
    pub(super) number: usize,
    /// Which of them have a partner, where it matters.
    pub(super) marks: Option<Arc<Marks>>,
    /// Streams of the right side that are yet to end.
    probes: AtomicUsize,
    /// Held as long as the rows are.
    _memory: MemoryReservation,
}

#[derive(Debug)]
pub(super) enum Rows {
    Held(Arc<Block>),
    Spilled(Vec<SpilledBlock>, Arc<Spiller>),
}

/// Memory of a row in an index: two positions, the ends again in order, steps and its number.
const INDEX_BYTES: usize = 48;
/// Blocks of all partitions, each held twice while it is made, fit into the memory that was had.
const SHARE: usize = 3;

/// What a batch takes when it is held.
pub(super) fn memory_of(batch: &RecordBatch) -> usize {
    get_record_batch_memory_size(batch) + batch.num_rows() * INDEX_BYTES
}

impl Build {
    /// Reads all of `stream`, and tells `filter` what it covers.
    pub(super) async fn read(
        mut stream: SendableRecordBatchStream,
        sides: &Sides,
        output: &Output,
        probes: usize,
        memory: MemoryReservation,
        spiller: Arc<Spiller>,
        filter: Option<&DynamicFilterPhysicalExpr>,
    ) -> Result<Self> {
        let schema = stream.schema();
        let (mut held, mut spilled, mut rows) = (Vec::new(), None, 0);
        let mut covered = RegionSet::empty();
        let contig = sides.contig.filter(|_| filter.is_some());
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            rows += batch.num_rows();
            if spilled.is_none() && memory.try_grow(memory_of(&batch)).is_err() {
                let mut blocks = spiller.blocks(memory.size() / (SHARE * probes.max(1)));
                for batch in held.drain(..) {
                    blocks.add(&batch, sides)?;
                    cover(contig, sides, &batch, &mut covered)?;
                }
                memory.free();
                spilled = Some(blocks);
            }
            match &mut spilled {
                Some(blocks) => {
                    blocks.add(&batch, sides)?;
                    cover(contig, sides, &batch, &mut covered)?;
                }
                None => held.push(batch),
            }
        }
        let rows_of = match spilled {
            Some(blocks) => Rows::Spilled(blocks.finish()?, spiller),
            None => {
                let block = Block::new(&schema, &held, 0, &sides.left_keys, &sides.spans.left)?;
                drop(held);
                memory.resize(block.memory());
                cover(contig, sides, &block.batch, &mut covered)?;
                Rows::Held(Arc::new(block))
            }
        };
        if let (Some(filter), Some(contig)) = (filter, sides.contig) {
            let right = &sides.spans.right;
            let spans = SpansIn {
                contig: Arc::clone(&sides.right_keys[contig]),
                start: Arc::clone(&right.start),
                shift: right.shift,
                end: Arc::clone(&right.end),
                regions: Arc::new(covered),
            };
            filter.update(Arc::new(spans))?;
            filter.mark_complete();
        }
        let marks = output.marks_left().then(|| Arc::new(Marks::new(rows)));
        Ok(Self { rows: rows_of, number: rows, marks, probes: AtomicUsize::new(probes), _memory: memory })
    }

    /// After one of the right side's streams: behind the last, the rows that the join hands out for having a partner or none.
    pub(super) fn rest(self: Arc<Self>, output: Arc<Output>) -> impl Stream<Item = Result<RecordBatch>> + Send {
        let is_last = self.probes.fetch_sub(1, Ordering::AcqRel) == 1;
        let marks = self.marks.clone().filter(|_| is_last);
        stream::iter(marks).flat_map(move |marks| {
            let output = Arc::clone(&output);
            self.batches()
                .map(move |batch| {
                    let (batch, first) = batch?;
                    Ok::<_, DataFusionError>(stream::iter(marked(
                        batch,
                        first,
                        Arc::clone(&marks),
                        Arc::clone(&output),
                    )))
                })
                .try_flatten()
        })
    }

    /// All rows, with the number of each batch's first one.
    fn batches(&self) -> impl Stream<Item = Result<(RecordBatch, usize)>> + Send + use<> {
        match &self.rows {
            Rows::Held(block) => stream::iter([Ok((block.batch.clone(), block.first))]).left_stream(),
            Rows::Spilled(blocks, spiller) => {
                let spiller = Arc::clone(spiller);
                let each = stream::iter(blocks.clone()).map(move |block| {
                    let mut at = block.first;
                    let batches = spiller.read(&block.file)?;
                    Ok::<_, DataFusionError>(batches.map_ok(move |batch| {
                        at += batch.num_rows();
                        let first = at - batch.num_rows();
                        (batch, first)
                    }))
                });
                each.try_flatten().right_stream()
            }
        }
    }
}

/// Adds what the batch's rows cover.
fn cover(contig: Option<usize>, sides: &Sides, batch: &RecordBatch, into: &mut RegionSet) -> Result<()> {
    match contig.and_then(|contig| sides.left_keys.get(contig)) {
        Some(contig) => block::regions(contig, &sides.spans.left, batch, into),
        None => Ok(()),
    }
}

/// Those rows of a left side's batch that the join hands out by their mark, lazily.
fn marked(
    batch: RecordBatch,
    first: usize,
    marks: Arc<Marks>,
    output: Arc<Output>,
) -> impl Iterator<Item = Result<RecordBatch>> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let mut rows = Vec::new();
        while next < batch.num_rows() && rows.len() < output.batch_size {
            if marks.get(first + next) == output.wants_marked() {
                rows.push(next as u32);
            }
            next += 1;
        }
        let rows = UInt32Array::from(rows);
        (!rows.values().is_empty()).then(|| output.rows(Some((&batch, &rows)), None))
    })
}
