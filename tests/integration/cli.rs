//! `gf` as a user runs it: what it prints, how it ends, and what it leaves behind.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{self, data, output, peer};

fn gf() -> Command {
    Command::new(support::gf())
}

fn run(args: &[&str]) -> Output {
    gf().args(args).output().unwrap()
}

/// What it prints when all goes well.
fn stdout(args: &[&str]) -> String {
    let out = run(args);
    assert!(out.status.success(), "gf {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// What it says when it fails with this code.
fn failure(args: &[&str], code: i32) -> String {
    let out = run(args);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "gf {args:?}: {said}");
    assert!(said.starts_with("gf: ") || code == 2, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

/// A query whose rows never end.
fn endless() -> String {
    let bam = data("sample.bam");
    format!("SELECT a.qname, b.qname, c.qname FROM '{bam}' a, '{bam}' b, '{bam}' c")
}

#[test]
fn every_command_has_a_page_of_help_with_examples() {
    for command in ["sql", "view", "count", "stats", "schema", "head", "explain", "convert"] {
        let help = stdout(&[command, "--help"]);
        assert!(help.contains("Examples:") && help.contains("--threads"), "{help}");
        assert!(help.lines().count() < 75, "{command}: {} lines", help.lines().count());
    }
    assert!(stdout(&["--version"]).starts_with("gf "));
    failure(&[], 2);
    failure(&["count"], 2);
    failure(&["view", "x.bam", "--format", "xlsx"], 2);
    failure(&["view", "x.bam", "--select", "pos", "--format", "native"], 2);
    failure(&["view", "x.bam", "-o", "x.bcf"], 2);
}

#[test]
fn counts_are_those_of_samtools() {
    let Some(samtools) = peer("samtools") else { return };
    let bam = data("sample.bam");
    for regions in [[].as_slice(), &["chr1"], &["chr1:1-2000"], &["chr1:5k-9k", "chr1:8k-12k", "chr2"], &["*"]] {
        let args = |command: &[&'static str]| -> Vec<String> {
            let all = command.iter().copied().chain([bam.as_str()]).chain(regions.iter().copied());
            all.map(str::to_owned).collect()
        };
        let theirs = args(if regions.is_empty() { &["view", "-c"] } else { &["view", "-c", "-M"] });
        let theirs = output(&samtools, &theirs.iter().map(String::as_str).collect::<Vec<_>>());
        let mine = args(&["count"]);
        assert_eq!(stdout(&mine.iter().map(String::as_str).collect::<Vec<_>>()), theirs, "{regions:?}");
    }
    assert_eq!(
        stdout(&["count", &bam, "chr1", "--where", "mapq >= 30"]),
        output(&samtools, &["view", "-c", "-q", "30", &bam, "chr1"])
    );
    let unindexed = data("sample.unindexed.bam");
    assert_eq!(stdout(&["count", &unindexed]), output(&samtools, &["view", "-c", &unindexed]));
    assert_eq!(stdout(&["count", &bam, "chrUn_absent"]), "0\n");
    assert_eq!(stdout(&["count", &bam, "chr2", "--index", "none"]), stdout(&["count", &bam, "chr2"]));
}

#[test]
fn statistics_are_text_or_a_table() {
    let (bam, vcf) = (data("sample.bam"), data("cohort.vcf.gz"));
    let text = stdout(&["stats", &bam]);
    assert!(text.starts_with("4905 + 0 in total (QC-passed reads + QC-failed reads)\n"), "{text}");
    assert!(text.contains("\n\ncontig\tmapped\tunmapped\nchr1\t2012\t8\n") && text.contains("\n*\t0\t100\n"), "{text}");
    if let Some(samtools) = peer("samtools") {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("part.bam").display().to_string();
        output(&samtools, &["view", "-q", "30", "-b", "-o", &part, &bam, "chr2:1000-40000"]);
        let text = stdout(&["stats", &bam, "chr2:1k-40k", "--where", "mapq >= 30"]);
        assert!(text.starts_with(&output(&samtools, &["flagstat", &part])), "{text}");
    }
    let tsv = stdout(&["stats", &vcf, "--format", "tsv"]);
    assert!(tsv.starts_with("section\tkey\tvalue\nsummary\tnumber of records\t1518\n"), "{tsv}");
    let json = stdout(&["stats", &vcf, "--format", "json"]);
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["section"], &first["key"], first["value"].as_f64()),
        (&"summary".into(), &"number of records".into(), Some(1518.0))
    );
    assert_eq!(json.lines().count() + 1, tsv.lines().count());
    for name in ["genes.gff3.gz", "panel.bed", "reads.fastq.gz", "header_only.bam", "header_only.vcf"] {
        assert!(stdout(&["stats", &data(name)]).contains("contig\t") || name == "reads.fastq.gz", "{name}");
    }
    assert!(stdout(&["stats", &bam, "chrUn_absent"]).starts_with("0 + 0 in total"));

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    stdout(&["stats", &bam, "-o", &at("x.parquet")]);
    stdout(&["convert", &bam, &at("x.bams3")]);
    assert_eq!(stdout(&["stats", &at("x.bams3"), "--scan"]), text);
    let totals = stdout(&["stats", &at("x.bams3")]);
    let flags = |text: &str| text.lines().take(14).map(str::to_owned).collect::<Vec<_>>();
    assert!(flags(&totals) == flags(&text) && totals.contains("\n\ncontig\trecords\nchr1\t2020\n"), "{totals}");
    assert!(failure(&["stats", &at("x.parquet")], 1).contains("rows of a genomic file"));
    assert!(failure(&["stats", "no/such/file.bam"], 1).contains("no/such/file.bam: no such file"));
    assert!(failure(&["stats", &bam, "--where", "mapq >> 3 3"], 1).contains("mapq >> 3 3"));
    assert!(failure(&["stats", &data("reads.fastq"), "chr1"], 1).contains("region"));
    failure(&["stats", &bam, "--format", "native"], 2);
}

#[test]
fn native_text_is_what_was_read() {
    if let Some(samtools) = peer("samtools") {
        let bam = data("sample.bam");
        let theirs = output(&samtools, &["view", "-h", "--no-PG", &bam]);
        assert!(stdout(&["view", &bam, "--format", "native"]) == theirs, "SAM text differs");
        let theirs = output(&samtools, &["view", &bam, "chr2:1k-40k"]);
        assert!(stdout(&["view", &bam, "chr2:1k-40k", "--format", "native", "--no-header"]) == theirs);
    }
    let fastq = std::fs::read_to_string(data("reads.fastq")).unwrap();
    assert!(stdout(&["view", &data("reads.fastq.gz"), "--format", "native"]) == fastq, "FASTQ text differs");
    let vcf = stdout(&["view", &data("cohort.vcf.gz"), "--format", "native"]);
    let (header, rows): (Vec<_>, Vec<_>) = vcf.lines().partition(|l| l.starts_with('#'));
    assert!(header[0].starts_with("##fileformat=VCF") && header.last().unwrap().starts_with("#CHROM\tPOS"));
    assert_eq!(rows.len().to_string(), stdout(&["count", &data("cohort.vcf.gz")]).trim());
    let out = stdout(&["sql", &format!("SELECT * FROM '{}' WHERE start < 0", data("panel.bed")), "--format", "native"]);
    assert_eq!(out, "");
    failure(&["sql", "SELECT 1", "--format", "native"], 1);
}

#[test]
fn text_has_a_header_unless_it_is_left_out() {
    let bam = data("sample.bam");
    let columns = ["view", &bam, "chr1:1-200", "--select", "qname, pos, end"];
    let with = |more: &[&str]| stdout(&[&columns, more].concat());
    let tsv = with(&[]);
    assert!(tsv.starts_with("qname\tpos\tend\n"), "{tsv}");
    assert_eq!(with(&["--no-header"]), tsv.split_once('\n').unwrap().1);
    assert_eq!(with(&["--format", "csv"]), tsv.replace('\t', ","));
    let table = with(&["--format", "table"]);
    assert!(table.starts_with("+--") && table.contains("| qname "), "{table}");
    let json = with(&["--format", "json"]);
    for (line, row) in json.lines().zip(tsv.lines().skip(1)) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let cells = [value["qname"].as_str().unwrap().to_owned(), value["pos"].to_string(), value["end"].to_string()];
        assert_eq!(cells.join("\t"), row);
    }
    assert_eq!(json.lines().count(), tsv.lines().count() - 1);
    assert_eq!(stdout(&["head", &bam, "-n", "3", "--no-header"]).lines().count(), 3);
    assert_eq!(stdout(&["view", &data("header_only.bam"), "--no-header"]), "");
    assert_eq!(stdout(&["count", &data("header_only.vcf")]), "0\n");
    assert_eq!(stdout(&["view", &bam, "chrUn_absent", "--select", "pos"]), "pos\n");
}

