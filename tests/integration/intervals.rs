//! Verbs on intervals against bedtools, on random intervals: strands, contigs that one side lacks, touching and nested ones,
//! sides that count from 0 and from 1.

use std::fmt::Write;

use genomicframe::prelude::*;
use genomicframe::{Direction, Strands, Ties};
use tempfile::TempDir;

use crate::support::{Random, analyzed, context, counted, data, gf, output, peer, query, rows};

/// Two BED files, sorted as bedtools wants them; the second one also as GFF3; and the contigs with their lengths.
struct Files {
    folder: TempDir,
}

const LENGTHS: [(&str, u64); 4] = [("c1", 3000), ("c10", 900), ("c2", 1500), ("c3", 400)];

impl Files {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random(seed);
        let mut bed = |name: &str, contigs: &[(&str, u64)], number: usize, prefix: &str| {
            let mut lines = Vec::new();
            for i in 0..number {
                let (contig, length) = contigs[random.below(contigs.len() as u64) as usize];
                let longest = [1, 10, 40, 400][random.below(4) as usize];
                // Many ends meet: positions are multiples of five half of the time.
                let step = [1, 5][random.below(2) as usize];
                let start = random.below(length - 1) / step * step;
                let end = ((start + 1 + random.below(longest)).div_ceil(step) * step).min(length);
                let strand = ["+", "-"][random.below(2) as usize];
                lines.push((contig.to_owned(), start, end, format!("{prefix}{i}"), strand));
            }
            lines.sort();
            let (mut text, mut gff) = (String::new(), String::from("##gff-version 3\n"));
            for (contig, start, end, name, strand) in lines {
                writeln!(text, "{contig}\t{start}\t{end}\t{name}\t0\t{strand}").unwrap();
                writeln!(gff, "{contig}\tx\texon\t{}\t{end}\t.\t{strand}\t.\tID={name}", start + 1).unwrap();
            }
            std::fs::write(folder.path().join(format!("{name}.bed")), text).unwrap();
            std::fs::write(folder.path().join(format!("{name}.gff3")), gff).unwrap();
        };
        bed("a", &LENGTHS[..3], 250, "a");
        bed("b", &[LENGTHS[0], LENGTHS[2], LENGTHS[3]], 120, "b");
        // Some rows of no known strand.
        let text = std::fs::read_to_string(folder.path().join("b.bed")).unwrap();
        let without = |(i, line): (usize, &str)| {
            let known = line.len() - usize::from(i % 3 == 0);
            format!("{}{}\n", &line[..known], &"."[..line.len() - known])
        };
        std::fs::write(folder.path().join("u.bed"), text.lines().enumerate().map(without).collect::<String>()).unwrap();
        let genome: String = LENGTHS.iter().map(|(name, length)| format!("{name}\t{length}\n")).collect();
        std::fs::write(folder.path().join("genome"), genome).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The statement with `{a}` as the path of `a.bed`, and so on.
    fn fill(&self, sql: &str) -> String {
        let names = [("{a}", "a.bed"), ("{b}", "b.bed"), ("{u}", "u.bed"), ("{gff}", "b.gff3"), ("{genome}", "genome")];
        names.iter().fold(sql.to_owned(), |sql, (key, name)| sql.replace(key, &self.path(name)))
    }

    /// What bedtools prints, its columns of these numbers, sorted.
    fn bedtools(&self, bedtools: &std::path::Path, args: &str, columns: &[usize]) -> Vec<String> {
        let args = self.fill(args);
        let text = output(bedtools, &args.split(' ').collect::<Vec<_>>());
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| {
                let fields: Vec<&str> = line.split('\t').collect();
                columns.iter().map(|i| fields[*i]).collect::<Vec<_>>().join("\t")
            })
            .collect();
        lines.sort();
        lines
    }

    /// The sorted rows of a statement, which are the same on one thread and on eight, and in batches of any size.
    async fn ours(&self, sql: &str) -> Vec<String> {
        let sql = self.fill(sql);
        let expected = query(&context(1, 8192), &sql).await;
        for (threads, batch) in [(1, 1), (2, 7), (8, 1), (8, 8192)] {
            assert_eq!(query(&context(threads, batch), &sql).await, expected, "{sql}: {threads} threads, {batch}");
        }
        expected
    }
}

