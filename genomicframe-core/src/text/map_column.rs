//! A column of maps from text to text under construction.

use std::sync::Arc;

use arrow::array::{ArrayRef, MapArray, StructArray};
use arrow::datatypes::{DataType, Field, Fields};

use super::lists::{Broken, Lists};
use super::repeated::Texts;
use super::text_column::TextColumn;
use crate::error::{Error, Result};

/// Keys repeat from row to row, and are checked once; values are checked many at a time.
#[derive(Debug, Default)]
pub(crate) struct MapColumn {
    keys: Vec<u32>,
    texts: Texts,
    /// Of each key's number: the row that had it last.
    seen: Vec<u64>,
    row: u64,
    values: TextColumn,
    maps: Lists,
    /// Entries of the row.
    entries: usize,
}

const ENTRIES: &str = "entries";

fn entries() -> Fields {
    let key = Field::new("key", DataType::Utf8View, false);
    let value = Field::new("value", DataType::Utf8View, true);
    vec![key, value].into()
}

/// The type of the column.
pub(crate) fn map_type() -> DataType {
    DataType::Map(Arc::new(Field::new(ENTRIES, DataType::Struct(entries()), false)), false)
}

impl MapColumn {
    /// Adds an entry to the row; `false` when it has one of this key already, which stays.
    ///
    /// # Errors
    /// When the key is no text.
    pub(crate) fn put(&mut self, key: &[u8], value: Option<&[u8]>, field: &str) -> Result<bool> {
        let number = self.texts.find(key).map_or_else(|| self.texts.add(key, field), Ok)?;
        let new = self.put_key(number);
        if new {
            self.values.push_option(value);
        }
        Ok(new)
    }

    /// The same of text that was decoded.
    ///
    /// # Errors
    /// When there are more keys than can be numbered.
    pub(crate) fn put_str(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<bool> {
        let number = self.texts.find(key.as_bytes()).map_or_else(|| self.texts.add_str(key, field), Ok)?;
        let new = self.put_key(number);
        if new {
            match value {
                Some(value) => self.values.push_str(value),
                None => self.values.push_null(),
            }
        }
        Ok(new)
    }

    /// Adds the key to the row, unless it is there already.
    fn put_key(&mut self, number: u32) -> bool {
        let place = number as usize;
        if self.seen.len() <= place {
            self.seen.resize(place + 1, 0);
        }
        // Rows are counted from 1.
        if std::mem::replace(&mut self.seen[place], self.row + 1) == self.row + 1 {
            return false;
        }
        self.keys.push(number);
        self.entries += 1;
        true
    }

    /// Ends a row: null when it has no entry.
    ///
    /// # Errors
    /// When there are more entries than an array can have.
    pub(crate) fn end_row(&mut self) -> Result<()> {
        self.row += 1;
        match std::mem::take(&mut self.entries) {
            0 => self.maps.push_null(),
            n => self.maps.push(n)?,
        }
        Ok(())
    }

    /// Checks the values of the rows since the last call.
    ///
    /// # Errors
    /// With the first row that has a value that is no text.
    pub(crate) fn check(&mut self, field: &str) -> Result<(), Broken> {
        self.maps.check(self.values.check(field))
    }

    /// All rows.
    ///
    /// # Errors
    /// When the rows are not ended.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        let room = super::room_like(self.keys.len());
        let keys = self.texts.array(std::mem::replace(&mut self.keys, room))?;
        if self.texts.are_many() {
            (self.texts, self.seen) = (Texts::default(), Vec::new());
        }
        let (offsets, nulls) = self.maps.finish_parts();
        let pairs = StructArray::try_new(entries(), vec![keys, self.values.finish()?], None)?;
        let DataType::Map(field, ordered) = map_type() else { return Err(Error::invalid("not a map")) };
        Ok(Arc::new(MapArray::try_new(field, offsets, pairs, nulls, ordered)?))
    }
}
