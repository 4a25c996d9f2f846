use super::*;
use crate::testing::{Random, bgzf, gzip_members};

fn small() -> Vec<u8> {
    let lines = "\tNM:i:1\tRG:Z:g\tXB:B:S,1,2,3\tXA:A:c\tXH:H:1A\tXF:f:1.5";
    format!("{HEADER}{LINE}{lines}\n{LINE}\nr\t4\t*\t0\t0\t*\t*\t0\t0\t*\t*\n").into_bytes()
}

/// Text ends anywhere; compressed files do not.
#[test]
fn a_cut_at_every_byte() {
    let whole = small();
    for n in 0..whole.len() {
        match read(&whole[..n]) {
            Ok(batch) => assert!(batch.num_rows() <= 3),
            Err(e) => assert!(e.is_corrupt(), "{n}: {e}"),
        }
    }
    for stored in [bgzf(&whole, 60_000), bgzf(&whole, 37), gzip_members(&[&whole])] {
        for n in 1..stored.len() {
            assert!(read(&stored[..n]).is_err(), "{n}");
        }
        assert_eq!(read(&stored).unwrap().num_rows(), 3);
    }
}

/// Else the whole file would be one line of the header, and have no records.
#[test]
fn lines_that_only_carriage_returns_end() {
    let text: Vec<u8> = small().into_iter().map(|b| if b == b'\n' { b'\r' } else { b }).collect();
    let e = read(&text).unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("carriage return"), "{e}");
}

#[test]
fn mutated_text_never_panics() {
    let mut random = Random(53);
    let whole = small();
    let (mut refused, mut partitions) = (0, 0);
    for _ in 0..4000 {
        let bytes = random.mutate(&whole);
        partitions = partitions % 3 + 1;
        match open(&bytes).and_then(|o| o.scan(|r| r.partitions = partitions)) {
            Ok(batch) => assert!(batch.num_rows() < 10),
            Err(e) => {
                assert!(e.is_corrupt() || e.is_unsupported(), "{e:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 2000, "{refused}");
}

/// Bytes that lines are made of, in any order.
#[test]
fn made_up_lines_never_panic() {
    let mut random = Random(54);
    let contigs = ["c"].into_iter().collect();
    let parts = [
        "\t",
        "*",
        "0",
        "1",
        "9999999999",
        "c",
        "=",
        "M",
        "4M",
        ":",
        "NM:i:",
        "XB:B:I,",
        ",",
        "-",
        "A",
        "~",
        "r\t0\tc\t1\t0\t",
    ];
    let mut out = Vec::new();
    for _ in 0..20_000 {
        let line: String = (0..random.below(30)).map(|_| parts[random.below(parts.len())]).collect();
        out.clear();
        if parse_line(line.as_bytes(), &contigs, &mut out).is_ok() {
            crate::alignment::Record::new(&out, 1).unwrap();
        }
    }
}
