//! The house: dependencies go one way, and no file grows without end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What cargo says of the packages that are built here.
fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    // Other platforms' packages need not be at hand.
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let args = ["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", host];
    let out = Command::new(cargo).args(args).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

#[test]
fn formats_do_not_reach_datafusion() {
    let metadata = metadata();
    let text = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
    let names: BTreeMap<String, String> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    // Only what is linked: test dependencies may know the engine.
    let edges = |id: &str| -> Vec<String> {
        let node = nodes.iter().find(|n| n["id"] == id).unwrap();
        let normal = |d: &&serde_json::Value| {
            d["dep_kinds"].as_array().unwrap().iter().any(|k| k["kind"].is_null() || k["kind"] == "build")
        };
        node["deps"].as_array().unwrap().iter().filter(normal).map(|d| text(&d["pkg"])).collect()
    };
    for name in ["genomicframe-core", "genomicframe-bams3"] {
        let start = names.iter().find(|(_, n)| *n == name).map(|(id, _)| id.clone()).unwrap();
        let (mut seen, mut queue) = (BTreeSet::new(), vec![start]);
        while let Some(id) = queue.pop() {
            if seen.insert(id.clone()) {
                queue.extend(edges(&id));
            }
        }
        for forbidden in ["datafusion", "sqlparser", "polars-core"] {
            assert!(!seen.iter().any(|id| names[id].starts_with(forbidden)), "{name} reaches {forbidden}");
        }
    }
}

/// Every source file, by its path from the root, and its text.
fn sources() -> Vec<(String, String)> {
    let mut folders = vec![root().to_path_buf()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let from_root = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((from_root, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn files_hold_one_concept() {
    let sources = sources();
    let long: Vec<_> = sources.iter().filter(|(_, text)| text.lines().count() > 600).map(|(path, _)| path).collect();
    assert!(sources.len() > 100 && long.is_empty(), "{long:?}");
}

/// Files that give up memory safety, and why they must.
const UNSAFE: [(&str, &str); 2] = [
    ("genomicframe-cli/src/memory.rs", "two numbers are set in the C library's allocator before any thread runs"),
    (
        "genomicframe/src/polars.rs",
        "arrays pass between two libraries by the C data interface, whose structs both lay out alike",
    ),
];

#[test]
fn unsafe_code_is_argued_for() {
    // Split, so that this file has none.
    let words = [
        concat!("unsafe", " {"),
        concat!("unsafe", " fn"),
        concat!("unsafe", " impl"),
        concat!("allow(", "unsafe_code"),
    ];
    let files: BTreeMap<String, String> =
        sources().into_iter().filter(|(_, text)| words.iter().any(|word| text.contains(word))).collect();
    let listed: Vec<&str> = UNSAFE.iter().map(|(path, _)| *path).collect();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), listed, "argue for it in UNSAFE, or do without");
    for (path, text) in &files {
        let blocks = text.matches(words[0]).count();
        assert!(
            blocks > 0 && text.matches("// SAFETY: ").count() >= blocks.div_ceil(2),
            "{path} does not say why it is safe"
        );
    }
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains(r#"unsafe_code = "deny""#));
}

/// The texts of a list in `deny.toml`, which is one of a line each, and the names of its crates likewise.
fn denied(list: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let from = text.find(&format!("\n{list} = [")).unwrap_or_else(|| panic!("deny.toml has no {list}"));
    let lines = text[from + 1..].lines().skip(1).take_while(|line| *line != "]");
    let found: BTreeSet<String> = lines.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect();
    assert!(found.len() > 3);
    found
}

/// `deny.toml` without the program that reads it: licences, sources, two versions of the same.
#[test]
fn packages_are_those_that_are_allowed() {
    let metadata = metadata();
    let (licences, twice) = (denied("allow"), denied("skip"));
    let text = |v: &serde_json::Value| v.as_str().unwrap_or_default().to_owned();
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let (name, version, licence) = (text(&package["name"]), text(&package["version"]), text(&package["license"]));
        if !package["source"].is_null()
            && !text(&package["source"]).starts_with("registry+https://github.com/rust-lang/crates.io-index")
        {
            wrong.push(format!("{name} is from {}", package["source"]));
        }
        // Of alternatives one is enough; of several that hold at once, all.
        let is_allowed = |one: &str| licences.contains(one.trim().trim_matches(['(', ')']));
        let holds = |all: &str| all.split(" OR ").flat_map(|one| one.split('/')).any(is_allowed);
        if licence.is_empty() || !licence.split(" AND ").all(holds) {
            wrong.push(format!("{name} has the licence {licence:?}"));
        }
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let unlisted = versions.iter().filter(|v| !twice.contains(&format!("{name}@{v}"))).count();
        if unlisted > 1 {
            wrong.push(format!("{name} in versions {versions:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
