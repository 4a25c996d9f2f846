//! The side that is read first, and what it tells the other side's scan.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::arrow::array::{RecordBatch, UInt32Array};
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::{PhysicalExpr, SendableRecordBatchStream};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use genomicframe_core::genome::RegionSet;

use super::super::spill::Spiller;
use super::block::{self, Block};
use super::condition::Overlap;
use super::pairs::Output;
use super::places::{PlaceRows, Places};
use super::probe::Marks;
use super::spill::{Blocks, SpilledBlock};
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
    memory: MemoryReservation,
}

#[derive(Debug)]
pub(super) enum Rows {
    Held(Arc<Block>),
    Places(Arc<Places>),
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
    /// Reads all of `stream`, and tells `filter` what it covers. Where there are rows of `places`, these are all that is kept.
    pub(super) async fn read(
        stream: SendableRecordBatchStream,
        sides: &Sides,
        places: Option<&PlaceRows>,
        output: &Output,
        room: Room,
        filter: Option<&DynamicFilterPhysicalExpr>,
    ) -> Result<Self> {
        let contig = sides.contig.filter(|_| filter.is_some());
        let mut reading = Reading { sides, contig, covered: RegionSet::empty(), room, number: 0 };
        let rows = match places {
            Some(places) => reading.places(stream, places).await?,
            None => reading.rows(stream).await?,
        };
        let Reading { covered, room: Room { probes, memory, .. }, number, .. } = reading;
        if let (Some(filter), Some(contig)) = (filter, sides.contig) {
            let right = &sides.spans.right;
            let spans = SpansIn {
                contig: Arc::clone(&sides.right_keys[contig]),
                start: Arc::clone(&right.start),
                shift: right.shift,
                end: Arc::clone(&right.end),
                regions: Arc::new(covered.at_most(SpansIn::MOST)),
            };
            filter.update(Arc::new(spans))?;
            filter.mark_complete();
        }
        let marks = output.marks_left().then(|| Arc::new(Marks::new(number)));
        Ok(Self { rows, number, marks, probes: AtomicUsize::new(probes), memory })
    }

    /// Bytes of what is held.
    pub(super) fn memory(&self) -> usize {
        self.memory.size()
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

    /// All rows, with the number of each batch's first one; none where only their places are kept.
    fn batches(&self) -> BoxStream<'static, Result<(RecordBatch, usize)>> {
        match &self.rows {
            Rows::Held(block) => stream::iter([Ok((block.batch.clone(), block.first))]).boxed(),
            Rows::Places(_) => stream::empty().boxed(),
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
                each.try_flatten().boxed()
            }
        }
    }
}

/// Where rows are held, and where those go that do not fit.
pub(super) struct Room {
    /// Partitions of the right side, of which each may hold a block.
    pub(super) probes: usize,
    pub(super) memory: MemoryReservation,
    pub(super) spiller: Arc<Spiller>,
}

/// The left side while it is read.
struct Reading<'a> {
    sides: &'a Sides,
    /// Which key is the contig, where what rows cover is to be told.
    contig: Option<usize>,
    covered: RegionSet,
    room: Room,
    /// Rows so far.
    number: usize,
}

impl Reading<'_> {
    async fn rows(&mut self, mut stream: SendableRecordBatchStream) -> Result<Rows> {
        let schema = stream.schema();
        let (mut held, mut spilled) = (Vec::new(), None);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            self.number += batch.num_rows();
            if spilled.is_none() && self.room.memory.try_grow(memory_of(&batch)).is_err() {
                let mut blocks = self.blocks();
                for batch in held.drain(..) {
                    self.spill(&mut blocks, &batch, self.sides)?;
                }
                spilled = Some(blocks);
            }
            match &mut spilled {
                Some(blocks) => self.spill(blocks, &batch, self.sides)?,
                None => held.push(batch),
            }
        }
        if let Some(blocks) = spilled {
            return Ok(Rows::Spilled(blocks.finish()?, Arc::clone(&self.room.spiller)));
        }
        let block = Block::new(&schema, &held, 0, &self.sides.left_keys, &self.sides.spans.left)?;
        drop(held);
        self.room.memory.resize(block.memory());
        self.cover(&block.batch, self.sides)?;
        Ok(Rows::Held(Arc::new(block)))
    }

    async fn places(&mut self, mut stream: SendableRecordBatchStream, rows: &PlaceRows) -> Result<Rows> {
        let (mut places, mut spilled) = (Places::default(), None);
        while let Some(batch) = stream.next().await {
            let batch = batch?;
            self.number += batch.num_rows();
            places.add(&batch, self.sides)?;
            // Twice: what they cover is made of them too.
            if spilled.is_none() && self.room.memory.try_resize(2 * places.memory()).is_ok() {
                continue;
            }
            let blocks = spilled.get_or_insert_with(|| self.blocks());
            let bytes = blocks.most();
            for batch in std::mem::take(&mut places).batches(&rows.schema, bytes) {
                self.spill(blocks, &batch?, &rows.sides)?;
            }
        }
        if let Some(blocks) = spilled {
            return Ok(Rows::Spilled(blocks.finish()?, Arc::clone(&self.room.spiller)));
        }
        places.finish();
        if self.contig.is_some() {
            self.covered = places.regions();
        }
        self.room.memory.resize(places.memory());
        Ok(Rows::Places(Arc::new(places)))
    }

    /// Blocks of which each partition can hold one in the memory that was had, which is given back for that.
    fn blocks(&self) -> Blocks {
        let bytes = self.room.memory.size() / (SHARE * self.room.probes.max(1));
        self.room.memory.free();
        Blocks::new(Arc::clone(&self.room.spiller), bytes)
    }

    fn spill(&mut self, blocks: &mut Blocks, batch: &RecordBatch, sides: &Sides) -> Result<()> {
        blocks.add(batch, sides)?;
        self.cover(batch, sides)
    }

    /// Adds what the batch's rows cover.
    fn cover(&mut self, batch: &RecordBatch, sides: &Sides) -> Result<()> {
        match self.contig.and_then(|contig| sides.left_keys.get(contig)) {
            Some(contig) => block::regions(contig, &sides.spans.left, batch, &mut self.covered),
            None => Ok(()),
        }
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
