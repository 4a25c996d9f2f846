//! What a comparison with a list means: `list_any_gt(info_af, 0.3)` and its kin.
//!
//! A VCF field may have several values, so `info_af > 0.3` means that **any** of them is, as in bcftools, and
//! `all_of(info_af) > 0.3` that all of them are. [`super::rewrite_list_comparisons`] and
//! [`super::ListComparisonPlanner`] turn comparisons into these functions:
//!
//! | written | becomes |
//! |---|---|
//! | `alt = 'T'`, `'T' = alt` | `list_any_eq(alt, 'T')`; also `ne`, `lt`, `le`, `gt`, `ge` |
//! | `info_af BETWEEN 0.1 AND 0.2` | `list_any_between(info_af, 0.1, 0.2)`: one value within both bounds |
//! | `alt IN ('T', 'C')` | `list_any_in(alt, 'T', 'C')` |
//! | `all_of(info_af) > 0.3` | `list_all_gt(info_af, 0.3)` |
//!
//! - Missing elements do not count. A null list gives null; one without elements gives false for any, null for all.
//! - `NOT IN` and `NOT BETWEEN` hold when no element is in; `<>` holds when any element differs.
//! - In lists of lists (samples' values with several each), the innermost elements count.
//! - Integers compare as integers, anything with a fraction as `f64`; but a constant compares with an `f32` list as
//!   `f32`, so that `info_af = 0.3` finds the `0.3` that the file wrote. Texts compare byte by byte.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, Scalar, UInt32Array};
use arrow::compute::kernels::cmp;
use arrow::compute::{and_kleene, cast, or_kleene, take};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::args;

/// The name of [`all_of`].
pub(super) const ALL_OF: &str = "all_of";

/// How many elements must satisfy a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// One of them.
    Any,
    /// Each of them.
    All,
}

/// A comparison of an element with constants or other columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// Within two bounds, both included.
    Between,
    /// One of several.
    In,
}

const COMPARISONS: [Comparison; 8] = [
    Comparison::Eq,
    Comparison::Ne,
    Comparison::Lt,
    Comparison::Le,
    Comparison::Gt,
    Comparison::Ge,
    Comparison::Between,
    Comparison::In,
];

