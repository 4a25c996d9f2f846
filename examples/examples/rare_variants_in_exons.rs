//! Lists the variants in exons of which every alternate allele is rarer than a threshold.
//!
//! ```console
//! $ cargo run --locked --all-features --example rare_variants_in_exons [0.01 variants.vcf.gz genes.gff3.gz]
//! ```

use std::process::ExitCode;

use genomicframe::prelude::*;
use genomicframe::{OutputFormat, Target, WriteOptions, write_batch};
use genomicframe_examples::sample;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut args = std::env::args().skip(1);
    let Ok(threshold) = args.next().map_or(Ok(0.01), |text| text.parse::<f64>()) else {
        return Ok(ExitCode::from(2));
    };
    let variants = GenomicFrame::scan_vcf(args.next().unwrap_or_else(|| sample("cohort.vcf.gz")))?;
    let genes = GenomicFrame::scan_gff(args.next().unwrap_or_else(|| sample("genes.gff3.gz")))?;
    let rare = variants
        .filter(is_pass().and(all_of(col("info_af")).lt(lit(threshold))))
        .join_by_overlap(genes.filter(col("feature").eq(lit("exon"))))
        .select(&["chrom", "pos", "ref", "alt", "info_af", "attr_parent"])
        .distinct()
        .sort(&["chrom", "pos", "attr_parent"])
        .collect_arrow()?;
    write_batch(rare, OutputFormat::Table, Target::Stdout, &WriteOptions::new()).await?;
    Ok(ExitCode::SUCCESS)
}
