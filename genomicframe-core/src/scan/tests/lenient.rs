//! Malformed records among others: left out or read with nulls, the same however the file is read, and all of them told.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::error::Result;
use crate::formats;
use crate::scan::{BadRecords, Limits, OnError, OpenOptions, ScanMetrics};
use crate::testing::{Opened, Random, bgzf, gzip_members, open, shown};

/// A format's header, records that are right, and malformed ones, each with what is left of it where its fields are null.
struct Case {
    format: &'static str,
    header: &'static str,
    good: &'static [&'static str],
    bad: &'static [(&'static str, Option<&'static str>)],
}

const CASES: [Case; 5] = [
    Case {
        format: "vcf",
        header: "##fileformat=VCFv4.3\n##INFO=<ID=DP,Number=1,Type=Integer,Description=\"d\">\n\
            ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n\
            ##FORMAT=<ID=AD,Number=1,Type=Integer,Description=\"a\">\n\
            #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\n",
        good: &[
            "1\t10\ta\tA\tC\t30\tPASS\tDP=7\tGT:AD\t0/1:3\t1/1:4\n",
            "1\t20\t.\tACGT\tA,<DEL>\t.\t.\t.\tAD\t1\t.\n",
            "2\t5\tlong-enough-for-a-view\tG\tT\t1.5\tq10;s50\tDP=0;X\tGT\t.\t0|0\n",
        ],
        bad: &[
            (
                "1\t11\tb\tA\tC\thigh\tPASS\tDP=7\tGT:AD\t0/1:3\t1/1:4\n",
                Some("1\t11\tb\tA\tC\t.\tPASS\tDP=7\tGT:AD\t0/1:3\t1/1:4\n"),
            ),
            (
                "1\t12\tc\tA\tC\t30\tPASS\tDP=many\tGT:AD\t0/1:3\t1/1:4\n",
                Some("1\t12\tc\tA\tC\t30\tPASS\t.\tGT:AD\t0/1:3\t1/1:4\n"),
            ),
            ("1\t13\n", None),
            ("<1\t14\td\tA\tC\t30\tPASS\tDP=7\tGT:AD\t0/1:3\t1/1:4\n", None),
        ],
    },
    Case {
        format: "sam",
        header: "@SQ\tSN:1\tLN:1000\n",
        good: &[
            "r1\t0\t1\t10\t60\t4M\t*\t0\t0\tACGT\tIIII\tNM:i:1\n",
            "r2\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n",
            "a-name-that-is-long\t16\t1\t900\t255\t2M1D2M\t=\t10\t-5\tACGT\t*\tNM:i:0\tRG:Z:x\n",
        ],
        bad: &[
            (
                "b1\t0\t1\t10\thigh\t4M\t*\t0\t0\tACGT\tIIII\tNM:i:1\n",
                Some("b1\t0\t1\t10\t255\t4M\t*\t0\t0\tACGT\tIIII\tNM:i:1\n"),
            ),
            (
                "b2\t0\t1\t10\t60\t4M\t*\t0\t0\tACGT\tIII\tNM:i:1\n",
                Some("b2\t0\t1\t10\t60\t4M\t*\t0\t0\tACGT\t*\tNM:i:1\n"),
            ),
            (
                "b3\t0\t1\t10\t60\t4M\t*\tx\tx\tACGT\tIIII\tNM:i:y\n",
                Some("b3\t0\t1\t10\t60\t4M\t*\t0\t0\tACGT\tIIII\n"),
            ),
            ("b5\tflag\t1\t10\t60\t4M\t*\t0\t0\tACGT\tIIII\n", None),
            ("b6\t0\t1\n", None),
        ],
    },
    Case {
        format: "gff",
        header: "##gff-version 3\n",
        good: &["1\tx\tgene\t1\t100\t.\t+\t.\tID=g1;Name=a%20b\n", "1\tx\texon\t5\t50\t1.5\t-\t0\tID=e1;Parent=g1\n"],
        bad: &[
            (
                "1\tx\texon\t5\t60\t1.5\tup\t0\tID=e2;Parent=g1\n",
                Some("1\tx\texon\t5\t60\t1.5\t.\t0\tID=e2;Parent=g1\n"),
            ),
            ("1\tx\texon\t5\t60\tlow\t+\t7\tID=e3;Parent=g1\n", Some("1\tx\texon\t5\t60\t.\t+\t.\tID=e3;Parent=g1\n")),
            ("1\tx\texon\tfive\t60\t1.5\t+\t0\tID=e4\n", None),
            ("1\tx\texon\t5\n", None),
        ],
    },
    Case {
        format: "bed",
        header: "",
        good: &[
            "1\t0\t10\ta\t5\t+\t0\t10\n",
            "1\t10\t20\tb\t0\t-\t12\t13\n",
            "2\t7\t7\ta-name-that-is-long\t1000\t.\t7\t7\n",
        ],
        bad: &[
            ("1\t0\t10\tc\t5\t+\tone\t10\n", Some("1\t0\t10\tc\t5\t+\t.\t10\n")),
            ("1\t10\t0\td\t5\t+\t0\t10\n", None),
            ("1\t1\n", None),
        ],
    },
    Case {
        format: "fastq",
        header: "",
        good: &["@r1 one\nACGT\n+\nIIII\n", "@r2\nA\n+r2\n@\n", "@a-name-that-is-long\n\n+\n\n"],
        bad: &[
            ("@b1\nACGT\n+\nIII\n", None),
            ("@b2\nACGT\n+\nIIIII\n", None),
            ("@b3\nACGT\n+other\nIIII\n", None),
            ("@b4\nAC\x01T\n+\nIIII\n", None),
            ("@b5\nACGT\n", None),
            ("junk\n", None),
        ],
    },
];

