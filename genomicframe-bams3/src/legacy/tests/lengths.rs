//! Lengths that do not fit their fields.

use proptest::prelude::*;

use super::super::*;
use super::build::*;

fn bases(n: usize) -> String {
    (0..n).map(|i| char::from(b"ACGTN"[i * i % 5])).collect()
}

fn quals(n: usize) -> String {
    (0..n).map(|i| char::from(b'!' + (i * 7 % 94) as u8)).collect()
}

fn round_trip(flavour: Flavour, read: &Read) {
    let (got, _) = Dataset::new(flavour, std::slice::from_ref(read)).read();
    let mut wanted = read.clone();
    if flavour == Flavour::GoBinaryStdin {
        wanted.cigar = "*".into();
    }
    assert!(got.len() == 1 && got[0] == wanted, "{flavour:?}: {} bases", read.seq.len());
}

#[test]
fn reads_longer_than_their_field() {
    for n in [65_535, 65_536, 70_000, 131_072, 140_001] {
        let mapped = Read::new("long", 0, 5, &format!("{n}M"), &bases(n), &quals(n));
        let bare = Read::new("bare", -1, -1, "*", &bases(n), &quals(n));
        for read in [mapped, bare] {
            let tagged = read.clone().tag("RG", 'Z', "a").tag("NM", 'i', "70").tag("XZ", 'Z', "");
            let blank = Read { qual: "*".into(), ..tagged.clone() };
            let single = Read { qual: "*".into(), ..read.clone() }.tag("MD", 'Z', &"10AZ".repeat(50));
            for read in [&read, &tagged, &blank, &single] {
                round_trip(Flavour::GoBinary, read);
                round_trip(Flavour::GoBinaryStdin, read);
            }
        }
    }
}

#[test]
fn cigars_longer_than_their_field() {
    for n in [65_535, 65_536, 70_001, 200_000] {
        let cigar: String = (0..n).map(|i| if i % 2 == 0 { "1M" } else { "1I" }).collect();
        let read = Read::new("long", 0, 5, &cigar, &bases(n), &quals(n));
        let blank = Read::new("blank", 0, 5, &cigar, "*", "*").tag("NM", 'i', "1");
        for flavour in [Flavour::PythonJson, Flavour::GoJson, Flavour::GoJsonStdin, Flavour::GoBinary] {
            round_trip(flavour, &read);
        }
        round_trip(Flavour::GoBinary, &read.tag("NM", 'i', "1").tag("MD", 'Z', "5"));
        round_trip(Flavour::GoBinary, &blank);
    }
}

#[test]
fn a_name_has_254_bytes_at_most() {
    let read = |n| Read::new(&"n".repeat(n), 0, 5, "1M", "A", "I");
    round_trip(Flavour::GoBinary, &read(254));
    let dataset = Dataset::new(Flavour::GoBinary, &[read(1), read(255)]);
    let metadata = dataset.parse();
    let chunk = &metadata.chunks[0];
    let e = decode_chunk(&dataset.objects[&chunk.path], &metadata, chunk, &mut vec![]).unwrap_err();
    assert!(e.is_limit() && e.to_string().contains("record 2: name: 255 bytes"), "{e}");
}

/// The error of a chunk of these binary records.
fn error(flavour: Flavour, payload: Vec<u8>) -> genomicframe_core::Error {
    let mut dataset = Dataset::new(flavour, &[Read::new("a", 0, 0, "1M", "A", "I")]);
    dataset.metadata["chunks"][0]["checksum"] = hex(&payload).into();
    let metadata = dataset.parse();
    let mut out = b"before".to_vec();
    let e = decode_chunk(&payload, &metadata, &metadata.chunks[0], &mut out).unwrap_err();
    assert_eq!(out, b"before");
    e
}

#[test]
fn sizes_that_lie_are_errors_that_say_where() {
    let read = Read::new("read", 0, 5, "4M", "ACGT", "IIII").tag("NM", 'i', "1");
    let record = binary_record(&read, false);
    let lie = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut second = record.clone();
        change(&mut second);
        error(Flavour::GoBinary, binary_chunk(&[record.clone(), second], false)).to_string()
    };
    let place = format!("data/chr1/000000000-001048576.chunk: byte {}: record 2: ", 16 + record.len());
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Change<'_>); 10] = [
        ("record_size: ", &|r| r[0] += 1),
        ("record_size: 3 bytes", &|r| r[0] = 3),
        ("record_size: 0 bytes", &|r| r[0] = 0),
        ("record_size: 4294967295 bytes, but only", &|r| r[..4].fill(0xff)),
        ("tags: it does not end", &|r| r[0] -= 1),
        ("record_size: ", &|r| r[6] += 1),
        ("n_cigar: 65281 operations", &|r| r[9] = 0xff),
        ("tags: not a tag with text", &|r| r[10] = 2),
        ("CIGAR: operation 10 ", &|r| r[12 + 4 + 11] = 0x1a),
        ("CIGAR: the operation B", &|r| r[12 + 4 + 11] = 0x19),
    ];
    for (i, (what, change)) in cases.into_iter().enumerate() {
        let e = lie(change);
        assert!(e.starts_with(&place) && e[place.len()..].starts_with(what), "{i}: {e}");
    }
    let mut more = binary_chunk(std::slice::from_ref(&record), false);
    more[8] = 2;
    assert!(error(Flavour::GoBinary, more.clone()).to_string().contains("record 2: record_size: cut short: 0 bytes"));
    more[8] = 0;
    assert!(error(Flavour::GoBinary, more.clone()).to_string().contains("byte 16: "));
    more[5] = 3;
    assert!(error(Flavour::GoBinary, more).is_unsupported());
}

