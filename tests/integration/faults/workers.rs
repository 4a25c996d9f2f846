//! A thread that fails or panics in the middle of the rows: no query, output or conversion ends as if it had had all of them.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::datatypes::DataType;
use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::{col, lit};
use futures::{FutureExt, StreamExt};
use genomicframe::convert::ConvertOptions;
use genomicframe::{
    DepthOptions, Execution, GenomicContext, GenomicFrame, OutputFormat, StatsQuery, Target, WriteOptions,
};

use super::{Samples, names};
use crate::support::context;

/// A column passed through, until batch `at`.
#[derive(Debug)]
struct Breaks {
    signature: Signature,
    at: u64,
    panics: bool,
    seen: AtomicU64,
}

impl PartialEq for Breaks {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Breaks {}

impl std::hash::Hash for Breaks {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.at.hash(state);
    }
}

impl ScalarUDFImpl for Breaks {
    fn name(&self) -> &str {
        "breaks"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        if self.seen.fetch_add(1, Ordering::SeqCst) == self.at {
            assert!(!self.panics, "a worker panics, as it should");
            return Err(DataFusionError::Execution("a worker fails, as it should".into()));
        }
        Ok(args.args[0].clone())
    }
}

/// Four partitions and batches of 500 rows, one of which breaks.
fn breaking(at: u64, panics: bool) -> GenomicContext {
    let ctx = context(4, 500);
    let signature = Signature::exact(vec![DataType::Int64], Volatility::Volatile);
    ctx.session().register_udf(ScalarUDF::from(Breaks { signature, at, panics, seen: AtomicU64::new(0) }));
    ctx
}

/// That it ends, and not as if all went well.
async fn fails<T: std::fmt::Debug>(what: &str, work: impl Future<Output = genomicframe::Result<T>>) {
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), AssertUnwindSafe(work).catch_unwind()).await;
    match ended {
        Err(_) => panic!("{what}: it hangs"),
        Ok(Ok(Ok(made))) => panic!("{what}: it ends with {made:?}"),
        Ok(Ok(Err(e))) => assert!(e.to_string().contains("worker"), "{what}: {e}"),
        // A panic goes on in whoever waits for the worker.
        Ok(Err(_)) => {}
    }
}

