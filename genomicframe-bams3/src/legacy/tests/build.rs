//! Datasets as the two programs write them.

use std::fmt::Write;

use genomicframe_core::alignment::Record;
use genomicframe_core::alignment::record::frame;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::*;

pub(super) const OPS: &str = "MIDNSHP=X";
const CHUNK: i64 = 1 << 20;
pub(super) const FLAVOURS: [Flavour; 5] =
    [Flavour::PythonJson, Flavour::GoJson, Flavour::GoJsonStdin, Flavour::GoBinary, Flavour::GoBinaryStdin];
pub(super) const CONTIGS: [&str; 3] = ["chr1", "unmapped", "chr2"];

/// A SAM record, without its mate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read {
    pub(super) name: String,
    pub(super) flag: u16,
    pub(super) contig: i32,
    /// From 0.
    pub(super) pos: i64,
    pub(super) mapq: u8,
    pub(super) cigar: String,
    pub(super) seq: String,
    pub(super) qual: String,
    /// Name, type and text, as SAM has them.
    pub(super) tags: Vec<(String, char, String)>,
}

impl Read {
    pub(super) fn new(name: &str, contig: i32, pos: i64, cigar: &str, seq: &str, qual: &str) -> Self {
        let (name, cigar) = (name.to_owned(), cigar.to_owned());
        let flag = if contig < 0 { 4 } else { 0 };
        Self { name, flag, contig, pos, mapq: 60, cigar, seq: seq.to_owned(), qual: qual.to_owned(), tags: vec![] }
    }

    pub(super) fn tag(mut self, key: &str, kind: char, text: &str) -> Self {
        self.tags.push((key.to_owned(), kind, text.to_owned()));
        self
    }

    pub(super) fn flag(mut self, flag: u16) -> Self {
        self.flag = flag;
        self
    }

    pub(super) fn ops(&self) -> Vec<(u32, u32)> {
        let mut ops = vec![];
        let mut n = 0;
        for c in self.cigar.chars().filter(|c| *c != '*') {
            match c.to_digit(10) {
                Some(d) => n = n * 10 + d,
                None => ops.push((std::mem::take(&mut n), OPS.find(c).unwrap() as u32)),
            }
        }
        ops
    }
}

/// What the Go program's BAM library prints of a tag; a stream's is SAM's text.
fn go_text(kind: char, text: &str, stdin: bool) -> String {
    match kind {
        'H' if !stdin => text.bytes().map(|b| format!("{b:02X}")).collect(),
        'B' if !stdin => format!("{}:[{}]", &text[..1], text[1..].trim_start_matches(',').replace(',', " ")),
        _ => text.to_owned(),
    }
}

/// Qualities of a file whose reads have none are wrapped to spaces.
fn go_qual(read: &Read, stdin: bool) -> String {
    match (read.qual.as_str(), stdin, read.seq.as_str()) {
        ("*", false, "*") => String::new(),
        ("*", false, seq) => " ".repeat(seq.len()),
        (qual, ..) => qual.to_owned(),
    }
}

pub(super) fn binary_record(read: &Read, stdin: bool) -> Vec<u8> {
    let ops = if stdin { vec![] } else { read.ops() };
    let seq = if read.seq == "*" && !stdin { "" } else { &read.seq };
    let mut out = vec![0; 4];
    for n in [read.name.len(), seq.len(), ops.len(), read.tags.len()] {
        out.extend((n as u16).to_le_bytes());
    }
    out.extend(read.name.bytes());
    out.extend(read.contig.to_le_bytes());
    out.extend(((read.pos + i64::from(stdin)) as i32).to_le_bytes());
    out.push(read.mapq);
    out.extend(read.flag.to_le_bytes());
    out.extend(ops.iter().flat_map(|(len, op)| (len << 4 | op).to_le_bytes()));
    let code = |b: &u8| match b {
        b'A' => 1,
        b'C' => 2,
        b'G' => 4,
        b'T' => 8,
        b'N' => 15,
        _ => 0u8,
    };
    out.extend(seq.as_bytes().chunks(2).map(|p| code(&p[0]) << 4 | p.get(1).map_or(0, code)));
    out.extend(go_qual(read, stdin).bytes());
    for (key, kind, text) in &read.tags {
        out.extend(format!("{key}Z{}\0", go_text(*kind, text, stdin)).bytes());
    }
    let size = out.len() as u32;
    out[..4].copy_from_slice(&size.to_le_bytes());
    out
}

pub(super) fn binary_chunk(records: &[Vec<u8>], zstd: bool) -> Vec<u8> {
    let mut out = b"3MAB\0\x02".to_vec();
    out.extend(u16::from(zstd).to_le_bytes());
    out.extend((records.len() as u32).to_le_bytes());
    out.extend([0; 4]);
    out.extend(records.concat());
    if zstd { zstd::encode_all(&out[..], 3).unwrap() } else { out }
}

