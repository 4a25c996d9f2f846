//! Columns and values; `input`: bad files, by the rows of the project's list; `scans`: however a file is read;
//! `requests`: over a far storage; `round_trip`: random records; `damage`: cuts, flipped bits and mutations; `write`: files written and read back.

mod damage;
mod input;
mod requests;
mod round_trip;
mod scans;
mod write;

use arrow::array::{Array, RecordBatch};

use super::Bam;
use crate::error::{Error, Result};
use crate::scan::{Limits, OpenOptions, ScanRequest};
use crate::schema;
use crate::testing::index::{Gaps, Placed, bai, virtual_offset};
use crate::testing::{self, Opened, bgzf, shown};

/// A record, field by field; positions are 0-based as BAM stores them.
#[derive(Debug, Clone, PartialEq)]
struct Rec {
    name: String,
    flag: u16,
    contig: i32,
    pos: i32,
    mapq: u8,
    cigar: Vec<(u32, char)>,
    mate: (i32, i32),
    tlen: i32,
    seq: String,
    qual: Option<Vec<u8>>,
    tags: Vec<u8>,
}

impl Default for Rec {
    fn default() -> Self {
        Self {
            name: "r".into(),
            flag: 0,
            contig: 0,
            pos: 99,
            mapq: 60,
            cigar: vec![(4, 'M')],
            mate: (-1, -1),
            tlen: 0,
            seq: "ACGT".into(),
            qual: Some(vec![30, 31, 32, 33]),
            tags: Vec::new(),
        }
    }
}

const CIGAR: &str = "MIDNSHP=X";
const BASES: &str = "=ACMGRSVTWYHKDBN";

/// Where fields lie in a record's bytes, behind its `block_size`.
const REF_ID: usize = 4;
const POS: usize = 8;
const L_READ_NAME: usize = 12;
const N_CIGAR: usize = 16;
const L_SEQ: usize = 20;
const NEXT_REF: usize = 24;
const NEXT_POS: usize = 28;
const NAME: usize = 36;

fn packed_cigar(ops: &[(u32, char)]) -> Vec<u8> {
    ops.iter().flat_map(|(len, op)| (len << 4 | CIGAR.find(*op).unwrap() as u32).to_le_bytes()).collect()
}

impl Rec {
    /// Unmapped, without a place, sequence and qualities.
    fn bare() -> Self {
        let empty = Self { cigar: vec![], seq: String::new(), qual: None, ..Self::default() };
        Self { flag: 4, contig: -1, pos: -1, mapq: 0, ..empty }
    }

    fn at(contig: i32, pos: i32) -> Self {
        Self { name: format!("{contig}:{pos}"), contig, pos, ..Self::default() }
    }

    fn tag(mut self, key: &str, kind: u8, value: &[u8]) -> Self {
        self.tags.extend(key.as_bytes());
        self.tags.push(kind);
        self.tags.extend(value);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend([self.contig, self.pos].map(i32::to_le_bytes).concat());
        out.extend([self.name.len() as u8 + 1, self.mapq, 0, 0]);
        out.extend([self.cigar.len() as u16, self.flag].map(u16::to_le_bytes).concat());
        let numbers = [self.seq.len() as i32, self.mate.0, self.mate.1, self.tlen];
        out.extend(numbers.map(i32::to_le_bytes).concat());
        out.extend(self.name.as_bytes());
        out.push(0);
        out.extend(packed_cigar(&self.cigar));
        let bases: Vec<u8> = self.seq.chars().map(|b| BASES.find(b).unwrap() as u8).collect();
        out.extend(bases.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)));
        out.extend(self.qual.clone().unwrap_or_else(|| vec![0xff; self.seq.len()]));
        out.extend(&self.tags);
        let size = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&size.to_le_bytes());
        out
    }

    /// First base and the one after the last, 0-based, as an index places it.
    fn span(&self) -> (i64, i64) {
        let covered = self.cigar.iter().filter(|(_, op)| "MDN=X".contains(*op)).map(|(n, _)| i64::from(*n)).sum();
        let length = if self.flag & 4 != 0 { 1 } else { std::cmp::max(covered, 1) };
        (self.pos.into(), i64::from(self.pos) + length)
    }

    /// Its line of SAM text, without tags.
    fn sam(&self, contigs: &[(&str, i32)]) -> String {
        let contig = |id: i32| usize::try_from(id).map_or("*", |id| contigs[id].0);
        let or_star = |t: String| if t.is_empty() { "*".to_owned() } else { t };
        let next = match self.mate.0 {
            id if id == self.contig && id >= 0 => "=",
            id => contig(id),
        };
        let cigar = self.cigar.iter().map(|(n, op)| format!("{n}{op}")).collect();
        let qual = self.qual.iter().flatten().map(|q| char::from(q + b'!')).collect();
        [
            or_star(self.name.clone()),
            self.flag.to_string(),
            contig(self.contig).to_owned(),
            (i64::from(self.pos) + 1).to_string(),
            self.mapq.to_string(),
            or_star(cigar),
            next.to_owned(),
            (i64::from(self.mate.1) + 1).to_string(),
            self.tlen.to_string(),
            or_star(self.seq.clone()),
            or_star(qual),
        ]
        .join("\t")
    }
}

