//! Optimisations turned off: the plan is another, the rows are the same.

use genomicframe::GenomicContext;

use crate::support::{context, data, folder, query, sorted};

/// A setting, a query, what its plan has by default, and what it has with the setting turned off.
const SETTINGS: [(&str, &str, &str, &str); 7] = [
    ("pushdown_filters", "SELECT qname FROM '@/sample.bam' WHERE mapq >= 30", "filter=mapq >= 30", "FilterExec: mapq"),
    (
        "narrow_regions",
        "SELECT qname FROM '@/sample.bam' WHERE rname = 'chr2' AND pos <= 500",
        "regions=chr2:",
        "filter=rname = 'chr2'",
    ),
    ("use_index", "SELECT qname FROM '@/sample.bam' WHERE rname = 'chr2' AND pos <= 500", "index=BAI", "index=none"),
    ("use_statistics", "SELECT count(*) FROM '@/sample.bam'", "PlaceholderRowExec", "DataSourceExec"),
    (
        "interval_joins",
        "SELECT r.qname FROM '@/sample.bam' r JOIN '@/panel.bed' p ON overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end)",
        "IntervalJoinExec",
        "HashJoinExec",
    ),
    (
        "dynamic_regions",
        "SELECT r.qname FROM '@/sample.bam' r JOIN '@/panel.bed' p ON overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end)",
        "narrowed_by=",
        "IntervalJoinExec",
    ),
    (
        "compute_in_scan",
        "SELECT allele_frequency(format_gt) FROM '@/cohort.vcf.gz'",
        "columns=[allele_frequency(",
        "columns=[format_gt]",
    ),
];

/// Queries in which every setting has a part.
const QUERIES: [&str; 24] = [
    "SELECT * FROM '@/sample.bam'",
    "SELECT count(*), min(pos), max(pos), count(DISTINCT rname) FROM '@/sample.bam'",
    "SELECT rname, count(*) FROM '@/sample.bam' GROUP BY rname",
    "SELECT qname, pos FROM '@/sample.bam' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 9000 AND mapq >= 30",
    "SELECT qname, flag FROM '@/sample.bam' WHERE NOT is_duplicate(flag) AND (rname = 'chrX' OR pos < 500 OR tag_nm > 3)",
    "SELECT count(*) FROM read_bam('@/sample.bam', region => ['chr1:1-20,000', 'chrX'])",
    "SELECT count(*) FROM '@/sample.bam' WHERE in_region(rname, pos, end, 'chr1:9,000-11,000')",
    "SELECT chrom, pos, info_af, format_gt FROM '@/cohort.vcf.gz' WHERE info_af > 0.3 AND filter = 'PASS'",
    "SELECT pos, allele_frequency(format_gt), allele_count(format_gt), sample(format_gt, 'NA12891') FROM '@/cohort.vcf.gz' WHERE chrom = 'chr1'",
    "SELECT seqid, feature, attr_id FROM '@/genes.gff3.gz' WHERE feature = 'exon' AND start >= 5000",
    "SELECT * FROM '@/panel.bed' WHERE chrom = 'chr1' AND end > 20000",
    "SELECT r.qname, p.name FROM '@/sample.bam' r JOIN '@/panel.bed' p ON overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end)",
    "SELECT p.name, count(r.qname) FROM '@/panel.bed' p LEFT JOIN '@/sample.bam' r ON overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end) AND r.mapq > 20 GROUP BY p.name",
    "SELECT count(*) FROM '@/sample.bam' WHERE in_regions(rname, pos, end, '@/panel.bed')",
    "SELECT count(*) FROM '@/sample.bam' WHERE NOT in_regions(rname, pos, end, '@/panel.bed')",
    "SELECT count(*) FROM (SELECT * FROM '@/reads.fastq' LIMIT 7)",
    "SELECT chrom, start, count FROM count_overlaps('@/panel.bed', '@/sample.bam')",
    "SELECT * FROM coverage('@/blocks12.bed', '@/genes.gff3.gz')",
    "SELECT chrom, start, end FROM subtract('@/targets3.bed', '@/cohort.vcf.gz')",
    "SELECT seqid, start, end, count FROM count_overlaps('@/genes.gff3', '@/sites.vcf.gz')",
    "SELECT count(*), sum(count) FROM count_overlaps('@/sample.bam', '@/sample.bam')",
    "SELECT * FROM nearest('@/panel.bed', '@/genes.gff3.gz', k => 3, ties => 'all', max_distance => 700)",
    "SELECT * FROM nearest('@/targets3.bed', '@/sample.bam', overlaps => 'false', max_distance => 0)",
    "SELECT rname, pos, covered FROM coverage('@/sample.bam', '@/genes.gff3.gz') WHERE rname = 'chr2'",
];

