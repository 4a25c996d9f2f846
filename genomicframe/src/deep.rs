//! Planning on a stack of its own: trees of expressions and plans are walked, copied and dropped by recursion, and a thread of
//! a runtime has 2 MB for that.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRewriter};
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{Analyzer, AnalyzerRule, Optimizer, OptimizerConfig, OptimizerRule};

/// Address space, of which only what is used becomes memory. It holds what [`crate::QueryLimits`] lets pass.
const STACK: usize = 128 << 20;
/// What must be left of a stack that is used on.
const ENOUGH: usize = 96 << 20;

/// Does `work` where the stack is deep.
pub(crate) fn deep<T>(work: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(ENOUGH, STACK, work)
}

/// Waits for `work`, each step of which is done where the stack is deep.
pub(crate) async fn deeply<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| deep(|| work.as_mut().poll(context))).await
}

/// DataFusion's analyzer rules, each run where the stack is deep.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    Analyzer::new().rules.into_iter().map(|rule| Arc::new(DeepAnalyzer(rule)) as _).collect()
}

/// DataFusion's optimizer rules, and `own` behind the one that pushes filters down; each run where the stack is deep.
pub(crate) fn optimizer_rules(
    own: impl OptimizerRule + Send + Sync + 'static,
) -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = Optimizer::new().rules;
    // Later ones put projections between a filter and what is below it.
    let behind = rules.iter().position(|rule| rule.name() == "push_down_filter").map_or(rules.len(), |at| at + 1);
    rules.insert(behind, Arc::new(own));
    rules.into_iter().map(|rule| Arc::new(DeepOptimizer(rule)) as _).collect()
}

#[derive(Debug)]
struct DeepAnalyzer(Arc<dyn AnalyzerRule + Send + Sync>);

impl AnalyzerRule for DeepAnalyzer {
    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        deep(|| self.0.analyze(plan, config))
    }

    fn name(&self) -> &str {
        self.0.name()
    }
}

#[derive(Debug)]
struct DeepOptimizer(Arc<dyn OptimizerRule + Send + Sync>);

impl OptimizerRule for DeepOptimizer {
    fn name(&self) -> &str {
        self.0.name()
    }

    /// The plan is walked here, so that one stack serves all of it.
    fn apply_order(&self) -> Option<ApplyOrder> {
        None
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        deep(|| match self.0.apply_order() {
            Some(order) => plan.rewrite_with_subqueries(&mut Walk { order, rule: &*self.0, config }),
            None => self.0.rewrite(plan, config),
        })
    }
}

/// Applies a rule to each node.
struct Walk<'a> {
    order: ApplyOrder,
    rule: &'a dyn OptimizerRule,
    config: &'a dyn OptimizerConfig,
}

impl TreeNodeRewriter for Walk<'_> {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match self.order {
            ApplyOrder::TopDown => self.rule.rewrite(node, self.config),
            ApplyOrder::BottomUp => Ok(Transformed::no(node)),
        }
    }

    fn f_up(&mut self, node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
        match self.order {
            ApplyOrder::BottomUp => self.rule.rewrite(node, self.config),
            ApplyOrder::TopDown => Ok(Transformed::no(node)),
        }
    }
}
