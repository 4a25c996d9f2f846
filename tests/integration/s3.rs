//! A real S3 server on loopback.

use std::sync::Arc;

use genomicframe::GenomicContext;
use genomicframe::convert::ConvertOptions;

use crate::remote::proxy::Proxy;
use crate::remote::servers::{s3, s3_store};
use crate::support::{data, number, query};

/// A folder with the bucket `lab`, which holds the sample reads.
fn bucket() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("lab")).unwrap();
    for name in ["sample.bam", "sample.bam.bai"] {
        std::fs::copy(data(name), root.path().join("lab").join(name)).unwrap();
    }
    root
}

fn on_s3(endpoint: &str) -> GenomicContext {
    let ctx = GenomicContext::builder().threads(1).build().unwrap();
    ctx.register_store(&url::Url::parse("s3://lab").unwrap(), Arc::new(s3_store(endpoint)));
    ctx
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_on_s3_answers_in_four_round_trips() {
    let root = bucket();
    let proxy = Proxy::before(&s3(root.path()).await).await;
    let ctx = on_s3(&proxy.url);
    let made = ctx.convert("s3://lab/sample.bam", "s3://lab/run1/x.bams3", &ConvertOptions::new()).await.unwrap();
    assert_eq!(made.rows(), 4905);
    let e = ctx.convert("s3://lab/sample.bam", "s3://lab/run1/x.bams3", &ConvertOptions::new()).await.unwrap_err();
    assert!(e.to_string().contains("s3://lab/run1/x.bams3: a dataset is there already"), "{e}");

    let sql = |path: &str| {
        format!(
            "SELECT qname, seq, qual FROM '{path}' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 3000 AND mapq > 20"
        )
    };
    let local = query(&ctx, &sql(&data("sample.bam"))).await;
    assert!(!local.is_empty());
    proxy.take_log();
    assert_eq!(query(&on_s3(&proxy.url), &sql("s3://lab/run1/x.bams3")).await, local);
    let seen: Vec<String> = proxy.take_log().into_iter().map(|r| r.url).collect();
    // Root, header and index at once, so in any order; what the filter needs; the rest.
    let (first, then) = seen.split_at(3);
    let is_first = |key: &str| first.iter().any(|r| r.ends_with(&format!("/x.bams3/{key}")));
    assert!(["_metadata.json", "_header.sam", "_index/chunks.arrow"].into_iter().all(is_first), "{seen:?}");
    assert!(seen.len() <= 5 && then.iter().all(|r| r.contains("/data/")), "{seen:?}");
    assert!(seen.iter().any(|r| r.contains("/data/chr1/")), "{seen:?}");

    for path in ["s3://lab/run1/x.bams3/", "s3://lab/*/x.bams3", "s3://lab/run1/"] {
        assert_eq!(query(&ctx, &sql(path)).await, local, "{path}");
    }
    let file = query(&ctx, "SELECT DISTINCT file FROM 's3://lab/*/x.bams3'").await;
    assert_eq!(file, ["s3://lab/run1/x.bams3"]);
    let e = ctx.sql("SELECT * FROM 's3://lab/none.bams3'").await.unwrap_err();
    assert!(e.is_not_found() && e.to_string().contains("s3://lab/none.bams3: no BAMS3 dataset"), "{e}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_of_a_bam_on_s3_is_the_local_one() {
    let root = bucket();
    let endpoint = s3(root.path()).await;
    let ctx = on_s3(&endpoint);
    let sql = |path: &str| format!("SELECT * FROM '{path}' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000");
    let remote = query(&ctx, &sql("s3://lab/sample.bam")).await;
    assert_eq!(remote, query(&ctx, &sql(&data("sample.bam"))).await);
    assert!(!remote.is_empty());
    let all = number(&ctx, "SELECT count(*) FROM 's3://lab/*.bam'").await;
    assert_eq!(all, number(&ctx, &format!("SELECT count(*) FROM '{}'", data("sample.bam"))).await);
    let e = ctx.sql("SELECT * FROM 's3://lab/none.bam'").await.unwrap_err();
    assert!(e.is_not_found(), "{e}");
    assert!(e.to_string().contains("s3://lab/none.bam"), "{e}");
}
