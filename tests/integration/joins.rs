//! Joins by overlap: the rows of bedtools and samtools, and what is read of the larger side.

use std::path::Path;

use datafusion::arrow::array::AsArray;
use genomicframe::datafusion::common::JoinType;
use genomicframe::datafusion::physical_plan::displayable;
use genomicframe::{GenomicFrame, OverlapOptions, ReadOptions};

use crate::support::{Random, analyzed, context, counted, data, number, output, peer};

/// A BED file of random intervals, sorted by place or not.
fn random_bed(folder: &Path, name: &str, random: &mut Random, rows: u64, contigs: &[&str], sorted: bool) -> String {
    let mut lines: Vec<(usize, u64, u64, u64)> = (0..rows)
        .map(|_| {
            let start = random.below(5000);
            let length = if random.below(10) == 0 { 1 + random.below(2000) } else { 1 + random.below(40) };
            (random.below(contigs.len() as u64) as usize, start, start + length, random.below(5))
        })
        .collect();
    if sorted {
        lines.sort_unstable();
    }
    let line = |(i, (contig, start, end, strand)): (usize, &(usize, u64, u64, u64))| {
        let strand = ["+", "-", "+", "-", "."][*strand as usize];
        format!("{}\t{start}\t{end}\t{name}{i}\t0\t{strand}\n", contigs[*contig])
    };
    let path = folder.join(format!("{name}.bed"));
    std::fs::write(&path, lines.iter().enumerate().map(line).collect::<String>()).unwrap();
    path.display().to_string()
}

/// The names of both sides' rows, sorted; a missing side is `.`.
fn names(frame: &GenomicFrame) -> Vec<String> {
    let mut out = Vec::new();
    let batches = [frame.collect_arrow().unwrap()];
    for batch in &batches {
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name)?.as_string_view_opt()?.clone();
            Some(column.iter().nth(row)??.to_owned())
        };
        for row in 0..batch.num_rows() {
            let right = batch.column_by_name("name_right").map(|_| text("name_right", row).unwrap_or(".".into()));
            let left = text("name", row).unwrap_or(".".into());
            out.push([Some(left), right].into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
    }
    out.sort();
    out
}

/// The same of what bedtools prints: of its columns, those with names.
fn printed(text: &str, columns: &[usize]) -> Vec<String> {
    let mut out: Vec<String> = text
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            columns.iter().map(|c| fields[*c]).collect::<Vec<_>>().join(" ")
        })
        .collect();
    out.sort();
    out
}

#[test]
fn every_option_is_one_of_bedtools() {
    let Some(bedtools) = peer("bedtools") else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(17);
    let new = OverlapOptions::new;
    let pairs = &[3, 9][..];
    type Case<'a> = (&'a str, &'a [&'a str], &'a [usize], OverlapOptions);
    let cases: [Case<'_>; 14] = [
        ("intersect", &["-wa", "-wb"], pairs, new()),
        ("intersect", &["-loj"], pairs, new().how(JoinType::Left)),
        ("intersect", &["-u"], &[3], new().how(JoinType::LeftSemi)),
        ("intersect", &["-v"], &[3], new().how(JoinType::LeftAnti)),
        ("intersect", &["-wa", "-wb", "-f", "0.5"], pairs, new().min_fraction(0.5)),
        ("intersect", &["-wa", "-wb", "-f", "0.25", "-r"], pairs, new().min_fraction(0.25).reciprocal()),
        ("intersect", &["-wa", "-wb", "-f", "1.0"], pairs, new().within()),
        ("intersect", &["-wa", "-wb", "-F", "1.0"], pairs, new().contains()),
        ("intersect", &["-loj", "-f", "0.3"], pairs, new().how(JoinType::Left).min_fraction(0.3)),
        ("intersect", &["-v", "-f", "0.3"], &[3], new().how(JoinType::LeftAnti).min_fraction(0.3)),
        ("window", &["-w", "25"], pairs, new().slack(25)),
        ("window", &["-w", "25", "-u"], &[3], new().slack(25).how(JoinType::LeftSemi)),
        ("intersect", &["-wa", "-wb", "-s"], pairs, new().same_strand()),
        ("intersect", &["-wa", "-wb", "-S"], pairs, new().opposite_strand()),
    ];
    for (round, sorted) in [(0, true), (1, false)] {
        let few = random_bed(folder.path(), &format!("few{round}"), &mut random, 60, &["chr1", "chr2", "chr3"], sorted);
        let many =
            random_bed(folder.path(), &format!("many{round}"), &mut random, 700, &["chr1", "chr3", "chr10"], sorted);
        for (threads, batch) in [(1, 8192), (3, 13)] {
            let ctx = context(threads, batch);
            for (a, b) in [(&few, &many), (&many, &few)] {
                for (program, flags, columns, options) in &cases {
                    let scan = |path: &String| ctx.scan(path, ReadOptions::new()).unwrap();
                    let found = names(&scan(a).join_by_overlap_with(scan(b), options.clone()));
                    let mut args = vec![*program];
                    args.extend(*flags);
                    args.extend(["-a", a, "-b", b]);
                    let mut expected = printed(&output(&bedtools, &args), columns);
                    if flags.contains(&"-s") || flags.contains(&"-S") {
                        // bedtools takes two unknown strands for the same one.
                        let unknown = unknown_strands(&[a, b]);
                        expected.retain(|pair| pair.split(' ').all(|name| !unknown.contains(name)));
                    }
                    assert_eq!(found, expected, "{program} {flags:?}, {threads} threads");
                    assert!(!found.is_empty(), "{program} {flags:?}");
                }
            }
        }
    }
}

