//! Who may read, how that is told, and what is said when it fails.

use std::process::Output;
use std::time::{Duration, Instant};

use object_store::signer::Signer;

use super::proxy::{Proxy, silence};
use super::rows::local;
use super::servers::{self, context, gf, options, s3_options, shelf};
use crate::support::{data, query};

/// Longest time that somebody waits for being told what is wrong.
const SOON: Duration = Duration::from_secs(3);

/// Runs `gf count` with these variables.
async fn count(path: &str, variables: &[(&str, &str)], more: &[&str]) -> (Output, Duration) {
    let mut command = gf();
    command.args(["count", path]).args(more).envs(variables.iter().copied());
    let begun = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output, begun.elapsed())
}

/// What a failing `gf count` says, soon.
async fn told(path: &str, variables: &[(&str, &str)]) -> String {
    let (output, took) = count(path, variables, &[]).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{path}: {text}");
    assert!(took < SOON, "{path}: {took:?}: {text}");
    text
}

async fn rows_of_sample() -> String {
    local("SELECT count(*) FROM '@/sample.bam'").await[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_options_and_profiles_open_a_bucket() {
    let endpoint = servers::s3(shelf()).await;
    let rows = rows_of_sample().await;
    let by_variables = [
        ("AWS_ENDPOINT_URL", &*endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (credentials, config) = (folder.path().join("credentials"), folder.path().join("config"));
    std::fs::write(&credentials, "[lab]\naws_access_key_id = key\naws_secret_access_key = secret\n").unwrap();
    std::fs::write(&config, format!("[profile lab]\nregion = us-east-1\nendpoint_url = {endpoint}\n")).unwrap();
    let by_profile = [
        ("AWS_PROFILE", "lab"),
        ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
    ];
    let given = format!("endpoint={endpoint}");
    let by_options =
        ["--storage", &given, "--storage", "AWS_ACCESS_KEY_ID=key", "--storage", "secret_access_key=secret"];
    for (variables, more) in [(&by_variables[..], &[][..]), (&by_profile, &[]), (&[], &by_options)] {
        let (output, _) = count("s3://lab/sample.bam", variables, more).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), rows, "{output:?}");
    }
    let unknown = told("s3://lab/sample.bam", &[("AWS_PROFILE", "other"), by_profile[1], by_profile[2]]).await;
    assert!(unknown.contains("no AWS profile is called other"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_soon() {
    let endpoint = servers::s3(shelf()).await;
    let with = |secret: &'static str| {
        let e = endpoint.clone();
        async move {
            [("AWS_ENDPOINT_URL", e), ("AWS_ACCESS_KEY_ID", "key".into()), ("AWS_SECRET_ACCESS_KEY", secret.into())]
        }
    };
    let told_with = async |path: &str, secret: &'static str| {
        let variables = with(secret).await;
        told(path, &variables.each_ref().map(|(k, v)| (*k, v.as_str()))).await
    };
    for (path, secret, parts) in [
        ("s3://lab/sample.bam", "CANARY", &["s3://lab/sample.bam: access denied"][..]),
        ("s3://lab/none.bam", "secret", &["s3://lab/none.bam: no such object"]),
        ("s3://none/sample.bam", "secret", &["s3://none/sample.bam: no such"]),
        ("s3://none/*.bam", "secret", &["s3://none/", "no such bucket"]),
        ("s3://lab/none/*.bam", "secret", &["s3://lab/none/*.bam: no file matches"]),
    ] {
        let text = told_with(path, secret).await;
        assert!(parts.iter().all(|part| text.contains(part)) && !text.contains("CANARY"), "{path}: {text}");
    }
    let odd = told("s3://lab/x.bam", &[("AWS_SECRET_ACCESS_KEY", "CANARY")]).await;
    assert!(odd.contains("a secret without its access key") && !odd.contains("CANARY"), "{odd}");
    let (output, _) = count("s3://lab/x.bam", &[], &["--storage", "regoin=x"]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("no storage option is called regoin"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_credentials_nobody_waits_for_a_metadata_service() {
    let silent = silence().await;
    let url = format!("http://{silent}");
    for (path, variables, parts) in [
        (
            "s3://lab/x.bam",
            &[("AWS_METADATA_ENDPOINT", &*url)][..],
            &["no AWS credentials", "no profile default in ", "AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE"][..],
        ),
        ("s3://lab/x.bam", &[("AWS_EC2_METADATA_DISABLED", "true")], &["no AWS credentials", "metadata is disabled"]),
        (
            "gs://lab/x.bam",
            &[("GCE_METADATA_HOST", &*silent), ("GCE_METADATA_IP", &*silent)],
            &["no Google Cloud credentials", "GOOGLE_APPLICATION_CREDENTIALS"],
        ),
        (
            "az://lab/x.bam",
            &[("AZURE_STORAGE_ACCOUNT_NAME", "me"), ("IDENTITY_ENDPOINT", &*url), ("IDENTITY_HEADER", "x")],
            &["no Azure credentials", "AZURE_STORAGE_ACCOUNT_KEY"],
        ),
        ("az://lab/x.bam", &[], &["the URL names no storage account", "AZURE_STORAGE_ACCOUNT_NAME"]),
    ] {
        let text = told(path, variables).await;
        assert!(parts.iter().all(|part| text.contains(part)), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_presigned_link_is_followed_whole() {
    let proxy = Proxy::before(&servers::s3(shelf()).await).await;
    let store = servers::s3_store(&proxy.url);
    let link = async |key: &str| {
        let key = object_store::path::Path::parse(key).unwrap();
        store.signed_url("GET".parse().unwrap(), &key, Duration::from_secs(600)).await.unwrap()
    };
    let ctx = context(&Vec::new());
    for name in ["sample.bam", "cohort.vcf.gz", "targets3.bed"] {
        let sql = format!("SELECT * FROM '{}'", link(name).await);
        assert_eq!(query(&ctx, &sql).await, local(&format!("SELECT * FROM '@/{name}'")).await, "{name}");
    }
    let asked = proxy.take_log();
    assert!(asked.iter().all(|r| r.method == "GET" && r.url.contains("X-Amz-Signature=")), "{asked:?}");
    // An index has a signature of its own.
    let sql = format!(
        "SELECT count(*) FROM read_bam('{}', index => '{}', region => 'chr2')",
        link("sample.bam").await,
        link("sample.bam.bai").await
    );
    assert_eq!(query(&ctx, &sql).await, local("SELECT count(*) FROM read_bam('@/sample.bam', region => 'chr2')").await);
    assert!(proxy.take_log().iter().any(|r| r.url.contains(".bai?")));
    let mut forged = link("sample.bam").await;
    forged.set_query(Some(&forged.query().unwrap().replace("X-Amz-Signature=", "X-Amz-Signature=CANARY")));
    let e = ctx.sql(&format!("SELECT * FROM '{forged}'")).await.unwrap_err();
    assert!(!format!("{e} {e:?}").contains("CANARY"), "{e:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_http_server_is_asked_as_the_url_says() {
    let Some((url, _nginx)) = servers::nginx() else { return };
    let ctx = context(&Vec::new());
    let region = "SELECT * FROM '@/sample.bam' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000";
    let expected = local(region).await;
    let auth = url.replace("http://", "http://me:pass%40CANARY@") + "/auth";
    assert_eq!(query(&ctx, &region.replace('@', &auth)).await, expected);
    let denied = async |sql: String| {
        let e = ctx.sql(&sql).await.unwrap_err();
        assert!(e.is_denied() && !format!("{e} {e:?}").contains("CANARY"), "{sql}: {e}");
    };
    denied(region.replace('@', &format!("{url}/auth"))).await;
    denied(region.replace('@', &(url.replace("http://", "http://me:CANARY@") + "/auth"))).await;

    // The signature goes to the index too, where it may be good.
    let signed = format!(
        "SELECT * FROM '{url}/signed/sample.bam?sig=CANARY' WHERE rname = 'chr2' AND pos BETWEEN 1000 AND 30000"
    );
    assert_eq!(query(&ctx, &signed).await, expected);
    let plan = query(&ctx, &format!("EXPLAIN {signed}")).await.concat();
    assert!(plan.contains("index=BAI") && !plan.contains("CANARY"), "{plan}");
    let (dataset, sql) = (format!("{url}/signed/x.bams3/?sig=CANARY"), "SELECT qname, pos FROM '@'");
    let local_dataset = local("SELECT qname, pos FROM '@/x.bams3'").await;
    assert_eq!(query(&ctx, &sql.replace('@', &dataset)).await, local_dataset);
    denied(format!("SELECT * FROM '{url}/signed/sample.bam?sig=other'")).await;

    let e = ctx.sql(&format!("SELECT * FROM '{url}/norange/sample.bam'")).await.unwrap_err();
    assert!(e.is_unsupported() && e.to_string().contains("ignores byte ranges"), "{e}");
    for path in ["lab/*.bam", "lab/runs/"] {
        let e = ctx.sql(&format!("SELECT * FROM '{url}/{path}'")).await.unwrap_err();
        assert!(e.to_string().contains("most HTTP servers list nothing"), "{path}: {e}");
    }
    let e = ctx.sql(&format!("SELECT * FROM '{url}/lab/none.bam'")).await.unwrap_err();
    assert!(e.is_not_found(), "{e}");
}

/// By `gf`, since who is trusted is read once for each process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_trusted_by_the_machines_certificates() {
    let Some((url, certificate, _nginx)) = servers::nginx_tls() else { return };
    let there = format!("{url}/lab/sample.bam");
    let trusted = [("SSL_CERT_FILE", certificate.to_str().unwrap())];
    let (there_too, _) = count(&there, &trusted, &["chr2:1000-30000"]).await;
    assert!(there_too.status.success(), "{}", String::from_utf8_lossy(&there_too.stderr));
    let (here, _) = count(&data("sample.bam"), &[], &["chr2:1000-30000"]).await;
    assert_eq!(there_too.stdout, here.stdout);

    let (_, of_another, _nginx) = servers::nginx_tls().unwrap();
    for (nobody, why) in
        [(of_another.to_str().unwrap(), "invalid peer certificate"), ("/dev/null", "are they installed?")]
    {
        let text = told(&there, &[("SSL_CERT_FILE", nobody)]).await;
        assert!(text.contains(why), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_without_encryption_is_meant_by_naming_it() {
    let endpoint = servers::s3(shelf()).await;
    let mut refused = s3_options(&endpoint);
    refused.extend(options(&[("allow_http", "false")]));
    let e = context(&refused).sql("SELECT * FROM 's3://lab/sample.bam'").await.unwrap_err();
    assert!(e.to_string().contains("allow_http=true"), "{e}");
}
