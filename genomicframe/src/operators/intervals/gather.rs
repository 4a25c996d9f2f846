//! An input read completely: its intervals by contig, and its rows where they are wanted.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use genomicframe_core::intervals::{Merged, Span, merge};

use super::place::{Indices, Names, texts};
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

impl Reading {
    /// Reads all partitions of `input` at a time, each in a task of its own; what they find is put together in their
    /// order, so that it does not depend on them.
    pub(super) async fn all<B: Bag>(
        self,
        input: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
        new: fn(&Self) -> B,
    ) -> Result<Gathered<B>> {
        let parts = (0..input.output_partitioning().partition_count()).map(|partition| {
            let memory = MemoryConsumer::new(self.verb).register(context.memory_pool());
            let stream = input.execute(partition, Arc::clone(&context));
            let reading = self.clone();
            async move { SpawnedTask::spawn(reading.partition(stream?, memory, new)).join().await.map_err(stopped)? }
        });
        let mut parts = stream::iter(parts.collect::<Vec<_>>()).buffered(usize::MAX);
        let mut whole: Option<Gathered<B>> = None;
        let mut first = 0u32;
        while let Some(part) = parts.try_next().await? {
            let rows = part.rows.iter().flatten().map(RecordBatch::num_rows).sum::<usize>();
            let next = u32::try_from(rows).ok().and_then(|rows| first.checked_add(rows)).ok_or_else(too_many)?;
            match &mut whole {
                None => whole = Some(part),
                Some(whole) => whole.append(part, first)?,
            }
            first = next;
        }
        match whole {
            Some(whole) => Ok(whole),
            None => {
                let memory = MemoryConsumer::new(self.verb).register(context.memory_pool());
                Ok(Gathered { names: Names::default(), bags: Vec::new(), rows: Vec::new(), memory })
            }
        }
    }

    async fn partition<B: Bag>(
        self,
        mut stream: SendableRecordBatchStream,
        memory: MemoryReservation,
        new: fn(&Self) -> B,
    ) -> Result<Gathered<B>> {
        let (mut names, mut bags, mut rows) = (Names::default(), Vec::<B>::new(), Vec::new());
        let (mut number, mut held, mut checked) = (0u32, 0, 1 << 16);
        while let Some(batch) = stream.try_next().await? {
            let kept = if self.keeps_rows { get_record_batch_memory_size(&batch) } else { 0 };
            let more = batch.num_rows() * B::BYTES + kept;
            if memory.try_grow(more).is_err() {
                bags.iter_mut().for_each(B::settle);
                let now = bags.iter().map(B::len).sum::<usize>();
                memory.shrink((held - now) * B::BYTES);
                held = now;
                memory.try_grow(more)?;
            }
            let add = |name: &str| {
                let number = names.add(name)?;
                if number as usize == bags.len() {
                    bags.push(new(&self));
                }
                Ok(number)
            };
            let strands = self.columns.strand.map(|strand| texts(&batch, strand)).transpose()?;
            let places = self.columns.read(&batch, strands.as_ref(), add)?;
            for (place, row) in places.into_iter().zip(number..) {
                if let Some(place) = place
                    && let Some(bag) = bags.get_mut(place.contig as usize)
                {
                    bag.push(place.span, row);
                }
            }
            let more = u32::try_from(batch.num_rows()).map_err(|_| too_many())?;
            held += batch.num_rows();
            if self.keeps_rows {
                number = number.checked_add(more).ok_or_else(too_many)?;
                rows.push(batch);
            }
            if held > checked {
                let now = bags.iter().map(B::len).sum::<usize>();
                memory.shrink((held - now) * B::BYTES);
                (held, checked) = (now, now * 2);
            }
        }
        Ok(Gathered { names, bags, rows: vec![rows], memory })
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
