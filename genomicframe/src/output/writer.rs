//! What every writer has in common.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::arrow::array::RecordBatch;

use crate::error::{Error, Result};

/// Turns batches into bytes of one output format.
pub(super) trait BatchWriter: Send {
    /// Writes the rows.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what follows the last row, and flushes.
    fn finish(self: Box<Self>) -> Result<()>;

    /// Whether it takes no more rows, so that the query may stop.
    fn is_full(&self) -> bool {
        false
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
    pub(in crate::output) fn written(
        make: impl FnOnce(Out) -> Result<Box<dyn BatchWriter>>,
        batch: &RecordBatch,
    ) -> String {
        let shared = Shared::default();
        let mut writer = make(Out::new(Box::new(shared.clone()))).unwrap();
        writer.write(batch).unwrap();
        writer.finish().unwrap();
        let bytes = shared.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }
}
