//! Depth against mosdepth and samtools, and against itself however it is counted.

use std::path::{Path, PathBuf};
use std::process::Command;

use genomicframe::core::depth::Statistic;
use genomicframe::prelude::*;
use genomicframe::{DepthOptions, GenomicFrame};

use crate::support::{Random, context, data, gf, output, peer, rows};

/// A program that runs: mosdepth may be there, and the library that it needs not.
fn mosdepth() -> Option<PathBuf> {
    let program = peer("mosdepth")?;
    let runs = Command::new(&program).arg("--version").output().is_ok_and(|o| o.status.success());
    if !runs {
        assert!(std::env::var_os("GF_REQUIRE_PEERS").is_none(), "mosdepth does not run (is libhts found?)");
        eprintln!("SKIPPED: mosdepth does not run, so nothing was compared with it");
    }
    runs.then_some(program)
}

const CONTIGS: [(&str, i64); 5] =
    [("chr1", 20_000), ("empty", 700), ("a_contig_of_a_long_name", 9_000), ("chr3", 501), ("last", 1)];

/// Sorted SAM with pairs that overlap in every way, deletions, skips, clips, flags and qualities of all kinds.
fn made() -> String {
    let mut random = Random(7);
    let mut reads: Vec<(usize, i64, String)> = Vec::new();
    for i in 0..6000 {
        let contig = [0, 0, 0, 2, 2, 3][random.below(6) as usize];
        // The last bases stay bare: mosdepth's bands do not look at them.
        let length = CONTIGS[contig].1 - 330;
        let start = 1 + random.below(length as u64) as i64;
        let simple = random.below(2) == 0;
        let mut cigar = |bases: u64| match random.below(if simple { 1 } else { 7 }) {
            0 => format!("{bases}M"),
            1 => format!("5S{}M2D{}M", bases - 15, 10),
            2 => format!("{}M3I{}M", bases / 2, bases - bases / 2 - 3),
            3 => format!("{}M{}N{}M4S", bases / 3, 1 + bases, bases - bases / 3 - 4),
            4 => format!("{}={}X{}D{}M", bases / 4, 2, 7, bases - bases / 4 - 2),
            5 => format!("3H{}M1D1I{}M", bases / 2, bases - bases / 2 - 1),
            _ => format!("{}S{}M", bases / 2, bases - bases / 2),
        };
        let bases = 30 + i % 40;
        let (a, b) = (cigar(bases), cigar(bases));
        let near = start + random.below(60) as i64;
        let both = if random.below(6) == 0 { 0x1 } else { 0x3 }
            | [0, 0, 0, 0, 0, 0, 0x400, 0x200, 0x100, 0x800][random.below(10) as usize];
        let mapq = [0, 10, 20, 60, 255][random.below(5) as usize];
        let mut line = |flag: u64, pos: i64, cigar: &str, mate: i64| {
            let seq = "A".repeat(bases as usize);
            let qual: String = (0..bases).map(|_| char::from(33 + random.below(42) as u8)).collect();
            let name = CONTIGS[contig].0;
            let text = format!("r{i}\t{flag}\t{name}\t{pos}\t{mapq}\t{cigar}\t=\t{mate}\t0\t{seq}\t{qual}\n");
            reads.push((contig, pos, text));
        };
        match i % 5 {
            0 => line(0, start, &a, 0),
            // Its mate is not mapped, and placed beside it.
            1 => {
                line(0x9, start, &a, start);
                line(0x5, start, "*", start);
            }
            _ => {
                line(both | 0x40, start, &a, near);
                line(both | 0x80, near, &b, start);
            }
        }
    }
    reads.sort_by_key(|(contig, pos, _)| (*contig, *pos));
    let mut sam = String::from("@HD\tVN:1.6\tSO:coordinate\n");
    CONTIGS.iter().for_each(|(name, length)| sam += &format!("@SQ\tSN:{name}\tLN:{length}\n"));
    reads.iter().for_each(|(_, _, line)| sam += line);
    sam += "u\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\tIIII\n";
    sam
}

/// The file as SAM and, where samtools is there, as BAM with an index.
struct Made {
    folder: tempfile::TempDir,
    sam: String,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sam = folder.path().join("made.sam").display().to_string();
        std::fs::write(&sam, made()).unwrap();
        Self { folder, sam }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn bam(&self, samtools: &Path) -> String {
        let bam = self.path("made.bam");
        output(samtools, &["view", "-b", "-o", &bam, &self.sam]);
        output(samtools, &["index", &bam]);
        bam
    }
}

