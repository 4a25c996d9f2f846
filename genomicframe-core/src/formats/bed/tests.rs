use proptest::prelude::*;

use super::{Bed, encode};
use crate::error::{Error, Result};
use crate::genome::{Interval, Region, RegionSet};
use crate::scan::{Condition, Literal, Op, OpenOptions, Predicate, Pushdown};
use crate::testing::{self, bgzf, gzip_members, shown};
use arrow::array::RecordBatch;

const PANEL: &str = "browser position chr1:1-9\n#note\ntrack name=x\n\
    chr1\t0\t100\ta\t5\t-\nchr1\t100\t200\t.\t.\t.\n\n#mid\nchr1\t150\t150\tzero\t1.5\t+\nchr2\t0\t7\tb\t0\t+\n";

fn read(text: impl AsRef<[u8]>) -> Result<RecordBatch> {
    testing::read(&Bed, text.as_ref())
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
    batch.schema().fields().iter().map(|f| f.name().clone()).collect()
}

#[test]
fn values_nulls_and_lines_that_are_no_records() {
    let expected =
        ["chr1 0 100 a 5.0 -", "chr1 100 200 ∅ ∅ ∅", "chr1 150 150 zero 1.5 +", "chr2 0 7 b 0.0 +"].map(String::from);
    assert_eq!(rows(PANEL), expected);
    assert_eq!(names(&read(PANEL).unwrap()), ["chrom", "start", "end", "name", "score", "strand"]);
    // Row 28 of the bad-input classes: CRLF, a byte order mark, no final newline.
    assert_eq!(rows(PANEL.replace('\n', "\r\n")), expected);
    assert_eq!(rows(format!("\u{feff}{PANEL}").trim_end()), expected);
    // Row 45.
    let (a, b) = PANEL.as_bytes().split_at(70);
    assert_eq!(rows(gzip_members(&[b"\xef\xbb\xbf", a, b])), expected);
    // Row 24: a block that holds nothing is no end.
    let mut joined = bgzf(a, 10);
    joined.extend(bgzf(b, 1));
    assert_eq!(rows(joined), expected);
}

#[test]
fn twelve_columns_and_custom_ones() {
    let twelve = "1\t0\t99\tn\t0\t+\t0\t9\t255,0,0\t2\t5,6,\t0,50,\n";
    assert_eq!(rows(twelve), ["1 0 99 n 0.0 + 0 9 255,0,0 2 [5, 6] [0, 50]"]);
    let more = twelve.replace('\n', "\tx\t.\n");
    assert!(rows(&more)[0].ends_with("[0, 50] x ∅"), "{more}");
    assert_eq!(names(&read(&more).unwrap())[11..], ["block_starts", "column_13", "column_14"]);
    // narrowPeak: BED6 and four of its own.
    let peak = "chr1\t1\t9\t.\t0\t.\t182\t5.09\t-1\t50\n";
    let batch = read(peak).unwrap();
    assert_eq!(names(&batch)[5..], ["strand", "column_7", "column_8", "column_9", "column_10"]);
    assert_eq!(shown(&batch), ["chr1 1 9 ∅ 0.0 ∅ 182 5.09 -1 50"]);
    assert_eq!(names(&read("c\t1\t2\tn\tNA\t+\n").unwrap())[3..], ["name", "column_5", "strand"]);
    assert_eq!(names(&read("c\t1\t2\t0.5\n").unwrap())[3..], ["name"], "bedGraph");
    assert_eq!(rows("chr1 0  5\nchr2\t1\t2\n"), ["chr1 0 5", "chr2 1 2"], "blanks only where there is no tab");
}

/// Rows 4 and 5.
#[test]
fn nothing_is_no_rows() {
    for text in ["", "\n", "#x\n", "track a\nbrowser"] {
        let batch = read(text).unwrap();
        assert_eq!((batch.num_rows(), names(&batch).len()), (0, 3), "{text:?}");
    }
}

/// Row 61, and 26, 28, 29, 32 and 40 as far as they concern BED.
#[test]
fn malformed_lines_are_errors_that_say_where() {
    let good = "chr1\t0\t1\n";
    for (line, field) in [
        ("chr1\t5", None),
        ("chr1\t5\t6\tname", None),
        ("chr1\t9\t5", Some("end")),
        ("chr1\t-1\t5", Some("start")),
        ("chr1\t0\t18446744073709551616", Some("end")),
        ("chr1\t0\t9223372036854775808", Some("end")),
        ("chr1\t\t5", Some("start")),
        ("chr1\t1e3\t5000", Some("start")),
        ("chr1\t.\t5", Some("start")),
        ("chr\0\t1\t5", Some("chrom")),
    ] {
        let e = fails(format!("{good}{line}\n{good}"));
        let said = e.to_string();
        assert!(e.is_corrupt() && said.contains("line 2: byte 9:"), "{said}");
        assert!(field.is_none_or(|f| said.contains(&format!("{f}: "))), "{said}");
        assert!(line.contains("name") || fails(format!("{line}\n")).is_corrupt());
    }
    assert!(fails(b"chr1\t0\t1\nchr\xff\t1\t5\n").to_string().contains("UTF-8"));
    assert!(fails("\u{feff}chr1\t0").is_corrupt(), "two columns");
    assert!(fails(b"\xff\xfec\0h\0r\0").is_unsupported());
    assert!(fails(b"BZh91AY").is_unsupported());
}

