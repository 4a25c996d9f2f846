//! Every byte of every object of a small dataset, flipped and cut off.

use super::*;
use crate::writer::WriteOptions;

/// Rows of all columns, and whether validation finds the dataset sound.
fn outcome(store: &Arc<InMemory>) -> (Result<usize>, bool) {
    (scan(store), check(store).is_sound())
}

/// One bit of each byte. Scans read all objects but `_header.json`, which people read, and the filters of names, which only
/// conditions on names do; validation reads all.
#[test]
fn a_flip_of_every_byte_of_every_object_is_told() {
    let few = WriteOptions { qname_index: true, ..options() };
    let (store, _) = made(&records(21, 24), &few);
    let all = objects(&store);
    assert!(all.len() >= 6, "{}", all.len());
    let mut random = Random(5);
    for (key, bytes) in &all {
        let is_read = key != "_header.json" && !key.ends_with(".bloom");
        for at in 0..bytes.len() {
            let mut broken = bytes.to_vec();
            broken[at] ^= 1 << random.below(8);
            put(&store, key, broken);
            let scanned = scan(&store);
            assert_eq!(scanned.is_err(), is_read, "{key}: byte {at}: {scanned:?}");
            if let Err(e) = scanned {
                assert!(e.to_string().contains("x.bams3"), "{key}: byte {at}: {e}");
            }
            // Validation decodes what scans have told already: here it answers for what they do not read.
            if !is_read || at % 16 == 0 {
                assert!(!check(&store).is_sound(), "{key}: byte {at}");
            }
        }
        put(&store, key, bytes.clone());
    }
    assert_eq!(outcome(&store).0.unwrap(), 24);
}

/// Each object at every length below its own, and gone.
#[test]
fn a_cut_of_every_object_is_told() {
    let (store, _) = made(&records(22, 24), &options());
    for (key, bytes) in &objects(&store) {
        for n in 0..bytes.len() {
            put(&store, key, bytes.slice(..n));
            if key == "_header.json" {
                assert!(!check(&store).is_sound(), "{key} cut at {n}");
            } else {
                let e = scan(&store).expect_err(key);
                assert!(e.to_string().contains("x.bams3"), "{key} cut at {n}: {e}");
            }
        }
        delete(&store, key);
        assert!(key == "_header.json" || scan(&store).is_err(), "{key}");
        put(&store, key, bytes.clone());
    }
    assert!(outcome(&store).1);
}
