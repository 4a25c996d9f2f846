//! From comparisons with lists to the functions of [`super::lists`].

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::expr::{Between, BinaryExpr, InList, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::args;
use super::lists::{ALL_OF, Comparison, Quantifier, comparison};

/// Gives every comparison between a list and a value its meaning: *any element*, or all within `all_of`.
///
/// Comparisons of two lists stay as they are. Columns that `schema` does not have stay for others to complain about.
///
/// ```
/// use std::sync::Arc;
/// use datafusion::arrow::datatypes::{DataType, Field, Schema};
/// use datafusion::common::DFSchema;
/// use datafusion::prelude::{col, lit};
/// use genomicframe::functions::rewrite_list_comparisons;
///
/// let alt = Field::new_list("alt", Arc::new(Field::new_list_field(DataType::Utf8View, true)), true);
/// let schema = DFSchema::try_from(Schema::new(vec![alt]))?;
/// let expr = rewrite_list_comparisons(col("alt").eq(lit("T")), &schema)?.data;
/// assert_eq!(expr.to_string(), r#"list_any_eq(alt, Utf8("T"))"#);
/// # Ok::<(), datafusion::error::DataFusionError>(())
/// ```
///
/// # Errors
/// None of its own.
pub fn rewrite_list_comparisons(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| Ok(rewrite_comparison(expr, schema)))
}

/// One comparison, without those within it.
pub(crate) fn rewrite_comparison(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match operator(op).zip(Sides::of(&left, &right, schema)) {
            Some((how, sides)) => Transformed::yes(sides.compare(*left, how, *right)),
            None => Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right })),
        },
        Expr::Between(Between { expr, negated, low, high }) => match quantifier(&expr, schema) {
            Some(quantifier) => {
                let call = comparison(quantifier, Comparison::Between).call(vec![list(*expr), *low, *high]);
                Transformed::yes(if negated { !call } else { call })
            }
            None => Transformed::no(Expr::Between(Between { expr, negated, low, high })),
        },
        Expr::InList(InList { expr, list: values, negated }) => match quantifier(&expr, schema) {
            Some(quantifier) if !values.is_empty() && !values.iter().any(|v| is_list(v, schema)) => {
                let args = std::iter::once(list(*expr)).chain(values).collect();
                let call = comparison(quantifier, Comparison::In).call(args);
                Transformed::yes(if negated { !call } else { call })
            }
            _ => Transformed::no(Expr::InList(InList { expr, list: values, negated })),
        },
        other => Transformed::no(other),
    }
}

/// Which side of a comparison is the list, when only one is.
enum Sides {
    ListLeft(Quantifier),
    ListRight(Quantifier),
}

impl Sides {
    fn of(left: &Expr, right: &Expr, schema: &DFSchema) -> Option<Self> {
        match (quantifier(left, schema), quantifier(right, schema)) {
            (Some(quantifier), None) => Some(Self::ListLeft(quantifier)),
            (None, Some(quantifier)) => Some(Self::ListRight(quantifier)),
            _ => None,
        }
    }

    fn compare(self, left: Expr, how: Comparison, right: Expr) -> Expr {
        match self {
            Self::ListLeft(quantifier) => comparison(quantifier, how).call(vec![list(left), right]),
            Self::ListRight(quantifier) => comparison(quantifier, swap(how)).call(vec![list(right), left]),
        }
    }
}

/// How many elements of a list are meant; `None` for what is no list.
fn quantifier(expr: &Expr, schema: &DFSchema) -> Option<Quantifier> {
    match expr {
        Expr::ScalarFunction(function) if is_all_of(function) => Some(Quantifier::All),
        _ => is_list(expr, schema).then_some(Quantifier::Any),
    }
}

/// The list itself.
fn list(expr: Expr) -> Expr {
    match expr {
        Expr::ScalarFunction(mut function) if is_all_of(&function) => function.args.swap_remove(0),
        other => other,
    }
}

fn is_all_of(function: &ScalarFunction) -> bool {
    function.name() == ALL_OF && function.args.len() == 1
}

fn is_list(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|t| args::element(&t).is_some())
}

