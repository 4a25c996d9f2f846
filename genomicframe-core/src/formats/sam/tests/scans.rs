use std::fmt::Write;
use std::sync::Arc;

use futures::executor::block_on;

use super::*;
use crate::genome::{Region, RegionSet};
use crate::scan::{Condition, IndexUse, Literal, Op, Predicate, Pushdown, ScanRequest};
use crate::testing::index::{Gaps, Placed, bai, csi, virtual_offset};
use crate::testing::{bgzf, gzip_members};

/// Sorted records, some unmapped, some without a place.
fn sample() -> String {
    let mut out = HEADER.to_owned();
    for i in 0..300i32 {
        let (contig, pos) = if i < 200 { ("chr1", i * 211) } else { ("HLA:01:02", (i - 199) * 40) };
        let (cigar, flag) = if i % 7 == 0 { ("2M9000N2M", 0) } else { ("1S3M", if i % 11 == 0 { 4 } else { 0 }) };
        writeln!(out, "r{i}\t{flag}\t{contig}\t{}\t{}\t{cigar}\t=\t7\t0\tACGT\t*\tNM:i:{}", pos + 1, i % 61, i % 5)
            .unwrap();
    }
    for i in 0..20 {
        writeln!(out, "u{i}\t4\t*\t0\t0\t*\t*\t0\t0\tAC\tII").unwrap();
    }
    out
}

/// The file in blocks, and what an index of it places.
fn placed(text: &str, block_len: usize) -> (Vec<u8>, Vec<Placed>) {
    let stored = bgzf(text.as_bytes(), block_len);
    let mut at = 0;
    let mut out = Vec::new();
    for line in text.split_inclusive('\n') {
        let stop = at + line.len();
        let fields: Vec<_> = line.split('\t').collect();
        let rname = fields.get(2).filter(|_| stop > HEADER.len());
        if let Some(contig) = rname.and_then(|name| ["chr1", "chr2", "HLA:01:02"].iter().position(|c| c == name)) {
            let start = fields[3].parse::<i64>().unwrap() - 1;
            let span = match (fields[5], fields[1]) {
                (_, "4") => 1,
                ("1S3M", _) => 3,
                _ => 9004,
            };
            let offset = |n| virtual_offset(&stored, block_len, n);
            out.push(Placed { contig, start, end: start + span, at: offset(at), stop: offset(stop) });
        }
        at = stop;
    }
    (stored, out)
}

fn set(text: &str) -> Option<Arc<RegionSet>> {
    let known = |name: &str| ["chr1", "chr2", "HLA:01:02"].contains(&name);
    Some(Arc::new(text.split_whitespace().map(|r| Region::parse(r, known).unwrap()).collect()))
}

#[test]
fn compression_blocks_batches_and_partitions_change_nothing() {
    let file = sample();
    let bytes = file.as_bytes();
    let want = read(&file).unwrap();
    assert_eq!(want.num_rows(), 320);
    assert_eq!(format!("{HEADER}{}", text(&want)), file);
    let forms = [
        bytes.to_vec(),
        gzip_members(&[bytes]),
        gzip_members(&[&bytes[..50], &bytes[50..]]),
        bgzf(bytes, 65_000),
        bgzf(bytes, HEADER.len()),
        bgzf(bytes, 97),
    ];
    for stored in forms {
        let opened = open(&stored).unwrap();
        for partitions in [1, 2, 7] {
            for batch_size in [1, 7, 8192] {
                let batch = opened.scan(|r| (r.partitions, r.batch_size) = (partitions, batch_size)).unwrap();
                assert_eq!(batch, want, "{partitions} {batch_size}");
            }
        }
        assert_eq!(opened.scan(|r| r.limit = Some(9)).unwrap(), want.slice(0, 9));
        assert_eq!(opened.scan(|r| r.projection = vec![]).unwrap().num_rows(), 320);
        assert_eq!(opened.dataset.header_text(), Some(HEADER));
        // Without an index a region is a filter.
        let some = opened.scan(|r| (r.partitions, r.regions) = (3, set("HLA:01:02:1-500"))).unwrap();
        assert_eq!(some.num_rows(), 12);
    }
    let plan = open(&file).unwrap().dataset.plan(&ScanRequest { partitions: 7, ..ScanRequest::all(vec![0]) }).unwrap();
    assert_eq!(plan.partitions.len(), 7);
    for i in 0..want.num_columns() {
        let one = open(&file).unwrap().scan(|r| r.projection = vec![i]).unwrap();
        assert_eq!(one.column(0), want.column(i));
    }
    // A file cut anywhere into two partitions.
    let few = &file[..HEADER.len() + 200];
    let want = read(few);
    for partitions in 1..200 {
        let batch = open(few).and_then(|o| o.scan(|r| r.partitions = partitions));
        assert_eq!(batch.map_err(|e| e.is_corrupt()), want.as_ref().map(Clone::clone).map_err(Error::is_corrupt));
    }
}