const SEEDS: std::ops::Range<u64> = 1..7;

#[tokio::test]
async fn overlaps_are_counted_as_intersect_does() {
    let Some(bedtools) = peer("bedtools") else { return };
    for seed in SEEDS {
        let files = Files::new(seed);
        let expected = files.bedtools(&bedtools, "intersect -c -a {a} -b {b}", &[0, 1, 2, 3, 6]);
        for other in ["{b}", "{gff}"] {
            let sql = format!("SELECT chrom, start, end, name, count FROM count_overlaps('{{a}}', '{other}')");
            assert_eq!(files.ours(&sql).await, expected, "{sql}");
        }
    }
}

/// Rows of no known strand among those of one side, or of the other.
#[tokio::test]
async fn strands_are_told_apart_as_in_bedtools() {
    let Some(bedtools) = peer("bedtools") else { return };
    for seed in SEEDS {
        let files = Files::new(seed);
        for (a, b) in [("{a}", "{b}"), ("{a}", "{u}"), ("{u}", "{a}"), ("{a}", "{gff}")] {
            for (flag, strand) in [("-s", "same"), ("-S", "opposite")] {
                for (theirs, kept, ours) in [
                    ("intersect -c", [0, 1, 2, 3, 6].as_slice(), "chrom, start, end, name, count FROM count_overlaps"),
                    (
                        "coverage",
                        &[0, 1, 2, 3, 6, 7, 8],
                        "chrom, start, end, name, count, covered, length FROM coverage",
                    ),
                    ("subtract", &[0, 1, 2, 3], "chrom, start, end, name FROM subtract"),
                ] {
                    let expected = files.bedtools(&bedtools, &format!("{theirs} {flag} -a {a} -b {b}"), kept);
                    let sql = format!("SELECT {ours}('{a}', '{b}', strand => '{strand}')");
                    assert_eq!(files.ours(&sql).await, expected, "{theirs} {flag} {a} {b}");
                }
            }
        }
    }
}

#[tokio::test]
async fn bases_are_covered_as_in_coverage() {
    let Some(bedtools) = peer("bedtools") else { return };
    for seed in SEEDS {
        let files = Files::new(seed);
        let expected = files.bedtools(&bedtools, "coverage -a {a} -b {b}", &[0, 1, 2, 3, 6, 7, 8, 9]);
        for other in ["{b}", "{gff}"] {
            let sql = format!(
                "SELECT chrom, start, end, name, count, covered, length, fraction FROM coverage('{{a}}', '{other}')"
            );
            // bedtools divides in 32 bits.
            for (ours, theirs) in files.ours(&sql).await.iter().zip(&expected) {
                let (ours, theirs) = (ours.rsplit_once('\t').unwrap(), theirs.rsplit_once('\t').unwrap());
                assert_eq!(ours.0, theirs.0, "{sql}");
                let fractions = [ours.1, theirs.1].map(|fraction| fraction.parse::<f64>().unwrap());
                assert!((fractions[0] - fractions[1]).abs() < 1e-6, "{sql}: {fractions:?}");
            }
            assert_eq!(files.ours(&sql).await.len(), expected.len());
        }
    }
}

