//! Verbs on intervals: over any rows that have a contig, a start and an end.
//!
//! Sides with different coordinates (BED and VCF, say) are converted. Rows without a contig or a start lie nowhere.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Extension, LogicalPlan};
use genomicframe_core::intervals::Windows;

use super::GenomicFrame;
use super::join::rename;
use super::roles::Place;
use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::operators::{Intervals, MergeOptions, NearestOptions, Strands, Verb};
use crate::scan::GenomicTable;

impl GenomicFrame {
    /// Adds the column `count`: how many rows of `other` overlap each row.
    ///
    /// ```
    /// # use genomicframe::prelude::*;
    /// # fn main() -> genomicframe::Result<()> {
    /// # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    /// let genes = GenomicFrame::scan_gff(format!("{data}/genes.gff3"))?;
    /// let reads = GenomicFrame::scan_bam(format!("{data}/sample.bam"))?;
    /// let counted = genes.select(&["seqid", "start", "end"]).count_overlaps(reads);
    /// assert!(counted.filter(col("count").gt(lit(0))).count()? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count_overlaps(self, other: Self) -> Self {
        self.beside(other, Verb::CountOverlaps(None))
    }

    /// [`GenomicFrame::count_overlaps`] with rows of `other` on the same strand, or on the opposite one.
    ///
    /// ```
    /// # use genomicframe::{GenomicFrame, Strands};
    /// # fn main() -> genomicframe::Result<()> {
    /// # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    /// let genes = || GenomicFrame::scan_gff(format!("{data}/genes.gff3"));
    /// let antisense = genes()?.count_overlaps_stranded(genes()?, Strands::Opposite);
    /// assert_eq!(antisense.count()?, genes()?.count()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count_overlaps_stranded(self, other: Self, strands: Strands) -> Self {
        self.beside(other, Verb::CountOverlaps(Some(strands)))
    }

    /// Adds `count`, how many rows of `other` overlap each row; `covered`, how many of its bases they cover; `length`, how
    /// many it has; and `fraction`, `covered / length`, null where the length is 0.
    ///
    /// A column that has such a name already keeps it, and the new one gets `_right`.
    pub fn coverage_by(self, other: Self) -> Self {
        self.beside(other, Verb::Coverage(None))
    }

    /// [`GenomicFrame::coverage_by`] rows of `other` on the same strand, or on the opposite one.
    pub fn coverage_by_stranded(self, other: Self, strands: Strands) -> Self {
        self.beside(other, Verb::Coverage(Some(strands)))
    }

    /// Each row beside the rows of `other` that lie nearest to it, and `distance`, the number of bases in between: 0 where
    /// they overlap, and also where they touch; what overlaps comes first.
    ///
    /// Columns of `other` whose names are taken get `_right`. A row to which nothing is near stands beside nulls.
    pub fn nearest(self, other: Self, options: NearestOptions) -> Self {
        self.with_other(other, |left, right| {
            let (right, _) = rename(&left, right)?;
            intervals(Verb::Nearest(options), vec![left, right])
        })
    }

    /// What the rows of `other` leave of each row, in pieces: a row is repeated for each piece, and gone where none is left.
    pub fn subtract(self, other: Self) -> Self {
        self.beside(other, Verb::Subtract(None))
    }

    /// [`GenomicFrame::subtract`] with rows of `other` on the same strand, or on the opposite one, only. A row whose strand is not
    /// known stays whole.
    pub fn subtract_stranded(self, other: Self, strands: Strands) -> Self {
        self.beside(other, Verb::Subtract(Some(strands)))
    }

    /// What the rows leave of the contigs of their file's header: contig, start and end, in the order of the header.
    ///
    /// Fails where no header tells the contigs' lengths; [`GenomicFrame::complement_within`] takes them.
    pub fn complement(self) -> Self {
        let contigs = self.query.clone().and_then(|query| contig_lengths(&query));
        self.complement_of(contigs)
    }

    /// What the rows leave of these contigs of these lengths: contig, start and end. All rows must lie on them.
    pub fn complement_within<C: Into<String>>(self, contigs: impl IntoIterator<Item = (C, u64)>) -> Self {
        self.complement_of(Ok(owned(contigs)))
    }

    fn complement_of(self, contigs: Result<Vec<(String, u64)>>) -> Self {
        let context = self.context.clone();
        self.then(|rows| {
            let contigs = contigs?;
            let whole = whole_contigs(&context, &rows, &contigs)?;
            let names = contigs.into_iter().map(|(name, _)| name).collect();
            intervals(Verb::Complement(names), vec![whole, rows])
        })
    }

    /// Rows that overlap, touch or lie near as one: contig, start, end and `count`, the number of rows. In order of the
    /// contigs' first rows, and of starts.
    ///
    /// ```
    /// # use genomicframe::{GenomicFrame, MergeOptions};
    /// # fn main() -> genomicframe::Result<()> {
    /// # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    /// let exons = GenomicFrame::scan_gff(format!("{data}/genes.gff3"))?;
    /// assert!(exons.clone().merge(MergeOptions::new().distance(100)).count()? <= exons.count()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn merge(self, options: MergeOptions) -> Self {
        self.then(|rows| intervals(Verb::Merge(options), vec![rows]))
    }

    /// Adds `cluster_id`, a number from 1 that those rows share which [`GenomicFrame::merge`] would make one.
    pub fn cluster(self, options: MergeOptions) -> Self {
        self.then(|rows| intervals(Verb::Cluster(options), vec![rows]))
    }

    /// Each row in windows of `size` bases that begin every `step` bases, for as long as one begins within the row; they end
    /// where the row does.
    pub fn windows(self, size: u64, step: u64) -> Self {
        self.then(|rows| intervals(Verb::Windows(windows(size, step)?), vec![rows]))
    }

    /// The contigs of the header in windows of `size` bases, one behind the other: contig, start and end. No row is read.
    ///
    /// Fails where no header tells the contigs' lengths; [`GenomicFrame::tile_within`] takes them.
    pub fn tile(self, size: u64) -> Self {
        let contigs = self.query.clone().and_then(|query| contig_lengths(&query));
        self.tile_of(contigs, size)
    }

    /// These contigs of these lengths in windows of `size` bases: contig, start and end, called and counted as the frame's.
    pub fn tile_within<C: Into<String>>(self, contigs: impl IntoIterator<Item = (C, u64)>, size: u64) -> Self {
        self.tile_of(Ok(owned(contigs)), size)
    }

    fn tile_of(self, contigs: Result<Vec<(String, u64)>>, size: u64) -> Self {
        let context = self.context.clone();
        self.then(|rows| {
            let whole = whole_contigs(&context, &rows, &contigs?)?;
            intervals(Verb::Windows(windows(size, size)?), vec![whole])
        })
    }

    fn beside(self, other: Self, verb: Verb) -> Self {
        self.with_other(other, |left, right| intervals(verb, vec![left, right]))
    }

    fn with_other(self, other: Self, verb: impl FnOnce(DataFrame, DataFrame) -> Result<DataFrame>) -> Self {
        self.then(|left| verb(left, other.query?))
    }
}

