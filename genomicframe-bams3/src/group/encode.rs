//! Columns to pages, and the statistics that prune them.

use std::collections::BTreeSet;

use genomicframe_core::Result;

use super::columns::Columns;
use super::tags::{Values, encode_layouts, encode_values};
use crate::Preset;
use crate::codec::consensus::Vote;
use crate::codec::layout::{Cigars as RowCigars, Layout, begins};
use crate::codec::links;
use crate::codec::mates::{self, Rows};
use crate::codec::mismatches::{self, Expected};
use crate::codec::packed::LETTERS;
use crate::codec::stream::{Packer, Unpacker};
use crate::codec::{bases, cigars, ints, mate_cigar, names, quality};
use crate::column::ColumnId;
use crate::index::GroupStats;

/// Encodings of pages (specification §5), as numbered on disk.
pub mod encoding {
    /// Integers.
    pub const INTS: u8 = 1;
    /// Mates' places.
    pub const MATES: u8 = 2;
    /// Template lengths.
    pub const TLEN: u8 = 3;
    /// CIGAR dictionary.
    pub const CIGARS: u8 = 4;
    /// Tokenised names.
    pub const NAMES: u8 = 5;
    /// Consensus.
    pub const CONSENSUS: u8 = 6;
    /// Differences from the consensus.
    pub const BASES: u8 = 7;
    /// Qualities.
    pub const QUALITY: u8 = 8;
    /// Layouts of tags.
    pub const LAYOUT: u8 = 9;
    /// Values of a tag.
    pub const VALUES: u8 = 10;
    /// CIGARs of mates as text, told by the mate in the group.
    pub const MATE_CIGAR: u8 = 11;
    /// `MD` values, told by the consensus.
    pub const MISMATCHES: u8 = 12;
    /// `NM` values, told by the consensus.
    pub const EDITS: u8 = 13;
}

/// A page ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPage {
    /// Its column.
    pub column: ColumnId,
    /// How it is encoded.
    pub encoding: u8,
    /// As stored.
    pub bytes: Vec<u8>,
}

/// A row group ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedGroup {
    /// What is known of its rows.
    pub stats: GroupStats,
    /// By column number.
    pub pages: Vec<EncodedPage>,
}

impl EncodedGroup {
    /// Bytes of all pages.
    pub fn bytes(&self) -> usize {
        self.pages.iter().map(|p| p.bytes.len()).sum()
    }
}

/// The tag that repeats the mate's CIGAR.
pub const MATE_CIGAR_TAG: ColumnId = ColumnId(u32::from_be_bytes([b'M', b'C', b'Z', 0]));
/// The tag that tells of the reference where a read differs from it.
const MISMATCHES_TAG: ColumnId = ColumnId(u32::from_be_bytes([b'M', b'D', b'Z', 0]));
/// The tag that names the read group.
const READ_GROUP_TAG: ColumnId = ColumnId(u32::from_be_bytes([b'R', b'G', b'Z', 0]));

/// Encodes `columns`.
///
/// # Errors
/// When a codec fails.
pub fn encode(columns: &Columns, packer: &mut Packer) -> Result<EncodedGroup> {
    let mut pages = Pages { pages: Vec::new(), packer };
    let c = columns;
    let stats = stats(c);
    let wide = |list: &[u32]| list.iter().map(|n| i64::from(*n)).collect::<Vec<_>>();
    if stats.contig_first != stats.contig_last {
        pages.ints(ColumnId::CONTIG, &c.contigs.iter().map(|n| i64::from(*n)).collect::<Vec<_>>())?;
    }
    pages.ints(ColumnId::START, &c.starts)?;
    pages.ints(ColumnId::SPAN, &c.spans)?;
    pages.ints(ColumnId::FLAG, &c.flags.iter().map(|n| i64::from(*n)).collect::<Vec<_>>())?;
    pages.ints(ColumnId::MAPQ, &c.mapqs.iter().map(|n| i64::from(*n)).collect::<Vec<_>>())?;
    pages.ints(ColumnId::LENGTH, &wide(&c.lengths))?;
    let (links, names) = links::find(&c.names);
    let mates = links::mates(&links, &c.flags);
    let rows = Rows { contigs: &c.contigs, starts: &c.starts, spans: &c.spans, flags: &c.flags, mates: &mates };
    pages.ints(ColumnId::LINK, &wide(&links))?;
    pages.add(ColumnId::MATE, encoding::MATES, |p, out| {
        mates::encode_places(rows, &c.next_contigs, &c.next_starts, p, out)
    })?;
    pages
        .add(ColumnId::TLEN, encoding::TLEN, |p, out| mates::encode_lengths(rows, &c.next_starts, &c.tlens, p, out))?;
    pages.add(ColumnId::CIGAR, encoding::CIGARS, |p, out| cigars::encode(&c.cigars, p, out))?;
    pages.add(ColumnId::NAME, encoding::NAMES, |p, out| names::encode(&names, p, out))?;
    let unmapped: Vec<bool> = c.flags.iter().map(|f| f & 4 != 0).collect();
    let (ops, ends) = c.cigars.rows();
    let layout = Layout {
        contigs: &c.contigs,
        starts: &c.starts,
        cigars: RowCigars { ops: &ops, ends: &ends },
        lengths: &c.lengths,
        unmapped: &unmapped,
    };
    let mut consensus = Vec::new();
    let mut differences = Vec::new();
    // Told by the consensus, these tags cost next to nothing, but reading them takes the bases.
    let by_consensus = pages.packer.level().preset() == Preset::Small && c.tags.contains_key(&MISMATCHES_TAG);
    let (votes, deleted) = if by_consensus { reference_votes(c, &ops, &ends) } else { (Vec::new(), Vec::new()) };
    let votes = if by_consensus { &votes } else { &c.bases };
    bases::encode_with_votes(&layout, &c.bases, votes, &deleted, pages.packer, &mut consensus, &mut differences)?;
    let letters: Vec<u8> =
        if by_consensus { c.bases.iter().map(|code| LETTERS[usize::from(*code & 15)]).collect() } else { Vec::new() };
    let expected = match by_consensus {
        true => Some(Expected::new(&layout, &consensus, &letters, &mut Unpacker::new()?)?),
        false => None,
    };
    pages.push(ColumnId::CONSENSUS, encoding::CONSENSUS, consensus);
    pages.push(ColumnId::BASES, encoding::BASES, differences);
    pages.add(ColumnId::QUALITY, encoding::QUALITY, |p, out| quality::encode(&c.qualities, &c.lengths, p, out))?;
    pages.add(ColumnId::LAYOUT, encoding::LAYOUT, |p, out| encode_layouts(&c.layouts, p, out))?;
    for (id, values) in &c.tags {
        let Some(kind) = id.as_tag() else { continue };
        match values {
            Values::Text(texts) if *id == MATE_CIGAR_TAG => {
                let owners = mate_cigar::owners(&c.layouts, kind);
                let expected = mate_cigar::Expected { cigars: &c.cigars, mates: &mates, owners: &owners };
                pages.add(*id, encoding::MATE_CIGAR, |p, out| mate_cigar::encode(expected, texts, p, out))?;
            }
            Values::Text(texts)
                if *id == MISMATCHES_TAG
                    && let Some(of) = &expected =>
            {
                let owners = mate_cigar::owners(&c.layouts, kind);
                pages.add(*id, encoding::MISMATCHES, |p, out| mismatches::encode_md(of, &owners, texts, p, out))?;
            }
            Values::Ints(numbers)
                if kind.key == *b"NM"
                    && kind.of != b'f'
                    && let Some(of) = &expected =>
            {
                let owners = mate_cigar::owners(&c.layouts, kind);
                pages.add(*id, encoding::EDITS, |p, out| mismatches::encode_nm(of, &owners, numbers, p, out))?;
            }
            _ => pages.add(*id, encoding::VALUES, |p, out| encode_values(kind, values, p, out))?,
        }
    }
    Ok(EncodedGroup { stats, pages: pages.pages })
}

