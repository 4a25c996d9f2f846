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

/// An upload until it is complete or given up, which its writer and who revokes it share.
type Begun = Mutex<Option<Box<dyn MultipartUpload>>>;

/// One write: whether it was revoked, and what it has begun. Its clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Write(Arc<State>);

#[derive(Debug, Default)]
struct State {
    revoked: AtomicBool,
    begun: Mutex<Vec<(Path, Weak<Begun>)>>,
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
        let upload: Arc<Begun> = Arc::new(Mutex::new(Some(upload)));
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
fn give_up(upload: &Begun, to: &Path) {
    let Some(upload) = lock(upload).take() else { return };
    // Its parts are sent by who has begun it.
    runtime::clean_up(remove(upload, JoinSet::new(), to.to_string()));
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
            let _ = sender.send(upload.map(|upload| write.begins(upload, to)));
        });
        let lost = |_| Error::Generic { store: "write", source: "its task ended without an answer".into() };
        Ok(Box::new(begun.await.map_err(lost)??))
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

#[derive(Debug)]
struct RevocableUpload {
    upload: Arc<Begun>,
    to: Path,
    write: Write,
}

fn is_over() -> Error {
    Error::Generic { store: "write", source: "the upload is over".into() }
}

#[async_trait]
impl MultipartUpload for RevocableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match &mut *lock(&self.upload) {
            Some(upload) => upload.put_part(data),
            None => Box::pin(std::future::ready(Err(is_over()))),
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.write.check()?;
        let mut upload = lock(&self.upload).take().ok_or_else(is_over)?;
        let result = upload.complete().await;
        if result.is_err() {
            *lock(&self.upload) = Some(upload);
        }
        result
    }

    async fn abort(&mut self) -> Result<()> {
        let upload = lock(&self.upload).take();
        upload.ok_or_else(is_over)?.abort().await
    }
}

impl Drop for RevocableUpload {
    fn drop(&mut self) {
        give_up(&self.upload, &self.to);
    }
}
