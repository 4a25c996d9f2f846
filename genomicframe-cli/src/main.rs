//! `gf`: ask genomic files questions from the command line.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    genomicframe_cli::run(genomicframe_cli::Args::parse()).into()
}
