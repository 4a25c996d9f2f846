//! Small files of every format, damaged in every place: what is cut or flipped is an error, or provably changes nothing.

use arrow::array::RecordBatch;
use futures::executor::block_on;

use super::bam::{BamWriteOptions, BamWriter};
use crate::bgzf::{EOF_BLOCK, Inflater, block_size};
use crate::error::Result;
use crate::genome::{Contig, Contigs};
use crate::io::{Location, MemoryIo};
use crate::scan::{Format, OpenOptions};
use crate::testing::{self, Random, bgzf, gzip_members, shown};

const SAM: &str = "@HD\tVN:1.6\n@SQ\tSN:c\tLN:1000\n\
    r\t99\tc\t5\t60\t2S6M\t=\t50\t60\tACGTNACG\tIIII!~#I\tNM:i:1\tRG:Z:g\n\
    q\t0\tc\t7\t255\t4M\t*\t0\t0\tACGT\t*\n\
    u\t4\t*\t0\t0\t*\t*\t0\t0\tAC\tII\n";
const VCF: &str = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##INFO=<ID=DP,Number=1,Type=Integer,Description=\"d\">\n\
    ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"g\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n\
    1\t5\trs1\tA\tC,G\t29.5\tPASS\tDP=14\tGT\t0|1\t./.\n1\t17\t.\tACG\tA\t.\tq\t.\tGT\t1\t2\n";
const GFF: &str = "##gff-version 3\n1\tens\tgene\t1\t900\t.\t+\t.\tID=g1;Name=a%3Bb\n# note\n\
    1\t.\tCDS\t10\t90\t0.5\t-\t2\tID=c1;Parent=g1\n";
const BED: &str = "#panel\n1\t10\t20\tone\t5\t+\n1\t15\t15\ttwo\t0\t-\n2\t0\t9\tthree\t1\t.\n";
const FASTQ: &str = "@a one\nACGT\n+\nII#I\n@b\nAC\n+b\nI!\n@c\n\n+\n\n";

const TEXTS: [(&str, &str); 5] = [("sam", SAM), ("vcf", VCF), ("gff", GFF), ("bed", BED), ("fastq", FASTQ)];

fn format(id: &str) -> &'static dyn Format {
    super::by_id(id).unwrap()
}

fn read(id: &str, stored: &[u8]) -> Result<RecordBatch> {
    testing::read(format(id), stored)
}

/// The records of [`SAM`] as BAM, inflated.
fn bam() -> Vec<u8> {
    let mut contigs = Contigs::default();
    contigs.push(Contig { name: "c".into(), length: Some(1000) });
    let (head, records): (Vec<_>, Vec<_>) = SAM.split_inclusive('\n').partition(|l| l.starts_with('@'));
    let mut bytes = Vec::new();
    for line in records {
        let mut record = Vec::new();
        super::sam::parse_line(line.trim_end().as_bytes(), &contigs, &mut record).unwrap();
        bytes.extend((record.len() as u32).to_le_bytes());
        bytes.extend(record);
    }
    let mut writer = BamWriter::new(Vec::new(), &head.concat(), &contigs, BamWriteOptions::default()).unwrap();
    writer.write_records(&bytes).unwrap();
    let stored = writer.finish().unwrap().sink;
    let mut inflated = Vec::new();
    let mut rest = &stored[..];
    while let Some(size) = block_size(rest).unwrap().filter(|_| !rest.is_empty()) {
        Inflater::default().inflate(&rest[..size], &mut inflated).unwrap();
        rest = &rest[size..];
        if rest.is_empty() {
            break;
        }
    }
    inflated
}

/// Every format's small file, inflated.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let texts = TEXTS.map(|(id, text)| (id, text.as_bytes().to_vec()));
    std::iter::once(("bam", bam())).chain(texts).collect()
}

