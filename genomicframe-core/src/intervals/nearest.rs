//! The intervals that lie nearest to a span.

use std::sync::OnceLock;

use super::Span;
use super::positions::{Positions, order, sorted};
use super::steps::Steps;

/// What to do when several lie equally near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Ties {
    /// The first by start, then end, then row.
    #[default]
    First,
    /// All of them: more than were asked for.
    All,
}

/// Which intervals are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Choice {
    /// How many.
    pub k: usize,
    /// When several lie equally near.
    pub ties: Ties,
    /// Those that overlap the span, which are nearest of all.
    pub overlapping: bool,
    /// Those that end before the span starts.
    pub before: bool,
    /// Those that start behind the span's end.
    pub behind: bool,
    /// None further away than this.
    pub max_distance: i64,
}

impl Default for Choice {
    /// The nearest one, however far and wherever it lies.
    fn default() -> Self {
        Self { k: 1, ties: Ties::First, overlapping: true, before: true, behind: true, max_distance: i64::MAX }
    }
}

/// An interval near a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Its row.
    pub row: u32,
    /// The number of bases between the two: 0 when they overlap, and also when they touch.
    pub distance: i64,
}

/// The intervals of one contig, asked which lie nearest to a span.
///
/// What overlaps the span is nearer than everything else; else the number of bases between decides, so that touching
/// (book-ended) intervals are at distance 0. `bedtools closest -d` says 0 for what overlaps and one more than the number
/// of bases between for the others.
///
/// ```
/// use genomicframe_core::intervals::{Choice, Neighbour, Neighbours, Span};
///
/// let span = |start, end| Span::new(start, end).unwrap();
/// let genes = Neighbours::try_of(&[span(1, 10), span(50, 60)]).unwrap();
/// let mut found = Vec::new();
/// genes.nearest(span(21, 30), Choice::default(), &mut found);
/// assert_eq!(found, [Neighbour { row: 0, distance: 10 }]);
/// ```
#[derive(Debug)]
pub struct Neighbours {
    /// By start, end and row, as are `ends`, `reach` and `rows`.
    starts: Positions,
    ends: Vec<i64>,
    /// The last end of all up to here: the first place whose reach is at a position or later ends there itself.
    reach: Vec<i64>,
    /// Made when more than the first of those that overlap a span are asked for.
    steps: OnceLock<Steps>,
    /// `None` when the intervals came in order.
    rows: Option<Vec<u32>>,
    sorted_ends: Positions,
    /// Places in the order of their ends; `None` when it is the same.
    by_end: Option<Vec<u32>>,
}

impl Neighbours {
    /// Of intervals in any order, row `i` being `spans[i]`. `None` when there are more than `u32::MAX`.
    pub fn try_of(spans: &[Span]) -> Option<Self> {
        let number = u32::try_from(spans.len()).ok().filter(|_| spans.len() <= Steps::MOST)?;
        let rows = (!spans.is_sorted()).then(|| {
            let mut rows: Vec<u32> = (0..number).collect();
            rows.sort_by_key(|&row| spans[row as usize]);
            rows
        });
        let in_order = |of: fn(Span) -> i64| -> Vec<i64> {
            match &rows {
                None => spans.iter().map(|span| of(*span)).collect(),
                Some(rows) => rows.iter().map(|&row| of(spans[row as usize])).collect(),
            }
        };
        let (starts, ends) = (Positions::of_sorted(in_order(Span::start)), in_order(Span::end));
        let mut last = i64::MIN;
        let reach = ends.iter().map(|end| {
            last = last.max(*end);
            last
        });
        let reach = reach.collect();
        let (by_end, sorted_ends) = (order(&ends), Positions::of_sorted(sorted(ends.clone())));
        Some(Self { starts, ends, reach, steps: OnceLock::new(), rows, sorted_ends, by_end })
    }

    /// Appends the nearest to `span`, the nearest first; of equally near ones those before the span come first.
    ///
    /// With [`Ties::First`] there are at most `k`; with [`Ties::All`] as many more as lie as near as the last.
    pub fn nearest(&self, span: Span, choice: Choice, found: &mut Vec<Neighbour>) {
        let wanted = found.len().saturating_add(choice.k);
        let most = if choice.ties == Ties::First { wanted } else { usize::MAX };
        // Places from here on start behind the span.
        let behind = self.starts.up_to(span.end());
        if choice.overlapping && choice.max_distance >= 0 && choice.k > 0 {
            self.overlapping(span, behind, most, found);
        }
        let (mut before, mut behind) = (self.sorted_ends.below(span.start()), behind);
        while found.len() < wanted {
            let left = if choice.before { before.checked_sub(1) } else { None };
            let left = left.and_then(|last| self.sorted_ends.values().get(last)).map(|end| span.start() - end - 1);
            let right = if choice.behind { self.next_behind(span, &mut behind, choice.before) } else { None };
            let Some(distance) = left.into_iter().chain(right).min().filter(|d| *d <= choice.max_distance) else {
                break;
            };
            if left == Some(distance) {
                let end = span.start() - distance - 1;
                let first = self.sorted_ends.below(end);
                for at in first..before.min(first.saturating_add(most - found.len())) {
                    found.push(self.neighbour(self.place_by_end(at), distance));
                }
                before = first;
            }
            if right == Some(distance) {
                let start = span.end() + distance + 1;
                while found.len() < most && self.starts.values().get(behind) == Some(&start) {
                    found.push(self.neighbour(behind, distance));
                    behind += 1;
                    if self.next_behind(span, &mut behind, choice.before) != Some(distance) {
                        break;
                    }
                }
            }
        }
    }

