//! Builds a BAI or a CSI while a sorted file is written.
//!
//! As htslib does: consecutive records of a bin make a chunk; bins that span less than 64 KiB of the file move into their
//! parent where there is one; chunks that share a block are joined. Empty windows say where the next record begins.

use std::collections::BTreeMap;

use super::IndexKind;
use super::binning::{Chunk, bins_of};
use crate::bgzf::{Deflater, EOF_BLOCK, Level, VirtualOffset};
use crate::error::{Error, Result};
use crate::genome::Contigs;

/// 16 KiB windows, as in every BAI and as htslib's CSI has them.
const MIN_SHIFT: u32 = 14;
const BAI_DEPTH: u32 = 5;
/// Positions of up to 2^32: BAM's have 31 bits.
const MAX_DEPTH: u32 = 6;
/// What htslib allows records to reach beyond their contig when it chooses a depth.
const SLACK: u64 = 256;
/// Bins whose stored bytes are fewer are not worth a place of their own.
const SMALL_BIN: u64 = 1 << 16;

/// Where a record lies on the genome: 0-based, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Number of the contig in the header; `None`: the record is unplaced.
    pub contig: Option<usize>,
    /// First base, -1 when the position is missing.
    pub start: i64,
    /// The base after the last; a record without length counts as one base.
    pub end: i64,
    /// Whether it is mapped there.
    pub mapped: bool,
}

/// A record that is in order and within reach of the index, ready to be added when its place in the file is known.
#[derive(Debug, Clone, Copy)]
pub struct Admitted {
    contig: Option<usize>,
    bin: u32,
    /// The last window that it overlaps.
    last: u32,
    mapped: bool,
}

/// Builds an index of records that come in coordinate order.
///
/// ```
/// use genomicframe_core::bgzf::VirtualOffset;
/// use genomicframe_core::genome::{Contig, Contigs, Interval};
/// use genomicframe_core::index::{BinningIndex, Chunk, IndexBuilder, IndexKind, Span};
///
/// let mut contigs = Contigs::default();
/// contigs.push(Contig { name: "chr1".into(), length: Some(1000) });
/// let mut builder = IndexBuilder::new(&contigs, None)?;
/// let chunk = Chunk { start: VirtualOffset::new(100, 0), stop: VirtualOffset::new(100, 60) };
/// builder.push(Span { contig: Some(0), start: 9, end: 20, mapped: true }, chunk)?;
/// assert_eq!(builder.kind(), IndexKind::Bai);
/// let index = BinningIndex::parse(&builder.finish()?)?;
/// assert_eq!(index.chunks(0, &[Interval::ALL]), [chunk]);
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug)]
pub struct IndexBuilder {
    kind: IndexKind,
    depth: u32,
    contigs: usize,
    /// Contig and start of the last record admitted; unplaced ones come last.
    last: (usize, i64),
    /// The contigs that are done, as they are stored.
    body: Vec<u8>,
    done: usize,
    open: Option<Open>,
    unplaced: u64,
}

/// The contig whose records are being added.
#[derive(Debug)]
struct Open {
    contig: usize,
    bins: BTreeMap<u32, Vec<Chunk>>,
    /// The chunk that grows, and its bin.
    bin: u32,
    chunk: Chunk,
    linear: Vec<VirtualOffset>,
    range: Chunk,
    mapped: u64,
    unmapped: u64,
}

impl IndexBuilder {
    /// A BAI unless a contig is longer than it reaches, which is 2^29, or `kind` says otherwise.
    ///
    /// # Errors
    /// When a contig is longer than 2^32, or `kind` is an index of text.
    pub fn new(contigs: &Contigs, kind: Option<IndexKind>) -> Result<Self> {
        let longest = contigs.iter().filter_map(|c| c.length).max().unwrap_or_default();
        let fitting = if longest > reach(BAI_DEPTH) { IndexKind::Csi } else { IndexKind::Bai };
        let kind = kind.unwrap_or(fitting);
        let depth = match kind {
            IndexKind::Bai => BAI_DEPTH,
            IndexKind::Csi => (0..=MAX_DEPTH)
                .find(|depth| reach(*depth) >= longest.saturating_add(SLACK))
                .ok_or_else(|| Error::limit(format!("a contig of {longest} bases is too long for an index")))?,
            IndexKind::Tbi => return Err(Error::invalid("a TBI indexes text only")),
        };
        if i32::try_from(contigs.len()).is_err() {
            return Err(Error::limit(format!("{} contigs are too many for an index", contigs.len())));
        }
        let (body, open) = (Vec::new(), None);
        Ok(Self { kind, depth, contigs: contigs.len(), last: (0, i64::MIN), body, done: 0, open, unplaced: 0 })
    }

