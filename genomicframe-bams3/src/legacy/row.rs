//! A record as BAM has it (SAMv1 §4.2), and the order of records.

use genomicframe_core::alignment::Record;
use genomicframe_core::alignment::record::bin;
use genomicframe_core::scan::Warnings;
use genomicframe_core::{Error, Result};

use super::{ChunkSummary, Flavour, LegacyChunk, LegacyMetadata};

const UNMAPPED: u16 = 0x4;
/// Longest name: its length and NUL fit a byte.
const LONGEST_NAME: usize = 254;
/// An operation's length has 28 bits.
pub(super) const LONGEST_OP: u64 = (1 << 28) - 1;
const SOFT_CLIP: u32 = 4;
const SKIP: u32 = 3;

/// What a record holds, in BAM's terms. Its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) name: Vec<u8>,
    pub(super) flag: u16,
    pub(super) contig: i32,
    /// As stored: from 0 or 1.
    pub(super) pos: i64,
    pub(super) mapq: u8,
    /// Operations, packed.
    pub(super) cigar: Vec<u32>,
    pub(super) bases: usize,
    /// Two bases a byte.
    pub(super) packed: Vec<u8>,
    /// Phred scores; none when they are missing.
    pub(super) scores: Vec<u8>,
    /// As BAM has them.
    pub(super) tags: Vec<u8>,
}

impl Row {
    pub(super) fn clear(&mut self) {
        self.name.clear();
        self.cigar.clear();
        self.bases = 0;
        self.packed.clear();
        self.scores.clear();
        self.tags.clear();
    }

    /// Appends the record, its bin 0, to `out`.
    fn put(&self, contig: i32, pos: i32, out: &mut Vec<u8>) -> Result<()> {
        let name = if self.name.is_empty() { b"*" } else { self.name.as_slice() };
        if name.len() > LONGEST_NAME {
            let e = Error::limit(format!("{} bytes, and a BAM record's name has at most {LONGEST_NAME}", name.len()));
            return Err(e.field("name").text(name));
        }
        if name.contains(&0) {
            return Err(Error::corrupt("a NUL in a name").field("name").text(name));
        }
        let too_long = |what: &str| Error::limit(format!("{what}: more than BAM can hold"));
        let bases = i32::try_from(self.bases).map_err(|_| too_long("the sequence"))?;
        let start = out.len();
        out.extend([0; 4]);
        out.extend(contig.to_le_bytes());
        out.extend(pos.to_le_bytes());
        out.extend([name.len() as u8 + 1, self.mapq, 0, 0]);
        let long = u16::try_from(self.cigar.len()).is_err();
        let ops = if long { 2 } else { self.cigar.len() as u16 };
        out.extend(ops.to_le_bytes());
        out.extend(self.flag.to_le_bytes());
        out.extend(bases.to_le_bytes());
        // Mates are stored nowhere.
        out.extend((-1i32).to_le_bytes());
        out.extend((-1i32).to_le_bytes());
        out.extend(0i32.to_le_bytes());
        out.extend_from_slice(name);
        out.push(0);
        if long {
            let span = reference_span(&self.cigar);
            if span > LONGEST_OP || self.bases as u64 > LONGEST_OP {
                return Err(too_long("the CIGAR"));
            }
            out.extend((((self.bases as u32) << 4) | SOFT_CLIP).to_le_bytes());
            out.extend((((span as u32) << 4) | SKIP).to_le_bytes());
        } else {
            out.extend(self.cigar.iter().flat_map(|op| op.to_le_bytes()));
        }
        out.extend_from_slice(&self.packed);
        if self.scores.is_empty() {
            out.resize(out.len() + self.bases, 0xff);
        } else {
            out.extend_from_slice(&self.scores);
        }
        out.extend_from_slice(&self.tags);
        if long {
            out.extend(b"CGBI");
            out.extend((self.cigar.len() as u32).to_le_bytes());
            out.extend(self.cigar.iter().flat_map(|op| op.to_le_bytes()));
        }
        let size = i32::try_from(out.len() - start - 4).map_err(|_| too_long("the record"))?;
        out[start..start + 4].copy_from_slice(&size.to_le_bytes());
        Ok(())
    }
}

fn reference_span(cigar: &[u32]) -> u64 {
    cigar.iter().filter(|op| matches!(*op & 0xf, 0 | 2 | 3 | 7 | 8)).map(|op| u64::from(op >> 4)).sum()
}

