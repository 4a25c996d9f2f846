//! Annotations and intervals: by contig, and by type where they have one.

use std::fmt;

use arrow::array::RecordBatch;

use super::{Figures, Tally, column, show_tally};
use crate::error::Result;
use crate::genome::Contigs;

/// Counts of annotations (GFF) or intervals (BED).
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
/// use genomicframe_core::stats::FeatureStats;
///
/// let text = |t: [&str; 3]| Arc::new(StringViewArray::from(t.to_vec())) as ArrayRef;
/// let batch = RecordBatch::try_from_iter([
///     ("seqid", text(["chr1", "chr1", "chr2"])),
///     ("feature", text(["gene", "exon", "exon"])),
/// ])?;
/// let mut stats = FeatureStats::annotations();
/// stats.update(&batch)?;
/// assert_eq!(stats.records, 3);
/// assert_eq!(stats.contigs().iter().collect::<Vec<_>>(), [("chr1", [2]), ("chr2", [1])]);
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureStats {
    /// Records.
    pub records: u64,
    columns: &'static [&'static str],
    contigs: Tally<1>,
    features: Tally<1>,
}

impl FeatureStats {
    /// Of annotations: the columns `seqid` and `feature`.
    pub fn annotations() -> Self {
        Self::of(&["seqid", "feature"])
    }

    /// Of intervals: the column `chrom`.
    pub fn intervals() -> Self {
        Self::of(&["chrom"])
    }

    fn of(columns: &'static [&'static str]) -> Self {
        Self { records: 0, columns, contigs: Tally::default(), features: Tally::default() }
    }

    /// The columns that it looks at: the contig's, and the type's if there is one.
    pub fn columns(&self) -> &'static [&'static str] {
        self.columns
    }

    /// Counts the rows of a batch in.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let Self { columns, contigs, features, .. } = self;
        for (name, tally) in columns.iter().zip([contigs, features]) {
            tally.add(column(batch, name)?, |_| 0);
        }
        self.records += batch.num_rows() as u64;
        Ok(())
    }

    /// Adds what was counted of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.contigs.merge(&other.contigs);
        self.features.merge(&other.features);
    }

    /// Puts contigs in the header's order, and frequent types first.
    pub fn sort(&mut self, contigs: &Contigs) {
        self.contigs.sort_as(contigs);
        self.features.sort_by_count();
    }

    /// Records by contig.
    pub fn contigs(&self) -> &Tally<1> {
        &self.contigs
    }

    /// Records by type; none where records have no type.
    pub fn features(&self) -> &Tally<1> {
        &self.features
    }

    pub(super) fn figures(&self, out: &mut Figures) {
        out.count("summary", "records", self.records);
        out.tally("feature", &self.features);
        out.tally("contig", &self.contigs);
    }
}

impl fmt::Display for FeatureStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "records\t{}", self.records)?;
        if self.columns.len() > 1 {
            show_tally(f, "feature", &self.features)?;
        }
        show_tally(f, "contig", &self.contigs)
    }
}