/// No cut of a compressed file is ever taken for a shorter file.
#[test]
fn a_compressed_file_cut_at_any_byte_is_an_error() {
    for (id, whole) in files() {
        let half = whole.len() / 2;
        let stored = [bgzf(&whole, 37), bgzf(&whole, 60_000), gzip_members(&[&whole])];
        for stored in &stored {
            let rows = read(id, stored).unwrap().num_rows();
            assert!(rows >= 2, "{id}");
            // Nothing at all is text without a line: some formats may be empty.
            for n in 1..stored.len() {
                let e = read(id, &stored[..n]).expect_err(id);
                assert!(e.is_corrupt() || e.is_unsupported(), "{id} cut at {n}: {e}");
                assert!(e.to_string().contains("memory:///data"), "{id} cut at {n}: {e}");
            }
        }
        // Between two members of a gzip file nothing tells that another one follows: the only cut that is not told, and only
        // where a record ends there too.
        let members = gzip_members(&[&whole[..half], &whole[half..]]);
        let first = gzip_members(&[&whole[..half]]).len();
        for n in (1..members.len()).filter(|n| *n != first) {
            assert!(read(id, &members[..n]).is_err(), "{id} cut at {n} of two members");
        }
    }
}

/// Plain text has no end of its own: cut behind a line it is a shorter file, as it is for htslib. Cut within a line, it has the
/// lines before; what is left of the last one is an error where it lacks columns, and else a row, as it is of a file whose last
/// line has no line end. Rows before it are never lost.
#[test]
fn plain_text_cut_at_any_byte_keeps_its_whole_lines() {
    for (id, text) in TEXTS {
        let all = shown(&read(id, text.as_bytes()).unwrap());
        let lines_of_record = if id == "fastq" { 4 } else { 1 };
        let mut refused = 0;
        for n in 0..text.len() {
            let whole = text[..n].split_inclusive('\n').filter(|l| l.ends_with('\n'));
            let records = whole.filter(|l| id == "fastq" || !l.starts_with(['#', '@'])).count() / lines_of_record;
            match read(id, &text.as_bytes()[..n]) {
                Ok(batch) => {
                    let rows = shown(&batch);
                    // An empty last line of qualities needs no end.
                    let ends_whole = (text[..n].ends_with('\n') && !text[..n].ends_with("\n\n+\n")) || n == 0;
                    assert!(rows.len() == records || (rows.len() == records + 1 && !ends_whole), "{id} cut at {n}");
                    // Of GFF and SAM the columns of keys that come later are not there.
                    if rows.first().is_some_and(|row| row.split(' ').count() == all[0].split(' ').count()) {
                        assert_eq!(rows[..records], all[..records], "{id} cut at {n}");
                    }
                }
                Err(e) => {
                    assert!(e.is_corrupt() || e.is_unsupported(), "{id} cut at {n}: {e}");
                    refused += 1;
                }
            }
        }
        assert!(refused > text.len() / 8, "{id}: {refused} of {}", text.len());
    }
}

/// Where each block begins, and its length.
fn blocks(stored: &[u8]) -> Vec<(usize, usize)> {
    let (mut at, mut out) = (0, Vec::new());
    while at < stored.len() {
        let size = block_size(&stored[at..]).unwrap().unwrap();
        out.push((at, size));
        at += size;
    }
    out
}

/// The bytes of a block's header that say nothing of its data: flags but for the one that there is an extra field, time,
/// how hard it was compressed, operating system (RFC 1952 §2.3).
const IDLE: std::ops::Range<usize> = 3..10;
/// Those by which a file's first block is known as BGZF: without them it is gzip, of which each member is checked as well.
const MARK: std::ops::Range<usize> = 10..16;

