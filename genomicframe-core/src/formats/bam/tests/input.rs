use super::*;
use crate::scan::{Format, Limits};
use crate::testing::{gzip_members, read as read_stored};

const HUGE: [u8; 4] = i32::MAX.to_le_bytes();
const NEGATIVE: [u8; 4] = (-1i32).to_le_bytes();

fn stored(bytes: Vec<u8>) -> Result<RecordBatch> {
    read_stored(&Bam, bytes)
}

/// The header with a number replaced.
fn header_with(at: usize, number: [u8; 4]) -> Vec<u8> {
    let mut bytes = file(&[Rec::default()]);
    bytes[at..at + 4].copy_from_slice(&number);
    bytes
}

/// Where the numbers of the header lie: `l_text`, `n_ref`, and of the first contig `l_name` and `l_ref`.
fn places() -> [usize; 4] {
    let n_ref = 8 + text(&CONTIGS).len();
    [4, n_ref, n_ref + 4, n_ref + 8 + "chr1\0".len()]
}

#[test]
fn row_01_no_end_of_file_block() {
    let whole = bgzf(&file(&[Rec::default()]), 100);
    let cut = whole[..whole.len() - 28].to_vec();
    let e = stored(cut.clone()).unwrap_err();
    assert!(
        e.is_corrupt() && e.to_string().contains("truncated") && e.to_string().contains("allow_missing_eof"),
        "{e}"
    );
    let options = OpenOptions { allow_missing_eof: true, ..OpenOptions::default() };
    let opened = testing::open(&Bam, cut, None, &options).unwrap();
    assert_eq!(opened.scan(|_| {}).unwrap().num_rows(), 1);
    let plan = opened.dataset.plan(&crate::scan::ScanRequest::all(vec![])).unwrap();
    assert!(plan.warnings[0].contains("probably truncated"), "{:?}", plan.warnings);
}

#[test]
fn row_02_cut_within_a_block() {
    let whole = bgzf(&file(&[Rec::default(), Rec::default()]), 100);
    let options = OpenOptions { allow_missing_eof: true, ..OpenOptions::default() };
    let opened = testing::open(&Bam, whole[..whole.len() - 28 - 9].to_vec(), None, &options);
    let e = opened.and_then(|o| o.scan(|_| {})).unwrap_err().to_string();
    assert!(e.contains("truncated BGZF block") && e.contains("virtual offset"), "{e}");
}

#[test]
fn row_03_cut_within_a_record_at_a_blocks_edge() {
    let bytes = file(&[Rec::default(), Rec::default()]);
    for cut in [1, 3, 4, 20] {
        fails(
            &bytes[..bytes.len() - Rec::default().bytes().len() + cut],
            &["record 2", "block_size", "ends within a record"],
        );
    }
}

#[test]
fn row_04_06_nothing_at_all() {
    assert!(stored(Vec::new()).unwrap_err().to_string().contains("no BAM header"));
    let e = stored(bgzf(b"", 100)).unwrap_err();
    assert!(e.is_corrupt() && e.to_string().contains("the file holds no data"), "{e}");
}

#[test]
fn row_05_header_only() {
    let batch = open(&file(&[])).unwrap().scan(|_| {}).unwrap();
    assert_eq!((batch.num_rows(), batch.num_columns()), (0, 13));
    assert_eq!(open(&header("", &[])).unwrap().scan(|_| {}).unwrap().num_rows(), 0);
}

#[test]
fn row_07_l_text_negative_huge_short_and_long() {
    let [l_text, ..] = places();
    fails(&header_with(l_text, NEGATIVE), &["l_text", "-1 is not a possible length"]);
    assert!(fails(&header_with(l_text, HUGE), &["l_text", "beyond the limit"]).is_limit());
    let len = text(&CONTIGS).len() as i32;
    for wrong in [0, len - 1, len + 1, len + 4, 1 << 20] {
        fails(&header_with(l_text, wrong.to_le_bytes()), &[]);
    }
}

