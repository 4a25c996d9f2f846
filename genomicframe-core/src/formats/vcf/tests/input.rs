//! The classes of bad and odd input: what must be an error, and what must be read all the same.

use super::*;

#[test]
fn row_4_5_6_empty_and_header_only() {
    for nothing in [Vec::new(), bgzf(b"", 100)] {
        let e = open(nothing).unwrap_err().to_string();
        assert!(e.contains("empty") && e.ends_with(')'), "{e}");
    }
    for text in [sites(&[]), cohort(&[])] {
        assert_eq!(read(&text, "").unwrap(), "");
        assert_eq!(read(text.trim_end(), "").unwrap(), "");
    }
}

#[test]
fn row_26_other_formats_are_told() {
    for (text, why) in [("BCF\x02\x02x", "BCF"), ("@HD\tVN:1.6\n", "not a VCF"), ("1\t2\t3\n", "not a VCF")] {
        assert!(open(text).unwrap_err().to_string().contains(why));
    }
    assert!(Vcf.sniff(b"##fileformat=VCFv4.1\n") && !Vcf.sniff(b"##gff-version 3\n"));
}

#[test]
fn row_27_header_lines() {
    fails("##fileformat=VCFv4.2\n1\t1\t.\tA\tC\t.\t.\t.\n", &["line 2", "no #CHROM line"]);
    fails("##fileformat=VCFv4.2\n##x=1\n", &["line 2", "no #CHROM line"]);
    fails("##fileformat=VCFv4.2\n#CHROM\tPOS\tREF\n", &["line 2", "column 3", "must be ID"]);
    fails(&format!("##fileformat=VCFv4.2\n{}", SITES.replace('\t', "  ")), &["line 2", "spaces"]);
    fails(&SAMPLES.replace("\ta\tb", "").replacen('#', "##fileformat=VCFv4.2\n#", 1), &["FORMAT but no sample"]);
    fails(&cohort(&[]).replace("\tb\n", "\t\n"), &["sample 2", "empty"]);

    let odd = "##fileformat=VCFv4.2\n\n##INFO=<ID=Q,Number=1,Type=Integer,Description=\"open>\n\
        ##INFO=<ID=N,Number=-3,Type=Integer,Description=\"\">\n##INFO=<ID=M,Number=2147483648,Type=Integer>\n\
        ##INFO=<ID=T,Number=1>\n##INFO=<Number=1>\n##INFO=<ID=Q,Number=2,Type=Float>\n##INFO=<ID=F,Number=1,Type=Flag>\n\
        ##INFO=<Description=\"a,b=<c>\",ID=D,Type=Float,Number=1,Source=x>\n##INFO=<ID=n,Number=1,Type=String>\n\
        ##INFO=<ID=G,Number=LG,Type=Integer>\n";
    let opened = open(format!("{odd}{SITES}1\t1\t.\tA\tC\t.\t.\tQ=1;N=1,2;M=3;T=x,y;F;D=2;n=low;G=1\n")).unwrap();
    let columns = "info_q info_n info_m info_t info_f info_d info_n info_G";
    let columns = columns.replace("info_G", "info_g");
    assert_eq!(show(&opened.scan(&opened.request(&columns)).unwrap()), "1 [1,2] [3] x,y true 2.0 [1,2] [1]");
    let warnings = opened.dataset.plan(&opened.request("")).unwrap().warnings;
    assert_eq!(warnings.len(), 9, "{warnings:#?}");
    assert!(warnings.iter().all(|w| w.starts_with("memory:///x.vcf.gz: ")));
}

#[test]
fn keys_that_differ_in_case() {
    let header = "##fileformat=VCFv4.2\n##INFO=<ID=Af,Number=1,Type=String>\n##INFO=<ID=AF,Number=1,Type=String>\n";
    let text = format!("{header}{SITES}1\t1\t.\tA\tC\t.\t.\tAF=upper;Af=mixed\n");
    assert_eq!(read(&text, "info_af info_AF").unwrap(), "mixed upper");
}

