mod damage;

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::executor::block_on;
use genomicframe_core::scan::{Format, OpenOptions, ScanMetrics, ScanRequest, drive};
use object_store::memory::InMemory;

use super::*;
use crate::chunk::crc32;
use crate::dataset::Bams3;
use crate::export::testing::{Random, delete, input, io, made, objects, options, place, put, record, records};
use crate::index::{decode, encode};
use crate::metadata::{IndexPart, ObjectRef};

fn check(store: &Arc<InMemory>) -> Report {
    block_on(validate(&place(), io(store), None, 2, Arc::default())).unwrap()
}

/// Whether validation names an error in `key` that says `what`.
fn names(report: &Report, key: &str, what: &str) -> bool {
    let key = key.replace('%', "%25");
    report.findings.iter().any(|f| f.severity == Severity::Error && f.object.ends_with(&key) && f.what.contains(what))
}

/// All columns of all rows.
fn scan(store: &Arc<InMemory>) -> Result<usize> {
    let io = io(store);
    block_on(async {
        let dataset = Bams3.open(&place(), &*io, &OpenOptions::default()).await?;
        dataset.load_index(&*io, None).await?;
        let request = ScanRequest::all((0..dataset.schema().fields().len()).collect());
        let plan = dataset.plan(&request)?;
        let mut rows = 0;
        for partition in plan.partitions {
            let decoder = dataset.decoder(&request, &partition)?;
            let objects = Arc::clone(&plan.objects);
            let mut stream =
                std::pin::pin!(drive(Arc::clone(&io), objects, partition, decoder, Arc::<ScanMetrics>::default()));
            while let Some(batch) = stream.next().await {
                rows += batch?.num_rows();
            }
        }
        Ok(rows)
    })
}

#[test]
fn a_sound_dataset_is_sound() {
    for (seed, n) in [(1, 500), (2, 40), (3, 0)] {
        let all = records(seed, n);
        let (store, written) = made(&all, &options());
        let report = block_on(validate(&place(), io(&store), Some(input(&all)), 2, Arc::default())).unwrap();
        assert_eq!(report.findings, []);
        assert!(report.is_sound());
        assert_eq!((report.records, report.equal), (n as u64, Some(n as u64)));
        assert_eq!(report.objects, 4 + written.metadata.totals.chunks - u64::from(n == 0));
        assert_eq!(scan(&store).unwrap(), n);
    }
}

#[test]
fn what_lies_about_is_a_note() {
    let (store, _) = made(&records(1, 90), &options());
    put(&store, "data/chr1/left.chunk", "over");
    put(&store, "data/HLA%2A/left.chunk", "over");
    let report = check(&store);
    assert!(report.is_sound());
    assert_eq!(report.findings.len(), 2);
    assert!(report.findings[1].to_string().contains("x.bams3/data/chr1/left.chunk: nothing refers to it"));
}

#[test]
fn every_flipped_bit_is_told() {
    let (store, _) = made(&records(6, 420), &options());
    let all = objects(&store);
    assert!(all.iter().filter(|(key, _)| key.ends_with(".chunk")).count() >= 5);
    let mut random = Random(99);
    for round in 0..1000 {
        // Every object as often as any other, whatever its size.
        let (key, bytes) = &all[round % all.len()];
        let bit = random.below(8 * bytes.len());
        let mut broken = bytes.to_vec();
        broken[bit / 8] ^= 1 << (bit % 8);
        put(&store, key, broken);
        assert!(!check(&store).is_sound(), "{key}: bit {bit}");
        let scanned = scan(&store);
        assert_eq!(scanned.is_ok(), key == "_header.json", "{key}: bit {bit}: {scanned:?}");
        put(&store, key, bytes.clone());
    }
    assert!(check(&store).findings.is_empty());
}

