//! Malformed records that a scan left out or read with nulls: counted all, and the first ones told.

use crate::error::Error;

/// What a scan that goes on after errors met.
#[derive(Debug, Default)]
pub struct BadRecords {
    /// Records left out.
    pub skipped: u64,
    /// Values that are null because the file's are malformed.
    pub nulled: u64,
    /// Some of them, in no order where partitions run at the same time.
    pub examples: Vec<BadRecord>,
}

/// A malformed record.
#[derive(Debug)]
pub struct BadRecord {
    /// Whether it is a row with a null, else it is left out.
    pub kept: bool,
    /// What is wrong with it, and where.
    pub error: Error,
}

impl BadRecords {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.skipped == 0 && self.nulled == 0
    }

    /// Adds a record that is left out.
    pub(super) fn skip(&mut self, error: Error) {
        self.skipped += 1;
        self.examples.push(BadRecord { kept: false, error });
    }

    /// Adds a value that is null.
    pub(super) fn null(&mut self, error: Error) {
        self.nulled += 1;
        self.examples.push(BadRecord { kept: true, error });
    }

    /// Adds `others`, of whose examples at most `most` are kept altogether.
    ///
    /// ```
    /// use genomicframe_core::scan::BadRecords;
    ///
    /// let mut all = BadRecords::default();
    /// all.add(BadRecords { skipped: 3, ..BadRecords::default() }, 10);
    /// assert_eq!((all.skipped, all.is_empty()), (3, false));
    /// ```
    pub fn add(&mut self, others: Self, most: usize) {
        self.skipped += others.skipped;
        self.nulled += others.nulled;
        let room = most.saturating_sub(self.examples.len());
        self.examples.extend(others.examples.into_iter().take(room));
    }

    /// The same, each named as one of `object`.
    pub(super) fn in_object(mut self, object: &impl std::fmt::Display) -> Self {
        let named = |bad: BadRecord| BadRecord { error: bad.error.in_object(object), ..bad };
        self.examples = self.examples.into_iter().map(named).collect();
        self
    }
}
