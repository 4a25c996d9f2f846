//! Datasets and BAM files of records, in memory, behind storage that counts.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use bytes::Bytes;
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use genomicframe_core::formats::bam::{BamWriteOptions, BamWriter};
use genomicframe_core::genome::{Interval, Region, RegionSet};
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta};
use genomicframe_core::scan::{Dataset, Format, OpenOptions, ScanMetrics, ScanPlan, ScanRequest, drive};
use genomicframe_core::{Error, Result};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use super::records::{contigs, header_text};
use crate::Bams3;
use crate::metadata::Source;
use crate::source::Records;
use crate::writer::{Destination, RecordInput, WriteOptions, write};

/// Objects in memory; what is read of them is noted.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) objects: BTreeMap<Location, Bytes>,
    pub(crate) reads: Mutex<Vec<(String, Range<u64>)>>,
}

impl Shelf {
    fn get(&self, at: &Location) -> Result<&Bytes> {
        self.objects.get(at).ok_or_else(|| Error::not_found("no such object").in_object(at))
    }

    /// What was read since the last call, by the object's name.
    pub(crate) fn take_reads(&self) -> Vec<(String, Range<u64>)> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

impl ObjectIo for Shelf {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        let meta = |b: &Bytes| ObjectMeta { location: at.clone(), size: b.len() as u64, etag: None, modified: None };
        async move { self.get(at).map(meta) }.boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            let bytes = self.get(&object.location)?;
            self.reads.lock().unwrap().push((object.location.to_string(), range.clone()));
            Ok(bytes.slice(range.start as usize..range.end as usize))
        }
        .boxed()
    }

    fn list<'a>(&'a self, _: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move { Err(Error::unsupported("readers list nothing")) }.boxed()
    }
}

/// The objects of a dataset of `records`, by key; the records come in blocks of `block`.
pub(crate) fn objects(records: &[Vec<u8>], options: &WriteOptions, block: usize) -> BTreeMap<String, Bytes> {
    let store = Arc::new(InMemory::new());
    let to = Destination::new(Arc::clone(&store) as Arc<dyn ObjectStore>, "d".into(), "d");
    let mut first = 0;
    let blocks = records.chunks(block.max(1)).map(|chunk| {
        let mut out = Records { first, ..Records::default() };
        first += chunk.len() as u64;
        for record in chunk {
            out.starts.push(out.bytes.len() as u32);
            out.bytes.extend(record);
        }
        out
    });
    let mut blocks = blocks.collect::<Vec<_>>().into_iter();
    let input = RecordInput {
        header_text: header_text(),
        contigs: contigs(),
        source: Source { name: "x".into(), bytes: Some(1), sorted: false },
        modified: None,
        blocks: Box::new(move || Ok(blocks.next())),
    };
    block_on(async {
        write(input, &to, options, Arc::default()).await.unwrap();
        let mut out = BTreeMap::new();
        for meta in store.list(None).try_collect::<Vec<_>>().await.unwrap() {
            let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
            out.insert(meta.location.as_ref().strip_prefix("d/").unwrap().to_owned(), bytes);
        }
        out
    })
}

/// A dataset and a BAM file of the same records.
pub(crate) struct Built {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) dataset: Arc<dyn Dataset>,
    pub(crate) bam: Arc<dyn Dataset>,
}

/// Writes and opens both.
pub(crate) fn dataset(records: &[Vec<u8>], options: &WriteOptions) -> Built {
    let (at, bam_at) = (Location::parse("memory:///d.bams3").unwrap(), Location::parse("memory:///d.bam").unwrap());
    let mut shelf = Shelf::default();
    for (key, bytes) in objects(records, options, 50) {
        shelf.objects.insert(at.join(&key), bytes);
    }
    let mut bam = BamWriter::new(Vec::new(), &header_text(), &contigs(), BamWriteOptions::default()).unwrap();
    bam.write_records(&records.concat()).unwrap();
    shelf.objects.insert(bam_at.clone(), bam.finish().unwrap().sink.into());
    let (shelf, options) = (Arc::new(shelf), OpenOptions::default());
    let open = |format: &'static dyn Format, at: &Location| block_on(format.open(at, &*shelf, &options)).unwrap();
    let dataset = open(&Bams3, &at);
    let bam = open(genomicframe_core::formats::by_id("bam").unwrap(), &bam_at);
    block_on(dataset.load_index(&*shelf, None)).unwrap();
    block_on(bam.load_index(&*shelf, None)).unwrap();
    Built { shelf, dataset, bam }
}

/// What a scan gave.
pub(crate) struct Scanned {
    pub(crate) plan: ScanPlan,
    pub(crate) batches: Vec<RecordBatch>,
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
}

impl Scanned {
    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Plans and drives `request`, partition by partition.
pub(crate) fn scan(io: &Arc<Shelf>, dataset: &dyn Dataset, request: &ScanRequest) -> Result<Scanned> {
    let plan = dataset.plan(request)?;
    let metrics = Arc::new(ScanMetrics::default());
    let mut batches = Vec::new();
    for partition in plan.partitions.clone() {
        let decoder = dataset.decoder(request, &partition)?;
        let io = Arc::clone(io) as Arc<dyn ObjectIo>;
        let stream = drive(io, Arc::clone(&plan.objects), partition, decoder, Arc::clone(&metrics));
        batches.extend(block_on(stream.try_collect::<Vec<_>>())?);
    }
    let (bytes, requests) = (metrics.bytes_read.load(Ordering::Relaxed), metrics.requests.load(Ordering::Relaxed));
    Ok(Scanned { plan, batches, bytes, requests })
}

/// All batches as one, if they have columns.
pub(crate) fn rows(scanned: &Scanned) -> Option<RecordBatch> {
    let first = scanned.batches.first().filter(|b| b.num_columns() > 0)?;
    Some(concat_batches(&first.schema(), &scanned.batches).unwrap()).filter(|b| b.num_rows() > 0)
}

/// A set of regions, 1-based; an empty contig stands for reads without one.
pub(crate) fn regions(list: &[(&str, i64, i64)]) -> Arc<RegionSet> {
    let placed = list.iter().filter(|(contig, ..)| !contig.is_empty());
    let mut set: RegionSet =
        placed.map(|(contig, a, b)| Region::new(*contig, Interval::new(*a, *b).unwrap())).collect();
    if list.iter().any(|(contig, ..)| contig.is_empty()) {
        set.add_unplaced();
    }
    Arc::new(set)
}
