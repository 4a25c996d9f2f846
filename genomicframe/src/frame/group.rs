//! `group_by` … `agg`.

use datafusion::logical_expr::{Expr, col};

use super::verbs::bind;
use super::{GenomicFrame, fold};
use crate::error::Result;

/// Rows in groups, waiting for [`GroupBy::agg`].
#[derive(Debug)]
#[must_use = "groups are nothing until they are aggregated"]
pub struct GroupBy {
    frame: GenomicFrame,
    keys: Vec<Expr>,
}

impl GenomicFrame {
    /// Groups rows by these columns; with none, all rows are one group.
    pub fn group_by(self, columns: &[&str]) -> GroupBy {
        let keys = columns.iter().map(|name| col(format!("\"{}\"", fold(name)))).collect();
        GroupBy { frame: self, keys }
    }

    /// Groups rows by expressions.
    pub fn group_by_exprs(self, keys: Vec<Expr>) -> GroupBy {
        GroupBy { frame: self, keys }
    }

    /// Aggregates all rows to one.
    pub fn agg(self, exprs: Vec<Expr>) -> Self {
        self.group_by(&[]).agg(exprs)
    }
}

impl GroupBy {
    /// One row per group: its keys, then these aggregates.
    pub fn agg(self, exprs: Vec<Expr>) -> GenomicFrame {
        let Self { frame, keys } = self;
        frame.then(|query| {
            let bound = |exprs: Vec<Expr>| exprs.into_iter().map(|e| bind(&query, e)).collect::<Result<Vec<_>>>();
            let (keys, exprs) = (bound(keys)?, bound(exprs)?);
            Ok(query.aggregate(keys, exprs)?)
        })
    }
}
