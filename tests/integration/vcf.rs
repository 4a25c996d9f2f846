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

/// Missing, half-missing, haploid, polyploid and phased genotypes, dropped values, and a line without GT.
const GENOTYPES: &str = "##fileformat=VCFv4.4
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"Depths\">
#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT a b c d
1 1 . A C . . . GT:DP:AD 0/1:3:1,2 1|2:.:. ./.:4:.,. .
1 2 . A C . . . GT 0 1 0/1/1 |0/1
1 3 . A C . . . GT:DP ./. .|. . .
1 4 . A C . . . GT 0/. ./1 .|2 0|0
1 5 . A C . . . DP 1 2 3 4
1 6 . A C . . . GT:AD 10/11:1 00/0 0|0/10|1:. 0/0/0/0/0/0
";

/// What the scan computes itself is what the functions make of the lists, and the lists are not read for it.
#[tokio::test]
async fn calls_on_genotypes_are_answered_by_the_scan() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("odd.vcf").display().to_string();
    std::fs::write(&odd, GENOTYPES.replace(' ', "\t").replace("\t##", "##")).unwrap();
    let ctx = context(2, 100);
    for (path, sample, keys) in
        [(odd, "c", &["gt", "dp", "ad"][..]), (data("cohort.vcf.gz"), "HG00096", &["gt", "dp", "ad", "gq"])]
    {
        // A table in memory has the lists themselves.
        query(&ctx, &format!("CREATE TABLE {sample}_lists AS SELECT * FROM '{path}'")).await;
        let lists = format!("{sample}_lists");
        let mut calls: Vec<String> =
            ["number", "count", "frequency"].map(|of| format!("allele_{of}(format_gt)")).into();
        calls.extend(keys.iter().map(|key| format!("sample(format_{key}, '{sample}')")));
        for call in &calls {
            let scan = format!("columns=[pos, {call}]");
            let built = format!("SELECT pos, {call} FROM {lists}");
            let plan = query(&ctx, &format!("EXPLAIN SELECT pos, {call} FROM '{path}'")).await.join("");
            assert!(plan.contains(&scan), "{call}: {plan}");
            let answer = query(&ctx, &format!("SELECT pos, {call} FROM '{path}'")).await;
            assert_eq!(answer, query(&ctx, &built).await, "{call}");
            let beside = format!("SELECT pos, {call} FROM '{path}' WHERE format_gt IS NULL OR format_gt IS NOT NULL");
            assert_eq!(answer, query(&ctx, &beside).await, "{call}");
            for clause in
                [format!("SELECT max({call}) FROM '{path}'"), format!("SELECT pos FROM '{path}' ORDER BY {call}, pos")]
            {
                if call.contains("_ad,") {
                    continue;
                }
                let plan = query(&ctx, &format!("EXPLAIN {clause}")).await.join("");
                assert!(plan.contains(&scan) || plan.contains(&format!("columns=[{call}]")), "{clause}: {plan}");
                let built = clause.replace(&format!("'{path}'"), &lists);
                assert_eq!(query(&ctx, &clause).await, query(&ctx, &built).await, "{clause}");
            }
        }
        let sql = format!("SELECT pos FROM '{path}' WHERE allele_frequency(format_gt) > 0.4 AND pos > 1");
        let plan = query(&ctx, &format!("EXPLAIN {sql}")).await.join("");
        assert!(plan.contains("allele_frequency(format_gt)]"), "{plan}");
        let expected =
            query(&ctx, &format!("SELECT pos, allele_frequency(format_gt) FROM '{path}' WHERE pos > 1")).await;
        let expected = expected.iter().filter_map(|row| {
            let (pos, frequency) = row.split_once('\t')?;
            frequency.parse::<f64>().is_ok_and(|f| f > 0.4).then(|| pos.to_owned())
        });
        assert_eq!(query(&ctx, &sql).await, expected.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn counts_of_alleles_are_bcftools_own() {
    let Some(bcftools) = peer("bcftools") else { return };
    let path = data("cohort.vcf.gz");
    let filled = std::process::Command::new(&bcftools).args(["+fill-tags", &path, "--", "-t", "AN,AC"]).output();
    // Plugins are installed apart.
    let Some(filled) = filled.ok().filter(|o| o.status.success()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let vcf = folder.path().join("filled.vcf").display().to_string();
    std::fs::write(&vcf, filled.stdout).unwrap();
    let ctx = context(1, 100);
    let text = output(&bcftools, &["query", "-f", "%POS\t%AN\t%AC\n", &vcf]);
    let mut expected: Vec<String> = text
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let alternate: i64 = fields[2].split(',').filter_map(|n| n.parse::<i64>().ok()).sum();
            format!("{}\t{}\t{alternate}", fields[0], fields[1])
        })
        .collect();
    expected.sort();
    let sql = format!("SELECT pos, allele_number(format_gt), allele_count(format_gt) FROM '{path}'");
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
