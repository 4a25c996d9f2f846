//! What every writer has in common.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;

use super::arrays;
use crate::error::{Error, Result};

/// Turns batches into bytes of one output format, in two halves: tasks make pieces, many at a time, and the writer puts them
/// down one after the other.
pub(super) trait BatchWriter: Send {
    /// What a task makes.
    type Piece: Send + 'static;

    /// What makes pieces.
    fn encoder(&self) -> Encoder<Self::Piece>;

    /// How many batches make a piece.
    fn group(&self) -> Group {
        Group::ONE
    }

    /// Writes a piece, after those before it.
    fn write(&mut self, piece: Self::Piece) -> Result<()>;

    /// Writes what follows the last row, and flushes.
    fn finish(self) -> Result<()>;

    /// Whether it takes no more rows, so that the query may stop.
    fn is_full(&self) -> bool {
        false
    }
}

/// Begins a piece.
pub(super) type Encoder<P> = Arc<dyn Fn() -> Box<dyn Encode<P>> + Send + Sync>;

/// Makes a piece of a group of batches, of which there is at least one.
pub(super) trait Encode<P>: Send {
    /// Encodes the next batch, so that it need not be kept.
    fn add(&mut self, batch: RecordBatch) -> Result<()>;

    /// The piece.
    fn finish(self: Box<Self>) -> Result<P>;
}

/// An encoder of formats in which every batch is for itself.
pub(super) fn each<P: Send + 'static>(
    encode: impl Fn(RecordBatch) -> Result<P> + Send + Sync + 'static,
) -> Encoder<Vec<P>> {
    let encode: EncodeBatch<P> = Arc::new(encode);
    Arc::new(move || Box::new(Each { encode: Arc::clone(&encode), made: Vec::new() }))
}

type EncodeBatch<P> = Arc<dyn Fn(RecordBatch) -> Result<P> + Send + Sync>;

struct Each<P> {
    encode: EncodeBatch<P>,
    made: Vec<P>,
}

impl<P: Send> Encode<Vec<P>> for Each<P> {
    fn add(&mut self, batch: RecordBatch) -> Result<()> {
        self.made.push((self.encode)(batch)?);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Vec<P>> {
        Ok(self.made)
    }
}

/// When a group of batches is large enough: at either bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Group {
    /// Every batch by itself.
    pub(super) const ONE: Self = Self { rows: 0, bytes: 0 };
}

/// How large a group is so far.
#[derive(Debug)]
pub(super) struct Gauge {
    most: Group,
    pub(super) rows: usize,
    bytes: usize,
}

impl Gauge {
    pub(super) fn new(most: Group) -> Self {
        Self { most, rows: 0, bytes: 0 }
    }

    /// Counts `batch`; whether the group is large enough with it.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> bool {
        self.rows += batch.num_rows();
        self.bytes += if self.most.bytes > 0 { arrays::size(batch) } else { 0 };
        self.rows >= self.most.rows || self.bytes >= self.most.bytes
    }
}

/// Formats whose batches become bytes that follow one another.
pub(super) struct Text {
    out: Out,
    encoder: Encoder<Vec<Buffer>>,
}

impl Text {
    /// A writer of what `encode` makes of each batch, after `header`.
    pub(super) fn new(
        mut out: Out,
        header: &[u8],
        encode: impl Fn(&RecordBatch) -> Result<Buffer> + Send + Sync + 'static,
    ) -> Result<Self> {
        out.put(header)?;
        Ok(Self { out, encoder: each(move |batch| encode(&batch)) })
    }
}

impl BatchWriter for Text {
    type Piece = Vec<Buffer>;

    fn encoder(&self) -> Encoder<Vec<Buffer>> {
        Arc::clone(&self.encoder)
    }

    fn write(&mut self, piece: Vec<Buffer>) -> Result<()> {
        piece.iter().try_for_each(|text| self.out.put(text))
    }

    fn finish(mut self) -> Result<()> {
        self.out.end()
    }
}

/// Where bytes go. The first failure is kept, because the writers of other crates wrap it beyond recognition.
pub(super) struct Out {
    inner: Box<dyn Write + Send>,
    failure: Failure,
}

/// The first failure of an [`Out`].
#[derive(Debug, Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<io::Error>>>);

impl Failure {
    pub(super) fn take(&self) -> Option<io::Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|e| {
            let copy = e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error);
            if e.kind() != io::ErrorKind::Interrupted {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
            }
            copy
        })
    }
}

impl Out {
    pub(super) fn new(inner: Box<dyn Write + Send>) -> Self {
        Self { inner, failure: Failure::default() }
    }

    pub(super) fn failure(&self) -> Failure {
        self.failure.clone()
    }

    /// Writes all of `bytes`.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(failed)
    }

    /// Flushes.
    pub(super) fn end(&mut self) -> Result<()> {
        self.flush().map_err(failed)
    }
}

fn failed(e: io::Error) -> Error {
    genomicframe_core::Error::io("cannot write").caused_by(e).into()
}

impl Write for Out {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.failure.keep(self.inner.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.failure.keep(self.inner.flush())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Bytes that a writer wrote, to be looked at after it is gone.
    #[derive(Clone, Default)]
    pub(in crate::output) struct Shared(pub(in crate::output) Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(buf);
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a writer makes of a batch.
    pub(in crate::output) fn bytes<W: BatchWriter>(make: impl FnOnce(Out) -> W, batch: &RecordBatch) -> Vec<u8> {
        let shared = Shared::default();
        let mut writer = make(Out::new(Box::new(shared.clone())));
        let mut piece = writer.encoder()();
        piece.add(batch.clone()).unwrap();
        writer.write(piece.finish().unwrap()).unwrap();
        writer.finish().unwrap();
        shared.0.lock().unwrap().clone()
    }

    /// The same, as text.
    pub(in crate::output) fn written<W: BatchWriter>(make: impl FnOnce(Out) -> W, batch: &RecordBatch) -> String {
        String::from_utf8(bytes(make, batch)).unwrap()
    }
}
