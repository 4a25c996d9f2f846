//! Beginnings, ends and indexes of remote objects, kept on disk between processes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use libdeflater::crc32;
use sha2::{Digest, Sha256};

use super::{Location, ObjectIo, ObjectMeta, Requests, check_small};
use crate::error::{Error, Result};

/// A folder of pieces of remote objects, bounded in size, which any number of processes may use at the same time.
///
/// A piece is kept with the version of its object and a checksum, under a name that does not tell the object's. It appears
/// whole; one that is damaged or was removed is fetched again. The pieces that were not used for longest are removed first.
#[derive(Debug, Clone)]
pub struct DiskCache {
    folder: PathBuf,
    most: u64,
}

/// What is kept of an object: its beginning, its end, or all of it.
#[derive(Debug, Clone, Copy)]
enum Part {
    First,
    End,
    Whole,
}

/// Longest end that is kept: that of a BGZF file has 28 bytes.
const LONGEST_END: u64 = 64 << 10;
/// Age of what a killed process left while it wrote.
const LEFT: Duration = Duration::from_secs(3600);

impl DiskCache {
    /// Keeps at most about `most` bytes in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(folder: impl Into<PathBuf>, most: u64) -> Result<Self> {
        let folder = folder.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        // What is kept is as private as what it is of.
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.create(&folder);
        made.map_err(|e| Error::io("the cache's folder cannot be made").in_object(folder.display()).caused_by(e))?;
        Ok(Self { folder, most })
    }

    fn path(&self, at: &Location, part: Part) -> PathBuf {
        // Without a link's signature, which another link to the same object does not share.
        let hash = Sha256::digest(at.to_string());
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let ending = match part {
            Part::First => "first",
            Part::End => "end",
            Part::Whole => "whole",
        };
        self.folder.join(format!("{name}.{ending}"))
    }

    fn load(&self, at: &Location, part: Part) -> Option<Kept> {
        let path = self.path(at, part);
        let kept = Kept::parse(fs::read(&path).ok()?)?;
        // Only the order of removal depends on it.
        let _ = File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(kept)
    }

    fn keep(&self, object: &ObjectMeta, part: Part, start: u64, bytes: &Bytes) {
        let Some(etag) = object.etag.as_deref().filter(|etag| !etag.contains('\n')) else { return };
        let head = format!("{} {start} {} {:08x} {etag}\n", object.size, bytes.len(), crc32(bytes));
        if let Err(e) =
            self.write(&self.path(&object.location, part), &[head.as_bytes(), bytes]).and_then(|()| self.sweep())
        {
            tracing::warn!("{} is not kept in {}: {e}", object.location, self.folder.display());
        }
    }

    fn write(&self, path: &Path, pieces: &[&[u8]]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let temporary = self.folder.join(name);
        let written = File::create(&temporary)
            .and_then(|mut file| pieces.iter().try_for_each(|piece| file.write_all(piece)))
            .and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Removes what is too much.
    fn sweep(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            // Another process may have removed it.
            let Ok((path, meta)) = entry.and_then(|e| Ok((e.path(), e.metadata()?))) else { continue };
            let used = meta.modified().unwrap_or(now);
            if path.extension().is_some_and(|e| e == "tmp") {
                if now.duration_since(used).is_ok_and(|age| age > LEFT) {
                    let _ = fs::remove_file(&path);
                }
            } else if meta.is_file() {
                kept.push((used, meta.len(), path));
            }
        }
        let mut held: u64 = kept.iter().map(|(_, size, _)| size).sum();
        kept.sort();
        for (_, size, path) in kept {
            if held <= self.most {
                break;
            }
            let _ = fs::remove_file(path);
            held -= size;
        }
        Ok(())
    }
}

/// A piece that was kept.
struct Kept {
    size: u64,
    start: u64,
    etag: String,
    bytes: Bytes,
}

