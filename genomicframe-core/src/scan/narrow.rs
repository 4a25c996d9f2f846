//! Predicates become regions: the least region set that holds every row a condition can accept.

use std::collections::BTreeSet;

use super::{Condition, Literal, Op, SpanColumns};
use crate::genome::{Contigs, Interval, Region, RegionSet};

/// The regions outside which no row can satisfy all of `conditions`; `None` when they do not confine it.
///
/// `contigs` are the file's own, where it names them all: bounds without a contig then become one region on each, and other
/// names hold no row.
///
/// ```
/// use genomicframe_core::scan::{Condition, Literal, Op, SpanColumns, narrow};
///
/// let columns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: false };
/// let on = Condition::Compare("rname".into(), Op::Eq, Literal::Text("chr1".into()));
/// let from = Condition::Compare("end".into(), Op::Ge, Literal::Int(100));
/// let to = Condition::Compare("pos".into(), Op::Le, Literal::Int(200));
/// assert_eq!(narrow(&[on, from, to], columns, None).unwrap().to_string(), "chr1:100-200");
/// ```
pub fn narrow(conditions: &[Condition], columns: SpanColumns, contigs: Option<&Contigs>) -> Option<RegionSet> {
    let scope = Scope { columns, contigs };
    let (sets, others): (Vec<_>, Vec<_>) = conditions.iter().partition(|c| matches!(c, Condition::Overlaps(_)));
    // A set alone may have very many regions, and stays what it is.
    if let [Condition::Overlaps(set)] = sets.as_slice()
        && scope.product(others.iter().map(|c| scope.of(c, true))).is_none()
    {
        return Some(of_set(set, columns, contigs));
    }
    let boxes = scope.all_of(conditions, true)?;
    let mut out = Vec::new();
    for b in &boxes {
        let Some(span) = b.interval() else { continue };
        let span = if columns.zero_based { beside(span) } else { span };
        match &b.contigs {
            Some(names) => {
                let known = names.iter().filter(|n| contigs.is_none_or(|c| c.get(n).is_some()));
                out.extend(known.map(|n| Region::new(n.clone(), span)));
            }
            // Bounds on no known contig confine nothing that can be named; no bounds at all confine nothing.
            None if b.interval() == Some(Interval::ALL) => return None,
            None => out.extend(contigs?.iter().map(|c| Region::new(c.name.clone(), span))),
        }
    }
    let mut regions: RegionSet = out.into_iter().collect();
    if boxes.iter().any(|b| b.unplaced) {
        regions.add_unplaced();
    }
    Some(regions)
}

/// What a set alone confines.
fn of_set(set: &RegionSet, columns: SpanColumns, contigs: Option<&Contigs>) -> RegionSet {
    let known = set.on_contigs(|name| contigs.is_none_or(|c| c.get(name).is_some()));
    if !columns.zero_based {
        return known;
    }
    let mut out = RegionSet::empty();
    for (contig, intervals) in known.iter() {
        out.add(contig, intervals.iter().map(|i| beside(*i)).collect());
    }
    if known.has_unplaced() {
        out.add_unplaced();
    }
    out
}

/// A zero-length record, which only 0-based formats have, lies between two bases: it overlaps what holds both of them.
fn beside(span: Interval) -> Interval {
    let (start, end) = (span.start().get().saturating_sub(1), span.end().get().saturating_add(1));
    Interval::new(start.max(0), end).unwrap_or(span)
}

/// A conjunction of bounds: contig among names, start and end (1-based) within limits.
#[derive(Debug, Clone, PartialEq)]
struct Bounds {
    /// `None`: any contig.
    contigs: Option<BTreeSet<String>>,
    /// Whether a record without a contig may satisfy it.
    unplaced: bool,
    start: (i64, i64),
    end: (i64, i64),
}

impl Bounds {
    const ANY: (i64, i64) = (i64::MIN, i64::MAX);

