//! The one form in which conditions reach a scan.

use std::fmt;
use std::sync::Arc;

use crate::genome::RegionSet;

/// Conditions that must all hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Predicate {
    /// Each is true for every row returned.
    pub all: Vec<Condition>,
}

impl Predicate {
    /// The conditions that are left to test where records are filtered by `regions` all the same, and whether any is not.
    ///
    /// A set may have contigs besides that the file lacks.
    pub(crate) fn besides(&self, regions: Option<&RegionSet>) -> (Vec<Condition>, bool) {
        let is_of = |set: &RegionSet| regions.is_some_and(|regions| regions.is_of_some_contigs(set));
        let is_decided = |c: &&Condition| matches!(c, Condition::Overlaps(set) if is_of(set));
        let left: Vec<Condition> = self.all.iter().filter(|c| !is_decided(c)).cloned().collect();
        let decided = left.len() < self.all.len();
        (left, decided)
    }
}

/// A condition on one row, with SQL's three-valued logic: a comparison with null is neither true nor false.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All hold.
    And(Vec<Condition>),
    /// One holds.
    Or(Vec<Condition>),
    /// It is false.
    Not(Box<Condition>),
    /// A column against a constant.
    Compare(String, Op, Literal),
    /// A column among constants.
    In(String, Vec<Literal>),
    /// A column has no value.
    IsNull(String),
    /// `column & mask = value`.
    Bits {
        /// The integer column.
        column: String,
        /// The bits that count.
        mask: i64,
        /// What they must be.
        value: i64,
    },
    /// The record's span overlaps the set. Never null: a record without a place overlaps nothing.
    Overlaps(Arc<RegionSet>),
    /// Something only the caller can evaluate.
    Unknown,
}

/// How a column compares with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `=`
    Eq,
    /// `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Op {
    /// The operator that holds when the sides change places.
    pub fn swap(self) -> Self {
        match self {
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            same => same,
        }
    }

    /// The operator that holds when this one does not.
    pub fn negate(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::Lt => Self::Ge,
            Self::Le => Self::Gt,
            Self::Gt => Self::Le,
            Self::Ge => Self::Lt,
        }
    }

    /// Whether `ordering` of column to constant satisfies it.
    pub fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Eq => ordering.is_eq(),
            Self::Ne => ordering.is_ne(),
            Self::Lt => ordering.is_lt(),
            Self::Le => ordering.is_le(),
            Self::Gt => ordering.is_gt(),
            Self::Ge => ordering.is_ge(),
        }
    }
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// Any integer column's.
    Int(i64),
    /// Any floating column's.
    Float(f64),
    /// A text column's.
    Text(String),
}

/// What a dataset makes of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushdown {
    /// The scan applies it; nobody needs to again.
    Exact,
    /// The scan cannot apply it.
    Unsupported,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "=",
            Self::Ne => "<>",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        })
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(i) => i.fmt(f),
            Self::Float(x) => x.fmt(f),
            Self::Text(t) => write!(f, "'{}'", t.replace('\'', "''")),
        }
    }
}

fn join<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T], between: &str) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        write!(f, "{}{item}", if i > 0 { between } else { "" })?;
    }
    Ok(())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(all) => {
                f.write_str("(")?;
                join(f, all, " AND ")?;
                f.write_str(")")
            }
            Self::Or(any) => {
                f.write_str("(")?;
                join(f, any, " OR ")?;
                f.write_str(")")
            }
            Self::Not(inner) => write!(f, "NOT {inner}"),
            Self::Compare(column, op, value) => write!(f, "{column} {op} {value}"),
            Self::In(column, values) => {
                write!(f, "{column} IN (")?;
                join(f, values, ", ")?;
                f.write_str(")")
            }
            Self::IsNull(column) => write!(f, "{column} IS NULL"),
            Self::Bits { column, mask, value } => write!(f, "{column} & {mask} = {value}"),
            Self::Overlaps(regions) => write!(f, "overlaps {regions}"),
            Self::Unknown => f.write_str("?"),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        join(f, &self.all, " AND ")
    }
}
