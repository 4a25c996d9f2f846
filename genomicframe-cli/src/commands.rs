//! What each subcommand does.

use genomicframe::{
    Error, Execution, Explained, GenomicContext, Native, OutputFormat, Result, StatsQuery, WriteOptions, describe,
    write_batch, write_text,
};

use tokio::runtime::Handle;

use crate::args::{Command, CountArgs, ExplainArgs, FileArgs, HeadArgs, OutputArgs, SchemaArgs, StatsArgs, ViewArgs};
use crate::output::Output;
use crate::progress::Line;
use crate::query::Query;
use crate::{bams3, convert, depth};

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The options contradict each other.
    Usage(String),
    /// The work failed.
    Work(Error),
    /// A worker stopped without an answer.
    Lost(String),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Work(e)
    }
}

/// What commands work with.
pub(crate) struct Session {
    pub(crate) ctx: GenomicContext,
    /// Where rows are written: apart from the threads that make them, so that it can be stopped whatever those do.
    pub(crate) writer: Handle,
    /// Threads that make rows.
    pub(crate) threads: usize,
}

/// Runs a command to its end.
pub(crate) async fn execute(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Sql(args) => print(session, &args.query, output(session, &args.output)?).await,
        Command::View(args) => view(session, &args).await,
        Command::Count(args) => count(session, &args).await,
        Command::Stats(args) => stats(session, &args).await,
        Command::Depth(args) => depth::depth(session, &args).await,
        Command::Schema(args) => schema(session, &args).await,
        Command::Head(args) => head(session, &args).await,
        Command::Explain(args) => explain(session, &args).await,
        Command::Convert(args) => convert::convert(session, &args).await,
        Command::Bams3(args) => bams3::look(session, args.command).await,
    }
}

pub(crate) fn output(session: &Session, args: &OutputArgs) -> Result<Output, Failure> {
    Output::new(args, &session.ctx).map_err(|e| Failure::Usage(e.to_string()))
}

/// Runs a statement and writes its rows.
pub(crate) async fn print(session: &Session, sql: &str, output: Output) -> Result<(), Failure> {
    let mut frame = session.ctx.sql(sql).await?;
    let (mut options, mut text) = (output.options, None);
    if output.format == OutputFormat::Native {
        let native = Native::of(&frame)?;
        if let Some(promised) = Some(output.promised).filter(|p| !p.is_empty() && !p.contains(&native.format().0)) {
            let (is, promised) = (native.format(), promised.join(" or "));
            return Err(Failure::Usage(format!(
                "the rows are {is} records, which the output file's name does not fit: it is for {promised}"
            )));
        }
        frame = native.project(frame)?;
        text = Some(native.clone());
        options = options.native(native);
    }
    let mut execution = Execution::new(frame).await?.threads(session.threads).await?;
    if let Some(native) = text {
        execution = execution.as_text(&native)?;
    }
    let line = (!output.on_screen).then(|| Line::start(execution.progress(), &session.writer));
    let rows = execution.start();
    let write = async move { rows.write(output.format, output.target, &options).await };
    let written = session.writer.spawn(write).await;
    drop(line);
    match written {
        Ok(written) => Ok(written.map(|_| ())?),
        Err(lost) => Err(Failure::Lost(lost.to_string())),
    }
}

/// As [`print`], of a statement that the user wrote only parts of.
pub(crate) async fn print_parts(session: &Session, query: &Query<'_>, output: Output) -> Result<(), Failure> {
    let sql = query.sql()?;
    print(session, &sql, output).await.map_err(|failure| match failure {
        Failure::Work(e) => Failure::Work(with_statement(e, &sql)),
        other => other,
    })
}

/// Lines and columns in the message of a syntax error are the statement's.
fn with_statement(e: Error, sql: &str) -> Error {
    if e.is_syntax() { Error::invalid(format!("{e}\nin the statement\n{sql}")) } else { e }
}

async fn view(session: &Session, args: &ViewArgs) -> Result<(), Failure> {
    let output = output(session, &args.output)?;
    if output.format == OutputFormat::Native && args.select.is_some() {
        return Err(Failure::Usage(
            "native text needs every column: leave out --select, or choose another --format".into(),
        ));
    }
    let columns = args.select.as_deref().unwrap_or("*");
    let filter = args.filter.as_deref();
    let query = Query { file: &args.file, regions: &args.regions, filter, columns, limit: args.limit };
    print_parts(session, &query, output).await
}

async fn head(session: &Session, args: &HeadArgs) -> Result<(), Failure> {
    print_parts(session, &all(&args.file, Some(args.rows)), output(session, &args.output)?).await
}

pub(crate) fn all(file: &FileArgs, limit: Option<u64>) -> Query<'_> {
    Query { file, regions: &[], filter: None, columns: "*", limit }
}

async fn count(session: &Session, args: &CountArgs) -> Result<(), Failure> {
    let mut output = output(session, &args.output)?;
    if args.output.format.is_none() && args.output.output.is_none() {
        output.format = OutputFormat::Tsv;
        output.options = WriteOptions::new().header(false);
        output.on_screen = false;
    }
    refuse_native(output.format)?;
    let filter = args.filter.as_deref();
    let columns = "count(*) AS count";
    let query = Query { file: &args.file, regions: &args.regions, filter, columns, limit: None };
    print_parts(session, &query, output).await
}

async fn stats(session: &Session, args: &StatsArgs) -> Result<(), Failure> {
    let output = output(session, &args.output)?;
    refuse_native(output.format)?;
    let filter = args.filter.as_deref();
    let sql = Query { file: &args.file, regions: &args.regions, filter, columns: "*", limit: None }.sql()?;
    let frame = session.ctx.sql(&sql).await.map_err(|e| with_statement(e, &sql))?;
    let query = StatsQuery::new(frame).await?;
    let stats = match query.totals().filter(|_| !args.scan) {
        Some(stats) => stats,
        None => {
            let _line = Line::start(query.progress(), &session.writer);
            query.run().await?
        }
    };
    if args.output.format.is_some() || args.output.output.is_some() {
        let table = stats.to_batch().map_err(Error::from)?;
        write_batch(table, output.format, output.target, &output.options).await?;
    } else {
        write_text(&stats.to_string(), output.target).await?;
    }
    Ok(())
}

async fn schema(session: &Session, args: &SchemaArgs) -> Result<(), Failure> {
    let output = output(session, &args.output)?;
    refuse_native(output.format)?;
    let frame = session.ctx.sql(&all(&args.file, None).sql()?).await?;
    let batch = describe(frame.schema().as_arrow())?;
    write_batch(batch, output.format, output.target, &output.options).await?;
    Ok(())
}

pub(crate) fn refuse_native(format: OutputFormat) -> Result<(), Failure> {
    match format {
        OutputFormat::Native => Err(Failure::Usage("native text is for records: gf view, head or sql".into())),
        _ => Ok(()),
    }
}

async fn explain(session: &Session, args: &ExplainArgs) -> Result<(), Failure> {
    let output = output(session, &args.output)?;
    let rows = output.format != OutputFormat::Table && (args.output.format.is_some() || args.output.output.is_some());
    let frame = session.ctx.sql(&args.query).await?;
    let plans = if args.analyze { Explained::analyze(frame).await? } else { Explained::new(frame).await? };
    if rows && output.format != OutputFormat::Native {
        write_batch(plans.to_batch()?, output.format, output.target, &output.options).await?;
    } else {
        write_text(&plans.to_string(), output.target).await?;
    }
    Ok(())
}