    fn anywhere(unplaced: bool) -> Self {
        Self { contigs: None, unplaced, start: Self::ANY, end: Self::ANY }
    }

    fn and(&self, other: &Self) -> Option<Self> {
        let contigs = match (&self.contigs, &other.contigs) {
            (Some(a), Some(b)) => Some(a.intersection(b).cloned().collect()),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let meet = |a: (i64, i64), b: (i64, i64)| (a.0.max(b.0), a.1.min(b.1));
        let both = Self {
            contigs,
            unplaced: self.unplaced && other.unplaced,
            start: meet(self.start, other.start),
            end: meet(self.end, other.end),
        };
        let nowhere = both.contigs.as_ref().is_some_and(BTreeSet::is_empty) || both.interval().is_none();
        (!nowhere || both.unplaced).then_some(both)
    }

    /// A span that every record within the bounds overlaps: it ends at `low` or later and starts at `high` or earlier.
    fn interval(&self) -> Option<Interval> {
        // A zero-length record (BED) ends one before its start.
        if self.start.0 > self.start.1 || self.end.0 > self.end.1 || self.start.0.saturating_sub(1) > self.end.1 {
            return None;
        }
        if (self.start, self.end) == (Self::ANY, Self::ANY) {
            return Some(Interval::ALL);
        }
        let (low, high) = (self.start.0.max(self.end.0), self.start.1.min(self.end.1));
        // Bounds that cross leave records that span both; the nearer edge is a base of all of them.
        Interval::new(low.min(high).max(0), high.max(0))
    }
}

/// Alternatives beyond this many are no longer worth keeping apart.
const MOST: usize = 100_000;

struct Scope<'a> {
    columns: SpanColumns,
    contigs: Option<&'a Contigs>,
}

/// `None`: not confined at all.
type Boxes = Option<Vec<Bounds>>;

