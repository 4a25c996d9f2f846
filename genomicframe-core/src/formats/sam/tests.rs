//! Values and what is malformed; `scans`: however a file is read; `round_trip`: as BAM, and as text again; `damage`: cuts
//! and mutations.

mod damage;
mod round_trip;
mod scans;

use arrow::array::RecordBatch;

use super::{Sam, SamHeader, parse_line};
use crate::alignment::encode::encode;
use crate::error::{Error, Result};
use crate::formats::{by_name, fastq::Fastq};
use crate::scan::{Format, Limits, OpenOptions};
use crate::testing::{self, Opened, shown};

const HEADER: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:248956422\n@SQ\tSN:chr2\tLN:1000\n\
                      @SQ\tSN:HLA:01:02\tLN:5000\n@RG\tID:g\tSM:s\n@CO\tfree text\n";
const LINE: &str = "r\t0\tchr1\t100\t60\t4M\t*\t0\t0\tACGT\t?@AB";

fn open(text: impl AsRef<[u8]>) -> Result<Opened> {
    testing::open(&Sam, text.as_ref(), None, &OpenOptions::default())
}

fn read(text: impl AsRef<[u8]>) -> Result<RecordBatch> {
    open(text)?.scan(|_| {})
}

/// The rows of `lines` behind the usual header.
fn rows(lines: &str) -> Result<RecordBatch> {
    read(format!("{HEADER}{lines}"))
}

