//! Optional fields (SAMv1 §4.2.4).

use crate::error::{Error, Result};
use crate::text::numbers::{write_g, write_int};

/// One tag as stored.
#[derive(Debug, Clone, Copy)]
pub struct Tag<'a> {
    /// Its two-character name.
    pub key: [u8; 2],
    /// `A c C s S i I f Z H B`.
    pub kind: u8,
    /// Without the NUL that ends `Z` and `H`; of `B` its subtype, count and elements.
    pub value: &'a [u8],
}

impl<'a> Tag<'a> {
    /// An integer of any width.
    #[inline]
    pub fn int(&self) -> Option<i64> {
        int(self.kind, self.value)
    }

    /// A value of type `f`.
    pub fn float(&self) -> Option<f32> {
        match (self.kind, self.value) {
            (b'f', [a, b, c, d]) => Some(f32::from_le_bytes([*a, *b, *c, *d])),
            _ => None,
        }
    }

    /// `A`, `Z` and `H` as text.
    pub fn text(&self) -> Option<&'a [u8]> {
        matches!(self.kind, b'A' | b'Z' | b'H').then_some(self.value)
    }

    /// Subtype and elements of `B`.
    pub fn array(&self) -> Option<(u8, &'a [u8])> {
        match (self.kind, self.value) {
            (b'B', [kind, _, _, _, _, elements @ ..]) => Some((*kind, elements)),
            _ => None,
        }
    }

    /// `TYPE:VALUE`, as SAM writes it; integers of all widths are `i`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let kind = if self.int().is_some() { b'i' } else { self.kind };
        out.extend([kind, b':']);
        self.write_value(out);
    }

    /// The same without the type.
    pub fn write_value(&self, out: &mut Vec<u8>) {
        if let Some(n) = self.int() {
            write_int(n, out);
        } else if let Some(x) = self.float() {
            write_g(x, out);
        } else if let Some((kind, elements)) = self.array() {
            out.push(kind);
            for element in elements.chunks_exact(width(kind).unwrap_or(1)) {
                out.push(b',');
                let element = Tag { key: self.key, kind, value: element };
                match (element.int(), element.float()) {
                    (Some(n), _) => write_int(n, out),
                    (_, Some(x)) => write_g(x, out),
                    _ => {}
                }
            }
        } else {
            out.extend_from_slice(self.value);
        }
    }
}

#[inline]
fn int(kind: u8, value: &[u8]) -> Option<i64> {
    Some(match (kind, value) {
        (b'c', [a]) => i64::from(*a as i8),
        (b'C', [a]) => i64::from(*a),
        (b's', [a, b]) => i64::from(i16::from_le_bytes([*a, *b])),
        (b'S', [a, b]) => i64::from(u16::from_le_bytes([*a, *b])),
        (b'i', [a, b, c, d]) => i64::from(i32::from_le_bytes([*a, *b, *c, *d])),
        (b'I', [a, b, c, d]) => i64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => return None,
    })
}

/// Bytes of a value of fixed width.
#[inline]
pub fn width(kind: u8) -> Option<usize> {
    match kind {
        b'A' | b'c' | b'C' => Some(1),
        b's' | b'S' => Some(2),
        b'i' | b'I' | b'f' => Some(4),
        _ => None,
    }
}

/// Walks a record's tags.
#[derive(Debug, Clone)]
pub struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Tags<'a> {
    /// Walks the tags in `rest`.
    pub fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Short enough to become part of the loops over tags, so that a tag stays in registers.
    #[inline(always)]
    fn read(&mut self) -> Result<Tag<'a>> {
        let [a, b, kind, rest @ ..] = self.rest else { return Err(self.broken()) };
        let (key, kind) = ([*a, *b], *kind);
        let length = match kind {
            b'Z' | b'H' => memchr::memchr(0, rest),
            b'B' => array_length(rest),
            _ => width(kind),
        };
        let after = length.map(|n| n.saturating_add(usize::from(matches!(kind, b'Z' | b'H'))));
        let (Some(value), Some(rest)) = (length.and_then(|n| rest.get(..n)), after.and_then(|n| rest.get(n..))) else {
            return Err(self.broken());
        };
        self.rest = rest;
        Ok(Tag { key, kind, value })
    }

    /// What is wrong with the next tag.
    #[cold]
    #[inline(never)]
    fn broken(&self) -> Error {
        let [a, b, kind, rest @ ..] = self.rest else {
            return Error::corrupt("cut within a tag's name").field("tags");
        };
        let error = match (*kind, rest) {
            (b'Z' | b'H', _) => Error::corrupt("text without its NUL"),
            (b'B', []) => Error::corrupt("an array without a type"),
            (b'B', [sub, ..]) if *sub == b'A' || width(*sub).is_none() => {
                Error::corrupt("an array of an unknown type").text(&[*sub])
            }
            (kind, _) if kind != b'B' && width(kind).is_none() => Error::corrupt("an unknown type").text(&[kind]),
            _ => Error::corrupt("its value reaches past the record"),
        };
        error.field(format!("tag {}", [*a, *b].escape_ascii()))
    }
}

/// Bytes of an array with its subtype and count; `None` when it has no subtype that arrays have. More than there are when it
/// is cut short.
fn array_length(value: &[u8]) -> Option<usize> {
    let (sub, count) = value.split_first()?;
    let each = width(*sub).filter(|_| *sub != b'A')?;
    let count = count.first_chunk::<4>().map(|n| u32::from_le_bytes(*n) as usize);
    Some(count.and_then(|n| n.checked_mul(each)).map_or(usize::MAX, |n| n.saturating_add(5)))
}

impl<'a> Iterator for Tags<'a> {
    type Item = Result<Tag<'a>>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let tag = self.read();
        if tag.is_err() {
            self.rest = &[];
        }
        Some(tag)
    }
}