#[tokio::test]
async fn what_is_nearest_is_what_closest_finds() {
    let Some(bedtools) = peer("bedtools") else { return };
    // bedtools says 0 for what overlaps, and one more than the number of bases between for the rest.
    let columns = "SELECT chrom, start, end, name, coalesce(name_right, '.'), \
        CASE WHEN distance IS NULL THEN -1 WHEN start < end_right AND start_right < end THEN 0 ELSE distance + 1 END";
    for seed in SEEDS {
        let files = Files::new(seed);
        for (theirs, ours) in [
            ("-t first", ""),
            ("-t all", ", ties => 'all'"),
            ("-t first -io", ", overlaps => 'false'"),
            ("-t all -io", ", overlaps => 'false', ties => 'all'"),
            ("-t all -io -D a -iu", ", overlaps => 'false', ties => 'all', direction => 'downstream'"),
            ("-t all -D a -id", ", ties => 'all', direction => 'upstream'"),
            ("-t all -s", ", ties => 'all', strand => 'same'"),
            ("-t first -S", ", strand => 'opposite'"),
            ("-t all -S -io", ", ties => 'all', strand => 'opposite', overlaps => 'false'"),
        ] {
            let signed = theirs.contains("-D");
            let args =
                format!("closest {} {theirs} -a {{a}} -b {{b}}", if signed { "" } else { "-d" }).replace("  ", " ");
            let mut expected = files.bedtools(&bedtools, &args, &[0, 1, 2, 3, 9, 12]);
            if signed {
                // Distances are signed by direction; a row with no neighbour has -1 and no name.
                for row in &mut expected {
                    if !row.contains("\t.\t") {
                        *row = row.replace("\t-", "\t");
                    }
                }
                expected.sort();
            }
            let sql = format!("{columns} FROM nearest('{{a}}', '{{b}}'{ours})");
            assert_eq!(files.ours(&sql).await, expected, "{theirs}");
        }
        for (a, b) in [("{a}", "{u}"), ("{u}", "{a}")] {
            for (flag, strand) in [("-s", "same"), ("-S", "opposite")] {
                let theirs = format!("closest -d -t all {flag} -a {a} -b {b}");
                let expected = files.bedtools(&bedtools, &theirs, &[0, 1, 2, 3, 9, 12]);
                let sql = format!("{columns} FROM nearest('{a}', '{b}', ties => 'all', strand => '{strand}')");
                assert_eq!(files.ours(&sql).await, expected, "{theirs}");
            }
        }
    }
}

#[tokio::test]
async fn the_nearest_few_are_those_of_closest() {
    let Some(bedtools) = peer("bedtools") else { return };
    let columns = "SELECT name, CASE WHEN distance IS NULL THEN -1 \
        WHEN start < end_right AND start_right < end THEN 0 ELSE distance + 1 END";
    for seed in SEEDS {
        let files = Files::new(seed);
        let expected = files.bedtools(&bedtools, "closest -d -t all -k 3 -a {a} -b {b}", &[3, 12]);
        let sql = format!("{columns} FROM nearest('{{a}}', '{{b}}', k => 3, ties => 'all')");
        assert_eq!(files.ours(&sql).await, expected);
        // `-t first -k 3` takes the first of each distance, we the first three.
        let sql = "SELECT max(n) FROM (SELECT count(*) AS n FROM nearest('{a}', '{b}', k => 3) GROUP BY name)";
        assert_eq!(files.ours(sql).await, ["3"]);
    }
}

#[tokio::test]
async fn intervals_merge_and_cluster_as_in_bedtools() {
    let Some(bedtools) = peer("bedtools") else { return };
    for seed in SEEDS {
        let files = Files::new(seed);
        for distance in [-3, 0, 1, 7] {
            let args = format!("merge -d {distance} -c 4 -o count -i {{a}}");
            let expected = files.bedtools(&bedtools, &args, &[0, 1, 2, 3]);
            let sql = format!("SELECT chrom, start, end, count FROM merge('{{a}}', distance => {distance})");
            assert_eq!(files.ours(&sql).await, expected, "{sql}");

            let args = format!("merge -s -d {distance} -c 6,4 -o distinct,count -i {{a}}");
            let expected = files.bedtools(&bedtools, &args, &[0, 1, 2, 3, 4]);
            let sql = format!("SELECT * FROM merge('{{a}}', distance => {distance}, stranded => true)");
            assert_eq!(files.ours(&sql).await, expected, "{sql}");
        }
        // bedtools numbers clusters in the file's order, as we do.
        let expected = files.bedtools(&bedtools, "cluster -d 2 -i {a}", &[3, 6]);
        assert_eq!(files.ours("SELECT name, cluster_id FROM cluster('{a}', distance => 2)").await, expected);
        let sql = "SELECT count(*), count(DISTINCT cluster_id) FROM cluster('{a}', stranded => true)";
        let merged = "SELECT sum(count), count(*) FROM merge('{a}', stranded => true)";
        assert_eq!(files.ours(sql).await, files.ours(merged).await);
    }
}

