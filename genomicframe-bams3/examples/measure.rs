//! What `benches/compare/bams3.sh` times: conversion, scans and export, without a query engine.
//!
//! ```text
//! measure convert IN.bam OUT.bams3 LEVEL THREADS     rows, bytes and the columns' shares
//! measure scan IN COLUMNS TIMES [REGION]             COLUMNS: all, none, or names with commas; IN: BAM or BAMS3
//! measure export IN.bams3 OUT.bam THREADS
//! ```
#![allow(clippy::print_stdout, reason = "a program")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use genomicframe_bams3::Bams3;
use genomicframe_bams3::dataset::{Opened, open_root};
use genomicframe_bams3::export::{ExportOptions, to_bam};
use genomicframe_bams3::metadata::Source as Origin;
use genomicframe_bams3::sort::{Order, Ordered};
use genomicframe_bams3::source::{Input, Source, SourceOptions};
use genomicframe_bams3::writer::{Destination, RecordInput, WriteOptions, write};
use genomicframe_core::genome::{Region, RegionSet};
use genomicframe_core::io::{Location, ObjectIo, Storage};
use genomicframe_core::scan::{Format, Limits, OpenOptions, ScanMetrics, ScanRequest, drive};
use genomicframe_core::{Error, Result, formats};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Runtime::new().map_err(|e| Error::io("no runtime").caused_by(e))?;
    let number = |text: &str| text.parse::<usize>().map_err(|e| Error::invalid("no number").caused_by(e));
    match args.as_slice() {
        ["convert", from, to, level, threads] => runtime.block_on(convert(from, to, level, number(threads)?)),
        ["scan", from, columns, times] => runtime.block_on(scan(from, columns, number(times)?, None)),
        ["scan", from, columns, times, region] => runtime.block_on(scan(from, columns, number(times)?, Some(region))),
        ["export", from, to, threads] => runtime.block_on(export(from, to, number(threads)?)),
        _ => Err(Error::invalid("convert, scan or export, as the head of the file says")),
    }
}

async fn convert(from: &str, to: &str, level: &str, threads: usize) -> Result<()> {
    let file = File::open(from).map_err(|e| Error::io("cannot be opened").in_object(from).caused_by(e))?;
    let size = file.metadata().map_or(0, |m| m.len());
    let input = Input::open(Box::new(file), &SourceOptions { threads, ..SourceOptions::default() })?;
    let (header_text, contigs) = (input.header_text.clone(), Arc::clone(&input.contigs));
    let order = Order::of(&header_text, false);
    let mut records = Ordered::new(input, Arc::clone(&contigs), order, 256 << 20, &std::env::temp_dir());
    let source = Origin { name: from.into(), bytes: Some(size), sorted: false };
    let blocks = Box::new(move || records.next());
    let input = RecordInput { header_text, contigs, source, modified: None, blocks };
    let options = WriteOptions { level: level.parse()?, threads, overwrite: true, ..WriteOptions::default() };
    let written = write(input, &Destination::folder(Path::new(to))?, &options, Arc::default()).await?;
    let totals = &written.metadata.totals;
    let share = |bytes: u64| bytes as f64 / size as f64;
    println!(
        "rows {} bytes {} share {:.4}",
        totals.stats.as_ref().map_or(0, |s| s.rows),
        totals.bytes,
        share(totals.bytes)
    );
    let mut columns = written.metadata.columns.clone();
    columns.sort_by_key(|c| std::cmp::Reverse(c.bytes));
    columns.iter().for_each(|c| println!("  {:10} {:12} {:.4}", c.name, c.bytes, share(c.bytes)));
    Ok(())
}

async fn scan(from: &str, columns: &str, times: usize, region: Option<&str>) -> Result<()> {
    let io: Arc<dyn ObjectIo> = Arc::new(Storage::default());
    let at = Location::parse(from)?;
    let format: &dyn Format = match from.trim_end_matches('/').ends_with(".bams3") {
        true => &Bams3,
        false => formats::by_name(from).ok_or_else(|| Error::unsupported("no known format").in_object(from))?,
    };
    let dataset = format.open(&at, &*io, &OpenOptions::default()).await?;
    let contigs = dataset.contigs();
    let known = |name: &str| contigs.is_some_and(|c| c.get(name).is_some());
    let regions = region.map(|r| Region::parse(r, known)).transpose()?.map(|r| RegionSet::from_iter([r]));
    dataset.load_index(&*io, regions.as_ref()).await?;
    let schema = dataset.schema();
    let projection = match columns {
        "all" => (0..schema.fields().len()).collect(),
        "none" => Vec::new(),
        names => names.split(',').map(|n| Ok(schema.index_of(n)?)).collect::<Result<_>>()?,
    };
    let request = ScanRequest { regions: regions.map(Arc::new), ..ScanRequest::all(projection) };
    for _ in 0..times {
        let begin = Instant::now();
        let plan = dataset.plan(&request)?;
        let metrics = Arc::new(ScanMetrics::default());
        let mut rows = 0;
        for partition in plan.partitions.clone() {
            let decoder = dataset.decoder(&request, &partition)?;
            let objects = Arc::clone(&plan.objects);
            let mut batches = Box::pin(drive(Arc::clone(&io), objects, partition, decoder, Arc::clone(&metrics)));
            while let Some(batch) = batches.next().await {
                rows += batch?.num_rows();
            }
        }
        let bytes = metrics.bytes_read.load(std::sync::atomic::Ordering::Relaxed);
        let requests = metrics.requests.load(std::sync::atomic::Ordering::Relaxed);
        println!("rows {rows} bytes {bytes} requests {requests} seconds {:.4}", begin.elapsed().as_secs_f64());
    }
    Ok(())
}

async fn export(from: &str, to: &str, threads: usize) -> Result<()> {
    let io: Arc<dyn ObjectIo> = Arc::new(Storage::default());
    let at = Location::parse(from)?;
    let root = open_root(&at, &*io).await?;
    let opened = Arc::new(Opened::open(&at, &root, &*io, &Limits::default()).await?);
    let out = File::create(to).map_err(|e| Error::io("cannot be written").in_object(to).caused_by(e))?;
    let options = ExportOptions { threads, ..ExportOptions::default() };
    let written = to_bam(&opened, io, out, &options, Arc::default()).await?;
    println!("rows {} bytes {}", written.records, written.bytes);
    Ok(())
}
