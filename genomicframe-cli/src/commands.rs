//! What each subcommand does.

use genomicframe::{
    Error, Execution, Explained, GenomicContext, Native, OutputFormat, Result, WriteOptions, describe, write_batch,
    write_text,
};

use crate::args::{Command, CountArgs, ExplainArgs, FileArgs, HeadArgs, OutputArgs, SchemaArgs, ViewArgs};
use crate::output::Output;
use crate::progress::Line;
use crate::query::Query;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The options contradict each other.
    Usage(String),
    /// The work failed.
    Work(Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Work(e)
    }
}

/// Runs a command to its end.
pub(crate) async fn execute(ctx: &GenomicContext, command: Command) -> Result<(), Failure> {
    match command {
        Command::Sql(args) => print(ctx, &args.query, output(&args.output)?).await,
        Command::View(args) => view(ctx, &args).await,
        Command::Count(args) => count(ctx, &args).await,
        Command::Schema(args) => schema(ctx, &args).await,
        Command::Head(args) => head(ctx, &args).await,
        Command::Explain(args) => explain(ctx, &args).await,
    }
}

fn output(args: &OutputArgs) -> Result<Output, Failure> {
    Output::new(args).map_err(|e| Failure::Usage(e.to_string()))
}

/// Runs a statement and writes its rows.
async fn print(ctx: &GenomicContext, sql: &str, output: Output) -> Result<(), Failure> {
    let mut frame = ctx.sql(sql).await?;
    let mut options = output.options;
    if output.format == OutputFormat::Native {
        let native = Native::of(&frame)?;
        if let Some(promised) = output.promised.filter(|id| *id != native.format().0) {
            let is = native.format();
            return Err(Failure::Usage(format!(
                "the rows are {is} records, which the output file's name does not fit: it is for {promised}"
            )));
        }
        frame = native.project(frame)?;
        options = options.native(native);
    }
    let execution = Execution::new(frame).await?;
    let line = (!output.on_screen).then(|| Line::start(execution.progress()));
    let written = execution.write(output.format, output.target, &options).await;
    drop(line);
    Ok(written.map(|_| ())?)
}

/// As [`print`], of a statement that the user wrote only parts of.
async fn print_parts(ctx: &GenomicContext, query: &Query<'_>, output: Output) -> Result<(), Failure> {
    let sql = query.sql()?;
    print(ctx, &sql, output).await.map_err(|failure| match failure {
        // Lines and columns in the message are the statement's.
        Failure::Work(e) if e.is_syntax() => Failure::Work(Error::invalid(format!("{e}\nin the statement\n{sql}"))),
        other => other,
    })
}

async fn view(ctx: &GenomicContext, args: &ViewArgs) -> Result<(), Failure> {
    let output = output(&args.output)?;
    if output.format == OutputFormat::Native && args.select.is_some() {
        return Err(Failure::Usage(
            "native text needs every column: leave out --select, or choose another --format".into(),
        ));
    }
    let columns = args.select.as_deref().unwrap_or("*");
    let filter = args.filter.as_deref();
    let query = Query { file: &args.file, regions: &args.regions, filter, columns, limit: args.limit };
    print_parts(ctx, &query, output).await
}

async fn head(ctx: &GenomicContext, args: &HeadArgs) -> Result<(), Failure> {
    print_parts(ctx, &all(&args.file, Some(args.rows)), output(&args.output)?).await
}

fn all(file: &FileArgs, limit: Option<u64>) -> Query<'_> {
    Query { file, regions: &[], filter: None, columns: "*", limit }
}

async fn count(ctx: &GenomicContext, args: &CountArgs) -> Result<(), Failure> {
    let mut output = output(&args.output)?;
    if args.output.format.is_none() && args.output.output.is_none() {
        output.format = OutputFormat::Tsv;
        output.options = WriteOptions::new().header(false);
        output.on_screen = false;
    }
    refuse_native(output.format)?;
    let filter = args.filter.as_deref();
    let columns = "count(*) AS count";
    let query = Query { file: &args.file, regions: &args.regions, filter, columns, limit: None };
    print_parts(ctx, &query, output).await
}

async fn schema(ctx: &GenomicContext, args: &SchemaArgs) -> Result<(), Failure> {
    let output = output(&args.output)?;
    refuse_native(output.format)?;
    let frame = ctx.sql(&all(&args.file, None).sql()?).await?;
    let batch = describe(frame.schema().as_arrow())?;
    write_batch(batch, output.format, output.target, &output.options).await?;
    Ok(())
}

fn refuse_native(format: OutputFormat) -> Result<(), Failure> {
    match format {
        OutputFormat::Native => Err(Failure::Usage("native text is for records: gf view, head or sql".into())),
        _ => Ok(()),
    }
}

async fn explain(ctx: &GenomicContext, args: &ExplainArgs) -> Result<(), Failure> {
    let output = output(&args.output)?;
    let rows = output.format != OutputFormat::Table && (args.output.format.is_some() || args.output.output.is_some());
    let frame = ctx.sql(&args.query).await?;
    let plans = if args.analyze { Explained::analyze(frame).await? } else { Explained::new(frame).await? };
    if rows && output.format != OutputFormat::Native {
        write_batch(plans.to_batch()?, output.format, output.target, &output.options).await?;
    } else {
        write_text(&plans.to_string(), output.target)?;
    }
    Ok(())
}
