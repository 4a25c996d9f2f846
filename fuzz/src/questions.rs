//! What users ask: region strings, and conditions that become regions.

use std::sync::Arc;

use genomicframe_core::Result;
use genomicframe_core::genome::{Contigs, Interval, Region, RegionSet};
use genomicframe_core::scan::{Condition, FieldType, Fields, Literal, Op, SpanColumns, Test, narrow};

/// A region string: an error, or a region that its own text gives again.
pub fn region(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let known = ["chr1", "HLA-A*01:01", "HLA-A*01:01:5", "*"];
    let is_contig = |name: &str| known.contains(&name);
    let Ok(region) = Region::parse(text, is_contig) else { return };
    assert!(!region.contig().is_empty() && region.interval().start() <= region.interval().end());
    let (mut set, interval) = (RegionSet::from_iter([region.clone()]), region.interval());
    if region.contig() != Region::UNPLACED {
        assert!(set.overlaps(region.contig(), interval.start().get(), interval.start().get()));
        set.extend([region.clone()]);
        assert_eq!(set.len(), 1, "a region added twice is one");
    }
    // A name with a brace cannot be quoted.
    if !region.contig().contains(['{', '}']) {
        let quoted = format!("{{{}}}:{}-{}", region.contig(), interval.start(), interval.end());
        assert_eq!(Region::parse(&quoted, is_contig).expect("a region in its plainest form"), region, "{quoted}");
    }
}

/// The columns of conditions here: `rname`, `pos`, `end`.
const COLUMNS: SpanColumns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: false };
const BED: SpanColumns = SpanColumns { contig: "rname", start: "pos", end: "end", zero_based: true };
const NAMES: [&str; 3] = ["chr1", "chr2", "chr9"];

/// Conditions made of the bytes: no row that satisfies them lies outside of the regions they are narrowed to.
pub fn narrowed(data: &[u8]) {
    let (mut bytes, columns) = (data.iter().copied(), if data.len().is_multiple_of(2) { COLUMNS } else { BED });
    let conditions: Vec<Condition> = (0..3).filter_map(|_| condition(&mut bytes, 4)).collect();
    let contigs: Contigs = NAMES[..2].iter().copied().collect();
    let regions = narrow(&conditions, columns, Some(&contigs));
    let field = |name: &str| {
        Some(match name {
            "rname" => (0, FieldType::Text),
            "pos" => (1, FieldType::Int),
            _ => (2, FieldType::Int),
        })
    };
    let test = Test::bind_all(&conditions, &field);
    for contig in [Some("chr1"), Some("chr2"), None] {
        for (start, end) in SPANS.iter().flat_map(|a| SPANS.map(|b| (*a, b))) {
            let place = Place { contig, start, end, shift: i64::from(columns.zero_based) };
            if start > end || start.checked_add(place.shift).is_none() {
                continue;
            }
            let holds = conditions.iter().all(|c| holds(c, &place) == Some(true));
            if let Some(test) = &test {
                assert_eq!(test.passes(&place).expect("no field is malformed"), holds, "{place:?}");
            }
            let Some(regions) = regions.as_ref().filter(|_| holds) else { continue };
            match contig {
                // Between two bases lies what no region holds.
                Some(_) if start + place.shift > end => {}
                Some(name) => assert!(regions.overlaps(name, start + place.shift, end), "{place:?} and {regions}"),
                None => assert!(regions.has_unplaced(), "{regions}"),
            }
        }
    }
}

/// Positions that bounds are made of, and their neighbours.
const SPANS: [i64; 9] = [0, 1, 2, 3, 7, 8, 1 << 31, i64::MAX - 1, i64::MAX];

#[derive(Debug)]
struct Place {
    contig: Option<&'static str>,
    start: i64,
    end: i64,
    /// 1 where positions count from 0.
    shift: i64,
}

impl Fields for Place {
    fn int(&self, field: usize) -> Result<Option<i64>> {
        Ok(Some(if field == 1 { self.start } else { self.end }))
    }

    fn float(&self, _: usize) -> Result<Option<f64>> {
        Ok(None)
    }

    fn text(&self, _: usize) -> Result<Option<&[u8]>> {
        Ok(self.contig.map(str::as_bytes))
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        Ok(self.contig.map(|contig| (contig.as_bytes(), self.start + self.shift, self.end)))
    }

    fn is_unplaced(&self) -> bool {
        self.contig.is_none()
    }
}

/// A condition of the next bytes; `None` when they are used up.
fn condition(bytes: &mut impl Iterator<Item = u8>, depth: u8) -> Option<Condition> {
    let many = |bytes: &mut _| (0..3).filter_map(|_| condition(bytes, depth - 1)).collect();
    let kind = bytes.next()? % if depth > 0 { 8 } else { 5 };
    let name = |bytes: &mut dyn Iterator<Item = u8>| Some(NAMES[bytes.next()? as usize % NAMES.len()].to_owned());
    Some(match kind {
        0 | 1 => {
            let (which, op) = (bytes.next()?, OPS[bytes.next()? as usize % OPS.len()]);
            let number = SPANS[bytes.next()? as usize % SPANS.len()].wrapping_sub(i64::from(which / 2 % 3));
            Condition::Compare(["pos", "end"][which as usize % 2].into(), op, Literal::Int(number))
        }
        2 => {
            let op = [Op::Eq, Op::Ne][bytes.next()? as usize % 2];
            Condition::Compare("rname".into(), op, Literal::Text(name(bytes)?))
        }
        3 => Condition::In("rname".into(), (0..2).filter_map(|_| name(bytes)).map(Literal::Text).collect()),
        4 => {
            let [a, b] = [bytes.next()?, bytes.next()?].map(|b| SPANS[b as usize % SPANS.len()]);
            let span = Interval::new(a.min(b).max(1), a.max(b).max(1))?;
            let mut set: RegionSet = [Region::new(name(bytes)?, span)].into_iter().collect();
            if a > b {
                set.add_unplaced();
            }
            Condition::Overlaps(Arc::new(set))
        }
        5 => Condition::And(many(bytes)),
        6 => Condition::Or(many(bytes)),
        _ => Condition::Not(Box::new(condition(bytes, depth - 1)?)),
    })
}

const OPS: [Op; 6] = [Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge];

/// SQL's three-valued logic, the plain way.
fn holds(condition: &Condition, place: &Place) -> Option<bool> {
    let each = |list: &[Condition]| list.iter().map(|c| holds(c, place)).collect::<Vec<_>>();
    match condition {
        Condition::And(all) => {
            let all = each(all);
            if all.contains(&Some(false)) { Some(false) } else { (!all.contains(&None)).then_some(true) }
        }
        Condition::Or(any) => {
            let any = each(any);
            if any.contains(&Some(true)) { Some(true) } else { (!any.contains(&None)).then_some(false) }
        }
        Condition::Not(inner) => holds(inner, place).map(|b| !b),
        Condition::Compare(_, op, Literal::Text(name)) => place.contig.map(|c| op.holds(c.cmp(name.as_str()))),
        Condition::Compare(column, op, Literal::Int(n)) => {
            let value = if column == "pos" { place.start } else { place.end };
            Some(op.holds(value.cmp(n)))
        }
        Condition::In(_, names) => place.contig.map(|c| names.iter().any(|n| matches!(n, Literal::Text(n) if n == c))),
        Condition::Overlaps(set) => Some(match place.contig {
            Some(contig) => set
                .intervals(contig)
                .iter()
                .any(|i| i.start().get() <= place.end && place.start + place.shift <= i.end().get()),
            None => set.has_unplaced(),
        }),
        _ => None,
    }
}
