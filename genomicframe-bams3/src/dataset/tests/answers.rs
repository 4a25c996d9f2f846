//! Random requests give the rows that a BAM file of the same records gives.

use std::sync::Arc;

use genomicframe_core::genome::RegionSet;
use genomicframe_core::scan::{Condition, Dataset, Literal, Op, Predicate, Pushdown, ScanRequest};

use crate::Level;
use crate::testing::{Built, CONTIGS, Draft, Kinds, Rng, dataset, records, regions, rows, scan, sorted};
use crate::writer::{Cutting, WriteOptions};

pub(super) fn options(group_rows: u32, chunk_bytes: u64) -> WriteOptions {
    let cutting = Cutting { group_rows, chunk_bytes, ..Cutting::default() };
    WriteOptions { level: Level::FAST, cutting, threads: 1, ..WriteOptions::default() }
}

fn region_set(rng: &mut Rng) -> Arc<RegionSet> {
    let mut list = Vec::new();
    for _ in 0..1 + rng.below(3) {
        let contig = *rng.pick(&["", CONTIGS[0], CONTIGS[1], CONTIGS[2], CONTIGS[3], CONTIGS[4], "absent", "1"]);
        let start = 900 + rng.below(3300) as i64;
        list.push(match rng.below(6) {
            0 => (contig, 0, i64::MAX),
            1 => (contig, 1, 1),
            2 => (contig, start, start),
            3 => (contig, i64::from(i32::MAX) - 2, i64::MAX),
            _ => (contig, start, start + rng.below(900) as i64),
        });
    }
    regions(&list)
}

