//! Predicates over a SAM flag (SAMv1 §1.4.2).
//!
//! `is_duplicate(flag)` is `(flag & 0x400) <> 0`; a null flag gives null. While a query is optimised, each becomes
//! the comparison `(CAST(flag AS BIGINT) & mask) = value`, which scans test on raw records.

use std::sync::Arc;

use arrow::array::BooleanArray;
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, binary_expr,
    cast, lit,
};

use super::args;

/// A test of some of a flag's bits.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct FlagTest {
    /// The function's name.
    pub name: &'static str,
    /// Another name for it.
    pub alias: Option<&'static str>,
    /// The bits it looks at.
    pub mask: i64,
    /// What these must be.
    pub value: i64,
}

impl FlagTest {
    const fn set(name: &'static str, bit: i64) -> Self {
        Self { name, alias: None, mask: bit, value: bit }
    }

    const fn clear(name: &'static str, bits: i64) -> Self {
        Self { name, alias: None, mask: bits, value: 0 }
    }

    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    /// The function.
    pub fn function(&'static self) -> ScalarUDF {
        let aliases = self.alias.map(str::to_owned).into_iter().collect();
        ScalarUDF::from(FlagPredicate {
            test: self,
            aliases,
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }
}

/// Every test.
pub static TESTS: [FlagTest; 14] = [
    FlagTest::set("is_paired", 0x1),
    FlagTest::set("is_proper_pair", 0x2),
    FlagTest::set("is_unmapped", 0x4),
    FlagTest::clear("is_mapped", 0x4),
    FlagTest::set("is_mate_unmapped", 0x8),
    FlagTest::set("is_reverse", 0x10),
    FlagTest::set("is_mate_reverse", 0x20),
    FlagTest::set("is_first_in_pair", 0x40).or("is_read1"),
    FlagTest::set("is_second_in_pair", 0x80).or("is_read2"),
    FlagTest::set("is_secondary", 0x100),
    FlagTest::set("is_qc_fail", 0x200),
    FlagTest::set("is_duplicate", 0x400),
    FlagTest::set("is_supplementary", 0x800),
    FlagTest::clear("is_primary", 0x100 | 0x800),
];

/// The test of this name or alias.
pub fn test(name: &str) -> Option<&'static FlagTest> {
    TESTS.iter().find(|t| t.name == name || t.alias == Some(name))
}

pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    TESTS.iter().map(FlagTest::function)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FlagPredicate {
    test: &'static FlagTest,
    aliases: Vec<String>,
    signature: Signature,
}

impl ScalarUDFImpl for FlagPredicate {
    fn name(&self) -> &str {
        self.test.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name(), "flag", types, 1)?;
        match types {
            [flag] if args::is_integer(flag) => Ok(vec![if flag.is_null() { DataType::Int64 } else { flag.clone() }]),
            _ => plan_err!("{}(flag) takes a SAM flag, which is an integer", self.name()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn simplify(&self, mut args: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        let (Some(flag), true) = (args.pop(), args.is_empty()) else { return Ok(ExprSimplifyResult::Original(args)) };
        let bits = binary_expr(cast(flag, DataType::Int64), Operator::BitwiseAnd, lit(self.test.mask));
        Ok(ExprSimplifyResult::Simplified(bits.eq(lit(self.test.value))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let flags = args::integers(&args.args, 0, args.number_rows)?;
        let test = self.test;
        Ok(ColumnarValue::Array(Arc::new(BooleanArray::from_unary(&flags, |flag| flag & test.mask == test.value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::{plan, rows, table};
    use arrow::array::UInt16Array;

    fn reads() -> Vec<(&'static str, arrow::array::ArrayRef)> {
        // A proper first read, its duplicate mate, an unmapped read, a secondary and a supplementary alignment, null.
        vec![(
            "flag",
            Arc::new(UInt16Array::from(vec![Some(99), Some(1171), Some(4), Some(256), Some(2048), None])) as _,
        )]
    }

    #[tokio::test]
    async fn bits_are_those_of_the_specification() {
        let ctx = table("reads", reads());
        let answers = rows(&ctx, "SELECT is_proper_pair(flag), is_duplicate(flag), is_read1(flag), is_mapped(flag), is_primary(flag) FROM reads").await;
        assert_eq!(
            answers.unwrap(),
            [
                "true|false|true|true|true",
                "true|true|false|true|true",
                "false|false|false|false|true",
                "false|false|false|true|false",
                "false|false|false|true|false",
                "null|null|null|null|null",
            ]
        );
        for test in &TESTS {
            let sql = format!(
                "SELECT count(*) FROM reads WHERE {}(flag) <> (flag & {} = {})",
                test.name, test.mask, test.value
            );
            assert_eq!(rows(&ctx, &sql).await.unwrap(), ["0"], "{}", test.name);
        }
    }

    #[tokio::test]
    async fn the_optimised_plan_shows_a_bit_test() {
        let ctx = table("reads", reads());
        let plan = plan(&ctx, "SELECT * FROM reads WHERE NOT is_duplicate(flag)").await.unwrap();
        assert!(plan.contains("CAST(reads.flag AS Int64) & Int64(1024) "), "{plan}");
    }

    #[tokio::test]
    async fn evaluates_without_the_optimiser_too() {
        let flags: arrow::array::ArrayRef = reads().remove(0).1;
        let field = |t: DataType| Arc::new(arrow::datatypes::Field::new("x", t, true));
        let args = ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(flags)],
            arg_fields: vec![field(DataType::UInt16)],
            number_rows: 6,
            return_field: field(DataType::Boolean),
            config_options: Arc::default(),
        };
        let out = test("is_read2").unwrap().function().invoke_with_args(args).unwrap().to_array(6).unwrap();
        let expected = BooleanArray::from(vec![Some(false), Some(true), Some(false), Some(false), Some(false), None]);
        assert_eq!(out.as_ref(), &expected);
    }

    #[tokio::test]
    async fn text_is_refused_before_the_query_runs() {
        let ctx = table("reads", reads());
        let e = rows(&ctx, "SELECT is_paired('99') FROM reads").await.unwrap_err().to_string();
        assert!(e.contains("takes a SAM flag"), "{e}");
    }
}
