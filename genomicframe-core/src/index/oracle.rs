//! Indexes against the definition: a query's chunks hold every record that overlaps it.

use proptest::prelude::*;

use super::{BinningIndex, Chunk, IndexBuilder, IndexKind, Span};
use crate::bgzf::VirtualOffset;
use crate::genome::{Contig, Contigs, Interval, Region, RegionSet};
use crate::testing::Random;
use crate::testing::index::{Gaps, Placed, bai, csi};
use crate::testing::{bgzf, tbi};

const CONTIGS: usize = 3;

/// Sorted records, of which some are long and some empty, in a file of made-up offsets.
fn records(longest: i64) -> impl Strategy<Value = Vec<Placed>> {
    let record = (0..CONTIGS, start(longest), length(longest), 1u64..100_000, any::<bool>());
    proptest::collection::vec(record, 0..60).prop_map(move |mut raw| {
        raw.sort_by_key(|r| (r.0, r.1));
        let mut at = 1000;
        let place = |(contig, start, length, size, touching): (usize, i64, i64, u64, bool)| {
            at += if touching { 0 } else { size };
            let stop = at + size;
            let record = Placed { contig, start, end: (start + length).min(longest), at, stop };
            at = stop;
            record
        };
        raw.into_iter().map(place).collect()
    })
}

fn start(longest: i64) -> impl Strategy<Value = i64> {
    prop_oneof![0..longest, 0..(longest >> 12).max(1), (longest >> 1)..(longest >> 1) + 200]
}

fn length(longest: i64) -> impl Strategy<Value = i64> {
    prop_oneof![4 => 0..300i64, 1 => 0..(longest >> 8).max(1), 1 => 0..longest]
}

fn queries(longest: i64) -> impl Strategy<Value = RegionSet> {
    let query = (0..CONTIGS, start(longest), length(longest));
    // Some stand close together, as the exons of a gene do.
    let near = (0..CONTIGS, start(longest), proptest::collection::vec(0..20_000i64, 0..6)).prop_map(
        |(contig, start, steps)| {
            let at = steps.iter().scan(start, |at, step| Some(std::mem::replace(at, *at + step + 10)));
            at.map(|start| (contig, start, 9)).collect::<Vec<_>>()
        },
    );
    let one = query.prop_map(|one| vec![one]);
    proptest::collection::vec(prop_oneof![one, near], 1..4).prop_map(|queries| {
        let queries = queries.into_iter().flatten();
        let region = |(contig, start, length): (usize, i64, i64)| {
            Region::new(contig.to_string(), Interval::new(start, start + length).unwrap())
        };
        queries.map(region).collect()
    })
}

fn check(index: &[u8], records: &[Placed], queries: &RegionSet) {
    let index = BinningIndex::parse(index).unwrap();
    for (contig, intervals) in queries.iter().map(|(c, i)| (c.parse::<usize>().unwrap(), i)) {
        let chunks = index.chunks(contig, intervals);
        assert_eq!(index.chunks(contig, &index.by_window(intervals)), chunks, "{queries}");
        let disjoint = chunks.windows(2).all(|w| w[0].stop < w[1].start);
        assert!(disjoint && chunks.iter().all(|c| c.start < c.stop), "{chunks:?}");
        for r in records.iter().filter(|r| r.contig == contig) {
            // A record of no length lies between the bases `start` and `start + 1`.
            let wanted = intervals.iter().any(|i| i.overlaps(r.start + 1, r.end));
            assert!(!wanted || r.is_in(&chunks), "{r:?} overlaps {queries} and is not in {chunks:?}");
        }
        let all = index.chunks(contig, &[Interval::ALL]);
        assert!(records.iter().filter(|r| r.contig == contig).all(|r| r.is_in(&all)));
    }
    let first = records.first().map(|r| (VirtualOffset::from_raw(r.at), r.contig));
    assert_eq!(index.start_of_placed(), first);
    assert_eq!(index.end_of_placed(), records.last().map(|r| VirtualOffset::from_raw(r.stop)));
    let starts = index.record_starts();
    let is_start = |v: &VirtualOffset| records.iter().any(|r| VirtualOffset::from_raw(r.at) == *v);
    assert!(starts.iter().all(is_start) && starts.is_sorted());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn bai_chunks_hold_every_overlapping_record(records in records(1 << 29), queries in queries(1 << 29)) {
        for gaps in [Gaps::Filled, Gaps::Zero] {
            let bytes = bai(CONTIGS, &records, 7, gaps);
            check(&bytes, &records, &queries);
            let index = BinningIndex::parse(&bytes).unwrap();
            prop_assert_eq!(index.records(), Some(records.len() as u64 + 7));
        }
    }

    #[test]
    fn csi_chunks_hold_every_overlapping_record(
        (min_shift, depth, records, queries) in prop_oneof![Just((14, 5)), Just((14, 7)), Just((10, 3)), Just((4, 2))]
            .prop_flat_map(|(min_shift, depth): (u32, u32)| {
                let longest = 1i64 << (min_shift + 3 * depth);
                (Just(min_shift), Just(depth), records(longest), queries(longest))
            })
    ) {
        check(&csi(CONTIGS, &records, min_shift, depth), &records, &queries);
    }
}

