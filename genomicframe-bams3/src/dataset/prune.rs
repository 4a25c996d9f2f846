//! What statistics say of conditions: that no row passes, that all do, or how many.

use genomicframe_core::alignment::TagType;
use genomicframe_core::genome::{Contigs, Interval, RegionSet};
use genomicframe_core::scan::{Condition, Literal, Op};

use crate::bloom::NameFilters;
use crate::index::{GroupEntry, GroupStats, MAPQ_STEPS};

/// What rows can come to under a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Some row may satisfy it.
    pub(crate) can_pass: bool,
    /// Some row may not.
    pub(crate) can_fail: bool,
    /// Some row may come to null, which counts as not satisfying and does not change under NOT.
    can_be_null: bool,
}

impl Verdict {
    const UNKNOWN: Self = Self { can_pass: true, can_fail: true, can_be_null: true };
    const ALL: Self = Self { can_pass: true, can_fail: false, can_be_null: false };
    const NONE: Self = Self { can_pass: false, can_fail: true, can_be_null: false };

    fn known(can_pass: bool, can_fail: bool) -> Self {
        Self { can_pass, can_fail, can_be_null: false }
    }

    fn or_null(self, can_be_null: bool) -> Self {
        Self { can_be_null, ..self }
    }

    /// Whether every row satisfies it.
    pub(crate) fn is_all(self) -> bool {
        !self.can_fail && !self.can_be_null
    }
}

/// Statistics of rows and, of a row group, which pages it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) stats: &'a GroupStats,
    pub(crate) group: Option<&'a GroupEntry>,
    pub(crate) contigs: &'a Contigs,
    /// Filters of read names, and the number of the row group among them.
    pub(crate) names: Option<(&'a NameFilters, u64)>,
}

/// The conditions of a scan, in the order they are tried, so that the first that excludes rows names the reason.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filter<'a> {
    pub(crate) regions: Option<&'a RegionSet>,
    pub(crate) conditions: &'a [Condition],
}

/// What is to be done with rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// None passes, for this reason.
    Leave(String),
    /// All pass.
    Keep,
    /// This many pass.
    Count(u64),
    /// They must be looked at.
    Test,
}

impl Filter<'_> {
    pub(crate) fn action(&self, known: Known<'_>) -> Action {
        let mut open: Vec<&Condition> = Vec::new();
        let mut is_open = false;
        if let Some(regions) = self.regions {
            let verdict = overlap(regions, known);
            if !verdict.can_pass {
                return Action::Leave("outside the regions".into());
            }
            is_open |= !verdict.is_all();
        }
        for condition in self.conditions {
            let verdict = judge(condition, known);
            if !verdict.can_pass {
                return Action::Leave(format!("by {}", subject(condition)));
            }
            if !verdict.is_all() {
                open.push(condition);
            }
        }
        match (is_open, open.as_slice()) {
            (false, []) => Action::Keep,
            (false, [one]) => counted(one, known.stats).map_or(Action::Test, Action::Count),
            _ => Action::Test,
        }
    }
}

/// Whether filters of read names can decide `condition`.
pub(super) fn asks_for_names(condition: &Condition) -> bool {
    match condition {
        Condition::And(list) | Condition::Or(list) => list.iter().any(asks_for_names),
        Condition::Compare(column, Op::Eq, _) | Condition::In(column, _) => column == "qname",
        _ => false,
    }
}

/// The columns that a condition is about.
fn subject(condition: &Condition) -> String {
    fn collect(condition: &Condition, out: &mut Vec<String>) {
        match condition {
            Condition::And(list) | Condition::Or(list) => list.iter().for_each(|c| collect(c, out)),
            Condition::Not(inner) => collect(inner, out),
            Condition::Compare(c, ..)
            | Condition::In(c, _)
            | Condition::IsNull(c)
            | Condition::Bits { column: c, .. } => {
                out.push(c.clone());
            }
            Condition::Overlaps(_) => out.push("region".into()),
            Condition::Unknown => {}
        }
    }
    let mut columns = Vec::new();
    collect(condition, &mut columns);
    columns.sort();
    columns.dedup();
    columns.join(", ")
}

/// Rows that satisfy a comparison of mapq at one of the steps that are counted.
fn counted(condition: &Condition, stats: &GroupStats) -> Option<u64> {
    let Condition::Compare(column, op, Literal::Int(n)) = condition else { return None };
    if column != "mapq" {
        return None;
    }
    let (from, reaching) = match op {
        Op::Ge => (*n, true),
        Op::Gt => (n.checked_add(1)?, true),
        Op::Lt => (*n, false),
        Op::Le => (n.checked_add(1)?, false),
        Op::Eq | Op::Ne => return None,
    };
    let step = MAPQ_STEPS.iter().position(|s| i64::from(*s) == from)?;
    let rows = stats.mapq_reaching[step];
    Some(if reaching { rows } else { stats.rows.checked_sub(rows)? })
}

