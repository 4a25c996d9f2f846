//! The spans that a join's filter compares, and what is left of it.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, Result};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column};
use datafusion::physical_expr::utils::{collect_columns, conjunction, split_conjunction};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::physical_plan::joins::utils::JoinFilter;
use genomicframe_core::schema::{ROLE, ROLE_END, ROLE_START};

/// Two rows overlap when `left.start <= right.end` and `right.start <= left.end`.
#[derive(Debug, Clone)]
pub(super) struct Overlap {
    pub(super) left: Span,
    pub(super) right: Span,
}

/// A row's span, over its own side's columns: both ends belong to it. Nothing overlaps one that has no start or end.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) start: Arc<dyn PhysicalExpr>,
    /// Added to the start: 1 where it must be less than the other's end.
    pub(super) shift: i64,
    pub(super) end: Arc<dyn PhysicalExpr>,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shift = if self.shift > 0 { " + 1" } else { "" };
        write!(f, "{}{shift}..={}", self.start, self.end)
    }
}

/// `lesser <= greater` of two sides, or `<`.
struct Comparison {
    /// The side of `lesser`.
    side: JoinSide,
    lesser: Arc<dyn PhysicalExpr>,
    strict: bool,
    greater: Arc<dyn PhysicalExpr>,
    /// Whether the columns say that they are a start and an end.
    by_role: bool,
}

/// What `filter` says of the two sides' spans, and the rest of it; `None` when it does not bound both ends.
pub(super) fn overlap(
    filter: &JoinFilter,
    left: &Schema,
    right: &Schema,
) -> Result<Option<(Overlap, Option<JoinFilter>)>> {
    let conjuncts = split_conjunction(filter.expression());
    let mut found = Vec::new();
    for (at, conjunct) in conjuncts.iter().enumerate() {
        if let Some(comparison) = comparison(conjunct, filter, left, right)? {
            found.push((at, comparison));
        }
    }
    let best = |side: JoinSide| {
        let of_side = || found.iter().filter(|(_, c)| c.side == side);
        of_side().find(|(_, c)| c.by_role).or_else(|| of_side().next())
    };
    let (Some((one, l)), Some((other, r))) = (best(JoinSide::Left), best(JoinSide::Right)) else { return Ok(None) };
    let span = |start: &Comparison, end: &Comparison| Span {
        start: Arc::clone(&start.lesser),
        shift: i64::from(start.strict),
        end: Arc::clone(&end.greater),
    };
    let rest: Vec<_> =
        conjuncts.iter().enumerate().filter(|(at, _)| at != one && at != other).map(|(_, c)| Arc::clone(c)).collect();
    let rest = (!rest.is_empty())
        .then(|| JoinFilter::new(conjunction(rest), filter.column_indices().to_vec(), Arc::clone(filter.schema())));
    Ok(Some((Overlap { left: span(l, r), right: span(r, l) }, rest)))
}

fn comparison(
    expr: &Arc<dyn PhysicalExpr>,
    filter: &JoinFilter,
    left: &Schema,
    right: &Schema,
) -> Result<Option<Comparison>> {
    let Some(binary) = expr.downcast_ref::<BinaryExpr>() else { return Ok(None) };
    let (lesser, strict, greater) = match binary.op() {
        Operator::Lt => (binary.left(), true, binary.right()),
        Operator::LtEq => (binary.left(), false, binary.right()),
        Operator::Gt => (binary.right(), true, binary.left()),
        Operator::GtEq => (binary.right(), false, binary.left()),
        _ => return Ok(None),
    };
    let (Some(side), Some(other)) = (side(lesser, filter), side(greater, filter)) else { return Ok(None) };
    if side == other {
        return Ok(None);
    }
    let schema = |side| if side == JoinSide::Left { left } else { right };
    let (lesser, greater) = (of_side(lesser, filter)?, of_side(greater, filter)?);
    let whole = |e: &Arc<dyn PhysicalExpr>, side| e.data_type(schema(side)).is_ok_and(|t| is_position(&t));
    let role = |e: &Arc<dyn PhysicalExpr>, side, role| {
        let columns = collect_columns(e);
        columns.iter().any(|c| {
            let field = schema(side).fields().get(c.index());
            field.is_some_and(|f| f.metadata().get(ROLE).is_some_and(|r| r == role))
        })
    };
    let by_role = role(&lesser, side, ROLE_START) && role(&greater, other, ROLE_END);
    Ok((whole(&lesser, side) && whole(&greater, other)).then_some(Comparison {
        side,
        lesser,
        strict,
        greater,
        by_role,
    }))
}

/// Whether all values are whole numbers that an `i64` holds.
fn is_position(of: &DataType) -> bool {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32};
    matches!(of, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32)
}

/// The one side whose columns an expression has.
fn side(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Option<JoinSide> {
    let columns = collect_columns(expr);
    let mut sides = columns.iter().map(|c| filter.column_indices().get(c.index()).map(|i| i.side));
    let first = sides.next()??;
    sides.all(|side| side == Some(first)).then_some(first)
}

/// The expression over its own side's columns.
fn of_side(expr: &Arc<dyn PhysicalExpr>, filter: &JoinFilter) -> Result<Arc<dyn PhysicalExpr>> {
    let own = |e: Arc<dyn PhysicalExpr>| {
        let Some(column) = e.downcast_ref::<Column>() else { return Ok(Transformed::no(e)) };
        let index = filter.column_indices().get(column.index()).map_or(column.index(), |i| i.index);
        Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
    };
    Arc::clone(expr).transform(own).data()
}
