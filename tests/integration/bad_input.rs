//! Bad input: what `tests/bad_input/make.py` writes is read in every way, and each file gives what its table says.
//!
//! Never a panic, never fewer rows without an error, and errors that say where and what to do. Memory and time are those of
//! `gf` as a process of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use futures::StreamExt;
use genomicframe::GenomicContext;

use crate::support::{self, context, data};

/// The classes of bad input are numbered from 1 to this.
const CLASSES: u32 = 73;

/// A row of the table; `table.py` says what its columns mean.
#[derive(Debug, Clone)]
struct Case {
    class: u32,
    file: String,
    read: String,
    outcome: String,
    number: Option<u64>,
    text: String,
    place: String,
    check: String,
    why: String,
}

/// Where the files lie, and what they must give.
struct Made {
    folder: &'static Path,
    cases: Vec<Case>,
}

/// Below the build's folder, where the next run replaces them.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/bad_input");

/// The files, made once for all tests; `None`, told loudly, where there is no Python.
static MADE: LazyLock<Option<Made>> = LazyLock::new(|| {
    let python = support::python("struct, zlib, gzip")?;
    let folder = Path::new(FOLDER);
    let _ = fs::remove_dir_all(folder);
    let out = Command::new(python).arg("-B").arg(script("make.py")).arg(folder).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let table = fs::read_to_string(folder.join("cases.tsv")).unwrap();
    let cases = table.lines().skip(1).map(Case::parse).collect();
    Some(Made { folder, cases })
});

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("bad_input").join(name)
}

impl Case {
    fn parse(row: &str) -> Self {
        let cells: Vec<_> = row.split('\t').map(str::to_owned).collect();
        let [class, file, read, outcome, number, text, place, check, why] = cells.try_into().expect(row);
        Self {
            class: class.parse().unwrap(),
            number: number.parse().ok(),
            file,
            read,
            outcome,
            text,
            place,
            check,
            why,
        }
    }

    fn has_file(&self) -> bool {
        self.file != "-"
    }

    /// The table of a query, and its columns.
    fn table(&self, folder: &Path) -> (String, String) {
        let path = folder.join(&self.file).display().to_string();
        let mut columns = "*".to_owned();
        let mut options = String::new();
        for (setting, value) in self.read.split("; ").filter_map(|s| s.split_once('=')) {
            match setting {
                "region" => {
                    let regions: Vec<_> = value.split(',').map(|r| format!("'{r}'")).collect();
                    options += &format!(", region => [{}]", regions.join(", "));
                }
                "index" => options += ", index => 'none'",
                "eof" => options += ", allow_missing_eof => 'true'",
                "columns" => columns = value.to_owned(),
                _ => panic!("{}: {setting} is no setting", self.file),
            }
        }
        match options.as_str() {
            "" => (format!("'{path}'"), columns),
            options => (format!("read_files('{path}'{options})"), columns),
        }
    }
}

/// What a query gave: rows, or what it said.
type Given = Result<Vec<String>, String>;

/// Runs a query in a context of its own; its rows are only counted unless they are few.
async fn run(threads: usize, batch: usize, sql: &str) -> (Given, Vec<(String, u64)>) {
    let ctx = context(threads, batch);
    let given = rows(&ctx, sql).await;
    (given, ctx.take_warnings())
}

async fn rows(ctx: &GenomicContext, sql: &str) -> Given {
    let query = ctx.sql(sql).await.map_err(|e| e.to_string())?;
    let mut stream = query.execute_stream().await.map_err(|e| genomicframe::Error::from(e).to_string())?;
    let mut rows = Vec::new();
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| genomicframe::Error::from(e).to_string())?;
        match batch.num_columns() {
            1 => rows.extend(support::rows(&[batch])),
            _ => rows.resize(rows.len() + batch.num_rows(), String::new()),
        }
    }
    Ok(rows)
}

