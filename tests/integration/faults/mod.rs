//! Storage and processes that fail: killed, full, changed under a reader, raced for. What was there stays or is whole and new.
//!
//! `GF_FAULT_SCHEDULES` says how many seeds each loop tries; `.ci/soak` tries many more than every run does. Faults of answers
//! on their way are in `remote/faults.rs`.
//!
//! | file | what it holds |
//! |---|---|
//! | `kill` | `kill -9` at a random moment of everything that writes |
//! | `disk` | no room for output, temporary files, caches; places that cannot be written to |
//! | `changes` | files and objects that change while they are read |
//! | `store` | writers of datasets that stop at any request, that race, and readers meanwhile |
//! | `signals` | Ctrl-C and a polite kill; readers of a pipe that go away |
//! | `workers` | a thread that fails in the middle |

mod changes;
mod disk;
mod kill;
mod signals;
mod store;
mod workers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use genomicframe::core::bgzf::{EOF_BLOCK, Level, ParallelBgzfWriter};

use crate::output::reads;
use crate::support::{self, data};

/// Seeds of a loop: `few` in every run, `many` times that in the soak, which tries 500 schedules.
fn seeds(few: u64) -> u64 {
    let schedules = std::env::var("GF_FAULT_SCHEDULES").map_or(25, |n| n.parse().unwrap());
    (few * schedules).div_ceil(25)
}

/// Files of a few MB, so that something can happen in the middle of them.
struct Samples(tempfile::TempDir);

impl Samples {
    fn get() -> &'static Self {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(|| {
            let samples = Self(tempfile::tempdir().unwrap());
            // In the order that their header claims: those that are at no place last.
            let text = reads();
            let (unplaced, placed): (Vec<&str>, Vec<&str>) =
                text.split_inclusive('\n').partition(|l| l.contains("\t4\t*\t0\t"));
            std::fs::write(samples.path("reads.sam"), placed.concat() + &unplaced.concat()).unwrap();
            for (from, to) in [("reads.sam", "reads.bams3"), ("reads.bams3", "reads.bam")] {
                let rows = if to == "reads.bams3" { vec!["--chunk-rows", "1000"] } else { Vec::new() };
                let made =
                    gf().arg("convert").args([samples.path(from), samples.path(to)]).args(rows).output().unwrap();
                assert!(made.status.success(), "{}", said(&made));
            }
            let vcf = std::fs::read_to_string(data("cohort.vcf")).unwrap();
            let (header, rows): (Vec<&str>, Vec<&str>) = vcf.split_inclusive('\n').partition(|l| l.starts_with('#'));
            std::fs::write(samples.path("cohort.vcf"), header.concat() + &rows.concat().repeat(12)).unwrap();
            bgzip(&samples.path("cohort.vcf"), &samples.path("cohort.vcf.gz"));
            let fastq: String = (0..30_000)
                .map(|i| format!("@r{i}\n{0}{0}\n+\n{1}{1}\n", "ACGTTGCA".repeat(8), "IIIIFFFF".repeat(8)))
                .collect();
            std::fs::write(samples.path("reads.fastq"), fastq).unwrap();
            samples
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

/// Compresses a file in blocks.
fn bgzip(from: &Path, to: &Path) {
    let mut writer = ParallelBgzfWriter::new(Vec::new(), Level::default(), 0).unwrap();
    for line in std::fs::read(from).unwrap().split_inclusive(|b| *b == b'\n') {
        writer.push(line).unwrap();
    }
    let bytes = writer.finish().unwrap();
    assert!(bytes.ends_with(&EOF_BLOCK));
    std::fs::write(to, bytes).unwrap();
}

fn gf() -> Command {
    let mut gf = Command::new(support::gf());
    gf.stdin(std::process::Stdio::null());
    gf
}

fn said(of: &Output) -> String {
    String::from_utf8_lossy(&of.stderr).into_owned()
}

/// Runs `gf`, which must succeed.
fn run(args: &[&str]) -> Output {
    let out = gf().args(args).output().unwrap();
    assert!(out.status.success(), "gf {args:?}: {}", said(&out));
    out
}

/// Every file below a folder, by its path there.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = crate::remote::servers::below(folder);
    let key = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files.into_iter().map(|path| (key(&path), std::fs::read(&path).unwrap())).collect()
}

/// The names of what lies in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    for (key, bytes) in tree(from) {
        let to = to.join(key);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}
