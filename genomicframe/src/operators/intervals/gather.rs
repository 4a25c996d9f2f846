//! An input read completely: its intervals by contig, and its rows where they are wanted.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use genomicframe_core::intervals::{Merged, Span, Union, merge};

use super::disk::{OnDisk, Parts, Room};
use super::place::{Indices, Names, Place, texts};
use crate::error::outer;

/// Intervals of one contig as they come in.
pub(super) trait Bag: Send + 'static {
    /// Bytes that one interval takes, with those of what is made of the bag in the end.
    const BYTES: usize;

    fn push(&mut self, span: Span, row: u32);

    /// Adds what the next partition found.
    fn append(&mut self, other: Self);

    /// Lets go of what it need not hold.
    fn settle(&mut self) {}

    /// Numbers rows from `first`.
    fn shift(&mut self, _first: u32) {}

    fn len(&self) -> usize;

    /// The spans alone.
    fn into_spans(self) -> Vec<Span>;
}

impl Bag for Vec<Span> {
    /// A span; its start and end, each sorted and with a table of contents; what sorting takes.
    const BYTES: usize = 16 + 2 * 9 + 16;

    fn push(&mut self, span: Span, _: u32) {
        Vec::push(self, span);
    }

    fn append(&mut self, mut other: Self) {
        Vec::append(self, &mut other);
    }

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn into_spans(self) -> Vec<Span> {
        self
    }
}

/// Spans with the numbers of their rows.
#[derive(Debug, Default)]
pub(super) struct Numbered {
    pub(super) spans: Vec<Span>,
    pub(super) rows: Vec<u32>,
}

impl Bag for Numbered {
    /// A span and its number; starts, ends and reaches; places in several orders.
    const BYTES: usize = 20 + 4 * 9 + 24;

    fn push(&mut self, span: Span, row: u32) {
        self.spans.push(span);
        self.rows.push(row);
    }

    fn append(&mut self, mut other: Self) {
        self.spans.append(&mut other.spans);
        self.rows.append(&mut other.rows);
    }

    fn shift(&mut self, first: u32) {
        self.rows.iter_mut().for_each(|row| *row += first);
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn into_spans(self) -> Vec<Span> {
        self.spans
    }
}

/// Spans that are merged as they come, so that about twice as many are held as lie apart.
#[derive(Debug)]
pub(super) struct Merging {
    pub(super) merged: Vec<Merged>,
    distance: i64,
    /// So many are merged again.
    full: usize,
}

impl Merging {
    /// None yet; those will be joined between which at most `distance` bases lie.
    pub(super) fn new(distance: i64) -> Self {
        Self { merged: Vec::new(), distance, full: 1 << 10 }
    }

    pub(super) fn merge(&mut self) {
        merge(&mut self.merged, self.distance);
        self.full = (self.merged.len() * 2).max(1 << 10);
    }

    /// The bases of all of them; `None` as in [`Union::try_of`].
    pub(super) fn union(self) -> Option<Union> {
        Union::try_of(self.into_spans())
    }
}

impl Bag for Merging {
    const BYTES: usize = 48;

    fn push(&mut self, span: Span, _: u32) {
        if self.merged.len() >= self.full {
            self.merge();
        }
        self.merged.push(span.into());
    }

    fn settle(&mut self) {
        self.merge();
    }

    fn append(&mut self, mut other: Self) {
        self.merged.append(&mut other.merged);
        self.merge();
    }

    fn len(&self) -> usize {
        self.merged.len()
    }

    fn into_spans(self) -> Vec<Span> {
        self.merged.into_iter().map(|merged| merged.span).collect()
    }
}

/// An input's intervals: a bag for each contig, or each contig and strand.
pub(super) struct Gathered<B> {
    /// Contigs in order of their appearance, with a tab and the strand where these are told apart.
    pub(super) names: Names,
    pub(super) bags: Vec<B>,
    /// The rows by partition, where they are kept.
    pub(super) rows: Vec<Vec<RecordBatch>>,
    /// Held as long as what is made of them.
    pub(super) memory: MemoryReservation,
}

/// What became of an input.
pub(super) enum Read<B> {
    Held(Gathered<B>),
    /// All of it, since not all could be held.
    OnDisk(OnDisk),
}

/// How an input is read.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// What memory is asked for.
    pub(super) verb: &'static str,
    /// Where its rows lie; with a strand, strands are told apart.
    pub(super) columns: Indices,
    pub(super) keeps_rows: bool,
    /// Of what is merged as it comes.
    pub(super) distance: i64,
}