#[test]
fn row_28_encodings_and_line_ends() {
    let text = cohort(&["1 10 . A C . . DP=1 GT 0/1 0/1", "1 20 . A C . . DP=2 GT 0/1 0/1"]);
    let want = read(&text, "").unwrap();
    assert_eq!(read(&text.replace('\n', "\r\n"), "").unwrap(), want);
    assert_eq!(read(text.trim_end(), "").unwrap(), want);
    assert_eq!(read(&format!("\u{feff}{text}"), "").unwrap(), want);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(open([b"\xff\xfe".to_vec(), utf16].concat()).unwrap_err().to_string().contains("UTF-16"));
    fails(&format!("{META}{SITES}1 10 . A C . . DP=1\n"), &["line 17", "record 1", "POS", "tabs"]);

    let blank = open(text.replace("1\t20", "\n#comment\n1\t20") + "\n").unwrap();
    assert_eq!(show(&blank.scan(&blank.request("")).unwrap()), want);
    let told = ["1 a line that begins with # among the records is skipped", "2 an empty line is skipped"];
    assert_eq!(blank.warnings(), told);
}

#[test]
fn row_29_30_short_and_long_lines() {
    fails(&sites(&["1 10 . A C . . .", "1 20 . A C"]), &["line 18", "record 2", "QUAL", "cut short"]);
    fails(&sites(&["1 10 . A C . . . GT 0/1"]), &["line 17", "more columns"]);
    let line = |samples: &str| cohort(&[format!("1 10 . A C . . .{samples}").trim_end()]);
    fails(&line(" GT 0/1"), &["line 17", "1 samples", "header has 2"]);
    fails(&line(" GT 0/1 0/1 0/1"), &["3 samples", "header has 2"]);
    fails(&line(" GT"), &["0 samples"]);
    fails(&line(""), &["0 samples", "no FORMAT"]);
}

#[test]
fn row_31_dropped_and_extra_values() {
    let gt = |samples: &str| read(&cohort(&[&format!("1 10 . A C . . . {samples}")]), "format_gt format_dp format_ad");
    assert_eq!(gt("GT:DP:AD 0/1 .").unwrap(), "[0/1,-] [-,-] [-,-]");
    assert_eq!(gt("GT:XX:DP 0/1:9 0/0:.:4").unwrap(), "[0/1,0/0] [-,4] -");
    assert_eq!(gt("GT:GT:DP 0/1:.:1 0/0").unwrap(), "[0/1,0/0] [1,-] -");
    assert_eq!(gt("DP:AD 1: 2").unwrap(), "- [1,2] [[],-]");
    assert!(gt("GT:DP 0/1:1:2 0/1").unwrap_err().to_string().contains("3 values where FORMAT has 2 keys"));
    assert!(gt("GT::DP 0/1 0/1").unwrap_err().to_string().contains("an empty key"));
    assert!(gt("DP:GT 1 2").unwrap_err().to_string().contains("GT must be the first key"));
    let e = gt("GT:DP 0/1:1 0/1:x").unwrap_err().to_string();
    assert!(e.contains("FORMAT/DP") && e.contains("sample b"), "{e}");
}

#[test]
fn row_32_positions() {
    let pos = |pos: &str| read(&sites(&[&format!("1 {pos} . A C . . .")]), "pos");
    for good in ["0", "1", "2147483648", "4294967296", "9223372036854775807"] {
        assert_eq!(pos(good).unwrap(), good);
    }
    for bad in ["-1", "", "x", "1.5", "9223372036854775808", "1e3", "."] {
        let e = pos(bad).unwrap_err().to_string();
        assert!(e.contains("line 17") && e.contains("POS"), "{e}");
    }
}

#[test]
fn row_33_34_info_values() {
    for (text, want) in [("DP=-2147483640", "-2147483640"), ("DP=.", "-"), ("DP=", "-"), ("DP", "-"), (".", "-")] {
        assert_eq!(value(text, "info_dp"), want, "{text}");
    }
    for bad in ["DP=2147483648", "DP=-2147483641", "DP=-2147483648", "DP=x", "DP=1.5", "DP=1,2"] {
        fails(&sites(&[&format!("1 10 . A C . . {bad}")]), &["line 17", "INFO/DP"]);
    }
    fails(&sites(&["1 10 . A C . . DP=1,2"]), &["Number=1"]);
    for (text, want) in [("AC=.", "-"), ("AC=1,.,3", "[1,-,3]"), ("AC=1,,3", "[1,-,3]"), ("AC=.,.", "[-,-]")] {
        assert_eq!(value(text, "info_ac"), want, "{text}");
    }
    for (text, want) in [("AA=a,b", "a,b"), ("AA=.", "-"), ("AA=a=b", "a=b"), ("AA=%ZZ%3B", "%ZZ%3B")] {
        assert_eq!(value(text, "info_aa"), want, "{text}");
    }
    for (text, want) in [("DB", "true"), ("DB=1", "true"), ("DBX", "false"), (";;DB;;", "true"), (".", "false")] {
        assert_eq!(value(text, "info_db"), want, "{text}");
    }
}

