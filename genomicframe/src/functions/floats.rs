//! Decimal constants against 32-bit floats.
//!
//! VCF stores 32-bit floats. Compared as 64-bit ones, a stored `0.3` (0.300000012) would be above the constant `0.3`, and
//! nothing would ever equal it; bcftools compares in 32 bits, and so do we.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, Operator};

/// Rounds 64-bit constants that are compared with a 32-bit float to 32 bits.
///
/// One expression, without those within it.
pub(crate) fn round_constants(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    let is_single = |e: &Expr| matches!(e.get_type(schema), Ok(DataType::Float32));
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(op) => {
            let (rounds_right, rounds_left) = (is_single(&left), is_single(&right));
            let left = if rounds_left { round(*left) } else { Transformed::no(*left) };
            let right = if rounds_right { round(*right) } else { Transformed::no(*right) };
            let changed = left.transformed || right.transformed;
            let (left, right) = (Box::new(left.data), Box::new(right.data));
            Transformed::new_transformed(Expr::BinaryExpr(BinaryExpr { left, op, right }), changed)
        }
        Expr::Between(Between { expr, negated, low, high }) if is_single(&expr) => {
            let (low, high) = (round(*low), round(*high));
            let changed = low.transformed || high.transformed;
            let (low, high) = (Box::new(low.data), Box::new(high.data));
            Transformed::new_transformed(Expr::Between(Between { expr, negated, low, high }), changed)
        }
        Expr::InList(InList { expr, list, negated }) if is_single(&expr) => {
            let list: Vec<_> = list.into_iter().map(round).collect();
            let changed = list.iter().any(|e| e.transformed);
            let list = list.into_iter().map(|e| e.data).collect();
            Transformed::new_transformed(Expr::InList(InList { expr, list, negated }), changed)
        }
        other => Transformed::no(other),
    }
}

fn compares(op: Operator) -> bool {
    use Operator::{Eq, Gt, GtEq, IsDistinctFrom, IsNotDistinctFrom, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq | IsDistinctFrom | IsNotDistinctFrom)
}

fn round(expr: Expr) -> Transformed<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Float64(Some(x)), metadata) => {
            Transformed::yes(Expr::Literal(ScalarValue::Float32(Some(x as f32)), metadata))
        }
        other => Transformed::no(other),
    }
}
