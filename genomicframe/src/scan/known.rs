//! Remote files that were opened before: to open one again is to ask whether it is still the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use genomicframe_core::io::{Location, ObjectIo, ObjectMeta, Remembered};
use genomicframe_core::scan::{Dataset, Format, FormatId, IndexState, OpenOptions};

use crate::error::Result;
use crate::formats;

/// Opened files by what was asked for, each of the version that was opened, with its header and what was read of its index.
///
/// Only objects whose storage names versions are kept. One whose index was looked for in vain, or was older than the data, is
/// opened anew: somebody may have made an index since.
#[derive(Debug, Default)]
pub(crate) struct KnownFiles(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    files: HashMap<Key, Known>,
    /// Counts uses, so that the file that was not used for longest goes first.
    clock: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    location: Location,
    format: Option<FormatId>,
    options: OpenOptions,
}

#[derive(Debug)]
struct Known {
    /// What was read first: the file itself, or a dataset's root. All else is of this version too.
    version: ObjectMeta,
    dataset: Arc<dyn Dataset>,
    used: u64,
}

/// Bounds on what is kept.
const MOST_FILES: usize = 1024;
const MOST_BYTES: u64 = 256 << 20;

impl KnownFiles {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the file at `location`, as `wanted` or as what it looks like.
    ///
    /// # Errors
    /// When it is not there, cannot be read, or has a broken header.
    pub(super) async fn open(
        &self,
        location: &Location,
        io: &dyn ObjectIo,
        wanted: Option<&'static dyn Format>,
        options: &OpenOptions,
    ) -> Result<Arc<dyn Dataset>> {
        let key = Key { location: location.clone(), format: wanted.map(|f| f.id()), options: options.clone() };
        let known = self.files().find(&key);
        if let Some((version, dataset)) = known {
            match io.head(&version.location).await {
                Ok(now) if (&now.etag, now.size) == (&version.etag, version.size) => return Ok(dataset),
                // What is wrong is told by opening it; and a server may know no HEAD.
                _ => self.files().files.remove(&key),
            };
        }
        let io = Remembered::new(io);
        let format = match wanted {
            Some(format) => format,
            None => formats::detect(location, &io).await?,
        };
        let dataset = format.open(location, &io, options).await?;
        if let Some(version) = io.first().filter(|v| location.is_remote() && v.etag.is_some()) {
            self.files().keep(key, version, Arc::clone(&dataset));
        }
        Ok(dataset)
    }
}

impl Files {
    fn find(&mut self, key: &Key) -> Option<(ObjectMeta, Arc<dyn Dataset>)> {
        self.clock += 1;
        let known = self.files.get_mut(key)?;
        if known.dataset.index_state() == IndexState::Wanting {
            self.files.remove(key);
            return None;
        }
        known.used = self.clock;
        Some((known.version.clone(), Arc::clone(&known.dataset)))
    }

    fn keep(&mut self, key: Key, version: ObjectMeta, dataset: Arc<dyn Dataset>) {
        self.files.insert(key, Known { version, dataset, used: self.clock });
        let bytes = |known: &Known| {
            let index = if let IndexState::Read(bytes) = known.dataset.index_state() { bytes } else { 0 };
            index + known.dataset.header_text().map_or(0, |text| text.len() as u64)
        };
        // An index that is read later counts from the next file on.
        let mut held: u64 = self.files.values().map(bytes).sum();
        while self.files.len() > MOST_FILES || held > MOST_BYTES {
            let Some(key) = self.files.iter().min_by_key(|(_, known)| known.used).map(|(key, _)| key.clone()) else {
                break;
            };
            held -= self.files.remove(&key).map_or(0, |known| bytes(&known));
        }
    }
}