#[test]
fn columns_and_plans_are_shown() {
    let schema = stdout(&["schema", &data("cohort.vcf.gz")]);
    assert!(schema.starts_with("name\ttype\tkey\tnumber\tfile_type\tbase\tdescription\n"), "{schema}");
    assert!(schema.contains("\npos\ti64\t.\t.\t.\t1\t.\n") && schema.contains("\ninfo_af\tlist<f32>\tAF\tA\tFloat\t"));
    let query =
        format!("SELECT count(*) FROM '{}' WHERE rname = 'chr1' AND pos < 5000 AND mapq > 20", data("sample.bam"));
    let plan = stdout(&["explain", &query]);
    for fact in ["index=BAI sample.bam.bai", "regions=chr1:", "columns=[", "filter=", "partitions=1 requests=1 "] {
        assert!(plan.lines().any(|l| l.trim_start().starts_with(fact)), "{fact} is not in\n{plan}");
    }
    assert!(!plan.contains("records_seen"));
    let ran = stdout(&["explain", "--analyze", &query]);
    assert!(ran.contains("bytes_read=") && ran.contains("records_kept="), "{ran}");
    let rows = stdout(&["explain", &query, "--format", "json"]);
    assert_eq!(rows.lines().count(), 2);
}

#[test]
fn files_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let all = stdout(&["count", &data("sample.bam"), "chr1"]);
    for name in ["x.parquet", "x.arrow", "x.csv"] {
        let path = folder.path().join(name).display().to_string();
        assert_eq!(stdout(&["view", &data("sample.bam"), "chr1", "--select", "qname, pos, tag_nm", "-o", &path]), "");
        assert_eq!(stdout(&["count", &path]), all, "{name}");
    }
    let path = folder.path().join("all.parquet").display().to_string();
    stdout(&["view", &data("cohort.vcf.gz"), "-o", &path]);
    assert_eq!(stdout(&["count", &path]), stdout(&["count", &data("cohort.vcf.gz")]));
    assert_eq!(files(folder.path()), ["all.parquet", "x.arrow", "x.csv", "x.parquet"]);
}

