//! How far a file and its server reach: nothing that a file says makes a request, and what leads elsewhere is not followed.

use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex};

use genomicframe::GenomicContext;
use genomicframe::convert::ConvertOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{context, data, gf, query};

/// A server that notes what it is asked, and answers all of it alike.
struct Ear {
    address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Ear {
    async fn answering(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&heard), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
                    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                        match client.read(&mut piece).await {
                            Ok(n) if n > 0 => head.extend_from_slice(&piece[..n]),
                            _ => break,
                        }
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                    log.lock().unwrap().push(head);
                    let _ = client.write_all(answer(&path).as_bytes()).await;
                    let _ = client.shutdown().await;
                });
            }
        });
        Self { address, heard }
    }

    async fn silent() -> Self {
        Self::answering(|_| "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".into()).await
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Files that name `http://@/…` wherever their formats can.
const FILES: [(&str, &str); 6] = [
    (
        "x.sam",
        "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\tM5:0123456789abcdef0123456789abcdef\tUR:http://@/ref.fa\n\
         @RG\tID:a\tDS:http://@/rg\n@PG\tID:p\tCL:curl http://@/pg\n@CO\thttp://@/co\n\
         http://@/r1\t0\tchr1\t10\t60\t4M\t*\t0\t0\tACGT\tIIII\tCO:Z:http://@/tag\n",
    ),
    (
        "x.vcf",
        "##fileformat=VCFv4.3\n##reference=http://@/ref.fa\n##assembly=http://@/asm\n##pedigreeDB=http://@/ped\n\
         ##contig=<ID=chr1,length=1000,URL=http://@/chr1.fa>\n##INFO=<ID=U,Number=1,Type=String,Description=\"http://@/\">\n\
         ##META=<ID=M,URL=\"http://@/meta\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
         chr1\t5\thttp://@/id\tA\tG\t9\tPASS\tU=http://@/info\n",
    ),
    (
        "x.gff3",
        "##gff-version 3\n##species http://@/taxon\n##feature-ontology http://@/so.obo\n##attribute-ontology http://@/a\n\
         ##genome-build http://@/ b37\n##include http://@/more.gff3\n##sequence-region chr1 1 1000\n\
         chr1\thttp://@/src\tgene\t1\t9\t.\t+\t.\tID=g;Dbxref=http://@/x;Note=http://@/note\n",
    ),
    (
        "x.bed",
        "browser position chr1:1-100\ntrack name=x url=\"http://@/$$\" bigDataUrl=http://@/x.bb\nchr1\t0\t9\thttp://@/name\n",
    ),
    ("x.fastq", "@http://@/read 1\nACGT\n+http://@/read 1\nIIII\n"),
    (
        "x.bams3/_metadata.json",
        r#"{"format":"bams3","version":"0.2.0","created_by":"http://@/by","source":{"file":"http://@/src.bam","format":"BAM"},
           "statistics":{"total_reads":1,"total_bases":4},"chunk_size":1048576,"compression":{"algorithm":"none"},
           "chunks":[{"path":"http://@/chunk","reference":"chr1","start":0,"end":1048576,"reads":1,"size_bytes":9}]}"#,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_makes_a_request() {
    let (ear, folder) = (Ear::silent().await, tempfile::tempdir().unwrap());
    let ctx = context(2, 8192);
    for (name, text) in FILES {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(
            &path,
            text.replace('@', "\u{1}")
                .replace("http://\u{1}/", &format!("http://{}/", ear.address))
                .replace('\u{1}', "@"),
        )
        .unwrap();
        let path = folder.path().join(name.split('/').next().unwrap()).display().to_string();
        let rows = match ctx.sql(&format!("SELECT * FROM '{path}'")).await {
            Ok(rows) => rows.collect().await.map(|all| all.iter().map(|b| b.num_rows()).sum()).unwrap_or(0),
            Err(_) => 0,
        };
        // The dataset is an error, for its chunk is none of its own.
        assert_eq!(rows, usize::from(!name.contains("bams3")), "{name}");
        for args in [vec!["schema", &path], vec!["stats", &path], vec!["view", &path], vec!["count", &path]] {
            let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
            let out =
                tokio::task::spawn_blocking(move || Command::new(gf()).args(args).output().unwrap()).await.unwrap();
            assert!(out.status.code().is_some(), "{name}: {out:?}");
        }
    }
    let sam = folder.path().join("x.sam").display().to_string();
    let made = folder.path().join("made.bams3").display().to_string();
    assert_eq!(ctx.convert(&sam, &made, &ConvertOptions::new()).await.unwrap().rows(), 1);
    assert_eq!(query(&ctx, &format!("SELECT qname FROM '{made}'")).await.len(), 1);
    assert_eq!(ear.heard(), Vec::<String>::new());
    // It would have heard one.
    assert!(ctx.sql(&format!("SELECT * FROM 'http://{}/x.bam'", ear.address)).await.is_err());
    assert!(!ear.heard().is_empty());
}

fn sent_on(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

/// A server of one small file under any name but `/data/away/…` and `/data/around/…`, from which it sends on.
async fn sending(away: String) -> Ear {
    let (text, most) = ("chr1\t0\t9\tone\n", "chr1\t0\t9\tone\n".len());
    let found = format!(
        "HTTP/1.1 206 Partial Content\r\netag: \"1\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         connection: close\r\ncontent-range: bytes 0-{}/{most}\r\ncontent-length: {most}\r\n\r\n{text}",
        most - 1
    );
    Ear::answering(move |path| match path {
        path if path.starts_with("/data/away/") => sent_on(&away),
        path if path.starts_with("/data/around/") => sent_on("/data/x.bed"),
        path if path.starts_with("/data/out/") => sent_on("/secret/x.bed"),
        path if path.starts_with("/data/up/") => sent_on("/data/../secret/x.bed"),
        path if path.ends_with(".bed") => found.clone(),
        _ => "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".into(),
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_not_sent_elsewhere() {
    let ear = Ear::silent().await;
    let server = sending(format!("http://{}/x.bed", ear.address)).await;
    let root = format!("http://{}", server.address);
    let ctx = GenomicContext::untrusted()
        .allow_prefix(format!("{root}/data"))
        .storage_options([("max_retries", "0")])
        .build()
        .unwrap();
    for place in ["away", "out", "up"] {
        let e = match ctx.sql(&format!("SELECT * FROM '{root}/data/{place}/x.bed'")).await {
            Ok(rows) => rows.collect().await.unwrap_err().to_string(),
            Err(e) => e.to_string(),
        };
        assert!(!e.contains("one"), "{place}: {e}");
    }
    assert_eq!(ear.heard(), Vec::<String>::new());
    let asked = server.heard();
    assert!(!asked.iter().any(|head| head.contains("/secret/")), "{asked:?}");
    assert!(asked.iter().any(|head| head.contains("/data/away/")), "{asked:?}");
    // Within what is allowed it may send on.
    for path in ["data/x.bed", "data/around/x.bed"] {
        assert_eq!(query(&ctx, &format!("SELECT name FROM '{root}/{path}'")).await, ["one"], "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_stay_with_their_server() {
    let ear = Ear::silent().await;
    let server = sending(format!("http://{}/x.bed", ear.address)).await;
    let ctx = GenomicContext::with_storage_options([("max_retries", "0")]).unwrap();
    let url = format!("http://me:CANARY@{}/data/away/x.bed?sig=CANARY", server.address);
    assert!(ctx.sql(&format!("SELECT * FROM '{url}'")).await.is_err());
    assert!(server.heard().iter().any(|head| head.to_lowercase().contains("authorization: basic")));
    // It asks where it was sent, as browsers do, but not as somebody.
    let heard = ear.heard();
    assert!(!heard.is_empty());
    let told = heard.join("\n");
    assert!(!told.to_lowercase().contains("authorization") && !told.contains("CANARY"), "{told}");
}

/// A link in a dataset leads to bytes that its checksums refuse, and a stranger is not let follow it at all.
#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_a_dataset_shows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("open")).unwrap();
    let dataset = at("open/x.bams3").display().to_string();
    let ctx = context(1, 8192);
    ctx.convert(&data("sample.bam"), &dataset, &ConvertOptions::new()).await.unwrap();
    let stranger = GenomicContext::untrusted().allow_folder(at("open")).build().unwrap();
    let sql = format!("SELECT * FROM '{dataset}'");
    assert_eq!(query(&stranger, &sql).await, query(&ctx, &sql).await);
    let mut below = vec![at("open/x.bams3/data")];
    let mut chunk = None;
    while let Some(folder) = below.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() { below.push(entry) } else { chunk = Some(entry) }
        }
    }
    let chunk = chunk.unwrap();
    let mut secret = fs::read(&chunk).unwrap();
    let middle = secret.len() / 2;
    secret[middle] ^= 1;
    fs::write(at("secret"), &secret).unwrap();
    fs::remove_file(&chunk).unwrap();
    std::os::unix::fs::symlink(at("secret"), &chunk).unwrap();
    let told = async |ctx: &GenomicContext| match ctx.sql(&sql).await {
        Ok(rows) => genomicframe::Error::from(rows.collect().await.unwrap_err()),
        Err(e) => e,
    };
    let e = told(&context(1, 8192)).await;
    assert!(e.is_corrupt(), "{e}");
    let e = told(&stranger).await;
    assert!(e.is_denied(), "{e}");
}