/// Takes a chunk's records, and puts them in order.
pub(super) struct Rows<'a> {
    metadata: &'a LegacyMetadata,
    chunk: &'a LegacyChunk,
    out: &'a mut Vec<u8>,
    start: usize,
    /// Contig, position, and where in `out` it begins.
    places: Vec<(u32, i32, usize)>,
    summary: ChunkSummary,
}

impl<'a> Rows<'a> {
    pub(super) fn new(metadata: &'a LegacyMetadata, chunk: &'a LegacyChunk, out: &'a mut Vec<u8>) -> Self {
        let start = out.len();
        Self { metadata, chunk, out, start, places: Vec::new(), summary: ChunkSummary::default() }
    }

    pub(super) fn flavour(&self) -> Flavour {
        self.metadata.flavour
    }

    pub(super) fn warnings(&mut self) -> &mut Warnings {
        &mut self.summary.warnings
    }

    pub(super) fn push(&mut self, row: &Row) -> Result<()> {
        let pos = self.position(row.pos)?;
        let contig = self.contig(row.contig)?;
        let start = self.out.len();
        row.put(contig, pos, self.out)?;
        let record = Record::new(&self.out[start + 4..], self.metadata.contigs.len())?;
        let cigar = record.cigar()?;
        let (span, _) = cigar.lengths()?;
        let unmapped = row.flag & UNMAPPED != 0;
        let span = match span {
            _ if unmapped => 1,
            0 if self.flavour() == Flavour::GoBinaryStdin => {
                self.summary.warnings.add("no CIGAR is stored, so nothing tells where the read ends");
                row.bases as i64
            }
            span => span,
        };
        let end = i64::from(pos) + span.max(1);
        let bin = bin(i64::from(pos), end);
        self.out[start + 14..start + 16].copy_from_slice(&bin.to_le_bytes());
        self.note(contig, pos, end);
        self.places.push((contig as u32, pos, start));
        Ok(())
    }

    /// From 0; -1 for none.
    fn position(&self, stored: i64) -> Result<i32> {
        let from_zero = match stored {
            -1 => -1,
            n => n.saturating_sub(i64::from(self.flavour().is_stdin())),
        };
        match i32::try_from(from_zero) {
            Ok(pos @ -1..) => Ok(pos),
            _ => Err(Error::corrupt(format!("{stored} is not a position")).field("pos")),
        }
    }

    fn contig(&mut self, stored: i32) -> Result<i32> {
        let known = self.metadata.contigs.len();
        if stored == -1 {
            return Ok(-1);
        }
        let id = usize::try_from(stored).ok();
        if self.metadata.names_from_manifest && id.is_some() {
            if self.chunk.contig.is_none() {
                self.summary.warnings.add("without a header the contig of an unmapped read is not known");
            }
            return Ok(self.chunk.contig.and_then(|id| i32::try_from(id).ok()).unwrap_or(-1));
        }
        match id {
            Some(id) if id < known => Ok(stored),
            _ => Err(Error::corrupt(format!("contig {stored} is not in the dictionary of {known}")).field("ref")),
        }
    }

    fn note(&mut self, contig: i32, pos: i32, end: i64) {
        let (Ok(contig), Ok(start), Ok(end)) = (usize::try_from(contig), u64::try_from(pos), u64::try_from(end)) else {
            return;
        };
        let reach = self.summary.max_end.entry(contig).or_default();
        *reach = end.max(*reach);
        if self.chunk.contig != Some(contig) || !(self.chunk.start..self.chunk.end).contains(&start) {
            self.summary.warnings.add("a record starts outside of its chunk");
        }
    }

    /// Sorts what came.
    pub(super) fn finish(mut self) -> Result<ChunkSummary> {
        self.summary.rows = self.places.len() as u64;
        // Counts come from the manifest. Only that of an object which it lists again is known to be wrong.
        if self.chunk.rows != self.summary.rows && self.chunk.entries == 1 {
            let what = format!("{} records where the manifest says {}", self.summary.rows, self.chunk.rows);
            return Err(Error::corrupt(what).field("reads").hint("the object or the manifest is another dataset's"));
        }
        // No place comes last: its contig is -1, and so the largest number.
        let order = |p: &(u32, i32, usize)| (p.0, p.1);
        if !self.places.is_sorted_by_key(order) {
            let unsorted = self.out.split_off(self.start);
            self.places.sort_by_key(order);
            for (_, _, at) in &self.places {
                let record = &unsorted[at - self.start..];
                let size = record.first_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size) as usize);
                self.out.extend_from_slice(&record[..4 + size]);
            }
        }
        Ok(self.summary)
    }
}
