//! Making a dataset: decode, check the order, cut, encode, store, commit (specification §9).
//!
//! | file | what it holds |
//! |---|---|
//! | `cut` | where row groups and chunks end |
//! | `encode` | row groups on all cores, chunks in order |
//! | `destination` | the object store or folder, and its conditional writes |
//! | `lock` | what stands in for these in a folder |
//! | `resume` | what an interrupted conversion has done |
//! | `header` | the header that is kept |
//! | `commit` | header, index and root |
//! | `gc` | what no root refers to |

mod commit;
pub mod cut;
pub mod destination;
mod encode;
pub mod gc;
mod header;
mod lock;
mod resume;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use genomicframe_core::genome::Contigs;
use genomicframe_core::{Error, Result};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

pub use commit::header_json;
pub use cut::Cutting;
pub use destination::Destination;
pub(crate) use resume::is_journal;

use crate::Level;
use crate::chunk::DatasetId;
use crate::metadata::{Layout, Metadata, ROOT, Source};
use crate::source::Records;
use crate::stages::{pool, threads};
use encode::{Chunk, Encoder};
use resume::{Done, Identity};

/// Settings of a conversion.
#[derive(Debug, Clone, Default)]
pub struct WriteOptions {
    /// How small.
    pub level: Level,
    /// Where row groups and chunks end.
    pub cutting: Cutting,
    /// Encoding threads; 0: one per core.
    pub threads: usize,
    /// Make filters of read names, which find the row groups that may have a name.
    pub qname_index: bool,
    /// Go on where an interrupted conversion of the same input stopped.
    pub resume: bool,
    /// Replace the dataset that is there; or forget an interrupted conversion.
    pub overwrite: bool,
}

/// What goes in: records in coordinate order, and what is known of where they come from.
pub struct RecordInput {
    /// The SAM header, byte for byte.
    pub header_text: String,
    /// Contigs, as records number them.
    pub contigs: Arc<Contigs>,
    /// What the root says of it.
    pub source: Source,
    /// Time of change, in nanoseconds since 1970, where it has one.
    pub modified: Option<u64>,
    /// The next records; none after the last ones.
    pub blocks: Box<dyn FnMut() -> Result<Option<Records>> + Send>,
}

impl std::fmt::Debug for RecordInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordInput").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Counts that grow while a dataset is written, exported or validated.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records done.
    pub records: AtomicU64,
    /// Chunks stored, or read.
    pub chunks: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct Written {
    /// The root.
    pub metadata: Metadata,
    /// Chunks that an interrupted conversion had stored before.
    pub resumed_chunks: u64,
}

/// Chunks that wait for the store, and those on their way to it.
const IN_FLIGHT: usize = 3;