#[test]
fn errors_say_where_and_leave_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let said = failure(&["count", "no/such/file.bam"], 1);
    assert!(said.contains("no/such/file.bam"), "{said}");
    let bam = data("sample.bam");
    assert!(failure(&["view", &bam, "--where", "mapq >> 3 3"], 1).contains("mapq >> 3 3"));
    assert!(failure(&["view", &bam, "--where", "nosuch = 3"], 1).contains("nosuch"));
    assert!(failure(&["view", &bam, "chr1:x"], 1).contains("chr1:x"));
    assert!(failure(&["sql", "SELEC 1"], 1).contains("SELEC"));
    assert!(failure(&["view", &data("reads.fastq"), "chr1"], 1).contains("region"));

    let bytes = std::fs::read(&bam).unwrap();
    let cut = folder.path().join("cut.bam").display().to_string();
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    assert!(failure(&["count", &cut], 1).contains("cut.bam"));
    let kept = folder.path().join("kept.tsv");
    std::fs::write(&kept, "precious").unwrap();
    let args = ["view", &cut, "--allow-missing-eof", "-o", kept.to_str().unwrap()];
    let said = failure(&args, 1);
    assert!(said.contains("gf: warning: ") && said.contains("end-of-file"), "{said}");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "precious");
    assert_eq!(files(folder.path()), ["cut.bam", "kept.tsv"]);
    assert!(failure(&["view", &bam, "-o", "no/such/folder/x.tsv"], 1).contains("folder does not exist"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told() {
    for format in ["tsv", "json", "arrow", "parquet", "native", "table"] {
        let said = failure(&["view", &data("sample.bam"), "--format", format, "-o", "/dev/full"], 1);
        assert!(said.contains("/dev/full: cannot be written: No space left"), "{format}: {said}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for format in ["tsv", "csv", "json", "arrow"] {
        let mut child = gf();
        let child = child.args(["sql", &endless(), "--format", format]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut pipe = BufReader::new(child.stdout.take().unwrap());
        assert!(!pipe.fill_buf().unwrap().is_empty());
        drop(pipe);
        let out = child.wait_with_output().unwrap();
        assert_eq!((out.status.code(), String::from_utf8(out.stderr).unwrap()), (Some(0), String::new()), "{format}");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_ends_at_once_and_leaves_nothing() {
    // Computes without a pause.
    let busy = endless().replace("a.qname, b.qname, c.qname", "sum(a.pos + b.pos + c.pos)");
    for (signal, code, query) in [("-INT", 130, endless()), ("-TERM", 143, endless()), ("-INT", 130, busy)] {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("x.tsv");
        std::fs::write(&kept, "precious").unwrap();
        let mut child = gf().args(["sql", &query, "-o"]).arg(&kept).spawn().unwrap();
        let started = Instant::now();
        while files(folder.path()).len() < 2 && started.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(files(folder.path()).len(), 2, "no temporary file while it runs");
        std::thread::sleep(Duration::from_millis(500));
        let sent = Instant::now();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
        assert_eq!(files(folder.path()), ["x.tsv"]);
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "precious");
    }
}

#[test]
fn datasets_are_made_and_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (bam, dataset) = (data("sample.bam"), at("x.bams3"));
    let out = run(&["convert", &bam, &dataset, "--chunk-rows", "500", "--level", "small"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success() && out.stdout.is_empty() && said.starts_with("4,905 reads in "), "{said}");
    assert_eq!(stdout(&["count", &dataset]), "4905\n");
    assert!(failure(&["convert", &bam, &dataset], 1).contains("--overwrite"));

    let info = stdout(&["bams3", "info", &dataset]);
    assert!(info.contains("\nlevel\tsmall\n") && info.contains("\nrows\t4905\n"), "{info}");
    let chunks = stdout(&["bams3", "chunks", &dataset]);
    assert!(chunks.starts_with("chunk\tcontig\tstart\tend\trows\tgroups\tbytes\tpath\n0\tchr1\t"), "{chunks}");
    let rows: u64 = chunks.lines().skip(1).map(|l| l.split('\t').nth(4).unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(rows, 4905);
    let json: serde_json::Value = serde_json::from_str(&stdout(&["bams3", "stats", &dataset, "--json"])).unwrap();
    let stats = stdout(&["bams3", "stats", &dataset]);
    assert_eq!(json["rows"], 4905);
    let mapq: u64 = stdout(&["count", &bam, "--where", "mapq >= 30"]).trim().parse().unwrap();
    assert_eq!(json["mapq_at_least"]["30"], mapq);
    let chr2: u64 = stdout(&["sql", &format!("SELECT count(*) FROM '{bam}' WHERE rname = 'chr2'"), "--no-header"])
        .trim()
        .parse()
        .unwrap();
    assert_eq!(json["contigs"]["chr2"], chr2);
    if let Some(samtools) = peer("samtools") {
        for line in output(&samtools, &["flagstat", "-O", "tsv", &bam]).lines() {
            let fields: Vec<_> = line.split('\t').collect();
            let name = fields[2].replace("total (QC-passed reads + QC-failed reads)", "total");
            // Shares, and mates on other contigs, which flags do not tell.
            if !name.contains('%') && !name.contains("different chr") {
                assert!(stats.contains(&format!("\n{name}\t{}\t{}\n", fields[0], fields[1])), "{line}\n{stats}");
            }
        }
    }

    stdout(&["convert", &bam, &dataset, "--overwrite"]);
    let listed = stdout(&["bams3", "gc", &dataset, "--dry-run"]);
    let removed = stdout(&["bams3", "gc", &dataset]);
    assert_eq!(listed.replace("to remove:", "removed:"), removed);
    assert!(removed.lines().count() > 5, "{removed}");
    assert_eq!(stdout(&["bams3", "gc", &dataset]), "removed: 0 objects, 0 bytes\n");
    assert_eq!(stdout(&["sql", &format!("SELECT count(qname) FROM '{dataset}'"), "--no-header"]), "4905\n");
    failure(&["bams3", "gc", &at("none.bams3")], 1);
    failure(&["bams3", "info", &at("none.bams3")], 1);
    assert_eq!(files(folder.path()), ["x.bams3"]);
}

#[test]
fn conversions_go_where_they_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let bam = data("sample.bam");
    let (sam, dataset) = (at("x.sam"), at("x.bams3"));
    stdout(&["convert", &bam, &sam]);
    let mut child = gf();
    let child = child.args(["convert", "-", &dataset, "--memory", "1M"]).stdin(std::fs::File::open(&sam).unwrap());
    assert!(child.output().unwrap().status.success());
    let sam_again = at("y.sam");
    stdout(&["convert", &dataset, &sam_again]);
    assert!(std::fs::read(&sam).unwrap() == std::fs::read(&sam_again).unwrap(), "the text differs");
    for name in ["x.parquet", "x.arrow"] {
        stdout(&["convert", &dataset, &at(name)]);
        assert_eq!(stdout(&["count", &at(name)]), "4905\n");
    }
    // In another order, and with a header that says nothing of it.
    let text = std::fs::read_to_string(&sam).unwrap();
    let (header, mut rows): (Vec<_>, Vec<_>) = text.lines().partition(|l| l.starts_with('@'));
    rows.reverse();
    let header: Vec<_> = header.into_iter().filter(|l| !l.starts_with("@HD")).collect();
    std::fs::write(at("z.sam"), [header, rows].concat().join("\n")).unwrap();
    stdout(&["convert", &at("z.sam"), &at("z.bams3")]);
    let order = |path: &str| stdout(&["view", path, "--select", "rname, pos", "--no-header"]);
    assert!(order(&at("z.bams3")) == order(&bam));
    assert!(stdout(&["bams3", "info", &at("z.bams3")]).contains(", sorted by the writer\n"));

    failure(&["convert", "-", &at("q.bams3"), "--resume"], 2);
    failure(&["convert", "-", &at("q.tsv")], 2);
    failure(&["convert", &bam, &at("q.tsv"), "--level", "small"], 2);
    failure(&["convert", &bam, &at("q.bams3"), "--level", "tiny"], 2);
    failure(&["convert", &bam, &at("q.cram")], 2);
    failure(&["convert", &at("none.bam"), &at("q.bams3")], 1);
    assert!(!folder.path().join("q.bams3").exists());
}

#[test]
#[cfg(unix)]
fn an_interrupted_conversion_leaves_no_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = folder.path().join("x.bams3");
    let mut command = gf();
    let command = command.args(["convert", "-"]).arg(&dataset).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Held open: it waits for its input. (`wait` would close it.)
    let input = child.stdin.take();
    std::thread::sleep(Duration::from_millis(500));
    let sent = Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(input);
    assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert_eq!(said, "gf: interrupted; --overwrite begins anew\n");
    assert!(!dataset.join("_metadata.json").exists());
    failure(&["count", dataset.to_str().unwrap()], 1);
}