#[test]
fn chunks_that_are_swapped_cut_short_or_gone_are_named() {
    let (store, _) = made(&records(7, 300), &options());
    let chunks: Vec<(String, Bytes)> = objects(&store).into_iter().filter(|(key, _)| key.ends_with(".chunk")).collect();
    let [(a, bytes_a), (b, bytes_b), ..] = &chunks[..] else { panic!("{}", chunks.len()) };
    let expect = |key: &str, what: &str| {
        let report = check(&store);
        assert!(names(&report, key, what), "{key}: {what}: {:?}", report.findings);
        let e = scan(&store).unwrap_err().to_string();
        assert!(e.contains(&key.replace('%', "%25")), "{e}");
    };
    put(&store, a, bytes_b.clone());
    expect(a, "bytes where");
    put(&store, b, bytes_a.clone());
    let report = check(&store);
    assert!(names(&report, a, "bytes where") && names(&report, b, "bytes where"));
    assert!(scan(&store).is_err());
    put(&store, a, bytes_a.clone());
    expect(b, "bytes where");
    put(&store, b, bytes_b.slice(..bytes_b.len() - 1));
    expect(b, "cut short?");
    put(&store, b, bytes_b.slice(..0));
    expect(b, "it has 0 bytes");
    delete(&store, b);
    expect(b, "no such object");
    // Of the same size, but another chunk's.
    let mut other = bytes_b.to_vec();
    other[..52].copy_from_slice(&bytes_a[..52]);
    put(&store, b, other);
    expect(b, "where chunk");
    put(&store, b, bytes_b.clone());
    for key in ["_index/chunks.arrow", "_header.sam", "_header.json"] {
        let (_, bytes) = objects(&store).into_iter().find(|(k, _)| k == key).unwrap();
        put(&store, key, bytes.slice(..bytes.len() / 2));
        assert!(names(&check(&store), key, "bytes where"), "{key}");
        delete(&store, key);
        assert!(names(&check(&store), key, "no such object"), "{key}");
        assert_eq!(scan(&store).is_ok(), key == "_header.json");
        put(&store, key, bytes);
    }
    assert!(check(&store).is_sound());
}

/// Rewrites root and index as a writer would that believes what it says.
fn lie(store: &InMemory, change: impl FnOnce(&mut Metadata, &mut Vec<ChunkEntry>)) {
    let get = |key: &str| objects(store).into_iter().find(|(k, _)| k == key).unwrap().1;
    let mut root = Metadata::parse(&get(ROOT)).unwrap();
    let path = root.index[0].object.path.clone();
    let mut chunks = decode(&get(&path)).unwrap();
    change(&mut root, &mut chunks);
    let bytes = encode(&chunks).unwrap();
    put(store, &path, bytes.clone());
    let mut groups = chunks.iter().flat_map(|c| &c.groups).map(|g| g.stats.clone());
    let mut stats = groups.next().unwrap();
    groups.for_each(|s| stats.merge(&s));
    root.totals.stats = Some(stats.clone());
    let groups = chunks.iter().map(|c| c.groups.len() as u64).sum();
    root.index[0] = IndexPart { object: ObjectRef::of(path, &bytes), chunks: chunks.len() as u64, groups, stats };
    put(store, ROOT, root.to_bytes().unwrap());
}

#[test]
fn statistics_that_lie_consistently_are_found() {
    let all = records(8, 200);
    type Change = fn(&mut GroupStats);
    let cases: Vec<(&str, Change)> = vec![
        ("contig_first", |s| s.contig_first += 1),
        ("contig_last", |s| s.contig_last += 1),
        ("start_first", |s| s.start_first += 1),
        ("start_last", |s| s.start_last -= 1),
        ("start_min", |s| s.start_min += 1),
        ("start_max", |s| s.start_max -= 1),
        ("end_min", |s| s.end_min += 1),
        ("end_max", |s| s.end_max -= 1),
        ("unplaced", |s| s.unplaced += 1),
        ("mapq_min", |s| s.mapq_min += 1),
        ("mapq_max", |s| s.mapq_max -= 1),
        ("mapq_reaching", |s| s.mapq_reaching[2] -= 1),
        ("tlen_min", |s| s.tlen_min += 1),
        ("tlen_max", |s| s.tlen_max -= 1),
        ("length_min", |s| s.length_min += 1),
        ("length_max", |s| s.length_max -= 1),
        ("flag_or", |s| s.flag_or ^= 16),
        ("flag_and", |s| s.flag_and ^= 1),
        ("read_groups", |s| s.read_groups = Some(vec!["a".into()])),
    ];
    for (field, change) in cases {
        let (store, _) = made(&all, &options());
        let mut path = String::new();
        lie(&store, |_, chunks| {
            path.clone_from(&chunks[0].path);
            change(&mut chunks[0].groups[0].stats);
        });
        let report = check(&store);
        assert!(
            names(&report, &path, &format!("row group 0: statistics: {field}: it says"))
                || names(&report, &path, "a number")
                || names(&report, &path, "missing"),
            "{field}: {:?}",
            report.findings
        );
    }
}