fn contigs(lengths: &[u64]) -> Contigs {
    let mut contigs = Contigs::default();
    for (id, length) in lengths.iter().enumerate() {
        contigs.push(Contig { name: id.to_string(), length: Some(*length) });
    }
    contigs
}

fn built(longest: u64, kind: Option<IndexKind>, records: &[Placed], unplaced: usize) -> Vec<u8> {
    let mut builder = IndexBuilder::new(&contigs(&[longest, 1000, 5]), kind).unwrap();
    for (i, r) in records.iter().enumerate() {
        let chunk = Chunk::new(r.at, r.stop).unwrap();
        builder.push(Span { contig: Some(r.contig), start: r.start, end: r.end, mapped: i % 3 > 0 }, chunk).unwrap();
    }
    let end = Chunk { start: VirtualOffset::MAX, stop: VirtualOffset::MAX };
    for _ in 0..unplaced {
        builder.push(Span { contig: None, start: -1, end: 0, mapped: false }, end).unwrap();
    }
    builder.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_built_holds_every_overlapping_record(
        (longest, kind, records, queries) in prop_oneof![
            Just((1i64 << 29, None)),
            Just((1 << 29, Some(IndexKind::Csi))),
            Just((1000, Some(IndexKind::Csi))),
            Just(((1 << 32) - 256, None)),
        ].prop_flat_map(|(longest, kind)| (Just(longest), Just(kind), records(longest), queries(longest)))
    ) {
        let bytes = built(longest as u64, kind, &records, 7);
        check(&bytes, &records, &queries);
        let index = BinningIndex::parse(&bytes).unwrap();
        prop_assert_eq!(index.kind(), kind.unwrap_or(if longest > 1 << 29 { IndexKind::Csi } else { IndexKind::Bai }));
        prop_assert_eq!((index.records(), index.unplaced()), (Some(records.len() as u64 + 7), Some(7)));
        let mapped: u64 = index.references().iter().map(|r| r.counts().unwrap().0).sum();
        prop_assert_eq!(mapped, (0..records.len()).filter(|i| i % 3 > 0).count() as u64);
    }
}

/// Depths as htslib chooses them: room for 256 bases beyond the longest contig.
#[test]
fn the_depth_is_the_least_that_fits() {
    for (longest, depth) in [(0, 0), (16_128, 0), (16_129, 1), ((1 << 29) - 256, 5), (1 << 29, 6), ((1 << 32) - 256, 6)]
    {
        let index = BinningIndex::parse(&built(longest, Some(IndexKind::Csi), &[], 0)).unwrap();
        assert_eq!((index.min_shift, index.depth, index.references().len()), (14, depth, 3), "{longest}");
    }
    assert!(IndexBuilder::new(&contigs(&[1 << 32]), None).unwrap_err().is_limit());
    assert!(IndexBuilder::new(&contigs(&[u64::MAX]), None).unwrap_err().is_limit());
    assert!(IndexBuilder::new(&contigs(&[1]), Some(IndexKind::Tbi)).unwrap_err().is_invalid());
}

