//! A partition's rows of the join.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::super::spill::Spiller;
use super::block::Block;
use super::build::{Build, Rows, Sides};
use super::pairs::Output;
use super::probe::{Joined, Marks, Rest, rest};
use super::spill::{Routed, Router, SpilledBlock};

/// What a partition of the right side is joined with.
#[derive(Clone)]
pub(super) struct Probing {
    pub(super) sides: Arc<Sides>,
    pub(super) output: Arc<Output>,
    pub(super) build: Arc<Build>,
}

impl Probing {
    /// The join's rows of `probe`; behind the last partition's, those of the left side that are wanted for themselves.
    pub(super) fn run(
        self,
        probe: SendableRecordBatchStream,
        router: Router,
        memory: MemoryReservation,
    ) -> BoxStream<'static, Result<RecordBatch>> {
        let (build, output) = (Arc::clone(&self.build), Arc::clone(&self.output));
        let joined = match &build.rows {
            Rows::Held(block) => self.held(Arc::clone(block), probe).boxed(),
            Rows::Places(places) => {
                let places = Arc::clone(places);
                let rows = probe.map(move |batch| places.join(&batch?, &self.sides, &self.output));
                rows.try_filter_map(|rows| std::future::ready(Ok(rows))).boxed()
            }
            Rows::Spilled(blocks, spiller) => {
                let spilled = self.spilled(blocks.clone(), Arc::clone(spiller), probe, router, memory);
                stream::once(spilled).try_flatten().boxed()
            }
        };
        // Whether this partition is the last one is settled when it has ended.
        joined.chain(stream::once(async move { Ok::<_, DataFusionError>(build.rest(output)) }).try_flatten()).boxed()
    }

    fn held(self, block: Arc<Block>, probe: SendableRecordBatchStream) -> impl Stream<Item = Result<RecordBatch>> {
        probe.map(move |batch| self.join(&block, batch?, Rest::Follows)).try_flatten()
    }

    /// Block by block. Only when all are through is it known which rows have no partner.
    async fn spilled(
        self,
        blocks: Vec<SpilledBlock>,
        spiller: Arc<Spiller>,
        probe: SendableRecordBatchStream,
        router: Router,
        memory: MemoryReservation,
    ) -> Result<impl Stream<Item = Result<RecordBatch>>> {
        let keeps_all = self.output.marks_right();
        let Routed { by_block, all, rows } = router.route(probe, &blocks, &self.sides, keeps_all).await?;
        let marks = Arc::new(Marks::new(if keeps_all { rows } else { 0 }));
        let (router, memory, output) = (Arc::new(router), Arc::new(memory), Arc::clone(&self.output));
        let unmarked = {
            let (router, marks) = (Arc::clone(&router), Arc::clone(&marks));
            stream::iter(all).map(move |file| {
                let (marks, output, mut at) = (Arc::clone(&marks), Arc::clone(&output), 0);
                Ok::<_, DataFusionError>(router.all(&file)?.try_filter_map(move |batch| {
                    let first = at;
                    at += batch.num_rows();
                    let rest = rest(&output, &batch, |row| marks.get(first + row));
                    std::future::ready(rest)
                }))
            })
        };
        let wanted = blocks.into_iter().zip(by_block).filter_map(|(block, file)| Some((block, file?)));
        let joined = stream::iter(wanted).then(move |(block, file)| {
            let (this, spiller, router) = (self.clone(), Arc::clone(&spiller), Arc::clone(&router));
            let (memory, marks) = (Arc::clone(&memory), Arc::clone(&marks));
            async move {
                memory.free();
                let block = Arc::new(block.load(&spiller, &this.sides, &memory).await?);
                Ok::<_, DataFusionError>(
                    router
                        .of_block(&file)?
                        .map(move |batch| {
                            let (batch, numbers) = router.without_numbers(batch?)?;
                            this.join(&block, batch, Rest::Kept(Arc::clone(&marks), numbers))
                        })
                        .try_flatten(),
                )
            }
        });
        Ok(joined.try_flatten().chain(unmarked.try_flatten()))
    }

    fn join(&self, block: &Arc<Block>, batch: RecordBatch, rest: Rest) -> Result<stream::Iter<Joined>> {
        let Sides { right_keys, spans, .. } = &*self.sides;
        let (output, marks) = (Arc::clone(&self.output), self.build.marks.clone());
        Ok(stream::iter(Joined::new(output, Arc::clone(block), batch, right_keys, &spans.right, marks, rest)?))
    }
}
