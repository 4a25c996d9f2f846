//! Metadata and headers as they come, and as they should not.

use genomicframe_core::Result;
use serde_json::{Value, json};

use super::super::*;
use super::build::*;

fn parse(metadata: &Value, header: &Value) -> Result<LegacyMetadata> {
    parse_metadata(metadata.to_string().as_bytes(), Some(header.to_string().as_bytes()))
}

fn sample(flavour: Flavour) -> Dataset {
    let reads = [Read::new("a", 0, 5, "4M", "ACGT", "IIII"), Read::new("b", 0, 5, "4M", "ACGT", "HHHH")];
    Dataset::new(flavour, &reads)
}

#[test]
fn versions_are_told_apart() {
    let stated = |version: &str| json!({"format": "bams3", "version": version}).to_string().into_bytes();
    for version in ["0.1.0-poc", "0.1.0", "0.2.0", "0.2"] {
        assert!(is_legacy(&stated(version)) && parse_metadata(&stated(version), None).is_ok(), "{version}");
    }
    for version in ["1.0", "0.3.0", "0.10", "2", ""] {
        assert!(!is_legacy(&stated(version)));
        let e = parse_metadata(&stated(version), None).unwrap_err();
        assert!(e.is_unsupported() && e.to_string().contains(version), "{e}");
    }
    for bytes in [&b""[..], b"{}", b"[]", b"{\"format\":\"bams3\"}", b"{\"format\":\"bam\",\"version\":\"0.1\"}"] {
        assert!(!is_legacy(bytes) && parse_metadata(bytes, None).unwrap_err().is_corrupt());
    }
    let deep = [&b"{\"format\":"[..], &b"[".repeat(200_000)].concat();
    assert!(parse_metadata(&deep, None).unwrap_err().is_corrupt());
}

#[test]
fn a_path_listed_again_is_read_once() {
    for flavour in FLAVOURS {
        let mut dataset = sample(flavour);
        let chunk = dataset.metadata["chunks"][0].clone();
        let mut stale = chunk.clone();
        (stale["checksum"], stale["reads"]) = (json!("00"), json!(1));
        dataset.metadata["chunks"] = json!([stale, chunk, stale]);
        let metadata = dataset.parse();
        assert_eq!((metadata.chunks.len(), metadata.chunks[0].rows, metadata.chunks[0].entries), (1, 2, 3));
        assert!(metadata.warnings[0].contains("again in 2 entries"), "{:?}", metadata.warnings);
        let (reads, warnings) = dataset.read();
        assert_eq!(reads.len(), 2);
        assert!(!warnings.iter().any(|w| w.contains("checksum")), "{warnings:?}");

        dataset.metadata["chunks"] = json!([stale, stale]);
        let (reads, warnings) = dataset.read();
        assert_eq!(reads.len(), 2);
        assert!(warnings.iter().any(|w| w.contains("none of the manifest's checksums")), "{warnings:?}");

        let mut elsewhere = stale.clone();
        elsewhere["end"] = json!(7);
        dataset.metadata["chunks"] = json!([stale, elsewhere]);
        assert!(parse(&dataset.metadata, &dataset.header).unwrap_err().is_corrupt());
    }
}

#[test]
fn a_wrong_checksum_is_an_error() {
    for flavour in FLAVOURS {
        let mut dataset = sample(flavour);
        dataset.metadata["chunks"][0]["checksum"] = json!("00");
        let metadata = dataset.parse();
        let chunk = &metadata.chunks[0];
        let e = decode_chunk(&dataset.objects[&chunk.path], &metadata, chunk, &mut vec![]).unwrap_err();
        assert!(e.is_corrupt() && e.to_string().contains("checksum"), "{e}");
    }
}

#[test]
fn paths_that_leave_the_dataset_are_refused() {
    let mut dataset = sample(Flavour::GoBinary);
    for path in ["../x", "/etc/passwd", "data\\..\\..\\x", "C:\\x", "s3://b/x", "data/%2e%2e/x", "a%2fb", "a\0", ""] {
        dataset.metadata["chunks"][0]["path"] = json!(path);
        let e = parse(&dataset.metadata, &dataset.header).unwrap_err();
        assert!(e.is_corrupt() && e.to_string().starts_with("_metadata.json: path: "), "{path}: {e}");
    }
    dataset.metadata["chunks"][0]["path"] = json!("data\\chr1\\0-1.chunk");
    assert_eq!(dataset.parse().chunks[0].path, "data/chr1/0-1.chunk");
}

