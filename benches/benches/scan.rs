//! Scans of the sample files, from stored bytes to batches: `cargo bench --all-features`.
//!
//! The files are small, so that what a scan costs before its first row counts as well.

use divan::Bencher;
use divan::counter::ItemsCount;
use genomicframe::GenomicContext;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// Measures a query from its text to its last batch.
fn measure(bencher: Bencher<'_, '_>, query: &str) {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/");
    let query = query.replace("FROM '", &format!("FROM '{data}"));
    let (Ok(runtime), Ok(ctx)) = (Runtime::new(), GenomicContext::builder().threads(1).build()) else { return };
    let run = || runtime.block_on(async { ctx.sql(&query).await?.collect().await.map_err(genomicframe::Error::from) });
    let rows: usize = run().map_or(0, |batches| batches.iter().map(|b| b.num_rows()).sum());
    assert!(rows > 0, "{query} has no rows");
    bencher.counter(ItemsCount::new(rows)).bench_local(run);
}

#[divan::bench(args = ["*", "qname, flag, rname, pos", "tags"])]
fn bam(bencher: Bencher<'_, '_>, columns: &str) {
    measure(bencher, &format!("SELECT {columns} FROM 'sample.bam'"));
}

#[divan::bench(args = ["*", "chrom, pos, ref, alt", "info_af", "format_gt"])]
fn vcf(bencher: Bencher<'_, '_>, columns: &str) {
    measure(bencher, &format!("SELECT {columns} FROM 'cohort.vcf.gz'"));
}

#[divan::bench]
fn region(bencher: Bencher<'_, '_>) {
    measure(bencher, "SELECT qname FROM 'sample.bam' WHERE rname = 'chrX' AND pos BETWEEN 10000 AND 20000");
}
