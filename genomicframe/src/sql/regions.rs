//! `in_regions(contig, start, end, 'panel.bed')`: whether a row's span shares a base with one of a file's.
//!
//! It is written out as `EXISTS (… overlaps(…))` over the file, so that it is planned like any join: the file's regions decide
//! what is read of the rows. The file may be of any format whose records have a place; coordinate bases are converted.

use std::ops::ControlFlow;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use genomicframe_core::schema::{ROLE, ROLE_CONTIG, ROLE_END, ROLE_START};

use super::tables::Opened;
use crate::error::{Error, Result};

const NAME: &str = "in_regions";
const USAGE: &str = "in_regions(contig, start, end, 'panel.bed')";

/// The arguments of a call, if it is one: three expressions, and the file.
pub(super) fn call(expr: &mut Expr) -> Option<&mut Function> {
    match expr {
        Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case(NAME) => Some(function),
        _ => None,
    }
}

/// The file that a call names, whose argument `name` becomes a table's.
pub(super) fn name_file(function: &mut Function, name: impl FnOnce(String) -> String) -> Result<()> {
    let usage = || Error::invalid(format!("{USAGE} takes a contig, a start, an end, and a file's path as a constant"));
    let FunctionArguments::List(list) = &mut function.args else { return Err(usage()) };
    let [_, _, _, FunctionArg::Unnamed(FunctionArgExpr::Expr(file))] = list.args.as_mut_slice() else {
        return Err(usage());
    };
    match file {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(path) => {
                *file = Expr::Identifier(Ident::with_quote('"', name(path.clone())));
                Ok(())
            }
            _ => Err(usage()),
        },
        _ => Err(usage()),
    }
}

/// Writes calls out, once their files are open.
pub(super) struct WriteOut<'a> {
    pub(super) opened: &'a Opened,
    pub(super) error: Option<Error>,
}

impl VisitorMut for WriteOut<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Some(function) = call(expr) else { return ControlFlow::Continue(()) };
        match self.written_out(function) {
            Ok(exists) => {
                *expr = exists;
                ControlFlow::Continue(())
            }
            Err(e) => {
                self.error = Some(e);
                ControlFlow::Break(())
            }
        }
    }
}

impl WriteOut<'_> {
    fn written_out(&self, function: &Function) -> Result<Expr> {
        let lost = || Error::invalid(format!("{USAGE}: the file was not opened"));
        let FunctionArguments::List(list) = &function.args else { return Err(lost()) };
        let [contig, start, end, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(file)))] =
            list.args.as_slice()
        else {
            return Err(lost());
        };
        let (_, table) = self.opened.iter().find(|(name, _)| *name == file.value).ok_or_else(lost)?;
        let schema = table.schema();
        let [of_contig, of_start, of_end] = [ROLE_CONTIG, ROLE_START, ROLE_END].map(|role| column(&schema, role));
        let (Some(of_contig), Some(of_start), Some(of_end)) = (of_contig, of_start, of_end) else {
            return Err(Error::invalid(format!("{}: its records have no place, so it names no regions", file.value)));
        };
        let text = format!(
            "EXISTS (SELECT 1 FROM (SELECT {of_contig} AS gf_contig, {of_start} AS gf_start, {of_end} AS gf_end FROM {file}) \
             AS gf_regions WHERE overlaps({contig}, {start}, {end}, gf_contig, gf_start, gf_end))"
        );
        let parsed = Parser::new(&GenericDialect).try_with_sql(&text).and_then(|mut parser| parser.parse_expr());
        parsed.map_err(|e| datafusion::error::DataFusionError::SQL(Box::new(e), None).into())
    }
}

/// The quoted name of the column with this role.
fn column(schema: &Schema, role: &str) -> Option<Ident> {
    let has = |f: &&std::sync::Arc<Field>| f.metadata().get(ROLE).is_some_and(|r| r == role);
    schema.fields().iter().find(has).map(|f| Ident::with_quote('"', f.name()))
}
