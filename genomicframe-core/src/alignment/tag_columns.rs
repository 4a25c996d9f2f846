//! The columns of tags under construction, each for many records at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Int64Builder, ListBuilder, MapArray, StructArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::DataType;

use super::cigar::LONG_TAG;
use super::columns::Broken;
use super::fields::other_type;
use super::record::Record;
use super::schema::TagType;
use super::tags::{Tag, width};
use crate::error::{Error, Result};
use crate::scan::Warnings;
use crate::text::columns::map_type;
use crate::text::text_column::TextColumn;

const REPEATED: &str = "a tag stands twice in a record; the first counts";

/// Finds the wanted tags of records.
#[derive(Default)]
pub(super) struct TagFinder {
    wanted: Vec<([u8; 2], TagType)>,
    /// Of each record and each wanted tag: where its value lies in the record.
    found: Vec<Option<Place>>,
    order: TagOrder,
}

#[derive(Clone, Copy)]
struct Place {
    kind: u8,
    start: u32,
    len: u32,
}

impl TagFinder {
    /// Wants one more tag; returns its number.
    pub(super) fn want(&mut self, key: [u8; 2], of: TagType) -> usize {
        self.wanted.push((key, of));
        self.wanted.len() - 1
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Looks through the tags of `records`. Of a repeated tag the first counts.
    pub(super) fn find(&mut self, records: &[Record<'_>], warnings: &mut Warnings) -> Result<(), Broken> {
        let Self { wanted, found, order } = self;
        found.clear();
        found.resize(records.len() * wanted.len(), None);
        for (i, (record, found)) in records.iter().zip(found.chunks_exact_mut(wanted.len().max(1))).enumerate() {
            let all = record.stored_tags();
            let end = all.as_ptr().addr();
            let slot_of = |key| wanted.iter().position(|(k, _)| *k == key);
            let each = |tag: Tag<'_>, slot: Option<usize>| {
                if let Some(place) = slot.and_then(|slot| found.get_mut(slot)) {
                    let start = (tag.value.as_ptr().addr() - end) as u32;
                    *place = Some(Place { kind: tag.kind, start, len: tag.value.len() as u32 });
                }
                Ok(())
            };
            order.walk(record, slot_of, Some(warnings), each).map_err(|e| (i, e))?;
        }
        Ok(())
    }

    /// The wanted tag `slot` of each of `records`, which were looked through last.
    fn values<'a>(&self, slot: usize, records: &'a [Record<'a>]) -> impl Iterator<Item = Option<Tag<'a>>> {
        let key = self.wanted[slot].0;
        let found = self.found.chunks_exact(self.wanted.len());
        records.iter().zip(found).map(move |(record, found)| {
            let Place { kind, start, len } = found[slot]?;
            let value = record.stored_tags().get(start as usize..(start + len) as usize)?;
            Some(Tag { key, kind, value })
        })
    }
}

/// The keys of the record before, in their order, which most records share: what each of them is, is known then.
#[derive(Default)]
pub(super) struct TagOrder {
    last: Vec<([u8; 2], Option<usize>)>,
    keys: KeySet,
}

impl TagOrder {
    /// Calls `each` with every tag of `record` that is no repetition and no long CIGAR, and with the slot of its key.
    pub(super) fn walk<'a>(
        &mut self,
        record: &Record<'a>,
        slot_of: impl Fn([u8; 2]) -> Option<usize>,
        mut warnings: Option<&mut Warnings>,
        mut each: impl FnMut(Tag<'a>, Option<usize>) -> Result<()>,
    ) -> Result<()> {
        let long_cigar = record.has_long_cigar()?;
        let mut tags = record.tags();
        let mut place = 0;
        // As before: no key stands twice, or it would not have been remembered.
        let first_other = loop {
            let Some(tag) = tags.next().transpose()? else { return Ok(()) };
            match self.last.get(place) {
                Some((key, slot)) if *key == tag.key && !long_cigar => each(tag, *slot)?,
                _ => break tag,
            }
            place += 1;
        };
        self.last.truncate(place);
        self.keys.clear();
        self.last.iter().for_each(|(key, _)| {
            self.keys.insert(*key);
        });
        let mut repeated = false;
        for tag in std::iter::once(Ok(first_other)).chain(tags) {
            let tag = tag?;
            if !self.keys.insert(tag.key) {
                repeated = true;
                warnings.as_mut().into_iter().for_each(|w| w.add(REPEATED));
                continue;
            }
            if long_cigar && tag.key == LONG_TAG {
                continue;
            }
            let slot = slot_of(tag.key);
            if self.last.len() < REMEMBERED {
                self.last.push((tag.key, slot));
            }
            each(tag, slot)?;
        }
        // A key that is passed over has its place in the record, but none in the list.
        if repeated || long_cigar {
            self.last.clear();
        }
        Ok(())
    }
}

/// Keys whose order is remembered.
const REMEMBERED: usize = 64;

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

/// A tag's column; the number is the tag's in [`TagFinder`].
pub(super) enum TagColumn {
    Int(usize, Int64Builder),
    Float(usize, Float32Builder),
    Text(usize, TextColumn),
    Mixed(usize, TextColumn),
    Ints(usize, ListBuilder<Int64Builder>),
    Floats(usize, ListBuilder<Float32Builder>),
}

impl TagColumn {
    pub(super) fn new(slot: usize, of: TagType) -> Self {
        match of {
            TagType::Int => Self::Int(slot, Int64Builder::new()),
            TagType::Float => Self::Float(slot, Float32Builder::new()),
            TagType::Text => Self::Text(slot, TextColumn::default()),
            TagType::Mixed => Self::Mixed(slot, TextColumn::default()),
            TagType::Ints => Self::Ints(slot, ListBuilder::new(Int64Builder::new())),
            TagType::Floats => Self::Floats(slot, ListBuilder::new(Float32Builder::new())),
        }
    }

    pub(super) fn append(&mut self, tags: &TagFinder, records: &[Record<'_>]) -> Result<(), Broken> {
        match self {
            Self::Int(slot, b) => {
                for (i, tag) in tags.values(*slot, records).enumerate() {
                    b.append_option(typed(tag, TagType::Int, |t| t.int()).map_err(|e| (i, e))?);
                }
            }
            Self::Float(slot, b) => {
                for (i, tag) in tags.values(*slot, records).enumerate() {
                    b.append_option(typed(tag, TagType::Float, |t| t.float()).map_err(|e| (i, e))?);
                }
            }
            Self::Text(slot, b) => {
                for (i, tag) in tags.values(*slot, records).enumerate() {
                    b.push_option(typed(tag, TagType::Text, |t| t.text()).map_err(|e| (i, e))?);
                }
                b.check("tag")?;
            }
            Self::Mixed(slot, b) => {
                for tag in tags.values(*slot, records) {
                    match tag {
                        Some(tag) => {
                            tag.write_value(b.open());
                            b.end();
                        }
                        None => b.push_null(),
                    }
                }
                b.check("tag")?;
            }
            Self::Ints(slot, b) => {
                for (i, tag) in tags.values(*slot, records).enumerate() {
                    append_list(b, tag, TagType::Ints, |t| t.int()).map_err(|e| (i, e))?;
                }
            }
            Self::Floats(slot, b) => {
                for (i, tag) in tags.values(*slot, records).enumerate() {
                    append_list(b, tag, TagType::Floats, |t| t.float()).map_err(|e| (i, e))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Int(_, b) => Arc::new(b.finish()),
            Self::Float(_, b) => Arc::new(b.finish()),
            Self::Text(_, b) | Self::Mixed(_, b) => b.finish()?,
            Self::Ints(_, b) => Arc::new(b.finish()),
            Self::Floats(_, b) => Arc::new(b.finish()),
        })
    }
}

/// A tag's value as its column's type.
fn typed<'a, T>(tag: Option<Tag<'a>>, of: TagType, read: impl Fn(&Tag<'a>) -> Option<T>) -> Result<Option<T>> {
    tag.map(|tag| read(&tag).ok_or_else(|| other_type(&tag, of))).transpose()
}

/// What a list column appends to.
trait Items<T>: arrow::array::ArrayBuilder {
    fn put(&mut self, value: T);
}

impl Items<i64> for Int64Builder {
    fn put(&mut self, value: i64) {
        self.append_value(value);
    }
}

impl Items<f32> for Float32Builder {
    fn put(&mut self, value: f32) {
        self.append_value(value);
    }
}

fn append_list<'a, T, B: Items<T>>(
    list: &mut ListBuilder<B>,
    tag: Option<Tag<'a>>,
    of: TagType,
    read: impl Fn(&Tag<'a>) -> Option<T>,
) -> Result<()> {
    let Some(tag) = tag else {
        list.append_null();
        return Ok(());
    };
    let (kind, elements) = tag.array().ok_or_else(|| other_type(&tag, of))?;
    for value in elements.chunks_exact(width(kind).unwrap_or(1)) {
        let element = Tag { key: tag.key, kind, value };
        list.values().put(read(&element).ok_or_else(|| other_type(&tag, of))?);
    }
    list.append(true);
    Ok(())
}

/// The column of all tags, as SAM text by key.
pub(super) struct AllTags {
    keys: TextColumn,
    values: TextColumn,
    offsets: Vec<i32>,
    order: TagOrder,
}

impl Default for AllTags {
    fn default() -> Self {
        let (keys, values, order) = (TextColumn::default(), TextColumn::default(), TagOrder::default());
        Self { keys, values, offsets: vec![0], order }
    }
}

impl AllTags {
    /// `warnings` is given where nobody else tells of repeated tags.
    pub(super) fn append(&mut self, records: &[Record<'_>], mut warnings: Option<&mut Warnings>) -> Result<(), Broken> {
        let Self { keys, values, offsets, order } = self;
        for (i, record) in records.iter().enumerate() {
            let each = |tag: Tag<'_>, _| {
                keys.push(&tag.key);
                tag.write(values.open());
                values.end();
                Ok(())
            };
            order.walk(record, |_| None, warnings.as_deref_mut(), each).map_err(|e| (i, e))?;
            let end = i32::try_from(keys.len()).map_err(|_| (i, Error::limit("more than 2^31 tags in a batch")))?;
            offsets.push(end);
        }
        let rows = offsets.len() - records.len();
        let row_of = |(entry, e): Broken| {
            let before = offsets[rows - 1] as usize;
            (offsets[rows..].partition_point(|end| *end as usize <= before + entry), e)
        };
        keys.check("tag").map_err(row_of)?;
        values.check("tag").map_err(row_of)
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let DataType::Map(entries, sorted) = map_type() else { return Err(Error::invalid("a map's type")) };
        let DataType::Struct(fields) = entries.data_type() else { return Err(Error::invalid("a map's entries")) };
        let columns = vec![self.keys.finish()?, self.values.finish()?];
        let pairs = StructArray::try_new(fields.clone(), columns, None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        Ok(Arc::new(MapArray::try_new(entries, offsets, pairs, None, sorted)?))
    }
}
