//! Rows of the first input become rows of the verb.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::physical_plan::metrics::BaselineMetrics;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use futures::{Stream, TryStreamExt, stream};

use super::disk::OnDisk;
use super::kernels::{Made, Rows};
use super::node::Verb;
use super::options::Strands;
use super::place::{Indices, Names, Place, UNKNOWN, texts};
use super::second::{Held, Second};

/// A batch of the first input, in the making.
pub(super) struct Batch {
    pub(super) batch: RecordBatch,
    pub(super) places: Vec<Option<Place>>,
    strands: Option<StringViewArray>,
    /// The number of its first row among those that were looked up together.
    first: usize,
    next: usize,
    pieces: u64,
    /// What it and others of its rows are held in, where they are accounted for.
    memory: Option<Arc<MemoryReservation>>,
}

impl Batch {
    /// Its rows that are yet to be made, about so many at once.
    pub(super) fn rows(&self, most: usize) -> Rows<'_> {
        let Self { places, strands, first, next, pieces, .. } = self;
        Rows { places, strands: strands.as_ref(), first: *first, next: *next, pieces: *pieces, most }
    }
}

/// The rows of a partition.
pub(super) struct Output {
    pub(super) verb: Verb,
    pub(super) batches: SendableRecordBatchStream,
    pub(super) second: Second,
    pub(super) making: Making,
    pub(super) metrics: BaselineMetrics,
    /// For what a second input on disk takes.
    pub(super) memory: MemoryReservation,
    /// Batches that are looked up together, and in what.
    pub(super) chunk: VecDeque<Batch>,
    pub(super) held: Option<Arc<Held>>,
    /// Rows that were read for a chunk which then had too many.
    pub(super) waiting: VecDeque<(RecordBatch, Arc<MemoryReservation>)>,
    /// So many are enough for a chunk.
    pub(super) most: usize,
}

