//! The decoder of every format whose records follow one another: frames them, selects, builds, cuts batches.
//!
//! Each step is done for all records of a piece before the next, so that its loop is short, and so that what it costs can be
//! told without a clock per record.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::SchemaRef;

use super::advice::{self, DAMAGED};
use super::lenient::Lenient;
use super::piece::is_at_or_after;
use super::rows::{Rows, Selected};
use super::{BadRecords, Counts, Decoder, Framing, ObjectId, OnError, Piece, ScanRequest, Segment, Step};
use crate::bgzf::VirtualOffset;
use crate::error::{Error, Offset, Result};

/// Runs [`Rows`] over segments.
pub struct RecordDecoder<R: Rows> {
    rows: R,
    piece: Piece,
    /// Bytes of the piece that are framed.
    used: usize,
    /// Where in the piece records belong to whoever reads the next segment.
    stop_index: usize,
    /// A record that began in earlier pieces, and where.
    begun: Vec<u8>,
    begun_at: Option<Offset>,
    framed: Framed,
    selected: Vec<Selected<R::Row>>,
    /// What the framing met: told once the records before are rows.
    failed: Option<Error>,
    /// Rows that an index has counted, of which nothing is read, and their contig.
    counted: Option<(u64, Option<Arc<str>>)>,
    /// Bytes to drop before the first record.
    skip: usize,
    /// The block that they are in: an index that says more than it holds is not this file's.
    skip_within: Option<u64>,
    /// Bytes before the first record of a file that is always read from its beginning.
    header: usize,
    mid_line: bool,
    stop: Offset,
    /// Whether another partition begins at the stop, so that a record must.
    joined: bool,
    last: bool,
    held: usize,
    batch_size: usize,
    /// Rows built before it is looked at how much they take: of a thousand columns a piece's records are too many at once.
    portion: usize,
    left: usize,
    longest: usize,
    /// Whether the partition began at the file's first record, so that a record's number is known.
    numbered: bool,
    started: bool,
    counts: Counts,
    /// Where malformed records do not end the scan.
    lenient: Option<Lenient>,
}

/// Records framed and not yet selected.
#[derive(Default)]
struct Framed {
    /// Whether they lie in the piece, or there is one, which is all that was begun.
    in_piece: bool,
    /// Start and length of each.
    spans: Vec<(usize, usize)>,
    next: usize,
}

/// What is to be done when all records framed are rows.
enum Next {
    Select,
    Step(Step),
}

/// Bytes of a value in its builder, at least.
const VALUE_BYTES: usize = 16;
/// Bytes of a piece that are put to a record begun before it, at first.
const FIRST_BYTES: usize = 1 << 10;

impl<R: Rows> RecordDecoder<R> {
    /// A decoder of `rows` for one partition; `longest` bounds a record's bytes.
    pub fn new(rows: R, request: &ScanRequest, longest: usize, numbered: bool) -> Self {
        Self {
            rows,
            piece: Piece::default(),
            used: 0,
            stop_index: usize::MAX,
            begun: Vec::new(),
            begun_at: None,
            framed: Framed::default(),
            selected: Vec::new(),
            failed: None,
            counted: None,
            skip: 0,
            skip_within: None,
            header: 0,
            mid_line: false,
            stop: Offset::Byte(u64::MAX),
            joined: false,
            last: false,
            held: 0,
            batch_size: request.batch_size.max(1),
            portion: (ScanRequest::BATCH_BYTES / VALUE_BYTES / request.projection.len().max(1)).max(1),
            left: request.limit.unwrap_or(usize::MAX),
            longest,
            numbered,
            started: false,
            counts: Counts::default(),
            lenient: None,
        }
    }