#[test]
fn row_35_repeated_and_undeclared_keys() {
    let opened = open(sites(&["3 10 . A C . zz DP=1;xy=low;DP=2", "3 11 . A C . . XY=up"])).unwrap();
    assert_eq!(show(&opened.scan(&opened.request("chrom info_dp filter")).unwrap()), "3 1 zz\n3 - -");
    assert_eq!(opened.warnings(), ["1 a repeated INFO key: the first holds"]);

    let columns = ["info_xy", "info_dp", "format_zz", "pos", "info_"].map(str::to_owned).to_vec();
    let options = OpenOptions { columns, ..OpenOptions::default() };
    let text = sites(&["3 10 . A C . zz DP=1;xy=low;DP=2", "3 11 . A C . . XY=up"]);
    let opened = open_with(text, &options).unwrap();
    assert_eq!(show(&opened.scan(&opened.request("info_xy info_dp")).unwrap()), "low 1\nup -");
    let opened = open_with(cohort(&["3 10 . A C . . . GT:ZZ 0/1:u 0/1"]), &options).unwrap();
    assert_eq!(show(&opened.scan(&opened.request("format_zz")).unwrap()), "[u,-]");
    let text = cohort(&["3 10 . A C . . . GT 0/1 1/1"]);
    let bare = text.lines().filter(|l| !l.starts_with("##FORMAT")).map(|l| format!("{l}\n")).collect::<String>();
    assert_eq!(read(&bare, "format_gt").unwrap(), "[0/1,1/1]");
}

#[test]
fn row_36_samples() {
    fails(&cohort(&[]).replace("\ta\tb", "\ta\ta"), &["line 16", "same name", "\"a\""]);
    let wants = |names: &[&str]| {
        let samples = Some(names.iter().map(|n| (*n).to_owned()).collect());
        let options = OpenOptions { samples, ..OpenOptions::default() };
        let opened = open_with(cohort(&["1 10 . A C . . . GT:DP 0/1:1 ./.:2"]), &options)?;
        let batch = opened.scan(&opened.request(""))?;
        let shown: Vec<_> =
            batch.schema().fields().iter().filter(|f| f.name().starts_with("format")).cloned().collect();
        let names = shown.first().map(|f| f.metadata()[schema::SAMPLES].replace('\t', "+"));
        Ok::<_, Error>((names, show(&batch)))
    };
    let (names, rows) = wants(&["b", "a"]).unwrap();
    assert!(names.as_deref() == Some("b+a") && rows.contains("[./.,0/1] [2,1]"), "{rows}");
    assert!(wants(&["b"]).unwrap().1.contains("[./.] [2]"));
    assert_eq!(wants(&[]).unwrap().0, None);
    let e = wants(&["c"]).unwrap_err();
    assert!(e.is_invalid() && e.to_string().contains("\"c\"") && e.to_string().contains("a, b"), "{e}");
    assert!(wants(&["a", "a"]).unwrap_err().to_string().contains("twice"));
}

#[test]
fn row_37_38_genotypes_and_quality() {
    let e = fails(&cohort(&["1 10 . A C . . . GT 0/1 0/99999999999"]), &["FORMAT/GT", "sample b"]);
    assert!(e.is_corrupt());
    let ploidy = vec!["0"; 300].join("/");
    let text = cohort(&[&format!("1 10 . A C . . . GT 7|8 {ploidy}")]);
    assert_eq!(read(&text, "format_gt").unwrap(), format!("[7|8,{ploidy}]"));
    let qual = |q: &str| read(&sites(&[&format!("1 10 . A C {q} . .")]), "qual");
    let good = [("nan", "NaN"), ("inf", "inf"), ("-Inf", "-inf"), (".", "-"), ("1e2", "100.0"), ("0", "0.0")];
    for (text, want) in good {
        assert_eq!(qual(text).unwrap(), want);
    }
    assert!(qual("x").unwrap_err().to_string().contains("QUAL") && qual("").is_err());
}