fn operator(op: Operator) -> Option<Comparison> {
    Some(match op {
        Operator::Eq => Comparison::Eq,
        Operator::NotEq => Comparison::Ne,
        Operator::Lt => Comparison::Lt,
        Operator::LtEq => Comparison::Le,
        Operator::Gt => Comparison::Gt,
        Operator::GtEq => Comparison::Ge,
        _ => return None,
    })
}

fn swap(comparison: Comparison) -> Comparison {
    match comparison {
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
        same => same,
    }
}

/// Plans SQL's `info_af > 0.3` as [`rewrite_list_comparisons`] does.
///
/// `BETWEEN` and `IN` do not pass by such planners: [`crate::expr::GenomicRewrite`] takes them up before types are
/// checked. Binary operators cannot wait for it, for the columns of a projection are typed while SQL is planned.
#[derive(Debug)]
pub struct ListComparisonPlanner;

impl ExprPlanner for ListComparisonPlanner {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let how = match expr.op {
            BinaryOperator::Eq => Comparison::Eq,
            BinaryOperator::NotEq => Comparison::Ne,
            BinaryOperator::Lt => Comparison::Lt,
            BinaryOperator::LtEq => Comparison::Le,
            BinaryOperator::Gt => Comparison::Gt,
            BinaryOperator::GtEq => Comparison::Ge,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        Ok(match Sides::of(&expr.left, &expr.right, schema) {
            Some(sides) => PlannerResult::Planned(sides.compare(expr.left, how, expr.right)),
            None => PlannerResult::Original(expr),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Builder, Int32Array, Int32Builder, ListBuilder, StringViewBuilder};
    use datafusion::prelude::{SessionContext, col, lit};

    use super::*;
    use crate::functions::testing::{lines, rows, table};

    /// Row 0 and 1 have values, row 2 has missing ones only, row 3 none, row 4 no list.
    fn sites() -> SessionContext {
        let mut af = ListBuilder::new(Float32Builder::new());
        af.append_value([Some(0.1), Some(0.3)]);
        af.append_value([Some(0.5), None]);
        af.append_value([None]);
        af.append_value([None; 0]);
        af.append_null();
        let mut alt = ListBuilder::new(StringViewBuilder::new());
        alt.append_value([Some("T"), Some("C")]);
        alt.append_value([Some("C")]);
        alt.append_value([Some("*")]);
        alt.append_value([None::<&str>; 0]);
        alt.append_null();
        let mut ad = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
        ad.append_value([Some(vec![Some(10), Some(2)]), Some(vec![Some(30), None])]);
        ad.append_value([None, Some(vec![Some(5)])]);
        ad.append_value([None::<Vec<Option<i32>>>]);
        ad.append_value([None::<Vec<Option<i32>>>; 0]);
        ad.append_null();
        table(
            "v",
            vec![
                ("id", Arc::new(Int32Array::from_iter_values(0..5)) as ArrayRef),
                ("info_af", Arc::new(af.finish())),
                ("alt", Arc::new(alt.finish())),
                ("format_ad", Arc::new(ad.finish())),
                ("n", Arc::new(Int32Array::from(vec![30, 5, 1, 1, 1]))),
            ],
        )
    }

    async fn ids(ctx: &SessionContext, condition: &str) -> String {
        rows(ctx, &format!("SELECT id FROM v WHERE {condition} ORDER BY id")).await.expect(condition).join(",")
    }

    #[tokio::test]
    async fn any_element_counts() {
        let ctx = sites();
        for (condition, expected) in [
            ("info_af > 0.2", "0,1"),
            ("0.2 > info_af", "0"),
            ("info_af = 0.3", "0"),
            ("info_af <> 0.5", "0"),
            ("NOT info_af > 0.4", "0,2,3"),
            ("info_af >= 0.3 AND info_af <= 0.3", "0"),
            ("info_af > 0", "0,1"),
            ("info_af BETWEEN 0.2 AND 0.4", "0"),
            ("info_af BETWEEN 0.2 AND 0.25", ""),
            ("info_af NOT BETWEEN 0.2 AND 0.4", "1,2,3"),
            ("alt = 'T'", "0"),
            ("'T' = alt", "0"),
            ("alt IN ('T', '*')", "0,2"),
            ("alt NOT IN ('T', '*')", "1,3"),
            ("alt <> 'C'", "0,2"),
            ("info_af = NULL", ""),
        ] {
            assert_eq!(ids(&ctx, condition).await, expected, "{condition}");
        }
    }

    #[tokio::test]
    async fn all_of_demands_it_of_every_element() {
        let ctx = sites();
        for (condition, expected) in [
            ("all_of(info_af) > 0.2", "1"),
            ("all_of(info_af) > 0", "0,1"),
            ("0.2 < all_of(info_af)", "1"),
            ("all_of(info_af) BETWEEN 0.1 AND 0.3", "0"),
            ("all_of(alt) IN ('C', 'T')", "0,1"),
            ("all_of(alt) <> '*'", "0,1"),
        ] {
            assert_eq!(ids(&ctx, condition).await, expected, "{condition}");
        }
        for misplaced in
            ["SELECT all_of(alt) FROM v", "SELECT * FROM v WHERE all_of(alt) = alt", "SELECT all_of(id) FROM v"]
        {
            let e = rows(&ctx, misplaced).await.expect_err(misplaced).to_string();
            assert!(e.contains("one side of a comparison"), "{e}");
        }
    }

    #[tokio::test]
    async fn lists_within_lists_and_other_columns() {
        let ctx = sites();
        for (condition, expected) in [
            ("format_ad >= 30", "0"),
            ("format_ad = n", "0,1"),
            ("format_ad < 5.5", "0,1"),
            ("all_of(format_ad) >= 5", "1"),
            ("format_ad[1] = 2", "0"),
            ("info_af[1] > 0.2", "1"),
        ] {
            assert_eq!(ids(&ctx, condition).await, expected, "{condition}");
        }
        // Of a part of the table's rows.
        let part = "SELECT id FROM (SELECT * FROM v ORDER BY id LIMIT 3 OFFSET 1) WHERE format_ad = n OR info_af > 0.4";
        assert_eq!(rows(&ctx, part).await.unwrap(), ["1"]);
    }

    #[tokio::test]
    async fn every_clause_of_a_query_takes_them() {
        let ctx = sites();
        let sql = "SELECT alt = 'T', info_af BETWEEN 0.2 AND 0.4 AS mid, alt IN ('C') FROM v";
        let expected =
            ["true|true|true", "false|false|true", "false|false|false", "false|false|false", "null|null|null"];
        assert_eq!(rows(&ctx, sql).await.unwrap(), expected);
        let sql = "SELECT count(*) FILTER (WHERE alt = 'C'), sum(CASE WHEN info_af IN (0.5) THEN 1 ELSE 0 END) FROM v";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["2|1"]);
        let sql = "SELECT a.id FROM v a JOIN v b ON a.id = b.id AND a.alt IN ('T') AND b.info_af > 0.2";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["0"]);
        let sql = "SELECT id FROM v WHERE id IN (SELECT id FROM v WHERE alt IN ('*'))";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["2"]);
        let e = rows(&ctx, "SELECT * FROM v WHERE alt = 3").await.unwrap_err().to_string();
        assert!(e.contains("list of Utf8View does not compare with"), "{e}");
    }

    #[tokio::test]
    async fn expressions_are_rewritten_like_sql() {
        let ctx = sites();
        let frame = ctx.table("v").await.unwrap();
        let condition = col("info_af").gt(lit(0.2)).and(col("alt").in_list(vec![lit("T")], false));
        let condition = rewrite_list_comparisons(condition, frame.schema()).unwrap();
        assert!(condition.transformed);
        let found = frame.filter(condition.data).unwrap().select(vec![col("id")]).unwrap().collect().await.unwrap();
        assert_eq!(lines(&found).unwrap(), ["0"]);
        let frame = ctx.table("v").await.unwrap();
        let same =
            rewrite_list_comparisons(col("n").gt(lit(1)).and(col("alt").eq(col("alt"))), frame.schema()).unwrap();
        assert!(!same.transformed);
    }
}