const CONTIGS: [(&str, i32); 3] = [("chr1", 248_956_422), ("chr2", 1000), ("HLA:01:02", 5000)];

fn header(text: &str, contigs: &[(&str, i32)]) -> Vec<u8> {
    let mut out = b"BAM\x01".to_vec();
    out.extend((text.len() as i32).to_le_bytes());
    out.extend(text.as_bytes());
    out.extend((contigs.len() as i32).to_le_bytes());
    for (name, length) in contigs {
        out.extend((name.len() as i32 + 1).to_le_bytes());
        out.extend([name.as_bytes(), b"\0"].concat());
        out.extend(length.to_le_bytes());
    }
    out
}

fn text(contigs: &[(&str, i32)]) -> String {
    contigs.iter().map(|(name, length)| format!("@SQ\tSN:{name}\tLN:{length}\n")).collect()
}

/// The inflated bytes of a file with the usual header.
fn raw(records: &[Vec<u8>]) -> Vec<u8> {
    let mut out = header(&text(&CONTIGS), &CONTIGS);
    out.extend(records.concat());
    out
}

fn file(records: &[Rec]) -> Vec<u8> {
    raw(&records.iter().map(Rec::bytes).collect::<Vec<_>>())
}

/// The file in blocks of `block_len`, and its BAI.
fn indexed(records: &[Rec], block_len: usize) -> (Vec<u8>, Vec<u8>) {
    let bytes = file(records);
    let stored = bgzf(&bytes, block_len);
    let mut at = header(&text(&CONTIGS), &CONTIGS).len();
    let mut placed = Vec::new();
    for r in records {
        let stop = at + r.bytes().len();
        let ((start, end), offset) = (r.span(), |n| virtual_offset(&stored, block_len, n));
        if let Ok(contig) = usize::try_from(r.contig) {
            placed.push(Placed { contig, start, end, at: offset(at), stop: offset(stop) });
        }
        at = stop;
    }
    let unplaced = records.iter().filter(|r| r.contig < 0).count() as u64;
    let index = bai(CONTIGS.len(), &placed, unplaced, Gaps::Filled);
    (stored, index)
}

fn open(inflated: &[u8]) -> Result<Opened> {
    testing::open(&Bam, bgzf(inflated, 60_000), None, &OpenOptions::default())
}

fn read(records: &[Rec]) -> Result<RecordBatch> {
    open(&file(records))?.scan(|_| {})
}

/// Rows of the columns named, with spaces between them.
fn columns(batch: &RecordBatch, names: &str) -> Vec<String> {
    let indices: Vec<_> = names.split(' ').map(|n| batch.schema().index_of(n).unwrap()).collect();
    shown(&batch.project(&indices).unwrap())
}

/// Opening or reading fails, with an error that names all of `parts` and the file.
#[track_caller]
fn fails(inflated: &[u8], parts: &[&str]) -> Error {
    let e = match open(inflated).and_then(|opened| opened.scan(|_| {})) {
        Ok(batch) => panic!("{} rows where an error is due", batch.num_rows()),
        Err(e) => e,
    };
    for part in parts.iter().chain(&["memory:///data", "virtual offset"]) {
        assert!(e.to_string().contains(part), "{part} is not in: {e}");
    }
    assert!(e.is_corrupt() || e.is_limit(), "{e:?}");
    e
}

