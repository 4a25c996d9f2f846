//! Which functions are allowed. Memory that a function makes its values in is nobody's to limit once it is called: those whose
//! values may be many times as large as what they are made of are left out, or asked first how large they will be.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, ListArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, Int64Type};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;
use genomicframe_core::Error as CoreError;

use crate::error::outer;

/// Bytes that one call may make for one batch of rows.
const MOST: u64 = 16 << 20;
/// Such calls in a query.
const CALLS: usize = 64;

/// Functions whose values are about as large as their arguments, or of a fixed size.
const BOUNDED: &str = "abs acos acosh array_any_value array_dims array_distance array_distinct array_element array_except \
    array_has array_has_all array_has_any array_intersect array_length array_max array_min array_ndims array_pop_back \
    array_pop_front array_position array_positions array_remove array_remove_all array_remove_n array_reverse array_slice \
    array_sort array_union arrow_cast arrow_try_cast arrow_typeof ascii asin asinh atan atan2 atanh bit_length btrim cardinality \
    cbrt ceil character_length chr coalesce contains cos cosh cot current_date current_time date_bin date_part date_trunc degrees \
    empty ends_with exp factorial find_in_set flatten floor from_unixtime gcd get_field greatest initcap isnan iszero lcm least \
    left levenshtein ln log log10 log2 lower ltrim make_array make_date map map_entries map_extract map_keys map_values \
    named_struct nanvl now nullif nvl nvl2 octet_length pi power radians random regexp_count regexp_instr regexp_like regexp_match \
    reverse right round rtrim signum sin sinh split_part sqrt starts_with string_to_array strpos struct substr substr_index tan \
    tanh to_char to_date to_hex to_timestamp to_timestamp_micros to_timestamp_millis to_timestamp_nanos to_timestamp_seconds \
    to_unixtime translate trunc upper";

/// Those that are asked first.
const ASKED: [(&str, Growth); 9] = [
    ("array_to_string", Growth::Joined),
    ("concat", Growth::Sum),
    ("concat_ws", Growth::Separated),
    ("lpad", Growth::Padded),
    ("overlay", Growth::Sum),
    ("regexp_replace", Growth::Matched),
    ("repeat", Growth::Repeated),
    ("replace", Growth::Replaced),
    ("rpad", Growth::Padded),
];

/// Of `all`, those that are allowed.
pub(super) fn allowed(all: &[Arc<ScalarUDF>]) -> Vec<Arc<ScalarUDF>> {
    let one = |udf: &Arc<ScalarUDF>| {
        if let Some((_, growth)) = ASKED.iter().find(|(name, _)| *name == udf.name()) {
            return Some(Arc::new(ScalarUDF::new_from_impl(Asked { inner: Arc::clone(udf), growth: *growth })));
        }
        BOUNDED.split_whitespace().any(|name| name == udf.name()).then(|| Arc::clone(udf))
    };
    all.iter().filter_map(one).collect()
}

/// How the size of a function's value follows from its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// All arguments, one after the other.
    Sum,
    /// All but the first, with the first between them.
    Separated,
    /// The first argument, as often as the second says.
    Repeated,
    /// As many characters as the second argument says.
    Padded,
    /// The third argument wherever the first has the second.
    Replaced,
    /// The third argument, which may refer to the first, wherever the second matches.
    Matched,
    /// The elements of a list with the second argument between them.
    Joined,
}

/// A function that is called only where its value will not be too large.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl ScalarUDFImpl for Asked {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = if args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_))) { 1 } else { args.number_rows };
        check(self.name(), self.growth.bytes(&args.args, rows as u64))?;
        self.inner.invoke_with_args(args)
    }
}

fn check(name: &str, bytes: u64) -> Result<()> {
    if bytes <= MOST {
        return Ok(());
    }
    let e = CoreError::limit(format!("{name} may make values of {bytes} bytes, more than {MOST} for a batch of rows"));
    Err(outer(e.hint("shorten its arguments")))
}

