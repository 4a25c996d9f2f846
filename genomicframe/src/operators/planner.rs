//! Logical nodes become what runs them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use tokio::time::timeout;

use crate::deep::deeply;
use crate::error::outer;
use crate::untrusted::{DeadlineExec, over};

/// What runs a logical node over its planned inputs; `None` when the node is another operator's.
type Plan =
    fn(&dyn UserDefinedLogicalNode, &[Arc<dyn ExecutionPlan>], &dyn Session) -> Option<Result<Arc<dyn ExecutionPlan>>>;

/// One for each operator.
const OPERATORS: &[Plan] = &[super::depth::plan, super::intervals::plan];

/// DataFusion's planner, which knows our operators too.
#[derive(Debug)]
pub(crate) struct GenomicPlanner {
    /// Of planning, and then of the rows.
    pub(crate) timeout: Option<Duration>,
}

#[async_trait]
impl QueryPlanner for GenomicPlanner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Operators)]);
        let planning = deeply(planner.create_physical_plan(plan, session));
        let Some(time) = self.timeout else { return planning.await };
        let plan = timeout(time, planning).await.map_err(|_| outer(over(time)))??;
        Ok(Arc::new(DeadlineExec::around(plan, time)?))
    }
}

struct Operators;

#[async_trait]
impl ExtensionPlanner for Operators {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        OPERATORS.iter().find_map(|plan| plan(node, inputs, session)).transpose()
    }
}
