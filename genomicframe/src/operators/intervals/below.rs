//! Filters on what a verb hands through of its first input go below it, where a scan may apply them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr_rewriter::replace_col;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{Expr, Extension, Filter, LogicalPlan, UserDefinedLogicalNodeCore};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::node::Intervals;

/// DataFusion itself would push a filter into both inputs.
#[derive(Debug)]
pub(crate) struct FiltersBelowVerbs;

impl OptimizerRule for FiltersBelowVerbs {
    fn name(&self) -> &str {
        "filters_below_verbs"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return Ok(Transformed::no(plan)) };
        let node = match &*filter.input {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref::<Intervals>(),
            _ => None,
        };
        let Some(node) = node else { return Ok(Transformed::no(LogicalPlan::Filter(filter))) };
        let passed = node.handed_through();
        let passed: HashMap<&Column, &Column> = passed.iter().map(|(out, of)| (out, of)).collect();
        let (below, above): (Vec<Expr>, Vec<Expr>) =
            split_conjunction_owned(filter.predicate.clone()).into_iter().partition(|expr| goes_below(expr, &passed));
        let below = below.into_iter().map(|expr| replace_col(expr, &passed)).collect::<Result<Vec<_>>>()?;
        let mut inputs: Vec<LogicalPlan> = node.inputs().into_iter().cloned().collect();
        let (Some(below), Some(first)) = (conjunction(below), inputs.first_mut()) else {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        };
        *first = LogicalPlan::Filter(Filter::try_new(below, Arc::new(first.clone()))?);
        let node = Arc::new(node.with_exprs_and_inputs(Vec::new(), inputs)?);
        let verb = LogicalPlan::Extension(Extension { node });
        Ok(Transformed::yes(match conjunction(above) {
            Some(above) => LogicalPlan::Filter(Filter::try_new(above, Arc::new(verb))?),
            None => verb,
        }))
    }
}

/// Whether a term is about columns that are handed through, and has the same value whenever it is asked for.
fn goes_below(expr: &Expr, passed: &HashMap<&Column, &Column>) -> bool {
    let columns: HashSet<&Column> = expr.column_refs();
    !columns.is_empty() && columns.iter().all(|column| passed.contains_key(column)) && !expr.is_volatile()
}
