//! `kill -9` at a random moment: the old output or the new one, whole, and a second run makes the bytes of the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Samples, copy, gf, names, run, said, seeds, tree};
use crate::support::{Random, data};

/// Something that writes, over something that is there or not.
struct Case {
    name: &'static str,
    /// `@` stands for the samples, `>` for the output.
    args: &'static [&'static str],
    /// In the folder of the run.
    output: &'static str,
    /// What a second run says more.
    again: &'static [&'static str],
    /// What is there before.
    old: Option<fn() -> PathBuf>,
}

fn other_dataset() -> PathBuf {
    static MADE: std::sync::OnceLock<tempfile::TempDir> = std::sync::OnceLock::new();
    let folder = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        run(&["convert", &data("sample.bam"), folder.path().join("x.bams3").to_str().unwrap()]);
        folder
    });
    folder.path().join("x.bams3")
}

const CASES: [Case; 8] = [
    Case {
        name: "BAM to a new dataset",
        args: &["convert", "@reads.bam", ">", "--chunk-rows", "1000"],
        output: "x.bams3",
        again: &["--resume"],
        old: None,
    },
    Case {
        name: "SAM over a dataset",
        args: &["convert", "@reads.sam", ">", "--chunk-rows", "1000", "--overwrite"],
        output: "x.bams3",
        again: &["--resume"],
        old: Some(other_dataset),
    },
    Case {
        name: "BAM over a dataset, begun anew",
        args: &["convert", "@reads.bam", ">", "--chunk-rows", "1000", "--overwrite"],
        output: "x.bams3",
        again: &[],
        old: Some(other_dataset),
    },
    Case {
        name: "a dataset to BAM",
        args: &["convert", "@reads.bams3", ">"],
        output: "x.bam",
        again: &[],
        old: Some(|| data("sample.bam").into()),
    },
    Case {
        name: "a query to Parquet",
        args: &["sql", "SELECT * FROM '@reads.bam'", "-o", ">"],
        output: "x.parquet",
        again: &[],
        old: Some(|| data("panel.bed").into()),
    },
    Case {
        name: "a query to csv",
        args: &["sql", "SELECT qname, pos, seq FROM '@reads.bams3' ORDER BY qname", "-o", ">"],
        output: "x.csv",
        again: &[],
        old: Some(|| data("panel.bed").into()),
    },
    Case {
        name: "records to VCF",
        args: &["view", "@cohort.vcf.gz", "--format", "native", "-o", ">"],
        output: "x.vcf",
        again: &[],
        old: Some(|| data("cohort.vcf").into()),
    },
    Case { name: "a dataset to SAM", args: &["convert", "@reads.bams3", ">"], output: "x.sam", again: &[], old: None },
];

impl Case {
    fn is_dataset(&self) -> bool {
        self.output.ends_with(".bams3")
    }

    /// The file or folder that is written in `folder`.
    fn output(&self, folder: &Path) -> PathBuf {
        folder.join(self.output)
    }

