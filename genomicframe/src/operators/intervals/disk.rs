//! A second input that does not fit into memory: parts of it on disk, each of which does.
//!
//! Each partition of the first input goes through its rows in chunks and meets part after part. Parts that tell by the
//! outermost positions of each contig that none of a chunk's rows is near are not read; so inputs that are sorted by place are
//! read from disk about once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::spill::get_record_batch_memory_size;
use genomicframe_core::intervals::Span;

use super::super::spill::{File, Spiller, Writer};
use super::gather::{Bag, Numbered, Reading};
use super::place::{Indices, Names, Place};

/// Where what does not fit goes to.
#[derive(Clone)]
pub(super) struct Room {
    spiller: Arc<Spiller>,
    /// So many read parts at a time.
    readers: usize,
    /// Bytes held by all partitions now.
    held: Arc<AtomicUsize>,
    /// Bytes of a part, once one is needed.
    part: Arc<AtomicUsize>,
}

/// A reader holds a chunk of rows, a part, what is made of the part, and what it found.
const SHARE: usize = 4;
/// Bytes that a part has at least: files are few.
const LEAST: usize = 1 << 16;
/// Rows of a batch of spans.
const BATCH: usize = 2048;

impl Room {
    pub(super) fn new(spiller: Spiller, readers: usize) -> Self {
        let (held, part) = Default::default();
        Self { spiller: Arc::new(spiller), readers: readers.max(1), held, part }
    }

    pub(super) fn takes(&self, bytes: usize) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn frees(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes of a part, so that all readers' fit into the most that all partitions held when one of them could hold no more.
    fn part(&self) -> usize {
        let now = self.held.load(Ordering::Relaxed) / (SHARE * self.readers);
        self.part.fetch_max(now, Ordering::Relaxed).max(now).max(LEAST)
    }
}

/// Spans without the rows that they are of: the contig, with a tab and the strand where these are told apart, start and end.
pub(super) fn spans_schema() -> SchemaRef {
    let (name, position) = (DataType::Utf8View, DataType::Int64);
    let fields = [("contig", name), ("start", position.clone()), ("end", position)];
    Arc::new(Schema::new(fields.map(|(name, of)| Field::new(name, of, false)).to_vec()))
}

/// Where [`spans_schema`] has them.
const SPANS: Indices = Indices { contig: 0, start: 1, end: 2, strand: None, zero_based: false };

/// The first and the last position on each contig, by number.
type Bounds = HashMap<u32, (i64, i64)>;

/// A partition on its way to disk.
pub(super) struct Parts {
    room: Room,
    done: Vec<(File, Bounds)>,
    open: Option<Open>,
}

struct Open {
    file: Writer,
    bytes: usize,
    bounds: Bounds,
}

impl Parts {
    pub(super) fn new(room: &Room) -> Self {
        // As much as is held now, and will not be any more.
        room.part();
        Self { room: room.clone(), done: Vec::new(), open: None }
    }

    /// Adds rows as they are to be read again.
    pub(super) fn add(&mut self, batch: &RecordBatch, names: &mut Names, reading: &Reading) -> Result<()> {
        let places = reading.places(batch, |name| names.add(name))?;
        if reading.keeps_rows {
            let bytes = batch.num_rows() * Numbered::BYTES + get_record_batch_memory_size(batch);
            // A part is read batch by batch, so these must be smaller.
            let pieces = (SHARE * bytes).div_ceil(self.room.part()).clamp(1, batch.num_rows().max(1));
            let rows = batch.num_rows().div_ceil(pieces).max(1);
            for (first, places) in (0..).step_by(rows).zip(places.chunks(rows)) {
                let batch = batch.slice(first, places.len());
                self.append(&batch, bytes / pieces, places.iter().copied().flatten())?;
            }
            return Ok(());
        }
        let places: Vec<Place> = places.into_iter().flatten().collect();
        self.add_places(&places, names)
    }

    /// Adds spans of one contig.
    pub(super) fn add_spans(&mut self, contig: u32, spans: &[Span], names: &Names) -> Result<()> {
        spans.chunks(BATCH).try_for_each(|spans| {
            let places: Vec<Place> = spans.iter().map(|span| Place { contig, span: *span }).collect();
            self.add_places(&places, names)
        })
    }

