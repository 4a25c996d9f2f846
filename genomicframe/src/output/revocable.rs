//! Stores of one write, which can be revoked: from then on nothing that was begun appears in them.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use bytes::Bytes;
use datafusion::common::Result as QueryResult;
use datafusion::execution::object_store::ObjectStoreRegistry;
use futures::stream::BoxStream;
use genomicframe_core::io::failure;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use url::Url;

use super::upload::remove;
use crate::runtime;

/// An upload, and its parts on their way.
struct Begun {
    upload: Box<dyn MultipartUpload>,
    sending: JoinSet<Result<()>>,
}

/// One until it is complete or given up, which its writer and who revokes it share.
type Shared = Mutex<Option<Begun>>;

/// One write: whether it was revoked, and what it has begun. Its clones are the same.
#[derive(Clone, Default)]
pub(super) struct Write(Arc<State>);

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Write").field(&self.0.revoked).finish()
    }
}

#[derive(Default)]
struct State {
    revoked: AtomicBool,
    begun: Mutex<Vec<(Path, Weak<Shared>)>>,
}

/// The writes of this process that may not be finished.
static WRITES: Mutex<Vec<Weak<State>>> = Mutex::new(Vec::new());

fn lock<T: ?Sized>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Write {
    pub(super) fn new() -> Self {
        let write = Self::default();
        let mut writes = lock(&WRITES);
        writes.retain(|write| write.strong_count() > 0);
        writes.push(Arc::downgrade(&write.0));
        write
    }

    /// From now on nothing of it appears, whatever its tasks still do.
    pub(super) fn revoke(&self) {
        self.0.revoke();
    }

    fn check(&self) -> Result<()> {
        let revoked = || Error::Generic { store: "write", source: "it was given up".into() };
        if self.0.revoked.load(Ordering::SeqCst) { Err(revoked()) } else { Ok(()) }
    }

    /// What it begins to send.
    fn begins(&self, upload: Box<dyn MultipartUpload>, to: Path) -> RevocableUpload {
        let upload: Arc<Shared> = Arc::new(Mutex::new(Some(Begun { upload, sending: JoinSet::new() })));
        lock(&self.0.begun).push((to.clone(), Arc::downgrade(&upload)));
        // It may have been revoked just before.
        if self.check().is_err() {
            give_up(&upload, &to);
        }
        RevocableUpload { upload, to, write: self.clone() }
    }
}

impl State {
    fn revoke(&self) {
        self.revoked.store(true, Ordering::SeqCst);
        for (to, upload) in lock(&self.begun).drain(..) {
            if let Some(upload) = upload.upgrade() {
                give_up(&upload, &to);
            }
        }
    }
}

/// Gives up all that SQL statements of this process are writing (`COPY`, `INSERT`): what is not complete never is, and what was
/// sent of it is removed, for which [`settle`](crate::settle) waits. For programs that end while their queries still compute.
///
/// ```
/// genomicframe::give_up_writes();
/// assert!(genomicframe::settle(std::time::Duration::from_secs(1)));
/// ```
pub fn give_up_writes() {
    let writes = std::mem::take(&mut *lock(&WRITES));
    writes.iter().filter_map(Weak::upgrade).for_each(|write| write.revoke());
}

/// Removes what was sent of an upload, in another runtime: this one may be ending.
fn give_up(upload: &Shared, to: &Path) {
    if let Some(Begun { upload, sending }) = lock(upload).take() {
        runtime::clean_up(remove(upload, sending, to.to_string()));
    }
}

/// The stores of `of`, for one write.
#[derive(Debug)]
pub(super) struct RevocableStores {
    pub(super) of: Arc<dyn ObjectStoreRegistry>,
    pub(super) write: Write,
}

impl ObjectStoreRegistry for RevocableStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.of.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> QueryResult<Arc<dyn ObjectStore>> {
        self.of.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> QueryResult<Arc<dyn ObjectStore>> {
        Ok(Arc::new(RevocableStore { store: self.of.get_store(url)?, write: self.write.clone() }))
    }
}

/// A store whose uploads are given up when they are revoked or dropped: their parts would stay, and cost.
#[derive(Debug)]
struct RevocableStore {
    store: Arc<dyn ObjectStore>,
    write: Write,
}

impl fmt::Display for RevocableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for RevocableStore {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.write.check()?;
        self.store.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.write.check()?;
        let (sender, begun) = oneshot::channel();
        let (store, to, write) = (Arc::clone(&self.store), at.clone(), self.write.clone());
        // Who is dropped meanwhile would not learn under which name the store has begun it.
        runtime::clean_up(async move {
            let upload = store.put_multipart_opts(&to, options).await;
            let begun = upload.map(|upload| write.begins(upload, to.clone()));
            if let Err(Err(e)) = sender.send(begun) {
                tracing::warn!("{to}: {}", failure(e, "an upload that nobody waits for may have begun"));
            }
        });
        Ok(Box::new(answer(begun).await?))
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.store.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, at: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(at)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.write.check()?;
        self.store.copy_opts(from, to, options).await
    }
}