/// A partition as far as it is read.
struct Partition<B> {
    held: Gathered<B>,
    /// Where all went, and goes, that did not fit.
    parts: Option<Parts>,
}

impl Reading {
    /// Reads all of `input` into memory.
    pub(super) async fn all<B: Bag>(
        self,
        input: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        new: fn(&Self) -> B,
    ) -> Result<Gathered<B>> {
        match self.read(input, context, new, None).await? {
            Read::Held(all) => Ok(all),
            Read::OnDisk(_) => internal_err!("nothing goes to disk where there is no room"),
        }
    }

    /// Reads all partitions of `input` at a time, each in a task of its own; what they find is put together in their
    /// order, so that it does not depend on them. What does not fit into memory goes to `room`, if there is one.
    pub(super) async fn read<B: Bag>(
        self,
        input: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        new: fn(&Self) -> B,
        room: Option<Room>,
    ) -> Result<Read<B>> {
        let can_spill = room.is_some();
        let memory = || MemoryConsumer::new(self.verb).with_can_spill(can_spill).register(context.memory_pool());
        let parts = (0..input.output_partitioning().partition_count()).map(|partition| {
            let stream = input.execute(partition, Arc::clone(&context));
            let (reading, memory, room) = (self.clone(), memory(), room.clone());
            async move {
                let partition = reading.partition(stream?, memory, new, Names::default(), room);
                SpawnedTask::spawn(partition).join().await.map_err(stopped)?
            }
        });
        let parts = stream::iter(parts.collect::<Vec<_>>()).buffered(usize::MAX);
        let parts: Vec<Partition<B>> = parts.try_collect().await?;
        if let Some(room) = room.filter(|_| parts.iter().any(|part| part.parts.is_some())) {
            let parts = parts.into_iter().map(|part| part.into_parts(&self, &room)).collect::<Result<Vec<_>>>()?;
            return Ok(Read::OnDisk(OnDisk::new(self, room, parts)?));
        }
        let mut whole = Gathered { names: Names::default(), bags: Vec::new(), rows: Vec::new(), memory: memory() };
        let mut first = 0u32;
        for Partition { held, .. } in parts {
            let rows = held.rows.iter().flatten().map(RecordBatch::num_rows).sum::<usize>();
            let next = u32::try_from(rows).ok().and_then(|rows| first.checked_add(rows)).ok_or_else(too_many)?;
            whole.append(held, first)?;
            first = next;
        }
        Ok(Read::Held(whole))
    }

    /// Reads some rows, which must fit, into bags by these names.
    pub(super) async fn some<B: Bag>(
        &self,
        stream: SendableRecordBatchStream,
        memory: MemoryReservation,
        new: fn(&Self) -> B,
        names: Names,
    ) -> Result<Gathered<B>> {
        Ok(self.clone().partition(stream, memory, new, names, None).await?.held)
    }