#[test]
fn row_08_n_ref_negative_huge_and_too_many() {
    let [_, n_ref, ..] = places();
    fails(&header_with(n_ref, NEGATIVE), &["n_ref", "-1"]);
    assert!(fails(&header_with(n_ref, HUGE), &["n_ref", "beyond the limit"]).is_limit());
    fails(&header_with(n_ref, 10_000_000i32.to_le_bytes()), &["contig 3"]);
    // Too few: the rest of the dictionary is taken for a record.
    fails(&header_with(n_ref, 0i32.to_le_bytes()), &["block_size"]);
}

#[test]
fn row_09_l_name_zero_negative_and_huge() {
    let [_, _, l_name, _] = places();
    fails(&header_with(l_name, [0; 4]), &["l_name of contig 0"]);
    fails(&header_with(l_name, NEGATIVE), &["l_name of contig 0"]);
    fails(&header_with(l_name, HUGE), &["l_name of contig 0", "beyond the limit"]);
    fails(&header_with(l_name, 1i32.to_le_bytes()), &["name of contig 0"]);
}

#[test]
fn row_10_l_ref_negative_and_names_without_their_nul() {
    let [_, _, l_name, l_ref] = places();
    fails(&header_with(l_ref, NEGATIVE), &["l_ref of contig 0"]);
    fails(&header_with(l_name + 4, *b"ch\0o"), &["name of contig 0", "NUL"]);
    fails(&header_with(l_ref - 4, *b"hr1x"), &["name of contig 0", "NUL-terminated"]);
    fails(&header_with(l_name + 4, [b'c', 0xff, 0xfe, b'r']), &["name of contig 0", "UTF-8"]);
    fails(&header_with(12, [0xff; 4]), &["text", "UTF-8"]);
}

#[test]
fn row_11_text_and_dictionary_differ() {
    let told = |text: &str| {
        let opened = open(&header(text, &CONTIGS)).unwrap();
        let plan = opened.dataset.plan(&crate::scan::ScanRequest::all(vec![])).unwrap();
        plan.warnings.iter().any(|w| w.contains("memory:///data") && w.contains("differ"))
    };
    let same = text(&CONTIGS);
    assert!(!told(&same) && !told("") && !told("@CO\tno contigs\n") && !told(&format!("{same}\0\0\0")));
    assert!(told(&same.replace("chr2", "chrX")) && told(&same.replace("LN:1000\n", "LN:1001\n")));
    assert!(told("@SQ\tSN:chr1\tLN:248956422\n"));
    // Which of two contigs of one name a region means cannot be told.
    fails(&header("", &[("a", 5), ("b", 5), ("a", 5)]), &["name of contig 2", "contig a is in the dictionary twice"]);
}

#[test]
fn row_12_block_size_negative_zero_small_and_huge() {
    let sized = |n: i32| raw(&[Rec::default().bytes(), patched(&Rec::default(), 0, &n.to_le_bytes())]);
    for n in [-1, i32::MIN, 0, 31, 32] {
        fails(&sized(n), &["record 2", "block_size", &format!("{n} bytes")]);
    }
    assert!(fails(&sized(i32::MAX), &["record 2", "block_size", "limit of 67108864"]).is_limit());
    fails(&sized(64 << 20), &["block_size", "the file ends within a record"]);
    fails(&sized(33), &["record 2"]);
    let limits = Limits { record_bytes: 40, ..Limits::default() };
    let options = OpenOptions { limits, ..OpenOptions::default() };
    let opened = testing::open(&Bam, bgzf(&file(&[Rec::default()]), 99), None, &options).unwrap();
    assert!(opened.scan(|_| {}).unwrap_err().is_limit());
}

#[test]
fn row_13_n_cigar_beyond_the_record() {
    for n in [20u16, u16::MAX] {
        fails(&raw(&[patched(&Rec::default(), N_CIGAR, &n.to_le_bytes())]), &["record 1", "n_cigar_op"]);
    }
}

