//! What the verbs may be told.

use std::fmt;

use genomicframe_core::intervals::{Choice, Ties};

/// On which side of a row neighbours are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Direction {
    /// On both.
    #[default]
    Both,
    /// Before it as it is read: at smaller positions, or larger ones where `strand` is `-`.
    Upstream,
    /// Behind it as it is read: at larger positions, or smaller ones where `strand` is `-`.
    Downstream,
}

/// Which strands of two rows go together, told by their column `strand`. A row whose strand is neither `+` nor `-` has no
/// partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strands {
    /// Both `+`, or both `-`.
    Same,
    /// One `+`, the other `-`.
    Opposite,
}

impl Strands {
    /// The strand of a partner of a row on `own`.
    pub(super) fn partner(self, own: &str) -> Option<&'static str> {
        match (self, own) {
            (Self::Same, "+") | (Self::Opposite, "-") => Some("+"),
            (Self::Same, "-") | (Self::Opposite, "+") => Some("-"),
            _ => None,
        }
    }
}

/// Which neighbours [`GenomicFrame::nearest`](crate::GenomicFrame::nearest) finds: unless told otherwise the one nearest,
/// wherever it lies.
///
/// ```
/// use genomicframe::{Direction, NearestOptions};
///
/// let options = NearestOptions::new().k(3).direction(Direction::Upstream).max_distance(10_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NearestOptions {
    choice: Choice,
    direction: Direction,
    strands: Option<Strands>,
}

impl NearestOptions {
    /// The nearest one.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many of the nearest; at least one.
    pub fn k(mut self, k: usize) -> Self {
        self.choice.k = k.max(1);
        self
    }

    /// What to do when several lie equally near: the first by start, end and row, or all of them.
    pub fn ties(mut self, ties: Ties) -> Self {
        self.choice.ties = ties;
        self
    }

    /// Leaves out what overlaps the row.
    pub fn ignore_overlaps(mut self) -> Self {
        self.choice.overlapping = false;
        self
    }

    /// Only on this side of the row; what overlaps it belongs to both.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Only those on the same strand. A row whose strand is not known has no neighbour.
    pub fn same_strand(mut self) -> Self {
        self.strands = Some(Strands::Same);
        self
    }

    /// Only those on the opposite strand. A row whose strand is not known has no neighbour.
    pub fn opposite_strand(mut self) -> Self {
        self.strands = Some(Strands::Opposite);
        self
    }

    /// None with more bases in between.
    pub fn max_distance(mut self, bases: u64) -> Self {
        self.choice.max_distance = i64::try_from(bases).unwrap_or(i64::MAX);
        self
    }

    /// Of how many of its inputs, from the first on, the strand matters.
    pub(super) fn stranded_inputs(&self) -> usize {
        match (self.strands, self.direction) {
            (Some(_), _) => 2,
            (None, Direction::Both) => 0,
            (None, _) => 1,
        }
    }

    /// Which strands go together, where it matters.
    pub(super) fn strands(&self) -> Option<Strands> {
        self.strands
    }

    /// How far from a row its neighbours may lie: bases from its ends to theirs; `None` where any may be one.
    pub(super) fn reach(&self) -> Option<i64> {
        (self.choice.max_distance < i64::MAX).then(|| self.choice.max_distance + 1)
    }

    /// The choice for a row, which is read backwards on the reverse strand.
    pub(super) fn choice(&self, backwards: impl FnOnce() -> bool) -> Choice {
        let (before, behind) = match self.direction {
            Direction::Both => (true, true),
            Direction::Upstream => {
                let backwards = backwards();
                (!backwards, backwards)
            }
            Direction::Downstream => {
                let backwards = backwards();
                (backwards, !backwards)
            }
        };
        Choice { before, behind, ..self.choice }
    }
}

/// Which intervals [`GenomicFrame::merge`](crate::GenomicFrame::merge) and
/// [`GenomicFrame::cluster`](crate::GenomicFrame::cluster) join: unless told otherwise those that overlap or touch.
///
/// ```
/// use genomicframe::MergeOptions;
///
/// let options = MergeOptions::new().distance(100).stranded(true);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MergeOptions {
    pub(super) distance: i64,
    pub(super) stranded: bool,
}

impl MergeOptions {
    /// Those that overlap or touch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also those with at most so many bases in between; below zero only those that share so many.
    pub fn distance(mut self, bases: i64) -> Self {
        self.distance = bases;
        self
    }

    /// Only those of the same `strand`.
    pub fn stranded(mut self, stranded: bool) -> Self {
        self.stranded = stranded;
        self
    }
}

impl fmt::Display for NearestOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choice { k, ties, overlapping, max_distance, .. } = self.choice;
        write!(f, "k={k}, ties={ties:?}, direction={:?}", self.direction)?;
        if !overlapping {
            f.write_str(", ignore_overlaps")?;
        }
        if let Some(strands) = self.strands {
            write!(f, ", strand={strands:?}")?;
        }
        if max_distance < i64::MAX {
            write!(f, ", max_distance={max_distance}")?;
        }
        Ok(())
    }
}

impl fmt::Display for MergeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "distance={}{}", self.distance, if self.stranded { ", stranded" } else { "" })
    }
}
