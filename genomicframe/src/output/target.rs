//! Where output goes. A file gets its name only when it is whole.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::upload::{ObjectTarget, Upload, pipe};
use crate::error::{Error, Result};

/// Where rows are written.
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file, replaced only when everything was written: until then the rows go to a temporary file beside it, which is
    /// removed when writing fails or is dropped. A pipe or device is written to directly.
    File(PathBuf),
    /// An object of a store, which is sent in parts and is there, or replaced, only when everything was written. What was
    /// sent is removed when writing fails or is dropped ([`settle`](crate::settle) waits for that).
    /// [`GenomicContext::target`](crate::GenomicContext::target) makes it of a URL.
    Object(ObjectTarget),
    /// Anything else that takes bytes.
    Writer(Box<dyn Write + Send>),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdout => f.write_str("Stdout"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Object(object) => f.debug_tuple("Object").field(object).finish(),
            Self::Writer(_) => f.write_str("Writer"),
        }
    }
}

/// Bytes collected before they are handed to the system.
const BUFFER: usize = 1 << 18;

impl Target {
    /// Opens it for writing.
    pub(crate) fn open(self) -> Result<(Box<dyn Write + Send>, Finish)> {
        match self {
            Self::Stdout => Ok((Box::new(BufWriter::with_capacity(BUFFER, io::stdout())), Finish::Nothing)),
            Self::Writer(writer) => Ok((writer, Finish::Nothing)),
            Self::Object(object) => {
                let (held, upload) = Upload::new(object);
                Ok((Box::new(held), Finish::Upload(upload)))
            }
            Self::File(path) => {
                // A link stays a link: what it points to is replaced.
                let path = fs::canonicalize(&path).unwrap_or(path);
                let (file, finish) = match fs::metadata(&path) {
                    Ok(meta) if meta.is_dir() => {
                        let e = genomicframe_core::Error::invalid("is a folder; name a file in it");
                        return Err(e.in_object(path.display()).into());
                    }
                    Ok(meta) if !meta.is_file() => (OpenOptions::new().write(true).open(&path), Finish::Nothing),
                    _ => match Temporary::beside(&path) {
                        Ok((file, temporary)) => (Ok(file), Finish::Rename(temporary)),
                        Err(e) => (Err(e), Finish::Nothing),
                    },
                };
                let file = file.map_err(|e| cannot(&path, e))?;
                Ok((Box::new(BufWriter::with_capacity(BUFFER, file)), finish))
            }
        }
    }

    /// Opens it for `write`, which writes on a thread that may wait, and does not keep what it writes to.
    pub(crate) async fn fill<T, F: Future<Output = Result<T>>>(
        self,
        write: impl FnOnce(Box<dyn Write + Send>) -> F,
    ) -> Result<(T, Finish)> {
        let Self::Object(object) = self else {
            let (out, finish) = self.open()?;
            return Ok((write(out).await?, finish));
        };
        let (_, mut upload) = Upload::new(object);
        let (pipe, bytes) = pipe();
        let (written, sent) = futures::join!(write(Box::new(pipe)), upload.take_all(bytes));
        // Where nothing could be sent, nothing could be written either.
        sent?;
        Ok((written?, Finish::Upload(upload)))
    }

    /// Removes what is there, if anything is.
    pub(crate) async fn remove(self) -> Result<()> {
        match self {
            Self::Stdout | Self::Writer(_) => Ok(()),
            Self::Object(object) => object.remove().await,
            Self::File(path) => match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(cannot(&path, e)),
                _ => Ok(()),
            },
        }
    }

    /// Whether output goes to a place of its own, so that formats which need no stream may be written.
    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_) | Self::Object(_))
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".into(),
            Self::File(path) => path.display().to_string(),
            Self::Object(object) => object.name().to_owned(),
            Self::Writer(_) => "output".into(),
        }
    }
}

fn cannot(path: &Path, e: io::Error) -> Error {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).is_none_or(Path::is_dir);
    let what = if folder { "cannot be written" } else { "cannot be written, its folder does not exist" };
    genomicframe_core::Error::io(what).in_object(path.display()).caused_by(e).into()
}

/// What makes written bytes the output.
#[derive(Debug)]
pub(crate) enum Finish {
    /// They are it already.
    Nothing,
    /// The temporary file takes the final name.
    Rename(Temporary),
    /// The store makes an object of what it was sent.
    Upload(Upload),
}