#[test]
fn a_contig_has_a_name() {
    let e = fails("chr1\t1\t2\n\t1\t2\n").to_string();
    assert!(e.contains("line 2") && e.contains("chrom"), "{e}");
    // A line of nothing but blanks is a blank line.
    assert_eq!(rows("chr1\t1\t2\n\t\t\n").len(), 1);
}

#[test]
fn block_counts_must_agree_where_they_are_read() {
    let lies = "1\t0\t99\tn\t0\t+\t0\t9\t0\t3\t5,6,\t0,50,\n";
    assert!(fails(lies).to_string().contains("block_sizes: 2 blocks where block_count is 3"));
    let opened = testing::open(&Bed, lies, None, &OpenOptions::default()).unwrap();
    assert_eq!(opened.scan(|r| r.projection = vec![0, 3]).unwrap().num_rows(), 1);
    assert_eq!(opened.scan(|r| r.projection = vec![]).unwrap().num_rows(), 1);
}

/// Row 46.
#[test]
fn cut_gzip_is_an_error_and_zero_padding_is_not() {
    let whole = gzip_members(&[PANEL.as_bytes()]);
    assert!(read(&whole[..whole.len() - 3]).is_err());
    assert_eq!(rows([&whole[..], &[0; 512]].concat()).len(), 4);
}

#[test]
fn batches_partitions_and_columns_do_not_change_the_rows() {
    let text: String = (0..500).map(|i| format!("chr{}\t{}\t{}\tn{i}\n", i / 100, i * 7, i * 7 + i % 9)).collect();
    let all = rows(&text);
    let plain = testing::open(&Bed, text.as_bytes(), None, &OpenOptions::default()).unwrap();
    let packed = testing::open(&Bed, bgzf(text.as_bytes(), 97), None, &OpenOptions::default()).unwrap();
    for batch_size in [1, 7, 8192] {
        for partitions in [1, 2, 7, 1000] {
            for opened in [&plain, &packed] {
                let shape = |r: &mut crate::scan::ScanRequest| (r.batch_size, r.partitions) = (batch_size, partitions);
                assert_eq!(shown(&opened.scan(shape).unwrap()), all, "{batch_size} {partitions}");
            }
        }
    }
    let some = plain.scan(|r| r.projection = vec![3, 1]).unwrap();
    assert_eq!(shown(&some)[499], "n499 3493");
    assert_eq!(plain.scan(|r| r.limit = Some(13)).unwrap().num_rows(), 13);
}

fn regions(list: &[(&str, i64, i64)]) -> Option<std::sync::Arc<RegionSet>> {
    let region = |(c, a, b): &(&str, i64, i64)| Region::new(*c, Interval::new(*a, *b).unwrap());
    Some(std::sync::Arc::new(list.iter().map(region).collect()))
}

/// Row 66.
#[test]
fn regions_with_and_without_an_index() {
    let text = PANEL.replace("chr", "");
    let data = bgzf(text.as_bytes(), 60);
    let second = text.find("2\t0\t7").unwrap();
    let block = |at: usize| {
        let starts: Vec<u64> = block_starts(&data);
        (starts[at / 60] << 16) | (at % 60) as u64
    };
    let first = text.find("1\t0\t100").unwrap();
    let chunks = [("1", block(first), block(second)), ("2", block(second), block(text.len() - 1) + 1)];
    let index = testing::tbi([1, 2, 3], true, &chunks);
    let indexed = testing::open(&Bed, data.clone(), Some(index), &OpenOptions::default()).unwrap();
    let bare = testing::open(&Bed, data.clone(), None, &OpenOptions::default()).unwrap();
    for (wanted, n) in [
        (regions(&[("1", 1, 100)]), 1),
        (regions(&[("1", 100, 101)]), 2),
        // Between bases 150 and 151 lies the interval without length.
        (regions(&[("1", 150, 151)]), 2),
        (regions(&[("1", 151, 151)]), 1),
        (regions(&[("2", 7, 9)]), 1),
        (regions(&[("2", 8, 9)]), 0),
        (regions(&[("1", 1, 1), ("2", 1, 1)]), 2),
        (regions(&[("9", 1, 1)]), 0),
    ] {
        for opened in [&indexed, &bare] {
            assert_eq!(opened.scan(|r| r.regions = wanted.clone()).unwrap().num_rows(), n, "{wanted:?}");
        }
    }
    let alias = indexed.scan(|r| r.regions = regions(&[("chr2", 1, 9)])).unwrap();
    assert_eq!(shown(&alias), ["2 0 7 b 0.0 +"]);
    assert_eq!(indexed.dataset.contigs().unwrap().len(), 2);
    // An index of other columns would choose other rows.
    let wrong = testing::open(&Bed, data, Some(testing::tbi([1, 4, 5], false, &chunks)), &OpenOptions::default());
    assert!(wrong.unwrap().scan(|r| r.regions = regions(&[("1", 1, 9)])).unwrap_err().is_corrupt());
}

