use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::alignment::encode::encode;

/// A tag's bytes and its SAM text.
fn tag(key: &'static str) -> BoxedStrategy<(Vec<u8>, String)> {
    let stored = move |kind: u8, value: Vec<u8>, text: String| {
        ([key.as_bytes(), &[kind], &value].concat(), format!("{key}:{text}"))
    };
    match key {
        "NM" => prop_oneof![
            any::<i8>().prop_map(move |n| stored(b'c', n.to_le_bytes().into(), format!("i:{n}"))),
            any::<u16>().prop_map(move |n| stored(b'S', n.to_le_bytes().into(), format!("i:{n}"))),
            any::<u32>().prop_map(move |n| stored(b'I', n.to_le_bytes().into(), format!("i:{n}"))),
        ]
        .boxed(),
        "RG" => "[ -~]{0,30}".prop_map(move |t| stored(b'Z', [t.as_bytes(), b"\0"].concat(), format!("Z:{t}"))).boxed(),
        "XA" => (b'!'..=b'~').prop_map(move |c| stored(b'A', vec![c], format!("A:{}", char::from(c)))).boxed(),
        "XF" => (-64i8..64)
            .prop_map(move |n| f32::from(n) / 4.0)
            .prop_map(move |x| stored(b'f', x.to_le_bytes().into(), format!("f:{x}")))
            .boxed(),
        _ => proptest::collection::vec(any::<i16>(), 0..20)
            .prop_map(move |list| {
                let elements = list.iter().flat_map(|n| n.to_le_bytes()).collect();
                let value = [vec![b's'], (list.len() as u32).to_le_bytes().into(), elements].concat();
                let text = list.iter().fold("B:s".to_owned(), |mut out, n| {
                    write!(out, ",{n}").unwrap();
                    out
                });
                stored(b'B', value, text)
            })
            .boxed(),
    }
}

fn tags() -> impl Strategy<Value = Vec<(Vec<u8>, String)>> {
    let keys = proptest::sample::subsequence(vec!["NM", "RG", "XA", "XF", "XB"], 0..=5).prop_shuffle();
    keys.prop_flat_map(|keys| keys.into_iter().map(tag).collect::<Vec<_>>())
}

/// A record and the text of its tags.
fn record() -> impl Strategy<Value = (Rec, Vec<String>)> {
    let bases = "[=ACMGRSVTWYHKDBN]{0,40}";
    let place = || (-1..3i32, prop_oneof![Just(-1), 0..5000i32, Just(i32::MAX)]);
    let fixed = ("[!-)+-?A-~:]{1,60}", any::<u16>(), place(), any::<u8>(), place(), any::<i32>());
    (fixed, bases, any::<bool>(), any::<u64>(), tags()).prop_map(
        |((name, flag, (contig, pos), mapq, mate, tlen), seq, scored, shape, tags)| {
            let (tags, texts): (Vec<_>, Vec<_>) = tags.into_iter().unzip();
            let n = seq.len() as u32;
            let cigar = match (shape % 6, n) {
                (0, _) => vec![],
                (1, 2..) => vec![(1, 'S'), (n - 1, 'M'), (shape as u32 % 999, 'H')],
                (2, 3..) => vec![(1, '='), (7, 'D'), (n - 2, 'I'), (1 << 20, 'N'), (1, 'X')],
                (3, 1..) => vec![(3, 'P'), (n, 'I')],
                (_, 1..) => vec![(n, 'M')],
                _ => vec![(5, 'M')],
            };
            let qual = (scored && n > 0).then(|| (0..n).map(|i| ((shape >> (i % 50)) % 94) as u8).collect());
            let rec = Rec { name, flag, contig, pos, mapq, cigar, mate, tlen, seq, qual, tags: tags.concat() };
            (rec, texts)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every field of every record, through columns and SAM text.
    #[test]
    fn what_is_stored_is_what_is_read(
        records in proptest::collection::vec(record(), 0..12),
        block_len in prop_oneof![1..40usize, 40..4000usize, Just(65_280)],
        batch_size in prop_oneof![Just(1), Just(7), Just(8192)],
    ) {
        let stored: Vec<Rec> = records.iter().map(|(r, _)| r.clone()).collect();
        let opened = testing::open(&Bam, bgzf(&file(&stored), block_len), None, &OpenOptions::default()).unwrap();
        let batch = opened.scan(|r| r.batch_size = batch_size).unwrap();
        let mut out = Vec::new();
        encode(&batch, &mut out).unwrap();
        let lines: Vec<&str> = std::str::from_utf8(&out).unwrap().lines().collect();
        let ends = columns(&batch, "end");
        prop_assert_eq!(lines.len(), records.len());
        for (i, (r, tags)) in records.iter().enumerate() {
            let line = std::iter::once(r.sam(&CONTIGS)).chain(tags.iter().cloned()).collect::<Vec<_>>().join("\t");
            prop_assert_eq!(lines[i], line);
            let end = if r.pos < 0 { "∅".to_owned() } else { r.span().1.to_string() };
            prop_assert_eq!(&ends[i], &end);
        }
    }
}

#[test]
fn sam_text_needs_all_of_its_columns() {
    let batch = read(&[Rec::default()]).unwrap();
    for i in (0..batch.num_columns()).filter(|i| *i != 4) {
        let some: Vec<_> = (0..batch.num_columns()).filter(|c| *c != i).collect();
        assert!(encode(&batch.project(&some).unwrap(), &mut Vec::new()).unwrap_err().is_invalid());
    }
}
