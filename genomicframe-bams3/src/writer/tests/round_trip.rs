//! What goes in comes out, whatever the settings, and the same bytes whatever the threads.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::Level;
use crate::codec::stream::Unpacker;
use crate::group::GroupReader;
use crate::group::records;
use crate::index::decode;
use crate::metadata::{Metadata, ROOT};
use crate::testing::{Kinds, Rng, objects, records as random};
use crate::writer::{Cutting, WriteOptions};

const LEVELS: [Level; 3] = [Level::FAST, Level::DEFAULT, Level::SMALL];

fn options(rng: &mut Rng, level: Level) -> WriteOptions {
    let cutting = Cutting {
        group_rows: 4 + rng.below(61) as u32,
        group_bases: *rng.pick(&[500, 1 << 20]),
        chunk_rows: *rng.pick(&[None, Some(1), Some(70)]),
        chunk_bytes: *rng.pick(&[1, 5_000, 1 << 20]),
        window: *rng.pick(&[None, Some(256 << 10), Some(8 << 20)]),
    };
    WriteOptions { level, cutting, threads: 1, ..WriteOptions::default() }
}

/// Each record of a dataset, in order.
fn read(objects: &BTreeMap<String, Bytes>) -> Vec<Vec<u8>> {
    let root = Metadata::parse(&objects[ROOT]).unwrap();
    let mut unpacker = Unpacker::new().unwrap();
    let mut out = Vec::new();
    for part in &root.index {
        part.object.check(&objects[&part.object.path]).unwrap();
        for chunk in decode(&objects[&part.object.path]).unwrap() {
            let stored = &objects[&chunk.path];
            for group in &chunk.groups {
                let mut reader = GroupReader::new(group, &mut unpacker);
                for page in &group.pages {
                    reader.put(page, stored.slice(page.range().start as usize..page.range().end as usize)).unwrap();
                }
                let mut bytes = Vec::new();
                records::write(&mut reader, &mut bytes).unwrap();
                let mut rest = bytes.as_slice();
                while let Some(size) = rest.first_chunk::<4>() {
                    let (record, after) = rest.split_at(4 + u32::from_le_bytes(*size) as usize);
                    out.push(record.to_vec());
                    rest = after;
                }
            }
        }
    }
    assert_eq!(root.totals.stats.map_or(0, |s| s.rows), out.len() as u64);
    out
}

/// Without the bin, which is made anew.
fn without_bin(mut record: Vec<u8>) -> Vec<u8> {
    record[14..16].fill(0);
    record
}

#[test]
fn what_goes_in_comes_out() {
    for seed in 1..=60 {
        let mut rng = Rng(seed * 0x9e37_79b9);
        let n = *rng.pick(&[0, 1, 30, 200]);
        let records = random(&mut rng, n, Kinds { odd: true, long_cigars: seed % 20 == 0 });
        for level in LEVELS {
            let out = read(&objects(&records, &options(&mut rng, level), 1 + rng.below(100)));
            assert_eq!(out.len(), records.len(), "seed {seed}");
            for (i, (out, record)) in out.into_iter().zip(&records).enumerate() {
                assert!(without_bin(out) == *record, "seed {seed}, record {i}");
            }
        }
    }
}

#[test]
fn threads_and_blocks_change_no_byte() {
    for seed in 1..=6 {
        let mut rng = Rng(seed * 0x1234_5677);
        let records = random(&mut rng, 400, Kinds { odd: true, long_cigars: false });
        let options = options(&mut rng, LEVELS[seed as usize % 3]);
        let first = objects(&records, &options, 1000);
        for (threads, block) in [(1, 1), (3, 7), (3, 1000), (2, 64)] {
            let options = WriteOptions { threads, ..options.clone() };
            assert!(objects(&records, &options, block) == first, "seed {seed}, {threads} threads, blocks of {block}");
        }
    }
}
