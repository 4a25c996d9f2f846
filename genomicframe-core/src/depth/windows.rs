//! What windows lie where, and what is summed up in each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};

/// What is told of the depths of a window's bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Statistic {
    /// Their mean, an `f64`.
    Mean,
    /// The middle one, of an even number the lower of the two, a `u32`.
    Median,
    /// Their standard deviation (of all bases, divided by their number), an `f64`.
    Std,
    /// The least, a `u32`.
    Min,
    /// The greatest, a `u32`.
    Max,
}

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Mean, Self::Median, Self::Std, Self::Min, Self::Max];

    /// The column's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Std => "std",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// The one of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// A window, 0-based and half-open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Its first base.
    pub start: i64,
    /// The base behind its last one.
    pub end: i64,
    /// What it is called.
    pub name: Option<Arc<str>>,
}

/// Windows in which depth is summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Windows {
    /// Of `size` bases, one each `step` bases; those at the end of what is asked for are cut there.
    Fixed {
        /// Bases of each.
        size: u64,
        /// Bases from the start of one to that of the next.
        step: u64,
    },
    /// Those of each contig, by its number, sorted by start.
    Listed {
        /// The windows.
        windows: Arc<BTreeMap<usize, Vec<Window>>>,
        /// Whether rows have a column for names.
        named: bool,
    },
}

impl Windows {
    /// Windows of `size` bases, one each `step` bases.
    ///
    /// # Errors
    /// When one of them is 0, or no `i64`.
    pub fn fixed(size: u64, step: u64) -> Result<Self> {
        for (what, bases) in [("size", size), ("step", step)] {
            if bases == 0 || i64::try_from(bases).is_err() {
                return Err(Error::invalid(format!("the {what} of a window cannot be {bases} bp")));
            }
        }
        Ok(Self::Fixed { size, step })
    }

    /// Windows of a list, with the numbers of their contigs.
    pub fn listed(windows: impl IntoIterator<Item = (usize, Window)>) -> Self {
        let mut by_contig: BTreeMap<usize, Vec<Window>> = BTreeMap::new();
        let mut named = false;
        for (contig, window) in windows {
            named |= window.name.is_some();
            by_contig.entry(contig).or_default().push(window);
        }
        // Of the same start, the order of the list stays.
        by_contig.values_mut().for_each(|windows| windows.sort_by_key(|w| w.start));
        Self::Listed { windows: Arc::new(by_contig), named }
    }
}

/// The depths of a window's bases so far.
#[derive(Debug)]
pub(super) struct Sums {
    pub(super) window: Window,
    bases: u64,
    sum: u128,
    squares: u128,
    least: u32,
    most: u32,
    /// Bases of each depth, where the median is asked for.
    counts: Option<BTreeMap<u32, u64>>,
    /// Bases of at least each threshold.
    at_least: Vec<u64>,
}

impl Sums {
    pub(super) fn new(window: Window, thresholds: usize, median: bool) -> Self {
        Self {
            window,
            bases: 0,
            sum: 0,
            squares: 0,
            least: u32::MAX,
            most: 0,
            counts: median.then(BTreeMap::new),
            at_least: vec![0; thresholds],
        }
    }

    /// Adds `bases` bases of one depth.
    #[inline]
    pub(super) fn add(&mut self, bases: u64, depth: u32, thresholds: &[u32]) {
        self.bases += bases;
        let sum = u128::from(bases) * u128::from(depth);
        self.sum += sum;
        self.squares += sum * u128::from(depth);
        self.least = self.least.min(depth);
        self.most = self.most.max(depth);
        if let Some(counts) = &mut self.counts {
            *counts.entry(depth).or_default() += bases;
        }
        for (count, threshold) in self.at_least.iter_mut().zip(thresholds) {
            *count += if depth >= *threshold { bases } else { 0 };
        }
    }

    /// 0 without bases, as mosdepth has it.
    pub(super) fn mean(&self) -> f64 {
        if self.bases == 0 { 0.0 } else { self.sum as f64 / self.bases as f64 }
    }

    pub(super) fn std(&self) -> f64 {
        if self.bases == 0 {
            return 0.0;
        }
        // n·Σx² - (Σx)², in whole numbers where they fit: of nearly equal depths little is left of large sums.
        let n = u128::from(self.bases);
        let spread = match (n.checked_mul(self.squares), self.sum.checked_mul(self.sum)) {
            (Some(a), Some(b)) => a.saturating_sub(b) as f64,
            _ => (n as f64 * self.squares as f64 - self.sum as f64 * self.sum as f64).max(0.0),
        };
        spread.sqrt() / n as f64
    }

    pub(super) fn min(&self) -> u32 {
        if self.bases == 0 { 0 } else { self.least }
    }

    pub(super) fn max(&self) -> u32 {
        self.most
    }

    pub(super) fn median(&self) -> u32 {
        let middle = self.bases.div_ceil(2);
        let mut seen = 0;
        let counts = self.counts.iter().flatten();
        let found = counts.map(|(depth, bases)| {
            seen += bases;
            (*depth, seen)
        });
        found.into_iter().find(|(_, seen)| *seen >= middle).map_or(0, |(depth, _)| depth)
    }

    pub(super) fn at_least(&self) -> &[u64] {
        &self.at_least
    }
}
