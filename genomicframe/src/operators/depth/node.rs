//! The logical node.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use genomicframe_core::depth::{DepthRules, Layout, Report, Windows};
use genomicframe_core::genome::{Contigs, RegionSet};

use super::exec::DepthExec;

/// What is counted, and what is told of it.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) contigs: Arc<Contigs>,
    pub(super) rules: DepthRules,
    pub(super) layout: Layout,
    /// Where anything is told of; `None`: everywhere.
    pub(super) regions: Option<RegionSet>,
}

impl Spec {
    pub(super) fn report(&self, batch_size: usize) -> Result<Report, genomicframe_core::Error> {
        let report = Report::new(Arc::clone(&self.contigs), self.layout.clone())?.batch_size(batch_size);
        Ok(match &self.regions {
            Some(regions) => report.within(regions),
            None => report,
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DepthRules { whole, deletions, mates_once, min_base_quality } = self.rules;
        f.write_str(if whole { "counted=first to last base" } else { "counted=aligned bases" })?;
        if deletions && !whole {
            f.write_str(" and deleted ones")?;
        }
        if min_base_quality > 0 && !whole {
            write!(f, " of quality {min_base_quality}")?;
        }
        if mates_once {
            f.write_str(", mates once")?;
        }
        match &self.layout {
            Layout::Runs => f.write_str(", rows=runs")?,
            Layout::Bands(bands) => write!(f, ", rows=bands {}", bands.names().join(" "))?,
            Layout::Windows { windows: Windows::Fixed { size, step }, .. } => {
                write!(f, ", rows=windows of {size} bp each {step} bp")?;
            }
            Layout::Windows { windows: Windows::Listed { windows, .. }, .. } => {
                write!(f, ", rows={} windows", windows.values().map(Vec::len).sum::<usize>())?;
            }
        }
        match &self.regions {
            Some(regions) => write!(f, ", within={regions}"),
            None => Ok(()),
        }
    }
}

/// Alignments in, rows of depth out.
#[derive(Clone)]
pub(super) struct Depth {
    input: LogicalPlan,
    spec: Arc<Spec>,
    schema: DFSchemaRef,
}

impl Depth {
    /// `input` has the columns that the rules look at, and no others.
    pub(super) fn plan(input: LogicalPlan, spec: Spec) -> Result<LogicalPlan> {
        let schema = Arc::new(DFSchema::try_from(spec.layout.schema())?);
        let node = Self { input, spec: Arc::new(spec), schema };
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
    }
}

impl fmt::Debug for Depth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        UserDefinedLogicalNodeCore::fmt_for_explain(self, f)
    }
}

impl PartialEq for Depth {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.spec, &other.spec) && self.input == other.input
    }
}

impl Eq for Depth {}

impl PartialOrd for Depth {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self == other { Some(Ordering::Equal) } else { None }
    }
}

impl Hash for Depth {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.spec.rules.hash(state);
    }
}

impl UserDefinedLogicalNodeCore for Depth {
    fn name(&self) -> &str {
        "Depth"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Depth: {}", self.spec)
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Some(input), true) = (inputs.pop(), inputs.is_empty()) else {
            return datafusion::common::internal_err!("depth has one input");
        };
        Ok(Self { input, ..self.clone() })
    }

    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![(0..self.input.schema().fields().len()).collect()])
    }
}

/// What runs the node, if it is one of depth.
pub(crate) fn plan(
    node: &dyn UserDefinedLogicalNode,
    inputs: &[Arc<dyn ExecutionPlan>],
    _: &dyn Session,
) -> Option<Result<Arc<dyn ExecutionPlan>>> {
    let depth = node.as_any().downcast_ref::<Depth>()?;
    let [input] = inputs else { return Some(datafusion::common::internal_err!("depth has one input")) };
    Some(Ok(Arc::new(DepthExec::new(Arc::clone(input), Arc::clone(&depth.spec)))))
}
