//! Little-endian numbers and counted lists, never beyond the bytes that are there.

use crate::error::{Error, Result};

pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, n: usize, field: &str) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            return Err(Error::corrupt("truncated index").field(field));
        };
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, field)?);
        Ok(out)
    }

    /// `n` items of `N` bytes.
    pub(super) fn arrays<const N: usize>(&mut self, n: usize, field: &str) -> Result<&'a [[u8; N]]> {
        let bytes = n.checked_mul(N).ok_or_else(|| Error::corrupt("truncated index").field(field))?;
        Ok(self.take(bytes, field)?.as_chunks().0)
    }

    pub(super) fn u32(&mut self, field: &str) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    pub(super) fn i32(&mut self, field: &str) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array(field)?))
    }

    pub(super) fn u64(&mut self, field: &str) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    /// A count of items of at least `each` bytes: refused when so many cannot follow.
    pub(super) fn count(&mut self, each: usize, field: &str) -> Result<usize> {
        let n = self.i32(field)?;
        match usize::try_from(n) {
            Ok(count) if count.checked_mul(each).is_some_and(|bytes| bytes <= self.rest.len()) => Ok(count),
            _ => Err(Error::corrupt(format!("the index claims {n} items where {} bytes are left", self.rest.len()))
                .field(field)),
        }
    }
}
