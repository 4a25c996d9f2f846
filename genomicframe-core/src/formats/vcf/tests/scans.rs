//! Conditions, regions, indexes, storage and batches: the same rows however they are read.

use super::*;

fn compare(column: &str, op: Op, value: impl Into<Value>) -> Condition {
    Condition::Compare(column.into(), op, value.into().0)
}

struct Value(Literal);

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self(Literal::Int(n))
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self(Literal::Float(x))
    }
}

impl From<&str> for Value {
    fn from(t: &str) -> Self {
        Self(Literal::Text(t.into()))
    }
}

#[test]
fn conditions_on_raw_lines() {
    let opened = open(sites(&[
        "1 10 rs1 A C 30.1 PASS DP=5;AA=x;AF=0.5",
        "1 20 . AT C . q10 DP=.;END=40",
        "2 30 rs3 A C nan . DP=9;AA=y",
    ]))
    .unwrap();
    let pos = |condition: Condition| opened.select(vec![condition], "pos").unwrap().replace('\n', " ");
    assert_eq!(pos(compare("chrom", Op::Eq, "1")), "10 20");
    assert_eq!(pos(compare("pos", Op::Gt, 10)), "20 30");
    assert_eq!(pos(compare("end", Op::Ge, 40)), "20");
    assert_eq!(pos(compare("ref", Op::Eq, "AT")), "20");
    assert_eq!(pos(compare("filter", Op::Ne, "PASS")), "20");
    assert_eq!(pos(Condition::IsNull("filter".into())), "30");
    assert_eq!(pos(compare("info_dp", Op::Lt, 9)), "10");
    assert_eq!(pos(compare("info_aa", Op::Ge, "x")), "10 30");
    // A null is neither side; 30.1 is the nearest f32, widened; NaN is above every number.
    assert_eq!(pos(Condition::Not(Box::new(compare("info_dp", Op::Eq, 5)))), "30");
    assert_eq!(pos(compare("qual", Op::Eq, f64::from(30.1f32))), "10");
    assert_eq!(pos(compare("qual", Op::Gt, 1e30)), "30");
    assert_eq!(pos(Condition::In("id".into(), vec![Literal::Text("rs3".into())])), "30");
    let region: RegionSet = [Region::parse("1:35-35", |_| false).unwrap()].into_iter().collect();
    assert_eq!(pos(Condition::Overlaps(Arc::new(region))), "20");
    assert_eq!(opened.select(vec![compare("pos", Op::Gt, 99)], "").unwrap(), "");
    for condition in [compare("alt", Op::Eq, "C"), compare("info_af", Op::Gt, 0.1), compare("info_db", Op::Eq, 1)] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Unsupported, "{condition}");
    }
    let bad = open(sites(&["1 10 . A C . . DP=x"])).unwrap();
    assert!(bad.select(vec![compare("info_dp", Op::Eq, 1)], "pos").unwrap_err().to_string().contains("INFO/DP"));
}

#[test]
fn limit_counts_rows_returned() {
    let lines: Vec<_> = (1..100).map(|i| format!("1 {i} . A C . . DP={}", i % 2)).collect();
    let opened = open(sites(&lines.iter().map(String::as_str).collect::<Vec<_>>())).unwrap();
    let predicate = Predicate { all: vec![compare("info_dp", Op::Eq, 1)] };
    let request = ScanRequest { predicate, limit: Some(3), ..opened.request("pos") };
    assert_eq!(show(&opened.scan(&request).unwrap()), "1\n3\n5");
}

/// A TBI with one chunk for each contig: from the first record to the end of the file.
fn tbi(dataset: &VcfDataset, names: &[&str], rows: &[u64]) -> Vec<u8> {
    let plan = dataset.plan(&ScanRequest::all(Vec::new())).unwrap();
    let Framing::Bgzf { start, .. } = plan.partitions[0].segments[0].framing else { panic!("not BGZF") };
    let start = (start.compressed() << 16) | u64::from(start.within());
    let end = plan.objects[0].size << 16;
    let int = |n: usize| (n as i32).to_le_bytes();
    let joined = names.iter().map(|n| format!("{n}\0")).collect::<String>();
    let mut out = b"TBI\x01".to_vec();
    for n in [names.len(), 2, 1, 2, 0, usize::from(b'#'), 0, joined.len()] {
        out.extend(int(n));
    }
    out.extend(joined.as_bytes());
    for rows in rows {
        out.extend([int(2), int(0), int(1)].concat());
        out.extend([start, end].map(u64::to_le_bytes).concat());
        out.extend([int(37450), int(2)].concat());
        out.extend([start, end, *rows, 0].map(u64::to_le_bytes).concat());
        out.extend(int(0));
    }
    out.extend(0u64.to_le_bytes());
    out
}

fn regions(opened: &Opened, text: &str) -> ScanRequest {
    let set = text.split(' ').map(|r| Region::parse(r, |_| false).unwrap()).collect::<RegionSet>();
    ScanRequest { regions: Some(Arc::new(set)), ..opened.request("chrom pos") }
}

fn indexed(text: &str, names: &[&str], rows: &[u64]) -> Result<Opened> {
    let opened = open(bgzf(text.as_bytes(), 300))?;
    let at = Location::parse("memory:///x.vcf.gz.tbi").unwrap();
    opened.io.put(&at, tbi(&opened.dataset, names, rows));
    block_on(opened.dataset.load_index(&*opened.io, None))?;
    Ok(opened)
}

