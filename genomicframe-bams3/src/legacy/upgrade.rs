//! A dataset's records in coordinate order, as the writer takes them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use genomicframe_core::alignment::record::frame;
use genomicframe_core::genome::Contigs;
use genomicframe_core::io::{Location, ObjectIo};
use genomicframe_core::scan::{Limits, Warnings};
use genomicframe_core::{Error, Result};

use super::open::Opened;
use super::{Flavour, LegacyMetadata};
use crate::dataset::open_root;
use crate::sort::{Sorted, Sorter, coordinate_header, key};
use crate::source::{Records, Source};

/// Bytes of a block, about.
const BLOCK: usize = 4 << 20;
/// Bytes of reads without a position that are held while they are put in order.
const HELD: usize = 256 << 20;
/// Chunks decoded ahead.
const AHEAD: usize = 1;

/// The records of an older dataset, in coordinate order as far as its manifest says the truth.
///
/// It reads in a thread of its own, so that it may be asked from anywhere. Columns that the dataset does not store are
/// what BAM has for missing ones: no mate, a template length of 0, no CIGAR, no tags.
pub struct LegacySource {
    /// The SAM header; it says that records are in coordinate order.
    pub header_text: String,
    /// The contigs that records refer to by number.
    pub contigs: Arc<Contigs>,
    opened: Arc<Opened>,
    io: Arc<dyn ObjectIo>,
    state: State,
    seen: u64,
    warnings: Warnings,
}

enum State {
    New,
    Running { chunks: Chunks, aside: Option<Box<Aside>> },
    Ended,
}

impl std::fmt::Debug for LegacySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LegacySource").field("at", &self.opened.at).field("seen", &self.seen).finish_non_exhaustive()
    }
}

impl LegacySource {
    /// Opens the dataset at `at`.
    ///
    /// # Errors
    /// When it is none of version 0.1 or 0.2, its metadata are damaged, or the storage fails.
    pub async fn open(at: &Location, io: Arc<dyn ObjectIo>, limits: &Limits) -> Result<Self> {
        let root = open_root(at, &*io).await?;
        let opened = Arc::new(Opened::open(at, &root, &*io, limits).await?);
        let mut warnings = Warnings::default();
        opened.metadata.warnings.iter().for_each(|w| warnings.add(w));
        let (header_text, contigs) = (coordinate_header(&opened.metadata.header_text), Arc::clone(&opened.contigs));
        Ok(Self { header_text, contigs, opened, io, state: State::New, seen: 0, warnings })
    }

    /// The dataset's metadata.
    pub fn metadata(&self) -> &LegacyMetadata {
        &self.opened.metadata
    }

    /// What was read leniently; complete once all records were read.
    pub fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    fn start(&mut self) -> Result<(Chunks, Option<Box<Aside>>)> {
        let chunks = &self.opened.metadata.chunks;
        // The Python program's unmapped reads may name a contig and then come first on it.
        let apart = self.opened.metadata.flavour == Flavour::PythonJson;
        let placed = chunks.iter().take_while(|c| c.contig.is_some()).count();
        let (mut order, mut rest): (Vec<usize>, Vec<usize>) = ((0..placed).collect(), (placed..chunks.len()).collect());
        if !apart {
            order.append(&mut rest);
        }
        let aside = match rest.is_empty() {
            true => None,
            false => {
                let mut sorter = Sorter::new(HELD, &std::env::temp_dir());
                let mut chunks = self.read(rest)?;
                while let Some(records) = chunks.next(&mut self.warnings)? {
                    sorter.push(records)?;
                }
                Some(Box::new(Aside { sorted: sorter.finish()?, held: Cursor::default() }))
            }
        };
        Ok((self.read(order)?, aside))
    }

    /// Reads these chunks in a thread.
    fn read(&self, order: Vec<usize>) -> Result<Chunks> {
        let (sender, decoded) = sync_channel(AHEAD);
        let (opened, io) = (Arc::clone(&self.opened), Arc::clone(&self.io));
        let thread = std::thread::Builder::new().name("bams3-read".into());
        let failed = |e| Error::io("a reading thread cannot be started").caused_by(e);
        thread.spawn(move || run(&opened, &*io, order, &sender)).map_err(failed)?;
        Ok(Chunks { decoded, held: Cursor::default(), ended: false })
    }