#[test]
fn row_14_cigars_that_do_not_fit() {
    let of = |cigar: &[(u32, char)], flag| Rec { cigar: cigar.to_vec(), flag, ..Rec::default() };
    fails(&file(&[of(&[(5, 'M')], 0)]), &["record 1", "CIGAR", "covers 5 bases of a sequence of 4"]);
    fails(&file(&[of(&[(4, 'D')], 0)]), &["CIGAR", "covers 0 bases"]);
    // As htslib: an unmapped read's CIGAR is not looked at, and neither needs the other.
    assert!(
        read(&[of(&[(5, 'M')], 4), of(&[], 0), Rec { seq: String::new(), qual: None, ..of(&[(5, 'M')], 0) }]).is_ok()
    );
    for op in 9u32..16 {
        let bytes = raw(&[patched(&Rec::default(), NAME + 2, &(4 << 4 | op).to_le_bytes())]);
        fails(&bytes, &["CIGAR", &format!("operation {op} ")]);
        // Only what is asked for is parsed.
        assert_eq!(open(&bytes).unwrap().scan(|r| r.projection = vec![0, 3]).unwrap().num_rows(), 1);
    }
}

#[test]
fn row_15_l_seq_negative_huge_and_wrong() {
    for (n, field) in [(-1, "l_seq"), (i32::MIN, "l_seq"), (i32::MAX, "l_seq"), (6, "l_seq")] {
        fails(&raw(&[patched(&Rec::default(), L_SEQ, &i32::to_le_bytes(n))]), &["record 1", field]);
    }
    // Shorter: what is left over is taken for tags.
    fails(&raw(&[patched(&Rec::default(), L_SEQ, &i32::to_le_bytes(2))]), &["record 1"]);
}

#[test]
fn row_16_names_without_their_nul() {
    let name = Rec { name: "read".into(), ..Rec::default() };
    fails(&raw(&[patched(&name, L_READ_NAME, &[0])]), &["record 1", "read_name"]);
    fails(&raw(&[patched(&name, L_READ_NAME, &[4])]), &["read_name"]);
    fails(&raw(&[patched(&name, L_READ_NAME, &[255])]), &["l_read_name"]);
    fails(&raw(&[patched(&name, NAME + 1, &[0])]), &["read_name", "not ended by one NUL"]);
    fails(&raw(&[patched(&name, NAME, &[0xff])]), &["read_name"]);
    let longest = Rec { name: "n".repeat(254), ..Rec::default() };
    assert_eq!(columns(&read(std::slice::from_ref(&longest)).unwrap(), "qname"), [longest.name]);
}

#[test]
fn row_17_contigs_out_of_range() {
    for (at, field) in [(REF_ID, "refID"), (NEXT_REF, "next_refID")] {
        for id in [3, -2, i32::MAX, i32::MIN] {
            fails(&raw(&[patched(&Rec::default(), at, &id.to_le_bytes())]), &["record 1", field, &id.to_string()]);
        }
    }
    let mut no_contigs = header("", &[]);
    no_contigs.extend(Rec::default().bytes());
    fails(&no_contigs, &["refID", "dictionary of 0"]);
}

#[test]
fn row_18_positions_out_of_range() {
    for pos in [-2, i32::MIN] {
        fails(&raw(&[patched(&Rec::default(), POS, &pos.to_le_bytes())]), &["record 1", "pos"]);
    }
    // A mate's is shown as it is, and told.
    let opened = open(&raw(&[patched(&Rec::default(), NEXT_POS, &i32::MIN.to_le_bytes())])).unwrap();
    assert_eq!(columns(&opened.scan(|_| {}).unwrap(), "pnext"), ["-2147483647"]);
    assert_eq!(warnings(&opened), ["1 a mate's position is negative"]);
    // Past the contig's end: kept and told.
    let records = [Rec { pos: i32::MAX, ..Rec::default() }, Rec::at(1, 999), Rec::at(1, 1000)];
    let opened = open(&file(&records)).unwrap();
    let batch = opened.scan(|_| {}).unwrap();
    assert_eq!(columns(&batch, "pos end"), ["2147483648 2147483651", "1000 1003", "1001 1004"]);
    assert_eq!(warnings(&opened), ["2 a record starts past the end of its contig"]);
}