    /// What becomes of malformed records.
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.lenient = Lenient::new(on_error);
        self
    }

    /// Of a plain gzip file, drops this many inflated bytes before the first record.
    pub fn after_header(mut self, bytes: usize) -> Self {
        self.header = bytes;
        self
    }

    /// Names the record: so many were seen before it.
    fn explain(numbered: bool, e: Error, at: Option<Offset>, before: u64) -> Error {
        let e = if numbered { e.in_record(before + 1) } else { e };
        let e = advice::on_record(e);
        match at {
            Some(at) => e.at(at),
            None => e,
        }
    }

    fn batch(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.held);
        match &mut self.lenient {
            Some(lenient) if self.rows.builds() => lenient.batch(&mut self.rows),
            _ => self.rows.take(rows),
        }
    }

    /// Bytes of values held, about.
    fn bytes(&self) -> usize {
        self.rows.bytes() + self.lenient.as_ref().map_or(0, Lenient::bytes)
    }

    /// Drops what lies before the first record; whether more bytes are needed for that.
    fn skip(&mut self) -> bool {
        let n = self.skip.min(self.piece.bytes.len() - self.used);
        self.used += n;
        self.skip -= n;
        if self.skip == 0 && self.mid_line {
            match memchr::memchr(b'\n', &self.piece.bytes[self.used..]) {
                Some(end) => {
                    self.used += end + 1;
                    self.mid_line = false;
                }
                None => self.used = self.piece.bytes.len(),
            }
        }
        self.skip > 0 || self.mid_line
    }

    /// Frames the piece's records.
    fn frame(&mut self) -> Result<Next> {
        self.framed.spans.clear();
        self.framed.next = 0;
        if self.rows.is_over() {
            return Ok(Next::Step(Step::SegmentEnd));
        }
        if self.failed.is_none() && !self.begun.is_empty() && !self.frame_begun() {
            return match self.last {
                true => Err(Self::explain(
                    self.numbered,
                    Error::corrupt("the file ends within a record").hint(DAMAGED),
                    self.here(),
                    self.counts.seen,
                )),
                false => Ok(Next::Step(Step::More)),
            };
        }
        if self.failed.is_none() && self.framed.spans.is_empty() {
            if self.skip() {
                return Ok(Next::Step(if self.last { Step::SegmentEnd } else { Step::More }));
            }
            self.frame_piece();
        }
        if !self.framed.spans.is_empty() {
            return Ok(Next::Select);
        }
        if let Some(e) = self.failed.take() {
            return Err(Self::explain(self.numbered, e, self.here(), self.counts.seen));
        }
        self.next_piece()
    }

    /// Where the record lies that is framed next.
    fn here(&self) -> Option<Offset> {
        self.begun_at.or_else(|| self.piece.offset(self.used)).or(self.piece.next)
    }

    /// Ends the record that began in earlier pieces; `false` when this one does not reach.
    fn frame_begun(&mut self) -> bool {
        let before = self.begun.len();
        let bytes = &self.piece.bytes[self.used..];
        let (mut taken, mut more) = (0, FIRST_BYTES);
        loop {
            let end = (taken + more).min(bytes.len());
            self.begun.extend_from_slice(&bytes[taken..end]);
            (taken, more) = (end, more * 2);
            match framed_len(&mut self.rows, &self.begun, self.last, self.longest) {
                Ok(Some(len)) => {
                    self.framed.spans.push((0, len));
                    self.framed.in_piece = false;
                    self.used += len.saturating_sub(before);
                    // Only of what follows nothing is there more than one record, and of what is broken.
                    if !self.last {
                        self.begun.truncate(len.max(before));
                    }
                    return true;
                }
                Ok(None) if taken < bytes.len() => {}
                Ok(None) => {
                    self.used += taken;
                    return false;
                }
                Err(e) => {
                    self.failed = Some(e.hint(DAMAGED));
                    return true;
                }
            }
        }
    }

    fn frame_piece(&mut self) {
        let bytes = &self.piece.bytes;
        self.framed.in_piece = true;
        let end = bytes.len().min(self.stop_index);
        while self.used < end {
            match framed_len(&mut self.rows, &bytes[self.used..], self.last, self.longest) {
                Ok(Some(len)) => {
                    self.framed.spans.push((self.used, len));
                    self.used += len;
                }
                Ok(None) => {
                    self.begun_at = self.piece.offset(self.used);
                    self.begun.extend_from_slice(&bytes[self.used..]);
                    self.used = bytes.len();
                }
                Err(e) => {
                    self.failed = Some(e.hint(DAMAGED));
                    break;
                }
            }
        }
    }

    /// The piece is used up, or the segment is.
    fn next_piece(&mut self) -> Result<Next> {
        let is_past = self.begun.is_empty()
            && (self.used >= self.stop_index
                || (self.used == self.piece.bytes.len()
                    && self.piece.next.is_some_and(|next| is_at_or_after(next, self.stop))));
        if is_past {
            // The end of a block may be written as such, or as the beginning of the next.
            let here = self.piece.offset(self.used);
            let is_stop = self.used == self.stop_index || [here, self.piece.next].contains(&Some(self.stop));
            if self.joined && !is_stop {
                return Err(self.disjointed(here));
            }
            return Ok(Next::Step(Step::SegmentEnd));
        }
        if !self.last {
            return Ok(Next::Step(Step::More));
        }
        if self.joined {
            return Err(self.disjointed(None));
        }
        Ok(Next::Step(Step::SegmentEnd))
    }

    /// A partition ends elsewhere than the next one begins: rows would be lost or doubled.
    fn disjointed(&self, here: Option<Offset>) -> Error {
        let ends = here.map_or_else(|| "the file ends".to_owned(), |at| format!("a record begins at {at}"));
        Error::corrupt(format!("the scan was cut where no record begins: {ends}"))
            .at(self.stop)
            .hint("an index of another file tells such places, or a file that holds another one; read it with one thread, without its index")
    }

    /// Makes rows of the records framed, as many as the batch has room for.
    fn select(&mut self) -> Result<()> {
        let Self { rows, piece, begun, framed, selected, counts, lenient, .. } = self;
        let bytes: &[u8] = if framed.in_piece { &piece.bytes } else { begun };
        let place = |start| if framed.in_piece { piece.offset(start) } else { self.begun_at };
        let room = (self.batch_size - self.held).min(self.left).min(self.portion);
        selected.clear();
        let (builds, mut kept) = (rows.builds(), 0);
        let started = Instant::now();
        let mut failed = None;
        while kept < room
            && let Some((start, len)) = framed.spans.get(framed.next).copied()
        {
            if rows.is_over() {
                framed.spans.clear();
                self.failed = None;
                break;
            }
            let record = &bytes[start..start + len];
            let explain = |e| Self::explain(self.numbered, e, place(start), counts.seen);
            let mut looked = rows.select(record, &mut counts.warnings);
            if let (Err(_), Some(lenient)) = (&looked, &mut *lenient) {
                looked = lenient.look_again(rows, record, looked, &mut counts.warnings, explain);
            }
            match looked {
                Ok(Some(row)) => {
                    kept += 1;
                    if builds {
                        selected.push(Selected { start, len, before: counts.seen, row });
                    }
                }
                Ok(None) => {}
                Err(e) => {
                    failed = Some(explain(e));
                    break;
                }
            }
            counts.seen += 1;
            framed.next += 1;
        }
        let between = Instant::now();
        counts.filter += between - started;
        if !selected.is_empty() {
            let numbered = self.numbered;
            let explain = |row: &Selected<_>, e| Self::explain(numbered, e, place(row.start), row.before);
            match lenient {
                Some(lenient) => kept -= lenient.build(rows, bytes, selected, &mut counts.warnings, explain)?,
                None => rows.build(bytes, selected, &mut counts.warnings).map_err(|broken| {
                    match selected.get(broken.index) {
                        Some(row) => explain(row, broken.error),
                        None => Self::explain(numbered, broken.error, None, counts.seen),
                    }
                })?,
            }
            counts.build += between.elapsed();
        }
        counts.kept += kept as u64;
        self.held += kept;
        self.left -= kept;
        if let Some(e) = failed {
            return Err(e);
        }
        if !framed.in_piece && framed.next >= framed.spans.len() {
            let len = framed.spans.first().map_or(begun.len(), |(_, len)| *len);
            begun.drain(..len.min(begun.len()));
            self.begun_at = self.begun_at.filter(|_| !begun.is_empty()).map(|at| at.plus(len as u64));
        }
        Ok(())
    }
}

