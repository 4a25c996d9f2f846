//! `is_pass(filter)`: whether a variant passed all filters.
//!
//! True where FILTER is `PASS`; false where it is anything else, `.` or null. Never null, so `NOT is_pass(filter)`
//! returns the rest.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use super::args;

const PASS: &str = "PASS";

/// The function.
pub fn is_pass() -> ScalarUDF {
    ScalarUDF::from(IsPass { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct IsPass {
    signature: Signature,
}

impl ScalarUDFImpl for IsPass {
    fn name(&self) -> &str {
        "is_pass"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name(), "filter", types, 1)?;
        match types {
            [filter] if args::is_text(filter) => Ok(types.to_vec()),
            _ => plan_err!("is_pass(filter) takes the FILTER column, which is text"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(self.name(), DataType::Boolean, false)))
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let Some(filter) = args.pop() else { return internal_err!("is_pass has no argument") };
        let pass = ScalarValue::from(PASS).cast_to(&info.get_data_type(&filter)?)?;
        Ok(ExprSimplifyResult::Simplified(filter.clone().eq(lit(pass)).and(filter.is_not_null())))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let filters = args::text(&args.args, 0, args.number_rows)?;
        let pass: BooleanArray = filters.iter().map(|f| Some(f == Some(PASS))).collect();
        Ok(ColumnarValue::Array(Arc::new(pass)))
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{plan, rows, table};
    use arrow::array::StringViewArray;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_missing_filter_has_not_passed() {
        let filters = StringViewArray::from(vec![Some("PASS"), Some("."), Some("q10;s50"), Some("pass"), None]);
        let ctx = table("v", vec![("filter", Arc::new(filters))]);
        let all = rows(&ctx, "SELECT is_pass(filter), NOT is_pass(filter) FROM v").await.unwrap();
        assert_eq!(all, ["true|false", "false|true", "false|true", "false|true", "false|true"]);
        assert_eq!(rows(&ctx, "SELECT count(*) FROM v WHERE NOT is_pass(filter)").await.unwrap(), ["4"]);
        let plan = plan(&ctx, "SELECT * FROM v WHERE is_pass(filter)").await.unwrap();
        assert!(plan.contains(r#"v.filter = Utf8View("PASS")"#), "{plan}");
    }
}
