use std::sync::Arc;

use proptest::prelude::*;

use crate::genome::{Contigs, Interval, Region, RegionSet, resolve_names};
use crate::scan::{Condition, Framing, Literal, ObjectId, Op, Segment, SpanColumns, SpanFilter, Until, narrow};
use crate::testing::logic::{Place, Value, holds};

const BAM: SpanColumns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: false };
const BED: SpanColumns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: true };

/// A row: contig, start and end as its columns show them.
type Row = (Option<String>, Option<(i64, i64)>);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let contig = prop_oneof![4 => contig().prop_map(Some), 1 => Just(None)];
    let place = prop_oneof![6 => (0..30i64, 0..12i64).prop_map(|(start, n)| Some((start, start + n))), 1 => Just(None)];
    proptest::collection::vec((contig, place), 1..30)
}

fn contig() -> impl Strategy<Value = String> + Clone {
    prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(str::to_owned)
}

fn regions() -> impl Strategy<Value = RegionSet> {
    let name = prop_oneof![4 => contig(), 1 => Just("*".to_owned())];
    let region = (name, 0..30i64, 0..8i64).prop_map(|(c, a, n)| Region::new(c, Interval::new(a, a + n).unwrap()));
    proptest::collection::vec(region, 0..5).prop_map(|r| r.into_iter().collect())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![Just(Op::Eq), Just(Op::Ne), Just(Op::Lt), Just(Op::Le), Just(Op::Gt), Just(Op::Ge)]
}

fn number() -> impl Strategy<Value = Literal> {
    prop_oneof![
        4 => (-3..33i64).prop_map(Literal::Int),
        1 => (-6..66i64).prop_map(|n| Literal::Float(n as f64 / 2.0)),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Literal::Int),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    let place = || prop_oneof![Just("pos"), Just("end")].prop_map(str::to_owned);
    let leaf = prop_oneof![
        4 => (place(), op(), number()).prop_map(|(c, op, n)| Condition::Compare(c, op, n)),
        3 => (op(), contig()).prop_map(|(op, c)| Condition::Compare("rname".into(), op, Literal::Text(c))),
        1 => proptest::collection::vec(contig(), 0..3)
            .prop_map(|c| Condition::In("rname".into(), c.into_iter().map(Literal::Text).collect())),
        1 => (place(), proptest::collection::vec(number(), 0..3)).prop_map(|(c, n)| Condition::In(c, n)),
        1 => prop_oneof![Just("rname"), Just("pos"), Just("end")].prop_map(|c| Condition::IsNull(c.into())),
        1 => regions().prop_map(|r| Condition::Overlaps(Arc::new(r))),
        1 => (op(), number()).prop_map(|(op, n)| Condition::Compare("mapq".into(), op, n)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let many = || proptest::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            many().prop_map(Condition::And),
            many().prop_map(Condition::Or),
            inner.prop_map(|c| Condition::Not(Box::new(c)))
        ]
    })
}

/// As every decoder asks, with 1-based positions.
fn keeps(filter: &mut SpanFilter, contig: Option<&str>, span: Option<(i64, i64)>) -> bool {
    match (contig, span) {
        (Some(contig), Some((start, end))) => filter.keeps(contig.as_bytes(), start, end).unwrap(),
        (Some(contig), None) => filter.keeps_without_position(contig.as_bytes()),
        (None, _) => filter.keeps_unplaced(),
    }
}

