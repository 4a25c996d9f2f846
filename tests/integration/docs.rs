//! The documents say what the programs do: commands are run and their output compared, links lead somewhere.
//!
//! In a `console` block a line `$ command` is run, with the lines `> …` that continue it; the lines up to the next `$` are
//! what it prints. A line `…` stands for any lines. `gf` and peers run in a copy of `tests/data`, which lies in the bucket
//! `s3://lab` too; `cargo run … --example x` runs the built example in the repository's folder. `GF_BLESS=1` writes what is printed into the blocks that have no `…`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::remote::servers;
use crate::support::{gf, peer};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every document of the repository.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 5, "{found:?}");
    found
}

/// The folder of the programs that `cargo test` builds: `gf`, and below it the examples.
fn programs() -> PathBuf {
    gf().parent().unwrap().to_path_buf()
}

/// A copy of the sample files, so that commands may write beside them.
fn samples() -> &'static Path {
    static COPY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let copy = COPY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(root().join("tests/data")).unwrap() {
            let entry = entry.unwrap();
            let to = folder.path().join(entry.file_name());
            std::fs::copy(entry.path(), &to).unwrap();
            // An index must not seem older than its data.
            let changed = entry.metadata().unwrap().modified().unwrap();
            std::fs::File::options().append(true).open(&to).unwrap().set_modified(changed).unwrap();
        }
        folder
    });
    copy.path()
}

/// The address of a server whose bucket `lab` holds files of `tests/data`, for all tests.
fn bucket() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tell.send(servers::s3(servers::shelf()).await).unwrap();
                std::future::pending::<()>().await;
            });
        });
        told.recv().unwrap()
    })
}

/// A block of a document, opened by "```" and `language`.
struct Block {
    language: String,
    /// The index of its first line in the document.
    first: usize,
    lines: Vec<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (i, line) in text.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                found.push(Block { language: language.to_owned(), first: i + 1, lines: Vec::new() });
            }
            None if open => found.last_mut().unwrap().lines.push(line.to_owned()),
            None => {}
        }
    }
    assert!(!open, "a block is not closed");
    found
}

/// A command of a block, and the lines that it should print.
struct Example {
    command: String,
    expected: Vec<String>,
}

fn examples(block: &Block) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    for line in &block.lines {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push(Example { command: command.to_owned(), expected: Vec::new() });
            continue;
        }
        let last = found.last_mut().unwrap_or_else(|| panic!("a console block begins with `$ `, not {line}"));
        match line.strip_prefix("> ") {
            Some(more) if last.expected.is_empty() => last.command = format!("{}\n{more}", last.command),
            _ => last.expected.push(line.clone()),
        }
    }
    found
}

