//! A record's span, and the filter on it.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Segment, Until};
use crate::error::{Error, Result};
use crate::genome::{Interval, RegionSet};

/// The columns that hold a record's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanColumns {
    /// The contig's name.
    pub contig: &'static str,
    /// The first position.
    pub start: &'static str,
    /// The last position (1-based), or the one after it (0-based).
    pub end: &'static str,
    /// Whether `start` is 0-based and `end` excluded, as in BED.
    pub zero_based: bool,
}

/// Keeps the records that overlap a region set. Expects them by contig, as sorted files have them, and is fast then.
#[derive(Debug)]
pub struct SpanFilter {
    regions: Arc<RegionSet>,
    contig: Vec<u8>,
    intervals: Arc<Vec<Interval>>,
    /// The first interval that ends at or after the last record's start.
    next: usize,
    last_start: i64,
    /// Whether an index chose what is read: then an unsorted file would lose rows, so it is an error.
    must_be_sorted: bool,
    /// The contigs that came before, where the file must be sorted.
    left: HashSet<Vec<u8>>,
    /// The last place that is wanted of the segment, its position if that is on the last record's contig, and whether a
    /// record lies beyond it.
    until: Option<Until>,
    last_wanted: i64,
    is_past: bool,
    /// Whether a record without a position belongs nowhere.
    strict: bool,
}

impl SpanFilter {
    /// A filter that keeps what overlaps `regions`.
    pub fn new(regions: Arc<RegionSet>, must_be_sorted: bool) -> Self {
        Self {
            regions,
            contig: Vec::new(),
            intervals: Arc::default(),
            next: 0,
            last_start: i64::MIN,
            must_be_sorted,
            left: HashSet::new(),
            until: None,
            last_wanted: i64::MAX,
            is_past: false,
            strict: false,
        }
    }

    /// The same, for records that have a position only, as the condition [`Condition::Overlaps`](super::Condition) is.
    #[must_use]
    pub fn strictly(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// The records of `segment` follow.
    pub fn begin(&mut self, segment: &Segment) {
        self.until.clone_from(&segment.until);
        self.is_past = false;
        self.find_last_wanted();
    }

    fn find_last_wanted(&mut self) {
        let here = self.until.as_ref().filter(|until| until.contig.as_bytes() == self.contig);
        self.last_wanted = here.map_or(i64::MAX, |until| until.position);
    }

    /// Whether the last record lies beyond all that is wanted of the segment.
    pub fn is_past(&self) -> bool {
        self.is_past
    }

    /// Whether the record at `start..=end` (1-based) of `contig` overlaps the set.
    ///
    /// # Errors
    /// When the file must be sorted and this record shows that it is not.
    pub fn keeps(&mut self, contig: &[u8], start: i64, end: i64) -> Result<bool> {
        self.enter(contig)?;
        self.keeps_here(start, || Ok(end))
    }

    /// The next record lies on `contig`.
    ///
    /// # Errors
    /// When the file must be sorted and this contig was left before.
    pub fn enter(&mut self, contig: &[u8]) -> Result<()> {
        if contig != self.contig {
            if self.must_be_sorted {
                self.left.insert(std::mem::take(&mut self.contig));
                if self.left.contains(contig) {
                    let name = String::from_utf8_lossy(contig);
                    return Err(unsorted(&format!("contig {name} comes again after another")));
                }
            }
            self.contig.clear();
            self.contig.extend_from_slice(contig);
            let name = std::str::from_utf8(contig).unwrap_or_default();
            self.intervals = self.regions.shared(name);
            self.next = 0;
            self.last_start = i64::MIN;
            self.find_last_wanted();
        }
        Ok(())
    }

    /// Whether the record at `start..=end` of the contig entered last overlaps the set. Its end is asked for where it matters.
    ///
    /// # Errors
    /// When the file must be sorted and this record shows that it is not; what `end` fails with.
    #[inline]
    pub fn keeps_here(&mut self, start: i64, end: impl FnOnce() -> Result<i64>) -> Result<bool> {
        if start < self.last_start {
            if self.must_be_sorted {
                return Err(unsorted(&format!("{start} follows {}", self.last_start)));
            }
            self.next = self.intervals.partition_point(|i| i.end().get() < start);
        }
        self.last_start = start;
        while self.intervals.get(self.next).is_some_and(|i| i.end().get() < start) {
            self.next += 1;
        }
        let kept = match self.intervals.get(self.next).map(|i| i.start().get()) {
            // A zero-length record ends before its start.
            Some(from) if start > from => true,
            Some(from) => from <= end()?,
            None => false,
        };
        self.is_past = !kept && start > self.last_wanted;
        Ok(kept)
    }

    /// Whether a record that has a contig but no position belongs: to the whole contig only.
    pub fn keeps_without_position(&self, contig: &[u8]) -> bool {
        !self.strict && std::str::from_utf8(contig).is_ok_and(|name| self.regions.intervals(name) == [Interval::ALL])
    }

    /// Whether a record without a contig belongs.
    pub fn keeps_unplaced(&self) -> bool {
        self.regions.has_unplaced()
    }
}

fn unsorted(why: &str) -> Error {
    Error::corrupt(format!("the file has an index but is not sorted: {why}"))
        .hint("sort and index it again, or read it without its index")
}
