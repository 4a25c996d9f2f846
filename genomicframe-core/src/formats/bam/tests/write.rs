use std::io;
use std::sync::Arc;

use futures::executor::block_on;
use proptest::prelude::*;

use super::*;
use crate::bgzf::{BLOCK_INPUT, Level};
use crate::formats::bam::{BamWriteOptions, BamWriter, WriteIndex, WrittenBam};
use crate::genome::{Contig, Contigs, Interval, Region, RegionSet};
use crate::index::{BinningIndex, IndexKind};
use crate::scan::Precision;
use crate::testing::Random;

type Dictionary = &'static [(&'static str, i32)];

const DICTIONARIES: [Dictionary; 4] = [
    &CONTIGS,
    &[("long", i32::MAX), ("short", 500)],
    &[("only", 16_000)],
    &[("limit", 1 << 29), ("b", 1), ("c", 70_000)],
];

fn dictionary(contigs: &[(&str, i32)]) -> Contigs {
    let mut out = Contigs::default();
    for (name, length) in contigs {
        out.push(Contig { name: (*name).to_owned(), length: Some(*length as u64) });
    }
    out
}

fn options(threads: usize, index: WriteIndex) -> BamWriteOptions {
    BamWriteOptions { level: Level::new(1).unwrap(), threads, index }
}

fn writer(contigs: &[(&str, i32)], options: BamWriteOptions) -> BamWriter<Vec<u8>> {
    BamWriter::new(Vec::new(), &text(contigs), &dictionary(contigs), options).unwrap()
}

fn write(contigs: &[(&str, i32)], records: &[Rec], options: BamWriteOptions) -> Result<WrittenBam<Vec<u8>>> {
    let mut writer = writer(contigs, options);
    for some in records.chunks(3) {
        writer.write_records(&some.iter().flat_map(Rec::bytes).collect::<Vec<_>>())?;
    }
    writer.finish()
}

fn inflated(contigs: &[(&str, i32)], records: &[Rec]) -> Vec<u8> {
    let mut out = header(&text(contigs), contigs);
    out.extend(records.iter().flat_map(Rec::bytes));
    out
}

fn sorted(mut records: Vec<Rec>) -> Vec<Rec> {
    records.sort_by_key(|r| (r.contig as u32, r.pos));
    records
}

/// A record that ends on its contig, sometimes far from its start, with up to some thousand bytes of tags.
fn record(contigs: Dictionary) -> impl Strategy<Value = Rec> {
    let place = (0..=contigs.len(), any::<u32>(), 0..4u8, any::<u32>(), any::<u8>(), 0..3000usize);
    place.prop_map(move |(contig, at, spread, span, kind, padding)| {
        let tag = "x".repeat(padding) + "\0";
        let Some((_, length)) = contigs.get(contig) else { return Rec::bare().tag("XX", b'Z', tag.as_bytes()) };
        let pos = (at as i32 & i32::MAX) % (length >> (8 * spread).min(30)).max(1);
        let room = (length - pos) as u32;
        let cigar = match kind % 8 {
            0 => vec![],
            1 => vec![(4, 'S')],
            2 if room > 4 => vec![(2, 'M'), ((span % (room - 4)).min((1 << 28) - 1), 'N'), (2, 'M')],
            _ if room >= 4 => vec![(4, 'M')],
            _ => vec![],
        };
        let (flag, pos) = (if kind % 11 == 0 { 4 } else { 0 }, if kind == 77 { -1 } else { pos });
        Rec { flag, cigar, ..Rec::at(contig as i32, pos) }.tag("XX", b'Z', tag.as_bytes())
    })
}

