//! `gf convert`.

use std::io::{self, Write};
use std::time::Instant;

use genomicframe::Error;
use genomicframe::convert::{BamOptions, ConvertOptions, Converted};
use genomicframe::core::io::Location;
use indicatif::{HumanBytes, HumanCount};

use crate::args::{ConvertArgs, DatasetArgs, FileArgs, OutputArgs};
use crate::commands::{Failure, Session, all, output, print_parts};
use crate::progress::Line;

/// Converts, to what the output's name says.
pub(crate) async fn convert(session: &Session, args: &ConvertArgs) -> Result<(), Failure> {
    if args.makes_dataset() {
        if !args.regions.is_empty() {
            return Err(Failure::Usage("a dataset is made of all reads, without --region".into()));
        }
        return to_bams3(session, args).await;
    }
    if args.dataset != DatasetArgs::default() {
        return Err(Failure::Usage(format!(
            "{}: these options are for .bams3 datasets",
            Location::shown(&args.output)
        )));
    }
    if args.ending() != "bam" && !args.regions.is_empty() {
        return Err(Failure::Usage(format!(
            "{}: --region is for .bam; gf view writes regions as text",
            Location::shown(&args.output)
        )));
    }
    if args.input == "-" {
        return Err(Failure::Usage("standard input is converted to .bams3 only".into()));
    }
    match args.ending().as_str() {
        "bam" => to_bam(session, args).await,
        _ => {
            let to = OutputArgs { format: None, output: Some(args.output.clone().into()), no_header: false };
            let from =
                FileArgs { file: args.input.clone(), allow_missing_eof: args.allow_missing_eof, ..FileArgs::default() };
            print_parts(session, &all(&from, None), output(session, &to)?).await
        }
    }
}

/// Writes a dataset as BAM.
async fn to_bam(session: &Session, args: &ConvertArgs) -> Result<(), Failure> {
    let threads = args.engine.threads.map_or(0, usize::from);
    let options = BamOptions { threads, regions: args.regions.clone(), ..BamOptions::default() };
    let started = Instant::now();
    let records = session.ctx.export_bam(&args.input, &args.output, &options).await?;
    let line = format!("{} reads in {:.1} s", HumanCount(records), started.elapsed().as_secs_f64());
    // Nobody may listen any more.
    let _ = writeln!(io::stderr().lock(), "{line}");
    Ok(())
}

async fn to_bams3(session: &Session, args: &ConvertArgs) -> Result<(), Failure> {
    let options = options(args)?;
    if args.input == "-" && args.dataset.resume {
        return Err(Failure::Usage("standard input cannot be resumed: what was read of it is gone".into()));
    }
    let started = Instant::now();
    let line = Line::of_conversion(options.progress(), &session.writer);
    let made = session.ctx.convert(&args.input, &args.output, &options).await;
    drop(line);
    tell(&made?, started);
    Ok(())
}

fn options(args: &ConvertArgs) -> Result<ConvertOptions, Failure> {
    let usage = |e: Error| Failure::Usage(e.to_string());
    let given = &args.dataset;
    let mut options = ConvertOptions::new()
        .resume(given.resume)
        .overwrite(given.overwrite)
        .sort(given.sort)
        .qname_index(given.qname_index)
        .allow_missing_eof(args.allow_missing_eof);
    if let Some(level) = &given.level {
        options = options.level(level).map_err(usage)?;
    }
    if let Some(window) = &given.window {
        options = options.window(window).map_err(usage)?;
    }
    if let Some(rows) = given.chunk_rows {
        options = options.chunk_rows(rows);
    }
    if let Some(bytes) = given.chunk_bytes {
        options = options.chunk_bytes(bytes as u64);
    }
    if let Some(threads) = args.engine.threads {
        options = options.threads(threads.into());
    }
    if let Some(bytes) = args.engine.memory {
        options = options.memory(bytes);
    }
    Ok(options)
}

/// The last line, for whoever waited.
fn tell(made: &Converted, started: Instant) {
    let resumed = match made.resumed_chunks() {
        0 => String::new(),
        n => format!(", {n} chunks resumed"),
    };
    let line = format!(
        "{} reads in {:.1} s: {} → {}{resumed}",
        HumanCount(made.rows()),
        started.elapsed().as_secs_f64(),
        HumanBytes(made.bytes_read()),
        HumanBytes(made.bytes_written()),
    );
    // Nobody may listen any more.
    let _ = writeln!(io::stderr().lock(), "{line}");
}
