use arrow::array::RecordBatch;
use proptest::prelude::*;

use super::frame::RecordFramer;
use super::{Fastq, encode};
use crate::error::{Error, Result};
use crate::scan::{Condition, Format, Literal, Op, OpenOptions, Predicate, Pushdown};
use crate::testing::{self, bgzf, gzip_members, shown};

const READS: &str = "@a one two\nACGT\n+\nIIII\n@b\nAC\n+b\n@!\n@c\tx\n\n+c\tx\n\n@d \nN\n+\n+\n";

fn read(text: impl AsRef<[u8]>) -> Result<RecordBatch> {
    testing::read(&Fastq, text.as_ref())
}

fn rows(text: impl AsRef<[u8]>) -> Vec<String> {
    shown(&read(text).unwrap())
}

fn fails(text: impl AsRef<[u8]>) -> Error {
    let e = read(text).unwrap_err();
    assert!(e.to_string().contains("memory:///data"), "{e}");
    e
}

#[test]
fn names_descriptions_and_empty_records() {
    let expected = ["a one two ACGT IIII", "b ∅ AC @!", "c x  ", "d  N +"].map(String::from);
    assert_eq!(rows(READS), expected);
    // Row 28: CRLF, a byte order mark, no final newline, blank lines at the end.
    assert_eq!(rows(READS.replace('\n', "\r\n")), expected);
    assert_eq!(rows(format!("\u{feff}{READS}\n\r\n \n")), expected);
    assert_eq!(rows(READS.strip_suffix('\n').unwrap()), expected);
    assert_eq!(rows("@a\n\n+\n"), ["a ∅  "], "the last line is empty and needs no end");
    // Rows 24 and 45.
    let (a, b) = READS.as_bytes().split_at(17);
    assert_eq!(rows(gzip_members(&[a, b])), expected);
    assert_eq!(rows([bgzf(a, 5), bgzf(b, 1)].concat()), expected);
}

/// Row 4.
#[test]
fn nothing_is_no_rows() {
    for text in ["", "\n", "\u{feff}", "\u{feff}\r\n"] {
        assert_eq!(read(text).unwrap().num_rows(), 0, "{text:?}");
    }
}

/// Row 58.
#[test]
fn wrapped_records_are_read_when_both_parts_are_wrapped_alike() {
    let wrapped = "@a\nACGT\nAC\n+a\n@III\n+I\n@b\nA\n+\nI\n";
    assert_eq!(rows(wrapped), ["a ∅ ACGTAC @III+I", "b ∅ A I"]);
    assert!(fails("@a\nACGT\nAC\n+\nII\nIIII\n").is_corrupt());
    assert!(fails("@a\nACGT\nAC\n+\nIIIIII\n").is_corrupt());
    assert!(fails("@a\nACGT\n\n+\nIIII\n\n").is_corrupt());
}

/// Rows 29, 58 and 59.
#[test]
fn malformed_records_are_errors_that_say_where() {
    for (text, place, why) in [
        ("@x\nACGT\n+\nIII\n", "line 8: byte 13: record 2: qual:", "3 qualities, but the sequence has 4 bases"),
        ("@x\nACGT\n+\nIIIII\n", "record 2: qual:", "5 qualities"),
        ("@x\nACGT\nIIII\n@y\nA\n+\nI\n", "line 8:", "neither a '+' line nor more"),
        ("@x\nACGT\n-!II\n", "line 7:", "neither a '+' line"),
        ("@x\nACGT\nIIII\n", "record 2:", "cut short"),
        ("@x\nACGT\n+\n", "record 2:", "cut short"),
        ("@x\nACGT\n+\nII", "record 2:", "2 qualities"),
        ("@x\nACGT", "record 2:", "cut short"),
        ("@x", "record 2:", "cut short"),
        ("@x\n+\n\n", "line 6:", "where the sequence should be"),
        ("@x\nACGT\n+y\nIIII\n", "id:", "another name"),
        ("@x y\nACGT\n+y\nIIII\n", "id:", "another name"),
        ("x\nACGT\n+\nIIII\n", "line 5:", "does not begin with '@'"),
        (">x\nACGT\n", "line 5:", "FASTA"),
        ("\n@x\nA\n+\nI\n", "line 6:", "blank lines"),
        ("@x\nAC\n+\nI\x7f\n", "line 5: byte 13: record 2: qual:", "outside"),
        ("@x\nAC\n+\nI \n", "qual:", "outside"),
        ("@x\nA\0\n+\nII\n", "seq:", "outside"),
        ("@x\0\nA\n+\nI\n", "id:", "NUL"),
    ] {
        let said = fails(format!("@w\nACG\n+\nII#\n{text}"));
        assert!(said.is_corrupt(), "{said}");
        let said = said.to_string();
        assert!(said.contains(place) && said.contains(why), "{text:?}: {said}");
    }
    assert!(fails(b"\xff\xfe@\0").is_unsupported());
    assert!(fails(b"@\0a\0\n\0").is_unsupported());
    assert!(fails(b"@a\xff\nA\n+\nI\n").to_string().contains("UTF-8"));
}