    fn start(&self, folder: &Path, more: &[&str]) -> Child {
        let samples = format!("{}/", Samples::get().0.path().display());
        let to = self.output(folder).display().to_string();
        let args = self.args.iter().map(|arg| match *arg {
            ">" => to.clone(),
            // A read name or a region has no such sign.
            arg => arg.replace('@', &samples),
        });
        gf().args(args).args(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    fn finish(&self, folder: &Path, more: &[&str]) {
        let out = self.start(folder, more).wait_with_output().unwrap();
        assert!(out.status.success(), "{}: {more:?}: {}", self.name, said(&out));
    }

    /// A folder with what is there before.
    fn prepared(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        if let Some(old) = self.old.map(|old| old()) {
            let to = self.output(folder.path());
            if old.is_dir() { copy(&old, &to) } else { std::fs::copy(old, to).map(|_| ()).unwrap() }
        }
        folder
    }

    /// What is there, but for what nothing refers to.
    fn found(&self, folder: &Path) -> BTreeMap<String, Vec<u8>> {
        if self.is_dataset() {
            run(&["bams3", "gc", self.output(folder).to_str().unwrap()]);
        }
        let mut all = tree(folder);
        all.retain(|name, _| !name.ends_with(".tmp"));
        all
    }
}

/// What came of the kills of a case.
#[derive(Default)]
struct Tally {
    /// Kills that found it not begun, at work, and done.
    early: u64,
    at_work: u64,
    late: u64,
}

/// What is there after a kill: all of the old or all of the new; and whether it is the new.
fn check_file(case: &Case, folder: &Path, old: &BTreeMap<String, Vec<u8>>, new: &BTreeMap<String, Vec<u8>>) -> bool {
    let found = case.found(folder);
    let is_new = found.get(case.output) == new.get(case.output);
    assert!(is_new || found.get(case.output) == old.get(case.output), "{}: neither old nor new", case.name);
    // An index is of the file that is there, or there is none.
    for (name, bytes) in &found {
        let whose = if is_new { new } else { old };
        assert!(name == case.output || whose.get(name) == Some(bytes), "{}: {name} of another file", case.name);
    }
    for name in names(folder).iter().filter(|name| name.ends_with(".tmp")) {
        // Hidden, named after the file that it was to be and after the process.
        assert!(name.starts_with(&format!(".{}", case.output)), "{name}");
    }
    is_new
}

/// The same of a dataset, which is validated.
fn check_dataset(case: &Case, folder: &Path, old: &BTreeMap<String, Vec<u8>>, new: &BTreeMap<String, Vec<u8>>) -> bool {
    let to = case.output(folder);
    let Ok(root) = std::fs::read(to.join("_metadata.json")) else {
        assert!(case.old.is_none(), "{}: the old dataset is gone", case.name);
        let out = gf().args(["count", to.to_str().unwrap()]).output().unwrap();
        assert_eq!(out.status.code(), Some(1), "{}: half a dataset is read", case.name);
        return false;
    };
    let of = |tree: &BTreeMap<String, Vec<u8>>| tree.get("x.bams3/_metadata.json").cloned();
    let is_new = of(new).is_some_and(|new| new == root);
    assert!(is_new || of(old).is_some_and(|old| old == root), "{}: neither old nor new", case.name);
    let report = run(&["bams3", "validate", to.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&report.stdout).contains("sound: "), "{}", case.name);
    let rows = run(&["sql", &format!("SELECT count(qname) FROM '{}'", to.display()), "--no-header"]);
    assert_eq!(String::from_utf8_lossy(&rows.stdout).trim(), if is_new { "40000" } else { "4905" });
    is_new
}

fn kill_often(case: &Case, kills: u64) -> Tally {
    Samples::get();
    // The faster of two runs says how long it takes.
    let [(takes, old, new), (again, _, same)] = [0; 2].map(|_| {
        let undisturbed = case.prepared();
        let old = tree(undisturbed.path());
        let begun = Instant::now();
        case.finish(undisturbed.path(), &[]);
        (begun.elapsed(), old, case.found(undisturbed.path()))
    });
    let takes = takes.min(again);
    assert!(new == same, "{}: two runs make different bytes", case.name);
    let mut tally = Tally::default();
    for seed in 0..kills {
        let folder = case.prepared();
        let mut child = case.start(folder.path(), &[]);
        let share = Random(seed * 1000 + case.name.len() as u64).below(1000) as f64 / 1000.0;
        std::thread::sleep(takes.mul_f64(share));
        let is_over = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        let there = if case.is_dataset() { check_dataset } else { check_file };
        let is_begun = tree(folder.path()) != old;
        let is_new = there(case, folder.path(), &old, &new);
        match (is_over, is_begun) {
            (true, _) => tally.late += 1,
            (false, true) => tally.at_work += 1,
            (false, false) => tally.early += 1,
        }
        assert!(!is_over || is_new, "{}: it ended without its output", case.name);
        let is_complete = is_new && !case.output(folder.path()).join("_resume/input.json").exists();
        if !(is_complete && case.is_dataset()) {
            case.finish(folder.path(), case.again);
        }
        let left = tree(folder.path()).into_keys().filter(|key| key.contains('#')).collect::<Vec<_>>();
        assert!(left.is_empty(), "{}: kill {seed}: {left:?}", case.name);
        assert!(case.found(folder.path()) == new, "{}: kill {seed}: other bytes than undisturbed", case.name);
    }
    tally
}

#[test]
fn a_killed_writer_leaves_the_old_or_the_new() {
    let begun = Instant::now();
    let each = seeds(2);
    let mut sum = Tally::default();
    for case in &CASES {
        let tally = kill_often(case, each);
        eprintln!(
            "{}: {each} kills, {} before it had begun, {} at work, {} after its end, 0 torn",
            case.name, tally.early, tally.at_work, tally.late
        );
        sum.at_work += tally.at_work;
    }
    let kills = each * CASES.len() as u64;
    eprintln!(
        "kills: {kills} schedules, {} at work, 0 torn, 0 missing rows, {:.0} s",
        sum.at_work,
        begun.elapsed().as_secs_f64()
    );
    assert!(sum.at_work * 4 > kills, "{} of {kills} kills came while it worked", sum.at_work);
}

/// A lock that a killed writer left keeps nobody from replacing the dataset, and is removed.
#[test]
fn a_lock_without_a_writer_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("x.bams3");
    copy(&other_dataset(), &to);
    let lock = std::fs::File::create(to.join("_lock")).unwrap();
    lock.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    run(&["convert", &Samples::get().name("reads.bam"), to.to_str().unwrap(), "--overwrite"]);
    assert!(!to.join("_lock").exists());
    let rows = run(&["count", to.to_str().unwrap()]);
    assert_eq!(String::from_utf8_lossy(&rows.stdout).trim(), "40000");
}

/// Files that a killed writer was writing are in no listing of the store; `gf bams3 gc` tells of them and removes them, and so
/// does the conversion that goes on.
#[test]
fn what_a_killed_writer_was_writing_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("x.bams3");
    copy(&other_dataset(), &to);
    let leave = || std::fs::write(to.join("data/chr1/000000001-000000002-000000-0123abcd.chunk#1"), "half").unwrap();
    leave();
    let told = String::from_utf8(run(&["bams3", "gc", to.to_str().unwrap(), "--dry-run"]).stdout).unwrap();
    assert!(told.contains("0123abcd.chunk#1\t4\n") && told.ends_with("to remove: 1 objects, 4 bytes\n"), "{told}");
    run(&["bams3", "gc", to.to_str().unwrap()]);
    assert_eq!(tree(&to), tree(&other_dataset()));
    leave();
    std::thread::sleep(Duration::from_millis(50));
    run(&["convert", &data("sample.bam"), to.to_str().unwrap(), "--overwrite"]);
    assert_eq!(tree(&to), tree(&other_dataset()));
}
