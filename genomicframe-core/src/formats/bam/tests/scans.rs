use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{Float32Type, Int32Type, Int64Type, UInt8Type, UInt16Type};
use futures::executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::genome::{Interval, Region, RegionSet};
use crate::io::{LocalIo, Location, ObjectIo};
use crate::scan::{
    Condition, Format, IndexUse, Literal, Op, Precision, Predicate, Pushdown, ScanMetrics, ScanRequest, narrow,
};
use crate::testing::logic::{Place, Value, holds};

/// Sorted records of all sorts: long ones, placed unmapped ones, none on `chr2`'s end, unplaced ones last.
fn sample() -> Vec<Rec> {
    let mut records: Vec<Rec> = (0..300)
        .map(|i: i32| {
            let mut r = Rec::at(if i < 200 { 0 } else { 2 }, i * 137 % 50_000);
            r.cigar = match i % 7 {
                0 => vec![(2, 'M'), (40_000, 'N'), (2, 'M')],
                1 => vec![(4, 'S')],
                _ => vec![(1, 'S'), (3, 'M')],
            };
            r.flag = if i % 11 == 0 { 4 } else { 0 };
            r.mapq = (i % 61) as u8;
            if i % 3 == 0 { r } else { r.tag("NM", b'C', &[(i % 5) as u8]) }
        })
        .collect();
    records.push(Rec { name: "no position".into(), ..Rec::at(1, -1) });
    records.sort_by_key(|r| (r.contig, r.pos));
    records.extend((0..20).map(|i| Rec { name: format!("unplaced {i}"), ..Rec::bare() }));
    records
}

fn set(text: &str) -> RegionSet {
    let known = |name: &str| CONTIGS.iter().any(|(c, _)| *c == name);
    text.split_whitespace().map(|r| Region::parse(r, known).unwrap()).collect()
}

fn with_index(records: &[Rec], block_len: usize) -> Opened {
    let (stored, index) = indexed(records, block_len);
    testing::open(&Bam, stored, Some(index), &OpenOptions::default()).unwrap()
}

#[test]
fn blocks_batches_and_partitions_change_nothing() {
    let records = sample();
    let want = open(&file(&records)).unwrap().scan(|_| {}).unwrap();
    assert_eq!(want.num_rows(), records.len());
    for block_len in [1, 13, 200, 4096, 65_280] {
        if block_len == 1 {
            // Every byte in a block of its own: few records will do.
            let few = &records[..5];
            let opened = testing::open(&Bam, bgzf(&file(few), 1), None, &OpenOptions::default()).unwrap();
            assert_eq!(shown(&opened.scan(|_| {}).unwrap()), shown(&read(few).unwrap()));
            continue;
        }
        let opened = with_index(&records, block_len);
        block_on(opened.dataset.load_index(&*opened.io, None)).unwrap();
        for partitions in [1, 2, 7] {
            for batch_size in [1, 7, 8192] {
                let batch = opened.scan(|r| (r.partitions, r.batch_size) = (partitions, batch_size)).unwrap();
                assert_eq!(batch, want, "{block_len} {partitions} {batch_size}");
            }
        }
    }
    for i in 0..want.num_columns() {
        let one = open(&file(&records)).unwrap().scan(|r| r.projection = vec![i]).unwrap();
        assert_eq!(one.column(0), want.column(i));
    }
    let counted = open(&file(&records)).unwrap().scan(|r| r.projection = vec![]).unwrap();
    assert_eq!((counted.num_rows(), counted.num_columns()), (records.len(), 0));
    let limited = open(&file(&records)).unwrap().scan(|r| r.limit = Some(9)).unwrap();
    assert_eq!(limited, want.slice(0, 9));
}

/// A record longer than many blocks, between two that are not.
#[test]
fn a_record_over_several_blocks() {
    let long = Rec { cigar: vec![(300_000, 'M')], seq: "ACGT".repeat(75_000), qual: None, ..Rec::at(0, 50) };
    let records = [Rec::at(0, 5), long, Rec::at(0, 70)];
    for block_len in [997, 65_280] {
        let opened = with_index(&records, block_len);
        let batch = opened.scan(|r| (r.partitions, r.regions) = (2, Some(Arc::new(set("chr1:60-60"))))).unwrap();
        assert_eq!(columns(&batch, "pos end"), ["51 300050"]);
        assert_eq!(opened.scan(|r| r.partitions = 3).unwrap(), read(&records).unwrap());
    }
}