impl Kept {
    /// `None` when it is damaged.
    fn parse(file: Vec<u8>) -> Option<Self> {
        let file = Bytes::from(file);
        let end = memchr::memchr(b'\n', &file)?;
        let mut words = std::str::from_utf8(&file[..end]).ok()?.splitn(5, ' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (size, start, len) = (number()?, number()?, number()?);
        let sum = u32::from_str_radix(words.next()?, 16).ok()?;
        let etag = words.next()?.to_owned();
        let bytes = file.slice(end + 1..);
        (bytes.len() as u64 == len && crc32(&bytes) == sum).then_some(Self { size, start, etag, bytes })
    }

    fn is_of(&self, object: &ObjectMeta) -> bool {
        self.size == object.size && object.etag.as_deref() == Some(&self.etag)
    }
}

/// Reads through another, and from a [`DiskCache`] what a file is opened with: one question whether it is still the same stands
/// for the bytes of header and index.
#[derive(Debug)]
pub struct CachedIo {
    io: Box<dyn ObjectIo>,
    cache: DiskCache,
}

impl CachedIo {
    /// Reads through `io`.
    pub fn new(io: Box<dyn ObjectIo>, cache: DiskCache) -> Self {
        Self { io, cache }
    }

    /// A piece that is still of the object's version. What is wrong is for the read to tell that follows otherwise.
    async fn fresh(&self, at: &Location, part: Part) -> Option<(ObjectMeta, Bytes)> {
        let kept = self.cache.load(at, part)?;
        let now = self.io.head(at).await.ok()?;
        kept.is_of(&now).then_some((now, kept.bytes))
    }
}

impl ObjectIo for CachedIo {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        self.io.head(at)
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        if range.end != object.size || range.end.saturating_sub(range.start) > LONGEST_END {
            return self.io.read(object, range);
        }
        async move {
            if let Some(kept) = self.cache.load(&object.location, Part::End).filter(|kept| kept.is_of(object))
                && kept.start <= range.start
            {
                return Ok(kept.bytes.slice((range.start - kept.start) as usize..));
            }
            let bytes = self.io.read(object, range.clone()).await?;
            self.cache.keep(object, Part::End, range.start, &bytes);
            Ok(bytes)
        }
        .boxed()
    }