/// Each bit of a small BGZF file of every format. What is not told is in [`IDLE`], or the block inflates to the same bytes:
/// padding after deflate's last bit, a match that another distance finds alike.
#[test]
fn every_flipped_bit_of_a_bgzf_file_is_told_or_changes_nothing() {
    for (id, whole) in files() {
        let stored = bgzf(&whole, 200);
        let want = read(id, &stored).unwrap();
        let blocks = blocks(&stored);
        let mut inflater = Inflater::default();
        let mut inflated = |block: &[u8]| {
            let mut out = Vec::new();
            inflater.inflate(block, &mut out).unwrap();
            out
        };
        let (mut told, mut idle) = (0, 0);
        for bit in 0..stored.len() * 8 {
            let mut bytes = stored.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            match read(id, &bytes) {
                Err(e) => {
                    assert!(e.to_string().contains("memory:///data"), "{id} bit {bit}: {e}");
                    told += 1;
                }
                Ok(rows) => {
                    assert_eq!(rows, want, "{id} bit {bit}");
                    let (at, size) = *blocks.iter().rfind(|(at, _)| *at <= bit / 8).unwrap();
                    let is_data = (at + 18..at + size - 8).contains(&(bit / 8));
                    let mut same = || inflated(&bytes[at..at + size]) == inflated(&stored[at..at + size]);
                    let is_mark = at == 0 && MARK.contains(&(bit / 8));
                    assert!(is_mark || IDLE.contains(&(bit / 8 - at)) || (is_data && same()), "{id} bit {bit}");
                    assert!(at + EOF_BLOCK.len() < stored.len(), "{id}: the end-of-file block is what it is");
                    idle += 1;
                }
            }
        }
        // Seven bytes of a header, but for one bit; and of a block's data next to nothing.
        let of_headers = (blocks.len() - 1) * (7 * 8 - 1);
        assert!((of_headers..of_headers + 40 * blocks.len()).contains(&idle), "{id}: {idle} of {of_headers}");
        assert!(told > stored.len() * 4, "{id}: {told}");
    }
}

/// The same of plain gzip, whose header is 10 bytes: time, how hard it was compressed and operating system say nothing, nor
/// does the flag that it is text, nor a flag that no version knows.
#[test]
fn every_flipped_bit_of_a_gzip_file_is_told_or_changes_nothing() {
    for (id, whole) in files() {
        let stored = gzip_members(&[&whole]);
        let want = read(id, &stored).unwrap();
        for bit in 0..stored.len() * 8 {
            let mut bytes = stored.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(rows) = read(id, &bytes) {
                assert_eq!(rows, want, "{id} bit {bit}");
                let is_data = (10..stored.len() - 8).contains(&(bit / 8));
                assert!((4..10).contains(&(bit / 8)) || bit == 3 * 8 || is_data, "{id} bit {bit}");
            }
        }
    }
}

/// A plain file has no checksum, but what it says of itself is still read as it stands: no flip panics, or makes other records.
#[test]
fn a_flipped_byte_of_plain_text_is_its_own_records() {
    let mut random = Random(77);
    for (id, text) in TEXTS {
        let all = read(id, text.as_bytes()).unwrap().num_rows();
        for n in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[n] ^= 1 << random.below(8);
            let opened = testing::open(format(id), bytes, None, &OpenOptions::default());
            if let Ok(batch) = opened.and_then(|o| o.scan(|_| {})) {
                // A line becomes a comment, or two; of FASTQ two records become one that is wrapped.
                assert!(batch.num_rows().abs_diff(all) <= 1, "{id} byte {n}");
            }
        }
    }
}

/// Row 4: text may be empty, what is compressed is not.
#[test]
fn an_empty_file_that_is_named_as_compressed_is_an_error() {
    let rows = |name: &str| {
        let (io, at) = (MemoryIo::default(), Location::parse(&format!("memory:///{name}")).unwrap());
        io.put(&at, "");
        block_on(super::open(&at, &io, &OpenOptions::default())).map(|dataset| dataset.schema().fields().len())
    };
    for name in ["x.bed", "x.gff3", "x.fastq"] {
        assert!(rows(name).is_ok(), "{name}");
        for ending in [".gz", ".bgz", ".GZ"] {
            let e = rows(&format!("{name}{ending}")).unwrap_err();
            assert!(e.is_corrupt() && e.to_string().contains("the file is empty"), "{e}");
        }
    }
    for name in ["x.bam", "x.sam", "x.vcf", "x.vcf.gz"] {
        assert!(rows(name).unwrap_err().is_corrupt(), "{name}");
    }
}