const REGIONS: [&str; 12] = [
    "chr1",
    "chr1:1-1",
    "chr1:100-20000",
    "chr1:45000-",
    "chr1:39000-39001 chr1:100-200 HLA:01:02:1-5000",
    "chr2",
    "chr2:1-1000",
    "HLA:01:02",
    "{HLA:01:02}:20000-30000",
    "*",
    "chr1:49900-50000 *",
    "nowhere",
];

#[test]
fn row_66_regions_with_and_without_an_index() {
    let records = sample();
    let plain = open(&file(&records)).unwrap();
    for block_len in [61, 700, 65_280] {
        for text in REGIONS {
            let with = with_index(&records, block_len);
            let regions = Arc::new(set(text));
            let want = plain.scan(|r| r.regions = Some(Arc::clone(&regions))).unwrap();
            let inside = |r: &&Rec| match (usize::try_from(r.contig), r.span()) {
                (Err(_), _) => regions.has_unplaced(),
                (Ok(id), _) if r.pos < 0 => regions.intervals(CONTIGS[id].0) == [Interval::ALL],
                (Ok(id), (start, end)) => regions.overlaps(CONTIGS[id].0, start + 1, end),
            };
            let names: Vec<_> = records.iter().filter(inside).map(|r| r.name.clone()).collect();
            assert_eq!(columns(&want, "qname"), names, "{text}");
            for partitions in [1, 2, 7] {
                let shape = |r: &mut ScanRequest| (r.partitions, r.regions) = (partitions, Some(Arc::clone(&regions)));
                assert_eq!(with.scan(shape).unwrap(), want, "{text} {block_len} {partitions}");
            }
        }
    }
}

#[test]
fn an_index_tells_counts_and_narrows() {
    let records = sample();
    let opened = with_index(&records, 700);
    assert_eq!(opened.dataset.statistics().rows, Precision::Absent);
    block_on(opened.dataset.load_index(&*opened.io, None)).unwrap();
    let statistics = opened.dataset.statistics();
    assert_eq!((statistics.rows, statistics.rows_by_contig), (Precision::Exact(321), Some(vec![200, 1, 100])));
    let plan = |text: &str| {
        let request = ScanRequest { regions: Some(Arc::new(set(text))), ..ScanRequest::all(vec![0]) };
        opened.dataset.plan(&request).unwrap()
    };
    assert!(matches!(plan("2").index, IndexUse::Used(..)));
    assert!(plan("2").warnings[0].contains("contig 2 is read as chr2"));
    assert!(plan("nowhere").partitions.is_empty());
    assert!(plan("chr2").bytes() * 2 < plan("chr1").bytes());
}

#[test]
fn row_19_44_an_unsorted_file_with_an_index() {
    let fails = |records: &[Rec], region: &str, why: &str| {
        let opened = with_index(records, 300);
        let e = opened.scan(|r| r.regions = Some(Arc::new(set(region)))).unwrap_err();
        assert!(e.is_corrupt() && e.to_string().contains("not sorted") && e.to_string().contains(why), "{e}");
        // Read without it, the file is what it is.
        assert_eq!(opened.scan(|_| {}).unwrap().num_rows(), records.len());
        let plain = open(&file(records)).unwrap();
        assert!(plain.scan(|r| r.regions = Some(Arc::new(set(region)))).unwrap().num_rows() > 0);
    };
    fails(&[Rec::at(0, 50), Rec::at(0, 10), Rec::at(0, 60)], "chr1:1-100", "11 follows 51");
    fails(&[Rec::at(0, 50), Rec::at(2, 10), Rec::at(0, 60)], "chr1 HLA:01:02", "chr1 comes again");
}

/// The file of `records` with an index that was made of others.
fn foreign(records: &[Rec], others: &[Rec]) -> Error {
    let ((stored, _), (_, index)) = (indexed(records, 300), indexed(others, 300));
    let opened = testing::open(&Bam, stored, Some(index), &OpenOptions::default()).unwrap();
    let e = opened.scan(|r| r.regions = Some(Arc::new(set("chr1")))).unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("index it again"), "{e}");
    e
}

