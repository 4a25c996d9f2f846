//! `in_region(contig, start, end, 'chr1:1,000-2,000', …)`: whether a row's span overlaps a region.
//!
//! Regions are written as samtools reads them ([`Region::parse`]): 1-based, both ends included, `K`, `M` and `G`
//! suffixes, thousands separators, `{name}:1-2` for names with colons, `*` for rows without a contig. Several regions
//! mean any of them. They are constants; one that is malformed fails the query before it runs.
//!
//! - A contig also answers to its other common spelling (`chr1` and `1`, `chrM` and `MT`), and a region that is wholly
//!   the contig's name (`HLA-A*01:01:01:01`) means that contig.
//! - A start that is 0-based (BED, by the column's metadata or `zero_based`) is converted.
//! - Without an end, or where the end is null, the span is the start alone: `in_region(chrom, pos, 'chr1')`.
//! - Never null: a row without a contig or start is in no region (but `*`).
//!
//! With regions alone, `in_region('chr1:1,000-2,000')` asks about the row's own span, whatever its columns' names:
//! see [`crate::expr::in_region`].

use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use genomicframe_core::genome::{Interval, Region, alias};

use super::args;
use super::coordinates::Base;

/// The function's name.
pub const IN_REGION: &str = "in_region";

const USAGE: &str = "in_region(contig, start, end, 'chr1:1,000-2,000', …)";

/// The function.
pub fn in_region() -> ScalarUDF {
    ScalarUDF::from(InRegion { signature: Signature::user_defined(Volatility::Immutable) })
}

/// Whether a call gives regions alone, and is yet to be told the row's columns.
pub(crate) fn is_unbound(args: &[Expr]) -> bool {
    !args.is_empty() && args.iter().all(|a| matches!(a, Expr::Literal(v, _) if args::is_text(&v.data_type())))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InRegion {
    signature: Signature,
}

/// How many arguments stand before the regions: none, `contig, start`, or `contig, start, end`.
fn columns(types: &[DataType]) -> Result<usize> {
    let text = |i: usize| types.get(i).is_some_and(|t| args::is_text(t) && !t.is_null());
    let span = |i: usize| types.get(i).is_some_and(args::is_integer);
    let columns = match types {
        [] => return plan_err!("{USAGE}: no region is given"),
        [_, second, ..] if args::is_integer(second) && types.first().is_some_and(args::is_text) => {
            if span(2) {
                3
            } else {
                2
            }
        }
        _ => 0,
    };
    if columns == types.len() {
        return plan_err!("{USAGE}: no region is given");
    }
    match (columns..types.len()).find(|i| !text(*i)) {
        Some(i) => plan_err!("{USAGE}: argument {} is {}, not a region's text", i + 1, types[i]),
        None => Ok(columns),
    }
}

fn parse(value: &ScalarValue) -> Result<(String, Region)> {
    match value.try_as_str() {
        Some(Some(text)) => match Region::parse(text, |_| false) {
            Ok(region) => Ok((text.to_owned(), region)),
            Err(e) => Err(DataFusionError::Plan(e.to_string())),
        },
        _ => plan_err!("{USAGE}: a region is a constant text"),
    }
}

impl ScalarUDFImpl for InRegion {
    fn name(&self) -> &str {
        IN_REGION
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Regions stay as they are: a cast would hide that they are constants.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let columns = columns(types)?;
        Ok(types
            .iter()
            .enumerate()
            .map(|(i, t)| match i {
                _ if i >= columns => t.clone(),
                0 => DataType::Utf8View,
                _ => DataType::Int64,
            })
            .collect())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<_> = args.arg_fields.iter().map(|f| f.data_type().clone()).collect();
        for value in args.scalar_arguments.iter().skip(columns(&types)?) {
            match value {
                Some(value) => parse(value).map(drop)?,
                None => return plan_err!("{USAGE}: a region is a constant text"),
            }
        }
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, false)))
    }

    /// Rewrites nothing, for scans know the function by its name; the last place to find a malformed region.
    fn simplify(&self, args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if is_unbound(&args) {
            return plan_err!("in_region with regions alone needs a table whose columns tell a span; write {USAGE}");
        }
        Ok(ExprSimplifyResult::Original(args))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let types: Vec<_> = args.args.iter().map(ColumnarValue::data_type).collect();
        let columns = columns(&types)?;
        if columns == 0 {
            return plan_err!("in_region with regions alone needs a table whose columns tell a span; write {USAGE}");
        }
        let regions = args.args[columns..].iter().map(|arg| match arg {
            ColumnarValue::Scalar(value) => parse(value),
            ColumnarValue::Array(_) => plan_err!("{USAGE}: a region is a constant text"),
        });
        let regions = Regions(regions.collect::<Result<_>>()?);

        let rows = args.number_rows;
        let contigs = args::text(&args.args, 0, rows)?;
        let starts = args::integers(&args.args, 1, rows)?;
        let ends = if columns == 3 { Some(args::integers(&args.args, 2, rows)?) } else { None };
        let zero_based = args.arg_fields.get(1).is_some_and(|f| Base::of(f) == Some(Base::Zero));

        let unplaced = regions.has_unplaced();
        // Rows of one contig mostly stand together.
        let (mut on, mut spans) = (None, Vec::new());
        let found = (0..rows).map(|row| {
            if contigs.is_null(row) {
                return Some(unplaced);
            }
            if starts.is_null(row) {
                return Some(false);
            }
            let contig = contigs.value(row);
            if on != Some(contig) {
                (on, spans) = (Some(contig), regions.on(contig));
            }
            let start = starts.value(row).saturating_add(i64::from(zero_based));
            let end = ends.as_ref().filter(|e| e.is_valid(row)).map_or(start, |e| e.value(row));
            Some(spans.iter().any(|span| span.overlaps(start, end)))
        });
        Ok(ColumnarValue::Array(Arc::new(found.collect::<BooleanArray>())))
    }
}

