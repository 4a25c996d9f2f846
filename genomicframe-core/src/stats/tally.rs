//! Rows counted by a text that mostly repeats from row to row: contigs, filters, feature types.

use std::collections::{BTreeMap, HashMap};

use arrow::array::{Array, StringViewArray};

use crate::genome::Contigs;

/// Counts of rows by the text of a column, `N` kinds of rows apart from each other.
///
/// ```
/// use arrow::array::StringViewArray;
/// use genomicframe_core::stats::Tally;
///
/// let mut tally = Tally::<1>::default();
/// tally.add(&StringViewArray::from(vec![Some("chr1"), Some("chr1"), None]), |_| 0);
/// assert_eq!(tally.iter().collect::<Vec<_>>(), [("chr1", [2])]);
/// assert_eq!(tally.none(), [1]);
/// ```
#[derive(Debug, Clone)]
pub struct Tally<const N: usize> {
    entries: Vec<(String, [u64; N])>,
    places: HashMap<String, usize>,
    none: [u64; N],
}

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self { entries: Vec::new(), places: HashMap::new(), none: [0; N] }
    }
}

/// Texts that were met lately, found by their views.
const RECENT: usize = 64;
/// Bytes of a text that its view holds whole.
const INLINE: u32 = 12;

impl<const N: usize> Tally<N> {
    /// Counts the rows of a batch; `kind` tells which of the `N` kinds a row is.
    pub fn add(&mut self, texts: &StringViewArray, kind: impl Fn(usize) -> usize) {
        let views = texts.views();
        let nulls = texts.nulls().filter(|n| n.null_count() > 0);
        let (mut last, mut place) = (None, 0);
        let mut recent = [(0u128, usize::MAX); RECENT];
        for (row, view) in views.iter().enumerate() {
            if nulls.is_some_and(|n| n.is_null(row)) {
                self.none[kind(row)] += 1;
                continue;
            }
            if last != Some(*view) {
                // Equal views are equal texts; of long texts equal ones may have different views.
                let slot = &mut recent[slot_of(*view)];
                let is_known = slot.0 == *view && slot.1 != usize::MAX;
                place = if is_known { slot.1 } else { self.place(texts.value(row), place) };
                *slot = (*view, place);
                last = Some(*view);
            }
            self.entries[place].1[kind(row)] += 1;
        }
    }

    /// The place of a text among the entries, which is `likely` where the same long text repeats.
    fn place(&mut self, text: &str, likely: usize) -> usize {
        if text.len() > INLINE as usize && self.entries.get(likely).is_some_and(|(known, _)| known == text) {
            return likely;
        }
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        self.entries.push((text.to_owned(), [0; N]));
        self.places.insert(text.to_owned(), self.entries.len() - 1);
        self.entries.len() - 1
    }

    /// Adds to the counts of a text; `None`: of rows without one.
    pub fn add_counts(&mut self, text: Option<&str>, counts: [u64; N]) {
        let sums = match text {
            Some(text) => {
                let place = self.place(text, usize::MAX);
                &mut self.entries[place].1
            }
            None => &mut self.none,
        };
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }

    /// Adds the counts of other rows.
    pub fn merge(&mut self, other: &Self) {
        for (text, counts) in &other.entries {
            self.add_counts(Some(text), *counts);
        }
        self.add_counts(None, other.none);
    }

    /// Each text with its counts: in the order in which they were met, or that they were put in.
    pub fn iter(&self) -> impl Iterator<Item = (&str, [u64; N])> {
        self.entries.iter().map(|(text, counts)| (text.as_str(), *counts))
    }

    /// Counts of rows without a text.
    pub fn none(&self) -> [u64; N] {
        self.none
    }

    /// Puts contigs in the header's order; those that it lacks come last, by name, `chr2` before `chr10`.
    pub fn sort_as(&mut self, contigs: &Contigs) {
        self.entries.sort_by_cached_key(|(text, _)| match contigs.get(text) {
            Some(id) => (id, Vec::new(), String::new()),
            None => (usize::MAX, parts(text), text.clone()),
        });
        self.find_places();
    }

    /// Puts the most frequent texts first; equally frequent ones by name.
    pub fn sort_by_count(&mut self) {
        let rows = |counts: &[u64; N]| counts.iter().sum::<u64>();
        self.entries.sort_by(|(a, n), (b, m)| rows(m).cmp(&rows(n)).then_with(|| a.cmp(b)));
        self.find_places();
    }

    fn find_places(&mut self) {
        for (i, (text, _)) in self.entries.iter().enumerate() {
            if let Some(place) = self.places.get_mut(text) {
                *place = i;
            }
        }
    }
}

/// A name in parts that are in order when numbers in it are: letters, then how many digits, then the digits.
fn parts(mut name: &str) -> Vec<(String, usize, String)> {
    let mut parts = Vec::new();
    while !name.is_empty() {
        let (letters, rest) = name.split_at(name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len()));
        let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let number = digits.trim_start_matches('0');
        parts.push((letters.to_owned(), number.len(), number.to_owned()));
        name = rest;
    }
    parts
}

fn slot_of(view: u128) -> usize {
    let folded = (view as u64) ^ (view >> 64) as u64;
    (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

/// The same counts, in whatever order.
impl<const N: usize> PartialEq for Tally<N> {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |tally: &Self| tally.iter().map(|(t, n)| (t.to_owned(), n)).collect::<BTreeMap<_, _>>();
        self.none == other.none && sorted(self) == sorted(other)
    }
}

impl<const N: usize> Eq for Tally<N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_texts_are_counted_in_any_order() {
        let names: Vec<String> =
            (0..200).map(|i| format!("{}{i}", if i % 2 == 0 { "s" } else { "a_long_name_" })).collect();
        let rows: Vec<Option<&str>> =
            (0..5000).map(|row| (row % 7 > 0).then(|| names[(row * row / 3) % names.len()].as_str())).collect();
        let mut expected = BTreeMap::<&str, [u64; 2]>::new();
        for (row, name) in rows.iter().enumerate() {
            if let Some(name) = name {
                expected.entry(name).or_default()[row % 2] += 1;
            }
        }
        let mut tally = Tally::<2>::default();
        for (i, part) in rows.chunks(777).enumerate() {
            tally.add(&StringViewArray::from(part.to_vec()), |row| (i * 777 + row) % 2);
        }
        assert_eq!(tally.iter().collect::<BTreeMap<_, _>>(), expected);
        assert_eq!(tally.none().iter().sum::<u64>(), 715);
        let before = tally.clone();
        tally.sort_by_count();
        tally.merge(&Tally::default());
        assert_eq!(tally, before);
        tally.merge(&before);
        assert_eq!(tally.iter().map(|(t, n)| (t, [n[0] / 2, n[1] / 2])).collect::<BTreeMap<_, _>>(), expected);
    }

    #[test]
    fn contigs_stand_in_the_headers_order() {
        let mut tally = Tally::<1>::default();
        tally.add(&StringViewArray::from(vec!["chr2", "b", "chr10", "a", "chr1"]), |_| 0);
        tally.sort_as(&["chr1", "chr2", "chr10"].into_iter().collect());
        assert_eq!(tally.iter().map(|(t, _)| t).collect::<Vec<_>>(), ["chr1", "chr2", "chr10", "a", "b"]);
        tally.sort_as(&Contigs::default());
        assert_eq!(tally.iter().map(|(t, _)| t).collect::<Vec<_>>(), ["a", "b", "chr1", "chr2", "chr10"]);
    }
}
