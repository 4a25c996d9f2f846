//! The same rows from each server as from the disk, in SQL and by chaining.

use std::time::Duration;

use datafusion::prelude::{col, lit};
use genomicframe::convert::BamOptions;
use genomicframe::{GenomicContext, ReadOptions};
use object_store::ObjectStoreExt;

use super::proxy::Proxy;
use super::servers::{self, EMPTY, Server, context, s3_options, shelf};
use crate::metamorphic::{CASES, Case, TABLES};
use crate::pruning::SHAPES;
use crate::sql::{FUNCTIONS, NAMES, STATEMENTS};
use crate::support::{Random, data, query, read, sorted};

/// Queries over every format; `@` stands for the place of the files.
pub const QUERIES: [&str; 11] = [
    "SELECT * FROM '@/sample.bam'",
    "SELECT * FROM '@/sample.bam' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000",
    "SELECT qname, pos FROM read_bam('@/sample.bam', region => 'chr10:1-20000') WHERE mapq > 20",
    "SELECT * FROM '@/cohort.vcf.gz'",
    "SELECT chrom, pos, ref, alt, info_af FROM '@/cohort.vcf.gz' WHERE chrom = 'chr1' AND pos < 60000",
    "SELECT * FROM '@/genes.gff3.gz' WHERE feature = 'exon'",
    "SELECT * FROM '@/reads.fastq'",
    "SELECT id, qual FROM '@/reads.fastq.gz'",
    "SELECT * FROM '@/targets3.bed'",
    "SELECT * FROM '@/x.bams3'",
    "SELECT qname, cigar FROM '@/x.bams3' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000",
];

/// The rows that the disk gives.
pub async fn local(sql: &str) -> Vec<String> {
    let rows = query(&GenomicContext::new(), &sql.replace('@', &shelf().join("lab").display().to_string())).await;
    assert!(!rows.is_empty(), "{sql}");
    rows
}

