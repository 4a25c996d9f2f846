//! Ctrl-C and a polite kill, of everything that writes; readers of a pipe that go away.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Samples, gf, names, run, tree};
use crate::remote::proxy::Proxy;
use crate::remote::servers::{self, s3_options};
use crate::support::data;

/// Waits until it holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal; what was told on standard error. It ends soon, with the code that shells report. `None` where it was done
/// just before.
fn end(mut child: Child, signal: &str, code: i32) -> Option<String> {
    let sent = Instant::now();
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    let ended = child.wait().unwrap();
    assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
    if ended.success() || told.contains(" reads in ") {
        return None;
    }
    assert_eq!(ended.code(), Some(code), "{told}");
    Some(told)
}

/// What `interrupt` tells the first time that it comes early enough.
fn until_interrupted(mut interrupt: impl FnMut() -> Option<String>) -> String {
    (0..20).find_map(|_| interrupt()).expect("it is always done before")
}

const SIGNALS: [(&str, i32); 2] = [("-INT", 130), ("-TERM", 143)];

/// One that takes some seconds.
fn slow(to: &Path, more: &[&str]) -> Command {
    let mut gf = gf();
    gf.args(["convert", &Samples::get().name("reads.bam")]).arg(to).args(["--chunk-rows", "500", "--level", "19"]);
    gf.args(more).stderr(Stdio::piped());
    gf
}

fn chunks(folder: &Path) -> usize {
    let noted = |name: &String| name.starts_with("_resume/0") && !name.contains('#');
    if folder.exists() { tree_now(folder).iter().filter(|n| noted(n)).count() } else { 0 }
}

/// The names below a folder in which somebody writes.
fn tree_now(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder.join("_resume")) else { return Vec::new() };
    entries.flatten().map(|e| format!("_resume/{}", e.file_name().to_string_lossy())).collect()
}

#[test]
fn an_interrupted_conversion_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.bams3");
    assert!(slow(&whole, &[]).output().unwrap().status.success());
    for (signal, code) in SIGNALS {
        let to = folder.path().join("x.bams3");
        let told = until_interrupted(|| {
            let _ = std::fs::remove_dir_all(&to);
            let child = slow(&to, &[]).spawn().unwrap();
            until("a chunk is stored", || chunks(&to) > 0);
            end(child, signal, code)
        });
        assert!(told.ends_with("gf: interrupted; --resume goes on from here\n"), "{told}");
        assert!(!to.join("_metadata.json").exists());
        let resumed = slow(&to, &["--resume"]).output().unwrap();
        let told = String::from_utf8(resumed.stderr).unwrap();
        assert!(resumed.status.success() && told.contains(" resumed"), "{told}");
        assert!(tree(&to) == tree(&whole), "{signal}: other bytes");
        // Over a dataset: the old one stays.
        until_interrupted(|| {
            let child = slow(&to, &["--overwrite"]).spawn().unwrap();
            until("a chunk is stored", || chunks(&to) > 0);
            end(child, signal, code)
        });
        assert_eq!(run(&["count", to.to_str().unwrap()]).stdout, b"40000\n");
        std::fs::remove_dir_all(&to).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_conversion_to_a_store_leaves_no_dataset() {
    let own = servers::own_shelf();
    let proxy = Proxy::before(&servers::s3(own.path()).await).await;
    for (signal, code) in SIGNALS {
        let mut gf = gf();
        gf.args(["convert", &Samples::get().name("reads.bam"), "s3://lab/made.bams3", "--chunk-rows", "500"]);
        for (name, value) in s3_options(&proxy.url) {
            gf.args(["--storage".to_owned(), format!("{name}={value}")]);
        }
        gf.args(["--level", "19"]).stderr(Stdio::piped());
        let there = own.path().join("lab/made.bams3");
        let told = tokio::task::block_in_place(|| {
            until_interrupted(|| {
                let _ = std::fs::remove_dir_all(&there);
                let child = gf.spawn().unwrap();
                // The server writes in place: what it names last may not be whole.
                until("chunks are stored", || chunks(&there) > 4);
                end(child, signal, code)
            })
        });
        assert!(told.ends_with("gf: interrupted; --resume goes on from here\n"), "{told}");
        assert!(!there.join("_metadata.json").exists());
        let resumed = tokio::task::spawn_blocking(move || gf.arg("--resume").output().unwrap()).await.unwrap();
        let told = String::from_utf8(resumed.stderr).unwrap();
        assert!(resumed.status.success() && told.contains(" resumed"), "{told}");
        let ctx = servers::context(&s3_options(&proxy.url));
        let report = ctx.validate_bams3("s3://lab/made.bams3", Some(&Samples::get().name("reads.bam"))).await.unwrap();
        assert!(report.is_sound() && report.equal == Some(40_000), "{report}");
        std::fs::remove_dir_all(there).unwrap();
    }
}

#[test]
fn an_interrupted_export_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = Samples::get().name("reads.bams3");
    let endless = format!("SELECT a.qname, b.qname, c.qname FROM '{dataset}' a, '{dataset}' b, '{dataset}' c");
    for (name, args) in [
        ("x.bam", ["convert", &dataset, ""]),
        ("x.csv", ["sql", &format!("COPY ({endless}) TO '{}/x.csv'", folder.path().display()), "COPY"]),
        ("x.parquet", ["sql", &endless, "-o"]),
        ("x.arrow", ["sql", &endless, "-o"]),
    ] {
        for (signal, code) in SIGNALS {
            let to = folder.path().join(name);
            std::fs::write(&to, "old").unwrap();
            // A file of some MB may be there before it is killed: then nothing was interrupted.
            for try_again in 0.. {
                let (of_sql, args) =
                    (args.contains(&"COPY"), args.iter().filter(|arg| !arg.is_empty() && **arg != "COPY"));
                let mut child = gf().args(args).args((!of_sql).then_some(&to)).stderr(Stdio::piped()).spawn().unwrap();
                until("a temporary file", || names(folder.path()).len() > 1 || child_is_over(&child));
                if child.try_wait().unwrap().is_none() && end(child, signal, code).is_some() {
                    break;
                }
                assert!(try_again < 20, "{name} is never interrupted");
                std::fs::write(&to, "old").unwrap();
            }
            assert_eq!(names(folder.path()), [name], "{signal}");
            assert_eq!(std::fs::read_to_string(&to).unwrap(), "old", "{name} {signal}");
            std::fs::remove_file(to).unwrap();
        }
    }
}

/// Whether a child has ended, though nobody has waited for it yet.
fn child_is_over(child: &Child) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.starts_with('Z') || rest.is_empty())
}

#[test]
fn readers_that_go_away_are_no_error() {
    let (bam, dataset) = (Samples::get().name("reads.bam"), Samples::get().name("reads.bams3"));
    let query = format!("SELECT * FROM '{bam}'");
    for args in [
        vec!["view", &bam],
        vec!["view", &bam, "--format", "native"],
        vec!["view", &bam, "--format", "arrow"],
        vec!["view", &bam, "--format", "parquet"],
        vec!["sql", &query, "--format", "table"],
        vec!["head", &bam],
        vec!["schema", &bam],
        vec!["count", &bam],
        vec!["stats", &data("sample.bam")],
        vec!["explain", &query],
        vec!["depth", &bam],
        vec!["bams3", "info", &dataset],
        vec!["bams3", "chunks", &dataset],
        vec!["bams3", "stats", &dataset],
        vec!["bams3", "validate", &dataset],
    ] {
        let mut child = gf().args(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        let told = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), told.as_str()), (Some(0), ""), "{args:?}");
    }
}
