//! What a scan is asked for.

use std::fmt;
use std::sync::Arc;

use super::Predicate;
use crate::genome::RegionSet;

/// Columns, rows and shape of the answer.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    /// Columns of the dataset's schema, by index, in the order wanted. Empty: only rows are counted.
    pub projection: Vec<usize>,
    /// Columns that the dataset computes ([`Dataset::compute`](super::Dataset::compute)): they follow those of the projection.
    pub computed: Vec<Computed>,
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

/// A column that is computed of another while it is read, so that the other one is not built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Computed {
    /// The name of the column that it is computed of.
    pub column: String,
    /// What is computed.
    pub value: ComputedValue,
    /// The samples that are counted; all of them where none is named.
    pub samples: Vec<String>,
}

/// What can be computed of a column of samples' values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ComputedValue {
    /// The value of this sample; null where the list is null.
    OfSample(String),
    /// How many alleles are called in the genotypes; null where the list is null.
    AlleleNumber,
    /// How many of those are not the reference allele.
    AlleleCount,
    /// The count's share in the number; null where none is called too.
    AlleleFrequency,
}

impl fmt::Display for Computed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match &self.value {
            ComputedValue::OfSample(name) => write!(f, "sample({column}, '{}'", name.replace('\'', "''")),
            ComputedValue::AlleleNumber => write!(f, "allele_number({column}"),
            ComputedValue::AlleleCount => write!(f, "allele_count({column}"),
            ComputedValue::AlleleFrequency => write!(f, "allele_frequency({column}"),
        }?;
        for name in &self.samples {
            write!(f, ", '{}'", name.replace('\'', "''"))?;
        }
        f.write_str(")")
    }
}

impl ScanRequest {
    /// Bytes of values after which a batch ends.
    pub const BATCH_BYTES: usize = 8 << 20;

    /// All rows, of these columns, in one partition.
    pub fn all(projection: Vec<usize>) -> Self {
        Self {
            projection,
            computed: Vec::new(),
            regions: None,
            predicate: Predicate::default(),
            limit: None,
            batch_size: 8192,
            partitions: 1,
        }
    }
}
