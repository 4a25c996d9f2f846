//! What the second input becomes before the first one's rows are looked at.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt, stream};
use genomicframe_core::intervals::{Counts, Span, Union};

use super::super::batches::as_one;
use super::disk::{OnDisk, Room};
use super::gather::{Bag, Gathered, Merging, Numbered, Read, Reading, stopped};
use super::kernels::{ByContig, Kernel, Nearest};
use super::node::Verb;
use super::options::NearestOptions;
use super::place::{Indices, Names};
use crate::error::outer;

/// The second input.
#[derive(Clone)]
pub(super) enum Second {
    Held(Arc<Held>),
    OnDisk(Arc<OnDisk>),
}

/// What rows are made of, in memory.
pub(super) struct Held {
    pub(super) kernel: Box<dyn Kernel>,
    pub(super) names: Arc<Names>,
    /// All rows, where they are handed out.
    pub(super) rows: Option<RecordBatch>,
    _memory: Option<MemoryReservation>,
}

impl Second {
    /// Reads all of `input`, whose rows lie at `columns`. What does not fit goes to `room`.
    pub(super) async fn read(
        verb: &Verb,
        input: Arc<dyn ExecutionPlan>,
        columns: Indices,
        context: Arc<TaskContext>,
        room: Room,
    ) -> Result<Self> {
        let tasks = context.session_config().target_partitions();
        let reading = Reading { verb: verb.name(), columns, keeps_rows: verb.hands_out_second(), distance: 0 };
        let schema = input.schema();
        match verb {
            Verb::CountOverlaps(_) => {
                let all = reading.read(input, context, |_| Vec::<Span>::new(), Some(room)).await?;
                Self::of(all, async |all| {
                    let counts = each(all.bags, |spans| Counts::try_of(&spans), tasks).await?;
                    Ok(Held::new(Box::new(ByContig(counts)), all.names, None, all.memory))
                })
                .await
            }
            Verb::Coverage(_) => {
                let all = reading.read(input, context, |_| Vec::<Span>::new(), Some(room)).await?;
                let of = |spans: Vec<Span>| Some((Counts::try_of(&spans)?, Union::try_of(spans)?));
                Self::of(all, async |all| {
                    let of = each(all.bags, of, tasks).await?;
                    Ok(Held::new(Box::new(ByContig(of)), all.names, None, all.memory))
                })
                .await
            }
            Verb::Nearest(options) => {
                let all = reading.read(input, context, |_| Numbered::default(), Some(room)).await?;
                Self::of(all, async |all| nearest(*options, &schema, all, tasks).await).await
            }
            _ => {
                // What contigs leave is told of all that lies on them: nothing is gained by parts.
                let room = Some(room).filter(|_| !matches!(verb, Verb::Complement(_)));
                let all = reading.read(input, context, |reading| Merging::new(reading.distance), room).await?;
                Self::of(all, async |all| {
                    if let Verb::Complement(known) = verb
                        && let Some(name) = all.names.list.iter().find(|name| !known.contains(name))
                    {
                        let e = genomicframe_core::Error::invalid("the length of a contig is not known");
                        return Err(outer(e.text(name.as_bytes())));
                    }
                    let unions = each(all.bags, Merging::union, tasks).await?;
                    Ok(Held::new(Box::new(ByContig(unions)), all.names, None, all.memory))
                })
                .await
            }
        }
    }

    async fn of<B>(read: Read<B>, hold: impl AsyncFnOnce(Gathered<B>) -> Result<Held>) -> Result<Self> {
        Ok(match read {
            Read::Held(all) => Self::Held(Arc::new(hold(all).await?)),
            Read::OnDisk(all) => Self::OnDisk(Arc::new(all)),
        })
    }
}

impl Held {
    pub(super) fn new(
        kernel: Box<dyn Kernel>,
        names: impl Into<Arc<Names>>,
        rows: Option<RecordBatch>,
        memory: MemoryReservation,
    ) -> Self {
        memory.resize(kernel.memory() + rows.as_ref().map_or(0, RecordBatch::get_array_memory_size));
        Self { kernel, names: names.into(), rows, _memory: Some(memory) }
    }

    /// Of no second input.
    pub(super) fn alone(kernel: Box<dyn Kernel>) -> Self {
        Self { kernel, names: Arc::default(), rows: None, _memory: None }
    }
}

/// What `nearest` finds neighbours in.
pub(super) async fn nearest(
    options: NearestOptions,
    schema: &SchemaRef,
    all: Gathered<Numbered>,
    tasks: usize,
) -> Result<Held> {
    let Gathered { names, bags, rows, memory } = all;
    let rows = as_one(schema, rows.iter().flatten())?;
    let contigs = ByContig(each(bags, Nearest::of, tasks).await?);
    Ok(Held::new(Box::new(Nearest { contigs, options }), names, Some(rows), memory))
}

/// Few intervals are not worth a task.
const WORTH_A_TASK: usize = 1 << 14;

/// What `make` makes of each contig, in about so many tasks.
pub(super) async fn each<B: Bag, T: Send + 'static>(
    bags: Vec<B>,
    make: impl Fn(B) -> Option<T> + Copy + Send + 'static,
    tasks: usize,
) -> Result<Vec<T>> {
    let rows: usize = bags.iter().map(B::len).sum();
    let share = (rows / (tasks * 4).max(1)).max(WORTH_A_TASK);
    let mut parts: Vec<(usize, Vec<B>)> = Vec::new();
    for bag in bags {
        match parts.last_mut() {
            Some((held, part)) if *held < share => {
                *held += bag.len();
                part.push(bag);
            }
            _ => parts.push((bag.len(), vec![bag])),
        }
    }
    let of_part = move |part: Vec<B>| part.into_iter().map(make).collect::<Option<Vec<T>>>().ok_or_else(too_many);
    if tasks < 2 {
        return Ok(parts
            .into_iter()
            .map(|(_, part)| of_part(part))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect());
    }
    let made = stream::iter(parts).map(|(_, part)| async move {
        SpawnedTask::spawn(async move { of_part(part) }).join().await.map_err(stopped)?
    });
    let made: Vec<Vec<T>> = made.buffered(tasks).try_collect().await?;
    Ok(made.into_iter().flatten().collect())
}

pub(super) fn too_many() -> DataFusionError {
    outer(genomicframe_core::Error::limit("there are more than 2^32 intervals on one contig"))
}
