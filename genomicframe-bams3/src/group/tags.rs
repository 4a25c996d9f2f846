//! Tags of a row group: a layout per row, and a column of values per tag and type (specification §7.13, §7.14).
//!
//! ```text
//! layout page: layouts varint │ of each: tags varint, then 4 bytes per tag (two characters, type, subtype or 0) │
//!              number of each row's layout: integers
//! values page: A: a stream │ c C s S i I: integers │ f: integers, of the bits │ Z H: text │ B: counts as integers, then
//!              all elements, as those of their type
//! ```
//! Values stand in row order, of a row in the layout's order.

use std::collections::{BTreeMap, HashMap};

use genomicframe_core::alignment::{Tag, Tags};
use genomicframe_core::{Error, Result};

use crate::codec::stream::{Input, Packer, Unpacker, put_varint};
use crate::codec::strings::Strings;
use crate::codec::{ints, text};
use crate::column::{ColumnId, TagKind};

/// Which tags the rows have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layouts {
    /// The distinct ones, in order of first use.
    pub distinct: Vec<Vec<TagKind>>,
    /// Each row's.
    pub ids: Vec<u32>,
}

impl Layouts {
    /// The tags of `row`.
    pub fn of(&self, row: usize) -> &[TagKind] {
        &self.distinct[self.ids[row] as usize]
    }

    /// Rows times occurrences of each tag and type: how many values each column has.
    pub fn counts(&self) -> BTreeMap<ColumnId, usize> {
        let mut rows = vec![0usize; self.distinct.len()];
        for id in &self.ids {
            rows[*id as usize] += 1;
        }
        let mut counts = BTreeMap::new();
        for (layout, rows) in self.distinct.iter().zip(rows) {
            for kind in layout {
                *counts.entry(ColumnId::tag(*kind)).or_default() += rows;
            }
        }
        counts
    }
}

/// Values of one tag and type.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// `c C s S i I`, and of `f` the bits.
    Ints(Vec<i64>),
    /// `A Z H`; of `A` one byte each.
    Text(Strings),
    /// `B`: the elements, of floats their bits, and where each value's end.
    Arrays(Vec<i64>, Vec<u32>),
}

impl Values {
    fn new(kind: TagKind) -> Self {
        match kind.of {
            b'A' | b'Z' | b'H' => Self::Text(Strings::default()),
            b'B' => Self::Arrays(Vec::new(), Vec::new()),
            _ => Self::Ints(Vec::new()),
        }
    }

    fn push(&mut self, kind: TagKind, tag: &Tag<'_>) {
        match self {
            Self::Text(values) => values.push(tag.value),
            Self::Ints(values) => values.push(number(kind.of, tag.value)),
            Self::Arrays(elements, ends) => {
                if let (Some((sub, bytes)), Some(width)) = (tag.array(), kind.width()) {
                    elements.extend(bytes.chunks_exact(width).map(|e| number(sub, e)));
                }
                ends.push(elements.len() as u32);
            }
        }
    }
}