#[test]
fn row_66_regions_with_and_without_index() {
    let text = sites(&[
        "1 10 . A C . . .",
        "1 20 . ACGT C . . .",
        "1 25 . A <DEL> . . END=60",
        "1 70 . A C . . .",
        "2 10 . A C . . .",
        "X 10 . A C . . .",
    ]);
    let with = indexed(&text, &["1", "2", "X"], &[4, 1, 1]).unwrap();
    let without = open(text.clone()).unwrap();
    let cases = [
        ("1:23-24", "1 20"),
        ("1:60-70 2", "1 25\n1 70\n2 10"),
        ("1:24-25 1:1-10", "1 10\n1 25"),
        ("chr2:10", "2 10"),
        ("3", ""),
        ("1:61-69", ""),
    ];
    for (region, want) in cases {
        let request = regions(&with, region);
        assert_eq!(show(&with.scan(&request).unwrap()), want, "{region}");
        assert_eq!(show(&without.scan(&request).unwrap()), want, "{region}");
    }
    let plan = with.dataset.plan(&regions(&with, "chr2")).unwrap();
    assert!(matches!(plan.index, IndexUse::Used(..)) && plan.warnings[0].contains("chr2 is read as 2"));
    assert!(with.dataset.plan(&regions(&with, "3")).unwrap().partitions.is_empty());
    // The header does not list X; the index does.
    assert_eq!(show(&with.scan(&regions(&with, "chrX")).unwrap()), "X 10");
    let statistics = with.dataset.statistics();
    assert_eq!((statistics.rows, statistics.rows_by_contig), (Precision::Exact(6), Some(vec![4, 1, 1])));
    assert_eq!(without.dataset.statistics().rows, Precision::Absent);
    assert_eq!(with.dataset.contigs().unwrap().len(), 3);
}

#[test]
fn row_44_63_unsorted_files_and_foreign_indexes() {
    let text = sites(&["1 30 . A C . . .", "1 10 . A C . . .", "1 20 . A C . . ."]);
    let with = indexed(&text, &["1"], &[3]).unwrap();
    let e = with.scan(&regions(&with, "1:5-40")).unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("not sorted"), "{e}");
    let without = open(text.clone()).unwrap();
    assert_eq!(show(&without.scan(&regions(&without, "1:5-25")).unwrap()), "1 10\n1 20");
    assert_eq!(show(&with.scan(&with.request("pos")).unwrap()), "30\n10\n20");

    let opened = open(bgzf(text.as_bytes(), 300)).unwrap();
    let mut gff = tbi(&opened.dataset, &["1"], &[3]);
    gff[16..20].copy_from_slice(&4i32.to_le_bytes());
    opened.io.put(&Location::parse("memory:///x.vcf.gz.tbi").unwrap(), gff);
    let e = block_on(opened.dataset.load_index(&*opened.io, None)).unwrap_err();
    assert!(e.to_string().contains("not made for VCF"), "{e}");
}

#[test]
fn row_45_however_it_is_stored_and_read() {
    let lines: Vec<_> = (0..500)
        .map(|i| {
            let format = if i % 3 == 0 { "GT:DP:AD 0/1:7:1,2 ./.:.:." } else { "GT 0|0 1|1" };
            format!(
                "1 {} rs{i} {} C,<LONG_ALLELE_{i}> {i}.5 PASS DP={i};AF=0.{i},. {format}",
                i * 3,
                "A".repeat(1 + i % 40)
            )
        })
        .collect();
    let text = cohort(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let plain = open(text.clone()).unwrap();
    let want = plain.scan(&plain.request("")).unwrap();
    assert_eq!(want.num_rows(), 500);
    let half = text.len() / 2;
    let stored = [
        text.clone().into_bytes(),
        gzip_members(&[text.as_bytes()]),
        gzip_members(&[&text.as_bytes()[..half], b"", &text.as_bytes()[half..]]),
        bgzf(text.as_bytes(), 60_000),
        bgzf(text.as_bytes(), 777),
    ];
    for bytes in stored {
        let opened = open(bytes).unwrap();
        for partitions in [1, 2, 7] {
            for batch_size in [1, 7, 8192] {
                let request = ScanRequest { partitions, batch_size, ..opened.request("") };
                assert_eq!(opened.scan(&request).unwrap(), want, "{partitions} partitions, batches of {batch_size}");
            }
        }
    }
    for column in want.schema().fields() {
        let alone = plain.scan(&plain.request(column.name())).unwrap();
        assert_eq!(alone.column(0), want.column_by_name(column.name()).unwrap(), "{column}");
    }
}

#[test]
fn errors_say_where_in_every_framing() {
    let text = cohort(&["1 10 . A C . . . GT 0/1 0/1", "1 x . A C . . . GT 0/1 0/1"]);
    for bytes in [text.clone().into_bytes(), gzip_members(&[text.as_bytes()]), bgzf(text.as_bytes(), 50)] {
        let opened = open(bytes).unwrap();
        let e = opened.scan(&opened.request("pos")).unwrap_err().to_string();
        assert!(e.contains("line 18: ") && e.contains("POS: not a whole number: \"x\""), "{e}");
    }
}

/// The header lists `1` and `2`, but a record may lie on `chr1` all the same.
#[test]
fn a_contig_whose_other_spelling_is_listed_is_no_other() {
    let opened = open(sites(&["1 10 . A C . . .", "chr1 20 . A C . . .", "2 30 . A C . . ."])).unwrap();
    let on = |contig: &str| {
        let regions: RegionSet = [Region::parse(contig, |_| false).unwrap()].into_iter().collect();
        let request = ScanRequest { regions: Some(Arc::new(regions)), ..opened.request("pos") };
        show(&opened.scan(&request).unwrap())
    };
    assert_eq!(on("1"), "10");
    assert_eq!(on("2"), "30");
    // Of what is not listed both spellings belong.
    assert_eq!(on("chr1"), "10\n20");
    assert_eq!(on("chr2"), "30");
}