#[test]
fn codes_that_the_writer_did_not_know_are_n() {
    let read = Read::new("r", 0, 5, "4M", "ACGT", "IIII");
    let mut record = binary_record(&read, false);
    let seq = record.len() - 6;
    record[seq..seq + 2].copy_from_slice(&[0x0f, 0x3e]);
    let payload = binary_chunk(&[record], false);
    let mut dataset = Dataset::new(Flavour::GoBinary, &[read]);
    dataset.metadata["chunks"][0]["checksum"] = hex(&payload).into();
    dataset.objects.values_mut().for_each(|object| object.clone_from(&payload));
    assert_eq!(dataset.read().0[0].seq, "NNNN");
}

#[test]
fn a_star_is_a_score_of_a_file_and_missing_in_a_stream() {
    let read = Read::new("r", 0, 5, "1M", "A", "*");
    let stored = Read { qual: "I".into(), ..read.clone() };
    let payload = |flavour| {
        let mut record = binary_record(&stored, flavour == Flavour::GoBinaryStdin);
        *record.last_mut().unwrap() = b'*';
        binary_chunk(&[record], false)
    };
    for (flavour, scored) in [(Flavour::GoBinary, Some(&[9u8][..])), (Flavour::GoBinaryStdin, None)] {
        let payload = payload(flavour);
        let mut dataset = Dataset::new(flavour, std::slice::from_ref(&read));
        dataset.metadata["chunks"][0]["checksum"] = hex(&payload).into();
        let metadata = dataset.parse();
        let mut out = vec![];
        decode_chunk(&payload, &metadata, &metadata.chunks[0], &mut out).unwrap();
        let record = genomicframe_core::alignment::Record::new(&out[4..], 3).unwrap();
        assert_eq!((record.qualities(), record.sequence_length()), (scored, 1));
    }
}

#[test]
fn a_missing_quality_is_told_from_a_tag_that_looks_like_one() {
    // Seven bases after the first, and the text would read as a tag `QQ` with the text `rest`.
    let read = Read::new("r", 0, 5, "7M", "ACGTACG", "*").tag("NM", 'Z', "iiQQZrest");
    round_trip(Flavour::GoBinaryStdin, &read);
    let read = Read::new("r", 0, 5, "7M", "ACGTACG", "*QQZIII").tag("NM", 'i', "1");
    round_trip(Flavour::GoBinaryStdin, &read);
}

#[test]
fn binary_records_decode_fast() {
    let n = 30_000;
    let read = |i: usize| {
        let read = Read::new(&format!("A00123:45:HXYZ:1:1101:{i}"), 0, i as i64, "100M50S", &bases(150), &quals(150));
        read.tag("NM", 'i', "1").tag("MD", 'Z', "50A49").tag("AS", 'i', "95").tag("RG", 'Z', "rg1")
    };
    let reads: Vec<Read> = (0..n).map(read).collect();
    let dataset = Dataset::new(Flavour::GoBinary, &reads);
    let metadata = dataset.parse();
    let chunk = &metadata.chunks[0];
    let once = || {
        let start = std::time::Instant::now();
        let summary = decode_chunk(&dataset.objects[&chunk.path], &metadata, chunk, &mut vec![]).unwrap();
        assert_eq!(summary.rows, n as u64);
        start.elapsed()
    };
    let best = (0..5).map(|_| once()).min().unwrap();
    let rate = n as f64 / best.as_secs_f64();
    // Loose, as other tests run at the same time.
    assert!(rate > 100_000.0, "{rate} records a second");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn short_reads_come_back(
        seq in "[ACGTN]{1,40}",
        missing: bool,
        scores in prop::collection::vec(b'!'..=b'J', 40),
        tags in prop::collection::btree_map("[X-Z][a-z0-9]", "[ -~]{0,30}", 0..4),
        placed: bool,
        stdin: bool,
    ) {
        // One base `N` without a score is how a stream says that there are none.
        prop_assume!(!(stdin && seq == "N"));
        let n = seq.len();
        // A stream's score `*` of a single base cannot be told from none.
        let qual = if missing || n == 1 { "*".to_owned() } else { String::from_utf8(scores[..n].to_vec()).unwrap() };
        let (contig, pos, cigar) = if placed { (0, 7, format!("{n}M")) } else { (-1, -1, "*".to_owned()) };
        let mut read = Read::new("r", contig, pos, &cigar, &seq, &qual);
        for (key, text) in tags {
            read = read.tag(&key, 'Z', &text);
        }
        // Where a tag's text could itself begin tags, both readings fit.
        prop_assume!(!(missing && stdin && read.tags.first().is_some_and(|(_, _, text)| text.contains('Z'))));
        round_trip(if stdin { Flavour::GoBinaryStdin } else { Flavour::GoBinary }, &read);
    }
}
