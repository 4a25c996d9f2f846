//! Calls that the scan answers itself, so that what they are computed of is not built.

use std::sync::Arc;

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::projection::SplitProjection;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_plan::PhysicalExpr;
use genomicframe_core::scan::{Computed, ComputedValue, Dataset};

use crate::functions::genotypes;

/// What is read of files for a projection: some of their columns, and some that are computed of others.
#[derive(Clone)]
pub(super) struct Reading {
    /// Over [`Reading::schema`].
    pub(super) split: SplitProjection,
    /// The files' columns, and after them those that are computed.
    pub(super) schema: SchemaRef,
    pub(super) computed: Arc<[Computed]>,
}

impl Reading {
    /// All columns of `table`, as they are.
    pub(super) fn unprojected(table: &TableSchema) -> Self {
        let schema = Arc::clone(table.file_schema());
        Self { split: SplitProjection::unprojected(table), schema, computed: Arc::default() }
    }

    /// Finds the calls in `projection`, which is over `table`, that every one of `datasets` answers, if such are wanted.
    pub(super) fn new(
        table: &TableSchema,
        projection: &ProjectionExprs,
        datasets: &[Arc<dyn Dataset>],
        computes: bool,
    ) -> Result<Self> {
        let files = table.file_schema();
        let mut calls: Vec<(Computed, Arc<dyn PhysicalExpr>)> = Vec::new();
        for projected in projection.iter() {
            projected.expr.apply(|expr| {
                if computes
                    && let Some(computed) = call(expr, files)
                    && calls.iter().all(|(known, _)| *known != computed)
                    && datasets.iter().all(|d| is_answered(&**d, &computed, expr, files))
                {
                    calls.push((computed, Arc::clone(expr)));
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        if calls.is_empty() {
            let split = SplitProjection::new(files, projection);
            return Ok(Self { split, schema: Arc::clone(files), computed: Arc::default() });
        }
        let own = files.fields().len();
        let mut fields = files.fields().to_vec();
        for (computed, expr) in &calls {
            let field = expr.return_field(files)?;
            fields.push(Arc::new(field.as_ref().clone().with_name(computed.to_string())));
        }
        let schema = Arc::new(Schema::new(fields));
        let computed: Arc<[Computed]> = calls.into_iter().map(|(computed, _)| computed).collect();
        let rewrite = |expr: Arc<dyn PhysicalExpr>| {
            if let Some(place) = call(&expr, files).and_then(|c| computed.iter().position(|known| *known == c)) {
                let column = Column::new(schema.field(own + place).name(), own + place);
                return Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>));
            }
            match expr.downcast_ref::<Column>() {
                // The values of paths come after the files' columns.
                Some(column) if column.index() >= own && column.index() < own + table.table_partition_cols().len() => {
                    let column = Column::new(column.name(), column.index() + computed.len());
                    Ok(Transformed::yes(Arc::new(column) as Arc<dyn PhysicalExpr>))
                }
                _ => Ok(Transformed::no(expr)),
            }
        };
        let exprs = projection.iter().map(|projected| {
            let expr = Arc::clone(&projected.expr).transform_down(rewrite).data()?;
            Ok(ProjectionExpr::new(expr, projected.alias.clone()))
        });
        let exprs: ProjectionExprs = exprs.collect::<Result<Vec<_>>>()?.into();
        Ok(Self { split: SplitProjection::new(&schema, &exprs), schema, computed })
    }

    /// The schema of what is read.
    pub(super) fn columns(&self) -> Result<Schema> {
        Ok(self.schema.project(&self.split.file_indices)?)
    }
}

/// What `expr` computes of a column of the files, if it is a call that a scan may answer.
fn call(expr: &Arc<dyn PhysicalExpr>, files: &Schema) -> Option<Computed> {
    let call = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (of, rest) = call.args().split_first()?;
    let column = of.downcast_ref::<Column>()?;
    let value = match rest {
        _ if *call.fun() == genotypes::allele_frequency() => ComputedValue::AlleleFrequency,
        _ if *call.fun() == genotypes::allele_count() => ComputedValue::AlleleCount,
        _ if *call.fun() == genotypes::allele_number() => ComputedValue::AlleleNumber,
        [name] if *call.fun() == genotypes::sample() => ComputedValue::OfSample(text(name)?),
        _ => return None,
    };
    let samples = if matches!(value, ComputedValue::OfSample(_)) { &[] } else { rest };
    let samples = samples.iter().map(text).collect::<Option<_>>()?;
    Some(Computed { column: files.fields().get(column.index())?.name().clone(), value, samples })
}

fn text(constant: &Arc<dyn PhysicalExpr>) -> Option<String> {
    Some(constant.downcast_ref::<Literal>()?.value().try_as_str()??.to_owned())
}

/// Whether the file computes it, as what the call returns. One without the column has nulls, of which every call makes null.
fn is_answered(dataset: &dyn Dataset, computed: &Computed, expr: &Arc<dyn PhysicalExpr>, files: &Schema) -> bool {
    match dataset.compute(computed) {
        Some(field) => expr.data_type(files).is_ok_and(|ty| ty == *field.data_type()),
        None => dataset.schema().index_of(&computed.column).is_err(),
    }
}