pub(crate) fn overlap(regions: &RegionSet, known: Known<'_>) -> Verdict {
    let s = known.stats;
    // Rows without a contig are counted with those that have one but no start.
    let placed = s.rows > s.unplaced;
    let mut can_pass = false;
    let first = s.contig_first;
    let last = if s.contig_last < 0 { i32::MAX } else { s.contig_last };
    if placed || s.unplaced > 0 {
        for (contig, intervals) in regions.iter() {
            let Some(id) = known.contigs.get(contig).and_then(|id| i32::try_from(id).ok()) else { continue };
            if first < 0 || id < first || id > last {
                continue;
            }
            let reaches = first != s.contig_last
                || intervals.iter().any(|i| i.start().get() <= s.end_max && i.end().get() > s.start_min);
            can_pass |= (placed && reaches) || (s.unplaced > 0 && intervals == [Interval::ALL]);
        }
    }
    can_pass |= regions.has_unplaced() && s.unplaced > 0;
    let covers = || {
        let name = usize::try_from(first).ok().and_then(|id| known.contigs.name(id))?;
        let inside = |i: &Interval| i.start().get() <= s.start_min + 1 && i.end().get() >= s.end_max;
        Some(first == s.contig_last && s.unplaced == 0 && regions.intervals(name).iter().any(inside))
    };
    let all = covers().unwrap_or(s.contig_first < 0 && regions.has_unplaced());
    Verdict::known(can_pass, !all)
}

fn judge(condition: &Condition, known: Known<'_>) -> Verdict {
    match condition {
        Condition::And(list) => list.iter().map(|c| judge(c, known)).fold(Verdict::ALL, |a, b| Verdict {
            can_pass: a.can_pass && b.can_pass,
            can_fail: a.can_fail || b.can_fail,
            can_be_null: a.can_be_null || b.can_be_null,
        }),
        Condition::Or(list) => list.iter().map(|c| judge(c, known)).fold(Verdict::NONE, |a, b| Verdict {
            can_pass: a.can_pass || b.can_pass,
            can_fail: a.can_fail && b.can_fail,
            can_be_null: a.can_be_null || b.can_be_null,
        }),
        Condition::Not(inner) => {
            let Verdict { can_pass, can_fail, can_be_null } = judge(inner, known);
            Verdict { can_pass: can_fail, can_fail: can_pass, can_be_null }
        }
        Condition::Compare(column, op, value) => compare(column, *op, value, known),
        Condition::In(column, values) => {
            let any = values.iter().map(|v| compare(column, Op::Eq, v, known)).fold(Verdict::NONE, |a, b| Verdict {
                can_pass: a.can_pass || b.can_pass,
                can_fail: a.can_fail && b.can_fail,
                can_be_null: a.can_be_null || b.can_be_null,
            });
            Verdict { can_be_null: any.can_be_null || values.is_empty(), ..any }
        }
        Condition::IsNull(column) => is_null(column, known),
        Condition::Bits { column, mask, value } if column == "flag" => bits(*mask, *value, known.stats),
        Condition::Overlaps(regions) => overlap(regions, known),
        Condition::Bits { .. } | Condition::Unknown => Verdict::UNKNOWN,
    }
}

fn bits(mask: i64, value: i64, stats: &GroupStats) -> Verdict {
    let (some, every) = (i64::from(stats.flag_or), i64::from(stats.flag_and));
    let (set, clear) = (mask & value, mask & !value);
    if value & !mask != 0 || set & !some != 0 || clear & every != 0 {
        return Verdict::NONE;
    }
    Verdict::known(true, set & !every != 0 || clear & some != 0)
}

/// Least and greatest value of an integer column, and whether it may be null.
fn range(column: &str, s: &GroupStats) -> Option<(i64, i64, bool)> {
    // A read with a contig but without a start has null positions as well.
    Some(match column {
        "pos" => (s.start_min.saturating_add(1), s.start_max.saturating_add(1), s.unplaced > 0),
        "end" => (s.end_min, s.end_max, s.unplaced > 0),
        "flag" => (s.flag_and.into(), s.flag_or.into(), false),
        "mapq" => (s.mapq_min.into(), s.mapq_max.into(), false),
        "tlen" => (s.tlen_min.into(), s.tlen_max.into(), false),
        _ => return None,
    })
}

