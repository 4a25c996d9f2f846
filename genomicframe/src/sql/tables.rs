//! The files that a statement names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::execution::context::{SessionContext, SessionState};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Array, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, TableFactor,
    UnaryOperator, Value, VisitMut, VisitorMut,
};
use genomicframe_core::io::Location;

use super::options::{self, Values};
use super::regions::{self, WriteOut};
use super::verbs::{self, Input, Named, Verb};
use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::formats;
use crate::scan::{GenomicTable, ReadOptions, looks_like_files};

/// Tables that a statement brings along, by the name it uses for them.
pub(super) type Opened = Vec<(String, Arc<dyn TableProvider>)>;

/// Opens the statement's files and gives each table a name that the planner can find.
pub(super) async fn open(context: &GenomicContext, statement: Statement) -> Result<(Statement, Opened)> {
    let mut statement = statement;
    let session = context.session().clone();
    let mut found = Found { session, calls: Vec::new(), columns: BTreeSet::new(), error: None };
    let _ = visit(&mut statement, &mut Names(&mut found));
    let _ = visit(&mut statement, &mut found);
    if let Some(e) = found.error {
        return Err(e);
    }
    let mut opened = Opened::new();
    let with_columns = |mut input: Input| {
        input.options.open.columns.extend(found.columns.iter().cloned());
        input
    };
    for Call { name, of } in found.calls {
        let table: Arc<dyn TableProvider> = match of {
            Source::Files(input) => {
                let Input { paths, options } = with_columns(*input);
                Arc::new(GenomicTable::open(context.access_now(), &paths, &options).await?)
            }
            Source::Verb(verb, inputs, named) => {
                let inputs = inputs.into_iter().map(with_columns).collect();
                verb.call(context, inputs, named).await?.dataframe()?.into_view()
            }
        };
        opened.push((name, table));
    }
    let mut regions = WriteOut { opened: &opened, error: None };
    let _ = visit(&mut statement, &mut regions);
    match regions.error {
        Some(e) => Err(e),
        None => Ok((statement, opened)),
    }
}

/// A state in which `opened` are tables, seen by one statement only.
pub(super) fn state_with(session: &SessionContext, opened: Opened) -> Result<SessionState> {
    let state = session.state();
    if opened.is_empty() {
        return Ok(state);
    }
    // The default schema, with the files in front of it.
    let names = &state.config().options().catalog;
    let (catalog, schema) = (names.default_catalog.clone(), names.default_schema.clone());
    let behind = state.catalog_list().catalog(&catalog).and_then(|c| c.schema(&schema));
    let files = MemorySchemaProvider::new();
    for (name, table) in opened {
        files.register_table(name, table)?;
    }
    let layered = super::layers::Catalogs::new(Arc::clone(state.catalog_list()), catalog, schema, files, behind);
    Ok(datafusion::execution::SessionStateBuilder::new_from_existing(state)
        .with_catalog_list(Arc::new(layered))
        .build())
}

/// One table.
struct Call {
    name: String,
    of: Source,
}

/// What a table's rows are.
#[derive(PartialEq)]
enum Source {
    /// Those of files.
    Files(Box<Input>),
    /// Those that a verb makes of files, with its named arguments.
    Verb(&'static Verb, Vec<Input>, Named),
}

impl Source {
    /// The first path, as plans show it: without secrets of a URL.
    fn shown(&self) -> String {
        let path = |input: &Input| input.paths.first().map(|path| Location::shown(path)).unwrap_or_default();
        match self {
            Self::Files(input) if input.options.bad_records => format!("{BAD_RECORDS}({})", path(input)),
            Self::Files(input) => path(input),
            Self::Verb(verb, inputs, _) => {
                format!("{}({})", verb.name, inputs.iter().map(path).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

struct Found {
    session: SessionContext,
    calls: Vec<Call>,
    /// Columns that only a query can name: `tag_*`, `info_*`, `format_*`, `attr_*`.
    columns: BTreeSet<String>,
    error: Option<Error>,
}

/// Visits the queries of a statement.
pub(super) fn visit<V: VisitorMut>(statement: &mut Statement, visitor: &mut V) -> ControlFlow<V::Break> {
    match statement {
        Statement::Statement(inner) => VisitMut::visit(&mut **inner, visitor),
        Statement::Explain(explain) => visit(&mut explain.statement, visitor),
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => VisitMut::visit(&mut **query, visitor),
            CopyToSource::Relation(name) => visitor.pre_visit_relation(name),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => ControlFlow::Continue(()),
    }
}

struct Names<'a>(&'a mut Found);

impl VisitorMut for Names<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let name = match &*expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(parts) => parts.last(),
            _ => None,
        };
        if let Some(name) = name {
            let name = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
            if ["tag_", "info_", "format_", "attr_"].iter().any(|kind| name.starts_with(kind)) {
                self.0.columns.insert(name);
            }
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for Found {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, args, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(given) = args else { return ControlFlow::Continue(()) };
        let of = if let Some(format) = read_function(name) {
            read_call(format, &given.args).map(|input| Source::Files(Box::new(input)))
        } else if word(name).as_deref() == Some(BAD_RECORDS) {
            let bad = |input: Input| Input { options: input.options.bad_records(), ..input };
            read_call(None, &given.args).map(|input| Source::Files(Box::new(bad(input))))
        } else if let Some(verb) = word(name).as_deref().and_then(verbs::by_name) {
            verb_call(verb, &given.args)
        } else {
            return ControlFlow::Continue(());
        };
        match of {
            Ok(of) => {
                *name = quoted(self.add(of));
                *args = None;
                ControlFlow::Continue(())
            }
            Err(e) => {
                self.error.get_or_insert(e);
                ControlFlow::Break(())
            }
        }
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Some(function) = regions::call(expr) else { return ControlFlow::Continue(()) };
        let files = |path| Source::Files(Box::new(Input { paths: vec![path], options: ReadOptions::new() }));
        match regions::name_file(function, |path| self.add(files(path))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                self.error.get_or_insert(e);
                ControlFlow::Break(())
            }
        }
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<()> {
        self.relation(name);
        ControlFlow::Continue(())
    }
}

impl Found {
    /// A quoted path that is no table of the session.
    fn relation(&mut self, name: &mut ObjectName) {
        let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return };
        let path = ident.value.clone();
        // DataFusion would leave the secret out of its request, and repeat it in its messages.
        if path.contains("://") && !looks_like_files(&path) && Location::shown(&path) != path {
            let e = genomicframe_core::Error::unsupported(
                "signed URLs, and those with a user, are read of genomic files only",
            );
            self.error.get_or_insert(e.in_object(Location::shown(&path)).into());
            return;
        }
        let is_table = self.session.table_exist(TableReference::bare(path.as_str())).unwrap_or(false);
        if ident.quote_style == Some('\'') && !is_table && looks_like_files(&path) {
            *name = quoted(self.add(Source::Files(Box::new(Input { paths: vec![path], options: ReadOptions::new() }))));
        }
    }

    /// The name under which these rows are a table: what they are made of, so that plans show it.
    fn add(&mut self, of: Source) -> String {
        if let Some(same) = self.calls.iter().find(|c| c.of == of) {
            return same.name.clone();
        }
        let shown = of.shown();
        let taken = |name: &String| self.calls.iter().any(|c| c.name == *name);
        let numbered = (2..).map(|n| format!("{shown} ({n})"));
        let name = std::iter::once(shown.clone()).chain(numbered).find(|n| !taken(n)).unwrap_or(shown.clone());
        self.calls.push(Call { name: name.clone(), of });
        name
    }
}

/// The function whose rows are malformed values of a file.
const BAD_RECORDS: &str = "bad_records";

fn quoted(name: String) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name))])
}

