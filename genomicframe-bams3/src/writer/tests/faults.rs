//! Writers that are killed, and writers that meet.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use futures::executor::block_on;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult,
};

use crate::export::testing::{destination, input, io, made, objects, opened, options, place, put, records};
use crate::export::{ExportOptions, to_bam};
use crate::validate::validate;
use crate::writer::*;

/// A store whose user is killed at one of its writes, before it or after it.
#[derive(Debug)]
struct Killed {
    store: Arc<InMemory>,
    /// Writes and deletions that still work.
    left: AtomicUsize,
    /// Whether the last one is done though nobody hears of it.
    is_done: bool,
    /// Whether only its answer was lost, and the user lives on.
    lives: bool,
}

impl Killed {
    fn dead<T>() -> StoreResult<T> {
        Err(object_store::Error::Generic { store: "test", source: "killed".into() })
    }

    /// Whether a write may be tried, and whether its outcome is heard of.
    fn next(&self) -> (bool, bool) {
        let then = |n: usize| if n == 1 && self.lives { usize::MAX } else { n.saturating_sub(1) };
        let before = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| Some(then(n)));
        match before.unwrap() {
            0 => (false, false),
            1 => (self.is_done, false),
            _ => (true, true),
        }
    }

    fn is_alive(&self) -> bool {
        self.left.load(Ordering::SeqCst) > 0
    }
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Killed")
    }
}

type Later<'a, T> = Pin<Box<dyn Future<Output = StoreResult<T>> + Send + 'a>>;

impl ObjectStore for Killed {
    fn put_opts<'a, 'b, 'c>(&'a self, at: &'b Key, payload: PutPayload, options: PutOptions) -> Later<'c, PutResult>
    where
        'a: 'c,
        'b: 'c,
    {
        Box::pin(async move {
            let (is_tried, is_heard) = self.next();
            let put = if is_tried { self.store.put_opts(at, payload, options).await } else { Self::dead() };
            if is_heard { put } else { Self::dead() }
        })
    }

