//! How large a plan becomes. A common table expression is planned anew wherever it is used, and a column is written out wherever
//! a filter is pushed below what computes it: what takes a few lines to write may so grow without bounds.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan};
use genomicframe_core::Error as CoreError;

use super::limits::QueryLimits;
use crate::error::{Result, outer};

/// That the plan stays within the limits.
pub(super) fn check(plan: &LogicalPlan, limits: &QueryLimits) -> Result<()> {
    let mut growth = Growth { limits, nodes: 0 };
    growth.columns(plan, 0)?;
    Ok(())
}

struct Growth<'a> {
    limits: &'a QueryLimits,
    nodes: usize,
}

impl Growth<'_> {
    /// For each column of the plan how many operators it takes, what is below written out.
    fn columns(&mut self, plan: &LogicalPlan, level: usize) -> Result<Vec<u64>, DataFusionError> {
        self.nodes += 1;
        let limits = self.limits;
        let told = if self.nodes > limits.plan_nodes {
            format!("the query's plan has more than {} nodes", limits.plan_nodes)
        } else if level > limits.plan_levels {
            format!("the query's plan is nested more than {} levels deep", limits.plan_levels)
        } else {
            return self.of_node(plan, level);
        };
        let hint = "each use of a WITH clause's table is planned again; store what is used often in a table or a file";
        Err(outer(CoreError::limit(told).hint(hint)))
    }

    fn of_node(&mut self, plan: &LogicalPlan, level: usize) -> Result<Vec<u64>, DataFusionError> {
        let inputs = plan.inputs();
        // Unions of unions are made one.
        let below = |input: &LogicalPlan| match (plan, input) {
            (LogicalPlan::Union(_), LogicalPlan::Union(_)) => level,
            _ => level + 1,
        };
        let inputs: Vec<(&LogicalPlan, Vec<u64>)> =
            inputs.into_iter().map(|i| Ok((i, self.columns(i, below(i))?))).collect::<Result<_, DataFusionError>>()?;
        let mut sizes = Vec::new();
        plan.apply_expressions(|expr| {
            sizes.push(self.expression(expr, &inputs, level)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        let width = plan.schema().fields().len();
        let largest = inputs.iter().flat_map(|(_, sizes)| sizes).copied().max().unwrap_or(0);
        Ok(match (plan, inputs.as_slice()) {
            (LogicalPlan::Projection(_), _) if sizes.len() == width => sizes,
            (LogicalPlan::Aggregate(_), _) if sizes.len() == width => sizes,
            (LogicalPlan::Window(_), [(_, below)]) if below.len() + sizes.len() == width => {
                below.iter().copied().chain(sizes).collect()
            }
            (LogicalPlan::Union(_), _) => {
                let most = |k| inputs.iter().filter_map(|(_, sizes)| sizes.get(k)).copied().max().unwrap_or(largest);
                (0..width).map(most).collect()
            }
            (_, [(_, one)]) if one.len() == width => one.clone(),
            (_, [(_, a), (_, b)]) if a.len() + b.len() == width => a.iter().chain(b).copied().collect(),
            (_, [(_, a), _]) if a.len() == width => a.clone(),
            _ => vec![sizes.into_iter().fold(largest, u64::max); width],
        })
    }

    fn expression(
        &mut self,
        expr: &Expr,
        inputs: &[(&LogicalPlan, Vec<u64>)],
        level: usize,
    ) -> Result<u64, DataFusionError> {
        let mut size = 0u64;
        expr.apply(|part| {
            size = size.saturating_add(match part {
                Expr::Literal(..) => 0,
                Expr::Column(column) => {
                    let of = |(plan, sizes): &(&LogicalPlan, Vec<u64>)| {
                        sizes.get(plan.schema().maybe_index_of_column(column)?).copied()
                    };
                    inputs.iter().find_map(of).unwrap_or(0)
                }
                Expr::ScalarSubquery(subquery) => self.subquery(&subquery.subquery, level)?,
                Expr::Exists(exists) => self.subquery(&exists.subquery.subquery, level)?,
                Expr::InSubquery(is_in) => self.subquery(&is_in.subquery.subquery, level)?,
                Expr::Alias(_) => 0,
                _ => 1,
            });
            Ok(TreeNodeRecursion::Continue)
        })?;
        if size > self.limits.written_out {
            let what = format!(
                "an expression has more than {} operators once the columns it is made of are written out",
                self.limits.written_out
            );
            let hint = "chains of tables that each use a column several times multiply it; store one of them in a table or a file";
            return Err(outer(CoreError::limit(what).hint(hint)));
        }
        Ok(size)
    }

    fn subquery(&mut self, plan: &LogicalPlan, level: usize) -> Result<u64, DataFusionError> {
        Ok(self.columns(plan, level + 1)?.into_iter().max().unwrap_or(0).saturating_add(1))
    }
}
