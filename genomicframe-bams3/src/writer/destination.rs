//! Where a dataset is written: a prefix of an object store, or a folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use genomicframe_core::io::failure;
use genomicframe_core::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};

/// Times that a conditional write is begun anew when it had no effect. The store itself has tried before.
const TRIES: u32 = 3;

/// A prefix of an object store.
#[derive(Debug, Clone)]
pub struct Destination {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    name: String,
    folder: Option<PathBuf>,
}

/// An object that is there, and which version of it.
#[derive(Debug, Clone)]
pub struct Existing {
    /// Its bytes.
    pub bytes: Bytes,
    version: UpdateVersion,
}

impl Destination {
    /// A prefix of `store`; `name` is what messages call it.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Key, name: impl Into<String>) -> Self {
        Self { store, prefix, name: name.into(), folder: None }
    }

    /// A folder, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or is a file.
    pub fn folder(path: &Path) -> Result<Self> {
        let cannot = |e: std::io::Error| Error::io("the folder cannot be made").in_object(path.display()).caused_by(e);
        std::fs::create_dir_all(path).map_err(cannot)?;
        let store = LocalFileSystem::new_with_prefix(path)
            .map_err(|e| Error::io("the folder cannot be used").in_object(path.display()).caused_by(e))?;
        let (name, folder) = (path.display().to_string(), Some(path.to_owned()));
        Ok(Self { store: Arc::new(store), prefix: Key::default(), name, folder })
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key(&self, key: &str) -> Result<Key> {
        let prefix = self.prefix.as_ref();
        let whole = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}/{key}") };
        Key::parse(whole).map_err(|e| Error::invalid("no key of an object").text(key.as_bytes()).caused_by(e))
    }

    fn explain(&self, key: &str, e: object_store::Error) -> Error {
        let name = format!("{}/{key}", self.name.trim_end_matches('/'));
        failure(e, "the object cannot be written").in_object(name)
    }

    /// Writes an object, whatever is there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put(&self, key: &str, bytes: impl Into<PutPayload>) -> Result<()> {
        self.store.put(&self.key(key)?, bytes.into()).await.map_err(|e| self.explain(key, e))?;
        Ok(())
    }

    /// Writes an object unless one is there; `false` when there was one.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn create(&self, key: &str, bytes: impl Into<PutPayload>) -> Result<bool> {
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&self.key(key)?, bytes.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(e) => Err(self.explain(key, e)),
        }
    }

    /// Reads an object that may be there.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn get(&self, key: &str) -> Result<Option<Existing>> {
        let got = match self.store.get(&self.key(key)?).await {
            Ok(got) => got,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(self.explain(key, e)),
        };
        let version = UpdateVersion { e_tag: got.meta.e_tag.clone(), version: got.meta.version.clone() };
        let bytes = got.bytes().await.map_err(|e| self.explain(key, e))?;
        Ok(Some(Existing { bytes, version }))
    }

    /// Writes an object over the version that was `old`; `false` when another writer was faster.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn replace(&self, key: &str, old: &Existing, bytes: impl Into<PutPayload>) -> Result<bool> {
        let bytes = bytes.into();
        if self.folder.is_some() {
            return self.replace_locally(key, old, bytes).await;
        }
        let options = PutOptions::from(PutMode::Update(old.version.clone()));
        match self.store.put_opts(&self.key(key)?, bytes, options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::Precondition { .. } | object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(self.explain(key, e)),
        }
    }

    /// As [`Destination::create`], or with `old` as [`Destination::replace`]. Where the answer was lost, what is there
    /// afterwards tells whether the write happened; where it did not, it is begun anew.
    ///
    /// # Errors
    /// When the store fails again and again.
    pub async fn settle(&self, key: &str, old: Option<&Existing>, bytes: Bytes) -> Result<bool> {
        let mut tries = 0;
        loop {
            let written = match old {
                None => self.create(key, bytes.clone()).await,
                Some(old) => self.replace(key, old, bytes.clone()).await,
            };
            tries += 1;
            match written {
                Err(e) if e.is_denied() || e.is_unsupported() || tries == TRIES => return Err(e),
                Ok(false) if tries > 1 => {}
                Ok(done) => return Ok(done),
                Err(_) => {}
            }
            let there = self.get(key).await?;
            if there.as_ref().is_some_and(|there| there.bytes == bytes) {
                return Ok(true);
            }
            if there.map(|there| there.version.e_tag) != old.map(|old| old.version.e_tag.clone()) {
                return Ok(false);
            }
        }
    }

    /// Files have no conditional write: a lock file stands in, between writers of this kind.
    async fn replace_locally(&self, key: &str, old: &Existing, bytes: PutPayload) -> Result<bool> {
        const LOCK: &str = "_lock";
        if !self.create(LOCK, PutPayload::default()).await? {
            return Ok(false);
        }
        let replaced = async {
            match self.get(key).await? {
                Some(now) if now.version.e_tag == old.version.e_tag => self.put(key, bytes).await.map(|()| true),
                _ => Ok(false),
            }
        };
        let replaced = replaced.await;
        self.delete(LOCK).await?;
        replaced
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.key(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.explain(key, e)),
        }
    }

    /// Keys below `prefix`, with their sizes, sorted.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(&self, prefix: &str) -> Result<Vec<(String, u64)>> {
        let below = if prefix.is_empty() { self.prefix.clone() } else { self.key(prefix)? };
        let listed: Vec<_> = self.store.list(Some(&below)).try_collect().await.map_err(|e| self.explain(prefix, e))?;
        let own = |key: &Key| {
            let rest = key.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(key.as_ref());
            rest.trim_start_matches('/').to_owned()
        };
        let mut keys: Vec<_> = listed.iter().map(|m| (own(&m.location), m.size)).collect();
        keys.sort();
        Ok(keys)
    }

    /// Removes folders that hold nothing any more.
    pub fn tidy(&self) {
        fn prune(folder: &Path) {
            let Ok(entries) = std::fs::read_dir(folder) else { return };
            for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
                prune(&entry.path());
                // Fails when it is not empty, as it should.
                let _ = std::fs::remove_dir(entry.path());
            }
        }
        if let Some(folder) = &self.folder {
            prune(folder);
        }
    }
}