async fn turned_off(setting: &str, threads: usize) -> GenomicContext {
    let ctx = context(threads, 512);
    ctx.sql(&format!("SET genomicframe.{setting} = false")).await.unwrap();
    ctx
}

#[tokio::test]
async fn each_setting_changes_the_plan() {
    for (setting, sql, by_default, without) in SETTINGS {
        let sql = format!("EXPLAIN {}", sql.replace('@', &folder()));
        let plan = query(&context(2, 512), &sql).await.join("\n");
        assert!(plan.contains(by_default), "{setting}: {plan}");
        let plan = query(&turned_off(setting, 2).await, &sql).await.join("\n");
        assert!(plan.contains(without) && !plan.contains(by_default), "{setting}: {plan}");
    }
}

#[tokio::test]
async fn no_setting_changes_rows() {
    for sql in QUERIES {
        let sql = sql.replace('@', &folder());
        let rows = query(&context(1, 8192), &sql).await;
        assert!(!rows.is_empty(), "{sql}");
        for threads in [1, 5] {
            for (setting, ..) in SETTINGS {
                assert_eq!(query(&turned_off(setting, threads).await, &sql).await, rows, "{setting} = false: {sql}");
            }
        }
        let none = context(3, 512);
        for (setting, ..) in SETTINGS {
            none.sql(&format!("SET genomicframe.{setting} = false")).await.unwrap();
        }
        assert_eq!(query(&none, &sql).await, rows, "all false: {sql}");
    }
}

#[tokio::test]
async fn settings_are_listed_and_checked() {
    let ctx = context(1, 8192);
    let listed = "SELECT name FROM information_schema.df_settings WHERE name NOT LIKE '%.%' AND value = 'true'";
    let mut names: Vec<_> = SETTINGS.iter().map(|(name, ..)| name.to_string()).collect();
    names.sort();
    assert_eq!(query(&ctx, listed).await, names);
    for wrong in ["SET genomicframe.use_indx = false", "SET genomicframe.use_index = maybe"] {
        assert!(ctx.sql(wrong).await.is_err(), "{wrong}");
    }
    // What was opened before keeps what held then; what is opened later sees it.
    let sql = format!("SELECT qname FROM '{}' WHERE rname = 'chr2'", data("sample.bam"));
    ctx.sql("SET genomicframe.use_index = false").await.unwrap();
    assert!(query(&ctx, &format!("EXPLAIN {sql}")).await.join("").contains("index=none"));
    ctx.sql("SET genomicframe.use_index = true").await.unwrap();
    assert!(query(&ctx, &format!("EXPLAIN {sql}")).await.join("").contains("index=BAI"));
}

/// A frame is a question, which may be asked again.
#[tokio::test]
async fn asked_again_the_rows_are_the_same() {
    let ctx = context(3, 512);
    for sql in QUERIES {
        let frame = ctx.sql(&sql.replace('@', &folder())).await.unwrap();
        let first = sorted(&frame.clone().collect().await.unwrap());
        for _ in 0..2 {
            assert_eq!(sorted(&frame.clone().collect().await.unwrap()), first, "{sql}");
        }
    }
}
