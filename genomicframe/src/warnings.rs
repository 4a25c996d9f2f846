//! What was read leniently, collected for whoever wants to show it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The warnings of a context's queries, each with the number of times it was seen.
#[derive(Debug, Default)]
pub(crate) struct WarningLog(Mutex<BTreeMap<String, u64>>);

/// Kinds of warning kept apart.
const KINDS: usize = 1000;

impl WarningLog {
    /// Logs a warning and keeps it for [`WarningLog::take`].
    pub(crate) fn tell(&self, what: &str, times: u64) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < KINDS || told.contains_key(what) {
            let count = told.entry(what.to_owned()).or_insert(0);
            if *count == 0 {
                tracing::warn!(times, "{what}");
            }
            *count = count.saturating_add(times);
        }
    }

    /// What was told since the last call.
    pub(crate) fn take(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_iter().collect()
    }
}
