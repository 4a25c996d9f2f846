//! Objects that are sent in parts, and are there only when they are whole.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use genomicframe_core::Error as CoreError;
use genomicframe_core::io::failure;
use object_store::path::Path as Key;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, JoinSet};

use crate::error::{Error, Result};
use crate::runtime;

/// A place in an object store.
#[derive(Clone)]
pub struct ObjectTarget {
    store: Arc<dyn ObjectStore>,
    key: Key,
    name: String,
}

impl fmt::Debug for ObjectTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectTarget").field(&self.name).finish()
    }
}

impl ObjectTarget {
    /// The object `key` of `store`; `name` is what messages call it.
    pub fn new(store: Arc<dyn ObjectStore>, key: Key, name: impl Into<String>) -> Self {
        Self { store, key, name: name.into() }
    }

    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Removes what is there, if anything is.
    pub(crate) async fn remove(&self) -> Result<()> {
        match self.store.delete(&self.key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.explain(e)),
        }
    }

    fn explain(&self, e: object_store::Error) -> Error {
        failure(e, "it cannot be written").in_object(&self.name).into()
    }
}

/// Bytes of a part. All parts but the last have the same size, as some stores demand.
const PART: usize = 16 << 20;
/// Parts of an object, at most: what S3 takes.
const MOST_PARTS: usize = 10_000;
/// Parts on their way at the same time.
const IN_FLIGHT: usize = 3;

/// An object on its way. What was sent is removed again unless it is committed.
pub(crate) struct Upload {
    to: ObjectTarget,
    held: Held,
    part: usize,
    parts: usize,
    /// Once there is more than one part: until then nothing was sent.
    begun: Option<Box<dyn MultipartUpload>>,
    sending: JoinSet<object_store::Result<()>>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("to", &self.to).field("parts", &self.parts).finish_non_exhaustive()
    }
}

impl Upload {
    /// An upload, and what takes its bytes. They are held until [`Upload::flow`] sends them.
    pub(super) fn new(to: ObjectTarget) -> (Held, Self) {
        Self::in_parts(to, PART)
    }

    fn in_parts(to: ObjectTarget, part: usize) -> (Held, Self) {
        let held = Held::default();
        let upload = Self { to, held: held.clone(), part, parts: 0, begun: None, sending: JoinSet::new() };
        (held, upload)
    }

    /// Sends what is held, in whole parts; waits while enough are on their way.
    pub(super) async fn flow(&mut self) -> Result<()> {
        while let Some(part) = self.held.take(self.part) {
            self.send(part).await?;
        }
        Ok(())
    }