/// A function's name, lower-cased.
fn word(name: &ObjectName) -> Option<String> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    Some(ident.value.to_lowercase())
}

/// `read_bam` → `Some(Some("bam"))`; `read_files`, which detects the format, → `Some(None)`.
fn read_function(name: &ObjectName) -> Option<Option<&'static str>> {
    let lower = word(name)?;
    let id = lower.strip_prefix("read_")?;
    if id == "files" { Some(None) } else { formats::by_id(id).map(|f| Some(f.id().0)) }
}

fn read_call(format: Option<&str>, args: &[FunctionArg]) -> Result<Input> {
    let mut options = ReadOptions::new();
    options.format = format.map(str::to_owned);
    let mut paths = None;
    for arg in args {
        match arg {
            FunctionArg::Unnamed(value) if paths.is_none() => paths = Some(texts(value)?),
            FunctionArg::Named { name, arg, .. } => {
                options = options::set(options, &name.value.to_lowercase(), texts(arg)?)?;
            }
            other => return Err(Error::invalid(format!("unexpected argument {other}: a path, then name => value"))),
        }
    }
    match paths {
        Some(paths) if !paths.is_empty() => Ok(Input { paths, options }),
        _ => {
            Err(Error::invalid("a path or a list of paths is needed: read_bam('x.bam'), read_bam(['a.bam', 'b.bam'])"))
        }
    }
}

fn verb_call(verb: &'static Verb, args: &[FunctionArg]) -> Result<Source> {
    let (mut inputs, mut named) = (Vec::new(), Named::new());
    for arg in args {
        match arg {
            FunctionArg::Unnamed(value) if named.is_empty() => inputs.push(input(value)?),
            FunctionArg::Named { name, arg, .. } => named.push((name.value.to_lowercase(), texts(arg)?)),
            other => return Err(Error::invalid(format!("unexpected argument {other}: files, then name => value"))),
        }
    }
    Ok(Source::Verb(verb, inputs, named))
}

/// Files: their paths, or a `read_*` call.
fn input(arg: &FunctionArgExpr) -> Result<Input> {
    if let FunctionArgExpr::Expr(Expr::Function(call)) = arg
        && let (Some(format), FunctionArguments::List(list)) = (read_function(&call.name), &call.args)
    {
        return read_call(format, &list.args);
    }
    Ok(Input { paths: texts(arg)?, options: ReadOptions::new() })
}

/// A constant, or a list of constants.
fn texts(arg: &FunctionArgExpr) -> Result<Values> {
    match arg {
        FunctionArgExpr::Expr(Expr::Array(Array { elem, .. })) => elem.iter().map(text).collect(),
        FunctionArgExpr::Expr(expr) => Ok(vec![text(expr)?]),
        other => Err(Error::invalid(format!("{other} is no constant"))),
    }
}

fn text(expr: &Expr) -> Result<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Ok(text.clone()),
            Value::Number(number, _) => Ok(number.to_string()),
            Value::Boolean(flag) => Ok(flag.to_string()),
            other => Err(Error::invalid(format!("{other} is no text"))),
        },
        Expr::Identifier(word) => Ok(word.value.clone()),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } if matches!(&**expr, Expr::Value(_)) => {
            Ok(format!("-{}", text(expr)?))
        }
        other => Err(Error::invalid(format!("{other} is no constant"))),
    }
}