/// Small bins move up only where there is a parent, and chunks that share a block are one.
#[test]
fn what_is_built_is_compact() {
    let at = |block: u64, within: u16| block << 16 | u64::from(within);
    let place = |start: i64, end, at, stop| Placed { contig: 1, start, end, at, stop };
    let records = [
        place(0, 100, at(9, 0), at(9, 70)),
        place(16_000, 17_000, at(9, 70), at(9, 90)),
        place(17_000, 17_100, at(9, 90), at(200_000, 0)),
        place(200_000, 200_100, at(200_000, 0), at(200_000, 8)),
    ];
    let index = BinningIndex::parse(&built(1 << 29, None, &records, 0)).unwrap();
    let bins = |ids: &[u32]| ids.iter().map(|id| bin_chunks(&index, *id)).collect::<Vec<_>>();
    let chunk = |a: &str, b: &str| vec![(a.to_owned(), b.to_owned())];
    // Of the windows 0 and 1 under bin 585 the first is small; window 12 has no parent that is there.
    let want = [chunk("9:0", "9:90"), vec![], chunk("9:90", "200000:0"), chunk("200000:0", "200000:8")];
    assert_eq!(bins(&[585, 4681, 4682, 4693]), want);
}

fn bin_chunks(index: &BinningIndex, id: u32) -> Vec<(String, String)> {
    let reference = &index.references()[1];
    reference.bin(id).map_or(Vec::new(), |b| raw(reference.chunks_of(b)))
}

#[test]
fn a_record_out_of_order_or_out_of_reach_is_refused() {
    let contigs = contigs(&[1 << 29, 1000]);
    let mut builder = IndexBuilder::new(&contigs, None).unwrap();
    let span = |contig, start, end| Span { contig, start, end, mapped: true };
    assert!(builder.admit(span(Some(0), -1, 0)).is_ok() && builder.admit(span(Some(0), 5, 9)).is_ok());
    assert!(builder.admit(span(Some(0), 4, 9)).unwrap_err().to_string().contains("sorted by coordinate"));
    assert!(builder.admit(span(Some(2), 4, 9)).unwrap_err().is_invalid());
    for (start, end) in [(9, (1 << 29) + 1), (1 << 29, 5), (9, i64::MAX), (i64::MAX, i64::MIN)] {
        assert!(builder.admit(span(Some(0), start, end)).unwrap_err().to_string().contains("write a CSI"));
    }
    assert!(builder.admit(span(Some(0), 5, 1 << 29)).is_ok() && builder.admit(span(Some(1), 0, 9)).is_ok());
    assert!(builder.admit(span(Some(0), 8, 9)).is_err());
    assert!(builder.admit(span(None, 70, 9)).is_ok() && builder.admit(span(None, -1, 0)).is_ok());
    assert!(builder.admit(span(Some(1), 8, 9)).is_err());
    let mut short = IndexBuilder::new(&contigs, Some(IndexKind::Csi)).unwrap();
    assert!(short.admit(span(Some(0), 8, 1 << 32)).is_ok());
    assert!(!short.admit(span(Some(0), 8, (1 << 32) + 1)).unwrap_err().to_string().contains("write a CSI"));
}

fn raw(chunks: &[Chunk]) -> Vec<(String, String)> {
    chunks.iter().map(|c| (c.start.to_string(), c.stop.to_string())).collect()
}

/// The last block of a region's last chunk is part of it, up to the record's end.
#[test]
fn the_last_block_of_the_last_chunk_is_read() {
    let at = |block: u64, within: u16| block << 16 | u64::from(within);
    let record = |start: i64, at, stop| Placed { contig: 0, start, end: start + 100, at, stop };
    let records = [
        record(0, at(100, 50), at(100, 90)),
        record(20_000, at(100, 90), at(900, 10)),
        record(20_050, at(900, 10), at(900, 20)),
        record(90_000, at(70_000, 0), at(70_000, 40)),
    ];
    let index = BinningIndex::parse(&bai(1, &records, 0, Gaps::Filled)).unwrap();
    let chunks = |a, b| raw(&index.chunks(0, &[Interval::new(a, b).unwrap()]));
    assert_eq!(chunks(20_101, 20_200), [("100:90".to_owned(), "900:20".to_owned())]);
    assert_eq!(chunks(90_001, 90_001), [("70000:0".to_owned(), "70000:40".to_owned())]);
    assert_eq!(chunks(200_000, 300_000), []);
    assert_eq!(raw(&index.chunks(1, &[Interval::ALL])), []);
}