#[test]
fn row_62_63_indexes_of_other_files() {
    let sorted = sample();
    let (stored, index) = indexed(&sorted, 300);
    assert!(foreign(&sorted, &[]).to_string().contains("its index is empty"));
    assert!(foreign(&sorted, &sorted[200..]).to_string().contains("begins with"));
    let moved: Vec<Rec> = [vec![Rec { name: "x".repeat(200), ..Rec::bare() }], sorted.clone()].concat();
    assert!(foreign(&sorted, &moved).to_string().contains("its index begins at"));
    // Past the end: the longer file's index.
    assert!(foreign(&sorted[..50], &sorted).to_string().contains("past the end"));
    // More contigs than the file has; none of a text file.
    let open = |index: Vec<u8>| {
        let opened = testing::open(&Bam, stored.clone(), Some(index), &OpenOptions::default()).unwrap();
        opened.scan(|r| r.regions = Some(Arc::new(set("chr1"))))
    };
    assert!(open(index.clone()).is_ok());
    let e = open(bai(4, &[], 0, Gaps::Filled)).unwrap_err().to_string();
    assert!(e.contains("4 contigs where the file has 3"), "{e}");
    let names = b"chr1\0";
    let mut tabix = b"CSI\x01".to_vec();
    for n in [14, 5, 28 + names.len() as i32, 2, 1, 2, 0, 35, 0, names.len() as i32] {
        tabix.extend(n.to_le_bytes());
    }
    tabix.extend(names);
    tabix.extend(0i32.to_le_bytes());
    assert!(open(bgzf(&tabix, 1000)).unwrap_err().to_string().contains("text file"));
    // An offset beyond the end of its block: of a version whose blocks were longer.
    let at = index.windows(8).position(|w| w[..2] != [0, 0] && w[3..] == [0; 5]).unwrap();
    let mut beyond = index;
    beyond[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    assert!(open(beyond).is_err());
}

#[test]
fn row_62_an_index_older_than_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bam");
    let (stored, index) = indexed(&sample(), 300);
    std::fs::write(&path, stored).unwrap();
    let beside = folder.path().join("a.bam.bai");
    std::fs::write(&beside, index).unwrap();
    let at = Location::parse(path.to_str().unwrap()).unwrap();
    let io: Arc<dyn ObjectIo> = Arc::new(LocalIo::default());
    let load = || {
        let dataset = block_on(Bam.open(&at, &*io, &OpenOptions::default())).unwrap();
        block_on(dataset.load_index(&*io, None)).unwrap();
        let request = ScanRequest { regions: Some(Arc::new(set("chr1"))), ..ScanRequest::all(vec![0]) };
        (dataset.statistics().rows, dataset.plan(&request).unwrap().warnings)
    };
    assert_eq!(load(), (Precision::Exact(321), vec![]));
    let old = std::fs::metadata(&path).unwrap().modified().unwrap() - std::time::Duration::from_secs(60);
    std::fs::File::options().write(true).open(&beside).unwrap().set_modified(old).unwrap();
    let (rows, warnings) = load();
    assert_eq!(rows, Precision::Absent, "an old index's counts prove nothing");
    assert!(warnings[0].contains("older than the data"), "{warnings:?}");
}

/// Row 54: bins beyond what a BAI can address.
#[test]
fn row_54_a_contig_longer_than_a_bai_reaches() {
    let far = Rec::at(0, 1 << 29);
    let (stored, _) = indexed(&[Rec::default(), far.clone()], 300);
    let (start, end) = far.span();
    let first = Placed { contig: 0, start: 99, end: 103, at: 1 << 16, stop: 2 << 16 };
    let beyond = bai(1, &[first, Placed { start, end, ..first }], 0, Gaps::Filled);
    let opened = testing::open(&Bam, stored, Some(beyond), &OpenOptions::default()).unwrap();
    let e = opened.scan(|r| r.regions = Some(Arc::new(set("chr1")))).unwrap_err().to_string();
    assert!(e.contains("memory:///data.bai") && e.contains("need a CSI"), "{e}");
    assert_eq!(columns(&opened.scan(|_| {}).unwrap(), "pos"), ["100", "536870913"]);
}

