//! Queries that want too much: larger than a plan can be, and, of contexts for strangers, more than they may.

use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use genomicframe::{GenomicContext, QueryLimits, ReadOptions};

use crate::support::{context, data, folder, gf, number, query};

fn joined(n: usize, between: &str, term: impl Fn(usize) -> String) -> String {
    (0..n).map(term).collect::<Vec<_>>().join(between)
}

/// Tables of which each is made of the one before.
fn chain(n: usize, first: &str, step: &str, last: &str) -> String {
    let mut text = format!("WITH t0 AS ({first})");
    for i in 0..n {
        write!(text, ", t{} AS ({})", i + 1, step.replace('@', &format!("t{i}"))).unwrap();
    }
    text + &last.replace('@', &format!("t{n}"))
}

/// Texts that once overflowed the stack or took hours to plan, and a part of what is told.
fn too_large() -> Vec<(&'static str, String, &'static str)> {
    let bed = format!("'{}'", data("panel.bed"));
    let of_bed = format!("SELECT start AS x FROM {bed}");
    vec![
        (
            "OR",
            format!("SELECT 1 FROM {bed} WHERE {}", joined(20_000, " OR ", |i| format!("start={i}"))),
            "20000 operators",
        ),
        (
            "AND",
            format!("SELECT 1 FROM {bed} WHERE {}", joined(20_000, " AND ", |i| format!("start<>{i}"))),
            "20000 operators",
        ),
        ("parentheses", format!("SELECT {}1{}", "(".repeat(10_000), ")".repeat(10_000)), "RecursionLimitExceeded"),
        ("sum", format!("SELECT start{} FROM {bed}", "+1".repeat(10_000)), "250 levels"),
        ("texts", format!("SELECT name{} FROM {bed}", "||'a'".repeat(1000)), "250 levels"),
        ("casts", format!("SELECT 1{}", "::int".repeat(10_000)), "250 levels"),
        ("tests", format!("SELECT 1{}", " IS NULL".repeat(10_000)), "250 levels"),
        ("signs", format!("SELECT {}1", "- ".repeat(10_000)), "RecursionLimitExceeded"),
        ("unions", joined(2000, " UNION ALL ", |i| format!("SELECT {i}")), "1000 tables"),
        ("joins", format!("SELECT 1 FROM {}", joined(2000, ", ", |i| format!("{bed} t{i}"))), "1000 tables"),
        ("joins", format!("SELECT 1 FROM {}", joined(300, ", ", |i| format!("(SELECT 1) t{i}"))), "250 levels deep"),
        ("tables", chain(300, &of_bed, "SELECT x FROM @", " SELECT x FROM @"), "250 levels deep"),
        ("doubled", chain(40, &of_bed, "SELECT a.x FROM @ a, @ b", " SELECT count(*) FROM @"), "1000 tables"),
        (
            "written out",
            chain(40, &of_bed, "SELECT x * x AS x FROM @", " SELECT x FROM @ WHERE x > 5"),
            "50000 operators",
        ),
        (
            "written out",
            chain(40, &of_bed, "SELECT max(x) + max(x) AS x FROM @", " SELECT x FROM @ ORDER BY x"),
            "50000 operators",
        ),
        ("text", format!("SELECT '{}'", "x".repeat(2 << 20)), "more than 1048576"),
    ]
}

#[tokio::test]
async fn what_cannot_be_planned_is_an_error() {
    let ctx = context(1, 8192);
    for (what, sql, told) in too_large() {
        let begun = Instant::now();
        let e = ctx.sql(&sql).await.err().unwrap_or_else(|| panic!("{what} was planned")).to_string();
        assert!(e.contains(told), "{what}: {e}");
        assert!(e.len() < 1000, "{what}: {} bytes", e.len());
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}: {:?}", begun.elapsed());
    }
}

#[test]
fn the_program_ends_with_an_error_too() {
    for (what, sql, told) in too_large().into_iter().filter(|(_, sql, _)| sql.len() < 100_000) {
        let out = Command::new(gf()).args(["sql", &sql]).output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{what}: {text}");
        assert!(text.contains(told), "{what}: {text}");
    }
}