#[tokio::test]
async fn what_is_left_is_what_bedtools_leaves() {
    let Some(bedtools) = peer("bedtools") else { return };
    for seed in SEEDS {
        let files = Files::new(seed);
        let expected = files.bedtools(&bedtools, "subtract -a {a} -b {b}", &[0, 1, 2, 3]);
        for other in ["{b}", "{gff}"] {
            let sql = format!("SELECT chrom, start, end, name FROM subtract('{{a}}', '{other}')");
            assert_eq!(files.ours(&sql).await, expected, "{sql}");
        }
        let expected = files.bedtools(&bedtools, "complement -i {b} -g {genome}", &[0, 1, 2]);
        assert_eq!(files.ours("SELECT * FROM complement('{b}', genome => '{genome}')").await, expected);
        // The same from a file that counts from 1.
        let sql = "SELECT seqid, start - 1, end FROM complement('{gff}', genome => '{genome}')";
        assert_eq!(files.ours(sql).await, expected);
    }
}

#[tokio::test]
async fn windows_are_those_of_makewindows() {
    let Some(bedtools) = peer("bedtools") else { return };
    let files = Files::new(1);
    for (size, step) in [(1, 1), (7, 7), (10, 3), (3, 10)] {
        let expected = files.bedtools(&bedtools, &format!("makewindows -b {{a}} -w {size} -s {step}"), &[0, 1, 2]);
        let sql = format!("SELECT chrom, start, end FROM windows('{{a}}', size => {size}, step => {step})");
        assert_eq!(files.ours(&sql).await, expected, "{sql}");
    }
    let expected = files.bedtools(&bedtools, "makewindows -g {genome} -w 70", &[0, 1, 2]);
    assert_eq!(files.ours("SELECT * FROM tile('{a}', size => 70, genome => '{genome}')").await, expected);
}

#[tokio::test]
async fn contigs_have_their_lengths_from_the_header() {
    let ctx = context(2, 8192);
    let bam = data("sample.bam");
    let tiles = query(&ctx, &format!("SELECT rname, max(end) FROM tile('{bam}', size => 1000) GROUP BY rname")).await;
    let samtools = peer("samtools");
    if let Some(samtools) = &samtools {
        let header = output(samtools, &["idxstats", &bam]);
        let mut expected: Vec<String> = header
            .lines()
            .filter(|line| !line.starts_with('*'))
            .map(|line| line.split('\t').take(2).collect::<Vec<_>>().join("\t"))
            .collect();
        expected.sort();
        assert_eq!(tiles, expected);
    }
    let covered = "SELECT sum(end - pos + 1) FROM merge('{bam}') UNION ALL \
                   SELECT sum(end - pos + 1) FROM complement('{bam}')";
    let parts = query(&ctx, &covered.replace("{bam}", &bam)).await;
    let all = query(&ctx, &format!("SELECT sum(end - pos + 1) FROM tile('{bam}', size => 1000)")).await;
    let sum: i64 = parts.iter().map(|part| part.parse::<i64>().unwrap()).sum();
    assert_eq!([sum.to_string()].as_slice(), all);

    let bed = data("targets3.bed");
    let e = ctx.sql(&format!("SELECT * FROM complement('{bed}')")).await.unwrap_err();
    assert!(e.is_invalid() && e.to_string().contains("genome =>"), "{e}");
    // A contig of unknown length is told, not left out.
    let rows = GenomicFrame::scan_bed(&bed).unwrap().complement_within([("nowhere", 1000)]);
    let e = rows.collect_arrow().unwrap_err();
    assert!(e.to_string().contains("length"), "{e}");
}