impl Growth {
    /// Most bytes of the values of so many rows.
    fn bytes(self, args: &[ColumnarValue], rows: u64) -> u64 {
        let longest = |k: usize| args.get(k).map_or(0, longest);
        let number = |k: usize| args.get(k).map_or(0, largest);
        let each = match self {
            Self::Sum => (0..args.len()).map(longest).fold(0, u64::saturating_add),
            Self::Separated => {
                let between = longest(0).saturating_mul(args.len() as u64);
                (1..args.len()).map(longest).fold(between, u64::saturating_add)
            }
            Self::Repeated => longest(0).saturating_mul(number(1)),
            // A character has at most four bytes.
            Self::Padded => number(1).saturating_mul(4),
            Self::Replaced => longest(0).saturating_add(1).saturating_mul(longest(2).saturating_add(1)),
            Self::Matched => {
                let refers = args.get(2).is_none_or(may_refer);
                let one = longest(2).saturating_mul(if refers { longest(0).max(1) } else { 1 });
                longest(0).saturating_add(1).saturating_mul(one.saturating_add(1))
            }
            Self::Joined => {
                let (elements, bytes) = args.first().map_or((0, 0), list);
                return bytes.saturating_add(elements.saturating_mul(longest(1).saturating_add(32)));
            }
        };
        each.saturating_mul(rows)
    }
}

/// Bytes of the longest text; of another value as much as its text may have.
fn longest(value: &ColumnarValue) -> u64 {
    const NUMBER: u64 = 64;
    let most = match value {
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().map_or(Some(NUMBER), |text| text.map(|t| t.len() as u64)),
        ColumnarValue::Array(array) => match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().iter().flatten().map(|t| t.len() as u64).max(),
            DataType::LargeUtf8 => array.as_string::<i64>().iter().flatten().map(|t| t.len() as u64).max(),
            DataType::Utf8View => array.as_string_view().iter().flatten().map(|t| t.len() as u64).max(),
            _ => Some((array.get_array_memory_size() as u64).max(NUMBER)),
        },
    };
    most.unwrap_or(0)
}

/// The largest whole number.
fn largest(value: &ColumnarValue) -> u64 {
    let unknown = u64::MAX;
    let number = match value {
        ColumnarValue::Scalar(scalar) => match scalar.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(number)) => number,
            _ => return unknown,
        },
        ColumnarValue::Array(array) => match datafusion::arrow::compute::cast(array, &DataType::Int64) {
            Ok(numbers) => numbers.as_primitive::<Int64Type>().iter().flatten().max(),
            Err(_) => return unknown,
        },
    };
    u64::try_from(number.unwrap_or(0)).unwrap_or(0)
}

/// Whether a replacement may stand for more than itself.
fn may_refer(value: &ColumnarValue) -> bool {
    match value {
        ColumnarValue::Scalar(scalar) => scalar.try_as_str().flatten().is_some_and(|text| text.contains(['\\', '$'])),
        ColumnarValue::Array(_) => true,
    }
}

/// Elements of lists, and all their bytes.
fn list(value: &ColumnarValue) -> (u64, u64) {
    let array = match value {
        ColumnarValue::Scalar(scalar) => match scalar.to_array() {
            Ok(array) => array,
            Err(_) => return (u64::MAX, 0),
        },
        ColumnarValue::Array(array) => Arc::clone(array),
    };
    let elements = match array.as_any().downcast_ref::<ListArray>() {
        Some(lists) => lists.values().len(),
        None => array.get_array_memory_size(),
    };
    (elements as u64, array.get_array_memory_size() as u64)
}

/// `a || b` of texts, asked as functions are. What it becomes otherwise is an operator that nothing comes before.
#[derive(Debug)]
pub(super) struct Concatenation;

