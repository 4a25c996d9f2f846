//! Spans of a contig.

use std::fmt;

use super::Position;

/// A 1-based span with both ends included; never empty.
///
/// ```
/// use genomicframe_core::genome::Interval;
///
/// let exon = Interval::new(101, 200).unwrap();
/// assert_eq!(exon, Interval::from_zero_based(100, 200).unwrap());
/// assert!(exon.overlaps(200, 300) && !exon.overlaps(201, 300));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    start: Position,
    end: Position,
}

impl Interval {
    /// Every position of a contig.
    pub const ALL: Self = Self { start: Position::MIN, end: Position::MAX };

    /// `None` when a bound is negative or the span is empty.
    pub fn new(start: i64, end: i64) -> Option<Self> {
        let (start, end) = (Position::new(start)?, Position::new(end)?);
        (start <= end).then_some(Self { start, end })
    }

    /// From a 0-based, half-open pair as BED writes it; `None` when negative or empty.
    pub fn from_zero_based(start: i64, end: i64) -> Option<Self> {
        if start < 0 { None } else { Self::new(start.checked_add(1)?, end) }
    }

    /// First position.
    pub const fn start(self) -> Position {
        self.start
    }

    /// Last position.
    pub const fn end(self) -> Position {
        self.end
    }

    /// Whether the span `start..=end` touches this one.
    pub const fn overlaps(self, start: i64, end: i64) -> bool {
        start <= self.end.get() && end >= self.start.get()
    }

    /// The span from the first base of either to the last one.
    #[must_use]
    pub fn through(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// What both share.
    pub fn intersection(self, other: Self) -> Option<Self> {
        Self::new(self.start.max(other.start).get(), self.end.min(other.end).get())
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.start.get(), self.end) {
            (0 | 1, Position::MAX) => Ok(()),
            (start, Position::MAX) => write!(f, "{start}-"),
            (start, end) => write!(f, "{start}-{end}"),
        }
    }
}