impl Scope<'_> {
    /// The boxes outside which `condition` (or its negation, when not `wanted`) is never true.
    fn of(&self, condition: &Condition, wanted: bool) -> Boxes {
        match condition {
            Condition::And(all) if wanted => self.all_of(all, true),
            Condition::And(all) => self.any_of(all, false),
            Condition::Or(any) if wanted => self.any_of(any, true),
            Condition::Or(any) => self.all_of(any, false),
            Condition::Not(inner) => self.of(inner, !wanted),
            Condition::Compare(column, op, value) => {
                self.compare(column, if wanted { *op } else { op.negate() }, value)
            }
            Condition::In(column, values) if wanted => {
                let each = values.iter().map(|v| self.compare(column, Op::Eq, v));
                each.collect::<Option<Vec<_>>>().map(|boxes| boxes.concat())
            }
            Condition::In(column, values) => self.product(values.iter().map(|v| self.compare(column, Op::Ne, v))),
            Condition::IsNull(column) if wanted && column == self.columns.contig => {
                Some(vec![Bounds { contigs: Some(BTreeSet::new()), ..Bounds::anywhere(true) }])
            }
            Condition::IsNull(column) if !wanted && self.is_place(column) => {
                Some(vec![Bounds::anywhere(column != self.columns.contig)])
            }
            Condition::Overlaps(regions) if wanted => Some(self.overlapping(regions)),
            _ => None,
        }
    }

    fn is_place(&self, column: &str) -> bool {
        [self.columns.contig, self.columns.start, self.columns.end].contains(&column)
    }

    fn all_of(&self, conditions: &[Condition], wanted: bool) -> Boxes {
        self.product(conditions.iter().map(|c| self.of(c, wanted)))
    }

    fn any_of(&self, conditions: &[Condition], wanted: bool) -> Boxes {
        let each: Option<Vec<_>> = conditions.iter().map(|c| self.of(c, wanted)).collect();
        each.map(|boxes| boxes.concat())
    }

    /// What all of the given alternatives share. One that confines nothing changes nothing.
    fn product(&self, each: impl Iterator<Item = Boxes>) -> Boxes {
        let mut out: Boxes = None;
        for boxes in each.flatten() {
            out = Some(match out {
                None => boxes,
                // Leaving a factor out widens the answer, which stays right.
                Some(so_far) if so_far.len().saturating_mul(boxes.len()) > MOST => so_far,
                Some(so_far) => so_far.iter().flat_map(|a| boxes.iter().filter_map(|b| a.and(b))).collect(),
            });
        }
        out
    }

    fn compare(&self, column: &str, op: Op, value: &Literal) -> Boxes {
        if column == self.columns.contig {
            let Literal::Text(name) = value else { return None };
            let names = match op {
                Op::Eq => Some(BTreeSet::from([name.clone()])),
                // Only a file that names all of its contigs can say which the others are.
                Op::Ne => self.contigs.map(|all| all.iter().map(|c| c.name.clone()).filter(|n| n != name).collect()),
                _ => None,
            };
            return Some(vec![Bounds { contigs: names, ..Bounds::anywhere(false) }]);
        }
        let is_start = column == self.columns.start;
        if !is_start && column != self.columns.end {
            return None;
        }
        let limits = limits(op, value)?;
        // A BAM record may have a position on no contig.
        let any = Bounds::anywhere(true);
        // 0-based starts are one less than the base they name; 0-based ends are the last base's own number.
        let shift = |n: i64| if is_start && self.columns.zero_based { n.saturating_add(1) } else { n };
        let limits = limits.into_iter().map(|(low, high)| {
            (if low == i64::MIN { low } else { shift(low) }, if high == i64::MAX { high } else { shift(high) })
        });
        Some(
            limits
                .map(|l| if is_start { Bounds { start: l, ..any.clone() } } else { Bounds { end: l, ..any.clone() } })
                .collect(),
        )
    }

    fn overlapping(&self, regions: &RegionSet) -> Vec<Bounds> {
        let regions = &regions.at_most(MOST);
        let place = |contig: &str, i: &Interval| Bounds {
            contigs: Some(BTreeSet::from([contig.to_owned()])),
            unplaced: false,
            start: (i64::MIN, i.end().get()),
            end: (i.start().get(), i64::MAX),
        };
        let placed = regions.iter().flat_map(|(c, intervals)| intervals.iter().map(move |i| place(c, i)));
        let nowhere = Bounds { contigs: Some(BTreeSet::new()), ..Bounds::anywhere(true) };
        placed.chain(regions.has_unplaced().then_some(nowhere)).collect()
    }
}

