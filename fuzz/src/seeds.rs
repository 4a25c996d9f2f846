//! Sound input for each target, made of the files of `tests/data`.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use genomicframe_core::alignment::Record;
use genomicframe_core::bgzf::{Inflater, VirtualOffset, block_size};
use genomicframe_core::formats::bam::{BamHeader, HeaderParser};
use genomicframe_core::genome::{Contig, Contigs};
use genomicframe_core::index::{Chunk, IndexBuilder, IndexKind, Span};
use genomicframe_core::scan::Limits;
use serde_json::json;

use crate::datasets::DATASET;
use crate::harness::{bgzf, gzip};

/// Seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let some = |texts: &[&str]| texts.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>();
    match target {
        "bam" | "bam_as_sam" | "indexed" => vec![bam_of(3), bam_of(9), inflated("header_only.bam")],
        "sam" | "sam_as_sam" => some(&[SAM]),
        "vcf" | "vcf_text" => vec![vcf_text(), lines("header_only.vcf", 99, 1), VCF.into()],
        "gff" | "gff_text" => vec![lines("genes.gff3", 20, 9), GTF.into(), GFF.into()],
        "bed" | "bed_text" => vec![lines("blocks12.bed", 6, 1), lines("panel.bed", 9, 1), lines("targets3.bed", 4, 1)],
        "fastq" | "fastq_text" => {
            vec![lines("reads.fastq", 16, 1), b"@a b\r\nACGT\r\n+a b\r\nIIII\r\n@\n\n+\n\n".into()]
        }
        "detect" => {
            let texts = [SAM, VCF, GFF, GTF, "@a b\nAC\n+\nII\n", "chr1\t0\t9\n"].map(str::as_bytes);
            let stored = |text: &&[u8]| [text.to_vec(), bgzf(text, 60), gzip(text, 60)];
            texts.iter().flat_map(stored).chain([bgzf(&bam_of(3), 9000)]).collect()
        }
        "bgzf_block" => [&b"chr1\t0\t9\n"[..], b"", SAM.as_bytes()]
            .into_iter()
            .flat_map(|text| [crate::harness::bgzf(text, 60_000), read("header_only.bam")])
            .map(|file| first_block(&file).to_vec())
            .collect(),
        "bgzf_deflate" => {
            let files = [read("genes.gff3.gz"), read("header_only.bam"), bgzf(b"chr1\t0\t9\n", 99)];
            files.iter().map(|file| first_block(file)).map(|block| block[18..block.len() - 8].to_vec()).collect()
        }
        "gzip" => vec![
            read("genes.gzip.gff3.gz"),
            gzip(b"chr1\t0\t9\nchr1\t5\t9\n", 9),
            [&gzip(b"x", 9)[..], &[0; 9]].concat(),
        ],
        "bai" => vec![bam_index(IndexKind::Bai)],
        "csi" => vec![inflate(&bam_index(IndexKind::Csi))],
        "tbi" => vec![tbi()],
        "gzi" => vec![gzi()],
        "region" => some(&["chr1", "chr1:1,000-2K", "{chr1}:5", "HLA-A*01:01:5", "*", "chr2:-1.5M", "chr1:7-"]),
        "narrowed" => (0..16).map(|n| (0..40).map(|i| (i * 7 + n * 11 + i * n) as u8).collect()).collect(),
        "bams3_root" => vec![DATASET["_metadata.json"].to_vec()],
        "bams3_index" => vec![DATASET["_index/chunks.arrow"].to_vec()],
        "bams3_chunk" => DATASET.iter().filter(|(key, _)| key.ends_with(".chunk")).map(|(_, b)| b.to_vec()).collect(),
        "legacy_root" => [false, true].map(|binary| legacy(binary).0).into(),
        "legacy_chunk" => [false, true].into_iter().flat_map(|binary| legacy(binary).2).map(|(_, b)| b).collect(),
        _ => Vec::new(),
    }
}

const SAM: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:c\tLN:1000\n@SQ\tSN:HLA:01\tLN:99\n@RG\tID:g\tSM:s\n\
    r\t99\tc\t5\t60\t2S3M1I4N2M\t=\t50\t60\tACGTNACG\tIIII!~#I\tNM:i:1\tRG:Z:g\tXB:B:S,1,2,3\tXA:A:c\tXH:H:1A\tXF:f:1.5\n\
    q\t0\tc\t7\t255\t4M\t*\t0\t0\tACGT\t*\n\
    r\t147\tc\t50\t0\t4M\t=\t5\t-60\t*\t*\tNM:i:-70000\n\
    u\t4\t*\t0\t0\t*\t*\t0\t0\tAC\tII\n";