impl Finish {
    /// Hands on what was written so far, where that is for a task to do. To be called now and then.
    pub(crate) async fn flow(&mut self) -> Result<()> {
        match self {
            Self::Upload(upload) => upload.flow().await,
            Self::Nothing | Self::Rename(_) => Ok(()),
        }
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Upload(upload) => upload.commit().await,
            Self::Rename(temporary) => {
                let last = temporary.last.clone();
                temporary.rename().map_err(|e| cannot(&last, e))
            }
        }
    }

    /// Removes what was written so far; dropping it does so too, later.
    pub(crate) async fn abandon(self) {
        if let Self::Upload(upload) = self {
            upload.abandon().await;
        }
    }
}

/// A file that goes away unless it is renamed.
#[derive(Debug)]
pub(crate) struct Temporary {
    path: PathBuf,
    last: PathBuf,
    renamed: bool,
}

/// Time after which a temporary file that nobody writes to was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(60);

impl Temporary {
    fn beside(last: &Path) -> io::Result<(File, Self)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = last.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
        let mut start = OsString::from(".");
        start.push(name);
        start.push(".");
        remove_abandoned(last, &start);
        loop {
            let mut hidden = start.clone();
            hidden.push(format!("{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
            let path = last.with_file_name(hidden);
            match File::create_new(&path) {
                Ok(file) => {
                    // Says that its writer lives, where the file system has such locks; they end with the process.
                    let _ = file.try_lock();
                    return Ok((file, Self { path, last: last.to_owned(), renamed: false }));
                }
                // Left by a killed process that had this one's id.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn rename(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.last)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.renamed {
            // Nothing is left to tell about a file that cannot be removed either.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the temporary files that killed writers of `last` left, whose names begin with `start`.
fn remove_abandoned(last: &Path, start: &OsStr) {
    let folder = last.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_ours = |name: &OsStr| {
        let (name, start) = (name.as_encoded_bytes(), start.as_encoded_bytes());
        let id = name.strip_prefix(start).and_then(|rest| rest.strip_suffix(b".tmp"));
        id.is_some_and(|id| !id.is_empty() && id.iter().all(|b| b.is_ascii_digit() || *b == b'-'))
    };
    // Whatever cannot be looked at or removed stays.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.filter(|entry| is_ours(&entry.file_name())).map(|entry| entry.path()) {
        let is_abandoned = |file: File| {
            let written = file.metadata()?.modified()?;
            let is_old = SystemTime::now().duration_since(written).is_ok_and(|age| age > ABANDONED);
            io::Result::Ok(is_old && file.try_lock().is_ok())
        };
        if File::open(&path).and_then(is_abandoned).unwrap_or(false) {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_writers_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * ABANDONED;
        let make = |name: &str, at: SystemTime| {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(at).unwrap();
            file
        };
        make(".x.tsv.17-0.tmp", old);
        make(".x.tsv.18-0.tmp", SystemTime::now());
        make(".x.tsv.mine.tmp", old);
        make(".y.tsv.17-0.tmp", old);
        let living = make(".x.tsv.19-3.tmp", old);
        living.lock().unwrap();
        let (_, temporary) = Temporary::beside(&folder.path().join("x.tsv")).unwrap();
        drop(temporary);
        let kept = [".x.tsv.18-0.tmp", ".x.tsv.19-3.tmp", ".x.tsv.mine.tmp", ".y.tsv.17-0.tmp"];
        assert_eq!(files(folder.path()), kept);
    }

    fn files(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tsv");
        fs::write(&path, "old").unwrap();

        let (mut out, finish) = Target::File(path.clone()).open().unwrap();
        out.write_all(b"half").unwrap();
        out.flush().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(files(folder.path()).len(), 2);
        drop((out, finish));
        assert_eq!((files(folder.path()), fs::read_to_string(&path).unwrap()), (vec!["x.tsv".into()], "old".into()));

        let (mut out, finish) = Target::File(path.clone()).open().unwrap();
        out.write_all(b"new").unwrap();
        drop(out);
        finish.commit().await.unwrap();
        assert_eq!((files(folder.path()), fs::read_to_string(&path).unwrap()), (vec!["x.tsv".into()], "new".into()));
    }

    #[tokio::test]
    #[cfg(unix)]
    async fn links_and_devices_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let (mut out, finish) = Target::File(link.clone()).open().unwrap();
        out.write_all(b"new").unwrap();
        drop(out);
        finish.commit().await.unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");

        let (out, finish) = Target::File("/dev/null".into()).open().unwrap();
        drop(out);
        finish.commit().await.unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| Target::File(path.to_owned()).open().err().unwrap().to_string();
        assert!(error(folder.path()).ends_with("is a folder; name a file in it"));
        let missing = error(&folder.path().join("no/x.tsv"));
        assert!(missing.contains("no/x.tsv: cannot be written, its folder does not exist"), "{missing}");
    }
}