fn text(batch: &RecordBatch) -> String {
    let mut out = Vec::new();
    encode(batch, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// [`LINE`] with a field in place of its own.
fn with(field: usize, value: &str) -> String {
    let mut fields: Vec<_> = LINE.split('\t').collect();
    fields[field] = value;
    fields.join("\t")
}

fn warnings(opened: &Opened) -> Vec<String> {
    opened.metrics.warnings().iter().map(|(what, n)| format!("{n} {what}")).collect()
}

#[track_caller]
fn fails(stored: impl AsRef<[u8]>, parts: &[&str]) -> Error {
    let e = match read(stored) {
        Ok(batch) => panic!("{} rows where an error is due", batch.num_rows()),
        Err(e) => e,
    };
    for part in parts.iter().chain(&["memory:///data"]) {
        assert!(e.to_string().contains(part), "{part} is not in: {e}");
    }
    e
}

#[test]
fn values_and_what_is_missing() {
    let lines = "r\t16\tchr1\t100\t60\t1S3=\tchr2\t500\t-7\tACGT\t?@AB\n\
                 r\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n\
                 *\t0\tchr2\t9\t255\t4M\t=\t9\t0\tacgn\t*\tNM:i:3\tXZ:Z:a b:c\t\n\
                 r\t5\tHLA:01:02\t10\t0\t*\t=\t10\t+5\t=.URYK\t*\n\
                 r\t0\tchr1\t2147483647\t0\t2M3D1M\t*\t2147483647\t-2147483648\t*\t*\n";
    let expected = [
        "r 16 chr1 100 102 60 1S3= chr2 500 -7 ACGT ?@AB ∅ ∅ {}",
        "r 4 ∅ ∅ ∅ 0 ∅ ∅ ∅ 0 ∅ ∅ ∅ ∅ {}",
        "∅ 0 chr2 9 12 255 4M chr2 9 0 ACGN ∅ 3 a b:c {NM: i:3, XZ: Z:a b:c}",
        "r 5 HLA:01:02 10 10 0 ∅ HLA:01:02 10 5 =NTRYK ∅ ∅ ∅ {}",
        "r 0 chr1 2147483647 2147483652 0 2M3D1M ∅ 2147483647 -2147483648 ∅ ∅ ∅ ∅ {}",
    ];
    assert_eq!(shown(&rows(lines).unwrap()), expected);
    // Windows' line ends, no last line end, a byte order mark.
    let windows = format!("\u{feff}{HEADER}{}", lines.trim_end()).replace('\n', "\r\n");
    assert_eq!(shown(&read(&windows).unwrap()), expected);
    let opened = open(&windows).unwrap();
    assert_eq!(opened.dataset.header_text(), Some(HEADER));
    assert_eq!((opened.dataset.sample(), opened.dataset.contigs().unwrap().len()), (Some("s".to_owned()), 3));
}

/// As samtools reads and writes them.
#[test]
fn what_bam_cannot_say() {
    for (line, read_as, warning) in [
        (with(3, "0"), "r\t4\t*\t0\t60\t4M\t*\t0\t0\tACGT\t?@AB", "1 a read with a contig but POS 0"),
        (with(2, "*"), "r\t4\t*\t100\t60\t4M\t*\t0\t0\tACGT\t?@AB", "1 a read with RNAME *"),
        (with(5, "*"), "r\t4\tchr1\t100\t60\t*\t*\t0\t0\tACGT\t?@AB", "1 a mapped read without a CIGAR"),
        (with(6, "chr2"), LINE, "1 a mate with a contig but PNEXT 0"),
        (with(6, "="), LINE, "1 a mate with a contig but PNEXT 0"),
        (with(0, ""), "*\t0\tchr1\t100\t60\t4M\t*\t0\t0\tACGT\t?@AB", "1 a read has an empty name"),
    ] {
        let opened = open(format!("{HEADER}{line}\n")).unwrap();
        assert_eq!(text(&opened.scan(|_| {}).unwrap()), format!("{read_as}\n"), "{line}");
        let told = warnings(&opened);
        assert!(told.len() == 1 && told[0].starts_with(warning), "{told:?}");
    }
}

#[test]
fn tags_as_htslib_stores_them() {
    let stored = |tag: &str| {
        let contigs = ["chr1"].into_iter().collect();
        let mut out = Vec::new();
        parse_line(format!("{LINE}\t{tag}").as_bytes(), &contigs, &mut out).unwrap();
        let mut tags = crate::alignment::Record::new(&out, 1).unwrap().tags();
        let tag = tags.next().unwrap().unwrap();
        assert!(tags.next().is_none());
        let mut shown = Vec::new();
        tag.write(&mut shown);
        (char::from(tag.kind), String::from_utf8(shown).unwrap())
    };
    for (n, kind) in [
        ("0", 'C'),
        ("-0", 'C'),
        ("+7", 'C'),
        ("255", 'C'),
        ("256", 'S'),
        ("65535", 'S'),
        ("65536", 'I'),
        ("4294967295", 'I'),
        ("-1", 'c'),
        ("-128", 'c'),
        ("-129", 's'),
        ("-32768", 's'),
        ("-32769", 'i'),
        ("-2147483648", 'i'),
    ] {
        let shown = format!("i:{}", n.parse::<i64>().unwrap());
        assert_eq!(stored(&format!("XI:i:{n}")), (kind, shown), "{n}");
    }
    for same in ["A:q", "Z:", "Z:a:b c", "H:", "H:1AE3", "f:0.1", "f:-1.5e-07", "f:inf", "B:c,-128,127", "B:f,0.5,-1"] {
        assert_eq!(stored(&format!("X0:{same}")).1, same);
    }
    for same in ["B:C,0,255", "B:s,-32768", "B:S,65535", "B:i,-2147483648", "B:I,4294967295", "B:I", "B:f"] {
        assert_eq!(stored(&format!("X0:{same}")).1, same);
    }
    // Numbers beyond their type get another.
    for (written, read_as) in [
        ("B:c,255", "B:S,255"),
        ("B:c,1,200", "B:C,1,200"),
        ("B:C,-1", "B:c,-1"),
        ("B:C,-1,128", "B:s,-1,128"),
        ("B:s,65536", "B:I,65536"),
        ("B:I,-1,40000", "B:i,-1,40000"),
    ] {
        assert_eq!(stored(&format!("X0:{written}")).1, read_as);
    }
}

/// Row 53: each names its line and its field.
#[test]
fn malformed_lines() {
    let name = "n".repeat(255);
    let tagged = |tag: &str| format!("{LINE}\t{tag}");
    for (line, parts) in [
        ("".to_owned(), ["FLAG", "1 tab-separated"]),
        ("r\t0\tchr1\t100\t60\t4M\t*\t0\t0\tACGT".to_owned(), ["QUAL", "10 tab-separated"]),
        ("@CO\tlate".to_owned(), ["header line after", "@CO"]),
        (with(0, &name), ["QNAME", "255 characters"]),
        (with(0, "a\0b"), ["NUL", "text"]),
        (with(1, "65536"), ["FLAG", "0 to 65535"]),
        (with(1, "-1"), ["FLAG", "0 to 65535"]),
        (with(1, "0x10"), ["FLAG", "leading zero"]),
        (with(1, ""), ["FLAG", "0 to 65535"]),
        (with(2, "chr9"), ["RNAME", "\"chr9\" (the header"]),
        (with(2, "="), ["RNAME", "@SQ"]),
        (with(3, "2147483648"), ["POS", "0 to 2147483647"]),
        (with(3, "-1"), ["POS", "0 to 2147483647"]),
        (with(3, "18446744073709551617"), ["POS", "0 to 2147483647"]),
        (with(3, "1.5"), ["POS", "1.5"]),
        (with(4, "256"), ["MAPQ", "0 to 255"]),
        (with(5, "4"), ["CIGAR", "without its operation"]),
        (with(5, ""), ["CIGAR", "without its operation"]),
        (with(5, "M"), ["CIGAR", "without its length"]),
        (with(5, "4B"), ["CIGAR", "MIDNSHP=X"]),
        (with(5, "4M*"), ["CIGAR", "without its length"]),
        (with(5, "268435456M"), ["CIGAR", "2^28"]),
        (with(5, "99999999999999999999M"), ["CIGAR", "2^28"]),
        (with(5, "5M"), ["CIGAR", "covers 5 bases of a sequence of 4"]),
        (with(6, "chr9"), ["RNEXT", "chr9"]),
        (with(7, "x"), ["PNEXT", "0 to 2147483647"]),
        (with(8, "2147483648"), ["TLEN", "32 bits"]),
        (with(8, "9e9"), ["TLEN", "not a whole number"]),
        (with(9, "AC-T"), ["SEQ", "AC-T"]),
        (with(9, "AC1T"), ["SEQ", "AC1T"]),
        (with(9, "ACG"), ["CIGAR", "covers 4 bases of a sequence of 3"]),
        (with(10, "III"), ["QUAL", "3 qualities for a sequence of 4"]),
        (with(10, ""), ["QUAL", "0 qualities"]),
        (with(10, "II I"), ["QUAL", "'!' to '~'"]),
        (with(9, "*"), ["QUAL", "4 qualities for a sequence of 0"]),
        (tagged("NM"), ["tags", "not a tag"]),
        (tagged("NM:i"), ["tags", "not a tag"]),
        (tagged("\tNM:i:1"), ["tags", "not a tag"]),
        (tagged("N é:i:1"), ["tags", "not a tag"]),
        (tagged("NM:i:"), ["tag NM", "whole number"]),
        (tagged("NM:i:1x"), ["tag NM", "NM:i:1x"]),
        (tagged("NM:i:4294967296"), ["tag NM", "32 bits"]),
        (tagged("NM:i:-2147483649"), ["tag NM", "32 bits"]),
        (tagged("NM:i:99999999999999999999"), ["tag NM", "32 bits"]),
        (tagged("XA:A:"), ["tag XA", "one printable"]),
        (tagged("XA:A:ab"), ["tag XA", "one printable"]),
        (tagged("XF:f:1,5"), ["tag XF", "not a number"]),
        (tagged("XH:H:1AE"), ["tag XH", "pairs"]),
        (tagged("XH:H:1G"), ["tag XH", "pairs"]),
        (tagged("XC:C:1"), ["tag XC", "'C' is not"]),
        (tagged("XB:B:"), ["tag XB", "array"]),
        (tagged("XB:B:c1"), ["tag XB", "array"]),
        (tagged("XB:B:c,"), ["tag XB", "whole number"]),
        (tagged("XB:B:A,1"), ["tag XB", "'A' is not an array's"]),
        (tagged("XB:B:I,-1,4294967295"), ["tag XB", "32 bits"]),
        (tagged("XB:B:f,x"), ["tag XB", "not a number"]),
    ] {
        let e = fails(format!("{HEADER}{LINE}\n{line}\n{LINE}\n"), &parts);
        assert!(e.is_corrupt() && e.to_string().contains("line 8: byte"), "{e}");
    }
}

/// Row 21: in the tag `CG`, as BAM keeps it.
#[test]
fn more_operations_than_the_field_holds() {
    let cigar = "1M1I".repeat(40_000);
    let line = format!("r\t0\tchr1\t100\t60\t{cigar}\t*\t0\t0\t*\t*\tNM:i:1");
    let batch = rows(&line).unwrap();
    assert_eq!(text(&batch), format!("{line}\n"));
    assert_eq!(shown(&batch.project(&[4]).unwrap()), ["40099"]);
    let contigs = ["chr1"].into_iter().collect();
    let mut out = Vec::new();
    parse_line(line.as_bytes(), &contigs, &mut out).unwrap();
    let record = crate::alignment::Record::new(&out, 1).unwrap();
    assert_eq!(out[12..14], [2, 0]);
    assert_eq!(record.tags().last().unwrap().unwrap().key, *b"CG");
    assert!(record.has_long_cigar().unwrap());
    let e = fails(format!("{HEADER}{line}\tCG:Z:x"), &["CIGAR", "CG"]);
    assert!(e.is_unsupported());
    let far = format!("r\t0\tchr1\t1\t60\t{}268435455N\t*\t0\t0\t*\t*", "1M1I".repeat(40_000));
    assert!(fails(format!("{HEADER}{far}"), &["CIGAR", "2^28"]).is_unsupported());
}

/// The bins of SAMv1 §5.3, as htslib computes them.
#[test]
fn bins() {
    let bin = |line: &str| {
        let contigs = ["chr1"].into_iter().collect();
        let mut out = Vec::new();
        let _ = parse_line(line.as_bytes(), &contigs, &mut out).unwrap();
        u16::from_le_bytes([out[10], out[11]])
    };
    let placed = |pos: &str, cigar: &str| bin(&format!("r\t0\tchr1\t{pos}\t0\t{cigar}\t*\t0\t0\t*\t*"));
    assert_eq!((placed("1", "1M"), placed("16384", "1M"), placed("16385", "1M")), (4681, 4681, 4682));
    assert_eq!((placed("16384", "2M"), placed("131072", "2M"), placed("67108864", "2M")), (585, 73, 0));
    assert_eq!((placed("16385", "5S"), placed("8388608", "2M")), (4682, 1));
    // Without a position, and unmapped, whatever the CIGAR says.
    assert_eq!(bin("r\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*"), 4680);
    assert_eq!(bin("r\t4\tchr1\t16384\t0\t9M\t*\t0\t0\t*\t*"), 4681);
}

#[test]
fn headers() {
    let bare = "r\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n";
    let opened = open(bare).unwrap();
    assert_eq!((opened.dataset.header_text(), opened.scan(|_| {}).unwrap().num_rows()), (Some(""), 1));
    assert!(opened.dataset.contigs().is_none() && !opened.dataset.names_every_contig());
    fails(LINE, &["line 1", "RNAME", "no @SQ lines", "\"chr1\""]);
    for only in [HEADER, HEADER.trim_end(), "@HD\tVN:1.6"] {
        let opened = open(only).unwrap();
        assert_eq!(opened.scan(|r| r.partitions = 3).unwrap().num_rows(), 0);
        assert_eq!(opened.dataset.header_text().map(str::trim_end), Some(only.trim_end()));
    }
    for (header, parts) in [
        ("@SQ\tSN:a\tLN:1\n@SQ\tLN:2\tSN:a\n", ["line 2", "SN", "second"]),
        ("@SQ\tSN:a\n", ["line 1", "@SQ", "without LN"]),
        ("@HD\tVN:1\n@SQ\tLN:5\n", ["line 2", "@SQ", "without SN"]),
        ("@SQ\tSN:\tLN:5\n", ["line 1", "@SQ", "without SN"]),
        ("@SQ\tSN:a\tLN:-5\n", ["line 1", "LN", "\"-5\""]),
        ("@SQ\tSN:a\tLN:9223372036854775808\n", ["line 1", "LN", "length"]),
        ("@SQ\tSN:*\tLN:5\n", ["line 1", "SN", "name"]),
        ("@read1\nACGT\n+\nIIII\n", ["line 1", "not a header line", "@read1"]),
        ("@CO\tx\n@\n", ["line 2", "not a header line", ""]),
        ("", ["empty", "no SAM header", ""]),
    ] {
        assert!(fails(header, &parts).is_corrupt());
    }
    fails(b"@CO\t\xff\n", &["line 1", "UTF-8"]);
    assert!(fails(b"BAM\x01\0\0\0\0\0\0", &["BAM"]).is_unsupported());
    assert!(fails(b"@\0H\0D\0\t\0", &["UTF-16"]).is_unsupported());
    let limits = Limits { contigs: 2, ..Limits::default() };
    assert!(SamHeader::parse(HEADER.as_bytes(), &limits).unwrap_err().is_limit());
    let mut options = OpenOptions::default();
    options.limits.header_bytes = 1000;
    let long = format!("{HEADER}@CO\t{}\n", "x".repeat(1 << 20));
    assert!(testing::open(&Sam, long, None, &options).err().unwrap().is_limit());
}

#[test]
fn told_from_fastq() {
    for sam in [
        HEADER.to_owned(),
        "@CO\tx".to_owned(),
        format!("@SQ\tSN:a\tLN:1\n{LINE}\n+{LINE}\n"),
        "\u{feff}@PG\tID:x\n".to_owned(),
        "@HD\tVN:1.6\r\n@CO\t\r\n+\t\r\n".to_owned(),
    ] {
        assert!(Sam.sniff(sam.as_bytes()) && !Fastq.sniff(sam.as_bytes()), "{sam}");
    }
    for fastq in ["@SQ\tSN:a\nACGT\n+\nIIII\n", "@CO\tx\nA\n+\nI\n", "@r\nA\n+\nI\n", "@HD\n\n+\n\n"] {
        assert!(Fastq.sniff(fastq.as_bytes()) && !Sam.sniff(fastq.as_bytes()), "{fastq}");
    }
    for neither in ["", "@", "@SQ", "@SQ\t", "@SQ\tx y", "@XX\tab:", LINE] {
        assert!(!Sam.sniff(neither.as_bytes()) && !Fastq.sniff(neither.as_bytes()), "{neither}");
    }
    assert_eq!(by_name("a.sam.gz").map(|f| f.id()), Some(Sam::ID));
}