/// `record`'s bytes with some replaced.
fn patched(record: &Rec, at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = record.bytes();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn warnings(opened: &Opened) -> Vec<String> {
    opened.metrics.warnings().iter().map(|(what, n)| format!("{n} {what}")).collect()
}

#[test]
fn columns_and_their_meaning() {
    let batch = read(&[Rec::default().tag("NM", b'C', &[3]).tag("xf", b'f', &1.5f32.to_le_bytes())]).unwrap();
    let schema = batch.schema();
    let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let fixed = "qname flag rname pos end mapq cigar rnext pnext tlen seq qual";
    assert_eq!(names.join(" "), format!("{fixed} tag_nm tag_xf tags"));
    let ty = |name: &str| schema.field_with_name(name).unwrap().data_type().to_string();
    assert_eq!((ty("flag"), ty("mapq"), ty("tlen")), ("UInt16".into(), "UInt8".into(), "Int32".into()));
    assert_eq!((ty("pos"), ty("tag_nm"), ty("tag_xf")), ("Int64".into(), "Int64".into(), "Float32".into()));
    let meta = |name: &str, key: &str| schema.field_with_name(name).unwrap().metadata()[key].clone();
    assert_eq!((meta("pos", schema::BASE), meta("end", schema::ROLE)), ("1".into(), "end".into()));
    assert_eq!((meta("tag_xf", schema::KEY), meta("tag_nm", schema::TYPE)), ("xf".into(), "i".into()));
}

#[test]
fn values_and_what_is_missing() {
    let records = [
        Rec { mate: (1, 499), tlen: -7, flag: 16, ..Rec::default() },
        Rec::bare(),
        Rec { name: "*".into(), ..Rec::bare() },
        Rec { qual: None, seq: "ACGTN".into(), cigar: vec![(2, 'S'), (3, '=')], ..Rec::default() },
        // Placed but unmapped; a mate at its own place.
        Rec { flag: 5, mate: (2, 9), contig: 2, pos: 9, cigar: vec![], ..Rec::default() },
        // A contig without a position, and a position without a contig.
        Rec { pos: -1, ..Rec::default() },
        Rec { contig: -1, pos: 41, ..Rec::default() },
        Rec { mapq: 255, seq: String::new(), qual: None, ..Rec::default() },
    ];
    let expected = [
        "r 16 chr1 100 103 60 4M chr2 500 -7 ACGT ?@AB {}",
        "r 4 ∅ ∅ ∅ 0 ∅ ∅ ∅ 0 ∅ ∅ {}",
        "∅ 4 ∅ ∅ ∅ 0 ∅ ∅ ∅ 0 ∅ ∅ {}",
        "r 0 chr1 100 102 60 2S3= ∅ ∅ 0 ACGTN ∅ {}",
        "r 5 HLA:01:02 10 10 60 ∅ HLA:01:02 10 0 ACGT ?@AB {}",
        "r 0 chr1 ∅ ∅ 60 4M ∅ ∅ 0 ACGT ?@AB {}",
        "r 0 ∅ 42 45 60 4M ∅ ∅ 0 ACGT ?@AB {}",
        "r 0 chr1 100 103 255 4M ∅ ∅ 0 ∅ ∅ {}",
    ];
    assert_eq!(shown(&read(&records).unwrap()), expected);
}

/// As htslib's `bam_endpos`: at least one base, and none but the first for an unmapped read.
#[test]
fn ends() {
    let end = |flag, cigar: &[(u32, char)]| {
        let bases = cigar.iter().filter(|(_, op)| "MIS=X".contains(*op)).map(|(n, _)| *n as usize).sum();
        let record = Rec { flag, cigar: cigar.to_vec(), seq: "A".repeat(bases), qual: None, ..Rec::default() };
        columns(&read(&[record]).unwrap(), "end").concat()
    };
    assert_eq!(end(0, &[(4, 'M')]), "103");
    assert_eq!(
        end(0, &[(5, 'H'), (2, 'S'), (1, 'M'), (3, 'I'), (2, 'D'), (7, 'N'), (1, 'P'), (2, '='), (1, 'X')]),
        "112"
    );
    assert_eq!(end(0, &[]), "100");
    assert_eq!(end(0, &[(4, 'S')]), "100");
    assert_eq!(end(4, &[(4, 'M')]), "100");
    assert_eq!(end(0, &[(1 << 27, 'N'), (1 << 27, 'N')]), (99 + (1i64 << 28)).to_string());
}

#[test]
fn tags_of_all_types() {
    let array = |kind: u8, n: u32, elements: &[u8]| [&[kind][..], &n.to_le_bytes(), elements].concat();
    let first = Rec::default()
        .tag("XA", b'A', b"q")
        .tag("Xc", b'c', &[0x80])
        .tag("XC", b'C', &[0xff])
        .tag("Xs", b's', &i16::MIN.to_le_bytes())
        .tag("XS", b'S', &u16::MAX.to_le_bytes())
        .tag("Xi", b'i', &i32::MIN.to_le_bytes())
        .tag("XI", b'I', &u32::MAX.to_le_bytes())
        .tag("Xf", b'f', &0.1f32.to_le_bytes())
        .tag("XZ", b'Z', b"a b:c\0")
        .tag("XH", b'H', b"1AE3\0")
        .tag("B0", b'B', &array(b'c', 2, &[0x80, 0x7f]))
        .tag("B1", b'B', &array(b'S', 1, &[0xff, 0xff]))
        .tag("B2", b'B', &array(b'I', 1, &[0xff; 4]))
        .tag("B3", b'B', &array(b'f', 2, &[0.5f32, -1.0].map(f32::to_le_bytes).concat()))
        .tag("B4", b'B', &array(b'i', 0, b""))
        .tag("XE", b'Z', b"\0");
    let batch = read(&[first, Rec::default()]).unwrap();
    let typed = "tag_xa tag_Xc tag_xc tag_Xs tag_xs tag_Xi tag_xi tag_xf tag_xz tag_xh";
    let arrays = "tag_b0 tag_b1 tag_b2 tag_b3 tag_b4 tag_xe";
    let values = "q -128 255 -32768 65535 -2147483648 4294967295 0.1 a b:c 1AE3";
    // Of two keys that differ in case, the upper-case one owns the lower-case name.
    assert_eq!(columns(&batch, typed), [values, "∅ ∅ ∅ ∅ ∅ ∅ ∅ ∅ ∅ ∅"]);
    assert_eq!(columns(&batch, arrays), ["[-128, 127] [65535] [4294967295] [0.5, -1.0] [] ", "∅ ∅ ∅ ∅ ∅ ∅"]);
    let map = "{XA: A:q, Xc: i:-128, XC: i:255, Xs: i:-32768, XS: i:65535, Xi: i:-2147483648, XI: i:4294967295, \
               Xf: f:0.1, XZ: Z:a b:c, XH: H:1AE3, B0: B:c,-128,127, B1: B:S,65535, B2: B:I,4294967295, \
               B3: B:f,0.5,-1, B4: B:i, XE: Z:}";
    assert_eq!(columns(&batch, "tags"), [map, "{}"]);
}

/// A tag has the type of the file's first records, told where it is not the specification's; text where they differ. Another
/// type later on is an error where the column is read, and nowhere else.
#[test]
fn a_tag_of_another_type() {
    let text = Rec::default().tag("NM", b'Z', b"3\0").tag("Xa", b'i', &[1, 0, 0, 0]);
    let mixed = Rec::default().tag("NM", b'Z', b"4\0").tag("Xa", b'f', &0.5f32.to_le_bytes());
    let stored = file(&[text.clone(), mixed.clone(), Rec::default()]);
    let opened = open(&stored).unwrap();
    let batch = opened.scan(|_| {}).unwrap();
    assert_eq!(columns(&batch, "tag_nm tag_xa"), ["3 1", "4 0.5", "∅ ∅"]);
    assert_eq!(columns(&batch, "tags"), ["{NM: Z:3, Xa: i:1}", "{NM: Z:4, Xa: f:0.5}", "{}"]);
    let told = opened.dataset.plan(&ScanRequest::all(vec![0])).unwrap().warnings;
    assert!(told.len() == 2 && told[0].contains("the tag NM has values of another type"), "{told:?}");

    let limits = Limits { sampled_records: 1, ..Limits::default() };
    let options = OpenOptions { limits, ..OpenOptions::default() };
    let opened = testing::open(&Bam, bgzf(&stored, 99), None, &options).unwrap();
    let e = opened.scan(|_| {}).unwrap_err().to_string();
    assert!(e.contains("record 2: tag Xa: its type is 'f' where the column holds Int"), "{e}");
    let others = opened.scan(|r| r.projection.truncate(12)).unwrap();
    assert_eq!(others.num_rows(), 3);
}

#[test]
fn tags_that_are_asked_for() {
    let options = OpenOptions {
        columns: ["tag_nm", "tag_zz", "tag_x", "tag_xyz", "attr_ab"].map(String::from).into(),
        ..OpenOptions::default()
    };
    let opened = testing::open(&Bam, bgzf(&file(&[Rec::default()]), 99), None, &options).unwrap();
    let schema = opened.dataset.schema();
    let names: Vec<_> = schema.fields().iter().skip(12).map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    assert_eq!(names[..2], ["tag_nm Int64", "tag_zz Utf8View"]);
    assert_eq!(names.len(), 3);
    assert!(opened.scan(|_| {}).unwrap().column(12).is_null(0));
}

#[test]
fn the_only_sample() {
    let sample = |groups: &str| {
        let mut bytes = header(groups, &CONTIGS);
        bytes.extend(Rec::default().bytes());
        open(&bytes).unwrap().dataset.sample()
    };
    assert_eq!(sample("@RG\tID:a\tSM:s\n@RG\tID:b\tSM:s\n"), Some("s".to_owned()));
    assert_eq!((sample("@RG\tID:a\tSM:s\n@RG\tID:b\tSM:t\n"), sample("")), (None, None));
}
