//! Rows on disk, where memory does not suffice.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, SpillFile};
use datafusion::physical_plan::metrics::SpillMetrics;
use datafusion::physical_plan::spill::SpillManager;

/// Rows that were written.
pub(super) type File = Arc<dyn SpillFile>;

/// Writes and reads rows of one schema.
#[derive(Debug)]
pub(super) struct Spiller {
    files: SpillManager,
    /// What disk is asked for.
    operator: &'static str,
}

impl Spiller {
    pub(super) fn new(
        operator: &'static str,
        runtime: Arc<RuntimeEnv>,
        metrics: SpillMetrics,
        schema: SchemaRef,
    ) -> Self {
        Self { files: SpillManager::new(runtime, metrics, schema), operator }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.files.schema()
    }

    /// # Errors
    /// When nothing may be written to disk.
    pub(super) fn create(&self) -> Result<Writer> {
        let mut file = self.files.create_in_progress_file(self.operator)?;
        Ok(Writer(Box::new(move |batch| match batch {
            Some(batch) => file.append_batch(batch).map(|_| None),
            None => file.finish(),
        })))
    }

    pub(super) fn read(&self, file: &File) -> Result<SendableRecordBatchStream> {
        self.files.read_spill_as_stream(Arc::clone(file), None)
    }
}

/// A file that is being written: takes batches, then `None`, which makes it whole. DataFusion's own type has no public name.
pub(super) struct Writer(Box<Write>);

type Write = dyn FnMut(Option<&RecordBatch>) -> Result<Option<File>> + Send;

impl Writer {
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        (self.0)(Some(batch)).map(drop)
    }

    /// `None` when nothing was written.
    pub(super) fn finish(mut self) -> Result<Option<File>> {
        (self.0)(None)
    }
}