    fn put_multipart_opts<'a, 'b, 'c>(
        &'a self,
        at: &'b Key,
        options: PutMultipartOptions,
    ) -> Later<'c, Box<dyn MultipartUpload>>
    where
        'a: 'c,
        'b: 'c,
    {
        self.store.put_multipart_opts(at, options)
    }

    fn get_opts<'a, 'b, 'c>(&'a self, at: &'b Key, options: GetOptions) -> Later<'c, GetResult>
    where
        'a: 'c,
        'b: 'c,
    {
        if self.is_alive() { self.store.get_opts(at, options) } else { Box::pin(async { Self::dead() }) }
    }

    fn delete_stream(&self, keys: BoxStream<'static, StoreResult<Key>>) -> BoxStream<'static, StoreResult<Key>> {
        match self.next() {
            (_, true) => self.store.delete_stream(keys),
            (true, false) => self.store.delete_stream(keys).then(|_| async { Self::dead() }).boxed(),
            _ => futures::stream::iter([Self::dead()]).boxed(),
        }
    }

    fn list(&self, below: Option<&Key>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        if self.is_alive() { self.store.list(below) } else { futures::stream::iter([Self::dead()]).boxed() }
    }

    fn list_with_delimiter<'a, 'b, 'c>(&'a self, below: Option<&'b Key>) -> Later<'c, ListResult>
    where
        'a: 'c,
        'b: 'c,
    {
        self.store.list_with_delimiter(below)
    }

    fn copy_opts<'a, 'b, 'c, 'd>(&'a self, from: &'b Key, to: &'c Key, options: CopyOptions) -> Later<'d, ()>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
    {
        self.store.copy_opts(from, to, options)
    }
}

/// No dataset, or a sound one.
fn is_whole(store: &Arc<InMemory>, when: &str) -> bool {
    match block_on(validate(&place(), io(store), None, 1, Arc::default())) {
        Err(e) => {
            assert!(e.is_not_found(), "{when}: {e}");
            false
        }
        Ok(report) => {
            assert!(report.is_sound(), "{when}: {:?}", report.findings);
            true
        }
    }
}

#[test]
fn a_writer_killed_at_any_write_leaves_nothing_or_all_and_resumes_to_the_byte() {
    let all = records(11, 260);
    let (undisturbed, written) = made(&all, &options());
    let expected = objects(&undisturbed);
    assert!(written.metadata.totals.chunks >= 3);
    for is_done in [false, true] {
        let mut kills = 0;
        for n in 1.. {
            let when = format!("killed at write {n}, done: {is_done}");
            let store = Arc::new(InMemory::new());
            let killed = Killed { store: Arc::clone(&store), left: AtomicUsize::new(n), is_done, lives: false };
            let to = destination(Arc::new(killed));
            if block_on(write(input(&all), &to, &options(), Arc::default())).is_ok() {
                break;
            }
            kills += 1;
            is_whole(&store, &when);
            let to = destination(Arc::clone(&store) as Arc<dyn ObjectStore>);
            let again = WriteOptions { resume: true, ..options() };
            let resumed = block_on(write(input(&all), &to, &again, Arc::default()));
            let resumed = match resumed {
                // The last thing that is removed is what says that there is something to resume.
                Err(e) if is_whole(&store, &when) => {
                    assert!(e.to_string().contains("a dataset is there already"), "{when}: {e}");
                    None
                }
                other => Some(other.unwrap()),
            };
            assert!(resumed.is_none_or(|r| r.metadata == written.metadata), "{when}");
            assert!(objects(&store) == expected, "{when}");
        }
        // The journal's beginning, chunks and what is noted of them, header, index, root, and all that is removed.
        assert!(kills as u64 >= 3 * written.metadata.totals.chunks + 6, "{kills}");
    }
}

#[test]
fn a_writer_killed_while_it_replaces_leaves_the_old_or_the_new_dataset() {
    let (old, new) = (records(12, 150), records(13, 170));
    for n in 1.. {
        let when = format!("killed at write {n}");
        let (store, first) = made(&old, &options());
        let replace = WriteOptions { overwrite: true, ..options() };
        let killed = Killed { store: Arc::clone(&store), left: AtomicUsize::new(n), is_done: n % 2 == 0, lives: false };
        let done = block_on(write(input(&new), &destination(Arc::new(killed)), &replace, Arc::default()));
        assert!(is_whole(&store, &when));
        let id = &opened(&store).unwrap().metadata.dataset;
        assert!(done.is_err() || *id != first.metadata.dataset, "{when}");
        let to = destination(Arc::clone(&store) as Arc<dyn ObjectStore>);
        if done.is_err() {
            let again = WriteOptions { resume: true, overwrite: true, ..options() };
            block_on(write(input(&new), &to, &again, Arc::default())).unwrap();
        }
        block_on(async { gc::remove(&to, &gc::unused(&to).await?).await }).unwrap();
        let report = block_on(validate(&place(), io(&store), Some(input(&new)), 1, Arc::default())).unwrap();
        assert_eq!(report.findings, [], "{when}");
        if done.is_ok() {
            break;
        }
    }
}

#[test]
fn an_answer_that_is_lost_is_looked_for() {
    let (old, new) = (records(18, 150), records(19, 170));
    for is_done in [false, true] {
        let (mut healed, mut n) = (0, 0);
        loop {
            n += 1;
            let (store, first) = made(&old, &options());
            let replace = WriteOptions { overwrite: true, ..options() };
            let left = AtomicUsize::new(n);
            let flaky = Arc::new(Killed { store: Arc::clone(&store), left, is_done, lives: true });
            let written = block_on(write(input(&new), &destination(Arc::clone(&flaky) as _), &replace, Arc::default()));
            let id = opened(&store).unwrap().metadata.dataset.clone();
            if flaky.left.load(Ordering::SeqCst) < usize::MAX / 2 {
                assert!(written.is_ok(), "nothing was lost");
                break;
            }
            // Header, index and root; a chunk, and what says who writes, are for the store to try again or for --resume.
            let when = format!("write {n}, done: {is_done}");
            assert!(is_whole(&store, &when) && (written.is_err() || id != first.metadata.dataset), "{when}");
            healed += usize::from(written.is_ok());
        }
        assert!(healed >= 4, "{healed} of {n}");
    }
}

#[test]
fn of_two_writers_one_wins() {
    let all = records(14, 200);
    for (resume, overwrite) in [(false, false), (true, false), (true, true)] {
        let store = Arc::new(InMemory::new());
        let to = destination(Arc::clone(&store) as Arc<dyn ObjectStore>);
        let options = WriteOptions { resume, overwrite, ..options() };
        let one = write(input(&all), &to, &options, Arc::default());
        let two = write(input(&all), &to, &options, Arc::default());
        let (one, two) = block_on(async { futures::join!(one, two) });
        assert!(one.is_ok() != two.is_ok(), "{:?} {:?}", one.err(), two.err());
        let told = one.err().or(two.err()).unwrap().to_string();
        assert!(told.contains("another"), "{told}");
        assert!(is_whole(&store, "after two writers"));
    }
}

#[test]
fn readers_of_a_replaced_dataset_read_on_until_its_objects_are_removed() {
    let (old, new) = (records(15, 200), records(16, 200));
    let (store, _) = made(&old, &options());
    let before: Vec<String> = objects(&store).into_iter().map(|(key, _)| key).collect();
    let reader = opened(&store).unwrap();
    let to = destination(Arc::clone(&store) as Arc<dyn ObjectStore>);
    let plain = options();
    let again = write(input(&new), &to, &plain, Arc::default());
    assert!(block_on(again).unwrap_err().to_string().contains("a dataset is there already"));
    let replace = WriteOptions { overwrite: true, ..options() };
    block_on(write(input(&new), &to, &replace, Arc::default())).unwrap();
    let read = || block_on(to_bam(&reader, io(&store), std::io::sink(), &ExportOptions::default(), Arc::default()));
    assert_eq!(read().unwrap().records, 200);

    put(&store, "notes.txt", "someone's");
    let unused = block_on(gc::unused(&to)).unwrap();
    let mut keys: Vec<&str> = unused.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    // Both have the same header, which therefore stays.
    let is_shared = |key: &&str| *key == ROOT || key.starts_with("_header");
    assert_eq!(keys, before.iter().map(String::as_str).filter(|key| !is_shared(key)).collect::<Vec<_>>());
    block_on(gc::remove(&to, &unused)).unwrap();
    assert!(read().err().is_some_and(|e| e.is_not_found()));
    assert!(block_on(gc::unused(&to)).unwrap().is_empty());
    let report = block_on(validate(&place(), io(&store), Some(input(&new)), 1, Arc::default())).unwrap();
    assert!(report.is_sound() && report.findings.len() == 1 && report.findings[0].object.ends_with("notes.txt"));
}

#[test]
fn a_source_that_panics_leaves_no_dataset() {
    let store = Arc::new(InMemory::new());
    let to = destination(Arc::clone(&store) as Arc<dyn ObjectStore>);
    let mut input = input(&records(17, 2000));
    let mut blocks = std::mem::replace(&mut input.blocks, Box::new(|| Ok(None)));
    let mut given = 0;
    input.blocks = Box::new(move || {
        let records = blocks()?;
        given += records.as_ref().map_or(0, Records::len);
        assert!(given < 1500, "the source gives up");
        Ok(records)
    });
    let failed = block_on(write(input, &to, &options(), Arc::default()));
    assert!(failed.unwrap_err().to_string().contains("without a result"));
    assert!(!objects(&store).iter().any(|(key, _)| key == ROOT));
}
