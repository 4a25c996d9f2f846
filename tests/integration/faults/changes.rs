//! Files and objects that change while they are read: all rows of one version, or an error; never rows of two, never fewer.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use futures::StreamExt;
use genomicframe::GenomicContext;
use genomicframe::core::formats::by_id;
use genomicframe::core::io::{LocalIo, Location};
use genomicframe::core::scan::OpenOptions;

use super::{Samples, bgzip, copy, gf, said, seeds, tree};
use crate::remote::servers::{self, options, s3_options};
use crate::support::{Random, context, data, sorted};

/// Two versions of each file: all of the other's names differ, and where that can be its sizes do not.
struct Versions {
    folder: tempfile::TempDir,
}

const FILES: [(&str, &str); 5] = [
    ("reads.bam", "qname, pos, seq"),
    ("reads.sam", "qname, pos, seq"),
    ("cohort.vcf.gz", "chrom, pos, ref"),
    ("reads.fastq", "id, seq"),
    ("reads.bams3", "qname, pos, seq"),
];

impl Versions {
    fn make() -> Self {
        let (samples, folder) = (Samples::get(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        let text = |name: &str| std::fs::read_to_string(samples.path(name)).unwrap();
        std::fs::write(at("reads.sam"), text("reads.sam").replace("\nr", "\ns")).unwrap();
        std::fs::write(at("reads.fastq"), text("reads.fastq").replace("@r", "@s")).unwrap();
        std::fs::write(at("cohort.vcf"), text("cohort.vcf").replace("chr", "CHR")).unwrap();
        bgzip(&at("cohort.vcf"), &at("cohort.vcf.gz"));
        for (from, to) in [("reads.sam", "reads.bams3"), ("reads.bams3", "reads.bam")] {
            let rows: &[&str] = if to == "reads.bams3" { &["--chunk-rows", "1000"] } else { &[] };
            let made = gf().arg("convert").args([at(from), at(to)]).args(rows).output().unwrap();
            assert!(made.status.success(), "{}", said(&made));
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// The other version is written over it, in its place.
    Rewrite,
    /// The other version takes its name.
    Rename,
    Truncate,
    Append,
    Remove,
}

const CHANGES: [Change; 5] = [Change::Rewrite, Change::Rename, Change::Truncate, Change::Append, Change::Remove];

impl Change {
    fn apply(self, to: &Path, other: &Path) {
        use std::io::Write;
        match self {
            Self::Rewrite => {
                let mut file = std::fs::File::options().write(true).open(to).unwrap();
                let bytes = std::fs::read(other).unwrap();
                file.write_all(&bytes).unwrap();
                file.set_len(bytes.len() as u64).unwrap();
            }
            Self::Rename => {
                let new = to.with_extension("new");
                std::fs::copy(other, &new).unwrap();
                std::fs::rename(new, to).unwrap();
            }
            Self::Truncate => {
                let file = std::fs::File::options().write(true).open(to).unwrap();
                file.set_len(file.metadata().unwrap().len() / 2).unwrap();
            }
            Self::Append => {
                let mut file = std::fs::File::options().append(true).open(to).unwrap();
                file.write_all(&std::fs::read(other).unwrap()).unwrap();
            }
            Self::Remove => std::fs::remove_file(to).unwrap(),
        }
    }
}

/// A copy of a sample that was written a while ago.
fn place(name: &str, to: &Path) {
    let from = Samples::get().path(name);
    if from.is_dir() {
        copy(&from, to);
    } else {
        std::fs::copy(from, to).unwrap();
        let then = SystemTime::now() - Duration::from_secs(100);
        std::fs::File::options().write(true).open(to).unwrap().set_modified(then).unwrap();
    }
}

/// What came of a query: its rows, or what was told.
type Came = Result<Vec<String>, String>;

/// Asks for all rows, and has `change` happen when `batches` have come.
async fn ask(ctx: &GenomicContext, sql: &str, batches: u64, change: impl FnOnce()) -> Came {
    let told = |e: genomicframe::Error| e.to_string();
    let frame = ctx.sql(sql).await.map_err(told)?;
    let mut stream = frame.execute_stream().await.map_err(|e| told(e.into()))?;
    let (mut all, mut change) = (Vec::new(), Some(change));
    for n in 0.. {
        if n == batches
            && let Some(change) = change.take()
        {
            change();
        }
        let Some(batch) = stream.next().await else { break };
        all.push(batch.map_err(|e| told(e.into()))?);
    }
    Ok(sorted(&all))
}

#[derive(Default)]
struct Tally {
    whole: u64,
    errors: u64,
}

impl Tally {
    fn add(&mut self, what: &str, name: &str, came: Came, expected: &[String]) {
        match came {
            Ok(rows) => {
                assert!(rows == expected, "{what}: {} rows of {}, or others", rows.len(), expected.len());
                self.whole += 1;
            }
            Err(e) => {
                assert!(e.contains(name), "{what}: {e}");
                self.errors += 1;
            }
        }
    }

    fn judge(&self, of: &str, begun: Instant) {
        let Self { whole, errors } = self;
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "{of}: {} schedules, {whole} whole, {errors} errors, 0 mixed, 0 missing rows, {seconds:.0} s",
            whole + errors
        );
        assert!(*errors > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_changing_file_are_of_one_version() {
    let (other, begun) = (Versions::make(), Instant::now());
    let mut tally = Tally::default();
    for (name, columns) in FILES.into_iter().filter(|(name, _)| *name != "reads.bams3") {
        let sql = |path: &Path| format!("SELECT {columns} FROM '{}'", path.display());
        let expected = ask(&context(2, 8192), &sql(&Samples::get().path(name)), 0, || ()).await.unwrap();
        for seed in 0..seeds(1) {
            for change in CHANGES {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join(name);
                place(name, &path);
                let mut random = Random(seed * 31 + change as u64);
                let ctx = context([1, 1, 2, 4][random.below(4) as usize], [500, 8192][random.below(2) as usize]);
                let came = ask(&ctx, &sql(&path), random.below(8), || change.apply(&path, &other.path(name))).await;
                let what = format!("{name}: {change:?}, seed {seed}");
                if change == Change::Rename {
                    // What was opened is still there.
                    assert!(came.is_ok(), "{what}: {came:?}");
                }
                tally.add(&what, name, came, &expected);
            }
        }
    }
    tally.judge("changing files", begun);
}

/// Chunks never change, so that what is there in place of one is told by its checksums.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_changing_dataset_are_of_one_version() {
    let (other, begun) = (Versions::make(), Instant::now());
    let mut tally = Tally::default();
    let sql = |path: &Path| format!("SELECT qname, pos, seq FROM '{}'", path.display());
    let expected = ask(&context(2, 8192), &sql(&Samples::get().path("reads.bams3")), 0, || ()).await.unwrap();
    for seed in 0..seeds(1) {
        for change in CHANGES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("reads.bams3");
            place("reads.bams3", &path);
            let mut random = Random(seed * 37 + change as u64);
            let chunks = |of: &Path| -> Vec<PathBuf> {
                tree(of).into_keys().filter(|key| key.ends_with(".chunk")).map(|key| of.join(key)).collect()
            };
            let (mine, theirs) = (chunks(&path), chunks(&other.path("reads.bams3")));
            let which = random.below(mine.len() as u64) as usize;
            let ctx = context([1, 2, 4][random.below(3) as usize], [500, 8192][random.below(2) as usize]);
            let apply = || change.apply(&mine[which], &theirs[which]);
            let came = ask(&ctx, &sql(&path), random.below(4), apply).await;
            if let Err(e) = &came {
                let chunk = mine[which].file_name().unwrap().to_str().unwrap();
                assert!(e.contains(chunk), "{e}: nothing of {chunk}, which says contig and positions");
            }
            tally.add(&format!("{change:?} of a chunk, seed {seed}"), "reads.bams3", came, &expected);
            // Of the next query, too.
            if change != Change::Append {
                let e = ask(&context(2, 8192), &sql(&path), 0, || ()).await.unwrap_err();
                assert!(e.contains(mine[which].file_name().unwrap().to_str().unwrap()), "{change:?}: {e}");
            }
        }
    }
    tally.judge("changing datasets", begun);
}

/// Objects change at once, to another version.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_changing_object_are_of_one_version() {
    let (other, begun) = (Versions::make(), Instant::now());
    let root = tempfile::tempdir().unwrap();
    let lab = root.path().join("lab");
    std::fs::create_dir(&lab).unwrap();
    let server = servers::s3(root.path()).await;
    let mut tally = Tally::default();
    for (name, columns) in FILES.into_iter().filter(|(name, _)| *name != "reads.bams3") {
        let expected = {
            let sql = format!("SELECT {columns} FROM '{}'", Samples::get().path(name).display());
            ask(&context(2, 8192), &sql, 0, || ()).await.unwrap()
        };
        for seed in 0..seeds(1) {
            for change in [Change::Rename, Change::Remove] {
                let path = lab.join(name);
                place(name, &path);
                let mut random = Random(seed * 41 + change as u64);
                let mut small = s3_options(&server);
                small.extend(options(&[("genomicframe_request_bytes", "512K"), ("genomicframe_requests_ahead", "1")]));
                let ctx = servers::context(&small);
                let sql = format!("SELECT {columns} FROM 's3://lab/{name}'");
                let came = ask(&ctx, &sql, random.below(3), || change.apply(&path, &other.path(name))).await;
                tally.add(&format!("{name}: {change:?}, seed {seed}"), name, came, &expected);
            }
        }
    }
    tally.judge("changing objects", begun);
}

/// A conversion's input.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changing_input_makes_no_dataset_or_that_of_one_version() {
    let (other, begun) = (Versions::make(), Instant::now());
    let ctx = context(2, 8192);
    let (mut whole, mut errors) = (0, 0);
    for seed in 0..seeds(2) {
        for change in CHANGES {
            let name = ["reads.bam", "reads.sam"][seed as usize % 2];
            let folder = tempfile::tempdir().unwrap();
            let (path, to) = (folder.path().join(name), folder.path().join("x.bams3").display().to_string());
            place(name, &path);
            let wait = Duration::from_micros(Random(seed * 43 + change as u64).below(8_000));
            let (changed, from) = (path.clone(), other.path(name));
            let meanwhile = std::thread::spawn(move || {
                std::thread::sleep(wait);
                change.apply(&changed, &from);
            });
            let made = ctx.convert(path.to_str().unwrap(), &to, &crate::bams3::small()).await;
            meanwhile.join().unwrap();
            let what = format!("{name}: {change:?}, seed {seed}");
            match made {
                Ok(_) => {
                    let names = format!("SELECT qname, pos, seq FROM '{to}'");
                    let rows = ask(&ctx, &names, 0, || ()).await.unwrap();
                    let versions = [Samples::get().path(name), other.path(name)];
                    let mut is_one = false;
                    for version in versions {
                        let sql = format!("SELECT qname, pos, seq FROM '{}'", version.display());
                        is_one |= rows == ask(&ctx, &sql, 0, || ()).await.unwrap();
                    }
                    assert!(is_one, "{what}: {} rows", rows.len());
                    whole += 1;
                }
                Err(e) => {
                    assert!(e.to_string().contains(name), "{what}: {e}");
                    assert!(!Path::new(&to).join("_metadata.json").exists(), "{what}");
                    errors += 1;
                }
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!("changing inputs: {} schedules, {whole} whole, {errors} errors, 0 mixed, {seconds:.0} s", whole + errors);
}

/// A file and its index are replaced together: the index of the new one is not used with the old one, which is open still.
#[tokio::test]
async fn an_index_of_the_next_version_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bam");
    let replace = |name: &str| {
        for suffix in ["", ".bai"] {
            let new = folder.path().join("new");
            std::fs::copy(data(&format!("{name}.bam{suffix}")), &new).unwrap();
            std::fs::rename(&new, folder.path().join(format!("x.bam{suffix}"))).unwrap();
        }
    };
    replace("sample");
    let (io, at) = (LocalIo::default(), Location::Local(path));
    let dataset = by_id("bam").unwrap().open(&at, &io, &OpenOptions::default()).await.unwrap();
    replace("sample");
    let e = dataset.load_index(&io, None).await.unwrap_err().to_string();
    assert!(e.contains("x.bam: the file was replaced or rewritten while its index was being read"), "{e}");
    let dataset = by_id("bam").unwrap().open(&at, &io, &OpenOptions::default()).await.unwrap();
    dataset.load_index(&io, None).await.unwrap();
}
