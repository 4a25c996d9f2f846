//! Writes BAM files, and their index along with them.

use std::collections::VecDeque;
use std::io::Write;

use super::header::MAGIC;
use crate::alignment::Record;
use crate::alignment::record::frame;
use crate::bgzf::{BLOCK_INPUT, BlockOffset, Level, ParallelBgzfWriter, VirtualOffset};
use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use crate::index::{Admitted, Chunk, IndexBuilder, IndexKind, Span};

const UNMAPPED: u16 = 0x4;

/// Which index a [`BamWriter`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WriteIndex {
    /// None: the records may come in any order.
    #[default]
    No,
    /// A BAI, or a CSI when a contig is longer than 2^29.
    Fitting,
    /// This one.
    Kind(IndexKind),
}

/// How a [`BamWriter`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BamWriteOptions {
    /// How hard blocks are compressed.
    pub level: Level,
    /// Threads that compress, beside the caller's; 0: the caller's does.
    pub threads: usize,
    /// Whether the records, which must then be sorted by coordinate, are indexed.
    pub index: WriteIndex,
}

/// What [`BamWriter::finish`] gives back.
#[derive(Debug)]
pub struct WrittenBam<W> {
    /// The sink, flushed.
    pub sink: W,
    /// The index that was asked for, as its file holds it.
    pub index: Option<(IndexKind, Vec<u8>)>,
    /// Records written.
    pub records: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Writes a BAM file. Records are taken as their bytes stand, so that what was read is what is written.
///
/// ```
/// use genomicframe_core::bgzf::EOF_BLOCK;
/// use genomicframe_core::formats::bam::{BamWriteOptions, BamWriter, WriteIndex};
/// use genomicframe_core::genome::{Contig, Contigs};
///
/// let mut contigs = Contigs::default();
/// contigs.push(Contig { name: "chr1".into(), length: Some(1000) });
/// let options = BamWriteOptions { index: WriteIndex::Fitting, threads: 2, ..BamWriteOptions::default() };
/// let writer = BamWriter::new(Vec::new(), "@HD\tVN:1.6\tSO:coordinate\n", &contigs, options)?;
/// let written = writer.finish()?;
/// assert!(written.sink.ends_with(&EOF_BLOCK));
/// assert!(written.index.is_some_and(|(_, bytes)| bytes.starts_with(b"BAI")));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug)]
pub struct BamWriter<W> {
    blocks: ParallelBgzfWriter<W>,
    contigs: usize,
    records: u64,
    index: Option<Indexing>,
}

/// Records on their way to the index: where they lie is known when their block is written.
#[derive(Debug)]
struct Indexing {
    builder: IndexBuilder,
    waiting: VecDeque<(Admitted, BlockOffset)>,
    /// Number of the next block that will be written.
    block: u64,
    /// The record before: it ends where the next one starts.
    before: Option<(Admitted, VirtualOffset)>,
}

impl Indexing {
    /// The next block begins at byte `start` of the file.
    fn block_at(&mut self, start: u64) {
        while let Some((record, place)) = self.waiting.pop_front_if(|(_, place)| place.block == self.block) {
            let at = place.at(start);
            self.end_before(at);
            self.before = Some((record, at));
        }
        self.block += 1;
    }

    fn end_before(&mut self, stop: VirtualOffset) {
        if let Some((record, start)) = self.before.take() {
            self.builder.add(record, Chunk { start, stop });
        }
    }
}

impl<W: Write> BamWriter<W> {
    /// Writes the header: `text` as it is, then `contigs`, which records refer to by number.
    ///
    /// # Errors
    /// When the header cannot be stored, no such index can be made, or writing fails.
    pub fn new(sink: W, text: &str, contigs: &Contigs, options: BamWriteOptions) -> Result<Self> {
        let header = header(text, contigs)?;
        let builder = match options.index {
            WriteIndex::No => None,
            WriteIndex::Fitting => Some(IndexBuilder::new(contigs, None)?),
            WriteIndex::Kind(kind) => Some(IndexBuilder::new(contigs, Some(kind))?),
        };
        let waiting = VecDeque::new();
        let index = builder.map(|builder| Indexing { builder, waiting, block: 0, before: None });
        let mut blocks = ParallelBgzfWriter::new(sink, options.level, options.threads)?;
        for piece in header.chunks(BLOCK_INPUT) {
            blocks.push(piece)?;
        }
        // The first record begins a block, so that a reader of records need not inflate the header.
        blocks.end_block()?;
        Ok(Self { blocks, contigs: contigs.len(), records: 0, index })
    }

