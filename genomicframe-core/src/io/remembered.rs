//! What is read twice while a file is opened, and requested once.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Location, ObjectIo, ObjectMeta, Requests};
use crate::bgzf::EOF_BLOCK;
use crate::error::Result;

/// Reads through another, and hands out again what it has read: a format is told by the bytes that it then opens with.
///
/// For one object, while it is opened: a version that comes later is not seen.
///
/// ```
/// use genomicframe_core::io::{Location, MemoryIo, ObjectIo, Remembered};
///
/// let io = MemoryIo::default();
/// let at = Location::parse("memory:///a.bed")?;
/// io.put(&at, "chr1\t0\t10\n");
/// let remembered = Remembered::new(&io);
/// let (first, _) = futures::executor::block_on(remembered.read_first(&at, 100))?;
/// io.put(&at, "chr2\t0\t10\n");
/// assert_eq!(futures::executor::block_on(remembered.read_first(&at, 4))?, (first, "chr1".into()));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Remembered<'a> {
    io: &'a dyn ObjectIo,
    reads: Mutex<Vec<(ObjectMeta, Range<u64>, Bytes)>>,
    /// What was asked for first, unless there is none; others may be asked for beside it, and come before it.
    asked: Mutex<Option<Location>>,
    first: OnceLock<ObjectMeta>,
}

/// Bytes of the end that a BGZF file is known by.
const END: u64 = EOF_BLOCK.len() as u64;
/// Names of files that are BGZF, or worth the question.
const BLOCKED: [&str; 4] = [".bam", ".gz", ".bgz", ".bgzf"];

/// Whether the end of a file called so will be looked at, so that it may be asked for together with the beginning.
fn ends_in_block(at: &Location) -> bool {
    BLOCKED.iter().any(|ending| at.file_name().ends_with(ending))
}

/// Reads that are kept: the beginning, the end, and one or two on the way.
const READS: usize = 4;
/// Longer ones are nobody's beginning.
const LONGEST: usize = 256 << 10;

impl<'a> Remembered<'a> {
    /// Reads through `io`.
    pub fn new(io: &'a dyn ObjectIo) -> Self {
        Self { io, reads: Mutex::default(), asked: Mutex::default(), first: OnceLock::new() }
    }

    /// The object that was asked for first, of those that are there.
    pub fn first(&self) -> Option<ObjectMeta> {
        self.first.get().cloned()
    }

    /// Whether `at` is asked for first.
    fn asks(&self, at: &Location) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get_or_insert_with(|| at.clone()) == at
    }

    /// What was asked for came, or did not.
    fn came<T>(&self, is_first: bool, read: &Result<(ObjectMeta, T)>) {
        match read {
            Ok((object, _)) if is_first => _ = self.first.get_or_init(|| object.clone()),
            Err(_) if is_first => *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None,
            _ => {}
        }
    }

    fn reads(&self) -> MutexGuard<'_, Vec<(ObjectMeta, Range<u64>, Bytes)>> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, object: &ObjectMeta, start: u64, bytes: &Bytes) {
        let mut reads = self.reads();
        if reads.len() < READS && bytes.len() <= LONGEST {
            reads.push((object.clone(), start..start + bytes.len() as u64, bytes.clone()));
        }
    }

    fn find(
        &self,
        is_it: impl Fn(&ObjectMeta) -> bool,
        wanted: impl Fn(u64) -> Range<u64>,
    ) -> Option<(ObjectMeta, Bytes)> {
        let reads = self.reads();
        reads.iter().filter(|(object, ..)| is_it(object)).find_map(|(object, range, bytes)| {
            let wanted = wanted(object.size);
            let holds = range.start <= wanted.start && wanted.end <= range.end;
            let part = |offset: u64| (offset - range.start) as usize;
            holds.then(|| (object.clone(), bytes.slice(part(wanted.start)..part(wanted.end))))
        })
    }
}

impl ObjectIo for Remembered<'_> {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        self.io.head(at)
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            if let Some((_, bytes)) = self.find(|o| o == object, |_| range.clone()) {
                return Ok(bytes);
            }
            let bytes = self.io.read(object, range.clone()).await?;
            self.keep(object, range.start, &bytes);
            Ok(bytes)
        }
        .boxed()
    }

    fn requests(&self, at: &Location) -> Requests {
        self.io.requests(at)
    }

    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            if let Some(found) = self.find(|o| o.location == *at, |size| 0..size.min(most)) {
                return Ok(found);
            }
            let is_first = self.asks(at);
            let last = async { if ends_in_block(at) { self.io.read_last(at, END).await } else { None } };
            let (first, last) = futures::join!(self.io.read_first(at, most), last);
            self.came(is_first, &first);
            let (object, bytes) = first?;
            self.keep(&object, 0, &bytes);
            // That of another version is not found again.
            if let Some((object, bytes)) = last {
                self.keep(&object, object.size - bytes.len() as u64, &bytes);
            }
            Ok((object, bytes))
        }
        .boxed()
    }

    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let is_first = self.asks(at);
            let read = self.io.read_small(at, most).await;
            self.came(is_first, &read);
            read
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        self.io.list(below)
    }
}

#[cfg(test)]
mod tests {
    use super::super::MemoryIo;
    use super::*;

    /// Answers for objects called `late` come after all others.
    #[derive(Debug, Default)]
    struct Late(MemoryIo);

    impl ObjectIo for Late {
        fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
            async move {
                for _ in 0..if at.file_name() == "late" { 10 } else { 0 } {
                    let mut yielded = false;
                    std::future::poll_fn(|cx| {
                        cx.waker().wake_by_ref();
                        if std::mem::replace(&mut yielded, true) {
                            std::task::Poll::Ready(())
                        } else {
                            std::task::Poll::Pending
                        }
                    })
                    .await;
                }
                self.0.head(at).await
            }
            .boxed()
        }

        fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
            self.0.read(object, range)
        }

        fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
            self.0.list(below)
        }
    }

    /// By its version a file is known again.
    #[test]
    fn the_first_object_is_the_one_asked_for_first() {
        let io = Late::default();
        let [late, soon, none] = ["late", "soon", "none"].map(|n| Location::parse(&format!("memory:///{n}")).unwrap());
        io.0.put(&late, "late");
        io.0.put(&soon, "soon");
        let remembered = Remembered::new(&io);
        let both = async { futures::join!(remembered.read_small(&late, 9), remembered.read_first(&soon, 9)) };
        let (a, b) = futures::executor::block_on(both);
        assert!(a.is_ok() && b.is_ok());
        assert_eq!(remembered.first().unwrap().location, late);
        // One that is not there is none.
        let remembered = Remembered::new(&io);
        assert!(futures::executor::block_on(remembered.read_first(&none, 9)).is_err());
        assert!(remembered.first().is_none());
        futures::executor::block_on(remembered.read_first(&soon, 9)).unwrap();
        assert_eq!(remembered.first().unwrap().location, soon);
    }
}
