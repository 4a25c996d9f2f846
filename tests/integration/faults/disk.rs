//! No room, and places that cannot be written to: an error that names the file, nothing half-written, the old file as it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Samples, gf, names, run, said, tree};
use crate::remote::servers::{self, options, s3_options};
use crate::support::{self, data, query};

/// A small disk, until it is dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, told loudly, where none can be mounted: that takes root.
    fn of(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        let made = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if made.is_ok_and(|out| out.status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: no disk can be mounted without root, so none was filled");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it up to the last byte.
    fn fill(&self) -> PathBuf {
        let path = self.path().join("full");
        let mut file = std::fs::File::create(&path).unwrap();
        assert!(std::io::copy(&mut std::io::repeat(1), &mut file).is_err());
        path
    }

    /// From now on nothing can be written there.
    fn protect(&self) {
        let done = Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Everything that writes, by the ending of its output; each makes some MB.
const WRITERS: [(&str, &[&str]); 7] = [
    ("csv", &["sql", "SELECT * FROM '@reads.bam'", "-o", ">"]),
    ("jsonl", &["sql", "SELECT * FROM '@reads.bam'", "--format", "json", "-o", ">"]),
    ("parquet", &["sql", "SELECT * FROM '@reads.bam'", "-o", ">"]),
    ("arrow", &["convert", "@reads.bam", ">"]),
    ("sam", &["convert", "@reads.bam", ">"]),
    ("bam", &["convert", "@reads.bams3", ">"]),
    ("bams3", &["convert", "@reads.bam", ">", "--chunk-rows", "10000"]),
];

fn arguments(args: &[&str], to: &Path) -> Vec<String> {
    let samples = format!("{}/", Samples::get().0.path().display());
    let to = to.display().to_string();
    args.iter().map(|arg| if *arg == ">" { to.clone() } else { arg.replace('@', &samples) }).collect()
}

fn fails(out: &Output, says: &[&str]) {
    let told = said(out);
    assert_eq!(out.status.code(), Some(1), "{told}");
    assert!(told.starts_with("gf: ") && !told.contains("panicked"), "{told}");
    for says in says {
        assert!(told.contains(says), "{says} is not in: {told}");
    }
}

/// That a failed writer left what was there, and of a dataset what can be gone on with.
fn check(folder: &Path, ending: &str) {
    let name = format!("x.{ending}");
    let to = folder.join(&name);
    assert_eq!(names(folder), [name]);
    if ending == "bams3" {
        assert!(!to.join("_metadata.json").exists());
        fails(&gf().args(["count", to.to_str().unwrap()]).output().unwrap(), &["--resume"]);
        assert!(tree(&to).keys().all(|key| !key.contains('#')), "{:?}", tree(&to).keys());
    } else {
        assert_eq!(std::fs::read_to_string(to).unwrap(), "old");
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_what_was_there() {
    for (ending, args) in WRITERS {
        let Some(disk) = Disk::of(2) else { return };
        let to = disk.path().join(format!("x.{ending}"));
        if ending != "bams3" {
            std::fs::write(&to, "old").unwrap();
        }
        let out = gf().args(arguments(args, &to)).output().unwrap();
        fails(&out, &[to.to_str().unwrap(), "cannot be written", "No space left"]);
        assert_eq!(said(&out).contains("--resume goes on from there"), ending == "bams3", "{}", said(&out));
        check(disk.path(), ending);
    }
}

/// The same where files may not be larger than that: what `ulimit -f` says, or a file system's own limit.
#[test]
#[cfg(unix)]
fn a_limit_of_file_sizes_is_told_and_leaves_what_was_there() {
    for (ending, args) in WRITERS {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join(format!("x.{ending}"));
        if ending != "bams3" {
            std::fs::write(&to, "old").unwrap();
        }
        // Blocks of 512 bytes, or of 1,024.
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -f 200; exec \"$@\"", "sh"]).arg(support::gf()).args(arguments(args, &to));
        fails(&limited.output().unwrap(), &[to.to_str().unwrap(), "cannot be written", "File too large"]);
        check(folder.path(), ending);
        if ending == "bams3" {
            let args = arguments(args, &to);
            run(&args.iter().map(String::as_str).chain(["--resume"]).collect::<Vec<_>>());
            assert_eq!(run(&["count", to.to_str().unwrap()]).stdout, b"40000\n");
        }
    }
}

/// Of queries and of conversions that sort: the folder is named, and nothing stays in it.
#[test]
fn temporary_files_without_room_are_told() {
    let Some(disk) = Disk::of(1) else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let text = std::fs::read_to_string(Samples::get().path("reads.sam")).unwrap();
    let (header, rows): (Vec<&str>, Vec<&str>) = text.lines().partition(|l| l.starts_with('@'));
    let turned = header.iter().filter(|l| !l.starts_with("@HD")).chain(rows.iter().rev()).copied().collect::<Vec<_>>();
    std::fs::write(at("turned.sam"), turned.join("\n") + "\n").unwrap();
    let sorted = format!("SELECT * FROM '{}' ORDER BY qual", at("turned.sam"));
    for args in [
        vec!["sql", &sorted, "-o", &at("x.parquet"), "--memory", "24M", "--threads", "1"],
        vec!["convert", &at("turned.sam"), &at("x.bams3"), "--memory", "1M"],
    ] {
        let out = gf().args(args).env("TMPDIR", disk.path()).output().unwrap();
        fails(&out, &[disk.path().to_str().unwrap(), "temporary space", "No space left", "memory"]);
        assert_eq!(names(disk.path()), [""; 0]);
        assert_eq!(names(folder.path()), ["turned.sam"]);
    }
}

/// What cannot be kept is fetched again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_without_room_changes_nothing() {
    let Some(disk) = Disk::of(1) else { return };
    let filled = disk.fill();
    let server = servers::s3(servers::shelf()).await;
    let mut all = s3_options(&server);
    all.extend(options(&[("genomicframe_cache_dir", disk.path().to_str().unwrap())]));
    let sql = "SELECT qname FROM '@/sample.bam' WHERE rname = 'chr2' AND pos < 30000";
    let expected = crate::remote::rows::local(sql).await;
    for kept in [0, 1] {
        let rows = query(&servers::context(&all), &sql.replace('@', "s3://lab")).await;
        assert_eq!(rows, expected, "{kept}");
    }
    std::fs::remove_file(filled).unwrap();
    disk.protect();
    assert_eq!(query(&servers::context(&all), &sql.replace('@', "s3://lab")).await, expected);
}

#[test]
fn places_that_cannot_be_written_to_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("file"), "old").unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let before = names(folder.path());
    let dataset = Samples::get().name("reads.bams3");
    let bam = data("sample.bam");
    for (args, says) in [
        (["convert", &dataset, "/dev/full/x.bam"], ["/dev/full/x.bam", "cannot be written"]),
        (["convert", &dataset, &at("missing/x.bam")], ["missing/x.bam", "its folder does not exist"]),
        (["convert", &bam, &at("file/x.bams3")], ["file/x.bams3", "Not a directory"]),
        (["convert", &bam, &at("missing/x.parquet")], ["missing/x.parquet", "its folder does not exist"]),
    ] {
        fails(&gf().args(args).output().unwrap(), &says);
    }
    for to in ["folder/x.bam", "folder/x.sam"] {
        std::fs::create_dir_all(at(to)).unwrap();
        fails(&gf().args(["convert", &dataset, &at(to)]).output().unwrap(), &[to, "is a folder"]);
    }
    assert_eq!(names(folder.path()), before);
    let Some(disk) = Disk::of(1) else { return };
    std::fs::write(disk.path().join("x.csv"), "old").unwrap();
    disk.protect();
    for (ending, args) in WRITERS {
        let to = disk.path().join(format!("x.{ending}"));
        fails(&gf().args(arguments(args, &to)).output().unwrap(), &[to.to_str().unwrap(), "Read-only file system"]);
    }
    assert_eq!(std::fs::read_to_string(disk.path().join("x.csv")).unwrap(), "old");
}