/// bedtools makes intervals of zero length two bases long, so there is nothing to compare with.
#[tokio::test]
async fn intervals_of_zero_length_lie_between_bases() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("a.bed"), "c\t10\t20\nc\t20\t20\nc\t25\t25\n").unwrap();
    std::fs::write(path("b.bed"), "c\t15\t15\nc\t20\t20\nc\t20\t30\nc\t0\t10\n").unwrap();
    let ctx = context(2, 8192);
    let ask = async |sql: &str| {
        let sql = sql.replace("{a}", &path("a.bed")).replace("{b}", &path("b.bed"));
        rows(&ctx.sql(&sql).await.unwrap().collect().await.unwrap())
    };
    let counts =
        ask("SELECT start, end, count, covered, length, fraction FROM coverage('{a}', '{b}') ORDER BY start, end")
            .await;
    assert_eq!(counts, ["10\t20\t1\t0\t10\t0.0", "20\t20\t0\t0\t0\t~", "25\t25\t1\t0\t0\t~"]);
    let left = ask("SELECT start, end FROM subtract('{a}', '{b}') ORDER BY start, end").await;
    assert_eq!(left, ["10\t20", "20\t20"]);
    let merged = ask("SELECT start, end, count FROM merge('{a}') ORDER BY start, end").await;
    assert_eq!(merged, ["10\t20\t2", "25\t25\t1"]);
    let windows = ask("SELECT start, end FROM windows('{a}', size => 6) ORDER BY start, end").await;
    assert_eq!(windows, ["10\t16", "16\t20"]);
    let nearest = ask("SELECT start, start_right, end_right, distance FROM nearest('{a}', '{b}') ORDER BY start").await;
    assert_eq!(nearest, ["10\t15\t15\t0", "20\t20\t20\t0", "25\t20\t30\t0"]);
}

#[tokio::test]
async fn rows_without_a_place_are_counted_and_left_alone() {
    let ctx = context(2, 8192);
    let bam = data("sample.bam");
    let unplaced = format!("SELECT count(*), sum(count) FROM count_overlaps('{bam}', '{bam}') WHERE rname IS NULL");
    let number = query(&ctx, &format!("SELECT count(*), 0 FROM '{bam}' WHERE rname IS NULL")).await;
    assert_eq!(query(&ctx, &unplaced).await, number);
    assert_ne!(number, ["0\t0"]);
    let all = query(&ctx, &format!("SELECT count(*) FROM cluster('{bam}')")).await;
    assert_eq!(all, query(&ctx, &format!("SELECT count(*) FROM '{bam}'")).await);
}

/// Of the second input only what lies where the first one's rows do.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_first_input_decides_what_is_read_of_the_second() {
    let folder = tempfile::tempdir().unwrap();
    let panel = folder.path().join("panel.bed");
    std::fs::write(&panel, "chr2\t50000\t51000\nchr10\t100\t900\nchrX\t20000\t20000\nchrUn_empty\t0\t9\n").unwrap();
    let dataset = folder.path().join("sample.bams3").display().to_string();
    let convert = std::process::Command::new(gf())
        .args(["convert", &data("sample.bam"), &dataset, "--chunk-rows", "300"])
        .status();
    assert!(convert.unwrap().success());
    let bam = data("sample.bam");
    for (threads, batch) in [(1, 8192), (4, 50)] {
        let (ctx, whole) = (context(threads, batch), context(threads, batch));
        whole.sql("SET genomicframe.dynamic_regions = false").await.unwrap();
        for reads in [&bam, &dataset] {
            let all = analyzed(&ctx, &format!("SELECT sum(mapq), max(pos), max(end), max(rname) FROM '{reads}'")).await;
            for (verb, columns) in [("count_overlaps", "count"), ("coverage", "count, covered"), ("subtract", "1")] {
                let columns = format!("chrom, start, end, {columns}");
                let sql = format!("SELECT {columns} FROM {verb}('{}', '{reads}')", panel.display());
                assert_eq!(query(&ctx, &sql).await, query(&whole, &sql).await, "{sql}");
                let plan = analyzed(&ctx, &sql).await;
                assert!(plan.contains("narrowed_to: regions=4"), "{sql}\n{plan}");
                let (read, seen) = (counted(&plan, "bytes_read"), counted(&plan, "records_seen"));
                let (all_read, all_seen) = (counted(&all, "bytes_read"), counted(&all, "records_seen"));
                assert!(read * 2 < all_read && seen * 2 < all_seen, "{sql}\n{plan}\n{all}");
            }
        }
        // As many as are counted without the verb.
        let sum = format!("SELECT sum(count) FROM count_overlaps('{}', '{bam}')", panel.display());
        let inside = "in_region(rname, pos, end, 'chr2:50,001-51,000', 'chr10:101-900', 'chrX:20,000-20,000') \
            AND (rname <> 'chrX' OR end > 20000)";
        let expected = query(&ctx, &format!("SELECT count(*) FROM '{bam}' WHERE {inside}")).await;
        assert_eq!(query(&ctx, &sum).await, expected);
        // A neighbour may lie anywhere.
        let nearest = format!("SELECT chrom, start, pos FROM nearest('{}', '{bam}')", panel.display());
        assert!(!analyzed(&ctx, &nearest).await.contains("narrowed_to"));
        // Not where it must be near.
        let near = nearest.replace(")", ", max_distance => 1000)");
        assert!(analyzed(&ctx, &near).await.contains("narrowed_to: regions=4"));
        assert_eq!(query(&ctx, &near).await, query(&whole, &near).await);
        // Nothing is read of the second where the first has no rows.
        let none = format!("SELECT * FROM count_overlaps(read_bam('{bam}', region => 'chr2:1-1'), '{bam}')");
        assert!(query(&ctx, &none).await.is_empty());
    }
}

