//! Of an index in parts only those are read that a region needs.

use futures::executor::block_on;
use genomicframe_core::io::Location;
use genomicframe_core::scan::{Dataset, Format, OpenOptions, ScanRequest};

use crate::Bams3;
use crate::column::{ColumnId, TagKind};
use crate::dataset::early::Early;
use crate::dataset::{Bams3Dataset, open_root};
use crate::index::{ChunkEntry, GroupEntry, GroupStats, PageEntry, encode};
use crate::metadata::{HEADER, IndexPart, Layout, Metadata, ObjectRef, ROOT, Source, Tally, Totals};
use crate::testing::{Shelf, header_text, regions};

const CHUNKS: u64 = 100_000;
const GROUPS: u64 = 10;
const PART_CHUNKS: u64 = 410;
/// Positions that a chunk covers.
const EACH: i64 = 20_000;

/// Group `group` of chunk `chunk`.
fn group(chunk: u64, group: u64, with_pages: bool) -> GroupEntry {
    let start = chunk as i64 * EACH + group as i64 * EACH / GROUPS as i64;
    let mut stats = GroupStats::new(16_384);
    (stats.contig_first, stats.contig_last, stats.start_first, stats.start_last) = (0, 0, start, start + 1990);
    stats.add(0, start, 150, 99, 60, 350, 150);
    stats.add(0, start + 1990, 150, 147, 0, -350, 150);
    stats.read_groups = Some(vec!["A.1".into(), "A.2".into()]);
    let tags = [b"NM", b"MD", b"MC", b"AS", b"XS", b"RG"].map(|k| ColumnId::tag(TagKind { key: *k, of: b'Z', sub: 0 }));
    let columns = (2..=15).map(ColumnId).chain(tags).filter(|_| with_pages);
    let mut pages: Vec<PageEntry> = columns
        .map(|column| {
            let place = u64::from(column.0 % 97) + 100 * group;
            PageEntry { column, encoding: 1, offset: 9_973 * place, bytes: 60_007, crc: (place * chunk) as u32 }
        })
        .collect();
    pages.sort_by_key(|p| p.column);
    GroupEntry { stats, pages }
}

fn chunk(ordinal: u64, with_pages: bool) -> ChunkEntry {
    let groups = (0..GROUPS).map(|g| group(ordinal, g, with_pages)).collect();
    let path =
        format!("data/chr1/{:09}-{:09}-{ordinal:06}-0123abcd.chunk", ordinal * 20_000, ordinal * 20_000 + 19_990);
    ChunkEntry { ordinal, path, bytes: 12 << 20, sha256: [ordinal as u8; 32], groups }
}

/// A root of 100,000 chunks; only the parts of the index in the middle are there.
fn huge(at: &Location) -> Shelf {
    let mut shelf = Shelf::default();
    let (mut index, mut all) = (Vec::new(), None::<GroupStats>);
    for first in (0..CHUNKS).step_by(PART_CHUNKS as usize) {
        let numbers = first..(first + PART_CHUNKS).min(CHUNKS);
        let is_there = numbers.start <= CHUNKS / 2 && CHUNKS / 2 <= numbers.end;
        let chunks: Vec<ChunkEntry> = numbers.clone().map(|c| chunk(c, is_there)).collect();
        let mut stats = chunks[0].stats();
        chunks[1..].iter().for_each(|c| stats.merge(&c.stats()));
        match &mut all {
            Some(all) => all.merge(&stats),
            None => all = Some(stats.clone()),
        }
        let bytes = if is_there { encode(&chunks).unwrap() } else { Vec::new() };
        let object = ObjectRef::of(format!("_index/chunks-{:06}.arrow", index.len()), &bytes);
        if is_there {
            shelf.objects.insert(at.join(&object.path), bytes.into());
        }
        let chunks = numbers.end - numbers.start;
        index.push(IndexPart { object, chunks, groups: chunks * GROUPS, stats });
    }
    let header = ObjectRef::of(HEADER, header_text().as_bytes());
    shelf.objects.insert(at.join(HEADER), header_text().into());
    let rows = all.as_ref().map_or(0, |s| s.rows);
    let tally = Tally { contigs: [(0, rows)].into(), flags: [(0, rows)].into(), ..Tally::default() };
    let root = Metadata {
        format: "bams3".into(),
        version: "1.0".into(),
        dataset: "0123456789abcdef0123456789abcdef".into(),
        created_by: "a test".into(),
        source: Source { name: "x.bam".into(), bytes: None, sorted: false },
        requires: Vec::new(),
        layout: Layout { level: "default".into(), group_rows: 16_384, chunk_rows: None, chunk_bytes: 1, window: None },
        header: header.clone(),
        header_json: header,
        index,
        qname_index: None,
        columns: Vec::new(),
        totals: Totals { chunks: CHUNKS, groups: CHUNKS * GROUPS, stats: all, tally, ..Totals::default() },
    };
    shelf.objects.insert(at.join(ROOT), root.to_bytes().unwrap().into());
    shelf
}

#[test]
fn a_region_of_100_000_chunks_needs_little() {
    let at = Location::parse("memory:///huge.bams3").unwrap();
    let shelf = huge(&at);
    let root = block_on(open_root(&at, &shelf)).unwrap();
    let dataset = block_on(Bams3Dataset::open(&at, &root, Early::default(), &shelf, &OpenOptions::default())).unwrap();
    let middle = CHUNKS as i64 / 2 * EACH;
    let mut request = ScanRequest::all(vec![0]);
    request.regions = Some(regions(&[("chr1", middle + 3000, middle + 3000)]));
    block_on(dataset.load_index(&shelf, request.regions.as_deref())).unwrap();
    let plan = dataset.plan(&request).unwrap();
    assert_eq!((plan.objects.len(), plan.pruning.unwrap().units[1].2), (1, 1));

    let reads = shelf.take_reads();
    let bytes: u64 = reads.iter().map(|(_, range)| range.end - range.start).sum();
    assert!(reads.len() == 3 && bytes <= 8 << 20, "{bytes} bytes of {reads:?}");
    let held: usize = dataset.opened().index(request.regions.as_deref()).unwrap().iter().map(|(_, p)| held(p)).sum();
    assert!(held + bytes as usize <= 64 << 20, "{held} bytes held");

    // What was loaded is not loaded again, and what was not is told.
    block_on(dataset.load_index(&shelf, request.regions.as_deref())).unwrap();
    assert!(shelf.take_reads().is_empty());
    assert!(dataset.plan(&ScanRequest::all(vec![0])).is_err());
    assert!(Bams3.is_prefix());
}

fn held(chunks: &[ChunkEntry]) -> usize {
    let group = |g: &GroupEntry| {
        let names: usize = g.stats.read_groups.iter().flatten().map(|n| 24 + n.capacity()).sum();
        size_of::<GroupEntry>() + g.pages.capacity() * size_of::<PageEntry>() + names
    };
    chunks.iter().map(|c| size_of::<ChunkEntry>() + c.path.len() + c.groups.iter().map(group).sum::<usize>()).sum()
}