/// Writes `input` as a dataset at `to`. Until the last moment there is no dataset there, or still the old one.
///
/// # Errors
/// When a dataset is there already, another writer is faster, the input is malformed, or the store fails.
pub async fn write(
    input: RecordInput,
    to: &Destination,
    options: &WriteOptions,
    progress: Arc<Progress>,
) -> Result<Written> {
    let begun = SystemTime::now();
    let old = to.get(ROOT).await?;
    let is_there = || Error::invalid("a dataset is there already").in_object(to.name()).hint("--overwrite replaces it");
    if old.is_some() && !options.overwrite && !options.resume {
        return Err(is_there());
    }
    let RecordInput { header_text, contigs, source, modified, mut blocks } = input;
    let header_text = header::complete(header_text, &contigs);
    // Where blocks end is the reader's own matter and decides nothing.
    let mut first = VecDeque::new();
    while first.iter().map(|r: &Records| r.bytes.len()).sum::<usize>() < SAMPLE {
        let Some(records) = blocks()? else { break };
        first.push_back(records);
    }
    let layout = layout(options);
    let dataset = identify(&header_text, &source, &layout, &first);
    let identity =
        Identity { dataset: dataset.to_string(), bytes: source.bytes, modified, by_name: options.qname_index };
    if let Some(old) = old.as_ref().filter(|_| !options.overwrite) {
        // Killed between its commit and the end: only what stood for the work is left to be removed.
        let metadata = Metadata::parse(&old.bytes).map_err(|e| e.in_object(to.name()))?;
        if metadata.dataset != identity.dataset || resume::interrupted(to).await?.as_ref() != Some(&identity) {
            return Err(is_there());
        }
        resume::clear(to).await?;
        to.tidy(begun);
        let resumed_chunks = metadata.totals.chunks;
        return Ok(Written { metadata, resumed_chunks });
    }
    let done = begin(to, &identity, options).await?;
    let resumed_chunks = done.len() as u64;

    let pool = Arc::new(pool(threads(options.threads))?);
    // `None` ends the chunks, so that a thread which died is not taken for the end.
    let (sender, mut chunks) = mpsc::channel::<Result<Option<Chunk>>>(IN_FLIGHT);
    let (level, cutting, by_name) = (options.level, options.cutting, options.qname_index);
    let known = Arc::clone(&contigs);
    let records = done.last().map_or(0, |d| d.records);
    let counted = Arc::clone(&progress);
    counted.records.store(records, Ordering::Relaxed);
    // The thread ends when this future is dropped: its channel is closed then.
    let encoding = std::thread::Builder::new().name("bams3-encode".into()).spawn(move || {
        let mut first = first;
        let next = || match first.pop_front() {
            Some(records) => Ok(Some(records)),
            None => blocks(),
        };
        let send = |chunk: Chunk| {
            counted.records.store(chunk.records, Ordering::Relaxed);
            sender.blocking_send(Ok(Some(chunk))).map_err(|_| Error::io("the conversion was stopped"))
        };
        let encoder = Encoder::new(pool, level, known, cutting, by_name, dataset, resumed_chunks, records, send);
        // When nobody listens any more there is nobody to tell.
        let _ = sender.blocking_send(encoder.run(next).map(|()| None));
    });
    encoding.map_err(|e| Error::io("an encoding thread cannot be started").caused_by(e))?;

    let mut all = done;
    let mut storing = FuturesUnordered::new();
    let stored = async {
        let mut is_over = false;
        while !is_over || !storing.is_empty() {
            tokio::select! {
                biased;
                Some(stored) = storing.next() => {
                    let done: Done = stored?;
                    progress.chunks.fetch_add(1, Ordering::Relaxed);
                    progress.bytes.fetch_add(done.entry.bytes, Ordering::Relaxed);
                    all.push(done);
                }
                chunk = chunks.recv(), if !is_over && storing.len() < IN_FLIGHT => {
                    match chunk.ok_or_else(|| Error::io("an encoding thread ended without a result"))?? {
                        Some(chunk) => storing.push(store(to, chunk)),
                        None => is_over = true,
                    }
                }
            }
        }
        Ok(())
    };
    let stored: Result<()> = stored.await;
    // What is on its way when something fails comes to its end: a thread that is left alone with it, in a process that ends,
    // leaves half a file.
    while storing.next().await.is_some() {}
    stored?;
    all.sort_by_key(|d| d.entry.ordinal);
    let metadata = commit::commit(to, old.as_ref(), &header_text, dataset, source, layout, all).await?;
    resume::clear(to).await?;
    to.tidy(begun);
    Ok(Written { metadata, resumed_chunks })
}

/// Stores a chunk, then notes that it is there.
async fn store(to: &Destination, chunk: Chunk) -> Result<Done> {
    let done = Done::of(&chunk);
    let stored = async {
        to.put(&done.entry.path, chunk.bytes).await?;
        resume::note(to, &done).await
    };
    stored.await.map_err(|e| e.hint("what was stored stays: --resume goes on from there, --overwrite begins anew"))?;
    Ok(done)
}

/// Claims the destination; what an interrupted conversion had stored there.
async fn begin(to: &Destination, identity: &Identity, options: &WriteOptions) -> Result<Vec<Done>> {
    if options.overwrite && !options.resume {
        resume::clear(to).await?;
    }
    if resume::begin(to, identity).await? {
        return Ok(Vec::new());
    }
    let here = |e: Error| e.in_object(to.name());
    if !options.resume {
        return Err(here(
            Error::invalid("another conversion writes there, or was interrupted")
                .hint("--resume goes on with it, --overwrite begins anew"),
        ));
    }
    match resume::interrupted(to).await? {
        Some(before) if before == *identity => resume::done(to).await,
        Some(_) => Err(here(
            Error::invalid("the interrupted conversion was of another input, or with other settings")
                .hint("--overwrite begins anew"),
        )),
        None => {
            resume::clear(to).await?;
            match resume::begin(to, identity).await? {
                true => Ok(Vec::new()),
                false => Err(here(Error::invalid("another conversion writes there"))),
            }
        }
    }
}

fn layout(options: &WriteOptions) -> Layout {
    Layout {
        level: options.level.to_string(),
        group_rows: options.cutting.group_rows,
        chunk_rows: options.cutting.chunk_rows,
        chunk_bytes: options.cutting.chunk_bytes,
        window: options.cutting.window,
    }
}

/// Bytes of the first records that tell inputs apart.
const SAMPLE: usize = 64 << 10;

/// The same input and settings give the same id, so that a conversion can be repeated to the byte.
fn identify(header: &str, source: &Source, layout: &Layout, first: &VecDeque<Records>) -> DatasetId {
    let mut hash = Sha256::new();
    hash.update(header.as_bytes());
    hash.update(format!("\0{:?}\0{layout:?}\0", source.bytes));
    let mut left = SAMPLE;
    for records in first {
        let sample = &records.bytes[..records.bytes.len().min(left)];
        hash.update(sample);
        left -= sample.len();
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    DatasetId(id)
}