fn owned<C: Into<String>>(contigs: impl IntoIterator<Item = (C, u64)>) -> Vec<(String, u64)> {
    contigs.into_iter().map(|(name, length)| (name.into(), length)).collect()
}

/// The rows that `verb` makes of those of its inputs.
fn intervals(verb: Verb, inputs: Vec<DataFrame>) -> Result<DataFrame> {
    let mut plans = Vec::with_capacity(inputs.len());
    let mut state = None;
    for input in inputs {
        let (of, plan) = input.into_parts();
        state.get_or_insert(of);
        plans.push(plan);
    }
    let Some(state) = state else { return Err(Error::invalid("a verb needs rows")) };
    let node = Arc::new(Intervals::try_new(verb, plans)?);
    Ok(DataFrame::new(state, LogicalPlan::Extension(Extension { node })))
}

fn windows(size: u64, step: u64) -> Result<Windows> {
    let bases = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Windows::new(bases(size), bases(step)).ok_or_else(|| Error::invalid("windows are at least one base long and apart"))
}

/// The contigs of the files that `query` reads, with their lengths.
fn contig_lengths(query: &DataFrame) -> Result<Vec<(String, u64)>> {
    let mut datasets = Vec::new();
    query.logical_plan().apply(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(table) = GenomicTable::of(scan)?
        {
            datasets.extend(table.datasets().cloned());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut lengths: Vec<(String, u64)> = Vec::new();
    for dataset in datasets {
        for contig in dataset.contigs().into_iter().flat_map(|contigs| contigs.iter()) {
            let Some(length) = contig.length else { continue };
            match lengths.iter().find(|(name, _)| *name == contig.name) {
                Some((_, other)) if *other == length => {}
                Some((name, other)) => {
                    return Err(Error::invalid(format!(
                        "the files' headers give contig {name} lengths of {other} and {length}"
                    )));
                }
                None => lengths.push((contig.name.clone(), length)),
            }
        }
    }
    if lengths.is_empty() {
        let e = genomicframe_core::Error::invalid("no header tells the lengths of the contigs");
        return Err(e.hint("give them: complement_within and tile_within, in SQL genome => 'ref.fa.fai'").into());
    }
    Ok(lengths)
}

/// A row for each contig, of its whole length, with columns called and counted as those of `rows`.
fn whole_contigs(context: &GenomicContext, rows: &DataFrame, contigs: &[(String, u64)]) -> Result<DataFrame> {
    let place = Place::of(rows.schema())?;
    let schema = rows.schema();
    let field = |column: &_, of: DataType| {
        let (_, field) = schema.qualified_field_from_column(column)?;
        Ok::<_, Error>(Arc::new(field.as_ref().clone().with_data_type(of)))
    };
    let fields = vec![
        field(&place.contig, DataType::Utf8View)?,
        field(&place.start, DataType::Int64)?,
        field(&place.end, DataType::Int64)?,
    ];
    let names: StringViewArray = contigs.iter().map(|(name, _)| Some(name)).collect();
    let length = |(name, length): &(String, u64)| {
        let too_long = || Error::invalid(format!("contig {name} is {length} bases long"));
        i64::try_from(*length).ok().filter(|length| *length < 1 << 60).ok_or_else(too_long)
    };
    let lengths: Int64Array = contigs.iter().map(length).collect::<Result<Vec<_>>>()?.into();
    let starts = Int64Array::from(vec![i64::from(!place.zero_based); contigs.len()]);
    let columns: Vec<ArrayRef> = vec![Arc::new(names), Arc::new(starts), Arc::new(lengths)];
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    Ok(context.session().read_batch(batch)?)
}
