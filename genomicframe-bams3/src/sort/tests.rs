use proptest::prelude::*;

use super::*;
use crate::source::testing::*;

fn place(record: &[u8]) -> (u32, i64) {
    key(&record[4..])
}

fn sorted(records: &[Vec<u8>], block_of: usize, memory: usize) -> Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(memory, folder.path());
    for part in records.chunks(block_of) {
        sorter.push(block(part))?;
    }
    let out = drain(&mut sorter.finish()?);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    out
}

fn expected(records: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut out = records.to_vec();
    let is_reverse = |r: &[u8]| place(r).0 != u32::MAX && r[18] & 0x10 != 0;
    out.sort_by_key(|r| (place(r), is_reverse(r)));
    out
}

fn ordered(records: &[Vec<u8>], order: Order) -> Result<Vec<Vec<u8>>> {
    let mut first = 0;
    let numbered = |part: &[Vec<u8>]| {
        let block = Records { first, ..block(part) };
        first += part.len() as u64;
        block
    };
    let blocks: Vec<_> = records.chunks(3).map(numbered).collect();
    let source = Fixed(blocks.into_iter());
    let contigs = Arc::new(["a", "b"].into_iter().collect());
    drain(&mut Ordered::new(source, contigs, order, 1 << 20, &std::env::temp_dir()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn as_a_stable_sort_does(
        places in prop::collection::vec((-1..2, -1..6), 0..120),
        block_of in 1usize..9,
        memory in prop::sample::select(vec![1usize, 700, 3000, 1 << 20]),
    ) {
        let records: Vec<_> = places.iter().enumerate().map(|(i, (c, p))| record(*c, *p, i, i % 50)).collect();
        let turned = |(i, mut r): (usize, Vec<u8>)| { r[18] |= if i % 3 == 0 { 0x10 } else { 0 }; r };
        let records: Vec<_> = records.into_iter().enumerate().map(turned).collect();
        let wanted = expected(&records);
        prop_assert_eq!(&sorted(&records, block_of, memory).unwrap(), &wanted);
        prop_assert_eq!(&ordered(&records, Order::Sort).unwrap(), &wanted);
        prop_assert_eq!(ordered(&wanted, Order::AssumeSorted).unwrap(), wanted.clone());
        let checked = ordered(&records, Order::AssumeSorted);
        prop_assert_eq!(checked.is_ok(), records.is_sorted_by_key(|r| place(r)));
    }
}

#[test]
fn more_runs_than_are_merged_at_once() {
    let records: Vec<_> = (0..4300).map(|i| record((i * 7 % 3) as i32 - 1, (i * 31 % 11) as i32, i, 3)).collect();
    // A run each, so that runs of runs are merged too.
    assert_eq!(sorted(&records, 1, 1).unwrap(), expected(&records));
    assert_eq!(sorted(&records, 40, 1).unwrap(), expected(&records));
}

#[test]
fn none_one_and_one_beyond_the_memory() {
    assert!(sorted(&[], 1, 1).unwrap().is_empty());
    let huge = vec![record(1, 5, 0, 3_000_000), record(0, 5, 1, 1), record(-1, -1, 2, 600_000), record(0, 4, 3, 7)];
    assert_eq!(sorted(&huge[..1], 1, 1000).unwrap(), huge[..1]);
    assert_eq!(sorted(&huge, 1, 1000).unwrap(), expected(&huge));
}

#[test]
fn unplaced_records_come_last_whatever_they_claim() {
    let keys: Vec<_> =
        [(0, -1), (0, 0), (1, -1), (1, 9), (-1, 3), (-1, -1)].map(|(c, p)| place(&record(c, p, 0, 0))).to_vec();
    assert!(keys.is_sorted());
    assert_eq!(keys[4], keys[5]);
    assert_eq!(key(b""), (u32::MAX, -1));
}

#[test]
fn a_violation_names_both_records() {
    let records: Vec<_> = [(0, 4), (1, 9), (1, 10), (1, 10), (0, 7)].map(|(c, p)| record(c, p, 0, 0)).to_vec();
    let e = ordered(&records, Order::AssumeSorted).unwrap_err().to_string();
    let told = "record 5: not in the coordinate order that the header claims: at a:8, it follows record 4 at b:11";
    assert!(e.starts_with(told) && e.contains("--sort"), "{e}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut sorter = Sorter::new(1, &missing);
    sorter.push(block(&[record(0, 1, 1, 1)])).unwrap();
    let e = sorter.push(block(&[record(0, 1, 1, 1)])).unwrap_err();
    assert!(e.is_io() && e.to_string().contains(&missing.display().to_string()), "{e}");
}

#[test]
fn the_header_says_the_order() {
    for (text, wanted) in [
        ("", "@HD\tVN:1.6\tSO:coordinate\n"),
        ("@SQ\tSN:a\tLN:1\n", "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:a\tLN:1\n"),
        ("@HD\tVN:1.0\tSO:unsorted\tGO:query\tSS:x:y\n@CO\tSO:q\n", "@HD\tVN:1.0\tSO:coordinate\n@CO\tSO:q\n"),
        ("@HD\tVN:1.4\r\n@CO\tx\r\n", "@HD\tVN:1.4\tSO:coordinate\r\n@CO\tx\r\n"),
        ("@HD\tVN:1.4", "@HD\tVN:1.4\tSO:coordinate"),
    ] {
        let new = coordinate_header(text);
        assert_eq!(new, wanted);
        assert_eq!(sort_order(&new), Some("coordinate"));
        assert_eq!(coordinate_header(&new), new);
        assert_eq!((Order::of(&new, false), Order::of(&new, true)), (Order::AssumeSorted, Order::Sort));
        assert_eq!(Order::of(text, false), Order::Sort);
    }
}