/// What an error says, counted.
#[derive(Debug, Default)]
struct Told {
    errors: usize,
    place: usize,
    hint: usize,
    all: usize,
    /// Those that lack something.
    lacking: Vec<String>,
}

impl Told {
    fn count(&mut self, case: &Case, error: &str) {
        let has_place = case.place == "-" || case.place.split('|').any(|place| has_place(error, place));
        let has_hint = error.ends_with(')');
        self.errors += 1;
        self.place += usize::from(has_place);
        self.hint += usize::from(has_hint);
        self.all += usize::from(has_place && has_hint);
        if !(has_place && has_hint) {
            self.lacking.push(format!("{} ({}): {error}", case.file, case.place));
        }
    }
}

/// Whether `error` names the place that the table wants: `line 7`, any line, or any offset.
fn has_place(error: &str, place: &str) -> bool {
    let number_after = |word: &str| {
        error.match_indices(word).any(|(at, _)| error[at + word.len()..].starts_with(|c: char| c.is_ascii_digit()))
    };
    match place {
        "-" => true,
        "line" => number_after("line "),
        "offset" => number_after("byte ") || number_after("virtual offset "),
        line => error.contains(&format!("{line}:")),
    }
}

/// Whether all of the texts joined by ` & ` stand in `error`, of each one of those joined by `|`.
fn says(error: &str, text: &str) -> bool {
    let is_said = |any: &str| any.split('|').any(|one| matches!(one, "" | "-" | "*") || error.contains(one));
    text.split(" & ").all(is_said)
}

/// Reads a case in all ways; appends what is wrong.
async fn check(case: &Case, folder: &Path, told: &mut Told, wrong: &mut Vec<String>) {
    let (table, columns) = case.table(folder);
    let mut complain = |what: String| wrong.push(format!("{} [{}] {}: {what}", case.file, case.read, case.why));
    for (threads, batch) in [(1, 8192), (4, 7)] {
        let (given, warnings) = run(threads, batch, &format!("SELECT {columns} FROM {table}")).await;
        match (case.outcome.as_str(), given) {
            ("error", Ok(rows)) => complain(format!("{} rows in {threads} threads where an error is due", rows.len())),
            ("rows", Err(e)) => complain(format!("{threads} threads: {e}")),
            ("error" | "safe", Err(e)) => {
                if !says(&e, &case.text) {
                    complain(format!("{:?} is not said: {e}", case.text));
                }
                if !e.contains(&case.file) {
                    complain(format!("the file is not named: {e}"));
                }
                if threads == 1 && case.outcome == "error" {
                    told.count(case, &e);
                }
            }
            ("rows" | "safe", Ok(rows)) => {
                if Some(rows.len() as u64) != case.number {
                    complain(format!("{} rows in {threads} threads where {:?} are due", rows.len(), case.number));
                }
                let is_told = |text: &str| warnings.iter().any(|(what, _)| what.contains(text));
                match (case.outcome.as_str(), case.text.as_str()) {
                    ("rows", "-") if !warnings.is_empty() => complain(format!("it warns: {warnings:?}")),
                    (_, "-" | "*") | ("safe", _) => {}
                    (_, text) if !is_told(text) => complain(format!("it does not warn of {text:?}: {warnings:?}")),
                    _ => {}
                }
            }
            (outcome, _) => complain(format!("{outcome} is no outcome")),
        }
    }
    // Records may be counted though a field of theirs is malformed; they are never fewer.
    let (counted, _) = run(2, 8192, &format!("SELECT count(*) FROM {table}")).await;
    match (counted, case.outcome.as_str()) {
        (Ok(count), _) => {
            if count.len() != 1 || count[0].parse().ok() != case.number {
                complain(format!("it counts {count:?} where {:?} are due", case.number));
            }
        }
        (Err(e), "rows") => complain(format!("it cannot be counted: {e}")),
        (Err(_), _) => {}
    }
    if let Some((expression, want)) = case.check.split_once(" => ") {
        let (given, _) = run(1, 8192, &format!("SELECT {expression} FROM {table}")).await;
        if given.as_deref() != Ok(&[want.to_owned()]) {
            let given = format!("{given:?}");
            complain(format!("{expression} is {given:.300} where {want:.100} is due"));
        }
    }
}