    /// Takes what a [`Pipe`] is given, until that is dropped.
    pub(super) async fn take_all(&mut self, mut from: Receiver<Bytes>) -> Result<()> {
        while let Some(bytes) = from.recv().await {
            self.held.lock().extend_from_slice(&bytes);
            self.flow().await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<()> {
        while self.sending.len() >= IN_FLIGHT {
            self.wait_for_one().await?;
        }
        if self.parts == MOST_PARTS {
            let most = self.part as u64 * MOST_PARTS as u64;
            return Err(CoreError::limit(format!("more than {most} bytes")).in_object(&self.to.name).into());
        }
        let upload = match &mut self.begun {
            Some(upload) => upload,
            None => {
                let upload = self.to.store.put_multipart(&self.to.key).await;
                self.begun.insert(upload.map_err(|e| self.to.explain(e))?)
            }
        };
        self.sending.spawn(upload.put_part(part.into()));
        self.parts += 1;
        Ok(())
    }

    /// Whether one was on its way, which is there now.
    async fn wait_for_one(&mut self) -> Result<bool> {
        match self.sending.join_next().await {
            None => Ok(false),
            Some(sent) => sent.map_err(|_| runtime::lost())?.map(|()| true).map_err(|e| self.to.explain(e)),
        }
    }

    /// Sends the rest and makes the object of all parts.
    pub(super) async fn commit(mut self) -> Result<()> {
        let committed = self.complete().await;
        if committed.is_err() {
            self.abandon().await;
        }
        committed
    }

    async fn complete(&mut self) -> Result<()> {
        self.flow().await?;
        let rest = self.held.take_rest();
        if self.begun.is_none() {
            // A request instead of three.
            return match self.to.store.put(&self.to.key, rest.into()).await {
                Ok(_) => Ok(()),
                Err(e) => Err(self.to.explain(e)),
            };
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        while self.wait_for_one().await? {}
        if let Some(upload) = &mut self.begun {
            upload.complete().await.map_err(|e| self.to.explain(e))?;
        }
        self.begun = None;
        Ok(())
    }

    /// Removes the parts that were sent.
    pub(super) async fn abandon(mut self) {
        if let Some(removing) = self.give_up() {
            // What panics there has told so.
            let _ = removing.await;
        }
    }

    /// In another runtime: this one may be ending.
    fn give_up(&mut self) -> Option<JoinHandle<()>> {
        let upload = self.begun.take()?;
        runtime::clean_up(remove(upload, std::mem::take(&mut self.sending), self.to.name.clone()))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Time for parts on their way to arrive: one that is cut off may still be taken by the store, and stay behind the upload's end.
const ARRIVING: Duration = Duration::from_secs(10);

/// Gives an upload up, with the parts that are on their way. Of those that [`runtime::clean_up`] runs.
pub(super) async fn remove(
    mut upload: Box<dyn MultipartUpload>,
    mut sending: JoinSet<object_store::Result<()>>,
    name: String,
) {
    let arrived = async { while sending.join_next().await.is_some() {} };
    tokio::select! {
        () = arrived => {}
        () = runtime::patience(ARRIVING) => {}
    }
    sending.shutdown().await;
    if let Err(e) = upload.abort().await {
        let e = failure(e, "the parts that were sent cannot be removed");
        tracing::warn!("{name}: {e}");
    }
}

/// Bytes that were written and not sent yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<Mutex<BytesMut>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, BytesMut> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next `size` bytes, if more are there.
    fn take(&self, size: usize) -> Option<Bytes> {
        let mut held = self.lock();
        (held.len() > size).then(|| held.split_to(size).freeze())
    }

    fn take_rest(&self) -> Bytes {
        std::mem::take(&mut *self.lock()).freeze()
    }
}

impl Write for Held {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that a pipe gathers before it hands them on.
const GATHERED: usize = 1 << 20;

/// Takes bytes on a thread that may wait for [`Upload::take_all`]. What is not flushed is lost.
#[derive(Debug)]
pub(super) struct Pipe {
    sender: Sender<Bytes>,
    gathered: BytesMut,
}

/// A pipe, and its other end.
pub(super) fn pipe() -> (Pipe, Receiver<Bytes>) {
    let (sender, receiver) = channel(2);
    (Pipe { sender, gathered: BytesMut::new() }, receiver)
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(buf);
        if self.gathered.len() >= GATHERED {
            self.flush()?;
        }
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = self.gathered.split().freeze();
        if bytes.is_empty() {
            return Ok(());
        }
        self.sender.blocking_send(bytes).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    const SIZE: usize = 1000;

    fn upload() -> (Arc<InMemory>, Held, Upload) {
        let store = Arc::new(InMemory::new());
        let to = ObjectTarget::new(Arc::clone(&store) as _, Key::from("a/x.csv"), "s3://lab/a/x.csv");
        let (held, upload) = Upload::in_parts(to, SIZE);
        (store, held, upload)
    }

    async fn stored(store: &InMemory) -> Option<Bytes> {
        let got = store.get(&Key::from("a/x.csv")).await.ok()?;
        Some(got.bytes().await.unwrap())
    }

    #[tokio::test]
    async fn an_object_is_there_when_it_is_whole() {
        for size in [0, 1, SIZE, SIZE + 1, 3 * SIZE, 7 * SIZE + 13] {
            let (store, mut held, mut upload) = upload();
            let bytes: Vec<u8> = (0..size).map(|i| i as u8).collect();
            for piece in bytes.chunks(300) {
                held.write_all(piece).unwrap();
                upload.flow().await.unwrap();
                assert!(held.lock().len() <= SIZE && stored(&store).await.is_none());
            }
            assert_eq!(upload.begun.is_some(), size > SIZE, "{size}");
            upload.commit().await.unwrap();
            assert_eq!(stored(&store).await.as_deref(), Some(&*bytes), "{size}");
        }
    }

    #[tokio::test]
    async fn a_pipe_waits_for_its_other_end() {
        let (store, _, mut upload) = upload();
        let (mut pipe, other) = pipe();
        let bytes = vec![7; 5 * GATHERED + 1];
        let copy = bytes.clone();
        let writer = std::thread::spawn(move || pipe.write_all(&copy).and_then(|()| pipe.flush()));
        upload.take_all(other).await.unwrap();
        writer.join().unwrap().unwrap();
        upload.commit().await.unwrap();
        assert_eq!(stored(&store).await.as_deref(), Some(&*bytes));
        let (mut pipe, other) = super::pipe();
        drop(other);
        let error = std::thread::spawn(move || pipe.write_all(&bytes).unwrap_err());
        assert_eq!(error.join().unwrap().kind(), io::ErrorKind::BrokenPipe);
    }

    /// Counts uploads that were given up, and fails where it is told to.
    #[derive(Debug, Clone, Default)]
    struct Watched {
        given_up: Arc<Mutex<usize>>,
        failing: bool,
    }

    #[async_trait::async_trait]
    impl MultipartUpload for Watched {
        fn put_part(&mut self, _: object_store::PutPayload) -> object_store::UploadPart {
            let refused = || object_store::Error::Generic { store: "S3", source: "no".into() };
            let result = if self.failing { Err(refused()) } else { Ok(()) };
            Box::pin(std::future::ready(result))
        }

        async fn complete(&mut self) -> object_store::Result<object_store::PutResult> {
            Err(object_store::Error::Generic { store: "S3", source: "no".into() })
        }

        async fn abort(&mut self) -> object_store::Result<()> {
            *self.given_up.lock().unwrap() += 1;
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_was_sent_is_removed_where_it_is_not_committed() {
        for failing in [false, true] {
            let watched = Watched { failing, ..Watched::default() };
            let (_, _, mut upload) = upload();
            upload.begun = Some(Box::new(watched.clone()));
            let e = upload.commit().await.unwrap_err().to_string();
            assert_eq!(e, "s3://lab/a/x.csv: it cannot be written: no");
            assert_eq!(*watched.given_up.lock().unwrap(), 1);
        }
        let watched = Watched::default();
        let (_, _, mut dropped) = upload();
        dropped.begun = Some(Box::new(watched.clone()));
        drop(dropped);
        assert!(runtime::settle(Duration::from_secs(10)));
        assert_eq!(*watched.given_up.lock().unwrap(), 1);
    }
}
