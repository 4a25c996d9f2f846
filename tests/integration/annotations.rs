//! GFF and BED against tabix and bedtools.

use crate::support::{Random, context, data, number, output, peer, query};

#[tokio::test]
async fn regions_of_gff_count_as_in_tabix() {
    let Some(tabix) = peer("tabix") else { return };
    let path = data("genes.gff3.gz");
    let ctx = context(2, 8192);
    let contigs = [("chr1", 180_000), ("chr2", 90_000), ("chr10", 60_000)];
    let mut random = Random(3);
    for i in 0..300 {
        let (contig, length) = contigs[random.below(contigs.len() as u64) as usize];
        let start = random.below(length) + 1;
        let end = start + random.below([1, 500, length][i % 3]);
        let region = format!("{contig}:{start}-{end}");
        let expected = output(&tabix, &[&path, &region]).lines().count() as u64;
        let sql =
            format!("SELECT count(*) FROM '{path}' WHERE seqid = '{contig}' AND start <= {end} AND end >= {start}");
        assert_eq!(number(&ctx, &sql).await, expected, "{region}");
    }
}

#[tokio::test]
async fn overlaps_of_bed_and_gff_are_bedtools_own() {
    let Some(bedtools) = peer("bedtools") else { return };
    let (bed, gff) = (data("panel.bed"), data("genes.gff3.gz"));
    let ctx = context(2, 8192);
    // BED counts from 0 and GFF from 1; `overlaps` knows both.
    let expected = output(&bedtools, &["intersect", "-wa", "-wb", "-a", &bed, "-b", &gff]).lines().count() as u64;
    let sql = format!(
        "SELECT count(*) FROM '{bed}' b JOIN '{gff}' g ON overlaps(b.chrom, b.start, b.end, g.seqid, g.start, g.end)"
    );
    assert_eq!(number(&ctx, &sql).await, expected);
    assert!(expected > 0);
    let rows = query(&ctx, &format!("SELECT chrom, start, end, name, score, strand FROM '{bed}'")).await;
    let text = std::fs::read_to_string(&bed).unwrap();
    let data = |l: &&str| !["#", "track", "browser"].iter().any(|p| l.starts_with(p)) && !l.is_empty();
    assert_eq!(rows.len(), text.lines().filter(data).count());
}
