//! Terminal calls that write files and objects of stores. They appear, or are replaced, only when they are whole.

use std::path::Path;

use super::GenomicFrame;
use crate::error::Result;
use crate::output::{Execution, Native, OutputFormat, WriteOptions};
use crate::runtime;

impl GenomicFrame {
    /// Writes Parquet, compressed with zstd, to a path or URL, and returns the number of rows.
    ///
    /// # Errors
    /// What is wrong with a verb, a file, or the place to write to.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write(OutputFormat::Parquet, path.as_ref())
    }

    /// Writes an Arrow IPC file to a path or URL, and returns the number of rows.
    ///
    /// # Errors
    /// What is wrong with a verb, a file, or the place to write to.
    pub fn write_arrow(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write(OutputFormat::Arrow, path.as_ref())
    }

    /// Writes CSV with a header line to a path or URL, and returns the number of rows. Null is `.`, the elements of lists are
    /// joined by commas.
    ///
    /// # Errors
    /// What is wrong with a verb, a file, or the place to write to.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write(OutputFormat::Csv, path.as_ref())
    }

    /// Writes the text of the rows' own format (SAM, VCF, GFF, FASTQ, BED) with its header to a path or URL, and returns the
    /// number of rows.
    ///
    /// # Errors
    /// When the frame has not the columns of one genomic file; what is wrong with a verb, a file, or the place to write to.
    pub fn write_native(&self, path: impl AsRef<Path>) -> Result<u64> {
        let query = self.dataframe()?;
        let native = Native::of(&query)?;
        let (query, target) = (native.project(query)?, self.context.target(path)?);
        let written = runtime::wait(async move {
            let execution = Execution::new(query).await?.as_text(&native)?;
            execution.write(OutputFormat::Native, target, &WriteOptions::new().native(native)).await
        })?;
        Ok(written.rows)
    }

    fn write(&self, format: OutputFormat, path: &Path) -> Result<u64> {
        let (query, target) = (self.dataframe()?, self.context.target(path)?);
        let write = async move { Execution::new(query).await?.write(format, target, &WriteOptions::new()).await };
        Ok(runtime::wait(write)?.rows)
    }
}
