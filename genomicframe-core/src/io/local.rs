//! Files of this machine.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Location, ObjectIo, ObjectMeta};
use crate::error::{Error, Result};

/// Reads local files with positioned reads; the last few stay open.
#[derive(Debug, Default)]
pub struct LocalIo {
    open: Mutex<Vec<(ObjectMeta, Arc<File>)>>,
}

/// Files kept open, so that a scan of many ranges opens its file once.
const KEPT_OPEN: usize = 16;

impl LocalIo {
    fn file(&self, object: &ObjectMeta, path: &Path) -> Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, file)) = open.iter().find(|(meta, _)| meta == object) {
            return Ok(Arc::clone(file));
        }
        let file = File::open(path).map_err(|e| explain(&object.location, e))?;
        check_version(object, &file)?;
        let file = Arc::new(file);
        if open.len() == KEPT_OPEN {
            open.remove(0);
        }
        open.push((object.clone(), Arc::clone(&file)));
        Ok(file)
    }

    fn read_now(&self, object: &ObjectMeta, range: Range<u64>) -> Result<Bytes> {
        let path = local_path(&object.location)?;
        if range.end > object.size {
            return Err(Error::io(format!(
                "bytes {}..{} reach past its {} bytes",
                range.start, range.end, object.size
            ))
            .in_object(&object.location));
        }
        let file = self.file(object, path)?;
        let bytes = read_at(&file, (range.end - range.start) as usize, range.start).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::io("the file was cut short while it was being read").in_object(&object.location).hint(AGAIN)
            }
            _ => explain(&object.location, e),
        })?;
        // A file that stays open may be rewritten in place: its rows would be some of each version.
        check_version(object, &file)?;
        Ok(bytes.into())
    }
}

/// What to do when a file changed.
const AGAIN: &str = "run the query again when nothing writes to the file";

/// That the file is the version that `object` describes.
fn check_version(object: &ObjectMeta, file: &File) -> Result<()> {
    let now = describe(&object.location, &file.metadata().map_err(|e| explain(&object.location, e))?)?;
    // A part of a dataset is known by its parent, which has its size and checksum but neither version nor time.
    let by_parent = object.etag.is_none() && object.modified.is_none();
    if by_parent && now.size != object.size {
        let what = format!("it has {} bytes where {} belong: cut short, or another one's", now.size, object.size);
        return Err(Error::corrupt(what).in_object(&object.location));
    }
    if !by_parent && now != *object {
        let e = Error::io("the file was replaced or rewritten while it was being read");
        return Err(e.in_object(&object.location).hint(AGAIN));
    }
    Ok(())
}

/// Into memory that is not zeroed before it is overwritten.
#[cfg(unix)]
fn read_at(file: &File, len: usize, at: u64) -> io::Result<Vec<u8>> {
    use rustix::buffer::spare_capacity;
    use rustix::io::{Errno, pread};
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let next = at + bytes.len() as u64;
        match pread(file, spare_capacity(&mut bytes), next) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    bytes.truncate(len);
    Ok(bytes)
}

#[cfg(not(unix))]
fn read_at(file: &File, len: usize, at: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; len];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn local_path(location: &Location) -> Result<&Path> {
    match location {
        Location::Local(path) => Ok(path),
        Location::Url(_) => Err(Error::invalid("not a local path").in_object(location)),
    }
}

fn explain(location: &Location, e: io::Error) -> Error {
    let error = match e.kind() {
        io::ErrorKind::NotFound => Error::not_found("no such file"),
        io::ErrorKind::PermissionDenied => Error::denied("permission denied"),
        _ => Error::io("cannot read it").caused_by(e),
    };
    error.in_object(location)
}

fn describe(location: &Location, meta: &fs::Metadata) -> Result<ObjectMeta> {
    let kind = meta.file_type();
    if !kind.is_file() {
        let what = if kind.is_dir() { "a folder" } else { "no regular file" };
        return Err(Error::unsupported(format!("it is {what}"))
            .in_object(location)
            .hint("random access needs a regular file; copy a pipe's content to one"));
    }
    let modified = meta.modified().ok();
    Ok(ObjectMeta { location: location.clone(), size: meta.len(), etag: version(meta), modified })
}

/// Device, inode, time and size: another value means another content.
#[cfg(unix)]
fn version(meta: &fs::Metadata) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    Some(format!("{:x}-{:x}-{:x}.{:x}", meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

#[cfg(not(unix))]
fn version(_: &fs::Metadata) -> Option<String> {
    None
}

impl ObjectIo for LocalIo {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        async move { describe(at, &fs::metadata(local_path(at)?).map_err(|e| explain(at, e))?) }.boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move { self.read_now(object, range) }.boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move {
            let mut found = Vec::new();
            let mut folders = vec![local_path(below)?.to_path_buf()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(&folder).map_err(|e| explain(below, e))? {
                    let entry = entry.map_err(|e| explain(below, e))?;
                    let (path, kind) = (entry.path(), entry.file_type().map_err(|e| explain(below, e))?);
                    if entry.file_name().to_string_lossy().starts_with('.') {
                        continue;
                    }
                    // Links to folders are not followed, so a loop of links ends.
                    if kind.is_dir() {
                        folders.push(path);
                    } else if let Ok(meta) = fs::metadata(&path)
                        && meta.is_file()
                    {
                        found.push(describe(&Location::Local(path), &meta)?);
                    }
                }
            }
            found.sort_by(|a, b| a.location.cmp(&b.location));
            Ok(found)
        }
        .boxed()
    }
}