    /// Writes `records`, any number of whole ones, each with its `block_size` before it.
    ///
    /// # Errors
    /// When one is no record, refers to a contig that is not in the header, or cannot be indexed where it stands: those
    /// before it are written, it is not, and others may follow. When writing failed, now or earlier: nothing may follow.
    pub fn write_records(&mut self, mut records: &[u8]) -> Result<()> {
        while !records.is_empty() {
            let len = record_len(records).map_err(|e| e.in_record(self.records + 1))?;
            let (record, rest) = records.split_at(len);
            let admitted = self.check(record).map_err(|e| e.in_record(self.records + 1))?;
            let place = self.blocks.push(record)?;
            self.records += 1;
            match (&mut self.index, admitted) {
                (Some(index), Some(admitted)) => {
                    index.waiting.push_back((admitted, place));
                    for start in self.blocks.take_block_starts() {
                        index.block_at(start);
                    }
                }
                _ => drop(self.blocks.take_block_starts()),
            }
            records = rest;
        }
        Ok(())
    }

    /// `framed` is one record with its `block_size`.
    fn check(&mut self, framed: &[u8]) -> Result<Option<Admitted>> {
        let record = Record::new(framed.get(4..).unwrap_or_default(), self.contigs)?;
        let Some(index) = &mut self.index else { return Ok(None) };
        admit(&record, &mut index.builder).map(Some).map_err(|e| e.text(record.name()))
    }

    /// Records written so far.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Writes what is left, and makes the index.
    ///
    /// # Errors
    /// When writing fails, now or earlier.
    pub fn finish(mut self) -> Result<WrittenBam<W>> {
        self.blocks.flush()?;
        let end = self.blocks.written();
        let index = match self.index {
            None => None,
            Some(mut index) => {
                for start in self.blocks.take_block_starts() {
                    index.block_at(start);
                }
                index.end_before(VirtualOffset::new(end, 0));
                Some((index.builder.kind(), index.builder.finish()?))
            }
        };
        let sink = self.blocks.finish()?;
        let bytes = end + crate::bgzf::EOF_BLOCK.len() as u64;
        Ok(WrittenBam { sink, index, records: self.records, bytes })
    }
}

/// The length of the record that `bytes` begin with, which is not beyond them.
fn record_len(bytes: &[u8]) -> Result<usize> {
    let len = frame(bytes, true, i32::MAX as usize)?;
    len.ok_or_else(|| Error::corrupt("it is cut short").field("block_size"))
}

/// As htslib places it: an unmapped record covers its position only, and so does one that aligns nothing.
fn admit(record: &Record<'_>, builder: &mut IndexBuilder) -> Result<Admitted> {
    let mapped = record.flag() & UNMAPPED == 0;
    let start = record.pos().map_or(-1, |pos| pos - 1);
    let covered = if mapped { record.cigar()?.lengths()?.0 } else { 0 };
    builder.admit(Span { contig: record.contig(), start, end: start + covered.max(1), mapped })
}

fn header(text: &str, contigs: &Contigs) -> Result<Vec<u8>> {
    let mut out = MAGIC.to_vec();
    put_length(text.len(), "l_text", &mut out)?;
    out.extend_from_slice(text.as_bytes());
    put_length(contigs.len(), "n_ref", &mut out)?;
    for (id, Contig { name, length }) in contigs.iter().enumerate() {
        if name.is_empty() || name.contains('\0') {
            return Err(Error::invalid(format!("contig {id} has a name that BAM cannot hold")).text(name.as_bytes()));
        }
        if contigs.get(name) != Some(id) {
            return Err(Error::invalid(format!("contig {name} is in the dictionary twice")));
        }
        let length = length.ok_or_else(|| Error::invalid(format!("contig {name} has no length, which BAM needs")))?;
        put_length(name.len() + 1, "l_name", &mut out)?;
        out.extend_from_slice(name.as_bytes());
        out.push(0);
        put_length(usize::try_from(length).unwrap_or(usize::MAX), "l_ref", &mut out)?;
    }
    Ok(out)
}

fn put_length(n: usize, field: &str, out: &mut Vec<u8>) -> Result<()> {
    let n = i32::try_from(n).map_err(|_| Error::limit(format!("{n} is more than BAM can hold")).field(field))?;
    out.extend_from_slice(&n.to_le_bytes());
    Ok(())
}
