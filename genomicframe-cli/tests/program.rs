//! The program starts and answers about itself. Being here also makes `cargo test` build `gf`, which the integration tests
//! of the workspace run on files.

use std::process::Command;

#[test]
fn it_tells_its_version() {
    let out = Command::new(env!("CARGO_BIN_EXE_gf")).arg("--version").output().map(|o| (o.status.success(), o.stdout));
    let expected = format!("gf {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(out.ok(), Some((true, expected.into_bytes())));
}