fn opened(case: &Case, bytes: Vec<u8>, on_error: OnError) -> Opened {
    let format = formats::by_id(case.format).unwrap();
    // What columns hold is told by the first record alone.
    let limits = Limits { sampled_records: 1, ..Limits::default() };
    open(format, bytes, None, &OpenOptions { on_error, limits, ..OpenOptions::default() }).unwrap()
}

/// The rows, and what was told of others, read in batches of so many rows and in so many partitions.
fn read(opened: &mut Opened, batch_size: usize, partitions: usize) -> Result<(RecordBatch, BadRecords)> {
    opened.metrics = Arc::new(ScanMetrics::default());
    let rows = opened.scan(|r| (r.batch_size, r.partitions) = (batch_size, partitions))?;
    Ok((rows, opened.metrics.take_bad_records()))
}

/// Records in a random order with the malformed ones replaced by what `instead` makes of them.
fn records(case: &Case, random: &mut Random, instead: impl Fn(usize) -> Option<&'static str>) -> (String, String, u64) {
    let (mut all, mut right, mut bad) = (case.header.to_owned(), case.header.to_owned(), 0);
    // The first record tells which columns there are.
    all.push_str(case.good[case.good.len() - 1]);
    right.push_str(case.good[case.good.len() - 1]);
    for _ in 0..60 {
        let i = random.below(case.good.len() + case.bad.len());
        if let Some(i) = i.checked_sub(case.good.len()) {
            all.push_str(case.bad[i].0);
            right.push_str(instead(i).unwrap_or_default());
            bad += 1;
        } else {
            all.push_str(case.good[i]);
            right.push_str(case.good[i]);
        }
    }
    (all, right, bad)
}

fn stored(text: &str) -> [Vec<u8>; 3] {
    [text.into(), bgzf(text.as_bytes(), 37), gzip_members(&[text.as_bytes()])]
}

#[test]
fn skipped_records_are_those_and_counted() {
    let mut random = Random(7);
    for case in &CASES {
        for round in 0..6 {
            let (all, right, bad) = records(case, &mut random, |_| None);
            let expected = shown(&opened(case, right.into_bytes(), OnError::Fail).scan(|_| {}).unwrap());
            for bytes in stored(&all) {
                let mut file = opened(case, bytes, OnError::Skip);
                for (batch_size, partitions) in [(8192, 1), (1, 1), (7, 3)] {
                    let (rows, told) = read(&mut file, batch_size, partitions).unwrap();
                    assert_eq!(shown(&rows), expected, "{} in round {round}:\n{all}", case.format);
                    // Lines after a broken record may be taken for more of it.
                    let least = if case.format == "fastq" { 1 } else { bad };
                    assert!((least.min(bad)..=bad).contains(&told.skipped), "{}: {told:?}\n{all}", case.format);
                    assert_eq!(told.nulled, 0);
                    assert!(told.examples.iter().all(|bad| bad.error.object().is_some() && !bad.kept));
                }
            }
        }
    }
}