fn block_starts(data: &[u8]) -> Vec<u64> {
    let mut at = 0;
    let mut starts = Vec::new();
    while at < data.len() {
        starts.push(at as u64);
        at += crate::bgzf::block_size(&data[at..]).unwrap().unwrap();
    }
    starts
}

#[test]
fn an_unsorted_file_with_an_index_is_an_error() {
    let data = bgzf(b"a\t50\t60\na\t10\t20\n", 100);
    let index = testing::tbi([1, 2, 3], true, &[("a", 0, 16)]);
    let opened = testing::open(&Bed, data, Some(index), &OpenOptions::default()).unwrap();
    assert!(opened.scan(|r| r.regions = regions(&[("a", 1, 99)])).unwrap_err().is_corrupt());
    assert_eq!(opened.scan(|_| {}).unwrap().num_rows(), 2);
}

#[test]
fn conditions_are_tested_on_the_line() {
    let opened = testing::open(&Bed, PANEL, None, &OpenOptions::default()).unwrap();
    let text = |c: &str, v: &str| Condition::Compare(c.into(), Op::Eq, Literal::Text(v.into()));
    for (condition, n) in [
        (text("name", "a"), 1),
        (text("chrom", "chr1"), 3),
        (Condition::Compare("score".into(), Op::Gt, Literal::Int(1)), 2),
        (Condition::IsNull("strand".into()), 1),
        (Condition::Not(Box::new(text("strand", "+"))), 1),
        (Condition::Compare("start".into(), Op::Ge, Literal::Int(100)), 2),
        (Condition::Overlaps(regions(&[("chr2", 1, 1)]).unwrap()), 1),
    ] {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Exact);
        let kept = opened.scan(|r| r.predicate = Predicate { all: vec![condition.clone()] }).unwrap();
        assert_eq!(kept.num_rows(), n, "{condition}");
    }
    let unknown = text("start", "x");
    assert_eq!(opened.dataset.pushdown(&unknown), Pushdown::Unsupported);
    assert!(opened.scan(|r| r.predicate = Predicate { all: vec![unknown] }).unwrap_err().is_invalid());
}

/// Row 41: a long line in many pieces, each searched once.
#[test]
fn a_long_line_is_read_and_a_longer_one_is_a_limit() {
    let text = format!("chr1\t0\t5\t{}\n", "x".repeat(8 << 20));
    assert_eq!(read(&text).unwrap().num_rows(), 1);
    let mut options = OpenOptions::default();
    options.limits.record_bytes = 1 << 20;
    let opened = testing::open(&Bed, text, None, &options).unwrap();
    assert!(opened.scan(|_| {}).unwrap_err().is_limit());
    // Rows 68 and 69: a line of tabs.
    assert!(fails("a".to_owned() + &"\t".repeat(1 << 20)).is_limit());
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let mut out = Vec::new();
    let batch = read("chr1\t0\t5\ta\n").unwrap();
    encode(&batch, &mut out).unwrap();
    assert_eq!(out, b"chr1\t0\t5\ta\n");
    assert!(encode(&batch.project(&[0, 1]).unwrap(), &mut out).unwrap_err().is_invalid());
    assert!(encode(&batch.project(&[0, 1, 2]).unwrap(), &mut out).is_ok());
    let odd = read("chr1 0 5 track\n").unwrap().project(&[3, 1, 2]).unwrap();
    let schema = batch.schema().project(&[0, 1, 2]).unwrap();
    let odd = RecordBatch::try_new(schema.into(), odd.columns().to_vec()).unwrap();
    assert!(encode(&odd, &mut out).unwrap_err().is_invalid());
}

fn dot_or(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![Just(".".to_owned()), value]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        records in prop::collection::vec(
            ("[a-s][a-zA-Z0-9_ ]{0,8}", 0i64..1 << 40, 0i64..1000, dot_or("[!-~é ]{2,9}".boxed()), any::<f64>(),
             prop_oneof!["\\+", "-", "\\."], prop::collection::vec(0i64..1 << 33, 0..4)),
            1..20,
        ),
    ) {
        let mut text = String::new();
        for (chrom, start, len, name, score, strand, blocks) in &records {
            let list: String = blocks.iter().map(|b| format!("{b},")).collect();
            let list = if list.is_empty() { ".".into() } else { list };
            text += &format!(
                "{chrom}\t{start}\t{}\t{name}\t{score}\t{strand}\t{start}\t.\t0\t{}\t{list}\t{list}\tx\n",
                start + len, blocks.len(),
            );
        }
        let batch = read(&text).unwrap();
        prop_assert_eq!(batch.num_rows(), records.len());
        let mut out = Vec::new();
        encode(&batch, &mut out).unwrap();
        prop_assert_eq!(read(&out).unwrap(), batch);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), tabs in any::<bool>()) {
        let bytes = if tabs { bytes.iter().map(|b| b"\t\n19.,-#a "[usize::from(*b) % 10]).collect() } else { bytes };
        let _ = read(bytes);
    }
}
