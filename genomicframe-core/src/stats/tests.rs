//! However rows are split into batches and parts, the same is counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float32Array, ListBuilder, RecordBatch, StringViewArray, StringViewBuilder, UInt8Array, UInt16Array,
};

use super::*;

/// Small random numbers, the same on every run (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

const CONTIGS: [Option<&str>; 5] =
    [Some("chr1"), Some("chr10"), Some("a_contig_of_a_long_name_1"), Some("a_contig_of_a_long_name_2"), None];

fn texts(rows: usize, mut of: impl FnMut() -> Option<String>) -> ArrayRef {
    Arc::new((0..rows).map(|_| of()).collect::<StringViewArray>())
}

fn alignments(rows: usize) -> RecordBatch {
    let mut r = Random(1);
    let flags = (0..rows).map(|_| r.below(1 << 12) as u16).collect::<UInt16Array>();
    let mapqs = (0..rows).map(|_| [0, 3, 5, 60, 255][r.below(5)]).collect::<UInt8Array>();
    let mut contig = || texts(rows, || CONTIGS[r.below(5)].map(str::to_owned));
    let (own, mate) = (contig(), contig());
    RecordBatch::try_from_iter_with_nullable([
        ("flag", Arc::new(flags) as ArrayRef, true),
        ("mapq", Arc::new(mapqs) as ArrayRef, true),
        ("rname", own, true),
        ("rnext", mate, true),
    ])
    .unwrap()
}

fn variants(rows: usize) -> RecordBatch {
    let mut r = Random(2);
    let mut alts = ListBuilder::new(StringViewBuilder::new());
    for _ in 0..rows {
        let alleles = (0..r.below(4)).map(|_| Some(r.of(&["A", "C", "g", "TT", "ACGT", "<DEL>", "*", "A[chr2:7["])));
        match alleles.collect::<Vec<_>>() {
            none if none.is_empty() => alts.append_null(),
            some => alts.append_value(some),
        }
    }
    let quals = (0..rows).map(|_| (r.below(9) > 0).then(|| r.below(1 << 20) as f32 * 0.013)).collect::<Float32Array>();
    let filters = texts(rows, || [Some("PASS"), Some("LowQual;q10;s50"), None][r.below(3)].map(str::to_owned));
    let references = texts(rows, || Some(r.of(&["A", "c", "G", "AC", "TTT"]).to_owned()));
    RecordBatch::try_from_iter_with_nullable([
        ("chrom", texts(rows, || CONTIGS[r.below(4)].map(str::to_owned)), true),
        ("ref", references, true),
        ("alt", Arc::new(alts.finish()) as ArrayRef, true),
        ("qual", Arc::new(quals) as ArrayRef, true),
        ("filter", filters, true),
    ])
    .unwrap()
}

fn reads(rows: usize) -> RecordBatch {
    let mut r = Random(3);
    let lengths: Vec<usize> = (0..rows).map(|_| [0, 1, 30, 150, 151, 1023, 1024, 1100, 9000][r.below(9)]).collect();
    let mut text = |letters: &[u8]| {
        let mut of = |n: &usize| (0..*n).map(|_| char::from(letters[r.below(letters.len())])).collect::<String>();
        Arc::new(lengths.iter().map(|n| Some(of(n))).collect::<StringViewArray>()) as ArrayRef
    };
    RecordBatch::try_from_iter([("seq", text(b"ACGTNacgtnRY.")), ("qual", text(b"!#+5?I~"))]).unwrap()
}

fn features(rows: usize) -> RecordBatch {
    let mut r = Random(4);
    RecordBatch::try_from_iter_with_nullable([
        ("seqid", texts(rows, || CONTIGS[r.below(4)].map(str::to_owned)), true),
        ("feature", texts(rows, || Some(r.of(&["gene", "exon", "CDS"]).to_owned())), true),
    ])
    .unwrap()
}

fn counted(batch: &RecordBatch, part: usize) -> Stats {
    let mut stats = Stats::of_schema(&batch.schema()).unwrap();
    for start in (0..batch.num_rows()).step_by(part) {
        stats.update(&batch.slice(start, part.min(batch.num_rows() - start))).unwrap();
    }
    stats
}

#[test]
fn the_split_into_batches_and_parts_changes_nothing() {
    for batch in [alignments(3000), variants(3000), reads(700), features(3000)] {
        let mut whole = counted(&batch, batch.num_rows());
        whole.sort(None);
        for part in [1, 7, 257, 300] {
            assert!(counted(&batch, part) == whole, "batches of {part}");
        }
        for parts in [2, 7] {
            let rows = batch.num_rows().div_ceil(parts);
            let mut merged = Stats::of_schema(&batch.schema()).unwrap();
            for part in (0..parts).rev() {
                let start = part * rows;
                merged.merge(&counted(&batch.slice(start, rows.min(batch.num_rows() - start)), 100)).unwrap();
            }
            merged.sort(None);
            assert!(merged == whole, "{parts} parts");
            assert_eq!(merged.to_string(), whole.to_string());
            assert_eq!(merged.to_batch().unwrap(), whole.to_batch().unwrap());
        }
    }
}

