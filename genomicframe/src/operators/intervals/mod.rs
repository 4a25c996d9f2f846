//! Verbs on intervals: count_overlaps, coverage, nearest, subtract, complement, windows, merge and cluster.
//!
//! Kernels over the spans of one contig are the core's ([`genomicframe_core::intervals`]). Here rows become spans, whatever
//! their columns are called and count from, and what the kernels make becomes rows.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | what the verbs may be told |
//! | `node` | the logical node of all of them: which columns come and go |
//! | `below` | filters of what the first input's rows have go below the verb |
//! | `place` | rows of a batch become contigs and spans |
//! | `gather` | an input read completely, by contig |
//! | `ahead` | a small first input, whose rows tell what of the second one is of use |
//! | `kernels` | what is made of a row |
//! | `second` | the second input becomes a kernel, or goes to disk |
//! | `disk` | its parts on disk |
//! | `chunk` | rows of the first input meet these parts |
//! | `making` | rows of the first input become rows of the verb |
//! | `per_row` | the operator of verbs that make rows of rows: the first input is streamed, the second read before |
//! | `whole` | the operator of merge and cluster, which look at all rows first |

mod ahead;
mod below;
mod chunk;
mod disk;
mod gather;
mod kernels;
mod making;
mod node;
mod options;
mod per_row;
mod place;
mod second;
mod whole;

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::Result;
use datafusion::logical_expr::UserDefinedLogicalNode;
use datafusion::physical_plan::ExecutionPlan;

use self::per_row::PerRowExec;
use self::whole::WholeExec;
pub(crate) use below::FiltersBelowVerbs;
pub use genomicframe_core::intervals::Ties;
pub(crate) use node::{Intervals, Verb};
pub use options::{Direction, MergeOptions, NearestOptions, Strands};

/// What runs the node, when it is one of these.
pub(super) fn plan(
    node: &dyn UserDefinedLogicalNode,
    inputs: &[Arc<dyn ExecutionPlan>],
    _: &dyn Session,
) -> Option<Result<Arc<dyn ExecutionPlan>>> {
    let node = node.as_any().downcast_ref::<Intervals>()?;
    Some(plan_intervals(node, inputs))
}

fn plan_intervals(node: &Intervals, inputs: &[Arc<dyn ExecutionPlan>]) -> Result<Arc<dyn ExecutionPlan>> {
    let (places, schema) = (node.indices()?, node.arrow_schema());
    if let (Verb::Merge(options) | Verb::Cluster(options), [input], [places]) = (&node.verb, inputs, places.as_slice())
    {
        let (input, places) = (Arc::clone(input), places.clone());
        return Ok(Arc::new(WholeExec::new(node.verb.clone(), *options, input, places, schema)));
    }
    Ok(Arc::new(PerRowExec::new(node.verb.clone(), inputs.to_vec(), places, schema)?))
}