/// Filters of what the first input's rows have are applied by its scan, and narrow the second one's too.
#[tokio::test]
async fn filters_go_below_the_verbs() {
    let ctx = context(2, 512);
    let (bam, genes, panel) = (data("sample.bam"), data("genes.gff3.gz"), data("panel.bed"));
    let with_gene = format!("'{bam}', '{genes}'");
    for (call, filter, below) in [
        (format!("count_overlaps({with_gene})"), "rname = 'chr2' AND mapq >= 20", true),
        (format!("coverage({with_gene})"), "rname = 'chr2' AND pos > 20000 AND covered > 10", true),
        (format!("nearest({with_gene}, k => 2)"), "rname = 'chr2' AND (distance > 5 OR seqid IS NULL)", true),
        (format!("subtract('{genes}', '{panel}')"), "seqid = 'chr2' AND feature = 'exon' AND start > 30000", true),
        (format!("windows('{genes}', size => 100)"), "seqid = 'chr2' AND end < 40000", true),
        (format!("merge('{genes}')"), "seqid = 'chr2' AND count > 1", true),
        (format!("cluster('{genes}')"), "seqid = 'chr2'", false),
        (format!("complement('{bam}')"), "rname = 'chr2'", false),
        (format!("nearest({with_gene})"), "seqid = 'chr2' AND random() >= 0.0", false),
    ] {
        let sql = format!("SELECT * FROM {call} WHERE {filter}");
        // All rows, and which of them pass.
        let all = query(&ctx, &format!("SELECT *, ({filter}) IS TRUE AS passes FROM {call}")).await;
        let mut expected: Vec<_> = all.iter().filter_map(|row| row.strip_suffix("\ttrue")).collect();
        expected.sort();
        assert_eq!(query(&ctx, &sql).await, expected, "{sql}");
        assert!(!expected.is_empty() && expected.len() < all.len(), "{sql}: {} of {}", expected.len(), all.len());
        let plan = query(&ctx, &format!("EXPLAIN {sql}")).await.join("\n");
        assert_eq!(plan.contains("regions=chr2"), below, "{sql}\n{plan}");
    }
    // With a projection in between.
    let sql = format!("EXPLAIN SELECT sum(count) FROM count_overlaps({with_gene}) WHERE rname = 'chr2'");
    assert!(query(&ctx, &sql).await.join("\n").contains("regions=chr2"));
    let narrowed = format!("SELECT * FROM count_overlaps('{panel}', '{bam}') WHERE chrom = 'chr2' AND start > 50000");
    let (less, more) =
        (analyzed(&ctx, &narrowed).await, analyzed(&ctx, narrowed.split(" WHERE").next().unwrap()).await);
    assert!(counted(&less, "records_seen") * 2 < counted(&more, "records_seen"), "{less}\n{more}");
}