fn reads() -> String {
    format!("SELECT * FROM '{}' WHERE breaks(pos) >= 0", Samples::get().name("reads.bam"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_whose_worker_fails_fails() {
    let bam = Samples::get().name("reads.bam");
    let file = |columns: &str| format!("SELECT {columns} FROM '{bam}' WHERE breaks(pos) >= 0");
    // Of all reads, so that none is left out by where it is.
    let folder = tempfile::tempdir().unwrap();
    let intervals = folder.path().join("all.bed").display().to_string();
    std::fs::write(&intervals, "chr1\t0\t200000000\n").unwrap();
    for panics in [false, true] {
        for at in [0, 7, 70] {
            let of = |what: &str| format!("{what}, batch {at}, panics: {panics}");
            for (what, sql) in [
                ("rows", file("qname, pos")),
                ("a count", file("count(*)")),
                ("groups", file("mapq, count(*)") + " GROUP BY mapq"),
                ("sorted rows", file("qname, pos") + " ORDER BY qname"),
                ("some rows", file("qname") + " ORDER BY qname LIMIT 3"),
                (
                    "a join by overlap",
                    format!(
                        "SELECT count(*) FROM ({}) r JOIN '{intervals}' b ON r.rname = b.chrom AND r.pos <= b.\"end\" AND r.\"end\" > b.start",
                        file("rname, pos, \"end\"")
                    ),
                ),
                ("an aggregate of all", format!("SELECT sum(breaks(pos)) FROM '{bam}'")),
            ] {
                let ctx = breaking(at, panics);
                fails(&of(what), async { Ok(ctx.sql(&sql).await?.collect().await?) }).await;
            }
            let ctx = breaking(at, panics);
            fails(&of("a stream"), async {
                let mut stream = ctx.sql(&reads()).await?.execute_stream().await?;
                let mut rows = 0;
                while let Some(batch) = stream.next().await {
                    rows += batch?.num_rows();
                }
                Ok(rows)
            })
            .await;
            let ctx = breaking(at, panics);
            fails(&of("statistics"), async { StatsQuery::new(ctx.sql(&reads()).await?).await?.run().await }).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_whose_worker_fails_is_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("x");
    for panics in [false, true] {
        for at in [0, 7, 70] {
            for (name, format) in OutputFormat::ALL.into_iter().filter(|(name, _)| !matches!(*name, "native" | "table"))
            {
                for sql in [reads(), reads() + " ORDER BY qname"] {
                    std::fs::write(&to, "old").unwrap();
                    let ctx = breaking(at, panics);
                    let what = format!("{name}, batch {at}, panics: {panics}: {sql}");
                    fails(&what, async {
                        let execution = Execution::new(ctx.sql(&sql).await?).await?;
                        execution.write(format, Target::File(to.clone()), &WriteOptions::new()).await
                    })
                    .await;
                    assert_eq!(names(folder.path()), ["x"], "{what}");
                    assert_eq!(std::fs::read_to_string(&to).unwrap(), "old", "{what}");
                }
            }
        }
    }
}

/// Files below a folder that somebody may still be removing, once there are no others than `wanted`.
async fn settled(folder: &std::path::Path, wanted: &[&str]) -> Vec<String> {
    for _ in 0..500 {
        if names(folder) == wanted {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    names(folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sql_writes_is_the_old_one_where_a_worker_fails() {
    let folder = tempfile::tempdir().unwrap();
    let many = folder.path().join("many");
    for panics in [false, true] {
        for at in [0, 7, 70] {
            for form in ["CSV", "JSON", "PARQUET", "ARROW"] {
                let name = format!("x.{}", form.to_ascii_lowercase());
                let to = folder.path().join(&name);
                std::fs::write(&to, "old").unwrap();
                let ctx = breaking(at, panics);
                let what = format!("{form}, batch {at}, panics: {panics}");
                let copy = |rows: &str, to: &std::path::Path, more: &str| {
                    format!("COPY ({rows}) TO '{}' STORED AS {form} {more}", to.display())
                };
                // A column of nested rows is none of CSV's.
                let rows = reads().replace('*', "qname, flag, pos, seq");
                let sql = copy(&rows, &to, "");
                fails(&what, async { Ok(ctx.sql(&sql).await?.collect().await?) }).await;
                let sql = format!("EXPLAIN ANALYZE {}", copy(&rows, &to, ""));
                fails(&what, async { Ok(breaking(at, panics).sql(&sql).await?.collect().await?) }).await;
                assert_eq!(settled(folder.path(), &[&name]).await, [&*name], "{what}");
                assert_eq!(std::fs::read_to_string(&to).unwrap(), "old", "{what}");
                std::fs::remove_file(&to).unwrap();
                // A folder of files, one for each contig.
                std::fs::create_dir(&many).unwrap();
                let rows = reads().replace('*', "rname, pos");
                let sql = copy(&rows, &many, "PARTITIONED BY (rname)");
                fails(&what, async { Ok(breaking(at, panics).sql(&sql).await?.collect().await?) }).await;
                assert_eq!(settled(&many, &[]).await, <[&str; 0]>::default(), "{what}");
                std::fs::remove_dir_all(&many).unwrap();
            }
        }
    }
    // What does not fail is whole.
    for (form, rows) in [("CSV", 40_001), ("JSON", 40_000)] {
        let to = folder.path().join(format!("whole.{}", form.to_ascii_lowercase()));
        let sql = format!(
            "COPY (SELECT qname FROM '{}') TO '{}' STORED AS {form}",
            Samples::get().name("reads.bam"),
            to.display()
        );
        breaking(1000, true).sql(&sql).await.unwrap().collect().await.unwrap();
        assert_eq!(std::fs::read_to_string(&to).unwrap().lines().count(), rows);
    }
}

/// A terminal call of a frame.
type Terminal = fn(&GenomicFrame, &std::path::Path) -> genomicframe::Result<u64>;

const TERMINALS: [(&str, Terminal); 6] = [
    ("collect", |frame, _| frame.collect().map(|b| b.len() as u64)),
    ("count", |frame, _| frame.count().map(|n| n as u64)),
    ("write_parquet", |frame, to| frame.write_parquet(to)),
    ("write_csv", |frame, to| frame.write_csv(to)),
    ("a stream", |frame, _| {
        let mut rows = 0;
        for batch in frame.to_arrow_stream()? {
            rows += batch?.num_rows() as u64;
        }
        Ok(rows)
    }),
    ("collect_polars", |frame, _| frame.collect_polars().map(|f| f.height() as u64)),
];

/// Chained, with the operators of ours above the rows.
#[test]
fn a_frame_whose_worker_fails_fails() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("x");
    type Verb = fn(GenomicFrame, &GenomicContext) -> GenomicFrame;
    let verbs: [(&str, Verb); 4] = [
        ("rows", |frame, _| frame),
        ("depth", |frame, _| frame.depth(DepthOptions::new())),
        ("merge", |frame, _| frame.merge(genomicframe::MergeOptions::new())),
        ("count_overlaps", |frame, ctx| {
            // Of which all rows are needed: a panel's would be few.
            let first = format!("SELECT rname, pos, end FROM '{}'", Samples::get().name("reads.bam"));
            ctx.frame(&first).unwrap().count_overlaps(frame)
        }),
    ];
    for panics in [false, true] {
        for (verb, apply) in verbs {
            for (terminal, call) in TERMINALS {
                let ctx = breaking(11, panics);
                let frame = ctx.frame(&format!("SELECT * FROM '{}'", Samples::get().name("reads.bam"))).unwrap();
                let breaks = ctx.session().udf("breaks").unwrap();
                let frame = apply(frame.filter(breaks.call(vec![col("pos")]).gt_eq(lit(0_i64))), &ctx);
                std::fs::write(&to, "old").unwrap();
                let ended = std::panic::catch_unwind(AssertUnwindSafe(|| call(&frame, &to)));
                let what = format!("{verb}, {terminal}, panics: {panics}");
                match ended {
                    Ok(Ok(n)) => panic!("{what}: it ends with {n}"),
                    Ok(Err(e)) => assert!(e.to_string().contains("worker"), "{what}: {e}"),
                    Err(_) => {}
                }
                assert_eq!(names(folder.path()), ["x"], "{what}");
                assert_eq!(std::fs::read_to_string(&to).unwrap(), "old", "{what}");
            }
        }
    }
}

/// As a user meets it: a row in the middle that cannot be computed.
#[test]
fn a_program_whose_query_fails_in_the_middle_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let bam = Samples::get().name("reads.bam");
    // Of the read in the middle.
    let sql = format!("SELECT qname, 1 / (pos - {}) AS x FROM '{bam}'", 1000 + 20_000 * 7);
    for ending in ["csv", "parquet", "arrow", "jsonl"] {
        let to = folder.path().join(format!("x.{ending}"));
        std::fs::write(&to, "old").unwrap();
        let out = super::gf().args(["sql", &sql, "-o"]).arg(&to).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{ending}");
        assert!(super::said(&out).to_lowercase().contains("divide by zero"), "{}", super::said(&out));
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
    }
    for form in ["CSV", "PARQUET", "JSON"] {
        let to = folder.path().join(format!("copied.{}", form.to_ascii_lowercase()));
        std::fs::write(&to, "old").unwrap();
        let out = super::gf().args(["sql", &format!("COPY ({sql}) TO '{}'", to.display())]).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{form}");
        assert!(super::said(&out).to_lowercase().contains("divide by zero"), "{}", super::said(&out));
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
    }
    assert_eq!(names(folder.path()).len(), 7);
    let out = super::gf().args(["sql", &sql]).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
}

/// A damaged page in the middle of a dataset, of which conversions decode many at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversion_whose_worker_fails_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, to) = (folder.path().join("x.bams3"), folder.path().join("x.bam"));
    super::copy(&Samples::get().path("reads.bams3"), &dataset);
    let chunk = super::tree(&dataset).into_keys().filter(|key| key.ends_with(".chunk")).nth(20).unwrap();
    let mut bytes = std::fs::read(dataset.join(&chunk)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(dataset.join(&chunk), bytes).unwrap();
    std::fs::write(&to, "old").unwrap();
    let ctx = GenomicContext::new();
    let e = ctx.export_bam(dataset.to_str().unwrap(), &to, &Default::default()).await.unwrap_err();
    assert!(e.to_string().contains(&chunk) && e.is_corrupt(), "{e}");
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
    // And of an input whose block in the middle is damaged.
    let bam = folder.path().join("broken.bam");
    let mut bytes = std::fs::read(Samples::get().path("reads.bam")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&bam, bytes).unwrap();
    let made = folder.path().join("y.bams3");
    let options = ConvertOptions::new().chunk_rows(1000).threads(4);
    let e = ctx.convert(bam.to_str().unwrap(), made.to_str().unwrap(), &options).await.unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("broken.bam"), "{e}");
    assert!(!made.join("_metadata.json").exists());
}