fn unknown_strands(paths: &[&String]) -> std::collections::BTreeSet<String> {
    let of = |path: &&String| {
        let text = std::fs::read_to_string(path).unwrap();
        let unknown = text.lines().filter(|l| l.ends_with('.')).map(|l| l.split('\t').nth(3).unwrap().to_owned());
        unknown.collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn right_and_full_joins_mirror_left_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(5);
    let a = random_bed(folder.path(), "a", &mut random, 80, &["chr1", "chr2"], true);
    let b = random_bed(folder.path(), "b", &mut random, 50, &["chr1", "chr3"], true);
    let ctx = context(2, 16);
    let join = |a: &String, b: &String, how| {
        let scan = |path: &String| ctx.scan(path, ReadOptions::new()).unwrap();
        names(&scan(a).join_by_overlap_with(scan(b), OverlapOptions::new().how(how)))
    };
    let turned = |rows: Vec<String>| {
        let turn = |row: &String| row.split(' ').rev().collect::<Vec<_>>().join(" ");
        let mut rows: Vec<String> = rows.iter().map(turn).collect();
        rows.sort();
        rows
    };
    assert_eq!(join(&a, &b, JoinType::Right), turned(join(&b, &a, JoinType::Left)));
    let mut full = join(&a, &b, JoinType::Left);
    full.extend(join(&a, &b, JoinType::Right).into_iter().filter(|row| row.starts_with(". ")));
    full.sort();
    assert_eq!(join(&a, &b, JoinType::Full), full);
}

#[test]
fn options_that_contradict_each_other_are_an_error() {
    let scan = || GenomicFrame::scan_bed(data("panel.bed")).unwrap();
    for (options, why) in [
        (OverlapOptions::new().min_fraction(1.5), "between 0 and 1"),
        (OverlapOptions::new().slack(5).min_bases(2), "share no bases"),
        (OverlapOptions::new().how(JoinType::LeftMark), "no join of frames"),
    ] {
        let e = scan().join_by_overlap_with(scan(), options).count().unwrap_err().to_string();
        assert!(e.contains(why), "{e}");
    }
    let e = GenomicFrame::scan_vcf(data("cohort.vcf.gz")).unwrap();
    let e = scan().join_by_overlap_with(e, OverlapOptions::new().same_strand()).count().unwrap_err().to_string();
    assert!(e.contains("neither strand nor flag"), "{e}");
}

/// Spellings of one join of a file with a panel: what is written with comparisons keeps their meaning.
const PANEL_JOINS: [&str; 4] = [
    "SELECT count(*) FROM READS r JOIN PANEL p ON overlaps(rname, pos, r.end, p.chrom, p.start, p.end)",
    "SELECT count(*) FROM READS r JOIN PANEL p ON rname = p.chrom AND pos <= p.end AND r.end > p.start",
    "SELECT count(*) FROM PANEL p, READS r WHERE p.chrom = rname AND p.end >= pos AND p.start < r.end",
    "SELECT sum(n) FROM (SELECT p.name, count(qname) AS n FROM PANEL p LEFT JOIN READS r \
     ON overlaps(p.chrom, p.start, p.end, rname, pos, r.end) GROUP BY p.name, p.start)",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_small_side_decides_what_is_read_of_the_large_one() {
    let folder = tempfile::tempdir().unwrap();
    let panel = folder.path().join("panel.bed");
    std::fs::write(&panel, "chr2\t50000\t51000\tone\nchr10\t100\t900\ttwo\nchrUn_empty\t0\t9\tthree\n").unwrap();
    let dataset = folder.path().join("sample.bams3").display().to_string();
    let convert = std::process::Command::new(crate::support::gf())
        .args(["convert", &data("sample.bam"), &dataset, "--chunk-rows", "300"])
        .status();
    assert!(convert.unwrap().success());
    for (threads, batch) in [(1, 8192), (4, 50)] {
        let ctx = context(threads, batch);
        for reads in [data("sample.bam"), dataset.clone()] {
            let with = |sql: &str| {
                sql.replace("READS", &format!("'{reads}'")).replace("PANEL", &format!("'{}'", panel.display()))
            };
            // Compared without a join, and without the filter.
            let regions = "in_region(rname, pos, end, 'chr2:50,001-51,000', 'chr10:101-900')";
            let expected = number(&ctx, &format!("SELECT count(*) FROM '{reads}' WHERE {regions}")).await;
            let all =
                analyzed(&ctx, &format!("SELECT count(*) FROM '{reads}' WHERE mapq >= 0 AND length(qname) > 0")).await;
            assert!(expected > 5);
            for sql in PANEL_JOINS {
                let sql = with(sql);
                assert_eq!(number(&ctx, &sql).await, expected, "{sql}");
                let plan = analyzed(&ctx, &sql).await;
                assert!(plan.contains("IntervalJoinExec") && plan.contains("narrowed_to: regions=3"), "{sql}\n{plan}");
                let (read, seen) = (counted(&plan, "bytes_read"), counted(&plan, "records_seen"));
                let (all_read, all_seen) = (counted(&all, "bytes_read"), counted(&all, "records_seen"));
                assert!(read * 2 < all_read && seen * 2 < all_seen, "{sql}\n{plan}\n{all}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_file_of_regions_are_those_of_samtools() {
    let ctx = context(2, 64);
    let (bam, panel) = (data("sample.bam"), data("panel.bed"));
    let inside = format!("in_regions(rname, pos, end, '{panel}')");
    let found = number(&ctx, &format!("SELECT count(*) FROM '{bam}' WHERE {inside}")).await;
    let outside = number(&ctx, &format!("SELECT count(*) FROM '{bam}' WHERE NOT {inside}")).await;
    assert_eq!(found + outside, number(&ctx, &format!("SELECT count(*) FROM '{bam}'")).await);
    let both = format!("SELECT count(*) FROM '{bam}' WHERE {inside} AND mapq >= 30");
    assert_eq!(
        number(&ctx, &both).await,
        number(
            &ctx,
            &format!(
                "SELECT count(*) FROM '{bam}' r WHERE mapq >= 30 AND in_regions(r.rname, r.pos, r.end, '{panel}')"
            )
        )
        .await
    );
    // 1-based files name regions too.
    let genes = format!("SELECT count(*) FROM '{bam}' WHERE in_regions(rname, pos, end, '{}')", data("genes.gff3"));
    let frame =
        GenomicFrame::scan_bam(&bam).unwrap().filter_by_overlap(GenomicFrame::scan_gff(data("genes.gff3")).unwrap());
    assert_eq!(number(&ctx, &genes).await, frame.count().unwrap() as u64);
    for (call, why) in [
        ("in_regions(rname, pos, end, qname)", "a file's path as a constant"),
        ("in_regions(rname, pos)", "takes a contig"),
        (&format!("in_regions(rname, pos, end, '{}')", data("reads.fastq")), "no place"),
        ("in_regions(rname, pos, end, 'absent.bed')", "absent.bed"),
    ] {
        let e = ctx.sql(&format!("SELECT count(*) FROM '{bam}' WHERE {call}")).await.unwrap_err().to_string();
        assert!(e.contains(why), "{call}: {e}");
    }
    let Some(samtools) = peer("samtools") else { return };
    let plain = data("panel.bed");
    let lines = std::fs::read_to_string(&plain).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bare = folder.path().join("bare.bed");
    let records = lines
        .lines()
        .filter(|l| !["browser", "track", "#"].iter().any(|head| l.starts_with(head)))
        .map(|l| format!("{l}\n"))
        .collect::<String>();
    std::fs::write(&bare, records).unwrap();
    let expected = output(&samtools, &["view", "-c", "-L", &bare.display().to_string(), &bam]);
    assert_eq!(found, expected.trim().parse::<u64>().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn sides_without_a_common_contig_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let panel = folder.path().join("other.bed");
    std::fs::write(&panel, "1\t0\t9999\n").unwrap();
    let ctx = context(2, 64);
    let sql = format!(
        "SELECT count(*) FROM '{}' r JOIN '{}' p ON overlaps(rname, pos, r.end, p.chrom, p.start, p.end)",
        data("sample.bam"),
        panel.display()
    );
    assert_eq!(number(&ctx, &sql).await, 0);
    let warnings = ctx.take_warnings();
    assert!(warnings.iter().any(|(w, _)| w.contains("none of the other side's contigs (1)")), "{warnings:?}");
    let sam = folder.path().join("other.sam");
    std::fs::write(&sam, "@SQ\tSN:1\tLN:9999\nr\t0\t1\t5\t9\t2M\t*\t0\t0\tAC\tII\n").unwrap();
    let frame = ctx.scan(data("sample.bam"), ReadOptions::new()).unwrap();
    let joined = frame.join_by_overlap(ctx.scan(sam.display().to_string(), ReadOptions::new()).unwrap());
    let plan = joined.dataframe().unwrap().create_physical_plan().await.unwrap();
    let plan = displayable(&*plan).indent(false).to_string();
    assert!(plan.contains("no contig in common"), "{plan}");
}
