//! What was opened before is not fetched again, unless it changed.

use std::path::Path;

use genomicframe::GenomicContext;

use super::proxy::{Fault, Proxy, Request};
use super::rows::local;
use super::servers::{self, context, gf, s3_options, shelf};
use crate::support::{data, query};

/// Regions of files with their index, and of a dataset.
const REGIONS: [&str; 3] = [
    "SELECT * FROM '@/sample.bam' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000",
    "SELECT * FROM '@/cohort.vcf.gz' WHERE chrom = 'chr2' AND pos BETWEEN 1000 AND 30000",
    "SELECT qname, cigar FROM '@/x.bams3' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000",
];

/// A line for each request.
fn shown(log: &[Request]) -> Vec<String> {
    log.iter().map(|r| format!("{} {} {}", r.method, r.url, r.range.as_deref().unwrap_or("all"))).collect()
}

async fn rows(ctx: &GenomicContext, sql: &str) -> Vec<String> {
    query(ctx, &sql.replace('@', "s3://lab")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_region_takes_two_round_trips() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    let ctx = context(&s3_options(&proxy.url));
    for sql in REGIONS {
        let expected = local(sql).await;
        assert_eq!(rows(&ctx, sql).await, expected);
        proxy.take_log();
        assert_eq!(rows(&ctx, sql).await, expected);
        let log = proxy.take_log();
        // Whether it is the same, then the rows alone.
        assert_eq!((&*log[0].method, log[0].range.as_deref()), ("HEAD", None), "{:#?}", shown(&log));
        assert!(log.len() > 1 && log[1..].iter().all(|r| r.method == "GET"), "{:#?}", shown(&log));
        let other = |r: &Request| r.url.contains(".bai") || r.url.contains(".tbi") || r.url.contains("_index");
        assert!(!log.iter().any(other), "{:#?}", shown(&log));
        assert!(sql.contains("bams3") || log.len() == 2, "{:#?}", shown(&log));
    }
    // A server that knows no HEAD is asked as if for the first time.
    proxy.fault(|request, _| (request.method == "HEAD").then_some(Fault::SlowDown));
    assert_eq!(rows(&ctx, REGIONS[0]).await, local(REGIONS[0]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_is_opened_anew() {
    let own = servers::own_shelf();
    let lab = own.path().join("lab");
    let ctx = context(&s3_options(&servers::s3(own.path()).await));
    let count = async |name: &str| rows(&ctx, &format!("SELECT count(*) FROM '@/{name}'")).await;
    let mapq = async |region: &str| {
        rows(&ctx, &format!("SELECT mapq FROM read_bam('@/runs/a.bam', region => '{region}')")).await.len()
    };
    // A file without an index, then with one, then another file.
    std::fs::remove_file(lab.join("runs/a.bam.bai")).unwrap();
    let expected = mapq("chr2").await;
    let plan =
        async || rows(&ctx, "EXPLAIN SELECT mapq FROM read_bam('@/runs/a.bam', region => 'chr2')").await.concat();
    assert!(plan().await.contains("index=none"), "{}", plan().await);
    std::fs::copy(data("sample.bam.bai"), lab.join("runs/a.bam.bai")).unwrap();
    assert!(plan().await.contains("index=BAI"), "{}", plan().await);
    assert_eq!(mapq("chr2").await, expected);
    std::fs::copy(data("long_cigar.bam"), lab.join("runs/a.bam")).unwrap();
    std::fs::copy(data("long_cigar.bam.bai"), lab.join("runs/a.bam.bai")).unwrap();
    assert_eq!(count("runs/a.bam").await, count("runs/b.bam").await);
    // A dataset that was made anew.
    let before = count("x.bams3").await;
    let again = crate::bams3::small().overwrite(true);
    let to = lab.join("x.bams3").display().to_string();
    ctx.convert(&data("long_cigar.bam"), &to, &again).await.unwrap();
    assert_ne!(count("x.bams3").await, before);
    assert_eq!(count("x.bams3").await, count("runs/b.bam").await);
    // One that is gone.
    std::fs::remove_file(lab.join("runs/b.bam")).unwrap();
    assert!(ctx.sql("SELECT * FROM 's3://lab/runs/b.bam'").await.unwrap_err().is_not_found());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_on_disk_serves_the_next_process() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    let folder = tempfile::tempdir().unwrap();
    let run = async |sql: &str| {
        let mut command = gf();
        command.args(["sql", &sql.replace('@', "s3://lab")]);
        command.env("GENOMICFRAME_CACHE_DIR", folder.path().join("cache"));
        for (name, value) in s3_options(&proxy.url) {
            command.args(["--storage".into(), format!("{name}={value}")]);
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{output:?}");
        (output.stdout, proxy.take_log())
    };
    for sql in &REGIONS[..2] {
        let (first, cold) = run(sql).await;
        let (second, warm) = run(sql).await;
        assert!(!first.is_empty() && first == second, "{sql}");
        let methods = |log: &[Request]| log.iter().map(|r| r.method.clone()).collect::<Vec<_>>();
        assert_eq!(methods(&cold), ["GET"; 4], "{:#?}", shown(&cold));
        // Of the file and its index it is asked whether they are the same. Of a small one all rows are in its beginning.
        let rows = methods(&warm).split_off(2);
        assert_eq!(methods(&warm)[..2], ["HEAD"; 2], "{:#?}", shown(&warm));
        assert!(rows == ["GET"] || (rows.is_empty() && sql.contains("vcf")), "{:#?}", shown(&warm));
    }
    let secrets = |folder: &Path| {
        std::fs::read_dir(folder).unwrap().any(|entry| {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            String::from_utf8_lossy(&bytes).contains("secret")
        })
    };
    assert!(!secrets(&folder.path().join("cache")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_tell_what_reading_costs() {
    let ctx = context(&s3_options(&servers::s3(shelf()).await));
    let plan = query(&ctx, &format!("EXPLAIN {}", REGIONS[0].replace('@', "s3://lab"))).await.concat();
    assert!(plan.contains("requests=1 ") && plan.contains("cost=$0.00000040+$0."), "{plan}");
    let many = query(&ctx, "EXPLAIN SELECT pos FROM 's3://lab/runs/*.bam'").await.concat();
    assert!(many.contains("cost=$"), "{many}");
    let here = query(&ctx, &format!("EXPLAIN SELECT pos FROM '{}'", data("sample.bam"))).await.concat();
    assert!(here.contains("requests=") && !here.contains("cost="), "{here}");
}