/// On a thread's usual stack, planned and run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_large_is_planned_and_run() {
    let (ctx, bed) = (context(2, 8192), data("panel.bed"));
    let rows = number(&ctx, &format!("SELECT count(*) FROM '{bed}'")).await;
    let some = number(&ctx, &format!("SELECT count(*) FROM '{bed}' WHERE start BETWEEN 0 AND 2999")).await;
    assert!(some > 0 && some < rows);
    let count = |wanted: String| format!("SELECT count(*) FROM '{bed}' WHERE {wanted}");
    for (sql, expected) in [
        (count(joined(3000, " OR ", |i| format!("start = {i}"))), some),
        (count(joined(3000, " AND ", |i| format!("start <> {i}"))), rows - some),
        (count(format!("NOT ({})", joined(1000, " OR ", |i| format!("(start = {i} AND chrom <> 'x')")))), 0),
        (count(format!("start IN ({})", joined(50_000, ",", |i| i.to_string()))), 0),
        (format!("SELECT count(*) FROM '{bed}' WHERE start{} >= 200", "+1".repeat(200)), rows),
        (
            format!(
                "SELECT sum(n) FROM ({})",
                joined(60, " UNION ALL ", |_| format!("SELECT count(*) n FROM '{bed}'"))
            ),
            60 * rows,
        ),
        (
            chain(
                60,
                &format!("SELECT start AS x FROM '{bed}'"),
                "SELECT x + 1 AS x FROM @",
                " SELECT count(*) FROM @",
            ),
            rows,
        ),
        (
            chain(
                40,
                &format!("SELECT start AS x FROM '{bed}'"),
                "SELECT x FROM @ ORDER BY x LIMIT 5",
                " SELECT count(*) FROM @",
            ),
            5,
        ),
    ] {
        let expected = match &sql {
            sql if sql.contains("NOT (") => rows - number(&ctx, &count("start < 1000".into())).await,
            sql if sql.contains(" IN (") => number(&ctx, &count("start < 50000".into())).await,
            _ => expected,
        };
        assert_eq!(number(&ctx, &sql).await, expected, "{}", &sql[..sql.len().min(200)]);
    }
}

/// A folder that may be read, and beside it one that may not.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for folder in ["open/batch=a", "secret"] {
            std::fs::create_dir_all(path(folder)).unwrap();
            for name in ["sample.bam", "sample.bam.bai", "panel.bed", "cohort.vcf.gz"] {
                std::fs::copy(data(name), path(folder).join(name)).unwrap();
            }
        }
        std::fs::write(path("secret/sizes.txt"), "chr1\t1000\n").unwrap();
        std::fs::write(path("secret/table.csv"), "a,b\n1,2\n").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(path("secret/sample.bam"), path("open/link.bam")).unwrap();
            std::os::unix::fs::symlink(path("secret"), path("open/elsewhere")).unwrap();
        }
        Self { root }
    }

    fn open(&self) -> String {
        self.root.path().join("open").display().to_string()
    }

    fn context(&self) -> GenomicContext {
        GenomicContext::untrusted().allow_folder(self.open()).threads(2).build().unwrap()
    }

    /// `@` is what may be read, `#` what may not.
    fn sql(&self, text: &str) -> String {
        let root = self.root.path().display().to_string();
        text.replace('@', &format!("{root}/open/batch=a")).replace('#', &format!("{root}/secret"))
    }
}

/// How a query ends: with rows, or with what is told.
async fn told(ctx: &GenomicContext, sql: &str) -> Result<usize, genomicframe::Error> {
    let rows = ctx.sql(sql).await?.collect().await?;
    Ok(rows.iter().map(|batch| batch.num_rows()).sum())
}

