//! Records in, put in order, a dataset out.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use genomicframe_bams3::dataset::open_root;
use genomicframe_bams3::legacy::{LegacySource, is_legacy};
use genomicframe_bams3::metadata::Source as Origin;
use genomicframe_bams3::sort::{Order, Ordered, coordinate_header};
use genomicframe_bams3::source::{Input, Source, SourceOptions, sam_line};
use genomicframe_bams3::writer::{RecordInput, WriteOptions, write};

use genomicframe_core::io::Location;
use genomicframe_core::scan::Limits;

use super::input::{Counted, Telling, open};
use super::{ConvertOptions, Converted, invalid, is_stdin};
use crate::context::{GenomicContext, default_memory};
use crate::error::Result;
use crate::formats;
use crate::runtime;

/// Memory that sorting may hold.
const SORTING: usize = 1 << 30;

pub(super) async fn convert(ctx: &GenomicContext, from: &str, to: &str, options: &ConvertOptions) -> Result<Converted> {
    if options.resume && is_stdin(from) {
        return Err(invalid(
            "standard input cannot be resumed",
            "what was read of it is gone: begin anew, --overwrite",
        ));
    }
    let place = Location::parse(to)?.trimmed();
    let is_there = async || formats::dataset_at(&place, &*ctx.access().io).await.map(|f| f.is_some());
    if !options.overwrite && !options.resume && is_there().await? {
        // Told before anything is read or sorted.
        let e = genomicframe_core::Error::invalid("a dataset is there already").in_object(&place);
        return Err(e.hint("--overwrite replaces it").into());
    }
    let input = records(ctx, from, options).await?;
    // No folder is left behind by an input that cannot be read.
    let destination = ctx.bams3_destination(to, true)?;
    let write_options = WriteOptions {
        level: options.level,
        cutting: options.cutting,
        threads: threads(options),
        resume: options.resume,
        overwrite: options.overwrite,
        qname_index: options.qname_index,
    };
    let progress = options.progress();
    let written = write(input, &destination, &write_options, Arc::clone(&progress.written)).await?;
    let (metadata, resumed_chunks) = (written.metadata, written.resumed_chunks);
    Ok(Converted { metadata, bytes_read: progress.bytes_read(), resumed_chunks })
}

fn threads(options: &ConvertOptions) -> usize {
    options.threads.unwrap_or_else(runtime::processors)
}

/// The records of `from`, in coordinate order.
pub(super) async fn records(ctx: &GenomicContext, from: &str, options: &ConvertOptions) -> Result<RecordInput> {
    if !is_stdin(from) {
        let at = Location::parse(from)?;
        if formats::is_folder(&at) || formats::dataset_by_name(at.file_name()).is_some() {
            return older(ctx, &at).await;
        }
    }
    let stream = open(from, ctx.access()).await?;
    let progress = options.progress();
    progress.read.store(0, Ordering::Relaxed);
    progress.total.store(stream.origin.bytes.unwrap_or(0), Ordering::Relaxed);
    let reader = Box::new(Counted { reader: stream.reader, count: Arc::clone(&progress.read) });
    let source = SourceOptions {
        threads: threads(options),
        allow_missing_eof: options.allow_missing_eof,
        parse_line: Some(sam_line),
        ..SourceOptions::default()
    };
    let memory = options.memory.unwrap_or_else(|| SORTING.min(default_memory() / 2));
    let name = Location::shown(from);
    let mut origin = stream.origin;
    // Reading waits and sorting computes: neither is for a task.
    let input = blocking(move || Input::open(reader, &source).map_err(|e| e.in_object(&name))).await?;
    let order = Order::of(&input.header_text, options.sort);
    origin.sorted = order == Order::Sort;
    let header_text = if origin.sorted { coordinate_header(&input.header_text) } else { input.header_text.clone() };
    let contigs = Arc::clone(&input.contigs);
    let telling = Telling { input, name: Location::shown(from), warnings: Some(Arc::clone(&ctx.access().warnings)) };
    let mut ordered = Ordered::new(telling, Arc::clone(&contigs), order, memory, &std::env::temp_dir());
    let (mut ordered, mut first) = blocking(move || {
        let first = ordered.next()?;
        Ok((ordered, first))
    })
    .await?;
    let blocks = Box::new(move || match first.take() {
        Some(records) => Ok(Some(records)),
        None => ordered.next(),
    });
    Ok(RecordInput { header_text, contigs, source: origin, modified: stream.modified, blocks })
}

/// The records of a dataset of version 0.1 or 0.2.
async fn older(ctx: &GenomicContext, at: &Location) -> Result<RecordInput> {
    let root = open_root(at, &*ctx.access().io).await?;
    if !is_legacy(&root) {
        let e = genomicframe_core::Error::unsupported("a dataset of this version is not made anew").in_object(at);
        return Err(e.hint("write it as BAM first: gf convert x.bams3 x.bam").into());
    }
    let mut source = LegacySource::open(at, Arc::clone(&ctx.access().io), &Limits::default()).await?;
    let origin = Origin { name: at.file_name().to_owned(), bytes: None, sorted: true };
    let (header_text, contigs) = (source.header_text.clone(), Arc::clone(&source.contigs));
    let (log, name) = (Arc::clone(&ctx.access().warnings), at.to_string());
    let blocks = Box::new(move || {
        let records = source.next()?;
        if records.is_none() {
            source.warnings().iter().for_each(|(what, times)| log.tell(&format!("{name}: {what}"), times));
        }
        Ok(records)
    });
    Ok(RecordInput { header_text, contigs, source: origin, modified: None, blocks })
}

/// Runs `work` on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> genomicframe_core::Result<T> + Send + 'static,
) -> Result<T> {
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| runtime::lost())??)
}
