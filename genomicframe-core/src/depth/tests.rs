//! Against depths counted base by base.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray, UInt16Array, UInt64Array};
use arrow::datatypes::{Float64Type, Int64Type, UInt32Type, UInt64Type};
use proptest::prelude::*;

use super::*;
use crate::error::Result;
use crate::genome::{Contig, Contigs, Interval, Region, RegionSet};

/// An alignment, 0-based.
#[derive(Debug, Clone)]
struct Read {
    contig: usize,
    start: i64,
    cigar: Vec<(i64, char)>,
    quality: Option<Vec<u8>>,
    name: String,
    /// Of a proper pair.
    mate: Option<(usize, i64)>,
}

impl Read {
    fn end(&self) -> i64 {
        let covered: i64 = self.cigar.iter().filter(|(_, op)| "MDN=X".contains(*op)).map(|(n, _)| n).sum();
        self.start + covered.max(1)
    }

    /// The bases that count by themselves.
    fn bases(&self, rules: DepthRules) -> Vec<i64> {
        if rules.whole {
            return (self.start..self.end()).collect();
        }
        let (mut at, mut base, mut bases) = (self.start, 0, Vec::new());
        for (n, op) in &self.cigar {
            for _ in 0..*n {
                let score = self.quality.as_ref().map_or(u8::MAX, |q| q.get(base).copied().unwrap_or(u8::MAX));
                match op {
                    'M' | '=' | 'X' => {
                        if score >= rules.min_base_quality {
                            bases.push(at);
                        }
                        (at, base) = (at + 1, base + 1);
                    }
                    'D' => {
                        if rules.deletions && score >= rules.min_base_quality {
                            bases.push(at);
                        }
                        at += 1;
                    }
                    'N' => at += 1,
                    'I' | 'S' => base += 1,
                    _ => {}
                }
            }
        }
        bases
    }
}

fn contigs(lengths: &[u64]) -> Arc<Contigs> {
    let mut contigs = Contigs::default();
    for (i, length) in lengths.iter().enumerate() {
        // Some names are longer than what a view holds itself.
        let name = if i % 2 == 0 { format!("c{i}") } else { format!("a_contig_of_a_long_name_{i}") };
        contigs.push(Contig { name, length: Some(*length) });
    }
    Arc::new(contigs)
}

