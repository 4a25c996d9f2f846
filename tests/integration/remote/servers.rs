//! Servers on loopback. S3 is served by this process; the others are programs, skipped loudly where they are not installed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use genomicframe::GenomicContext;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::ObjectStoreExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;

use crate::support::{self, data, folder};

/// Options by name, as users give them.
pub type Options = Vec<(String, String)>;

/// Options of borrowed texts.
pub fn options(pairs: &[(&str, &str)]) -> Options {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A context with options that make failures quick.
pub fn context(options: &Options) -> GenomicContext {
    let quick = [("read_timeout", "5s"), ("max_retries", "3"), ("retry_timeout", "5s")];
    let quick = quick.map(|(k, v)| (k.to_owned(), v.to_owned()));
    GenomicContext::builder().threads(2).storage_options(quick).storage_options(options.clone()).build().unwrap()
}

/// Serves `root`, whose folders are buckets, to the user `key` with the secret `secret`; the address to reach it.
pub async fn s3(root: &Path) -> String {
    let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            socket.set_nodelay(true).unwrap();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    format!("http://{address}")
}

/// What reaches [`s3`].
pub fn s3_options(endpoint: &str) -> Options {
    options(&[
        ("aws_endpoint", endpoint),
        ("aws_region", "us-east-1"),
        ("aws_access_key_id", "key"),
        ("aws_secret_access_key", "secret"),
    ])
}

/// The bucket `lab` of [`s3`], as a program that makes its own stores reaches it.
pub fn s3_store(endpoint: &str) -> AmazonS3 {
    let store = AmazonS3Builder::new().with_bucket_name("lab").with_endpoint(endpoint).with_allow_http(true);
    let store = store.with_region("us-east-1").with_access_key_id("key").with_secret_access_key("secret");
    store.build().unwrap()
}

/// A file of no bytes: no range of it can be asked for.
pub const EMPTY: &str = "empty.fastq";

/// A folder `lab` with the files of `tests/data`, the same reads as SAM and as the dataset `x.bams3`, two BAM files below
/// `runs`, and [`EMPTY`]; made once.
pub fn shelf() -> &'static Path {
    static SHELF: OnceLock<tempfile::TempDir> = OnceLock::new();
    let shelf = SHELF.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let lab = root.path().join("lab");
        std::fs::create_dir_all(lab.join("runs")).unwrap();
        std::fs::write(lab.join(EMPTY), "").unwrap();
        for file in below(Path::new(&folder())) {
            std::fs::copy(&file, lab.join(file.file_name().unwrap())).unwrap();
        }
        for (from, to) in [("sample", "a"), ("long_cigar", "b")] {
            for ending in ["bam", "bam.bai"] {
                std::fs::copy(data(&format!("{from}.{ending}")), lab.join(format!("runs/{to}.{ending}"))).unwrap();
            }
        }
        crate::bams3::write_sam(&format!("SELECT * FROM '{}'", data("sample.bam")), &lab.join("sample.sam"));
        let to = lab.join("x.bams3").display().to_string();
        genomicframe::convert::convert(&data("sample.bam"), &to, &crate::bams3::small()).unwrap();
        root
    });
    shelf.path()
}

/// A copy of [`shelf`] that a test may write to.
pub fn own_shelf() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in below(shelf()) {
        let to = root.path().join(file.strip_prefix(shelf()).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(&file, to).unwrap();
    }
    root
}

/// All files below a folder.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A server with what [`shelf`] holds.
pub struct Server {
    pub name: &'static str,
    /// What stands before the name of a file: `s3://lab`.
    pub base: String,
    pub options: Options,
    /// Whether it lists what it has, and whether datasets can be written to it.
    pub lists: bool,
    pub writes: bool,
    _program: Option<Program>,
    /// Where it lies on the disk.
    pub folder: Option<tempfile::TempDir>,
}