#[test]
fn row_40_nul_and_invalid_utf8() {
    for bad in [&b"\0"[..], b"\xff"] {
        for place in ["ID", "INFO/AA", "FILTER", "ALT"] {
            let mark = |at: &str| if at == place { b"@".to_vec() } else { b".".to_vec() };
            let line = [&b"1"[..], b"10", &mark("ID"), b"A", &mark("ALT"), b".", &mark("FILTER")].join(&b'\t');
            let line = [line, [b"\tAA=".to_vec(), mark("INFO/AA")].concat()].concat();
            let text = [sites(&[]).into_bytes(), line].concat();
            let at = text.iter().rposition(|b| *b == b'@').unwrap();
            let text = [&text[..at], bad, &text[at + 1..]].concat();
            let opened = open(text).unwrap();
            let e = opened.scan(&opened.request("")).unwrap_err().to_string();
            assert!(e.contains(place) && e.contains("byte"), "{e}");
        }
    }
    let latin =
        [&b"##fileformat=VCFv4.2\n##INFO=<ID=A,Number=1,Type=String,Description=\"caf\xe9\">\n"[..], SITES.as_bytes()];
    let opened = open(latin.concat()).unwrap();
    assert!(opened.dataset.plan(&opened.request("")).unwrap().warnings[0].contains("not UTF-8"));
}

#[test]
fn row_41_42_long_lines_many_keys_and_header_limits() {
    let long = "A".repeat(3 << 20);
    let text = sites(&[&format!("1 10 . {long} C . . DP=1")]);
    assert_eq!(read(&text, "end info_dp").unwrap(), format!("{} 1", 9 + (3 << 20)));
    let with_keys = |n: usize| {
        let keys = (0..n).map(|i| format!("K{i}")).collect::<Vec<_>>().join(":");
        cohort(&[&format!("1 10 . A C . . . GT:{keys}:DP 0/1{}:7 0/1", ":x".repeat(n))])
    };
    assert_eq!(read(&with_keys(998), "format_gt format_dp").unwrap(), "[0/1,0/1] [7,-]");
    let e = read(&with_keys(999), "format_gt").unwrap_err();
    assert!(e.is_limit() && e.to_string().contains("FORMAT"), "{e}");

    let mut options = OpenOptions::default();
    options.limits.format_keys = 5000;
    let opened = open_with(with_keys(3000), &options).unwrap();
    assert_eq!(show(&opened.scan(&opened.request("format_dp")).unwrap()), "[7,-]");
    options.limits.record_bytes = 1000;
    let opened = open_with(bgzf(sites(&[&"x".repeat(200_000)]).as_bytes(), 60_000), &options).unwrap();
    assert!(opened.scan(&opened.request("")).unwrap_err().is_limit());
    options.limits.header_bytes = 100_000;
    let bomb = format!("##fileformat=VCFv4.2\n##x={}\n{SITES}", "x".repeat(20 << 20));
    assert!(open_with(gzip_members(&[bomb.as_bytes()]), &options).unwrap_err().is_limit());
    options.limits.contigs = 1;
    assert!(open_with(sites(&[]), &options).unwrap_err().is_limit());
}

#[test]
fn row_43_ends() {
    let end = |line: &str| read(&sites(&[line]), "end");
    assert_eq!(end("1 10 . ACG C . . .").unwrap(), "12");
    assert_eq!(end("1 10 . ACG <DEL> . . END=10;SVLEN=-5").unwrap(), "10");
    assert_eq!(end("1 10 . ACG <DEL> . . CIEND=0,1;END=500").unwrap(), "500");
    assert_eq!(end("1 10 . ACG <DEL> . . END=.").unwrap(), "12");
    assert_eq!(end("1 9223372036854775807 . ACG C . . .").unwrap(), "9223372036854775807");
    assert!(end("1 10 .  C . . .").is_err() && end("1 10 . A C . . END=x").is_err());
    let opened = open(sites(&["1 10 . ACG C . . END=5"])).unwrap();
    assert_eq!(show(&opened.scan(&opened.request("end info_end")).unwrap()), "12 5");
    assert_eq!(opened.warnings(), ["1 INFO/END before POS: the end of REF is taken"]);
}

#[test]
fn broken_contig_names() {
    for bad in ["", "<1", "1>", "a,b"] {
        fails(&sites(&[&format!("{bad} 10 . A C . . .")]), &["line 17", "CHROM"]);
    }
    assert_eq!(read(&sites(&["<1> 10 . A C . . .", "HLA:1*2 1 . A C . . ."]), "chrom").unwrap(), "<1>\nHLA:1*2");
}
