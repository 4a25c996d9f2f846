//! Hash joins whose filter compares spans become interval joins.

use std::any::Any;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::joins::{HashJoinExec, JoinOnRef, PartitionMode};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use genomicframe_core::schema::{ROLE, ROLE_CONTIG};

use super::super::batches::is_text;
use super::build::Sides;
use super::condition::overlap;
use super::exec::IntervalJoinExec;
use crate::options::GenomicOptions;
use crate::scan::contigs_below;

/// Replaces hash joins on a contig with a filter on both ends of spans, whose time grows with the product of both sides' rows.
///
/// It runs behind the choice of sides, and before data is spread over partitions by key, which interval joins do not need.
#[derive(Debug)]
pub(crate) struct IntervalJoins;

impl PhysicalOptimizerRule for IntervalJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if !GenomicOptions::of(config).interval_joins {
            return Ok(plan);
        }
        plan.transform_up(|node| match (&*node as &dyn Any).downcast_ref::<HashJoinExec>() {
            Some(join) => Ok(match small_side_first(join)? {
                Some(swapped) => replace_within(swapped)?,
                None => interval_join(join)?.map_or(Transformed::no(node), Transformed::yes),
            }),
            None => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "interval_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The join below a projection that puts swapped columns back in order.
fn replace_within(plan: Arc<dyn ExecutionPlan>) -> Result<Transformed<Arc<dyn ExecutionPlan>>> {
    let replaced = plan.transform_down(|node| match (&*node as &dyn Any).downcast_ref::<HashJoinExec>() {
        Some(join) => {
            let new = interval_join(join)?.map_or(Transformed::no(node), Transformed::yes);
            Ok(Transformed::new(new.data, new.transformed, datafusion::common::tree_node::TreeNodeRecursion::Stop))
        }
        None => Ok(Transformed::no(node)),
    })?;
    Ok(Transformed::yes(replaced.data))
}

fn interval_join(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let (left, right) = (join.left(), join.right());
    // Of a mark join the rows that are marked are streamed: `small_side_first` has seen to that.
    let can = *join.join_type() != JoinType::LeftMark
        && !join.null_aware
        && join.null_equality() == NullEquality::NullEqualsNothing
        && join.fetch().is_none();
    let Some(filter) = join.filter().filter(|_| can) else { return Ok(None) };
    let Some((spans, residual)) = overlap(filter, &left.schema(), &right.schema())? else { return Ok(None) };
    let (left_keys, right_keys) = join.on().iter().cloned().unzip();
    let contig = contig(join.on(), &left.schema(), &right.schema());
    let sides = Sides { left_keys, right_keys, spans, contig };
    let projection = join.projection.as_ref().map(|p| p.to_vec());
    let new =
        IntervalJoinExec::try_new(Arc::clone(left), Arc::clone(right), sides, residual, *join.join_type(), projection)?;
    let warning = contig.and_then(|_| disjoint_contigs(left, right));
    Ok(Some(Arc::new(new.with_warning(warning))))
}

/// What to tell of two sides whose files share no contig: names that differ by a prefix join to nothing.
fn disjoint_contigs(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> Option<String> {
    let (left, right) = (contigs_below(left)?, contigs_below(right)?);
    let (one, other) = (left.first()?, right.first()?);
    left.is_disjoint(&right)
        .then(|| format!("the two sides have no contig in common ({one}, {other}): nothing overlaps"))
}

/// Which key is the contig: columns that say so, or else the first text.
fn contig(on: JoinOnRef<'_>, left: &Schema, right: &Schema) -> Option<usize> {
    let field = |e: &Arc<dyn PhysicalExpr>, of: &Schema| {
        let column = e.downcast_ref::<Column>()?;
        of.fields().get(column.index()).cloned()
    };
    let are_texts = |(l, r): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
        has_texts(l, left) && has_texts(r, right) && r.downcast_ref::<Column>().is_some()
    };
    let says_so = |(l, r): &(Arc<dyn PhysicalExpr>, Arc<dyn PhysicalExpr>)| {
        let is = |e, of| field(e, of).is_some_and(|f| f.metadata().get(ROLE).is_some_and(|r| r == ROLE_CONTIG));
        is(l, left) || is(r, right)
    };
    on.iter().position(|key| are_texts(key) && says_so(key)).or_else(|| on.iter().position(are_texts))
}

/// Whether values are texts, of which keys are the bytes.
pub(super) fn has_texts(expr: &Arc<dyn PhysicalExpr>, of: &Schema) -> bool {
    expr.data_type(of).is_ok_and(|t| is_text(&t))
}

/// How much larger a side may be of which places alone are kept: rows that are held take several times as much.
const PLACES_FOR_A_ROW: usize = 4;

/// Whether of the right side's rows only their places would be kept, were it read first.
fn needs_places_of_right(join: &HashJoinExec) -> Result<bool> {
    let (JoinType::LeftSemi | JoinType::LeftAnti, [(left_key, right_key)]) = (join.join_type(), join.on()) else {
        return Ok(false);
    };
    let (left, right) = (join.left().schema(), join.right().schema());
    let overlap = join.filter().map(|filter| overlap(filter, &left, &right)).transpose()?.flatten();
    let is_all = matches!(overlap, Some((_, None)));
    Ok(is_all && has_texts(left_key, &left) && has_texts(right_key, &right))
}

/// The join with its sides swapped, when the right one is known to be the smaller, or the left one's rows are to be marked.
fn small_side_first(join: &HashJoinExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if !join.join_type().supports_swap() || join.null_aware {
        return Ok(None);
    }
    let size = |plan: &Arc<dyn ExecutionPlan>| {
        let statistics = StatisticsContext::new().compute(&**plan, &StatisticsArgs::new())?;
        Ok::<_, datafusion::error::DataFusionError>((
            statistics.num_rows.get_value().copied(),
            statistics.total_byte_size.get_value().copied(),
        ))
    };
    let ((left_rows, left_bytes), (right_rows, right_bytes)) = (size(join.left())?, size(join.right())?);
    if *join.join_type() == JoinType::LeftMark {
        let (left, right) = (join.left().schema(), join.right().schema());
        let overlaps = join.filter().map(|filter| overlap(filter, &left, &right)).transpose()?.flatten();
        return overlaps.map(|_| join.swap_inputs(PartitionMode::CollectLeft)).transpose();
    }
    let share = if needs_places_of_right(join)? { PLACES_FOR_A_ROW } else { 1 };
    let is_smaller = match (left_rows.zip(right_rows), left_bytes.zip(right_bytes)) {
        (Some((left, right)), _) | (None, Some((left, right))) => right / share < left,
        (None, None) => false,
    };
    if is_smaller { join.swap_inputs(PartitionMode::CollectLeft).map(Some) } else { Ok(None) }
}
