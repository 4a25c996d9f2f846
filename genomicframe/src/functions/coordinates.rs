//! Bases of positions: `one_based(x)` and `zero_based(x)`.
//!
//! Both return their argument unchanged and only say what it is, for functions that convert: a position counted from 1
//! (SAM, VCF, GFF; ends included) or from 0 (BED; ends excluded). They convert nothing: `zero_based(5)` is 5. Null
//! stays null. Columns of our tables know their base already.
//!
//! ```sql
//! SELECT * FROM calls JOIN spans ON overlaps(chrom, pos, calls.end, seq, zero_based(first), spans.last)
//! ```

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use genomicframe_core::schema::BASE;

use super::args;

/// `one_based(x)`: the same positions, known to be counted from 1.
pub fn one_based() -> ScalarUDF {
    ScalarUDF::from(Based { base: Base::One, signature: Signature::user_defined(Volatility::Immutable) })
}

/// `zero_based(x)`: the same positions, known to be counted from 0.
pub fn zero_based() -> ScalarUDF {
    ScalarUDF::from(Based { base: Base::Zero, signature: Signature::user_defined(Volatility::Immutable) })
}

pub(super) fn all() -> [ScalarUDF; 2] {
    [one_based(), zero_based()]
}

/// What a position is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Base {
    /// 0-based; the end is excluded.
    Zero,
    /// 1-based; the end is included.
    One,
}

impl Base {
    /// What a field's metadata tells.
    pub(super) fn of(field: &Field) -> Option<Self> {
        match field.metadata().get(BASE).map(String::as_str) {
            Some("0") => Some(Self::Zero),
            Some("1") => Some(Self::One),
            _ => None,
        }
    }
}

/// The argument of `one_based(x)` or `zero_based(x)`; anything else as it is.
pub(super) fn without_base(expr: Expr) -> Expr {
    match expr {
        Expr::ScalarFunction(ScalarFunction { func, mut args }) if func.inner().is::<Based>() && args.len() == 1 => {
            args.swap_remove(0)
        }
        other => other,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Based {
    base: Base,
    signature: Signature,
}

impl ScalarUDFImpl for Based {
    fn name(&self) -> &str {
        match self.base {
            Base::One => "one_based",
            Base::Zero => "zero_based",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name(), "position", types, 1)?;
        match types {
            [position] if args::is_integer(position) => Ok(types.to_vec()),
            _ => plan_err!("{}(position) takes an integer", self.name()),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().map_or_else(|| internal_err!("{} has no argument", self.name()), Ok)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let Some(field) = args.arg_fields.first() else { return internal_err!("{} has no argument", self.name()) };
        let base = if self.base == Base::Zero { "0" } else { "1" };
        Ok(Arc::new(genomicframe_core::schema::with(field.as_ref().clone(), &[(BASE, base)])))
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        args.args.pop().map_or_else(|| internal_err!("{} has no argument", self.name()), Ok)
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{rows, table};
    use arrow::array::{Int64Array, UInt16Array};
    use genomicframe_core::schema::BASE;
    use std::sync::Arc;

    #[tokio::test]
    async fn values_stay_and_the_base_is_told() {
        let ctx = table("t", vec![("x", Arc::new(Int64Array::from(vec![Some(5), None])))]);
        assert_eq!(
            rows(&ctx, "SELECT one_based(x), zero_based(x), zero_based(7) FROM t").await.unwrap(),
            ["5|5|7", "null|null|7"]
        );
        let frame = ctx.sql("SELECT zero_based(x) AS z, one_based(zero_based(x)) AS o FROM t").await.unwrap();
        let batches = frame.collect().await.unwrap();
        let base = |name: &str| batches[0].schema().field_with_name(name).unwrap().metadata()[BASE].clone();
        assert_eq!((base("z").as_str(), base("o").as_str()), ("0", "1"));
    }

    #[tokio::test]
    async fn only_integers_are_positions() {
        let ctx = table("t", vec![("x", Arc::new(UInt16Array::from(vec![1])))]);
        assert_eq!(rows(&ctx, "SELECT one_based(x) FROM t").await.unwrap(), ["1"]);
        assert!(rows(&ctx, "SELECT one_based('1') FROM t").await.is_err());
    }
}