    fn add_places(&mut self, places: &[Place], names: &Names) -> Result<()> {
        let name = |place: &Place| names.list.get(place.contig as usize).map_or("", String::as_str);
        let contigs: StringViewArray = places.iter().map(|place| Some(name(place))).collect();
        let starts: Int64Array = places.iter().map(|place| place.span.start()).collect::<Vec<_>>().into();
        let ends: Int64Array = places.iter().map(|place| place.span.end()).collect::<Vec<_>>().into();
        let columns: Vec<ArrayRef> = vec![Arc::new(contigs), Arc::new(starts), Arc::new(ends)];
        let batch = RecordBatch::try_new(Arc::clone(self.room.spiller.schema()), columns)?;
        self.append(&batch, places.len() * Vec::<Span>::BYTES, places.iter().copied())
    }

    fn append(&mut self, batch: &RecordBatch, bytes: usize, places: impl Iterator<Item = Place>) -> Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let file = self.room.spiller.create()?;
                self.open.insert(Open { file, bytes: 0, bounds: Bounds::new() })
            }
        };
        places.for_each(|place| extend(&mut open.bounds, place));
        open.file.append(batch)?;
        open.bytes += bytes;
        if open.bytes >= self.room.part() { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        if let Some(Open { file, bounds, .. }) = self.open.take() {
            self.done.extend(file.finish()?.map(|file| (file, bounds)));
        }
        Ok(())
    }
}

fn extend(bounds: &mut Bounds, place: Place) {
    let (start, end) = (place.span.start(), place.span.end());
    let of = bounds.entry(place.contig).or_insert((start, end));
    *of = (of.0.min(start), of.1.max(end));
}

/// An input on disk.
pub(super) struct OnDisk {
    /// Of all parts.
    pub(super) names: Arc<Names>,
    /// How a part is read.
    pub(super) reading: Reading,
    room: Room,
    /// In the order of the input's rows.
    parts: Vec<(File, Bounds)>,
}

impl OnDisk {
    /// Of the partitions in order, each with its own names.
    pub(super) fn new(reading: Reading, room: Room, partitions: Vec<(Parts, Names)>) -> Result<Self> {
        let (mut names, mut parts) = (Names::default(), Vec::new());
        for (mut of, own) in partitions {
            of.close()?;
            let numbers = own.list.iter().map(|name| names.add(name)).collect::<Result<Vec<_>>>()?;
            let number = |(own, bounds)| numbers.get(own as usize).map(|number| (*number, bounds));
            let numbered = |(file, bounds): (File, Bounds)| (file, bounds.into_iter().filter_map(number).collect());
            parts.extend(of.done.into_iter().map(numbered));
        }
        let columns = if reading.keeps_rows { reading.columns.clone() } else { SPANS };
        Ok(Self { names: Arc::new(names), reading: Reading { columns, ..reading }, room, parts })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.room.spiller.schema()
    }

    /// About how many bytes of the first input's rows go through the parts at once.
    pub(super) fn chunk(&self) -> usize {
        self.room.part()
    }

    /// The parts with rows within reach of these places; of all on their contigs, when that is `None`.
    pub(super) fn near(
        &self,
        places: impl Iterator<Item = Place>,
        reach: Option<i64>,
    ) -> impl Iterator<Item = Result<SendableRecordBatchStream>> {
        let mut asked = Bounds::new();
        places.for_each(|place| extend(&mut asked, place));
        let is_near = move |bounds: &Bounds| {
            bounds.iter().any(|(contig, of)| match (asked.get(contig), reach) {
                (Some(asked), Some(reach)) => {
                    of.0.saturating_sub(reach) <= asked.1 && of.1.saturating_add(reach) >= asked.0
                }
                (asked, None) => asked.is_some(),
                (None, _) => false,
            })
        };
        let parts = self.parts.iter().filter(move |(_, bounds)| is_near(bounds));
        parts.map(|(file, _)| self.room.spiller.read(file))
    }
}
