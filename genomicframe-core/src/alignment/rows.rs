//! Record bytes to columns.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Builder, Int32Builder, Int64Builder, ListBuilder, MapBuilder, RecordBatch, RecordBatchOptions,
    StringViewBuilder, UInt8Builder, UInt16Builder,
};
use arrow::datatypes::{Schema, SchemaRef};

use super::cigar::LONG_TAG;
use super::record::Record;
use super::schema::{Column, TagType};
use super::tags::{Tag, width};
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::scan::{FieldType, Fields, SpanFilter, Test, Warnings};

/// Builds the projected columns of the records that pass.
pub struct AlignmentRows {
    schema: SchemaRef,
    contigs: Arc<Contigs>,
    columns: Vec<Builder>,
    /// The tag columns' keys, and where each one's value lies in the record at hand.
    wanted: Vec<([u8; 2], TagType)>,
    found: Vec<Option<(u8, Range<usize>)>>,
    /// The keys that the record at hand has shown so far.
    keys: KeySet,
    span: Option<SpanFilter>,
    test: Test,
    scratch: Vec<u8>,
    bytes: usize,
}

enum Builder {
    Text(Column, StringViewBuilder),
    Flag(UInt16Builder),
    Mapq(UInt8Builder),
    Int(Column, Int64Builder),
    Tlen(Int32Builder),
    /// The number is the tag's place in `wanted`.
    TagInt(usize, Int64Builder),
    TagFloat(usize, Float32Builder),
    TagText(usize, StringViewBuilder),
    TagInts(usize, ListBuilder<Int64Builder>),
    TagFloats(usize, ListBuilder<Float32Builder>),
    Tags(Box<MapBuilder<StringViewBuilder, StringViewBuilder>>),
}

/// The number under which a predicate finds a column of the file: its place in the schema.
pub fn field_of(schema: &Schema, columns: &[Column]) -> impl Fn(&str) -> Option<(usize, FieldType)> {
    |name| {
        let (index, _) = schema.column_with_name(name)?;
        Some(match columns.get(index)? {
            Column::Flag => (FLAG, FieldType::Int),
            Column::Pos => (POS, FieldType::Int),
            Column::End => (END, FieldType::Int),
            Column::Mapq => (MAPQ, FieldType::Int),
            Column::Pnext => (PNEXT, FieldType::Int),
            Column::Tlen => (TLEN, FieldType::Int),
            Column::Qname => (QNAME, FieldType::Text),
            Column::Rname => (RNAME, FieldType::Text),
            Column::Rnext => (RNEXT, FieldType::Text),
            Column::Tag(key, of) => {
                let field = TAGS + usize::from(u16::from_be_bytes(*key));
                match of {
                    TagType::Int => (field, FieldType::Int),
                    TagType::Float => (field, FieldType::Float),
                    TagType::Text => (field, FieldType::Text),
                    TagType::Ints | TagType::Floats => return None,
                }
            }
            Column::Cigar | Column::Seq | Column::Qual | Column::Tags => return None,
        })
    }
}

/// `flag`
pub const FLAG: usize = 0;
/// `pos`
pub const POS: usize = 1;
/// `end`
pub const END: usize = 2;
/// `mapq`
pub const MAPQ: usize = 3;
/// `pnext`
pub const PNEXT: usize = 4;
/// `tlen`
pub const TLEN: usize = 5;
/// `qname`
pub const QNAME: usize = 6;
/// `rname`
pub const RNAME: usize = 7;
/// `rnext`
pub const RNEXT: usize = 8;
/// A tag's field is this and its two bytes as a number.
pub const TAGS: usize = 16;

/// A record's fields for predicates.
struct RawFields<'a> {
    record: Record<'a>,
    contigs: &'a Contigs,
}

impl<'a> RawFields<'a> {
    fn tag(&self, field: usize) -> Result<Option<Tag<'a>>> {
        let key = ((field - TAGS) as u16).to_be_bytes();
        self.record.tags().find(|t| !matches!(t, Ok(t) if t.key != key)).transpose()
    }
}

