//! DataFusion expressions become core conditions; what has no form there becomes [`Condition::Unknown`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator, expr::InList};
use genomicframe_core::genome::{Contigs, Region, RegionSet, resolve_names};
use genomicframe_core::scan::{Condition, Literal, Op, SpanColumns};

use crate::functions::region_sets;
use crate::functions::regions::IN_REGION;

/// A table's columns as conditions see them.
pub(super) struct Translator<'a> {
    pub(super) schema: &'a Schema,
    pub(super) span: Option<SpanColumns>,
    /// Of the file at hand, for region strings with contigs that contain colons or go by another name.
    pub(super) contigs: Option<&'a Contigs>,
    /// Contigs that regions name by an alias, and what the file calls them.
    pub(super) replaced: RefCell<BTreeSet<(String, String)>>,
}

impl Translator<'_> {
    pub(super) fn condition(&self, expr: &Expr) -> Condition {
        self.translate(expr).unwrap_or(Condition::Unknown)
    }

    fn translate(&self, expr: &Expr) -> Option<Condition> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
                Operator::And => Some(Condition::And(vec![self.condition(left), self.condition(right)])),
                Operator::Or => Some(Condition::Or(vec![self.condition(left), self.condition(right)])),
                _ => self.compare(left, comparison(*op)?, right),
            },
            Expr::Not(inner) => Some(Condition::Not(Box::new(self.condition(inner)))),
            Expr::IsNull(inner) => Some(Condition::IsNull(self.column(inner)?)),
            Expr::IsNotNull(inner) => Some(Condition::Not(Box::new(Condition::IsNull(self.column(inner)?)))),
            Expr::Between(Between { expr, negated, low, high }) => {
                let both = vec![self.compare(expr, Op::Ge, low)?, self.compare(expr, Op::Le, high)?];
                Some(negate_if(*negated, Condition::And(both)))
            }
            Expr::InList(InList { expr, list, negated }) => {
                let values = list.iter().map(literal).collect::<Option<Vec<_>>>()?;
                Some(negate_if(*negated, Condition::In(self.column(expr)?, values)))
            }
            Expr::Literal(ScalarValue::Boolean(Some(true)), _) => Some(Condition::And(Vec::new())),
            Expr::Literal(ScalarValue::Boolean(Some(false)), _) => Some(Condition::Or(Vec::new())),
            Expr::Alias(alias) => self.translate(&alias.expr),
            Expr::ScalarFunction(call) => match region_sets::set_of(&call.func) {
                Some(set) => self.in_region_set(&call.args, set),
                None if call.func.name() == IN_REGION => self.in_region(&call.args),
                None => None,
            },
            _ => None,
        }
    }

    fn compare(&self, left: &Expr, op: Op, right: &Expr) -> Option<Condition> {
        let (side, op, value) = match (literal(left), literal(right)) {
            (None, Some(value)) => (left, op, value),
            (Some(value), None) => (right, op.swap(), value),
            _ => return None,
        };
        if let (Expr::BinaryExpr(BinaryExpr { left, op: Operator::BitwiseAnd, right }), Literal::Int(value)) =
            (peel(side), &value)
        {
            let (column, mask) = match (literal(left), literal(right)) {
                (None, Some(Literal::Int(mask))) => (left, mask),
                (Some(Literal::Int(mask)), None) => (right, mask),
                _ => return None,
            };
            let bits = Condition::Bits { column: self.column(column)?, mask, value: *value };
            return match op {
                Op::Eq => Some(bits),
                Op::Ne => Some(Condition::Not(Box::new(bits))),
                _ => None,
            };
        }
        if let Some((column, plus)) = self.moved_position(side) {
            let Literal::Int(value) = value else { return None };
            return Some(Condition::Compare(column, op, Literal::Int(value.checked_sub(plus)?)));
        }
        Some(Condition::Compare(self.column(side)?, op, value))
    }

    /// `pos + n` by the column of a position and the number: no position is so large that a sum of small numbers would wrap.
    fn moved_position(&self, expr: &Expr) -> Option<(String, i64)> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = peel(expr) else { return None };
        let (inner, plus) = match (op, literal(left), literal(right)) {
            (Operator::Plus, None, Some(Literal::Int(n))) => (left, n),
            (Operator::Plus, Some(Literal::Int(n)), None) => (right, n),
            (Operator::Minus, None, Some(Literal::Int(n))) => (left, n.checked_neg()?),
            _ => return None,
        };
        if plus.unsigned_abs() > LARGEST_STEP {
            return None;
        }
        let name = self.column(inner)?;
        let span = self.span?;
        let is_wide = self.schema.field_with_name(&name).is_ok_and(|f| *f.data_type() == DataType::Int64);
        (is_wide && [span.start, span.end].contains(&name.as_str())).then_some((name, plus))
    }

    /// The column's name, also through a cast that changes no value.
    fn column(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Column(column) => Some(column.name.clone()),
            Expr::Cast(cast) => {
                let name = self.column(&cast.expr)?;
                let from = self.schema.field_with_name(&name).ok()?.data_type();
                widens(from, cast.field.data_type()).then_some(name)
            }
            Expr::Alias(alias) => self.column(&alias.expr),
            _ => None,
        }
    }

    /// `in_region(contig, start[, end], 'text' …)` over this table's own span.
    fn in_region(&self, args: &[Expr]) -> Option<Condition> {
        let span = self.span?;
        let place = args.iter().take_while(|a| literal(a).is_none());
        let place: Vec<String> = place.map(|a| self.column(a)).collect::<Option<_>>()?;
        let whole = place == [span.contig, span.start, span.end];
        if !whole && place != [span.contig, span.start] {
            return None;
        }
        let known = |name: &str| self.contigs.is_some_and(|c| c.get(name).is_some());
        let texts = &args[place.len()..];
        let regions = texts.iter().map(|a| match literal(a) {
            Some(Literal::Text(text)) => Region::parse(&text, known).ok(),
            _ => None,
        });
        let overlaps = self.overlaps(&regions.collect::<Option<RegionSet>>()?);
        // Without an end the function looks at the start alone: narrower than an overlap, which still confines it.
        Some(if whole { overlaps } else { Condition::And(vec![overlaps, Condition::Unknown]) })
    }

    /// The same of a set, over this table's own span.
    fn in_region_set(&self, args: &[Expr], set: &RegionSet) -> Option<Condition> {
        let span = self.span?;
        let place: Vec<String> = args.iter().map(|a| self.column(a)).collect::<Option<_>>()?;
        (place == [span.contig, span.start, span.end]).then(|| self.overlaps(set))
    }

    fn overlaps(&self, regions: &RegionSet) -> Condition {
        let (own, replaced) = resolve_names(regions, self.contigs);
        self.replaced.borrow_mut().extend(replaced);
        Condition::Overlaps(Arc::new(own))
    }
}