#[test]
fn what_can_be_pushed_down() {
    let array = [&b"C"[..], &1u32.to_le_bytes(), b"\x05"].concat();
    let opened = open(&file(&[Rec::default().tag("NM", b'C', &[3]).tag("XB", b'B', &array)])).unwrap();
    let compare = |column: &str, value: Literal| Condition::Compare(column.into(), Op::Eq, value);
    for condition in [
        compare("qname", Literal::Text("a".into())),
        compare("flag", Literal::Int(1)),
        compare("tag_nm", Literal::Int(3)),
        Condition::Bits { column: "flag".into(), mask: 4, value: 0 },
        Condition::Overlaps(Arc::new(set("chr1"))),
    ] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Exact, "{condition}");
    }
    for condition in [
        compare("seq", Literal::Text("A".into())),
        compare("tag_xb", Literal::Int(5)),
        compare("flag", Literal::Text("1".into())),
        compare("nothing", Literal::Int(1)),
        Condition::Unknown,
        Condition::Or(vec![compare("flag", Literal::Int(1)), Condition::Unknown]),
    ] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Unsupported, "{condition}");
        let predicate = Predicate { all: vec![condition] };
        assert!(opened.scan(|r| r.predicate = predicate).unwrap_err().is_invalid());
    }
}

/// A row's value as the full output shows it.
fn value(batch: &RecordBatch, row: usize, name: &str) -> Value {
    let Some(column) = batch.column_by_name(name) else { return Value::Null };
    if column.is_null(row) {
        return Value::Null;
    }
    match name {
        "flag" => Value::Int(column.as_primitive::<UInt16Type>().value(row).into()),
        "mapq" => Value::Int(column.as_primitive::<UInt8Type>().value(row).into()),
        "tlen" => Value::Int(column.as_primitive::<Int32Type>().value(row).into()),
        "pos" | "end" | "pnext" | "tag_nm" => Value::Int(column.as_primitive::<Int64Type>().value(row)),
        "tag_xf" => Value::Float(column.as_primitive::<Float32Type>().value(row).into()),
        _ => Value::Text(column.as_string_view().value(row).to_owned()),
    }
}

fn random_record() -> impl Strategy<Value = Rec> {
    let place = prop_oneof![Just((-1, -1)), (0..3i32, -1..300i32), (Just(-1), 0..300i32)];
    let name = prop_oneof![Just("*"), Just("a"), Just("b")];
    let cigar = prop_oneof![Just(vec![(4, 'M')]), Just(vec![]), Just(vec![(2, 'M'), (30, 'D'), (2, 'M')])];
    let tags = (proptest::option::of(0..4u8), proptest::option::of(0..3u8), proptest::option::of(-2..2i8));
    (place.clone(), place, name, 0..8u16, 0..4u8, -2..2i32, cigar, tags).prop_map(
        |((contig, pos), mate, name, flag, mapq, tlen, cigar, (nm, rg, xf))| {
            let mut r = Rec { contig, pos, mate, name: name.into(), flag, mapq, tlen, cigar, ..Rec::default() };
            if let Some(n) = nm {
                r = r.tag("NM", b'C', &[n]);
            }
            if let Some(n) = rg {
                r = r.tag("RG", b'Z', &[b'x' + n, 0]);
            }
            if let Some(n) = xf {
                r = r.tag("Xf", b'f', &(f32::from(n) / 2.0).to_le_bytes());
            }
            r
        },
    )
}

