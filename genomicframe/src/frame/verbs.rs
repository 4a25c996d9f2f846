//! Lazy verbs on rows and columns.

use datafusion::common::tree_node::TransformedResult;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::{Expr, SortExpr, col, lit};
use genomicframe_core::genome::{Region, RegionSet};

use super::{GenomicFrame, fold};
use crate::error::{Error, Result};
use crate::expr::{bind_row_functions, in_region, in_region_set, in_regions, is_snp, is_transition};
use crate::functions::rewrite_list_comparisons;

/// What names a region or several: samtools' strings, 1-based and inclusive, or regions that a program holds.
pub trait Regions {
    /// The condition that a row's span overlaps any of them.
    fn condition(self) -> Expr;
}

impl Regions for &str {
    fn condition(self) -> Expr {
        in_region(self)
    }
}

impl Regions for Region {
    fn condition(self) -> Expr {
        in_region_set(std::iter::once(self).collect::<RegionSet>())
    }
}

impl Regions for &RegionSet {
    fn condition(self) -> Expr {
        self.clone().condition()
    }
}

impl Regions for RegionSet {
    fn condition(self) -> Expr {
        in_region_set(self)
    }
}

impl<T: ToString> Regions for &[T] {
    fn condition(self) -> Expr {
        let texts: Vec<String> = self.iter().map(ToString::to_string).collect();
        in_regions(texts.iter().map(String::as_str))
    }
}

impl<T: ToString, const N: usize> Regions for [T; N] {
    fn condition(self) -> Expr {
        self.as_slice().condition()
    }
}

impl<T: ToString, const N: usize> Regions for &[T; N] {
    fn condition(self) -> Expr {
        self.as_slice().condition()
    }
}

/// The expression with its genomic shorthands spelled out for the columns of `query`.
pub(crate) fn bind(query: &DataFrame, expr: Expr) -> Result<Expr> {
    let expr = bind_row_functions(expr, query.schema()).data()?;
    Ok(rewrite_list_comparisons(expr, query.schema()).data()?)
}

impl GenomicFrame {
    /// Keeps the rows for which `predicate` is true. On a list column a comparison means *any element*.
    pub fn filter(self, predicate: Expr) -> Self {
        self.then(|query| {
            let predicate = bind(&query, predicate)?;
            Ok(query.filter(predicate)?)
        })
    }

    /// Keeps these columns, in this order.
    pub fn select(self, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|name| col(format!("\"{}\"", fold(name).replace('"', "\"\"")))).collect();
        self.select_exprs(columns)
    }

    /// Keeps these expressions as columns.
    pub fn select_exprs(self, exprs: Vec<Expr>) -> Self {
        self.then(|query| {
            let exprs = exprs.into_iter().map(|e| bind(&query, e)).collect::<Result<Vec<_>>>()?;
            Ok(query.select(exprs)?)
        })
    }

    /// Adds a column, or replaces the one of that name.
    pub fn with_column(self, name: &str, expr: Expr) -> Self {
        self.then(|query| {
            let expr = bind(&query, expr)?;
            Ok(query.with_column(&fold(name), expr)?)
        })
    }

    /// Keeps the rows whose span overlaps the region: `chr1:1,000-2,000`, 1-based and inclusive.
    pub fn filter_by_region(self, region: impl Regions) -> Self {
        self.filter_by_regions(region)
    }

    /// Keeps the rows whose span overlaps any of the regions; each row once. They may be those of a file:
    ///
    /// ```
    /// use genomicframe::GenomicFrame;
    ///
    /// # let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data");
    /// let panel = GenomicFrame::scan(format!("{data}/panel.bed"))?.to_region_set()?;
    /// let reads = GenomicFrame::scan(format!("{data}/sample.bam"))?.filter_by_regions(panel);
    /// assert!(reads.count()? > 0);
    /// # Ok::<(), genomicframe::Error>(())
    /// ```
    ///
    /// A set may have very many: a region takes 16 bytes.
    pub fn filter_by_regions(self, regions: impl Regions) -> Self {
        self.filter(regions.condition())
    }

    /// Keeps variants whose `qual`, or alignments whose `mapq`, is at least `minimum`. Rows without a quality go.
    pub fn filter_by_quality(self, minimum: f64) -> Self {
        self.then(|query| {
            let has = |name: &str| query.schema().has_column_with_unqualified_name(name);
            let column = match () {
                () if has("mapq") => "mapq",
                () if has("qual") && has("alt") => "qual",
                () => return Err(Error::invalid("filter_by_quality needs mapq, or the qual of variants")),
            };
            Ok(query.filter(col(column).gt_eq(lit(minimum)))?)
        })
    }

    /// Keeps variants of which some alternate allele is a single-base change.
    pub fn filter_snps_only(self) -> Self {
        self.filter(is_snp())
    }

    /// Keeps variants of which some alternate allele is a change within purines or within pyrimidines.
    pub fn filter_transitions_only(self) -> Self {
        self.filter(is_transition())
    }

    /// Sorts by these columns, ascending, nulls last.
    pub fn sort(self, columns: &[&str]) -> Self {
        let exprs = columns.iter().map(|name| col(format!("\"{}\"", fold(name))).sort(true, false)).collect();
        self.sort_by(exprs)
    }

    /// Sorts by expressions: `col("qual").sort(false, false)` is descending with nulls last.
    pub fn sort_by(self, exprs: Vec<SortExpr>) -> Self {
        self.then(|query| Ok(query.sort(exprs)?))
    }

    /// At most the first `rows` rows of the result.
    pub fn limit(self, rows: usize) -> Self {
        self.then(|query| Ok(query.limit(0, Some(rows))?))
    }

    /// Each distinct row once.
    pub fn distinct(self) -> Self {
        self.then(|query| Ok(query.distinct()?))
    }
}
