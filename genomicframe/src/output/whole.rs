//! What SQL writes (`COPY`, `INSERT`) is there when it is whole, or not at all.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::sink::{DataSink, DataSinkExec};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::metrics::MetricsSet;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan};
use futures::{FutureExt, StreamExt};
use tokio::sync::oneshot;

use super::revocable::{RevocableStores, Write};
use crate::runtime::lost;

/// DataFusion's sinks take a query that fails for one that ends, and put the rows before the failure in the old file's place.
/// With this rule they are dropped then, and what they have begun to write is given up.
#[derive(Debug)]
pub(crate) struct WholeWrites;

impl PhysicalOptimizerRule for WholeWrites {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| match (&*node as &dyn Any).downcast_ref::<DataSinkExec>() {
            Some(sink) if !sink.sink().is::<WholeSink>() => {
                let (input, order) = (Arc::clone(sink.input()), sink.sort_order().clone());
                let whole = DataSinkExec::new(input, Arc::new(WholeSink(sink.clone())), order);
                Ok(Transformed::yes(Arc::new(whole) as Arc<dyn ExecutionPlan>))
            }
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "whole_writes"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The sink of a plan, which nothing but the plan can be asked for.
#[derive(Debug)]
struct WholeSink(DataSinkExec);

impl DisplayAs for WholeSink {
    fn fmt_as(&self, how: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.sink().fmt_as(how, f)
    }
}

#[async_trait]
impl DataSink for WholeSink {
    fn metrics(&self) -> Option<MetricsSet> {
        self.0.sink().metrics()
    }

    fn schema(&self) -> &SchemaRef {
        self.0.sink().schema()
    }

    async fn write_all(&self, data: SendableRecordBatchStream, context: &Arc<TaskContext>) -> Result<u64> {
        let (sender, failure) = oneshot::channel();
        let schema = data.schema();
        // A stream that fails has no end, so that nobody takes it for one.
        let endless = futures::stream::unfold((data, sender), |(mut data, sender)| async move {
            let failure = match AssertUnwindSafe(data.next()).catch_unwind().await {
                Ok(Some(Err(e))) => e,
                Ok(next) => return next.map(|batch| (batch, (data, sender))),
                Err(_) => DataFusionError::External(Box::new(lost())),
            };
            let _ = sender.send(failure);
            std::future::pending().await
        });
        let endless = Box::pin(RecordBatchStreamAdapter::new(schema, endless));
        let failed = async {
            match failure.await {
                Ok(e) => e,
                // All rows have come.
                Err(_) => std::future::pending().await,
            }
        };
        let (context, write) = revocable(context);
        let mut writing = self.0.sink().write_all(endless, &context);
        // Dropped before the write, whose tasks end one by one: each takes the end of another for that of its rows.
        let unfinished = Unfinished(Some(write));
        let written = tokio::select! {
            biased;
            e = failed => Err(e),
            written = &mut writing => written,
        };
        if written.is_ok() {
            unfinished.finish();
        }
        written
    }
}

/// `context` with stores that can be revoked.
fn revocable(context: &Arc<TaskContext>) -> (Arc<TaskContext>, Write) {
    let (env, write) = (context.runtime_env(), Write::new());
    let of = Arc::clone(&env.object_store_registry);
    let stores = RevocableStores { of, write: write.clone() };
    let env = RuntimeEnv { object_store_registry: Arc::new(stores), ..(*env).clone() };
    let context = TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone(),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        Arc::new(env),
    );
    (Arc::new(context), write)
}

/// Revokes a write when it is dropped, unless that is finished.
struct Unfinished(Option<Write>);

impl Unfinished {
    fn finish(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(write) = &self.0 {
            write.revoke();
        }
    }
}
