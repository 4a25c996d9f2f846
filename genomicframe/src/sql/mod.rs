//! SQL over files: `SELECT … FROM 'x.bam'`, `read_bam('x', region => …)`, `CREATE EXTERNAL TABLE … STORED AS VCF`.
//!
//! A statement is parsed, the files it names are opened (which takes I/O, so DataFusion's own planner could not), and only
//! then it is planned.
//!
//! | file | what it holds |
//! |---|---|
//! | `dialect` | `end` as a plain column name |
//! | `limits` | how large a query may be |
//! | `balance` | chains of AND and OR as trees of few levels |
//! | `growth` | how large a plan becomes |
//! | `tables` | the files and `read_*` calls of a statement |
//! | `layers` | a catalog in which a statement's files lie in front of the session's tables |
//! | `regions` | `in_regions(…, 'panel.bed')` |
//! | `verbs` | table functions that do what a frame's verb does |
//! | `intervals` | the verbs on intervals among them |
//! | `options` | named arguments and `OPTIONS (…)` |
//! | `external` | `CREATE EXTERNAL TABLE` |

mod balance;
mod dialect;
mod external;
mod growth;
mod intervals;
mod layers;
mod limits;
mod options;
mod regions;
mod tables;
mod verbs;

use datafusion::dataframe::DataFrame;
use datafusion::sql::parser::Statement;
use tokio::time::timeout;

use crate::context::GenomicContext;
use crate::deep::{deep, deeply};
use crate::error::{Error, Result};
use crate::untrusted::{Untrusted, over};
pub(crate) use external::GenomicTableFactory;
pub use limits::QueryLimits;

/// Plans the statements of `query`, running all but the last.
pub(crate) async fn plan(context: &GenomicContext, query: &str) -> Result<DataFrame> {
    let mut statements = deep(|| dialect::parse(query, context.query_limits()))?;
    if let Some(untrusted) = context.distrust() {
        untrusted.check_statements(statements.iter())?;
    }
    let Some(last) = statements.pop_back() else { return Err(Error::invalid("the query is empty")) };
    for statement in statements {
        plan_one(context, statement).await?.collect().await?;
    }
    match context.distrust() {
        Some(Untrusted { timeout: time, .. }) => {
            timeout(*time, plan_one(context, last)).await.map_err(|_| over(*time))?
        }
        None => plan_one(context, last).await,
    }
}

async fn plan_one(context: &GenomicContext, statement: Statement) -> Result<DataFrame> {
    let session = context.session();
    let planning = deeply(async {
        let (statement, opened) = tables::open(context, statement).await?;
        // A state of its own sees the statement's files; the session's other queries do not.
        let plan = tables::state_with(session, opened)?.statement_to_plan(statement).await?;
        growth::check(&plan, context.query_limits())?;
        if let Some(untrusted) = context.distrust() {
            untrusted.check_plan(&plan)?;
        }
        Ok::<_, Error>(plan)
    });
    let plan = planning.await?;
    Ok(deeply(session.execute_logical_plan(plan)).await?)
}
