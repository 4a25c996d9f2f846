use std::sync::Arc;

use futures::executor::block_on;

use crate::bgzf::VirtualOffset;
use crate::error::{Offset, Result};
use crate::genome::{Interval, Region, RegionSet};
use crate::io::{Location, MemoryIo, ObjectMeta};
use crate::scan::{
    Cut, Framing, IndexChoice, IndexUse, OpenOptions, Partition, ScanPlan, ScanRequest, Segment, StreamFile,
};
use crate::testing::index::{Gaps, Placed, bai, virtual_offset};
use crate::testing::{Random, bgzf, gzip_members};

const CONTIGS: usize = 4;
const BLOCK: usize = 700;
const HEADER: usize = 1000;

struct Indexed {
    records: Vec<Placed>,
    file: StreamFile,
}

fn store(bytes: Vec<u8>, index: Option<Vec<u8>>, options: &OpenOptions) -> Result<(MemoryIo, StreamFile)> {
    let io = MemoryIo::default();
    let at = Location::parse("memory:///data").unwrap();
    io.put(&at, bytes);
    if let Some(index) = index {
        io.put(&at.with_suffix(".bai"), index);
    }
    let file = block_on(StreamFile::open(&at, &io, options))?;
    Ok((io, file))
}

/// Records of all sizes behind a header, in small blocks.
fn indexed(gaps: Gaps) -> Indexed {
    let mut random = Random(3);
    let mut bytes = vec![b'h'; HEADER];
    let mut spans = Vec::new();
    for i in 0..400 {
        let start = bytes.len();
        let length = 1 + random.below([10, 300, 5000][i % 3]);
        bytes.extend((0..length).map(|_| random.below(256) as u8));
        spans.push((i / 100, (i % 100) as i64 * 9000, start, bytes.len()));
    }
    // Records without a contig.
    bytes.extend([0; 3000]);
    let stored = bgzf(&bytes, BLOCK);
    let at = |n| virtual_offset(&stored, BLOCK, n);
    let place = |(contig, start, a, b)| Placed { contig, start, end: start + 20_000, at: at(a), stop: at(b) };
    let records: Vec<Placed> = spans.into_iter().map(place).collect();
    let index = bai(CONTIGS, &records, 5, gaps);
    let (io, mut file) = store(stored.clone(), Some(index), &OpenOptions::default()).unwrap();
    file.set_data_start(Offset::Virtual(VirtualOffset::from_raw(at(HEADER))));
    block_on(file.load_index(&io, &[".bai"])).unwrap();
    Indexed { records, file }
}

fn plan(file: &StreamFile, regions: Option<RegionSet>, partitions: usize) -> ScanPlan {
    let request = ScanRequest { regions: regions.map(Arc::new), partitions, ..ScanRequest::all(vec![]) };
    file.plan(&request, Cut::Never, None, |_, name| name.parse().ok())
}

fn stretches(partitions: &[Partition]) -> Vec<(VirtualOffset, VirtualOffset)> {
    let all = partitions.iter().flat_map(|p| &p.segments).map(|s| match &s.framing {
        Framing::Bgzf { start, stop } => (*start, *stop),
        other => panic!("{other:?}"),
    });
    all.collect()
}

#[test]
fn the_whole_file_is_cut_at_records_and_nowhere_else() {
    for gaps in [Gaps::Filled, Gaps::Zero] {
        let Indexed { records, file } = indexed(gaps);
        for wanted in [1, 2, 3, 7, 50, 10_000] {
            let plan = plan(&file, None, wanted);
            assert!((1..=wanted).contains(&plan.partitions.len()), "{wanted}: {}", plan.partitions.len());
            assert!(wanted > 7 || plan.partitions.len() == wanted, "{wanted}: {}", plan.partitions.len());
            assert!(plan.partitions.iter().all(|p| p.segments.len() == 1));
            let all = stretches(&plan.partitions);
            assert_eq!(all[0].0, VirtualOffset::from_raw(records[0].at));
            assert_eq!(all.last().unwrap().1, VirtualOffset::MAX);
            for w in all.windows(2) {
                assert_eq!(w[0].1, w[1].0);
                assert!(records.iter().any(|r| VirtualOffset::from_raw(r.at) == w[0].1));
            }
            assert!(plan.bytes() <= file.object().size + wanted as u64 * 65_536);
            let first: Vec<bool> = plan.partitions.iter().map(|p| file.is_first(p)).collect();
            assert!(first[0] && !first[1..].contains(&true));
        }
    }
}

