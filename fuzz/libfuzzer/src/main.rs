//! All targets in one libFuzzer program: `GF_FUZZ_TARGET` names the one that is run, and with `GF_FUZZ_SEEDS` its seeds are
//! written to that folder instead.
#![no_main]

use std::sync::OnceLock;

use cap::Cap;
use genomicframe_fuzz::Target;

/// No input of some kilobytes needs more: beyond it an allocation fails, which ends the program and is told.
#[global_allocator]
static ALLOCATOR: Cap<std::alloc::System> = Cap::new(std::alloc::System, 256 << 20);

static TARGET: OnceLock<Target> = OnceLock::new();

fn init() {
    let name = std::env::var("GF_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = genomicframe_fuzz::target(&name) else {
        let names: Vec<_> = genomicframe_fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
        if name.is_empty() {
            println!("{}", names.join("\n"));
            std::process::exit(0);
        }
        eprintln!("GF_FUZZ_TARGET={name} is none of {}", names.join(", "));
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os("GF_FUZZ_SEEDS") {
        for (i, seed) in genomicframe_fuzz::seeds(&name).iter().enumerate() {
            std::fs::write(std::path::Path::new(&folder).join(format!("seed-{i}")), seed).expect("a folder that is there");
        }
        std::process::exit(0);
    }
    TARGET.get_or_init(|| target);
}

libfuzzer_sys::fuzz_target!(init: init(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        target(data);
    }
});
