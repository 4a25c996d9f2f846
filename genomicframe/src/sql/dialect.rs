//! The dialect: DataFusion's, with `end` as a plain column name.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};

use super::balance::Balance;
use super::limits::QueryLimits;
use super::tables::visit;
use crate::error::Result;

/// Parses one or several statements, whose sizes are within `limits`.
pub(super) fn parse(query: &str, limits: &QueryLimits) -> Result<VecDeque<Statement>> {
    limits.check_text(query)?;
    let dialect = GenericDialect;
    let tokens = Tokenizer::new(&dialect, query)
        .with_unescape(true)
        .tokenize_with_location()
        .map_err(|e| DataFusionError::SQL(Box::new(e.into()), None))?;
    limits.check_tokens(&tokens)?;
    let mut parser = DFParserBuilder::new(quote_end(tokens)).with_dialect(&dialect).build()?;
    let mut statements = parser.parse_statements()?;
    for statement in &mut statements {
        if let ControlFlow::Break(e) = visit(statement, &mut Balance::within(limits)) {
            return Err(e.into());
        }
    }
    Ok(statements)
}

/// `end` is a keyword that can only follow a whole expression (`CASE … END`). Where an operand is expected it is a column,
/// which the stock dialect fails to see after a comma.
fn quote_end(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut expects_operand = true;
    for token in &mut tokens {
        match &mut token.token {
            Token::Whitespace(_) => continue,
            Token::Word(word) if word.keyword == Keyword::END && word.quote_style.is_none() && expects_operand => {
                *word = Word { value: "end".into(), quote_style: Some('"'), keyword: Keyword::NoKeyword };
                expects_operand = false;
            }
            // `a.end`
            Token::Period => expects_operand = true,
            Token::Word(word) if word.quote_style.is_none() => {
                expects_operand = word.keyword != Keyword::NoKeyword && word.keyword != Keyword::END;
            }
            Token::Word(_)
            | Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::RParen
            | Token::RBracket
            | Token::Placeholder(_) => expects_operand = false,
            _ => expects_operand = true,
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_a_column_wherever_an_operand_is_expected() {
        for query in [
            "SELECT chrom, end FROM t",
            "SELECT end, pos FROM t WHERE end >= 5 AND NOT end < 3 ORDER BY pos, end",
            "SELECT a.end, max(end) - min(a.end) AS span FROM t a GROUP BY end",
            "SELECT CASE WHEN end > 5 THEN end ELSE -end END FROM t",
            "SELECT CASE end WHEN 5 THEN 1 END AS x, end FROM t",
        ] {
            let parsed = parse(query, &QueryLimits::default()).unwrap().pop_back().unwrap().to_string();
            assert!(parsed.contains("\"end\""), "{parsed}");
        }
        let parsed = parse("SELECT CASE WHEN x = 'a' THEN 1 ELSE y END FROM t", &QueryLimits::default())
            .unwrap()
            .pop_back()
            .unwrap();
        assert!(!parsed.to_string().contains('"'));
    }
}
