//! What goes in comes out, except what each program drops.

use super::super::*;
use super::build::*;

pub(super) fn edge_reads() -> Vec<Read> {
    let tags =
        |read: Read| read.tag("NM", 'i', "2").tag("MD", 'Z', "10A39").tag("AS", 'i', "-5").tag("ML", 'B', "C,0,255");
    let mut reads = vec![
        Read::new("zero", 0, 0, "4M", "ACGT", "<>&\""),
        tags(Read::new("first", 0, 1000, "3H1S2M1I1M2D1=1X3N1P1M2S", "ACGTACGTAC", "IIIIIHHHHH")),
        Read::new("iupac", 0, 1001, "16M", "=ACMGRSVTWYHKDBN", "/:E?/7:A$=2<%;%@"),
        Read::new("odd", 0, 1002, "5M", "ACGTN", "!~AB*"),
        Read::new("noqual", 0, 1003, "4M", "ACGT", "*"),
        Read::new("noqual1", 0, 1003, "3M", "ACG", "*").tag("RG", 'Z', "rg1"),
        Read::new("one", 0, 1003, "1M", "A", "*"),
        Read::new("noseq", 0, 1004, "20M", "*", "*").flag(256).tag("NM", 'i', "1"),
        Read::new("spliced", 0, (1 << 20) - 100, "5M1200000N5M", "ACGTACGTAC", "IIIIIHHHHH"),
        Read::new("last", 0, (1 << 20) - 1, "4M", "ACGT", "IIII"),
        Read::new("exact", 0, 1 << 20, "4M", "ACGT", "IIII").flag(1024),
        Read::new("named", 1, 5, "4M", "ACGT", "IIII"),
        Read::new("placed", 2, 500, "*", "ACGT", "IIII").flag(4),
        Read::new("mate", 2, 500, "4M", "ACGT", "IIII").flag(9),
        Read::new("lost", -1, -1, "*", "ACGT", "IIII"),
        Read::new("bare", -1, -1, "*", "*", "*").tag("XZ", 'Z', ""),
        Read::new("late", 0, 2, "4M", "ACGT", "IIII"),
    ];
    reads[3].mapq = 255;
    reads
}

/// What of `read` a dataset holds, or is taken back.
pub(super) fn expected(read: &Read, flavour: Flavour) -> Read {
    let mut read = read.clone();
    match flavour {
        Flavour::PythonJson => {
            read.tags.clear();
            if read.flag & 4 != 0 {
                read.pos = -1;
            }
        }
        Flavour::GoJson | Flavour::GoJsonStdin => read.tags.sort_by(|a, b| a.0.cmp(&b.0)),
        Flavour::GoBinary | Flavour::GoBinaryStdin => {
            if read.seq != "*" {
                read.seq = read.seq.replace(|c| !"ACGTN".contains(c), "N");
            }
            if flavour == Flavour::GoBinaryStdin {
                read.cigar = "*".into();
            }
        }
    }
    read
}

#[test]
fn every_flavour_holds_its_reads() {
    let reads = edge_reads();
    for flavour in FLAVOURS {
        let dataset = Dataset::new(flavour, &reads);
        let metadata = dataset.parse();
        assert_eq!((metadata.flavour, metadata.chunks.len()), (flavour, 5));
        assert!(metadata.warnings.is_empty(), "{:?}", metadata.warnings);
        let mut wanted: Vec<Read> = reads.iter().map(|r| expected(r, flavour)).collect();
        // Chunks by contig and start, then those without a place; within one the place decides, then the order.
        wanted.sort_by_key(|r| {
            let apart = flavour == Flavour::PythonJson && r.flag & 4 != 0;
            (apart, r.contig as u32, r.pos)
        });
        let (read, warnings) = dataset.read();
        assert_eq!(read.len(), wanted.len());
        for (read, wanted) in read.iter().zip(&wanted) {
            assert_eq!(read, wanted, "{flavour:?}");
        }
        let allowed = |w: &String| flavour == Flavour::GoBinaryStdin && w.starts_with("no CIGAR is stored");
        assert!(warnings.iter().all(allowed), "{flavour:?}: {warnings:?}");
    }
}

#[test]
fn what_is_absent_is_known() {
    let absent = |flavour| Dataset::new(flavour, &[]).parse().absent_columns();
    assert_eq!(absent(Flavour::GoBinary), ABSENT);
    assert_eq!(absent(Flavour::PythonJson), ["rnext", "pnext", "tlen", "tags"]);
    assert_eq!(absent(Flavour::GoBinaryStdin), ["rnext", "pnext", "tlen", "cigar"]);
}

