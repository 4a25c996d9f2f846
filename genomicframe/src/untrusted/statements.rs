//! Which statements are allowed: those that only read.

use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Inner;
use genomicframe_core::Error as CoreError;

use crate::error::Result;

/// That a statement is a query, `EXPLAIN` of one or `DESCRIBE`. `EXPLAIN ANALYZE` runs its query, within the same limits and
/// with the same rights, so it tells nothing that the query would not.
///
/// # Errors
/// When it is something else.
pub(crate) fn check(statement: &Statement) -> Result<()> {
    let is_allowed = match statement {
        Statement::Statement(inner) => matches!(**inner, Inner::Query(_) | Inner::ExplainTable { .. }),
        Statement::Explain(explain) => return check(&explain.statement),
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) | Statement::Reset(_) => false,
    };
    if is_allowed { Ok(()) } else { Err(refused().into()) }
}

/// The same of what became of it: a query may hide a statement (`SELECT … INTO`).
///
/// # Errors
/// When it does.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    let only_queries = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_queries.verify_plan(plan).map_err(|_| refused().into())
}

/// Of a text with several statements.
pub(crate) fn several() -> CoreError {
    CoreError::denied("only one statement is allowed at a time")
}

fn refused() -> CoreError {
    CoreError::denied("only queries are allowed: SELECT, WITH, VALUES, EXPLAIN, DESCRIBE")
}
