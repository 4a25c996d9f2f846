//! BAMS3 against the BAM it was made from: the same rows however they are asked for, and no more read than is needed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use genomicframe::bams3::metadata::{Metadata, ROOT};
use genomicframe::bams3::writer::Cutting;
use genomicframe::convert::ConvertOptions;
use genomicframe::{GenomicContext, GenomicFrame};

use crate::support::{Random, analyzed, context, counted, data, number, query};

/// Settings that make many chunks and row groups of a small file.
pub fn small() -> ConvertOptions {
    let cutting = Cutting { group_rows: 64, chunk_rows: Some(256), chunk_bytes: 16 << 10, ..Cutting::default() };
    ConvertOptions::new().cutting(cutting).threads(2)
}

/// Makes a dataset of a BAM, once for all tests.
fn dataset_of(bam: &str) -> String {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    static EACH: OnceLock<Vec<(String, PathBuf)>> = OnceLock::new();
    let folder = MADE.get_or_init(|| tempfile::tempdir().unwrap()).path();
    let each = EACH.get_or_init(|| {
        let make = |name: &str, from: &str| {
            let to = folder.join(format!("{name}.bams3"));
            genomicframe::convert::convert(from, to.to_str().unwrap(), &small()).unwrap();
            (name.to_owned(), to)
        };
        let unique = folder.join("unique.sam");
        write_sam(&format!("SELECT * FROM '{}' WHERE flag & 1024 = 0", data("sample.bam")), &unique);
        vec![
            make("sample", &data("sample.bam")),
            make("long_cigar", &data("long_cigar.bam")),
            make("header_only", &data("header_only.bam")),
            make("unique", unique.to_str().unwrap()),
        ]
    });
    each.iter().find(|(name, _)| name == bam).unwrap().1.display().to_string()
}

/// Writes what a query selects of alignments as SAM.
pub fn write_sam(sql: &str, to: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sql, to) = (sql.to_owned(), to.to_owned());
    // A test may be a task itself.
    let done = std::thread::spawn(move || {
        runtime.block_on(async {
            use genomicframe::{Execution, Native, OutputFormat, Target, WriteOptions};
            let frame = context(1, 8192).sql(&sql).await.unwrap();
            let native = Native::of(&frame).unwrap();
            let options = WriteOptions::new().native(native);
            let execution = Execution::new(frame).await.unwrap();
            execution.write(OutputFormat::Native, Target::File(to), &options).await.unwrap();
        });
    });
    done.join().unwrap();
}

