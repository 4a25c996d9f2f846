//! Every kind of join against comparing each row with each.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::displayable;

use crate::GenomicContext;

/// A row: contig, first and last position, a number that residual conditions compare.
#[derive(Clone, Copy)]
struct Row {
    contig: Option<u8>,
    start: Option<i64>,
    end: Option<i64>,
    x: i64,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn rows(&mut self, n: u64, contigs: u64, nulls: bool) -> Vec<Row> {
        let mut one = || {
            let start = self.below(300) as i64;
            let length = if self.below(8) == 0 { self.below(150) as i64 } else { self.below(6) as i64 - 1 };
            let mut known = || !nulls || self.below(15) > 0;
            let (contig, start, end) = (known(), known().then_some(start), known().then_some(start + length));
            Row { contig: contig.then(|| self.below(contigs) as u8), start, end, x: self.below(3) as i64 }
        };
        (0..n).map(|_| one()).collect()
    }
}

fn table(rows: &[Row], partitions: usize, batch: usize) -> Arc<MemTable> {
    let name = |r: &Row| r.contig.map(|c| format!("contig-with-a-long-name-{c}"));
    let made = |rows: &[Row], first: usize| {
        let number = |of: fn(&Row) -> Option<i64>| Arc::new(rows.iter().map(of).collect::<Int64Array>()) as ArrayRef;
        RecordBatch::try_from_iter_with_nullable([
            (
                "id",
                Arc::new(Int64Array::from_iter_values((first..first + rows.len()).map(|i| i as i64))) as ArrayRef,
                false,
            ),
            ("c", Arc::new(rows.iter().map(name).collect::<StringViewArray>()) as ArrayRef, true),
            ("s", number(|r| r.start), true),
            ("e", number(|r| r.end), true),
            ("x", number(|r| Some(r.x)), true),
        ])
        .unwrap()
    };
    let schema = made(&[], 0).schema();
    let mut parts = vec![Vec::new(); partitions];
    for (i, rows) in rows.chunks(batch).enumerate() {
        parts[i % partitions].push(made(rows, i * batch));
    }
    Arc::new(MemTable::try_new(schema, parts).unwrap())
}

fn overlaps(a: &Row, b: &Row, strict: i64) -> bool {
    let pair = || Some((a.contig? == b.contig?, a.start? + strict <= b.end?, b.start? + strict <= a.end?));
    pair() == Some((true, true, true))
}

/// Rows of a query as pairs of numbers, sorted; null is -1.
async fn answer(ctx: &GenomicContext, sql: &str) -> Vec<(i64, i64)> {
    let frame = ctx.sql(sql).await.unwrap();
    let plan = displayable(&*frame.clone().create_physical_plan().await.unwrap()).indent(false).to_string();
    assert!(plan.contains("IntervalJoinExec"), "{sql}\n{plan}");
    let mut rows = Vec::new();
    for batch in frame.collect().await.unwrap() {
        let column = |i: usize| batch.column(i).as_primitive::<Int64Type>().iter().map(|v| v.unwrap_or(-1)).collect();
        let (a, b): (Vec<i64>, Vec<i64>) = (column(0), if batch.num_columns() > 1 { column(1) } else { column(0) });
        rows.extend(a.into_iter().zip(b));
    }
    rows.sort_unstable();
    rows
}

/// What every kind of join has to answer, by comparing all rows with all.
fn expected(kind: &str, a: &[Row], b: &[Row], matches: impl Fn(&Row, &Row) -> bool) -> Vec<(i64, i64)> {
    let all = || a.iter().enumerate().flat_map(|(i, x)| b.iter().enumerate().map(move |(j, y)| (i, x, j, y)));
    let pairs: Vec<(i64, i64)> =
        all().filter(|(_, x, _, y)| matches(x, y)).map(|(i, _, j, _)| (i as i64, j as i64)).collect();
    let (lefts, rights): (BTreeSet<i64>, BTreeSet<i64>) = pairs.iter().copied().unzip();
    let lonely_left = || (0..a.len() as i64).filter(|i| !lefts.contains(i)).map(|i| (i, -1));
    let lonely_right = || (0..b.len() as i64).filter(|j| !rights.contains(j)).map(|j| (-1, j));
    let mut rows = match kind {
        "INNER" => pairs.clone(),
        "LEFT" => pairs.iter().copied().chain(lonely_left()).collect(),
        "RIGHT" => pairs.iter().copied().chain(lonely_right()).collect(),
        "FULL" => pairs.iter().copied().chain(lonely_left()).chain(lonely_right()).collect(),
        "SEMI" => lefts.iter().map(|i| (*i, *i)).collect(),
        "ANTI" => lonely_left().map(|(i, _)| (i, i)).collect(),
        other => panic!("no join is called {other}"),
    };
    rows.sort_unstable();
    rows
}

const KINDS: [&str; 6] = ["INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"];

fn query(kind: &str, on: &str) -> String {
    match kind {
        "SEMI" => format!("SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE {on})"),
        "ANTI" => format!("SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE {on})"),
        _ => format!("SELECT a.id, b.id FROM a {kind} JOIN b ON {on}"),
    }
}

