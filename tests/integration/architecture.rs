//! The house: dependencies go one way, and no file grows without end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn formats_do_not_reach_datafusion() {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    // Other platforms' packages need not be at hand.
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|l| l.strip_prefix("host: ")).unwrap();
    let args = ["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", host];
    let out = Command::new(cargo).args(args).current_dir(root()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
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

#[test]
fn files_hold_one_concept() {
    let mut folders = vec![root().to_path_buf()];
    let mut long = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                if lines > 600 {
                    long.push(format!("{} ({lines})", path.display()));
                }
            }
        }
    }
    assert!(long.is_empty(), "{long:?}");
}