impl Fields for RawFields<'_> {
    fn int(&self, field: usize) -> Result<Option<i64>> {
        Ok(match field {
            FLAG => Some(self.record.flag().into()),
            POS => self.record.pos(),
            END => self.record.end()?,
            MAPQ => Some(self.record.mapq().into()),
            PNEXT => self.record.mate_pos(),
            TLEN => Some(self.record.template_length().into()),
            _ => match self.tag(field)? {
                Some(tag) => Some(tag.int().ok_or_else(|| other_type(&tag, TagType::Int))?),
                None => None,
            },
        })
    }

    fn float(&self, field: usize) -> Result<Option<f64>> {
        match self.tag(field)? {
            Some(tag) => Ok(Some(tag.float().ok_or_else(|| other_type(&tag, TagType::Float))?.into())),
            None => Ok(None),
        }
    }

    fn text(&self, field: usize) -> Result<Option<&[u8]>> {
        let name = |id: Option<usize>| id.and_then(|id| self.contigs.name(id)).map(str::as_bytes);
        Ok(match field {
            QNAME => name_of(&self.record),
            RNAME => name(self.record.contig()),
            RNEXT => name(self.record.mate_contig()),
            _ => match self.tag(field)? {
                Some(tag) => Some(tag.text().ok_or_else(|| other_type(&tag, TagType::Text))?),
                None => None,
            },
        })
    }

    fn is_unplaced(&self) -> bool {
        self.record.contig().is_none()
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        let contig = self.record.contig().and_then(|id| self.contigs.name(id));
        let (Some(contig), Some(start)) = (contig, self.record.pos()) else { return Ok(None) };
        Ok(Some((contig.as_bytes(), start, self.record.end()?.unwrap_or(start))))
    }
}

const REPEATED: &str = "a tag stands twice in a record; the first counts";

/// Which of all two-byte keys a record has, at the same cost for ten tags and for a million.
#[derive(Default)]
struct KeySet {
    bits: Vec<u64>,
    keys: Vec<u16>,
}

impl KeySet {
    /// Whether it is new.
    fn insert(&mut self, key: [u8; 2]) -> bool {
        let key = u16::from_be_bytes(key);
        let (word, bit) = (usize::from(key >> 6), 1u64 << (key & 63));
        if self.bits.is_empty() {
            self.bits = vec![0; 1 << 10];
        }
        let new = self.bits[word] & bit == 0;
        if new {
            self.bits[word] |= bit;
            self.keys.push(key);
        }
        new
    }

    fn clear(&mut self) {
        for key in self.keys.drain(..) {
            self.bits[usize::from(key >> 6)] = 0;
        }
    }
}

/// `*` and an empty name say that there is none.
fn name_of<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    Some(record.name()).filter(|name| !matches!(*name, b"" | b"*"))
}

fn other_type(tag: &Tag<'_>, expected: TagType) -> Error {
    let of = tag.array().map(|(kind, _)| format!(" of '{}'", char::from(kind))).unwrap_or_default();
    Error::corrupt(format!("its type is '{}'{of} where the column holds {expected:?}", char::from(tag.kind)))
        .field(format!("tag {}", tag.key.escape_ascii()))
        .hint("the column's type is the specification's, or that of the file's first records")
}

impl AlignmentRows {
    /// Builds `columns` of the records that overlap and pass; `schema` is theirs.
    pub fn new(
        schema: SchemaRef,
        columns: &[Column],
        contigs: Arc<Contigs>,
        span: Option<SpanFilter>,
        test: Test,
    ) -> Self {
        let mut wanted = Vec::new();
        let columns = columns.iter().map(|c| Builder::new(*c, &mut wanted)).collect();
        let found = vec![None; wanted.len()];
        let (keys, scratch) = (KeySet::default(), Vec::new());
        Self { schema, contigs, columns, wanted, found, keys, span, test, scratch, bytes: 0 }
    }

    fn passes(&mut self, record: Record<'_>) -> Result<bool> {
        if let Some(span) = &mut self.span {
            let contig = record.contig().and_then(|id| self.contigs.name(id)).map(str::as_bytes);
            let inside = match (contig, record.pos()) {
                (Some(contig), Some(start)) => span.keeps(contig, start, record.end()?.unwrap_or(start))?,
                (Some(contig), None) => span.keeps_without_position(contig),
                (None, _) => span.keeps_unplaced(),
            };
            if !inside {
                return Ok(false);
            }
        }
        self.test.passes(&RawFields { record, contigs: &self.contigs })
    }