/// Rows 54, 63 and 65.
#[test]
fn impossible_structures_are_told() {
    let one = Placed { contig: 0, start: 5, end: 9, at: 1000, stop: 2000 };
    let good = bai(1, &[one], 0, Gaps::Filled);
    // magic n_ref n_bin │ bin n_chunk beg end │ …
    let patched = |at: usize, bytes: &[u8]| {
        let mut out = good.clone();
        out[at..at + bytes.len()].copy_from_slice(bytes);
        BinningIndex::parse(&out).unwrap_err().to_string()
    };
    assert!(patched(28, &0u64.to_le_bytes()).contains("ends before it starts"), "reversed chunk");
    assert!(patched(12, &40_000u32.to_le_bytes()).contains("need a CSI"));
    let trailing = [good.as_slice(), b"x"].concat();
    assert!(BinningIndex::parse(&trailing).unwrap_err().to_string().contains("follow the index's end"));
    let header = |min_shift: u32, depth: u32| {
        let numbers = [min_shift, depth, 0, 0].map(u32::to_le_bytes).concat();
        BinningIndex::parse(&[b"CSI\x01".as_slice(), &numbers].concat())
    };
    assert!(header(14, 5).is_ok() && header(14, 9).is_ok());
    for (min_shift, depth) in [(41, 1), (14, 10), (40, 9), (u32::MAX, 5), (14, u32::MAX), (u32::MAX, u32::MAX)] {
        assert!(header(min_shift, depth).unwrap_err().to_string().contains("address no genome"), "{min_shift} {depth}");
    }
    let mut twice = b"BAI\x01".to_vec();
    twice.extend([1i32, 2].map(i32::to_le_bytes).concat());
    for _ in 0..2 {
        twice.extend([4681i32, 1].map(i32::to_le_bytes).concat());
        twice.extend([1000u64, 2000].map(u64::to_le_bytes).concat());
    }
    twice.extend(0i32.to_le_bytes());
    assert!(BinningIndex::parse(&twice).unwrap_err().to_string().contains("bin 4681 is in the index twice"));
}

/// Four bytes of an index are a contig: a million of them must stay cheap.
#[test]
fn row_64_many_empty_contigs() {
    let mut csi = b"CSI\x01".to_vec();
    csi.extend([14i32, 5, 0, 1_000_000].map(i32::to_le_bytes).concat());
    csi.resize(csi.len() + 4_000_000, 0);
    let index = BinningIndex::parse(&bgzf(&csi, 60_000)).unwrap();
    assert_eq!(index.references().len(), 1_000_000);
    assert!(size_of_val(index.references()) <= 8_000_000);
    assert_eq!((index.references()[7].counts(), index.start_of_placed()), (Some((0, 0)), None));
}

#[test]
fn mutated_indexes_never_panic() {
    let mut random = Random(64);
    let place = |i: i64| Placed {
        contig: (i / 20) as usize,
        start: i % 20 * 30_000,
        end: i % 20 * 30_000 + [1, 100, 70_000][i as usize % 3],
        at: 1000 + 900 * i as u64,
        stop: 1900 + 900 * i as u64,
    };
    let records: Vec<_> = (0..60).map(place).collect();
    let inflated = {
        let mut out = Vec::new();
        let bytes = csi(3, &records, 14, 5);
        let size = crate::bgzf::block_size(&bytes).unwrap().unwrap();
        crate::bgzf::Inflater::default().inflate(&bytes[..size], &mut out).unwrap();
        out
    };
    let tabix = tbi([1, 4, 5], false, &[("a", 100, 2000), ("b", 2000, 7000)]);
    let seeds = [bai(3, &records, 1, Gaps::Filled), inflated, tabix];
    let mut refused = 0;
    for i in 0..6000 {
        let bytes = random.mutate(&seeds[i % 3]);
        let Ok(index) = BinningIndex::parse(&bytes) else {
            refused += 1;
            continue;
        };
        for id in 0..4 {
            for interval in [Interval::ALL, Interval::new(30_000, 30_001).unwrap(), Interval::new(0, 1 << 40).unwrap()]
            {
                let chunks = index.chunks(id, &[interval]);
                assert!(chunks.windows(2).all(|w| w[0].stop < w[1].start));
            }
        }
        let _ = (index.record_starts(), index.records(), index.end_of_placed());
    }
    assert!(refused > 3000, "{refused}");
}
