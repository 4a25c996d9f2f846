//! The SQL surface: the doors to files, the dialect, functions.

use crate::support::{context, data, folder, number, query};

/// Statements in which `end` and names in any case are columns; `@` stands for the place of the files.
pub const NAMES: [&str; 5] = [
    "SELECT rname, end FROM '@/sample.bam' WHERE end >= 5 ORDER BY pos, end LIMIT 3",
    "SELECT max(end) - min(r.pos), count(end) FROM '@/sample.bam' r",
    "SELECT CASE WHEN end > 100 THEN end ELSE -end END AS x, end FROM '@/sample.bam' LIMIT 1",
    "SELECT CHROM, Pos, REF, alt, QUAL, filter, Info_AF FROM '@/cohort.vcf.gz' WHERE FILTER = 'PASS' LIMIT 2",
    "SELECT filter, count(*) FROM '@/cohort.vcf.gz' GROUP BY filter",
];

#[tokio::test]
async fn end_needs_no_quotes_and_case_folds() {
    let ctx = context(2, 8192);
    for sql in NAMES {
        assert!(!query(&ctx, &sql.replace('@', &folder())).await.is_empty(), "{sql}");
    }
}

/// Statements of every kind that count the rows of one file.
pub const STATEMENTS: [&str; 6] = [
    "WITH t AS (SELECT * FROM '@/targets3.bed') SELECT count(*) FROM t",
    "SELECT (SELECT count(*) FROM '@/targets3.bed')",
    "SELECT count(*) FROM (SELECT * FROM '@/targets3.bed' UNION ALL SELECT * FROM '@/targets3.bed' WHERE false)",
    "SELECT count(*) FROM '@/targets3.bed' a WHERE a.chrom IN (SELECT chrom FROM read_bed('@/targets3.bed'))",
    "CREATE VIEW v AS SELECT * FROM '@/targets3.bed'; SELECT count(*) FROM v",
    "CREATE TABLE m AS SELECT * FROM '@/targets3.bed'; SELECT count(*) FROM m",
];

