//! Pages to columns: each once, and only when asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use genomicframe_core::{Error, Offset, Result};

use super::encode::{MATE_CIGAR_TAG, encoding};
use super::tags::{Layouts, Values, checked, decode_layouts, decode_values};
use crate::chunk::crc32;
use crate::codec::cigars::Cigars;
use crate::codec::layout::{Cigars as RowCigars, Layout};
use crate::codec::links;
use crate::codec::mates::{self, Rows};
use crate::codec::mismatches::{self, Expected};
use crate::codec::stream::{Input, Unpacker};
use crate::codec::strings::Strings;
use crate::codec::{bases, cigars, ints, mate_cigar, names, quality};
use crate::column::{ColumnId, TagKind};
use crate::index::{GroupEntry, PageEntry};

/// What of a row is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Contig.
    Contig,
    /// Start.
    Start,
    /// End.
    End,
    /// Flag.
    Flag,
    /// Mapping quality.
    Mapq,
    /// Read name.
    Name,
    /// CIGAR.
    Cigar,
    /// Contig and start of the mate.
    Mate,
    /// Template length.
    Tlen,
    /// Bases.
    Bases,
    /// Qualities.
    Quality,
    /// The tag of this key.
    Tag([u8; 2]),
    /// All tags.
    Tags,
}

impl Part {
    /// All that a record is made from.
    pub const RECORD: [Self; 12] = [
        Self::Contig,
        Self::Start,
        Self::End,
        Self::Flag,
        Self::Mapq,
        Self::Name,
        Self::Cigar,
        Self::Mate,
        Self::Tlen,
        Self::Bases,
        Self::Quality,
        Self::Tags,
    ];

    /// The columns of `group` that it is made from.
    pub fn columns(self, group: &GroupEntry, out: &mut BTreeSet<ColumnId>) {
        use ColumnId as C;
        let fixed: &[ColumnId] = match self {
            Self::Contig => &[C::CONTIG],
            Self::Start => &[C::START],
            Self::End => &[C::START, C::SPAN],
            Self::Flag => &[C::FLAG],
            Self::Mapq => &[C::MAPQ],
            Self::Name => &[C::LINK, C::NAME],
            Self::Cigar => &[C::CIGAR],
            Self::Mate => &[C::CONTIG, C::START, C::FLAG, C::LINK, C::MATE],
            Self::Tlen => &[C::CONTIG, C::START, C::SPAN, C::FLAG, C::LINK, C::MATE, C::TLEN],
            Self::Bases => &[C::CONTIG, C::START, C::FLAG, C::LENGTH, C::CIGAR, C::CONSENSUS, C::BASES],
            Self::Quality => &[C::LENGTH, C::QUALITY],
            Self::Tag(_) | Self::Tags => &[C::LAYOUT],
        };
        out.extend(fixed.iter().filter(|c| group.page(**c).is_some()));
        for page in &group.pages {
            let Some(kind) = page.column.as_tag() else { continue };
            if self == Self::Tags || self == Self::Tag(kind.key) {
                out.insert(page.column);
                match page.encoding {
                    encoding::MATE_CIGAR => out.extend([C::FLAG, C::LINK, C::CIGAR]),
                    encoding::MISMATCHES | encoding::EDITS => Self::Bases.columns(group, out),
                    _ => {}
                }
            }
        }
    }
}

/// A row group of which some pages are at hand.
#[derive(Debug)]
pub struct GroupReader<'a> {
    entry: &'a GroupEntry,
    pages: BTreeMap<ColumnId, Bytes>,
    unpacker: &'a mut Unpacker,
    is_checked: bool,
    contigs: Option<Arc<Vec<i32>>>,
    starts: Option<Arc<Vec<i64>>>,
    spans: Option<Arc<Vec<i64>>>,
    flags: Option<Arc<Vec<u16>>>,
    lengths: Option<Arc<Vec<u32>>>,
    links: Option<Arc<Vec<u32>>>,
    mates: Option<Arc<Vec<u32>>>,
    places: Option<Arc<(Vec<i32>, Vec<i64>)>>,
    cigars: Option<Arc<Cigars>>,
    bases: Option<Arc<Vec<u8>>>,
    layouts: Option<Arc<Layouts>>,
    tag_counts: Option<Arc<BTreeMap<ColumnId, usize>>>,
}

