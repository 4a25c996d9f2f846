//! A real S3 server on loopback.

use std::sync::{Arc, Mutex};

use genomicframe::GenomicContext;
use genomicframe::convert::ConvertOptions;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::aws::AmazonS3Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::support::{self, data, number, query};

/// Serves `root`, whose folders are buckets; the address to reach it.
async fn serve(root: &std::path::Path) -> String {
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    format!("http://{address}")
}

/// A folder with the bucket `lab`, which holds the sample reads.
fn bucket() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("lab")).unwrap();
    for name in ["sample.bam", "sample.bam.bai"] {
        std::fs::copy(data(name), root.path().join("lab").join(name)).unwrap();
    }
    root
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_are_made_from_the_environment() {
    let root = bucket();
    let endpoint = serve(root.path()).await;
    let gf = |secret: &'static str| {
        let endpoint = endpoint.clone();
        tokio::task::spawn_blocking(move || {
            let mut gf = std::process::Command::new(support::gf());
            gf.args(["count", "s3://lab/sample.bam", "chr2"]);
            gf.env("AWS_ENDPOINT_URL", endpoint).env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
            gf.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", secret);
            gf.output().unwrap()
        })
    };
    let local = number(
        &GenomicContext::new(),
        &format!("SELECT count(*) FROM read_bam('{}', region => 'chr2')", data("sample.bam")),
    )
    .await;
    let right = gf("secret").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&right.stdout).trim(), local.to_string(), "{right:?}");
    let wrong = gf("CANARY_SECRET_42").await.unwrap();
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success() && told.contains("s3://lab/sample.bam: access denied"), "{told}");
    assert!(!told.contains("CANARY"), "{told}");
}

/// Passes connections on to `server`, and notes the first line of every request.
fn tapped(server: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    let (listener, server) = (TcpListener::bind("127.0.0.1:0").unwrap(), server.replace("http://", ""));
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut from, mut to) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (mut back, mut answer) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let log = Arc::clone(&log);
            std::thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(size @ 1..) = from.read(&mut buffer) {
                    // Clients wait for an answer before they ask again, so a request begins a packet.
                    let text = String::from_utf8_lossy(&buffer[..size.min(300)]).into_owned();
                    if ["GET ", "HEAD ", "PUT ", "DELETE "].iter().any(|method| text.starts_with(method)) {
                        log.lock().unwrap().push(text.split(" HTTP").next().unwrap().to_owned());
                    }
                    if to.write_all(&buffer[..size]).is_err() {
                        break;
                    }
                }
                let _ = to.shutdown(std::net::Shutdown::Write);
            });
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut answer, &mut back);
                let _ = back.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (format!("http://{address}"), seen)
}

fn on_s3(endpoint: &str) -> GenomicContext {
    let ctx = GenomicContext::builder().threads(1).build().unwrap();
    let store = AmazonS3Builder::new()
        .with_bucket_name("lab")
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .build()
        .unwrap();
    ctx.register_store(&url::Url::parse("s3://lab").unwrap(), Arc::new(store));
    ctx
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dataset_on_s3_answers_in_four_round_trips() {
    let root = bucket();
    let (endpoint, requests) = tapped(&serve(root.path()).await);
    let ctx = on_s3(&endpoint);
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
    requests.lock().unwrap().clear();
    assert_eq!(query(&on_s3(&endpoint), &sql("s3://lab/run1/x.bams3")).await, local);
    let seen = std::mem::take(&mut *requests.lock().unwrap());
    // Root; header and index at once; what the filter needs; the rest.
    assert!(seen.len() <= 5 && seen[0].contains("_metadata.json"), "{seen:?}");
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
    let endpoint = serve(root.path()).await;
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