    fn requests(&self, at: &Location) -> Requests {
        self.io.requests(at)
    }

    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            if let Some((object, bytes)) = self.fresh(at, Part::First).await
                && bytes.len() as u64 >= object.size.min(most)
            {
                let wanted = object.size.min(most) as usize;
                return Ok((object, bytes.slice(..wanted)));
            }
            let (object, bytes) = self.io.read_first(at, most).await?;
            self.cache.keep(&object, Part::First, 0, &bytes);
            Ok((object, bytes))
        }
        .boxed()
    }

    fn read_last<'a>(&'a self, at: &'a Location, n: u64) -> BoxFuture<'a, Option<(ObjectMeta, Bytes)>> {
        async move {
            // What is kept is compared with the version that the beginning is of.
            if n > LONGEST_END || self.cache.load(at, Part::End).is_some() {
                return None;
            }
            let (object, bytes) = self.io.read_last(at, n).await?;
            self.cache.keep(&object, Part::End, object.size - bytes.len() as u64, &bytes);
            Some((object, bytes))
        }
        .boxed()
    }

    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            if let Some((object, bytes)) = self.fresh(at, Part::Whole).await {
                check_small(at, object.size, most)?;
                return Ok((object, bytes));
            }
            let (object, bytes) = self.io.read_small(at, most).await?;
            self.cache.keep(&object, Part::Whole, 0, &bytes);
            Ok((object, bytes))
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        self.io.list(below)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use futures::executor::block_on;

    use super::*;
    use crate::io::MemoryIo;

    /// Notes what is asked for.
    #[derive(Debug, Default)]
    struct Noted {
        io: MemoryIo,
        asked: Mutex<Vec<String>>,
    }

    impl Noted {
        fn note(&self, what: &str) {
            self.asked.lock().unwrap().push(what.to_owned());
        }

        fn take(&self) -> Vec<String> {
            std::mem::take(&mut self.asked.lock().unwrap())
        }
    }

    impl ObjectIo for Arc<Noted> {
        fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
            self.note("head");
            self.io.head(at)
        }

        fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
            self.note(&format!("read {range:?}"));
            self.io.read(object, range)
        }

        fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
            self.note("first");
            self.io.read_first(at, most)
        }

        fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
            self.note("small");
            self.io.read_small(at, most)
        }

        fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
            self.io.list(below)
        }
    }

    const TEXT: &str = "a header, and rows, and an end";

    fn at() -> Location {
        Location::parse("memory:///x.bam?sig=CANARY").unwrap()
    }

    /// Opens as a reader of files does; what that asked for.
    fn opened(cached: &CachedIo, noted: &Noted, text: &str) -> Vec<String> {
        let at = at();
        block_on(async {
            let (object, first) = cached.read_first(&at, 8).await.unwrap();
            assert_eq!(first, text.as_bytes()[..8]);
            let size = text.len() as u64;
            assert_eq!(cached.read(&object, size - 3..size).await.unwrap(), text.as_bytes()[text.len() - 3..]);
            assert_eq!(cached.read(&object, 2..5).await.unwrap(), text.as_bytes()[2..5]);
            assert_eq!(cached.read_small(&at, 100).await.unwrap().1, text.as_bytes());
        });
        noted.take()
    }

    #[test]
    fn an_object_that_is_the_same_is_not_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let noted = Arc::new(Noted::default());
        noted.io.put(&at(), TEXT);
        let cached = || CachedIo::new(Box::new(Arc::clone(&noted)), DiskCache::new(folder.path(), 1 << 20).unwrap());
        let cold = ["first", "read 27..30", "read 2..5", "small"];
        assert_eq!(opened(&cached(), &noted, TEXT), cold);
        // Another process.
        assert_eq!(opened(&cached(), &noted, TEXT), ["head", "read 2..5", "head"]);
        let names = || fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
        assert_eq!(names().count(), 3);
        // Neither name nor content tells secrets.
        let told = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).contains("CANARY");
        assert!(names().all(|path| !path.display().to_string().contains("CANARY") && !told(&path)));
        // A longer beginning than what was kept.
        assert_eq!(block_on(cached().read_first(&at(), 20)).unwrap().1, TEXT.as_bytes()[..20]);
        assert_eq!(noted.take(), ["head", "first"]);

        let new = TEXT.replace("rows", "ROWS");
        noted.io.put(&at(), new.clone());
        assert_eq!(opened(&cached(), &noted, &new), ["head", "first", "read 27..30", "read 2..5", "head", "small"]);
        assert_eq!(opened(&cached(), &noted, &new), ["head", "read 2..5", "head"]);
        for path in names() {
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&path, bytes).unwrap();
        }
        assert_eq!(opened(&cached(), &noted, &new), cold);
        for path in names() {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
        assert_eq!(opened(&cached(), &noted, &new), cold);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let noted = Arc::new(Noted::default());
        let cached = CachedIo::new(Box::new(Arc::clone(&noted)), DiskCache::new(folder.path(), 5000).unwrap());
        let names: Vec<_> = (0..8).map(|i| Location::parse(&format!("memory:///{i}")).unwrap()).collect();
        for name in &names {
            noted.io.put(name, vec![7; 1000]);
            block_on(cached.read_small(name, 1000)).unwrap();
            block_on(cached.read_small(&names[0], 1000)).unwrap();
            // Times of change may be coarse.
            std::thread::sleep(Duration::from_millis(20));
        }
        let held: u64 = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        assert!((3000..=5000).contains(&held), "{held}");
        noted.take();
        for (name, is_kept) in [(&names[0], true), (&names[7], true), (&names[1], false)] {
            block_on(cached.read_small(name, 1000)).unwrap();
            assert_eq!(noted.take()[0] == "head", is_kept, "{name}");
        }
    }

    #[test]
    fn processes_that_write_the_same_at_once_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let noted = Arc::new(Noted::default());
        noted.io.put(&at(), TEXT);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let cache = DiskCache::new(folder.path(), 100).unwrap();
                    let cached = CachedIo::new(Box::new(Arc::clone(&noted)), cache);
                    for _ in 0..200 {
                        assert_eq!(block_on(cached.read_small(&at(), 100)).unwrap().1, TEXT.as_bytes());
                        assert_eq!(block_on(cached.read_first(&at(), 8)).unwrap().1, TEXT.as_bytes()[..8]);
                    }
                });
            }
        });
    }
}