impl Output {
    pub(super) fn run(self) -> impl Stream<Item = Result<RecordBatch>> {
        stream::try_unfold(self, |mut output| async move { Ok(output.next().await?.map(|batch| (batch, output))) })
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let (Some(batch), Some(held)) = (self.chunk.front_mut(), &self.held) {
                let _timer = self.metrics.elapsed_compute().timer();
                match self.making.next(held, batch)? {
                    Some(made) if made.num_rows() == 0 => {}
                    Some(made) => {
                        self.metrics.record_output(made.num_rows());
                        return Ok(Some(made));
                    }
                    None => drop(self.chunk.pop_front()),
                }
            } else if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads the next rows; whether there are any.
    async fn fill(&mut self) -> Result<bool> {
        match self.second.clone() {
            Second::Held(held) => {
                let Some(batch) = self.batches.try_next().await? else { return Ok(false) };
                let _timer = self.metrics.elapsed_compute().timer();
                self.chunk.push_back(self.making.begin(batch, &held.names, 0)?);
                self.held = Some(held);
                Ok(true)
            }
            Second::OnDisk(all) => self.fill_chunk(&all).await,
        }
    }

    /// The next rows that meet the second input's parts together: fewer when they find more than fits.
    async fn fill_chunk(&mut self, all: &OnDisk) -> Result<bool> {
        self.held = None;
        while self.held.is_none() {
            let rows = self.read_chunk(all).await?;
            if self.chunk.is_empty() {
                return Ok(false);
            }
            match all.meet(&self.verb, self.chunk.make_contiguous(), &self.memory).await {
                Ok(held) => {
                    self.held = Some(Arc::new(held));
                    self.most = self.most.saturating_add(self.most / 4 + 1);
                }
                Err(e) if rows > 1 && matches!(e.find_root(), DataFusionError::ResourcesExhausted(_)) => {
                    self.most = rows / 2;
                    let again = self.chunk.drain(..).rev().filter_map(|of| Some((of.batch, of.memory?)));
                    again.for_each(|batch| self.waiting.push_front(batch));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Takes what waits, else reads, into the chunk; how many rows.
    async fn read_chunk(&mut self, all: &OnDisk) -> Result<usize> {
        let (mut rows, mut bytes) = (0, if self.waiting.is_empty() { 0 } else { all.chunk() });
        while rows < self.most {
            let (batch, memory) = match self.waiting.pop_front() {
                Some(waiting) => waiting,
                None if bytes >= all.chunk() => break,
                None => match self.batches.try_next().await? {
                    Some(batch) => {
                        let places = batch.num_rows() * size_of::<Option<Place>>();
                        let size = get_record_batch_memory_size(&batch) + places;
                        let memory = self.memory.new_empty();
                        // One batch is on its way in any case.
                        if rows > 0 && memory.try_grow(size).is_err() {
                            self.waiting.push_front((batch, Arc::new(memory)));
                            break;
                        }
                        bytes += size;
                        (batch, Arc::new(memory))
                    }
                    None => break,
                },
            };
            let now = batch.num_rows().min(self.most - rows);
            if now < batch.num_rows() {
                self.waiting.push_front((batch.slice(now, batch.num_rows() - now), Arc::clone(&memory)));
            }
            let batch = self.making.begin(batch.slice(0, now), &all.names, rows)?;
            self.chunk.push_back(Batch { memory: Some(memory), ..batch });
            rows += now;
        }
        Ok(rows)
    }
}

/// What makes output of batches.
pub(super) struct Making {
    pub(super) places: Indices,
    pub(super) strands: Option<Strands>,
    pub(super) schema: SchemaRef,
    pub(super) batch_size: usize,
}

impl Making {
    /// A batch whose rows are told apart by the second input's `names`, behind `first` others that are looked up with it.
    pub(super) fn begin(&self, batch: RecordBatch, names: &Names, first: usize) -> Result<Batch> {
        let strands = self.places.strand.map(|strand| texts(&batch, strand)).transpose()?;
        let places = match self.strands {
            // The second input's contigs were told apart by strand.
            Some(of) => self.places.read(&batch, strands.as_ref(), |name| {
                let (contig, own) = name.rsplit_once('\t').unwrap_or((name, ""));
                Ok(of.partner(own).map_or(UNKNOWN, |strand| names.get(&format!("{contig}\t{strand}"))))
            })?,
            None => self.places.read(&batch, None, |name| Ok(names.get(name)))?,
        };
        Ok(Batch { batch, places, strands, first, next: 0, pieces: 0, memory: None })
    }

    /// The next rows; `None` when the batch is done.
    pub(super) fn next(&self, second: &Held, of: &mut Batch) -> Result<Option<RecordBatch>> {
        if of.next >= of.places.len() {
            return Ok(None);
        }
        let mut rows = of.rows(self.batch_size);
        let made = second.kernel.make(&mut rows)?;
        (of.next, of.pieces) = (rows.next, rows.pieces);
        self.assemble(&of.batch, second.rows.as_ref(), made).map(Some)
    }

    fn assemble(&self, batch: &RecordBatch, others: Option<&RecordBatch>, made: Made) -> Result<RecordBatch> {
        let Made { rows, spans, others: found, columns: added } = made;
        let number = rows.as_ref().map_or(batch.num_rows(), Vec::len);
        let rows = rows.map(UInt32Array::from);
        let moved = spans.map(|spans| self.places.columns_of(&spans));
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (i, column) in batch.columns().iter().enumerate() {
            columns.push(match (&moved, &rows) {
                (Some((starts, _)), _) if i == self.places.start => Arc::clone(starts),
                (Some((_, ends)), _) if i == self.places.end => Arc::clone(ends),
                (_, Some(rows)) => take(column, rows, None)?,
                (_, None) => Arc::clone(column),
            });
        }
        if let (Some(found), Some(of)) = (&found, others) {
            for column in of.columns() {
                columns.push(take(column, found, None)?);
            }
        }
        columns.extend(added);
        let options = RecordBatchOptions::new().with_row_count(Some(number));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
