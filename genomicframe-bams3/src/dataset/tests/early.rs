//! Header and index, asked for together with the root.

use bytes::Bytes;
use futures::executor::block_on;
use genomicframe_core::io::Location;
use genomicframe_core::scan::{Format, OpenOptions, ScanRequest};

use super::answers::options;
use crate::Bams3;
use crate::metadata::{HEADER, INDEX, Metadata, ROOT};
use crate::testing::{Kinds, Rng, Shelf, objects, records};

fn shelf() -> (Location, Shelf) {
    let at = Location::parse("memory:///d.bams3").unwrap();
    let mut shelf = Shelf::default();
    let records = records(&mut Rng(1), 9000, Kinds { odd: false, long_cigars: false });
    // Row groups of 3 rows, for an index longer than what is asked for early.
    for (key, bytes) in objects(&records, &options(3, 20_000), 50) {
        shelf.objects.insert(at.join(&key), bytes);
    }
    (at, shelf)
}

/// What opening reads, by key, and how many rows the index tells.
fn opened(at: &Location, shelf: &Shelf) -> genomicframe_core::Result<(Vec<(String, u64)>, usize)> {
    let dataset = block_on(Bams3.open(at, shelf, &OpenOptions::default()))?;
    block_on(dataset.load_index(shelf, None))?;
    let reads = shelf
        .take_reads()
        .into_iter()
        .map(|(of, range)| (of.strip_prefix(&format!("{at}/")).unwrap().to_owned(), range.end - range.start));
    let mut reads: Vec<_> = reads.collect();
    reads.sort();
    Ok((reads, dataset.plan(&ScanRequest::all(vec![0])).unwrap().partitions.len()))
}

#[test]
fn nothing_is_read_twice() {
    let (at, shelf) = shelf();
    let size = |key: &str| shelf.objects[&at.join(key)].len() as u64;
    let first = 1 << 20;
    assert!(size(INDEX) > first, "{}", size(INDEX));
    let whole = [(HEADER, size(HEADER)), (INDEX, first), (INDEX, size(INDEX) - first), (ROOT, size(ROOT))];
    let mut whole = whole.map(|(key, bytes)| (key.to_owned(), bytes));
    whole.sort();
    assert_eq!(opened(&at, &shelf).unwrap().0, whole);
}

#[test]
fn what_stands_under_a_usual_name_is_believed_only_if_the_root_says_so() {
    let (at, shelf) = shelf();
    let (_, partitions) = opened(&at, &shelf).unwrap();
    // Under other names than the usual ones: so says the root.
    let mut moved = Shelf::default();
    for (key, bytes) in &shelf.objects {
        moved.objects.insert(key.clone(), bytes.clone());
    }
    let root = shelf.objects[&at.join(ROOT)].clone();
    for key in [HEADER, INDEX] {
        let other = key.replace('_', "_other_");
        moved.objects.insert(at.join(&other), shelf.objects[&at.join(key)].clone());
        for beside in [Bytes::new(), Bytes::from_static(b"of another dataset"), vec![0; 1 << 20].into()] {
            moved.objects.insert(at.join(key), beside);
            let mut root = Metadata::parse(&root).unwrap();
            for object in [&mut root.header, &mut root.index[0].object].into_iter().filter(|o| o.path == key) {
                object.path.clone_from(&other);
            }
            moved.objects.insert(at.join(ROOT), root.to_bytes().unwrap().into());
            assert_eq!(opened(&at, &moved).unwrap().1, partitions);
        }
        moved.objects.insert(at.join(key), shelf.objects[&at.join(key)].clone());
        moved.objects.insert(at.join(ROOT), root.clone());
    }
    // What the root does name is damaged, or gone.
    for key in [HEADER, INDEX] {
        let mut bytes = shelf.objects[&at.join(key)].to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        moved.objects.insert(at.join(key), bytes.into());
        assert!(opened(&at, &moved).unwrap_err().to_string().contains("SHA-256"));
        moved.objects.remove(&at.join(key));
        assert!(opened(&at, &moved).unwrap_err().is_not_found());
        moved.objects.insert(at.join(key), shelf.objects[&at.join(key)].clone());
    }
    assert!(opened(&at, &moved).is_ok());
}