    /// Appends those that overlap, in order, until there are `most`.
    fn overlapping(&self, span: Span, behind: usize, most: usize, found: &mut Vec<Neighbour>) {
        let Some(reach) = self.reach.get(..behind) else { return };
        if reach.last().is_none_or(|reach| *reach < span.start()) {
            return;
        }
        if most == found.len() + 1 {
            found.push(self.neighbour(first_reaching(reach, span.start()), 0));
            return;
        }
        let from = found.len();
        let steps = self.steps.get_or_init(|| Steps::of(&self.ends));
        steps.walk(&self.ends, behind, span.start(), |at| found.push(self.neighbour(at, 0)));
        if let Some(overlapping) = found.get_mut(from..) {
            overlapping.reverse();
        }
        found.truncate(most);
    }

    /// How far the next one behind the span is. Of two of zero length at the same place each lies before and behind the
    /// other; where those before are wanted too, it is one of these.
    #[inline]
    fn next_behind(&self, span: Span, behind: &mut usize, counted_before: bool) -> Option<i64> {
        while counted_before && self.ends.get(*behind).is_some_and(|end| *end < span.start()) {
            *behind += 1;
        }
        self.starts.values().get(*behind).map(|start| start - span.end() - 1)
    }

    fn place_by_end(&self, at: usize) -> usize {
        self.by_end.as_ref().map_or(at, |places| places[at] as usize)
    }

    fn neighbour(&self, place: usize, distance: i64) -> Neighbour {
        Neighbour { row: self.rows.as_ref().map_or(place as u32, |rows| rows[place]), distance }
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        let places = |of: &Option<Vec<u32>>| of.as_ref().map_or(0, |of| of.capacity() * size_of::<u32>());
        self.starts.memory()
            + self.sorted_ends.memory()
            + Steps::memory_of(self.ends.len())
            + (self.ends.capacity() + self.reach.capacity()) * size_of::<i64>()
            + places(&self.rows)
            + places(&self.by_end)
    }
}

/// The first place whose reach is at `start` or later: mostly near the end, so that steps from there double.
fn first_reaching(reach: &[i64], start: i64) -> usize {
    let mut step = 1;
    while step < reach.len() && reach[reach.len() - step] >= start {
        step *= 2;
    }
    let from = reach.len().saturating_sub(step);
    from + reach[from..].partition_point(|reach| *reach < start)
}

#[cfg(test)]
mod tests {
    use super::super::testing::spans;
    use super::*;
    use proptest::prelude::*;

    /// The distance, and whether it counts as further than overlapping.
    fn rank(span: Span, other: Span, choice: Choice) -> Option<(bool, i64)> {
        if other.overlaps(span) {
            return choice.overlapping.then_some((false, 0));
        }
        let before = (other.end() < span.start() && choice.before).then(|| span.start() - other.end() - 1);
        let behind = (other.start() > span.end() && choice.behind).then(|| other.start() - span.end() - 1);
        before.or(behind).map(|distance| (true, distance))
    }

    fn brute_force(rows: &[Span], span: Span, choice: Choice) -> Vec<Neighbour> {
        let mut ranked: Vec<_> = rows
            .iter()
            .enumerate()
            .filter_map(|(row, other)| {
                let rank = rank(span, *other, choice)?;
                (rank.1 <= choice.max_distance).then_some((rank, *other, row as u32))
            })
            .collect();
        ranked.sort_unstable();
        let last = choice.k.checked_sub(1).and_then(|k| ranked.get(k)).map(|kth| kth.0);
        let taken = ranked
            .iter()
            .enumerate()
            .filter(|(i, (rank, ..))| *i < choice.k || choice.ties == Ties::All && Some(*rank) == last);
        taken.map(|(_, (rank, _, row))| Neighbour { row: *row, distance: rank.1 }).collect()
    }

    fn choices() -> impl Strategy<Value = Choice> {
        let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        let far = prop_oneof![Just(i64::MAX), 0i64..20];
        (0usize..6, flags, far).prop_map(|(k, (all, overlapping, before, behind), max_distance)| Choice {
            k,
            ties: if all { Ties::All } else { Ties::First },
            overlapping,
            before,
            behind,
            max_distance,
        })
    }

    proptest! {
        #[test]
        fn finds_what_ranking_every_interval_does(
            rows in spans(40), asked in spans(20), choice in choices(), in_order in any::<bool>()
        ) {
            let mut rows = rows;
            if in_order {
                rows.sort_unstable();
            }
            let neighbours = Neighbours::try_of(&rows).unwrap();
            for span in asked {
                let mut found = vec![Neighbour { row: 7, distance: 7 }];
                neighbours.nearest(span, choice, &mut found);
                prop_assert_eq!(found.remove(0), Neighbour { row: 7, distance: 7 });
                prop_assert_eq!(&found, &brute_force(&rows, span, choice), "{:?} {:?}", span, choice);
            }
        }
    }
}