fn random_condition() -> impl Strategy<Value = Condition> {
    let int = prop_oneof![
        (prop_oneof![Just("flag"), Just("mapq"), Just("tlen"), Just("tag_nm")], -2..9i64),
        (prop_oneof![Just("pos"), Just("end"), Just("pnext")], -1..320i64)
    ];
    let words = || prop_oneof![Just("a"), Just("b"), Just("chr1"), Just("HLA:01:02"), Just("x"), Just("y")];
    let text = (prop_oneof![Just("qname"), Just("rname"), Just("rnext"), Just("tag_rg")], words());
    let op = || prop_oneof![Just(Op::Eq), Just(Op::Ne), Just(Op::Lt), Just(Op::Le), Just(Op::Gt), Just(Op::Ge)];
    let column = prop_oneof![
        Just("qname"),
        Just("rname"),
        Just("pos"),
        Just("end"),
        Just("pnext"),
        Just("tag_nm"),
        Just("tag_rg"),
        Just("tag_xf"),
        Just("flag")
    ];
    let region = (0..3usize, 1..300i64, 0..50i64)
        .prop_map(|(c, a, n)| Region::new(CONTIGS[c].0, Interval::new(a, a + n).unwrap()));
    let regions = (proptest::collection::vec(region, 0..3), any::<bool>()).prop_map(|(regions, unplaced)| {
        let mut set: RegionSet = regions.into_iter().collect();
        if unplaced {
            set.add_unplaced();
        }
        Condition::Overlaps(Arc::new(set))
    });
    let leaf = prop_oneof![
        4 => (int.clone(), op()).prop_map(|((c, n), op)| Condition::Compare(c.into(), op, Literal::Int(n))),
        3 => (text.clone(), op())
            .prop_map(|((c, t), op)| Condition::Compare(c.into(), op, Literal::Text(t.into()))),
        1 => (op(), -4..4i8)
            .prop_map(|(op, n)| Condition::Compare("tag_xf".into(), op, Literal::Float(f64::from(n) / 2.0))),
        1 => (int, 0..9i64)
            .prop_map(|((c, n), m)| Condition::In(c.into(), vec![Literal::Int(n), Literal::Int(m)])),
        1 => text.prop_map(|(c, t)| Condition::In(c.into(), vec![Literal::Text(t.into())])),
        1 => column.prop_map(|c| Condition::IsNull(c.into())),
        1 => (0..8i64, 0..8i64).prop_map(|(mask, value)| Condition::Bits { column: "flag".into(), mask, value }),
        1 => regions,
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let many = || proptest::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            many().prop_map(Condition::And),
            many().prop_map(Condition::Or),
            inner.prop_map(|c| Condition::Not(Box::new(c)))
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    /// What raw fields answer is what the columns' values answer, with and without the narrowing that an engine adds.
    #[test]
    fn conditions_on_raw_fields_are_those_on_columns(
        records in proptest::collection::vec(random_record(), 1..25),
        conditions in proptest::collection::vec(random_condition(), 1..3),
    ) {
        let mut records = records;
        records.sort_by_key(|r| (r.contig as u32, r.pos));
        let columns = ["tag_nm", "tag_rg", "tag_xf"].map(String::from).into();
        let options = OpenOptions { columns, ..OpenOptions::default() };
        // The type of a tag that no standard names is what the file's first records say.
        let typed = Rec { pos: -1, ..Rec::bare() }.tag("Xf", b'f', &[0; 4]);
        records.push(typed);
        let (stored, index) = indexed(&records, 300);
        let opened = testing::open(&Bam, stored, Some(index), &options).unwrap();
        let all = opened.scan(|_| {}).unwrap();
        let place = |row| match (value(&all, row, "rname"), value(&all, row, "pos"), value(&all, row, "end")) {
            (Value::Null, ..) => None,
            (Value::Text(contig), Value::Int(start), Value::Int(end)) => Some((contig, Some((start, end)))),
            (Value::Text(contig), ..) => Some((contig, None)),
            other => panic!("{other:?}"),
        };
        let wanted: Vec<usize> = (0..all.num_rows())
            .filter(|row| {
                let at = place(*row);
                let at = match &at {
                    None => Place::Nowhere,
                    Some((_, None)) => Place::OnContig,
                    Some((contig, Some((start, end)))) => Place::At(contig, *start, *end),
                };
                conditions.iter().all(|c| holds(c, &|name| value(&all, *row, name), at) == Some(true))
            })
            .collect();
        let expected: Vec<String> = wanted.iter().map(|i| shown(&all.slice(*i, 1)).concat()).collect();
        for condition in &conditions {
            prop_assert_eq!(opened.dataset.pushdown(condition), Pushdown::Exact);
        }
        let regions = narrow(&conditions, opened.dataset.span_columns().unwrap(), opened.dataset.contigs());
        let predicate = Predicate { all: conditions };
        for regions in [None, regions.map(Arc::new)] {
            for partitions in [1, 3] {
                let found = opened.scan(|r| {
                    (r.partitions, r.regions, r.predicate) = (partitions, regions.clone(), predicate.clone());
                });
                prop_assert_eq!(shown(&found.unwrap()), expected.clone(), "{:?}", regions);
            }
        }
    }
}

/// Row 70: a file that is replaced between opening and reading is never read as if it were the same.
#[test]
fn row_70_a_file_that_changes() {
    let opened = open(&file(&vec![Rec::default(); 5000])).unwrap();
    opened.io.put(&Location::parse("memory:///data").unwrap(), bgzf(&file(&[Rec::default()]), 100));
    assert!(opened.scan(|_| {}).unwrap_err().is_io());
    assert_eq!(ScanMetrics::default().warnings().iter().count(), 0);
}
