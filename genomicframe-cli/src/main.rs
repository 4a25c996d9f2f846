//! `gf`: ask genomic files questions from the command line.

mod memory;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    memory::keep();
    genomicframe_cli::run(genomicframe_cli::Args::parse()).into()
}