/// A program that ends with the test.
pub struct Program {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program of a server: `GF_NGINX` names it, or it is on `PATH`. `None`, told loudly, when it is absent, which fails
/// where `GF_REQUIRE_SERVERS` names it.
fn program(name: &str) -> Option<PathBuf> {
    let variable = format!("GF_{}", name.to_ascii_uppercase().replace('-', "_"));
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|p| p.is_file());
    let paths = std::env::var_os("PATH").unwrap_or_default();
    // Where Debian keeps servers, which is not on everybody's path.
    let paths = std::env::split_paths(&paths).chain(["/usr/sbin".into()]);
    let found = named.or_else(|| paths.map(|p| p.join(name)).find(|p| p.is_file()));
    if found.is_none() {
        let required = std::env::var("GF_REQUIRE_SERVERS").unwrap_or_default();
        assert!(!required.split_whitespace().any(|r| r == name), "{name} is required by GF_REQUIRE_SERVERS but absent");
        eprintln!("SKIPPED: {name} is not installed, so nothing was read from it");
    }
    found
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a program and waits until it takes connections. `None`, told loudly, when it does not.
fn start(name: &str, folder: tempfile::TempDir, port: u16, command: &mut Command) -> Option<Program> {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(folder.path());
    let mut program = Program { child: command.spawn().ok()?, _folder: folder };
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(program);
        }
        if program.child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(program._folder.path().join("log")).unwrap_or_default();
    let required = std::env::var("GF_REQUIRE_SERVERS").unwrap_or_default();
    assert!(!required.split_whitespace().any(|r| r == name), "{name} does not start: {log}");
    eprintln!("SKIPPED: {name} does not start, so nothing was read from it: {log}");
    None
}

/// nginx with the shelf at `/lab/`, and at other places with faults and demands; its address.
///
/// `/auth/` wants the user `me` with the password `pass@CANARY`, `/signed/` wants `?sig=CANARY` and GET, `/norange/` ignores
/// ranges, `/noetag/` names no versions.
pub fn nginx() -> Option<(String, Program)> {
    nginx_of(&shelf().join("lab"))
}

/// [`nginx`] with `lab` instead of the shelf.
pub fn nginx_of(lab: &Path) -> Option<(String, Program)> {
    let port = free_port();
    let program = nginx_with(tempfile::tempdir().unwrap(), lab, port, "")?;
    Some((format!("http://127.0.0.1:{port}"), program))
}

