//! Which columns hold a row's place, by their field metadata.

use datafusion::common::{Column, DFSchema, ExprSchema};
use datafusion::logical_expr::{Expr, lit};
use genomicframe_core::schema::{BASE, ROLE_CONTIG, ROLE_END, ROLE_START};

use crate::error::{Error, Result};
use crate::expr::column_of_role;

/// A row's place, as expressions over its columns.
pub(crate) struct Place {
    pub(crate) contig: Column,
    pub(crate) start: Column,
    pub(crate) end: Column,
    pub(crate) zero_based: bool,
}

impl Place {
    /// The place columns of a schema: of a joined one, the left side's.
    pub(crate) fn of(schema: &DFSchema) -> Result<Self> {
        let missing = || Error::invalid("this frame has no contig, start and end columns, so its rows have no place");
        Self::find(schema)?.ok_or_else(missing)
    }

    /// The same; `None` where one of them is missing.
    pub(crate) fn find(schema: &DFSchema) -> datafusion::common::Result<Option<Self>> {
        let column = |role: &str| column_of_role(schema, role);
        let (Some(contig), Some(start), Some(end)) = (column(ROLE_CONTIG), column(ROLE_START), column(ROLE_END)) else {
            return Ok(None);
        };
        let zero_based = schema.field_from_column(&start)?.metadata().get(BASE).is_some_and(|b| b == "0");
        Ok(Some(Self { contig, start, end, zero_based }))
    }

    /// The first base, 1-based.
    pub(crate) fn first(&self) -> Expr {
        let start = Expr::Column(self.start.clone());
        if self.zero_based { start + lit(1i64) } else { start }
    }

    /// The last base, 1-based: the same number in both conventions.
    pub(crate) fn last(&self) -> Expr {
        Expr::Column(self.end.clone())
    }
}
