//! VCF against bcftools.

use crate::support::{Random, context, data, number, output, peer, query};

#[tokio::test]
async fn fixed_columns_are_bcftools_own() {
    let Some(bcftools) = peer("bcftools") else { return };
    let ctx = context(2, 100);
    for name in ["cohort.vcf.gz", "cohort.vcf", "cohort.gzip.vcf.gz", "sites.vcf.gz", "header_only.vcf"] {
        let path = data(name);
        let format = "%CHROM\t%POS\t%END\t%ID\t%REF\t%ALT\t%FILTER\n";
        let mut expected: Vec<String> =
            output(&bcftools, &["query", "-f", format, &path]).lines().map(str::to_owned).collect();
        expected.sort();
        let sql = format!(
            "SELECT chrom, pos, end, coalesce(id, '.'), ref, coalesce(array_to_string(alt, ','), '.'), coalesce(filter, '.') FROM '{path}'"
        );
        assert_eq!(query(&ctx, &sql).await, expected, "{name}");
    }
}

#[tokio::test]
async fn info_and_genotypes_are_bcftools_own() {
    let Some(bcftools) = peer("bcftools") else { return };
    let ctx = context(2, 100);
    let path = data("cohort.vcf.gz");
    let format = "%CHROM\t%POS\t%INFO/DP\t%INFO/AC[\t%GT]\n";
    let mut expected: Vec<String> =
        output(&bcftools, &["query", "-f", format, &path]).lines().map(str::to_owned).collect();
    expected.sort();
    let gt = (1..=6).map(|i| format!("coalesce(format_gt[{i}], '.')")).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT chrom, pos, coalesce(CAST(info_dp AS VARCHAR), '.'), \
         coalesce(array_to_string(info_ac, ',', '.'), '.'), {gt} FROM '{path}'"
    );
    assert_eq!(query(&ctx, &sql).await, expected);
}

#[tokio::test]
async fn a_thousand_random_regions_count_as_in_bcftools() {
    let Some(bcftools) = peer("bcftools") else { return };
    let path = data("cohort.vcf.gz");
    let ctx = context(2, 8192);
    let contigs = [("chr1", 180_000), ("chr2", 90_000), ("chr10", 60_000), ("chrX", 40_000), ("chrM", 16_000)];
    let mut random = Random(2);
    for i in 0..1000 {
        let (contig, length) = contigs[random.below(contigs.len() as u64) as usize];
        let start = random.below(length) + 1;
        let end = start + random.below([1, 50, 2000, length][i % 4]);
        let region = format!("{contig}:{start}-{end}");
        let args = ["view", "-H", "-G", "--regions-overlap", "1", "-r", &region, &path];
        let expected = output(&bcftools, &args).lines().count() as u64;
        let sql = format!("SELECT count(*) FROM '{path}' WHERE in_region(chrom, pos, end, '{region}')");
        assert_eq!(number(&ctx, &sql).await, expected, "{region}");
    }
}

#[tokio::test]
async fn classes_of_variants_are_bcftools_own() {
    let Some(bcftools) = peer("bcftools") else { return };
    let (ctx, path) = (context(2, 8192), data("cohort.vcf.gz"));
    for (class, predicate) in
        [("snps", "is_snp(ref, alt)"), ("indels", "is_indel(ref, alt)"), ("mnps", "is_mnp(ref, alt)")]
    {
        let expected = output(&bcftools, &["view", "-H", "-v", class, &path]).lines().count() as u64;
        let found = number(&ctx, &format!("SELECT count(*) FROM '{path}' WHERE {predicate}")).await;
        assert_eq!(found, expected, "{class}");
    }
    for (expression, predicate) in [
        ("QUAL>30", "qual > 30"),
        ("QUAL>=59.9", "qual >= 59.9"),
        ("INFO/AF>0.3", "info_af > 0.3"),
        ("INFO/DP>=20 && QUAL<50", "info_dp >= 20 AND qual < 50"),
        ("ALT=\"T\"", "alt = 'T'"),
        ("FILTER=\"PASS\"", "is_pass(filter)"),
    ] {
        let expected = output(&bcftools, &["view", "-H", "-i", expression, &path]).lines().count() as u64;
        let found = number(&ctx, &format!("SELECT count(*) FROM '{path}' WHERE {predicate}")).await;
        assert_eq!(found, expected, "{predicate}");
    }
}
