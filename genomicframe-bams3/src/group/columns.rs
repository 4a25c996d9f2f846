//! Records taken apart into columns.

use std::collections::BTreeMap;

use genomicframe_core::alignment::{Record, cigar};
use genomicframe_core::{Error, Result};

use super::tags::{Layouts, TagsBuilder, Values};
use crate::codec::cigars::{Cigars, CigarsBuilder};
use crate::codec::strings::Strings;
use crate::column::ColumnId;
use crate::metadata::Tally;

const UNMAPPED: u16 = 0x4;

/// The columns of a row group, as they stand before encoding. All have a value per row.
#[derive(Debug, Default)]
pub struct Columns {
    /// Numbers of the contigs, -1 for none.
    pub contigs: Vec<i32>,
    /// 0-based, -1 for none.
    pub starts: Vec<i64>,
    /// Reference bases from start to end, at least 1.
    pub spans: Vec<i64>,
    /// SAM flags.
    pub flags: Vec<u16>,
    /// Mapping qualities.
    pub mapqs: Vec<u8>,
    /// Bases.
    pub lengths: Vec<u32>,
    /// Numbers of the mates' contigs.
    pub next_contigs: Vec<i32>,
    /// The mates' starts, 0-based.
    pub next_starts: Vec<i64>,
    /// Template lengths.
    pub tlens: Vec<i32>,
    /// Read names.
    pub names: Strings,
    /// CIGARs, long ones too.
    pub cigars: Cigars,
    /// 4-bit base codes, a byte each, of all rows.
    pub bases: Vec<u8>,
    /// Phred scores as BAM stores them, of all rows.
    pub qualities: Vec<u8>,
    /// Which tags each row has.
    pub layouts: Layouts,
    /// Their values.
    pub tags: BTreeMap<ColumnId, Values>,
}

impl Columns {
    /// Takes apart `records`, each a BAM record without its `block_size`.
    ///
    /// # Errors
    /// When one is malformed.
    pub fn of<'a>(records: impl Iterator<Item = &'a [u8]>, contigs: usize) -> Result<Self> {
        let mut columns = Self::default();
        let mut cigars = CigarsBuilder::default();
        let mut tags = TagsBuilder::default();
        for bytes in records {
            let record = Record::new(bytes, contigs)?;
            columns.push(&record, &mut cigars, &mut tags)?;
        }
        columns.cigars = cigars.finish();
        (columns.layouts, columns.tags) = tags.finish();
        Ok(columns)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.starts.len()
    }

    /// Their bases, and the rows per contig and flag.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally { bases: self.lengths.iter().map(|n| u64::from(*n)).sum(), ..Tally::default() };
        for contig in &self.contigs {
            *tally.contigs.entry(*contig).or_default() += 1;
        }
        for flag in &self.flags {
            *tally.flags.entry(*flag).or_default() += 1;
        }
        tally
    }

    fn push(&mut self, record: &Record<'_>, cigars: &mut CigarsBuilder, tags: &mut TagsBuilder) -> Result<()> {
        let id = |contig: Option<usize>| contig.map_or(-1, |c| c as i32);
        let start = record.pos().map_or(-1, |p| p - 1);
        // A CIGAR that does not cover its sequence is kept as it is: this format loses nothing, it does not judge.
        let ops = record.cigar()?;
        let (span, _) = ops.lengths()?;
        let is_mapped = record.flag() & UNMAPPED == 0;
        self.contigs.push(id(record.contig()));
        self.starts.push(start);
        self.spans.push(if is_mapped { span.max(1) } else { 1 });
        self.flags.push(record.flag());
        self.mapqs.push(record.mapq());
        let length = record.sequence_length();
        self.lengths.push(u32::try_from(length).map_err(|_| Error::limit("a sequence is too long").field("l_seq"))?);
        self.next_contigs.push(id(record.mate_contig()));
        self.next_starts.push(record.mate_pos().map_or(-1, |p| p - 1));
        self.tlens.push(record.template_length());
        self.names.push(record.name());
        cigars.push(ops.packed());
        let before = self.bases.len();
        self.bases.reserve(length + 1);
        for pair in record.packed_sequence() {
            self.bases.extend([pair >> 4, pair & 0xf]);
        }
        self.bases.truncate(before + length);
        self.qualities.extend_from_slice(record.stored_qualities());
        tags.push(record.tags(), ops.is_from_tag().then_some(cigar::LONG_TAG))
    }
}