#[test]
fn tags_get_their_standard_types_and_others_are_text() {
    let read = Read::new("tags", 0, 5, "4M", "ACGT", "IIII")
        .tag("BC", 'B', "c,-1,2")
        .tag("FZ", 'B', "S,1,65535")
        .tag("NM", 'Z', "many")
        .tag("TS", 'A', "-")
        .tag("XA", 'A', "x")
        .tag("XF", 'f', "1.5")
        .tag("XH", 'H', "1AFF")
        .tag("XI", 'i', "-7");
    for flavour in [Flavour::GoJson, Flavour::GoBinary, Flavour::GoJsonStdin, Flavour::GoBinaryStdin] {
        let (read, warnings) = Dataset::new(flavour, std::slice::from_ref(&read)).read();
        let (bc, xh) = if flavour.is_stdin() { ("c,-1,2", "1AFF") } else { ("c:[-1 2]", "31414646") };
        let wanted = [
            ("BC", 'Z', bc),
            ("FZ", 'B', "S,1,65535"),
            ("NM", 'Z', "many"),
            ("TS", 'A', "-"),
            ("XA", 'Z', "x"),
            ("XF", 'Z', "1.5"),
            ("XH", 'Z', xh),
            ("XI", 'Z', "-7"),
        ];
        let tags: Vec<_> = read[0].tags.iter().map(|(key, kind, text)| (key.as_str(), *kind, text.as_str())).collect();
        assert_eq!(tags, wanted);
        assert!(warnings.iter().any(|w| w.starts_with("tag NM")), "{warnings:?}");
    }
}

#[test]
fn a_chunk_tells_how_far_its_reads_reach() {
    let reads = edge_reads();
    let reach = |flavour| {
        let dataset = Dataset::new(flavour, &reads);
        let metadata = dataset.parse();
        let chunk = &metadata.chunks[0];
        decode_chunk(&dataset.objects[&chunk.path], &metadata, chunk, &mut vec![]).unwrap().max_end[&0]
    };
    let spliced = (1 << 20) - 100 + 1_200_010;
    assert_eq!(FLAVOURS.map(reach), [spliced, spliced, spliced, spliced, (1 << 20) - 90]);
}

#[test]
fn bounds_of_a_stream_are_shifted_to_0_based() {
    let reads = edge_reads();
    let bounds = |flavour| {
        let chunks = Dataset::new(flavour, &reads).parse().chunks;
        chunks.iter().map(|c| (c.contig, c.start, c.end)).collect::<Vec<_>>()
    };
    let mib = 1 << 20;
    let file = [(Some(0), 0, mib), (Some(0), mib, 2 * mib), (Some(1), 0, mib), (Some(2), 0, mib), (None, 0, 0)];
    assert_eq!(bounds(Flavour::GoBinary), file);
    let stream = [
        (Some(0), 0, mib - 1),
        (Some(0), mib - 1, 2 * mib - 1),
        (Some(1), 0, mib - 1),
        (Some(2), 0, mib - 1),
        (None, 0, 0),
    ];
    assert_eq!(bounds(Flavour::GoBinaryStdin), stream);
    assert_eq!(bounds(Flavour::GoJsonStdin), stream);
}

/// One chunk of JSON, its checksum right or none.
fn one(flavour: Flavour, json: &str) -> genomicframe_core::Result<Vec<Read>> {
    let mut dataset = Dataset::new(flavour, &[Read::new("a", 0, 0, "1M", "A", "I")]);
    let chunk = &mut dataset.metadata["chunks"][0];
    chunk["size_bytes"] = json.len().into();
    chunk["checksum"] = "".into();
    let metadata = dataset.parse();
    let mut out = vec![];
    decode_chunk(json.as_bytes(), &metadata, &metadata.chunks[0], &mut out).inspect_err(|_| assert!(out.is_empty()))?;
    Ok(reads(&out))
}

