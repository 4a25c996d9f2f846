//! Joins. Left names stay; right ones that collide get `_right`.

use datafusion::common::{Column, JoinType};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;

use super::roles::Place;
use super::{GenomicFrame, fold};
use crate::error::Result;

/// Told by `explain` until interval joins have an operator of their own.
const QUADRATIC: &str = "join_by_overlap runs as a hash join on the contig and a filter on the spans: \
     its time grows with the product of both sides' rows on a contig";

impl GenomicFrame {
    /// Joins rows whose columns of these names are equal; the right side's are left out, as they are the same.
    pub fn join(self, other: Self, on: &[&str]) -> Self {
        let keys: Vec<String> = on.iter().map(|name| fold(name)).collect();
        let right = other.query;
        self.then(|left| {
            let (right, names) = rename(&left, right?)?;
            let right_keys: Vec<String> = keys.iter().map(|k| renamed(&names, k)).collect();
            let column = |k: &String| Column::new_unqualified(k.clone());
            let (l, r): (Vec<_>, Vec<_>) = keys.iter().map(column).zip(right_keys.iter().map(column)).unzip();
            let joined = left.join_on(right, JoinType::Inner, l.into_iter().zip(r).map(|(l, r)| equal(l, r)))?;
            let dropped: Vec<&str> = right_keys.iter().map(String::as_str).collect();
            Ok(joined.drop_columns(&dropped)?)
        })
    }

    /// Joins rows whose spans share at least one base, whatever the two sides' coordinate bases.
    ///
    /// Every pair is a row. Rows without a place join nothing.
    pub fn join_by_overlap(mut self, other: Self) -> Self {
        self.notes.extend(other.notes);
        self.notes.push(QUADRATIC.to_owned());
        let right = other.query;
        self.then(|left| {
            let right = right?;
            let (a, b) = (Place::of(left.schema())?, Place::of(right.schema())?);
            let (right, names) = rename(&left, right)?;
            let rewrite = |e: Expr| rebase(e, &names);
            let contig = rewrite(Expr::Column(b.contig.clone()))?;
            let (first, last) = (rewrite(b.first())?, rewrite(b.last())?);
            let on = vec![Expr::Column(a.contig.clone()).eq(contig), a.first().lt_eq(last), a.last().gt_eq(first)];
            Ok(left.join_on(right, JoinType::Inner, on)?)
        })
    }
}

fn equal(left: Column, right: Column) -> Expr {
    Expr::Column(left).eq(Expr::Column(right))
}

/// Old and new names of the right side's columns.
pub(super) type Names = Vec<(String, String)>;

fn renamed(names: &Names, name: &str) -> String {
    names.iter().find(|(old, _)| old == name).map_or(name, |(_, new)| new.as_str()).to_owned()
}

/// The right side with names that the left does not have, and without table names, so that a file can be joined to itself.
pub(super) fn rename(left: &DataFrame, right: DataFrame) -> Result<(DataFrame, Names)> {
    let is_taken = |name: &str, names: &Names| {
        left.schema().has_column_with_unqualified_name(name) || names.iter().any(|(_, new)| new == name)
    };
    let mut names = Names::new();
    let mut exprs = Vec::new();
    for (relation, field) in right.schema().iter() {
        let mut new = field.name().clone();
        while is_taken(&new, &names) {
            new.push_str("_right");
        }
        exprs.push(Expr::Column(Column::new(relation.cloned(), field.name())).alias(new.clone()));
        names.push((field.name().clone(), new));
    }
    Ok((right.select(exprs)?, names))
}

/// The expression over the renamed columns.
fn rebase(expr: Expr, names: &Names) -> Result<Expr> {
    use datafusion::common::tree_node::{Transformed, TreeNode};
    let rebased = expr.transform(|e| {
        Ok(match e {
            Expr::Column(c) => Transformed::yes(Expr::Column(Column::new_unqualified(renamed(names, &c.name)))),
            other => Transformed::no(other),
        })
    })?;
    Ok(rebased.data)
}