fn batch(reads: &[Read], contigs: &Contigs) -> RecordBatch {
    let name = |id: usize| contigs.name(id).map(str::to_owned);
    let cigar = |r: &Read| {
        let text: String = r.cigar.iter().map(|(n, op)| format!("{n}{op}")).collect();
        (!text.is_empty()).then_some(text)
    };
    let quality = |r: &Read| {
        let scores = r.quality.as_ref()?;
        String::from_utf8(scores.iter().map(|q| q + b'!').collect()).ok()
    };
    let flag = |r: &Read| if r.mate.is_some() { 0x3 } else { 0u16 };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("rname", Arc::new(reads.iter().map(|r| name(r.contig)).collect::<StringViewArray>())),
        ("pos", Arc::new(reads.iter().map(|r| Some(r.start + 1)).collect::<Int64Array>())),
        ("end", Arc::new(reads.iter().map(|r| Some(r.end())).collect::<Int64Array>())),
        ("cigar", Arc::new(reads.iter().map(cigar).collect::<StringViewArray>())),
        ("qual", Arc::new(reads.iter().map(quality).collect::<StringViewArray>())),
        ("flag", Arc::new(reads.iter().map(flag).collect::<UInt16Array>())),
        ("rnext", Arc::new(reads.iter().map(|r| name(r.mate?.0)).collect::<StringViewArray>())),
        ("pnext", Arc::new(reads.iter().map(|r| Some(r.mate?.1 + 1)).collect::<Int64Array>())),
        ("qname", Arc::new(reads.iter().map(|r| Some(r.name.clone())).collect::<StringViewArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

/// The rows that partitions of so many reads make, in batches of so many.
fn rows(
    reads: &[Read],
    contigs: &Arc<Contigs>,
    rules: DepthRules,
    report: Report,
    (partition, of_batch, cells): (usize, usize, usize),
) -> Result<Vec<RecordBatch>> {
    let mut merger = DepthMerger::new(report);
    let mut out = Vec::new();
    for partition in reads.chunks(partition) {
        let mut counter = DepthCounter::new(Arc::clone(contigs), rules).with_cells(cells, cells * 4);
        for reads in partition.chunks(of_batch) {
            counter.add(&batch(reads, contigs))?;
            while let Some(chunk) = counter.step()? {
                merger.add(chunk)?;
                while let Some(batch) = merger.step()? {
                    out.push(batch);
                }
            }
        }
        if let Some(chunk) = counter.finish()? {
            merger.add(chunk)?;
            while let Some(batch) = merger.step()? {
                out.push(batch);
            }
        }
    }
    merger.finish();
    while let Some(batch) = merger.step()? {
        out.push(batch);
    }
    Ok(out)
}

/// The depth of each base of each contig.
fn brute(reads: &[Read], contigs: &Contigs, rules: DepthRules) -> Vec<Vec<u32>> {
    let mut depths: Vec<Vec<u32>> = contigs.iter().map(|c| vec![0; c.length.unwrap() as usize]).collect();
    for (i, read) in reads.iter().enumerate() {
        let mut bases = read.bases(rules);
        // Of a pair the later read does not count again where the earlier one does.
        let pair = |r: &Read| r.mate.map(|(_, mate)| (r.name.clone(), r.start.min(mate), r.start.max(mate)));
        let same = |r: &&Read| r.contig == read.contig && r.mate.is_some_and(|(c, _)| c == read.contig);
        if rules.mates_once && read.mate.is_some_and(|(c, _)| c == read.contig) {
            let earlier: Vec<&Read> =
                reads[..i].iter().filter(same).filter(|r| pair(r).is_some() && pair(r) == pair(read)).collect();
            if let [mate] = earlier[..] {
                let shared = mate.bases(rules);
                bases.retain(|base| !shared.contains(base));
            }
        }
        for base in bases {
            if let Some(depth) = depths[read.contig].get_mut(base as usize) {
                *depth += 1;
            }
        }
    }
    depths
}

fn runs(batches: &[RecordBatch]) -> Vec<(String, i64, i64, u32)> {
    let mut out = Vec::new();
    for batch in batches {
        let (start, end) = (batch["start"].as_primitive::<Int64Type>(), batch["end"].as_primitive::<Int64Type>());
        let depth = batch["depth"].as_primitive::<UInt32Type>();
        for row in 0..batch.num_rows() {
            let chrom = batch["chrom"].as_string_view().value(row).to_owned();
            out.push((chrom, start.value(row), end.value(row), depth.value(row)));
        }
    }
    out
}

/// The longest runs of equal values within spans of a contig.
fn expected<T: PartialEq + Copy>(name: &str, values: &[T], spans: &[(i64, i64)]) -> Vec<(String, i64, i64, T)> {
    let mut out: Vec<(String, i64, i64, T)> = Vec::new();
    for (from, to) in spans {
        for at in *from..(*to).min(values.len() as i64) {
            let value = values[at as usize];
            match out.last_mut() {
                Some(last) if last.2 == at && last.3 == value && at > *from => last.2 = at + 1,
                _ => out.push((name.to_owned(), at, at + 1, value)),
            }
        }
    }
    out
}

fn cigar() -> impl Strategy<Value = Vec<(i64, char)>> {
    let op =
        prop_oneof![5 => Just('M'), 1 => Just('D'), 1 => Just('N'), 1 => Just('I'), 1 => Just('='), 1 => Just('X')];
    let ops = prop::collection::vec((1i64..12, op), 0..6);
    (0i64..3, ops, 0i64..3).prop_map(|(left, ops, right)| {
        let clip = |n: i64| (n > 0).then_some((n, 'S'));
        if ops.is_empty() { Vec::new() } else { clip(left).into_iter().chain(ops).chain(clip(right)).collect() }
    })
}

/// Contig, start, CIGAR and qualities of a read.
type Drawn = (usize, i64, Vec<(i64, char)>, Option<Vec<u8>>);

/// Sorted reads of which about half are pairs, also across contigs and with mates that never come.
fn reads(contigs: usize) -> impl Strategy<Value = Vec<Read>> {
    let read = || (0..contigs, 0i64..90, cigar(), prop::option::of(prop::collection::vec(0u8..40, 80)));
    let pair = (read(), read(), 0u8..8, -15i64..15);
    prop::collection::vec(pair, 0..40).prop_map(|pairs| {
        let mut reads = Vec::new();
        for (i, (a, b, kind, near)) in pairs.into_iter().enumerate() {
            let of = |(contig, start, cigar, mut quality): Drawn| {
                let bases: i64 = cigar.iter().filter(|(_, op)| "MIS=X".contains(*op)).map(|(n, _)| n).sum();
                quality.as_mut().iter_mut().for_each(|q| q.truncate(bases as usize));
                Read { contig, start, cigar, quality, name: format!("r{i}"), mate: None }
            };
            let (mut a, mut b) = (of(a), of(b));
            match kind {
                0 | 1 => {}
                2 => a.mate = Some((b.contig, b.start)),
                _ => {
                    if kind > 3 {
                        (b.contig, b.start) = (a.contig, (a.start + near).max(0));
                    }
                    a.mate = Some((b.contig, b.start));
                    b.mate = Some((a.contig, a.start));
                }
            }
            reads.extend([a, b]);
        }
        reads.sort_by_key(|r| (r.contig, r.start));
        reads
    })
}

fn rules() -> impl Strategy<Value = DepthRules> {
    (any::<bool>(), any::<bool>(), any::<bool>(), prop_oneof![Just(0u8), 1u8..40]).prop_map(
        |(whole, deletions, mates_once, min_base_quality)| DepthRules {
            whole,
            deletions,
            mates_once,
            min_base_quality,
        },
    )
}

fn cuts() -> impl Strategy<Value = (usize, usize, usize)> {
    (1usize..40, 1usize..20, prop_oneof![Just(4usize), Just(16), Just(1 << 10)])
}

fn stretches() -> impl Strategy<Value = Vec<(usize, i64, i64)>> {
    prop::collection::vec((0usize..4, 0i64..120, 1i64..60), 1..5)
        .prop_map(|spans| spans.into_iter().map(|(c, start, length)| (c, start, start + length)).collect())
}

proptest! {
    #[test]
    fn runs_are_those_of_an_array_however_reads_are_cut(
        reads in reads(4), rules in rules(), cuts in cuts(), rows_of_batch in 1usize..30,
    ) {
        let contigs = contigs(&[80, 100, 1, 120]);
        let report = Report::new(Arc::clone(&contigs), Layout::Runs).unwrap().batch_size(rows_of_batch);
        let batches = rows(&reads, &contigs, rules, report, cuts).unwrap();
        prop_assert!(batches.iter().all(|b| (1..=rows_of_batch + 1).contains(&b.num_rows())));
        let depths = brute(&reads, &contigs, rules);
        let all = contigs.iter().zip(&depths);
        let wanted: Vec<_> = all.flat_map(|(c, d)| expected(&c.name, d, &[(0, i64::MAX)])).collect();
        prop_assert_eq!(runs(&batches), wanted);
    }

    #[test]
    fn regions_and_bands_cut_the_same_runs(reads in reads(4), cuts in cuts(), spans in stretches(), few in 1usize..9) {
        let contigs = contigs(&[80, 100, 1, 120]);
        let regions: RegionSet = spans
            .iter()
            .map(|(c, a, b)| Region::new(contigs.name(*c).unwrap(), Interval::from_zero_based(*a, *b).unwrap()))
            .collect();
        let rules = DepthRules::default();
        let depths = brute(&reads, &contigs, rules);
        let within = |name: &str| -> Vec<(i64, i64)> {
            regions.intervals(name).iter().map(|i| (i.start().get() - 1, i.end().get())).collect()
        };
        let report = Report::new(Arc::clone(&contigs), Layout::Runs).unwrap().within(&regions).batch_size(few);
        let found = runs(&rows(&reads, &contigs, rules, report, cuts).unwrap());
        let all = || contigs.iter().zip(&depths);
        let wanted: Vec<_> = all().flat_map(|(c, d)| expected(&c.name, d, &within(&c.name))).collect();
        prop_assert_eq!(found, wanted);

        let bands = Bands::parse("1:2:5").unwrap();
        let report = Report::new(Arc::clone(&contigs), Layout::Bands(bands.clone())).unwrap().within(&regions);
        let found = rows(&reads, &contigs, rules, report.batch_size(few), cuts).unwrap();
        let found: Vec<_> = found.iter().flat_map(|b| {
            let (start, end) = (b["start"].as_primitive::<Int64Type>(), b["end"].as_primitive::<Int64Type>());
            let text = |name: &str, row| b[name].as_string_view().value(row).to_owned();
            (0..b.num_rows()).map(|r| (text("chrom", r), start.value(r), end.value(r), text("band", r))).collect::<Vec<_>>()
        }).collect();
        let wanted: Vec<_> = all()
            .flat_map(|(c, d)| {
                let of: Vec<Option<usize>> = d.iter().map(|d| bands.of(*d)).collect();
                expected(&c.name, &of, &within(&c.name))
            })
            .filter_map(|(name, start, end, band)| Some((name, start, end, bands.names()[band?].clone())))
            .collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn windows_sum_up_the_bases_in_them(
        reads in reads(4), cuts in cuts(), size in 1u64..50, step in 1u64..50, few in 1usize..9,
        spans in stretches(), listed in any::<bool>(), narrowed in any::<bool>(),
    ) {
        let contigs = contigs(&[80, 100, 1, 120]);
        let rules = DepthRules::default();
        let depths = brute(&reads, &contigs, rules);
        let mut wanted: Vec<(usize, i64, i64)> = Vec::new();
        let regions: RegionSet = spans
            .iter()
            .map(|(c, a, b)| Region::new(contigs.name(*c).unwrap(), Interval::from_zero_based(*a, *b).unwrap()))
            .collect();
        let windows = if listed {
            // One without bases, too.
            wanted.extend(spans.iter().copied().chain([(1, 100, 100), (1, 7, 7)]));
            wanted.sort_by_key(|(c, start, _)| (*c, *start));
            Windows::listed(wanted.iter().map(|(c, start, end)| (*c, Window { start: *start, end: *end, name: None })))
        } else {
            for (c, contig) in contigs.iter().enumerate() {
                let length = contig.length.unwrap() as i64;
                let of_regions = || {
                    let intervals = regions.intervals(&contig.name).iter();
                    intervals.map(|i| (i.start().get() - 1, i.end().get().min(length))).collect()
                };
                let within: Vec<(i64, i64)> = if narrowed { of_regions() } else { vec![(0, length)] };
                for (from, to) in within {
                    let starts = (from..to).step_by(step as usize);
                    wanted.extend(starts.map(|start| (c, start, (start + size as i64).min(to))));
                }
            }
            Windows::fixed(size, step).unwrap()
        };
        let thresholds = vec![1, 3];
        let layout = Layout::Windows { windows, statistics: Statistic::ALL.to_vec(), thresholds: thresholds.clone() };
        let mut report = Report::new(Arc::clone(&contigs), layout).unwrap().batch_size(few);
        if narrowed && !listed {
            report = report.within(&regions);
        }
        let found = rows(&reads, &contigs, rules, report, cuts).unwrap();
        let mut at = 0;
        for batch in &found {
            let int = |name: &str, row: usize| batch[name].as_primitive::<UInt32Type>().value(row);
            let float = |name: &str, row: usize| batch[name].as_primitive::<Float64Type>().value(row);
            for row in 0..batch.num_rows() {
                let (contig, start, end) = wanted[at];
                at += 1;
                prop_assert_eq!(batch["chrom"].as_string_view().value(row), contigs.name(contig).unwrap());
                let place = ["start", "end"].map(|n| batch[n].as_primitive::<Int64Type>().value(row));
                prop_assert_eq!(place, [start, end]);
                let mut inside: Vec<u32> =
                    (start..end).map(|p| depths[contig].get(p as usize).copied().unwrap_or(0)).collect();
                inside.sort_unstable();
                let n = inside.len().max(1) as f64;
                let mean = inside.iter().map(|d| f64::from(*d)).sum::<f64>() / n;
                let spread = inside.iter().map(|d| (f64::from(*d) - mean).powi(2)).sum::<f64>();
                prop_assert!((float("mean", row) - mean).abs() < 1e-9);
                prop_assert!((float("std", row) - (spread / n).sqrt()).abs() < 1e-9);
                prop_assert_eq!(int("min", row), inside.first().copied().unwrap_or(0));
                prop_assert_eq!(int("max", row), inside.last().copied().unwrap_or(0));
                let middle = inside.len().div_ceil(2).saturating_sub(1);
                prop_assert_eq!(int("median", row), inside.get(middle).copied().unwrap_or(0));
                for threshold in &thresholds {
                    let counted = batch[format!("ge_{threshold}").as_str()].as_primitive::<UInt64Type>().value(row);
                    prop_assert_eq!(counted, inside.iter().filter(|d| *d >= threshold).count() as u64);
                }
            }
        }
        prop_assert_eq!(at, wanted.len());
    }
}

fn read(contig: usize, start: i64, length: i64) -> Read {
    Read { contig, start, cigar: vec![(length, 'M')], quality: None, name: "r".into(), mate: None }
}

#[test]
fn reads_that_are_not_sorted_are_told_with_their_place() {
    let contigs = contigs(&[1000, 1000, 1000]);
    for (reads, place) in [
        (vec![read(0, 100, 10), read(0, 99, 10)], "c0:100 follows one at c0:101"),
        (vec![read(2, 5, 10), read(0, 99, 10)], "c0:100 follows one at c2:"),
        (vec![read(0, 5, 10), read(2, 5, 10), read(0, 99, 10)], "c0:100 follows one at c2:"),
    ] {
        for partition in [1, 2, 3] {
            let report = Report::new(Arc::clone(&contigs), Layout::Runs).unwrap();
            let found = rows(&reads, &contigs, DepthRules::fast(), report, (partition, 2, 16));
            let message = found.map(|_| ()).unwrap_err().to_string();
            assert!(message.contains(place), "{message}");
        }
    }
}

#[test]
fn contigs_of_any_length_take_no_more_memory_than_the_reads_on_them() {
    let contigs = contigs(&[1 << 40, 1 << 40]);
    // A read of half a contig, one over its end, and 70,000 reads at one place.
    let mut reads = vec![read(0, 10, 1)];
    reads[0].cigar = vec![(100, 'M'), (1 << 27, 'N'), (1 << 27, 'N'), (100, 'M')];
    reads.extend((0..70_000).map(|_| read(0, 50, 100)));
    reads.push(read(0, (1 << 40) - 5, 100));
    let report = Report::new(Arc::clone(&contigs), Layout::Runs).unwrap();
    let found = runs(&rows(&reads, &contigs, DepthRules::default(), report, (10_000, 8192, 16)).unwrap());
    let wanted = [
        (0, 10, 0),
        (10, 50, 1),
        (50, 110, 70_001),
        (110, 150, 70_000),
        (150, (1 << 28) + 110, 0),
        ((1 << 28) + 110, (1 << 28) + 210, 1),
        ((1 << 28) + 210, (1 << 40) - 5, 0),
        ((1 << 40) - 5, 1 << 40, 1),
    ];
    let wanted: Vec<_> = wanted.iter().map(|(a, b, d)| ("c0".to_owned(), *a, *b, *d)).collect();
    assert_eq!(found[..8], wanted);
    assert_eq!(found[8..], [("a_contig_of_a_long_name_1".to_owned(), 0, 1 << 40, 0)]);
}

#[test]
fn a_contig_without_a_length_is_refused() {
    let contigs: Arc<Contigs> = Arc::new(["chr1"].into_iter().collect());
    let message = Report::new(contigs, Layout::Runs).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("length") && message.contains("chr1"), "{message}");
}

#[test]
fn bands_that_make_no_sense_are_refused() {
    for text in ["", ":", "4:1", "1:1", "a", "1:2:x", "-1:3"] {
        assert!(Bands::parse(text).is_err_and(|e| e.is_invalid()), "{text}");
    }
    assert_eq!(Bands::parse(":2:9").unwrap().names(), ["0:2", "2:9"]);
    assert_eq!(Bands::parse("1:3").unwrap().of(0), None);
    assert_eq!(Bands::parse("1:3").unwrap().of(3), None);
}

#[test]
fn rows_have_the_schema_that_layouts_tell() {
    let contigs = contigs(&[10]);
    let name = Some(Arc::from("exon"));
    let windows = Windows::listed([(0, Window { start: 2, end: 4, name })]);
    let layout = Layout::Windows { windows, statistics: vec![Statistic::Mean], thresholds: vec![2] };
    let schema = layout.schema();
    let report = Report::new(Arc::clone(&contigs), layout).unwrap();
    let found = rows(&[read(0, 0, 3)], &contigs, DepthRules::fast(), report, (9, 9, 16)).unwrap();
    assert_eq!(found[0].schema(), schema);
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["chrom", "start", "end", "name", "mean", "ge_2"]);
    assert_eq!(found[0]["name"].as_string_view().value(0), "exon");
    assert_eq!(found[0]["mean"].as_primitive::<Float64Type>().value(0), 0.5);
    let none: &UInt64Array = found[0]["ge_2"].as_primitive();
    assert_eq!(none.value(0), 0);
}
