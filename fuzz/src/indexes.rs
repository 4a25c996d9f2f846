//! Indexes of which nothing is believed, beside a file that is sound; and sound indexes of files that may be anything.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use genomicframe_core::bgzf::{BLOCK_INPUT, Level};
use genomicframe_core::formats::bam::{self, BamWriteOptions, BamWriter, HeaderParser, MAGIC, WriteIndex};
use genomicframe_core::formats::vcf;
use genomicframe_core::genome::{Interval, Region, RegionSet};
use genomicframe_core::index::{BinningIndex, IndexKind};
use genomicframe_core::scan::{Format, Limits};

use crate::harness::{Opened, Random, bgzf, open};
use crate::invariants::{check_regions, regions_at};
use crate::seeds;

/// A BAI.
pub fn bai(data: &[u8]) {
    of_bam(&[&b"BAI\x01"[..], data.strip_prefix(b"BAI\x01").unwrap_or(data)].concat(), ".bai");
}

/// A CSI, as it is inflated.
pub fn csi(data: &[u8]) {
    of_bam(&[&b"CSI\x01"[..], data.strip_prefix(b"CSI\x01").unwrap_or(data)].concat(), ".csi");
}

/// A TBI, as it is inflated.
pub fn tbi(data: &[u8]) {
    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| bgzf(&seeds::vcf_text(), 400));
    static ROWS: LazyLock<Option<RecordBatch>> = LazyLock::new(|| rows(&vcf::Vcf, &FILE));
    let index = bgzf(&[&b"TBI\x01"[..], data.strip_prefix(b"TBI\x01").unwrap_or(data)].concat(), BLOCK_INPUT);
    beside(&vcf::Vcf, &FILE, &ROWS, &index, ".tbi");
}

/// A GZI beside a BAM: where it is believed, no row is lost.
pub fn gzi(data: &[u8]) {
    let Ok(opened) = open(&bam::Bam, BAM.clone(), &[(".gzi", data)]) else { return };
    if futures::executor::block_on(opened.dataset.find_cuts(&*opened.io, 4)).is_err() {
        return;
    }
    if let (Ok(found), Some(all)) = (opened.scan(|r| r.partitions = 4), &*BAM_ROWS) {
        assert!(found == *all, "{} rows of {}", found.num_rows(), all.num_rows());
    }
}

static BAM: LazyLock<Vec<u8>> = LazyLock::new(|| bgzf(&seeds::bam_inflated(), 700));
static BAM_ROWS: LazyLock<Option<RecordBatch>> = LazyLock::new(|| rows(&bam::Bam, &BAM));

fn rows(format: &dyn Format, stored: &[u8]) -> Option<RecordBatch> {
    open(format, stored.to_vec(), &[]).and_then(|o| o.scan(|_| {})).ok()
}

fn of_bam(index: &[u8], suffix: &str) {
    beside(&bam::Bam, &BAM, &BAM_ROWS, index, suffix);
}

/// What an index must not do, whatever it says: give rows twice, out of their order, or that are not of the region.
///
/// That it leaves out a stretch cannot be told by anybody: nothing in these formats ties an index to what it is of. A scan
/// of the whole file is the whole file all the same, unless an index cuts it where no record begins: then it is an error.
fn beside(format: &dyn Format, stored: &[u8], all: &Option<RecordBatch>, index: &[u8], suffix: &str) {
    if let Ok(index) = BinningIndex::parse(index) {
        questions(&index);
    }
    let mut random = Random::of(index);
    let (Some(all), Ok(opened)) = (all, open(format, stored.to_vec(), &[(suffix, index)])) else { return };
    if opened.load_index().is_err() {
        return;
    }
    if let Ok(found) = opened.scan(|r| (r.partitions, r.batch_size) = (3, 7)) {
        assert!(found == *all, "{} rows of {}", found.num_rows(), all.num_rows());
    }
    let names = ["chr1", "chr2", "chrX", "nowhere"];
    let span = Interval::new(1 + random.below(60_000) as i64, 60_000 + random.below(200_000) as i64);
    let span = span.filter(|_| random.below(3) > 0).unwrap_or(Interval::ALL);
    let set: RegionSet = [Region::new(random.one(&names), span)].into_iter().collect();
    check_some(&opened, all, &Arc::new(set), random.one(&[1, 3]));
}

