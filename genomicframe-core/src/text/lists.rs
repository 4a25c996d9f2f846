//! Lists of what is appended elsewhere.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, NullBufferBuilder};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::Field;

use crate::error::{Error, Result};

/// One array's offsets and nulls.
#[derive(Debug)]
pub(crate) struct Lists {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    /// Lists whose items' text was checked.
    checked: usize,
}

/// What is wrong with text, and with which of the values since the last check.
pub(crate) type Broken = (usize, Error);

impl Default for Lists {
    fn default() -> Self {
        Self { offsets: vec![0], nulls: NullBufferBuilder::new(0), checked: 0 }
    }
}

impl Lists {
    /// Ends a list of the `len` items since the last one.
    ///
    /// # Errors
    /// When the items are too many for one array.
    pub(crate) fn push(&mut self, len: usize) -> Result<()> {
        let last = self.offsets.last().copied().unwrap_or_default();
        let next = i32::try_from(len).ok().and_then(|len| last.checked_add(len));
        // A batch ends long before: only a single line of gigabytes comes here.
        let next = next.ok_or_else(|| Error::limit("more than 2^31 list items in a batch"))?;
        self.offsets.push(next);
        self.nulls.append_non_null();
        Ok(())
    }

    /// Appends null.
    pub(crate) fn push_null(&mut self) {
        self.offsets.push(self.offsets.last().copied().unwrap_or_default());
        self.nulls.append_null();
    }

    /// Of what is wrong with an item, which of the lists since the last call has it.
    ///
    /// # Errors
    /// What is given.
    pub(crate) fn check(&mut self, items: Result<(), Broken>) -> Result<(), Broken> {
        let new = &self.offsets[std::mem::replace(&mut self.checked, self.offsets.len() - 1)..];
        items.map_err(|(item, e)| {
            let item = new.first().map_or(0, |first| *first as usize) + item;
            (new.partition_point(|start| *start as usize <= item).saturating_sub(1), e)
        })
    }

    /// Where the lists begin and end, and which are null.
    pub(crate) fn finish_parts(&mut self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        self.checked = 0;
        let mut next = Vec::with_capacity(self.offsets.len());
        next.push(0);
        let offsets = std::mem::replace(&mut self.offsets, next);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), self.nulls.finish())
    }

    /// The lists, of all `items` appended.
    ///
    /// # Errors
    /// When the items are fewer than the lists have.
    pub(crate) fn finish(&mut self, items: ArrayRef) -> Result<ArrayRef> {
        let (offsets, nulls) = self.finish_parts();
        let field = Arc::new(Field::new("item", items.data_type().clone(), true));
        Ok(Arc::new(ListArray::try_new(field, offsets, items, nulls)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_an_item() {
        let mut lists = Lists::default();
        let broken = |lists: &mut Lists, item| lists.check(Err((item, Error::corrupt("x")))).unwrap_err().0;
        lists.push(2).unwrap();
        lists.check(Ok(())).unwrap();
        // Lists of 0, null, 3 and 1 items, and one that is not ended.
        lists.push(0).unwrap();
        lists.push_null();
        lists.push(3).unwrap();
        lists.push(1).unwrap();
        for (item, list) in [(0, 2), (2, 2), (3, 3), (4, 4)] {
            lists.checked = 1;
            assert_eq!(broken(&mut lists, item), list, "{item}");
        }
    }
}