/// Row 46.
#[test]
fn cut_gzip_is_an_error_and_zero_padding_is_not() {
    let whole = gzip_members(&[READS.as_bytes()]);
    assert!(read(&whole[..whole.len() - 3]).is_err());
    assert_eq!(rows([&whole[..], &[0; 512]].concat()).len(), 4);
}

#[test]
fn batches_and_columns_do_not_change_the_rows() {
    let text: String =
        (0..300).map(|i| format!("@r{i} {i}\n{0}\n+\n{1}\n", "A".repeat(i % 7), "@".repeat(i % 7))).collect();
    let all = rows(&text);
    let parts: Vec<&[u8]> = text.as_bytes().chunks(1000).collect();
    for bytes in [text.clone().into_bytes(), bgzf(text.as_bytes(), 89), gzip_members(&parts)] {
        let opened = testing::open(&Fastq, bytes, None, &OpenOptions::default()).unwrap();
        for (batch_size, partitions) in [(1, 1), (7, 2), (8192, 7)] {
            let batch = opened.scan(|r| (r.batch_size, r.partitions) = (batch_size, partitions)).unwrap();
            assert_eq!(shown(&batch), all);
        }
        assert_eq!(shown(&opened.scan(|r| r.projection = vec![1, 0]).unwrap())[7], "7 r7");
        assert_eq!(opened.scan(|r| r.projection = vec![]).unwrap().num_rows(), 300);
        assert_eq!(opened.scan(|r| r.limit = Some(13)).unwrap().num_rows(), 13);
    }
}

#[test]
fn conditions_are_tested_on_the_record() {
    let opened = testing::open(&Fastq, READS, None, &OpenOptions::default()).unwrap();
    let is = |c: &str, v: &str| Condition::Compare(c.into(), Op::Eq, Literal::Text(v.into()));
    for (condition, n) in
        [(is("id", "b"), 1), (Condition::IsNull("description".into()), 1), (is("description", "x"), 1)]
    {
        assert_eq!(opened.dataset.pushdown(&condition), Pushdown::Exact);
        let kept = opened.scan(|r| r.predicate = Predicate { all: vec![condition] }).unwrap();
        assert_eq!(kept.num_rows(), n);
    }
    assert_eq!(opened.dataset.pushdown(&is("seq", "A")), Pushdown::Unsupported);
}

#[test]
fn told_apart_from_what_begins_alike() {
    assert!(Fastq.sniff(b"@a\nACGT\n+\nII") && Fastq.sniff(b"\xef\xbb\xbf@a\r\nA\r\n+\r\n"));
    for head in [&b"@HD\tVN:1.6\n@SQ\tSN:1\tLN:9\n@RG\tID:x\n"[..], b"", b">a\nA\n+\n", b"@a\nACGT"] {
        assert!(!Fastq.sniff(head));
    }
}

