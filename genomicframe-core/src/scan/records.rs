//! The decoder of every format whose records follow one another: frames them, counts them, cuts batches.

use std::collections::VecDeque;

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::{Counts, Decoder, Framing, ObjectId, ScanRequest, Segment, Step, Warnings};
use crate::bgzf::VirtualOffset;
use crate::error::{Error, Offset, Result};

/// What a format supplies: where a record ends, and what rows it makes.
pub trait Rows: Send {
    /// The length of the record at the start of `bytes`, which is not empty. `None`: it does not end within them.
    /// `last`: no byte follows `bytes`, so that an unfinished record is an error or ends here.
    ///
    /// # Errors
    /// When the bytes cannot begin a record, or it is cut short.
    fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>>;

    /// Appends the row of `record`, as framed; `false` when a condition excludes it or it is no row (a comment).
    ///
    /// # Errors
    /// When a field that is needed is malformed.
    fn append(&mut self, record: &[u8], warnings: &mut Warnings) -> Result<bool>;

    /// Bytes of values held, about.
    fn bytes(&self) -> usize;

    /// The rows appended since the last call. `rows` is their number.
    fn take(&mut self, rows: usize) -> Result<RecordBatch>;

    /// Whether nothing that follows in the object is a record (GFF's `##FASTA`).
    fn is_over(&self) -> bool {
        false
    }
}

/// Runs [`Rows`] over segments.
pub struct RecordDecoder<R> {
    rows: R,
    /// Inflated bytes not yet used, from `used` on.
    buffer: Vec<u8>,
    used: usize,
    /// Where pieces of `buffer` came from, by the index of their first byte.
    pieces: VecDeque<(usize, Offset)>,
    /// Bytes to drop before the first record.
    skip: usize,
    /// The block that they are in: an index that says more than it holds is not this file's.
    skip_within: Option<u64>,
    /// Bytes before the first record of a file that is always read from its beginning.
    header: usize,
    mid_line: bool,
    stop: Offset,
    last: bool,
    held: usize,
    batch_size: usize,
    left: usize,
    longest: usize,
    /// Whether the partition began at the file's first record, so that a record's number is known.
    numbered: bool,
    begun: bool,
    counts: Counts,
}

impl<R: Rows> RecordDecoder<R> {
    /// A decoder of `rows` for one partition; `longest` bounds a record's bytes.
    pub fn new(rows: R, request: &ScanRequest, longest: usize, numbered: bool) -> Self {
        Self {
            rows,
            buffer: Vec::new(),
            used: 0,
            pieces: VecDeque::new(),
            skip: 0,
            skip_within: None,
            header: 0,
            mid_line: false,
            stop: Offset::Byte(u64::MAX),
            last: false,
            held: 0,
            batch_size: request.batch_size.max(1),
            left: request.limit.unwrap_or(usize::MAX),
            longest,
            numbered,
            begun: false,
            counts: Counts::default(),
        }
    }

    /// Of a plain gzip file, drops this many inflated bytes before the first record.
    pub fn after_header(mut self, bytes: usize) -> Self {
        self.header = bytes;
        self
    }

    fn here(&self) -> Option<Offset> {
        let piece = self.pieces.partition_point(|(start, _)| *start <= self.used).checked_sub(1)?;
        self.pieces.get(piece).map(|(start, at)| at.plus((self.used - start) as u64))
    }

    fn explain(&self, e: Error) -> Error {
        let e = if self.numbered { e.in_record(self.counts.seen + 1) } else { e };
        match self.here() {
            Some(at) => e.at(at),
            None => e,
        }
    }

    /// Whether the next record belongs to whoever reads the next segment.
    fn is_past_stop(&self) -> bool {
        match (self.here(), self.stop) {
            (Some(Offset::Byte(at)), Offset::Byte(stop)) => at >= stop,
            (Some(Offset::Virtual(at)), Offset::Virtual(stop)) => at >= stop,
            _ => false,
        }
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.held);
        self.rows.take(rows)
    }

    /// Drops what lies before the first record; whether more bytes are needed for that.
    fn skip(&mut self) -> bool {
        let n = self.skip.min(self.buffer.len() - self.used);
        self.used += n;
        self.skip -= n;
        if self.skip == 0 && self.mid_line {
            match memchr::memchr(b'\n', &self.buffer[self.used..]) {
                Some(end) => {
                    self.used += end + 1;
                    self.mid_line = false;
                }
                None => self.used = self.buffer.len(),
            }
        }
        self.skip > 0 || self.mid_line
    }
}