fn context(a: &[Row], b: &[Row], threads: usize, batch: usize, memory: usize) -> GenomicContext {
    let ctx = GenomicContext::builder().threads(threads).batch_size(batch).memory_limit(memory).build().unwrap();
    ctx.session().register_table("a", table(a, threads, batch)).unwrap();
    ctx.session().register_table("b", table(b, threads, batch)).unwrap();
    ctx
}

const ENOUGH: usize = 1 << 30;

#[tokio::test]
async fn every_kind_is_what_comparing_all_rows_gives() {
    let mut random = Random(7);
    // A condition, what its comparisons add to a start, and what must hold besides.
    type Spelling = (&'static str, i64, fn(&Row, &Row) -> bool);
    let spellings: [Spelling; 5] = [
        ("a.c = b.c AND a.s <= b.e AND a.e >= b.s", 0, |_, _| true),
        ("a.c = b.c AND b.e > a.s AND b.s < a.e", 1, |_, _| true),
        ("a.c = b.c AND a.s <= b.e AND a.e >= b.s AND a.x <> b.x", 0, |a, b| a.x != b.x),
        ("a.c = b.c AND a.x = b.x AND a.s <= b.e AND b.s <= a.e", 0, |a, b| a.x == b.x),
        ("a.c = b.c AND a.s <= b.e AND a.e >= b.s AND a.s + b.s > 200", 0, |a, b| {
            a.start.zip(b.start).is_some_and(|(a, b)| a + b > 200)
        }),
    ];
    for (n, m, threads, batch) in [(40, 60, 1, 8192), (90, 30, 3, 7), (1, 50, 2, 1), (0, 20, 2, 5), (20, 0, 1, 5)] {
        let (a, b) = (random.rows(n, 3, true), random.rows(m, 4, true));
        let ctx = context(&a, &b, threads, batch, ENOUGH);
        for (on, strict, more) in &spellings {
            for kind in KINDS {
                let found = answer(&ctx, &query(kind, on)).await;
                let matches = |x: &Row, y: &Row| overlaps(x, y, *strict) && more(x, y);
                assert_eq!(found, expected(kind, &a, &b, matches), "{kind} {on}, {n} × {m}, {threads} threads");
            }
        }
    }
}

#[tokio::test]
async fn rows_may_be_asked_for_having_a_partner_or_something_else() {
    let mut random = Random(17);
    for (n, m, threads, batch, memory) in [
        (60, 40, 1, 8192, ENOUGH),
        (50, 90, 3, 7, ENOUGH),
        (0, 9, 1, 5, ENOUGH),
        (9, 0, 2, 5, ENOUGH),
        (1500, 2000, 2, 100, 100 << 10),
    ] {
        let (a, b) = (random.rows(n, 3, true), random.rows(m, 4, true));
        let ctx = context(&a, &b, threads, batch, memory);
        for (residual, more) in [("", false), (" AND abs(a.x - b.x) = 1", true)] {
            let on = format!("EXISTS (SELECT 1 FROM b WHERE a.c = b.c AND a.s <= b.e AND a.e >= b.s{residual})");
            let has = |x: &Row| b.iter().any(|y| overlaps(x, y, 0) && (!more || (x.x - y.x).abs() == 1));
            let rows = |wanted: &dyn Fn(&Row) -> bool| -> Vec<(i64, i64)> {
                a.iter().enumerate().filter(|(_, x)| wanted(x)).map(|(i, _)| (i as i64, i as i64)).collect()
            };
            let asked = |condition: &str| format!("SELECT id FROM a WHERE {condition}");
            let found = answer(&ctx, &asked(&format!("{on} OR x = 1"))).await;
            assert!(found == rows(&|x| has(x) || x.x == 1), "{n} × {m} {on}");
            let found = answer(&ctx, &asked(&format!("NOT {on} OR x = 1"))).await;
            assert!(found == rows(&|x| !has(x) || x.x == 1), "{n} × {m} NOT {on}");
            let both = format!("({on} OR x = 1) AND ({on} OR s > 100)");
            let found = answer(&ctx, &asked(&both)).await;
            let late = |x: &Row| x.start.is_some_and(|s| s > 100);
            assert!(found == rows(&|x| (has(x) || x.x == 1) && (has(x) || late(x))), "{n} × {m} {both}");
        }
    }
}

#[tokio::test]
async fn a_position_within_a_span_is_an_overlap() {
    let mut random = Random(11);
    let (a, b) = (random.rows(60, 2, false), random.rows(60, 2, false));
    let ctx = context(&a, &b, 2, 16, ENOUGH);
    let on = "a.c = b.c AND a.s BETWEEN b.s AND b.e";
    let within = |x: &Row, y: &Row| x.contig == y.contig && x.start >= y.start && x.start <= y.end;
    for kind in KINDS {
        assert_eq!(answer(&ctx, &query(kind, on)).await, expected(kind, &a, &b, within), "{kind}");
    }
}

#[tokio::test]
async fn pairs_are_counted_without_being_made() {
    let mut random = Random(3);
    let (a, b) = (random.rows(80, 2, true), random.rows(70, 2, true));
    let ctx = context(&a, &b, 2, 16, ENOUGH);
    let sql = "SELECT count(*) FROM a JOIN b ON a.c = b.c AND a.s <= b.e AND a.e >= b.s";
    let pairs = expected("INNER", &a, &b, |x, y| overlaps(x, y, 0)).len() as i64;
    assert_eq!(answer(&ctx, sql).await, [(pairs, pairs)]);
    let sql = "EXPLAIN ANALYZE SELECT count(*) FROM a JOIN b ON a.c = b.c AND a.s <= b.e AND a.e >= b.s";
    let plan = ctx.sql(sql).await.unwrap().to_string().await.unwrap();
    assert!(plan.contains("projection=[]"), "{plan}");
}

/// A number that `EXPLAIN ANALYZE` tells, such as `12` or `24.0 K`.
fn metric(analyzed: &str, name: &str) -> usize {
    let found = analyzed.split(&format!("{name}=")).nth(1).and_then(|text| text.split([',', ']']).next());
    let found = found.unwrap_or_else(|| panic!("no {name}: {analyzed}")).trim();
    let (number, unit) = found.split_once(' ').unwrap_or((found, ""));
    let unit = ["", "K", "M"].iter().position(|u| *u == unit).unwrap_or_else(|| panic!("{found}"));
    (number.parse::<f64>().unwrap() * 1000f64.powi(unit as i32)) as usize
}

#[tokio::test]
async fn of_rows_that_need_only_exist_their_places_are_kept() {
    let mut random = Random(13);
    let (mut a, mut b) = (random.rows(4000, 3, true), random.rows(1500, 4, true));
    for (sorted, memory) in [(false, ENOUGH), (true, ENOUGH), (false, 12 << 10), (true, 12 << 10)] {
        if sorted {
            a.sort_by_key(|r| (r.contig, r.start));
            b.sort_by_key(|r| (r.contig, r.start));
        }
        // Wide apart, so that few lie within another.
        let far = |rows: &[Row]| -> Vec<Row> {
            let place = |(i, r): (usize, &Row)| {
                let far = |at: Option<i64>| at.map(|at| at + 3 * i as i64);
                Row { start: far(r.start), end: far(r.end), ..*r }
            };
            rows.iter().enumerate().map(place).collect()
        };
        for (a, b, fit) in [(a.clone(), b.clone(), true), (far(&a), far(&b), memory == ENOUGH)] {
            let ctx = context(&a, &b, 3, 50, memory);
            for (on, strict) in
                [("a.c = b.c AND a.s <= b.e AND a.e >= b.s", 0), ("a.c = b.c AND a.s < b.e AND a.e > b.s", 1)]
            {
                for kind in ["SEMI", "ANTI"] {
                    let sql = query(kind, on);
                    let found = answer(&ctx, &sql).await;
                    assert!(found == expected(kind, &a, &b, |x, y| overlaps(x, y, strict)), "{kind} {on} {memory}");
                    let analyzed = ctx.sql(&format!("EXPLAIN ANALYZE {sql}")).await.unwrap().to_string().await.unwrap();
                    let (held, blocks) = (metric(&analyzed, "build_mem_used"), metric(&analyzed, "spilled_blocks"));
                    let told = format!("{held} bytes, {blocks} blocks: {analyzed}");
                    assert!(held <= memory.min(16 * b.len()) && (blocks == 0) == fit, "{told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn rows_that_do_not_fit_into_memory_are_joined_from_disk() {
    let mut random = Random(5);
    let (mut a, mut b) = (random.rows(1500, 3, true), random.rows(2000, 3, true));
    // Sorted sides meet few blocks; shuffled ones meet all.
    for sorted in [false, true] {
        if sorted {
            a.sort_by_key(|r| (r.contig, r.start));
            b.sort_by_key(|r| (r.contig, r.start));
        }
        let memory = 100 << 10;
        for (on, more) in [("", 0), (" AND a.x + b.x = 2", 2)] {
            let on = format!("a.c = b.c AND a.s <= b.e AND a.e >= b.s AND a.s % 50 = b.s % 50{on}");
            let matches = |x: &Row, y: &Row| {
                let same = x.start.zip(y.start).is_some_and(|(x, y)| x % 50 == y % 50);
                same && overlaps(x, y, 0) && (more == 0 || x.x + y.x == more)
            };
            for kind in KINDS {
                let ctx = context(&a, &b, 2, 100, memory);
                let sql = query(kind, &on).replace("a.s % 50 = b.s % 50", "abs(a.s % 50 - b.s % 50) = 0");
                assert_eq!(answer(&ctx, &sql).await, expected(kind, &a, &b, matches), "{kind} {sql}");
                let analyzed = ctx.sql(&format!("EXPLAIN ANALYZE {sql}")).await.unwrap().to_string().await.unwrap();
                let blocks = metric(&analyzed, "spilled_blocks");
                assert!(blocks > 3, "{blocks} blocks: {analyzed}");
            }
        }
    }
}
