//! A column whose values repeat: contigs, filters, genotypes.

use std::collections::HashMap;

use arrow::array::{ArrayRef, StringViewBuilder, UInt32Array};
use arrow::compute::take;

use super::fields::utf8;
use crate::error::{Error, Result};

/// Each different text is checked and kept once; a value is its number.
#[derive(Debug, Default)]
pub(crate) struct RepeatedText {
    values: Vec<u32>,
    texts: Texts,
}

/// Different texts, numbered from 1. Number 0 is null.
#[derive(Debug)]
pub(crate) struct Texts {
    list: Vec<String>,
    numbers: HashMap<Vec<u8>, u32>,
    /// Of short texts that were looked up lately: what they are, and their numbers.
    short: Box<[(u64, u32); SHORT]>,
    /// Of each number: which came after it. Keys and their like mostly come in the same order.
    next: Vec<u32>,
    /// The number of the longer text looked up last.
    last: u32,
}

/// Null's number.
pub(crate) const NULL: u32 = 0;

const SHORT: usize = 256;

/// Different texts that are kept from batch to batch.
const KEPT: usize = 1 << 12;

impl Default for Texts {
    fn default() -> Self {
        let short = Box::new([(0, NULL); SHORT]);
        Self { list: Vec::new(), numbers: HashMap::new(), short, next: vec![NULL], last: NULL }
    }
}

impl Texts {
    /// The number of a text that was added before.
    #[inline]
    pub(crate) fn find(&mut self, text: &[u8]) -> Option<u32> {
        let short = match *text {
            [a, b, c] => u64::from_le_bytes([a, b, c, 0, 0, 0, 0, 3]),
            [a] => u64::from_le_bytes([a, 0, 0, 0, 0, 0, 0, 1]),
            [a, b, c, d] => u64::from_le_bytes([a, b, c, d, 0, 0, 0, 4]),
            _ => return self.find_long(text),
        };
        let place = (short.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize;
        let (known, number) = self.short[place];
        if known == short {
            return Some(number);
        }
        let number = self.numbers.get(text).copied()?;
        self.short[place] = (short, number);
        Some(number)
    }

    fn find_long(&mut self, text: &[u8]) -> Option<u32> {
        let next = self.next.get(self.last as usize).copied().unwrap_or(NULL);
        if self.get(next).is_some_and(|next| next.as_bytes() == text) {
            self.last = next;
            return Some(next);
        }
        let number = self.numbers.get(text).copied()?;
        if let Some(next) = self.next.get_mut(self.last as usize) {
            *next = number;
        }
        self.last = number;
        Some(number)
    }

    /// Adds a text that was not found, and returns its number.
    ///
    /// # Errors
    /// When it is not UTF-8 or has a NUL byte, or there are more than can be numbered.
    pub(crate) fn add(&mut self, text: &[u8], field: &str) -> Result<u32> {
        self.add_str(utf8(text, field)?, field)
    }

    /// The same of text.
    ///
    /// # Errors
    /// When there are more than can be numbered.
    pub(crate) fn add_str(&mut self, text: &str, field: &str) -> Result<u32> {
        let number = u32::try_from(self.list.len() + 1);
        let number = number.map_err(|_| Error::limit("more than 2^32 different texts in a batch").field(field))?;
        self.list.push(text.to_owned());
        self.next.push(NULL);
        self.numbers.insert(text.as_bytes().to_vec(), number);
        Ok(number)
    }

    /// The text of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&str> {
        self.list.get((number as usize).checked_sub(1)?).map(String::as_str)
    }

    /// Whether there are more than repeat, which had better be forgotten.
    pub(crate) fn are_many(&self) -> bool {
        self.list.len() > KEPT
    }

    /// The texts that `numbers` stand for.
    ///
    /// # Errors
    /// When there is no such number.
    pub(crate) fn array(&self, numbers: Vec<u32>) -> Result<ArrayRef> {
        let mut texts = StringViewBuilder::with_capacity(self.list.len() + 1);
        // So that an array without nulls needs no validity.
        if numbers.contains(&NULL) {
            texts.append_null()
        } else {
            texts.append_value("")
        }
        self.list.iter().for_each(|text| texts.append_value(text));
        Ok(take(&texts.finish(), &UInt32Array::from(numbers), None)?)
    }
}

impl RepeatedText {
    /// Appends a value or null.
    ///
    /// # Errors
    /// When it is not UTF-8 or has a NUL byte.
    pub(crate) fn push(&mut self, value: Option<&[u8]>, field: &str) -> Result<()> {
        let number = match value {
            Some(text) => self.texts.find(text).map_or_else(|| self.texts.add(text, field), Ok)?,
            None => NULL,
        };
        self.values.push(number);
        Ok(())
    }

    /// All values.
    ///
    /// # Errors
    /// Never: each value was found or added.
    pub(crate) fn finish(&mut self) -> Result<ArrayRef> {
        let room = Vec::with_capacity(self.values.len());
        let array = self.texts.array(std::mem::replace(&mut self.values, room))?;
        if self.texts.are_many() {
            self.texts = Texts::default();
        }
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;
    use crate::testing::Random;

    #[test]
    fn values_come_back_in_every_batch() {
        let mut random = Random(3);
        let mut column = RepeatedText::default();
        for batch in 0..20 {
            // The last batches have many different texts, which are forgotten again.
            let different = if batch < 10 { 8 } else { 100_000 };
            let texts: Vec<Option<String>> = (0..KEPT * 2)
                .map(|_| (batch % 2 == 0 || random.below(9) > 0).then(|| format!("{}", random.below(different))))
                .collect();
            texts.iter().for_each(|t| column.push(t.as_deref().map(str::as_bytes), "x").unwrap());
            let array = column.finish().unwrap();
            assert!(array.as_string_view().iter().eq(texts.iter().map(Option::as_deref)));
            assert_eq!(array.nulls().is_some(), texts.iter().any(Option::is_none));
        }
        assert!(column.finish().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_text_is_told_each_time() {
        let mut column = RepeatedText::default();
        for bad in [&b"\xff"[..], b"\xc3", b"a\0b", b"\0", b"\xc3\xa4\xc3", b"\0\0\0"] {
            for _ in 0..2 {
                assert!(column.push(Some(bad), "x").is_err_and(|e| e.is_corrupt() && e.to_string().contains('x')));
            }
        }
        column.push(Some("ä".as_bytes()), "x").unwrap();
        assert_eq!(column.finish().unwrap().as_string_view().value(0), "ä");
    }
}