/// Panics are caught by tasks and become errors: here they are failures.
fn watch_panics() -> std::sync::Arc<std::sync::Mutex<Vec<String>>> {
    let panics = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, before) = (std::sync::Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        if info.location().is_some_and(|l| l.file().contains("genomicframe")) {
            seen.lock().unwrap().push(info.to_string());
        }
        before(info);
    }));
    panics
}

#[test]
fn every_class_is_in_the_table() {
    let Some(made) = &*MADE else { return };
    let classes: BTreeSet<u32> = made.cases.iter().map(|c| c.class).collect();
    assert_eq!(classes, (1..=CLASSES).collect());
    for case in &made.cases {
        assert!(!case.why.is_empty(), "{case:?} has no reason");
        assert_eq!(case.has_file(), !matches!(case.outcome.as_str(), "none" | "elsewhere"), "{case:?}");
    }
    assert!(made.cases.len() > 900, "{}", made.cases.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_gives_what_is_due() {
    let Some(made) = &*MADE else { return };
    let panics = watch_panics();
    let (mut told, mut wrong, mut files) = (Told::default(), Vec::new(), 0);
    let only = std::env::var("GF_BAD_INPUT").unwrap_or_default();
    for case in made.cases.iter().filter(|c| c.has_file() && c.file.contains(&only)) {
        let checked = check(case, made.folder, &mut told, &mut wrong);
        if tokio::time::timeout(Duration::from_secs(120), checked).await.is_err() {
            wrong.push(format!("{} [{}] hangs", case.file, case.read));
        }
        files += 1;
    }
    let share = told.all as f64 / told.errors.max(1) as f64;
    let Told { errors, place, hint, all, lacking } = told;
    eprintln!(
        "{files} cases; of {errors} errors {place} name the place, {hint} say what to do, {all} do both ({share:.4})"
    );
    lacking.iter().for_each(|e| eprintln!("lacking: {e}"));
    assert!(wrong.is_empty(), "{} of {files} cases are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(share >= 0.95, "only {all} of {errors} errors say all:\n{}", lacking.join("\n"));
    let panics = panics.lock().unwrap();
    assert!(panics.is_empty(), "{panics:?}");
}

/// A limit can be lowered and raised by whoever reads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_options() {
    let Some(made) = &*MADE else { return };
    for (file, option, enough, few) in [
        ("41_format_keys_1001.vcf", "format_keys", "1001", "1000"),
        ("41_line_3_mb.vcf", "record_bytes", "4000000", "2000000"),
        ("42_header_20_mb.vcf.gz", "header_bytes", "30000000", "10000000"),
        ("68_contigs.vcf", "contigs", "200000", "99999"),
    ] {
        let sql = |most| {
            let path = made.folder.join(file);
            format!("SELECT * FROM read_files('{}', {option} => '{most}')", path.display())
        };
        let (given, _) = run(1, 8192, &sql(enough)).await;
        assert!(!given.expect(file).is_empty());
        let e = run(1, 8192, &sql(few)).await.0.expect_err(file);
        assert!(e.contains(option), "{e}");
    }
}

/// What a command took.
#[derive(Debug)]
struct Taken {
    code: i32,
    mib: f64,
    cpu: f64,
    said: String,
}

/// Runs `gf sql` with each query, at most two minutes each.
fn measure(queries: &[String]) -> Option<Vec<Taken>> {
    let python = support::python("resource, tempfile, threading")?;
    let mut child = Command::new(python)
        .arg("-B")
        .arg(script("measure.py"))
        .arg("120")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let gf = support::gf().display().to_string();
    let commands: String = queries.iter().map(|q| format!("{gf}\tsql\t--threads\t2\t--format\ttsv\t{q}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(commands.as_bytes()));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(out.status.success());
    let text = String::from_utf8(out.stdout).unwrap();
    let taken: Vec<Taken> = text
        .lines()
        .map(|line| {
            let cells: Vec<_> = line.splitn(5, '\t').collect();
            let kib: f64 = cells[1].parse().unwrap();
            let (code, cpu) = (cells[0].parse().unwrap(), cells[2].parse().unwrap());
            Taken { code, mib: kib / 1024.0, cpu, said: cells[4].to_owned() }
        })
        .collect();
    assert_eq!(taken.len(), queries.len());
    Some(taken)
}

/// Memory beyond that of a small sound file, and CPU seconds.
const MOST_MIB: f64 = 256.0;
const MOST_SECONDS: f64 = 10.0;

/// Classes of files that claim what is not there, or hold much in little.
const HOSTILE: [u32; 12] = [7, 8, 9, 12, 20, 41, 42, 64, 65, 67, 68, 69];

#[test]
fn hostile_files_take_bounded_memory_and_time() {
    let Some(made) = &*MADE else { return };
    let cases: Vec<&Case> = made.cases.iter().filter(|c| HOSTILE.contains(&c.class) && c.has_file()).collect();
    let mut queries = vec![format!("SELECT * FROM '{}'", data("header_only.bam"))];
    queries.extend(cases.iter().map(|case| {
        let (table, columns) = case.table(made.folder);
        format!("SELECT {columns} FROM {table}")
    }));
    let Some(taken) = measure(&queries) else { return };
    let base = taken[0].mib;
    let (mut wrong, mut most) = (Vec::new(), (0.0, 0.0));
    for (case, taken) in cases.iter().zip(&taken[1..]) {
        let more = taken.mib - base;
        most = (f64::max(most.0, more), f64::max(most.1, taken.cpu));
        let is_told = matches!(taken.code, 0 | 1) && !taken.said.contains("panicked");
        if !is_told || more > MOST_MIB || taken.cpu > MOST_SECONDS {
            wrong.push(format!("{}: {more:.0} MiB more, {taken:?}", case.file));
        }
    }
    eprintln!("{} files: base {base:.0} MiB, at most {:.0} MiB more and {:.1} s", cases.len(), most.0, most.1);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Class 69: four times the size must not take sixteen times the CPU time.
#[test]
fn repetitive_files_take_linear_time() {
    let Some(made) = &*MADE else { return };
    let small: Vec<&str> =
        made.cases.iter().filter(|c| c.class == 69).filter_map(|c| c.file.strip_prefix("69_1_")).collect();
    let query = |times: u32, name: &str| {
        format!("SELECT * FROM '{}'", made.folder.join(format!("69_{times}_{name}")).display())
    };
    let queries: Vec<_> = small.iter().flat_map(|name| [query(1, name), query(4, name)]).collect();
    let Some(taken) = measure(&queries) else { return };
    let mut wrong = Vec::new();
    for (name, pair) in small.iter().zip(taken.chunks_exact(2)) {
        // Half a second is the program's start and noise.
        if pair[1].cpu > 8.0 * pair[0].cpu + 0.5 {
            wrong.push(format!("{name}: {:.2} s, and {:.2} s for four times as much", pair[0].cpu, pair[1].cpu));
        }
    }
    assert!(small.len() > 20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Class 71.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_regular_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("folder.bam")).unwrap();
    symlink(path("loop.bam"), path("loop.bam")).unwrap();
    symlink(path("nothing"), path("dangling.bam")).unwrap();
    symlink("/dev/zero", path("zeros.bam")).unwrap();
    fs::write(path("file.bed"), "chr1\t1\t2\n").unwrap();
    let mut cases = vec![
        ("folder.bam".to_owned(), "no file of a known format"),
        ("loop.bam".to_owned(), "cannot read it"),
        ("dangling.bam".to_owned(), "no such file"),
        ("file.bed/within.bed".to_owned(), "cannot read it"),
    ];
    let is_device = |path: &str| fs::metadata(path).is_ok_and(|m| m.file_type().is_char_device());
    if is_device("/dev/zero") {
        cases.push(("zeros.bam".to_owned(), "no regular file"));
    }
    match Command::new("mkfifo").arg(path("pipe.vcf")).status() {
        Ok(status) if status.success() => cases.push(("pipe.vcf".to_owned(), "no regular file")),
        _ => eprintln!("SKIPPED: mkfifo is not there, so no pipe was opened"),
    }
    let socket = std::os::unix::net::UnixListener::bind(path("socket.bam"));
    if socket.is_ok() {
        cases.push(("socket.bam".to_owned(), "no regular file"));
    }
    fs::write(path("secret.bed"), "chr1\t1\t2\n").unwrap();
    fs::set_permissions(path("secret.bed"), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(path("secret.bed")).is_err() {
        cases.push(("secret.bed".to_owned(), "permission denied"));
    } else {
        let owner = fs::metadata(path("secret.bed")).unwrap().uid();
        eprintln!("SKIPPED: user {owner} may read everything, so no file was refused");
    }
    for (name, text) in cases {
        let sql = format!("SELECT * FROM '{}'", path(&name).display());
        let given = tokio::time::timeout(Duration::from_secs(30), run(2, 8192, &sql)).await;
        let (given, _) = given.unwrap_or_else(|_| panic!("{name} hangs"));
        let e = given.expect_err(&name);
        assert!(e.contains(text) && e.contains(&name), "{name}: {e}");
    }
}

/// Sound lines, more than one read takes.
fn many_lines(chrom: &str) -> String {
    (0..400_000).map(|i| format!("{chrom}\t{i}\t{}\n", i + 5)).collect()
}

/// Class 70: after the first batch something happens to the file.
async fn after_first_batch(change: impl FnOnce(&Path)) -> Result<(u64, u64), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changing.bed");
    fs::write(&path, many_lines("old")).unwrap();
    let ctx = context(1, 1000);
    let query = ctx.sql(&format!("SELECT chrom FROM '{}'", path.display())).await.unwrap();
    let mut stream = query.execute_stream().await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    // So that the time of a change differs from the file's.
    tokio::time::sleep(Duration::from_millis(50)).await;
    change(&path);
    let (mut old, mut new) = (first.num_rows() as u64, 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|e| genomicframe::Error::from(e).to_string())?;
        let rows = support::rows(&[batch]);
        let of = rows.iter().filter(|r| *r == "old").count() as u64;
        (old, new) = (old + of, new + rows.len() as u64 - of);
    }
    Ok((old, new))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_change() {
    let all = (400_000, 0);
    assert_eq!(after_first_batch(|_| {}).await, Ok(all));
    let told = |e: String| {
        assert!(e.contains("changing.bed") && e.contains("while it was being read") && e.ends_with(')'), "{e}");
    };
    told(
        after_first_batch(|path| fs::File::options().write(true).open(path).unwrap().set_len(1 << 20).unwrap())
            .await
            .unwrap_err(),
    );
    told(after_first_batch(|path| fs::write(path, many_lines("new")).unwrap()).await.unwrap_err());
    let append = |path: &Path| fs::File::options().append(true).open(path).unwrap().write_all(b"new\t1\t2\n").unwrap();
    told(after_first_batch(append).await.unwrap_err());
    // What is replaced or removed as a whole is either read on as it was, or told.
    let replace = |path: &Path| {
        fs::write(path.with_extension("new"), many_lines("new")).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    for given in [after_first_batch(replace).await, after_first_batch(|path| fs::remove_file(path).unwrap()).await] {
        match given {
            Ok(rows) => assert_eq!(rows, all),
            Err(e) => assert!(e.contains("changing.bed"), "{e}"),
        }
    }
}