#[test]
fn partitions_of_regions_are_disjoint_and_hold_each_record_once() {
    let mut random = Random(9);
    for gaps in [Gaps::Filled, Gaps::Zero] {
        let Indexed { records, file } = indexed(gaps);
        for _ in 0..60 {
            let region = |_| {
                let start = random.below(900_000) as i64;
                let interval = Interval::new(start, start + random.below(200_000) as i64).unwrap();
                Region::new(random.below(CONTIGS + 1).to_string(), interval)
            };
            let regions: RegionSet = (0..3).map(region).collect();
            let one = stretches(&plan(&file, Some(regions.clone()), 1).partitions);
            for wanted in [1, 2, 7, 100] {
                let plan = plan(&file, Some(regions.clone()), wanted);
                assert!(plan.partitions.len() <= wanted);
                let all = stretches(&plan.partitions);
                assert!(all.iter().all(|(a, b)| a < b) && all.windows(2).all(|w| w[0].1 <= w[1].0), "{all:?}");
                for r in &records {
                    let at = VirtualOffset::from_raw(r.at);
                    let times = all.iter().filter(|(a, b)| *a <= at && at < *b).count();
                    assert_eq!(times, one.iter().filter(|(a, b)| *a <= at && at < *b).count());
                    let inside = regions.overlaps(&r.contig.to_string(), r.start + 1, r.end);
                    assert!(times == 1 || (times == 0 && !inside), "{r:?} of {regions} is read {times} times");
                }
                let of_segments = plan.partitions.iter().flat_map(|p| &p.segments);
                assert!(of_segments.clone().all(|s| s.bytes.start < s.bytes.end && s.bytes.end <= file.object().size));
            }
        }
        let mut unplaced = RegionSet::empty();
        unplaced.add_unplaced();
        let all = stretches(&plan(&file, Some(unplaced), 7).partitions);
        assert_eq!(all, [(VirtualOffset::from_raw(records.last().unwrap().stop), VirtualOffset::MAX)]);
        assert!(plan(&file, Some(RegionSet::empty()), 7).partitions.is_empty());
    }
}

/// A block's end is bounded by what the index tells of those behind it, and never by what is none.
#[test]
fn the_block_after_a_stretch_begins_where_the_index_says() {
    let Indexed { records, file } = indexed(Gaps::Filled);
    let index = file.index().unwrap();
    let known: Vec<u64> = records.iter().flat_map(|r| [r.at >> 16, r.stop >> 16]).collect();
    let mut told = 0;
    for r in &records {
        let Some(next) = index.block_after(r.contig, VirtualOffset::from_raw(r.stop)) else { continue };
        assert!(next > r.stop >> 16 && known.contains(&next), "{next} after {}", r.stop >> 16);
        told += 1;
    }
    assert!(told > records.len() / 2, "{told}");
    let region: RegionSet = [Region::new("1", Interval::new(1, 50_000).unwrap())].into_iter().collect();
    let plan = plan(&file, Some(region), 1);
    let Segment { bytes, framing: Framing::Bgzf { stop, .. }, .. } = &plan.partitions[0].segments[0] else { panic!() };
    assert!(bytes.end < stop.compressed() + 10_000, "{bytes:?} where 64 KiB more would be the bound");
}