/// The function that compares a list's elements.
pub fn comparison(quantifier: Quantifier, comparison: Comparison) -> ScalarUDF {
    ScalarUDF::from(ListComparison {
        quantifier,
        comparison,
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

/// `all_of(list)`: on one side of a comparison, demands it of every element.
pub fn all_of() -> ScalarUDF {
    ScalarUDF::from(AllOf { signature: Signature::user_defined(Volatility::Immutable) })
}

pub(super) fn all() -> impl Iterator<Item = ScalarUDF> {
    let each = |quantifier| COMPARISONS.into_iter().map(move |c| comparison(quantifier, c));
    each(Quantifier::Any).chain(each(Quantifier::All)).chain([all_of()])
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ListComparison {
    quantifier: Quantifier,
    comparison: Comparison,
    signature: Signature,
}

/// What compares with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Text,
    Boolean,
    Number,
}

fn family(data_type: &DataType) -> Option<Family> {
    match data_type {
        DataType::Null => None,
        DataType::Boolean => Some(Family::Boolean),
        _ if data_type.is_numeric() => Some(Family::Number),
        _ if args::is_text(data_type) => Some(Family::Text),
        _ => None,
    }
}

impl ScalarUDFImpl for ListComparison {
    fn name(&self) -> &str {
        match (self.quantifier, self.comparison) {
            (Quantifier::Any, Comparison::Eq) => "list_any_eq",
            (Quantifier::Any, Comparison::Ne) => "list_any_ne",
            (Quantifier::Any, Comparison::Lt) => "list_any_lt",
            (Quantifier::Any, Comparison::Le) => "list_any_le",
            (Quantifier::Any, Comparison::Gt) => "list_any_gt",
            (Quantifier::Any, Comparison::Ge) => "list_any_ge",
            (Quantifier::Any, Comparison::Between) => "list_any_between",
            (Quantifier::Any, Comparison::In) => "list_any_in",
            (Quantifier::All, Comparison::Eq) => "list_all_eq",
            (Quantifier::All, Comparison::Ne) => "list_all_ne",
            (Quantifier::All, Comparison::Lt) => "list_all_lt",
            (Quantifier::All, Comparison::Le) => "list_all_le",
            (Quantifier::All, Comparison::Gt) => "list_all_gt",
            (Quantifier::All, Comparison::Ge) => "list_all_ge",
            (Quantifier::All, Comparison::Between) => "list_all_between",
            (Quantifier::All, Comparison::In) => "list_all_in",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [list, values @ ..] = types else { return plan_err!("{} takes a list first", self.name()) };
        let takes = match self.comparison {
            Comparison::In => 1..=usize::MAX,
            Comparison::Between => 2..=2,
            _ => 1..=1,
        };
        if args::element(list).is_none() || !takes.contains(&values.len()) {
            return plan_err!("{} takes a list and what its elements are compared with", self.name());
        }
        let leaf = args::leaf(list);
        let Some(element) = family(leaf) else {
            return plan_err!("{}: elements of type {leaf} do not compare", self.name());
        };
        let leaf = if element == Family::Text { &DataType::Utf8View } else { leaf };
        let mut out = vec![args::as_list(list, leaf)];
        for value in values {
            match family(value) {
                Some(other) if other != element => {
                    return plan_err!("{}: a list of {leaf} does not compare with a value of {value}", self.name());
                }
                None if !value.is_null() => return plan_err!("{}: {value} does not compare", self.name()),
                _ => {}
            }
            out.push(match value {
                DataType::Null => leaf.clone(),
                DataType::Decimal32(..)
                | DataType::Decimal64(..)
                | DataType::Decimal128(..)
                | DataType::Decimal256(..) => DataType::Float64,
                _ if element == Family::Text => DataType::Utf8View,
                _ => value.clone(),
            });
        }
        Ok(out)
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [list, values @ ..] = args.args.as_slice() else { return internal_err!("{} has no list", self.name()) };
        let leaf = args::leaf(&list.data_type()).clone();
        let common = common_type(&leaf, values);
        let elements = Elements::of(args::list(&args.args, 0, rows, &leaf)?, &common)?;
        let values = values.iter().map(|v| elements.beside(v, &common)).collect::<Result<Vec<_>>>()?;
        let satisfied = satisfied(self.comparison, &elements.values, &values)?;
        let out: BooleanArray = (0..rows).map(|row| elements.fold(row, self.quantifier, &satisfied)).collect();
        Ok(ColumnarValue::Array(Arc::new(out)))
    }
}

/// The type in which elements and values are compared.
fn common_type(leaf: &DataType, values: &[ColumnarValue]) -> DataType {
    match family(leaf) {
        Some(Family::Text) | None => DataType::Utf8View,
        Some(Family::Boolean) => DataType::Boolean,
        Some(Family::Number) => {
            let constant = values.iter().all(|v| matches!(v, ColumnarValue::Scalar(_)));
            if leaf.is_integer() && values.iter().all(|v| v.data_type().is_integer()) {
                DataType::Int64
            } else if constant && matches!(leaf, DataType::Float32 | DataType::Float16) {
                DataType::Float32
            } else {
                DataType::Float64
            }
        }
    }
}

/// Which elements satisfy a comparison; null where that is unknown.
fn satisfied(comparison: Comparison, elements: &ArrayRef, values: &[Value]) -> Result<BooleanArray> {
    let compare = |comparison: Comparison, value: &Value| match (value, comparison) {
        (Value::One(v), Comparison::Eq | Comparison::In) => cmp::eq(elements, v),
        (Value::One(v), Comparison::Ne) => cmp::neq(elements, v),
        (Value::One(v), Comparison::Lt) => cmp::lt(elements, v),
        (Value::One(v), Comparison::Le) => cmp::lt_eq(elements, v),
        (Value::One(v), Comparison::Gt) => cmp::gt(elements, v),
        (Value::One(v), Comparison::Ge | Comparison::Between) => cmp::gt_eq(elements, v),
        (Value::Each(v), Comparison::Eq | Comparison::In) => cmp::eq(elements, v),
        (Value::Each(v), Comparison::Ne) => cmp::neq(elements, v),
        (Value::Each(v), Comparison::Lt) => cmp::lt(elements, v),
        (Value::Each(v), Comparison::Le) => cmp::lt_eq(elements, v),
        (Value::Each(v), Comparison::Gt) => cmp::gt(elements, v),
        (Value::Each(v), Comparison::Ge | Comparison::Between) => cmp::gt_eq(elements, v),
    };
    let [first, rest @ ..] = values else { return internal_err!("a list is compared with nothing") };
    let mut out = compare(comparison, first)?;
    for value in rest {
        out = match comparison {
            Comparison::Between => and_kleene(&out, &compare(Comparison::Le, value)?)?,
            _ => or_kleene(&out, &compare(comparison, value)?)?,
        };
    }
    Ok(out)
}

/// What elements are compared with.
enum Value {
    /// The same for all.
    One(Scalar<ArrayRef>),
    /// Another one for each element.
    Each(ArrayRef),
}

/// The innermost elements of a column of lists.
struct Elements {
    lists: ListArray,
    values: ArrayRef,
}

impl Elements {
    fn of(lists: ListArray, data_type: &DataType) -> Result<Self> {
        let lists = compact(&lists)?;
        let values = cast(innermost(&lists), data_type)?;
        Ok(Self { lists, values })
    }

    /// A value per row as one that compares with the elements.
    fn beside(&self, value: &ColumnarValue, data_type: &DataType) -> Result<Value> {
        match value {
            ColumnarValue::Scalar(value) => Ok(Value::One(Scalar::new(cast(&value.to_array()?, data_type)?))),
            ColumnarValue::Array(array) => {
                let mut rows = vec![0u32; self.values.len()];
                for row in 0..self.lists.len() {
                    let number = u32::try_from(row).unwrap_or(u32::MAX);
                    each_element(&self.lists, row, &mut |i| rows[i] = number);
                }
                Ok(Value::Each(take(&cast(array, data_type)?, &UInt32Array::from(rows), None)?))
            }
        }
    }

    fn fold(&self, row: usize, quantifier: Quantifier, satisfied: &BooleanArray) -> Option<bool> {
        if self.lists.is_null(row) {
            return None;
        }
        let (mut yes, mut no, mut unknown) = (false, false, false);
        each_element(&self.lists, row, &mut |i| {
            if self.values.is_valid(i) {
                match satisfied.is_valid(i).then(|| satisfied.value(i)) {
                    Some(true) => yes = true,
                    Some(false) => no = true,
                    None => unknown = true,
                }
            }
        });
        match quantifier {
            Quantifier::Any if yes => Some(true),
            Quantifier::Any => (!unknown).then_some(false),
            Quantifier::All if no => Some(false),
            Quantifier::All => (yes && !unknown).then_some(true),
        }
    }
}

/// The same lists, with only those elements that they use.
fn compact(lists: &ListArray) -> Result<ListArray> {
    let (first, last) = match lists.value_offsets() {
        [first, .., last] => (*first, *last),
        _ => (0, 0),
    };
    let (start, length) = (usize::try_from(first).unwrap_or(0), usize::try_from(last - first).unwrap_or(0));
    let mut values = lists.values().slice(start, length);
    if let Some(inner) = values.as_list_opt::<i32>() {
        values = Arc::new(compact(inner)?);
    }
    let offsets = lists.value_offsets().iter().map(|o| o - first).collect();
    let offsets = arrow::buffer::OffsetBuffer::new(offsets);
    let DataType::List(field) = lists.data_type() else { return internal_err!("not a list") };
    Ok(ListArray::try_new(Arc::clone(field), offsets, values, lists.nulls().cloned())?)
}

fn innermost(lists: &ListArray) -> &ArrayRef {
    lists.values().as_list_opt::<i32>().map_or(lists.values(), innermost)
}

/// Hands over the places of a row's innermost elements.
fn each_element(lists: &ListArray, row: usize, place: &mut dyn FnMut(usize)) {
    if lists.is_null(row) {
        return;
    }
    match lists.values().as_list_opt::<i32>() {
        Some(inner) => args::range(lists, row).for_each(|row| each_element(inner, row, place)),
        None => args::range(lists, row).for_each(place),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AllOf {
    signature: Signature,
}

impl AllOf {
    fn misplaced<T>() -> Result<T> {
        plan_err!("all_of(list) only means something on one side of a comparison: all_of(info_af) > 0.3")
    }
}

impl ScalarUDFImpl for AllOf {
    fn name(&self) -> &str {
        ALL_OF
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        args::expect_count(self.name(), "list", types, 1)?;
        if types.iter().all(|t| args::element(t).is_some()) { Ok(types.to_vec()) } else { Self::misplaced() }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        types.first().cloned().map_or_else(Self::misplaced, Ok)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        args.arg_fields.first().cloned().map_or_else(Self::misplaced, Ok)
    }

    /// By now every comparison has taken it up.
    fn simplify(&self, _: Vec<Expr>, _: &SimplifyContext) -> Result<ExprSimplifyResult> {
        Self::misplaced()
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Self::misplaced()
    }
}