/// [`nginx`] behind TLS: its address and a file with the only certificate that vouches for it, which no machine trusts.
pub fn nginx_tls() -> Option<(String, PathBuf, Program)> {
    let (openssl, folder, port) = (program("openssl")?, tempfile::tempdir().unwrap(), free_port());
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let mut command = Command::new(openssl);
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab", "-addext"]);
    command.args(["subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    let made = command.arg("-keyout").arg(&key).arg("-out").arg(&certificate).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (shown, with) = (certificate.display(), key.display());
    let listen = format!(" ssl; ssl_certificate {shown}; ssl_certificate_key {with}");
    let program = nginx_with(folder, &shelf().join("lab"), port, &listen)?;
    Some((format!("https://127.0.0.1:{port}"), certificate, program))
}

/// `listen` stands behind the address it listens on.
fn nginx_with(folder: tempfile::TempDir, lab: &Path, port: u16, listen: &str) -> Option<Program> {
    let nginx = program("nginx")?;
    let (here, lab) = (folder.path().display().to_string(), lab.display().to_string());
    std::fs::write(folder.path().join("users"), "me:{PLAIN}pass@CANARY\n").unwrap();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {here}/{kind};\n"))
        .concat();
    let conf = format!(
        "daemon off; master_process off; pid {here}/pid; error_log {here}/error.log; events {{}}\n\
         http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}{listen};\n\
         location /lab/ {{ alias {lab}/; }}\n\
         location /norange/ {{ alias {lab}/; max_ranges 0; }}\n\
         location /noetag/ {{ alias {lab}/; etag off; }}\n\
         location /auth/ {{ alias {lab}/; auth_basic lab; auth_basic_user_file {here}/users; }}\n\
         location /signed/ {{ alias {lab}/;\n\
           if ($arg_sig != CANARY) {{ return 403; }}\n\
           if ($request_method = HEAD) {{ return 403; }} }}\n\
         }} }}\n"
    );
    std::fs::write(folder.path().join("nginx.conf"), conf).unwrap();
    let mut command = Command::new(nginx);
    command.args(["-e", &format!("{here}/error.log"), "-p", &here, "-c", &format!("{here}/nginx.conf")]);
    start("nginx", folder, port, &mut command)
}

/// Copies the shelf to a server that takes objects.
async fn upload(base: &str, options: &Options) {
    let ctx = context(options);
    let url = url::Url::parse(&format!("{base}/")).unwrap();
    let store = ctx.session().runtime_env().object_store_registry.get_store(&url).unwrap();
    for file in below(&shelf().join("lab")) {
        let key = file.strip_prefix(shelf().join("lab")).unwrap().to_str().unwrap().to_owned();
        let key = object_store::path::Path::parse(key).unwrap();
        store.put(&key, std::fs::read(&file).unwrap().into()).await.unwrap();
    }
}

async fn moto() -> Option<Server> {
    let (moto, folder, port) = (program("moto_server")?, tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(moto);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let program = start("moto_server", folder, port, &mut command)?;
    let url = format!("http://127.0.0.1:{port}");
    send(port, "PUT /lab HTTP/1.1");
    let options = s3_options(&url);
    upload("s3://lab", &options).await;
    Some(Server {
        name: "moto",
        base: "s3://lab".into(),
        options,
        lists: true,
        writes: true,
        _program: Some(program),
        folder: None,
    })
}

/// A request without a body to a server that demands no more.
fn send(port: u16, line: &str) {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "{line}\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{answer}");
}

fn fake_gcs() -> Option<Server> {
    let (fake, folder, port) = (program("fake-gcs-server")?, tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(fake);
    command.args(["-host", "127.0.0.1", "-port", &port.to_string(), "-scheme", "http", "-backend", "memory", "-data"]);
    command.arg(shelf()).args(["-public-host", &format!("127.0.0.1:{port}")]);
    let program = start("fake-gcs-server", folder, port, &mut command)?;
    let url = format!("http://127.0.0.1:{port}");
    let options = options(&[("google_base_url", &url), ("google_skip_signature", "true")]);
    Some(Server {
        name: "fake-gcs",
        base: "gs://lab".into(),
        options,
        lists: true,
        writes: false,
        _program: Some(program),
        folder: None,
    })
}

/// The account that azurite knows, as its documentation tells everybody.
pub const AZURITE: (&str, &str) =
    ("devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==");

/// Signs the request that makes a container, which no library here does.
const MAKE_CONTAINER: &str = "
const [port, account, key] = process.argv.slice(1), date = new Date().toUTCString();
const text = `PUT\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\n\\nx-ms-date:${date}\\nx-ms-version:2021-08-06\\n/${account}/${account}/lab\\nrestype:container`;
const sign = require('crypto').createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
const headers = { 'x-ms-date': date, 'x-ms-version': '2021-08-06', Authorization: `SharedKey ${account}:${sign}`, 'content-length': 0 };
const to = { host: '127.0.0.1', port, path: `/${account}/lab?restype=container`, method: 'PUT', headers };
require('http').request(to, r => process.exit(r.statusCode == 201 ? 0 : 1)).end();";

async fn azurite() -> Option<Server> {
    let (azurite, node) = (program("azurite-blob")?, program("node")?);
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let mut command = Command::new(azurite);
    command.args(["--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]);
    command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
    let program = start("azurite-blob", folder, port, &mut command)?;
    let (account, key) = AZURITE;
    let made = Command::new(node).args(["-e", MAKE_CONTAINER, &port.to_string(), account, key]).status().unwrap();
    assert!(made.success());
    let endpoint = format!("http://127.0.0.1:{port}/{account}");
    let options = options(&[
        ("azure_storage_account_name", account),
        ("azure_storage_account_key", key),
        ("azure_storage_endpoint", &endpoint),
    ]);
    upload("az://lab", &options).await;
    Some(Server {
        name: "azurite",
        base: "az://lab".into(),
        options,
        lists: true,
        writes: true,
        _program: Some(program),
        folder: None,
    })
}

/// All servers that can be started here, with the shelf on them.
pub async fn all() -> Vec<Server> {
    let own = own_shelf();
    let endpoint = s3(own.path()).await;
    let s3 = Server {
        name: "s3s",
        base: "s3://lab".into(),
        options: s3_options(&endpoint),
        lists: true,
        writes: true,
        _program: None,
        folder: Some(own),
    };
    let mut all = vec![s3];
    all.extend(nginx().map(|(url, program)| Server {
        name: "nginx",
        base: format!("{url}/lab"),
        options: Vec::new(),
        lists: false,
        writes: false,
        _program: Some(program),
        folder: None,
    }));
    all.extend(moto().await);
    all.extend(fake_gcs());
    all.extend(azurite().await);
    eprintln!("servers: {}", all.iter().map(|s| s.name).collect::<Vec<_>>().join(", "));
    all
}

/// `gf` with nothing of this process's environment.
pub fn gf() -> Command {
    let mut gf = Command::new(support::gf());
    gf.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", shelf());
    gf
}
