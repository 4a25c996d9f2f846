//! What is written to stores: the bytes of the local file, in parts, whole or not at all.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use genomicframe::convert::BamOptions;
use genomicframe::{Execution, GenomicContext, GenomicFrame, Native, OutputFormat, ReadOptions, WriteOptions};
use object_store::ObjectStore;
use object_store::ObjectStoreExt;

use super::proxy::{Fault, Proxy, Request};
use super::servers::{self, Options, Server, context, gf, s3_options, shelf};
use crate::support::{data, output, python};

/// Of which one or two threads make the same file.
const FORMATS: [(OutputFormat, &str); 6] = [
    (OutputFormat::Csv, "csv"),
    (OutputFormat::Tsv, "tsv"),
    (OutputFormat::Json, "jsonl"),
    (OutputFormat::Arrow, "arrow"),
    (OutputFormat::Parquet, "parquet"),
    (OutputFormat::Native, "sam"),
];

async fn write(ctx: &GenomicContext, sql: &str, format: OutputFormat, to: &str) -> genomicframe::Result<u64> {
    let mut query = ctx.sql(sql).await?;
    let mut options = WriteOptions::new();
    if format == OutputFormat::Native {
        let native = Native::of(&query)?;
        query = native.project(query)?;
        options = options.native(native);
    }
    Ok(Execution::new(query).await?.write(format, ctx.target(to)?, &options).await?.rows)
}

/// What the store has.
async fn stored(store: &dyn ObjectStore, key: &str) -> Option<Vec<u8>> {
    let got = store.get(&object_store::path::Path::parse(key).unwrap()).await.ok()?;
    Some(got.bytes().await.unwrap().to_vec())
}

