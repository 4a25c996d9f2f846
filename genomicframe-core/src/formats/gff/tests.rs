use std::sync::Arc;

use arrow::array::RecordBatch;
use proptest::prelude::*;

use super::{Gff, encode};
use crate::error::{Error, Result};
use crate::genome::{Interval, Region, RegionSet};
use crate::scan::{Condition, Format, Literal, Op, OpenOptions, Predicate, Pushdown};
use crate::schema::KEY;
use crate::testing::{self, bgzf, gzip_members, shown};

const GENES: &str = "##gff-version 3\n##sequence-region 1 1 900\n\
    1\tens\tgene\t1\t900\t.\t+\t.\tID=g1;Name=a%3Bb;flag;tag=x,y%2Cz\n\
    1\t.\tCDS\t10\t90\t0.5\t-\t2\tID=c1 ; Parent=g1;\n###\n# note\n\n\
    1\tens\t.\t100\t100\t1e-3\t?\t.\t.\n\
    chr%202\tens\tgene\t5\t5\t.\t.\t0\tID=first;ID=second;name=lower\n";

fn read(text: impl AsRef<[u8]>) -> Result<RecordBatch> {
    testing::read(&Gff, text.as_ref())
}

fn open(text: impl AsRef<[u8]>) -> testing::Opened {
    testing::open(&Gff, text.as_ref(), None, &OpenOptions::default()).unwrap()
}

fn rows(text: impl AsRef<[u8]>) -> Vec<String> {
    shown(&read(text).unwrap())
}

fn fails(text: impl AsRef<[u8]>) -> Error {
    let e = read(text).unwrap_err();
    assert!(e.to_string().contains("memory:///data"), "{e}");
    e
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().skip(9).map(|f| f.name().clone()).collect()
}

#[test]
fn values_nulls_and_attributes() {
    let expected = [
        "1 ens gene 1 900 ∅ + ∅ {ID: g1, Name: a;b, flag: , tag: x,y,z} g1 a;b ∅ x,y,z ∅",
        "1 ∅ CDS 10 90 0.5 - 2 {ID: c1, Parent: g1} c1 ∅ ∅ ∅ g1",
        "1 ens ∅ 100 100 0.001 ? ∅ ∅ ∅ ∅ ∅ ∅ ∅",
        "chr 2 ens gene 5 5 ∅ ∅ 0 {ID: first, name: lower} first ∅ ∅ ∅ ∅",
    ];
    let shown =
        |text: &[u8]| -> Vec<String> { rows(text).into_iter().map(|r| r.replace("flag: ∅", "flag: ")).collect() };
    assert_eq!(shown(GENES.as_bytes()), expected);
    assert_eq!(names(&read(GENES).unwrap()), ["attr_id", "attr_name", "attr_flag", "attr_tag", "attr_parent"]);
    // Row 28: CRLF, a byte order mark, no final newline; row 56: no version line.
    assert_eq!(shown(GENES.replace('\n', "\r\n").as_bytes()), expected);
    assert_eq!(shown(format!("\u{feff}{}", GENES.trim_end()).as_bytes()), expected);
    assert_eq!(shown(GENES.split_once('\n').unwrap().1.as_bytes()), expected);
    assert_eq!(shown(format!("\u{feff}{}", GENES.splitn(3, '\n').nth(2).unwrap()).as_bytes()), expected);
    // Rows 24 and 45.
    let (a, b) = GENES.as_bytes().split_at(99);
    assert_eq!(shown(&gzip_members(&[a, b])), expected);
    assert_eq!(shown(&[bgzf(a, 10), bgzf(b, 1)].concat()), expected);
}

/// Row 56, with rows 4 and 5.
#[test]
fn sequences_end_the_records() {
    for end in ["##FASTA\n>1\nACGT\n", ">1\nACGT", "##FASTA  \r\nnot nine columns\n"] {
        for packed in [false, true] {
            let text = format!("{GENES}{end}");
            let opened = open(if packed { bgzf(text.as_bytes(), 50) } else { text.into_bytes() });
            assert_eq!(opened.scan(|r| r.partitions = 7).unwrap().num_rows(), 4, "{end}");
        }
    }
    for text in ["", "\n", "##gff-version 3\n", "##FASTA\n>a\nAC"] {
        let batch = read(text).unwrap();
        assert_eq!((batch.num_rows(), batch.num_columns()), (0, 9), "{text:?}");
    }
}

