//! A canary in each place where a secret may be shows nowhere: not in errors, plans, warnings nor debug prints.

use genomicframe::GenomicContext;

use super::proxy::parrot;
use super::servers::{self, gf, shelf};

/// As a secret; in base64 too, as keys of Azure are.
const CANARY: &str = "CANARY";
const CANARY_64: &str = "Q0FOQVJZQ0FOQVJZ";

fn assert_secret(what: &str, text: &str) {
    assert!(!text.contains(CANARY) && !text.contains(CANARY_64), "{what}: {text}");
}

/// Places for secrets: variables, and a URL in which `@` stands for an address.
fn slots() -> Vec<(Vec<(&'static str, String)>, &'static str)> {
    let aws = |id: &str, secret: &str, token: &str| {
        let pairs = [("AWS_ACCESS_KEY_ID", id), ("AWS_SECRET_ACCESS_KEY", secret), ("AWS_SESSION_TOKEN", token)];
        let mut all: Vec<_> = pairs.map(|(k, v)| (k, v.to_owned())).to_vec();
        all.push(("AWS_ENDPOINT_URL", "http://@".into()));
        all
    };
    let azure = |key: &'static str, value: &str| {
        let account =
            [("AZURE_STORAGE_ACCOUNT_NAME", "me".to_owned()), ("AZURE_STORAGE_ENDPOINT", "http://@/me".into())];
        [&account[..], &[(key, value.to_owned())]].concat()
    };
    let sas = "?sv=1&sig=CANARY";
    let account =
        format!(r#"{{"client_email":"x","private_key":"{CANARY}","private_key_id":"x","gcs_base_url":"http://@"}}"#);
    vec![
        (aws("key", CANARY, "token"), "s3://lab/x.bam"),
        (aws("key", "secret", CANARY), "s3://lab/x.bam"),
        (aws(CANARY, "secret", "token"), "s3://lab/*.bam"),
        (azure("AZURE_STORAGE_ACCOUNT_KEY", CANARY_64), "az://lab/x.bam"),
        (azure("AZURE_STORAGE_ACCOUNT_KEY", CANARY), "az://lab/*.bam"),
        (azure("AZURE_STORAGE_SAS_TOKEN", sas), "az://lab/x.bam"),
        (azure("AZURE_STORAGE_SAS_TOKEN", sas), "az://lab/*.bam"),
        (azure("AZURE_STORAGE_TOKEN", CANARY), "az://lab/x.bam"),
        (azure("AZURE_USE_EMULATOR", "false"), "az://lab/x.bam?sv=1&sig=CANARY"),
        (azure("AZURE_SKIP_SIGNATURE", "true"), "abfss://lab:CANARY@me.dfs.core.windows.net/x.bam"),
        (vec![("GOOGLE_SERVICE_ACCOUNT_KEY", account)], "gs://lab/x.bam"),
        (vec![("GOOGLE_BEARER_TOKEN", CANARY.into()), ("GOOGLE_BASE_URL", "http://@".into())], "gs://lab/x.bam"),
        (Vec::new(), "http://me:CANARY@@/x.bam"),
        (Vec::new(), "http://CANARY@@/x.bam"),
        (Vec::new(), "http://@/x.bam?sig=CANARY"),
        (Vec::new(), "http://@/*.bam?sig=CANARY"),
        (Vec::new(), "http://me:CANARY@@/x/?sig=CANARY#CANARY"),
        (Vec::new(), "http://me:CANARY@@:port/x.bam"),
        (Vec::new(), "http://me:slash/CANARY@@/x.bam"),
        (Vec::new(), "http://me:CANARY@@/x.parquet?sig=CANARY"),
        (Vec::new(), "s3://key:CANARY@lab/x.bam"),
        (Vec::new(), "s3://lab/x.bam?secret=CANARY"),
        (Vec::new(), "ftp://me:CANARY@@/x.bam?sig=CANARY"),
    ]
}

/// The last `@` before a slash is the address's place where a URL has a user.
fn place(text: &str, address: &str) -> String {
    match text.contains("@@") {
        true => text.replacen("@@", &format!("@{address}"), 1),
        false if text.starts_with("abfss://") || text.starts_with("s3://") => text.to_owned(),
        false => text.replacen('@', address, 1),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_show_no_secrets() {
    let mut failed = 0;
    // The one cannot be retried, the next is denied, and the last is a server's own failure.
    for status in [400, 403, 500] {
        let address = parrot(status).await;
        for (variables, url) in slots() {
            let url = place(url, &address);
            for args in [
                vec!["count".to_owned(), url.clone()],
                vec!["explain".into(), format!("SELECT * FROM '{url}' WHERE rname = 'chr1'")],
            ] {
                let mut command = gf();
                command.args(&args).args(["--storage", "max_retries=1", "--storage", "read_timeout=2s"]);
                command.envs(variables.iter().map(|(k, v)| (*k, place(v, &address))));
                let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
                assert!(!output.status.success(), "{url}");
                let text =
                    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                assert!(text.len() > 10, "{url}: {text}");
                assert_secret(&url, &text);
                failed += 1;
            }
        }
    }
    assert!(failed > 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debug_prints_show_no_secrets() {
    let address = parrot(400).await;
    for (variables, url) in slots() {
        let url = place(url, &address);
        let options: Vec<_> = variables.iter().map(|(k, v)| (*k, place(v, &address))).collect();
        let options = options.into_iter().filter(|(k, _)| *k != "AWS_ENDPOINT_URL" && !k.contains("USE_EMULATOR"));
        let builder = GenomicContext::builder().storage_options(options).storage_options([("max_retries", "0")]);
        assert_secret(&url, &format!("{builder:?}"));
        let ctx = builder.build().unwrap();
        let failed = ctx.sql(&format!("SELECT * FROM '{url}'")).await.unwrap_err();
        assert_secret(&url, &format!("{failed} {failed:?} {failed:#?}"));
        assert_secret(&url, &format!("{ctx:?} {:?}", ctx.session().runtime_env()));
    }
}

/// What a program may ask for of a file `#`, by SQL.
const CALLS: [&str; 13] = [
    "SELECT * FROM '#'",
    "SELECT * FROM '#' WHERE",
    "EXPLAIN SELECT * FROM '#' WHERE rname = 'chr1'",
    "EXPLAIN ANALYZE SELECT count(*) FROM '#'",
    "DESCRIBE '#'",
    "SELECT * FROM read_bam('#', region => 'chr1:1-5')",
    "SELECT * FROM read_bam('#', secret => 'CANARY')",
    "SELECT * FROM read_bam('%', index => '#') WHERE rname = 'chr1'",
    "SELECT * FROM depth('#')",
    "SELECT * FROM '%' WHERE in_regions(rname, pos, end, '#')",
    "CREATE EXTERNAL TABLE t STORED AS BAM LOCATION '#' OPTIONS ('aws.secret_access_key' 'CANARY')",
    "CREATE EXTERNAL TABLE t STORED AS VCF LOCATION '#'",
    "SELECT * FROM complement('%', genome => '#')",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_the_library_show_no_secrets() {
    let address = parrot(403).await;
    let mut failed = 0;
    for (variables, url) in slots() {
        let url = place(url, &address);
        let options: Vec<_> = variables.iter().map(|(k, v)| (*k, place(v, &address))).collect();
        let options: Vec<_> =
            options.into_iter().filter(|(k, _)| *k != "AWS_ENDPOINT_URL" && !k.contains("USE_EMULATOR")).collect();
        let more = [("max_retries", "0"), ("read_timeout", "2s")];
        let stranger = GenomicContext::untrusted().allow_prefix("https://elsewhere/").storage_options(options.clone());
        assert_secret(&url, &format!("{stranger:?}"));
        let own = GenomicContext::builder().storage_options(options).storage_options(more).build().unwrap();
        let out = tempfile::tempdir().unwrap();
        for ctx in [own, stranger.storage_options(more).build().unwrap()] {
            for call in CALLS {
                let sql = call.replace('#', &url).replace('%', &crate::support::data("sample.bam"));
                let e = match ctx.sql(&sql).await {
                    Ok(rows) => rows.collect().await.map(|_| ()).map_err(genomicframe::Error::from),
                    Err(e) => Err(e),
                };
                if let Err(e) = e {
                    let mut told = format!("{e} {e:?} {e:#?}");
                    let mut source = std::error::Error::source(&e);
                    while let Some(inner) = source {
                        told += &format!(" {inner} {inner:?}");
                        source = inner.source();
                    }
                    // What the statement says of itself is its author's.
                    assert_secret(call, &told.replace("'CANARY'", ""));
                    failed += 1;
                }
            }
            let made = out.path().join("made.bams3").display().to_string();
            if let Err(e) = ctx.convert(&url, &made, &genomicframe::convert::ConvertOptions::new()).await {
                assert_secret("convert", &format!("{e} {e:?}"));
                failed += 1;
            }
            if let Err(e) = ctx.target(&url) {
                assert_secret("target", &format!("{e} {e:?}"));
                failed += 1;
            }
            assert_secret("warnings", &format!("{:?}", ctx.take_warnings()));
        }
    }
    assert!(failed > 400, "only {failed} calls failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_and_warnings_show_no_secrets() {
    let Some((url, _nginx)) = servers::nginx() else { return };
    let (signed, user) = (format!("{url}/signed"), url.replace("http://", "http://me:pass%40CANARY@") + "/auth");
    for path in [format!("{signed}/sample.bam?sig=CANARY"), format!("{user}/sample.bam"), format!("{user}/x.bams3")] {
        let query = format!("SELECT rname, count(*) FROM '{path}' WHERE pos > 1000 GROUP BY rname");
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("saved.parquet").display().to_string();
        for args in [
            vec!["explain", &query],
            vec!["explain", "--analyze", &query],
            vec!["sql", &query, "-o", &saved],
            vec!["view", &path, "chr2:1000-2000", "--limit", "3"],
            vec!["schema", &path],
            vec!["stats", &path],
        ] {
            let mut command = gf();
            command.args(&args);
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            assert!(output.status.success(), "{output:?}");
            assert_secret(
                &path,
                &format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
            );
        }
        assert_secret(&path, &String::from_utf8_lossy(&std::fs::read(&saved).unwrap()));
    }
    let dataset = shelf().join("lab/x.bams3/_metadata.json");
    assert_secret("a dataset", &std::fs::read_to_string(dataset).unwrap());
}
