//! The alignment schema: twelve fixed columns, a column per tag, and every tag as text.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::cigar::LONG_TAG;
use super::record::Record;
use super::tags::Tag;
use crate::error::Result;
use crate::schema::{self, KEY, TYPE};

/// A column of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// `qname`
    Qname,
    /// `flag`
    Flag,
    /// `rname`
    Rname,
    /// `pos`
    Pos,
    /// `end`
    End,
    /// `mapq`
    Mapq,
    /// `cigar`
    Cigar,
    /// `rnext`
    Rnext,
    /// `pnext`
    Pnext,
    /// `tlen`
    Tlen,
    /// `seq`
    Seq,
    /// `qual`
    Qual,
    /// `tag_xx`
    Tag([u8; 2], TagType),
    /// `tags`: all of them as SAM text.
    Tags,
}

/// What a tag's column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagType {
    /// Any integer width, as `i64`.
    Int,
    /// `f`, as `f32`.
    Float,
    /// `A`, `Z`, `H`.
    Text,
    /// `B` of integers.
    Ints,
    /// `B` of floats.
    Floats,
    /// Several of these in one file: the value's text as SAM writes it, without its type.
    Mixed,
}

impl TagType {
    /// The type of a tag as it is stored.
    pub fn of(tag: &Tag<'_>) -> Self {
        match (tag.kind, tag.value.first()) {
            (b'f', _) => Self::Float,
            (b'A' | b'Z' | b'H', _) => Self::Text,
            (b'B', Some(b'f')) => Self::Floats,
            (b'B', _) => Self::Ints,
            _ => Self::Int,
        }
    }

    /// The type the SAM tags specification gives a predefined tag.
    pub fn of_standard(key: [u8; 2]) -> Option<Self> {
        Some(match &key {
            b"AM" | b"AS" | b"CM" | b"CP" | b"FI" | b"H0" | b"H1" | b"H2" | b"HI" | b"IH" | b"MN" | b"MQ" | b"NH"
            | b"NM" | b"OP" | b"PQ" | b"SM" | b"TC" | b"UQ" => Self::Int,
            b"BC" | b"BQ" | b"BZ" | b"CB" | b"CC" | b"CO" | b"CQ" | b"CR" | b"CS" | b"CT" | b"CY" | b"E2" | b"FS"
            | b"LB" | b"MC" | b"MD" | b"MI" | b"MM" | b"OA" | b"OC" | b"OQ" | b"OX" | b"PG" | b"PT" | b"PU" | b"Q2"
            | b"QT" | b"QX" | b"R2" | b"RG" | b"RX" | b"SA" | b"TS" | b"U2" => Self::Text,
            b"CG" | b"FZ" | b"ML" => Self::Ints,
            _ => return None,
        })
    }

    fn arrow(self) -> DataType {
        let list = |of| DataType::List(Arc::new(Field::new("item", of, true)));
        match self {
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Text | Self::Mixed => DataType::Utf8View,
            Self::Ints => list(DataType::Int64),
            Self::Floats => list(DataType::Float32),
        }
    }

    fn sam(self) -> &'static str {
        match self {
            Self::Int => "i",
            Self::Float => "f",
            Self::Text | Self::Mixed => "Z",
            Self::Ints | Self::Floats => "B",
        }
    }
}

/// The tags a file's first records have, with their types.
#[derive(Debug, Default)]
pub struct SeenTags(BTreeMap<[u8; 2], TagType>);

impl SeenTags {
    /// Adds one.
    pub fn insert(&mut self, key: [u8; 2], of: TagType) {
        if key.is_ascii() {
            let seen = self.0.entry(key).or_insert(of);
            if *seen != of {
                *seen = TagType::Mixed;
            }
        }
    }

    /// The keys, each with the type of its column.
    pub fn iter(&self) -> impl Iterator<Item = ([u8; 2], TagType)> {
        self.0.iter().map(|(key, of)| (*key, *of))
    }

    /// The keys whose values are of another type than the specification gives them, or of several.
    pub fn odd(&self) -> impl Iterator<Item = String> {
        let is_odd = |(key, of): &(&[u8; 2], &TagType)| {
            **of == TagType::Mixed || TagType::of_standard(**key).is_some_and(|standard| standard != **of)
        };
        self.0.iter().filter(is_odd).map(|(key, _)| key.escape_ascii().to_string())
    }

    /// Adds those of `record`.
    ///
    /// # Errors
    /// When its tags are broken.
    pub fn add(&mut self, record: &Record<'_>) -> Result<()> {
        let long_cigar = record.has_long_cigar()?;
        for tag in record.tags() {
            let tag = tag?;
            if tag.key.is_ascii() && !(long_cigar && tag.key == LONG_TAG) {
                self.insert(tag.key, TagType::of(&tag));
            }
        }
        Ok(())
    }
}

/// The schema, and what each of its columns is. `asked` are column names that a query uses.
///
/// A tag's column has the type of its values that were seen; of a standard tag that was not seen, the specification's.
pub fn build(mut seen: SeenTags, asked: &[String]) -> (SchemaRef, Vec<Column>) {
    let number = |name: &str, of| Field::new(name, of, true);
    let mut fields = vec![
        (schema::text("qname"), Column::Qname),
        (number("flag", DataType::UInt16), Column::Flag),
        (schema::contig("rname"), Column::Rname),
        (schema::start("pos", false), Column::Pos),
        (schema::end("end", false), Column::End),
        (number("mapq", DataType::UInt8), Column::Mapq),
        (schema::text("cigar"), Column::Cigar),
        (schema::text("rnext"), Column::Rnext),
        (number("pnext", DataType::Int64), Column::Pnext),
        (number("tlen", DataType::Int32), Column::Tlen),
        (schema::text("seq"), Column::Seq),
        (schema::text("qual"), Column::Qual),
    ];
    for name in asked {
        let key = name
            .strip_prefix("tag_")
            .filter(|k| k.is_ascii())
            .and_then(|k| k.as_bytes().first_chunk::<2>().filter(|_| k.len() == 2));
        if let Some(key) = key {
            let upper = [key[0].to_ascii_uppercase(), key[1].to_ascii_uppercase()];
            let known = seen.0.keys().any(|k| k.eq_ignore_ascii_case(key));
            if !known {
                seen.0.insert(upper, TagType::of_standard(upper).unwrap_or(TagType::Text));
            }
        }
    }
    // On a clash of case the upper-case key, which sorts first and is the specification's, owns the lower-case name.
    let mut taken = BTreeSet::new();
    for (key, of) in &seen.0 {
        let written = String::from_utf8_lossy(key).into_owned();
        let lower = written.to_ascii_lowercase();
        let name = match () {
            () if taken.insert(lower.clone()) => format!("tag_{lower}"),
            () if written == lower => format!("tag_{lower}:lower"),
            () => format!("tag_{written}"),
        };
        let field = schema::with(Field::new(name, of.arrow(), true), &[(KEY, &written), (TYPE, of.sam())]);
        fields.push((field, Column::Tag(*key, *of)));
    }
    fields.push((Field::new("tags", crate::text::columns::map_type(), true), Column::Tags));
    let (fields, columns): (Vec<_>, _) = fields.into_iter().unzip();
    (Arc::new(Schema::new(fields)), columns)
}