#[test]
fn entries_that_make_no_sense_are_errors() {
    let dataset = sample(Flavour::GoBinary);
    let cases = [("reference", json!("chrX")), ("end", json!(-1)), ("reads", json!(-1)), ("path", json!(7))];
    for (key, value) in cases {
        let mut metadata = dataset.metadata.clone();
        metadata["chunks"][0][key] = value;
        assert!(parse(&metadata, &dataset.header).unwrap_err().is_corrupt(), "{key}");
    }
}

#[test]
fn empty_datasets_are_datasets() {
    for flavour in FLAVOURS {
        let mut dataset = Dataset::new(flavour, &[]);
        for chunks in [json!([]), Value::Null] {
            dataset.metadata["chunks"] = chunks;
            assert!(dataset.parse().chunks.is_empty() && dataset.parse().warnings.is_empty());
        }
    }
}

#[test]
fn a_dataset_without_a_header_takes_the_names_of_its_chunks() {
    let reads = [Read::new("a", 2, 5, "4M", "ACGT", "IIII"), Read::new("b", -1, -1, "*", "ACGT", "IIII")];
    for flavour in FLAVOURS {
        let dataset = Dataset::new(flavour, &reads);
        let metadata = parse_metadata(dataset.metadata.to_string().as_bytes(), None).unwrap();
        assert_eq!(metadata.contigs.name(0), Some("chr2"));
        assert_eq!(metadata.warnings.len(), 2);
        let mut out = vec![];
        for chunk in &metadata.chunks {
            decode_chunk(&dataset.objects[&chunk.path], &metadata, chunk, &mut out).unwrap();
        }
        let out: Vec<i32> = super::build::reads(&out).iter().map(|r| r.contig).collect();
        assert_eq!(out, [0, -1]);
    }
}

#[test]
fn the_header_is_rebuilt_in_the_specifications_order() {
    let header = json!({
        "CO": ["one", "two\twords"],
        "PG": [{"VN": "1", "CL": "bwa mem", "ID": "bwa", "PN": "bwa"}],
        "RG": [{"SM": "s", "ID": "rg1", "PL": "X", "zz": "y"}],
        "SQ": [{"UR": "u", "LN": 10, "SN": "HLA-A*01:01", "AS": null}, {"LN": "7", "SN": "b"}],
        "HD": {"SS": "a:b", "SO": "coordinate", "VN": "1.6"},
    });
    let metadata = json!({"format": "bams3", "version": "0.2.0"});
    let read = parse(&metadata, &header).unwrap();
    let wanted = "@HD\tVN:1.6\tSO:coordinate\tSS:a:b\n@SQ\tSN:HLA-A*01:01\tLN:10\tUR:u\n@SQ\tSN:b\tLN:7\n\
        @RG\tID:rg1\tPL:X\tSM:s\tzz:y\n@PG\tID:bwa\tPN:bwa\tCL:bwa mem\tVN:1\n@CO\tone\n@CO\ttwo\twords\n";
    assert_eq!(read.header_text, wanted);
    assert_eq!((read.contigs.get("HLA-A*01:01"), read.contigs.length(1)), (Some(0), Some(7)));
    assert!(read.warnings.is_empty());

    let odd = json!({"HD": null, "RG": [{"ID": "a\nb", "long": "x", "DS": [1]}], "CO": null, "XX": 1});
    let read = parse(&metadata, &odd).unwrap();
    assert_eq!((read.header_text.as_str(), read.warnings.len()), ("@RG\tID:a b\n", 1));
    for bad in [json!([]), json!({"SQ": 7}), json!({"SQ": [7]}), json!({"SQ": [{"SN": "a"}]}), json!({"CO": [1]})] {
        assert!(parse(&metadata, &bad).unwrap_err().to_string().starts_with("_header.json: "));
    }
    let twice = json!({"SQ": [{"SN": "a", "LN": 1}, {"SN": "a", "LN": 1}]});
    assert!(parse(&metadata, &twice).unwrap_err().is_corrupt());
}

#[test]
fn names_with_colons_and_escapes_are_names() {
    let mut dataset = sample(Flavour::PythonJson);
    dataset.header["SQ"][0]["SN"] = json!("HLA-A*01:01:01:01");
    dataset.metadata["chunks"][0]["reference"] = json!("HLA-A*01:01:01:01");
    let path = "data/HLA-A*01:01:01:01/000000000-001048576.chunk";
    dataset.metadata["chunks"][0]["path"] = json!(path);
    let bytes = dataset.objects.pop_first().unwrap().1;
    dataset.objects.insert(path.to_owned(), bytes);
    assert_eq!(dataset.read().0.len(), 2);
}
