//! Objects, read and held against their parents; and those that no root refers to.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use genomicframe_core::io::{Location, ObjectIo};
use genomicframe_core::{Error, Result};

use super::report::Report;
use crate::metadata::{ObjectRef, ROOT};

/// The objects of a dataset.
#[derive(Clone)]
pub(super) struct Objects {
    at: Location,
    io: Arc<dyn ObjectIo>,
    /// Those that something refers to.
    known: Arc<Mutex<HashSet<Location>>>,
}

impl Objects {
    pub(super) fn new(at: &Location, io: Arc<dyn ObjectIo>) -> Self {
        let known = HashSet::from([at.join(ROOT)]);
        Self { at: at.clone(), io, known: Arc::new(Mutex::new(known)) }
    }

    pub(super) fn location(&self, path: &str) -> Location {
        self.at.join(path)
    }

    /// Notes that something refers to `paths`, each of which only one thing may refer to.
    pub(super) fn refer<'a>(&self, paths: impl Iterator<Item = &'a str>, report: &mut Report) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            let place = self.at.join(path);
            if !known.insert(place.clone()) {
                report.error(place, Error::corrupt("the dataset refers to it twice"));
            }
        }
    }

    /// The bytes of an object, which must be `size`. Nothing of another size is read.
    pub(super) async fn fetch(&self, path: &str, size: u64) -> Result<Bytes> {
        let place = self.at.join(path);
        let meta = self.io.head(&place).await.map_err(|e| e.in_object(&place))?;
        if meta.size != size {
            let e = Error::corrupt(format!("it has {} bytes where {size} belong", meta.size)).in_object(&place);
            return Err(if meta.size < size { e.hint("cut short?") } else { e });
        }
        self.io.read(&meta, 0..size).await.map_err(|e| e.in_object(&place))
    }

    /// Reads an object and checks it.
    pub(super) async fn read(&mut self, object: &ObjectRef, report: &mut Report) -> Option<Bytes> {
        self.refer(std::iter::once(object.path.as_str()), report);
        let read = match self.fetch(&object.path, object.bytes).await {
            Ok(bytes) => {
                report.objects += 1;
                report.bytes += bytes.len() as u64;
                object.check(&bytes).map(|()| bytes)
            }
            Err(e) => Err(e),
        };
        read.map_err(|e| report.error(self.at.join(&object.path), e)).ok()
    }

    /// Notes the objects that nothing refers to.
    pub(super) async fn orphans(&self, report: &mut Report) {
        let listed = match self.io.list(&self.at).await {
            Ok(listed) => listed,
            Err(e) => return report.note(&self.at, format!("what no root refers to was not looked for: {e}")),
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for object in listed.iter().filter(|o| !known.contains(&o.location)) {
            report.note(&object.location, format!("nothing refers to it ({} bytes)", object.size));
        }
    }
}