fn regions(contigs: Dictionary) -> impl Strategy<Value = RegionSet> {
    let region = (0..=contigs.len(), any::<u32>(), 0..30u32, any::<u32>(), 0..30u32);
    let region = region.prop_map(move |(contig, start, near, len, short)| match contigs.get(contig) {
        None => Region::new(Region::UNPLACED, Interval::ALL),
        Some((name, length)) => {
            let start = i64::from(start >> 1) % i64::from((length >> near).max(1));
            Region::new(*name, Interval::new(start, start + i64::from(len >> short)).unwrap())
        }
    });
    proptest::collection::vec(region, 1..4).prop_map(|regions| regions.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// The rows of a file that is written are those of its records, all of them and those of regions.
    #[test]
    fn what_is_written_is_what_is_read(
        (contigs, records, queries) in proptest::sample::select(DICTIONARIES.to_vec()).prop_flat_map(|contigs| {
            let records = proptest::collection::vec(record(contigs), 0..250);
            (Just(contigs), records.prop_map(sorted), proptest::collection::vec(regions(contigs), 4))
        }),
        threads in 0..3usize,
        kind in proptest::sample::select(vec![WriteIndex::Fitting, WriteIndex::Kind(IndexKind::Csi)]),
    ) {
        let written = write(contigs, &records, options(threads, kind)).unwrap();
        prop_assert_eq!((written.records, written.bytes), (records.len() as u64, written.sink.len() as u64));
        let (kind, index) = written.index.unwrap();
        let long = contigs.iter().any(|c| c.1 > 1 << 29);
        prop_assert!(kind == IndexKind::Csi || !long);
        let opened = testing::open(&Bam, written.sink, Some(index), &OpenOptions::default()).unwrap();
        let plain = open(&inflated(contigs, &records)).unwrap();
        prop_assert_eq!(opened.scan(|_| {}).unwrap(), plain.scan(|_| {}).unwrap());
        for regions in queries.into_iter().map(Arc::new) {
            let rows = |o: &Opened| o.scan(|r| (r.partitions, r.regions) = (2, Some(Arc::clone(&regions)))).unwrap();
            prop_assert_eq!(rows(&opened), rows(&plain), "{}", regions);
        }
        block_on(opened.dataset.load_index(&*opened.io, None)).unwrap();
        let statistics = opened.dataset.statistics();
        prop_assert_eq!(statistics.rows, Precision::Exact(records.len() as u64));
        let of = |id: usize| records.iter().filter(|r| r.contig == id as i32).count() as u64;
        prop_assert_eq!(statistics.rows_by_contig, Some((0..contigs.len()).map(of).collect()));
    }

    #[test]
    fn any_bytes_are_records_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), seed in 1u64..) {
        let valid = [Rec::at(0, 5).bytes(), Rec::at(1, 7).bytes()].concat();
        for bytes in [bytes, Random(seed).mutate(&valid)] {
            for index in [WriteIndex::No, WriteIndex::Fitting] {
                let mut writer = writer(&CONTIGS, options(0, index));
                let refused = writer.write_records(&bytes).is_err();
                let written = writer.finish().unwrap();
                let opened = testing::open(&Bam, written.sink, None, &OpenOptions::default()).unwrap();
                let counted = opened.scan(|r| r.projection = vec![]).unwrap().num_rows();
                prop_assert!(counted as u64 == written.records && (refused || bytes.is_empty() || counted > 0));
            }
        }
    }
}

#[test]
fn the_bytes_are_the_header_and_the_records_as_they_came() {
    let mut odd = patched(&Rec::default(), 14, &[0x39, 0x30]);
    odd.extend(Rec::bare().bytes());
    for threads in [0, 2] {
        let mut writer = writer(&CONTIGS, options(threads, WriteIndex::No));
        writer.write_records(&odd).unwrap();
        writer.write_records(&[]).unwrap();
        writer.write_records(&Rec::default().bytes()).unwrap();
        assert_eq!(writer.records(), 3);
        let written = writer.finish().unwrap();
        assert!(written.index.is_none());
        let mut inflater = crate::bgzf::Inflater::default();
        let (mut at, mut out) = (0, Vec::new());
        while at < written.sink.len() {
            let size = crate::bgzf::block_size(&written.sink[at..]).unwrap().unwrap();
            inflater.inflate(&written.sink[at..at + size], &mut out).unwrap();
            at += size;
        }
        assert!(written.sink.ends_with(&crate::bgzf::EOF_BLOCK));
        assert_eq!(out, [header(&text(&CONTIGS), &CONTIGS), odd.clone(), Rec::default().bytes()].concat());
    }
}

#[test]
fn no_records_and_no_contigs() {
    for contigs in [&CONTIGS[..], &[]] {
        let written = write(contigs, &[], options(1, WriteIndex::Fitting)).unwrap();
        let index = BinningIndex::parse(&written.index.unwrap().1).unwrap();
        assert_eq!((index.records(), index.references().len()), (Some(0), contigs.len()));
        let opened = testing::open(&Bam, written.sink, None, &OpenOptions::default()).unwrap();
        assert_eq!(opened.scan(|_| {}).unwrap().num_rows(), 0);
    }
}

/// Records of a block's size and about it, and one of many blocks, in a file of several batches.
#[test]
fn records_longer_than_blocks() {
    let long = |pos, len: usize| Rec::at(0, pos).tag("XX", b'Z', ("y".repeat(len) + "\0").as_bytes());
    let bare = long(0, 0).bytes().len();
    let mut records: Vec<Rec> = (0..4).map(|i| long(1000 + i, BLOCK_INPUT - bare - 4 + i as usize)).collect();
    records.push(long(2000, 20 * BLOCK_INPUT));
    records.extend((0..400).map(|i| long(3000 + 500 * i, 5000)));
    let plain = open(&file(&records)).unwrap();
    for threads in [0, 1, 3] {
        let written = write(&CONTIGS, &records, options(threads, WriteIndex::Fitting)).unwrap();
        let index = Some(written.index.unwrap().1);
        let opened = testing::open(&Bam, written.sink, index, &OpenOptions::default()).unwrap();
        assert_eq!(opened.scan(|r| r.partitions = 3).unwrap(), plain.scan(|_| {}).unwrap());
        for (start, end) in [(1, 1002), (1003, 1010), (2001, 2001), (2005, 90_000), (150_000, 151_000)] {
            let set: RegionSet = [Region::new("chr1", Interval::new(start, end).unwrap())].into_iter().collect();
            let set = Arc::new(set);
            let rows = |o: &Opened| o.scan(|r| r.regions = Some(Arc::clone(&set))).unwrap();
            assert_eq!(rows(&opened), rows(&plain), "{start}-{end}");
        }
    }
}

