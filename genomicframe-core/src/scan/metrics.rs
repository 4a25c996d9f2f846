//! What a scan did, counted while it runs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::BadRecords;

/// What a decoder counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records framed.
    pub seen: u64,
    /// Records that became rows.
    pub kept: u64,
    /// What was read leniently, and how often.
    pub warnings: Warnings,
    /// Time spent on finding where records end.
    pub frame: Duration,
    /// Time spent on conditions.
    pub filter: Duration,
    /// Time spent on values.
    pub build: Duration,
}

/// Things told instead of being errors, each with the number of times it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings(BTreeMap<String, u64>);

/// Kinds of warning kept apart; a hostile file cannot fill memory with them.
const KINDS: usize = 100;

impl Warnings {
    /// Counts one.
    pub fn add(&mut self, what: &str) {
        self.add_many(what, 1);
    }

    fn add_many(&mut self, what: &str, times: u64) {
        if let Some(n) = self.0.get_mut(what) {
            *n += times;
        } else if self.0.len() < KINDS {
            self.0.insert(what.to_owned(), times);
        } else {
            *self.0.entry("other warnings".to_owned()).or_default() += times;
        }
    }

    /// Adds all of `others`.
    pub fn merge(&mut self, others: &Self) {
        others.iter().for_each(|(what, times)| self.add_many(what, times));
    }

    /// What was told, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(what, n)| (what.as_str(), *n))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Examples of malformed records kept between two looks at them.
const EXAMPLES: usize = 10;

/// Counters of a scan, shared by its partitions.
#[derive(Debug, Default)]
pub struct ScanMetrics {
    /// Reads of the storage.
    pub requests: AtomicU64,
    /// Stored bytes that came.
    pub bytes_read: AtomicU64,
    /// Bytes after inflating.
    pub bytes_inflated: AtomicU64,
    /// Records framed.
    pub records_seen: AtomicU64,
    /// Records that became rows.
    pub records_kept: AtomicU64,
    /// Nanoseconds spent waiting for the storage.
    pub read_time: AtomicU64,
    /// Nanoseconds spent inflating.
    pub inflate_time: AtomicU64,
    /// Nanoseconds spent on finding where records end.
    pub frame_time: AtomicU64,
    /// Nanoseconds spent on conditions.
    pub filter_time: AtomicU64,
    /// Nanoseconds spent on values.
    pub build_time: AtomicU64,
    warnings: Mutex<Warnings>,
    bad: Mutex<BadRecords>,
}

impl ScanMetrics {
    /// Adds what a decoder counted since the last call.
    pub(super) fn add(&self, before: &Counts, now: &Counts) {
        self.records_seen.fetch_add(now.seen - before.seen, Ordering::Relaxed);
        self.records_kept.fetch_add(now.kept - before.kept, Ordering::Relaxed);
        for (sum, now, before) in [
            (&self.frame_time, now.frame, before.frame),
            (&self.filter_time, now.filter, before.filter),
            (&self.build_time, now.build, before.build),
        ] {
            add_time(sum, now.saturating_sub(before));
        }
        if now.warnings != before.warnings {
            for (what, n) in now.warnings.iter() {
                let told = before.warnings.0.get(what).copied().unwrap_or(0);
                if n > told {
                    self.lock().add_many(what, n - told);
                }
            }
        }
    }

    /// Adds a plan's warning, once.
    pub fn warn(&self, what: &str) {
        self.lock().add(what);
    }

    /// What was told so far.
    pub fn warnings(&self) -> Warnings {
        self.lock().clone()
    }

    /// Adds malformed records that do not end the scan.
    pub(super) fn add_bad(&self, bad: BadRecords) {
        self.bad.lock().unwrap_or_else(PoisonError::into_inner).add(bad, EXAMPLES);
    }

    /// The malformed records that were met since the last call; few of them are examples.
    pub fn take_bad_records(&self) -> BadRecords {
        std::mem::take(&mut *self.bad.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Warnings> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds nanoseconds.
pub(super) fn add_time(sum: &AtomicU64, time: Duration) {
    sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
}