async fn columns(ctx: &GenomicContext, path: &str) -> Vec<String> {
    let frame = ctx.sql(&format!("SELECT * FROM '{path}'")).await.unwrap();
    frame.schema().fields().iter().map(|f| format!("\"{}\"", f.name())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_those_of_the_bam() {
    for name in ["sample", "long_cigar", "header_only"] {
        let (bam, dataset) = (data(&format!("{name}.bam")), dataset_of(name));
        // A dataset knows every tag, a BAM those that its first records show.
        let (of_bam, all) = (columns(&context(1, 8192), &bam).await, columns(&context(1, 8192), &dataset).await);
        assert!(of_bam.iter().all(|c| all.contains(c)), "{name}: {of_bam:?} of {all:?}");
        let names = of_bam.join(", ");
        let expected = query(&context(1, 8192), &format!("SELECT {names} FROM '{bam}'")).await;
        for (threads, batch) in [(1, 1), (1, 8192), (3, 7), (3, 8192)] {
            let found = query(&context(threads, batch), &format!("SELECT {names} FROM '{dataset}'")).await;
            assert!(found == expected, "{name}: {threads} partitions, batches of {batch}");
        }
    }
}

/// A condition, as SQL, of random kinds and values.
fn condition(random: &mut Random) -> String {
    let contig = ["chr1", "chr2", "chr10", "chrX", "chrM"][random.below(5) as usize];
    let start = random.below(60_000);
    let end = start + [1, 50, 2_000, 30_000][random.below(4) as usize];
    let region = match random.below(4) {
        0 => format!("in_region(rname, pos, end, '{contig}:{}-{end}')", start + 1),
        1 => format!("rname = '{contig}' AND pos BETWEEN {start} AND {end}"),
        2 => format!("rname = '{contig}' AND end >= {start} AND pos <= {end}"),
        _ => format!("rname IN ('{contig}', 'chr2')"),
    };
    let other = match random.below(9) {
        0 => format!("mapq >= {}", [0, 1, 20, 30, 60, 61][random.below(6) as usize]),
        1 => format!("flag & {} = 0", [4, 16, 256, 1024, 3844][random.below(5) as usize]),
        2 => "is_duplicate(flag)".into(),
        3 => "tag_nm > 1".into(),
        4 => "tag_rg IS NOT NULL".into(),
        5 => format!("qname LIKE '%{}'", random.below(10)),
        6 => "tlen < 0".into(),
        7 => "NOT (mapq < 30 OR is_secondary(flag))".into(),
        _ => "rnext IS NULL OR pnext > pos".into(),
    };
    match random.below(4) {
        0 => region,
        1 => other,
        2 => format!("{region} AND ({other})"),
        _ => format!("({region}) OR ({other})"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_conditions_select_the_same_rows() {
    let (bam, dataset) = (data("sample.bam"), dataset_of("sample"));
    let contexts = [context(1, 1), context(1, 8192), context(3, 7), context(3, 8192)];
    let mut random = Random(7);
    let mut some = 0;
    for round in 0..200 {
        let filter = condition(&mut random);
        let columns = ["qname, pos, cigar", "*", "count(*)", "tags, seq", "flag, tag_nm"][round % 5];
        let columns = if columns == "*" { "qname, flag, rname, pos, end, mapq, seq, qual, tags" } else { columns };
        let of = |path: &str| format!("SELECT {columns} FROM '{path}' WHERE {filter}");
        let expected = query(&contexts[1], &of(&bam)).await;
        let found = query(&contexts[round % 4], &of(&dataset)).await;
        assert!(found == expected, "{filter}: {} rows, expected {}", found.len(), expected.len());
        some += usize::from(expected.len() > 1);
    }
    assert!(some > 60, "{some} of the conditions select rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn less_is_read_where_less_is_needed() {
    let dataset = dataset_of("sample");
    let ctx = context(1, 8192);
    let of = |columns: &str, filter: &str| format!("SELECT {columns} FROM '{dataset}' {filter}");
    let region = "WHERE rname = 'chr2' AND pos BETWEEN 20000 AND 21000";
    let plan = query(&ctx, &format!("EXPLAIN {}", of("qname", region))).await.join("\n");
    let chunks = plan.split("chunks=").nth(1).unwrap();
    let (read, rest) = chunks.split_once(" of ").unwrap();
    let all: u64 = rest.split_whitespace().next().unwrap().parse().unwrap();
    assert!(read.parse::<u64>().unwrap() * 4 < all && all > 10, "{plan}");
    assert!(plan.contains("outside the regions"), "{plan}");

    let read = |sql: String| {
        let ctx = ctx.clone();
        async move {
            let plan = analyzed(&ctx, &sql).await;
            (counted(&plan, "bytes_read"), counted(&plan, " requests"))
        }
    };
    let whole = read(of("sum(length(seq)), sum(length(qual)), sum(length(qname)), sum(pos)", "")).await;
    let part = read(of("sum(length(seq)), sum(length(qual)), sum(length(qname)), sum(pos)", region)).await;
    assert!(part.0 > 0 && part.0 * 4 < whole.0 && part.1 < whole.1, "{part:?} of {whole:?}");

    // Of chunks that are no larger than a request's worth, all columns are read at once: these are larger.
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.bams3").display().to_string();
    ctx.convert(&data("sample.bam"), &large, &ConvertOptions::new()).await.unwrap();
    let all = read(format!("SELECT sum(length(seq)), sum(length(qual)), sum(pos) FROM '{large}'")).await;
    let column = read(format!("SELECT sum(mapq) FROM '{large}'")).await;
    assert!(column.0 > 0 && column.0 * 2 < all.0, "{column:?} of {all:?}");
}

/// Answered by root and index: no byte of a chunk is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_statistics_answer_reads_nothing() {
    let (bam, dataset) = (data("sample.bam"), dataset_of("sample"));
    let unique = dataset_of("unique");
    let ctx = context(2, 8192);
    for (path, sql) in [
        (&dataset, "SELECT count(*) FROM '@' WHERE mapq >= 30"),
        (&dataset, "SELECT count(*) FROM '@'"),
        (&dataset, "SELECT min(pos), max(pos), min(\"end\"), max(\"end\") FROM '@'"),
        (&dataset, "SELECT min(mapq), max(mapq), min(tlen), max(tlen), count(*) FROM '@'"),
    ] {
        let here = sql.replace('@', path);
        let plan = analyzed(&ctx, &here).await;
        assert_eq!(counted(&plan, "bytes_read"), 0, "{here}: {plan}");
        assert_eq!(query(&ctx, &here).await, query(&ctx, &sql.replace('@', &bam)).await, "{here}");
    }
    // Only row groups that two contigs share are looked into.
    let some = format!("SELECT count(*) FROM '{dataset}' WHERE rname = 'chr2' AND mapq >= 20");
    let plan = analyzed(&ctx, &some).await;
    assert!(counted(&plan, "bytes_read") < 3000 && plan.contains("counted by statistics"), "{plan}");
    assert_eq!(query(&ctx, &some).await, query(&ctx, &some.replace(&dataset, &bam)).await);
    for sql in ["SELECT min(pos), max(pos) FROM '@'", "SELECT count(*), max(mapq) FROM '@'"] {
        let plan = query(&ctx, &format!("EXPLAIN {}", sql.replace('@', &dataset))).await.join("\n");
        assert!(plan.contains("PlaceholderRowExec"), "{plan}");
    }
    let none = format!("SELECT qname, seq FROM '{unique}' WHERE is_duplicate(flag)");
    let plan = analyzed(&ctx, &none).await;
    assert_eq!(counted(&plan, "bytes_read"), 0, "{plan}");
    assert!(query(&ctx, &none).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_opens_it() {
    let dataset = dataset_of("sample");
    let ctx = context(2, 8192);
    let all = number(&ctx, &format!("SELECT count(*) FROM '{}'", data("sample.bam"))).await;
    let create = format!("CREATE EXTERNAL TABLE reads STORED AS BAMS3 LOCATION '{dataset}'");
    ctx.sql(&create).await.unwrap().collect().await.unwrap();
    for from in [
        format!("'{dataset}'"),
        format!("'{dataset}/'"),
        format!("read_bams3('{dataset}')"),
        format!("read_files('{dataset}/')"),
        "reads".into(),
    ] {
        assert_eq!(number(&ctx, &format!("SELECT count(*) FROM {from}")).await, all, "{from}");
        assert_eq!(number(&ctx, &format!("SELECT count(qname) FROM {from}")).await, all, "{from}");
    }
    let region = format!("SELECT count(*) FROM read_bams3('{dataset}', region => 'chr2:1-5000')");
    let expected = format!("SELECT count(*) FROM read_bam('{}', region => 'chr2:1-5000')", data("sample.bam"));
    assert_eq!(query(&ctx, &region).await, query(&ctx, &expected).await);
    assert_eq!(GenomicFrame::scan(&dataset).unwrap().count().unwrap() as u64, all);
    assert_eq!(GenomicFrame::scan_bams3(format!("{dataset}/")).unwrap().count().unwrap() as u64, all);
    // By its root, whatever its name.
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(&dataset), &folder.path().join("anything"));
    let path = folder.path().join("anything").display().to_string();
    assert_eq!(number(&ctx, &format!("SELECT count(*) FROM '{path}'")).await, all);
    // As text.
    let sam = folder.path().join("x.sam");
    write_sam(&format!("SELECT * FROM '{dataset}'"), &sam);
    let rows = "SELECT qname, flag, pos, cigar, seq, qual, tags FROM '@'";
    let expected = query(&ctx, &rows.replace('@', &data("sample.bam"))).await;
    assert!(query(&ctx, &rows.replace('@', sam.to_str().unwrap())).await == expected);
    assert_eq!(GenomicFrame::scan_sam(sam.as_path()).unwrap().count().unwrap() as u64, all);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_datasets_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(2, 8192);
    for sample in ["mother", "child"] {
        let sam = folder.path().join("x.sam");
        let text = format!(
            "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\n@RG\tID:a\tSM:{sample}\n{sample}\t0\tchr1\t9\t60\t4M\t*\t0\t0\tACGT\tIIII\tRG:Z:a\n"
        );
        std::fs::write(&sam, text).unwrap();
        let to = folder.path().join(format!("cohort/run={sample}/{sample}.bams3"));
        ctx.convert(sam.to_str().unwrap(), to.to_str().unwrap(), &small()).await.unwrap();
    }
    let cohort = folder.path().join("cohort").display().to_string();
    for paths in [cohort.clone(), format!("{cohort}/"), format!("{cohort}/*/*.bams3"), format!("{cohort}/*/*.bams3/")] {
        let rows = query(&ctx, &format!("SELECT qname, sample, run, file FROM '{paths}'")).await;
        let file = |s: &str| format!("{s}\t{s}\t{s}\t{cohort}/run={s}/{s}.bams3");
        assert_eq!(rows, [file("child"), file("mother")], "{paths}");
        let one = format!("SELECT qname FROM '{paths}' WHERE sample = 'child'");
        assert_eq!(query(&ctx, &one).await, ["child"]);
        let plan = query(&ctx, &format!("EXPLAIN {one}")).await.join("");
        assert!(plan.contains("excluded=1"), "{plan}");
    }
}

fn root_of(dataset: &Path) -> Metadata {
    Metadata::parse(&std::fs::read(dataset.join(ROOT)).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_conversion_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(2, 8192);
    let (bam, to) = (data("sample.bam"), folder.path().join("x.bams3"));
    let name = to.display().to_string();
    let whole = folder.path().join("whole.bams3");
    ctx.convert(&bam, whole.to_str().unwrap(), &small()).await.unwrap();
    {
        let options = small();
        let progress = options.progress();
        let mut running = Box::pin(ctx.convert(&bam, &name, &options));
        // Dropped, as a killed process drops it, once some chunks are stored.
        loop {
            tokio::select! {
                biased;
                done = &mut running => panic!("too fast to be interrupted: {done:?}"),
                () = tokio::time::sleep(std::time::Duration::from_millis(1)) => {}
            }
            if progress.chunks() >= 2 {
                break;
            }
        }
    }
    assert!(!to.join(ROOT).exists());
    let e = ctx.sql(&format!("SELECT * FROM '{name}'")).await.unwrap_err();
    assert!(e.is_not_found() && e.to_string().contains("--resume"), "{e}");
    let e = ctx.convert(&bam, &name, &small()).await.unwrap_err().to_string();
    assert!(e.contains("--resume") && e.contains("--overwrite"), "{e}");
    let e = ctx.convert(&data("long_cigar.bam"), &name, &small().resume(true)).await.unwrap_err().to_string();
    assert!(e.contains("another input"), "{e}");
    let made = ctx.convert(&bam, &name, &small().resume(true)).await.unwrap();
    assert!(made.resumed_chunks() >= 2, "{made:?}");
    assert_eq!(root_of(&to), root_of(&whole));
    let e = ctx.convert(&bam, &name, &small()).await.unwrap_err().to_string();
    assert!(e.contains("a dataset is there already") && e.contains("--overwrite"), "{e}");
    ctx.convert(&bam, &name, &small().overwrite(true)).await.unwrap();
    assert_eq!(number(&ctx, &format!("SELECT count(*) FROM '{name}'")).await, made.rows());
}

/// Of two writers one wins, and what it wrote is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(2, 8192);
    let (bam, to) = (data("sample.bam"), folder.path().join("x.bams3").display().to_string());
    let (one, other) = (small(), small());
    let (a, b) = tokio::join!(ctx.convert(&bam, &to, &one), ctx.convert(&bam, &to, &other));
    assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1, "{a:?} {b:?}");
    assert_eq!(number(&ctx, &format!("SELECT count(qname) FROM '{to}'")).await, 4905);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = context(1, 8192);
    let error = |path: String| {
        let ctx = ctx.clone();
        async move { ctx.sql(&format!("SELECT * FROM '{path}'")).await.unwrap_err() }
    };
    let missing = folder.path().join("none.bams3").display().to_string();
    let e = error(missing.clone()).await;
    assert!(e.is_not_found() && e.to_string().starts_with(&format!("{missing}: no BAMS3 dataset")), "{e}");
    let file = folder.path().join("file.bams3").display().to_string();
    std::fs::write(&file, "text").unwrap();
    assert!(error(file.clone()).await.to_string().contains("file.bams3"));

    let later = folder.path().join("later.bams3");
    copy(Path::new(&dataset_of("sample")), &later);
    let mut root = root_of(&later);
    root.version = "2.0".into();
    std::fs::write(later.join(ROOT), root.to_bytes().unwrap()).unwrap();
    let e = error(later.display().to_string()).await;
    assert!(e.is_unsupported() && e.to_string().contains("a dataset of BAMS3 2.0"), "{e}");

    let damaged = folder.path().join("damaged.bams3");
    copy(Path::new(&dataset_of("sample")), &damaged);
    let index = damaged.join(&root_of(&damaged).index[0].object.path);
    let mut bytes = std::fs::read(&index).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&index, bytes).unwrap();
    let frame = ctx.sql(&format!("SELECT qname FROM '{}'", damaged.display())).await.unwrap();
    let e = frame.collect().await.unwrap_err().to_string();
    assert!(e.contains("SHA-256") && e.contains("_index/"), "{e}");

    let folder_as_input = ctx.convert(&dataset_of("sample"), &missing, &small()).await.unwrap_err();
    assert!(folder_as_input.to_string().contains("is not made anew"), "{folder_as_input}");
    let e = ctx.convert(&data("reads.fastq"), &missing, &small()).await.unwrap_err();
    assert!(e.to_string().contains("neither BAM nor SAM"), "{e}");
    let e = ctx.convert(&data("sample.bam"), "x.cram", &small()).await.unwrap_err();
    assert!(e.is_unsupported(), "{e}");
    assert!(!Path::new(&missing).exists());
}
