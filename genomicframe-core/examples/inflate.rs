//! The floor of tasks on plain gzip for `benches/compare/`: our inflater alone, checksums included, nothing parsed.
//!
//! ```text
//! inflate FILE.gz      prints the inflated bytes
//! ```
#![allow(clippy::print_stdout, reason = "a program")]

use std::fs::File;
use std::io::Read;

use genomicframe_core::bgzf::GzipStream;

/// Bytes read, and inflated, at a time.
const STEP: usize = 1 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: inflate FILE.gz")?;
    let mut file = File::open(path)?;
    let mut stream = GzipStream::default();
    let (mut input, mut out) = (vec![0; STEP], Vec::with_capacity(2 * STEP));
    let mut total = 0u64;
    loop {
        let read = file.read(&mut input)?;
        if read == 0 {
            break;
        }
        let mut drained = stream.inflate(&input[..read], &mut out, STEP)?;
        while !drained {
            total += out.len() as u64;
            out.clear();
            drained = stream.inflate(&[], &mut out, STEP)?;
        }
        total += out.len() as u64;
        out.clear();
    }
    stream.finish()?;
    println!("{total}");
    Ok(())
}
