//! A chunk of the first input's rows meets a second input that is on disk, part after part.

use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use datafusion::common::Result;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;
use genomicframe_core::intervals::{Counts, Span, Union};

use super::super::batches::as_one;
use super::disk::OnDisk;
use super::gather::{Bag, Merging, Numbered};
use super::kernels::{ByContig, Counted, Covered, Kernel};
use super::making::Batch;
use super::node::Verb;
use super::options::NearestOptions;
use super::place::{Names, Place, UNKNOWN};
use super::second::{Held, nearest, too_many};

/// Neighbours of about so many rows are found at once.
const AT_ONCE: usize = 8192;

impl OnDisk {
    /// What makes rows of those of `chunk`, and of no others.
    pub(super) async fn meet(&self, verb: &Verb, chunk: &[Batch], memory: &MemoryReservation) -> Result<Held> {
        match verb {
            Verb::Nearest(options) => self.neighbours(*options, verb.reach(), chunk, memory).await,
            _ => self.overlaps(verb, chunk, memory).await,
        }
    }

    /// Counts of parts add up; of what they cover, that is kept which lies near the rows.
    async fn overlaps(&self, verb: &Verb, chunk: &[Batch], memory: &MemoryReservation) -> Result<Held> {
        let (counts_any, covers_any) = (!matches!(verb, Verb::Subtract(_)), !matches!(verb, Verb::CountOverlaps(_)));
        let rows = if counts_any { chunk.iter().map(|batch| batch.places.len()).sum() } else { 0 };
        let mut counts = vec![0i64; rows];
        let near = if covers_any { self.around(chunk)? } else { Vec::new() };
        let mut apart: Vec<Merging> = near.iter().map(|_| Merging::new(0)).collect();
        let held = memory.new_empty();
        let own = size_of_val(counts.as_slice()) + near.iter().map(Union::memory).sum::<usize>();
        held.try_grow(own)?;
        // What touches a row matters to one of no length.
        for part in self.near(places(chunk), Some(1)) {
            let names = Names::clone(&self.names);
            let part = self.reading.some(part?, memory.new_empty(), |_| Vec::<Span>::new(), names).await?;
            for ((spans, near), apart) in part.bags.iter().zip(&near).zip(&mut apart) {
                spans.iter().filter(|span| near.covered(**span) > 0).for_each(|span| apart.push(*span, 0));
                apart.settle();
            }
            held.try_resize(own + apart.iter().map(|of| of.len() * Merging::BYTES).sum::<usize>())?;
            if counts_any {
                let of = part.bags.iter().map(|spans| Counts::try_of(spans));
                let of = ByContig(of.collect::<Option<Vec<_>>>().ok_or_else(too_many)?);
                let places = chunk.iter().flat_map(|batch| &batch.places);
                for (count, place) in counts.iter_mut().zip(places) {
                    if let Some((place, of)) = place.as_ref().and_then(|place| Some((place, of.at(place)?))) {
                        *count += of.overlapping(place.span) as i64;
                    }
                }
            }
        }
        let union = ByContig(apart.into_iter().map(Merging::union).collect::<Option<Vec<_>>>().ok_or_else(too_many)?);
        let kernel: Box<dyn Kernel> = match verb {
            Verb::CountOverlaps(_) => Box::new(Counted(counts)),
            Verb::Coverage(_) => Box::new(Covered { counts, union }),
            _ => Box::new(union),
        };
        Ok(Held::new(kernel, Arc::clone(&self.names), None, held))
    }

    /// The bases of the rows and those beside them, by contig.
    fn around(&self, chunk: &[Batch]) -> Result<Vec<Union>> {
        let mut spans: Vec<Vec<Span>> = vec![Vec::new(); self.names.list.len()];
        for place in places(chunk) {
            let wider = Span::new(place.span.start() - 1, place.span.end() + 1);
            if let Some(of) = spans.get_mut(place.contig as usize) {
                of.push(wider.unwrap_or(place.span));
            }
        }
        spans.into_iter().map(Union::try_of).collect::<Option<_>>().ok_or_else(too_many)
    }

    /// Of each part, the rows that are nearest to one of the chunk's: among them are those that are nearest of all.
    async fn neighbours(
        &self,
        options: NearestOptions,
        reach: Option<i64>,
        chunk: &[Batch],
        memory: &MemoryReservation,
    ) -> Result<Held> {
        let held_by = |found: &[RecordBatch]| found.iter().map(get_record_batch_memory_size).sum::<usize>();
        let (mut found, mut most) = (Vec::new(), self.chunk() / 2);
        let held = memory.new_empty();
        for part in self.near(places(chunk), reach.map(|reach| reach.saturating_add(1))) {
            let names = Names::clone(&self.names);
            let part = self.reading.some(part?, memory.new_empty(), |_| Numbered::default(), names).await?;
            let part = nearest(options, self.schema(), part, 1).await?;
            found.push(chosen(&part, chunk)?);
            drop(part);
            if held_by(&found) > most {
                let all = self.among(options, std::mem::take(&mut found), memory).await?;
                found.push(chosen(&all, chunk)?);
                most = most.max(2 * held_by(&found));
            }
            held.try_resize(held_by(&found))?;
        }
        self.among(options, found, memory).await
    }

    /// Neighbours among some rows, in their order.
    async fn among(&self, options: NearestOptions, rows: Vec<RecordBatch>, memory: &MemoryReservation) -> Result<Held> {
        let rows = RecordBatchStreamAdapter::new(Arc::clone(self.schema()), stream::iter(rows.into_iter().map(Ok)));
        let names = Names::clone(&self.names);
        let rows = self.reading.some(Box::pin(rows), memory.new_empty(), |_| Numbered::default(), names).await?;
        nearest(options, self.schema(), rows, 1).await
    }
}

/// Where the chunk's rows lie that lie on a contig of the other input.
fn places(chunk: &[Batch]) -> impl Iterator<Item = Place> {
    let places = chunk.iter().flat_map(|batch| batch.places.iter().flatten());
    places.filter(|place| place.contig != UNKNOWN).copied()
}

/// The rows that are nearest to any of the chunk's, in their order.
fn chosen(all: &Held, chunk: &[Batch]) -> Result<RecordBatch> {
    let mut rows = Vec::new();
    for batch in chunk {
        let mut of = batch.rows(AT_ONCE);
        while of.next < of.places.len() {
            let made = all.kernel.make(&mut of)?;
            rows.extend(made.others.iter().flat_map(UInt32Array::iter).flatten());
        }
    }
    rows.sort_unstable();
    rows.dedup();
    let Some(from) = &all.rows else { return datafusion::common::internal_err!("rows are handed out") };
    // In buffers of their own: the part's are let go.
    as_one(from.schema_ref(), [&take_record_batch(from, &UInt32Array::from(rows))?])
}
