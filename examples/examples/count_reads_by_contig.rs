//! Counts the well-mapped reads of each contig.

use genomicframe::{GenomicContext, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let q = std::env::args().nth(1).unwrap_or_default();
    let ctx = GenomicContext::new();
    ctx.sql(&q).await?.show().await?;
    Ok(())
}
