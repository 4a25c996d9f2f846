//! Terminal calls that return rows. Each runs on the process's own runtime while the caller waits.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use datafusion::arrow::array::{RecordBatch, RecordBatchReader};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::error::ArrowError;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;
use tokio::sync::Semaphore;

use super::GenomicFrame;
use crate::error::{Error, Result};
use crate::runtime;

impl GenomicFrame {
    /// The columns of the result.
    ///
    /// # Errors
    /// What is wrong with one of the verbs.
    pub fn schema(&self) -> Result<SchemaRef> {
        Ok(Arc::clone(self.dataframe()?.schema().inner()))
    }

    /// All rows, in batches.
    ///
    /// # Errors
    /// What is wrong with a verb, a file or the memory limit.
    pub fn collect(&self) -> Result<Vec<RecordBatch>> {
        let query = self.dataframe()?;
        runtime::wait(async move { Ok(query.collect().await?) })
    }

    /// All rows, in one batch.
    ///
    /// # Errors
    /// What is wrong with a verb, a file or the memory limit.
    pub fn collect_arrow(&self) -> Result<RecordBatch> {
        Ok(concat_batches(&self.schema()?, &self.collect()?)?)
    }

    /// All rows as a Polars DataFrame; numbers and text are handed over without a copy.
    ///
    /// # Errors
    /// What is wrong with a verb, a file or the memory limit.
    #[cfg(feature = "polars")]
    pub fn collect_polars(&self) -> Result<polars_core::frame::DataFrame> {
        Ok(crate::polars::to_polars(self.schema()?, self.collect()?)?)
    }

    /// The first `rows` rows.
    ///
    /// # Errors
    /// What is wrong with a verb or a file.
    pub fn head(&self, rows: usize) -> Result<RecordBatch> {
        self.clone().limit(rows).collect_arrow()
    }

    /// The number of rows. Of a whole indexed file it comes from the index.
    ///
    /// # Errors
    /// What is wrong with a verb or a file.
    pub fn count(&self) -> Result<usize> {
        let query = self.dataframe()?;
        runtime::wait(async move { Ok(query.count().await?) })
    }

    /// The rows as they are read, for any consumer of Arrow. Dropping the stream stops the reading.
    ///
    /// # Errors
    /// What is wrong with a verb, or a file's header or index.
    pub fn to_arrow_stream(&self) -> Result<ArrowStream> {
        let query = self.dataframe()?;
        let stream: SendableRecordBatchStream = runtime::wait(async move { Ok(query.execute_stream().await?) })?;
        ArrowStream::start(stream)
    }
}

/// Batches made ahead of the consumer.
const AHEAD: usize = 2;

/// Batches of a running query: a blocking iterator and [`RecordBatchReader`].
pub struct ArrowStream {
    schema: SchemaRef,
    /// `None` ends them, so that a worker which panicked is not taken for the end.
    batches: Receiver<Result<Option<RecordBatch>>>,
    /// One permit for each batch that may be made before another is taken.
    room: Arc<Semaphore>,
    worker: tokio::task::JoinHandle<()>,
    ended: bool,
}

impl ArrowStream {
    fn start(mut stream: SendableRecordBatchStream) -> Result<Self> {
        let schema = stream.schema();
        let (sender, batches) = channel();
        let room = Arc::new(Semaphore::new(AHEAD));
        let permits = Arc::clone(&room);
        let worker = runtime::spawn(async move {
            while let Ok(permit) = permits.acquire().await {
                permit.forget();
                let batch = stream.next().await.transpose().map_err(Error::from);
                let is_last = !matches!(batch, Ok(Some(_)));
                if sender.send(batch).is_err() || is_last {
                    break;
                }
            }
        })?;
        Ok(Self { schema, batches, room, worker, ended: false })
    }
}

impl std::fmt::Debug for ArrowStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArrowStream").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Drop for ArrowStream {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Iterator for ArrowStream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let batch = self.batches.recv().unwrap_or_else(|_| Err(runtime::lost()));
        self.room.add_permits(1);
        self.ended = !matches!(batch, Ok(Some(_)));
        batch.transpose().map(|batch| batch.map_err(|e| ArrowError::ExternalError(Box::new(e))))
    }
}

impl RecordBatchReader for ArrowStream {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
