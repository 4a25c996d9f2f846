//! The SQL surface as text: `tests/slt/*.slt`, in the form of sqllogictest, over the files of `tests/data`, on one thread and on
//! eight.
//!
//! ```text
//! # why the rows are what they are
//! query rowsort
//! SELECT chrom, count(*) FROM '@/panel.bed' GROUP BY chrom
//! ----
//! chr1 20
//!
//! statement error no such file
//! SELECT * FROM '@/none.bed'
//! ```
//! `@` is the folder of the files, `query` alone means rows in their order, `statement ok` a statement that works. Columns are
//! separated by a space, null is `NULL`, the empty text `(empty)`.

use std::fs;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use genomicframe::GenomicContext;

use crate::support::{context, folder};

enum Wanted {
    Rows { sorted: bool, rows: Vec<String> },
    Works,
    Fails(String),
}

struct Case {
    line: usize,
    sql: String,
    wanted: Wanted,
}

fn cases(text: &str) -> Vec<Case> {
    let mut lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim_end())).peekable();
    let mut cases = Vec::new();
    while let Some((line, head)) = lines.next() {
        if head.is_empty() || head.starts_with('#') {
            continue;
        }
        let mut block = Vec::new();
        while let Some((_, text)) = lines.next_if(|(_, text)| !text.is_empty()) {
            block.push(text);
        }
        let mut parts = block.split(|text| *text == "----");
        let sql = parts.next().unwrap().join("\n").replace('@', &folder());
        let rows: Vec<String> = parts.next().unwrap_or_default().iter().map(|row| row.to_string()).collect();
        let wanted = match head {
            "query" => Wanted::Rows { sorted: false, rows },
            "query rowsort" => Wanted::Rows { sorted: true, rows },
            "statement ok" => Wanted::Works,
            _ => match head.strip_prefix("statement error ") {
                Some(told) => Wanted::Fails(told.to_owned()),
                None => panic!("line {line}: {head} is neither query nor statement"),
            },
        };
        assert!(!sql.is_empty(), "line {line}: no statement");
        cases.push(Case { line, sql, wanted });
    }
    cases
}

fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let text = |value: String| if value.is_empty() { "(empty)".to_owned() } else { value };
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        let row = |row| columns.iter().map(|c| text(c.value(row).to_string())).collect::<Vec<_>>().join(" ");
        out.extend((0..batch.num_rows()).map(row));
    }
    out
}

async fn run(ctx: &GenomicContext, sql: &str) -> Result<Vec<String>, String> {
    let query = ctx.sql(sql).await.map_err(|e| e.to_string())?;
    let batches = query.collect().await.map_err(|e| genomicframe::Error::from(e).to_string())?;
    Ok(rows(&batches))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_do_what_their_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("slt");
    let all = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = all.filter(|path| path.extension().is_some_and(|e| e == "slt")).collect();
    files.sort();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let cases = cases(&fs::read_to_string(&file).unwrap());
        for threads in [1, 8] {
            let ctx = context(threads, 100);
            for Case { line, sql, wanted } in &cases {
                seen += 1;
                let mut found = run(&ctx, sql).await;
                let is_right = match (wanted, &mut found) {
                    (Wanted::Works, found) => found.is_ok(),
                    (Wanted::Fails(told), Err(e)) => e.contains(told),
                    (Wanted::Rows { sorted, rows }, Ok(found)) => {
                        let mut rows = rows.clone();
                        if *sorted {
                            rows.sort();
                            found.sort();
                        }
                        *found == rows
                    }
                    _ => false,
                };
                if !is_right {
                    wrong.push(format!("{name}:{line}, {threads} threads: {sql}\n  {found:?}"));
                }
            }
        }
    }
    assert!(seen > 200, "only {seen} statements were run");
    assert!(wrong.is_empty(), "{} of {seen}:\n{}", wrong.len(), wrong.join("\n"));
}
