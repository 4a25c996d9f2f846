//! Rows to bytes: text, json, Arrow, Parquet, and the text of the format they came from.
//!
//! ```text
//! DataFrame ─► Execution ─ start ─► Rows ─ write_stream ─► Encode ─ pieces ─► BatchWriter ─► Target
//!                  └ progress        in order              a task per piece     one by one    stdout, or a file that
//!                                                          of a file or group                 or object that appears
//!                                                          of batches                         when it is whole
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `execution` | a planned query, watched while it runs |
//! | `target` | standard output, files |
//! | `upload` | objects of stores, in parts |
//! | `whole`, `revocable` | what SQL writes, whole or not at all |
//! | `writer` | what all writers have in common |
//! | `pieces` | the tasks that make rows into what is written |
//! | `text` | single values as text |
//! | `arrays` | the size of arrays, and arrays without what they hold in vain |
//! | `delimited`, `table`, `columnar`, `parquet`, `native` | the formats |
//! | `plan`, `describe` | plans and schemas, to be shown |

mod arrays;
mod columnar;
mod delimited;
mod describe;
mod execution;
mod native;
mod parquet;
mod pieces;
mod plan;
mod revocable;
mod table;
mod target;
mod text;
mod upload;
mod whole;
mod writer;

use std::io::ErrorKind;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use crate::error::{Error, Result};
pub use describe::describe;
pub use execution::{Execution, Progress, Rows};
pub use native::Native;
pub use plan::Explained;
pub use revocable::give_up_writes;
use target::Finish;
pub use target::Target;
pub use upload::ObjectTarget;
pub(crate) use whole::WholeWrites;
use writer::{BatchWriter, Failure, Out};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputFormat {
    /// For people: the first 1,000 rows, laid out in columns.
    Table,
    /// Comma-separated, as RFC 4180 has it.
    Csv,
    /// Tab-separated; a tab, line break or backslash in a cell is written `\t`, `\n`, `\r`, `\\`.
    Tsv,
    /// A JSON object per line.
    Json,
    /// Arrow IPC: the file format in files, the stream format elsewhere.
    Arrow,
    /// Parquet, compressed with zstd.
    Parquet,
    /// The text of the format the rows came from: SAM, VCF, GFF, FASTQ, BED.
    Native,
}

impl OutputFormat {
    /// Every format, with its name.
    pub const ALL: [(&str, Self); 7] = [
        ("table", Self::Table),
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("json", Self::Json),
        ("arrow", Self::Arrow),
        ("parquet", Self::Parquet),
        ("native", Self::Native),
    ];
}

impl FromStr for OutputFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, format)| *format).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(n, _)| *n).collect();
            Error::invalid(format!("no output format is called {name}; there are {}", names.join(", ")))
        })
    }
}

/// Details of the output; [`Default`] writes header lines and limits nothing.
#[derive(Debug, Clone)]
pub struct WriteOptions {
    header: bool,
    width: Option<usize>,
    native: Option<Native>,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { header: true, width: None, native: None }
    }
}

impl WriteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether column names (or, for native text, the file's header) come first.
    pub fn header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Characters of a line that a table may use: long cells are clipped, and columns that do not fit are only named.
    pub fn width(mut self, characters: usize) -> Self {
        self.width = Some(characters);
        self
    }

    /// The format of [`OutputFormat::Native`].
    pub fn native(mut self, native: Native) -> Self {
        self.native = Some(native);
        self
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Rows taken from the query.
    pub rows: u64,
    /// Whether the reader of a pipe went away before the end, which is its right (`… | head`).
    pub cut_short: bool,
}

/// Writes all rows of `stream`, in their order. Tasks on the current runtime turn them into bytes, several at a time.
///
/// A file of the target's name is replaced only at the end, when everything was written: an error, or dropping the future,
/// leaves it as it was.
///
/// # Errors
/// When the stream fails or the target cannot be written.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn write_stream(
    stream: SendableRecordBatchStream,
    format: OutputFormat,
    target: Target,
    options: &WriteOptions,
) -> Result<Written> {
    Rows::from(stream).write(format, target, options).await
}

impl Rows {
    /// As [`write_stream`]; the tasks run where the query does.
    ///
    /// # Errors
    /// When the query fails or the target cannot be written.
    pub async fn write(self, format: OutputFormat, target: Target, options: &WriteOptions) -> Result<Written> {
        use delimited::Style;
        let (name, is_file) = (target.name(), target.is_file());
        let (out, mut finish) = target.open()?;
        let out = Out::new(out);
        let failure = out.failure();
        let (schema, header) = (Arc::clone(&self.schema), options.header);
        let mut rows = 0;
        let (n, to) = (&mut rows, &mut finish);
        let written = match format {
            OutputFormat::Table => write(Ok(table::Table::new(&schema, header, options.width, out)), self, to, n).await,
            OutputFormat::Csv => write(delimited::writer(Style::Csv, &schema, header, out), self, to, n).await,
            OutputFormat::Tsv => write(delimited::writer(Style::Tsv, &schema, header, out), self, to, n).await,
            OutputFormat::Json => write(columnar::json(out), self, to, n).await,
            OutputFormat::Arrow if is_file => write(columnar::IpcFile::new(&schema, out), self, to, n).await,
            OutputFormat::Arrow => write(columnar::IpcStream::new(&schema, out), self, to, n).await,
            OutputFormat::Parquet => write(parquet::Parquet::new(&schema, out), self, to, n).await,
            OutputFormat::Native => match &options.native {
                Some(native) => write(native::writer(native.clone(), header, out), self, to, n).await,
                None => Err(Error::invalid("the rows' own format is not known, so they cannot be written in it")),
            },
        };
        conclude(written, &failure, &name, finish, rows).await
    }
}