fn compare(column: &str, op: Op, value: &Literal, known: Known<'_>) -> Verdict {
    let s = known.stats;
    if let (Some((least, most, can_be_null)), Literal::Int(n)) = (range(column, s), value) {
        // Rows without a contig may still have a position of their own: `start_min` does not count them.
        if can_be_null {
            let verdict = between(op, least, most, *n);
            return if s.contig_last < 0 { Verdict::UNKNOWN } else { verdict.or_null(true) };
        }
        return between(op, least, most, *n);
    }
    match (column, value) {
        ("rname", Literal::Text(name)) => contig(op, name, known),
        ("qname", Literal::Text(name)) if op == Op::Eq => match known.names {
            Some((names, group)) if !names.may_have(group, name.as_bytes()) => Verdict::NONE.or_null(true),
            _ => Verdict::UNKNOWN,
        },
        ("tag_rg", Literal::Text(name)) if op == Op::Eq && lists_read_groups(known) => match &s.read_groups {
            Some(groups) if groups.binary_search(name).is_err() => Verdict::NONE.or_null(true),
            _ => Verdict::UNKNOWN,
        },
        _ if lacks_tag(column, known) => Verdict::NONE.or_null(true),
        _ => Verdict::UNKNOWN,
    }
}

/// A comparison of numbers from `least` to `most` with `n`.
fn between(op: Op, least: i64, most: i64, n: i64) -> Verdict {
    if least > most {
        return Verdict::UNKNOWN;
    }
    let passes = |v: i64| op.holds(v.cmp(&n));
    match op {
        Op::Eq => Verdict::known(least <= n && n <= most, least != n || most != n),
        Op::Ne => Verdict::known(least != n || most != n, least <= n && n <= most),
        _ => Verdict::known(passes(least) || passes(most), !passes(least) || !passes(most)),
    }
}

fn contig(op: Op, name: &str, known: Known<'_>) -> Verdict {
    let s = known.stats;
    let is_one = s.contig_first == s.contig_last;
    if s.contig_first < 0 && is_one {
        // No row has a contig: every comparison is null.
        return Verdict { can_pass: false, can_fail: false, can_be_null: true };
    }
    match (op, is_one, usize::try_from(s.contig_first).ok().and_then(|id| known.contigs.name(id))) {
        (_, true, Some(own)) => {
            let passes = op.holds(own.cmp(name));
            Verdict::known(passes, !passes)
        }
        (Op::Eq, false, _) => {
            let id = known.contigs.get(name).and_then(|id| i32::try_from(id).ok());
            let inside = id.is_some_and(|id| id >= s.contig_first && (s.contig_last < 0 || id <= s.contig_last));
            Verdict { can_pass: inside, can_fail: true, can_be_null: s.contig_last < 0 }
        }
        _ => Verdict::UNKNOWN,
    }
}

/// Whether `column` is that of a tag that no row of the group has.
fn lacks_tag(column: &str, known: Known<'_>) -> bool {
    let (Some(group), Some(key)) = (known.group, column.strip_prefix("tag_")) else { return false };
    // Without its exact key (`tag_cm:lower`, `tag_CM`) a tag of either case counts.
    let key = key.split(':').next().unwrap_or(key);
    !group.pages.iter().filter_map(|p| p.column.as_tag()).any(|t| t.key.eq_ignore_ascii_case(key.as_bytes()))
}

/// Whether a group's read groups are all that its column `tag_rg` shows: text, and not of a tag `rg`.
fn lists_read_groups(known: Known<'_>) -> bool {
    known.group.is_some_and(|g| {
        let tags = g.pages.iter().filter_map(|p| p.column.as_tag());
        let mut named = tags.filter(|t| t.key.eq_ignore_ascii_case(b"RG"));
        named.all(|t| (t.key, t.of) == (*b"RG", b'Z'))
    })
}

fn is_null(column: &str, known: Known<'_>) -> Verdict {
    let s = known.stats;
    match column {
        "flag" | "mapq" | "tlen" => Verdict::NONE,
        "rname" => match (s.contig_first < 0, s.contig_last < 0) {
            (true, true) => Verdict::ALL,
            (false, false) => Verdict::NONE,
            _ => Verdict::known(true, true),
        },
        "pos" | "end" if s.unplaced == 0 => Verdict::NONE,
        _ if lacks_tag(column, known) => Verdict::ALL,
        _ => Verdict::UNKNOWN,
    }
}

/// Types that a tag's values can have, as columns.
pub(crate) fn tag_type(of: u8, sub: u8) -> TagType {
    match (of, sub) {
        (b'f', _) => TagType::Float,
        (b'A' | b'Z' | b'H', _) => TagType::Text,
        (b'B', b'f') => TagType::Floats,
        (b'B', _) => TagType::Ints,
        _ => TagType::Int,
    }
}