#[tokio::test]
async fn files_are_found_in_every_kind_of_statement() {
    let (ctx, bed) = (context(2, 8192), data("targets3.bed"));
    let n = number(&ctx, &format!("SELECT count(*) FROM '{bed}'")).await;
    for sql in STATEMENTS {
        assert_eq!(number(&ctx, &sql.replace('@', &folder())).await, n, "{sql}");
    }
    assert_eq!(query(&ctx, &format!("DESCRIBE '{bed}'")).await.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.parquet").display().to_string();
    query(&ctx, &format!("COPY (SELECT * FROM '{bed}') TO '{copy}'")).await;
    assert_eq!(number(&ctx, &format!("SELECT count(*) FROM '{copy}'")).await, n);
}

#[tokio::test]
async fn order_by_and_limit() {
    let (ctx, bam) = (context(2, 100), data("sample.bam"));
    let sorted = ctx.sql(&format!("SELECT pos FROM '{bam}' WHERE rname = 'chr2' ORDER BY pos LIMIT 5")).await.unwrap();
    let rows = crate::support::rows(&sorted.collect().await.unwrap());
    let all = ctx.sql(&format!("SELECT pos FROM '{bam}' WHERE rname = 'chr2'")).await.unwrap();
    let mut all: Vec<u64> =
        crate::support::rows(&all.collect().await.unwrap()).iter().map(|p| p.parse().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(rows, all[..5].iter().map(u64::to_string).collect::<Vec<_>>());
}

/// Tables of the same rows.
pub const FUNCTIONS: [&str; 4] = [
    "read_bam('@/sample.bam', region => 'chr1:1-20,000')",
    "READ_BAM('@/sample.bam', region => ['chr1:1-10000', 'chr1:5000-20000']) r",
    "read_files('@/sample.bam', region => 'chr1:1-20k', index => 'none')",
    "read_bam(['@/sample.bam'], region => '1:1-20000')",
];

#[tokio::test]
async fn read_functions_take_paths_lists_and_options() {
    let (ctx, bam) = (context(2, 8192), data("sample.bam"));
    let n =
        number(&ctx, &format!("SELECT count(*) FROM '{bam}' WHERE in_region(rname, pos, end, 'chr1:1-20000')")).await;
    for from in FUNCTIONS {
        assert_eq!(number(&ctx, &format!("SELECT count(*) FROM {}", from.replace('@', &folder()))).await, n, "{from}");
    }
    // Two regions of one file are two tables.
    let sql = format!(
        "SELECT count(*) FROM read_bam('{bam}', region => 'chrM') a, read_bam('{bam}', region => 'chrUn_empty') b"
    );
    assert_eq!(number(&ctx, &sql).await, 0);
    for (sql, expected) in [
        (format!("SELECT * FROM read_bam('{bam}', regoin => 'chr1')"), "no option is called regoin"),
        (format!("SELECT * FROM read_bam('{bam}', region => 'chr1:9-2')"), "end lies before its start"),
        (format!("SELECT * FROM '{bam}' WHERE in_region(rname, pos, end, 'chr1:x')"), "region"),
        ("SELECT * FROM read_bam()".to_owned(), "a path or a list of paths is needed"),
        ("SELECT * FROM 'no/such.bam'".to_owned(), "no/such.bam: no such file"),
        (format!("SELECT nothing FROM '{bam}'"), "nothing"),
        (
            format!("SELECT count(*) FROM '{bam}' WHERE overlaps(rname, pos, end, 'chr1', 5, 9)"),
            "Error during planning: overlaps: the base of",
        ),
    ] {
        let e = match ctx.sql(&sql).await {
            Ok(query) => genomicframe::Error::from(query.collect().await.unwrap_err()).to_string(),
            Err(e) => e.to_string(),
        };
        assert!(!e.contains("type_coercion"), "{e}");
        assert!(e.contains(expected), "{sql}: {e}");
    }
}

#[tokio::test]
async fn external_tables_of_every_format() {
    let ctx = context(2, 8192);
    for (format, file) in [
        ("BAM", "sample.bam"),
        ("VCF", "cohort.vcf.gz"),
        ("GFF", "genes.gff3.gz"),
        ("FASTQ", "reads.fastq"),
        ("BED", "panel.bed"),
    ] {
        let path = data(file);
        let sql = format!(
            "CREATE EXTERNAL TABLE {format}_t STORED AS {format} LOCATION '{path}'; SELECT count(*) FROM {format}_t"
        );
        assert_eq!(number(&ctx, &sql).await, number(&ctx, &format!("SELECT count(*) FROM '{path}'")).await, "{format}");
    }
    let bam = data("sample.bam");
    let sql = format!(
        "CREATE EXTERNAL TABLE r STORED AS BAM LOCATION '{bam}' OPTIONS ('region' 'chr2:1-1,000', 'tags' 'ZZ')"
    );
    ctx.sql(&sql).await.unwrap();
    assert_eq!(
        number(&ctx, "SELECT count(*) FROM r").await,
        number(&ctx, &format!("SELECT count(*) FROM read_bam('{bam}', region => 'chr2:1-1000')")).await
    );
    assert_eq!(number(&ctx, "SELECT count(tag_zz) FROM r").await, 0);
}

#[tokio::test]
async fn globs_folders_and_hive_partitions() {
    let folder = tempfile::tempdir().unwrap();
    for (sub, name) in [("batch=a", "one.bam"), ("batch=b", "two.bam")] {
        std::fs::create_dir_all(folder.path().join(sub)).unwrap();
        std::fs::copy(data("sample.bam"), folder.path().join(sub).join(name)).unwrap();
        std::fs::copy(data("sample.bam.bai"), folder.path().join(sub).join(format!("{name}.bai"))).unwrap();
    }
    let root = folder.path().display().to_string();
    let ctx = context(2, 8192);
    let one = number(&ctx, &format!("SELECT count(*) FROM '{}'", data("sample.bam"))).await;
    for from in [
        format!("'{root}'"),
        format!("'{root}/'"),
        format!("'{root}/*/*.bam'"),
        format!("'{root}/**/*.bam'"),
        format!("'{root}/batch=?/*'"),
    ] {
        assert_eq!(number(&ctx, &format!("SELECT count(*) FROM {from}")).await, 2 * one, "{from}");
    }
    let rows = query(&ctx, &format!("SELECT batch, sample, count(*) FROM '{root}' GROUP BY batch, sample")).await;
    assert_eq!(rows, [format!("a\tNA12878\t{one}"), format!("b\tNA12878\t{one}")]);
    let sql = format!("SELECT count(*) FROM '{root}/*/*.bam' WHERE batch <> 'a' AND file LIKE '%two%' AND mapq >= 0");
    assert_eq!(number(&ctx, &sql).await, one);
    let plan = query(&ctx, &format!("EXPLAIN {sql}")).await.join("");
    assert!(plan.contains("excluded=1"), "{plan}");
    ctx.sql(&format!("CREATE EXTERNAL TABLE h STORED AS BAM PARTITIONED BY (batch) LOCATION '{root}'")).await.unwrap();
    assert_eq!(number(&ctx, "SELECT count(*) FROM h WHERE batch = 'b'").await, one);
    let e = ctx.sql(&format!("SELECT * FROM '{root}/*.vcf'")).await.unwrap_err();
    assert!(e.is_not_found(), "{e}");
}

#[tokio::test]
async fn a_contig_read_by_its_alias_is_told() {
    let (ctx, bam) = (context(1, 8192), data("sample.bam"));
    for query in [
        format!("SELECT count(*) FROM read_bam('{bam}', region => '1:1-20000')"),
        format!("SELECT count(*) FROM '{bam}' WHERE in_region('1:1-20000')"),
    ] {
        assert_eq!(number(&ctx, &query).await, 136, "{query}");
        assert_eq!(ctx.take_warnings(), [(format!("{bam}: contig 1 is read as chr1"), 1)], "{query}");
    }
    // A comparison means what it says: no contig is called so, and nothing is read.
    let query = format!("SELECT count(*) FROM '{bam}' WHERE rname = '1' AND mapq >= 0");
    assert_eq!(number(&ctx, &query).await, 0);
    assert_eq!(ctx.take_warnings(), []);
    let plan = crate::support::query(&ctx, &format!("EXPLAIN {query}")).await.join("");
    assert!(plan.contains("regions=none") && plan.contains("bytes=0 of"), "{plan}");
}

#[tokio::test]
async fn lists_in_predicates_mean_any_element() {
    let (ctx, vcf) = (context(2, 8192), data("cohort.vcf.gz"));
    let count = |predicate: &'static str| {
        let (ctx, vcf) = (ctx.clone(), vcf.clone());
        async move { number(&ctx, &format!("SELECT count(*) FROM '{vcf}' WHERE {predicate}")).await }
    };
    assert_eq!(count("info_af > 0.3").await, count("coalesce(info_af[1] > 0.3, false) OR coalesce(info_af[2] > 0.3, false) OR coalesce(info_af[3] > 0.3, false)").await);
    assert!(count("all_of(info_af) > 0.3").await <= count("info_af > 0.3").await);
    assert!(count("alt IN ('T')").await > 0);
    assert!(count("info_af BETWEEN 0.1 AND 0.2").await > 0);
    assert_eq!(count("sample(format_gt, 'NA12891') = '0/1'").await, count("format_gt[2] = '0/1'").await);
}

#[tokio::test]
async fn a_join_counts_without_columns() {
    let (ctx, bam, bed) = (context(2, 8192), data("sample.bam"), data("panel.bed"));
    let sql = format!(
        "SELECT count(*) FROM '{bam}' r JOIN '{bed}' p ON r.rname = p.chrom AND r.pos <= p.end AND r.end > p.start"
    );
    let pairs = number(&ctx, &sql).await;
    assert!(pairs > 0);
    let overlaps = format!(
        "SELECT count(*) FROM '{bam}' r JOIN '{bed}' p ON overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end)"
    );
    assert_eq!(number(&ctx, &overlaps).await, pairs);
}

#[tokio::test]
async fn what_a_scan_does_is_in_its_plan() {
    let (ctx, bam) = (context(1, 8192), data("sample.bam"));
    let sql = format!(
        "SELECT qname FROM '{bam}' WHERE rname = 'chr2' AND pos <= 500 AND mapq >= 30 AND NOT is_duplicate(flag)"
    );
    let plan = query(&ctx, &format!("EXPLAIN {sql}")).await.join("\n");
    for part in [
        "columns=[qname]",
        "index=BAI sample.bam.bai",
        "regions=chr2:0-500",
        "partitions=1",
        "requests=1",
        "bytes=",
        "mapq >= 30",
        "flag & 1024",
    ] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(!plan.contains("FilterExec"), "{plan}");
    let plan = query(&ctx, &format!("EXPLAIN ANALYZE {sql}")).await.join("\n");
    for part in ["bytes_read=", "records_seen=", "records_kept=", "requests=1"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    let plan =
        query(&ctx, &format!("EXPLAIN SELECT qname FROM '{}' WHERE rname = 'chr2'", data("sample.unindexed.bam")))
            .await
            .join("");
    assert!(plan.contains("index=none: no index beside it"), "{plan}");
}
