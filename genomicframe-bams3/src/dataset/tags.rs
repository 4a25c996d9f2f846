//! Tags of a group's rows: a column of one key, and the map of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Float32Array, Float32Builder, Int64Array, Int64Builder, ListBuilder, MapArray, StructArray,
    UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use genomicframe_core::alignment::{Tag, TagType, write_int};
use genomicframe_core::{Error, Result};

use super::arrays::{picked, strings};
use crate::codec::stream::LONGEST;
use crate::codec::strings::Strings;
use crate::column::TagKind;
use crate::group::GroupReader;
use crate::group::tags::{Values, write_value};

/// Values of one key, a row each; of a key that stands twice in a row the first.
#[derive(Debug)]
pub(super) enum TagColumn {
    Int(Vec<Option<i64>>),
    Float(Vec<Option<f32>>),
    /// Values, and which one each row has.
    Text(Strings, Vec<Option<u32>>),
    /// The same of values of several types, as SAM writes them.
    Mixed(Strings, Vec<Option<u32>>),
    Ints(Vec<Option<Vec<i64>>>),
    Floats(Vec<Option<Vec<f32>>>),
}

fn other_type(kind: TagKind, expected: TagType) -> Error {
    Error::corrupt(format!("its type is that of {kind} where the column holds {expected:?}"))
        .field(format!("tag {}", kind.key.escape_ascii()))
        .hint("the column's type is that of the dataset's catalogue; the column tags has every value")
}

fn float(bits: i64) -> f32 {
    f32::from_bits(bits as u32)
}

impl TagColumn {
    /// Reads the values of `key`, which must all be of type `of`.
    pub(super) fn read(group: &mut GroupReader<'_>, key: [u8; 2], of: TagType) -> Result<Self> {
        let rows = group.rows();
        let mut out = match of {
            TagType::Int => Self::Int(vec![None; rows]),
            TagType::Float => Self::Float(vec![None; rows]),
            TagType::Text => Self::Text(Strings::default(), vec![None; rows]),
            TagType::Mixed => Self::Mixed(Strings::default(), vec![None; rows]),
            TagType::Ints => Self::Ints(vec![None; rows]),
            TagType::Floats => Self::Floats(vec![None; rows]),
        };
        let layouts = group.layouts()?;
        for (column, n) in group.tag_counts()?.iter().map(|(c, n)| (*c, *n)) {
            let Some(kind) = column.as_tag().filter(|k| k.key == key) else { continue };
            let values = group.values(column, n)?;
            // What a layout has of this kind: whether its first of the key, and how many.
            let of_layout: Vec<(bool, usize)> = layouts
                .distinct
                .iter()
                .map(|l| {
                    let first = l.iter().find(|k| k.key == key).is_some_and(|k| *k == kind);
                    (first, l.iter().filter(|k| **k == kind).count())
                })
                .collect();
            let rows = layouts.ids.iter().enumerate().scan(0, |next, (row, id)| {
                let (first, count) = of_layout[*id as usize];
                let at = *next;
                *next += count;
                Some((first && count > 0).then_some((row, at)))
            });
            out.fill(kind, values, rows.flatten(), of)?;
        }
        Ok(out)
    }

    fn fill(
        &mut self,
        kind: TagKind,
        values: Values,
        rows: impl Iterator<Item = (usize, usize)>,
        of: TagType,
    ) -> Result<()> {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        match (self, values) {
            (Self::Int(out), Values::Ints(values)) if kind.of != b'f' => {
                rows.for_each(|(row, at)| out[row] = Some(values[at]))
            }
            (Self::Float(out), Values::Ints(values)) if kind.of == b'f' => {
                rows.for_each(|(row, at)| out[row] = Some(float(values[at])));
            }
            (Self::Mixed(all, out), values) => {
                let (mut raw, mut shown) = (Vec::new(), Vec::new());
                for (row, at) in rows {
                    shown.clear();
                    show(kind, &values, at, &mut raw, &mut shown);
                    out[row] = Some(all.len() as u32);
                    // Without the type.
                    all.push(shown.get(2..).unwrap_or_default());
                    if all.bytes.len() > LONGEST {
                        return Err(Error::limit("a row group of more than 1 GiB of text"));
                    }
                }
            }
            (Self::Text(all, out), Values::Text(values)) => {
                let (first, base) = (all.len(), all.bytes.len());
                if base + values.bytes.len() > LONGEST {
                    return Err(Error::limit("a row group of more than 1 GiB of text"));
                }
                rows.for_each(|(row, at)| out[row] = Some((first + at) as u32));
                if first == 0 {
                    *all = values;
                } else {
                    all.ends.extend(values.ends.iter().map(|end| base as u32 + end));
                    all.bytes.extend_from_slice(&values.bytes);
                }
            }
            (Self::Ints(out), Values::Arrays(elements, ends)) if kind.sub != b'f' => {
                rows.for_each(|(row, at)| out[row] = Some(slice(&elements, &ends, at).to_vec()));
            }
            (Self::Floats(out), Values::Arrays(elements, ends)) if kind.sub == b'f' => {
                rows.for_each(|(row, at)| {
                    out[row] = Some(slice(&elements, &ends, at).iter().map(|b| float(*b)).collect());
                });
            }
            _ => return Err(other_type(kind, of)),
        }
        Ok(())
    }