#[test]
fn plain_files_are_cut_anywhere_and_gzip_nowhere() {
    let text = b"line\n".repeat(100);
    let (_, file) = store(text.clone(), None, &OpenOptions::default()).unwrap();
    let request = |partitions| ScanRequest { partitions, ..ScanRequest::all(vec![]) };
    for wanted in [1, 2, 7, 499, 500, 10_000] {
        let plan = file.plan(&request(wanted), Cut::AtLines, None, |_, _| None);
        assert_eq!(plan.partitions.len(), wanted.min(500));
        let mut at = 0;
        for (i, p) in plan.partitions.iter().enumerate() {
            let Framing::Raw { start, stop, mid_line } = p.segments[0].framing else { panic!("{p:?}") };
            assert_eq!((start, mid_line), (at, i > 0));
            at = stop;
        }
        assert_eq!(at, u64::MAX);
    }
    assert_eq!(file.plan(&request(7), Cut::Never, None, |_, _| None).partitions.len(), 1);
    let none = ScanRequest { limit: Some(0), ..request(7) };
    assert!(file.plan(&none, Cut::AtLines, None, |_, _| None).partitions.is_empty());
    let (_, file) = store(gzip_members(&[&text]), None, &OpenOptions::default()).unwrap();
    assert_eq!(file.plan(&request(7), Cut::AtLines, None, |_, _| None).partitions.len(), 1);
}

#[test]
fn indexes_that_are_absent_ignored_or_not_the_files() {
    let stored = bgzf(&[7; 5000], 600);
    let one = |stop| bai(1, &[Placed { contig: 0, start: 0, end: 1, at: 100, stop }], 0, Gaps::Filled);
    let load = |index: Option<Vec<u8>>, choice: IndexChoice| {
        let options = OpenOptions { index: choice, ..OpenOptions::default() };
        let (io, file) = store(stored.clone(), index, &options).unwrap();
        block_on(file.load_index(&io, &[".bai", ".csi"])).map(|()| {
            let all: RegionSet = [Region::new("0", Interval::ALL)].into_iter().collect();
            plan(&file, Some(all), 1)
        })
    };
    let end = (stored.len() as u64) << 16;
    assert!(matches!(load(Some(one(end)), IndexChoice::Auto).unwrap().index, IndexUse::Used(..)));
    assert_eq!(load(Some(one(end)), IndexChoice::Ignore).unwrap().index.to_string(), "none: told to ignore it");
    assert_eq!(load(None, IndexChoice::Auto).unwrap().index.to_string(), "none: no index beside it (.bai, .csi)");
    // Without an index a region is the whole file.
    assert_eq!(load(None, IndexChoice::Auto).unwrap().partitions.len(), 1);
    let e = load(Some(one(end + 1)), IndexChoice::Auto).unwrap_err().to_string();
    assert!(e.contains("memory:///data.bai") && e.contains("past the end of memory:///data"), "{e}");
    let at = IndexChoice::At(Location::parse("memory:///other.bai").unwrap());
    assert!(load(Some(one(end)), at).unwrap_err().is_not_found());
    let e = load(Some(b"BAI\x01".to_vec()), IndexChoice::Auto).unwrap_err().to_string();
    assert!(e.contains("memory:///data.bai: n_ref: truncated index"), "{e}");
}

/// Row 1, and row 70: an object that changes is never read as if it had not.
#[test]
fn missing_ends_and_replaced_objects() {
    let stored = bgzf(&[7; 5000], 600);
    let cut = stored[..stored.len() - 28].to_vec();
    let e = store(cut.clone(), None, &OpenOptions::default()).unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("allow_missing_eof"), "{e}");
    let lenient = OpenOptions { allow_missing_eof: true, ..OpenOptions::default() };
    let (_, file) = store(cut, None, &lenient).unwrap();
    assert!(plan(&file, None, 1).warnings[0].contains("probably truncated"));
    let (io, file) = store(stored.clone(), None, &OpenOptions::default()).unwrap();
    let ObjectMeta { location, .. } = file.object();
    io.put(location, stored);
    let e = block_on(file.head(&io, 1 << 20).at_least(100_000)).unwrap();
    assert!(!e, "all of a short file is held from the first read");
    let (io, file) = store(vec![b'x'; 200_000], None, &OpenOptions::default()).unwrap();
    io.put(&file.object().location, vec![b'y'; 200_000]);
    assert!(block_on(file.head(&io, 1 << 20).at_least(100_000)).unwrap_err().is_io());
}
