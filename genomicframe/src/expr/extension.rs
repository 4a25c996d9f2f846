//! Methods on expressions that DataFusion has as functions only.

use datafusion::functions::expr_fn as scalar;
use datafusion::functions_aggregate::expr_fn as aggregate;
use datafusion::logical_expr::{Expr, Literal, lit};

/// Arithmetic, aggregates and genotype questions as methods.
///
/// ```
/// use genomicframe::expr::{GenomicExpr, col, lit};
///
/// let differ = (col("af_afr") - col("af_eur")).abs().gt(lit(0.3));
/// let coding = col("feature").is_in(["exon", "CDS"]);
/// let depth = col("depth").mean().alias("mean_depth");
/// let common = col("format_gt").allele_frequency().gt(lit(0.05));
/// ```
pub trait GenomicExpr: Sized {
    /// The value without its sign. Null stays null.
    fn abs(self) -> Expr;
    /// The mean of all values; nulls do not count.
    fn mean(self) -> Expr;
    /// The sample standard deviation of all values; nulls do not count.
    fn std(self) -> Expr;
    /// The sum of all values; nulls do not count.
    fn sum(self) -> Expr;
    /// The least value; nulls do not count.
    fn min(self) -> Expr;
    /// The greatest value; nulls do not count.
    fn max(self) -> Expr;
    /// The median of all values; nulls do not count.
    fn median(self) -> Expr;
    /// How many values are not null.
    fn count(self) -> Expr;
    /// Equals one of the values; of a list, one of its elements does.
    #[allow(clippy::wrong_self_convention, reason = "it builds an expression, as DataFusion's own is_null does")]
    fn is_in<T: Literal>(self, values: impl IntoIterator<Item = T>) -> Expr;
    /// The text contains another one. Null stays null.
    fn contains(self, text: &str) -> Expr;
    /// Of a column of genotypes: see [`super::allele_frequency`].
    fn allele_frequency(self) -> Expr;
    /// One sample's value of a `format_*` column: see [`super::sample`].
    fn sample(self, name: &str) -> Expr;
}

impl GenomicExpr for Expr {
    fn abs(self) -> Expr {
        scalar::abs(self)
    }

    fn mean(self) -> Expr {
        super::mean(self)
    }

    fn std(self) -> Expr {
        super::std(self)
    }

    fn sum(self) -> Expr {
        aggregate::sum(self)
    }

    fn min(self) -> Expr {
        aggregate::min(self)
    }

    fn max(self) -> Expr {
        aggregate::max(self)
    }

    fn median(self) -> Expr {
        aggregate::median(self)
    }

    fn count(self) -> Expr {
        aggregate::count(self)
    }

    fn is_in<T: Literal>(self, values: impl IntoIterator<Item = T>) -> Expr {
        self.in_list(values.into_iter().map(|v| v.lit()).collect(), false)
    }

    fn contains(self, text: &str) -> Expr {
        scalar::contains(self, lit(text))
    }

    fn allele_frequency(self) -> Expr {
        super::allele_frequency(self)
    }

    fn sample(self, name: &str) -> Expr {
        super::sample(self, name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, StringViewArray};
    use datafusion::prelude::col;

    use super::*;
    use crate::functions::testing::{lines, table};

    #[tokio::test]
    async fn methods_are_the_functions_of_their_names() {
        let ctx = table(
            "t",
            vec![
                ("x", Arc::new(Float64Array::from(vec![Some(-1.0), Some(2.0), Some(5.0), None]))),
                ("y", Arc::new(StringViewArray::from(vec![Some("exon"), Some("CDS"), Some("gene"), None]))),
            ],
        );
        let x = || col("x");
        let aggregates = vec![x().mean(), x().std(), x().sum(), x().min(), x().max(), x().median(), x().count()];
        let aggregates = aggregates.into_iter().chain([crate::expr::count_all()]).collect();
        let frame = ctx.table("t").await.unwrap();
        let all = frame.clone().aggregate(vec![], aggregates).unwrap().collect().await.unwrap();
        assert_eq!(lines(&all).unwrap(), ["2.0|3.0|6.0|-1.0|5.0|2.0|3|4"]);
        let each = vec![x().abs(), col("y").is_in(["exon", "CDS"]), col("y").contains("on"), x().is_in([2.0])];
        let each = frame.select(each).unwrap().collect().await.unwrap();
        assert_eq!(
            lines(&each).unwrap(),
            ["1.0|true|true|false", "2.0|true|false|true", "5.0|false|false|false", "null|null|null|null"]
        );
    }
}