#[test]
fn sequences_without_features_are_another_format() {
    let e = fails(">chr1\nACGT\n");
    assert!(e.is_unsupported() && e.to_string().contains("FASTA"), "{e}");
    assert_eq!(rows("##gff-version 3\n##FASTA\n>chr1\nACGT\n"), Vec::<String>::new());
}

#[test]
fn repeated_keys_are_told() {
    for projection in [vec![8], vec![8, 9], vec![9]] {
        let opened = open(GENES);
        opened.scan(|r| r.projection = projection.clone()).unwrap();
        let told: Vec<u64> = opened.metrics.warnings().iter().map(|(_, n)| n).collect();
        assert_eq!(told, [1], "{projection:?}");
    }
    let many: String = (0..60).map(|i| format!("k{}={i};", i % 50)).collect();
    let opened = open(format!("1\t.\t.\t1\t2\t.\t.\t.\t{many}\n"));
    assert!(shown(&opened.scan(|r| r.projection = vec![8]).unwrap())[0].ends_with("k49: 49}"));
    assert_eq!(opened.metrics.warnings().iter().next().unwrap().1, 10);
}

#[test]
fn the_specifications_key_owns_the_lower_case_name() {
    let line = |attributes: &str| format!("1\t.\t.\t1\t2\t.\t.\t.\t{attributes}\n");
    let batch = read(line("id=a;ID=b;Foo=c;foo=d;FOO=e;GENE=f")).unwrap();
    assert_eq!(names(&batch), ["attr_id", "attr_foo", "attr_FOO", "attr_gene"]);
    let keys: Vec<String> = batch.schema().fields()[9..].iter().map(|f| f.metadata()[KEY].clone()).collect();
    assert_eq!(keys, ["ID", "Foo", "FOO", "GENE"]);
    assert!(shown(&batch)[0].ends_with(" b c e f"), "{:?}", shown(&batch));
}

#[test]
fn keys_that_are_asked_for() {
    let text = "1\t.\t.\t1\t2\t.\t.\t.\tID=a\n1\t.\t.\t1\t2\t.\t.\t.\tLate=%20b\n";
    let mut options = OpenOptions::default();
    options.limits.sampled_records = 1;
    options.columns = ["attr_late", "attr_LATE", "attr_ID", "attr_none", "info_x", "attr_"].map(String::from).into();
    let opened = testing::open(&Gff, text, None, &options).unwrap();
    let batch = opened.scan(|_| {}).unwrap();
    assert_eq!(names(&batch), ["attr_id", "attr_late", "attr_none"]);
    assert_eq!(shown(&batch.project(&[9, 10, 11]).unwrap()), ["a ∅ ∅", "∅  b ∅"]);
}

/// Row 55, and 29, 32 and 40 as far as they concern GFF.
#[test]
fn malformed_lines_are_errors_that_say_where() {
    for (fields, why) in [
        ("1\t.\t.\t1\t2\t.\t.\t.", "8 tab-separated columns where GFF has 9"),
        ("1\t.\t.\t1\t2\t.\t.\t.\tID=a\tx", "10 tab-separated columns"),
        ("1\t.\t.\t1\t2\t.\t.\t.\t\t\t\t\t", "13 tab-separated columns"),
        ("1 . . 1 2 . . . .", "1 tab-separated columns"),
        ("1\t.\t.\t9\t2\t.\t.\t.\t.", "end: the feature ends at 2, before its start 9"),
        ("1\t.\t.\t0\t2\t.\t.\t.\t.", "start: a position below 1"),
        ("1\t.\t.\t-1\t2\t.\t.\t.\t.", "start: a position below 1"),
        ("1\t.\t.\t1\t18446744073709551617\t.\t.\t.\t.", "end: a number too large"),
        ("1\t.\t.\t.\t2\t.\t.\t.\t.", "start: not a whole number"),
        ("1\t.\t.\t1\t\t.\t.\t.\t.", "end: not a whole number"),
        ("1\t.\t.\t1\t2\tx\t.\t.\t.", "score: not a number"),
        ("1\t.\t.\t1\t2\t.\tx\t.\t.", "strand: none of"),
        ("1\t.\t.\t1\t2\t.\t.\t3\t.", "phase: none of"),
        ("1\0\t.\t.\t1\t2\t.\t.\t.\t.", "seqid: a NUL"),
        ("1\t.\t.\t1\t2\t.\t.\t.\tID=\0", "a NUL"),
    ] {
        let e = fails(format!("##gff-version 3\n1\t.\t.\t1\t2\t.\t.\t.\tID=a\n{fields}\n"));
        let said = e.to_string();
        assert!(e.is_corrupt() && said.contains("line 3: byte 37:") && said.contains(why), "{said}");
    }
    assert!(fails(b"1\t.\t.\t1\t2\t.\t.\t.\tID=a\n1\t.\t.\t1\t2\t.\t.\t.\tID=\xff\n").to_string().contains("UTF-8"));
    assert!(fails(b"1\0\t\0").is_unsupported());
    assert!(fails("##gff-version 2\n").is_unsupported());
    assert!(read("##gff-version   3.1.26\n").is_ok());
    let whole = gzip_members(&[GENES.as_bytes()]);
    assert!(read(&whole[..whole.len() - 3]).is_err());
    assert!(open(GENES).scan(|r| r.projection = vec![99]).unwrap_err().is_invalid());
}

