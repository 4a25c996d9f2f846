//! Lists the variants in exons whose allele frequency differs most between two populations.
//!
//! ```console
//! $ cargo run --locked --all-features --example population_differences \
//!     [variants.vcf.gz genes.gff3.gz samples.panel CEU GBR 0.3 differences.csv]
//! ```
//!
//! The files may be URLs (`s3://1000genomes/…`); a panel's populations are named as in its columns.

use genomicframe::prelude::*;
use genomicframe::{OutputFormat, Target, WriteOptions, write_batch};
use genomicframe_examples::sample as sample_file;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let mut argument = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let variants = argument(&sample_file("cohort.vcf.gz"));
    let genes = argument(&sample_file("genes.gff3.gz"));
    let panel = Panel::read(argument(&sample_file("cohort.panel")))?;
    let (one, other) = (argument("CEU"), argument("GBR"));
    let least: f64 = argument("0.3").parse().unwrap_or(0.3);
    let output = argument("");

    let exons = GenomicFrame::scan_gff(genes)?.filter(col("feature").eq(lit("exon")));
    let differences = GenomicFrame::scan_vcf(variants)?
        .join_by_overlap(exons)
        .filter(col("QUAL").gt(lit(30.0)))
        .filter(col("FILTER").eq(lit("PASS")))
        .filter(is_snp())
        .with_column("AF_ONE", panel.population(&one)?.allele_frequency())
        .with_column("AF_OTHER", panel.population(&other)?.allele_frequency())
        .filter((col("AF_ONE") - col("AF_OTHER")).abs().gt(lit(least)))
        .select(&["CHROM", "POS", "REF", "ALT", "AF_ONE", "AF_OTHER"])
        .distinct()
        .sort(&["CHROM", "POS"]);
    if output.is_empty() {
        write_batch(differences.collect_arrow()?, OutputFormat::Table, Target::Stdout, &WriteOptions::new()).await?;
    } else {
        differences.write_csv(output)?;
    }
    Ok(())
}