/// Rows that have no column but the contig, the same for all.
fn on_contig(schema: SchemaRef, contig: Option<&str>, rows: usize) -> Result<RecordBatch> {
    let column: ArrayRef = Arc::new(match contig {
        Some(name) => {
            let (views, texts, _) = StringViewArray::from_iter_values([name]).into_parts();
            StringViewArray::try_new(vec![views[0]; rows].into(), texts, None)?
        }
        None => StringViewArray::new_null(rows),
    });
    let columns = schema.fields().iter().map(|_| Arc::clone(&column)).collect();
    Ok(RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(rows)))?)
}

#[inline(always)]
fn framed_len<R: Rows>(rows: &mut R, bytes: &[u8], last: bool, longest: usize) -> Result<Option<usize>> {
    match rows.frame(bytes, last)? {
        Some(len) if len <= longest => Ok(Some(len)),
        Some(len) => Err(too_long(format!("a record of {len} bytes, more than the limit of {longest}"))),
        None if bytes.len() > longest => Err(too_long(format!("a record is longer than {longest} bytes"))),
        framed => Ok(framed),
    }
}

fn too_long(what: String) -> Error {
    advice::on_record(Error::limit(what))
}

impl<R: Rows> Decoder for RecordDecoder<R> {
    fn begin(&mut self, segment: &Segment) -> Result<()> {
        self.rows.begin(segment);
        self.piece = Piece::default();
        self.begun.clear();
        (self.begun_at, self.failed) = (None, None);
        self.counted = None;
        self.framed.spans.clear();
        (self.used, self.last, self.skip, self.skip_within, self.mid_line) = (0, false, 0, None, false);
        (self.stop, self.stop_index, self.joined) = (Offset::Byte(u64::MAX), usize::MAX, segment.joined);
        // What lies between two segments is not counted.
        self.numbered &= !std::mem::replace(&mut self.started, true);
        match &segment.framing {
            &Framing::Raw { stop, mid_line, .. } => {
                self.stop = Offset::Byte(stop);
                self.mid_line = mid_line;
            }
            Framing::Gzip => self.skip = self.header,
            Framing::Counted { rows, contig } => self.counted = Some((*rows, contig.clone())),
            Framing::Pages { .. } => {
                return Err(Error::invalid("a segment of pages for a decoder of records"));
            }
            &Framing::Bgzf { start, stop } => {
                self.skip = usize::from(start.within());
                self.skip_within = (self.skip > 0).then_some(start.compressed());
                self.stop = Offset::Virtual(stop);
            }
        }
        Ok(())
    }

