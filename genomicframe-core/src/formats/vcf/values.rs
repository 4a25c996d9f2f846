//! Values on their way to arrays: a key's, scalar or list.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanBuilder, Float32Builder, Int32Builder, ListArray, NullBufferBuilder, StringViewBuilder,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Field;

use super::line::given;
use super::schema::{Key, Kind};
use crate::error::{Error, Result};
use crate::text::{fields, numbers};

/// Lists of what was appended elsewhere: one array's offsets and nulls.
#[derive(Debug)]
pub(super) struct Lists {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Default for Lists {
    fn default() -> Self {
        Self { offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }
}

impl Lists {
    /// Ends a list of the `len` items since the last one.
    pub(super) fn push(&mut self, len: usize) -> Result<()> {
        let last = self.offsets.last().copied().unwrap_or_default();
        let next = i32::try_from(len).ok().and_then(|len| last.checked_add(len));
        // A batch ends long before: only a single line of gigabytes comes here.
        let next = next.ok_or_else(|| Error::limit("more than 2^31 list items in a batch"))?;
        self.offsets.push(next);
        self.nulls.append_non_null();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.offsets.push(self.offsets.last().copied().unwrap_or_default());
        self.nulls.append_null();
    }

    pub(super) fn finish(&mut self, items: ArrayRef) -> Result<ArrayRef> {
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let field = Arc::new(Field::new("item", items.data_type().clone(), true));
        Ok(Arc::new(ListArray::try_new(field, offsets, items, self.nulls.finish())?))
    }
}

#[derive(Debug)]
enum Items {
    Flag(BooleanBuilder),
    Int(Int32Builder),
    Float(Float32Builder),
    Text(StringViewBuilder),
}

impl Items {
    fn push(&mut self, text: Option<&[u8]>, label: &str) -> Result<()> {
        match self {
            Self::Flag(b) => b.append_value(text.is_some()),
            Self::Int(b) => b.append_option(text.map(|t| numbers::int32(t, label)).transpose()?),
            Self::Float(b) => b.append_option(text.map(|t| numbers::float(t, label)).transpose()?),
            Self::Text(b) => b.append_option(text.map(|t| fields::utf8(t, label)).transpose()?),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Flag(b) => Arc::new(b.finish()),
            Self::Int(b) => Arc::new(b.finish()),
            Self::Float(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()),
        }
    }
}

/// The values of one key.
#[derive(Debug)]
pub(super) struct Cells {
    items: Items,
    lists: Option<Lists>,
    label: String,
}

impl Cells {
    pub(super) fn new(key: &Key) -> Self {
        let items = match key.kind {
            Kind::Flag => Items::Flag(BooleanBuilder::new()),
            Kind::Int => Items::Int(Int32Builder::new()),
            Kind::Float => Items::Float(Float32Builder::new()),
            Kind::Text => Items::Text(StringViewBuilder::new()),
        };
        Self { items, lists: key.list.then(Lists::default), label: key.label.clone() }
    }

    /// Appends a flag's presence.
    pub(super) fn push_flag(&mut self, present: bool) -> Result<()> {
        self.items.push(present.then_some(b""), &self.label)
    }

    /// Whether this is a flag's column.
    pub(super) fn is_flag(&self) -> bool {
        matches!(self.items, Items::Flag(_))
    }

    /// Appends a value as the file writes it. Null: nothing, a dot, and of scalars the empty text.
    pub(super) fn push(&mut self, text: Option<&[u8]>) -> Result<()> {
        match &mut self.lists {
            None => self.items.push(given(text), &self.label).map_err(|e| match text {
                Some(text) if memchr::memchr(b',', text).is_some() => {
                    e.hint("the header declares Number=1, but there are several values: correct its Number")
                }
                _ => e,
            }),
            Some(lists) => match text {
                None | Some(b".") => {
                    lists.push_null();
                    Ok(())
                }
                // The vector of length zero, of local alleles (VCF 4.5 §1.6.2).
                Some(b"") => lists.push(0),
                Some(text) => {
                    let mut len = 0;
                    for item in Commas(Some(text)) {
                        self.items.push(given(Some(item)), &self.label)?;
                        len += 1;
                    }
                    lists.push(len)
                }
            },
        }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let items = self.items.finish();
        match &mut self.lists {
            None => Ok(items),
            Some(lists) => lists.finish(items),
        }
    }
}

/// The parts of a comma-separated list.
struct Commas<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Commas<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.0?;
        match memchr::memchr(b',', text) {
            Some(comma) => {
                self.0 = Some(&text[comma + 1..]);
                Some(&text[..comma])
            }
            None => self.0.take(),
        }
    }
}
