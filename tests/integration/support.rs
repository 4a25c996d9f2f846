//! What the tests share: sample files, contexts, rows as text, peers.

use std::path::{Path, PathBuf};
use std::process::Command;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use genomicframe::{GenomicContext, ReadOptions};

/// Where the sample files lie.
pub fn folder() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").display().to_string()
}

/// The path of a sample file.
pub fn data(name: &str) -> String {
    format!("{}/{name}", folder())
}

/// A context with these settings.
pub fn context(threads: usize, batch: usize) -> GenomicContext {
    GenomicContext::builder().threads(threads).batch_size(batch).build().unwrap()
}

/// Every row as text, in the order given.
pub fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("~");
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            out.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("\t"));
        }
    }
    out
}

/// Every row as text, sorted: what a query without `ORDER BY` promises.
pub fn sorted(batches: &[RecordBatch]) -> Vec<String> {
    let mut out = rows(batches);
    out.sort();
    out
}

/// The sorted rows of a query.
pub async fn query(ctx: &GenomicContext, sql: &str) -> Vec<String> {
    match ctx.sql(sql).await {
        Ok(query) => sorted(&query.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}"))),
        Err(e) => panic!("{sql}: {e}"),
    }
}

/// The one number that a query returns.
pub async fn number(ctx: &GenomicContext, sql: &str) -> u64 {
    let rows = query(ctx, sql).await;
    rows[0].parse().unwrap_or_else(|_| panic!("{sql}: {rows:?}"))
}

/// The plan after a run.
pub async fn analyzed(ctx: &GenomicContext, sql: &str) -> String {
    query(ctx, &format!("EXPLAIN ANALYZE {sql}")).await.join("\n")
}

/// What such a plan counted under `name`, over all its nodes. Numbers are shown as people write them: 1.20 K.
pub fn counted(plan: &str, name: &str) -> u64 {
    let key = format!("{name}=");
    let number = |text: &str| {
        let text = text.split([',', ']']).next().unwrap_or_default();
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
        let scale = match unit.trim() {
            "" | "B" => 1.0,
            "K" => 1e3,
            "M" => 1e6,
            "KB" => 1024.0,
            "MB" => 1048576.0,
            other => panic!("{name} in {other}: {plan}"),
        };
        digits.parse::<f64>().unwrap_or(0.0) * scale
    };
    // Before the metrics stands what was planned.
    let metrics = plan.lines().filter_map(|line| line.split_once("metrics=["));
    metrics.flat_map(|(_, all)| all.split(key.as_str()).skip(1).map(number)).sum::<f64>() as u64
}

/// The sorted rows of files read with options.
pub async fn read(ctx: &GenomicContext, path: &str, options: ReadOptions, columns: &[&str]) -> Vec<String> {
    let query = ctx.read(path, options).await.unwrap();
    let query = if columns.is_empty() { query } else { query.select_columns(columns).unwrap() };
    sorted(&query.collect().await.unwrap())
}

/// The program `gf`, which `cargo test` of the whole workspace builds beside the tests.
pub fn gf() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().and_then(Path::parent).unwrap();
    let gf = folder.join(format!("gf{}", std::env::consts::EXE_SUFFIX));
    assert!(gf.is_file(), "{} is not built; run: cargo test --locked --all-features", gf.display());
    gf
}

/// A peer program on `PATH`; `None`, told loudly, when it is absent.
pub fn peer(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|p| p.join(program)).find(|p| p.is_file());
    if found.is_none() {
        assert!(std::env::var_os("GF_REQUIRE_PEERS").is_none(), "{program} is required by GF_REQUIRE_PEERS but absent");
        eprintln!("SKIPPED: {program} is not installed, so nothing was compared with it");
    }
    found
}

/// A Python that has `modules`: `GF_PYTHON`, else `python3`; `None`, told loudly, when there is none.
pub fn python(modules: &str) -> Option<PathBuf> {
    let python = std::env::var_os("GF_PYTHON").map_or_else(|| "python3".into(), PathBuf::from);
    let found = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if found.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    let required = std::env::var_os("GF_REQUIRE_PEERS").is_some();
    assert!(!required, "GF_REQUIRE_PEERS requires a Python with {modules} (GF_PYTHON)");
    eprintln!("SKIPPED: no Python with {modules}, so nothing was read by another program");
    None
}

/// What a peer prints.
pub fn output(program: &Path, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    assert!(out.status.success(), "{program:?} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Small random numbers, the same on every run (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
