//! What is read for a request is what was planned, and no more than it needs.

use genomicframe_core::io::Requests;
use genomicframe_core::scan::{Condition, Literal, Op, Predicate, ScanRequest};

use super::answers::{options, same};
use crate::testing::{Built, Draft, Kinds, Rng, Scanned, dataset, records, rows, scan, sorted};

fn compare(column: &str, op: Op, value: Literal) -> Condition {
    Condition::Compare(column.into(), op, value)
}

fn request(built: &Built, columns: &[&str], all: Vec<Condition>) -> ScanRequest {
    let schema = built.dataset.schema();
    let projection = columns.iter().map(|c| schema.index_of(c).unwrap()).collect();
    ScanRequest { predicate: Predicate { all }, ..ScanRequest::all(projection) }
}

fn read(built: &Built, columns: &[&str], all: Vec<Condition>) -> Scanned {
    let request = request(built, columns, all);
    same(built, &request, &format!("{request:?}"));
    let scanned = scan(&built.shelf, &*built.dataset, &request).unwrap();
    assert!(scanned.bytes <= scanned.plan.bytes(), "{request:?}");
    scanned
}

fn groups(scanned: &Scanned) -> u64 {
    scanned.plan.pruning.as_ref().unwrap().units[1].2
}

/// Groups of 16 rows, of which each has its own read group, flag, mapping quality and tag.
fn striped() -> Built {
    let drafts = (0..320).map(|i| {
        let mut read = Draft::simple(&format!("r{i}"), i / 160, 10 * i, 10).tag(b"RG", &format!("g{}", i / 16));
        read.mapq = [0, 1, 10, 20, 30, 60][(i as usize / 16) % 6];
        read.flag = if i / 16 == 7 { 0x10 } else { 0 };
        if i / 16 == 3 { read.tag(b"XX", "x") } else { read }
    });
    dataset(&sorted(drafts.collect()), &options(16, 1))
}

#[test]
fn statistics_answer_counts_and_choose_groups() {
    let built = striped();
    for n in [1, 10, 20, 30, 60] {
        let counted = read(&built, &[], vec![compare("mapq", Op::Ge, Literal::Int(n))]);
        assert_eq!((counted.bytes, counted.requests, groups(&counted)), (0, 0, 0), "mapq >= {n}");
        let below = read(&built, &[], vec![compare("mapq", Op::Lt, Literal::Int(n))]);
        assert_eq!((below.bytes, below.rows() + counted.rows()), (0, 320));
    }
    let bits = |mask| Condition::Bits { column: "flag".into(), mask, value: mask };
    let none = read(&built, &["qname", "seq"], vec![bits(0x400)]);
    assert_eq!((none.bytes, none.rows()), (0, 0));
    for (condition, rows) in [
        (bits(0x10), 16),
        (compare("tag_rg", Op::Eq, Literal::Text("g5".into())), 16),
        (Condition::Not(Box::new(Condition::IsNull("tag_xx".into()))), 16),
        (compare("pos", Op::Lt, Literal::Int(100)), 10),
        (compare("end", Op::Gt, Literal::Int(3_150)), 5),
    ] {
        let one = read(&built, &["qname", "seq", "tag_rg"], vec![condition.clone()]);
        assert_eq!((groups(&one), one.rows()), (1, rows), "{condition}");
        assert_eq!((one.bytes, one.requests), one.plan.reads(Requests::REMOTE), "{condition}");
    }
    let names = read(&built, &["rname"], vec![]);
    assert_eq!((names.bytes, names.rows()), (0, 320));
}

#[test]
fn plans_are_what_is_read() {
    for seed in 1..=8 {
        let mut rng = Rng(seed * 0x77_7777);
        let records = records(&mut rng, 300, Kinds { odd: false, long_cigars: false });
        let built = dataset(&records, &options(40, 9_000));
        let names: Vec<String> = built.dataset.schema().fields().iter().map(|f| f.name().clone()).collect();
        for _ in 0..30 {
            let columns: Vec<&str> = names.iter().filter(|_| rng.once_in(4)).map(String::as_str).collect();
            let filter = compare("mapq", Op::Gt, Literal::Int(rng.below(60) as i64));
            let scanned = read(&built, &columns, if rng.once_in(2) { vec![filter] } else { vec![] });
            assert_eq!((scanned.bytes, scanned.requests), scanned.plan.reads(Requests::REMOTE), "{columns:?}");
        }
    }
}

#[test]
fn payload_of_groups_without_a_row_is_not_read() {
    // Bases and scores that do not compress, so that a second round is worth it.
    let mut rng = Rng(99);
    let drafts = (0..4_000).map(|i| {
        let mut read = Draft::simple(&format!("r{i}"), 0, 10 * i, 100).tag(b"XX", &format!("x{i}"));
        read.bases.iter_mut().for_each(|b| *b = 1 << rng.below(4));
        read.scores.iter_mut().for_each(|q| *q = rng.below(60) as u8);
        read
    });
    let built = dataset(&sorted(drafts.collect()), &options(500, 1 << 20));
    let wide = ["qname", "seq", "qual", "tags", "tlen"];
    let whole = read(&built, &wide, vec![]).bytes;
    for column in ["qname", "tag_xx"] {
        let value = if column == "qname" { "r1234" } else { "x1234" };
        let found = read(&built, &wide, vec![compare(column, Op::Eq, Literal::Text(value.into()))]);
        assert_eq!(rows(&found).unwrap().num_rows(), 1);
        assert!(4 * found.bytes < whole, "{column}: {} of {whole}", found.bytes);
        let absent = read(&built, &wide, vec![compare(column, Op::Eq, Literal::Text("nobody".into()))]);
        assert!(absent.bytes < found.bytes, "{column}");
        // Every group keeps a row: then both rounds are read, and nothing twice.
        let all = read(&built, &wide, vec![compare(column, Op::Ne, Literal::Text(value.into()))]);
        assert_eq!((all.bytes, all.requests), all.plan.reads(Requests::REMOTE), "{column}");
    }
}
