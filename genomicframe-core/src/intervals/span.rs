//! The interval that the kernels take.

/// A 1-based span of a contig with both ends included. One of zero length lies between the bases `end` and `start`, which
/// is `end + 1`.
///
/// Positions stay far from the ends of the numbers, so that lengths and distances cannot overflow.
///
/// ```
/// use genomicframe_core::intervals::Span;
///
/// let exon = Span::new(101, 200).unwrap();
/// assert_eq!(exon, Span::from_zero_based(100, 200).unwrap());
/// assert_eq!(exon.len(), 100);
/// assert!(Span::from_zero_based(100, 100).unwrap().is_empty());
/// assert!(Span::from_zero_based(100, 99).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    start: i64,
    end: i64,
}

/// Beyond every contig, and far from overflow.
const FARTHEST: i64 = 1 << 60;

impl Span {
    /// `None` when the end lies before `start - 1`, or a position is not within ±2⁶⁰.
    #[inline]
    pub const fn new(start: i64, end: i64) -> Option<Self> {
        if -FARTHEST < start && end < FARTHEST && start - 1 <= end { Some(Self { start, end }) } else { None }
    }

    /// From a 0-based, half-open pair as BED writes it; `None` as in [`Span::new`].
    #[inline]
    pub const fn from_zero_based(start: i64, end: i64) -> Option<Self> {
        match start.checked_add(1) {
            Some(start) => Self::new(start, end),
            None => None,
        }
    }

    /// What is known to be a span: its ends come from spans.
    pub(super) const fn of(start: i64, end: i64) -> Self {
        Self { start, end }
    }

    /// First base.
    #[inline]
    pub const fn start(self) -> i64 {
        self.start
    }

    /// Last base; the one before `start` when there is none.
    #[inline]
    pub const fn end(self) -> i64 {
        self.end
    }

    /// Number of bases.
    #[inline]
    pub const fn len(self) -> i64 {
        self.end - self.start + 1
    }

    /// Whether it lies between two bases and holds none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.end < self.start
    }

    /// Whether the two share a base; one of zero length overlaps what holds the bases on both sides of it.
    #[inline]
    pub const fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && self.end >= other.start
    }
}
