//! BAM against samtools.

use genomicframe::ReadOptions;
use genomicframe_core::alignment::encode::encode;

use crate::support::{Random, context, data, number, output, peer, query};

/// SAM text of a query over all columns of a file.
async fn sam(path: &str, options: ReadOptions) -> Vec<String> {
    let ctx = context(2, 100);
    let batches = ctx.read(path, options).await.unwrap().collect().await.unwrap();
    let mut text = Vec::new();
    for batch in &batches {
        encode(batch, &mut text).unwrap();
    }
    let mut lines: Vec<String> = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn sorted_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn every_field_of_every_record_is_samtools_own() {
    let Some(samtools) = peer("samtools") else { return };
    for name in ["sample.bam", "sample.unindexed.bam", "header_only.bam", "long_cigar.bam"] {
        let path = data(name);
        let expected = sorted_lines(&output(&samtools, &["view", &path]));
        assert_eq!(sam(&path, ReadOptions::new()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn whole_regions_are_samtools_own() {
    let Some(samtools) = peer("samtools") else { return };
    let path = data("sample.bam");
    for region in ["chr1:10,000-20,000", "chr2", "chrM:16000-", "{HLA-A*01:01:01:01}:100-300", "chrUn_empty", "*"] {
        let expected = sorted_lines(&output(&samtools, &["view", &path, region]));
        assert_eq!(sam(&path, ReadOptions::new().region(region)).await, expected, "{region}");
    }
    // samtools fails on a contig that the header lacks; here it is zero rows.
    assert!(sam(&path, ReadOptions::new().region("chr99:1-5")).await.is_empty());
}

#[tokio::test]
async fn a_thousand_random_regions_count_as_in_samtools() {
    let Some(samtools) = peer("samtools") else { return };
    let path = data("sample.bam");
    let ctx = context(2, 8192);
    let contigs = [("chr1", 180_000), ("chr2", 90_000), ("chr10", 60_000), ("chrX", 40_000), ("chrM", 16_000)];
    let mut random = Random(1);
    for i in 0..1000 {
        let (contig, length) = contigs[random.below(contigs.len() as u64) as usize];
        let start = random.below(length) + 1;
        let end = start + random.below([1, 50, 2000, length][i % 4]);
        let region = format!("{contig}:{start}-{end}");
        let expected: u64 = output(&samtools, &["view", "-c", &path, &region]).trim().parse().unwrap();
        let sql =
            format!("SELECT count(*) FROM '{path}' WHERE rname = '{contig}' AND pos <= {end} AND \"end\" >= {start}");
        assert_eq!(number(&ctx, &sql).await, expected, "{region}");
    }
}

#[tokio::test]
async fn filters_on_fixed_fields_count_as_in_samtools() {
    let Some(samtools) = peer("samtools") else { return };
    let path = data("sample.bam");
    let ctx = context(2, 8192);
    let cases: [(&str, &[&str]); 6] = [
        ("mapq >= 30", &["-q", "30"]),
        ("flag & 1024 = 0", &["-F", "1024"]),
        ("flag & 2 <> 0 AND flag & 16 = 16", &["-f", "18"]),
        ("mapq >= 20 AND flag & 2304 = 0", &["-q", "20", "-F", "2304"]),
        ("mapq = 255", &["-e", "mapq == 255"]),
        ("tlen > 200 OR tlen < -200", &["-e", "tlen > 200 || tlen < -200"]),
    ];
    for (predicate, args) in cases {
        let args = [&["view", "-c"], args, &[path.as_str()]].concat();
        let expected: u64 = output(&samtools, &args).trim().parse().unwrap();
        let found = number(&ctx, &format!("SELECT count(*) FROM '{path}' WHERE {predicate}")).await;
        assert_eq!(found, expected, "{predicate}");
    }
}

#[tokio::test]
async fn tags_are_typed_columns() {
    let ctx = context(1, 8192);
    let path = data("sample.bam");
    let typed = query(&ctx, &format!("SELECT sum(tag_nm), count(tag_rg), count(tag_zz) FROM '{path}'")).await;
    let Some(samtools) = peer("samtools") else { return };
    let text = output(&samtools, &["view", &path]);
    let values = |key: &str| {
        text.lines().flat_map(|l| l.split('\t').skip(11)).filter_map(|t| t.strip_prefix(key)).collect::<Vec<_>>()
    };
    let nm: i64 = values("NM:i:").iter().map(|v| v.parse::<i64>().unwrap()).sum();
    assert_eq!(typed, [format!("{nm}\t{}\t0", values("RG:Z:").len())]);
}