#[tokio::test]
async fn strangers_ask_what_anybody_asks() {
    let (place, plain) = (Place::new(), context(2, 8192));
    let ctx = place.context();
    for sql in [
        "SELECT rname, count(*) FROM '@/sample.bam' WHERE mapq >= 30 AND rname = 'chr1' GROUP BY rname",
        "WITH t AS (SELECT * FROM '@/panel.bed') SELECT upper(chrom) || ':' || start, lpad(name, 20, '.'), concat(chrom, end) FROM t",
        "SELECT a.qname FROM '@/sample.bam' a JOIN '@/panel.bed' p ON overlaps(a.rname, a.pos, a.end, p.chrom, p.start, p.end)",
        "SELECT count(*) FROM '@/sample.bam' WHERE in_regions(rname, pos, end, '@/panel.bed')",
        "SELECT * FROM depth('@/sample.bam', by => '@/panel.bed')",
        "SELECT chrom, array_to_string(alt, ','), replace(ref, 'A', 'aa') FROM '@/cohort.vcf.gz' WHERE is_snp(ref, alt)",
        "SELECT count(*) FROM read_bam('@/sample.bam', region => 'chr1:1-20000', index => '@/sample.bam.bai')",
        "SELECT batch, count(*) FROM '@/../batch=a/*.bam' GROUP BY batch",
        "VALUES (1, 'a'), (2, NULL || 'b')",
        "DESCRIBE '@/panel.bed'",
    ] {
        // `..` is refused even where it leads back.
        let sql = place.sql(sql).replace("/batch=a/../batch=a", "/batch=a");
        let expected = query(&plain, &sql).await;
        assert!(!expected.is_empty(), "{sql}");
        assert_eq!(query(&ctx, &sql).await, expected, "{sql}");
    }
    for sql in ["EXPLAIN SELECT * FROM '@/sample.bam'", "EXPLAIN ANALYZE SELECT count(*) FROM '@/sample.bam'"] {
        assert!(told(&ctx, &place.sql(sql)).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn strangers_only_read() {
    let (place, out) = (Place::new(), tempfile::tempdir().unwrap());
    let ctx = place.context();
    let file = out.path().join("out").display().to_string();
    let before = query(&ctx, &place.sql("SELECT count(*) FROM '@/panel.bed'")).await;
    for sql in [
        format!("COPY (SELECT 1) TO '{file}.csv'"),
        format!("COPY (SELECT 1) TO '{file}' STORED AS PARQUET"),
        format!("EXPLAIN COPY (SELECT 1) TO '{file}.csv'"),
        format!("EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}.csv'"),
        "CREATE EXTERNAL TABLE t STORED AS BED LOCATION '@/panel.bed'".into(),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '#/table.csv'".into(),
        "CREATE TABLE t AS SELECT 1".into(),
        "CREATE VIEW t AS SELECT 1".into(),
        "CREATE SCHEMA s".into(),
        "CREATE DATABASE d".into(),
        "CREATE FUNCTION f(int) RETURNS int RETURN $1".into(),
        "SELECT 1 AS x INTO t".into(),
        "INSERT INTO t VALUES (1)".into(),
        "UPDATE t SET x = 1".into(),
        "DELETE FROM t".into(),
        "DROP TABLE t".into(),
        "TRUNCATE TABLE t".into(),
        "SET datafusion.execution.batch_size = 1".into(),
        "SET genomicframe.use_index = false".into(),
        "RESET datafusion.execution.batch_size".into(),
        "SHOW ALL".into(),
        "SHOW TABLES".into(),
        "PREPARE p AS SELECT 1".into(),
        "EXECUTE p".into(),
        "BEGIN".into(),
        "EXPLAIN SET datafusion.execution.batch_size = 1".into(),
        "SELECT 1; SELECT 2".into(),
        "SELECT 1; DROP TABLE t".into(),
        "SELECT * FROM information_schema.df_settings".into(),
        "SELECT * FROM '#/table.csv'".into(),
        "SELECT * FROM '@/table.parquet'".into(),
    ] {
        let sql = place.sql(&sql);
        let e = told(&ctx, &sql).await.expect_err(&sql);
        assert!(e.is_denied() || e.is_invalid() || e.is_syntax() || e.is_unsupported(), "{sql}: {e}");
    }
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
    assert_eq!(query(&ctx, &place.sql("SELECT count(*) FROM '@/panel.bed'")).await, before);
}

/// Every place of a text that can name a file.
const NAMING: [&str; 24] = [
    "SELECT * FROM '#/sample.bam'",
    "SELECT * FROM '#'",
    "SELECT * FROM '#/'",
    "SELECT * FROM '#/*.bam'",
    "SELECT * FROM '#/**'",
    "SELECT * FROM '#/[s]ample.bam'",
    "SELECT * FROM 'file://#/sample.bam'",
    "SELECT * FROM '@/../../secret/sample.bam'",
    "SELECT * FROM '@/../../secret/*.bam'",
    "SELECT * FROM '@/../link.bam'",
    "SELECT * FROM read_bam('#/sample.bam')",
    "SELECT * FROM read_bam(['@/sample.bam', '#/sample.bam'])",
    "SELECT * FROM read_files('#/sample.bam')",
    "SELECT * FROM read_bam('@/sample.bam', index => '#/sample.bam.bai') WHERE rname = 'chr1'",
    "SELECT * FROM depth('#/sample.bam')",
    "SELECT * FROM depth('@/sample.bam', by => '#/panel.bed')",
    "SELECT * FROM merge('#/panel.bed')",
    "SELECT * FROM complement('@/panel.bed', genome => '#/sizes.txt')",
    "SELECT * FROM '@/sample.bam' WHERE in_regions(rname, pos, end, '#/panel.bed')",
    "SELECT (SELECT count(*) FROM '#/panel.bed')",
    "SELECT * FROM '@/panel.bed' WHERE chrom IN (SELECT chrom FROM '#/panel.bed')",
    "WITH t AS (SELECT * FROM '#/panel.bed') SELECT * FROM t",
    "EXPLAIN SELECT * FROM '#/panel.bed'",
    "DESCRIBE '#/panel.bed'",
];

#[tokio::test]
async fn strangers_read_only_what_is_allowed() {
    let place = Place::new();
    let ctx = place.context();
    for sql in NAMING {
        let sql = place.sql(sql);
        let e = told(&ctx, &sql).await.expect_err(&sql);
        assert!(e.is_denied() && e.to_string().contains("none of the folders"), "{sql}: {e}");
    }
    for sql in ["SELECT * FROM '@/link.bam'", "SELECT * FROM '@/elsewhere/sample.bam'", "SELECT * FROM '@/elsewhere/*'"]
    {
        let sql = place.sql(sql).replace("/batch=a", "");
        let e = told(&ctx, &sql).await.expect_err(&sql);
        assert!(e.is_denied(), "{sql}: {e}");
    }
    // What is not allowed tells nothing of itself.
    let there = told(&ctx, &place.sql("SELECT * FROM '#/sample.bam'")).await.unwrap_err().to_string();
    let not = told(&ctx, &place.sql("SELECT * FROM '#/nothing.bam'")).await.unwrap_err().to_string();
    assert_eq!(there.replace("sample", "nothing"), not);
    // What is allowed does.
    assert!(told(&ctx, &place.sql("SELECT * FROM '@/nothing.bam'")).await.unwrap_err().is_not_found());
    // The same gate is before the program's own calls.
    assert!(ctx.read(place.sql("#/sample.bam"), ReadOptions::new()).await.unwrap_err().is_denied());
    for url in
        ["http://127.0.0.1:1/x.bam", "s3://lab/x.bam", "http://169.254.169.254/latest/meta-data", "memory:///x.bam"]
    {
        let e = told(&ctx, &format!("SELECT * FROM '{url}'")).await.unwrap_err();
        assert!(e.is_denied(), "{url}: {e}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_wait_and_hold_only_so_much() {
    let place = Place::new();
    let ctx = GenomicContext::untrusted()
        .allow_folder(place.open())
        .timeout(Duration::from_millis(500))
        .memory_limit(16 << 20)
        .spill_limit(1 << 20)
        .threads(2)
        .build()
        .unwrap();
    for (sql, expected) in [
        ("SELECT length(repeat('x', 2000000000))", "repeat may make values of 2000000000 bytes"),
        ("SELECT lpad('x', 2000000000)", "lpad may make"),
        ("SELECT rpad(qname, 2000000000) FROM '@/sample.bam'", "rpad may make"),
        ("SELECT repeat(seq, pos * 1000000) FROM '@/sample.bam'", "repeat may make"),
        ("SELECT replace(repeat('x', 5000), '', repeat('y', 5000))", "replace may make"),
        ("SELECT regexp_replace(repeat('x', 5000), '', repeat('y', 5000), 'g')", "regexp_replace may make"),
        ("SELECT range(0, 2000000000)", "range"),
        ("SELECT generate_series(0, 2000000000)", "generate_series"),
        ("SELECT array_repeat(1, 2000000000)", "array_repeat"),
        ("SELECT array_resize([1], 2000000000)", "array_resize"),
        ("SELECT [1] || [2]", "|| is allowed of texts only"),
        ("SELECT sum(value) FROM range(0, 1000000000000)", "took longer than 500ms"),
        (
            "SELECT count(*) FROM '@/sample.bam' a, '@/sample.bam' b, '@/sample.bam' c WHERE a.pos + b.pos = c.pos + 7",
            "took longer",
        ),
        (
            "SELECT count(*) FROM '@/sample.bam' a JOIN '@/sample.bam' b ON a.rname = b.rname JOIN '@/sample.bam' c ON a.rname = c.rname AND a.pos + b.pos + c.pos < 0",
            // Its time or its memory ends first, by the machine.
            "",
        ),
        ("SELECT value FROM range(0, 100000000) ORDER BY value % 77, value", ""),
    ] {
        let (begun, sql) = (Instant::now(), place.sql(sql));
        let e = told(&ctx, &sql).await.expect_err(&sql);
        assert!(e.to_string().contains(expected), "{sql}: {e}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{sql}: {:?}", begun.elapsed());
    }
    let doubled =
        chain(30, "SELECT repeat('x', 1000000) AS x", "SELECT x || x AS x FROM @", " SELECT length(x) FROM @");
    let e = told(&ctx, &doubled).await.unwrap_err().to_string();
    assert!(e.contains("operators") || e.contains("|| may make"), "{e}");
    let many = format!("SELECT {}", joined(100, ", ", |i| format!("repeat('x', 10000000) AS x{i}")));
    let e = told(&ctx, &many).await.unwrap_err().to_string();
    assert!(e.contains("makes texts in 100 places"), "{e}");
    // The next query is none the worse for it.
    assert_eq!(
        number(&ctx, &place.sql("SELECT count(*) FROM '@/sample.bam'")).await,
        number(&context(1, 8192), &format!("SELECT count(*) FROM '{}/sample.bam'", folder())).await
    );
}

#[tokio::test]
async fn limits_are_the_callers() {
    let place = Place::new();
    let limits = QueryLimits { tables: 2, ..QueryLimits::default() };
    let ctx = GenomicContext::untrusted().allow_folder(place.open()).query_limits(limits).build().unwrap();
    let bed = place.sql("'@/panel.bed'");
    assert!(told(&ctx, &format!("SELECT 1 FROM {bed} a, {bed} b LIMIT 1")).await.is_ok());
    assert!(told(&ctx, &format!("SELECT 1 FROM {bed} a, {bed} b, {bed} c LIMIT 1")).await.is_err());
    for broken in [
        GenomicContext::untrusted().allow_folder("no/such/folder").build(),
        GenomicContext::untrusted().allow_prefix("no/url").build(),
        GenomicContext::untrusted().allow_prefix("https://me:secret@host/").build(),
    ] {
        assert!(!broken.unwrap_err().to_string().contains("secret"));
    }
}

/// `gf sql --untrusted` in the folder of the test data: its status, rows and messages.
fn strange(sql: &str, more: &[&str]) -> (bool, String, String) {
    let out =
        Command::new(gf()).args(["sql", "--untrusted", sql, "--no-header"]).args(more).current_dir(folder()).output();
    let out = out.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.success(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_program_takes_strangers_too() {
    let count = "SELECT count(*) FROM 'sample.bam'";
    assert_eq!(strange(count, &["--allow", "."]), (true, "4905\n".to_owned(), String::new()));
    assert_eq!(strange("SELECT 1", &[]), (true, "1\n".to_owned(), String::new()));
    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().display().to_string();
    for (sql, more) in [
        (count, [].as_slice()),
        (count, &["--allow", &elsewhere]),
        (count, &["--allow", "s3://lab/public"]),
        ("COPY (SELECT 1) TO 'made.csv'", &["--allow", "."]),
        ("SET genomicframe.use_index = false", &["--allow", "."]),
        ("SELECT * FROM '../data/sample.bam'", &["--allow", "."]),
    ] {
        let (well, rows, told) = strange(sql, more);
        assert!(!well && rows.is_empty() && told.starts_with("gf: "), "{sql} {more:?}: {rows}{told}");
    }
    assert!(!std::path::Path::new(&folder()).join("made.csv").exists());
    // What may be read says nothing without whom it is allowed to.
    let out = Command::new(gf()).args(["sql", count, "--allow", "."]).current_dir(folder()).output().unwrap();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("--untrusted"));
    let (well, _, told) = strange(count, &["--allow", "nowhere"]);
    assert!(!well && told.contains("nowhere: no folder that can be allowed"), "{told}");
}
