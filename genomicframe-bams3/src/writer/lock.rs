//! The lock that stands in for a conditional write where a dataset is a folder (specification §9).

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The file whose presence is the lock.
const LOCK: &str = "_lock";

/// Age at which a lock was left by a writer that was killed: it is held for as long as it takes to rename a file.
const STALE: Duration = Duration::from_secs(10);
/// Longest wait for it.
const LONGEST: Duration = Duration::from_secs(30);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of `folder`; waits while another writer has it, and removes one that a killed writer left.
    pub(super) fn take(folder: &Path) -> io::Result<Self> {
        let path = folder.join(LOCK);
        let begun = Instant::now();
        loop {
            match File::create_new(&path) {
                Ok(file) => {
                    // Tells a writer whose clock is ahead that this one lives. Not every file system has such locks.
                    let _ = file.try_lock();
                    return Ok(Self { path, _file: file });
                }
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                Err(_) if begun.elapsed() > LONGEST => return Err(io::ErrorKind::TimedOut.into()),
                Err(_) => {}
            }
            if !remove_stale(&path)? {
                std::thread::sleep(PAUSE);
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that cannot be removed is stale soon.
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the lock at `path` if its writer was killed; whether it is worth to try again at once.
fn remove_stale(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(e) => return Err(e),
    };
    let made = file.metadata()?.modified()?;
    if SystemTime::now().duration_since(made).is_ok_and(|age| age < STALE) {
        return Ok(false);
    }
    // Of two writers that find it one removes it, and not the one that the other made meanwhile.
    if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) || !is_at(&file, path)? {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, there) = (file.metadata()?, fs::metadata(path));
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (open.dev(), open.ino())))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time_and_the_dead_have_it_for_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let other = std::thread::spawn({
            let folder = folder.path().to_owned();
            move || Lock::take(&folder).map(|_| Instant::now()).unwrap()
        });
        std::thread::sleep(Duration::from_millis(100));
        let given = Instant::now();
        drop(lock);
        assert!(other.join().unwrap() >= given);
        assert!(!folder.path().join(LOCK).exists());

        let left = File::create(folder.path().join(LOCK)).unwrap();
        left.set_modified(SystemTime::now() - STALE - Duration::from_secs(1)).unwrap();
        let begun = Instant::now();
        drop(Lock::take(folder.path()).unwrap());
        assert!(begun.elapsed() < Duration::from_secs(5));

        // Old, but its writer lives.
        let kept = File::create(folder.path().join(LOCK)).unwrap();
        kept.set_modified(SystemTime::now() - STALE - Duration::from_secs(1)).unwrap();
        kept.lock().unwrap();
        assert!(!remove_stale(&folder.path().join(LOCK)).unwrap());
    }
}