#[test]
fn other_lies_are_found() {
    let all = records(8, 200);
    type Change = fn(&mut Metadata, &mut Vec<ChunkEntry>);
    let index = "_index/chunks.arrow";
    let cases: Vec<(&str, &str, bool, Change)> = vec![
        ("chunk", "the chunk says it has", true, |_, c| c[0].groups[0].stats.rows += 1),
        ("chunk", "the chunk says it has", true, |_, c| c[0].groups[0].stats.rows -= 1),
        ("chunk", "the chunk says it has", true, |_, c| c[0].groups[0].stats.rows = 1 << 24),
        ("chunk", "has no page of it", true, |_, c| c[0].groups[0].pages.retain(|p| p.column.0 != 3)),
        ("chunk", "a gap", true, |_, c| c[0].groups[0].pages.retain(|p| p.column.as_tag().is_none())),
        ("chunk", "page encoding 99 is not known", true, |_, c| c[0].groups[0].pages[1].encoding = 99),
        ("chunk", "overlaps", true, |_, c| c[0].groups[0].pages[1].offset -= 1),
        ("chunk", "lies outside its chunk", true, |_, c| c[0].groups[0].pages[1].offset = u64::MAX - 1),
        ("chunk", "lies outside its chunk", true, |_, c| c[0].groups[0].pages[1].bytes = u32::MAX),
        ("chunk", "SHA-256", false, |_, c| c[0].sha256[3] ^= 1),
        ("chunk", "bytes where", true, |_, c| c[0].bytes = 1 << 50),
        (index, "belongs", true, |_, c| c.swap(0, 1)),
        (ROOT, "it says", false, |r, _| r.totals.tally.bases += 1),
        (ROOT, "the rows per flag", true, |r, _| *r.totals.tally.flags.entry(4).or_default() += 1),
        (ROOT, "the rows per contig", true, |r, _| *r.totals.tally.contigs.entry(0).or_default() += 1),
        (ROOT, "the columns", false, |r, _| r.columns[0].bytes += 1),
        (ROOT, "totals.bytes", false, |r, _| r.totals.bytes += 1),
        (ROOT, "totals.chunks", false, |r, _| r.totals.chunks += 1),
        (ROOT, "totals.groups", false, |r, _| r.totals.groups += 1),
        (ROOT, "reads 1.x", true, |r, _| r.version = "2.0".into()),
        (ROOT, "requires wings", true, |r, _| r.requires.push("wings".into())),
        (ROOT, "leaves the dataset", true, |r, _| r.header.path = "../x".into()),
        (ROOT, "hexadecimal", true, |r, _| r.dataset = "x".into()),
        (index, "leaves the dataset", true, |_, c| c[0].path = "../x".into()),
        (index, "leaves the dataset", true, |_, c| c[0].path = "/etc/passwd".into()),
        (index, "leaves the dataset", true, |_, c| c[0].path = "data/%2e%2e/x".into()),
        (index, "scheme", true, |_, c| c[0].path = "file:///etc/passwd".into()),
        (index, "encoded slash", true, |_, c| c[0].path = "data%2fx".into()),
    ];
    for (object, what, fails, change) in cases {
        let (store, _) = made(&all, &options());
        let mut path = String::new();
        lie(&store, |root, chunks| {
            change(root, chunks);
            path.clone_from(&chunks[0].path);
        });
        let report = check(&store);
        let object = if object == "chunk" { &path } else { object };
        assert!(names(&report, object, what), "{what}: {:?}", report.findings);
        assert_eq!(scan(&store).is_err(), fails, "{what}");
    }
}