/// Rows read ahead that do not fit are handed out as they came, and tell nothing.
#[tokio::test]
async fn a_large_first_input_is_not_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.bed").display().to_string();
    let text: String =
        (0..300_000).map(|i| format!("chr2\t{}\t{}\tfeature_{i}_with_a_name\n", i / 3, i / 3 + 5)).collect();
    std::fs::write(&path, text).unwrap();
    let sql = format!(
        "SELECT count(*), sum(count), sum(start), min(name), max(name) FROM count_overlaps('{path}', '{}')",
        data("genes.gff3.gz")
    );
    let expected = query(&context(1, 8192), &sql).await;
    for threads in [1, 4] {
        let ctx = GenomicContext::builder().threads(threads).memory_limit(2 << 20).build().unwrap();
        assert_eq!(query(&ctx, &sql).await, expected);
        assert!(!analyzed(&ctx, &sql).await.contains("narrowed_to"));
        assert!(analyzed(&context(threads, 8192), &sql).await.contains("narrowed_to"));
    }
}

#[test]
fn frames_have_the_verbs_too() {
    let (genes, reads) = (data("genes.gff3.gz"), data("sample.bam"));
    let genes = || GenomicFrame::scan_gff(&genes).unwrap();
    let reads = || GenomicFrame::scan_bam(&reads).unwrap();
    let number = |frame: GenomicFrame| frame.count().unwrap();
    let all = number(genes());
    assert_eq!(number(genes().count_overlaps(reads()).count_overlaps(reads()).coverage_by(reads())), all);
    let options = NearestOptions::new().k(2).ties(Ties::All).direction(Direction::Upstream).max_distance(1000);
    assert!(number(genes().nearest(reads(), options)) >= all);
    assert!(number(genes().subtract(reads())) > 0);
    assert_eq!(
        number(genes().merge(MergeOptions::new())),
        number(genes().cluster(MergeOptions::new()).select(&["cluster_id"]).distinct())
    );
    assert_eq!(number(reads().tile(1 << 40)), number(reads().tile(1 << 40).windows(u64::MAX, u64::MAX)));
    // Together the strands have all.
    let counts = |strands: Strands| {
        genes()
            .count_overlaps_stranded(genes(), strands)
            .filter(col("count").gt(lit(0)).and(col("strand").eq(lit("+"))))
    };
    let both = genes().count_overlaps(genes()).filter(col("count").gt(lit(0)).and(col("strand").eq(lit("+"))));
    assert_eq!(number(counts(Strands::Same)), number(both));
    assert!(number(genes().coverage_by_stranded(genes(), Strands::Opposite)) == all);
    assert_eq!(number(genes().filter(col("strand").eq(lit("+"))).subtract_stranded(genes(), Strands::Same)), 0);
    // Columns that nobody asks for are not read, and filters stay where they mean what they say.
    let counted = genes().count_overlaps(reads()).filter(col("count").gt(lit(0))).select(&["seqid", "count"]);
    let overlapping = genes().coverage_by(reads()).filter(col("covered").gt(lit(0)));
    assert_eq!(number(counted), number(overlapping));
    for wrong in [genes().windows(0, 1), genes().select(&["source"]).merge(MergeOptions::new())] {
        assert!(wrong.count().unwrap_err().is_invalid());
    }
}

