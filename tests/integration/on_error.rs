//! Malformed records, through every door: a query fails, leaves them out, or reads their fields as null, and tells of them.

use genomicframe::{GenomicContext, GenomicFrame, OnError, ReadOptions};

use std::process::{Command, Output};

use crate::support::{self, context, data, rows};

const SELECT: &str = "SELECT pos, qual, info_dp, format_gt[1] AS gt FROM";

async fn answered(ctx: &GenomicContext, sql: &str) -> Vec<String> {
    let shown = rows(&ctx.sql(sql).await.unwrap().collect().await.unwrap());
    shown.iter().map(|row| row.replace('\t', " ")).collect()
}

#[tokio::test]
async fn fails_by_default_and_says_where() {
    let ctx = GenomicContext::new();
    let path = data("malformed.vcf");
    let first = format!("{SELECT} '{path}'");
    let e = context(1, 8192).sql(&first).await.unwrap().collect().await.unwrap_err().to_string();
    assert!(
        e.contains("malformed.vcf: line 7: byte 264: record 2: QUAL: not a number: \"high\" (correct the record"),
        "{e}"
    );
    // Of columns that are not read nothing is told.
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("x.vcf");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&other, text.lines().filter(|l| !l.contains("rs4")).fold(String::new(), |all, l| all + l + "\n"))
        .unwrap();
    let right = answered(&ctx, &format!("SELECT count(*), max(pos) FROM '{}' WHERE pos < 600", other.display())).await;
    assert_eq!(right, ["4 500"]);
    assert!(ctx.take_bad_records().is_empty());
}

#[tokio::test]
async fn skip_leaves_records_out_and_counts_them() {
    let ctx = GenomicContext::new();
    let file = format!("read_vcf('{}', on_error => 'skip')", data("malformed.vcf"));
    assert_eq!(answered(&ctx, &format!("{SELECT} {file}")).await, ["100 50.0 31 0/1", "500 99.0 40 0|0"]);
    let bad = ctx.take_bad_records();
    assert_eq!((bad.skipped, bad.nulled, bad.examples.len()), (4, 0, 4));
    assert!(ctx.take_bad_records().is_empty(), "told once");
    // Fewer columns, fewer malformed ones among them.
    assert_eq!(answered(&ctx, &format!("SELECT pos FROM {file}")).await.len(), 5);
    assert_eq!(ctx.take_bad_records().skipped, 1);
}

#[tokio::test]
async fn null_reads_the_other_fields() {
    let ctx = GenomicContext::new();
    let file = format!("read_vcf('{}', on_error => 'null')", data("malformed.vcf"));
    let all = ["100 50.0 31 0/1", "200 ~ 28 0/1", "300 12.5 ~ 1/1", "500 99.0 40 0|0", "600 7.0 2 ~"];
    assert_eq!(answered(&ctx, &format!("{SELECT} {file}")).await, all);
    let bad = ctx.take_bad_records();
    assert_eq!((bad.skipped, bad.nulled), (1, 3));
    // Conditions see the null, though they are applied by the scan elsewhere.
    assert_eq!(answered(&ctx, &format!("SELECT pos FROM {file} WHERE qual IS NULL")).await, ["200"]);
    assert_eq!(
        answered(&ctx, &format!("SELECT pos FROM {file} WHERE qual IS NULL OR info_dp > 30")).await,
        ["100", "200", "500"]
    );
    assert_eq!(answered(&ctx, &format!("SELECT pos FROM {file} WHERE NOT (qual > 10)")).await, ["600"]);
}

#[tokio::test]
async fn bad_records_are_a_table() {
    let ctx = GenomicContext::new();
    let sql =
        format!("SELECT line, record, field, text, kept FROM bad_records('{}') ORDER BY line", data("malformed.vcf"));
    let all = [
        "7 2 QUAL high true",
        "8 3 INFO/DP many true",
        "9 4 ALT chr1\\t400\\trs4\\tT false",
        "11 6 FORMAT/GT 0/x true",
    ];
    assert_eq!(answered(&ctx, &sql).await, all);
    let counted = format!("SELECT count(*) FROM bad_records(['{}', '{}'])", data("malformed.vcf"), data("cohort.vcf"));
    assert_eq!(answered(&ctx, &counted).await, ["4"]);
    let e = ctx
        .sql(&format!("SELECT * FROM read_vcf('{}', on_error => 'maybe')", data("malformed.vcf")))
        .await
        .unwrap_err();
    assert!(e.to_string().contains("on_error is fail, skip or null, not maybe"), "{e}");
}