    pub(super) fn int(&self, row: usize) -> Option<i64> {
        if let Self::Int(values) = self { values[row] } else { None }
    }

    pub(super) fn float(&self, row: usize) -> Option<f32> {
        if let Self::Float(values) = self { values[row] } else { None }
    }

    pub(super) fn text(&self, row: usize) -> Option<&[u8]> {
        if let Self::Text(values, picks) = self { picks[row].map(|at| values.get(at as usize)) } else { None }
    }

    /// As an array of type `of`.
    pub(super) fn into_array(self, of: &DataType) -> Result<ArrayRef> {
        let array: ArrayRef = match self {
            Self::Int(values) => Arc::new(Int64Array::from(values)),
            Self::Float(values) => Arc::new(Float32Array::from(values)),
            Self::Text(values, picks) | Self::Mixed(values, picks) => {
                picked(&strings(values.bytes, &values.ends, None, "tag")?, &UInt32Array::from(picks))?
            }
            Self::Ints(values) => {
                let mut list = ListBuilder::new(Int64Builder::new());
                values.iter().for_each(|v| list.append_option(v.as_ref().map(|v| v.iter().map(|x| Some(*x)))));
                Arc::new(list.finish())
            }
            Self::Floats(values) => {
                let mut list = ListBuilder::new(Float32Builder::new());
                values.iter().for_each(|v| list.append_option(v.as_ref().map(|v| v.iter().map(|x| Some(*x)))));
                Arc::new(list.finish())
            }
        };
        if array.data_type() == of { Ok(array) } else { Err(Error::invalid(format!("a tag's column of type {of}"))) }
    }
}

fn slice<'a>(elements: &'a [i64], ends: &[u32], at: usize) -> &'a [i64] {
    let start = if at == 0 { 0 } else { ends[at - 1] as usize };
    &elements[start..ends[at] as usize]
}

/// Every tag of each row as SAM text, by key; of a key that stands twice the first.
pub(super) fn tags_map(group: &mut GroupReader<'_>, of: &DataType) -> Result<ArrayRef> {
    let DataType::Map(entries, _) = of else { return Err(Error::invalid("the column of all tags is a map")) };
    let DataType::Struct(fields) = entries.data_type() else { return Err(Error::invalid("a map without entries")) };
    let layouts = group.layouts()?;
    let mut columns: Vec<(TagKind, Values, usize)> = Vec::new();
    let mut places: BTreeMap<TagKind, usize> = BTreeMap::new();
    for (column, n) in group.tag_counts()?.iter().map(|(c, n)| (*c, *n)) {
        let Some(kind) = column.as_tag() else { continue };
        places.insert(kind, columns.len());
        columns.push((kind, group.values(column, n)?, 0));
    }
    // Of each layout: where each tag's values are, and the number of its key if that is new in the row.
    let mut known = Strings::default();
    let mut numbers: BTreeMap<[u8; 2], u32> = BTreeMap::new();
    let plans: Vec<Vec<(usize, Option<u32>)>> = layouts
        .distinct
        .iter()
        .map(|layout| {
            let entry = |(i, kind): (usize, &TagKind)| {
                let number = *numbers.entry(kind.key).or_insert_with(|| {
                    known.push(&kind.key);
                    known.len() as u32 - 1
                });
                let is_new = !layout[..i].iter().any(|k| k.key == kind.key);
                (places.get(kind).copied().unwrap_or(0), is_new.then_some(number))
            };
            layout.iter().enumerate().map(entry).collect()
        })
        .collect();
    let (mut keys, mut values, mut ends) = (Vec::new(), Strings::default(), vec![0i32]);
    let mut raw = Vec::new();
    for id in &layouts.ids {
        for (place, key) in &plans[*id as usize] {
            let (kind, column, next) = &mut columns[*place];
            let at = *next;
            *next += 1;
            let Some(key) = key else { continue };
            keys.push(*key);
            show(*kind, column, at, &mut raw, &mut values.bytes);
            if values.bytes.len() > LONGEST {
                return Err(Error::limit("tags of a row group beyond 1 GiB of text"));
            }
            values.ends.push(values.bytes.len() as u32);
        }
        ends.push(i32::try_from(keys.len()).map_err(|_| Error::limit("too many tags in a row group"))?);
    }
    let keys = picked(&strings(known.bytes, &known.ends, None, "tags")?, &UInt32Array::from(keys))?;
    let values: ArrayRef = Arc::new(strings(values.bytes, &values.ends, None, "tags")?);
    let entries_array = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), OffsetBuffer::new(ends.into()), entries_array, None, false)?))
}

/// `TYPE:VALUE` as SAM writes it.
fn show(kind: TagKind, values: &Values, at: usize, raw: &mut Vec<u8>, out: &mut Vec<u8>) {
    match values {
        Values::Text(values) => {
            out.extend([kind.of, b':']);
            out.extend_from_slice(values.get(at));
        }
        Values::Ints(numbers) if kind.of != b'f' => {
            out.extend_from_slice(b"i:");
            write_int(numbers[at], out);
        }
        _ => {
            raw.clear();
            write_value(kind, values, at, raw);
            Tag { key: kind.key, kind: kind.of, value: raw }.write(out);
        }
    }
}
