//! Files of this machine.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Location, ObjectIo, ObjectMeta};
use crate::error::{Error, Result};

/// Reads local files with positioned reads; the last few stay open.
#[derive(Debug, Default)]
pub struct LocalIo {
    open: Mutex<Vec<(ObjectMeta, Arc<OpenFile>)>>,
}

/// Files kept open, so that a scan of many ranges opens its file once.
const KEPT_OPEN: usize = 16;

/// A file that stays open, and what it was when it was opened.
#[derive(Debug)]
struct OpenFile {
    file: File,
    size: u64,
    modified: Option<SystemTime>,
}

impl OpenFile {
    /// Opens what `object` describes; an error where something else is there by now.
    fn new(object: &ObjectMeta) -> Result<Self> {
        let at = &object.location;
        let file = File::open(local_path(at)?).map_err(|e| explain(at, e))?;
        let now = describe(at, &file.metadata().map_err(|e| explain(at, e))?)?;
        // A part of a dataset is known by its parent, which has its size and checksum but neither version nor time.
        let by_parent = object.etag.is_none() && object.modified.is_none();
        if by_parent && now.size != object.size {
            let what = format!("it has {} bytes where {} belong: cut short, or another one's", now.size, object.size);
            return Err(Error::corrupt(what).in_object(at));
        }
        if !by_parent && now != *object {
            return Err(replaced(at));
        }
        Ok(Self { file, size: now.size, modified: now.modified })
    }

    /// Whether nobody wrote to it since. The system notes the time of a write before its bytes can be read, so what was read
    /// before this is of the version that was opened, unless both fell into one tick of the system's clock (4 ms).
    fn is_unchanged(&self) -> io::Result<bool> {
        let now = self.file.metadata()?;
        Ok(now.len() == self.size && now.modified().ok() == self.modified)
    }

    /// That what was read so far is of one version.
    fn check(&self, at: &Location) -> Result<()> {
        match self.is_unchanged().map_err(|e| explain(at, e))? {
            true => Ok(()),
            false => Err(replaced(at)),
        }
    }
}

fn replaced(at: &Location) -> Error {
    let e = Error::io("the file was replaced or rewritten while it was being read").in_object(at);
    e.hint("read it again when its writer is done")
}

fn cut_short(at: &Location) -> Error {
    let e = Error::io("the file was cut short while it was being read").in_object(at);
    e.hint("read it again when its writer is done")
}

impl LocalIo {
    fn file(&self, object: &ObjectMeta) -> Result<Arc<OpenFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(i) = open.iter().position(|(meta, _)| meta == object) {
            // Between two queries a file may change; whether it is still the one that is asked for is seen by opening it.
            if open[i].1.is_unchanged().unwrap_or(false) {
                return Ok(Arc::clone(&open[i].1));
            }
            open.remove(i);
        }
        let file = Arc::new(OpenFile::new(object)?);
        if open.len() == KEPT_OPEN {
            open.remove(0);
        }
        open.push((object.clone(), Arc::clone(&file)));
        Ok(file)
    }

    fn read_now(&self, object: &ObjectMeta, range: Range<u64>) -> Result<Bytes> {
        let at = &object.location;
        if range.end > object.size {
            return Err(Error::io(format!(
                "bytes {}..{} reach past its {} bytes",
                range.start, range.end, object.size
            ))
            .in_object(at));
        }
        let open = self.file(object)?;
        let bytes =
            read_at(&open.file, (range.end - range.start) as usize, range.start).map_err(|e| match e.kind() {
                io::ErrorKind::UnexpectedEof => cut_short(at),
                _ => explain(at, e),
            })?;
        open.check(at)?;
        Ok(bytes.into())
    }
}

/// A local file read from its beginning to its end, by a thread that may wait. An error where the file is changed meanwhile.
///
/// ```
/// use std::io::Read;
/// use genomicframe_core::io::{LocalIo, LocalReader, Location, ObjectIo};
///
/// let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
/// let object = futures::executor::block_on(LocalIo::default().head(&Location::parse(path)?))?;
/// let mut text = String::new();
/// LocalReader::open(&object)?.read_to_string(&mut text).unwrap();
/// assert_eq!(text.len() as u64, object.size);
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalReader {
    open: OpenFile,
    at: Location,
    read: u64,
}

