//! Datasets looked at, and cleaned up after.

use genomicframe::bams3::summary::{Info, Stats, chunk_table};
use genomicframe::bams3::writer::gc;
use genomicframe::{Error, Target, core, write_batch, write_text};

use crate::args::Bams3Command;
use crate::commands::{Failure, Session, output, refuse_native};

/// Runs a subcommand of `gf bams3`.
pub(crate) async fn look(session: &Session, command: Bams3Command) -> Result<(), Failure> {
    let ctx = &session.ctx;
    match command {
        Bams3Command::Info { dataset, .. } => {
            let opened = ctx.open_bams3(&dataset).await?;
            write_text(&Info(&opened.metadata).to_string(), Target::Stdout).await?;
        }
        Bams3Command::Stats { dataset, json, .. } => {
            let opened = ctx.open_bams3(&dataset).await?;
            let stats = Stats::of(&opened.metadata, &opened.contigs);
            let text = if json { stats.to_json().map_err(Error::from)? } else { stats.to_string() };
            write_text(&text, Target::Stdout).await?;
        }
        Bams3Command::Validate { dataset, against, .. } => {
            let report = ctx.validate_bams3(&dataset, against.as_deref()).await?;
            write_text(&report.to_string(), Target::Stdout).await?;
            if let Some(error) = report.first_error() {
                return Err(Failure::Work(Error::from(core::Error::corrupt(error.to_string()))));
            }
        }
        Bams3Command::Chunks { dataset, output: args, .. } => {
            let output = output(session, &args)?;
            refuse_native(output.format)?;
            let opened = ctx.open_bams3(&dataset).await?;
            let chunks = ctx.bams3_chunks(&opened).await?;
            let table = chunk_table(&opened, chunks.iter().flat_map(|part| part.iter())).map_err(Error::from)?;
            write_batch(table, output.format, output.target, &output.options).await?;
        }
        Bams3Command::Gc { dataset, dry_run, .. } => {
            let place = ctx.bams3_destination(&dataset, false)?;
            let unused = gc::unused(&place).await.map_err(Error::from)?;
            let mut told: String = unused.iter().map(|(key, bytes)| format!("{key}\t{bytes}\n")).collect();
            let (objects, bytes) = (unused.len(), unused.iter().map(|(_, bytes)| bytes).sum::<u64>());
            if !dry_run {
                gc::remove(&place, &unused).await.map_err(Error::from)?;
            }
            let done = if dry_run { "to remove" } else { "removed" };
            told.push_str(&format!("{done}: {objects} objects, {bytes} bytes\n"));
            write_text(&told, Target::Stdout).await?;
        }
    }
    Ok(())
}
