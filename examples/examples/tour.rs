//! Two questions to the sample files, each with its answer and its plan: what is read, and what is pruned.
//!
//! ```console
//! $ cargo run --locked --all-features --example tour
//! ```
#![allow(clippy::print_stdout, reason = "an example prints")]

use genomicframe::datafusion::dataframe::DataFrame;
use genomicframe::prelude::*;
use genomicframe::{Execution, Explained, OutputFormat, Target, WriteOptions};
use genomicframe_examples::sample;

#[tokio::main]
async fn main() -> Result<()> {
    // One thread, so that the plan is the same on every machine.
    let ctx = GenomicContext::builder().threads(1).build()?;
    reads(&ctx).await?;
    variants(&ctx).await
}

/// Reads × region × mapping quality, in SQL.
async fn reads(ctx: &GenomicContext) -> Result<()> {
    let query = format!(
        "
SELECT rname, count(*) AS reads, round(avg(mapq), 1) AS mean_mapq, min(pos) AS first, max(end) AS last
FROM '{}'
WHERE rname IN ('chr10', 'chrX') AND pos BETWEEN 10000 AND 20000
  AND mapq >= 30 AND NOT is_duplicate(flag)
GROUP BY rname
ORDER BY rname",
        sample("sample.bam")
    );
    println!("# Well-mapped reads of two regions, in SQL\n{query}\n");
    show(ctx.sql(&query).await?).await
}

/// Variants × genes, chained.
async fn variants(ctx: &GenomicContext) -> Result<()> {
    println!(
        "# Common SNPs in the exons of chrX, chained

variants.filter_by_region(\"chrX\")
    .filter(is_snp().and(is_pass()).and(col(\"info_af\").gt(lit(0.4))))
    .join_by_overlap(genes.filter(col(\"feature\").eq(lit(\"exon\"))).filter_by_region(\"chrX\"))
    .select(&[\"chrom\", \"pos\", \"ref\", \"alt\", \"info_af\", \"attr_parent\"])
    .sort(&[\"pos\", \"attr_parent\"])
"
    );
    let variants = ctx.scan(sample("cohort.vcf.gz"), ReadOptions::new())?;
    let genes = ctx.scan(sample("genes.gff3.gz"), ReadOptions::new())?;
    let found = variants
        .filter_by_region("chrX")
        .filter(is_snp().and(is_pass()).and(col("info_af").gt(lit(0.4))))
        .join_by_overlap(genes.filter(col("feature").eq(lit("exon"))).filter_by_region("chrX"))
        .select(&["chrom", "pos", "ref", "alt", "info_af", "attr_parent"])
        .sort(&["pos", "attr_parent"]);
    show(found.dataframe()?).await
}

/// Prints a query's rows, then the plan it was answered by and what was read.
async fn show(query: DataFrame) -> Result<()> {
    let rows = Execution::new(query.clone()).await?;
    rows.write(OutputFormat::Table, Target::Stdout, &WriteOptions::new()).await?;
    println!("\n{}", Explained::analyze(query).await?.physical);
    Ok(())
}