    fn push(&mut self, _: ObjectId, piece: Piece) -> Result<()> {
        if let (Some(block), Some((_, Offset::Virtual(here)))) = (self.skip_within.take(), piece.starts.first()) {
            let len = piece.starts.get(1).map_or(piece.bytes.len(), |(start, _)| *start);
            if here.compressed() != block || len < self.skip {
                let message = format!("a record should start at byte {} of a block that is shorter", self.skip);
                return Err(Error::corrupt(message)
                    .at(Offset::Virtual(VirtualOffset::new(block, 0)))
                    .hint("the index belongs to another version of the file: index it again"));
            }
        }
        self.stop_index = piece.index_of(self.stop).unwrap_or(usize::MAX);
        (self.piece, self.used) = (piece, 0);
        Ok(())
    }

    fn end_of_object(&mut self) -> Result<()> {
        self.last = true;
        Ok(())
    }

    fn step(&mut self) -> Result<Step> {
        if let Some((left, contig)) = &mut self.counted {
            let rows = (*left).min(self.batch_size as u64);
            *left -= rows;
            self.counts.kept += rows;
            return match rows {
                0 => Ok(Step::SegmentEnd),
                _ => Ok(Step::Batch(on_contig(self.rows.take(0)?.schema(), contig.as_deref(), rows as usize)?)),
            };
        }
        loop {
            if self.left == 0 {
                return if self.held > 0 { Ok(Step::Batch(self.batch()?)) } else { Ok(Step::Done) };
            }
            if self.held >= self.batch_size || (self.held > 0 && self.bytes() >= ScanRequest::BATCH_BYTES) {
                return Ok(Step::Batch(self.batch()?));
            }
            if self.framed.next >= self.framed.spans.len() {
                let started = Instant::now();
                let next = self.frame()?;
                self.counts.frame += started.elapsed();
                if let Next::Step(step) = next {
                    if matches!(step, Step::More) {
                        // So that its memory can be used for the next one.
                        self.piece.bytes = bytes::Bytes::new();
                        self.used = 0;
                    }
                    return Ok(step);
                }
            }
            self.select()?;
        }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>> {
        if self.held > 0 { self.batch().map(Some) } else { Ok(None) }
    }

    fn counts(&self) -> Counts {
        self.counts.clone()
    }

    fn take_bad_records(&mut self) -> BadRecords {
        self.lenient.as_mut().map(|lenient| std::mem::take(&mut lenient.bad)).unwrap_or_default()
    }
}
