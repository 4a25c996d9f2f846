//! Rows into pieces of an output, by several tasks at a time, in the order of the rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::RecordBatch;
use datafusion::common::runtime::SpawnedTask;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc::{Sender, channel};

use super::execution::{Batches, Rows};
use super::writer::{Encode, Encoder, Gauge, Group};
use crate::error::Result;
use crate::runtime;

/// A piece, and how many rows it holds.
type Made<P> = Result<(u64, P)>;

/// The pieces of all `rows`, each of a group of batches.
pub(super) fn of<P: Send + 'static>(rows: Rows, encoder: Encoder<P>, group: Group) -> BoxStream<'static, Made<P>> {
    let Rows { batches, workers, threads, .. } = rows;
    match batches {
        Batches::OneByOne(batches) => {
            let start = move |group: Result<Vec<RecordBatch>>| {
                let encoder = Arc::clone(&encoder);
                let _runtime = workers.enter();
                let piece = group.map(|group| SpawnedTask::spawn(async move { encode(encoder(), group) }));
                async move { piece?.await.unwrap_or_else(|_| Err(runtime::lost())) }
            };
            // One waits while each thread works on another; more would only fill memory.
            groups(batches, group).map(start).buffered(threads + 1).boxed()
        }
        Batches::InPieces { plan, context, rows } => {
            let partitions = plan.output_partitioning().partition_count();
            let start = move |partition| {
                let (plan, context, rows) = (Arc::clone(&plan), Arc::clone(&context), Arc::clone(&rows));
                let _runtime = workers.enter();
                std::future::ready(in_task(Partition { plan, context, partition, rows }, Arc::clone(&encoder), group))
            };
            // The one whose turn it is, and those after it that keep the other threads busy.
            futures::stream::iter(0..partitions).map(start).buffered(threads).flatten().boxed()
        }
    }
}

fn encode<P>(mut piece: Box<dyn Encode<P>>, group: Vec<RecordBatch>) -> Made<P> {
    let rows = group.iter().map(|b| b.num_rows() as u64).sum();
    group.into_iter().try_for_each(|batch| piece.add(batch))?;
    Ok((rows, piece.finish()?))
}

/// Batches gathered into groups.
fn groups(batches: SendableRecordBatchStream, size: Group) -> impl Stream<Item = Result<Vec<RecordBatch>>> + Send {
    futures::stream::unfold(Some(batches), move |batches| async move {
        let mut batches = batches?;
        let (mut group, mut gauge) = (Vec::new(), Gauge::new(size));
        while let Some(batch) = batches.next().await {
            let batch = match batch {
                Ok(batch) => batch,
                Err(e) => return Some((Err(e.into()), None)),
            };
            let is_full = gauge.add(&batch);
            group.push(batch);
            if is_full {
                return Some((Ok(group), Some(batches)));
            }
        }
        (!group.is_empty()).then_some((Ok(group), None))
    })
}

/// One partition of a plan.
struct Partition {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    partition: usize,
    rows: Arc<AtomicU64>,
}

/// Pieces that a partition may have ready before it is its turn: about all of them, or its thread would wait.
const READY: usize = 16;

/// Makes and encodes the rows of `partition` in a task, batch by batch, so that none waits in memory to be encoded. The
/// task ends when the stream is dropped.
fn in_task<P: Send + 'static>(partition: Partition, encoder: Encoder<P>, group: Group) -> BoxStream<'static, Made<P>> {
    let (sender, receiver) = channel(READY);
    let task = SpawnedTask::spawn(async move {
        if let Err(e) = run(partition, encoder, group, &sender).await {
            // Whoever would be told has gone away.
            let _ = sender.send(Err(e)).await;
        }
    });
    let state = (receiver, Some(task));
    let pieces = futures::stream::unfold(state, |(mut receiver, task)| async move {
        match receiver.recv().await {
            Some(piece) => Some((piece, (receiver, task))),
            // A task that panicked has not made all of its pieces.
            None => task?.await.is_err().then(|| (Err(runtime::lost()), (receiver, None))),
        }
    });
    pieces.boxed()
}

async fn run<P>(of: Partition, encoder: Encoder<P>, group: Group, sender: &Sender<Made<P>>) -> Result<()> {
    let mut batches = of.plan.execute(of.partition, of.context)?;
    let mut open: Option<(Box<dyn Encode<P>>, Gauge)> = None;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        of.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        let (mut piece, mut gauge) = open.take().unwrap_or_else(|| (encoder(), Gauge::new(group)));
        let is_full = gauge.add(&batch);
        piece.add(batch)?;
        if !is_full {
            open = Some((piece, gauge));
        } else if sender.send(Ok((gauge.rows as u64, piece.finish()?))).await.is_err() {
            return Ok(());
        }
    }
    if let Some((piece, gauge)) = open {
        let _ = sender.send(Ok((gauge.rows as u64, piece.finish()?))).await;
    }
    Ok(())
}
