//! What a scan is asked for.

use std::sync::Arc;

use super::Predicate;
use crate::genome::RegionSet;

/// Columns, rows and shape of the answer.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Columns of the dataset's schema, by index, in the order wanted. Empty: only rows are counted.
    pub projection: Vec<usize>,
    /// Every row returned overlaps this set (`None`: no such condition), whether or not an index could narrow the read.
    pub regions: Option<Arc<RegionSet>>,
    /// Every row returned satisfies this; each of its conditions was `Pushdown::Exact`.
    pub predicate: Predicate,
    /// Most rows wanted, of any partition.
    pub limit: Option<usize>,
    /// Most rows in a batch. A batch also ends at about [`ScanRequest::BATCH_BYTES`] of values.
    pub batch_size: usize,
    /// How many partitions are wanted; a plan may have fewer.
    pub partitions: usize,
}

impl ScanRequest {
    /// Bytes of values after which a batch ends.
    pub const BATCH_BYTES: usize = 8 << 20;

    /// All rows, of these columns, in one partition.
    pub fn all(projection: Vec<usize>) -> Self {
        Self {
            projection,
            regions: None,
            predicate: Predicate::default(),
            limit: None,
            batch_size: 8192,
            partitions: 1,
        }
    }
}