impl LocalReader {
    /// Opens the version of a file that `object` describes.
    ///
    /// # Errors
    /// When it cannot be opened, or is another by now.
    pub fn open(object: &ObjectMeta) -> Result<Self> {
        Ok(Self { open: OpenFile::new(object)?, at: object.location.clone(), read: 0 })
    }
}

impl Read for LocalReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let size = (&self.open.file).read(out)?;
        self.open.check(&self.at).map_err(io::Error::other)?;
        self.read += size as u64;
        if size == 0 && !out.is_empty() && self.read < self.open.size {
            return Err(io::Error::other(cut_short(&self.at)));
        }
        Ok(size)
    }
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
    use std::io::{Seek, SeekFrom};
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use futures::executor::block_on;

    use super::*;

    /// A file of an earlier second, so that whatever is done to it now has another time.
    fn file(folder: &Path, name: &str, bytes: &[u8]) -> Location {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let then = SystemTime::now() - Duration::from_secs(100);
        File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        Location::Local(path)
    }

    /// Each way to change `path` under a reader, and whether its version can still be read.
    type Change = (&'static str, bool, fn(&Path));

    const CHANGES: [Change; 4] = [
        ("rewritten", false, |path| fs::write(path, "NEW BYTES!").unwrap()),
        ("cut short", false, |path| File::options().write(true).open(path).unwrap().set_len(4).unwrap()),
        ("appended to", false, |path| File::options().append(true).open(path).unwrap().write_all(b"!").unwrap()),
        ("replaced", true, |path| {
            let new = path.with_extension("new");
            fs::write(&new, "NEW BYTES!").unwrap();
            fs::rename(new, path).unwrap();
        }),
    ];

    #[test]
    fn what_is_read_is_of_one_version() {
        let folder = tempfile::tempdir().unwrap();
        for (how, is_kept, change) in CHANGES {
            let (io, at) = (LocalIo::default(), file(folder.path(), how, b"old bytes."));
            let object = block_on(io.head(&at)).unwrap();
            assert_eq!(block_on(io.read(&object, 0..4)).unwrap(), "old ");
            let mut reader = LocalReader::open(&object).unwrap();
            let mut first = [0; 4];
            reader.read_exact(&mut first).unwrap();
            change(local_path(&at).unwrap());
            let read = block_on(io.read(&object, 4..10));
            let mut rest = String::new();
            let streamed = reader.read_to_string(&mut rest);
            if is_kept {
                assert_eq!((read.unwrap(), rest), (Bytes::from("bytes."), "bytes.".to_owned()), "{how}");
            } else {
                let (e, streamed) = (read.unwrap_err().to_string(), streamed.unwrap_err().to_string());
                assert!(e.contains("while it was being read"), "{how}: {e}");
                assert!(streamed.contains("while it was being read"), "{how}: {streamed}");
            }
            // Whoever opens it anew has what is there now; whoever opened it before, an error.
            let now = block_on(io.head(&at)).unwrap();
            let all = block_on(io.read(&now, 0..now.size)).unwrap();
            assert_eq!(all, fs::read(local_path(&at).unwrap()).unwrap(), "{how}");
            let late = block_on(LocalIo::default().read(&object, 0..4)).unwrap_err();
            assert!(late.to_string().contains("replaced or rewritten"), "{late}");
            assert!(LocalReader::open(&object).is_err());
        }
    }

    #[test]
    fn parts_of_a_dataset_are_known_by_their_parent() {
        let folder = tempfile::tempdir().unwrap();
        let (io, at) = (LocalIo::default(), file(folder.path(), "x.chunk", b"old bytes."));
        let part = |size| ObjectMeta { location: at.clone(), size, etag: None, modified: None };
        assert_eq!(block_on(io.read(&part(10), 0..3)).unwrap(), "old");
        let e = block_on(io.read(&part(11), 0..3)).unwrap_err();
        assert!(e.is_corrupt() && e.to_string().contains("it has 10 bytes where 11 belong"), "{e}");
        // A copy that keeps time and size to the last, but not the bytes, is told by their checksums; one that was
        // written over between two queries is opened anew.
        file(folder.path(), "x.chunk", b"OLD BYTES.");
        assert_eq!(block_on(io.read(&part(10), 0..3)).unwrap(), "OLD");
    }
}
