//! Objects in memory, for tests, fuzzing and data that never was a file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Location, ObjectIo, ObjectMeta};
use crate::error::{Error, Result};

/// Named byte strings.
///
/// ```
/// use genomicframe_core::io::{Location, MemoryIo, ObjectIo};
///
/// let io = MemoryIo::default();
/// let at = Location::parse("memory:///a.bed")?;
/// io.put(&at, "chr1\t0\t10\n");
/// let meta = futures::executor::block_on(io.head(&at))?;
/// assert_eq!(meta.size, 10);
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryIo {
    objects: RwLock<BTreeMap<Location, (Bytes, u64)>>,
}

impl MemoryIo {
    /// Stores or replaces an object.
    pub fn put(&self, at: &Location, bytes: impl Into<Bytes>) {
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let version = objects.get(at).map_or(0, |(_, v)| v + 1);
        objects.insert(at.clone(), (bytes.into(), version));
    }

    fn get(&self, at: &Location) -> Result<(Bytes, u64)> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(at).cloned().ok_or_else(|| Error::not_found("no such object").in_object(at))
    }
}

fn describe(at: &Location, (bytes, version): &(Bytes, u64)) -> ObjectMeta {
    ObjectMeta { location: at.clone(), size: bytes.len() as u64, etag: Some(version.to_string()), modified: None }
}

impl ObjectIo for MemoryIo {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        async move { Ok(describe(at, &self.get(at)?)) }.boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            let stored = self.get(&object.location)?;
            let now = describe(&object.location, &stored);
            // A part of a dataset is known by its parent, which has its size and checksum but no version.
            if now.size != object.size || (object.etag.is_some() && now != *object) {
                return Err(Error::io("the object was replaced while it was being read").in_object(&object.location));
            }
            if range.start > range.end || range.end > object.size {
                return Err(Error::io("a read reaches past the object's end").in_object(&object.location));
            }
            Ok(stored.0.slice(range.start as usize..range.end as usize))
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move {
            let prefix = format!("{}/", below.to_string().trim_end_matches('/'));
            let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
            let below = objects.iter().filter(|(at, _)| at.to_string().starts_with(&prefix));
            Ok(below.map(|(at, stored)| describe(at, stored)).collect())
        }
        .boxed()
    }
}
