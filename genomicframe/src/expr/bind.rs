//! From questions about a row to functions of its table's columns.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema, Result, plan_err};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use genomicframe_core::schema::{ROLE, ROLE_CONTIG, ROLE_END, ROLE_START};

use crate::functions::{self, region_sets, regions};

/// Fills in what an expression leaves to the table of the given schema.
///
/// - `in_region('chr1:1-2')`, or the question about a set of regions, gets the columns whose metadata say contig, start
///   and end; of several tables' columns the first table's.
/// - A column that the table does not have, but that is a question's name (`col("is_snp")`), becomes that question.
///
/// # Errors
/// When a region is asked for, and the table does not tell all of contig, start and end.
pub fn bind_row_functions(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| bind(expr, schema))
}

/// One expression, without those within it.
fn bind(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == regions::IN_REGION && regions::is_unbound(&args)
                || func.name() == region_sets::IN_REGION_SET && args.is_empty() =>
        {
            let args = span(schema)?.into_iter().map(Expr::Column).chain(args).collect();
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        Expr::Column(column) if column.relation.is_none() && !has(schema, &column.name) => {
            Ok(match super::row::named(&column.name, |name| has(schema, name)) {
                Some(question) => Transformed::yes(question),
                None => Transformed::no(Expr::Column(column)),
            })
        }
        other => Ok(Transformed::no(other)),
    }
}

fn has(schema: &DFSchema, name: &str) -> bool {
    schema.fields().iter().any(|f| f.name() == name)
}

/// The column whose metadata give it this role; of several tables' columns the first table's.
pub(crate) fn column_of_role(schema: &DFSchema, role: &str) -> Option<Column> {
    schema.iter().find(|(_, f)| f.metadata().get(ROLE).is_some_and(|r| r == role)).map(Column::from)
}

/// The columns that tell a row's span, in the order contig, start, end.
fn span(schema: &DFSchema) -> Result<[Column; 3]> {
    let of_role = |role: &str| column_of_role(schema, role);
    match (of_role(ROLE_CONTIG), of_role(ROLE_START), of_role(ROLE_END)) {
        (Some(contig), Some(start), Some(end)) => Ok([contig, start, end]),
        (contig, start, end) => {
            let missing: Vec<_> = [(ROLE_CONTIG, contig), (ROLE_START, start), (ROLE_END, end)]
                .into_iter()
                .filter_map(|(role, column)| column.is_none().then_some(role))
                .collect();
            plan_err!(
                "in_region: there is no column known to be the {} here; \
                 ask before they are projected away, or name them: in_region(contig, start, end, 'chr1:1,000-2,000')",
                missing.join(" or the ")
            )
        }
    }
}

/// Gives SQL the meaning that frames give expressions: row functions, and comparisons with lists.
///
/// Runs over whole plans, subqueries included, before types are checked.
#[derive(Debug)]
pub struct GenomicRewrite;

impl FunctionRewrite for GenomicRewrite {
    fn name(&self) -> &str {
        "genomic_rewrite"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        bind(expr, schema)?
            .transform_data(|expr| Ok(functions::rewrite_comparison(expr, schema)))?
            .transform_data(|expr| Ok(functions::round_constants(expr, schema)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringViewArray};
    use datafusion::prelude::{SessionContext, col, lit};
    use genomicframe_core::schema::{contig, end, start, text};

    use super::*;
    use crate::expr::{in_region, is_snp};
    use crate::functions::testing::{add, lines, rows, table};

    fn tables() -> SessionContext {
        let ctx = table("plain", vec![("x", Arc::new(Int64Array::from(vec![1])))]);
        let contigs = || Arc::new(StringViewArray::from(vec!["chr1", "chr2"])) as ArrayRef;
        let numbers = |n: [i64; 2]| Arc::new(Int64Array::from(n.to_vec())) as ArrayRef;
        add(
            &ctx,
            "variants",
            vec![
                (contig("chrom"), contigs()),
                (start("pos", false), numbers([10, 10])),
                (end("end", false), numbers([12, 10])),
                (text("ref"), Arc::new(StringViewArray::from(vec!["ACG", "A"]))),
                (text("alt"), Arc::new(StringViewArray::from(vec!["A", "C"]))),
            ],
        );
        add(
            &ctx,
            "bed",
            vec![
                (contig("chrom"), contigs()),
                (start("start", true), numbers([11, 11])),
                (end("stop", true), numbers([20, 20])),
            ],
        );
        ctx
    }

    #[tokio::test]
    async fn the_schema_tells_which_columns_are_meant() {
        let ctx = tables();
        for (name, region, expected) in
            [("variants", "chr1:12-12", "chr1"), ("bed", "chr1:12-12", "chr1"), ("bed", "chr1:11-11", "")]
        {
            let frame = ctx.table(name).await.unwrap();
            let bound = bind_row_functions(in_region(region), frame.schema()).unwrap();
            assert!(bound.transformed);
            let found = frame.filter(bound.data).unwrap().select(vec![col("chrom")]).unwrap();
            assert_eq!(lines(&found.collect().await.unwrap()).unwrap().join(","), expected, "{name} {region}");
            let sql = format!("SELECT chrom FROM {name} WHERE in_region('{region}')");
            assert_eq!(rows(&ctx, &sql).await.unwrap().join(","), expected, "{name} {region}");
        }
        let sql =
            "SELECT v.chrom FROM variants v JOIN bed b ON v.chrom = b.chrom WHERE in_region('chr1:10-11', 'chr2')";
        assert_eq!(rows(&ctx, sql).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_table_without_spans_is_an_error() {
        let ctx = tables();
        let frame = ctx.table("plain").await.unwrap();
        let e = bind_row_functions(in_region("chr1"), frame.schema()).unwrap_err().to_string();
        assert!(e.contains("no column known to be the contig or the start or the end"), "{e}");
        let e =
            rows(&ctx, "SELECT * FROM (SELECT chrom, pos FROM variants) WHERE in_region('chr1')").await.unwrap_err();
        assert!(e.to_string().contains("known to be the end"), "{e}");
        let e = rows(&ctx, "SELECT in_region('chr1:2-1') FROM variants").await.unwrap_err();
        assert!(e.to_string().contains("malformed region"), "{e}");
        assert!(rows(&ctx, "SELECT in_region('chr1')").await.is_err());
    }

    #[tokio::test]
    async fn questions_are_computed_columns_unless_the_table_has_them() {
        let ctx = tables();
        let frame = ctx.table("variants").await.unwrap();
        let bound = bind_row_functions(col("IS_SNP").and(col("is_duplicate")), frame.schema()).unwrap().data;
        assert_eq!(bound, is_snp().and(col("is_duplicate")));
        let stored = frame.clone().with_column("is_snp", lit(false)).unwrap();
        assert!(!bind_row_functions(col("is_snp"), stored.schema()).unwrap().transformed);
        let bound = bind_row_functions(col("is_snp"), frame.schema()).unwrap().data;
        let found = frame.filter(bound).unwrap().select(vec![col("chrom")]).unwrap();
        assert_eq!(lines(&found.collect().await.unwrap()).unwrap(), ["chr2"]);
    }
}