fn condition(rng: &mut Rng, depth: usize) -> Condition {
    let op = *rng.pick(&[Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    let many = |rng: &mut Rng| (0..rng.below(4)).map(|_| condition(rng, depth - 1)).collect();
    match rng.below(if depth == 0 { 8 } else { 12 }) {
        0 => Condition::Bits {
            column: "flag".into(),
            mask: *rng.pick(&[1, 4, 0x400, 0x904, 0x10, 0]),
            value: *rng.pick(&[0, 0, 4, 0x400, 1]),
        },
        1 | 2 => {
            let (column, n) = number(rng);
            Condition::Compare(column.into(), op, Literal::Int(n))
        }
        3 => {
            let (column, text) = word(rng);
            Condition::Compare(column.into(), op, Literal::Text(text.into()))
        }
        4 => {
            let column = *rng.pick(&[
                "qname", "rname", "pos", "end", "mapq", "rnext", "pnext", "tlen", "tag_rg", "tag_nm", "tag_zf",
                "tag_mc",
            ]);
            Condition::IsNull(column.into())
        }
        5 => {
            let (column, n) = number(rng);
            let more = (0..rng.below(3)).map(|_| Literal::Int(rng.below(70) as i64));
            Condition::In(column.into(), std::iter::once(Literal::Int(n)).chain(more).collect())
        }
        6 => {
            let column = *rng.pick(&["rname", "tag_rg", "qname", "rnext"]);
            let words = ["a", "b", "chr1", "a/b", "again", "absent", "x.y"];
            Condition::In(column.into(), (0..rng.below(4)).map(|_| Literal::Text((*rng.pick(&words)).into())).collect())
        }
        7 if rng.once_in(3) => Condition::Compare("tag_zf".into(), op, Literal::Float(1.5)),
        7 => Condition::Overlaps(region_set(rng)),
        8 | 9 => Condition::Not(Box::new(condition(rng, depth - 1))),
        10 => Condition::Or(many(rng)),
        _ => Condition::And(many(rng)),
    }
}

fn number(rng: &mut Rng) -> (&'static str, i64) {
    match rng.below(8) {
        0 | 1 => ("mapq", *rng.pick(&[0, 1, 9, 10, 20, 30, 59, 60, 61, 255])),
        2 => ("pos", 1000 + rng.below(3000) as i64),
        3 => ("end", *rng.pick(&[1, 1000, 2500, 4100, i64::from(i32::MAX)])),
        4 => ("tlen", *rng.pick(&[0, 1, -1, 300, -300])),
        5 => ("flag", *rng.pick(&[0, 4, 16, 99, 0x400])),
        6 => ("pnext", 1000 + rng.below(3000) as i64),
        _ => (*rng.pick(&["tag_nm", "tag_as", "tag_yy"]), rng.below(12) as i64),
    }
}

fn word(rng: &mut Rng) -> (&'static str, &'static str) {
    let contig = *rng.pick(&["chr1", "HLA-A*01:01", "a/b", "x.y", "never", "absent"]);
    *rng.pick(&[
        ("rname", contig),
        ("rname", contig),
        ("rnext", contig),
        ("qname", "again"),
        ("qname", "q/1 #0"),
        ("qname", "absent"),
        ("tag_rg", "a"),
        ("tag_rg", "absent"),
        ("tag_za", "!"),
        ("tag_md", "50"),
        ("tag_mc", "20M"),
    ])
}

/// What both give for `request`, which must be alike.
pub(super) fn same(built: &Built, request: &ScanRequest, told: &str) -> usize {
    let ours = scan(&built.shelf, &*built.dataset, request).unwrap_or_else(|e| panic!("{told}: {e}"));
    let one = ScanRequest { partitions: 1, ..request.clone() };
    let theirs = scan(&built.shelf, &*built.bam, &one).unwrap_or_else(|e| panic!("{told}: the BAM file's: {e}"));
    assert!(ours.batches.iter().all(|b| b.num_columns() == 0 || b.num_rows() <= request.batch_size), "{told}");
    assert!(ours.plan.partitions.len() <= request.partitions, "{told}");
    if request.limit.is_some() && ours.plan.partitions.len() > 1 {
        assert!(ours.rows() >= theirs.rows(), "{told}");
        return ours.rows();
    }
    assert_eq!(ours.rows(), theirs.rows(), "{told}");
    match (rows(&ours), rows(&theirs)) {
        (Some(ours), Some(theirs)) => {
            assert_eq!(ours.schema(), theirs.schema());
            for (i, field) in ours.schema().fields().iter().enumerate() {
                assert_eq!(ours.column(i), theirs.column(i), "{told}: {}", field.name());
            }
        }
        (ours, theirs) => assert_eq!(ours.is_some(), theirs.is_some(), "{told}"),
    }
    ours.rows()
}

fn names(dataset: &dyn Dataset) -> Vec<String> {
    dataset.schema().fields().iter().map(|f| f.name().clone()).collect()
}

#[test]
fn random_requests_give_the_rows_of_a_bam_file() {
    let mut found = 0;
    for seed in 1..=24 {
        let mut rng = Rng(seed * 0x51_7cc1);
        let records = records(&mut rng, 250, Kinds { odd: false, long_cigars: seed == 5 });
        let mut options = options(4 + rng.below(40) as u32, *rng.pick(&[1, 4_000, 1 << 20]));
        options.cutting.window = *rng.pick(&[None, None, Some(256 << 10)]);
        let built = dataset(&records, &options);
        assert_eq!(names(&*built.dataset), names(&*built.bam), "seed {seed}");
        let all: Vec<usize> = (0..names(&*built.bam).len()).collect();
        same(&built, &ScanRequest::all(all.clone()), &format!("seed {seed}, everything"));
        for number in 0..60 {
            let mut projection: Vec<usize> = all.iter().copied().filter(|_| rng.once_in(3)).collect();
            if rng.once_in(3) {
                projection.clear();
            }
            let conditions = (0..rng.below(3)).map(|_| condition(&mut rng, 3));
            let mut conditions: Vec<Condition> = conditions.collect();
            conditions.retain(|c| {
                assert_eq!(built.dataset.pushdown(c), built.bam.pushdown(c), "{c}");
                built.bam.pushdown(c) == Pushdown::Exact
            });
            let request = ScanRequest {
                projection,
                regions: (!rng.once_in(3)).then(|| region_set(&mut rng)),
                predicate: Predicate { all: conditions },
                limit: rng.once_in(4).then(|| rng.below(40)),
                batch_size: *rng.pick(&[1, 7, 8192]),
                partitions: *rng.pick(&[1, 2, 7]),
                ..ScanRequest::all(Vec::new())
            };
            found += same(&built, &request, &format!("seed {seed}, request {number}: {request:?}"));
        }
    }
    assert!(found > 10_000, "{found} rows say little");
}

/// Reads of one base each, one of which skips over many chunks.
fn far() -> Built {
    let mut drafts: Vec<Draft> =
        (0..400).map(|i| Draft::simple(&format!("r{i}"), i / 200, 100 * (i % 200), 10)).collect();
    let mut skipping = Draft::simple("skips", 0, 50, 10);
    skipping.cigar = vec![5 << 4, 15_000 << 4 | 3, 5 << 4];
    drafts.push(skipping);
    let built = dataset(&sorted(drafts), &options(16, 1));
    let chunks = built.dataset.plan(&ScanRequest::all(vec![0])).unwrap().objects.len();
    assert!(chunks > 20, "{chunks}");
    built
}

#[test]
fn reads_that_reach_over_chunks_and_edges_of_regions() {
    let built = far();
    let count = |contig: &str, a: i64, b: i64| {
        let mut request = ScanRequest::all(vec![0, 3, 4]);
        request.regions = Some(regions(&[(contig, a, b)]));
        same(&built, &request, &format!("{contig}:{a}-{b}"))
    };
    // It starts at 51 and ends at 15,060; others start at 1, 101, 201 … and end 9 bases later.
    for (a, b, expected) in [
        (15_060, 15_060, 1),
        (15_061, 15_061, 0),
        (15_050, 15_060, 1),
        (12_101, 12_101, 2),
        (12_100, 12_100, 1),
        (12_110, 12_110, 2),
        (12_111, 12_200, 1),
        (12_111, 12_201, 2),
        (51, 51, 1),
        (50, 50, 0),
        (1, 1, 1),
        (19_910, 19_910, 1),
        (19_911, i64::MAX, 0),
        (0, i64::MAX, 201),
    ] {
        assert_eq!(count("chr1", a, b), expected, "{a}-{b}");
    }
    assert_eq!(count("HLA-A*01:01", 15_060, 15_060), 0);
    assert_eq!(count("HLA-A*01:01", 15_010, 15_010), 1);
}
