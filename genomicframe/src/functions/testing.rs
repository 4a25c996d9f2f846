//! Tables for the functions' tests.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;

/// A context that knows the functions and a table of the given columns.
pub(crate) fn table(name: &str, columns: Vec<(&str, ArrayRef)>) -> SessionContext {
    let columns = columns.into_iter().map(|(n, a)| (Field::new(n, a.data_type().clone(), true), a)).collect();
    let ctx = SessionContext::new();
    crate::functions::register(&mut *ctx.state_ref().write()).unwrap();
    add(&ctx, name, columns);
    ctx
}

/// Adds a table whose fields are given in full.
pub(crate) fn add(ctx: &SessionContext, name: &str, columns: Vec<(Field, ArrayRef)>) {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    ctx.register_table(name, Arc::new(MemTable::try_new(schema, vec![vec![batch]]).unwrap())).unwrap();
}

/// The rows of a query's answer, columns joined by `|`.
pub(crate) async fn rows(ctx: &SessionContext, sql: &str) -> Result<Vec<String>> {
    lines(&ctx.sql(sql).await?.collect().await?)
}

/// The optimised plan of a query, which is not run.
pub(crate) async fn plan(ctx: &SessionContext, sql: &str) -> Result<String> {
    Ok(ctx.sql(sql).await?.into_optimized_plan()?.to_string())
}

/// The rows of record batches, columns joined by `|`.
pub(crate) fn lines(batches: &[RecordBatch]) -> Result<Vec<String>> {
    let options = FormatOptions::default().with_null("null");
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options)).collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows() {
            out.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join("|"));
        }
    }
    Ok(out)
}