/// The bases of all rows, with the reference's in their place where `MD` tells of them, and those that reads delete.
fn reference_votes(c: &Columns, ops: &[u32], ends: &[u32]) -> (Vec<u8>, Vec<Vote>) {
    let (mut votes, mut deleted) = (c.bases.clone(), Vec::new());
    let (Some(Values::Text(values)), Some(kind)) = (c.tags.get(&MISMATCHES_TAG), MISMATCHES_TAG.as_tag()) else {
        return (votes, deleted);
    };
    let begins = begins(&c.lengths);
    for (value, row) in mate_cigar::owners(&c.layouts, kind).into_iter().enumerate() {
        let row = row as usize;
        let from = if row == 0 { 0 } else { ends[row - 1] as usize };
        let bases = begins[row]..begins[row] + c.lengths[row] as usize;
        let (at, ops) = ((c.contigs[row], c.starts[row]), &ops[from..ends[row] as usize]);
        mismatches::put_reference(at, ops, values.get(value), &mut votes[bases], &mut deleted);
    }
    (votes, deleted)
}

struct Pages<'a> {
    pages: Vec<EncodedPage>,
    packer: &'a mut Packer,
}

impl Pages<'_> {
    fn push(&mut self, column: ColumnId, encoding: u8, bytes: Vec<u8>) {
        self.pages.push(EncodedPage { column, encoding, bytes });
    }

    fn add(
        &mut self,
        column: ColumnId,
        encoding: u8,
        write: impl FnOnce(&mut Packer, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        write(self.packer, &mut bytes)?;
        self.push(column, encoding, bytes);
        Ok(())
    }

    fn ints(&mut self, column: ColumnId, values: &[i64]) -> Result<()> {
        self.add(column, encoding::INTS, |p, out| ints::encode(values, p, out))
    }
}

/// Most read groups that are listed of a row group.
const MOST_READ_GROUPS: usize = 32;

/// What is known of all rows of `c`.
pub(crate) fn stats(c: &Columns) -> GroupStats {
    let mut s = GroupStats::new(c.rows() as u32);
    s.contig_first = c.contigs.first().copied().unwrap_or(-1);
    s.contig_last = c.contigs.last().copied().unwrap_or(-1);
    s.start_first = c.starts.first().copied().unwrap_or(-1);
    s.start_last = c.starts.last().copied().unwrap_or(-1);
    for row in 0..c.rows() {
        s.add(c.contigs[row], c.starts[row], c.spans[row], c.flags[row], c.mapqs[row], c.tlens[row], c.lengths[row]);
    }
    s.read_groups = match c.tags.get(&READ_GROUP_TAG) {
        Some(Values::Text(values)) => {
            let mut distinct = BTreeSet::new();
            for value in values.iter() {
                if distinct.len() <= MOST_READ_GROUPS && !distinct.contains(value) {
                    distinct.insert(value);
                }
            }
            // Sorted as text, as they are looked up: replaced bytes change the order.
            let names = || distinct.iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect::<BTreeSet<_>>();
            (distinct.len() <= MOST_READ_GROUPS).then(|| names().into_iter().collect())
        }
        _ => Some(Vec::new()),
    };
    // Read groups are text; what other types say is not listed.
    if c.tags.keys().any(|id| *id != READ_GROUP_TAG && id.as_tag().is_some_and(|kind| kind.key == *b"RG")) {
        s.read_groups = None;
    }
    s
}