impl<R: Rows> Decoder for RecordDecoder<R> {
    fn begin(&mut self, segment: &Segment) -> Result<()> {
        self.buffer.clear();
        self.pieces.clear();
        (self.used, self.last, self.skip, self.skip_within, self.mid_line) = (0, false, 0, None, false);
        self.stop = Offset::Byte(u64::MAX);
        // What lies between two segments is not counted.
        self.numbered &= !std::mem::replace(&mut self.begun, true);
        match segment.framing {
            Framing::Raw { stop, mid_line, .. } => {
                self.stop = Offset::Byte(stop);
                self.mid_line = mid_line;
            }
            Framing::Gzip => self.skip = self.header,
            Framing::Pages { .. } | Framing::Counted { .. } => {
                return Err(Error::invalid("a segment of pages for a decoder of records"));
            }
            Framing::Bgzf { start, stop } => {
                self.skip = usize::from(start.within());
                self.skip_within = (self.skip > 0).then_some(start.compressed());
                self.stop = Offset::Virtual(stop);
            }
        }
        Ok(())
    }

    fn push(&mut self, _: ObjectId, at: Offset, bytes: Bytes) -> Result<()> {
        if let (Some(block), Offset::Virtual(here)) = (self.skip_within.take(), at)
            && (here.compressed() != block || bytes.len() < self.skip)
        {
            let message = format!("a record should start at byte {} of a block that is shorter", self.skip);
            return Err(Error::corrupt(message)
                .at(Offset::Virtual(VirtualOffset::new(block, 0)))
                .hint("the index belongs to another version of the file: index it again"));
        }
        self.buffer.drain(..self.used);
        while self.pieces.get(1).is_some_and(|(start, _)| *start <= self.used) {
            self.pieces.pop_front();
        }
        for (start, at) in &mut self.pieces {
            // The first piece may begin before what is left of it.
            if let Some(cut) = self.used.checked_sub(*start) {
                (*start, *at) = (0, at.plus(cut as u64));
            } else {
                *start -= self.used;
            }
        }
        self.used = 0;
        self.pieces.push_back((self.buffer.len(), at));
        self.buffer.extend_from_slice(&bytes);
        Ok(())
    }

    fn end_of_object(&mut self) -> Result<()> {
        self.last = true;
        Ok(())
    }

    fn step(&mut self) -> Result<Step> {
        if self.left == 0 {
            return if self.held > 0 { Ok(Step::Batch(self.batch()?)) } else { Ok(Step::Done) };
        }
        if self.skip() {
            return Ok(if self.last { Step::SegmentEnd } else { Step::More });
        }
        loop {
            if self.held >= self.batch_size || (self.held > 0 && self.rows.bytes() >= ScanRequest::BATCH_BYTES) {
                return Ok(Step::Batch(self.batch()?));
            }
            if self.used == self.buffer.len() {
                return Ok(if self.last { Step::SegmentEnd } else { Step::More });
            }
            if self.is_past_stop() || self.rows.is_over() {
                return Ok(Step::SegmentEnd);
            }
            let rest = &self.buffer[self.used..];
            let len = match self.rows.frame(rest, self.last) {
                Ok(Some(len)) => len,
                Ok(None) if rest.len() > self.longest => {
                    let e = Error::limit(format!("a record is longer than {} bytes", self.longest));
                    return Err(self.explain(e));
                }
                Ok(None) => return Ok(Step::More),
                Err(e) => return Err(self.explain(e)),
            };
            if len > self.longest {
                let e = Error::limit(format!("a record of {len} bytes, more than the limit of {}", self.longest));
                return Err(self.explain(e));
            }
            let record = &self.buffer[self.used..self.used + len];
            let kept = match self.rows.append(record, &mut self.counts.warnings) {
                Ok(kept) => kept,
                Err(e) => return Err(self.explain(e)),
            };
            self.used += len;
            self.counts.seen += 1;
            if kept {
                self.counts.kept += 1;
                self.held += 1;
                self.left -= 1;
                if self.left == 0 {
                    return Ok(Step::Batch(self.batch()?));
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
