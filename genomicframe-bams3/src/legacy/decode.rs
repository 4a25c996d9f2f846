//! Chunks to batches: an object at a time, its records through the same rows as BAM's.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::SchemaRef;
use genomicframe_core::alignment::record::frame;
use genomicframe_core::alignment::{AlignmentRows, Record};
use genomicframe_core::scan::{Counts, Decoder, Framing, ObjectId, Piece, ScanRequest, Segment, Step};
use genomicframe_core::{Error, Result};

use super::open::Opened;

const UNMAPPED: u16 = 0x4;
/// Bytes of a BAM record before its name.
const FIXED: usize = 32;
/// Where a BAM record has its number of operations.
const OPERATIONS: std::ops::Range<usize> = 12..14;
/// An operation's length has 28 bits.
const LONGEST_OP: usize = (1 << 28) - 1;

/// Decodes the chunks of one partition.
pub(super) struct ChunkDecoder {
    opened: Arc<Opened>,
    schema: SchemaRef,
    rows: AlignmentRows,
    /// Columns of `schema` that the dataset does not store.
    absent: Vec<usize>,
    /// Whether reads are taken to end as if all their bases were aligned.
    lacks_cigars: bool,
    longest: usize,
    batch_size: usize,
    left: usize,
    held: usize,
    state: State,
    records: Vec<u8>,
    scratch: Vec<u8>,
    counts: Counts,
}

enum State {
    Idle,
    /// This chunk's object, of so many bytes, is wanted.
    Wanted(usize, ObjectId, u64),
    /// Of this chunk's records those from here on are left.
    Decoded(usize, usize),
}

impl ChunkDecoder {
    pub(super) fn new(
        opened: Arc<Opened>,
        schema: SchemaRef,
        rows: AlignmentRows,
        longest: usize,
        request: &ScanRequest,
    ) -> Self {
        let columns = opened.metadata.absent_columns();
        let is_absent = |name: &str| columns.contains(&name);
        let absent = (0..schema.fields().len()).filter(|i| is_absent(schema.field(*i).name())).collect();
        Self {
            lacks_cigars: is_absent("cigar"),
            opened,
            schema,
            rows,
            absent,
            longest,
            batch_size: request.batch_size.max(1),
            left: request.limit.unwrap_or(usize::MAX),
            held: 0,
            state: State::Idle,
            records: Vec::new(),
            scratch: Vec::new(),
            counts: Counts::default(),
        }
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.held);
        let batch = self.rows.take(rows)?;
        let mut columns = batch.columns().to_vec();
        for i in &self.absent {
            columns[*i] = new_null_array(columns[*i].data_type(), rows);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    /// Makes a row of the record at `at`, if it passes; where the next one begins.
    fn append(&mut self, at: usize) -> Result<usize> {
        let rest = &self.records[at..];
        let missing = || Error::corrupt("the chunk ends within a record");
        let len = frame(rest, true, self.longest)?.ok_or_else(missing)?;
        let mut record = &rest[4..len];
        if self.lacks_cigars && align_all(record, self.opened.contigs.len(), &mut self.scratch)? {
            record = &self.scratch;
        }
        let kept = self.rows.append(record, &mut self.counts.warnings)?;
        self.counts.seen += 1;
        if kept {
            self.counts.kept += 1;
            self.held += 1;
            self.left -= 1;
        }
        Ok(at + len)
    }
}

/// Writes `record` to `out` with a CIGAR of all its bases; `false` when it is unmapped, has one or no bases.
///
/// So the end of reads without a CIGAR is the same to regions, conditions and the column; the CIGAR itself is not shown.
fn align_all(record: &[u8], contigs: usize, out: &mut Vec<u8>) -> Result<bool> {
    let read = Record::new(record, contigs)?;
    let bases = read.sequence_length();
    if read.flag() & UNMAPPED != 0 || !(1..=LONGEST_OP).contains(&bases) || !read.cigar()?.is_empty() {
        return Ok(false);
    }
    let (before, after) = record.split_at(FIXED + read.name().len() + 1);
    out.clear();
    out.extend_from_slice(before);
    out[OPERATIONS].copy_from_slice(&1u16.to_le_bytes());
    out.extend(((bases as u32) << 4).to_le_bytes());
    out.extend_from_slice(after);
    Ok(true)
}

impl Decoder for ChunkDecoder {
    fn begin(&mut self, segment: &Segment) -> Result<()> {
        let Framing::Pages { chunk, .. } = segment.framing else {
            return Err(Error::invalid("a segment of records for a decoder of chunks"));
        };
        let chunk = usize::try_from(chunk).unwrap_or(usize::MAX);
        self.state = State::Wanted(chunk, segment.object, segment.bytes.end);
        Ok(())
    }

    fn first_needs(&self, segment: &Segment) -> Vec<Range<u64>> {
        std::iter::once(0..segment.bytes.end).collect()
    }

    fn push(&mut self, _: ObjectId, piece: Piece) -> Result<()> {
        let State::Wanted(chunk, ..) = self.state else {
            return Err(Error::invalid("bytes that were not asked for"));
        };
        self.records.clear();
        let summary = self.opened.decode(chunk, &piece.bytes, &mut self.records)?;
        self.counts.warnings.merge(&summary.warnings);
        self.state = State::Decoded(chunk, 0);
        Ok(())
    }

    fn end_of_object(&mut self) -> Result<()> {
        Err(Error::invalid("a decoder of chunks reads no stream"))
    }

    fn step(&mut self) -> Result<Step> {
        loop {
            let is_full = self.held >= self.batch_size || self.rows.bytes() >= ScanRequest::BATCH_BYTES;
            if self.held > 0 && (is_full || self.left == 0) {
                return Ok(Step::Batch(self.batch()?));
            }
            if self.left == 0 {
                return Ok(Step::Done);
            }
            match self.state {
                State::Idle => return Ok(Step::SegmentEnd),
                State::Wanted(_, object, size) => return Ok(Step::Need(vec![(object, 0..size)])),
                State::Decoded(chunk, at) if at < self.records.len() => {
                    let next = self.append(at).map_err(|e| {
                        let path = self.opened.metadata.chunks.get(chunk).map_or("", |c| c.path.as_str());
                        e.in_object(path).below(&self.opened.at)
                    })?;
                    self.state = State::Decoded(chunk, next);
                }
                State::Decoded(..) => {
                    self.records = Vec::new();
                    self.state = State::Idle;
                }
            }
        }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.held > 0 { self.batch().map(Some) } else { Ok(None) }
    }

    fn counts(&self) -> Counts {
        self.counts.clone()
    }
}