/// Row 41 and 69: long lines and many attributes take linear time.
#[test]
fn long_lines() {
    let many: String = (0..200_000).map(|i| format!("k{i};")).collect();
    let opened = open(format!("1\t.\t.\t1\t2\t.\t.\t.\t{many}\n"));
    assert_eq!(opened.dataset.schema().fields().len(), 1009);
    assert_eq!(opened.scan(|_| {}).unwrap().num_rows(), 1);
    let mut options = OpenOptions::default();
    options.limits.record_bytes = 1 << 20;
    let packed = bgzf(format!("1\t.\t.\t1\t2\t.\t.\t.\t{many}\n").as_bytes(), 1 << 15);
    let opened = testing::open(&Gff, packed, None, &options).unwrap();
    assert!(opened.scan(|_| {}).unwrap_err().is_limit());
}

#[test]
fn batches_and_columns_do_not_change_the_rows() {
    let text: String =
        (1..300).map(|i| format!("{}\ts\tgene\t{i}\t{}\t{i}\t+\t.\tID=g{i};n={}\n", i / 100, i + 9, i % 3)).collect();
    let all = rows(&text);
    for opened in [open(&text), open(bgzf(text.as_bytes(), 89))] {
        for (batch_size, partitions) in [(1, 1), (7, 2), (8192, 7)] {
            let batch = opened.scan(|r| (r.batch_size, r.partitions) = (batch_size, partitions)).unwrap();
            assert_eq!(shown(&batch), all);
        }
        assert_eq!(shown(&opened.scan(|r| r.projection = vec![10, 3, 9]).unwrap())[6], "1 7 g7");
        assert_eq!(opened.scan(|r| r.projection = vec![]).unwrap().num_rows(), 299);
        assert_eq!(opened.scan(|r| r.limit = Some(13)).unwrap().num_rows(), 13);
    }
}

fn regions(list: &[(&str, i64, i64)]) -> Option<Arc<RegionSet>> {
    let region = |(c, a, b): &(&str, i64, i64)| Region::new(*c, Interval::new(*a, *b).unwrap());
    Some(Arc::new(list.iter().map(region).collect()))
}

/// Row 66.
#[test]
fn regions_with_and_without_an_index() {
    let data = bgzf(GENES.as_bytes(), 1 << 15);
    let at = |what: &str| GENES.find(what).unwrap() as u64;
    let chunks = [("1", at("1\tens"), at("chr%20")), ("chr%202", at("chr%20"), GENES.len() as u64)];
    let index = testing::tbi([1, 4, 5], false, &chunks);
    let indexed = testing::open(&Gff, data.clone(), Some(index), &OpenOptions::default()).unwrap();
    for (wanted, n) in [
        (regions(&[("1", 90, 99)]), 2),
        (regions(&[("1", 91, 99)]), 1),
        (regions(&[("1", 100, 100), ("chr 2", 1, 5)]), 3),
        (regions(&[("chr 2", 6, 9)]), 0),
        (regions(&[("chr%202", 1, 9)]), 0),
    ] {
        for opened in [&indexed, &open(&data)] {
            assert_eq!(opened.scan(|r| r.regions = wanted.clone()).unwrap().num_rows(), n, "{wanted:?}");
        }
    }
    assert_eq!(indexed.scan(|r| r.regions = regions(&[("chr1", 100, 100)])).unwrap().num_rows(), 2);
    let twice = testing::tbi([1, 4, 5], false, &[("a%20b", 0, 1), ("a b", 0, 1)]);
    let opened = testing::open(&Gff, data, Some(twice), &OpenOptions::default()).unwrap();
    assert!(opened.scan(|r| r.regions = regions(&[("1", 1, 1)])).unwrap_err().is_unsupported());
}