#[test]
fn row_20_broken_tags() {
    let tagged = |bytes: &[u8]| file(&[Rec::default(), Rec { tags: bytes.to_vec(), ..Rec::default() }]);
    let cases: &[(&[u8], &str)] = &[
        (b"X", "cut within a tag's name"),
        (b"XY", "cut within a tag's name"),
        (b"XYi\0\0\0", "tag XY: its value reaches past the record"),
        (b"XYA", "tag XY: its value reaches past"),
        (b"XYq1234", "tag XY: an unknown type: \"q\""),
        (b"XYZabc", "tag XY: text without its NUL"),
        (b"XYH12", "tag XY: text without its NUL"),
        (b"XYB", "tag XY: an array without a type"),
        (b"XYBA\x01\0\0\0a", "tag XY: an array of an unknown type"),
        (b"XYBZ\x01\0\0\0a", "tag XY: an array of an unknown type"),
        (b"XYBi\x01\0\0", "tag XY: its value reaches past"),
        (b"XYBi\xff\xff\xff\xff\0\0\0\0", "tag XY: its value reaches past"),
        (b"XYBc\xff\xff\xff\x7f\0", "tag XY: its value reaches past"),
        (b"XYZ\xff\0", "tag"),
        (b"\xff\xfei\0\0\0\0", "tag"),
    ];
    for (bytes, why) in cases {
        fails(&tagged(bytes), &["record 2", why]);
    }
    // A broken tag is an error also where only a condition looks at tags.
    let broken = tagged(b"XYq1");
    let opened = open(&broken).unwrap();
    let condition = crate::scan::Condition::IsNull("tags".into());
    assert_eq!(opened.dataset.pushdown(&condition), crate::scan::Pushdown::Unsupported);
}

#[test]
fn row_20_of_a_repeated_tag_the_first_counts() {
    let twice =
        Rec::default().tag("NM", b'C', &[1]).tag("Xa", b'Z', b"x\0").tag("NM", b'C', &[2]).tag("NM", b'Z', b"\0");
    let opened = open(&file(&[twice])).unwrap();
    let batch = opened.scan(|_| {}).unwrap();
    assert_eq!(columns(&batch, "tag_nm tags"), ["1 {NM: i:1, Xa: Z:x}"]);
    assert_eq!(warnings(&opened), ["2 a tag stands twice in a record; the first counts"]);
    for only in ["tag_nm", "tags"] {
        let index = batch.schema().index_of(only).unwrap();
        let told = warnings(&opened);
        opened.scan(|r| r.projection = vec![index]).unwrap();
        assert_ne!(warnings(&opened), told, "{only}");
    }
}

/// `ops` in the tag, behind the placeholder that says so.
fn long_cigar(ops: &[(u32, char)], kind: u8) -> Rec {
    let bases: u32 = ops.iter().filter(|(_, op)| "MIS=X".contains(*op)).map(|(n, _)| n).sum();
    let covered: u32 = ops.iter().filter(|(_, op)| "MDN=X".contains(*op)).map(|(n, _)| n).sum();
    let value = [&[kind][..], &(ops.len() as u32).to_le_bytes(), &packed_cigar(ops)].concat();
    let seq = "A".repeat(bases as usize);
    Rec { cigar: vec![(bases, 'S'), (covered, 'N')], seq, qual: None, ..Rec::default() }.tag("CG", b'B', &value)
}

#[test]
fn row_21_more_operations_than_the_field_holds() {
    let ops: Vec<(u32, char)> = (0..70_001).map(|i| (1 + i % 3, ['M', 'I', 'M', 'D'][i as usize % 4])).collect();
    let record = long_cigar(&ops, b'I').tag("NM", b'C', &[1]);
    let opened = open(&file(&[record.clone(), Rec::default()])).unwrap();
    let batch = opened.scan(|_| {}).unwrap();
    let cigar: String = ops.iter().map(|(n, op)| format!("{n}{op}")).collect();
    let covered = record.cigar[1].0;
    assert_eq!(columns(&batch, "cigar end")[0], format!("{cigar} {}", 99 + covered));
    // The tag is the CIGAR and no tag.
    assert_eq!(columns(&batch, "tags")[0], "{NM: i:1}");
    assert!(batch.schema().index_of("tag_cg").is_err());
    // htslib also takes signed ones; a tag of that name elsewhere is a column.
    let two = [long_cigar(&[(1, 'M'), (2, 'D'), (1, 'M')], b'i'), Rec::default().tag("CG", b'B', b"I\0\0\0\0")];
    let batch = read(&two).unwrap();
    assert_eq!(columns(&batch, "cigar end tags tag_cg"), ["1M2D1M 103 {} ∅", "4M 103 {CG: B:I} []"]);
}