/// The numbers that satisfy `op value`, as inclusive ranges.
fn limits(op: Op, value: &Literal) -> Option<Vec<(i64, i64)>> {
    let (low, high) = match value {
        Literal::Int(n) => (*n, *n),
        // Between two whole numbers: nothing equals it, and the bounds move apart to the neighbours.
        Literal::Float(x) if x.is_finite() && x.abs() < 9e15 => (x.floor() as i64, x.ceil() as i64),
        _ => return None,
    };
    let (min, max) = (i64::MIN, i64::MAX);
    Some(match op {
        Op::Eq if low != high => vec![],
        Op::Eq => vec![(low, high)],
        Op::Ne if low != high => vec![(min, max)],
        Op::Ne => vec![(min, low.saturating_sub(1)), (high.saturating_add(1), max)],
        Op::Lt => vec![(min, high.saturating_sub(1))],
        Op::Le => vec![(min, low)],
        Op::Gt => vec![(low.saturating_add(1), max)],
        Op::Ge => vec![(high, max)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{FieldType, Fields, Test};
    use proptest::prelude::*;
    use std::sync::Arc;

    const BAM: SpanColumns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: false };
    const BED: SpanColumns = SpanColumns { contig: "chrom", start: "start", end: "end", zero_based: true };

    fn on(column: &str, name: &str) -> Condition {
        Condition::Compare(column.into(), Op::Eq, Literal::Text(name.into()))
    }

    fn num(column: &str, op: Op, n: i64) -> Condition {
        Condition::Compare(column.into(), op, Literal::Int(n))
    }

    fn shown(conditions: &[Condition], columns: SpanColumns) -> String {
        let contigs: Contigs = ["chr1", "chr2"].into_iter().collect();
        narrow(conditions, columns, Some(&contigs)).map_or("all".into(), |r| r.to_string())
    }

    #[test]
    fn shapes_that_rivals_scan_in_full() {
        let chr1 = on("rname", "chr1");
        assert_eq!(shown(&[chr1.clone(), num("end", Op::Ge, 5)], BAM), "chr1:5-");
        assert_eq!(shown(&[chr1.clone(), num("pos", Op::Ge, 5), num("pos", Op::Le, 9)], BAM), "chr1:5-9");
        let a = Condition::And(vec![chr1.clone(), num("pos", Op::Lt, 10)]);
        let b = Condition::And(vec![on("rname", "chr2"), num("pos", Op::Gt, 20)]);
        assert_eq!(shown(&[Condition::Or(vec![a.clone(), b.clone()])], BAM), "chr1:0-9,chr2:21-");
        assert_eq!(shown(&[Condition::Or(vec![a, Condition::Unknown])], BAM), "all");
        assert_eq!(shown(&[num("pos", Op::Eq, 7)], BAM), "chr1:7-7,chr2:7-7,*");
        let not = Condition::Not(Box::new(Condition::Or(vec![chr1.clone(), num("pos", Op::Gt, 50)])));
        assert_eq!(shown(&[not], BAM), "chr2:0-50");
        assert_eq!(shown(&[chr1.clone(), on("rname", "chr2")], BAM), "none");
        assert_eq!(shown(&[chr1, num("pos", Op::Gt, 9), num("pos", Op::Lt, 9)], BAM), "none");
        assert_eq!(shown(&[Condition::IsNull("rname".into())], BAM), "*");
        assert_eq!(shown(&[on("rname", "2")], BAM), "none");
    }

    #[test]
    fn records_that_span_both_bounds_are_kept() {
        assert_eq!(shown(&[on("rname", "chr1"), num("pos", Op::Le, 5), num("end", Op::Ge, 100)], BAM), "chr1:5-5");
    }

    #[test]
    fn a_set_alone_is_what_it_is_among_other_conditions() {
        let region = |contig: &str, a, b| Region::new(contig, Interval::new(a, b).unwrap());
        let mut set: RegionSet =
            [region("chr1", 5, 9), region("chr1", 11, 20), region("chr9", 1, 2)].into_iter().collect();
        for columns in [BAM, BED] {
            for unplaced in [false, true] {
                if unplaced {
                    set.add_unplaced();
                }
                let alone = Condition::Overlaps(Arc::new(set.clone()));
                let among = Condition::And(vec![alone.clone()]);
                assert_eq!(shown(&[alone], columns), shown(&[among], columns));
            }
        }
    }

    #[test]
    fn bed_starts_are_zero_based() {
        assert_eq!(
            shown(&[on("chrom", "chr1"), num("start", Op::Ge, 99), num("end", Op::Le, 200)], BED),
            "chr1:99-201"
        );
    }

    /// A record of a contig (or none) with a first and a last position.
    struct Place(Option<&'static str>, i64, i64);

    impl Fields for Place {
        fn int(&self, field: usize) -> crate::Result<Option<i64>> {
            Ok(Some(if field == 1 { self.1 } else { self.2 }))
        }

        fn float(&self, _: usize) -> crate::Result<Option<f64>> {
            Ok(None)
        }

        fn text(&self, _: usize) -> crate::Result<Option<&[u8]>> {
            Ok(self.0.map(str::as_bytes))
        }

        fn span(&self) -> crate::Result<Option<(&[u8], i64, i64)>> {
            Ok(self.0.map(|contig| (contig.as_bytes(), self.1, self.2)))
        }

        fn is_unplaced(&self) -> bool {
            self.0.is_none()
        }
    }

    fn conditions() -> impl Strategy<Value = Condition> {
        let op = prop_oneof![Just(Op::Eq), Just(Op::Ne), Just(Op::Lt), Just(Op::Le), Just(Op::Gt), Just(Op::Ge)];
        let place = prop_oneof![Just("pos"), Just("end")];
        let names = prop_oneof![Just("chr1"), Just("chr2"), Just("chr9")];
        let name = || names.clone().prop_map(|n| Literal::Text(n.into()));
        let number =
            || prop_oneof![(1i64..9).prop_map(Literal::Int), (2..18i64).prop_map(|n| Literal::Float(n as f64 / 2.0))];
        let equal = prop_oneof![Just(Op::Eq), Just(Op::Ne)];
        let leaf = prop_oneof![
            4 => (place.clone(), op, number()).prop_map(|(c, op, v)| Condition::Compare(c.into(), op, v)),
            3 => (equal, name()).prop_map(|(op, v)| Condition::Compare("rname".into(), op, v)),
            1 => proptest::collection::vec(name(), 1..3).prop_map(|v| Condition::In("rname".into(), v)),
            1 => proptest::collection::vec((1i64..9).prop_map(Literal::Int), 1..3).prop_map(|v| Condition::In("pos".into(), v)),
            1 => Just(Condition::IsNull("rname".into())),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let many = || proptest::collection::vec(inner.clone(), 1..4);
            prop_oneof![
                many().prop_map(Condition::And),
                many().prop_map(Condition::Or),
                inner.clone().prop_map(|c| Condition::Not(Box::new(c))),
            ]
        })
    }

    /// A set of regions. What overlaps none of one may be anywhere: a record on a contig without a position does.
    fn overlapping() -> impl Strategy<Value = Condition> {
        let names = prop_oneof![Just("chr1"), Just("chr2"), Just("chr9")];
        proptest::collection::vec((names, 1i64..9, 0i64..4), 0..3).prop_map(|regions| {
            let region = |(c, a, n): (&str, i64, i64)| Region::new(c, Interval::new(a, a + n).unwrap());
            Condition::Overlaps(Arc::new(regions.into_iter().map(region).collect()))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        /// No record that satisfies the conditions lies outside of the regions, and no region is without one that might.
        #[test]
        fn regions_hold_all_that_satisfies_and_no_region_is_in_vain(
            mut all in proptest::collection::vec(conditions(), 1..3),
            sets in proptest::collection::vec(overlapping(), 0..3),
        ) {
            all.extend(sets);
            let contigs: Contigs = ["chr1", "chr2"].into_iter().collect();
            let field = |name: &str| Some(match name {
                "rname" => (0, FieldType::Text),
                "pos" => (1, FieldType::Int),
                _ => (2, FieldType::Int),
            });
            // The evaluator compares whole numbers with whole numbers.
            let Some(test) = Test::bind_all(&all, &field) else { return Ok(()) };
            let Some(regions) = narrow(&all, BAM, Some(&contigs)) else { return Ok(()) };
            let mut needed = RegionSet::empty();
            for contig in [Some("chr1"), Some("chr2"), None] {
                for start in 0..12 {
                    // Of no length as in BED, too: between two bases.
                    for end in start - 1..13 {
                        if !test.passes(&Place(contig, start, end)).unwrap() {
                            continue;
                        }
                        match contig {
                            Some(name) => {
                                let found = end < start || regions.overlaps(name, start, end);
                                prop_assert!(found, "{name}:{start}-{end} and {regions}");
                                needed.add(name, Interval::new(start.min(end).max(0), start.max(end)).into_iter().collect());
                            }
                            None => prop_assert!(regions.has_unplaced()),
                        }
                    }
                }
            }
            for (contig, intervals) in regions.iter() {
                for i in intervals {
                    prop_assert!(needed.overlaps(contig, i.start().get(), i.end().get()), "{contig}:{i} of {regions}");
                }
            }
        }
    }
}
