//! Through faults: the right rows or an error, soon enough, and never fewer rows.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::time::Duration;

use futures::StreamExt;
use genomicframe::GenomicContext;

use super::proxy::{Fault, Proxy, Request};
use super::rows::{QUERIES, local};
use super::servers::{self, Options, options, s3_options, shelf};
use crate::support::{query, sorted};

/// Schedules, each of which begins with its own number.
const SEEDS: u64 = 25;
/// No query may take longer, whatever happens.
const LONGEST: Duration = Duration::from_secs(30);

/// Options that make a test of waiting and trying again short.
fn hasty(endpoint: &str) -> Options {
    let mut all = s3_options(endpoint);
    all.extend(options(&[("read_timeout", "300ms"), ("max_retries", "4"), ("retry_timeout", "3s")]));
    all
}

fn hasty_context(endpoint: &str) -> GenomicContext {
    GenomicContext::builder().threads(2).storage_options(hasty(endpoint)).build().unwrap()
}

/// Faults of one answer in `every`, of a kind that the request decides, so that a seed gives the same ones again.
fn schedule(seed: u64, every: u64) -> impl Fn(&Request, u64) -> Option<Fault> + Send + Sync {
    move |request, before| {
        let mut hasher = DefaultHasher::new();
        (seed, &request.method, &request.url, &request.range, before).hash(&mut hasher);
        let number = hasher.finish();
        if !number.is_multiple_of(every) {
            return None;
        }
        let kinds = [Fault::SlowDown, Fault::Reset, Fault::Truncate, Fault::Flip, Fault::Hang, Fault::Stall];
        let kind = kinds[(number / every) as usize % kinds.len()];
        // BAI, plain text and listings have no checksums: over a wire that changes bits nobody could tell.
        let is_checked = [".bai", ".fastq", ".bed"].iter().all(|end| !request.url.ends_with(end));
        let is_checked = is_checked && !request.url.contains("list-type=");
        (kind != Fault::Flip || is_checked).then_some(kind)
    }
}

/// The rows, or what is said instead of them.
async fn answer(ctx: &GenomicContext, sql: &str) -> Result<Vec<String>, String> {
    let rows = async { Ok(sorted(&ctx.sql(sql).await?.collect().await?)) };
    let rows = tokio::time::timeout(LONGEST, rows).await.unwrap_or_else(|_| panic!("{sql} hangs"));
    rows.map_err(|e: genomicframe::Error| e.to_string())
}

/// Right answers and errors through one schedule.
async fn run(seed: u64, server: &str, expected: &[Vec<String>]) -> (u32, u32) {
    let proxy = Proxy::before(server).await;
    // From now and then to most of the time.
    proxy.fault(schedule(seed, [12, 6, 3, 2][seed as usize % 4]));
    let ctx = hasty_context(&proxy.url);
    let (mut right, mut failed) = (0, 0);
    let at = seed as usize * 4;
    for i in (at..at + 4).map(|i| i % QUERIES.len()) {
        match answer(&ctx, &QUERIES[i].replace('@', "s3://lab")).await {
            Ok(rows) => {
                assert!(rows == expected[i], "seed {seed}: {}: {} rows", QUERIES[i], rows.len());
                right += 1;
            }
            Err(e) => {
                assert!(e.contains("s3://lab/"), "seed {seed}: {}: {e}", QUERIES[i]);
                failed += 1;
            }
        }
    }
    (right, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_rows_or_an_error() {
    let server = servers::s3(shelf()).await;
    let mut expected = Vec::new();
    for sql in QUERIES {
        expected.push(local(sql).await);
    }
    // Most of the time is waited.
    let runs = futures::stream::iter(0..SEEDS).map(|seed| run(seed, &server, &expected)).buffer_unordered(5);
    let (right, failed) = runs.fold((0, 0), |sum, one| async move { (sum.0 + one.0, sum.1 + one.1) }).await;
    eprintln!("{right} answers and {failed} errors through {SEEDS} schedules");
    assert!(right > failed && failed > 0, "{right} answers, {failed} errors");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_of_each_kind_is_survived() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    let sql = "SELECT * FROM '@/sample.bam' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000";
    let expected = local(sql).await;
    for fault in [Fault::SlowDown, Fault::Reset, Fault::Truncate, Fault::Hang, Fault::Stall] {
        // What is resumed ends where the first request does.
        let spoilt = Mutex::new(HashSet::new());
        proxy.fault(move |request, _| {
            let end = request.range.as_ref().and_then(|r| r.rsplit('-').next()).unwrap_or_default().to_owned();
            spoilt.lock().unwrap().insert((request.method.clone(), request.url.clone(), end)).then_some(fault)
        });
        let rows = answer(&hasty_context(&proxy.url), &sql.replace('@', "s3://lab")).await;
        assert_eq!(rows.as_ref(), Ok(&expected), "{fault:?}");
    }
    proxy.fault(|request, _| (request.range.is_some() && !request.url.ends_with(".bai")).then_some(Fault::Flip));
    let e = answer(&hasty_context(&proxy.url), &sql.replace('@', "s3://lab")).await.unwrap_err();
    assert!(e.contains("s3://lab/sample.bam"), "{e}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_says_what_was_tried() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    for (fault, cause) in [
        (Fault::SlowDown, "HTTP 503, SlowDown: Please reduce your request rate."),
        (Fault::Reset, "onnection"),
        (Fault::Truncate, ""),
        (Fault::Hang, "nothing came for 300ms"),
        (Fault::Stall, "nothing came for 300ms"),
    ] {
        proxy.fault(move |request, _| request.range.is_some().then_some(fault));
        let e = answer(&hasty_context(&proxy.url), "SELECT * FROM 's3://lab/sample.bam'").await.unwrap_err();
        assert!(e.starts_with("s3://lab/sample.bam: bytes 0..") && e.contains(cause), "{fault:?}: {e}");
        assert!(e.contains(" cannot be read in 5 attempts: "), "{fault:?}: {e}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_versions_is_asked_anew() {
    let Some((url, _nginx)) = servers::nginx() else { return };
    let proxy = Proxy::before(&url).await;
    proxy.fault(|request, before| (request.range.is_some() && before == 0).then_some(Fault::Truncate));
    let ctx = hasty_context(&proxy.url);
    let sql = "SELECT * FROM '@/sample.bam'";
    let rows = query(&ctx, &sql.replace('@', &format!("{}/noetag", proxy.url))).await;
    assert_eq!(rows, local(sql).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_changes_nothing_but_the_clock() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    proxy.latency(Duration::from_millis(30));
    let ctx = hasty_context(&proxy.url);
    for sql in [QUERIES[1], QUERIES[4], QUERIES[10]] {
        assert_eq!(query(&ctx, &sql.replace('@', "s3://lab")).await, local(sql).await, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_is_written_through_refusals() {
    let own = servers::own_shelf();
    let proxy = Proxy::before(&servers::s3(own.path()).await).await;
    let ctx = hasty_context(&proxy.url);
    // A conditional write that broke off may have happened, so only what was refused is sent again.
    proxy.fault(|request, before| (request.method == "PUT" && before == 0).then_some(Fault::SlowDown));
    ctx.convert("s3://lab/sample.bam", "s3://lab/y.bams3", &crate::bams3::small()).await.unwrap();
    let sent = proxy.take_log().iter().filter(|r| r.method == "PUT").count();
    assert!(sent > 20, "{sent}");
    let report = ctx.validate_bams3("s3://lab/y.bams3", Some("s3://lab/sample.bam")).await.unwrap();
    assert!(report.is_sound() && report.equal == Some(4905), "{report}");
}