#[test]
fn row_22_a_tag_that_is_no_cigar_is_a_tag() {
    let real = [(1, 'M'), (2, 'D'), (1, 'M')];
    let packed = packed_cigar(&real);
    let value = |kind: &[u8]| [kind, &(packed.len() as u32 / 4).to_le_bytes(), &packed].concat();
    let fake = Rec { cigar: vec![(2, 'S'), (4, 'N')], seq: "AA".into(), qual: None, ..Rec::default() };
    let shown = |r: Rec| {
        let opened = open(&file(&[r])).unwrap();
        columns(&opened.scan(|r| r.projection = vec![4, 6]).unwrap(), "cigar end").concat()
    };
    assert_eq!(shown(fake.clone().tag("CG", b'B', &value(b"I"))), "1M2D1M 103");
    let floats = fake.clone().tag("CG", b'B', &value(b"f"));
    assert_eq!(shown(floats.clone()), "2S4N 103");
    let column = read(&[floats]).unwrap();
    assert_eq!(column.schema().field_with_name("tag_cg").unwrap().data_type().to_string(), "List(Float32)");
    assert_eq!(shown(fake.clone().tag("CG", b'B', b"I\0\0\0\0")), "2S4N 103");
    assert_eq!(shown(fake.clone().tag("CG", b'B', b"I\x01\0\0\0\x20\0\0\0")), "2S4N 103");
    assert_eq!(shown(fake.clone()), "2S4N 103");
    // Of a read without a place it is no CIGAR either.
    let unplaced = Rec { contig: -1, pos: -1, ..fake.clone().tag("CG", b'B', &value(b"I")) };
    let batch = read(&[unplaced]).unwrap();
    assert_eq!(columns(&batch, "cigar tags"), ["2S4N {CG: B:I,16,34,16}"]);
    // One that covers another number of bases is an error.
    let wrong = Rec { seq: "AAA".into(), cigar: vec![(3, 'S'), (4, 'N')], ..fake.tag("CG", b'B', &value(b"I")) };
    fails(&file(&[wrong]), &["CIGAR", "covers 2 bases of a sequence of 3"]);
}

#[test]
fn row_23_block_sizes() {
    let whole = bgzf(&file(&[Rec::default()]), 60_000);
    for size in [0u16, 24, 25, 30, u16::MAX] {
        for second in [false, true] {
            let mut bytes = if second { [whole.clone(), whole.clone()].concat() } else { whole.clone() };
            let at = 16 + if second { whole.len() } else { 0 };
            bytes[at..at + 2].copy_from_slice(&size.to_le_bytes());
            let e = stored(bytes).unwrap_err();
            assert!(e.is_corrupt() && e.to_string().contains("BGZF block"), "{size}: {e}");
        }
    }
    // A claim of more than a block may hold is refused, not allocated.
    for isize in [65_537u32, u32::MAX, 0] {
        let mut bytes = whole.clone();
        let at = bytes.len() - 28 - 4;
        bytes[at..at + 4].copy_from_slice(&isize.to_le_bytes());
        assert!(stored(bytes).unwrap_err().to_string().contains("virtual offset 0:0"));
    }
}

#[test]
fn row_24_empty_blocks_anywhere() {
    let head = header(&text(&CONTIGS), &CONTIGS);
    let (a, b) = (Rec::default().bytes(), Rec::at(1, 5).bytes());
    let eof = &bgzf(b"", 1)[..];
    let part = |bytes: &[u8]| bgzf(bytes, 50);
    let cases = [
        [&part(&head)[..], eof, eof, &part(&a), &part(&b)].concat(),
        [eof, &part(&head), &part(&[a.clone(), b.clone()].concat())].concat(),
        [&part(&head)[..], &part(&a[..7]), &part(&a[7..]), eof, &part(&b), eof].concat(),
    ];
    for bytes in cases {
        let opened = testing::open(&Bam, bytes, None, &OpenOptions::default()).unwrap();
        for partitions in [1, 7] {
            let batch = opened.scan(|r| r.partitions = partitions).unwrap();
            assert_eq!(columns(&batch, "qname"), ["r", "1:5"]);
        }
    }
}

