//! `overlaps(c1, s1, e1, c2, s2, e2)`: whether two spans share a base.
//!
//! Contigs are equal by name, and neither span ends before the other starts. Where the starts' columns know their base
//! (or are wrapped in `one_based`, `zero_based`), 0-based, half-open spans and 1-based, inclusive ones compare as the
//! bases they cover. Where only one side's base is known, it is an error that says so, since the other could be either;
//! where neither is, both are taken as 1-based. A null gives null.
//!
//! It is rewritten into `c1 = c2 AND s1 <= e2 AND e1 >= s2` (with `<` and `>` for 0-based starts), so that joins and
//! scans see plain comparisons.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array};
use arrow::compute::and_kleene;
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::args;
use super::coordinates::{Base, without_base};

const ARGUMENTS: &str = "contig1, start1, end1, contig2, start2, end2";

/// The function.
pub fn overlaps() -> ScalarUDF {
    ScalarUDF::from(Overlaps { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Overlaps {
    signature: Signature,
}

/// Whether the first and the second start count from 0.
fn zero_based(fields: &[FieldRef]) -> Result<(bool, bool)> {
    let [_, start1, _, _, start2, _] = fields else {
        return internal_err!("overlaps has {} arguments", fields.len());
    };
    let unknown = |field: &Field, place: &str| {
        plan_err!(
            "overlaps: the base of {} ({place}) is not known, while the other side's is; write one_based({0}) or zero_based({0})",
            field.name()
        )
    };
    match (Base::of(start1), Base::of(start2)) {
        (None, Some(_)) => unknown(start1, "the first start"),
        (Some(_), None) => unknown(start2, "the second start"),
        (a, b) => Ok((a == Some(Base::Zero), b == Some(Base::Zero))),
    }
}

impl ScalarUDFImpl for Overlaps {
    fn name(&self) -> &str {
        "overlaps"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name(), ARGUMENTS, types, 6)?;
        let mut out = Vec::with_capacity(6);
        for (i, data_type) in types.iter().enumerate() {
            out.push(match i % 3 {
                0 if args::is_text(data_type) => DataType::Utf8View,
                1 | 2 if args::is_integer(data_type) => DataType::Int64,
                0 => return plan_err!("overlaps({ARGUMENTS}): contigs are texts, not {data_type}"),
                _ => return plan_err!("overlaps({ARGUMENTS}): starts and ends are integers, not {data_type}"),
            });
        }
        Ok(out)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        zero_based(args.arg_fields)?;
        let nullable = args.arg_fields.iter().any(|f| f.is_nullable());
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, nullable)))
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let fields = args.iter().map(|e| e.to_field(info.schema().as_ref()).map(|(_, field)| field));
        let Ok(fields) = fields.collect::<Result<Vec<_>>>() else { return Ok(ExprSimplifyResult::Original(args)) };
        let (zero1, zero2) = zero_based(&fields)?;
        let args: [Expr; 6] = match args.try_into() {
            Ok(args) => args,
            Err(args) => return Ok(ExprSimplifyResult::Original(args)),
        };
        let [c1, s1, e1, c2, s2, e2] = args.map(without_base);
        // The first base of a 0-based span is start + 1; of whole numbers, s + 1 <= e is s < e.
        let starts = if zero1 { s1.lt(e2) } else { s1.lt_eq(e2) };
        let ends = if zero2 { e1.gt(s2) } else { e1.gt_eq(s2) };
        Ok(ExprSimplifyResult::Simplified(c1.eq(c2).and(starts).and(ends)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (zero1, zero2) = zero_based(&args.arg_fields)?;
        let rows = args.number_rows;
        let position = |i: usize| args::integers(&args.args, i, rows);
        let same = cmp::eq(&args::text(&args.args, 0, rows)?, &args::text(&args.args, 3, rows)?)?;
        let starts = before(zero1, &position(1)?, &position(5)?)?;
        let ends = before(zero2, &position(4)?, &position(2)?)?;
        let all: ArrayRef = Arc::new(and_kleene(&and_kleene(&same, &starts)?, &ends)?);
        Ok(ColumnarValue::Array(all))
    }
}

/// Whether the span that starts at `start` has a base at or before `end`.
fn before(zero_based: bool, start: &Int64Array, end: &Int64Array) -> Result<BooleanArray> {
    Ok(if zero_based { cmp::lt(start, end)? } else { cmp::lt_eq(start, end)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::{add, plan, rows, table};
    use arrow::array::StringViewArray;
    use datafusion::prelude::SessionContext;
    use genomicframe_core::schema::{contig, end, start};

    /// Reads cover 10..=20 (1-based); targets are the same places as BED writes them, and bare numbers.
    fn tables() -> SessionContext {
        let ctx = table(
            "bare",
            vec![
                ("c", Arc::new(StringViewArray::from(vec!["chr1"; 3]))),
                ("s", Arc::new(Int64Array::from(vec![20, 21, 1]))),
                ("e", Arc::new(Int64Array::from(vec![30, 30, 9]))),
            ],
        );
        let contigs = || Arc::new(StringViewArray::from(vec!["chr1", "chr2"])) as ArrayRef;
        let numbers = |n: [i64; 2]| Arc::new(Int64Array::from(n.to_vec())) as ArrayRef;
        add(
            &ctx,
            "reads",
            vec![
                (contig("rname"), contigs()),
                (start("pos", false), numbers([10, 10])),
                (end("end", false), numbers([20, 20])),
            ],
        );
        add(
            &ctx,
            "bed",
            vec![
                (contig("chrom"), contigs()),
                (start("start", true), numbers([19, 20])),
                (end("stop", true), numbers([30, 30])),
            ],
        );
        add(
            &ctx,
            "bed_before",
            vec![
                (contig("chrom"), contigs()),
                (start("start", true), numbers([0, 0])),
                (end("stop", true), numbers([10, 9])),
            ],
        );
        ctx
    }

    #[tokio::test]
    async fn bases_are_converted_on_either_side() {
        let ctx = tables();
        for bed in ["bed", "bed_before"] {
            let on = r#"overlaps(rname, pos, reads."end", chrom, start, stop)"#;
            let sql = format!("SELECT rname FROM reads JOIN {bed} ON {on}");
            assert_eq!(rows(&ctx, &sql).await.unwrap(), ["chr1"], "{bed}");
            let on = r#"overlaps(chrom, start, stop, rname, pos, reads."end")"#;
            let sql = format!("SELECT rname FROM reads JOIN {bed} ON {on}");
            assert_eq!(rows(&ctx, &sql).await.unwrap(), ["chr1"], "{bed}, swapped");
            // Not optimised away: both halves of the implementation agree.
            let sql = format!("SELECT rname FROM reads, {bed} WHERE CASE WHEN pos > 0 THEN {on} END");
            assert_eq!(rows(&ctx, &sql).await.unwrap(), ["chr1"], "{bed}, evaluated");
        }
    }

    #[tokio::test]
    async fn joins_see_comparisons() {
        let sql = r#"SELECT 1 FROM reads JOIN bed ON overlaps(rname, pos, reads."end", chrom, start, stop)"#;
        let plan = plan(&tables(), sql).await.unwrap();
        assert!(plan.contains("Inner Join: reads.rname = bed.chrom"), "{plan}");
        assert!(plan.contains("reads.pos <= bed.stop AND reads.end > bed.start"), "{plan}");
    }

    #[tokio::test]
    async fn a_base_known_on_one_side_only_is_an_error() {
        let ctx = tables();
        let on = |s: &str| format!(r#"SELECT s FROM reads JOIN bare ON overlaps(rname, pos, reads."end", c, {s}, e)"#);
        let e = rows(&ctx, &on("s")).await.unwrap_err().to_string();
        assert!(e.contains("one_based(s) or zero_based(s)"), "{e}");
        assert_eq!(rows(&ctx, &on("one_based(s)")).await.unwrap(), ["20"]);
        let zero = rows(&ctx, &on("zero_based(s - 1)")).await.unwrap();
        assert_eq!(zero, ["20"]);
        let both = "SELECT a.s FROM bare a JOIN bare b ON overlaps(a.c, a.s, a.e, b.c, b.s, b.e) WHERE b.s = 21";
        assert_eq!(rows(&ctx, both).await.unwrap(), ["20", "21"]);
        let constant = r#"SELECT count(*) FROM reads WHERE overlaps(rname, pos, "end", 'chr1', zero_based(20), 21)"#;
        assert_eq!(rows(&ctx, constant).await.unwrap(), ["0"]);
        let constant = r#"SELECT count(*) FROM reads WHERE overlaps(rname, pos, "end", 'chr1', zero_based(19), 21)"#;
        assert_eq!(rows(&ctx, constant).await.unwrap(), ["1"]);
    }

    #[tokio::test]
    async fn null_is_null() {
        let ctx = tables();
        let sql = "SELECT overlaps(c, NULL, e, c, s, e), overlaps(c, 40, e, c, s, NULL) FROM bare LIMIT 1";
        assert_eq!(rows(&ctx, sql).await.unwrap(), ["null|null"]);
    }
}