/// A number as stored in BAM; of a float its bits.
fn number(kind: u8, value: &[u8]) -> i64 {
    match (kind, value) {
        (b'c', [a]) => i64::from(*a as i8),
        (b'C', [a]) => i64::from(*a),
        (b's', [a, b]) => i64::from(i16::from_le_bytes([*a, *b])),
        (b'S', [a, b]) => i64::from(u16::from_le_bytes([*a, *b])),
        (b'i', [a, b, c, d]) => i64::from(i32::from_le_bytes([*a, *b, *c, *d])),
        (_, [a, b, c, d]) => i64::from(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => 0,
    }
}

/// Whether `value` is one of `kind`'s.
fn fits(kind: u8, value: i64) -> bool {
    match kind {
        b'c' => i8::try_from(value).is_ok(),
        b'C' => u8::try_from(value).is_ok(),
        b's' => i16::try_from(value).is_ok(),
        b'S' => u16::try_from(value).is_ok(),
        b'i' => i32::try_from(value).is_ok(),
        _ => u32::try_from(value).is_ok(),
    }
}

/// Builds layouts and values row by row.
#[derive(Debug, Default)]
pub struct TagsBuilder {
    layouts: Layouts,
    known: HashMap<Vec<TagKind>, u32>,
    values: Vec<(ColumnId, Values)>,
    places: BTreeMap<ColumnId, usize>,
    /// Where the tags of the row before have their values: those of the next row are mostly the same.
    last: Vec<usize>,
    scratch: Vec<TagKind>,
}

impl TagsBuilder {
    /// Adds a row's tags, without the one called `except`.
    ///
    /// # Errors
    /// When they are broken.
    pub fn push(&mut self, tags: Tags<'_>, except: Option<[u8; 2]>) -> Result<()> {
        self.scratch.clear();
        let mut except = except;
        for tag in tags {
            let tag = tag?;
            if except == Some(tag.key) {
                except = None;
                continue;
            }
            let sub = tag.array().map_or(0, |(sub, _)| sub);
            let kind = TagKind { key: tag.key, of: tag.kind, sub };
            self.scratch.push(kind);
            let at = self.place(self.scratch.len() - 1, kind);
            self.values[at].1.push(kind, &tag);
        }
        let last = self.layouts.ids.last().copied();
        let id = match last.filter(|last| self.layouts.distinct[*last as usize] == self.scratch) {
            Some(last) => last,
            None if self.known.contains_key(&self.scratch) => self.known[&self.scratch],
            None => {
                let id = self.layouts.distinct.len() as u32;
                self.known.insert(self.scratch.clone(), id);
                self.layouts.distinct.push(self.scratch.clone());
                id
            }
        };
        self.layouts.ids.push(id);
        Ok(())
    }

    /// Where the values of `kind` are, which stands at place `i` in its row.
    fn place(&mut self, i: usize, kind: TagKind) -> usize {
        let id = ColumnId::tag(kind);
        if let Some(at) = self.last.get(i).copied().filter(|at| self.values[*at].0 == id) {
            return at;
        }
        let at = *self.places.entry(id).or_insert_with(|| {
            self.values.push((id, Values::new(kind)));
            self.values.len() - 1
        });
        match self.last.get_mut(i) {
            Some(last) => *last = at,
            None => self.last.push(at),
        }
        at
    }

    /// What was added.
    pub fn finish(self) -> (Layouts, BTreeMap<ColumnId, Values>) {
        (self.layouts, self.values.into_iter().collect())
    }
}

/// Appends a layout page.
///
/// # Errors
/// When zstd fails.
pub fn encode_layouts(layouts: &Layouts, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    put_varint(layouts.distinct.len() as u64, out);
    for layout in &layouts.distinct {
        put_varint(layout.len() as u64, out);
        for kind in layout {
            out.extend([kind.key[0], kind.key[1], kind.of, kind.sub]);
        }
    }
    ints::encode(&layouts.ids.iter().map(|id| i64::from(*id)).collect::<Vec<_>>(), packer, out)
}

/// Reads the layouts of `rows` rows.
///
/// # Errors
/// When the bytes are not what [`encode_layouts`] writes.
pub fn decode_layouts(input: &mut Input<'_>, rows: usize, unpacker: &mut Unpacker) -> Result<Layouts> {
    let mut distinct = Vec::new();
    for _ in 0..input.length(rows)? {
        let tags = input.length(input.rest().len() / 4)?;
        let mut layout = Vec::with_capacity(tags);
        for bytes in input.take(4 * tags)?.chunks_exact(4) {
            let kind = TagKind { key: [bytes[0], bytes[1]], of: bytes[2], sub: bytes[3] };
            // Fixed columns' numbers have three zero bytes in front, which no tag has.
            if !kind.is_valid() || kind.key == [0, 0] {
                return Err(Error::corrupt("a tag of no type that BAM knows").text(bytes));
            }
            layout.push(kind);
        }
        distinct.push(layout);
    }
    let ids = ints::decode(input, rows, unpacker)?;
    let id = |id: &i64| u32::try_from(*id).ok().filter(|id| (*id as usize) < distinct.len());
    let ids: Option<Vec<u32>> = ids.iter().map(id).collect();
    let ids = ids.ok_or_else(|| Error::corrupt("a row's layout is not among those listed"))?;
    Ok(Layouts { distinct, ids })
}

/// Appends a page of values.
///
/// # Errors
/// When zstd fails.
pub fn encode_values(kind: TagKind, values: &Values, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    match values {
        Values::Text(values) if kind.of == b'A' => packer.put(&values.bytes, out),
        Values::Text(values) => text::encode(values, packer, out),
        Values::Ints(values) => ints::encode(values, packer, out),
        Values::Arrays(elements, ends) => {
            let mut before = 0;
            let counts: Vec<i64> = ends.iter().map(|e| i64::from(e - std::mem::replace(&mut before, *e))).collect();
            ints::encode(&counts, packer, out)?;
            ints::encode(elements, packer, out)
        }
    }
}

/// Most elements of all arrays of a row group.
const MOST_ELEMENTS: usize = 1 << 28;

/// `values`, if each is one of `kind`'s.
pub(super) fn checked(kind: u8, values: Vec<i64>) -> Result<Vec<i64>> {
    match values.iter().find(|v| !fits(kind, **v)) {
        Some(bad) => Err(Error::corrupt(format!("{bad} is no value of type '{}'", char::from(kind)))),
        None => Ok(values),
    }
}

/// Reads `n` values.
///
/// # Errors
/// When the bytes are not what [`encode_values`] writes, or a number does not fit its type.
pub fn decode_values(kind: TagKind, input: &mut Input<'_>, n: usize, unpacker: &mut Unpacker) -> Result<Values> {
    match kind.of {
        b'A' => {
            let bytes = unpacker.get_exact(input, n)?;
            let ends = (1..=n as u32).collect();
            Ok(Values::Text(Strings { bytes, ends }))
        }
        b'Z' | b'H' => {
            let values = text::decode(input, n, unpacker)?;
            if memchr::memchr(0, &values.bytes).is_some() {
                return Err(Error::corrupt("a NUL within text"));
            }
            Ok(Values::Text(values))
        }
        b'B' => {
            let mut total = 0usize;
            let mut ends = Vec::new();
            for count in ints::decode(input, n, unpacker)? {
                let sum = usize::try_from(count).ok().and_then(|c| total.checked_add(c));
                total = sum.filter(|t| *t <= MOST_ELEMENTS).ok_or_else(|| Error::corrupt("too many array elements"))?;
                ends.push(total as u32);
            }
            let elements = ints::decode(input, total, unpacker)?;
            Ok(Values::Arrays(checked(kind.sub, elements)?, ends))
        }
        of => Ok(Values::Ints(checked(of, ints::decode(input, n, unpacker)?)?)),
    }
}

/// Appends one value as BAM stores it, without key and type.
pub fn write_value(kind: TagKind, values: &Values, at: usize, out: &mut Vec<u8>) {
    match values {
        Values::Text(values) => {
            out.extend_from_slice(values.get(at));
            if kind.of != b'A' {
                out.push(0);
            }
        }
        Values::Ints(values) => {
            let width = kind.width().unwrap_or(4);
            out.extend_from_slice(&values[at].to_le_bytes()[..width]);
        }
        Values::Arrays(elements, ends) => {
            let start = if at == 0 { 0 } else { ends[at - 1] as usize };
            let elements = &elements[start..ends[at] as usize];
            out.push(kind.sub);
            out.extend_from_slice(&(elements.len() as u32).to_le_bytes());
            let width = kind.width().unwrap_or(4);
            for element in elements {
                out.extend_from_slice(&element.to_le_bytes()[..width]);
            }
        }
    }
}
