//! Written files: whatever number of threads makes them, the same rows in the files' order, and no more read than asked for.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::reader::FileReader;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use genomicframe::{Execution, GenomicContext, Native, OutputFormat, Progress, Target, WriteOptions};

use crate::support::{Random, context, data, rows};

/// SAM text of several pieces, every read with a name of its own: 40,000 reads, about 12 MB.
pub fn reads() -> String {
    let mut text = String::from("@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:200000000\n");
    let mut random = Random(7);
    for read in 0..40_000 {
        let bases = |random: &mut Random| ["A", "C", "G", "T"][random.below(4) as usize];
        let seq: String = (0..100).map(|_| bases(&mut random)).collect();
        let qual: String = (0..100).map(|_| char::from(b'!' + random.below(40) as u8)).collect();
        let placed = read % 1000 != 999;
        let (flag, contig, pos) = if placed { (99, "chr1", 1000 + read * 7) } else { (4, "*", 0) };
        let (cigar, mate) = if placed { ("60M2I38M", "=") } else { ("*", "chr1") };
        writeln!(
            text,
            "r{read}\t{flag}\t{contig}\t{pos}\t60\t{cigar}\t{mate}\t{}\t-{}\t{seq}\t{qual}\tNM:i:{}\tMD:Z:{}A{}\tXB:B:s,-3,{}",
            pos + 300,
            1 + random.below(500),
            random.below(5),
            random.below(50),
            random.below(50),
            random.below(30_000),
        )
        .unwrap();
    }
    text
}

/// A file of [`reads`], and its text.
fn sam() -> (tempfile::TempDir, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (path, text) = (folder.path().join("reads.sam"), reads());
    std::fs::write(&path, &text).unwrap();
    let path = path.display().to_string();
    (folder, path, text)
}

/// Runs on as many threads as the query may use.
fn on_threads<T: Send + 'static>(threads: usize, work: impl Future<Output = T> + Send + 'static) -> T {
    // A test may be a task itself.
    let run = move || {
        let workers = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
        workers.block_on(work)
    };
    std::thread::spawn(run).join().unwrap()
}

async fn execution(planned: usize, threads: usize, sql: &str) -> (Execution, Option<Native>) {
    let mut frame = context(planned, 1000).sql(sql).await.unwrap();
    let native = Native::of(&frame).ok();
    if let Some(native) = &native {
        frame = native.project(frame).unwrap();
    }
    (Execution::new(frame).await.unwrap().threads(threads).await.unwrap(), native)
}

/// What a query writes: the file's bytes.
fn write(format: OutputFormat, planned: usize, threads: usize, sql: &str) -> Vec<u8> {
    let sql = sql.to_owned();
    on_threads(threads, async move {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out");
        let mut options = WriteOptions::new();
        let execution = if format == OutputFormat::Native {
            let (execution, native) = execution(planned, threads, &sql).await;
            let native = native.unwrap();
            let execution = execution.as_text(&native).unwrap();
            options = options.native(native);
            execution
        } else {
            let frame = context(planned, 1000).sql(&sql).await.unwrap();
            Execution::new(frame).await.unwrap().threads(threads).await.unwrap()
        };
        execution.write(format, Target::File(to.clone()), &options).await.unwrap();
        std::fs::read(to).unwrap()
    })
}

#[test]
fn native_text_is_the_file_again_on_any_number_of_threads() {
    let (_folder, path, text) = sam();
    for (planned, threads) in [(1, 1), (1, 2), (1, 7), (4, 4)] {
        let sql = format!("SELECT * FROM '{path}'");
        let written = String::from_utf8(write(OutputFormat::Native, planned, threads, &sql)).unwrap();
        assert!(written == text, "{planned} partitions, {threads} threads");
    }
}

#[test]
fn text_from_the_scan_is_text_from_columns() {
    let (_folder, path, _) = sam();
    for file in [path, data("sample.bam"), data("sample.unindexed.bam"), data("long_cigar.bam")] {
        for filter in ["true", "mapq >= 30 AND flag & 16 = 0", "rname = 'chr1' AND pos BETWEEN 5000 AND 100000"] {
            let direct = write(OutputFormat::Native, 1, 2, &format!("SELECT * FROM '{file}' WHERE {filter}"));
            // A condition that only the engine can test, and that holds for every row.
            let through = format!("SELECT * FROM '{file}' WHERE {filter} AND concat(qname, 'x') <> 'x'");
            assert!(direct == write(OutputFormat::Native, 1, 2, &through), "{file} WHERE {filter}");
        }
    }
}

#[test]
fn columns_of_other_names_or_values_are_not_taken_for_the_file_s_own() {
    let file = data("sample.bam");
    let names: Vec<_> =
        ["qname", "flag", "rname", "mapq", "cigar", "rnext", "pnext", "tlen", "seq", "qual", "tags"].into();
    let sql = format!("SELECT {}, pos + 1 AS pos FROM '{file}'", names.join(", "));
    let (moved, own) = (
        write(OutputFormat::Native, 1, 2, &sql),
        write(OutputFormat::Native, 1, 2, &format!("SELECT * FROM '{file}'")),
    );
    let pos = |text: &[u8]| {
        let text = String::from_utf8(text.to_vec()).unwrap();
        let first = text.lines().find(|l| !l.starts_with('@')).unwrap().split('\t').nth(3).unwrap().parse::<i64>();
        first.unwrap()
    };
    assert_eq!(pos(&moved), pos(&own) + 1);
}

