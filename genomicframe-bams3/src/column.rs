//! What pages hold: the columns of a row group, by number (specification §5).

use std::fmt;

use serde::{Deserialize, Serialize};

/// A column's number. Fixed columns are below 256; a tag's is its two characters, its type and, of an array, its subtype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ColumnId(pub u32);

impl ColumnId {
    /// Number of the contig in the header, -1 for none.
    pub const CONTIG: Self = Self(1);
    /// 0-based start, -1 for none.
    pub const START: Self = Self(2);
    /// Reference bases from start to end, at least 1.
    pub const SPAN: Self = Self(3);
    /// SAM flag.
    pub const FLAG: Self = Self(4);
    /// Mapping quality.
    pub const MAPQ: Self = Self(5);
    /// Bases.
    pub const LENGTH: Self = Self(6);
    /// Distance to the next row of the same name.
    pub const LINK: Self = Self(7);
    /// Contig and start of the mate.
    pub const MATE: Self = Self(8);
    /// Template length.
    pub const TLEN: Self = Self(9);
    /// CIGAR.
    pub const CIGAR: Self = Self(10);
    /// Read name.
    pub const NAME: Self = Self(11);
    /// Consensus of the group's reads.
    pub const CONSENSUS: Self = Self(12);
    /// Bases, as they differ from the consensus.
    pub const BASES: Self = Self(13);
    /// Base qualities.
    pub const QUALITY: Self = Self(14);
    /// Which tags each row has, in which order and of which types.
    pub const LAYOUT: Self = Self(15);

    /// Columns that filters use, stored together at the front of a chunk.
    pub const FRONT: [Self; 6] = [Self::CONTIG, Self::START, Self::SPAN, Self::FLAG, Self::MAPQ, Self::LENGTH];

    /// The column of the values of a tag of one type.
    pub fn tag(kind: TagKind) -> Self {
        Self(u32::from_be_bytes([kind.key[0], kind.key[1], kind.of, kind.sub]))
    }

    /// The tag whose values it holds.
    pub fn as_tag(self) -> Option<TagKind> {
        let [a, b, of, sub] = self.0.to_be_bytes();
        (self.0 > 0xff).then_some(TagKind { key: [a, b], of, sub })
    }

    /// Its name in messages.
    pub fn name(self) -> String {
        if let Some(tag) = self.as_tag() {
            return tag.to_string();
        }
        let name = match self {
            Self::CONTIG => "contig",
            Self::START => "start",
            Self::SPAN => "span",
            Self::FLAG => "flag",
            Self::MAPQ => "mapq",
            Self::LENGTH => "length",
            Self::LINK => "link",
            Self::MATE => "mate",
            Self::TLEN => "tlen",
            Self::CIGAR => "cigar",
            Self::NAME => "name",
            Self::CONSENSUS => "consensus",
            Self::BASES => "bases",
            Self::QUALITY => "quality",
            Self::LAYOUT => "layout",
            Self(other) => return format!("column {other}"),
        };
        name.to_owned()
    }
}

/// A tag and its exact BAM type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TagKind {
    /// Its two characters.
    pub key: [u8; 2],
    /// `A c C s S i I f Z H B`.
    pub of: u8,
    /// Of `B`, the elements' type; else 0.
    pub sub: u8,
}

impl TagKind {
    /// Bytes of each value, or of each element of an array; `None` for text.
    pub fn width(self) -> Option<usize> {
        match if self.of == b'B' { self.sub } else { self.of } {
            b'A' | b'c' | b'C' => Some(1),
            b's' | b'S' => Some(2),
            b'i' | b'I' | b'f' => Some(4),
            _ => None,
        }
    }

    /// Whether it is a type that BAM knows.
    pub fn is_valid(self) -> bool {
        match self.of {
            b'B' => self.sub != b'A' && self.width().is_some(),
            b'Z' | b'H' => self.sub == 0,
            _ => self.sub == 0 && self.width().is_some(),
        }
    }
}

impl fmt::Display for TagKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key.escape_ascii(), char::from(self.of))?;
        if self.of == b'B' { write!(f, ",{}", char::from(self.sub)) } else { Ok(()) }
    }
}
