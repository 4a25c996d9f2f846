//! The first input read ahead of the second one: a small one tells which of the other's rows are of use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use genomicframe_core::genome::{Interval, RegionSet};

use super::gather::stopped;
use super::node::Verb;
use super::place::{Indices, Names};

/// Bytes of rows that are held; of a larger input the other one is read whole.
const MOST: usize = 64 << 20;
/// That, but a fourth of the memory at most: the rest is the second input's.
const SHARE: usize = 4;

/// What was read of each partition, until that is asked for.
pub(super) struct Ahead {
    schema: SchemaRef,
    parts: Vec<Mutex<Option<Part>>>,
}

/// A partition's first rows, and those behind them, if there are any.
struct Part {
    batches: Vec<RecordBatch>,
    rest: Option<SendableRecordBatchStream>,
    memory: MemoryReservation,
}

impl Ahead {
    /// Reads the partitions of `input`, whose rows lie at `places`; the regions within reach of all rows, if these fit.
    pub(super) async fn read(
        verb: &Verb,
        input: &Arc<dyn ExecutionPlan>,
        places: &Indices,
        context: &Arc<TaskContext>,
    ) -> Result<(Self, Option<RegionSet>)> {
        let (held, reach) = (Arc::new(AtomicUsize::new(0)), verb.reach().unwrap_or(i64::MAX));
        let most = match context.memory_pool().memory_limit() {
            MemoryLimit::Finite(limit) => MOST.min(limit / SHARE),
            _ => MOST,
        };
        let parts = (0..input.output_partitioning().partition_count()).map(|partition| {
            let memory = MemoryConsumer::new(verb.name()).register(context.memory_pool());
            let rows = input.execute(partition, Arc::clone(context));
            // A strand does not matter to where a row lies.
            let (places, held) = (Indices { strand: None, ..places.clone() }, Arc::clone(&held));
            async move {
                SpawnedTask::spawn(Part::read(rows?, memory, places, reach, (held, most)))
                    .join()
                    .await
                    .map_err(stopped)?
            }
        });
        let mut parts = stream::iter(parts.collect::<Vec<_>>()).buffered(usize::MAX);
        let (mut read, mut all) = (Vec::new(), Some(RegionSet::empty()));
        while let Some((part, covered)) = parts.try_next().await? {
            read.push(Mutex::new(Some(part)));
            match (&mut all, covered) {
                (Some(all), Some(covered)) => covered.iter().for_each(|(contig, of)| all.add(contig, of.to_vec())),
                _ => all = None,
            }
        }
        Ok((Self { schema: input.schema(), parts: read }, all))
    }

    /// All rows of a partition, once.
    pub(super) fn take(&self, partition: usize) -> Option<SendableRecordBatchStream> {
        let part = self.parts.get(partition)?.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Part { batches, rest, memory } = part?;
        let batches = batches.into_iter().map(Ok);
        let rows = stream::iter(batches).chain(stream::iter(rest).flatten()).inspect(move |_| {
            // Let go of when the stream is.
            let _held = &memory;
        });
        Some(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows)))
    }
}

impl Part {
    async fn read(
        mut rows: SendableRecordBatchStream,
        memory: MemoryReservation,
        places: Indices,
        reach: i64,
        (held, most): (Arc<AtomicUsize>, usize),
    ) -> Result<(Self, Option<RegionSet>)> {
        let (mut batches, mut covered) = (Vec::new(), RegionSet::empty());
        while let Some(batch) = rows.try_next().await? {
            let bytes = get_record_batch_memory_size(&batch);
            let is_told = cover(&places, reach, &batch, &mut covered)?;
            batches.push(batch);
            let all = held.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if !is_told || all > most || memory.try_grow(bytes).is_err() {
                // The others need not go on.
                held.fetch_add(most, Ordering::Relaxed);
                return Ok((Self { batches, rest: Some(rows), memory }, None));
            }
        }
        Ok((Self { batches, rest: None, memory }, Some(covered)))
    }
}

/// Adds what lies within reach of the rows of a batch; whether all of it could be told. Those of no length, between two bases,
/// count as both.
fn cover(places: &Indices, reach: i64, batch: &RecordBatch, into: &mut RegionSet) -> Result<bool> {
    let (mut names, mut by_contig) = (Names::default(), Vec::<Vec<Interval>>::new());
    let rows = places.read(batch, None, |name| {
        let number = names.add(name)?;
        by_contig.resize_with(names.list.len(), Vec::new);
        Ok(number)
    })?;
    for place in rows.into_iter().flatten() {
        let (start, end) = (place.span.start(), place.span.end());
        let (first, last) = (start.min(end).saturating_sub(reach), start.max(end).saturating_add(reach));
        let interval = Interval::new(first.max(0), last.max(0));
        match (interval, by_contig.get_mut(place.contig as usize)) {
            (Some(interval), Some(of)) => of.push(interval),
            _ => return Ok(false),
        }
    }
    names.list.iter().zip(by_contig).for_each(|(contig, of)| into.add(contig, of));
    Ok(true)
}