async fn depth(threads: usize, batch: usize, call: &str) -> Vec<String> {
    let ctx = context(threads, batch);
    let frame = ctx.sql(&format!("SELECT * FROM depth({call})")).await.unwrap_or_else(|e| panic!("{call}: {e}"));
    rows(&frame.collect().await.unwrap_or_else(|e| panic!("{call}: {e}")))
}

/// A table that mosdepth writes, without its header.
fn table(mosdepth: &Path, args: &[&str], bam: &str, which: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("m").display().to_string();
    let run = Command::new(mosdepth).args(args).args([&prefix, bam]).output().unwrap();
    assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
    let text = output(Path::new("gzip"), &["-dc", &format!("{prefix}.{which}.bed.gz")]);
    text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect()
}

#[track_caller]
fn assert_same(ours: &[String], theirs: &[String], what: &str) {
    let differs = ours.iter().zip(theirs).position(|(a, b)| a != b);
    assert!(differs.is_none(), "{what}: {:?} and theirs {:?}", differs.map(|i| &ours[i]), differs.map(|i| &theirs[i]));
    assert_eq!(ours.len(), theirs.len(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_mosdepths() {
    let (Some(mosdepth), Some(samtools)) = (mosdepth(), peer("samtools")) else { return };
    let made = Made::new();
    for bam in [made.bam(&samtools), data("sample.bam")] {
        for (args, named) in [
            (vec![], ""),
            (vec!["-x"], ", fast => true"),
            (vec!["-Q", "20"], ", min_mapq => 20"),
            (vec!["-x", "-F", "4"], ", fast => true, exclude_flags => 4"),
            (vec!["-F", "0x404"], ", exclude_flags => '0x404'"),
            (vec!["-i", "192"], ", include_flags => 192"),
        ] {
            // mosdepth takes decimal flags only.
            let args: Vec<&str> = args.into_iter().map(|a| if a == "0x404" { "1028" } else { a }).collect();
            let theirs = table(&mosdepth, &args, &bam, "per-base");
            assert_same(&depth(2, 1000, &format!("'{bam}'{named}")).await, &theirs, &format!("{bam} {args:?}"));
        }
    }
}

/// The rows with the `column`-th rounded as mosdepth prints it.
fn rounded(rows: Vec<String>, column: usize) -> Vec<String> {
    let round = |(i, part): (usize, &str)| {
        if i == column { format!("{:.2}", part.parse::<f64>().unwrap()) } else { part.to_owned() }
    };
    rows.iter().map(|row| row.split('\t').enumerate().map(round).collect::<Vec<_>>().join("\t")).collect()
}

/// Whether two means print alike but for the last digit, which is rounded of sums in another order.
#[track_caller]
fn assert_near(ours: &[String], theirs: &[String], column: usize, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (a, b) in ours.iter().zip(theirs) {
        let (a, b): (Vec<&str>, Vec<&str>) = (a.split('\t').collect(), b.split('\t').collect());
        let near = (a[column].parse::<f64>().unwrap() - b[column].parse::<f64>().unwrap()).abs() < 0.0101;
        let rest = |of: &[&str]| {
            of.iter().enumerate().filter(|(i, _)| *i != column).map(|(_, p)| (*p).to_owned()).collect::<Vec<_>>()
        };
        assert!(near && rest(&a) == rest(&b), "{what}: {a:?} and theirs {b:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_mosdepths() {
    let (Some(mosdepth), Some(samtools)) = (mosdepth(), peer("samtools")) else { return };
    let made = Made::new();
    let bam = made.bam(&samtools);
    for (args, named) in [(vec!["-b", "500"], ""), (vec!["-x", "-b", "500"], ", fast => true")] {
        let theirs = table(&mosdepth, &[args.as_slice(), &["-n"]].concat(), &bam, "regions");
        let ours = rounded(depth(2, 1000, &format!("'{bam}', by => 500{named}")).await, 3);
        assert_near(&ours, &theirs, 3, &format!("{args:?}"));
    }
    let theirs = table(&mosdepth, &["-n", "-m", "-b", "130"], &bam, "regions");
    let ours = depth(2, 1000, &format!("'{bam}', by => 130, statistics => 'median'")).await;
    assert_same(&rounded(ours, 3), &theirs, "medians");

    // Intervals that overlap, hold one another, and reach over a contig's end.
    let bed = made.path("windows.bed");
    let lines = "chr1\t100\t5000\tlong\nchr1\t150\t151\tbase\nchr1\t200\t900\tshort\nchr1\t19900\t20000\tend\n\
        a_contig_of_a_long_name\t0\t9000\twhole\nempty\t5\t6\tnone\nchr3\t10\t20\tx\nchr3\t10\t400\ty\n";
    std::fs::write(&bed, lines).unwrap();
    let theirs = table(&mosdepth, &["-n", "-b", &bed], &bam, "regions");
    let ours = depth(2, 1000, &format!("'{bam}', by => '{bed}'")).await;
    let order = |rows: &[String]| {
        let mut rows = rows.to_vec();
        rows.sort();
        rows
    };
    assert_near(&order(&rounded(ours, 4)), &order(&theirs), 4, "means of intervals");
    let theirs = table(&mosdepth, &["-n", "-b", &bed, "-T", "1,5,30"], &bam, "thresholds");
    let ours = depth(2, 1000, &format!("'{bam}', by => '{bed}', thresholds => [1, 5, 30]")).await;
    let without_mean = |row: &String| {
        let mut parts: Vec<&str> = row.split('\t').collect();
        parts.remove(4);
        parts.join("\t")
    };
    assert_same(&order(&ours.iter().map(without_mean).collect::<Vec<_>>()), &order(&theirs), "thresholds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bands_are_mosdepths() {
    let (Some(mosdepth), Some(samtools)) = (mosdepth(), peer("samtools")) else { return };
    let made = Made::new();
    let bam = made.bam(&samtools);
    for bands in ["0:1:4:10:", "0:1:", "2:5:8"] {
        let theirs = table(&mosdepth, &["-n", "-q", bands], &bam, "quantized");
        assert_same(&depth(2, 1000, &format!("'{bam}', quantize => '{bands}'")).await, &theirs, bands);
    }
}

/// A row per position instead of per run, 1-based.
fn positions(runs: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    for run in runs {
        let [contig, start, end, depth] = run.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let (start, end): (i64, i64) = (start.parse().unwrap(), end.parse().unwrap());
        out.extend((start + 1..=end).map(|position| format!("{contig}\t{position}\t{depth}")));
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_are_samtools_own() {
    let Some(samtools) = peer("samtools") else { return };
    let made = Made::new();
    let bam = made.bam(&samtools);
    for (args, named) in [
        (vec![], ", mates_once => false"),
        (vec!["-J"], ", mates_once => false, deletions => true"),
        (vec!["-q", "20"], ", mates_once => false, min_base_quality => 20"),
        (
            vec!["-J", "-q", "20", "-Q", "15"],
            ", mates_once => false, deletions => true, min_base_quality => 20, min_mapq => 15",
        ),
        (vec!["-G", "16"], ", mates_once => false, exclude_flags => 1812"),
        (vec!["-r", "chr1:300-900"], ", mates_once => false, region => 'chr1:300-900'"),
    ] {
        let theirs = output(&samtools, &[&["depth", "-aa"], args.as_slice(), &[&bam]].concat());
        let theirs: Vec<String> = theirs.lines().map(str::to_owned).collect();
        let ours = positions(&depth(2, 1000, &format!("'{bam}'{named}")).await);
        assert_same(&ours, &theirs, &format!("{args:?}"));
    }
    // Of simple pairs, all count overlaps alike: samtools where reads are not marked as proper, too, and up to the first
    // read's end, whatever it deletes.
    let simple = made.path("simple.bam");
    let only = "cigar !~ \"[DNIS]\" && flag.proper_pair && !flag.supplementary";
    output(&samtools, &["view", "-b", "-e", only, "-o", &simple, &bam]);
    let theirs = output(&samtools, &["depth", "-aa", "-s", &simple]);
    let theirs: Vec<String> = theirs.lines().map(str::to_owned).collect();
    assert_same(&positions(&depth(2, 1000, &format!("'{simple}'")).await), &theirs, "-s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn depth_is_the_same_however_it_is_read() {
    let made = Made::new();
    let dataset = made.path("made.bams3");
    let (from, to) = (made.sam.clone(), dataset.clone());
    tokio::task::spawn_blocking(move || genomicframe::convert::convert(&from, &to, &crate::bams3::small()).unwrap())
        .await
        .unwrap();
    let mut files = vec![made.sam.clone(), dataset];
    files.extend(peer("samtools").map(|samtools| made.bam(&samtools)));
    for named in ["", ", fast => true", ", by => 100, step => 30, statistics => 'mean,median,std,min,max'"] {
        let expected = depth(1, 8192, &format!("'{}'{named}", made.sam)).await;
        assert!(expected.len() > 200);
        for file in &files {
            for (threads, batch) in [(1, 1), (2, 8192), (3, 100), (8, 8192)] {
                for index in ["auto", "none"] {
                    let call = format!("read_files('{file}', index => '{index}'){named}");
                    let found = depth(threads, batch, &call).await;
                    assert_same(&found, &expected, &format!("{call}: {threads} threads, batches of {batch}"));
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_cut_the_runs_of_the_whole() {
    let whole = depth(1, 8192, &format!("'{}'", data("sample.bam"))).await;
    let mut random = Random(3);
    for _ in 0..20 {
        let spans: Vec<(&str, i64, i64)> = (0..1 + random.below(3))
            .map(|_| {
                let (name, length) = [("chr1", 180_000), ("chr2", 90_000), ("chr10", 60_000)][random.below(3) as usize];
                let start = random.below(length) as i64;
                (name, start, start + 1 + random.below(3000) as i64)
            })
            .collect();
        let regions: Vec<String> = spans.iter().map(|(c, a, b)| format!("'{c}:{}-{b}'", a + 1)).collect();
        let inside = |contig: &str, at: i64| spans.iter().any(|(c, a, b)| *c == contig && *a <= at && at < *b);
        let expected: Vec<String> = positions(&whole)
            .into_iter()
            .filter(|row| {
                let mut parts = row.split('\t');
                inside(parts.next().unwrap(), parts.next().unwrap().parse::<i64>().unwrap() - 1)
            })
            .collect();
        let list = regions.join(", ");
        for call in [
            format!("'{}', region => [{list}]", data("sample.bam")),
            format!("read_bam('{}', region => [{list}], index => 'none')", data("sample.bam")),
        ] {
            assert_same(&positions(&depth(2, 8192, &call).await), &expected, &call);
        }
        let names: Vec<&str> = regions.iter().map(|r| r.trim_matches('\'')).collect();
        let path = data("sample.bam");
        let filtered =
            context(2, 8192).scan(path.as_str(), ReadOptions::new()).unwrap().filter_by_regions(names.as_slice());
        let found = rows(&[filtered.depth(DepthOptions::new()).collect_arrow().unwrap()]);
        assert_same(&positions(&found), &expected, "a frame filtered by regions");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_depth_of_70000_is_no_less() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep.sam").display().to_string();
    let mut sam = String::from("@SQ\tSN:c\tLN:5000000000\n");
    for _ in 0..70_000 {
        sam += "r\t0\tc\t101\t60\t50M\t*\t0\t0\t*\t*\n";
    }
    // A read over the contig's end, and one that skips most of it.
    sam += "s\t0\tc\t200\t60\t10M268435455N268435455N10M\t*\t0\t0\t*\t*\n";
    std::fs::write(&path, sam).unwrap();
    let expected = ["c\t0\t100\t0", "c\t100\t150\t70000", "c\t150\t199\t0", "c\t199\t209\t1"];
    for threads in [1, 4] {
        let found = depth(threads, 8192, &format!("'{path}'")).await;
        assert_eq!(found[..4], expected);
        assert_eq!(found[4..], ["c\t209\t536871119\t0", "c\t536871119\t536871129\t1", "c\t536871129\t5000000000\t0"]);
    }
    let deep = depth(2, 8192, &format!("'{path}', by => 1000000000, statistics => 'max', thresholds => '65536'")).await;
    assert_eq!(deep[0], "c\t0\t1000000000\t70000\t50");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_depth_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let sam = |name: &str, reads: &str| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, format!("@SQ\tSN:a\tLN:1000\n@SQ\tSN:b\tLN:1000\n{reads}")).unwrap();
        path
    };
    let read = |contig: &str, pos: u32| format!("r\t0\t{contig}\t{pos}\t60\t10M\t*\t0\t0\t*\t*\n");
    let back = sam("back.sam", &(read("a", 500) + &read("a", 499)));
    let contigs = sam("contigs.sam", &(read("b", 5) + &read("a", 7)));
    let (bam, vcf) = (data("sample.bam"), data("cohort.vcf.gz"));
    for (call, why) in [
        (format!("'{back}'"), "not sorted by position: one that starts at a:499 follows one at a:500"),
        (format!("'{contigs}'"), "not sorted by position: one that starts at a:7 follows one at b:"),
        (format!("'{vcf}'"), "depth is of alignments"),
        (format!("['{bam}', '{bam}']"), "one file, not of several"),
        (format!("'{bam}', thresholds => 3"), "thresholds are of windows"),
        (format!("'{bam}', by => 5, quantize => '0:1'"), "choose one"),
        (format!("'{bam}', by => 5, by => 'no.bed'"), "no.bed"),
        (format!("'{bam}', region => 'chr1:9-2'"), "region"),
        (format!("'{bam}', fats => true"), "no argument fats"),
    ] {
        for threads in [1, 3] {
            let ctx = context(threads, 8192);
            let found = match ctx.sql(&format!("SELECT * FROM depth({call})")).await {
                Ok(frame) => frame.collect().await.map(|_| ()).map_err(genomicframe::Error::from),
                Err(e) => Err(e),
            };
            let message = found.unwrap_err().to_string();
            assert!(message.contains(why), "{call}: {message}");
        }
    }
}

#[test]
fn frames_count_what_sql_counts() {
    let reads = || GenomicFrame::scan_bam(data("sample.bam")).unwrap();
    let sliding = reads().coverage().window(1_000, 100).agg(vec![Statistic::Mean, Statistic::Max]);
    let sql =
        format!("SELECT * FROM depth('{}', by => 1000, step => 100, statistics => 'mean,max')", data("sample.bam"));
    let expected = rows(&[GenomicFrame::sql(&sql).unwrap().collect_arrow().unwrap()]);
    assert_eq!(rows(&[sliding.collect_arrow().unwrap()]), expected);
    assert!(expected.len() > 3900, "{}", expected.len());

    // Rows of a frame are windows too, whatever its coordinates; other verbs follow.
    let genes = GenomicFrame::scan_gff(data("genes.gff3.gz")).unwrap().filter(col("feature").eq(lit("gene")));
    let by = reads().depth(DepthOptions::new().by(&genes)).filter(col("mean").gt(lit(0.0)));
    assert!(by.count().unwrap() > 0);
    let kept = reads().filter(col("mapq").gt_eq(lit(30))).depth(DepthOptions::new());
    let also = reads().depth(DepthOptions::new().min_mapq(30));
    assert_eq!(rows(&[kept.collect_arrow().unwrap()]), rows(&[also.collect_arrow().unwrap()]));
}

#[test]
fn the_command_prints_what_sql_does() {
    let bam = data("sample.bam");
    let printed = output(&gf(), &["depth", &bam, "chr1:1-300", "--fast"]);
    assert!(printed.starts_with("chrom\tstart\tend\tdepth\nchr1\t0\t"), "{printed}");
    assert!(printed.trim_end().rsplit('\n').next().unwrap().contains("\t300\t"), "{printed}");
    let folder = tempfile::tempdir().unwrap();
    let bed = folder.path().join("depth.bed");
    output(&gf(), &["depth", &bam, "--threads", "2", "-o", bed.to_str().unwrap()]);
    assert!(std::fs::read_to_string(&bed).unwrap().starts_with("chr1\t0\t67\t0\n"));
    let windows = output(&gf(), &["depth", &bam, "--by", "90k", "--stats", "mean,max", "--thresholds", "1,10"]);
    assert_eq!(windows.lines().next(), Some("chrom\tstart\tend\tmean\tmax\tge_1\tge_10"));
    assert_eq!(windows.lines().count(), 1 + 2 + 1 + 5);
    let help = output(&gf(), &["depth", "--help"]);
    for rule in ["mosdepth -x", "samtools depth -J", "samtools depth -s", "1796"] {
        assert!(help.contains(rule), "{rule}: {help}");
    }
}
