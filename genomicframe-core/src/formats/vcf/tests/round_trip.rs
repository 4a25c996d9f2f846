//! What is written reads back as the same.

use proptest::prelude::*;

use super::*;

/// Decoded, encoded and decoded again.
fn round_trip(text: &str) -> (RecordBatch, RecordBatch, String) {
    let opened = open(text.to_owned()).unwrap();
    let first = opened.scan(&opened.request("")).unwrap();
    let mut out = Vec::new();
    write_header(opened.dataset.header_text(), opened.dataset.samples(), &mut out);
    encode(&first, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    let again = open(out.clone()).unwrap();
    let second = again.scan(&again.request("")).unwrap();
    (first, second, out)
}

#[test]
fn what_is_written() {
    let lines = [
        "1 100 rs1 ACG A,. 29.5 q10;s50 DP=14;AF=1e-07,.;DB;END=120;AA=x%3By;CSQ=a|b,.,c GT:DP:AD 0|1:3:1,. ./.:.:.",
        "2 0 . A . . . . . . .",
        "2 5 . A C inf PASS AA=a,b GT 0/1 .",
    ];
    let (first, second, out) = round_trip(&cohort(&lines));
    assert_eq!(out, cohort(&lines).replace("1e-07", "1e-7"));
    assert_eq!(first, second);

    let opened = open(sites(&["1 10 . A C . . AA=x"])).unwrap();
    let batch = opened.scan(&opened.request("")).unwrap();
    let text = |t: &str| Arc::new(arrow::array::StringViewArray::from(vec![t])) as Arc<dyn Array>;
    let with = |name: &str, column: Arc<dyn Array>| {
        let mut columns = batch.columns().to_vec();
        columns[batch.schema().index_of(name).unwrap()] = column;
        let mut out = Vec::new();
        encode(&RecordBatch::try_new(batch.schema(), columns).unwrap(), &mut out)?;
        Ok::<_, Error>(String::from_utf8(out).unwrap())
    };
    assert_eq!(with("info_aa", text("a;b,c\td")).unwrap(), "1\t10\t.\tA\tC\t.\t.\tAA=a%3Bb,c%09d\n");
    assert!(with("id", text("a\tb")).unwrap_err().is_invalid());
    assert!(encode(&batch.project(&[0, 1]).unwrap(), &mut Vec::new()).unwrap_err().is_invalid());
}

/// One of `values`, a dot, or a list of them.
fn listed(value: impl Strategy<Value = String> + Clone + 'static) -> impl Strategy<Value = String> + Clone {
    proptest::collection::vec(prop_oneof![4 => value, 1 => Just(".".to_owned())], 1..4).prop_map(|v| v.join(","))
}

fn float() -> impl Strategy<Value = String> + Clone {
    any::<f32>().prop_map(|x| x.to_string())
}

fn int() -> impl Strategy<Value = String> + Clone {
    any::<i32>().prop_map(|x| x.to_string())
}

fn text() -> impl Strategy<Value = String> + Clone {
    "[ -+.-9<-~é]{1,20}".prop_map(|t| t.replace(' ', "_"))
}

prop_compose! {
    fn info()(
        dp in prop_oneof![int(), Just(String::new())], af in listed(float()), ac in listed(int()), db in any::<bool>(),
        aa in text(), csq in listed(text()), keep in any::<[bool; 5]>(),
    ) -> String {
        let entries = [format!("DP={dp}"), format!("AF={af}"), format!("AC={ac}"), format!("AA={aa}"), format!("CSQ={csq}")];
        let mut kept: Vec<_> = entries.into_iter().zip(keep).filter(|(_, k)| *k).map(|(e, _)| e).collect();
        kept.extend(db.then(|| "DB".to_owned()));
        if kept.is_empty() { ".".to_owned() } else { kept.join(";") }
    }
}

prop_compose! {
    fn sample()(gt in "([0-9]|\\.)([/|]([0-9]|\\.)){0,2}", dp in int(), ad in listed(int()), gl in listed(float()), n in 1usize..5)
        -> String { [gt, dp, ad, gl].map(|v| v).into_iter().take(n).collect::<Vec<_>>().join(":") }
}

prop_compose! {
    fn record()(
        chrom in "[A-Za-z0-9]{1,16}", pos in 0i64.., id in text(), reference in "[ACGT]{1,20}", alt in listed("[ACGT]{1,20}"),
        qual in prop_oneof![float(), Just(".".to_owned())], filter in "(PASS|\\.|q10;s50)", info in info(), a in sample(), b in sample(),
    ) -> String {
        let id = id.replace(';', "_");
        format!("{chrom}\t{pos}\t{id}\t{reference}\t{alt}\t{qual}\t{filter}\t{info}\tGT:DP:AD:GL\t{a}\t{b}\n")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn written_and_read_again_is_the_same(records in proptest::collection::vec(record(), 1..20)) {
        let (first, second, out) = round_trip(&format!("{META}{SAMPLES}{}", records.concat()));
        prop_assert_eq!(first.num_rows(), records.len());
        prop_assert_eq!(&first, &second);
        let (_, _, again) = round_trip(&out);
        prop_assert_eq!(out, again);
    }

    #[test]
    fn no_bytes_make_it_panic(noise in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let line = "1 100 rs1 ACG A,. 29.5 q10 DP=14;AF=0.5,.;DB;END=120;AA=x GT:DP:AD 0|1:3:1,. ./.:.:.";
        let mut bytes = cohort(&[line, line, line]).into_bytes();
        for (at, byte) in noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(opened) = open(bytes) {
            let _ = opened.scan(&opened.request(""));
        }
    }
}
