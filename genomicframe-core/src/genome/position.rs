//! Positions on a contig.

use std::fmt;

/// A 1-based position. Zero is the telomere before the first base, which VCF §1.6.1 allows.
///
/// ```
/// use genomicframe_core::genome::Position;
///
/// assert_eq!(Position::new(100).unwrap().get(), 100);
/// assert!(Position::new(-1).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(i64);

impl Position {
    /// The telomere, before every base.
    pub const MIN: Self = Self(0);
    /// After every base of every contig.
    pub const MAX: Self = Self(i64::MAX);

    /// `None` when negative.
    pub const fn new(position: i64) -> Option<Self> {
        if position < 0 { None } else { Some(Self(position)) }
    }

    /// The number as the file's text shows it.
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The number, clamped to what a position can be: for bounds that come from arithmetic.
    pub const fn saturating(position: i64) -> Self {
        Self(if position < 0 { 0 } else { position })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