    async fn partition<B: Bag>(
        self,
        mut stream: SendableRecordBatchStream,
        memory: MemoryReservation,
        new: fn(&Self) -> B,
        names: Names,
        room: Option<Room>,
    ) -> Result<Partition<B>> {
        let bags = names.list.iter().map(|_| new(&self)).collect();
        let mut part = Partition { held: Gathered { names, bags, rows: vec![Vec::new()], memory }, parts: None };
        let (mut number, mut counted, mut checked) = (0u32, 0, 1 << 16);
        while let Some(batch) = stream.try_next().await? {
            let Gathered { names, bags, rows, memory } = &mut part.held;
            if let Some(parts) = &mut part.parts {
                parts.add(&batch, names, &self)?;
                continue;
            }
            let kept = if self.keeps_rows { get_record_batch_memory_size(&batch) } else { 0 };
            let more = batch.num_rows() * B::BYTES + kept;
            let ask = || memory.try_grow(more).inspect(|()| room.iter().for_each(|room| room.takes(more)));
            let release = |bytes| {
                memory.shrink(bytes);
                room.iter().for_each(|room| room.frees(bytes));
            };
            if ask().is_err() {
                bags.iter_mut().for_each(B::settle);
                let now = bags.iter().map(B::len).sum::<usize>();
                release((counted - now) * B::BYTES);
                counted = now;
                if let Err(e) = ask() {
                    let room = room.as_ref().ok_or(e)?;
                    part.give_up(&self, room)?;
                    if let Some(parts) = &mut part.parts {
                        parts.add(&batch, &mut part.held.names, &self)?;
                    }
                    continue;
                }
            }
            let add = |name: &str| {
                let number = names.add(name)?;
                if number as usize == bags.len() {
                    bags.push(new(&self));
                }
                Ok(number)
            };
            let places = self.places(&batch, add)?;
            for (place, row) in places.into_iter().zip(number..) {
                if let Some(place) = place
                    && let Some(bag) = bags.get_mut(place.contig as usize)
                {
                    bag.push(place.span, row);
                }
            }
            let more = u32::try_from(batch.num_rows()).map_err(|_| too_many())?;
            counted += batch.num_rows();
            if self.keeps_rows {
                number = number.checked_add(more).ok_or_else(too_many)?;
                rows.iter_mut().for_each(|rows| rows.push(batch.clone()));
            }
            if counted > checked {
                let now = bags.iter().map(B::len).sum::<usize>();
                release((counted - now) * B::BYTES);
                (counted, checked) = (now, now * 2);
            }
        }
        Ok(part)
    }

    /// Where a batch's rows lie.
    pub(super) fn places(
        &self,
        batch: &RecordBatch,
        number: impl FnMut(&str) -> Result<u32>,
    ) -> Result<Vec<Option<Place>>> {
        let strands = self.columns.strand.map(|strand| texts(batch, strand)).transpose()?;
        self.columns.read(batch, strands.as_ref(), number)
    }
}

impl<B: Bag> Partition<B> {
    /// Sends to disk what is held, and what will come.
    fn give_up(&mut self, reading: &Reading, room: &Room) -> Result<()> {
        let Gathered { names, bags, rows, memory } = &mut self.held;
        let parts = self.parts.insert(Parts::new(room));
        if reading.keeps_rows {
            bags.clear();
            for batch in rows.iter_mut().flat_map(std::mem::take) {
                parts.add(&batch, names, reading)?;
            }
        } else {
            for (contig, bag) in (0..).zip(bags.drain(..)) {
                parts.add_spans(contig, &bag.into_spans(), names)?;
            }
        }
        room.frees(memory.free());
        Ok(())
    }

    /// All of it on disk, and the names by which it tells contigs apart.
    fn into_parts(mut self, reading: &Reading, room: &Room) -> Result<(Parts, Names)> {
        if self.parts.is_none() {
            self.give_up(reading, room)?;
        }
        match self.parts {
            Some(parts) => Ok((parts, self.held.names)),
            None => internal_err!("what is given up goes to disk"),
        }
    }
}

impl<B: Bag> Gathered<B> {
    /// Adds the next partition, whose rows are numbered from `first`.
    fn append(&mut self, part: Self, first: u32) -> Result<()> {
        for (name, mut bag) in part.names.list.iter().zip(part.bags) {
            bag.shift(first);
            let number = self.names.add(name)? as usize;
            match self.bags.get_mut(number) {
                Some(own) => own.append(bag),
                None => self.bags.push(bag),
            }
        }
        self.rows.extend(part.rows);
        self.memory.grow(part.memory.free());
        Ok(())
    }
}

fn too_many() -> DataFusionError {
    outer(genomicframe_core::Error::limit("there are more than 2^32 rows"))
}

/// The same rows with each partition's own files, in order: a scan's partitions otherwise take over one another's work.
pub(super) fn in_order(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    input.with_preserve_order(true).unwrap_or(input)
}

/// A task ends without an answer only by panicking, or when the query is gone.
pub(super) fn stopped<E>(_: E) -> DataFusionError {
    DataFusionError::Execution("a worker stopped without an answer".to_owned())
}