/// The short way and line by line, with and without counting lines.
#[test]
fn records_are_framed_alike_however_they_come() {
    for text in [READS, "@a\nACGT\nAC\n+a\n@III\n+I\n@b\nA\n+\nI\n@c\r\nAC\n+\r\nII\r\n@d\nAC\r\n+d\nII\n\n"] {
        let frame = |numbered, grown: bool| {
            let (mut framer, mut at, mut ends) = (RecordFramer::new(numbered, false), 0, Vec::new());
            while at < text.len() {
                let start = at;
                // Bytes that grow one by one are never a whole record at first.
                let mut len = if grown { 1 } else { text.len() - at };
                at += loop {
                    match framer.frame(&text.as_bytes()[at..at + len], at + len == text.len()).unwrap() {
                        Some(n) => break n,
                        None => len += 1,
                    }
                };
                let framed = framer.next().unwrap();
                let line = framed.explain(Error::corrupt("x")).to_string();
                assert_eq!(line.contains("line"), numbered);
                ends.push((at, framed.parts(&text.as_bytes()[start..at], &mut Default::default()).is_some()));
            }
            ends
        };
        assert_eq!(frame(true, false), frame(true, true));
        assert_eq!(frame(false, false), frame(true, true));
    }
}

/// Row 41: a long read in many pieces, each searched once.
#[test]
fn a_long_record_takes_linear_time() {
    let n = 20_000_000;
    let text = [&b"@a\n"[..], &vec![b'A'; n], b"\n+\n", &vec![b'@'; n], b"\n"].concat();
    let mut framer = RecordFramer::new(true, false);
    for end in (1..text.len()).step_by(1 << 10) {
        assert_eq!(framer.frame(&text[..end], false).unwrap(), None);
    }
    assert_eq!(framer.frame(&text, false).unwrap(), Some(text.len()));
    let mut options = OpenOptions::default();
    options.limits.record_bytes = 1 << 20;
    let opened = testing::open(&Fastq, text, None, &options).unwrap();
    assert!(opened.scan(|_| {}).unwrap_err().is_limit());
    assert!(fails("@a\n".to_owned() + &"A\n".repeat(2 << 20)).is_limit());
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let batch = |seq: &str, qual: &str| read(format!("@a\n{seq}\n+\n{qual}\n")).unwrap();
    let (good, other) = (batch("AC", "II"), batch("ACG", "III"));
    let mixed = |columns: [&RecordBatch; 4]| {
        let columns = columns.iter().enumerate().map(|(i, b)| b.column(i).clone()).collect();
        RecordBatch::try_new(good.schema(), columns).unwrap()
    };
    let mut out = Vec::new();
    encode(&mixed([&good; 4]), &mut out).unwrap();
    assert_eq!(out, b"@a\nAC\n+\nII\n");
    assert!(encode(&mixed([&good, &good, &good, &other]), &mut out).unwrap_err().is_invalid());
    assert!(encode(&good.project(&[0, 2]).unwrap(), &mut out).unwrap_err().is_invalid());
    assert!(encode(&good.project(&[0, 2, 3]).unwrap(), &mut out).is_ok());
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        records in prop::collection::vec(
            ("[!-~é]{0,9}", prop::option::of("[ -~\té]{0,9}"), "[A-Z*.-]{0,30}", "[!-~]{30}"),
            0..20,
        ),
        width in 1usize..8,
    ) {
        let wrap = |text: &str| {
            let lines: Vec<&str> = text.as_bytes().chunks(width).map(|c| std::str::from_utf8(c).unwrap()).collect();
            lines.join("\n")
        };
        let mut text = String::new();
        for (id, description, seq, qual) in &records {
            let description = description.as_ref().map(|d| format!(" {d}")).unwrap_or_default();
            text += &format!("@{id}{description}\n{}\n+\n{}\n", wrap(seq), wrap(&qual[..seq.len()]));
        }
        let batch = read(&text).unwrap();
        prop_assert_eq!(batch.num_rows(), records.len());
        let mut out = Vec::new();
        encode(&batch, &mut out).unwrap();
        prop_assert_eq!(read(&out).unwrap(), batch);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), lines in any::<bool>()) {
        let bytes = if lines { bytes.iter().map(|b| b"@+\nA\n\r \n"[usize::from(*b) % 8]).collect() } else { bytes };
        let _ = read(bytes);
    }
}