/// As Go's encoder does: nothing where a value is zero, and three characters escaped.
fn go_json(read: &Read, stdin: bool) -> String {
    let pos = read.pos + i64::from(stdin);
    let seq = if read.seq == "*" && !stdin { "" } else { &read.seq };
    let qual = go_qual(read, stdin);
    let mut fields = vec![("name", json!(read.name)), ("flag", json!(read.flag))];
    let numbers = |names: [&'static str; 3]| {
        let values = [i64::from(read.contig), pos, i64::from(read.mapq)];
        names.into_iter().zip(values).filter(|(_, v)| *v != 0).map(|(k, v)| (k, json!(v)))
    };
    let texts = |names: [&'static str; 2]| {
        names.into_iter().zip([seq, &qual]).filter(|(_, v)| !v.is_empty()).map(|(k, v)| (k, json!(v)))
    };
    fields.extend(numbers(["reference_id", "position", "mapping_quality"]));
    fields.push(("cigar", json!(read.cigar)));
    let ops: Vec<Value> = read.ops().iter().map(|(len, op)| json!({"Type": op, "Length": len})).collect();
    if !ops.is_empty() && !stdin {
        fields.push(("cigar_ops", json!(ops)));
    }
    fields.extend(texts(["sequence", "quality"]));
    if !read.tags.is_empty() {
        let tags = read.tags.iter().map(|(key, kind, text)| (key.clone(), json!(go_text(*kind, text, stdin))));
        fields.push(("tags", Value::Object(tags.collect())));
    }
    fields.extend(numbers(["ref", "pos", "mapq"]));
    fields.extend(texts(["seq", "qual"]));
    let fields: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
    let text = format!("{{{}}}", fields.join(","));
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn python_record(read: &Read) -> String {
    let pos = if read.flag & 4 != 0 { -1 } else { read.pos };
    let cigar = if read.cigar == "*" { Value::Null } else { json!(read.cigar) };
    format!(
        "{{\"name\": {}, \"flag\": {}, \"ref\": {}, \"pos\": {pos}, \"mapq\": {}, \
         \"cigar\": {cigar}, \"seq\": {}, \"qual\": {}}}",
        json!(read.name),
        read.flag,
        read.contig,
        read.mapq,
        json!(read.seq),
        json!(read.qual)
    )
}

/// Its fields in the order that the checksum has them.
fn python_sorted(read: &Read) -> String {
    let pos = if read.flag & 4 != 0 { -1 } else { read.pos };
    let cigar = if read.cigar == "*" { Value::Null } else { json!(read.cigar) };
    format!(
        "{{\"cigar\": {cigar}, \"flag\": {}, \"mapq\": {}, \"name\": {}, \
         \"pos\": {pos}, \"qual\": {}, \"ref\": {}, \"seq\": {}}}",
        read.flag,
        read.mapq,
        json!(read.name),
        json!(read.qual),
        read.contig,
        json!(read.seq)
    )
}

pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut s, b| {
        write!(s, "{b:02x}").unwrap();
        s
    })
}

/// A chunk's object and its checksum.
pub(super) fn object(flavour: Flavour, reads: &[&Read]) -> (Vec<u8>, String) {
    let stdin = flavour.is_stdin();
    let bytes = match flavour {
        Flavour::PythonJson => {
            let sorted: String = reads.iter().map(|r| python_sorted(r)).collect();
            let records: Vec<String> = reads.iter().map(|r| python_record(r)).collect();
            return (format!("[{}]", records.join(", ")).into_bytes(), hex(sorted.as_bytes()));
        }
        Flavour::GoJson | Flavour::GoJsonStdin => {
            let records: Vec<String> = reads.iter().map(|r| go_json(r, stdin)).collect();
            format!("[{}]", records.join(",")).into_bytes()
        }
        _ => binary_chunk(&reads.iter().map(|r| binary_record(r, stdin)).collect::<Vec<_>>(), true),
    };
    let checksum = hex(&bytes);
    (bytes, checksum)
}

#[derive(Debug, Clone)]
pub(super) struct Dataset {
    pub(super) metadata: Value,
    pub(super) header: Value,
    pub(super) objects: BTreeMap<String, Vec<u8>>,
}