    /// Which encoding it writes.
    pub fn kind(&self) -> IndexKind {
        self.kind
    }

    /// Adds a record that lies at `chunk` in the file.
    ///
    /// # Errors
    /// As [`IndexBuilder::admit`].
    pub fn push(&mut self, span: Span, chunk: Chunk) -> Result<()> {
        let admitted = self.admit(span)?;
        self.add(admitted, chunk);
        Ok(())
    }

    /// Checks a record whose place in the file is not known yet; it is to be [added](IndexBuilder::add) in the same order.
    ///
    /// # Errors
    /// When it comes before the last one, its contig is not in the header, or it ends beyond what the index addresses.
    /// The builder is as it was.
    pub fn admit(&mut self, span: Span) -> Result<Admitted> {
        let Some(contig) = span.contig else {
            self.last = (usize::MAX, 0);
            return Ok(Admitted { contig: None, bin: 0, last: 0, mapped: span.mapped });
        };
        if contig >= self.contigs {
            return Err(Error::invalid(format!("contig {contig} is not one of {}", self.contigs)));
        }
        let place = (contig, span.start);
        if place < self.last {
            return Err(Error::invalid("it comes before the record ahead of it")
                .hint("only records sorted by coordinate can be indexed"));
        }
        // A record without a position goes to the contig's beginning, one without length covers a base.
        let start = span.start.max(0);
        let last = span.end.saturating_sub(1).max(start);
        if last as u64 >= reach(self.depth) {
            let (kind, reach) = (self.kind, reach(self.depth));
            let e = Error::limit(format!("it ends beyond {reach}, the reach of a {kind} of these contigs"));
            return Err(if kind == IndexKind::Bai { e.hint("write a CSI") } else { e });
        }
        self.last = place;
        let window = |position: i64| (position >> MIN_SHIFT) as u32;
        let (first, last) = (window(start), window(last));
        Ok(Admitted { contig: Some(contig), bin: bin(first, last, self.depth), last, mapped: span.mapped })
    }

    /// Adds a record that was admitted. Records lie one after another in the file.
    pub fn add(&mut self, record: Admitted, chunk: Chunk) {
        let Some(contig) = record.contig else {
            self.close();
            self.unplaced += 1;
            return;
        };
        if self.open.as_ref().is_none_or(|open| open.contig != contig) {
            self.close();
        }
        let open = self.open.get_or_insert_with(|| Open {
            contig,
            bins: BTreeMap::new(),
            bin: record.bin,
            chunk,
            linear: Vec::new(),
            range: chunk,
            mapped: 0,
            unmapped: 0,
        });
        if open.bin != record.bin {
            open.bins.entry(open.bin).or_default().push(open.chunk);
            (open.bin, open.chunk) = (record.bin, chunk);
        }
        open.chunk.stop = chunk.stop;
        open.range.stop = chunk.stop;
        // Windows from the record's first on that are set belong to a record ahead of it, and so do all between.
        if open.linear.len() <= record.last as usize {
            open.linear.resize(record.last as usize + 1, chunk.start);
        }
        *(if record.mapped { &mut open.mapped } else { &mut open.unmapped }) += 1;
    }