struct RevocableUpload {
    upload: Arc<Shared>,
    to: Path,
    write: Write,
}

impl fmt::Debug for RevocableUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocableUpload").field("to", &self.to).finish_non_exhaustive()
    }
}

fn is_over() -> Error {
    Error::Generic { store: "write", source: "the upload is over".into() }
}

/// What a task of the process's runtime tells: it goes on when its caller is dropped, which may be at any time.
async fn answer<T>(of: oneshot::Receiver<Result<T>>) -> Result<T> {
    let lost = |_| Error::Generic { store: "write", source: "its task ended without an answer".into() };
    of.await.map_err(lost)?
}

#[async_trait]
impl MultipartUpload for RevocableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let mut shared = lock(&self.upload);
        let Some(Begun { upload, sending }) = &mut *shared else {
            return Box::pin(std::future::ready(Err(is_over())));
        };
        while sending.try_join_next().is_some() {}
        let (sender, sent) = oneshot::channel();
        let part = upload.put_part(data);
        let sends = async move {
            let _ = sender.send(part.await);
            Ok(())
        };
        // A part that is cut off may still be taken by the store, behind the end of its upload.
        match runtime::handle() {
            Ok(runtime) => sending.spawn_on(sends, runtime),
            Err(e) => return Box::pin(std::future::ready(Err(Error::Generic { store: "write", source: e.into() }))),
        };
        Box::pin(answer(sent))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let Begun { mut upload, sending } = lock(&self.upload).take().ok_or_else(is_over)?;
        let (sender, completed) = oneshot::channel();
        let (write, to) = (self.write.clone(), self.to.to_string());
        runtime::clean_up(async move {
            let completed = match write.check() {
                Ok(()) => upload.complete().await,
                Err(e) => Err(e),
            };
            if completed.is_err() {
                remove(upload, sending, to).await;
            }
            let _ = sender.send(completed);
        });
        answer(completed).await
    }

    /// What cannot be removed is told as a warning, as it is when the upload is dropped.
    async fn abort(&mut self) -> Result<()> {
        give_up(&self.upload, &self.to);
        Ok(())
    }
}

impl Drop for RevocableUpload {
    fn drop(&mut self) {
        give_up(&self.upload, &self.to);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::sync::Notify;

    use super::*;

    /// Tells what happens, and waits to be let go in the middle of each part and of its completion, which fails.
    #[derive(Debug, Clone, Default)]
    struct Watched {
        log: Arc<Mutex<Vec<&'static str>>>,
        go: Arc<Notify>,
    }

    impl Watched {
        fn tell(&self, what: &'static str) {
            lock(&self.log).push(what);
        }
    }

    #[async_trait]
    impl MultipartUpload for Watched {
        fn put_part(&mut self, _: PutPayload) -> UploadPart {
            let watched = self.clone();
            Box::pin(async move {
                watched.tell("part");
                watched.go.notified().await;
                watched.tell("arrived");
                Ok(())
            })
        }

        async fn complete(&mut self) -> Result<PutResult> {
            self.tell("complete");
            self.go.notified().await;
            Err(is_over())
        }

        async fn abort(&mut self) -> Result<()> {
            self.tell("removed");
            Ok(())
        }
    }

    /// Waits until `what` has happened.
    async fn wait_for(watched: &Watched, what: &str) {
        while !lock(&watched.log).contains(&what) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn settle() {
        assert!(runtime::settle(Duration::from_secs(60)));
    }

    #[tokio::test]
    async fn a_part_on_its_way_is_waited_for() {
        for revoked in [false, true] {
            let (watched, write) = (Watched::default(), Write::new());
            let mut upload = write.begins(Box::new(watched.clone()), "x".into());
            let mut part = upload.put_part("1".into());
            assert!((&mut part).now_or_never().is_none());
            wait_for(&watched, "part").await;
            drop(part);
            if revoked {
                write.revoke()
            } else {
                drop(upload)
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert_eq!(*lock(&watched.log), ["part"], "{revoked}");
            watched.go.notify_one();
            settle();
            assert_eq!(*lock(&watched.log), ["part", "arrived", "removed"], "{revoked}");
        }
    }

    #[tokio::test]
    async fn a_completion_that_nobody_waits_for_leaves_nothing() {
        let (watched, write) = (Watched::default(), Write::new());
        let mut upload = write.begins(Box::new(watched.clone()), "x".into());
        assert!(upload.complete().now_or_never().is_none());
        wait_for(&watched, "complete").await;
        drop(upload);
        watched.go.notify_one();
        settle();
        assert_eq!(*lock(&watched.log), ["complete", "removed"]);
    }

    #[tokio::test]
    async fn what_is_revoked_is_never_complete() {
        let (watched, write) = (Watched::default(), Write::new());
        let mut upload = write.begins(Box::new(watched.clone()), "x".into());
        write.revoke();
        assert!(upload.complete().await.is_err() && upload.put_part("1".into()).await.is_err());
        settle();
        assert_eq!(*lock(&watched.log), ["removed"]);
        upload.abort().await.unwrap();
    }
}
