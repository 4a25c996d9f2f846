//! How large a query may be.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use genomicframe_core::Error as CoreError;

use crate::error::Result;

/// How large a query may be. Planning takes a stack that grows with how deep a query is nested, and time that grows faster than
/// its size, so what is larger is an error before it is planned.
///
/// ```
/// use genomicframe::{GenomicContext, QueryLimits};
///
/// # #[tokio::main]
/// # async fn main() -> genomicframe::Result<()> {
/// let ctx = GenomicContext::builder().query_limits(QueryLimits { terms: 100, ..QueryLimits::default() }).build()?;
/// let chain = (0..200).map(|i| format!("x = {i}")).collect::<Vec<_>>().join(" OR ");
/// let e = ctx.sql(&format!("SELECT 1 FROM (SELECT 1 AS x) WHERE {chain}")).await.unwrap_err();
/// assert!(e.to_string().contains("more than 100 operators"), "{e}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Bytes of its text: 1 MiB.
    pub text: usize,
    /// Operators in its text (`AND`, `OR`, `=`, `+`, `||`, `::`, `JOIN`, …): 20,000. Values of a list, `x IN (1, 2, …)`, count
    /// nothing.
    pub terms: usize,
    /// Levels of an expression, chains of `AND` or `OR` aside: 250.
    pub levels: usize,
    /// Tables that it names, each as often as it is used, also by way of `WITH` clauses, and parts of a `UNION`: 1,000.
    pub tables: usize,
    /// Levels of its plan, what common table expressions stand for included: 250.
    pub plan_levels: usize,
    /// Nodes of its plan, a common table expression's as often as it is used: 10,000.
    pub plan_nodes: usize,
    /// Operators of an expression in which every column that is computed below it is written out: 50,000. A chain of tables,
    /// each of which uses a column of the one before twice, doubles it with each.
    pub written_out: u64,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            text: 1 << 20,
            terms: 20_000,
            levels: 250,
            tables: 1000,
            plan_levels: 250,
            plan_nodes: 10_000,
            written_out: 50_000,
        }
    }
}

impl QueryLimits {
    pub(super) fn check_text(&self, query: &str) -> Result<()> {
        if query.len() <= self.text {
            return Ok(());
        }
        let e = CoreError::limit(format!("the query has {} bytes, more than {}", query.len(), self.text));
        Err(e.hint("read long lists of values from a file: in_regions(…, 'panel.bed'), or a join").into())
    }

    /// Before anything is made of them that is as deep as chains are long.
    pub(super) fn check_tokens(&self, tokens: &[TokenWithSpan]) -> Result<()> {
        let count = |of: fn(&Token) -> bool| tokens.iter().filter(|t| of(&t.token)).count();
        let operators = count(makes_chains);
        if operators > self.terms {
            let e =
                CoreError::limit(format!("the query has {operators} operators, more than {} operators", self.terms));
            return Err(e.hint("write x = 1 OR x = 2 OR … as x IN (1, 2, …), or join with a file of regions").into());
        }
        if count(is_set_operator) >= self.tables {
            return Err(self.too_many_tables().into());
        }
        Ok(())
    }

    pub(super) fn too_many_tables(&self) -> CoreError {
        CoreError::limit(format!("the query names more than {} tables", self.tables))
            .hint("name many files as a list, read_bam(['a.bam', …]), or as a glob")
    }

    pub(super) fn too_many_levels(&self) -> CoreError {
        CoreError::limit(format!("an expression is nested more than {} levels deep", self.levels))
            .hint("compute parts of it in a subquery")
    }
}

fn is_set_operator(token: &Token) -> bool {
    let words = [Keyword::UNION, Keyword::EXCEPT, Keyword::INTERSECT, Keyword::MINUS];
    matches!(token, Token::Word(word) if words.contains(&word.keyword))
}

/// Whether a text may have any number of it side by side, one level each.
fn makes_chains(token: &Token) -> bool {
    match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::OR
                | Keyword::XOR
                | Keyword::NOT
                | Keyword::IS
                | Keyword::IN
                | Keyword::LIKE
                | Keyword::ILIKE
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::AT
                | Keyword::DIV
                | Keyword::JOIN
                | Keyword::APPLY
        ),
        Token::EOF
        | Token::Whitespace(_)
        | Token::Comma
        | Token::Period
        | Token::SemiColon
        | Token::LParen
        | Token::RParen
        | Token::RBracket
        | Token::RBrace
        | Token::RArrow
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::DoubleQuotedString(_) => false,
        // Whatever else a dialect has for operators.
        _ => true,
    }
}
