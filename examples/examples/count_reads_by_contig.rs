//! Counts the reads of each contig, and those that are well mapped.
//!
//! ```console
//! $ cargo run --locked --all-features --example count_reads_by_contig [reads.bam]
//! ```

use genomicframe::datafusion::functions_aggregate::expr_fn::count;
use genomicframe::datafusion::logical_expr::when;
use genomicframe::prelude::{Expr, GenomicFrame, Result, col, count_all, is_duplicate, lit, mean, not};
use genomicframe::{OutputFormat, Target, WriteOptions, write_batch};

#[tokio::main]
async fn main() -> Result<()> {
    let bam = std::env::args().nth(1).unwrap_or_else(|| genomicframe_examples::sample("sample.bam"));
    let good = col("mapq").gt_eq(lit(30)).and(not(is_duplicate()));
    let counts = GenomicFrame::scan_bam(bam)?
        .group_by(&["rname"])
        .agg(vec![
            count_all().alias("reads"),
            count_if(good)?.alias("well_mapped"),
            mean(col("mapq")).alias("mean_mapq"),
        ])
        .sort(&["rname"])
        .collect_arrow()?;
    write_batch(counts, OutputFormat::Table, Target::Stdout, &WriteOptions::new()).await?;
    Ok(())
}

/// The number of rows for which `condition` is true.
fn count_if(condition: Expr) -> Result<Expr> {
    Ok(count(when(condition, lit(1)).end()?))
}
