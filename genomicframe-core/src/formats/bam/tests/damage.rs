use super::*;
use crate::testing::{Random, gzip_members, read as read_stored};

fn small() -> Vec<u8> {
    let array = [&b"S"[..], &3u32.to_le_bytes(), &[1, 0, 2, 0, 3, 0]].concat();
    file(&[
        Rec::default().tag("NM", b'C', &[1]).tag("RG", b'Z', b"g\0"),
        Rec { name: "long".into(), mate: (0, 5), ..Rec::at(1, 7) }.tag("XB", b'B', &array),
        Rec::bare(),
    ])
}

fn scanned(stored: Vec<u8>) -> Result<RecordBatch> {
    read_stored(&Bam, stored)
}

/// Each is an error: no cut is ever taken for a shorter file.
#[test]
fn a_cut_at_every_byte() {
    for block_len in [37, 60_000] {
        let whole = bgzf(&small(), block_len);
        for n in 0..whole.len() {
            let e = scanned(whole[..n].to_vec()).expect_err("an error");
            assert!(e.is_corrupt(), "{n}: {e}");
        }
        assert_eq!(scanned(whole).unwrap().num_rows(), 3);
    }
    let whole = gzip_members(&[&small()]);
    for n in 0..whole.len() {
        assert!(scanned(whole[..n].to_vec()).is_err(), "{n}");
    }
}

/// Where the end-of-file block is not asked for, the rows are those of a beginning, and a cut record is an error.
#[test]
fn a_cut_at_every_byte_of_a_file_without_its_end() {
    let options = OpenOptions { allow_missing_eof: true, ..OpenOptions::default() };
    let whole = bgzf(&small(), 37);
    let want = shown(&scanned(whole.clone()).unwrap().project(&[0, 3, 10]).unwrap());
    for n in 0..whole.len() {
        let opened = testing::open(&Bam, whole[..n].to_vec(), None, &options);
        if let Ok(batch) = opened.and_then(|o| o.scan(|r| r.projection = vec![0, 3, 10])) {
            assert!(want.starts_with(&shown(&batch)));
        }
    }
}

/// Every stored bit, flipped: an error, or the same rows.
#[test]
fn a_flip_of_every_bit() {
    let mut harmless = 0;
    for block_len in [150, 60_000] {
        let whole = bgzf(&small(), block_len);
        let want = scanned(whole.clone()).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(batch) = scanned(bytes) {
                assert_eq!(batch, want, "bit {bit}");
                harmless += 1;
            }
        }
    }
    // Times, flags and system of the blocks' headers.
    assert!(harmless < 1000, "{harmless}");
}

#[test]
fn mutated_records_never_panic() {
    let mut random = Random(12);
    let valid = small();
    let mut refused = 0;
    for i in 0..2000 {
        let bytes = random.mutate(&valid);
        let block_len = [60_000, 100, 17][i % 3];
        let opened = testing::open(&Bam, bgzf(&bytes, block_len), None, &OpenOptions::default());
        match opened.and_then(|o| o.scan(|_| {})) {
            Ok(batch) => assert!(batch.num_rows() < 10),
            Err(e) => {
                assert!(e.is_corrupt() || e.is_limit(), "{e:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn mutated_blocks_never_panic_and_never_change_rows() {
    let mut random = Random(23);
    let bgzf = bgzf(&small(), 100);
    let gzip = gzip_members(&[&small()[..200], &small()[200..]]);
    let want = shown(&scanned(bgzf.clone()).unwrap());
    for i in 0..4000 {
        let bytes = random.mutate(if i % 2 == 0 { &bgzf } else { &gzip });
        if let Ok(batch) = scanned(bytes) {
            assert_eq!(shown(&batch), want);
        }
    }
}

/// The index of a region scan, mutated: an error, or rows of that region only.
#[test]
fn mutated_indexes_give_no_rows_of_another_region() {
    let records: Vec<Rec> = (0..40).map(|i| Rec::at(i / 20, i % 20 * 40_000 % 20_000 + i)).collect();
    let mut sorted = records.clone();
    sorted.sort_by_key(|r| (r.contig, r.pos));
    let (stored, index) = indexed(&sorted, 300);
    let mut random = Random(63);
    let set: crate::genome::RegionSet =
        [crate::genome::Region::new("chr2", crate::genome::Interval::ALL)].into_iter().collect();
    let set = std::sync::Arc::new(set);
    for _ in 0..2000 {
        let opened = testing::open(&Bam, stored.clone(), Some(random.mutate(&index)), &OpenOptions::default()).unwrap();
        if let Ok(batch) = opened.scan(|r| r.regions = Some(std::sync::Arc::clone(&set))) {
            assert!(batch.num_rows() <= 20);
            assert!(columns(&batch, "rname").iter().all(|c| c == "chr2"));
        }
    }
}
