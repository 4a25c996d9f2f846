//! All storages behind one door.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use url::Url;

use super::{CachedIo, DiskCache, LocalIo, Location, MemoryIo, ObjectIo, ObjectMeta, RemoteIo};
use crate::error::{Error, Result};

/// Sends each location to the storage that serves it: paths to files, `memory://` to [`MemoryIo`], other URLs to stores.
#[derive(Debug)]
pub struct Storage {
    local: LocalIo,
    memory: MemoryIo,
    remote: Box<dyn ObjectIo>,
}

impl Default for Storage {
    /// Without object stores.
    fn default() -> Self {
        Self::with_stores(|url| Err(Error::unsupported(format!("no object store serves {}://", url.scheme()))))
    }
}

impl Storage {
    /// With object stores, found by `store_for`.
    pub fn with_stores(store_for: impl Fn(&Url) -> Result<Arc<dyn ObjectStore>> + Send + Sync + 'static) -> Self {
        Self { local: LocalIo::default(), memory: MemoryIo::default(), remote: Box::new(RemoteIo::new(store_for)) }
    }

    /// With what remote files are opened with kept on disk.
    pub fn cached(mut self, cache: DiskCache) -> Self {
        self.remote = Box::new(CachedIo::new(self.remote, cache));
        self
    }

    /// The objects of `memory://`.
    pub fn memory(&self) -> &MemoryIo {
        &self.memory
    }

    fn serving(&self, at: &Location) -> &dyn ObjectIo {
        match at {
            Location::Local(_) => &self.local,
            Location::Url(_) if at.is_remote() => &*self.remote,
            Location::Url(_) => &self.memory,
        }
    }
}

impl ObjectIo for Storage {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        self.serving(at).head(at)
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        self.serving(&object.location).read(object, range)
    }

    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        self.serving(at).read_first(at, most)
    }

    fn read_last<'a>(&'a self, at: &'a Location, n: u64) -> BoxFuture<'a, Option<(ObjectMeta, Bytes)>> {
        self.serving(at).read_last(at, n)
    }

    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        self.serving(at).read_small(at, most)
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        self.serving(below).list(below)
    }
}
