//! A column of text under construction: bytes side by side, checked many values at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, MAX_INLINE_VIEW_LEN, NullBufferBuilder, StringArray, StringViewArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};

use super::fields::utf8;
use crate::error::{Error, Result};

/// Values are appended as bytes, or written in place, and become text when [`TextColumn::check`] has seen them.
#[derive(Debug)]
pub(crate) struct TextColumn {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
    /// Values that are known to be text.
    checked: usize,
    /// Those of the others that were text already. They may have NUL bytes, which were written as escapes.
    decoded: Vec<usize>,
}

impl Default for TextColumn {
    fn default() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0], nulls: NullBufferBuilder::new(0), checked: 0, decoded: Vec::new() }
    }
}

impl TextColumn {
    /// Appends a value.
    pub(crate) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end();
    }

    /// Appends text that was decoded.
    pub(crate) fn push_str(&mut self, value: &str) {
        self.decoded.push(self.len());
        self.push(value.as_bytes());
    }

    /// Appends null.
    pub(crate) fn push_null(&mut self) {
        self.offsets.push(self.offset());
        self.nulls.append_null();
    }

    /// Appends a value or null.
    pub(crate) fn push_option(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.push(value),
            None => self.push_null(),
        }
    }

    /// Where a value can be written; [`TextColumn::end`] ends it.
    pub(crate) fn open(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the value whose bytes were appended since the last one.
    pub(crate) fn end(&mut self) {
        self.offsets.push(self.offset());
        self.nulls.append_non_null();
    }

    /// Bytes beyond 2 GiB have no offset; `check` tells them.
    fn offset(&self) -> i32 {
        i32::try_from(self.bytes.len()).unwrap_or(i32::MAX)
    }

    /// Values.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Checks the values appended since the last call.
    ///
    /// # Errors
    /// With the number among them of the first that is not UTF-8 or has a NUL byte.
    pub(crate) fn check(&mut self, field: &str) -> Result<(), (usize, Error)> {
        let count = self.len();
        let first = std::mem::replace(&mut self.checked, count);
        if self.bytes.len() > i32::MAX as usize {
            return Err((0, Error::limit("more than 2 GiB of text in a batch").field(field)));
        }
        let decoded = std::mem::take(&mut self.decoded);
        let new = &self.bytes[self.offsets[first] as usize..];
        // Of plain text, which most is, this is all.
        if new.is_ascii() && memchr::memchr(0, new).is_none() {
            return Ok(());
        }
        for (index, range) in self.offsets[first..].windows(2).enumerate() {
            if decoded.binary_search(&(first + index)).is_ok() {
                continue;
            }
            utf8(&self.bytes[range[0] as usize..range[1] as usize], field).map_err(|e| (index, e))?;
        }
        Ok(())
    }

    /// All values, checked before, as views.
    ///
    /// # Errors
    /// When they were not checked and are no text.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(Arc::new(self.finish_views()?))
    }

    pub(crate) fn finish_views(&mut self) -> Result<StringViewArray> {
        self.checked = 0;
        self.decoded.clear();
        let room = super::room_like(self.bytes.len());
        let bytes = std::mem::replace(&mut self.bytes, room);
        let mut next = Vec::with_capacity(self.offsets.len());
        next.push(0);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, next)));
        let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), self.nulls.finish())?;
        let is_inline = array.offsets().lengths().all(|length| length <= MAX_INLINE_VIEW_LEN as usize);
        let views = StringViewArray::from(&array);
        // Short texts lie in the views themselves: to keep their bytes too would only make files larger.
        Ok(if is_inline { views.gc() } else { views })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_nulls_and_what_is_neither() {
        let mut column = TextColumn::default();
        column.push(b"plain");
        column.push_null();
        column.check("x").unwrap();
        column.push("ä".as_bytes());
        column.open().extend_from_slice(b"written in place");
        column.end();
        column.check("x").unwrap();
        let array = column.finish_views().unwrap();
        assert_eq!(array.iter().collect::<Vec<_>>(), [Some("plain"), None, Some("ä"), Some("written in place")]);
        column.push_str("a\0b");
        column.check("x").unwrap();
        column.push_str("a\0b");
        column.push(b"a\0b");
        assert_eq!(column.check("x").unwrap_err().0, 1);
        column = TextColumn::default();
        // Halves of a character are no text, though their bytes side by side are.
        for bad in [&["ok".as_bytes(), b"\xc3", b"\xa4"][..], &[b"ok", b"a\0b"]] {
            bad.iter().for_each(|value| column.push(value));
            let (index, e) = column.check("x").unwrap_err();
            assert_eq!(index, 1);
            assert!(e.is_corrupt() && e.to_string().contains('x'), "{e}");
            column = TextColumn::default();
        }
        assert!(column.finish().unwrap().is_empty());
    }
}
