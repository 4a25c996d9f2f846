//! Older datasets become new ones of the same rows.

use std::sync::Arc;

use futures::executor::block_on;
use genomicframe_core::io::{LocalIo, Location, ObjectIo};
use genomicframe_core::scan::{Format, Limits, OpenOptions};

use super::super::*;
use super::build::*;
use super::flavours::edge_reads;
use super::scanned::*;
use crate::Bams3;
use crate::metadata;
use crate::sort::key;
use crate::source::Source;
use crate::writer::{Destination, RecordInput, WriteOptions, write};

fn source(dataset: &Dataset) -> LegacySource {
    block_on(LegacySource::open(&place(), store(dataset), &Limits::default())).unwrap()
}

#[test]
fn records_come_in_coordinate_order() {
    let mut reads = Random(3).reads(500);
    reads.extend(edge_reads());
    for flavour in FLAVOURS {
        let mut source = source(&Dataset::new(flavour, &reads));
        assert!(source.header_text.contains("SO:coordinate"));
        let (mut keys, mut first) = (vec![], 0);
        while let Some(records) = source.next().unwrap() {
            assert_eq!(records.first, first);
            first += records.len() as u64;
            keys.extend(records.iter().map(key));
        }
        assert!(keys.is_sorted() && keys.len() == reads.len(), "{flavour:?}");
        assert!(source.next().unwrap().is_none());
        assert_eq!(source.warnings().is_empty(), flavour != Flavour::GoBinaryStdin);
    }
}

#[test]
fn an_upgraded_dataset_has_the_same_rows() {
    let mut reads = Random(5).reads(300);
    reads.extend(edge_reads());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for flavour in FLAVOURS {
        let mut source = source(&Dataset::new(flavour, &reads));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.bams3");
        let (header_text, contigs) = (source.header_text.clone(), Arc::clone(&source.contigs));
        let from = metadata::Source { name: "old.bams3".into(), bytes: None, sorted: true };
        let blocks = Box::new(move || source.next());
        let input = RecordInput { header_text, contigs, source: from, modified: None, blocks };
        let to = Destination::folder(&path).unwrap();
        runtime.block_on(write(input, &to, &WriteOptions::default(), Arc::default())).unwrap();

        let io: Arc<dyn ObjectIo> = Arc::new(LocalIo::default());
        let new = block_on(Bams3.open(&Location::Local(path), &*io, &OpenOptions::default())).unwrap();
        let scanned = scan(&new, io, |_| {}).unwrap();
        let mut wanted = lines(&reads, flavour);
        if flavour == Flavour::GoBinaryStdin {
            // Without a CIGAR a new dataset ends reads where they start, as BAM does.
            let start = |line: &String| {
                let (end, sam) = line.split_once(' ').unwrap();
                let pos = sam.split('\t').nth(3).unwrap();
                format!("{} {sam}", if end == "none" { end } else { pos })
            };
            wanted = wanted.iter().map(start).collect();
            wanted.sort();
        }
        assert_eq!(scanned.lines(), wanted, "{flavour:?}");
    }
}

#[test]
fn a_damaged_chunk_ends_the_upgrade() {
    for flavour in FLAVOURS {
        let mut dataset = Dataset::new(flavour, &edge_reads());
        let last = dataset.objects.keys().nth(2).unwrap().clone();
        dataset.objects.remove(&last);
        let mut source = source(&dataset);
        let failed = loop {
            match source.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the missing chunk was passed over"),
                Err(e) => break e,
            }
        };
        assert!(failed.is_not_found() && failed.to_string().contains(&last));
        assert!(source.next().unwrap().is_none());
    }
}
