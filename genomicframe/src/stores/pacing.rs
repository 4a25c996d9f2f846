//! How many requests are under way, and how large they are.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use genomicframe_core::Result;
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta, Requests, Storage};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Reads that the process has under way in all stores, of all queries: more of them do not come any sooner. Each ends by itself,
/// with all its bytes, so that none waits for another.
static UNDER_WAY: Semaphore = Semaphore::const_new(32);

/// Storage whose remote reads are numbered and sized.
pub(crate) struct Paced {
    storage: Storage,
    requests: Requests,
}

impl fmt::Debug for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("requests", &self.requests).finish_non_exhaustive()
    }
}

impl Paced {
    /// Reads of `storage`, of remote files in such requests.
    pub(crate) fn new(storage: Storage, requests: Requests) -> Self {
        Self { storage, requests }
    }
}

/// Waits until another remote read may begin.
async fn permit(at: &Location) -> Option<SemaphorePermit<'static>> {
    // It is never closed.
    if at.is_remote() { UNDER_WAY.acquire().await.ok() } else { None }
}

impl ObjectIo for Paced {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        async move {
            let _permit = permit(at).await;
            self.storage.head(at).await
        }
        .boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        if !object.location.is_remote() {
            return self.storage.read(object, range);
        }
        async move {
            let _permit = permit(&object.location).await;
            self.storage.read(object, range).await
        }
        .boxed()
    }

    fn requests(&self, at: &Location) -> Requests {
        if at.is_remote() { self.requests } else { self.storage.requests(at) }
    }

    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let _permit = permit(at).await;
            self.storage.read_first(at, most).await
        }
        .boxed()
    }

    fn read_last<'a>(&'a self, at: &'a Location, n: u64) -> BoxFuture<'a, Option<(ObjectMeta, Bytes)>> {
        async move {
            let _permit = permit(at).await;
            self.storage.read_last(at, n).await
        }
        .boxed()
    }

    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let _permit = permit(at).await;
            self.storage.read_small(at, most).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move {
            let _permit = permit(below).await;
            self.storage.list(below).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use futures::future::join_all;
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};
    use object_store::{ObjectStore, ObjectStoreExt};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn at_most_so_many_reads_are_under_way_in_all_contexts() {
        let wait = ThrottleConfig { wait_get_per_call: Duration::from_millis(20), ..ThrottleConfig::default() };
        let store = InMemory::new();
        store.put(&"x".into(), "text".into()).await.unwrap();
        let store: Arc<dyn ObjectStore> = Arc::new(ThrottledStore::new(store, wait));
        let paced = || {
            let store = Arc::clone(&store);
            Arc::new(Paced::new(Storage::with_stores(move |_| Ok(Arc::clone(&store))), Requests::REMOTE))
        };
        let at = Location::parse("s3://lab/x").unwrap();
        let object = paced().head(&at).await.unwrap();
        let (most, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let readers = (0..4).map(|_| paced()).flat_map(|io| std::iter::repeat_n(io, 40));
        let reads = readers.map(|io| {
            let (object, most, done) = (object.clone(), Arc::clone(&most), Arc::clone(&done));
            tokio::spawn(async move {
                assert_eq!(io.read(&object, 0..4).await.unwrap(), "text");
                most.fetch_max(32 - UNDER_WAY.available_permits(), Ordering::Relaxed);
                done.fetch_add(1, Ordering::Relaxed);
            })
        });
        join_all(reads).await.into_iter().for_each(|read| read.unwrap());
        assert_eq!(done.load(Ordering::Relaxed), 160);
        assert!((20..=32).contains(&most.load(Ordering::Relaxed)), "{most:?}");
        assert_eq!(paced().requests(&Location::parse("x.bam").unwrap()), Requests::LOCAL);
    }
}
