//! What was read leniently, collected for whoever wants to show it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use genomicframe_core::scan::BadRecords;

/// The warnings of a context's queries, each with the number of times it was seen, and the malformed records they went past.
#[derive(Debug, Default)]
pub(crate) struct WarningLog {
    told: Mutex<BTreeMap<String, u64>>,
    bad: Mutex<BadRecords>,
}

/// Kinds of warning kept apart.
const KINDS: usize = 1000;
/// Malformed records of which more than the number is kept.
const EXAMPLES: usize = 100;

impl WarningLog {
    /// Logs a warning and keeps it for [`WarningLog::take`].
    pub(crate) fn tell(&self, what: &str, times: u64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < KINDS || told.contains_key(what) {
            let count = told.entry(what.to_owned()).or_insert(0);
            if *count == 0 {
                tracing::warn!(times, "{what}");
            }
            *count = count.saturating_add(times);
        }
    }

    /// Adds malformed records.
    pub(crate) fn add_bad(&self, bad: BadRecords) {
        if !bad.is_empty() {
            tracing::warn!(skipped = bad.skipped, nulled = bad.nulled, "malformed records");
            self.bad.lock().unwrap_or_else(PoisonError::into_inner).add(bad, EXAMPLES);
        }
    }

    /// The malformed records since the last call.
    pub(crate) fn take_bad(&self) -> BadRecords {
        std::mem::take(&mut *self.bad.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What was told since the last call.
    pub(crate) fn take(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
