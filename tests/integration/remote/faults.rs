//! Through faults: the right rows or an error, soon enough, and never fewer rows.
//!
//! `GF_FAULT_SCHEDULES` says how many schedules are tried; `.ci/soak` tries twenty times as many as every run does.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::StreamExt;
use genomicframe::{Execution, GenomicContext, OutputFormat, WriteOptions};

use super::proxy::{Fault, Proxy, Request};
use super::rows::{QUERIES, local};
use super::servers::{self, Options, options, s3_options, shelf};
use crate::support::{query, sorted};

/// Schedules, each of which begins with its own number.
fn schedules() -> u64 {
    std::env::var("GF_FAULT_SCHEDULES").map_or(25, |n| n.parse().unwrap())
}

/// No query may take longer, whatever happens.
const LONGEST: Duration = Duration::from_secs(30);
/// Schedules that are tried at the same time: most of it is waited.
const AT_ONCE: usize = 5;

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
        let kinds = [
            Fault::SlowDown,
            Fault::Reset,
            Fault::Truncate,
            Fault::Flip,
            Fault::Hang,
            Fault::Stall,
            Fault::Lost,
            Fault::Stale,
        ];
        let kind = kinds[(number / every) as usize % kinds.len()];
        // BAI, plain text and listings have no checksums: over a wire that changes bits nobody could tell.
        let is_checked = [".bai", ".fastq", ".bed"].iter().all(|end| !request.url.ends_with(end));
        let is_checked = is_checked && !request.url.contains("list-type=");
        (kind != Fault::Flip || is_checked).then_some(kind)
    }
}

/// What `work` made, or what is said instead of it.
async fn within<T>(work: impl Future<Output = genomicframe::Result<T>>) -> Outcome<T> {
    match tokio::time::timeout(LONGEST, work).await {
        Ok(Ok(made)) => Outcome::Made(made),
        Ok(Err(e)) => Outcome::Error(e.to_string()),
        Err(_) => Outcome::Hang,
    }
}

#[derive(Debug, PartialEq)]
enum Outcome<T> {
    Made(T),
    Error(String),
    Hang,
}

impl<T: std::fmt::Debug> Outcome<T> {
    fn error(self) -> String {
        match self {
            Self::Error(e) => e,
            other => panic!("{other:?}"),
        }
    }
}

async fn answer(ctx: &GenomicContext, sql: &str) -> Outcome<Vec<String>> {
    within(async { Ok(sorted(&ctx.sql(sql).await?.collect().await?)) }).await
}

/// What came of schedules.
#[derive(Default)]
struct Tally {
    faults: u64,
    right: u64,
    errors: u64,
    /// Hangs, wrong answers and errors that do not say where, each with its schedule.
    hangs: Vec<String>,
    wrong: Vec<String>,
    /// How often each query was asked.
    asked: [u64; QUERIES.len()],
}

