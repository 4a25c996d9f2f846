//! Stored bytes of a chunk that are at hand.

use std::ops::Range;

use bytes::Bytes;
use genomicframe_core::{Error, Offset, Result};

/// Stretches of a chunk, by where they lie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Vec<(u64, Bytes)>);

impl Held {
    /// Keeps `bytes`, which lie at `at`.
    pub(crate) fn put(&mut self, at: u64, bytes: Bytes) {
        let place = self.0.partition_point(|(start, _)| *start <= at);
        self.0.insert(place, (at, bytes));
    }

    /// What is kept.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(start, bytes)| *start..*start + bytes.len() as u64)
    }

    /// The bytes of `range`.
    ///
    /// # Errors
    /// When they were not kept.
    pub(crate) fn find(&self, range: &Range<u64>) -> Result<Bytes> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let at = self.0.partition_point(|(start, _)| *start <= range.start);
        let held = at.checked_sub(1).and_then(|i| self.0.get(i)).and_then(|(start, bytes)| {
            let begin = usize::try_from(range.start - start).ok()?;
            let end = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (begin <= end && end <= bytes.len()).then(|| bytes.slice(begin..end))
        });
        held.ok_or_else(|| Error::corrupt("a page lies outside its chunk").at(Offset::Byte(range.start)))
    }
}