#[test]
fn the_repeated_columns_of_the_index_are_compared() {
    let (store, _) = made(&records(8, 100), &options());
    let (_, bytes) = objects(&store).into_iter().find(|(k, _)| k == "_index/chunks.arrow").unwrap();
    let chunks = decode(&bytes).unwrap();
    let at = bytes.windows(8).position(|w| w == chunks[0].stats().end_max.to_le_bytes()).unwrap();
    let mut broken = bytes.to_vec();
    broken[at] ^= 1;
    put(&store, "_index/chunks.arrow", broken.clone());
    let (_, root) = objects(&store).into_iter().find(|(k, _)| k == ROOT).unwrap();
    let mut root = Metadata::parse(&root).unwrap();
    root.index[0].object = ObjectRef::of("_index/chunks.arrow", &broken);
    put(&store, ROOT, root.to_bytes().unwrap());
    let report = check(&store);
    assert!(!report.is_sound(), "{:?}", report.findings);
}

#[test]
fn a_chunk_made_anew_with_other_rows_is_found() {
    // A page whose checksums all agree, but whose rows are not what the index says.
    let (store, _) = made(&records(8, 200), &options());
    let all = objects(&store);
    let mut path = String::new();
    lie(&store, |_, chunks| {
        let chunk = &mut chunks[0];
        path.clone_from(&chunk.path);
        let mut bytes = all.iter().find(|(key, _)| *key == chunk.path).unwrap().1.to_vec();
        let page = &mut chunk.groups[0].pages[0];
        let range = page.offset as usize..page.range().end as usize;
        for byte in &mut bytes[range.clone()] {
            *byte ^= 0x55;
        }
        page.crc = crc32(&bytes[range]);
        chunk.sha256 = crate::chunk::sha256(&bytes);
        put(&store, &chunk.path, bytes);
    });
    assert!(names(&check(&store), &path, "row group 0"));
    assert!(scan(&store).is_err());
}

#[test]
fn records_that_are_not_the_original_s_are_named() {
    let all = records(8, 200);
    let (store, _) = made(&all, &options());
    let against = |original: &[Vec<u8>]| {
        block_on(validate(&place(), io(&store), Some(input(original)), 2, Arc::default())).unwrap()
    };
    let mut other = all.clone();
    other[50][4 + 14] ^= 16;
    let report = against(&other);
    let what = &report.first_error().unwrap().what;
    assert!(what.starts_with("record 51: FLAG differs from the original's"), "{what}");
    assert_eq!((report.errors, report.equal), (1, Some(199)));
    // Bins are not kept.
    let mut other = all.clone();
    other[50][4 + 10] ^= 16;
    assert!(against(&other).is_sound());
    let report = against(&all[..190]);
    assert!(report.first_error().unwrap().what.contains("record 191: the original has no such record"));
    let longer = [&all[..], &[record((-1, -1), (-1, -1, 0), "x", (4, 0), &[], &[], &[], &[])]].concat();
    let report = against(&longer);
    assert!(report.first_error().unwrap().what.contains("its last 1 records are not in the dataset"));
    let mut input = input(&all);
    input.header_text.push_str("@CO\tmore\n");
    let report = block_on(validate(&place(), io(&store), Some(input), 2, Arc::default())).unwrap();
    assert!(names(&report, "_header.sam", "not the header of the original"));
    // A chunk that is lost does not make all that follows differ.
    let chunk = objects(&store).into_iter().find(|(key, _)| key.ends_with(".chunk")).unwrap().0;
    delete(&store, &chunk);
    let report = against(&all);
    assert_eq!(report.errors, 1, "{:?}", report.findings);
    assert!(report.equal.unwrap() > 80);
}

#[test]
fn without_a_dataset_there_is_no_report() {
    let store = Arc::new(InMemory::new());
    let e = block_on(validate(&place(), io(&store), None, 1, Arc::default())).unwrap_err();
    assert!(e.is_not_found(), "{e}");
    put(&store, ROOT, "{}");
    assert!(names(&check(&store), ROOT, "not bams3"));
}
