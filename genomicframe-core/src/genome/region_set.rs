//! Sets of regions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::{Interval, Region};

/// A union of regions, each base counted once: per contig sorted, merged intervals; and whether unplaced reads belong.
///
/// A region takes 16 bytes. Copies share them.
///
/// ```
/// use genomicframe_core::genome::{Interval, Region, RegionSet};
///
/// let set: RegionSet = [(1, 10), (5, 20), (21, 30)]
///     .map(|(a, b)| Region::new("chr1", Interval::new(a, b).unwrap()))
///     .into_iter()
///     .collect();
/// assert_eq!(set.to_string(), "chr1:1-30");
/// assert!(set.overlaps("chr1", 30, 40) && !set.overlaps("chr2", 1, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionSet {
    contigs: BTreeMap<String, Arc<Vec<Interval>>>,
    unplaced: bool,
}

impl RegionSet {
    /// No region: nothing overlaps it.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Whether nothing can overlap it.
    pub fn is_empty(&self) -> bool {
        self.contigs.is_empty() && !self.unplaced
    }

    /// Whether records without a contig belong.
    pub fn has_unplaced(&self) -> bool {
        self.unplaced
    }

    /// Adds the records that have no contig.
    pub fn add_unplaced(&mut self) {
        self.unplaced = true;
    }

    /// Adds intervals of one contig.
    pub fn add(&mut self, contig: &str, mut intervals: Vec<Interval>) {
        match self.contigs.get_mut(contig) {
            Some(own) => {
                let own = Arc::make_mut(own);
                merge(&mut intervals);
                let is_behind = match (own.last(), intervals.first()) {
                    (Some(last), Some(first)) => last.start() <= first.start(),
                    _ => true,
                };
                // Piece by piece, as a sorted file comes, so that what is there is not gone through for each.
                if is_behind {
                    intervals.into_iter().for_each(|next| push(own, next));
                } else {
                    own.append(&mut intervals);
                    merge(own);
                }
            }
            None => {
                merge(&mut intervals);
                if !intervals.is_empty() {
                    self.contigs.insert(contig.to_owned(), Arc::new(intervals));
                }
            }
        }
    }

    /// Adds another set's list of a contig, as it is where there was none.
    fn add_shared(&mut self, contig: &str, intervals: &Arc<Vec<Interval>>) {
        match self.contigs.entry(contig.to_owned()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Arc::clone(intervals));
            }
            Entry::Occupied(_) => self.add(contig, intervals.to_vec()),
        }
    }

    /// Contigs by name with their sorted, disjoint intervals.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Interval])> {
        self.contigs.iter().map(|(c, i)| (c.as_str(), i.as_slice()))
    }

    /// The intervals on one contig, sorted and disjoint.
    pub fn intervals(&self, contig: &str) -> &[Interval] {
        self.contigs.get(contig).map_or(&[], |list| list.as_slice())
    }

    /// The same, to be kept.
    pub(crate) fn shared(&self, contig: &str) -> Arc<Vec<Interval>> {
        self.contigs.get(contig).map_or_else(Arc::default, Arc::clone)
    }

    /// The part on contigs of which `keeps` is true.
    pub(crate) fn on_contigs(&self, keeps: impl Fn(&str) -> bool) -> Self {
        let kept = self.contigs.iter().filter(|(contig, _)| keeps(contig));
        Self { contigs: kept.map(|(c, list)| (c.clone(), Arc::clone(list))).collect(), unplaced: self.unplaced }
    }

    /// Whether it is `whole`, but for contigs that it lacks.
    pub(crate) fn is_of_some_contigs(&self, whole: &Self) -> bool {
        (!self.unplaced || whole.unplaced) && self.contigs.iter().all(|(c, list)| whole.contigs.get(c) == Some(list))
    }

    /// A set that holds this one, of some `most` intervals: those with the least gaps between them are joined.
    pub fn at_most(&self, most: usize) -> Self {
        if self.len() <= most {
            return self.clone();
        }
        // How many gaps need how many bits; joining all that need fewer than some leaves the others.
        let mut gaps = [0usize; 65];
        for list in self.contigs.values() {
            list.windows(2).for_each(|w| gaps[bits(gap(w[0], w[1]))] += 1);
        }
        let (mut left, mut least) = (self.len(), 0);
        while left > most && least < gaps.len() {
            left -= gaps[least];
            least += 1;
        }
        let join = |list: &Arc<Vec<Interval>>| {
            let mut out: Vec<Interval> = Vec::new();
            for next in list.iter() {
                match out.last_mut() {
                    Some(last) if bits(gap(*last, *next)) < least => *last = last.through(*next),
                    _ => out.push(*next),
                }
            }
            Arc::new(out)
        };
        Self { contigs: self.contigs.iter().map(|(c, list)| (c.clone(), join(list))).collect(), ..*self }
    }

    /// Number of disjoint regions.
    pub fn len(&self) -> usize {
        self.contigs.values().map(|list| list.len()).sum::<usize>() + usize::from(self.unplaced)
    }

    /// Whether the span `start..=end` of `contig` touches the set.
    pub fn overlaps(&self, contig: &str, start: i64, end: i64) -> bool {
        overlaps(self.intervals(contig), start, end)
    }

    /// What belongs to both.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self { unplaced: self.unplaced && other.unplaced, ..Self::default() };
        for (contig, mine) in &self.contigs {
            let theirs = other.intervals(contig);
            let (mut i, mut j) = (0, 0);
            let mut both = Vec::new();
            while let (Some(a), Some(b)) = (mine.get(i), theirs.get(j)) {
                both.extend(a.intersection(*b));
                if a.end() < b.end() { i += 1 } else { j += 1 }
            }
            if !both.is_empty() {
                out.contigs.insert(contig.clone(), Arc::new(both));
            }
        }
        out
    }

    /// The same set with other contig names: each becomes those that `names` gives for it.
    pub(super) fn rename(&self, names: impl Fn(&str) -> Vec<String>) -> Self {
        let mut out = Self { unplaced: self.unplaced, ..Self::default() };
        for (contig, intervals) in &self.contigs {
            for name in names(contig) {
                out.add_shared(&name, intervals);
            }
        }
        out
    }
}