/// All that is ever asked of an index.
fn questions(index: &BinningIndex) {
    let _ = (index.records(), index.start_of_placed(), index.end_of_placed());
    assert!(index.record_starts().is_sorted(), "places to cut at are in order");
    for reference in 0..index.references().len().min(9) {
        for (start, end) in [(1, 1), (1, i64::MAX), (16_384, 16_385), (1 << 29, 1 << 31), (i64::MAX, i64::MAX)] {
            let chunks = index.chunks(reference, &Interval::new(start, end).into_iter().collect::<Vec<_>>());
            assert!(chunks.iter().all(|c| c.start < c.stop) && chunks.is_sorted(), "stretches in order: {chunks:?}");
        }
    }
}

/// The rows of a region are some of those that overlap it, each once and in order; or it is an error.
fn check_some(opened: &Opened, all: &RecordBatch, set: &Arc<RegionSet>, partitions: usize) {
    let Ok(found) = opened.scan(|r| (r.regions, r.partitions) = (Some(Arc::clone(set)), partitions)) else { return };
    let Ok(truth) = open_without(opened).scan(|r| r.regions = Some(Arc::clone(set))) else { return };
    assert!(truth.num_rows() <= all.num_rows());
    let mut next = 0;
    for row in 0..found.num_rows() {
        let row = found.slice(row, 1);
        let at = (next..truth.num_rows()).find(|at| truth.slice(*at, 1) == row);
        next = 1 + at.unwrap_or_else(|| panic!("{set}: a row that is not of the region, or comes twice: {row:?}"));
    }
}

/// The same dataset before its index was read.
fn open_without(opened: &Opened) -> Opened {
    let by_id = genomicframe_core::formats::by_id(opened.dataset.format().0).expect("a format that is known");
    crate::harness::open_in(by_id, Arc::clone(&opened.io)).expect("a file that was opened before")
}

/// Records written as a BAM with its index: regions and partitions through the index give the rows that a scan gives.
pub fn indexed(data: &[u8]) {
    let mut random = Random::of(data);
    let mut parser = HeaderParser::new(&Limits::default());
    if !data.starts_with(MAGIC) {
        return;
    }
    // `None`: it wants more than there is.
    let Ok(Some(header)) = parser.parse(data) else { return };
    let kind = random.one(&[WriteIndex::Fitting, WriteIndex::Kind(IndexKind::Bai), WriteIndex::Kind(IndexKind::Csi)]);
    let options = BamWriteOptions { level: Level::STORED, threads: 0, index: kind };
    let Ok(mut writer) = BamWriter::new(Vec::new(), &header.text, &header.contigs, options) else { return };
    if writer.write_records(&data[header.byte_length()..]).is_err() {
        return;
    }
    let Ok(written) = writer.finish() else { return };
    let Some((kind, index)) = written.index else { panic!("an index was asked for") };
    let suffix = if kind == IndexKind::Bai { ".bai" } else { ".csi" };
    let opened = open(&bam::Bam, written.sink, &[(suffix, &index)]).expect("what was written can be opened");
    let Ok(all) = opened.scan(|_| {}) else { return };
    assert_eq!(all.num_rows() as u64, written.records, "records written and read");
    opened.load_index().expect("the index that was written");
    assert_eq!(opened.scan(|r| r.partitions = 3).expect("cut by the index"), all);
    let count = opened.scan(|r| r.projection.clear()).expect("counted by the index");
    assert_eq!(count.num_rows(), all.num_rows(), "rows that the index counts");
    let names = header.contigs.iter().map(|c| c.name.as_str()).collect::<Vec<_>>();
    for _ in 0..3 {
        let (Some(name), at) = (names.get(random.below(names.len().max(1))), 1 + random.below(200_000) as i64) else {
            return;
        };
        if let Some(set) = regions_at((name, at, at + random.below(2000) as i64), &mut random) {
            check_regions(&opened, &all, Arc::new(set), random.one(&[1, 3]));
        }
    }
}
