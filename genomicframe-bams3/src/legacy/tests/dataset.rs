//! Scans of all five kinds of dataset.

use genomicframe_core::scan::{Condition, Literal, Op, OpenOptions, Precision, Pushdown};
use serde_json::json;

use super::super::*;
use super::build::*;
use super::flavours::edge_reads;
use super::scanned::*;

fn opened(dataset: &Dataset) -> (std::sync::Arc<genomicframe_core::io::MemoryIo>, Opened) {
    let io = store(dataset);
    let opened = open(&io, &OpenOptions::default()).unwrap();
    (io, opened)
}

#[test]
fn every_read_is_a_row() {
    let reads = edge_reads();
    for flavour in FLAVOURS {
        let (io, dataset) = opened(&Dataset::new(flavour, &reads));
        for (partitions, batch_size) in [(1, 8192), (3, 2), (100, 1)] {
            let shape = |r: &mut genomicframe_core::scan::ScanRequest| {
                (r.partitions, r.batch_size) = (partitions, batch_size);
            };
            let scanned = scan(&dataset, io.clone(), shape).unwrap();
            assert_eq!(scanned.lines(), lines(&reads, flavour), "{flavour:?}");
            let made = scanned.plan.partitions.len();
            assert!(made <= partitions.min(5) && (made > 1) == (partitions > 1), "{flavour:?} {made}");
        }
        for limit in [0, 1, 7, 100] {
            let rows = scan(&dataset, io.clone(), |r| r.limit = Some(limit)).unwrap().rows();
            assert_eq!(rows, limit.min(reads.len()));
        }
        let counted = scan(&dataset, io, |r| r.projection.clear()).unwrap();
        assert_eq!((counted.rows(), counted.plan.warnings.len()), (reads.len(), 0));
    }
}

#[test]
fn what_is_absent_is_null_also_to_conditions() {
    let reads = edge_reads();
    for flavour in FLAVOURS {
        let (io, dataset) = opened(&Dataset::new(flavour, &reads));
        let scanned = scan(&dataset, io.clone(), |_| {}).unwrap();
        let absent = Dataset::new(flavour, &reads).parse().absent_columns();
        for batch in &scanned.batches {
            for column in &absent {
                assert_eq!(
                    batch.column_by_name(column).unwrap().null_count(),
                    batch.num_rows(),
                    "{flavour:?} {column}"
                );
            }
        }
        assert!(scanned.plan.warnings.iter().any(|w| w.contains("stores no rnext, pnext, tlen")));
        let zero = Condition::Compare("tlen".into(), Op::Eq, Literal::Int(0));
        let cases = [
            (zero.clone(), 0),
            (Condition::Not(Box::new(zero)), 0),
            (Condition::IsNull("tlen".into()), reads.len()),
            (Condition::IsNull("rnext".into()), reads.len()),
            (Condition::Compare("qname".into(), Op::Eq, Literal::Text("exact".into())), 1),
        ];
        for (condition, rows) in cases {
            assert_eq!(dataset.pushdown(&condition), Pushdown::Exact);
            let scanned = scan(&dataset, io.clone(), |r| r.predicate.all = vec![condition.clone()]).unwrap();
            assert_eq!(scanned.rows(), rows, "{flavour:?} {condition:?}");
        }
    }
}

#[test]
fn regions_hold_what_reaches_into_them() {
    let reads = Random(7).reads(400);
    let mut random = Random(11);
    for flavour in FLAVOURS {
        let stored = Dataset::new(flavour, &reads);
        let chunks = stored.objects.len();
        let (io, fresh) = opened(&stored);
        let (mut spared, mut unbounded) = (0, 0);
        for round in 0..100 {
            let start = match random.below(2) {
                0 => random.below(4_950_000),
                _ => ((1 + random.below(4)) << 20) - 5 + random.below(10),
            };
            let asked = match random.below(12) {
                0 => Asked::Unplaced,
                1 => Asked::Contig(random.below(3) as usize),
                n => Asked::Span(random.below(3) as usize, start, start + random.below(1 << (2 * n))),
            };
            let wanted = lines(reads.iter().filter(|r| asked.holds(r, flavour)), flavour);
            // Once of a dataset that knows nothing of its chunks, once of one that has seen some.
            let (_, new) = opened(&stored);
            let first = scan(&new, io.clone(), |r| r.regions = Some(asked.regions())).unwrap();
            let later = scan(&fresh, io.clone(), |r| r.regions = Some(asked.regions())).unwrap();
            assert_eq!(first.lines(), wanted, "{flavour:?} {asked:?}");
            assert_eq!(later.lines(), wanted, "{flavour:?} {asked:?}, round {round}");
            let read = |s: &Scanned| s.plan.pruning.as_ref().unwrap().units[0].2;
            assert!(read(&later) <= read(&first) && first.plan.objects.len() as u64 == read(&first));
            assert_eq!(first.plan.pruning.as_ref().unwrap().units[0].1, chunks as u64);
            spared += read(&first) - read(&later);
            unbounded += usize::from(first.plan.warnings.iter().any(|w| w.contains("how far their reads reach")));
        }
        assert!(spared > 0 && unbounded > 0, "{flavour:?}");
        scan(&fresh, io.clone(), |_| {}).unwrap();
        let known = scan(&fresh, io, |r| r.regions = Some(Asked::Span(0, 4_000_000, 4_000_010).regions())).unwrap();
        assert!(!known.plan.warnings.iter().any(|w| w.contains("how far their reads reach")));
    }
}

