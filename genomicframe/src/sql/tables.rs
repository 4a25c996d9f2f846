//! The files that a statement names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::TableReference;
use datafusion::execution::context::{SessionContext, SessionState};
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    Array, Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, TableFactor, Value, Visit, VisitMut,
    Visitor, VisitorMut,
};
use genomicframe_core::io::Location;

use super::options::{self, Values};
use crate::error::{Error, Result};
use crate::formats;
use crate::scan::{Access, GenomicTable, ReadOptions, looks_like_files};

/// Tables that a statement brings along, by the name it uses for them.
pub(super) type Opened = Vec<(String, Arc<dyn TableProvider>)>;

/// Opens the statement's files and gives each table a name that the planner can find.
pub(super) async fn open(
    session: &SessionContext,
    access: &Access,
    statement: Statement,
) -> Result<(Statement, Opened)> {
    let mut statement = statement;
    let mut found = Found { session: session.clone(), calls: Vec::new(), columns: BTreeSet::new(), error: None };
    walk(&mut statement, &mut found)?;
    if let Some(e) = found.error {
        return Err(e);
    }
    let mut opened = Opened::new();
    for mut call in found.calls {
        call.options.open.columns.extend(found.columns.iter().cloned());
        let table = GenomicTable::open(access.clone(), &call.paths, &call.options).await?;
        opened.push((call.name, Arc::new(table)));
    }
    Ok((statement, opened))
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

/// One table of files.
struct Call {
    name: String,
    paths: Vec<String>,
    options: ReadOptions,
}

struct Found {
    session: SessionContext,
    calls: Vec<Call>,
    /// Columns that only a query can name: `tag_*`, `info_*`, `format_*`, `attr_*`.
    columns: BTreeSet<String>,
    error: Option<Error>,
}

fn walk(statement: &mut Statement, found: &mut Found) -> Result<()> {
    match statement {
        Statement::Statement(inner) => {
            let _ = Visit::visit(&**inner, &mut Names(found));
            let _ = VisitMut::visit(&mut **inner, found);
        }
        Statement::Explain(explain) => walk(&mut explain.statement, found)?,
        Statement::CopyTo(copy) => match &mut copy.source {
            CopyToSource::Query(query) => {
                let _ = Visit::visit(&**query, &mut Names(found));
                let _ = VisitMut::visit(&mut **query, found);
            }
            CopyToSource::Relation(name) => found.relation(name),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => {}
    }
    Ok(())
}

struct Names<'a>(&'a mut Found);

impl Visitor for Names<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let name = match expr {
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
        let (Some(given), Some(format)) = (&args, read_function(name)) else { return ControlFlow::Continue(()) };
        match read_call(format, &given.args) {
            Ok((paths, options)) => {
                *name = quoted(self.add(paths, options));
                *args = None;
                ControlFlow::Continue(())
            }
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
            *name = quoted(self.add(vec![path], ReadOptions::new()));
        }
    }

    /// The name under which these files are a table: the path, so that plans show it, without secrets of a URL.
    fn add(&mut self, paths: Vec<String>, options: ReadOptions) -> String {
        if let Some(same) = self.calls.iter().find(|c| c.paths == paths && c.options == options) {
            return same.name.clone();
        }
        let path = paths.first().map(|path| Location::shown(path)).unwrap_or_default();
        let taken = |name: &String| self.calls.iter().any(|c| c.name == *name);
        let numbered = (2..).map(|n| format!("{path} ({n})"));
        let name = std::iter::once(path.clone()).chain(numbered).find(|n| !taken(n)).unwrap_or(path.clone());
        self.calls.push(Call { name: name.clone(), paths, options });
        name
    }
}

fn quoted(name: String) -> ObjectName {
    ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name))])
}

/// `read_bam` → `Some(Some("bam"))`; `read_files`, which detects the format, → `Some(None)`.
fn read_function(name: &ObjectName) -> Option<Option<&'static str>> {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    let lower = ident.value.to_lowercase();
    let id = lower.strip_prefix("read_")?;
    if id == "files" { Some(None) } else { formats::by_id(id).map(|f| Some(f.id().0)) }
}

fn read_call(format: Option<&str>, args: &[FunctionArg]) -> Result<(Vec<String>, ReadOptions)> {
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
        Some(paths) if !paths.is_empty() => Ok((paths, options)),
        _ => {
            Err(Error::invalid("a path or a list of paths is needed: read_bam('x.bam'), read_bam(['a.bam', 'b.bam'])"))
        }
    }
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
        other => Err(Error::invalid(format!("{other} is no constant"))),
    }
}