#[test]
fn unsorted_records_with_an_index_are_an_error_that_names_the_record() {
    let unsorted = [Rec::at(0, 9), Rec::at(1, 5), Rec::at(0, 700)];
    let e = write(&CONTIGS, &unsorted, options(2, WriteIndex::Fitting)).unwrap_err();
    for part in ["record 3", "0:700", "sorted by coordinate"] {
        assert!(e.to_string().contains(part), "{part} is not in: {e}");
    }
    assert!(write(&CONTIGS, &[Rec::bare(), Rec::at(0, 9)], options(0, WriteIndex::Fitting)).is_err());
    assert_eq!(write(&CONTIGS, &unsorted, options(2, WriteIndex::No)).unwrap().records, 3);
    let far = Rec { cigar: vec![((1 << 28) - 1, 'N'); 3], ..Rec::at(0, 1) };
    let far = Rec { seq: String::new(), qual: None, ..far };
    let e = write(&CONTIGS, std::slice::from_ref(&far), options(2, WriteIndex::Fitting)).unwrap_err();
    assert!(e.is_limit() && e.to_string().contains("write a CSI"), "{e}");
    assert!(write(&CONTIGS, &[far], options(2, WriteIndex::No)).is_ok());
}

/// A record that is refused is not in the file, and others may follow.
#[test]
fn refused_records_leave_the_file_whole() {
    let mut writer = writer(&CONTIGS, options(1, WriteIndex::Fitting));
    let cut = Rec::at(0, 20).bytes();
    writer.write_records(&Rec::at(0, 10).bytes()).unwrap();
    for (bytes, what) in [
        (cut[..cut.len() - 1].to_vec(), "record 2"),
        (cut[..3].to_vec(), "block_size"),
        (patched(&Rec::at(0, 20), REF_ID, &3i32.to_le_bytes()), "refID"),
        (Rec::at(0, 9).bytes(), "0:9"),
    ] {
        let e = writer.write_records(&bytes).unwrap_err();
        assert!(e.to_string().contains(what), "{what} is not in: {e}");
    }
    writer.write_records(&[Rec::at(0, 10).bytes(), Rec::at(0, 20).bytes()].concat()).unwrap();
    let written = writer.finish().unwrap();
    let opened = testing::open(&Bam, written.sink, Some(written.index.unwrap().1), &OpenOptions::default()).unwrap();
    assert_eq!(columns(&opened.scan(|_| {}).unwrap(), "pos"), ["11", "11", "21"]);
}

#[test]
fn headers_that_bam_cannot_hold() {
    let refused = |list: &[(&str, Option<u64>)]| {
        let mut contigs = Contigs::default();
        for (name, length) in list {
            contigs.push(Contig { name: (*name).to_owned(), length: *length });
        }
        BamWriter::new(Vec::new(), "", &contigs, BamWriteOptions::default()).unwrap_err().to_string()
    };
    assert!(refused(&[("a", None)]).contains("no length"));
    assert!(refused(&[("a", Some(1 << 31))]).contains("l_ref"));
    assert!(refused(&[("", Some(1))]).contains("name") && refused(&[("a\0", Some(1))]).contains("name"));
    assert!(refused(&[("a", Some(1)), ("a", Some(1))]).contains("twice"));
    let tbi = options(0, WriteIndex::Kind(IndexKind::Tbi));
    assert!(BamWriter::new(Vec::new(), "", &Contigs::default(), tbi).unwrap_err().is_invalid());
}

/// Takes some bytes, then no more.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("the disk is full"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_sink_that_fills_up_is_an_error_wherever_it_does() {
    let records: Vec<Rec> =
        (0..300).map(|i| Rec::at(0, i).tag("XX", b'Z', &[&[b'z'; 9000][..], b"\0"].concat())).collect();
    let options = BamWriteOptions { level: Level::STORED, threads: 2, index: WriteIndex::Fitting };
    let whole = write(&CONTIGS, &records, options).unwrap().bytes as usize;
    for room in [0, 1, 100_000, whole / 2, whole - 29, whole - 28, whole - 1, whole] {
        let mut writer = BamWriter::new(Full(room), &text(&CONTIGS), &dictionary(&CONTIGS), options).unwrap();
        let failed = records.iter().find_map(|r| writer.write_records(&r.bytes()).err());
        let failed = failed.or(writer.finish().err());
        assert_eq!(failed.is_some_and(|e| e.is_io()), room < whole, "{room}");
    }
}