impl ExprPlanner for Concatenation {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        if expr.op != BinaryOperator::StringConcat {
            return Ok(PlannerResult::Original(expr));
        }
        let is_list = |e: &Expr| e.get_type(schema).is_ok_and(|of| of.is_nested());
        if is_list(&expr.left) || is_list(&expr.right) {
            return Err(outer(CoreError::denied("|| is allowed of texts only")));
        }
        let text = |e: Expr| Expr::Cast(datafusion::logical_expr::Cast::new(Box::new(e), DataType::Utf8View));
        let call = ScalarFunction::new_udf(
            Arc::new(ScalarUDF::new_from_impl(Joined::new())),
            vec![text(expr.left), text(expr.right)],
        );
        Ok(PlannerResult::Planned(Expr::ScalarFunction(call)))
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        let _ = args;
        Err(outer(CoreError::denied("OVERLAY … PLACING is not allowed; overlay(text, other, place) is")))
    }
}

/// Two texts as one; null where one is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Joined {
    signature: Signature,
}

impl Joined {
    fn new() -> Self {
        Self { signature: Signature::exact(vec![DataType::Utf8View, DataType::Utf8View], Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Joined {
    fn name(&self) -> &str {
        "joined"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        check("||", Growth::Sum.bytes(&args.args, args.number_rows as u64))?;
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = arrays.as_slice() else {
            return datafusion::common::internal_err!("|| has two sides");
        };
        let (left, right) = (left.as_string_view(), right.as_string_view());
        let mut out = datafusion::arrow::array::StringViewBuilder::with_capacity(left.len());
        let mut text = String::new();
        for (a, b) in left.iter().zip(right) {
            match (a, b) {
                (Some(a), Some(b)) => {
                    text.clear();
                    text.push_str(a);
                    text.push_str(b);
                    out.append_value(&text);
                }
                _ => out.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(out.finish())))
    }
}

/// That few enough calls are asked for, each of which may hold as much as it may make.
///
/// # Errors
/// When there are more.
pub(super) fn check_calls(plan: &LogicalPlan) -> Result<()> {
    let mut calls = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && (call.func.name() == "joined" || ASKED.iter().any(|(name, _)| *name == call.func.name()))
                {
                    calls += 1;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    if calls <= CALLS {
        return Ok(());
    }
    Err(outer(CoreError::limit(format!(
        "the query makes texts in {calls} places (||, concat, replace, …), more than {CALLS}"
    ))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(growth: Growth, args: &[ScalarValue]) -> u64 {
        let args: Vec<_> = args.iter().cloned().map(ColumnarValue::Scalar).collect();
        growth.bytes(&args, 2)
    }

    #[test]
    fn sizes_are_told_before_they_are_made() {
        let text = |t: &str| ScalarValue::Utf8View(Some(t.to_owned()));
        let number = |n: i64| ScalarValue::Int64(Some(n));
        assert_eq!(bytes(Growth::Sum, &[text("abc"), text("de"), ScalarValue::Utf8(None)]), 10);
        assert_eq!(bytes(Growth::Repeated, &[text("abc"), number(1000)]), 6000);
        assert_eq!(bytes(Growth::Repeated, &[text("abc"), number(-1)]), 0);
        assert_eq!(bytes(Growth::Repeated, &[text("abc"), number(i64::MAX)]), u64::MAX);
        assert_eq!(bytes(Growth::Padded, &[text("abc"), number(10), text("x")]), 80);
        // `replace('aa', '', 'xyz')` has at most three of them.
        assert_eq!(bytes(Growth::Replaced, &[text("aa"), text(""), text("xyz")]), 24);
        assert!(bytes(Growth::Matched, &[text("aaaa"), text("(.*)"), text("\\1\\1")]) >= 16);
        assert_eq!(bytes(Growth::Separated, &[text("--"), text("a"), text("b")]), 16);
    }

    #[test]
    fn every_function_that_is_named_exists() {
        let all = datafusion::execution::SessionStateDefaults::default_scalar_functions();
        let names: Vec<&str> = BOUNDED.split_whitespace().chain(ASKED.iter().map(|(name, _)| *name)).collect();
        for name in &names {
            assert!(all.iter().any(|f| f.name() == *name), "{name}");
        }
        let kept = allowed(&all);
        assert_eq!(kept.len(), names.len());
        assert!(!kept.iter().any(|f| ["range", "array_repeat", "array_resize", "array_concat"].contains(&f.name())));
    }
}