#[test]
fn parquet_and_arrow_hold_the_same_rows_in_order() {
    let (_folder, path, _) = sam();
    let sql = format!("SELECT * FROM '{path}'");
    let serial = rows(&read_arrow(write(OutputFormat::Arrow, 1, 1, &sql)));
    assert_eq!(serial.len(), 40_000);
    for threads in [1, 2, 7] {
        assert!(rows(&read_arrow(write(OutputFormat::Arrow, 1, threads, &sql))) == serial, "{threads} threads");
        let (groups, batches) = read_parquet(write(OutputFormat::Parquet, 1, threads, &sql));
        assert!(rows(&batches) == serial, "{threads} threads");
        assert!(groups <= 2, "{groups} row groups of few rows");
        let long = format!("SELECT qname, repeat(qual, 20) AS long FROM '{path}'");
        let (groups, batches) = read_parquet(write(OutputFormat::Parquet, 1, threads, &long));
        assert!(groups > 1, "{groups} row groups");
        assert!(rows(&batches) == rows(&read_arrow(write(OutputFormat::Arrow, 1, 1, &long))), "{threads} threads");
        let text = |n| write(OutputFormat::Tsv, 1, n, &sql);
        assert!(text(threads) == text(1), "{threads} threads");
    }
}

fn read_arrow(file: Vec<u8>) -> Vec<RecordBatch> {
    FileReader::try_new(std::io::Cursor::new(file), None).unwrap().map(Result::unwrap).collect()
}

fn read_parquet(file: Vec<u8>) -> (usize, Vec<RecordBatch>) {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(file)).unwrap();
    let groups = reader.metadata().num_row_groups();
    (groups, reader.build().unwrap().map(Result::unwrap).collect())
}

#[test]
fn a_limit_reads_little_and_keeps_the_order() {
    let (_folder, path, text) = sam();
    let size = text.len() as u64;
    let first: String = text.split_inclusive('\n').take(2 + 3).collect();
    let (written, read) = on_threads(2, async move {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("out");
        let (execution, native) = execution(1, 2, &format!("SELECT * FROM '{path}' LIMIT 3")).await;
        let native = native.unwrap();
        let execution = execution.as_text(&native).unwrap();
        let progress: Progress = execution.progress();
        let options = WriteOptions::new().native(native);
        execution.write(OutputFormat::Native, Target::File(to.clone()), &options).await.unwrap();
        assert!(progress.requests() > 0);
        (std::fs::read_to_string(to).unwrap(), progress.bytes_read())
    });
    assert_eq!(written, first);
    assert!(read < size / 2, "{read} of {size} bytes for three rows");
}

#[test]
fn a_broken_record_in_the_middle_leaves_the_old_file() {
    let (folder, _, text) = sam();
    let broken = folder.path().join("broken.sam");
    let middle = text.len() / 2 + text[text.len() / 2..].find('\n').unwrap() + 1;
    std::fs::write(&broken, [&text[..middle], "r\t99\tchr1\tnowhere\n", &text[middle..]].concat()).unwrap();
    for format in [OutputFormat::Native, OutputFormat::Parquet, OutputFormat::Arrow, OutputFormat::Tsv] {
        let (to, sql) = (folder.path().join("out"), format!("SELECT * FROM '{}'", broken.display()));
        std::fs::write(&to, "old").unwrap();
        let path = to.clone();
        let failed = on_threads(2, async move {
            let (execution, native) = execution(1, 2, &sql).await;
            let options = native.into_iter().fold(WriteOptions::new(), WriteOptions::native);
            execution.write(format, Target::File(path), &options).await.unwrap_err().to_string()
        });
        assert!(failed.contains("broken.sam"), "{failed}");
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn dropped_writing_stops_at_once_and_leaves_nothing() {
    let (folder, path, _) = sam();
    // Its square is more than a test could wait for.
    let sql = format!("SELECT a.* FROM '{path}' a CROSS JOIN '{path}' b");
    for format in [OutputFormat::Parquet, OutputFormat::Arrow, OutputFormat::Tsv] {
        let (to, sql) = (folder.path().join("out"), sql.clone());
        let started = on_threads(2, async move {
            let frame = GenomicContext::new().sql(&sql).await.unwrap();
            let execution = Execution::new(frame).await.unwrap();
            let options = WriteOptions::new();
            let write = execution.write(format, Target::File(to), &options);
            assert!(tokio::time::timeout(Duration::from_millis(500), write).await.is_err());
            std::time::Instant::now()
        });
        // The runtime waits for its tasks when it goes away.
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(files(folder.path()), ["reads.sam"]);
    }
}

fn files(folder: &Path) -> Vec<String> {
    let paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
}