/// Encodes on the rows' own runtime and writes here, as the rows come.
async fn write<W: BatchWriter>(writer: Result<W>, rows: Rows, to: &mut Finish, count: &mut u64) -> Result<()> {
    let mut writer = writer?;
    let mut pieces = pieces::of(rows, writer.encoder(), writer.group());
    while let Some(piece) = pieces.next().await {
        let (rows, piece) = piece?;
        *count += rows;
        writer.write(piece)?;
        to.flow().await?;
        if writer.is_full() {
            break;
        }
        // A query that always has a batch ready would otherwise never notice that it is cancelled.
        tokio::task::yield_now().await;
    }
    writer.finish()
}

/// Writes rows that are at hand.
///
/// # Errors
/// When the target cannot be written.
pub async fn write_batch(
    batch: RecordBatch,
    format: OutputFormat,
    target: Target,
    options: &WriteOptions,
) -> Result<Written> {
    let (schema, rows) = (batch.schema(), futures::stream::iter([Ok(batch)]));
    write_stream(Box::pin(RecordBatchStreamAdapter::new(schema, rows)), format, target, options).await
}

/// Writes text that is at hand.
///
/// # Errors
/// When the target cannot be written.
pub async fn write_text(text: &str, target: Target) -> Result<Written> {
    write_bytes(text.as_bytes(), target).await
}

pub(crate) async fn write_bytes(bytes: &[u8], target: Target) -> Result<Written> {
    let name = target.name();
    let (out, finish) = target.open()?;
    let mut out = Out::new(out);
    let failure = out.failure();
    let written = out.put(bytes).and_then(|()| out.end());
    drop(out);
    conclude(written, &failure, &name, finish, 0).await
}

/// A failure to write becomes an error that names the target, or the end of a pipe.
async fn conclude(written: Result<()>, failure: &Failure, name: &str, finish: Finish, rows: u64) -> Result<Written> {
    let Err(e) = written else {
        finish.commit().await?;
        return Ok(Written { rows, cut_short: false });
    };
    finish.abandon().await;
    match failure.take() {
        Some(e) if e.kind() == ErrorKind::BrokenPipe => Ok(Written { rows, cut_short: true }),
        Some(e) => Err(genomicframe_core::Error::io("cannot be written").in_object(name).caused_by(e).into()),
        None => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::error::DataFusionError;

    use super::*;
    use crate::output::text::tests::every_kind;

    #[tokio::test]
    async fn a_stream_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in OutputFormat::ALL.into_iter().filter(|(_, f)| *f != OutputFormat::Native) {
            let path = folder.path().join(name);
            std::fs::write(&path, "old").unwrap();
            let batches = [Ok(every_kind()), Err(DataFusionError::Execution("broken".into()))];
            let stream = RecordBatchStreamAdapter::new(every_kind().schema(), futures::stream::iter(batches));
            let target = Target::File(path.clone());
            let failed = write_stream(Box::pin(stream), format, target, &WriteOptions::new()).await;
            assert!(failed.unwrap_err().to_string().contains("broken"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), OutputFormat::ALL.len() - 1);
    }

    /// Takes nothing.
    struct Failing(ErrorKind);

    impl std::io::Write for Failing {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_reader_that_went_away_is_no_error_and_a_full_disk_is() {
        for (name, format) in OutputFormat::ALL.into_iter().filter(|(_, f)| *f != OutputFormat::Native) {
            let write = |kind| {
                let target = Target::Writer(Box::new(Failing(kind)));
                write_batch_twice(format, target)
            };
            assert!(write(ErrorKind::BrokenPipe).await.unwrap().cut_short, "{name}");
            let full = write(ErrorKind::StorageFull).await.unwrap_err();
            assert!(full.to_string().starts_with("output: cannot be written"), "{name}: {full}");
        }
    }

    async fn write_batch_twice(format: OutputFormat, target: Target) -> Result<Written> {
        let batches = [Ok(every_kind()), Ok(every_kind())];
        let stream = RecordBatchStreamAdapter::new(every_kind().schema(), futures::stream::iter(batches));
        write_stream(Box::pin(stream), format, target, &WriteOptions::new()).await
    }
}