#[test]
fn frames_and_plans_tell_too() {
    let options = ReadOptions::new().on_error(OnError::Skip);
    let frame = GenomicFrame::scan_with(data("malformed.vcf"), options.clone()).unwrap();
    assert_eq!(frame.clone().select(&["pos", "qual"]).collect_arrow().unwrap().num_rows(), 4);
    let bad = GenomicFrame::scan_with(data("malformed.vcf"), ReadOptions::new().bad_records()).unwrap();
    assert_eq!(bad.collect_arrow().unwrap().num_rows(), 4);
}

/// Each partition tells of its own, and the counts are those of one.
#[tokio::test]
async fn every_record_is_counted_once_however_it_is_read() {
    let mut text = String::from("##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    for i in 0..40_000 {
        let qual = if i % 97 == 0 { "high" } else { "30" };
        text.push_str(&format!("chr1\t{}\t.\tA\tG\t{qual}\tPASS\tAC={i};SOMETHING=that-makes-it-longer\n", i + 1));
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.vcf");
    std::fs::write(&path, text).unwrap();
    for (threads, batch_size) in [(1, 8192), (8, 8192), (8, 7)] {
        let ctx = context(threads, batch_size);
        let file = format!("read_vcf('{}', on_error => 'skip')", path.display());
        let answer = answered(&ctx, &format!("SELECT count(*), sum(pos), count(qual) FROM {file}")).await;
        let (kept, sum) = (0..40_000u64).filter(|i| i % 97 != 0).fold((0, 0), |(n, sum), i| (n + 1, sum + i + 1));
        assert_eq!(answer, [format!("{kept} {sum} {kept}")]);
        assert_eq!(ctx.take_bad_records().skipped, 40_000 - kept);
    }
}

fn gf(args: &[&str]) -> Output {
    Command::new(support::gf()).args(args).current_dir(support::folder()).output().unwrap()
}

#[test]
fn gf_goes_on_and_tells() {
    let out = gf(&["view", "malformed.vcf", "--select", "pos,qual", "--on-error", "skip", "--format", "csv"]);
    assert!(out.status.success());
    assert_eq!(String::from_utf8_lossy(&out.stdout), "pos,qual\n100,50\n300,12.5\n500,99\n600,7\n");
    let told = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(told.contains("gf: warning: 2 malformed records are left out"), "{told}");
    assert!(told.contains("malformed.vcf: line 7:") && told.contains("malformed.vcf: line 9:"), "{told}");
    let out = gf(&["count", "malformed.vcf", "--where", "qual > 10", "--on-error", "null"]);
    assert_eq!(String::from_utf8_lossy(&out.stdout), "3\n");
    assert!(!gf(&["view", "malformed.vcf"]).status.success());
    // Of all files of a statement, but those that say otherwise.
    let verb = "SELECT sum(count) FROM count_overlaps('malformed.vcf', read_vcf('malformed.vcf'))";
    for (sql, rows) in
        [("SELECT pos, qual FROM 'malformed.vcf'", "100\t50\n300\t12.5\n500\t99\n600\t7\n"), (verb, "5\n")]
    {
        let out = gf(&["sql", sql, "--on-error", "skip", "--no-header"]);
        assert_eq!(String::from_utf8_lossy(&out.stdout), rows, "{sql}: {}", String::from_utf8_lossy(&out.stderr));
    }
    let own = "SELECT pos, qual FROM read_vcf('malformed.vcf', on_error => 'fail')";
    assert!(!gf(&["sql", own, "--on-error", "skip"]).status.success());
}