#[test]
fn regions_with_and_without_an_index() {
    let file = sample();
    let plain = open(&file).unwrap();
    for block_len in [97, 1000, 65_000] {
        let (stored, placed) = placed(&file, block_len);
        for index in [bai(3, &placed, 20, Gaps::Filled), csi(3, &placed, 14, 5)] {
            let opened = testing::open(&Sam, stored.clone(), Some(index), &OpenOptions::default()).unwrap();
            let regions = [
                "chr1",
                "chr1:100-200",
                "chr1:9000-9100 HLA:01:02:1-50",
                "chr2",
                "HLA:01:02",
                "*",
                "chr1:42000- *",
                "no",
            ];
            for text in regions {
                let want = plain.scan(|r| r.regions = set(text)).unwrap();
                for partitions in [1, 3] {
                    let got = opened.scan(|r| (r.regions, r.partitions) = (set(text), partitions)).unwrap();
                    assert_eq!(got, want, "{text} {block_len}");
                }
            }
            let plan = opened.dataset.plan(&ScanRequest { regions: set("chr2"), ..ScanRequest::all(vec![0]) }).unwrap();
            assert!(plan.partitions.is_empty() && matches!(plan.index, IndexUse::Used(..)));
            assert_eq!(opened.scan(|r| r.partitions = 5).unwrap(), read(&file).unwrap());
        }
    }
    // An index of another file is told.
    let (stored, placed) = placed(&file, 1000);
    let shifted: Vec<_> = placed.iter().map(|p| Placed { contig: 2, ..*p }).collect();
    for other in [bai(4, &placed, 0, Gaps::Filled), bai(3, &shifted, 0, Gaps::Filled), bai(3, &[], 0, Gaps::Filled)] {
        let opened = testing::open(&Sam, stored.clone(), Some(other), &OpenOptions::default()).unwrap();
        assert!(block_on(opened.dataset.load_index(&*opened.io, None)).unwrap_err().is_corrupt());
    }
}

#[test]
fn conditions_are_tested_on_the_record() {
    let opened = open(sample()).unwrap();
    let compare = |c: &str, op, v| Condition::Compare(c.into(), op, v);
    for (condition, n) in [
        (compare("mapq", Op::Ge, Literal::Int(60)), 4),
        (compare("rname", Op::Eq, Literal::Text("HLA:01:02".into())), 100),
        (compare("tag_nm", Op::Eq, Literal::Int(3)), 60),
        (Condition::IsNull("rname".into()), 20),
    ] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Exact);
        let kept = opened.scan(|r| r.predicate = Predicate { all: vec![condition.clone()] }).unwrap();
        assert_eq!(kept.num_rows(), n, "{condition}");
    }
}

#[test]
fn a_long_line_is_read_and_a_longer_one_is_a_limit() {
    let long = format!("{HEADER}{LINE}\nl\t4\t*\t0\t0\t*\t*\t0\t0\t{}\t*\n", "A".repeat(5 << 20));
    assert_eq!(read(&long).unwrap().num_rows(), 2);
    let mut options = OpenOptions::default();
    options.limits.record_bytes = 1 << 20;
    options.limits.header_bytes = 1 << 20;
    let opened = testing::open(&Sam, long, None, &options).unwrap();
    assert!(opened.scan(|_| {}).unwrap_err().is_limit());
    let tabs = format!("{HEADER}{LINE}{}", "\t".repeat(1 << 20));
    assert!(fails(tabs, &["line 7", "tags"]).is_corrupt());
}
