//! BAMS3 there and back, beside samtools; read by a program that shares no code with ours; and of older versions.

use std::path::Path;
use std::process::Command;

use genomicframe::convert::{BamOptions, ConvertOptions, convert};

use crate::bams3::small;
use crate::support::{Random, context, data, number, output, peer, python};

const BAMS: [&str; 3] = ["sample.bam", "long_cigar.bam", "header_only.bam"];

fn made(bam: &str, folder: &Path, level: &str) -> String {
    let to = folder.join(format!("{bam}.{level}.bams3")).display().to_string();
    convert(&data(bam), &to, &small().level(level).unwrap()).unwrap();
    to
}

#[tokio::test]
async fn there_and_back_is_the_same_bam() {
    let Some(samtools) = peer("samtools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(2, 8192);
    for (bam, level) in BAMS.into_iter().flat_map(|b| ["fast", "default", "small"].map(|l| (b, l))) {
        let original = data(bam);
        let from = folder.path().to_owned();
        let dataset = tokio::task::spawn_blocking(move || made(bam, &from, level)).await.unwrap();
        let back = folder.path().join("back.bam");
        ctx.export_bam(&dataset, &back, &BamOptions::default()).await.unwrap();
        let back = back.to_str().unwrap();
        let text = |bam: &str| output(&samtools, &["view", "-h", "--no-PG", bam]);
        assert_eq!(text(back), text(&original), "{bam} at {level}");
        output(&samtools, &["quickcheck", back]);
        assert_eq!(output(&samtools, &["idxstats", back]), output(&samtools, &["idxstats", &original]), "{bam}");
        let report = ctx.validate_bams3(&dataset, Some(&original)).await.unwrap();
        assert!(report.is_sound() && report.equal == Some(report.records), "{bam} at {level}: {report}");
    }
}

#[tokio::test]
async fn regions_are_those_of_samtools() {
    let Some(samtools) = peer("samtools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().to_owned();
    let dataset = tokio::task::spawn_blocking(move || made("sample.bam", &from, "default")).await.unwrap();
    let (ctx, mut random) = (context(2, 8192), Random(11));
    let lengths: Vec<(String, u64)> = output(&samtools, &["idxstats", &data("sample.bam")])
        .lines()
        .filter_map(|l| l.split('\t').next().zip(l.split('\t').nth(1).and_then(|n| n.parse().ok())))
        .filter(|(name, length)| *name != "*" && *length > 0)
        .map(|(name, length)| (name.to_owned(), length))
        .collect();
    for _ in 0..300 {
        let (contig, length) = &lengths[random.below(lengths.len() as u64) as usize];
        let start = 1 + random.below(*length);
        let width = 1 << random.below(18);
        let end = start + random.below(width);
        let region = format!("{contig}:{start}-{end}");
        let sql = format!("SELECT count(*) FROM '{dataset}' WHERE in_region(rname, pos, end, '{region}')");
        let expected = output(&samtools, &["view", "-c", &data("sample.bam"), &region]);
        assert_eq!(number(&ctx, &sql).await.to_string(), expected.trim(), "{region}");
    }
    let part = folder.path().join("part.bam");
    let region = format!("{}:1-20000", lengths[0].0);
    let options = BamOptions { regions: vec![region.clone()], ..BamOptions::default() };
    ctx.export_bam(&dataset, &part, &options).await.unwrap();
    let text = |bam: &str, args: &[&str]| output(&samtools, &[&["view", "--no-PG", bam], args].concat());
    assert_eq!(text(part.to_str().unwrap(), &[]), text(&data("sample.bam"), &[&region]));
}

#[test]
fn a_reader_made_from_the_specification_reads_every_column() {
    let (Some(samtools), Some(python)) = (peer("samtools"), python("zstandard, pyarrow")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("bams3/reader.py").display().to_string();
    // The adaptive coder of level small takes Python long: of that a small file.
    for (bam, level) in [("sample.bam", "default"), ("sample.bam", "fast"), ("long_cigar.bam", "small")] {
        let dataset = made(bam, folder.path(), level);
        let text = output(&samtools, &["view", "-h", "--no-PG", &data(bam)]);
        assert_eq!(output(&python, &[&reader, &dataset]), text, "{bam} at {level}");
    }
    let few = folder.path().join("few.bam").display().to_string();
    output(&samtools, &["view", "-b", "--no-PG", "-s", "3.05", "-o", &few, &data("sample.bam")]);
    let dataset = folder.path().join("few.bams3").display().to_string();
    convert(&few, &dataset, &ConvertOptions::new().level("small").unwrap()).unwrap();
    assert_eq!(output(&python, &[&reader, &dataset]), output(&samtools, &["view", "-h", "--no-PG", &few]));
    // A flipped bit is told by that reader too.
    let root = Path::new(&dataset).join("_metadata.json");
    let mut bytes = std::fs::read(&root).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&root, bytes).unwrap();
    assert!(!Command::new(&python).args([&reader, &dataset]).output().unwrap().status.success());
}

#[tokio::test]
async fn records_from_standard_input_are_sorted_and_kept() {
    let Some(samtools) = peer("samtools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (by_name, dataset) = (folder.path().join("n.sam"), folder.path().join("n.bams3"));
    output(&samtools, &["sort", "-n", "--no-PG", "-O", "sam", "-o", by_name.to_str().unwrap(), &data("sample.bam")]);
    let run = Command::new(crate::support::gf())
        .args(["convert", "-", dataset.to_str().unwrap(), "--qname-index"])
        .stdin(std::fs::File::open(&by_name).unwrap())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let ctx = context(2, 8192);
    let report = ctx.validate_bams3(dataset.to_str().unwrap(), Some(by_name.to_str().unwrap())).await.unwrap();
    assert!(report.is_sound() && report.equal == Some(4905), "{report}");
    // The filter of names leaves nothing to read where there is no such name.
    let sql = format!("SELECT count(*) FROM '{}' WHERE qname = 'nobody'", dataset.display());
    assert_eq!(number(&ctx, &sql).await, 0);
    let plan = crate::support::query(&ctx, &format!("EXPLAIN {sql}")).await.join("\n");
    assert!(plan.contains("row groups=0 of"), "{plan}");
}

#[tokio::test]
async fn datasets_of_version_0_1_are_read_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.bams3");
    std::fs::create_dir_all(old.join("data/chr1")).unwrap();
    let chunk =
        r#"[{"name":"a","flag":0,"cigar":"4M","mapq":7,"pos":99,"seq":"ACGT","qual":"IIII","tags":{"NM":"1"}}]"#;
    std::fs::write(old.join("data/chr1/000000000-001048576.chunk"), chunk).unwrap();
    let metadata = r#"{"format":"bams3","version":"0.1.0","created_by":"bams3-go","source":{"file":"x.bam","format":"BAM"},
        "statistics":{"total_reads":1,"mapped_reads":1,"unmapped_reads":0,"duplicate_reads":0,"total_bases":4,"mean_coverage":0},
        "chunks":[{"path":"data/chr1/000000000-001048576.chunk","reference":"chr1","start":0,"end":1048576,"reads":1,
        "size_bytes":SIZE,"compression":"none","checksum":"","created":""}],"chunk_size":1048576,
        "compression":{"algorithm":"none"}}"#;
    std::fs::write(old.join("_metadata.json"), metadata.replace("SIZE", &chunk.len().to_string())).unwrap();
    let header =
        r#"{"HD":{"VN":"1.6","SO":"coordinate"},"SQ":[{"SN":"chr1","LN":"5000000"}],"RG":[],"PG":[],"CO":null}"#;
    std::fs::write(old.join("_header.json"), header).unwrap();
    let ctx = context(1, 8192);
    let (old, new) = (old.display().to_string(), folder.path().join("new.bams3").display().to_string());
    ctx.convert(&old, &new, &ConvertOptions::new()).await.unwrap();
    for dataset in [&old, &new] {
        let sql = format!("SELECT qname, rname, pos, end, mapq, cigar, seq, qual, tag_nm FROM '{dataset}'");
        assert_eq!(crate::support::query(&ctx, &sql).await, ["a\tchr1\t100\t103\t7\t4M\tACGT\tIIII\t1"], "{dataset}");
    }
}