/// Whether `start..=end` touches one of sorted, disjoint intervals.
pub(crate) fn overlaps(intervals: &[Interval], start: i64, end: i64) -> bool {
    let next = intervals.partition_point(|i| i.end().get() < start);
    intervals.get(next).is_some_and(|i| i.start().get() <= end)
}

impl FromIterator<Region> for RegionSet {
    /// The region `*` stands for unplaced reads.
    fn from_iter<T: IntoIterator<Item = Region>>(regions: T) -> Self {
        let mut out = Self::default();
        out.extend(regions);
        out
    }
}

impl Extend<Region> for RegionSet {
    fn extend<T: IntoIterator<Item = Region>>(&mut self, regions: T) {
        let mut added: BTreeMap<String, Vec<Interval>> = BTreeMap::new();
        for region in regions {
            if region.contig() == Region::UNPLACED {
                self.unplaced = true;
            } else if let Some(list) = added.get_mut(region.contig()) {
                list.push(region.interval());
            } else {
                added.insert(region.contig().to_owned(), vec![region.interval()]);
            }
        }
        added.into_iter().for_each(|(contig, intervals)| self.add(&contig, intervals));
    }
}

/// Sorts intervals, and joins those that overlap or touch.
fn merge(intervals: &mut Vec<Interval>) {
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    intervals.drain(..).for_each(|next| push(&mut merged, next));
    *intervals = merged;
}

/// Adds an interval that does not begin before the last one.
fn push(merged: &mut Vec<Interval>, next: Interval) {
    match merged.last_mut() {
        Some(last) if next.start().get() <= last.end().get().saturating_add(1) => {
            *last = last.through(next);
        }
        _ => merged.push(next),
    }
}

/// Bases between two intervals, the later one behind.
fn gap(one: Interval, other: Interval) -> u64 {
    other.start().get().saturating_sub(one.end().get()).saturating_sub(1).max(0).unsigned_abs()
}

/// How many bits a number needs.
fn bits(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()) as usize
}

/// How many regions are spelled out before the rest is counted.
const SHOWN: usize = 8;

impl fmt::Display for RegionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let regions =
            self.iter().flat_map(|(c, intervals)| intervals.iter().map(move |i| Region::new(c, *i).to_string()));
        let unplaced = self.unplaced.then(|| Region::UNPLACED.to_owned());
        for (i, region) in regions.chain(unplaced).enumerate().take(SHOWN) {
            write!(f, "{}{region}", if i > 0 { "," } else { "" })?;
        }
        if self.len() > SHOWN {
            write!(f, ", … {} in all", self.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_intervals_hold_all_of_many(
            many in prop::collection::vec((0i64..10_000, 0i64..8, 0usize..3), 0..200),
            most in 1usize..40,
        ) {
            let name = |n: &usize| ["chr1", "chr2", "*"][*n];
            let set: RegionSet =
                many.iter().map(|(start, more, n)| Region::new(name(n), Interval::new(*start, start + more).unwrap())).collect();
            let few = set.at_most(most);
            prop_assert!(few.len() <= most.max(3), "{} of {}", few.len(), set.len());
            prop_assert!(set.len() > most || few == set);
            prop_assert_eq!(set.intersection(&few), set);
        }

        #[test]
        fn pieces_in_any_order_make_the_same_set(
            pieces in prop::collection::vec(prop::collection::vec((0i64..300, 0i64..8), 0..6), 0..8),
            sorted: bool,
        ) {
            let interval = |(start, more): &(i64, i64)| Interval::new(*start, start + more).unwrap();
            let mut all: Vec<Interval> = pieces.iter().flatten().map(interval).collect();
            let mut pieces: Vec<Vec<Interval>> = pieces.iter().map(|p| p.iter().map(interval).collect()).collect();
            if sorted {
                all.sort_unstable();
                pieces = all.chunks(3).map(<[_]>::to_vec).collect();
            }
            let mut set = RegionSet::empty();
            for piece in pieces {
                set.add("chr1", piece);
            }
            let covered = |base: i64| all.iter().any(|i| i.overlaps(base, base));
            for base in 0..320 {
                prop_assert_eq!(set.overlaps("chr1", base, base), covered(base), "{} of {}", base, set);
            }
            let list = set.intervals("chr1");
            prop_assert!(list.windows(2).all(|w| w[0].end().get() + 1 < w[1].start().get()), "{}", set);
        }
    }
}
