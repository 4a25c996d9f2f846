//! Values on their way to arrays: a key's, scalar or list.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float32Builder, Int32Builder};

use super::line::given;
use super::schema::{Key, Kind};
use crate::error::{Error, Result};
use crate::text::lists::{Broken, Lists};
use crate::text::numbers;
use crate::text::text_column::TextColumn;

#[derive(Debug)]
enum Items {
    Flag(BooleanBuilder),
    Int(Int32Builder),
    Float(Float32Builder),
    Text(TextColumn),
}

impl Items {
    fn push(&mut self, text: Option<&[u8]>, label: &str) -> Result<()> {
        match self {
            Self::Flag(b) => b.append_value(text.is_some()),
            Self::Int(b) => b.append_option(text.map(|t| integer(t, label)).transpose()?),
            Self::Float(b) => b.append_option(text.map(|t| numbers::float(t, label)).transpose()?),
            Self::Text(b) => b.push_option(text),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Flag(b) => Arc::new(b.finish()),
            Self::Int(b) => Arc::new(b.finish()),
            Self::Float(b) => Arc::new(b.finish()),
            Self::Text(b) => b.finish()?,
        })
    }
}

/// Below this an Integer is none: the numbers there stand for missing values in BCF (VCF 4.3 §1.3).
const LEAST_INTEGER: i32 = i32::MIN + 8;

/// A value of type Integer.
///
/// # Errors
/// When it is none, or does not fit.
pub(super) fn integer(text: &[u8], label: &str) -> Result<i32> {
    let n = numbers::int32(text, label)?;
    if n < LEAST_INTEGER {
        let e = Error::corrupt(format!("an integer below {LEAST_INTEGER}, which VCF reserves")).field(label).text(text);
        return Err(e.hint("a missing value is written as a dot"));
    }
    Ok(n)
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
            Kind::Text => Items::Text(TextColumn::default()),
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

    /// Appends a value as the file writes it; text is checked by [`Cells::check`]. Null: nothing, a dot, and of scalars the empty text.
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

    /// Checks the text of the values appended since the last call.
    ///
    /// # Errors
    /// With the number among them of the first that is not UTF-8 or has a NUL byte.
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        let items = match &mut self.items {
            Items::Text(b) => b.check(&self.label),
            _ => Ok(()),
        };
        match &mut self.lists {
            None => items,
            Some(lists) => lists.check(items),
        }
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let items = self.items.finish()?;
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