fn check_narrowing(rows: &[Row], conditions: &[Condition], columns: SpanColumns, contigs: Option<&Contigs>) {
    let Some(narrowed) = narrow(conditions, columns, contigs) else { return };
    let narrowed = Arc::new(narrowed);
    for (contig, place) in rows {
        let stored = |column: &str| match (column, place) {
            ("rname", _) => contig.clone().map_or(Value::Null, Value::Text),
            ("pos", Some((start, _))) => Value::Int(*start),
            ("end", Some((_, end))) => Value::Int(*end),
            ("mapq", _) => Value::Int(7),
            _ => Value::Null,
        };
        let span = place.map(|(start, end)| (start + i64::from(columns.zero_based), end));
        let place = match (contig, span) {
            (Some(contig), Some((start, end))) => Place::At(contig, start, end),
            (Some(_), None) => Place::OnContig,
            (None, _) => Place::Nowhere,
        };
        let is_row = conditions.iter().all(|c| holds(c, &stored, place) == Some(true));
        let mut filter = SpanFilter::new(Arc::clone(&narrowed), false);
        let kept = keeps(&mut filter, contig.as_deref(), span);
        assert!(kept || !is_row, "{place:?} satisfies {conditions:?} and is not in {narrowed}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_row_that_satisfies_a_condition_is_narrowed_away(
        rows in rows(),
        conditions in proptest::collection::vec(condition(), 1..4),
    ) {
        let contigs: Contigs = ["a", "b", "c"].into_iter().collect();
        // 1-based records are never empty; 0-based ones may be.
        let bases: Vec<Row> = rows.iter().map(|(c, p)| (c.clone(), p.map(|(a, b)| (a, b.max(a))))).collect();
        for contigs in [None, Some(&contigs)] {
            check_narrowing(&bases, &conditions, BAM, contigs);
            check_narrowing(&rows, &conditions, BED, contigs);
        }
    }

    #[test]
    fn sets_are_bitmaps(a in regions(), b in regions()) {
        let bits = |set: &RegionSet, contig: &str| -> Vec<bool> {
            (0..45).map(|p| set.intervals(contig).iter().any(|i| i.start().get() <= p && p <= i.end().get())).collect()
        };
        let both = a.intersection(&b);
        prop_assert_eq!(both.has_unplaced(), a.has_unplaced() && b.has_unplaced());
        for contig in ["a", "b", "c"] {
            let (x, y) = (bits(&a, contig), bits(&b, contig));
            let shared: Vec<bool> = x.iter().zip(&y).map(|(x, y)| *x && *y).collect();
            prop_assert_eq!(bits(&both, contig), shared);
            // Sorted, and apart: intervals that touch are one.
            prop_assert!(a.intervals(contig).windows(2).all(|w| w[0].end().get() + 1 < w[1].start().get()));
            for start in 0..40 {
                for end in start..45 {
                    let touched = x[start as usize..=end as usize].contains(&true);
                    prop_assert_eq!(a.overlaps(contig, start, end), touched);
                }
            }
        }
    }

    #[test]
    fn the_filter_keeps_what_overlaps_in_any_order(rows in rows(), set in regions()) {
        let set = Arc::new(set);
        let mut filter = SpanFilter::new(Arc::clone(&set), false);
        for (contig, place) in &rows {
            let kept = keeps(&mut filter, contig.as_deref(), *place);
            let wanted = match (contig, place) {
                (Some(c), Some((start, end))) => set.overlaps(c, *start, *end),
                (Some(_), None) => false,
                (None, _) => set.has_unplaced(),
            };
            prop_assert_eq!(kept, wanted);
        }
    }

    #[test]
    fn an_indexed_file_must_be_sorted(rows in rows(), set in regions()) {
        let placed: Vec<_> = rows.iter().filter_map(|(c, p)| Some((c.clone()?, (*p)?))).collect();
        let mut filter = SpanFilter::new(Arc::new(set), true);
        let told = placed.iter().any(|(c, (a, b))| filter.keeps(c.as_bytes(), *a, *b).is_err());
        let mut runs = placed.clone();
        runs.dedup_by(|a, b| a.0 == b.0);
        let again = runs.iter().enumerate().any(|(i, r)| runs[..i].iter().any(|before| before.0 == r.0));
        let back = placed.windows(2).any(|w| w[0].0 == w[1].0 && w[1].1.0 < w[0].1.0);
        prop_assert_eq!(told, again || back);
    }
}

#[test]
fn a_contig_without_position_belongs_to_the_whole_contig() {
    let set: RegionSet =
        [Region::new("a", Interval::ALL), Region::new("b", Interval::new(1, 1 << 40).unwrap())].into_iter().collect();
    let filter = SpanFilter::new(Arc::new(set), true);
    assert!(filter.keeps_without_position(b"a"));
    assert!(!filter.keeps_without_position(b"b") && !filter.keeps_without_position(b"c"));
}

#[test]
fn names_of_both_spellings() {
    let asked: RegionSet =
        ["chr1", "1", "MT", "chrX", "odd"].map(|c| Region::new(c, Interval::new(5, 9).unwrap())).into_iter().collect();
    let shown = |contigs: Option<&[&str]>| {
        let contigs = contigs.map(|c| c.iter().copied().collect::<Contigs>());
        let (own, replaced) = resolve_names(&asked, contigs.as_ref());
        let replaced: Vec<_> = replaced.iter().map(|(a, b)| format!("{a}>{b}")).collect();
        (own.iter().map(|(c, _)| c.to_owned()).collect::<Vec<_>>().join(" "), replaced.join(" "))
    };
    // What a list does not have may still be in the file, under either name.
    assert_eq!(shown(Some(&["1", "chrM", "X"])), ("1 X chrM chrodd odd".into(), "MT>chrM chr1>1 chrX>X".into()));
    assert_eq!(shown(Some(&["chr1", "1", "odd"])), ("1 MT X chr1 chrM chrX odd".into(), String::new()));
    assert_eq!(shown(None), ("1 MT X chr1 chrM chrX chrodd odd".into(), String::new()));
}

/// Row 68: time grows with the number of contigs, not with its square.
#[test]
fn row_68_many_contigs_by_their_other_name() {
    let names: Vec<String> = (0..200_000).map(|i| format!("s{i}")).collect();
    let contigs: Contigs = names.iter().map(String::as_str).collect();
    let asked: RegionSet = names.iter().map(|n| Region::new(format!("chr{n}"), Interval::ALL)).collect();
    let (own, replaced) = resolve_names(&asked, Some(&contigs));
    assert_eq!((own.len(), replaced.len()), (200_000, 200_000));
}

#[test]
fn a_segment_is_over_where_nothing_wanted_can_follow() {
    let set: RegionSet =
        [(10, 20), (100, 200)].map(|(a, b)| Region::new("chr1", Interval::new(a, b).unwrap())).into_iter().collect();
    let mut filter = SpanFilter::new(Arc::new(set), true);
    let segment = |position| Segment {
        object: ObjectId(0),
        bytes: 0..1,
        framing: Framing::Gzip,
        joined: false,
        until: Some(Until { contig: "chr1".into(), position }),
    };
    filter.begin(&segment(20));
    for (contig, (start, end), kept, is_past) in [
        ("chr0", (500, 600), false, false),
        ("chr1", (5, 9), false, false),
        ("chr1", (5, 15), true, false),
        ("chr1", (20, 90), true, false),
        ("chr1", (21, 30), false, true),
    ] {
        assert_eq!(keeps(&mut filter, Some(contig), Some((start, end))), kept, "{contig}:{start}-{end}");
        assert_eq!(filter.is_past(), is_past, "{contig}:{start}-{end}");
    }
    filter.begin(&segment(200));
    assert!(!filter.is_past());
    // A record beyond the segment's own regions may still reach into another's.
    filter.begin(&segment(20));
    assert!(keeps(&mut filter, Some("chr1"), Some((90, 150))) && !filter.is_past());
}
