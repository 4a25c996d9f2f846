//! Conditions on a record's fields, tested before any value is built.

use std::sync::Arc;

use super::{Condition, Literal, Op};
use crate::error::Result;
use crate::genome::RegionSet;

/// How a field compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Through [`Fields::int`].
    Int,
    /// Through [`Fields::float`].
    Float,
    /// Through [`Fields::text`].
    Text,
}

/// A raw record's fields, read on demand; `None` is null. A format numbers its fields itself.
pub trait Fields {
    /// An integer field.
    fn int(&self, field: usize) -> Result<Option<i64>>;
    /// A floating field.
    fn float(&self, field: usize) -> Result<Option<f64>>;
    /// A text field.
    fn text(&self, field: usize) -> Result<Option<&[u8]>>;
    /// Contig, first and last position (1-based); `None` for a record without a place.
    fn span(&self) -> Result<Option<(&[u8], i64, i64)>>;
    /// Whether it has no contig.
    fn is_unplaced(&self) -> bool {
        false
    }
}

/// Conditions bound to a format's fields, all of which must hold.
#[derive(Debug, Clone)]
pub struct Test(Vec<Node>);

#[derive(Debug, Clone)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Int(usize, Op, i64),
    Float(usize, Op, f64),
    Text(usize, Op, Vec<u8>),
    IntIn(usize, Vec<i64>),
    TextIn(usize, Vec<Vec<u8>>),
    Bits(usize, i64, i64),
    IsNull(usize, FieldType),
    Overlaps(Arc<RegionSet>),
}

impl Test {
    /// Binds `condition`; `None` when it names something that `field` does not know, or compares across types.
    pub fn bind(condition: &Condition, field: &impl Fn(&str) -> Option<(usize, FieldType)>) -> Option<Self> {
        bind(condition, field).map(|node| Self(vec![node]))
    }

    /// All of `conditions`, each of which must bind.
    pub fn bind_all(conditions: &[Condition], field: &impl Fn(&str) -> Option<(usize, FieldType)>) -> Option<Self> {
        conditions.iter().map(|c| bind(c, field)).collect::<Option<_>>().map(Self)
    }

    /// Whether the record satisfies it: null counts as no, as in a `WHERE` clause.
    ///
    /// # Errors
    /// When a field it needs is malformed.
    #[inline]
    pub fn passes(&self, fields: &impl Fields) -> Result<bool> {
        for node in &self.0 {
            // What most conditions are is decided here; to walk a tree takes longer.
            let holds = match node {
                Node::Int(f, op, n) => fields.int(*f)?.is_some_and(|v| op.holds(v.cmp(n))),
                Node::Bits(f, mask, value) => fields.int(*f)?.is_some_and(|v| v & mask == *value),
                node => evaluate(node, fields)? == Some(true),
            };
            if !holds {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn bind(condition: &Condition, field: &impl Fn(&str) -> Option<(usize, FieldType)>) -> Option<Node> {
    let many = |list: &[Condition]| list.iter().map(|c| bind(c, field)).collect::<Option<Vec<_>>>();
    Some(match condition {
        Condition::And(all) => Node::And(many(all)?),
        Condition::Or(any) => Node::Or(many(any)?),
        Condition::Not(inner) => Node::Not(Box::new(bind(inner, field)?)),
        Condition::Compare(column, op, value) => match (field(column)?, value) {
            ((f, FieldType::Int), Literal::Int(n)) => Node::Int(f, *op, *n),
            ((f, FieldType::Float), Literal::Float(x)) => Node::Float(f, *op, *x),
            ((f, FieldType::Float), Literal::Int(n)) => Node::Float(f, *op, *n as f64),
            ((f, FieldType::Text), Literal::Text(t)) => Node::Text(f, *op, t.clone().into_bytes()),
            _ => return None,
        },
        Condition::In(column, values) => match field(column)? {
            (f, FieldType::Int) => Node::IntIn(f, values.iter().map(Literal::as_int).collect::<Option<_>>()?),
            (f, FieldType::Text) => Node::TextIn(f, values.iter().map(Literal::as_text).collect::<Option<_>>()?),
            (_, FieldType::Float) => return None,
        },
        Condition::IsNull(column) => {
            let (f, kind) = field(column)?;
            Node::IsNull(f, kind)
        }
        Condition::Bits { column, mask, value } => match field(column)? {
            (f, FieldType::Int) => Node::Bits(f, *mask, *value),
            _ => return None,
        },
        Condition::Overlaps(regions) => Node::Overlaps(Arc::clone(regions)),
        Condition::Unknown => return None,
    })
}

impl Literal {
    fn as_int(&self) -> Option<i64> {
        if let Self::Int(n) = self { Some(*n) } else { None }
    }

    fn as_text(&self) -> Option<Vec<u8>> {
        if let Self::Text(t) = self { Some(t.clone().into_bytes()) } else { None }
    }
}

fn evaluate(node: &Node, fields: &impl Fields) -> Result<Option<bool>> {
    Ok(match node {
        Node::And(all) => {
            let mut known = true;
            for n in all {
                match evaluate(n, fields)? {
                    Some(false) => return Ok(Some(false)),
                    Some(true) => {}
                    None => known = false,
                }
            }
            known.then_some(true)
        }
        Node::Or(any) => {
            let mut known = true;
            for n in any {
                match evaluate(n, fields)? {
                    Some(true) => return Ok(Some(true)),
                    Some(false) => {}
                    None => known = false,
                }
            }
            known.then_some(false)
        }
        Node::Not(inner) => evaluate(inner, fields)?.map(|b| !b),
        Node::Int(f, op, n) => fields.int(*f)?.map(|v| op.holds(v.cmp(n))),
        // As DataFusion compares floats: by total order, NaN above every number and equal to itself.
        Node::Float(f, op, x) => fields.float(*f)?.map(|v| op.holds(v.total_cmp(x))),
        Node::Text(f, op, t) => fields.text(*f)?.map(|v| op.holds(v.cmp(t))),
        Node::IntIn(f, list) => fields.int(*f)?.map(|v| list.contains(&v)),
        Node::TextIn(f, list) => fields.text(*f)?.map(|v| list.iter().any(|t| t == v)),
        Node::Bits(f, mask, value) => fields.int(*f)?.map(|v| v & mask == *value),
        Node::IsNull(f, FieldType::Int) => Some(fields.int(*f)?.is_none()),
        Node::IsNull(f, FieldType::Float) => Some(fields.float(*f)?.is_none()),
        Node::IsNull(f, FieldType::Text) => Some(fields.text(*f)?.is_none()),
        Node::Overlaps(regions) => Some(match fields.span()? {
            Some((contig, start, end)) => {
                std::str::from_utf8(contig).is_ok_and(|contig| regions.overlaps(contig, start, end))
            }
            None => regions.has_unplaced() && fields.is_unplaced(),
        }),
    })
}