#[test]
fn alignments_are_counted_as_flagstat_defines_it() {
    let batch = alignments(5000);
    let Stats::Alignments(stats) = counted(&batch, 512) else { panic!() };
    let flags = batch["flag"].as_any().downcast_ref::<UInt16Array>().unwrap();
    let mapqs = batch["mapq"].as_any().downcast_ref::<UInt8Array>().unwrap();
    let text = |name: &str| batch[name].as_any().downcast_ref::<StringViewArray>().unwrap().clone();
    let (own, mate) = (text("rname"), text("rnext"));
    let mut elsewhere = MateElsewhere::default();
    for (row, flag) in flags.values().iter().enumerate() {
        let differs = own.iter().nth(row) != mate.iter().nth(row);
        if flag & 0x90d == 1 && differs {
            elsewhere.all.add(*flag, 1);
            elsewhere.mapq_5.add(*flag, u64::from(mapqs.value(row) >= 5));
        }
    }
    assert!(elsewhere.mapq_5.failed > 10);
    assert_eq!(stats.mate_elsewhere(), Some(elsewhere));
    assert_eq!(stats.records(), 5000);
    assert_eq!(stats.mapq().unwrap().iter().sum::<u64>(), 5000);
    let on_contigs: u64 = stats.contigs().map(|(_, n, _)| n).sum();
    assert_eq!(on_contigs + stats.unplaced(), 5000);
}

#[test]
fn totals_say_what_they_can_and_no_more() {
    let batch = alignments(1000);
    let Stats::Alignments(rows) = counted(&batch, 100) else { panic!() };
    let contigs = rows.contigs().map(|(name, n, _)| (Some(name), n)).chain([(None, rows.unplaced())]);
    let totals = AlignmentStats::of_totals(rows.flags(), contigs);
    assert_eq!(totals.flagstat(), rows.flagstat());
    assert_eq!((totals.mapq(), totals.mate_elsewhere()), (None, None));
    assert!(totals.contigs().zip(rows.contigs()).all(|(a, b)| (a.0, a.1, None) == (b.0, b.1, a.2)));
    assert!(totals.to_string().contains("Not among the dataset's own totals"));
    let mut merged = rows.clone();
    merged.merge(&totals);
    assert_eq!((merged.records(), merged.mapq()), (2000, None));
}

#[test]
fn reads_are_counted_base_by_base() {
    let batch = reads(500);
    let Stats::Reads(stats) = counted(&batch, 300) else { panic!() };
    let text = |name: &str| batch[name].as_any().downcast_ref::<StringViewArray>().unwrap().clone();
    let (sequences, qualities) = (text("seq"), text("qual"));
    let all: Vec<u8> = sequences.iter().flatten().flat_map(str::bytes).collect();
    for letter in "ACGTN".chars() {
        let n = all.iter().filter(|b| char::from(b.to_ascii_uppercase()) == letter).count();
        assert_eq!(stats.count(letter), n as u64, "{letter}");
    }
    let mut by_position = BTreeMap::<u64, (u64, u64)>::new();
    for quality in qualities.iter().flatten() {
        for (at, q) in quality.bytes().enumerate() {
            let (n, sum) = by_position.entry(at as u64 + 1).or_default();
            (*n, *sum) = (*n + 1, *sum + u64::from(q - b'!'));
        }
    }
    let mut seen = 0;
    for (positions, bases, mean) in stats.positions() {
        let here = by_position.range(positions.clone()).map(|(_, n)| *n);
        let (n, sum) = here.fold((0, 0), |(n, sum), (m, s)| (n + m, sum + s));
        assert_eq!(bases, n, "{positions:?}");
        assert!((mean - sum as f64 / n as f64).abs() < 1e-9, "{positions:?}");
        seen += n;
    }
    assert_eq!((seen, stats.bases), (all.len() as u64, all.len() as u64));
    assert_eq!((stats.shortest(), stats.longest()), (Some(0), Some(9000)));
}

#[test]
fn what_cannot_be_counted_is_told() {
    let batch = alignments(3);
    let without = batch.project(&[0, 1, 2]).unwrap();
    let e = AlignmentStats::default().update(&without).unwrap_err();
    assert_eq!(e.to_string(), "rnext: statistics need this column, which the rows lack");
    assert!(Stats::of_schema(&without.schema()).unwrap_err().is_unsupported());
    let text = |t: &str| Arc::new(StringViewArray::from(vec![t])) as ArrayRef;
    let read = |seq, qual| RecordBatch::try_from_iter([("seq", text(seq)), ("qual", text(qual))]).unwrap();
    assert!(ReadStats::default().update(&read("A", " ")).unwrap_err().is_corrupt());
    assert!(ReadStats::default().update(&read("AC", "I")).unwrap_err().is_corrupt());
    let other = RecordBatch::try_from_iter([("seq", text("A")), ("qual", Arc::new(UInt8Array::from(vec![3])) as _)]);
    assert!(ReadStats::default().update(&other.unwrap()).unwrap_err().is_invalid());
    let mut stats = counted(&batch, 3);
    assert!(stats.merge(&counted(&features(3), 3)).unwrap_err().is_invalid());
}

#[test]
fn nothing_is_shown_as_nothing() {
    for batch in [alignments(0), variants(0), reads(0), features(0)] {
        let mut stats = Stats::of_schema(&batch.schema()).unwrap();
        stats.update(&batch).unwrap();
        let text = stats.to_string();
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        let table = stats.to_batch().unwrap();
        let values = table["value"].as_any().downcast_ref::<arrow::array::Float64Array>().unwrap();
        assert!(values.values().iter().all(|v| *v == 0.0), "{table:?}");
    }
}