const VCF: &str = "##fileformat=VCFv4.3\n##contig=<ID=1,length=900>\n##FILTER=<ID=q,Description=\"x\">\n\
    ##INFO=<ID=AF,Number=A,Type=Float,Description=\"x, \\\"y\\\"\">\n##INFO=<ID=DB,Number=0,Type=Flag,Description=\"\">\n\
    ##INFO=<ID=END,Number=1,Type=Integer,Description=\"\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n\
    ##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">\n##FORMAT=<ID=GL,Number=G,Type=Float,Description=\"\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n\
    1\t5\trs1;x\tA\tC,<DEL>\t29.5\tPASS\tAF=0.1,.;DB;END=9\tGT:AD:GL\t0|1:3,1,.:.\t./.\n\
    1\t7\t.\tACG\t.\t.\tq;s\t.\tAD:GT\t.:1\t1,2:2/1/0\n1\t0\t.\tN\t*\tinf\t.\tXX=a%3Bb\tGT\t0\t1|2\n2\t8\t.\tA\tG\t1e-7\t.\tAF=1\tGT\t.\t.\n";

const GTF: &str = "#!genome x\nchr1\ts\texon\t5\t9\t.\t+\t.\tgene_id \"g;1\"; tag \"a\"; tag \"b\"; n 5; # x\n\
    chr1\ts\tCDS\t6\t8\t1.5\t-\t2\tgene_id \"g\"; transcript_id \"\";\n";

const GFF: &str = "##gff-version 3\nchr1\ts\tgene\t5\t9\t.\t+\t.\tID=a;Name=x%3B y;Dbxref=A:1,B:2\n\
    chr2\t.\tCDS\t1\t1\t0.5\t?\t0\t.\n###\n##FASTA\n>chr1\nACGT\n";

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn first_block(file: &[u8]) -> &[u8] {
    &file[..block_size(file).expect("a block").expect("a whole one")]
}

fn inflate(mut stored: &[u8]) -> Vec<u8> {
    let (mut inflater, mut out) = (Inflater::default(), Vec::new());
    while !stored.is_empty() {
        let block = first_block(stored);
        inflater.inflate(block, &mut out).expect("a sound block");
        stored = &stored[block.len()..];
    }
    out
}

fn inflated(name: &str) -> Vec<u8> {
    inflate(&read(name))
}

/// The comment lines of a text, and of the others so many, one of `step`.
fn lines(name: &str, most: usize, step: usize) -> Vec<u8> {
    let all = read(name);
    let (head, rest): (Vec<_>, Vec<_>) = all.split_inclusive(|b| *b == b'\n').partition(|l| l.starts_with(b"#"));
    // FASTQ has no comments, and names may begin with anything.
    if name.ends_with("fastq") {
        return all.split_inclusive(|b| *b == b'\n').take(most).collect::<Vec<_>>().concat();
    }
    head.into_iter().chain(rest.into_iter().step_by(step).take(most)).collect::<Vec<_>>().concat()
}

/// A VCF of a few kilobytes: 14 of the records of all contigs.
pub(crate) fn vcf_text() -> Vec<u8> {
    lines("cohort.vcf", 14, 23)
}

fn parsed(data: &[u8]) -> BamHeader {
    HeaderParser::new(&Limits::default()).parse(data).expect("a sound header").expect("a whole one")
}

/// Header text, contigs, and so many records of all contigs, each with its `block_size`.
pub(crate) fn bam_records(most: usize) -> (String, Arc<Contigs>, Vec<Vec<u8>>) {
    let data = inflated("sample.bam");
    let header = parsed(&data);
    let (mut at, mut all) = (header.byte_length(), Vec::new());
    while let Some(size) = data[at..].first_chunk() {
        let end = at + 4 + u32::from_le_bytes(*size) as usize;
        all.push(&data[at..end]);
        at = end;
    }
    let step = all.len().div_ceil(most);
    (header.text, header.contigs, all.into_iter().step_by(step).map(<[u8]>::to_vec).collect())
}

/// A BAM of some kilobytes, as it is inflated.
pub(crate) fn bam_inflated() -> Vec<u8> {
    static BAM: LazyLock<Vec<u8>> = LazyLock::new(|| bam_of(20));
    BAM.clone()
}

fn bam_of(records: usize) -> Vec<u8> {
    let data = inflated("sample.bam");
    [&data[..parsed(&data).byte_length()], &bam_records(records).2.concat()].concat()
}

/// Where byte `n` lies in a file of blocks of `block_len` bytes, stored as they are.
fn offset(n: usize, block_len: usize) -> VirtualOffset {
    VirtualOffset::new((n / block_len * (block_len + 31)) as u64, (n % block_len) as u16)
}

/// The index of [`bam_inflated`] in blocks of 700 bytes.
fn bam_index(kind: IndexKind) -> Vec<u8> {
    let data = bam_inflated();
    let header = parsed(&data);
    let mut builder = IndexBuilder::new(&header.contigs, Some(kind)).expect("an index");
    let mut at = header.byte_length();
    for record in bam_records(20).2 {
        let read = Record::new(&record[4..], header.contigs.len()).expect("a sound record");
        let (start, mapped) = (read.pos().map_or(-1, |pos| pos - 1), read.flag() & 4 == 0);
        let end = read.end().expect("a sound CIGAR").unwrap_or(start + 1);
        let chunk = Chunk { start: offset(at, 700), stop: offset(at + record.len(), 700) };
        builder.push(Span { contig: read.contig(), start, end, mapped }, chunk).expect("in order");
        at += record.len();
    }
    builder.finish().expect("an index")
}

