//! A record's fields as conditions see them.

use arrow::datatypes::Schema;

use super::record::Record;
use super::schema::{Column, TagType};
use super::tags::Tag;
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::scan::{FieldType, Fields};

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
                    TagType::Ints | TagType::Floats | TagType::Mixed => return None,
                }
            }
            Column::Cigar | Column::Seq | Column::Qual | Column::Tags => return None,
        })
    }
}

/// A record's fields for predicates.
pub(super) struct RawFields<'a> {
    /// Not a copy of it: that would wait for what has just been written of it.
    pub(super) record: &'a Record<'a>,
    pub(super) contigs: &'a Contigs,
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
            QNAME => name_of(self.record),
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

/// `*` and an empty name say that there is none.
pub(super) fn name_of<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    Some(record.name()).filter(|name| !matches!(*name, b"" | b"*"))
}

pub(super) fn other_type(tag: &Tag<'_>, expected: TagType) -> Error {
    let of = tag.array().map(|(kind, _)| format!(" of '{}'", char::from(kind))).unwrap_or_default();
    Error::corrupt(format!("its type is '{}'{of} where the column holds {expected:?}", char::from(tag.kind)))
        .field(format!("tag {}", tag.key.escape_ascii()))
        .hint("the column's type is that of the file's first records, or the specification's; the column tags has every value")
}