/// What the command prints; `None` when it needs a peer that is not there.
fn run(command: &str) -> Option<String> {
    let program = command.split_whitespace().next().unwrap();
    let mut shell = Command::new("sh");
    let output = match program {
        "cargo" => {
            let (_, example) = command.split_once(" --example ").unwrap_or_else(|| panic!("cannot run {command}"));
            let mut words = example.split_whitespace();
            Command::new(programs().join("examples").join(words.next().unwrap()))
                .args(words)
                .current_dir(root())
                .output()
                .unwrap()
        }
        _ => {
            if program != "gf" {
                peer(program)?;
            }
            let paths = std::env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(programs()).chain(std::env::split_paths(&paths));
            shell
                .args(["-c", command])
                .env("PATH", std::env::join_paths(paths).unwrap())
                .envs([
                    ("AWS_ENDPOINT_URL", bucket()),
                    ("AWS_ACCESS_KEY_ID", "key"),
                    ("AWS_SECRET_ACCESS_KEY", "secret"),
                ])
                .current_dir(samples())
                .output()
                .unwrap()
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {told}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Whether `lines` are the expected ones, where `…` stands for any.
fn matches(lines: &[&str], expected: &[String]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((any, rest)) if any == "…" => (0..=lines.len()).any(|skipped| matches(&lines[skipped..], rest)),
        Some((first, rest)) => lines.first().is_some_and(|l| l == first) && matches(&lines[1..], rest),
    }
}

#[test]
fn commands_print_what_the_documents_say() {
    let bless = std::env::var_os("GF_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for block in blocks(&text).iter().rev().filter(|b| b.language == "console") {
            let mut printed = Vec::new();
            for example in examples(block) {
                printed.push(format!("$ {}", example.command.replace('\n', "\n> ")));
                let Some(output) = run(&example.command) else {
                    printed.extend(example.expected);
                    continue;
                };
                let found: Vec<&str> = output.lines().collect();
                if !matches(&found, &example.expected) {
                    wrong.push(format!("{}: $ {}\n{output}", path.display(), example.command));
                }
                compared += 1;
                printed.extend(found.into_iter().map(str::to_owned));
            }
            if bless && !block.lines.iter().any(|l| l == "…") {
                lines.splice(block.first..block.first + block.lines.len(), printed);
            }
        }
        let now = lines.join("\n") + "\n";
        if bless && now != text {
            std::fs::write(&path, now).unwrap();
        }
    }
    assert!(compared > 20, "{compared} commands");
    assert!(wrong.is_empty() || bless, "{}", wrong.join("\n"));
}

#[test]
fn the_readmes_programs_run() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<&str> =
        text.lines().filter_map(|l| l.trim_start_matches("$ ").split_once("  #")).map(|(c, _)| c.trim()).collect();
    assert!(commands.contains(&"cargo run --locked --all-features --example tour"), "{commands:?}");
    assert!(commands.contains(&"cargo test --locked --all-features"), "{commands:?}");
    let tour = run("cargo run --locked --all-features --example tour").unwrap();
    for part in
        ["| chrX  |    89 |", "regions=chr10:10000-20000,chrX:10000-20000", "bytes=81638 of 229922", "bytes_read="]
    {
        assert!(tour.contains(part), "{part}: {tour}");
    }
    for (name, part) in [
        ("count_reads_by_contig", "| chr1              |  2020 |        1836 |"),
        ("rare_variants_in_exons", "| chr1  | 109915 | T   | <DEL> | 0       | gene0017.t1 |"),
    ] {
        let printed = run(&format!("cargo run --example {name}")).unwrap();
        assert!(printed.contains(part), "{printed}");
    }
}

/// The targets of `[text](target)` outside of blocks.
fn links(text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut open = false;
    for line in text.lines() {
        if line.starts_with("```") {
            open = !open;
        } else if !open {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    let after = prose.split("](").skip(1);
    after.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

#[test]
fn links_lead_to_files() {
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for link in links(&text).iter().filter(|l| !l.contains("://")) {
            let file = link.split('#').next().unwrap();
            assert!(path.parent().unwrap().join(file).exists(), "{}: {link}", path.display());
        }
    }
}

#[test]
fn every_document_can_be_found() {
    let mut seen = vec![root().join("README.md")];
    let mut next = 0;
    while let Some(path) = seen.get(next).cloned() {
        next += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        for link in links(&text).iter().filter(|l| l.ends_with(".md") && !l.contains("://")) {
            let target = path.parent().unwrap().join(link).canonicalize().unwrap();
            if !seen.contains(&target) {
                seen.push(target);
            }
        }
    }
    let seen: Vec<_> = seen.iter().map(|p| p.canonicalize().unwrap()).collect();
    for path in documents() {
        assert!(seen.contains(&path.canonicalize().unwrap()), "nothing links to {}", path.display());
    }
}

#[test]
fn documents_name_no_folder_of_a_machine() {
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        for folder in ["home", "root", "tmp", "Users", "work", "mnt"] {
            let named = text
                .match_indices(&format!("/{folder}/"))
                .any(|(at, _)| !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '.'));
            assert!(!named, "{}: /{folder}/", path.display());
        }
    }
}
