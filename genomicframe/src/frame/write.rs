//! Terminal calls that write files. A file appears, or is replaced, only when it is whole.

use std::path::Path;

use super::GenomicFrame;
use crate::error::Result;
use crate::output::{Native, OutputFormat, Target, WriteOptions, write_stream};
use crate::runtime;

impl GenomicFrame {
    /// Writes Parquet, compressed with zstd, and returns the number of rows.
    ///
    /// # Errors
    /// What is wrong with a verb, a file, or the place to write to.
    pub fn write_parquet(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write(OutputFormat::Parquet, path.as_ref(), WriteOptions::new())
    }

    /// Writes an Arrow IPC file and returns the number of rows.
    ///
    /// # Errors
    /// What is wrong with a verb, a file, or the place to write to.
    pub fn write_arrow(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write(OutputFormat::Arrow, path.as_ref(), WriteOptions::new())
    }

    /// Writes CSV with a header line and returns the number of rows. Null is `.`, the elements of lists are joined by commas.
    ///
    /// # Errors
    /// What is wrong with a verb, a file, or the place to write to.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.write(OutputFormat::Csv, path.as_ref(), WriteOptions::new())
    }

    /// Writes the text of the rows' own format (SAM, VCF, GFF, FASTQ, BED) with its header, and returns the number of rows.
    ///
    /// # Errors
    /// When the frame has not the columns of one genomic file; what is wrong with a verb, a file, or the place to write to.
    pub fn write_native(&self, path: impl AsRef<Path>) -> Result<u64> {
        let native = Native::of(&self.dataframe()?)?;
        self.write(OutputFormat::Native, path.as_ref(), WriteOptions::new().native(native))
    }

    fn write(&self, format: OutputFormat, path: &Path, options: WriteOptions) -> Result<u64> {
        let (query, target) = (self.dataframe()?, Target::File(path.to_owned()));
        let written = runtime::wait(async move {
            let stream = query.execute_stream().await?;
            write_stream(stream, format, target, &options).await
        })?;
        Ok(written.rows)
    }
}
