//! Where bytes come from: locations and the one trait that reads ranges of them.
//!
//! Decoders and planners never read: `open` and the driver do, through [`ObjectIo`].

mod disk_cache;
mod errand;
mod failure;
mod local;
mod location;
mod memory;
mod remembered;
mod remote;
mod storage;

use std::fmt;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
pub use disk_cache::{CachedIo, DiskCache};
pub use errand::Errand;
pub use failure::failure;
pub use local::{LocalIo, LocalReader};
pub use location::Location;
pub use memory::MemoryIo;
pub use remembered::Remembered;
pub use remote::RemoteIo;
pub use storage::Storage;

/// What is known of an object before it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Where it is.
    pub location: Location,
    /// Its size in bytes.
    pub size: u64,
    /// Its version, where the storage keeps one. Reads of another version fail.
    pub etag: Option<String>,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

/// What requests suit a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Most bytes of one.
    pub largest: u64,
    /// Bytes between two stretches that are read over, because another request would cost more.
    pub gap: u64,
    /// How many a scan's partition has under way before their bytes are wanted, where tasks can be started for them.
    pub ahead: usize,
    /// Their bytes, at most, but for one that is alone.
    pub ahead_bytes: u64,
}

impl Requests {
    /// A call of the operating system each, whose bytes the processor's cache still holds when they are inflated.
    pub const LOCAL: Self = Self { largest: 512 << 10, gap: 16 << 10, ahead: 0, ahead_bytes: 0 };
    /// A round trip each.
    pub const REMOTE: Self = Self { largest: 4 << 20, gap: 64 << 10, ahead: 8, ahead_bytes: 16 << 20 };
    /// The smallest that [`Requests::within`] makes of the largest.
    const SMALLEST: u64 = 64 << 10;

    /// The same, of which a partition has no more than `bytes` ahead, nor in a single request.
    ///
    /// ```
    /// use genomicframe_core::io::Requests;
    ///
    /// let small = Requests::REMOTE.within(1 << 20);
    /// assert_eq!((small.largest, small.ahead_bytes), (1 << 20, 1 << 20));
    /// assert_eq!(Requests::REMOTE.within(1 << 30), Requests::REMOTE);
    /// ```
    #[must_use]
    pub fn within(self, bytes: u64) -> Self {
        let most = bytes.max(Self::SMALLEST);
        Self { largest: self.largest.min(most), ahead_bytes: self.ahead_bytes.min(most), ..self }
    }
}

/// Reads ranges of objects.
///
/// Implementations are cheap to share and never block for longer than a local read.
pub trait ObjectIo: fmt::Debug + Send + Sync {
    /// Size and version of the object.
    ///
    /// # Errors
    /// `is_not_found()` when there is none; `is_unsupported()` when it is no regular object (a folder, a pipe).
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>>;

    /// Exactly the bytes of `range`, of the version that `object` describes.
    ///
    /// # Errors
    /// When the range reaches past the end, or the object was replaced or cut short since it was opened.
    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>>;

    /// What requests suit the storage of `at`.
    fn requests(&self, at: &Location) -> Requests {
        match at {
            Location::Local(_) => Requests::LOCAL,
            Location::Url(_) => Requests::REMOTE,
        }
    }

    /// That locations at and below `at` may be asked for at all. Unlike the other methods, it tells nothing of what is there.
    ///
    /// # Errors
    /// `is_denied()` when this storage is for others only; by default it is for all.
    fn permits(&self, at: &Location) -> Result<()> {
        let _ = at;
        Ok(())
    }

    /// The first bytes of an object, at most `most`, which nothing is known of before.
    ///
    /// # Errors
    /// As those of [`ObjectIo::head`] and [`ObjectIo::read`].
    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let object = self.head(at).await?;
            let bytes = self.read(&object, 0..object.size.min(most)).await?;
            Ok((object, bytes))
        }
        .boxed()
    }

    /// The last `n` bytes of an object, which nothing is known of before; `None` where that takes more than one request, so
    /// that nothing is gained by it. An object that is shorter comes whole.
    fn read_last<'a>(&'a self, at: &'a Location, n: u64) -> BoxFuture<'a, Option<(ObjectMeta, Bytes)>> {
        let _ = (at, n);
        Box::pin(std::future::ready(None))
    }

    /// A whole object of at most `most` bytes, which nothing is known of before.
    ///
    /// # Errors
    /// `is_not_found()` when there is none; `is_limit()` when it is larger.
    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let object = self.head(at).await?;
            check_small(at, object.size, most)?;
            let bytes = self.read(&object, 0..object.size).await?;
            Ok((object, bytes))
        }
        .boxed()
    }

    /// The objects below a folder or prefix, by name, without folders and hidden files.
    ///
    /// # Errors
    /// When the storage cannot list.
    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>>;
}

/// That an object may be read whole.
fn check_small(at: &Location, size: u64, most: u64) -> Result<()> {
    if size > most {
        return Err(Error::limit(format!("{size} bytes, more than {most}")).in_object(at));
    }
    Ok(())
}
