//! What a scan costs without a query engine: rows, time and CPU of each of its stages.
//!
//! ```text
//! scan FILE COLUMNS [REGION]     COLUMNS: all, none (rows are only counted), or names with commas
//! ```
//! One partition, so that the times of the stages are those of one thread.
#![allow(clippy::print_stdout, reason = "a program")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::StreamExt;
use futures::executor::block_on;
use genomicframe_core::genome::{Region, RegionSet};
use genomicframe_core::io::{Location, ObjectIo, Storage};
use genomicframe_core::scan::{OpenOptions, ScanMetrics, ScanRequest, drive};
use genomicframe_core::{Error, Result, formats};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        [file, columns] => block_on(scan(file, columns, None)),
        [file, columns, region] => block_on(scan(file, columns, Some(region))),
        _ => Err(Error::invalid("scan FILE COLUMNS [REGION]")),
    }
}

async fn scan(file: &str, columns: &str, region: Option<&str>) -> Result<()> {
    let io: Arc<dyn ObjectIo> = Arc::new(Storage::default());
    let format = formats::by_name(file).ok_or_else(|| Error::unsupported("no known format").in_object(file))?;
    let asked = columns.split(',').map(str::to_owned).collect();
    let options = OpenOptions { columns: asked, ..OpenOptions::default() };
    let dataset = format.open(&Location::parse(file)?, &*io, &options).await?;
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
    let seconds = |nanos: &AtomicU64| nanos.load(Ordering::Relaxed) as f64 / 1e9;
    println!(
        "rows {rows} bytes {} seconds {:.3}",
        metrics.bytes_inflated.load(Ordering::Relaxed),
        begin.elapsed().as_secs_f64()
    );
    println!(
        "read {:.3} inflate {:.3} frame {:.3} filter {:.3} build {:.3}",
        seconds(&metrics.read_time),
        seconds(&metrics.inflate_time),
        seconds(&metrics.frame_time),
        seconds(&metrics.filter_time),
        seconds(&metrics.build_time),
    );
    Ok(())
}