/// More than the memory: parts of the second input are met one after the other, and rows come as they would.
#[tokio::test]
async fn a_second_input_that_does_not_fit_goes_to_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut random = Random(11);
    let mut bed = |name: &str, rows: usize, contigs: u64, is_sorted: bool| {
        let mut lines: Vec<(u64, u64, u64)> = Vec::new();
        for _ in 0..rows {
            let (start, longest) = (random.below(2_000_000), [1, 3, 200, 20_000][random.below(4) as usize]);
            // Some lie between two bases.
            lines.push((random.below(contigs), start, start + random.below(longest)));
        }
        if is_sorted {
            lines.sort_unstable();
        }
        let strands = ["+", "-", "."];
        let line = |(i, (contig, start, end)): (usize, (u64, u64, u64))| {
            format!("c{contig}\t{start}\t{end}\tfeature_of_{name}_{i}\t0\t{}\n", strands[i % 3])
        };
        std::fs::write(path(name), lines.into_iter().enumerate().map(line).collect::<String>()).unwrap();
    };
    bed("a.bed", 2_000, 4, false);
    bed("b.bed", 150_000, 3, false);
    bed("sorted.bed", 150_000, 3, true);
    // None of these merge.
    let apart = (0..150_000u64).map(|i| (i % 3, i * 7919 % 50_000 * 40));
    let apart: String = apart.map(|(contig, start)| format!("c{contig}\t{start}\t{}\n", start + 1)).collect();
    std::fs::write(path("apart.bed"), apart).unwrap();
    let verbs = [
        "count_overlaps('{a}', '{b}')",
        // Neither fits.
        "count_overlaps('{sorted}', '{b}')",
        "count_overlaps('{a}', '{b}', strand => 'opposite')",
        "coverage('{a}', '{b}')",
        "coverage('{a}', '{sorted}', strand => 'same')",
        "coverage('{a}', '{apart}')",
        "subtract('{a}', '{apart}')",
        "nearest('{a}', '{b}')",
        "nearest('{a}', '{sorted}', k => 3, ties => 'all', overlaps => false)",
        "nearest('{a}', '{b}', k => 2, direction => 'upstream', strand => 'same', max_distance => 50)",
    ];
    for verb in verbs {
        let fill = |verb: String, name: &str| verb.replace(&format!("{{{name}}}"), &path(&format!("{name}.bed")));
        let verb = ["a", "b", "sorted", "apart"].into_iter().fold(verb.to_owned(), fill);
        let sql = format!("SELECT * FROM {verb}");
        let expected = query(&context(2, 8192), &sql).await;
        for (threads, megabytes) in [(1, 2), (8, 3)] {
            let ctx = GenomicContext::builder().threads(threads).memory_limit(megabytes << 20).build().unwrap();
            assert_eq!(query(&ctx, &sql).await, expected, "{sql}: {threads} threads");
            let plan = analyzed(&ctx, &format!("SELECT count(*) FROM {verb}")).await;
            assert!(counted(&plan, "spill_count") > 2, "{plan}");
        }
    }
}

#[tokio::test]
async fn memory_that_is_not_there_is_an_error_that_names_the_verb() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.bed").display().to_string();
    let text: String = (0..200_000).map(|i| format!("c\t{}\t{}\n", i * 10, i * 10 + 5)).collect();
    std::fs::write(&path, text).unwrap();
    let ctx = GenomicContext::builder().threads(2).memory_limit(1 << 20).build().unwrap();
    let genome = folder.path().join("genome").display().to_string();
    std::fs::write(&genome, "c\t3000000\n").unwrap();
    for (verb, options) in [("complement", format!(", genome => '{genome}'")), ("cluster", String::new())] {
        let query = ctx.sql(&format!("SELECT count(*), max(start) FROM {verb}('{path}'{options})")).await.unwrap();
        let e = Error::from(query.collect().await.unwrap_err());
        assert!(e.is_out_of_memory() && e.to_string().contains(verb), "{verb}: {e}");
    }
    // What is merged as it comes needs no more than is left.
    let sql = format!("SELECT count(*) FROM merge('{path}', distance => 5)");
    assert_eq!(query(&ctx, &sql).await, ["1"]);
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_told() {
    let ctx = context(1, 8192);
    let bed = data("targets3.bed");
    for (call, hint) in [
        (format!("merge('{bed}', gap => 3)"), "distance, stranded"),
        (format!("merge('{bed}', distance => 'far')"), "whole number"),
        (format!("nearest('{bed}', '{bed}', k => 0)"), "at least 1"),
        (format!("nearest('{bed}', '{bed}', ties => 'some')"), "first or all"),
        (format!("count_overlaps('{bed}')"), "two inputs"),
        (format!("subtract('{bed}', '{bed}', strand => '+')"), "same or opposite"),
        (format!("coverage('{bed}', '{bed}', k => 1)"), "there are strand"),
        (format!("coverage('{bed}', '{}', strand => 'same')", data("sample.bam")), "needs a column strand"),
        (format!("windows('{bed}')"), "size =>"),
        (format!("merge('{}')", data("reads.fastq")), "contig, start and end"),
    ] {
        let e = ctx.sql(&format!("SELECT * FROM {call}")).await.unwrap_err();
        assert!(e.to_string().contains(hint), "{call}: {e}");
    }
}