impl Tally {
    /// Tells what came of `what`, whose answer is right where `is_right` says so.
    fn add<T>(&mut self, what: String, outcome: Outcome<T>, is_right: impl FnOnce(&T) -> bool) {
        match outcome {
            Outcome::Made(made) if is_right(&made) => self.right += 1,
            Outcome::Made(_) => self.wrong.push(what),
            Outcome::Error(e) if e.contains("s3://lab/") => self.errors += 1,
            Outcome::Error(e) => self.wrong.push(format!("{what}: {e}")),
            Outcome::Hang => self.hangs.push(what),
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.faults += other.faults;
        self.right += other.right;
        self.errors += other.errors;
        self.hangs.extend(other.hangs);
        self.wrong.extend(other.wrong);
        self.asked.iter_mut().zip(other.asked).for_each(|(n, more)| *n += more);
        self
    }

    /// Prints the sum of `of`, and fails where something was not as it must be.
    fn judge(&self, of: &str, schedules: u64, begun: Instant) {
        let Self { faults, right, errors, hangs, wrong, .. } = self;
        eprintln!(
            "{of}: {schedules} schedules, {faults} faults, {right} right, {errors} errors, {} hangs, {} wrong, {:.0} s",
            hangs.len(),
            wrong.len(),
            begun.elapsed().as_secs_f64()
        );
        assert!(hangs.is_empty() && wrong.is_empty(), "hangs: {hangs:#?}\nwrong: {wrong:#?}");
        assert!(*right > 0 && *errors > 0);
    }
}

/// Four queries through one schedule.
async fn read(seed: u64, server: &str, expected: &[Vec<String>]) -> Tally {
    let proxy = Proxy::before(server).await;
    // From now and then to most of the time.
    proxy.fault(schedule(seed, [12, 6, 3, 2][seed as usize % 4]));
    let ctx = hasty_context(&proxy.url);
    let mut tally = Tally::default();
    let at = seed as usize * 4;
    for i in (at..at + 4).map(|i| i % QUERIES.len()) {
        let outcome = answer(&ctx, &QUERIES[i].replace('@', "s3://lab")).await;
        let rows = if let Outcome::Made(rows) = &outcome { rows.len() } else { 0 };
        let what = format!("schedule {seed}: {}: {rows} rows of {}", QUERIES[i], expected[i].len());
        tally.add(what, outcome, |rows| *rows == expected[i]);
        tally.asked[i] += 1;
    }
    Tally { faults: proxy.faults(), ..tally }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn right_rows_or_an_error() {
    let (server, begun) = (servers::s3(shelf()).await, Instant::now());
    let mut expected = Vec::new();
    for sql in QUERIES {
        expected.push(local(sql).await);
    }
    let all = futures::stream::iter(0..schedules()).map(|seed| read(seed, &server, &expected));
    let tally = all.buffer_unordered(AT_ONCE).fold(Tally::default(), |sum, one| async { sum.and(one) }).await;
    tally.judge("reading", schedules(), begun);
    assert!(tally.right > tally.errors);
    assert!(tally.asked.iter().all(|n| *n > 0), "{:?}", tally.asked);
}

/// A dataset written through one schedule. Whatever came of it, readers find all of it or none, and it can be gone on with.
async fn write(seed: u64, server: &str, expected: &[String]) -> Tally {
    let proxy = Proxy::before(server).await;
    proxy.fault(schedule(seed, [160, 80, 40, 20][seed as usize % 4]));
    let to = format!("s3://lab/made/{seed}.bams3");
    let (hasty, plain) = (hasty_context(&proxy.url), servers::context(&s3_options(server)));
    let made = within(hasty.convert("s3://lab/sample.bam", &to, &crate::bams3::small())).await;
    let mut tally = Tally { faults: proxy.faults(), ..Tally::default() };
    let sql = format!("SELECT * FROM '{to}'");
    let found = answer(&plain, &sql).await;
    let is_whole = matches!(&found, Outcome::Made(rows) if rows == expected);
    let is_absent = matches!(&found, Outcome::Error(e) if e.contains("no BAMS3 dataset"));
    let is_right = if matches!(made, Outcome::Made(_)) { is_whole } else { is_whole || is_absent };
    let what =
        format!("schedule {seed}: {to} is written: {}", if is_right { "" } else { "and is neither whole nor absent" });
    match is_right {
        true => tally.add(what, made, |_| true),
        false => tally.wrong.push(what),
    }
    if is_absent {
        plain.convert("s3://lab/sample.bam", &to, &crate::bams3::small().resume(true)).await.unwrap();
    }
    let report = plain.validate_bams3(&to, Some("s3://lab/sample.bam")).await.unwrap();
    if !report.is_sound() || report.equal != Some(expected.len() as u64) {
        tally.wrong.push(format!("schedule {seed}: {to} is gone on with: {report}"));
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_is_whole_or_absent() {
    let (own, begun) = (servers::own_shelf(), Instant::now());
    let server = servers::s3(own.path()).await;
    let expected = local("SELECT * FROM '@/x.bams3'").await;
    // A dataset takes more requests than four queries do.
    let schedules = schedules().div_ceil(2);
    let all = futures::stream::iter(0..schedules).map(|seed| write(seed, &server, &expected));
    let tally = all.buffer_unordered(AT_ONCE).fold(Tally::default(), |sum, one| async { sum.and(one) }).await;
    tally.judge("writing datasets", schedules, begun);
}

/// More than one part.
const FILE: &str = "SELECT repeat('x', 1000) AS x FROM generate_series(1, 20000)";

/// A file written over another through one schedule. Whatever came of it, one of the two is there, whole.
async fn replace(seed: u64, server: &str, lab: &Path, expected: &[u8]) -> Tally {
    let (name, proxy) = (format!("{seed}.csv"), Proxy::before(server).await);
    std::fs::write(lab.join(&name), "old").unwrap();
    let faults = schedule(seed, [8, 4, 2, 1][seed as usize % 4]);
    proxy.fault(move |request, before| match faults(request, before) {
        // The answer to a part is waited for as long as a slow line takes to carry it: a minute.
        Some(Fault::Hang) if request.method == "PUT" => Some(Fault::Reset),
        fault => fault,
    });
    let mut patient = hasty(&proxy.url);
    // To make an object of its parts takes the server longer than to answer a read.
    patient.extend(options(&[("read_timeout", "3s"), ("retry_timeout", "10s")]));
    let ctx = GenomicContext::builder().threads(2).storage_options(patient).build().unwrap();
    let written = within(async {
        let (rows, to) = (ctx.sql(FILE).await?, ctx.target(format!("s3://lab/{name}"))?);
        Execution::new(rows).await?.write(OutputFormat::Csv, to, &WriteOptions::new()).await
    });
    let written = written.await;
    let mut tally = Tally { faults: proxy.faults(), ..Tally::default() };
    let found = std::fs::read(lab.join(&name)).unwrap();
    let is_right = found == expected || (found == b"old" && !matches!(written, Outcome::Made(_)));
    tally.add(format!("schedule {seed}: {name} of {} bytes", found.len()), written, |_| is_right);
    if !is_right && tally.wrong.is_empty() {
        tally.wrong.push(format!("schedule {seed}: {name} is neither whole nor the old one"));
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_the_new_or_the_old_one() {
    let (own, begun) = (servers::own_shelf(), Instant::now());
    let (server, lab) = (servers::s3(own.path()).await, own.path().join("lab"));
    let expected = "x\n".to_owned() + &("x".repeat(1000) + "\n").repeat(20_000);
    // Each sends as much as many queries read.
    let schedules = schedules().div_ceil(4);
    let all = futures::stream::iter(0..schedules).map(|seed| replace(seed, &server, &lab, expected.as_bytes()));
    let tally = all.buffer_unordered(AT_ONCE).fold(Tally::default(), |sum, one| async { sum.and(one) }).await;
    tally.judge("writing files", schedules, begun);
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
        assert_eq!(rows, Outcome::Made(expected.clone()), "{fault:?}");
    }
    proxy.fault(|request, _| (request.range.is_some() && !request.url.ends_with(".bai")).then_some(Fault::Flip));
    let e = answer(&hasty_context(&proxy.url), &sql.replace('@', "s3://lab")).await.error();
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
        let e = answer(&hasty_context(&proxy.url), "SELECT * FROM 's3://lab/sample.bam'").await.error();
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