    /// Finds the wanted tags. Of a repeated tag the first counts.
    fn find_tags(&mut self, record: &Record<'_>, all: &[u8], warnings: &mut Warnings) -> Result<()> {
        self.found.fill(None);
        self.keys.clear();
        let long_cigar = record.has_long_cigar()?;
        for tag in record.tags() {
            let tag = tag?;
            if !self.keys.insert(tag.key) {
                warnings.add(REPEATED);
                continue;
            }
            if long_cigar && tag.key == LONG_TAG {
                continue;
            }
            if let Some(i) = self.wanted.iter().position(|(key, _)| *key == tag.key) {
                let start = tag.value.as_ptr().addr() - all.as_ptr().addr();
                self.found[i] = Some((tag.kind, start..start + tag.value.len()));
            }
        }
        Ok(())
    }

    fn build(&mut self, record: &Record<'_>, all: &[u8], warnings: &mut Warnings) -> Result<()> {
        let Self { contigs, columns, wanted, found, keys, scratch, .. } = self;
        let contig = |id: Option<usize>| id.and_then(|id| contigs.name(id));
        let tag = |i: usize| {
            let (kind, range) = found[i].clone()?;
            Some(Tag { key: wanted[i].0, kind, value: all.get(range)? })
        };
        let mismatch = |i: usize, tag: &Tag<'_>| other_type(tag, wanted[i].1);
        for column in columns {
            match column {
                Builder::Flag(b) => b.append_value(record.flag()),
                Builder::Mapq(b) => b.append_value(record.mapq()),
                Builder::Tlen(b) => b.append_value(record.template_length()),
                Builder::Int(Column::End, b) => b.append_option(record.end()?),
                Builder::Int(Column::Pnext, b) => b.append_option(record.mate_pos()),
                Builder::Int(_, b) => b.append_option(record.pos()),
                Builder::Text(Column::Rname, b) => b.append_option(contig(record.contig())),
                Builder::Text(Column::Rnext, b) => b.append_option(contig(record.mate_contig())),
                Builder::Text(Column::Qname, b) => append_text(b, name_of(record), "read_name")?,
                Builder::Text(column, b) => {
                    scratch.clear();
                    let present = write_text(*column, record, scratch)?;
                    append_text(b, present.then_some(scratch), "record")?;
                }
                Builder::TagInt(i, b) => match tag(*i) {
                    Some(t) => b.append_value(t.int().ok_or_else(|| mismatch(*i, &t))?),
                    None => b.append_null(),
                },
                Builder::TagFloat(i, b) => match tag(*i) {
                    Some(t) => b.append_value(t.float().ok_or_else(|| mismatch(*i, &t))?),
                    None => b.append_null(),
                },
                Builder::TagText(i, b) => match tag(*i) {
                    Some(t) => append_text(b, Some(t.text().ok_or_else(|| mismatch(*i, &t))?), "tag")?,
                    None => b.append_null(),
                },
                Builder::TagInts(i, b) => match tag(*i) {
                    Some(t) => {
                        let (kind, elements) = t.array().ok_or_else(|| mismatch(*i, &t))?;
                        for value in elements.chunks_exact(width(kind).unwrap_or(1)) {
                            let element = Tag { key: t.key, kind, value };
                            b.values().append_value(element.int().ok_or_else(|| mismatch(*i, &t))?);
                        }
                        b.append(true);
                    }
                    None => b.append_null(),
                },
                Builder::TagFloats(i, b) => match tag(*i) {
                    Some(t) => {
                        let (kind, elements) = t.array().ok_or_else(|| mismatch(*i, &t))?;
                        for value in elements.chunks_exact(width(kind).unwrap_or(1)) {
                            let element = Tag { key: t.key, kind, value };
                            b.values().append_value(element.float().ok_or_else(|| mismatch(*i, &t))?);
                        }
                        b.append(true);
                    }
                    None => b.append_null(),
                },
                Builder::Tags(b) => {
                    let long_cigar = record.has_long_cigar()?;
                    keys.clear();
                    for tag in record.tags() {
                        let tag = tag?;
                        if !keys.insert(tag.key) {
                            // Told once, by the search for the other columns' tags if there are any.
                            if wanted.is_empty() {
                                warnings.add(REPEATED);
                            }
                            continue;
                        }
                        if long_cigar && tag.key == LONG_TAG {
                            continue;
                        }
                        append_text(b.keys(), Some(&tag.key), "tag")?;
                        scratch.clear();
                        tag.write(scratch);
                        append_text(b.values(), Some(scratch), "tag")?;
                    }
                    b.append(true)?;
                }
            }
        }
        Ok(())
    }
}