#[test]
fn malformed_fields_are_null_and_counted() {
    let mut random = Random(8);
    for case in &CASES {
        for round in 0..6 {
            let (all, right, bad) = records(case, &mut random, |i| case.bad[i].1);
            let expected = shown(&opened(case, right.into_bytes(), OnError::Fail).scan(|_| {}).unwrap());
            for bytes in stored(&all) {
                let mut file = opened(case, bytes, OnError::Null);
                for (batch_size, partitions) in [(8192, 1), (1, 1), (7, 3)] {
                    let (rows, told) = read(&mut file, batch_size, partitions).unwrap();
                    assert_eq!(shown(&rows), expected, "{} in round {round}:\n{all}", case.format);
                    let least = if case.format == "fastq" { 1 } else { bad };
                    assert!(told.skipped + told.nulled >= least.min(bad), "{}: {told:?}\n{all}", case.format);
                }
            }
        }
    }
}

/// Nothing but the first error differs from a scan that fails, and without one nothing does.
#[test]
fn files_without_errors_read_the_same() {
    let mut random = Random(9);
    for case in &CASES {
        let right: String = (0..50).map(|_| case.good[random.below(case.good.len())]).collect();
        let text = [case.header, case.good[case.good.len() - 1], &right].concat();
        let expected = shown(&opened(case, text.clone().into_bytes(), OnError::Fail).scan(|_| {}).unwrap());
        for on_error in [OnError::Skip, OnError::Null] {
            for bytes in stored(&text) {
                let (rows, told) = read(&mut opened(case, bytes, on_error), 8, 2).unwrap();
                assert_eq!(shown(&rows), expected, "{}", case.format);
                assert!(told.is_empty(), "{told:?}");
            }
        }
        for (bad, _) in case.bad {
            let broken = format!("{text}{bad}");
            assert!(opened(case, broken.into_bytes(), OnError::Fail).scan(|_| {}).is_err(), "{bad}");
        }
    }
}

/// What a limit counts is rows.
#[test]
fn limits_count_rows_and_not_what_is_left_out() {
    let case = &CASES[3];
    let text = [case.good[0], case.bad[1].0, case.good[1], case.bad[1].0, case.good[2]].concat();
    for limit in 0..4 {
        for batch_size in [1, 2, 100] {
            let file = opened(case, text.clone().into_bytes(), OnError::Skip);
            let rows = file.scan(|r| (r.limit, r.batch_size) = (Some(limit), batch_size)).unwrap();
            assert_eq!(rows.num_rows(), limit.min(3));
        }
    }
}

/// What cannot be framed is no record to be left out.
#[test]
fn a_file_that_is_cut_is_an_error_all_the_same() {
    let case = &CASES[0];
    let text = format!("{}{}", case.header, case.good.concat());
    let mut whole = bgzf(text.as_bytes(), 50);
    let middle = whole.len() / 2;
    whole[middle] ^= 0x10;
    for on_error in [OnError::Skip, OnError::Null] {
        let format = formats::by_id("vcf").unwrap();
        let options = OpenOptions { on_error, ..OpenOptions::default() };
        let read = open(format, whole.clone(), None, &options).and_then(|file| file.scan(|_| {}));
        assert!(read.unwrap_err().is_corrupt());
    }
}

/// The value is kept where text can hold it.
#[test]
fn a_tag_of_another_type_is_null_in_its_column() {
    let text = "@SQ\tSN:1\tLN:1000\nr\t0\t1\t10\t60\t4M\t*\t0\t0\tACGT\tIIII\tNM:i:1\nr\t0\t1\t10\t60\t4M\t*\t0\t0\tACGT\tIIII\tNM:Z:x\n";
    let mut file = opened(&CASES[1], text.into(), OnError::Null);
    let (rows, told) = read(&mut file, 8192, 1).unwrap();
    assert!(shown(&rows)[1].ends_with("IIII ∅ {NM: Z:x}"), "{:?}", shown(&rows));
    assert_eq!((told.skipped, told.nulled, told.examples[0].error.line()), (0, 1, Some(3)));
}
