//! Header and index, asked for together with the root that names them.

use bytes::{Bytes, BytesMut};
use futures::future::join_all;
use genomicframe_core::Result;
use genomicframe_core::io::{Location, ObjectIo};

use super::open::{SMALL_INDEX, meta_of, read};
use crate::metadata::{HEADER, INDEX, ObjectRef};

/// What is asked for early, and how much of it.
const WANTED: [(&str, u64); 2] = [(HEADER, 64 << 10), (INDEX, SMALL_INDEX)];

/// The beginnings of header and index under the names that writers give them, so that a dataset that is far away is opened in one
/// round trip and not in two. They are used where they are what the root says, by size and checksum, and are nothing otherwise.
#[derive(Debug, Default)]
pub(super) struct Early {
    beginnings: Vec<(&'static str, Bytes)>,
}

impl Early {
    /// Asks for them where the storage is far; what fails is for the read that is made for certain to tell.
    pub(super) async fn ask(at: &Location, io: &dyn ObjectIo) -> Self {
        if io.requests(at).ahead == 0 {
            return Self::default();
        }
        let first = WANTED.map(|(key, most)| async move {
            let (_, bytes) = io.read_first(&at.join(key), most).await.ok()?;
            Some((key, bytes))
        });
        Self { beginnings: join_all(first).await.into_iter().flatten().collect() }
    }

    /// Reads an object whole, or what is missing of it, and checks it against its parent.
    ///
    /// # Errors
    /// When it is missing or not what its parent says.
    pub(super) async fn read(&self, at: &Location, object: &ObjectRef, io: &dyn ObjectIo) -> Result<Bytes> {
        match self.completed(at, object, io).await {
            Some(bytes) => Ok(bytes),
            None => read(at, object, io).await,
        }
    }

    async fn completed(&self, at: &Location, object: &ObjectRef, io: &dyn ObjectIo) -> Option<Bytes> {
        let (_, beginning) = self.beginnings.iter().find(|(key, _)| *key == object.path)?;
        let missing = object.bytes.checked_sub(beginning.len() as u64)?;
        let mut bytes = beginning.clone();
        if missing > 0 {
            let meta = meta_of(at, &object.path, object.bytes);
            let rest = io.read(&meta, object.bytes - missing..object.bytes).await.ok()?;
            let mut joined = BytesMut::from(&bytes[..]);
            joined.extend_from_slice(&rest);
            bytes = joined.freeze();
        }
        // Another version of the dataset may have come in between.
        object.check(&bytes).is_ok().then_some(bytes)
    }
}