/// Appends text that BAM does not promise to be UTF-8.
fn append_text(b: &mut StringViewBuilder, text: Option<&[u8]>, field: &str) -> Result<()> {
    match text {
        Some(bytes) => b.append_value(crate::text::fields::utf8(bytes, field)?),
        None => b.append_null(),
    }
    Ok(())
}

const BASES: &[u8; 16] = b"=ACMGRSVTWYHKDBN";
/// Highest Phred score that SAM text can show.
const MAX_PHRED: u8 = b'~' - b'!';

/// Writes a column whose text has to be made; `false` when it has no value.
fn write_text(column: Column, record: &Record<'_>, out: &mut Vec<u8>) -> Result<bool> {
    match column {
        Column::Cigar => {
            let (cigar, _) = record.checked_cigar()?;
            cigar.write(out)?;
            Ok(!cigar.is_empty())
        }
        Column::Seq => {
            for pair in record.packed_sequence() {
                out.extend([BASES[usize::from(pair >> 4)], BASES[usize::from(pair & 0xf)]]);
            }
            out.truncate(record.sequence_length());
            Ok(!out.is_empty())
        }
        _ => match record.qualities() {
            Some(scores) => {
                if let Some(q) = scores.iter().find(|q| **q > MAX_PHRED) {
                    return Err(Error::corrupt(format!("base quality {q} is above {MAX_PHRED}")).field("qual"));
                }
                out.extend(scores.iter().map(|q| q + b'!'));
                Ok(true)
            }
            None => Ok(false),
        },
    }
}

impl Builder {
    fn new(column: Column, wanted: &mut Vec<([u8; 2], TagType)>) -> Self {
        match column {
            Column::Flag => Self::Flag(UInt16Builder::new()),
            Column::Mapq => Self::Mapq(UInt8Builder::new()),
            Column::Tlen => Self::Tlen(Int32Builder::new()),
            Column::Pos | Column::End | Column::Pnext => Self::Int(column, Int64Builder::new()),
            Column::Tags => Self::Tags(Box::new(crate::text::columns::map_builder())),
            Column::Tag(key, of) => {
                let i = wanted.len();
                wanted.push((key, of));
                match of {
                    TagType::Int => Self::TagInt(i, Int64Builder::new()),
                    TagType::Float => Self::TagFloat(i, Float32Builder::new()),
                    TagType::Text => Self::TagText(i, StringViewBuilder::new()),
                    TagType::Ints => Self::TagInts(i, ListBuilder::new(Int64Builder::new())),
                    TagType::Floats => Self::TagFloats(i, ListBuilder::new(Float32Builder::new())),
                }
            }
            text => Self::Text(text, StringViewBuilder::new()),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(_, b) | Self::TagText(_, b) => Arc::new(b.finish()),
            Self::Flag(b) => Arc::new(b.finish()),
            Self::Mapq(b) => Arc::new(b.finish()),
            Self::Int(_, b) | Self::TagInt(_, b) => Arc::new(b.finish()),
            Self::Tlen(b) => Arc::new(b.finish()),
            Self::TagFloat(_, b) => Arc::new(b.finish()),
            Self::TagInts(_, b) => Arc::new(b.finish()),
            Self::TagFloats(_, b) => Arc::new(b.finish()),
            Self::Tags(b) => Arc::new(b.finish()),
        }
    }
}

impl AlignmentRows {
    /// Appends the row of `all`, a BAM record without its `block_size`; `false` when a condition excludes it.
    ///
    /// # Errors
    /// When a field that is needed is malformed.
    pub fn append(&mut self, all: &[u8], warnings: &mut Warnings) -> Result<bool> {
        let record = Record::new(all, self.contigs.len())?;
        if !self.passes(record)? {
            return Ok(false);
        }
        if !self.wanted.is_empty() {
            self.find_tags(&record, all, warnings)?;
        }
        if let (Some(id), Some(pos)) = (record.contig(), record.pos())
            && self.contigs.length(id).is_some_and(|length| pos.unsigned_abs() > length && length > 0)
        {
            warnings.add("a record starts past the end of its contig");
        }
        if record.mate_pos().is_some_and(|pos| pos < 1) {
            warnings.add("a mate's position is negative");
        }
        self.build(&record, all, warnings)?;
        self.bytes += all.len();
        Ok(true)
    }

    /// Bytes of records held since the last batch.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The rows appended since the last call. `rows` is their number.
    ///
    /// # Errors
    /// When Arrow refuses the columns.
    pub fn take(&mut self, rows: usize) -> Result<RecordBatch> {
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}
