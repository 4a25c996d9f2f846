//! A planned scan that hands out the rows' own text instead of their columns.

use std::sync::Arc;

use datafusion::common::Statistics;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, FileSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use genomicframe_core::scan::text_schema;

use super::pieces::{genomic_scan, planned};
use crate::error::Result;

/// `plan` as a scan of text ([`text_schema`]), so that no column is built only to be written out again.
///
/// `None` unless the plan is nothing but a scan of columns as they are, all those among them that `encodes` names, of files
/// that can do so: whatever computes, filters or renames above the scan needs the columns.
pub(crate) fn as_native_text(
    plan: &Arc<dyn ExecutionPlan>,
    encodes: &dyn Fn(&str) -> bool,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some((config, source)) = genomic_scan(plan) else { return Ok(None) };
    let Some(projection) = source.projection() else { return Ok(None) };
    let of = |p: &datafusion::physical_expr::projection::ProjectionExpr| {
        p.expr.downcast_ref::<Column>().filter(|c| c.name() == p.alias).map(|c| c.name().to_owned())
    };
    let Some(columns) = projection.iter().map(of).collect::<Option<Vec<String>>>() else { return Ok(None) };
    let whole = planned(config).all(|(_, p)| {
        let schema = p.dataset.schema();
        let needed = schema.fields().iter().map(|f| f.name()).filter(|name| encodes(name));
        p.dataset.makes_text() && needed.into_iter().all(|name| columns.contains(name))
    });
    if !whole {
        return Ok(None);
    }
    // A line has no room for what the path says of its file.
    let strip = |file: &PartitionedFile| PartitionedFile { partition_values: Vec::new(), ..file.clone() };
    let groups = config.file_groups.iter().map(|g| g.iter().map(strip).collect::<Vec<_>>().into()).collect();
    let config = FileScanConfigBuilder::from(config.clone())
        .with_source(Arc::new(source.of_text()))
        .with_statistics(Statistics::new_unknown(&text_schema()))
        .with_file_groups(groups)
        .build();
    Ok(Some(DataSourceExec::from_data_source(config)))
}
