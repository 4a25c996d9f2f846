use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};

use super::*;
use crate::genome::{Interval, Region, RegionSet};
use crate::io::{Location, MemoryIo, ObjectIo, ObjectMeta, Requests};
use crate::scan::{Dataset, Format, Partition, ScanMetrics, ScanRequest, Spawn, Tasks, drive_with};
use crate::testing::Random;

/// A storage whose answers take a while, and small requests.
#[derive(Debug, Default)]
struct Far {
    memory: MemoryIo,
    log: Mutex<Vec<Range<u64>>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    slow: bool,
    requests: Option<Requests>,
}

impl ObjectIo for Far {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        self.memory.head(at)
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            self.log.lock().unwrap().push(range.clone());
            let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_in_flight.fetch_max(now, Ordering::SeqCst);
            if self.slow {
                std::thread::sleep(Duration::from_millis(2));
            }
            let bytes = self.memory.read(object, range).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            bytes
        }
        .boxed()
    }

    fn requests(&self, _: &Location) -> Requests {
        self.requests.unwrap_or(Requests { largest: 5_000, gap: 1_000, ahead: 3, ahead_bytes: 1 << 20 })
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        self.memory.list(below)
    }
}

/// A thread for each task.
struct Threads;

impl Spawn for Threads {
    fn spawn(&self, work: BoxFuture<'static, ()>) {
        std::thread::spawn(|| block_on(work));
    }
}

fn far(slow: bool, requests: Option<Requests>) -> (Arc<Far>, Arc<dyn Dataset>) {
    let mut random = Random(11);
    let records: Vec<Rec> = (0..4_000)
        .map(|i| {
            let name = format!("{i} {:x}", random.below(usize::MAX));
            Rec { name, ..Rec::at(if i < 2_000 { 0 } else { 2 }, i % 2_000 * 20) }
        })
        .collect();
    far_of(&records, slow, requests)
}

fn far_of(records: &[Rec], slow: bool, requests: Option<Requests>) -> (Arc<Far>, Arc<dyn Dataset>) {
    let (stored, index) = indexed(records, 2_000);
    let io = Arc::new(Far { slow, requests, ..Far::default() });
    let at = Location::parse("memory:///x.bam").unwrap();
    io.memory.put(&at, stored);
    io.memory.put(&at.with_suffix(".bai"), index);
    let dataset = block_on(Bam.open(&at, &*io, &OpenOptions::default())).unwrap();
    block_on(dataset.load_index(&*io, None)).unwrap();
    (io, dataset)
}

fn rows(
    io: &Arc<Far>,
    dataset: &dyn Dataset,
    request: &ScanRequest,
    partition: &Partition,
    tasks: Tasks,
) -> Vec<String> {
    let objects = dataset.plan(request).unwrap().objects;
    let decoder = dataset.decoder(request, partition).unwrap();
    let (io, metrics) = (Arc::clone(io) as Arc<dyn ObjectIo>, Arc::<ScanMetrics>::default());
    let stream = drive_with(io, objects, partition.clone(), decoder, metrics, tasks);
    block_on(stream.map(|batch| format!("{:?}", batch.unwrap().columns())).collect())
}

