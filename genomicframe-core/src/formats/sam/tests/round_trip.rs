use proptest::prelude::*;

use super::*;
use crate::formats::bam::Bam;
use crate::genome::Contigs;
use crate::testing::bgzf;

/// The records of `sam` as a BAM file.
fn as_bam(sam: &str) -> Vec<u8> {
    let header = SamHeader::parse(HEADER.as_bytes(), &Limits::default()).unwrap();
    let contigs: &Contigs = &header.contigs;
    let mut out = b"BAM\x01".to_vec();
    out.extend((header.text.len() as i32).to_le_bytes());
    out.extend(header.text.as_bytes());
    out.extend((contigs.len() as i32).to_le_bytes());
    for contig in contigs.iter() {
        out.extend((contig.name.len() as i32 + 1).to_le_bytes());
        out.extend([contig.name.as_bytes(), b"\0"].concat());
        out.extend((contig.length.unwrap() as i32).to_le_bytes());
    }
    for line in sam.lines() {
        let at = out.len();
        out.extend([0; 4]);
        parse_line(line.as_bytes(), contigs, &mut out).unwrap();
        let size = (out.len() - at - 4) as i32;
        out[at..at + 4].copy_from_slice(&size.to_le_bytes());
    }
    bgzf(&out, 5000)
}

fn tag(key: &'static str) -> BoxedStrategy<String> {
    let value = match key {
        "NM" => prop_oneof![any::<i32>().prop_map(i64::from), any::<u32>().prop_map(i64::from), -200..300i64]
            .prop_map(|n| format!("i:{n}"))
            .boxed(),
        "RG" => "[ -~]{0,20}".prop_map(|t| format!("Z:{t}")).boxed(),
        "XA" => "[!-~]".prop_map(|t| format!("A:{t}")).boxed(),
        "XH" => "([0-9A-F]{2}){0,4}".prop_map(|t| format!("H:{t}")).boxed(),
        "XF" => (-640i16..640).prop_map(|n| format!("f:{}", f32::from(n) / 16.0)).boxed(),
        "XB" => proptest::collection::vec(any::<i16>(), 0..9).prop_map(|l| format!("B:s{}", joined(&l))).boxed(),
        "XC" => proptest::collection::vec(any::<u8>(), 0..9).prop_map(|l| format!("B:C{}", joined(&l))).boxed(),
        _ => proptest::collection::vec(any::<u32>(), 0..9).prop_map(|l| format!("B:I{}", joined(&l))).boxed(),
    };
    value.prop_map(move |value| format!("\t{key}:{value}")).boxed()
}

fn joined<T: ToString>(list: &[T]) -> String {
    list.iter().map(|n| format!(",{}", n.to_string())).collect()
}

fn tags() -> impl Strategy<Value = String> {
    let keys = ["NM", "RG", "XA", "XH", "XF", "XB", "XC", "XI"].to_vec();
    let keys = proptest::sample::subsequence(keys, 0..=8).prop_shuffle();
    keys.prop_flat_map(|keys| keys.into_iter().map(tag).collect::<Vec<_>>()).prop_map(|tags| tags.concat())
}

/// A line that says only what BAM can say.
fn line() -> impl Strategy<Value = String> {
    let pos = || prop_oneof![1..20_000u32, 1..=2_147_483_647u32];
    let contig = || proptest::sample::select(vec!["chr1", "chr2", "HLA:01:02", "*"]);
    let numbers = (any::<u16>(), any::<u8>(), any::<i32>(), any::<u64>());
    let place = (contig(), pos(), contig(), pos());
    ("[!-)+-?A-~]{1,60}", numbers, place, "[=ACMGRSVTWYHKDBN]{0,40}", tags()).prop_map(
        |(name, (flag, mapq, tlen, shape), (contig, pos, mate, mate_pos), seq, tags)| {
            let n = seq.len();
            let cigar = match (shape % 7, n) {
                (0, _) => "*".to_owned(),
                (1, 2..) => format!("1S{}M{}H", n - 1, shape % 999),
                (2, 3..) => format!("1=7D{}I1048576N1X", n - 2),
                (3, 1..) => format!("3P{n}I"),
                (4, 0) => "5M268435455N".to_owned(),
                (_, 1..) => format!("{n}M"),
                _ => "5M".to_owned(),
            };
            let flag = if contig == "*" || cigar == "*" { flag | 4 } else { flag };
            let seq = if n == 0 { "*".to_owned() } else { seq };
            let score = |i: usize| char::from(b'!' + ((shape >> (i % 50)) % 94) as u8);
            let qual = if shape % 3 > 0 && n > 0 { (0..n).map(score).collect() } else { "*".to_owned() };
            let mate = if mate == contig && mate != "*" { "=" } else { mate };
            format!(
                "{name}\t{flag}\t{contig}\t{pos}\t{mapq}\t{cigar}\t{mate}\t{mate_pos}\t{tlen}\t{seq}\t{qual}{tags}\n"
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Text to record bytes to columns to text; and the same bytes as a BAM file.
    #[test]
    fn what_is_written_is_what_was_read(
        lines in proptest::collection::vec(line(), 1..12),
        partitions in 1..5usize,
    ) {
        let lines = lines.concat();
        let opened = open(format!("{HEADER}{lines}")).unwrap();
        let batch = opened.scan(|r| r.partitions = partitions).unwrap();
        prop_assert_eq!(text(&batch), lines.clone());
        let bam = testing::open(&Bam, as_bam(&lines), None, &OpenOptions::default()).unwrap();
        prop_assert_eq!(bam.dataset.schema(), opened.dataset.schema());
        prop_assert_eq!(bam.dataset.header_text(), opened.dataset.header_text());
        prop_assert_eq!(bam.scan(|_| {}).unwrap(), batch);
    }
}

/// A repeated tag: of BAM the first counts, with a warning.
#[test]
fn repeated_tags_are_those_of_bam() {
    let lines = format!("{LINE}\tNM:i:1\tXZ:Z:a\tNM:i:2\n");
    let sam = open(format!("{HEADER}{lines}")).unwrap();
    let bam = testing::open(&Bam, as_bam(&lines), None, &OpenOptions::default()).unwrap();
    assert_eq!(sam.scan(|_| {}).unwrap(), bam.scan(|_| {}).unwrap());
    assert_eq!(warnings(&sam), warnings(&bam));
    assert_eq!(warnings(&sam).len(), 1);
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let contigs = ["chr1"].into_iter().collect();
    let mut out = b"before".to_vec();
    assert!(parse_line(format!("{LINE}\tNM:i:x").as_bytes(), &contigs, &mut out).is_err());
    assert_eq!(out, b"before");
    parse_line(LINE.as_bytes(), &contigs, &mut out).unwrap();
    assert_eq!(&out[..6], b"before");
    assert!(crate::alignment::Record::new(&out[6..], 1).is_ok());
}