impl Dataset {
    pub(super) fn new(flavour: Flavour, reads: &[Read]) -> Self {
        let (python, stdin) = (flavour == Flavour::PythonJson, flavour.is_stdin());
        let mut groups: BTreeMap<Option<(i32, i64)>, Vec<&Read>> = BTreeMap::new();
        for read in reads {
            let unplaced = if python { read.flag & 4 != 0 } else { read.contig < 0 };
            let start = (read.pos + i64::from(stdin)) / CHUNK * CHUNK;
            groups.entry((!unplaced).then_some((read.contig, start))).or_default().push(read);
        }
        let (mut objects, mut chunks) = (BTreeMap::new(), vec![]);
        for (place, reads) in groups {
            let (reference, start, end, path) = match place {
                None => ("unmapped", 0, 0, "data/unmapped.chunk".to_owned()),
                Some((contig, start)) => {
                    let (name, end) = (CONTIGS[contig as usize], start + CHUNK);
                    (name, start, end, format!("data/{name}/{start:09}-{end:09}.chunk"))
                }
            };
            let (bytes, checksum) = object(flavour, &reads);
            chunks.push(json!({
                "path": path, "reference": reference, "start": start, "end": end, "reads": reads.len(),
                "size_bytes": bytes.len(),
                "compression": "none", "checksum": checksum, "created": "2026-01-15T15:58:49",
            }));
            objects.insert(path, bytes);
        }
        let binary = matches!(flavour, Flavour::GoBinary | Flavour::GoBinaryStdin);
        let (file, format) = if stdin { ("stdin", "SAM/BAM") } else { ("a.bam", "BAM") };
        let metadata = json!({
            "format": "bams3",
            "version": if python { "0.1.0-poc" } else if binary { "0.2.0" } else { "0.1.0" },
            "created_by": if python { "bams3_converter.py POC" } else { "bams3-go" },
            "source": {"file": file, "format": format},
            "statistics": {"total_reads": reads.len(), "mean_coverage": 0.5},
            "chunks": chunks, "chunk_size": CHUNK, "compression": {"algorithm": "none"},
        });
        let length = |n: u64| if python { json!(n) } else { json!(n.to_string()) };
        let lines: Vec<Value> = CONTIGS.iter().map(|name| json!({"SN": name, "LN": length(5_000_000)})).collect();
        let header = json!({"HD": {"VN": "1.6", "SO": "coordinate"}, "SQ": lines, "RG": null, "CO": null});
        Self { metadata, header, objects }
    }

    pub(super) fn parse(&self) -> LegacyMetadata {
        let header = self.header.to_string().into_bytes();
        parse_metadata(self.metadata.to_string().as_bytes(), Some(&header)).unwrap()
    }

    /// The records of all chunks, and what was warned of.
    pub(super) fn read(&self) -> (Vec<Read>, Vec<String>) {
        let metadata = self.parse();
        let (mut out, mut warnings) = (vec![], vec![]);
        for chunk in &metadata.chunks {
            let before = out.len();
            let summary = decode_chunk(&self.objects[&chunk.path], &metadata, chunk, &mut out).unwrap();
            assert_eq!(summary.rows as usize, reads(&out[before..]).len());
            warnings.extend(summary.warnings.iter().map(|(what, _)| what.to_owned()));
        }
        (reads(&out), warnings)
    }
}

/// BAM's bytes, read by their own parser.
pub(super) fn reads(mut bam: &[u8]) -> Vec<Read> {
    let mut out = vec![];
    while !bam.is_empty() {
        let len = frame(bam, true, 1 << 30).unwrap().unwrap();
        let record = Record::new(&bam[4..len], CONTIGS.len()).unwrap();
        assert_eq!((record.mate_contig(), record.mate_pos(), record.template_length()), (None, None, 0));
        let text = |bytes: Vec<u8>| if bytes.is_empty() { "*".to_owned() } else { String::from_utf8(bytes).unwrap() };
        let mut cigar = vec![];
        record.checked_cigar().unwrap().0.write(&mut cigar).unwrap();
        let letter =
            |i: usize| b"=ACMGRSVTWYHKDBN"[(record.packed_sequence()[i / 2] >> (4 * (1 - i % 2)) & 0xf) as usize];
        let hidden = record.has_long_cigar().unwrap();
        let tags = record.tags().map(Result::unwrap).filter(|tag| !(hidden && tag.key == *b"CG")).map(|tag| {
            let mut shown = vec![];
            tag.write(&mut shown);
            let shown = String::from_utf8(shown).unwrap();
            (String::from_utf8(tag.key.to_vec()).unwrap(), char::from(shown.as_bytes()[0]), shown[2..].to_owned())
        });
        out.push(Read {
            name: text(record.name().to_vec()),
            flag: record.flag(),
            contig: record.contig().map_or(-1, |id| id as i32),
            pos: record.pos().map_or(-1, |pos| pos - 1),
            mapq: record.mapq(),
            cigar: text(cigar),
            seq: text((0..record.sequence_length()).map(letter).collect()),
            qual: text(record.qualities().unwrap_or_default().iter().map(|q| q + b'!').collect()),
            tags: tags.collect(),
        });
        bam = &bam[len..];
    }
    out
}