async fn compare(server: &Server) {
    let ctx = context(&server.options);
    for sql in QUERIES {
        assert_eq!(query(&ctx, &sql.replace('@', &server.base)).await, local(sql).await, "{}: {sql}", server.name);
    }
    let empty = format!("SELECT * FROM '{}/{EMPTY}'", server.base);
    assert!(query(&ctx, &empty).await.is_empty(), "{}", server.name);
    // Chained, as a blocking program does.
    let (chained, base) = (ctx.clone(), server.base.clone());
    let rows = tokio::task::spawn_blocking(move || {
        let frame = chained.scan(format!("{base}/sample.bam"), ReadOptions::new().region("chr2:1000-30000")).unwrap();
        let frame = frame.filter(col("mapq").gt(lit(20_u8))).select(&["qname", "pos", "tag_nm"]);
        sorted(&[frame.collect_arrow().unwrap()])
    });
    let local_sql =
        "SELECT qname, pos, tag_nm FROM read_bam('@/sample.bam', region => 'chr2:1000-30000') WHERE mapq > 20";
    assert_eq!(rows.await.unwrap(), local(local_sql).await, "{}", server.name);
    if !server.lists {
        return;
    }
    for path in ["@/runs/*.bam", "@/*/?.bam", "@/runs/"] {
        let sql = format!("SELECT qname, pos, cigar FROM '{path}'");
        assert_eq!(query(&ctx, &sql.replace('@', &server.base)).await, local(&sql).await, "{}: {path}", server.name);
    }
    let files = query(&ctx, &format!("SELECT DISTINCT file FROM '{}/runs/*.bam'", server.base)).await;
    assert_eq!(files, [format!("{}/runs/a.bam", server.base), format!("{}/runs/b.bam", server.base)]);
    if !server.writes {
        return;
    }
    let (from, to) = (format!("{}/sample.bam", server.base), format!("{}/made/y.bams3", server.base));
    ctx.convert(&from, &to, &crate::bams3::small()).await.unwrap();
    let e = ctx.convert(&from, &to, &crate::bams3::small()).await.unwrap_err();
    assert!(e.to_string().contains("a dataset is there already"), "{}: {e}", server.name);
    let sql = "SELECT * FROM '@'";
    assert_eq!(query(&ctx, &sql.replace('@', &to)).await, local("SELECT * FROM '@/x.bams3'").await, "{}", server.name);
    assert!(ctx.validate_bams3(&to, Some(&from)).await.unwrap().is_sound(), "{}", server.name);
    // Each store escapes keys in its own way.
    let key = "made/run#1 50%25 ü~+&=.bed";
    let url = url::Url::parse(&format!("{}/", server.base)).unwrap();
    let store = ctx.session().runtime_env().object_store_registry.get_store(&url).unwrap();
    let bytes = std::fs::read(shelf().join("lab/targets3.bed")).unwrap();
    store.put(&object_store::path::Path::parse(key).unwrap(), bytes.into()).await.unwrap();
    let odd = query(&ctx, &format!("SELECT * FROM '{}/{key}'", server.base)).await;
    assert_eq!(odd, local("SELECT * FROM '@/targets3.bed'").await, "{}", server.name);
    // What DataFusion reads of itself goes the same way.
    if let Some(store) = &server.folder {
        let rows = "SELECT qname, pos FROM '@/runs/a.bam'";
        let copy = format!(
            "COPY ({}) TO '{}' STORED AS PARQUET",
            rows.replace('@', &server.base),
            store.path().join("lab/p.parquet").display()
        );
        ctx.sql(&copy).await.unwrap().collect().await.unwrap();
        assert_eq!(query(&ctx, &format!("SELECT * FROM '{}/p.parquet'", server.base)).await, local(rows).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_gives_the_local_rows() {
    for server in servers::all().await {
        compare(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_keys_are_kept_as_they_are() {
    let root = servers::own_shelf();
    let odd = ["a b.bed", "50%25.bed", "run#1+2.bed", "x[1].bed", "ü~é&=;,.bed", "what?.bed"];
    for name in odd {
        std::fs::copy(shelf().join("lab/targets3.bed"), root.path().join("lab").join(name)).unwrap();
    }
    let ctx = context(&s3_options(&servers::s3(root.path()).await));
    let expected = local("SELECT * FROM '@/targets3.bed'").await;
    for name in odd {
        // Brackets and question marks make a glob, which matches the first and must find the second too.
        let path = format!("s3://lab/{}", name.replace("[1]", "[[]1]"));
        let rows = read(&ctx, &path, ReadOptions::new(), &["chrom", "start", "end"]).await;
        assert_eq!(rows, expected, "{path}");
    }
    let files = query(&ctx, "SELECT DISTINCT file FROM 's3://lab/*.bed'").await;
    for name in odd {
        assert!(files.contains(&format!("s3://lab/{name}")), "{name}: {files:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_is_waited_for() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    // The whole takes many times as long as one read may.
    proxy.throttle(100_000);
    let mut options = s3_options(&proxy.url);
    options.extend(servers::options(&[("read_timeout", "500ms"), ("max_retries", "0")]));
    let begun = std::time::Instant::now();
    let sql = "SELECT count(*) FROM read_files('@/sample.bam', index => 'none') WHERE mapq >= 0";
    let ctx = GenomicContext::builder().threads(1).storage_options(options).build().unwrap();
    assert_eq!(query(&ctx, &sql.replace('@', "s3://lab")).await, local(sql).await);
    assert!(begun.elapsed() > Duration::from_millis(1500), "{:?}", begun.elapsed());
}

/// What other tests ask of the files of `tests/data`, of each server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_of_other_tests_give_the_local_rows() {
    let here = shelf().join("lab").display().to_string();
    let mut random = Random(11);
    let mut statements: Vec<String> = [&NAMES[..], &STATEMENTS].concat().into_iter().map(str::to_owned).collect();
    statements.extend(FUNCTIONS.map(|table| format!("SELECT * FROM {table}")));
    statements.extend(SHAPES.map(|condition| format!("SELECT qname FROM '@/sample.bam' WHERE {condition}")));
    for table in TABLES {
        for _ in 0..12 {
            let (columns, condition) = (table.place.join(", "), table.predicate(&mut random));
            statements.push(format!("SELECT {columns} FROM '@/{}' WHERE {condition}", table.file));
        }
    }
    let join = "SELECT count(*) FROM '@/sample.bam' r JOIN '@/panel.bed' p ON overlaps(r.rname, r.pos, r.end, p.chrom, p.start, p.end)";
    statements.push(join.into());
    // One thread, so that a limit takes the same rows; what a statement makes stays in its context.
    let one = |options: &servers::Options| {
        GenomicContext::builder().threads(1).storage_options(options.clone()).build().unwrap()
    };
    let mut rows_here = Vec::new();
    for sql in &statements {
        rows_here.push(query(&one(&Vec::new()), &sql.replace('@', &here)).await);
    }
    let sam = Case { file: "sample.sam", regions: &["", "chr2:1-30,000"], columns: &[&[], &["qname", "tag_nm"]] };
    for server in servers::all().await {
        let ctx = one(&server.options);
        for case in CASES.iter().chain([&sam]) {
            for (region, columns) in
                case.regions.iter().flat_map(|region| case.columns.iter().map(move |c| (region, c)))
            {
                let options = if region.is_empty() { ReadOptions::new() } else { ReadOptions::new().region(*region) };
                let remote = read(&ctx, &format!("{}/{}", server.base, case.file), options.clone(), columns).await;
                let local = read(&ctx, &format!("{here}/{}", case.file), options, columns).await;
                assert_eq!(remote, local, "{}: {} {region} {columns:?}", server.name, case.file);
            }
        }
        for (sql, rows) in statements.iter().zip(&rows_here) {
            let remote = query(&one(&server.options), &sql.replace('@', &server.base)).await;
            assert_eq!(&remote, rows, "{}: {sql}", server.name);
        }
        for file in ["sample.bam", "sample.sam", "cohort.vcf.gz", "genes.gff3.gz", "reads.fastq.gz", "targets3.bed"] {
            let stats = async |place: &str| {
                let rows = ctx.sql(&format!("SELECT * FROM '{place}/{file}'")).await.unwrap();
                ctx.stats(rows).await.unwrap().to_string()
            };
            assert_eq!(stats(&server.base).await, stats(&here).await, "{}: {file}", server.name);
            let stats = |place: &str| {
                let mut gf = servers::gf();
                gf.args(["stats", &format!("{place}/{file}")]);
                gf.args(server.options.iter().map(|(key, value)| format!("--storage={key}={value}")));
                let out = gf.output().unwrap();
                assert!(out.status.success(), "{file}: {}", String::from_utf8_lossy(&out.stderr));
                String::from_utf8(out.stdout).unwrap()
            };
            assert_eq!(stats(&server.base), stats(&here), "{}: {file}", server.name);
        }
        if !server.writes {
            continue;
        }
        // There and back.
        let (from, made) = (format!("{}/sample.bam", server.base), format!("{}/made/x.bams3", server.base));
        ctx.convert(&from, &made, &crate::bams3::small()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let back = folder.path().join("back.bam");
        assert_eq!(ctx.export_bam(&made, &back, &BamOptions::default()).await.unwrap(), 4905);
        let whole = async |path: &str| read(&ctx, path, ReadOptions::new(), &[]).await;
        assert_eq!(whole(back.to_str().unwrap()).await, whole(&data("sample.bam")).await, "{}", server.name);
    }
}

/// [`super::bytes`] tells how many of them wait for another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_region_takes_four_requests() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    let ctx = context(&s3_options(&proxy.url));
    for (file, index, condition) in [
        ("sample.bam", ".bai", "rname = 'chr2' AND pos BETWEEN 1000 AND 30000"),
        ("cohort.vcf.gz", ".tbi", "chrom = 'chr2' AND pos BETWEEN 1000 AND 30000"),
    ] {
        let sql = format!("SELECT * FROM '@/{file}' WHERE {condition}");
        proxy.take_log();
        assert_eq!(query(&ctx, &sql.replace('@', "s3://lab")).await, local(&sql).await);
        let log = proxy.take_log();
        // The file's beginning with its header, its end, the index, the blocks.
        let asked: Vec<_> = log.iter().map(|r| format!("{} {} {:?}", r.method, r.url, r.range)).collect();
        assert_eq!(log.len(), 4, "{asked:#?}");
        assert!(log.iter().all(|r| r.method == "GET"), "{asked:#?}");
        assert_eq!(log.iter().filter(|r| r.url.contains(&format!("{file}{index}"))).count(), 1, "{asked:#?}");
    }
}
