//! Long chains of AND or OR become trees of few levels: `a OR b OR c OR d` is parsed as `((a OR b) OR c) OR d`, one level a
//! term, which everything that follows walks by recursion. Both operators are associative, of nulls too.

use std::collections::HashMap;
use std::mem;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, ObjectName, Query, Value, VisitorMut};
use genomicframe_core::Error as CoreError;

use super::limits::QueryLimits;

/// Rebuilds each chain before what is below it is visited, and ends where a statement is larger than it may be.
pub(super) struct Balance<'a> {
    limits: &'a QueryLimits,
    level: usize,
    /// Tables of the queries around the place that is visited.
    queries: Vec<Tables>,
    /// Tables that a name of a WITH clause stands for.
    named: HashMap<String, usize>,
}

/// How many tables a query names.
#[derive(Default)]
struct Tables {
    count: usize,
    /// Names of its WITH clause whose queries are yet to be visited, the next one last.
    names: Vec<String>,
}

impl<'a> Balance<'a> {
    pub(super) fn within(limits: &'a QueryLimits) -> Self {
        Self { limits, level: 0, queries: Vec::new(), named: HashMap::new() }
    }

    fn count(&mut self, tables: usize) -> ControlFlow<CoreError> {
        let Some(query) = self.queries.last_mut() else { return ControlFlow::Continue(()) };
        query.count = query.count.saturating_add(tables);
        if query.count > self.limits.tables {
            return ControlFlow::Break(self.limits.too_many_tables());
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for Balance<'_> {
    type Break = CoreError;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<CoreError> {
        self.level += 1;
        if self.level > self.limits.levels {
            return ControlFlow::Break(self.limits.too_many_levels());
        }
        if let Some(op) = chained(expr).filter(|op| is_long(expr, op)) {
            let terms = terms(mem::replace(expr, nothing()), &op);
            *expr = tree(terms, &op);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<CoreError> {
        self.level -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<CoreError> {
        let tables = query.with.iter().flat_map(|with| &with.cte_tables).rev();
        let names = tables.map(|table| table.alias.name.value.to_lowercase()).collect();
        self.queries.push(Tables { count: 0, names });
        ControlFlow::Continue(())
    }

    /// What a WITH clause names counts where it is used, everything else where it stands.
    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<CoreError> {
        let Some(Tables { count, .. }) = self.queries.pop() else { return ControlFlow::Continue(()) };
        match self.queries.last_mut().and_then(|around| around.names.pop()) {
            Some(name) => {
                let most = self.named.entry(name).or_insert(count);
                *most = count.max(*most);
                ControlFlow::Continue(())
            }
            None => self.count(count),
        }
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<CoreError> {
        let tables = self.named.get(&name.to_string().to_lowercase()).copied();
        self.count(tables.unwrap_or(1).max(1))
    }
}

/// Terms of a chain that is left as it is.
const SHORT: usize = 16;

fn chained(expr: &Expr) -> Option<BinaryOperator> {
    match expr {
        Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => Some(op.clone()),
        _ => None,
    }
}

/// Whether its left side is a chain of many levels.
fn is_long(expr: &Expr, of: &BinaryOperator) -> bool {
    let mut at = expr;
    for _ in 0..SHORT {
        match at {
            Expr::BinaryOp { left, op, .. } if op == of => at = left,
            _ => return false,
        }
    }
    true
}

/// The terms in the order written.
fn terms(expr: Expr, of: &BinaryOperator) -> Vec<Expr> {
    let (mut at, mut terms) = (expr, Vec::new());
    loop {
        match at {
            Expr::BinaryOp { left, op, right } if op == *of => {
                terms.push(*right);
                at = *left;
            }
            first => {
                terms.push(first);
                terms.reverse();
                return terms;
            }
        }
    }
}

/// Pairs of neighbours, and pairs of these, until one is left.
fn tree(mut level: Vec<Expr>, op: &BinaryOperator) -> Expr {
    while level.len() > 1 {
        let mut terms = level.into_iter();
        let mut above = Vec::with_capacity(terms.len() / 2 + 1);
        while let Some(left) = terms.next() {
            above.push(match terms.next() {
                Some(right) => Expr::BinaryOp { left: left.into(), op: op.clone(), right: right.into() },
                None => left,
            });
        }
        level = above;
    }
    level.pop().unwrap_or_else(nothing)
}

fn nothing() -> Expr {
    Expr::Value(Value::Null.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::sqlparser::ast::VisitMut;
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    fn parsed(text: &str) -> Expr {
        Parser::new(&GenericDialect).try_with_sql(text).unwrap().parse_expr().unwrap()
    }

    fn levels(expr: &Expr) -> usize {
        match expr {
            Expr::BinaryOp { left, right, .. } => 1 + levels(left).max(levels(right)),
            Expr::Nested(inner) => levels(inner),
            _ => 0,
        }
    }

    #[test]
    fn chains_become_flat_and_keep_their_terms() {
        let chain = |op: &str| (0..1000).map(|i| format!("x = {i}")).collect::<Vec<_>>().join(op);
        for text in [chain(" OR "), chain(" AND "), format!("({}) AND y AND ({})", chain(" OR "), chain(" OR "))] {
            let mut expr = parsed(&text);
            assert!(levels(&expr) >= 1000);
            let _ = VisitMut::visit(&mut expr, &mut Balance::within(&QueryLimits::default()));
            assert!(levels(&expr) <= 13, "{}", levels(&expr));
            // An operator's text has no parentheses of its own, so the order of terms is all it shows.
            assert_eq!(expr.to_string(), parsed(&text).to_string());
        }
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_told() {
        let limits = QueryLimits { levels: 20, ..QueryLimits::default() };
        let told = |text: &str| match VisitMut::visit(&mut parsed(text), &mut Balance::within(&limits)) {
            ControlFlow::Break(e) => e.to_string(),
            ControlFlow::Continue(()) => String::new(),
        };
        assert_eq!(told(&vec!["x"; 20].join(" + ")), "");
        assert!(told(&vec!["x"; 21].join(" + ")).contains("more than 20 levels"));
        assert!(told(&format!("({}) OR y", vec!["x"; 30].join(" || "))).contains("more than 20 levels"));
    }

    #[test]
    fn tables_count_as_often_as_they_are_used() {
        let told = |text: &str, tables: usize| {
            let limits = QueryLimits { tables, ..QueryLimits::default() };
            let mut query = Parser::new(&GenericDialect).try_with_sql(text).unwrap().parse_query().unwrap();
            matches!(VisitMut::visit(&mut query, &mut Balance::within(&limits)), ControlFlow::Break(_))
        };
        for (text, tables) in [
            ("SELECT * FROM a, b JOIN c USING (x) WHERE y IN (SELECT y FROM d)", 4),
            ("WITH t AS (SELECT * FROM a, b) SELECT * FROM t x, T y, c", 5),
            ("WITH t AS (SELECT * FROM a), u AS (SELECT * FROM t, t) SELECT * FROM u, u, u", 6),
            ("WITH t AS (WITH u AS (SELECT * FROM a, a) SELECT * FROM u, u) SELECT (SELECT 1 FROM t), * FROM t", 8),
            ("SELECT * FROM (SELECT * FROM a UNION SELECT * FROM b) UNION ALL SELECT * FROM c", 3),
        ] {
            assert!(told(text, tables - 1), "{text}");
            assert!(!told(text, tables), "{text}");
        }
        // 2 to the power of 60.
        let doubled = |i| format!(", t{} AS (SELECT * FROM t{i}, t{i})", i + 1);
        let doubled: String = (0..60).map(doubled).collect();
        assert!(told(&format!("WITH t0 AS (SELECT * FROM a){doubled} SELECT * FROM t60"), 1000));
    }

    #[test]
    fn what_is_short_or_mixed_stays() {
        for text in ["a OR b AND c OR d", "a AND b", "a + b + c + d", "NOT a OR b"] {
            let mut expr = parsed(text);
            let _ = VisitMut::visit(&mut expr, &mut Balance::within(&QueryLimits::default()));
            assert_eq!(expr, parsed(text));
        }
    }
}
