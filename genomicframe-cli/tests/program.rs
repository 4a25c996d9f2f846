//! The program as a process: exit codes, streams and pipes.

use std::io::Read;
use std::process::{Command, Output, Stdio};

fn gf(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gf"));
    command.args(args).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data"));
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = gf(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn answers_go_to_stdout_and_complaints_to_stderr() {
    assert_eq!(run(&["count", "sample.bam"]), (Some(0), "4905\n".into(), String::new()));
    let (code, stdout, stderr) = run(&["count", "none.bam"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(1), "", "gf: none.bam: no such file\n"));
    let (code, stdout, stderr) = run(&["view", "sample.bam", "--select", "pos", "--format", "native"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("--select"), "{stderr}");
    assert_eq!(run(&["count"]).0, Some(2));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let all = "SELECT a.qname FROM 'sample.bam' a, 'panel.bed'";
    let mut child = gf(&["sql", all]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"qname\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
}
