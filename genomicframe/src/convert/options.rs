//! Settings of a conversion, and what is told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use genomicframe_bams3::Level;
use genomicframe_bams3::metadata::Metadata;
use genomicframe_bams3::writer::{Cutting, Progress};

use crate::error::Result;

/// How a dataset is made. [`Default`] compresses well at little cost, uses all cores and replaces nothing.
///
/// ```
/// use genomicframe::convert::ConvertOptions;
///
/// let options = ConvertOptions::new().level("small")?.window("1M")?.resume(true);
/// assert!(ConvertOptions::new().level("tiny").is_err());
/// # Ok::<(), genomicframe::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    pub(super) level: Level,
    pub(super) cutting: Cutting,
    pub(super) threads: Option<usize>,
    pub(super) resume: bool,
    pub(super) overwrite: bool,
    pub(super) sort: bool,
    pub(super) qname_index: bool,
    pub(super) memory: Option<usize>,
    pub(super) allow_missing_eof: bool,
    pub(super) progress: ConvertProgress,
}

impl ConvertOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How small: `fast`, `default`, `small`, or a zstd level from 1 to 19.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn level(mut self, level: &str) -> Result<Self> {
        self.level = level.parse()?;
        Ok(self)
    }

    /// Threads; default: one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.max(1));
        self
    }

    /// Where row groups and chunks end.
    pub fn cutting(mut self, cutting: Cutting) -> Self {
        self.cutting = cutting;
        self
    }

    /// Rows after which a chunk ends.
    pub fn chunk_rows(mut self, rows: u64) -> Self {
        let rows = rows.max(1);
        self.cutting.chunk_rows = Some(rows);
        // Chunks are whole row groups.
        let groups = u32::try_from(rows).unwrap_or(u32::MAX);
        self.cutting.group_rows = self.cutting.group_rows.min(groups);
        self
    }

    /// Bytes after which a chunk ends; default: 12 MiB.
    pub fn chunk_bytes(mut self, bytes: u64) -> Self {
        self.cutting.chunk_bytes = bytes.max(1);
        self
    }

    /// Positions of which each chunk holds one window: `256K`, `512K`, `1M`, `2M`, `4M` or `8M`.
    ///
    /// # Errors
    /// When it is another size.
    pub fn window(mut self, window: &str) -> Result<Self> {
        self.cutting.window = Some(Cutting::parse_window(window)?);
        Ok(self)
    }

    /// Go on where an interrupted conversion of the same input with the same settings stopped.
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Replace the dataset that is there; readers of the old one keep it until `gf bams3 gc`.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Sort the records, though the header says that they are in coordinate order.
    pub fn sort(mut self, sort: bool) -> Self {
        self.sort = sort;
        self
    }

    /// Add a filter of read names per chunk, so that looking for a name reads few chunks.
    pub fn qname_index(mut self, add: bool) -> Self {
        self.qname_index = add;
        self
    }

    /// Bytes that sorting holds before it spills to temporary files; default: 1 GiB, or a quarter of the machine's memory.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = Some(bytes);
        self
    }

    /// Read a BGZF file that lacks its end-of-file block, with a warning instead of an error.
    pub fn allow_missing_eof(mut self, allow: bool) -> Self {
        self.allow_missing_eof = allow;
        self
    }

    /// What to look at while the conversion runs.
    pub fn progress(&self) -> ConvertProgress {
        self.progress.clone()
    }
}

/// How far a conversion has come.
#[derive(Debug, Clone, Default)]
pub struct ConvertProgress {
    pub(super) read: Arc<AtomicU64>,
    pub(super) total: Arc<AtomicU64>,
    pub(super) written: Arc<Progress>,
}

impl ConvertProgress {
    /// Bytes of the input that were read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the input; 0 where that is not known.
    pub fn bytes_total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Records that were encoded.
    pub fn records(&self) -> u64 {
        self.written.records.load(Ordering::Relaxed)
    }

    /// Chunks that were stored.
    pub fn chunks(&self) -> u64 {
        self.written.chunks.load(Ordering::Relaxed)
    }
}

/// The dataset that was made.
#[derive(Debug, Clone)]
pub struct Converted {
    pub(super) metadata: Metadata,
    pub(super) bytes_read: u64,
    pub(super) resumed_chunks: u64,
}

impl Converted {
    /// Its records.
    pub fn rows(&self) -> u64 {
        self.metadata.totals.stats.as_ref().map_or(0, |s| s.rows)
    }

    /// Bytes of the input.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Bytes of the dataset.
    pub fn bytes_written(&self) -> u64 {
        let index: u64 = self.metadata.index.iter().map(|p| p.object.bytes).sum();
        self.metadata.totals.bytes + index + self.metadata.header.bytes + self.metadata.header_json.bytes
    }

    /// Chunks that an interrupted conversion had stored before.
    pub fn resumed_chunks(&self) -> u64 {
        self.resumed_chunks
    }

    /// Its root.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
