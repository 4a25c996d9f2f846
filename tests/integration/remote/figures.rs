//! Figures at a distance: what regions and scans cost 30 ms away on a line of 100 MB/s.
//!
//! ```text
//! GF_FIGURES=folder GF_PROGRAM=target/release/gf \
//!   cargo test --locked --all-features --workspace --test integration figures -- --ignored --nocapture measure
//! ```
//!
//! The folder holds `wgs.bam` with its BAI, as `benches/compare` makes it. nginx and the proxy run in a process of their own,
//! so that they take no thread of `gf`; where there are no more than two processors they still take of its time.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::proxy::Proxy;
use super::servers;

/// A line to a store in another city.
const FAR: Line = Line { latency: 30, bytes_per_second: Some(100_000_000) };
/// Far, but as fast as the machine.
const FAR_AND_WIDE: Line = Line { latency: 30, bytes_per_second: None };
const NEAR: Line = Line { latency: 0, bytes_per_second: None };

#[derive(Clone, Copy)]
struct Line {
    /// Milliseconds.
    latency: u64,
    bytes_per_second: Option<u64>,
}

/// [`serve`] in a process of its own.
struct Served {
    url: String,
    child: Child,
    ask: ChildStdin,
    told: std::io::Lines<BufReader<std::process::ChildStderr>>,
}

impl Served {
    fn new(folder: &std::path::Path, line: Line) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "remote::figures::serve", "--ignored", "--nocapture"]);
        command.env("GF_FIGURES", folder).env("GF_LATENCY", line.latency.to_string());
        if let Some(rate) = line.bytes_per_second {
            command.env("GF_BANDWIDTH", rate.to_string());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = told.next().unwrap().unwrap();
        Self { url, ask: child.stdin.take().unwrap(), child, told }
    }

    /// What was answered since the last call.
    fn answers(&mut self) -> String {
        self.ask.write_all(b"\n").unwrap();
        self.told.next().unwrap().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The folder `GF_FIGURES` on a line, told on standard error: its address, and of each line of standard input the answers
/// since the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started by `measure`"]
async fn serve() {
    let (url, _nginx) = servers::nginx_of(&folder()).unwrap();
    let proxy = Proxy::before(&url).await;
    let number = |name| std::env::var(name).ok().map(|n| n.parse().unwrap());
    proxy.latency(Duration::from_millis(number("GF_LATENCY").unwrap()));
    if let Some(rate) = number("GF_BANDWIDTH") {
        proxy.bandwidth(rate);
    }
    eprintln!("{}/lab", proxy.url);
    loop {
        let asked = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()).unwrap());
        if asked.await.unwrap() == 0 {
            return;
        }
        let answers = proxy.take_answers();
        eprintln!("{:>11} bytes, {:>3} requests, {} deep", answers.bytes, answers.requests, answers.round_trips);
    }
}

fn folder() -> PathBuf {
    std::env::var_os("GF_FIGURES").expect("GF_FIGURES names a folder with wgs.bam").into()
}

/// Runs of each figure, one figure after another.
const RUNS: usize = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, a release build and a file that the user names"]
async fn measure() {
    let gf = std::env::var("GF_PROGRAM").expect("GF_PROGRAM names a release build of gf");
    let root = tempfile::tempdir().unwrap();
    for name in ["wgs.bam", "wgs.bam.bai"] {
        std::os::unix::fs::symlink(folder().join(name), root.path().join(name)).unwrap();
    }
    let here = root.path().display().to_string();
    let (bam, dataset) = (format!("{here}/wgs.bam"), format!("{here}/wgs.bams3"));
    assert!(Command::new(&gf).args(["convert", &bam, &dataset]).stderr(Stdio::null()).status().unwrap().success());
    let mut lines = [NEAR, FAR_AND_WIDE, FAR].map(|line| Served::new(root.path(), line));
    let from = ["here", "HTTP", "HTTP, 30 ms", "HTTP, 30 ms, 100 MB/s"];

    let region = "SELECT sum(pos), sum(flag), sum(mapq), sum(length(cigar)) FROM '@' \
                  WHERE rname = 'chr1' AND pos BETWEEN 1000001 AND 2000000";
    // Without the CIGAR, which BAMS3 has row group by row group, all stand together at the front of chunks.
    let places = "SELECT sum(pos), sum(\"end\"), sum(flag), sum(mapq) FROM '@' \
                  WHERE rname = 'chr1' AND pos BETWEEN 1000001 AND 2000000";
    let scan = "SELECT count(*) FROM '@' WHERE mapq >= 30";
    let mut figures = Vec::new();
    for (what, sql, file) in [
        ("1 Mb of BAM", region, "wgs.bam"),
        ("1 Mb of BAMS3", region, "wgs.bams3"),
        ("places of BAM", places, "wgs.bam"),
        ("places of BAMS3", places, "wgs.bams3"),
        ("all of BAM", scan, "wgs.bam"),
    ] {
        figures.extend((0..from.len()).map(|place| (what, sql, file, place, Vec::new(), String::new())));
    }
    for _ in 0..RUNS {
        for (what, sql, file, place, seconds, answers) in &mut figures {
            let base = if *place == 0 { &here } else { &lines[*place - 1].url };
            let begun = Instant::now();
            let out = Command::new(&gf).args(["sql", &sql.replace('@', &format!("{base}/{file}"))]).output().unwrap();
            seconds.push(begun.elapsed().as_secs_f64());
            assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
            *answers = if *place == 0 { String::new() } else { lines[*place - 1].answers() };
        }
    }
    let processors = std::thread::available_parallelism().unwrap();
    eprintln!("{processors} processors; medians and least of {RUNS} runs, seconds; of each run a new process");
    for (what, _, _, place, seconds, answers) in &mut figures {
        seconds.sort_by(f64::total_cmp);
        eprintln!("{what:15} {:22} {:6.3} {:6.3} {answers}", from[*place], seconds[RUNS / 2], seconds[0]);
    }
}
