//! Every target on its seeds, on all that once failed, and on mutations of both: the same in every run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use genomicframe_fuzz::{Random, TARGETS, Target, seeds};

/// Mutations of each target.
const MUTATIONS: usize = 2000;

/// Some of `bytes` changed: bits flipped, numbers set to what counts fear, stretches cut, doubled, moved or of another input.
fn mutate(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for _ in 0..=random.below(3) {
        if out.is_empty() {
            return out;
        }
        let at = random.below(out.len());
        let end = (at + 1 + random.below(40)).min(out.len());
        match random.below(8) {
            0 => out[at] ^= 1 << random.below(8),
            1 => out[at] = random.below(256) as u8,
            2 => {
                let feared = [0, 1, -1, i32::MAX, i32::MIN, 255, 65_535, 65_536, 1 << 24, 1 << 29];
                let number = random.one(&feared).to_le_bytes();
                let end = (at + 4).min(out.len());
                out[at..end].copy_from_slice(&number[..end - at]);
            }
            // What text is made of.
            3 => out[at] = random.one(b"\t\n\r .;:,=\"%*0-9@#+>"),
            4 => {
                let number = random.one(&["0", "-1", "2147483648", "9223372036854775807", "1e9", "nan", "."]);
                out.splice(at..end.min(at + 3), number.bytes());
            }
            5 => drop(out.drain(at..end)),
            6 if !other.is_empty() => {
                let from = random.below(other.len());
                let stretch = other[from..(from + 40).min(other.len())].to_vec();
                out.splice(at..at, stretch);
            }
            _ => {
                let (stretch, to) = (out[at..end].to_vec(), random.below(out.len()));
                out.splice(to..to, stretch);
            }
        }
    }
    out
}

/// Inputs that once failed.
fn crashes(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes").join(target);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|f| f.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn run(name: &str, target: Target, input: &[u8]) -> Result<(), String> {
    let failed = std::panic::catch_unwind(|| target(input)).err();
    failed.map_or(Ok(()), |cause| {
        let why = cause.downcast_ref::<String>().cloned().or(cause.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        let kept = std::env::temp_dir().join(format!("crash-{name}"));
        let _ = std::fs::write(&kept, input);
        Err(format!("{name}: {} ({} bytes, kept as {})", why.unwrap_or_default(), input.len(), kept.display()))
    })
}

#[test]
fn every_target_holds_for_seeds_crashes_and_mutations() {
    let mutations = std::env::var("GF_FUZZ_MUTATIONS").map_or(MUTATIONS, |n| n.parse().unwrap());
    let only = std::env::var("GF_FUZZ_TARGET").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, target) in TARGETS.iter().filter(|(name, _)| only.is_empty() || *name == only) {
        let inputs = [seeds(name), crashes(name)].concat();
        assert!(!inputs.is_empty(), "{name} has no seeds");
        let mut random = Random::of(name.as_bytes());
        let mutated = (0..mutations).map(|i| {
            let other = &inputs[random.below(inputs.len())];
            mutate(&inputs[i % inputs.len()], other, &mut random)
        });
        let all: Vec<Vec<u8>> = inputs.iter().cloned().chain([Vec::new()]).chain(mutated).collect();
        failed.extend(all.iter().filter_map(|input| run(name, *target, input).err()).take(1));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// What is kept for a target that was renamed would not be run any more.
#[test]
fn every_kept_input_has_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|(known, _)| *known == name) || name == "README.txt", "{name}");
    }
}