#[test]
fn reads_without_a_cigar_reach_as_far_as_their_bases() {
    let read = Read::new("a", 0, 99, "10M", "ACGTACGTAC", "IIIIIIIIII");
    let (io, dataset) = opened(&Dataset::new(Flavour::GoBinaryStdin, &[read]));
    for (start, rows) in [(100, 1), (109, 1), (110, 0)] {
        let scanned = scan(&dataset, io.clone(), |r| r.regions = Some(Asked::Span(0, start, 200).regions())).unwrap();
        assert_eq!(scanned.rows(), rows);
        assert!(scanned.plan.warnings.iter().any(|w| w.contains("no CIGAR is stored")));
        let ends = Condition::Compare("end".into(), Op::Ge, Literal::Int(start));
        assert_eq!(scan(&dataset, io.clone(), |r| r.predicate.all = vec![ends]).unwrap().rows(), rows);
    }
}

#[test]
fn objects_listed_again_are_read_once() {
    let reads = edge_reads();
    for flavour in FLAVOURS {
        let mut stored = Dataset::new(flavour, &reads);
        let chunk = stored.metadata["chunks"][0].clone();
        let mut stale = chunk.clone();
        (stale["checksum"], stale["reads"], stale["size_bytes"]) = (json!("00"), json!(99), json!(1u64 << 40));
        let listed = stored.metadata["chunks"].as_array_mut().unwrap();
        listed.insert(0, stale.clone());
        listed.push(stale);
        let (io, dataset) = opened(&stored);
        assert!(dataset.needs_index() && matches!(dataset.statistics().rows, Precision::Inexact(_)));
        let scanned = scan(&dataset, io.clone(), |_| {}).unwrap();
        assert_eq!(scanned.lines(), lines(&reads, flavour));
        assert_eq!(scanned.plan.bytes(), stored.objects.values().map(|o| o.len() as u64).sum::<u64>());
        assert!(scanned.plan.warnings.iter().any(|w| w.contains("again in 2 entries")));
    }
}

#[test]
fn statistics_are_the_manifests() {
    let reads = edge_reads();
    for flavour in FLAVOURS {
        let mut stored = Dataset::new(flavour, &reads);
        let (_, dataset) = opened(&stored);
        let statistics = dataset.statistics();
        assert_eq!(statistics.rows, Precision::Exact(reads.len() as u64));
        assert_eq!(statistics.bytes, Precision::Exact(stored.objects.values().map(|o| o.len() as u64).sum()));
        let python = flavour == Flavour::PythonJson;
        assert_eq!(statistics.rows_by_contig, (!python).then(|| vec![12, 1, 2]));
        assert!(!dataset.needs_index());
        stored.metadata["statistics"]["total_reads"] = json!(3);
        assert_eq!(opened(&stored).1.statistics().rows, Precision::Inexact(reads.len() as u64));
    }
}

#[test]
fn damaged_and_missing_chunks_are_errors_that_name_them() {
    let reads = edge_reads();
    for flavour in FLAVOURS {
        let stored = Dataset::new(flavour, &reads);
        for path in stored.objects.keys() {
            let name = place().join(path).to_string();
            let (mut flipped, mut missing, mut cut) = (stored.clone(), stored.clone(), stored.clone());
            let bytes = flipped.objects.get_mut(path).unwrap();
            let last = bytes.len() - 3;
            bytes[last] ^= 1;
            missing.objects.remove(path);
            cut.objects.get_mut(path).unwrap().pop();
            for (damaged, opens) in [(flipped, true), (missing, true), (cut, false)] {
                let io = store(&damaged);
                let e = match open(&io, &OpenOptions::default()) {
                    Ok(dataset) => scan(&dataset, io, |_| {}).map(|_| ()).unwrap_err(),
                    Err(e) if !opens => e,
                    Err(e) => panic!("{e}"),
                };
                assert!(e.to_string().starts_with(&name), "{flavour:?} {e}");
            }
        }
        let io = store(&stored);
        io.put(&place().join("_header.json"), "{\"SQ\":7}");
        let e = open(&io, &OpenOptions::default()).unwrap_err().to_string();
        assert!(e.starts_with("memory:///a.bams3/_header.json: SQ"), "{e}");
    }
}

#[test]
fn tags_of_the_first_reads_are_columns() {
    for flavour in FLAVOURS {
        let io = store(&Dataset::new(flavour, &edge_reads()));
        let options = OpenOptions { columns: vec!["tag_xz".into()], ..OpenOptions::default() };
        let dataset = open(&io, &options).unwrap();
        let schema = dataset.schema();
        let has = |name: &str| schema.column_with_name(name).is_some();
        let python = flavour == Flavour::PythonJson;
        assert!(has("tag_xz") && [has("tag_nm"), has("tag_ml"), has("tag_rg")] == [!python; 3]);
        let named = Condition::Compare("tag_rg".into(), Op::Eq, Literal::Text("rg1".into()));
        if !python {
            assert_eq!(scan(&dataset, io.clone(), |r| r.predicate.all = vec![named]).unwrap().rows(), 1);
        }
        let unset = Condition::IsNull("tag_xz".into());
        let rows = scan(&dataset, io, |r| r.predicate.all = vec![unset]).unwrap().rows();
        assert_eq!(rows, edge_reads().len() - usize::from(!python), "{flavour:?}");
    }
}

#[test]
fn what_is_read_leniently_is_told() {
    let (io, dataset) = opened(&Dataset::new(Flavour::GoBinaryStdin, &edge_reads()));
    let scanned = scan(&dataset, io, |_| {}).unwrap();
    assert!(scanned.metrics.warnings().iter().any(|(what, times)| what.starts_with("no CIGAR") && times > 1));
}
