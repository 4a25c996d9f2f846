//! What the scan of an operator's second input is told when the first one is read.

use std::any::Any;
use std::sync::Arc;

use datafusion::physical_expr::expressions::DynamicFilterPhysicalExpr;
use datafusion::physical_plan::filter_pushdown::ChildPushdownResult;

/// The filter that the second input took, to be told what it filters by, if there was one for it.
pub(super) fn taken(result: &ChildPushdownResult) -> Option<Arc<DynamicFilterPhysicalExpr>> {
    let filter = Arc::clone(&result.self_filters.get(1)?.first()?.predicate);
    Arc::downcast(filter as Arc<dyn Any + Send + Sync>).ok()
}