    /// The index as its file holds it; a CSI is compressed.
    ///
    /// # Errors
    /// When compressing fails.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.close();
        self.skip_to(self.contigs);
        let mut out = Vec::with_capacity(self.body.len() + 64);
        if self.kind == IndexKind::Csi {
            out.extend_from_slice(b"CSI\x01");
            for n in [MIN_SHIFT, self.depth, 0] {
                out.extend_from_slice(&n.to_le_bytes());
            }
        } else {
            out.extend_from_slice(b"BAI\x01");
        }
        put_count(self.contigs, &mut out);
        out.append(&mut self.body);
        out.extend_from_slice(&self.unplaced.to_le_bytes());
        if self.kind != IndexKind::Csi {
            return Ok(out);
        }
        let mut stored = Vec::new();
        Deflater::new(Level::DEFAULT)?.compress(&out, &mut stored)?;
        stored.extend_from_slice(&EOF_BLOCK);
        Ok(stored)
    }

    /// Contigs without records, up to `contig`.
    fn skip_to(&mut self, contig: usize) {
        let each = if self.kind == IndexKind::Csi { 4 } else { 8 };
        let skipped = contig.saturating_sub(self.done);
        self.body.resize(self.body.len() + each * skipped, 0);
        self.done += skipped;
    }

    /// Stores the contig whose records are all there.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.bins.entry(open.bin).or_default().push(open.chunk);
        compact(&mut open.bins, self.depth);
        self.skip_to(open.contig);
        self.done += 1;
        let csi = self.kind == IndexKind::Csi;
        let out = &mut self.body;
        put_count(open.bins.len() + 1, out);
        for (id, chunks) in &open.bins {
            out.extend_from_slice(&id.to_le_bytes());
            if csi {
                let first = open.linear.get(first_window(*id, self.depth)).copied().unwrap_or_default();
                out.extend_from_slice(&first.raw().to_le_bytes());
            }
            put_count(chunks.len(), out);
            for chunk in chunks {
                put_chunk(chunk, out);
            }
        }
        // The pseudo-bin that counts the records.
        out.extend_from_slice(&(bins_of(self.depth) as u32 + 1).to_le_bytes());
        if csi {
            out.extend_from_slice(&0u64.to_le_bytes());
        }
        put_count(2, out);
        put_chunk(&open.range, out);
        out.extend_from_slice(&open.mapped.to_le_bytes());
        out.extend_from_slice(&open.unmapped.to_le_bytes());
        if !csi {
            put_count(open.linear.len(), out);
            for start in &open.linear {
                out.extend_from_slice(&start.raw().to_le_bytes());
            }
        }
    }
}

/// Bases that an index of this depth addresses.
fn reach(depth: u32) -> u64 {
    1 << (MIN_SHIFT + 3 * depth)
}

/// The number of the first bin of a level; the root's is 0.
fn first_bin(level: u32) -> u32 {
    if level == 0 { 0 } else { bins_of(level - 1) as u32 }
}

/// The smallest bin that holds these windows.
fn bin(first: u32, last: u32, depth: u32) -> u32 {
    let level = (0..=depth).rev().find(|level| {
        let shift = 3 * (depth - level);
        first >> shift == last >> shift
    });
    level.map_or(0, |level| first_bin(level) + (first >> (3 * (depth - level))))
}

fn first_window(bin: u32, depth: u32) -> usize {
    let level = (0..=depth).rev().find(|level| bin >= first_bin(*level)).unwrap_or_default();
    ((bin - first_bin(level)) << (3 * (depth - level))) as usize
}

/// Moves small bins into their parents and joins chunks that share a block, from the lowest level up.
fn compact(bins: &mut BTreeMap<u32, Vec<Chunk>>, depth: u32) {
    for level in (1..=depth).rev() {
        let ids: Vec<u32> = bins.range(first_bin(level)..first_bin(level + 1)).map(|(id, _)| *id).collect();
        for id in ids {
            let parent = (id - 1) >> 3;
            let small = bins.get_mut(&id).is_some_and(|chunks| {
                chunks.sort_unstable();
                let ends = chunks.first().zip(chunks.last());
                ends.is_none_or(|(a, b)| b.stop.compressed().saturating_sub(a.start.compressed()) < SMALL_BIN)
            });
            if small && bins.contains_key(&parent) {
                let chunks = bins.remove(&id).unwrap_or_default();
                bins.entry(parent).or_default().extend(chunks);
            }
        }
    }
    for chunks in bins.values_mut() {
        chunks.sort_unstable();
        chunks.dedup_by(|next, kept| {
            let joined = kept.stop.compressed() >= next.start.compressed();
            if joined {
                kept.stop = kept.stop.max(next.stop);
            }
            joined
        });
    }
}

fn put_chunk(chunk: &Chunk, out: &mut Vec<u8>) {
    out.extend_from_slice(&chunk.start.raw().to_le_bytes());
    out.extend_from_slice(&chunk.stop.raw().to_le_bytes());
}

/// Counts are those of bins, windows and contigs, of which there are fewer than 2^31.
fn put_count(n: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(n as i32).to_le_bytes());
}
