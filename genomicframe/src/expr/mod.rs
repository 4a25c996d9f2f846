//! Expressions: DataFusion's, and the genomic functions with our columns filled in.
//!
//! - [`row`]: `is_snp()`, `is_pass()`, `is_duplicate()`, `in_region("chr20:10M-20M")` … ask about the row, whatever
//!   file it came from;
//! - [`GenomicExpr`]: `.abs()`, `.mean()`, `.allele_frequency()`, `.sample("NA12878")` … on any expression;
//! - [`samples`], [`Panel`]: allele frequencies of all samples, and of populations;
//! - [`mean`], [`std()`], [`count_all`] and DataFusion's `col`, `lit`, `sum`, `min`, `max`, `avg`, `count`, `median`.
//!
//! `col("CHROM")` is the column `chrom`: names fold to lower case as in SQL. `ident("Name")`, or `col("\"Name\"")`,
//! keeps the case.
//!
//! ```
//! use genomicframe::expr::{GenomicExpr, col, is_duplicate, lit, mean};
//!
//! let good = col("MAPQ").gt_eq(lit(30)).and(!is_duplicate());
//! assert_eq!(good.to_string(), "mapq >= Int32(30) AND NOT is_duplicate(flag)");
//! assert_eq!((col("a") - col("b")).abs().mean(), mean((col("a") - col("b")).abs()));
//! ```

mod bind;
mod extension;
pub mod row;
mod samples;

use datafusion::logical_expr::Expr;

pub(crate) use bind::column_of_role;
pub use bind::{GenomicRewrite, bind_row_functions};
pub use datafusion::functions_aggregate::expr_fn::{avg, count, max, median, min, sum};
pub use datafusion::prelude::{col, ident, lit};
pub use extension::GenomicExpr;
pub use row::*;
pub use samples::{Panel, Samples, samples};

/// The mean of an expression's values: `avg`.
pub fn mean(expr: Expr) -> Expr {
    avg(expr)
}

/// The sample standard deviation of an expression's values.
pub fn std(expr: Expr) -> Expr {
    datafusion::functions_aggregate::expr_fn::stddev(expr)
}

/// The number of rows: `count(*)`.
pub fn count_all() -> Expr {
    datafusion::functions_aggregate::count::count_all()
}

/// The share of called alleles that are not the reference allele, of a column of genotypes: see
/// [`crate::functions::genotypes::allele_frequency`].
///
/// ```
/// use genomicframe::expr::{allele_frequency, col, lit};
///
/// let common = allele_frequency(col("format_gt")).gt(lit(0.05));
/// ```
pub fn allele_frequency(genotypes: Expr) -> Expr {
    crate::functions::genotypes::allele_frequency().call(vec![genotypes])
}

/// The number of called alleles of a column of genotypes: see [`crate::functions::genotypes::allele_number`].
pub fn allele_number(genotypes: Expr) -> Expr {
    crate::functions::genotypes::allele_number().call(vec![genotypes])
}

/// The number of called alleles that are not the reference allele, of a column of genotypes: see
/// [`crate::functions::genotypes::allele_count`].
pub fn allele_count(genotypes: Expr) -> Expr {
    crate::functions::genotypes::allele_count().call(vec![genotypes])
}

/// One sample's value of a `format_*` column: see [`crate::functions::genotypes::sample`].
///
/// ```
/// use genomicframe::expr::{col, lit, sample};
///
/// let deep = sample(col("format_dp"), "NA12878").gt_eq(lit(10));
/// ```
pub fn sample(values: Expr, name: &str) -> Expr {
    crate::functions::genotypes::sample().call(vec![values, lit(name)])
}

/// In a comparison with a list: all its elements, not any of them.
///
/// ```
/// use genomicframe::expr::{all_of, col, lit};
///
/// let rare = all_of(col("info_af")).lt(lit(0.01));
/// ```
pub fn all_of(list: Expr) -> Expr {
    crate::functions::lists::all_of().call(vec![list])
}

/// A position counted from 1, where the column does not say so itself: see [`crate::functions::coordinates`].
pub fn one_based(position: Expr) -> Expr {
    crate::functions::coordinates::one_based().call(vec![position])
}

/// A position counted from 0, where the column does not say so itself: see [`crate::functions::coordinates`].
pub fn zero_based(position: Expr) -> Expr {
    crate::functions::coordinates::zero_based().call(vec![position])
}

/// Whether two spans, each a contig, a start and an end, share a base: see [`crate::functions::overlaps`].
pub fn overlaps(a: [Expr; 3], b: [Expr; 3]) -> Expr {
    crate::functions::overlaps::overlaps().call(a.into_iter().chain(b).collect())
}