#[test]
fn numbers_that_are_missing_are_zero_in_go_and_an_error_in_python() {
    let read = &one(Flavour::GoJson, r#"[{"name":"a","flag":0,"cigar":"*"}]"#).unwrap()[0];
    assert_eq!((read.contig, read.pos, read.mapq, read.seq.as_str()), (0, 0, 0, "*"));
    let read =
        &one(Flavour::GoJson, r#"[{"name":"a","flag":0,"ref":2,"pos":7,"mapq":3,"seq":"AC","qual":"*"}]"#).unwrap()[0];
    assert_eq!((read.contig, read.pos, read.mapq, read.seq.as_str()), (2, 7, 3, "AC"));
    let read = &one(Flavour::GoJsonStdin, r#"[{"name":"a","flag":4,"cigar":"*","reference_id":-1}]"#).unwrap()[0];
    assert_eq!((read.contig, read.pos), (-1, -1));
    let ops = r#"[{"name":"a","flag":0,"cigar":"*","cigar_ops":[{"Type":4,"Length":1},{"Length":2}]}]"#;
    assert_eq!(one(Flavour::GoJson, ops).unwrap()[0].cigar, "1S2M");
    let e = one(Flavour::PythonJson, r#"[{"name": "a", "flag": 0, "ref": 0}]"#).unwrap_err().to_string();
    assert_eq!(e, "data/chr1/000000000-001048576.chunk: byte 35: record 1: pos: missing");
}

#[test]
fn values_that_no_read_has_are_errors_that_say_where() {
    let long = format!(r#"[{{"name":"{}","flag":0}}]"#, "n".repeat(255));
    let cases = [
        (r#"[{"name":"a","flag":0},{"name":"b","flag":65536}]"#, "record 2: flag: 65536"),
        (r#"[{"name":"a","flag":-1}]"#, "record 1: flag: -1"),
        (r#"[{"name":"a","flag":0,"mapping_quality":256}]"#, "mapping_quality: 256"),
        (r#"[{"name":"a","flag":0,"position":-2}]"#, "pos: -2"),
        (r#"[{"name":"a","flag":0,"position":2147483648}]"#, "pos: 2147483648"),
        (r#"[{"name":"a","flag":0,"reference_id":3}]"#, "ref: contig 3"),
        (r#"[{"name":"a","flag":0,"reference_id":-2}]"#, "ref: contig -2"),
        (r#"[{"name":"a","flag":0,"cigar":"4"}]"#, "cigar: not a CIGAR"),
        (r#"[{"name":"a","flag":0,"cigar":"M"}]"#, "cigar: not a CIGAR"),
        (r#"[{"name":"a","flag":0,"cigar":"268435456M"}]"#, "cigar: not a CIGAR"),
        (r#"[{"name":"a","flag":0,"cigar_ops":[{"Type":9,"Length":1}]}]"#, "the operation B"),
        (r#"[{"name":"a","flag":0,"cigar_ops":[{"Type":17,"Length":1}]}]"#, "operation 17"),
        (r#"[{"name":"a\u0000","flag":0}]"#, "name: a NUL"),
        (r#"[{"name":"a","flag":0,"tags":{"NMX":"1"}}]"#, "not the name of a tag"),
        (r#"[{"name":"a","flag":0,"tags":{"NM":1}}]"#, "tag NM: not text"),
        (r#"[{"flag":0}]"#, "name: missing"),
        (r#"[{"name":"a","flag":0}"#, "record 2"),
        (r#"[{"name":"a","flag":0}] x"#, "record 2"),
        (r#"[7]"#, "record 1"),
        (&long, "record 1: name: 255 bytes"),
        ("{}", "neither binary nor JSON"),
        ("", "neither binary nor JSON"),
    ];
    for (json, what) in cases {
        let e = one(Flavour::GoJson, json).unwrap_err().to_string();
        assert!(e.contains(what) && e.starts_with("data/chr1/"), "{json}: {e}");
    }
}

#[test]
fn qualities_of_another_number_are_missing() {
    let replaced = r#"{"name":"a","flag":0,"sequence":"ACGT","quality":"III\ufffd"}"#;
    let more = r#"{"name":"a","flag":0,"seq":"A","qual":"II"}"#;
    for record in [replaced, more] {
        let read = one(Flavour::GoJson, &format!("[{record}]")).unwrap();
        assert_eq!(read.iter().map(|r| r.qual.as_str()).collect::<Vec<_>>(), ["*"]);
    }
}

#[test]
fn a_chunk_of_other_than_the_manifests_number_of_records_is_an_error() {
    let record = r#"{"name":"a","flag":0,"sequence":"A","quality":"I"}"#;
    for (json, n) in [("[]".to_owned(), 0), (format!("[{record},{record}]"), 2)] {
        let e = one(Flavour::GoJson, &json).unwrap_err();
        assert!(
            e.is_corrupt() && e.to_string().contains(&format!("reads: {n} records where the manifest says 1")),
            "{e}"
        );
    }
}
