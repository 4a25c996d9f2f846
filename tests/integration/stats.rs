//! Statistics against samtools and bcftools, and against themselves however they are counted.

use std::collections::BTreeMap;

use datafusion::physical_plan::ExecutionPlanProperties;
use genomicframe::StatsQuery;
use genomicframe::core::stats::{AlignmentStats, CATEGORIES, Stats};
use genomicframe::prelude::*;

use crate::support::{context, data, number, output, peer, query};

async fn stats(threads: usize, sql: &str) -> Stats {
    let ctx = context(threads, 1000);
    ctx.stats(ctx.sql(sql).await.unwrap()).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

async fn alignments(path: &str) -> AlignmentStats {
    match stats(2, &format!("SELECT * FROM '{path}'")).await {
        Stats::Alignments(stats) => *stats,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn flags_and_contigs_are_samtools_own() {
    let Some(samtools) = peer("samtools") else { return };
    let folder = tempfile::tempdir().unwrap();
    // Every flag, on and off contigs, with mates here, elsewhere and nowhere.
    let mut sam = String::from("@SQ\tSN:chr1\tLN:9000\n@SQ\tSN:a_contig_of_a_long_name\tLN:9000\n@SQ\tSN:chr3\tLN:9\n");
    for flag in 0..4096 {
        let place = |n: u32| ["chr1", "a_contig_of_a_long_name", "*"][n as usize % 3];
        let (own, mate) = (place(flag / 3), place(flag / 5));
        let at = |contig: &str| if contig == "*" { 0 } else { 100 };
        let (mapq, cigar) = ([0, 4, 5, 60, 255][flag as usize % 5], if flag & 4 == 0 { "4M" } else { "*" });
        sam += &format!("r{flag}\t{flag}\t{own}\t{}\t{mapq}\t{cigar}\t{mate}\t{}\t0\tACGT\tIIII\n", at(own), at(mate));
    }
    let every_flag = folder.path().join("flags.sam").display().to_string();
    std::fs::write(&every_flag, sam).unwrap();
    let files = ["sample.bam", "sample.unindexed.bam", "header_only.bam", "long_cigar.bam"].map(data);
    for path in files.iter().chain([&every_flag]) {
        let stats = alignments(path).await;
        let printed = stats.to_string();
        let theirs = output(&samtools, &["flagstat", path]);
        assert!(printed.starts_with(&(theirs.clone() + "\n")), "{path}\n{theirs}\n{printed}");
        let mut contigs: BTreeMap<_, _> = stats
            .contigs()
            .map(|(name, n, unmapped)| (name.to_owned(), (n - unmapped.unwrap(), unmapped.unwrap())))
            .collect();
        contigs.insert("*".into(), (0, stats.unplaced()));
        // idxstats takes sorted files only.
        let sorted = folder.path().join("sorted.bam").display().to_string();
        output(&samtools, &["sort", "-o", &sorted, path]);
        let theirs = output(&samtools, &["idxstats", &sorted]);
        for line in theirs.lines() {
            let [name, _, mapped, unmapped] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let expected = (mapped.parse().unwrap(), unmapped.parse().unwrap());
            assert_eq!(contigs.remove(name).unwrap_or_default(), expected, "{path}: {name}");
        }
        assert!(contigs.is_empty(), "{contigs:?}");
    }
}

#[tokio::test]
async fn mapping_qualities_are_those_of_the_rows() {
    let path = data("sample.bam");
    let stats = alignments(&path).await;
    let counted = stats.mapq().unwrap().iter().enumerate().filter(|(_, n)| **n > 0);
    let mut counted: Vec<_> = counted.map(|(mapq, n)| format!("{mapq}\t{n}")).collect();
    counted.sort();
    let sql = format!("SELECT mapq, count(*) FROM '{path}' GROUP BY mapq");
    assert_eq!(counted, query(&context(1, 8192), &sql).await);
}

/// The values of a section of `bcftools stats`.
fn section<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|l| l.split('\t').next() == Some(name)).collect()
}

#[tokio::test]
async fn classes_and_substitutions_are_bcftools_own() {
    let Some(bcftools) = peer("bcftools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut alleles =
        String::from("##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    for (i, site) in [
        "A G",
        "A *",
        "A A[1:50[",
        "A <DEL>",
        "A C,*",
        "A TG",
        "A C,A",
        "A <*>",
        "A C,<NON_REF>",
        "A G,A[1:5[",
        "A X",
        "A .",
        "AC AT",
        "CAT TAT",
        "CAT CGT",
        "ac gt",
        "ac gc",
        "N A",
        "CAG TG",
        "A R,T,ATT",
    ]
    .iter()
    .enumerate()
    {
        let (reference, alt) = site.split_once(' ').unwrap();
        alleles += &format!("1\t{}\t.\t{reference}\t{alt}\t.\t.\t.\n", 10 * i + 1);
    }
    let every_class = folder.path().join("classes.vcf").display().to_string();
    std::fs::write(&every_class, alleles).unwrap();
    let files = ["cohort.vcf.gz", "cohort.gzip.vcf.gz", "sites.vcf.gz", "header_only.vcf"].map(data);
    for path in files.iter().chain([&every_class]) {
        let name = path;
        let theirs = output(&bcftools, &["stats", path]);
        let Stats::Variants(stats) = stats(2, &format!("SELECT * FROM '{path}'")).await else { panic!() };
        let printed = stats.to_string();
        for line in section(&theirs, "SN") {
            let [_, _, key, value] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let line = format!("{key}\t{value}\n");
            assert!(key == "number of samples:" || printed.contains(&line), "{name}: {line}\n{printed}");
        }
        let changes =
            [(stats.transitions(), stats.transversions()), (stats.first_transitions, stats.first_transversions)];
        for line in section(&theirs, "TSTV") {
            let fields: Vec<_> = line.split('\t').skip(2).collect();
            for ((ts, tv), fields) in changes.iter().zip(fields.chunks(3)) {
                assert_eq!([ts.to_string(), tv.to_string()], fields[..2], "{name}: {line}");
            }
        }
        for line in section(&theirs, "ST") {
            let [_, _, change, n] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            assert!(printed.contains(&format!("\n{change}\t{n}\n")), "{name}: {line}\n{printed}");
        }
    }
}

#[tokio::test]
async fn qualities_and_filters_of_variants_are_those_of_the_rows() {
    let (ctx, path) = (context(2, 8192), data("cohort.vcf.gz"));
    let Stats::Variants(stats) = stats(2, &format!("SELECT * FROM '{path}'")).await else { panic!() };
    let sql = format!("SELECT count(qual), min(qual), max(qual), round(avg(CAST(qual AS DOUBLE)), 6) FROM '{path}'");
    let (least, most, mean) = (stats.qual.min.unwrap(), stats.qual.max.unwrap(), stats.qual.mean().unwrap());
    let row = format!("{}\t{least:?}\t{most:?}\t{:?}", stats.qual.known, (mean * 1e6).round() / 1e6);
    assert_eq!(query(&ctx, &sql).await, [row]);
    assert_eq!(stats.qual.known + stats.qual.missing, stats.records);
    assert_eq!(stats.qual.bins.iter().sum::<u64>() + stats.qual.below, stats.qual.known);
    let thirties = number(&ctx, &format!("SELECT count(*) FROM '{path}' WHERE qual >= 30 AND qual < 40")).await;
    assert_eq!(stats.qual.bins[3], thirties);
    for (column, tally) in [("filter", stats.filters()), ("chrom", stats.contigs())] {
        let mut counted: Vec<_> = tally.iter().map(|(text, [n])| format!("{text}\t{n}")).collect();
        counted.extend(Some(tally.none()).filter(|[n]| *n > 0).map(|[n]| format!("~\t{n}")));
        counted.sort();
        assert_eq!(counted, query(&ctx, &format!("SELECT {column}, count(*) FROM '{path}' GROUP BY {column}")).await);
    }
}

#[tokio::test]
async fn reads_are_counted_like_rows() {
    let ctx = context(2, 8192);
    for name in ["reads.fastq", "reads.fastq.gz", "reads.fastq.bgz"] {
        let path = data(name);
        let Stats::Reads(stats) = stats(2, &format!("SELECT * FROM '{path}'")).await else { panic!() };
        let letters = |l: &str| format!("sum(length(seq) - length(replace(upper(seq), '{l}', '')))");
        let sql = format!(
            "SELECT count(*), sum(length(seq)), min(length(seq)), max(length(seq)), {}, {}, {} FROM '{path}'",
            letters("G"),
            letters("C"),
            letters("N")
        );
        let counts = [stats.reads, stats.bases, stats.shortest().unwrap(), stats.longest().unwrap()];
        let counts = counts.into_iter().chain("GCN".chars().map(|l| stats.count(l)));
        let row = counts.map(|n| n.to_string()).collect::<Vec<_>>().join("\t");
        assert_eq!(query(&ctx, &sql).await, [row], "{name}");
        for position in [1, 20, 50] {
            let sql = format!(
                "SELECT round(avg(ascii(substr(qual, {position}, 1)) - 33), 6) FROM '{path}' WHERE length(qual) >= {position}"
            );
            let (.., mean) = stats.positions().find(|(numbers, ..)| numbers.contains(&position)).unwrap();
            let expected: f64 = query(&ctx, &sql).await[0].parse().unwrap();
            assert!((mean - expected).abs() < 1e-6, "{name}: {position}: {mean} {expected}");
        }
    }
}

#[tokio::test]
async fn annotations_and_intervals_are_counted_by_contig_and_type() {
    let (ctx, gff, bed) = (context(2, 8192), data("genes.gff3.gz"), data("panel.bed"));
    let Stats::Features(genes) = stats(2, &format!("SELECT * FROM '{gff}'")).await else { panic!() };
    let mut types: Vec<_> = genes.features().iter().map(|(text, [n])| format!("{text}\t{n}")).collect();
    types.sort();
    assert_eq!(types, query(&ctx, &format!("SELECT feature, count(*) FROM '{gff}' GROUP BY feature")).await);
    let Stats::Features(panel) = stats(2, &format!("SELECT * FROM '{bed}'")).await else { panic!() };
    assert_eq!(panel.records, number(&ctx, &format!("SELECT count(*) FROM '{bed}'")).await);
    assert_eq!(panel.contigs().iter().map(|(_, [n])| n).sum::<u64>(), panel.records);
}

#[tokio::test]
async fn partitions_change_nothing() {
    for (name, filter, is_cut) in [
        ("sample.bam", "", true),
        ("*.bam", "WHERE mapq >= 20", true),
        // What regions leave of so small a file is read in one piece.
        ("sample.bam", "WHERE in_region('chr1:5,000-90,000', 'chrX') AND mapq >= 20", false),
        ("cohort.vcf.gz", "", true),
        ("cohort.vcf.gz", "WHERE info_af < 0.3", true),
        ("genes.gff3.gz", "", false),
        ("reads.fastq.bgz", "", false),
    ] {
        let sql = format!("SELECT * FROM '{}' {filter}", data(name));
        let ctx = context(7, 1000);
        let plan = ctx.sql(&sql).await.unwrap().create_physical_plan().await.unwrap();
        assert!(plan.output_partitioning().partition_count() > 1 || !is_cut, "{sql}");
        let (one, seven) = (stats(1, &sql).await, stats(7, &sql).await);
        assert_eq!(one, seven, "{sql}");
        assert_eq!(one.to_string(), seven.to_string(), "{sql}");
    }
}

#[tokio::test]
async fn only_the_columns_and_ranges_that_are_needed_are_read() {
    let ctx = context(1, 8192);
    let sql = format!("SELECT * FROM '{}' WHERE rname = 'chrX' AND mapq >= 30", data("sample.bam"));
    let query = StatsQuery::new(ctx.sql(&sql).await.unwrap()).await.unwrap();
    let planned = query.progress().bytes_planned();
    assert!(planned < 100_000, "{planned}");
    assert!(query.totals().is_none());
    let Stats::Alignments(stats) = query.run().await.unwrap() else { panic!() };
    let count = number(&ctx, &sql.replace("SELECT *", "SELECT count(*)")).await;
    assert_eq!((stats.records(), stats.contigs().count()), (count, 1));
}

#[tokio::test]
async fn a_dataset_answers_from_its_totals() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("x.bams3").display().to_string();
    let bam = data("sample.bam");
    let done = std::process::Command::new(crate::support::gf()).args(["convert", &bam, &dataset]).output().unwrap();
    assert!(done.status.success());
    let ctx = &context(2, 1000);
    let query = |sql: String| async move { StatsQuery::new(ctx.sql(&sql).await.unwrap()).await.unwrap() };
    let whole = query(format!("SELECT * FROM '{dataset}'")).await;
    let Some(Stats::Alignments(totals)) = whole.totals() else { panic!() };
    let Stats::Alignments(scanned) = whole.run().await.unwrap() else { panic!() };
    assert_eq!(*scanned, alignments(&bam).await);
    assert_eq!((totals.flagstat(), totals.unplaced()), (scanned.flagstat(), scanned.unplaced()));
    assert!(totals.contigs().zip(scanned.contigs()).all(|(a, b)| (a.0, a.1) == (b.0, b.1)));
    assert_eq!((totals.mapq(), totals.mate_elsewhere()), (None, None));
    for some in [
        format!("SELECT * FROM '{dataset}' WHERE mapq > 0"),
        format!("SELECT * FROM '{dataset}' LIMIT 5"),
        format!("SELECT * FROM read_bams3('{dataset}', region => 'chr1')"),
        format!("SELECT flag, rname, rnext, CAST(0 AS TINYINT UNSIGNED) AS mapq FROM '{dataset}'"),
    ] {
        assert!(query(some.clone()).await.totals().is_none(), "{some}");
    }
    assert!(query(format!("SELECT * FROM '{bam}'")).await.totals().is_none());
}

#[test]
fn frames_have_statistics_too() {
    let reads = GenomicFrame::scan_bam(data("sample.bam")).unwrap();
    let Stats::Alignments(stats) = reads.clone().filter(is_duplicate()).stats().unwrap() else { panic!() };
    let duplicates = CATEGORIES.iter().position(|c| c.name == "duplicates").unwrap();
    assert_eq!(stats.flagstat()[duplicates].passed, stats.records());
    let nothing = reads.clone().filter_by_region("chrUn_absent").stats().unwrap();
    assert!(nothing.to_string().starts_with("0 + 0 in total (QC-passed reads + QC-failed reads)\n"), "{nothing}");
    let e = reads.clone().select(&["rname", "mapq"]).stats().unwrap_err();
    assert_eq!(e.to_string(), "statistics need the column flag, which the rows lack");
    let joined = reads.clone().join_by_overlap(GenomicFrame::scan_bed(data("panel.bed")).unwrap());
    assert!(joined.stats().unwrap_err().to_string().contains("one table, not of several"));
    let grouped = reads.group_by(&["rname"]).agg(vec![count_all().alias("flag")]);
    assert!(grouped.stats().is_err());
    assert!(GenomicFrame::sql("SELECT 1 AS flag").unwrap().stats().unwrap_err().to_string().contains("genomic file"));
}
