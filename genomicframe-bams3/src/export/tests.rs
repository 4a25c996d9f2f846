use std::io::{Cursor, Write};
use std::sync::{Mutex, PoisonError};

use futures::executor::block_on;
use genomicframe_core::alignment::Record;
use genomicframe_core::genome::{Interval, Region};
use genomicframe_core::index::{BinningIndex, IndexKind};

use super::testing::{HEADER, Random, contigs, delete, io, made, objects, opened, options, put, record, records};
use super::*;
use crate::source::{Input, Source, SourceOptions};

/// A sink that can be looked at.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>, usize);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if self.1 > 0 && all.len() > self.1 {
            return Err(std::io::Error::other("the disk is full"));
        }
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn export(store: &Arc<object_store::memory::InMemory>, options: &ExportOptions) -> Result<WrittenBam<Sink>> {
    let opened = opened(store)?;
    block_on(to_bam(&opened, io(store), Sink::default(), options, Arc::default()))
}

/// Header and records, framed and without their bins.
fn read(bam: Vec<u8>) -> (String, Vec<Vec<u8>>) {
    let mut input = Input::open(Box::new(Cursor::new(bam)), &SourceOptions::default()).unwrap();
    let mut all = Vec::new();
    while let Some(block) = input.next().unwrap() {
        all.extend(block.iter().map(without_bin));
    }
    (input.header_text.clone(), all)
}

fn without_bin(record: &[u8]) -> Vec<u8> {
    let mut record = record.to_vec();
    record[10..12].fill(0);
    record
}

fn bytes_of(written: &WrittenBam<Sink>) -> Vec<u8> {
    written.sink.0.lock().unwrap().clone()
}

#[test]
fn what_goes_in_comes_out() {
    for (seed, level) in [(1, "fast"), (2, "default"), (3, "small")] {
        let mut all = records(seed, 600);
        let ops: Vec<u32> = (0..70_000).map(|i| 1 << 4 | [0, 2][i % 2]).collect();
        let bases = vec![2; 35_000];
        all.push(record((3, 95_000), (-1, -1, 0), "long", (0, 60), &ops, &bases, &vec![30; 35_000], b"XcC\x01"));
        all.sort_by_key(|r| crate::sort::key(&r[4..]));
        let options = crate::writer::WriteOptions { level: level.parse().unwrap(), ..options() };
        let (store, _) = made(&all, &options);
        let progress = Arc::new(Progress::default());
        let options = ExportOptions { index: WriteIndex::Fitting, threads: 2, ..ExportOptions::default() };
        let opened = opened(&store).unwrap();
        let written = block_on(to_bam(&opened, io(&store), Sink::default(), &options, Arc::clone(&progress))).unwrap();
        assert_eq!((written.records, progress.records.load(Ordering::Relaxed)), (601, 601));
        let (header, found) = read(bytes_of(&written));
        assert_eq!(header, HEADER);
        assert!(found == all.iter().map(|r| without_bin(&r[4..])).collect::<Vec<_>>());
        let (kind, index) = written.index.unwrap();
        assert_eq!(kind, IndexKind::Bai);
        assert!(BinningIndex::parse(&index).is_ok());
    }
}

#[test]
fn a_dataset_without_records_is_a_bam_without_records() {
    let (store, _) = made(&[], &options());
    let written = export(&store, &ExportOptions::default()).unwrap();
    assert_eq!(read(bytes_of(&written)), (HEADER.to_owned(), Vec::new()));
}

#[test]
fn regions_give_what_overlaps_them_once_and_in_order() {
    let all = records(9, 700);
    let (store, _) = made(&all, &options());
    let (contigs, mut random) = (contigs(), Random(77));
    for _ in 0..100 {
        let mut regions = RegionSet::empty();
        for _ in 0..1 + random.below(3) {
            match random.below(8) {
                0 => regions.add_unplaced(),
                1 => regions.extend([Region::new("HLA-A*01:01", Interval::ALL)]),
                _ => {
                    let start = 1 + random.below(90_000) as i64;
                    let end = start + random.below(3000) as i64;
                    let contig = ["chr1", "chr3", "empty"][random.below(3)];
                    regions.extend([Region::new(contig, Interval::new(start, end).unwrap())]);
                }
            }
        }
        let overlaps = |record: &Record<'_>| match (record.contig(), record.pos()) {
            (None, _) => regions.has_unplaced(),
            (Some(c), None) => regions.intervals(contigs.name(c).unwrap()) == [Interval::ALL],
            (Some(c), Some(pos)) => {
                // As htslib: a CIGAR that does not cover the sequence counts all the same.
                let span = record.cigar().unwrap().lengths().unwrap().0.max(1);
                let span = if record.flag() & 4 == 0 { span } else { 1 };
                regions.overlaps(contigs.name(c).unwrap(), pos, pos + span - 1)
            }
        };
        let wanted: Vec<Vec<u8>> =
            all.iter().filter(|r| overlaps(&Record::new(&r[4..], 4).unwrap())).map(|r| without_bin(&r[4..])).collect();
        let options =
            ExportOptions { regions: Some(regions.clone()), index: WriteIndex::Fitting, ..ExportOptions::default() };
        let written = export(&store, &options).unwrap();
        assert_eq!(written.records, wanted.len() as u64, "{regions}");
        assert!(read(bytes_of(&written)).1 == wanted, "{regions}");
    }
}

#[test]
fn what_is_missing_or_damaged_is_named() {
    let (store, _) = made(&records(4, 400), &options());
    let chunks: Vec<_> = objects(&store).into_iter().filter(|(key, _)| key.ends_with(".chunk")).collect();
    for (key, bytes) in &chunks {
        for at in [0, HEADER.len() % 52, 52, bytes.len() - 1] {
            let mut broken = bytes.to_vec();
            broken[at] ^= 4;
            put(&store, key, broken);
            let e = export(&store, &ExportOptions::default()).err().unwrap();
            assert!(e.is_corrupt() && e.to_string().contains(&key.replace('%', "%25")), "{key} {at}: {e}");
        }
        delete(&store, key);
        let e = export(&store, &ExportOptions::default()).err().unwrap();
        assert!(e.is_not_found() && e.to_string().contains(&key.replace('%', "%25")), "{e}");
        put(&store, key, bytes.clone());
    }
    assert!(export(&store, &ExportOptions::default()).is_ok());
}

#[test]
fn a_sink_that_fails_ends_the_export() {
    let (store, _) = made(&records(5, 400), &options());
    let (opened, out) = (opened(&store).unwrap(), Sink(Arc::default(), 100));
    let e = block_on(to_bam(&opened, io(&store), out, &ExportOptions::default(), Arc::default())).err().unwrap();
    assert!(e.is_io() && e.to_string().contains("the disk is full"), "{e}");
}