/// Regions, each with its text.
struct Regions(Vec<(String, Region)>);

impl Regions {
    fn has_unplaced(&self) -> bool {
        self.0.iter().any(|(_, region)| region.contig() == Region::UNPLACED)
    }

    /// What lies on `contig`.
    fn on(&self, contig: &str) -> Vec<Interval> {
        let span = |(text, region): &(String, Region)| {
            if text == contig {
                return Some(Interval::ALL);
            }
            let same = region.contig() == contig || alias(region.contig()).is_some_and(|other| other == contig);
            same.then_some(region.interval())
        };
        self.0.iter().filter_map(span).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{add, plan, rows, table};
    use arrow::array::{ArrayRef, Int64Array, StringViewArray};
    use datafusion::prelude::SessionContext;
    use genomicframe_core::schema::{contig, end, start};
    use std::sync::Arc;

    fn tables() -> SessionContext {
        let contigs = StringViewArray::from(vec![
            Some("chr1"),
            Some("chr1"),
            Some("2"),
            Some("HLA-A*01:01:01:01"),
            None,
            Some("chr1"),
        ]);
        let ctx = table(
            "t",
            vec![
                ("id", Arc::new(Int64Array::from_iter_values(0..6))),
                ("c", Arc::new(contigs)),
                ("s", Arc::new(Int64Array::from(vec![Some(100), Some(200), Some(5), Some(7), None, None]))),
                ("e", Arc::new(Int64Array::from(vec![Some(150), None, Some(9), Some(9), None, Some(300)]))),
            ],
        );
        let numbers = |n: [i64; 3]| Arc::new(Int64Array::from(n.to_vec())) as ArrayRef;
        add(
            &ctx,
            "bed",
            vec![
                (contig("chrom"), Arc::new(StringViewArray::from(vec!["chr1"; 3]))),
                (start("start", true), numbers([99, 100, 105])),
                (end("stop", true), numbers([100, 101, 105])),
            ],
        );
        ctx
    }

    async fn ids(ctx: &SessionContext, condition: &str) -> String {
        rows(ctx, &format!("SELECT id FROM t WHERE {condition} ORDER BY id")).await.unwrap().join(",")
    }

    #[tokio::test]
    async fn spans_overlap_by_a_single_base() {
        let ctx = tables();
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr1:150-160')").await, "0");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr1:151-199')").await, "");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr1:90-100')").await, "0");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr1')").await, "0,1");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr1:200')").await, "1");
        assert_eq!(ids(&ctx, "in_region(c, s, 'chr1:101-150')").await, "");
        assert_eq!(ids(&ctx, "in_region(c, s, 'chr1:100-150')").await, "0");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr1:1-100', 'chr2:9-9')").await, "0,2");
    }

    #[tokio::test]
    async fn names_answer_to_their_other_spelling() {
        let ctx = tables();
        assert_eq!(ids(&ctx, "in_region(c, s, e, '1:1-110')").await, "0");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr2')").await, "2");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'HLA-A*01:01:01:01')").await, "3");
        assert_eq!(ids(&ctx, "in_region(c, s, e, '{HLA-A*01:01:01:01}:1-6')").await, "");
        assert_eq!(ids(&ctx, "in_region(c, s, e, 'chr17')").await, "");
    }

    #[tokio::test]
    async fn it_is_never_null() {
        let ctx = tables();
        assert_eq!(ids(&ctx, "NOT in_region(c, s, e, 'chr1')").await, "2,3,4,5");
        assert_eq!(ids(&ctx, "in_region(c, s, e, '*')").await, "4");
    }

    #[tokio::test]
    async fn bed_starts_are_converted() {
        let ctx = tables();
        for (region, starts) in [
            ("chr1:100-100", "99"),
            ("chr1:101-101", "100"),
            ("chr1:100-101", "99,100"),
            // An empty interval lies between its neighbours.
            ("chr1:105-106", "105"),
            ("chr1:105-105", ""),
            ("chr1:106-106", ""),
        ] {
            let sql = format!("SELECT start FROM bed WHERE in_region(chrom, start, stop, '{region}') ORDER BY start");
            assert_eq!(rows(&ctx, &sql).await.unwrap().join(","), starts, "{region}");
        }
        let sql = "SELECT count(*) FROM t WHERE in_region(c, zero_based(s), e, 'chr1:100-100')";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["0"]);
    }

    #[tokio::test]
    async fn a_malformed_region_never_means_everything() {
        let ctx = tables();
        for region in ["'chr1:x-2'", "''", "'chr1:9-2'", "c", "5", "NULL", "'chr1', 7", "upper('chr1:' || c)"] {
            let sql = format!("SELECT * FROM t WHERE in_region(c, s, e, {region})");
            let e = plan(&ctx, &sql).await.expect_err(region).to_string();
            assert!(e.contains("region"), "{region}: {e}");
        }
        for call in ["in_region(c, s, e)", "in_region(s, e, 'chr1')", "in_region(c)", "in_region()"] {
            let e = plan(&ctx, &format!("SELECT * FROM t WHERE {call}")).await.expect_err(call).to_string();
            assert!(e.contains("region"), "{call}: {e}");
        }
    }
}