impl<'a> GroupReader<'a> {
    /// Reads `entry`'s pages with `unpacker`.
    pub fn new(entry: &'a GroupEntry, unpacker: &'a mut Unpacker) -> Self {
        Self {
            entry,
            pages: BTreeMap::new(),
            unpacker,
            is_checked: false,
            contigs: None,
            starts: None,
            spans: None,
            flags: None,
            lengths: None,
            links: None,
            mates: None,
            places: None,
            cigars: None,
            bases: None,
            layouts: None,
            tag_counts: None,
        }
    }

    /// The same, but rows that are not what the index says of them are an error.
    #[must_use]
    pub fn checked(self) -> Self {
        Self { is_checked: true, ..self }
    }

    /// Takes a page's bytes, as stored.
    ///
    /// # Errors
    /// When their checksum is not the index's.
    pub fn put(&mut self, page: &PageEntry, bytes: Bytes) -> Result<()> {
        if crc32(&bytes) != page.crc {
            return Err(Error::corrupt("the checksum of a page differs")
                .field(page.column.name())
                .at(Offset::Byte(page.offset))
                .hint("the object was damaged, or is another one's"));
        }
        self.pages.insert(page.column, bytes);
        Ok(())
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.entry.stats.rows as usize
    }

    /// The entry in the index.
    pub fn entry(&self) -> &'a GroupEntry {
        self.entry
    }

    fn page(&self, column: ColumnId, expected: u8) -> Result<Bytes> {
        let page = self.entry.page(column).zip(self.pages.get(&column));
        let (entry, bytes) =
            page.ok_or_else(|| Error::corrupt("a page that is needed is missing").field(column.name()))?;
        if entry.encoding != expected {
            return Err(Error::unsupported(format!("page encoding {} is not known to this version", entry.encoding))
                .field(column.name())
                .hint("a newer program wrote it"));
        }
        Ok(bytes.clone())
    }

    /// Decodes a page to its end, naming its column in errors.
    fn decode<T>(
        &mut self,
        column: ColumnId,
        expected: u8,
        read: impl FnOnce(&mut Input<'_>, &mut Unpacker) -> Result<T>,
    ) -> Result<T> {
        let bytes = self.page(column, expected)?;
        let mut input = Input::new(&bytes);
        let at = self.entry.page(column).map_or(0, |p| p.offset);
        let read = read(&mut input, self.unpacker).and_then(|value| input.end().map(|()| value));
        read.map_err(|e| e.field(column.name()).at(Offset::Byte(at)))
    }

    /// Integers that fit `T`.
    fn ints<T: TryFrom<i64> + Copy>(&mut self, column: ColumnId) -> Result<Vec<T>> {
        let rows = self.rows();
        let fit = self.decode(column, encoding::INTS, |input, u| ints::decode_as(input, rows, u))?;
        fit.ok_or_else(|| Error::corrupt("a number beyond its column's range").field(column.name()))
    }

    /// The one contig that all rows lie on, if that is known without a page.
    pub fn only_contig(&self) -> Option<i32> {
        let stats = &self.entry.stats;
        let is_one = self.entry.page(ColumnId::CONTIG).is_none() && stats.contig_first == stats.contig_last;
        is_one.then_some(stats.contig_first)
    }

    /// Numbers of the contigs, -1 for none.
    ///
    /// # Errors
    /// When the page is missing or broken.
    pub fn contigs(&mut self) -> Result<Arc<Vec<i32>>> {
        if self.contigs.is_none() {
            let contigs = match self.only_contig() {
                Some(contig) => vec![contig; self.rows()],
                None => self.ints(ColumnId::CONTIG)?,
            };
            if self.is_checked {
                self.entry.stats.check_contigs(&contigs)?;
            }
            self.contigs = Some(Arc::new(contigs));
        }
        Ok(self.contigs.clone().unwrap_or_default())
    }

    /// The contigs by which it is told which rows have a place, none where all have; `None` where nothing is to be compared, or
    /// their page is not at hand.
    fn contigs_to_compare(&mut self) -> Result<Option<Arc<Vec<i32>>>> {
        if !self.is_checked {
            return Ok(None);
        }
        if self.entry.stats.is_placed() {
            return Ok(Some(Arc::default()));
        }
        let known = self.only_contig().is_some() || self.pages.contains_key(&ColumnId::CONTIG);
        if known { self.contigs().map(Some) } else { Ok(None) }
    }

    /// 0-based starts, -1 for none.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn starts(&mut self) -> Result<Arc<Vec<i64>>> {
        if self.starts.is_none() {
            let starts: Vec<i64> = self.ints(ColumnId::START)?;
            if let Some(bad) = starts.iter().find(|s| !(-1..=i64::from(i32::MAX)).contains(*s)) {
                return Err(Error::corrupt(format!("{bad} is no position")).field("start"));
            }
            if let Some(contigs) = self.contigs_to_compare()? {
                self.entry.stats.check_starts(&contigs, &starts)?;
            }
            self.starts = Some(Arc::new(starts));
        }
        Ok(self.starts.clone().unwrap_or_default())
    }

    /// Reference bases from start to end.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn spans(&mut self) -> Result<Arc<Vec<i64>>> {
        if self.spans.is_none() {
            let spans: Vec<i64> = self.ints(ColumnId::SPAN)?;
            if let Some(bad) = spans.iter().find(|s| !(1..=1 << 60).contains(*s)) {
                return Err(Error::corrupt(format!("{bad} is no span")).field("span"));
            }
            if self.pages.contains_key(&ColumnId::START)
                && let Some(contigs) = self.contigs_to_compare()?
            {
                let starts = self.starts()?;
                self.entry.stats.check_ends(&contigs, &starts, &spans)?;
            }
            self.spans = Some(Arc::new(spans));
        }
        Ok(self.spans.clone().unwrap_or_default())
    }

    /// SAM flags.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn flags(&mut self) -> Result<Arc<Vec<u16>>> {
        if self.flags.is_none() {
            let flags: Vec<u16> = self.ints(ColumnId::FLAG)?;
            if self.is_checked {
                self.entry.stats.check_flags(&flags)?;
            }
            self.flags = Some(Arc::new(flags));
        }
        Ok(self.flags.clone().unwrap_or_default())
    }

    /// Mapping qualities.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn mapqs(&mut self) -> Result<Vec<u8>> {
        let mapqs: Vec<u8> = self.ints(ColumnId::MAPQ)?;
        if self.is_checked {
            self.entry.stats.check_mapqs(&mapqs)?;
        }
        Ok(mapqs)
    }

    /// Bases of each row. Their sum is bounded.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn lengths(&mut self) -> Result<Arc<Vec<u32>>> {
        if self.lengths.is_none() {
            let lengths: Vec<u32> = self.ints(ColumnId::LENGTH)?;
            if lengths.iter().map(|n| u64::from(*n)).sum::<u64>() > crate::codec::stream::LONGEST as u64 {
                return Err(Error::limit("a row group of more than 1 Gi bases").field("length"));
            }
            if self.is_checked {
                self.entry.stats.check_lengths(&lengths)?;
            }
            self.lengths = Some(Arc::new(lengths));
        }
        Ok(self.lengths.clone().unwrap_or_default())
    }

    fn links(&mut self) -> Result<Arc<Vec<u32>>> {
        if self.links.is_none() {
            let links: Vec<i64> = self.ints(ColumnId::LINK)?;
            self.links = Some(Arc::new(links::check(&links)?));
        }
        Ok(self.links.clone().unwrap_or_default())
    }

    /// The names that rows have, and which one each has.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn names(&mut self) -> Result<(Strings, Vec<u32>)> {
        let links = self.links()?;
        let (ids, distinct) = links::name_ids(&links);
        let names = self.decode(ColumnId::NAME, encoding::NAMES, |input, u| names::decode(input, distinct, u))?;
        Ok((names, ids))
    }

    fn mates(&mut self) -> Result<Arc<Vec<u32>>> {
        if self.mates.is_none() {
            let (links, flags) = (self.links()?, self.flags()?);
            self.mates = Some(Arc::new(links::mates(&links, &flags)));
        }
        Ok(self.mates.clone().unwrap_or_default())
    }

    /// Contigs and 0-based starts of the mates.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn places(&mut self) -> Result<Arc<(Vec<i32>, Vec<i64>)>> {
        if self.places.is_none() {
            let (contigs, starts, flags, mates) = (self.contigs()?, self.starts()?, self.flags()?, self.mates()?);
            let rows = Rows { contigs: &contigs, starts: &starts, spans: &[], flags: &flags, mates: &mates };
            let places =
                self.decode(ColumnId::MATE, encoding::MATES, |input, u| mates::decode_places(rows, input, u))?;
            self.places = Some(Arc::new(places));
        }
        Ok(self.places.clone().unwrap_or_default())
    }

    /// Template lengths.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn tlens(&mut self) -> Result<Vec<i32>> {
        let (contigs, starts, spans) = (self.contigs()?, self.starts()?, self.spans()?);
        let (flags, mates, places) = (self.flags()?, self.mates()?, self.places()?);
        let rows = Rows { contigs: &contigs, starts: &starts, spans: &spans, flags: &flags, mates: &mates };
        let tlens =
            self.decode(ColumnId::TLEN, encoding::TLEN, |input, u| mates::decode_lengths(rows, &places.1, input, u))?;
        if self.is_checked {
            self.entry.stats.check_tlens(&tlens)?;
        }
        Ok(tlens)
    }

    /// CIGARs.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn cigars(&mut self) -> Result<Arc<Cigars>> {
        if self.cigars.is_none() {
            let rows = self.rows();
            let cigars = self.decode(ColumnId::CIGAR, encoding::CIGARS, |input, u| cigars::decode(input, rows, u))?;
            self.cigars = Some(Arc::new(cigars));
        }
        Ok(self.cigars.clone().unwrap_or_default())
    }

    /// The values of `MD` and `NM`, where the consensus tells of them.
    fn told_by_consensus(&mut self, column: ColumnId, kind: TagKind) -> Result<Values> {
        let owners = mate_cigar::owners(&*self.layouts()?, kind);
        let bases = self.bases()?;
        let (contigs, starts, flags) = (self.contigs()?, self.starts()?, self.flags()?);
        let (lengths, cigars) = (self.lengths()?, self.cigars()?);
        let unmapped: Vec<bool> = flags.iter().map(|f| f & 4 != 0).collect();
        let (ops, ends) = cigars.rows();
        let cigars = RowCigars { ops: &ops, ends: &ends };
        let layout = Layout { contigs: &contigs, starts: &starts, cigars, lengths: &lengths, unmapped: &unmapped };
        let consensus = self.page(ColumnId::CONSENSUS, encoding::CONSENSUS)?;
        let of = Expected::new(&layout, &consensus, &bases, self.unpacker)?;
        if kind.of == b'Z' {
            let read = |input: &mut Input<'_>, u: &mut Unpacker| mismatches::decode_md(&of, &owners, input, u);
            return self.decode(column, encoding::MISMATCHES, read).map(Values::Text);
        }
        let read = |input: &mut Input<'_>, u: &mut Unpacker| mismatches::decode_nm(&of, &owners, input, u);
        let values = self.decode(column, encoding::EDITS, read)?;
        checked(kind.of, values).map(Values::Ints)
    }

    /// Bases of all rows as text.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn bases(&mut self) -> Result<Arc<Vec<u8>>> {
        if self.bases.is_none() {
            self.bases = Some(Arc::new(self.decode_bases()?));
        }
        Ok(self.bases.clone().unwrap_or_default())
    }

    fn decode_bases(&mut self) -> Result<Vec<u8>> {
        let (contigs, starts, flags) = (self.contigs()?, self.starts()?, self.flags()?);
        let (lengths, cigars) = (self.lengths()?, self.cigars()?);
        let unmapped: Vec<bool> = flags.iter().map(|f| f & 4 != 0).collect();
        let (ops, ends) = cigars.rows();
        let layout = Layout {
            contigs: &contigs,
            starts: &starts,
            cigars: RowCigars { ops: &ops, ends: &ends },
            lengths: &lengths,
            unmapped: &unmapped,
        };
        let consensus = self.page(ColumnId::CONSENSUS, encoding::CONSENSUS)?;
        let page = self.page(ColumnId::BASES, encoding::BASES)?;
        let at = self.entry.page(ColumnId::BASES).map_or(0, |p| p.offset);
        let bases = bases::decode(&layout, &consensus, &page, self.unpacker);
        bases.map_err(|e| e.field(ColumnId::BASES.name()).at(Offset::Byte(at)))
    }

    /// Qualities of all rows, `add` added to each.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn qualities(&mut self, add: u8) -> Result<quality::Scores> {
        let lengths = self.lengths()?;
        self.decode(ColumnId::QUALITY, encoding::QUALITY, |input, u| quality::decode(input, &lengths, add, u))
    }

    /// Which tags the rows have.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn layouts(&mut self) -> Result<Arc<Layouts>> {
        if self.layouts.is_none() {
            let rows = self.rows();
            let layouts = self.decode(ColumnId::LAYOUT, encoding::LAYOUT, |input, u| decode_layouts(input, rows, u))?;
            self.layouts = Some(Arc::new(layouts));
        }
        Ok(self.layouts.clone().unwrap_or_default())
    }

    /// How many values each tag's column has.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn tag_counts(&mut self) -> Result<Arc<BTreeMap<ColumnId, usize>>> {
        if self.tag_counts.is_none() {
            self.tag_counts = Some(Arc::new(self.layouts()?.counts()));
        }
        Ok(self.tag_counts.clone().unwrap_or_default())
    }

    /// The `n` values of a tag's column.
    ///
    /// # Errors
    /// As [`GroupReader::contigs`].
    pub fn values(&mut self, column: ColumnId, n: usize) -> Result<Values> {
        let kind = column.as_tag().ok_or_else(|| Error::invalid("not a tag's column").field(column.name()))?;
        match self.entry.page(column).map(|p| p.encoding) {
            Some(encoding::MISMATCHES | encoding::EDITS) => self.told_by_consensus(column, kind),
            Some(encoding::MATE_CIGAR) if column == MATE_CIGAR_TAG => {
                let (cigars, mates, layouts) = (self.cigars()?, self.mates()?, self.layouts()?);
                let owners = mate_cigar::owners(&layouts, kind);
                let expected = mate_cigar::Expected { cigars: &cigars, mates: &mates, owners: &owners };
                let read = |input: &mut Input<'_>, u: &mut Unpacker| mate_cigar::decode(expected, input, u);
                self.decode(column, encoding::MATE_CIGAR, read).map(Values::Text)
            }
            _ => {
                let values = self.decode(column, encoding::VALUES, |input, u| decode_values(kind, input, n, u))?;
                if let Values::Text(names) = &values
                    && self.is_checked
                    && (kind.key, kind.of) == (*b"RG", b'Z')
                {
                    self.entry.stats.check_read_groups(names.iter())?;
                }
                Ok(values)
            }
        }
    }
}