fn gzi() -> Vec<u8> {
    let blocks = bam_inflated().len().div_ceil(700) as u64 - 1;
    let entry = |n: u64| [n * 731, n * 700].map(u64::to_le_bytes).concat();
    [blocks.to_le_bytes().to_vec(), (1..=blocks).flat_map(entry).collect()].concat()
}

/// The index of [`vcf_text`] in blocks of 400 bytes: what a BAI has, behind another header.
fn tbi() -> Vec<u8> {
    let (text, mut contigs, mut at, mut records) = (vcf_text(), Contigs::default(), 0, Vec::new());
    for line in text.split_inclusive(|b| *b == b'\n') {
        let fields: Vec<&str> = std::str::from_utf8(line).expect("text").split('\t').collect();
        if !line.starts_with(b"#") {
            if contigs.get(fields[0]).is_none() {
                contigs.push(Contig { name: fields[0].into(), length: Some(1 << 20) });
            }
            let start = fields[1].parse::<i64>().expect("a position") - 1;
            records.push((contigs.get(fields[0]), start, start + fields[3].len() as i64, at, at + line.len()));
        }
        at += line.len();
    }
    let mut builder = IndexBuilder::new(&contigs, Some(IndexKind::Bai)).expect("an index");
    for (contig, start, end, at, stop) in records {
        let chunk = Chunk { start: offset(at, 400), stop: offset(stop, 400) };
        builder.push(Span { contig, start, end, mapped: true }, chunk).expect("in order");
    }
    let bai = builder.finish().expect("an index");
    let names: String = contigs.iter().map(|c| format!("{}\0", c.name)).collect();
    let numbers = [contigs.len() as i32, 2, 1, 2, 0, 35, 0, names.len() as i32];
    [b"TBI\x01", &numbers.map(i32::to_le_bytes).concat()[..], names.as_bytes(), &bai[8..]].concat()
}

/// A chunk's path and bytes.
type Stored = (String, Vec<u8>);

/// Metadata, header and chunks of a dataset of version 0.1, or 0.2 with binary records.
pub(crate) fn legacy(binary: bool) -> (Vec<u8>, Vec<u8>, Vec<Stored>) {
    let path = "data/chr1/000000000-001048576.chunk";
    let chunk = if binary { legacy_records() } else { LEGACY_JSON.as_bytes().to_vec() };
    let checksum = genomicframe_bams3::chunk::hex(&genomicframe_bams3::chunk::sha256(&chunk));
    let metadata = json!({
        "format": "bams3", "version": if binary { "0.2.0" } else { "0.1.0" }, "created_by": "bams3-go",
        "source": {"file": "a.bam", "format": "BAM"}, "statistics": {"total_reads": 2, "mean_coverage": 0.5},
        "chunks": [{
            "path": path, "reference": "chr1", "start": 0, "end": 1_048_576, "reads": 2, "size_bytes": chunk.len(),
            "compression": "none", "checksum": checksum, "created": "2026-01-15T15:58:49",
        }],
        "chunk_size": 1_048_576, "compression": {"algorithm": "none"},
    });
    let header = json!({"HD": {"VN": "1.6"}, "SQ": [{"SN": "chr1", "LN": "5000000"}], "RG": null, "CO": null});
    (metadata.to_string().into_bytes(), header.to_string().into_bytes(), vec![(path.into(), chunk)])
}

const LEGACY_JSON: &str = r#"[{"name":"a","flag":16,"position":700,"mapping_quality":60,"cigar":"2S2M",
"cigar_ops":[{"Type":4,"Length":2},{"Type":0,"Length":2}],"sequence":"ACGT","quality":"IIII",
"tags":{"NM":"2","ML":"C:[1 2]"},"pos":700,"mapq":60,"seq":"ACGT","qual":"IIII"},
{"name":"b","flag":0,"position":900,"mapping_quality":1,"cigar":"1M","cigar_ops":[{"Type":0,"Length":1}],"sequence":"N",
"quality":"\u003c","pos":900,"mapq":1,"seq":"N","qual":"\u003c"}]"#;

fn legacy_records() -> Vec<u8> {
    let record = |name: &str, pos: i32, tags: &[u8]| {
        let lengths = [name.len(), 4, 2, tags.len() / 5].map(|n| (n as u16).to_le_bytes()).concat();
        let ops = [2u32 << 4 | 4, 2 << 4].map(u32::to_le_bytes).concat();
        let place = [&0i32.to_le_bytes()[..], &pos.to_le_bytes(), &[60, 16, 0]].concat();
        let body = [&lengths[..], name.as_bytes(), &place, &ops, &[0x12, 0x48], b"IIII", tags].concat();
        [&(body.len() as u32 + 4).to_le_bytes()[..], &body].concat()
    };
    let mut out = b"3MAB\0\x02\0\0\x02\0\0\0\0\0\0\0".to_vec();
    out.extend([record("a", 700, b"NMZ2\0"), record("b", 900, b"")].concat());
    out
}