    fn fill(&mut self, chunks: &mut Chunks, aside: &mut Option<Box<Aside>>) -> Result<Option<Records>> {
        let mut out = Records { first: self.seen, ..Records::default() };
        loop {
            chunks.fill(&mut self.warnings)?;
            if let Some(aside) = aside {
                aside.fill()?;
            }
            let one = chunks.held.peek();
            let other = aside.as_ref().and_then(|aside| aside.held.peek());
            let is_aside = match (one, other) {
                (Some(one), Some(other)) => key(other) <= key(one),
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) => break,
            };
            let cursor = match aside {
                Some(aside) if is_aside => &mut aside.held,
                _ => &mut chunks.held,
            };
            if !cursor.move_to(&mut out) {
                break;
            }
        }
        self.seen += out.len() as u64;
        Ok((!out.is_empty()).then_some(out))
    }
}

impl Source for LegacySource {
    fn next(&mut self) -> Result<Option<Records>> {
        let (mut chunks, mut aside) = match std::mem::replace(&mut self.state, State::Ended) {
            State::New => self.start()?,
            State::Running { chunks, aside } => (chunks, aside),
            State::Ended => return Ok(None),
        };
        let records = self.fill(&mut chunks, &mut aside)?;
        if records.is_some() {
            self.state = State::Running { chunks, aside };
        }
        Ok(records)
    }
}

/// A chunk's records, and what was read leniently; `None` after the last one.
type Decoded = Result<Option<(Records, Warnings)>>;

/// Reads and decodes `order` until nobody listens.
fn run(opened: &Opened, io: &dyn ObjectIo, order: Vec<usize>, to: &SyncSender<Decoded>) {
    // Stores need a runtime, and the caller's may be busy waiting for this thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime.map_err(|e| Error::io("a runtime cannot be started").caused_by(e)) {
        Ok(runtime) => runtime,
        Err(e) => {
            let _ = to.send(Err(e));
            return;
        }
    };
    for n in order {
        let mut bytes = Vec::new();
        let read = runtime.block_on(opened.read(n, io, &mut bytes));
        let decoded = read.and_then(|summary| Ok(Some((framed(bytes)?, summary.warnings))));
        let failed = decoded.is_err();
        if to.send(decoded).is_err() || failed {
            return;
        }
    }
    let _ = to.send(Ok(None));
}

fn framed(bytes: Vec<u8>) -> Result<Records> {
    let (mut starts, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let start = u32::try_from(at).map_err(|_| Error::limit("a chunk of more than 4 GiB of records"))?;
        starts.push(start);
        let cut = || Error::corrupt("the chunk ends within a record");
        at += frame(&bytes[at..], true, usize::MAX)?.ok_or_else(cut)?;
    }
    Ok(Records { bytes, starts, first: 0 })
}

/// Chunks as they come from the thread.
struct Chunks {
    decoded: Receiver<Decoded>,
    held: Cursor,
    ended: bool,
}

impl Chunks {
    /// The next chunk with records.
    fn next(&mut self, warnings: &mut Warnings) -> Result<Option<Records>> {
        while !self.ended {
            let decoded = self.decoded.recv().map_err(|_| Error::io("the reading thread has died"))?;
            let Some((records, told)) = decoded? else {
                self.ended = true;
                break;
            };
            warnings.merge(&told);
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
        Ok(None)
    }

    /// Has a record at hand, if there is one left.
    fn fill(&mut self, warnings: &mut Warnings) -> Result<()> {
        if self.held.peek().is_none()
            && let Some(records) = self.next(warnings)?
        {
            self.held = Cursor { records, next: 0 };
        }
        Ok(())
    }
}

/// Records that are merged with those of chunks.
struct Aside {
    sorted: Sorted,
    held: Cursor,
}

impl Aside {
    fn fill(&mut self) -> Result<()> {
        if self.held.peek().is_none()
            && let Some(records) = self.sorted.next()?
        {
            self.held = Cursor { records, next: 0 };
        }
        Ok(())
    }
}

#[derive(Default)]
struct Cursor {
    records: Records,
    next: usize,
}

impl Cursor {
    /// The next record without its `block_size`.
    fn peek(&self) -> Option<&[u8]> {
        self.records.get(self.next)
    }

    /// Appends the next record to `out`, if there is room, and goes on.
    fn move_to(&mut self, out: &mut Records) -> bool {
        let Some(record) = self.peek() else { return false };
        if !out.is_empty() && out.bytes.len() + record.len() > BLOCK {
            return false;
        }
        out.starts.push(out.bytes.len() as u32);
        out.bytes.extend((record.len() as u32).to_le_bytes());
        out.bytes.extend_from_slice(record);
        self.next += 1;
        true
    }
}