#[test]
fn conditions_are_tested_on_the_line() {
    let opened = open(GENES);
    let is = |c: &str, v: &str| Condition::Compare(c.into(), Op::Eq, Literal::Text(v.into()));
    for (condition, n) in [
        (is("attr_name", "a;b"), 1),
        (is("attr_id", "c1"), 1),
        (Condition::IsNull("attr_parent".into()), 3),
        (is("seqid", "chr 2"), 1),
        (is("feature", "gene"), 2),
        (Condition::IsNull("feature".into()), 1),
        (Condition::Compare("score".into(), Op::Gt, Literal::Float(0.1)), 1),
        (Condition::Compare("phase".into(), Op::Eq, Literal::Int(2)), 1),
        (Condition::Overlaps(regions(&[("chr 2", 1, 9)]).unwrap()), 1),
    ] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Exact);
        for projection in [vec![0], vec![8, 9, 13], vec![]] {
            let predicate = Predicate { all: vec![condition.clone()] };
            let kept = opened.scan(|r| (r.projection, r.predicate) = (projection, predicate)).unwrap();
            assert_eq!(kept.num_rows(), n, "{condition}");
        }
    }
    for condition in [Condition::IsNull("attributes".into()), is("score", "x"), is("attr_zz", "x")] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Unsupported);
    }
}

#[test]
fn told_by_the_version_line() {
    assert!(Gff.sniff(GENES.as_bytes()) && Gff.sniff(b"\xef\xbb\xbf##gff-version  3.1.26\r\n"));
    assert!(!Gff.sniff(b"##gff-version 2\n") && !Gff.sniff(b"##fileformat=VCFv4.3\n"));
}

#[test]
fn what_is_written_without_the_map_or_cannot_be() {
    let batch = read("1\t.\t.\t1\t2\t.\t.\t.\tID=a%3B%2C%20c;Parent=b,c\n").unwrap();
    let written = |columns: &[usize]| {
        let mut out = Vec::new();
        encode(&batch.project(columns).unwrap(), &mut out).map(|()| String::from_utf8(out).unwrap())
    };
    let line = "1\t.\t.\t1\t2\t.\t.\t.\t";
    assert_eq!(written(&[0, 3, 4, 8]).unwrap(), format!("{line}ID=a%3B%2C c;Parent=b,c\n"));
    assert_eq!(written(&[0, 3, 4, 10, 9]).unwrap(), format!("{line}Parent=b,c;ID=a%3B%2C c\n"));
    assert_eq!(written(&[0, 3, 4]).unwrap(), format!("{line}.\n"));
    assert!(written(&[0, 3]).unwrap_err().is_invalid());
}

fn dot_or(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![Just(".".to_owned()), value]
}

/// Text as a file may write it: escapes of anything, whole or broken.
fn written() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![4 => "[!-~é ]".boxed(), 1 => "%[0-9a-fA-F]{2}".boxed()], 1..8)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        records in prop::collection::vec(
            (written(), dot_or(written()), 1i64..1 << 40, 0i64..1000, any::<f64>(), "[+?.-]", "[012.]",
             prop::collection::vec((written(), prop::option::of(written())), 0..5)),
            1..20,
        ),
    ) {
        let mut text = String::new();
        for (seqid, source, start, len, score, strand, phase, attributes) in &records {
            let seqid = seqid.replace(['>', '#', ' '], "x");
            let attributes: Vec<String> = attributes
                .iter()
                .map(|(k, v)| k.clone() + &v.as_ref().map(|v| format!("={v}")).unwrap_or_default())
                .collect();
            text += &format!(
                "{seqid}\t{source}\t.\t{start}\t{}\t{score}\t{strand}\t{phase}\t{}\n",
                start + len, attributes.join(";"),
            );
        }
        let batch = read(&text).unwrap();
        prop_assert_eq!(batch.num_rows(), records.len());
        let mut out = Vec::new();
        encode(&batch, &mut out).unwrap();
        prop_assert_eq!(read(&out).unwrap(), batch);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), lines in any::<bool>()) {
        let bytes = if lines { bytes.iter().map(|b| b"\t\n\t1.;=%#a>"[usize::from(*b) % 11]).collect() } else { bytes };
        let _ = read(bytes);
    }
}