#[test]
fn row_25_junk_behind_the_records() {
    let whole = file(&[Rec::default()]);
    for junk in [&b"x"[..], b"junk", &[0; 4], &[0; 40], &[0xff; 100]] {
        fails(&[&whole, junk].concat(), &["record 2"]);
        // Behind the last block.
        let e = stored([&bgzf(&whole, 100), junk].concat()).unwrap_err();
        assert!(e.is_corrupt() && e.to_string().contains("end-of-file block"), "{e}");
    }
    // Another file behind the first: its header is no record.
    fails(&[whole.clone(), whole].concat(), &["record 2", "block_size"]);
}

#[test]
fn row_26_other_containers_and_other_formats() {
    let bytes = file(&[Rec::default().tag("NM", b'C', &[1]), Rec::at(1, 5), Rec::bare()]);
    let want = stored(bgzf(&bytes, 100)).unwrap();
    let half = bytes.len() / 2;
    for other in [bytes.clone(), gzip_members(&[&bytes]), gzip_members(&[&bytes[..half], b"", &bytes[half..]])] {
        let opened = testing::open(&Bam, other.clone(), None, &OpenOptions::default()).unwrap();
        for (partitions, batch_size) in [(1, 8192), (7, 1)] {
            let shape = |r: &mut crate::scan::ScanRequest| (r.partitions, r.batch_size) = (partitions, batch_size);
            assert_eq!(opened.scan(shape).unwrap(), want);
        }
        let e = stored(other[..other.len() - 9].to_vec()).unwrap_err();
        assert!(e.is_corrupt(), "{e}");
    }
    for other in [&b"@HD\tVN:1.6\n"[..], b"CRAM\x03\x00", b"BAM\x02", b"BAI\x01", b"\x1f\x8b"] {
        for packed in [false, true] {
            let bytes = if packed { bgzf(other, 100) } else { other.to_vec() };
            let e = stored(bytes).unwrap_err();
            assert!(e.is_corrupt() && e.to_string().contains("memory:///data"), "{e}");
        }
    }
    assert!(Bam.sniff(&bytes) && !Bam.sniff(b"BAM") && !Bam.sniff(b"BAI\x01"));
}

#[test]
fn row_42_the_header_is_bounded() {
    let bytes = header(&"@CO\tpadding\n".repeat(100_000), &CONTIGS);
    let options = |n| OpenOptions { limits: Limits { header_bytes: n, ..Limits::default() }, ..OpenOptions::default() };
    assert!(testing::open(&Bam, bgzf(&bytes, 60_000), None, &options(2 << 20)).is_ok());
    let e = testing::open(&Bam, bgzf(&bytes, 60_000), None, &options(1 << 20)).map(|_| ()).unwrap_err();
    assert!(e.is_limit() && e.to_string().contains("l_text"), "{e}");
    // A header within the bound is read, however little room it leaves for a look at records.
    let small = file(&[Rec::default(), Rec::default()]);
    let len = header(&text(&CONTIGS), &CONTIGS).len();
    for room in 0..10 {
        let opened = testing::open(&Bam, bgzf(&small, 10), None, &options(len + room)).unwrap();
        assert_eq!(opened.scan(|_| {}).unwrap().num_rows(), 2);
    }
    let e = testing::open(&Bam, bgzf(&small, 10), None, &options(len - 30)).map(|_| ()).unwrap_err();
    assert!(e.is_limit(), "{e}");
}

/// A quality that SAM text cannot show is told, not wrapped.
#[test]
fn qualities_beyond_the_printable() {
    for (scores, ok) in [([93u8, 0, 0, 0], true), ([94, 0, 0, 0], false), ([0, 0, 0, 255], false), ([255; 4], true)] {
        let bytes = file(&[Rec { qual: Some(scores.to_vec()), ..Rec::default() }]);
        assert_eq!(open(&bytes).unwrap().scan(|_| {}).is_ok(), ok, "{scores:?}");
    }
}
