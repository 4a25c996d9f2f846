//! Damaged chunks and metadata end in errors or other values.

use proptest::prelude::*;

use super::super::*;
use super::build::*;

/// Decodes `payload` with no checksum in the way; what comes is records.
fn decode(flavour: Flavour, payload: &[u8]) -> bool {
    let mut dataset = Dataset::new(flavour, &[Read::new("a", 0, 0, "1M", "A", "I")]);
    let chunk = dataset.metadata["chunks"][0].clone();
    dataset.metadata["chunks"] = serde_json::json!([chunk, chunk]);
    let metadata = dataset.parse();
    let mut out = vec![];
    match decode_chunk(payload, &metadata, &metadata.chunks[0], &mut out) {
        Ok(summary) => {
            let mut rest = &out[..];
            for _ in 0..summary.rows {
                let size = u32::from_le_bytes(*rest.first_chunk().unwrap()) as usize;
                genomicframe_core::alignment::Record::new(&rest[4..4 + size], CONTIGS.len()).unwrap();
                rest = &rest[4 + size..];
            }
            assert!(rest.is_empty());
            true
        }
        Err(e) => {
            assert!(e.to_string().starts_with("data/chr1/") && out.is_empty());
            false
        }
    }
}

fn payload(flavour: Flavour, zstd: bool) -> Vec<u8> {
    let reads = [
        Read::new("a", 0, 900, "2S2M", "ACGT", "IIII").tag("NM", 'i', "2").tag("ML", 'B', "C,1,2"),
        Read::new("b", 0, 700, "3M", "NNN", "*").tag("RG", 'Z', "x"),
        Read::new("c", 0, 800, "4M", "*", "*"),
    ];
    match flavour {
        Flavour::GoBinary | Flavour::GoBinaryStdin => {
            let records: Vec<_> = reads.iter().map(|r| binary_record(r, flavour.is_stdin())).collect();
            binary_chunk(&records, zstd)
        }
        _ => object(flavour, &reads.iter().collect::<Vec<_>>()).0,
    }
}

#[test]
fn a_cut_chunk_is_an_error() {
    for flavour in FLAVOURS {
        for zstd in [false, true] {
            let whole = payload(flavour, zstd);
            assert!(decode(flavour, &whole));
            for cut in 0..whole.len() {
                assert!(!decode(flavour, &whole[..cut]), "{flavour:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn cut_metadata_is_an_error() {
    let dataset = Dataset::new(Flavour::GoJson, &[Read::new("a", 0, 0, "1M", "A", "I")]);
    let (metadata, header) = (dataset.metadata.to_string().into_bytes(), dataset.header.to_string().into_bytes());
    for cut in 0..metadata.len() {
        assert!(parse_metadata(&metadata[..cut], Some(&header)).is_err());
    }
    for cut in 0..header.len() {
        assert!(parse_metadata(&metadata, Some(&header[..cut])).is_err());
    }
}

#[test]
fn a_chunk_that_inflates_without_end_is_refused() {
    // 4 GiB of spaces before records; memory is asked for as bytes come, so that the limit bounds it.
    let spaces = zstd::encode_all(&vec![b' '; 64 << 20][..], 1).unwrap();
    let bomb = spaces.repeat(17);
    let mut dataset = Dataset::new(Flavour::GoJson, &[Read::new("a", 0, 0, "1M", "A", "I")]);
    dataset.metadata["chunks"][0]["checksum"] = hex(&bomb).into();
    let metadata = dataset.parse();
    let e = decode_chunk(&bomb, &metadata, &metadata.chunks[0], &mut vec![]).unwrap_err();
    assert!(e.is_limit(), "{e}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn flips_never_panic(
        flavour in prop::sample::select(&FLAVOURS[..]),
        zstd: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = payload(flavour, zstd);
        for (at, with) in flips {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        decode(flavour, &bytes);
    }

    #[test]
    fn flips_of_metadata_never_panic(at: prop::sample::Index, with in b' '..=b'~', header: bool) {
        let dataset = Dataset::new(Flavour::GoJsonStdin, &[Read::new("a", 0, 0, "1M", "A", "I")]);
        let mut texts = [dataset.metadata.to_string().into_bytes(), dataset.header.to_string().into_bytes()];
        let text = &mut texts[usize::from(header)];
        let at = at.index(text.len());
        text[at] = with;
        let _ = parse_metadata(&texts[0], Some(&texts[1]));
    }

    #[test]
    fn any_body_is_records_or_an_error(
        lengths in prop::array::uniform4(0u16..9),
        body in prop::collection::vec(prop::sample::select(&b"\0\x01\x10\x40*NMZZZI "[..]), 0..80),
        stdin: bool,
    ) {
        let mut record = ((12 + body.len()) as u32).to_le_bytes().to_vec();
        record.extend(lengths.iter().flat_map(|n| n.to_le_bytes()));
        record.extend(body);
        let flavour = if stdin { Flavour::GoBinaryStdin } else { Flavour::GoBinary };
        decode(flavour, &binary_chunk(&[record], false));
    }
}
