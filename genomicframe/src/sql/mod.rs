//! SQL over files: `SELECT … FROM 'x.bam'`, `read_bam('x', region => …)`, `CREATE EXTERNAL TABLE … STORED AS VCF`.
//!
//! A statement is parsed, the files it names are opened (which takes I/O, so DataFusion's own planner could not), and only
//! then it is planned.
//!
//! | file | what it holds |
//! |---|---|
//! | `dialect` | `end` as a plain column name |
//! | `tables` | the files and `read_*` calls of a statement |
//! | `layers` | a catalog in which a statement's files lie in front of the session's tables |
//! | `regions` | `in_regions(…, 'panel.bed')` |
//! | `verbs` | table functions that do what a frame's verb does |
//! | `intervals` | the verbs on intervals among them |
//! | `options` | named arguments and `OPTIONS (…)` |
//! | `external` | `CREATE EXTERNAL TABLE` |

mod dialect;
mod external;
mod intervals;
mod layers;
mod options;
mod regions;
mod tables;
mod verbs;

use datafusion::dataframe::DataFrame;

use crate::context::GenomicContext;
use crate::error::{Error, Result};
pub(crate) use external::GenomicTableFactory;

/// Longest query text.
const MAX_SQL: usize = 1 << 20;

/// Plans the statements of `query`, running all but the last.
pub(crate) async fn plan(context: &GenomicContext, query: &str) -> Result<DataFrame> {
    if query.len() > MAX_SQL {
        return Err(genomicframe_core::Error::limit(format!("the query is longer than {MAX_SQL} bytes")).into());
    }
    let mut statements = dialect::parse(query)?;
    let Some(last) = statements.pop_back() else { return Err(Error::invalid("the query is empty")) };
    for statement in statements {
        plan_one(context, statement).await?.collect().await?;
    }
    plan_one(context, last).await
}

async fn plan_one(context: &GenomicContext, statement: datafusion::sql::parser::Statement) -> Result<DataFrame> {
    let session = context.session();
    let (statement, opened) = tables::open(context, statement).await?;
    // A state of its own sees the statement's files; the session's other queries do not.
    let plan = tables::state_with(session, opened)?.statement_to_plan(statement).await?;
    Ok(session.execute_logical_plan(plan).await?)
}
