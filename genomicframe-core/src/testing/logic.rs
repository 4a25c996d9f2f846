//! Conditions evaluated the plain way.

use crate::scan::{Condition, Literal, Op};

/// A row's value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
}

/// Where a record lies, 1-based.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    At(&'a str, i64, i64),
    /// On a contig, without a position.
    OnContig,
    /// Without a contig.
    Nowhere,
}

/// SQL's three-valued logic; `row` gives the columns' values.
pub(crate) fn holds(condition: &Condition, row: &dyn Fn(&str) -> Value, place: Place<'_>) -> Option<bool> {
    let each = |list: &[Condition]| list.iter().map(|c| holds(c, row, place)).collect::<Vec<_>>();
    match condition {
        Condition::And(all) => {
            let all = each(all);
            if all.contains(&Some(false)) { Some(false) } else { (!all.contains(&None)).then_some(true) }
        }
        Condition::Or(any) => {
            let any = each(any);
            if any.contains(&Some(true)) { Some(true) } else { (!any.contains(&None)).then_some(false) }
        }
        Condition::Not(inner) => holds(inner, row, place).map(|b| !b),
        Condition::Compare(column, op, value) => compare(&row(column), *op, value),
        Condition::In(column, values) => match row(column) {
            Value::Null => None,
            value => Some(values.iter().any(|v| compare(&value, Op::Eq, v) == Some(true))),
        },
        Condition::IsNull(column) => Some(row(column) == Value::Null),
        Condition::Bits { column, mask, value } => match row(column) {
            Value::Int(n) => Some(n & mask == *value),
            _ => None,
        },
        Condition::Overlaps(set) => Some(match place {
            Place::At(contig, start, end) => {
                set.intervals(contig).iter().any(|i| i.start().get() <= end && start <= i.end().get())
            }
            Place::OnContig => false,
            Place::Nowhere => set.has_unplaced(),
        }),
        Condition::Unknown => None,
    }
}

fn compare(value: &Value, op: Op, literal: &Literal) -> Option<bool> {
    let ordering = match (value, literal) {
        (Value::Int(a), Literal::Int(b)) => a.cmp(b),
        (Value::Int(a), Literal::Float(b)) => (*a as f64).total_cmp(b),
        (Value::Float(a), Literal::Float(b)) => a.total_cmp(b),
        (Value::Float(a), Literal::Int(b)) => a.total_cmp(&(*b as f64)),
        (Value::Text(a), Literal::Text(b)) => a.cmp(b),
        _ => return None,
    };
    Some(match op {
        Op::Eq => ordering.is_eq(),
        Op::Ne => ordering.is_ne(),
        Op::Lt => ordering.is_lt(),
        Op::Le => ordering.is_le(),
        Op::Gt => ordering.is_gt(),
        Op::Ge => ordering.is_ge(),
    })
}