/// Positions of files end far below where this added to one would wrap.
const LARGEST_STEP: u64 = 1 << 40;

fn negate_if(negated: bool, condition: Condition) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}

fn comparison(op: Operator) -> Option<Op> {
    Some(match op {
        Operator::Eq => Op::Eq,
        Operator::NotEq => Op::Ne,
        Operator::Lt => Op::Lt,
        Operator::LtEq => Op::Le,
        Operator::Gt => Op::Gt,
        Operator::GtEq => Op::Ge,
        _ => return None,
    })
}

/// Casts of a bitwise result change no value that the mask can give.
fn peel(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => peel(&cast.expr),
        Expr::Alias(alias) => peel(&alias.expr),
        other => other,
    }
}

/// Whether every value stays itself, so that comparing before and after the cast is the same.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, LargeUtf8, UInt8, UInt16, UInt32, Utf8, Utf8View};
    let text = |t: &DataType| matches!(t, Utf8 | LargeUtf8 | Utf8View);
    match (from, to) {
        (a, b) if a == b => true,
        (a, b) if text(a) => text(b),
        (Float32, Float64) => true,
        (UInt8, UInt16 | UInt32 | Int16 | Int32 | Int64) | (UInt16, UInt32 | Int32 | Int64) | (UInt32, Int64) => true,
        (Int8, Int16 | Int32 | Int64) | (Int16, Int32 | Int64) | (Int32, Int64) => true,
        // Exact up to 2^53, which no position comes near; a 32-bit float would not be.
        (UInt8 | UInt16 | UInt32 | Int8 | Int16 | Int32 | Int64, Float64) => true,
        _ => false,
    }
}

fn literal(expr: &Expr) -> Option<Literal> {
    match expr {
        Expr::Literal(value, _) => constant(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

fn constant(value: &ScalarValue) -> Option<Literal> {
    Some(match value {
        ScalarValue::Int8(Some(n)) => Literal::Int((*n).into()),
        ScalarValue::Int16(Some(n)) => Literal::Int((*n).into()),
        ScalarValue::Int32(Some(n)) => Literal::Int((*n).into()),
        ScalarValue::Int64(Some(n)) => Literal::Int(*n),
        ScalarValue::UInt8(Some(n)) => Literal::Int((*n).into()),
        ScalarValue::UInt16(Some(n)) => Literal::Int((*n).into()),
        ScalarValue::UInt32(Some(n)) => Literal::Int((*n).into()),
        ScalarValue::UInt64(Some(n)) => Literal::Int(i64::try_from(*n).ok()?),
        ScalarValue::Float32(Some(x)) => Literal::Float((*x).into()),
        ScalarValue::Float64(Some(x)) => Literal::Float(*x),
        ScalarValue::Utf8(Some(t)) | ScalarValue::Utf8View(Some(t)) | ScalarValue::LargeUtf8(Some(t)) => {
            Literal::Text(t.clone())
        }
        _ => return None,
    })
}