async fn compare(server: &Server) {
    let ctx = context(&server.options);
    let url = url::Url::parse(&format!("{}/", server.base)).unwrap();
    let store = ctx.session().runtime_env().object_store_registry.get_store(&url).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sql = format!("SELECT * FROM '{}' WHERE mapq > 20", data("sample.bam"));
    for (format, ending) in FORMATS {
        let (key, here) = (format!("made/ü 1/x.{ending}"), folder.path().join(ending).display().to_string());
        let rows = write(&ctx, &sql, format, &format!("{}/{key}", server.base)).await.unwrap();
        assert_eq!(write(&ctx, &sql, format, &here).await.unwrap(), rows);
        let there = stored(&*store, &key).await;
        assert!(there == Some(std::fs::read(here).unwrap()), "{}: {key}", server.name);
    }
    // A dataset back to BAM, over one whose index would be wrong now.
    let dataset = shelf().join("lab/x.bams3").display().to_string();
    for key in ["made/y.bam", "made/y.bam.csi"] {
        store.put(&key.into(), "old".into()).await.unwrap();
    }
    let (to, here) = (format!("{}/made/y.bam", server.base), folder.path().join("y.bam"));
    ctx.export_bam(&dataset, &to, &BamOptions::default()).await.unwrap();
    ctx.export_bam(&dataset, &here, &BamOptions::default()).await.unwrap();
    for suffix in ["", ".bai"] {
        let here = std::fs::read(folder.path().join(format!("y.bam{suffix}"))).unwrap();
        assert!(stored(&*store, &format!("made/y.bam{suffix}")).await == Some(here), "{}: {suffix}", server.name);
    }
    assert!(stored(&*store, "made/y.bam.csi").await.is_none());
    // Chained, as a blocking program does.
    let to = format!("{}/made/chained.parquet", server.base);
    let chained = tokio::task::spawn_blocking({
        let (ctx, to) = (ctx.clone(), to.clone());
        move || ctx.scan(data("sample.bam"), ReadOptions::new()).and_then(|frame: GenomicFrame| frame.write_parquet(to))
    });
    assert_eq!(chained.await.unwrap().unwrap(), 4905);
    let read = ctx.sql(&format!("SELECT qname FROM '{to}'")).await.unwrap().count().await.unwrap();
    assert_eq!(read, 4905, "{}", server.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_gets_the_bytes_of_the_local_file() {
    for server in servers::all().await.iter().filter(|server| server.writes) {
        compare(server).await;
    }
}

/// Of DataFusion's own writers, and how the names of their files end.
const FORMS: [(&str, &str); 4] = [("CSV", "csv"), ("PARQUET", "parquet"), ("JSON", "json"), ("ARROW", "arrow")];

/// Apart from the servers, which a query that computes without a pause would keep from their work.
fn engine() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// More than two parts.
const LARGE: &str = "SELECT repeat('x', 1000) AS x FROM generate_series(1, 40000)";

fn is_of_parts(request: &Request) -> bool {
    request.url.contains("uploads") || request.url.contains("uploadId")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_large_goes_in_parts_through_refusals() {
    let own = servers::own_shelf();
    let endpoint = servers::s3(own.path()).await;
    let proxy = Proxy::before(&endpoint).await;
    proxy.fault(|request, before| (is_of_parts(request) && before == 0).then_some(Fault::SlowDown));
    let ctx = context(&s3_options(&proxy.url));
    assert_eq!(write(&ctx, LARGE, OutputFormat::Csv, "s3://lab/large.csv").await.unwrap(), 40_000);
    let expected = "x\n".to_owned() + &(["x"; 1000].concat() + "\n").repeat(40_000);
    assert!(std::fs::read(own.path().join("lab/large.csv")).unwrap() == expected.as_bytes());
    let log = proxy.take_log();
    let parts = log.iter().filter(|r| r.method == "PUT" && r.url.contains("partNumber")).count();
    assert_eq!(parts, 2 * 3, "{log:?}");
    assert!(log.iter().all(|r| r.method != "DELETE"), "{log:?}");
}

/// Waits until requests as `is_wanted` says were sent.
async fn wait_for(proxy: &Proxy, is_wanted: impl Fn(&Request) -> bool) -> Vec<Request> {
    let (begun, mut log) = (Instant::now(), Vec::new());
    while !log.iter().any(&is_wanted) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{log:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        log.extend(proxy.take_log());
    }
    log
}

fn gives_up(request: &Request) -> bool {
    request.method == "DELETE" && request.url.contains("uploadId")
}

/// Of uploads that were begun each was given up, and nothing of them is in the folder of the server.
fn nothing_is_left(log: &[Request], served: &Path) {
    let begun = log.iter().filter(|r| r.method == "POST" && r.url.contains("uploads")).count();
    assert_eq!(log.iter().filter(|r| gives_up(r)).count(), begun, "{log:?}");
    let left: Vec<_> =
        servers::below(served).into_iter().filter(|path| path.to_string_lossy().contains("upload")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn quick(endpoint: &str) -> Options {
    let mut all = s3_options(endpoint);
    all.extend(servers::options(&[("read_timeout", "300ms"), ("max_retries", "1"), ("retry_timeout", "1s")]));
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_leaves_nothing() {
    let own = servers::own_shelf();
    let proxy = Proxy::before(&servers::s3(own.path()).await).await;
    let ctx = GenomicContext::builder().threads(2).storage_options(quick(&proxy.url)).build().unwrap();
    std::fs::write(own.path().join("lab/x.csv"), "old").unwrap();
    // A store that does not take the second part, or does not make an object of the parts.
    for (part, what) in [("partNumber=2", "PUT"), ("uploadId", "POST")] {
        proxy.fault(move |r, _| (r.url.contains(part) && r.method == what).then_some(Fault::SlowDown));
        let e = write(&ctx, LARGE, OutputFormat::Csv, "s3://lab/x.csv").await.unwrap_err().to_string();
        assert_eq!(e, "s3://lab/x.csv: it cannot be written: HTTP 503, SlowDown: Please reduce your request rate.");
        assert!(proxy.take_log().iter().any(gives_up), "{part}");
    }
    // A query that fails behind the first part.
    proxy.fault(|_, _| None);
    let fails = "SELECT repeat('x', 1000), 1 / (39999 - value) FROM generate_series(1, 40000)";
    let e = write(&ctx, fails, OutputFormat::Csv, "s3://lab/x.csv").await.unwrap_err();
    assert!(e.to_string().to_lowercase().contains("divide by zero"), "{e}");
    assert!(proxy.take_log().iter().any(gives_up));
    // The same by DataFusion's own writers, which may not have begun to send when the query fails. An upload whose beginning was
    // not answered in time has no name to give it up by.
    let (patient, engine) = (context(&s3_options(&proxy.url)), engine());
    for (form, ending) in FORMS {
        let copy =
            format!("COPY ({}) TO 's3://lab/copied.{ending}' STORED AS {form}", fails.replace("'x'", "random()::text"));
        let ctx = patient.clone();
        let copied = engine.spawn(async move { ctx.sql(&copy).await?.collect().await });
        let e = copied.await.unwrap().unwrap_err();
        assert!(e.to_string().to_lowercase().contains("divide by zero"), "{form}: {e}");
        assert!(!own.path().join(format!("lab/copied.{ending}")).exists(), "{form}");
        assert!(genomicframe::settle(Duration::from_secs(60)), "{form}");
        nothing_is_left(&proxy.take_log(), own.path());
    }
    engine.shutdown_background();
    // Somebody who no longer waits.
    let endless = "SELECT repeat('x', 1000) FROM generate_series(1, 1000000000)";
    let mut writing = Box::pin(write(&ctx, endless, OutputFormat::Csv, "s3://lab/x.csv"));
    let is_part = |r: &Request| r.url.contains("partNumber=2");
    tokio::select! {
        written = &mut writing => panic!("{written:?}"),
        _ = wait_for(&proxy, is_part) => {}
    }
    drop(writing);
    assert!(genomicframe::settle(Duration::from_secs(10)));
    wait_for(&proxy, gives_up).await;
    assert_eq!(std::fs::read_to_string(own.path().join("lab/x.csv")).unwrap(), "old");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_nobody_waits_for_leaves_nothing() {
    let own = servers::own_shelf();
    let proxy = Proxy::before(&servers::s3(own.path()).await).await;
    // So that parts are on their way, and taken by the store, when it is dropped.
    proxy.latency(Duration::from_millis(100));
    let ctx = context(&s3_options(&proxy.url));
    let engine = engine();
    for (form, ending) in FORMS {
        let endless = "SELECT repeat(random()::text, 100) FROM generate_series(1, 1000000000)";
        let copy = format!("COPY ({endless}) TO 's3://lab/copied.{ending}' STORED AS {form}");
        let ctx = ctx.clone();
        let mut copying = engine.spawn(async move { ctx.sql(&copy).await?.collect().await });
        let mut log = tokio::select! {
            copied = &mut copying => panic!("{form}: {copied:?}"),
            log = wait_for(&proxy, |r| r.url.contains("partNumber=2")) => log,
        };
        copying.abort();
        assert!(copying.await.unwrap_err().is_cancelled());
        assert!(genomicframe::settle(Duration::from_secs(60)), "{form}");
        log.extend(proxy.take_log());
        assert!(log.iter().any(gives_up), "{form}: {log:?}");
        nothing_is_left(&log, own.path());
        assert!(!own.path().join(format!("lab/copied.{ending}")).exists(), "{form}");
    }
    engine.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(unix)]
async fn an_interrupted_program_removes_what_it_sent() {
    let own = servers::own_shelf();
    let proxy = Proxy::before(&servers::s3(own.path()).await).await;
    let mut command = gf();
    for (name, value) in quick(&proxy.url) {
        command.args(["--storage".into(), format!("{name}={value}")]);
    }
    let endless = "SELECT repeat('x', 1000) FROM generate_series(1, 1000000000)";
    let mut command_line = Command::new(command.get_program());
    command_line.arg("sql").arg(endless).args(["-o", "s3://lab/x.csv"]).args(command.get_args()).env_clear();
    let mut child = command_line.stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&proxy, |r| r.url.contains("partNumber=2")).await;
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    wait_for(&proxy, gives_up).await;
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(130));
    assert!(!own.path().join("lab/x.csv").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_cannot_be_written_to_is_told() {
    let ctx = context(&s3_options(&servers::s3(servers::own_shelf().path()).await));
    for (to, told) in [
        ("https://host/x.csv", "https://host/x.csv: HTTP servers are only read"),
        ("s3://lab/", "s3://lab/: is a folder; name an object in it"),
        ("ftp://host/x.csv", "no object store serves ftp://"),
    ] {
        let e = write(&ctx, "SELECT 1", OutputFormat::Csv, to).await.unwrap_err().to_string();
        assert!(e.contains(told), "{to}: {e}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_whose_commit_was_not_answered_stands() {
    let own = servers::own_shelf();
    let proxy = Proxy::before(&servers::s3(own.path()).await).await;
    proxy.fault(|r, before| (r.method == "PUT" && r.url.contains("metadata") && before == 0).then_some(Fault::Lost));
    let ctx = GenomicContext::builder().threads(2).storage_options(quick(&proxy.url)).build().unwrap();
    ctx.convert("s3://lab/sample.bam", "s3://lab/y.bams3", &crate::bams3::small()).await.unwrap();
    let roots = proxy.take_log().iter().filter(|r| r.method == "PUT" && r.url.contains("metadata")).count();
    assert_eq!(roots, 1);
    assert!(ctx.validate_bams3("s3://lab/y.bams3", Some("s3://lab/sample.bam")).await.unwrap().is_sound());
}

/// Reads all below `made/` of the bucket `lab`, and compares it with the files of a folder.
const BOTO3: &str = "
import boto3, pathlib, sys
endpoint, folder = sys.argv[1:]
s3 = boto3.client('s3', endpoint_url=endpoint, region_name='us-east-1', aws_access_key_id='key', aws_secret_access_key='secret')
seen = 0
for found in s3.list_objects_v2(Bucket='lab', Prefix='made/')['Contents']:
    bytes = s3.get_object(Bucket='lab', Key=found['Key'])['Body'].read()
    assert bytes == pathlib.Path(folder, found['Key'][5:]).read_bytes(), found['Key']
    seen += 1
print(seen)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boto3_reads_what_was_written() {
    let Some(python) = python("boto3") else { return };
    let own = servers::own_shelf();
    let (endpoint, folder) = (servers::s3(own.path()).await, tempfile::tempdir().unwrap());
    let ctx = context(&s3_options(&endpoint));
    for (sql, name) in [(LARGE, "large.csv"), ("SELECT * FROM 's3://lab/sample.bam'", "x y.parquet")] {
        let format = if name.ends_with("csv") { OutputFormat::Csv } else { OutputFormat::Parquet };
        write(&ctx, sql, format, &format!("s3://lab/made/{name}")).await.unwrap();
        write(&ctx, sql, format, &folder.path().join(name).display().to_string()).await.unwrap();
    }
    ctx.convert(&data("sample.bam"), "s3://lab/made/d.bams3", &crate::bams3::small()).await.unwrap();
    let here = folder.path().join("d.bams3").display().to_string();
    ctx.convert(&data("sample.bam"), &here, &crate::bams3::small()).await.unwrap();
    let files = 2 + servers::below(Path::new(&here)).len();
    let here = folder.path().display().to_string();
    let seen = tokio::task::spawn_blocking(move || output(&python, &["-c", BOTO3, &endpoint, &here])).await.unwrap();
    assert_eq!(seen.trim(), files.to_string());
}