#[test]
fn requests_ahead_bring_the_same_rows_and_each_byte_once() {
    let (io, dataset) = far(true, None);
    let region = |i: i64| {
        let contig = if i % 2 == 0 { "chr1" } else { "HLA:01:02" };
        Region::new(contig, Interval::new(i * 2_000, i * 2_000 + 100).unwrap())
    };
    for regions in [None, Some((0..20).map(region).collect::<RegionSet>())] {
        for partitions in [1, 3] {
            let request =
                ScanRequest { regions: regions.clone().map(Arc::new), partitions, ..ScanRequest::all(vec![0, 3]) };
            for partition in dataset.plan(&request).unwrap().partitions {
                let take = || std::mem::take(&mut *io.log.lock().unwrap());
                take();
                let want = rows(&io, &*dataset, &request, &partition, Tasks::default());
                let plain = take();
                for inflate in [false, true] {
                    // A read that is on its way ends, though nobody waits for it any more.
                    while io.in_flight.load(Ordering::SeqCst) > 0 {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    io.most_in_flight.store(0, Ordering::SeqCst);
                    let tasks = Tasks { spawner: Some(Arc::new(Threads)), inflate };
                    assert_eq!(rows(&io, &*dataset, &request, &partition, tasks), want);
                    let mut ranges = take();
                    ranges.sort_by_key(|r| r.start);
                    assert!(ranges.windows(2).all(|w| w[0].end <= w[1].start), "{ranges:?}");
                    let bytes = |ranges: &[Range<u64>]| ranges.iter().map(|r| r.end - r.start).sum::<u64>();
                    let (planned, _) = partition.reads(io.requests(&Location::parse("memory:///x").unwrap()));
                    assert!(bytes(&ranges) <= planned.max(bytes(&plain)) + 70_000, "{} {planned}", bytes(&ranges));
                    let most = io.most_in_flight.load(Ordering::SeqCst);
                    assert!(most <= 3 && (most >= 2 || ranges.len() < 5), "{most} of {}", ranges.len());
                }
            }
        }
    }
}

/// The first blocks of a file tell how long the last one of a region is believed to be.
#[test]
fn a_block_that_is_longer_than_believed_is_read_on() {
    let mut random = Random(12);
    let records: Vec<Rec> = (0..20_000)
        .map(|i| {
            // A block's names are all the same, until they have nothing in common.
            let name = (0..16).map(|_| if i < 12_000 { 0 } else { random.below(usize::MAX) });
            Rec { name: name.map(|n| format!("{n:08x}")).collect::<String>()[..120].into(), ..Rec::at(0, i * 20) }
        })
        .collect();
    let (io, dataset) =
        far_of(&records, false, Some(Requests { largest: 1 << 20, gap: 0, ahead: 3, ahead_bytes: 1 << 20 }));
    let mut read_on = 0;
    // The last read of each window of the index.
    for i in (1..=24).map(|window| (window * 16_384 - 1) / 20) {
        let region = Region::new("chr1", Interval::new(i * 20 + 1, i * 20 + 1).unwrap());
        let request =
            ScanRequest { regions: Some(Arc::new([region].into_iter().collect())), ..ScanRequest::all(vec![3]) };
        let plan = dataset.plan(&request).unwrap();
        let planned: u64 = plan.partitions.iter().map(Partition::bytes).sum();
        io.log.lock().unwrap().clear();
        let tasks = Tasks { spawner: Some(Arc::new(Threads)), inflate: false };
        let found: String =
            plan.partitions.iter().flat_map(|p| rows(&io, &*dataset, &request, p, tasks.clone())).collect();
        assert!(found.contains(&format!("\n  {},\n", i * 20 + 1)), "{i}: {found}");
        read_on += usize::from(io.log.lock().unwrap().iter().map(|r| r.end - r.start).sum::<u64>() > planned);
    }
    assert!(read_on > 5, "{read_on}");
}

#[test]
fn what_is_dropped_asks_for_nothing_more() {
    let (io, dataset) = far(false, None);
    let request = ScanRequest { batch_size: 10, ..ScanRequest::all(vec![0]) };
    let plan = dataset.plan(&request).unwrap();
    let decoder = dataset.decoder(&request, &plan.partitions[0]).unwrap();
    io.log.lock().unwrap().clear();
    let tasks = Tasks { spawner: Some(Arc::new(Threads)), inflate: false };
    let shared = Arc::clone(&io) as Arc<dyn ObjectIo>;
    let partition = plan.partitions[0].clone();
    let mut stream = Box::pin(drive_with(shared, plan.objects, partition, decoder, Arc::default(), tasks));
    block_on(stream.next()).unwrap().unwrap();
    drop(stream);
    std::thread::sleep(Duration::from_millis(50));
    let asked = io.log.lock().unwrap().len();
    assert!(asked <= 5, "{asked} requests for ten rows");
}

#[test]
fn what_lies_between_regions_is_read_over_and_not_inflated() {
    // In the first window of one contig and in the last of the other.
    let at = |(contig, start): (&str, i64)| Region::new(contig, Interval::new(start, start + 100).unwrap());
    let regions: RegionSet = [("chr1", 1_000), ("HLA:01:02", 39_000)].into_iter().map(at).collect();
    let request = ScanRequest { regions: Some(Arc::new(regions)), ..ScanRequest::all(vec![0, 3]) };
    let scan = |gap| {
        let (io, dataset) = far(false, Some(Requests { largest: 1 << 20, gap, ahead: 0, ahead_bytes: 0 }));
        let plan = dataset.plan(&request).unwrap();
        let (decoder, metrics) =
            (dataset.decoder(&request, &plan.partitions[0]).unwrap(), Arc::<ScanMetrics>::default());
        let stream =
            drive_with(io, plan.objects, plan.partitions[0].clone(), decoder, Arc::clone(&metrics), Tasks::default());
        let rows: Vec<_> = block_on(stream.map(Result::unwrap).collect());
        let [read, inflated] = [&metrics.bytes_read, &metrics.bytes_inflated].map(|n| n.load(Ordering::Relaxed));
        (rows, read, inflated)
    };
    let (apart, over) = (scan(0), scan(u64::MAX));
    assert_eq!((&apart.0, apart.2), (&over.0, over.2));
    assert!(apart.1 < over.1, "{} and {} bytes read", apart.1, over.1);
}
