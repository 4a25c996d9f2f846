//! Where a dataset is written: a prefix of an object store, or a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::TryStreamExt;
use genomicframe_core::io::failure;
use genomicframe_core::{Error, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::lock::Lock;

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
        let cannot = |e: io::Error| Error::io("the folder cannot be made").in_object(path.display()).caused_by(e);
        fs::create_dir_all(path).map_err(cannot)?;
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
        if let Some(folder) = &self.folder {
            // Without a pause, so that nobody waits for the lock of a task which waits for its turn.
            let replaced = replace_locally(folder, key, &old.bytes, &Bytes::from(bytes));
            let name = format!("{}/{key}", self.name.trim_end_matches('/'));
            return replaced.map_err(|e| Error::io("it cannot be replaced").in_object(name).caused_by(e));
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

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn delete(&self, key: &str) -> Result<()> {
        if let Some(folder) = self.folder.as_ref().filter(|_| is_unfinished(key)) {
            return match fs::remove_file(folder.join(key)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    let name = folder.join(key).display().to_string();
                    Err(Error::io("it cannot be removed").in_object(name).caused_by(e))
                }
                _ => Ok(()),
            };
        }
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
        if let Some(folder) = &self.folder {
            let below = folder.join(prefix);
            let unfinished = unfinished(&below).into_iter().filter_map(|(path, meta)| {
                let key = path.strip_prefix(folder).ok()?.to_str()?;
                Some((key.replace(std::path::MAIN_SEPARATOR, "/"), meta.len()))
            });
            keys.extend(unfinished);
        }
        keys.sort();
        Ok(keys)
    }

    /// Removes folders that hold nothing any more, and files that a writer killed before `begun` was writing.
    pub fn tidy(&self, begun: SystemTime) {
        fn prune(folder: &Path) {
            let Ok(entries) = fs::read_dir(folder) else { return };
            for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())) {
                prune(&entry.path());
                // Fails when it is not empty, as it should.
                let _ = fs::remove_dir(entry.path());
            }
        }
        if let Some(folder) = &self.folder {
            let left = unfinished(folder).into_iter();
            for (path, _) in left.filter(|(_, meta)| meta.modified().is_ok_and(|at| at < begun)) {
                // What cannot be removed is for `gf bams3 gc` to tell.
                let _ = fs::remove_file(path);
            }
            prune(folder);
        }
    }
}

/// Files have no conditional write: a lock file stands in, between writers of this kind.
fn replace_locally(folder: &Path, key: &str, old: &[u8], bytes: &[u8]) -> io::Result<bool> {
    let _lock = Lock::take(folder)?;
    let path = folder.join(key);
    match fs::read(&path) {
        Ok(now) if now == old => {}
        Ok(_) => return Ok(false),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    }
    let unfinished = folder.join(format!("{key}#{}", std::process::id()));
    let replaced = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
    if replaced.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    replaced.map(|()| true)
}

/// Whether `name` is that of a file being written, which gets its own when it is whole: `x.chunk#1`. Such files are in no
/// listing of [`LocalFileSystem`].
fn is_unfinished(name: &str) -> bool {
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Files below `folder` that are being written, or were when their writer was killed.
fn unfinished(folder: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // Links are not followed.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.is_file() && entry.file_name().to_str().is_some_and(is_unfinished) {
                found.push((entry.path(), meta));
            }
        }
    }
    found
}
