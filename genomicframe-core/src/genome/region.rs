//! Region strings, as samtools reads them.

use std::fmt;

use super::Interval;
use crate::error::{Error, Result};

/// A span of a named contig, or the reads that have no place (`*`).
///
/// ```
/// use genomicframe_core::genome::Region;
///
/// let r = Region::parse("chr20:10M-20,000,000", |_| false).unwrap();
/// assert_eq!((r.contig(), r.interval().start().get(), r.interval().end().get()), ("chr20", 10_000_000, 20_000_000));
/// assert_eq!(r.to_string(), "chr20:10000000-20000000");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    contig: String,
    interval: Interval,
}

impl Region {
    /// The name that stands for unplaced reads.
    pub const UNPLACED: &'static str = "*";

    /// From its parts.
    pub fn new(contig: impl Into<String>, interval: Interval) -> Self {
        Self { contig: contig.into(), interval }
    }

    /// Parses `contig`, `contig:start`, `contig:start-`, `contig:-end` or `contig:start-end`: 1-based, inclusive,
    /// with thousands separators and the suffixes `K`, `M` and `G`. `{name}` quotes a contig's name.
    ///
    /// A contig's name may itself contain colons (`HLA-A*01:01:01:01`): a whole string that `is_contig` knows is
    /// that contig; one that could be read both ways is an error, as it is for samtools.
    ///
    /// # Errors
    /// When the string is empty, a number is malformed or too large, or the span is empty.
    pub fn parse(text: &str, is_contig: impl Fn(&str) -> bool) -> Result<Self> {
        let bad = |why: &str| Err(Error::invalid(format!("malformed region: {why}")).text(text.as_bytes()));
        if text.is_empty() {
            return bad("it is empty");
        }
        let (contig, span) = if let Some(rest) = text.strip_prefix('{') {
            match rest.split_once('}') {
                Some((contig, "")) => (contig, None),
                Some((contig, rest)) if rest.starts_with(':') => (contig, Some(&rest[1..])),
                _ => return bad("the brace is not closed"),
            }
        } else if is_contig(text) {
            match text.rsplit_once(':') {
                Some((shorter, span)) if is_contig(shorter) && parse_span(span).is_some() => {
                    return bad("it is a contig's name and also a span of another; write {name}:span");
                }
                _ => (text, None),
            }
        } else {
            match text.rsplit_once(':') {
                Some((contig, span)) if parse_span(span).is_some() => (contig, Some(span)),
                // `HLA-A*01:01N` of a header that lacks it: an absent contig, not a broken span.
                Some((contig, _)) if contig.contains(':') => (text, None),
                Some((contig, span)) => (contig, Some(span)),
                None => (text, None),
            }
        };
        if contig.is_empty() {
            return bad("the contig's name is missing");
        }
        let interval = match span {
            None => Interval::ALL,
            Some(span) => match parse_span(span) {
                Some((start, end)) => match Interval::new(start, end) {
                    Some(interval) => interval,
                    None => return bad("its end lies before its start"),
                },
                None => return bad("expected start-end, 1-based and inclusive"),
            },
        };
        Ok(Self::new(contig, interval))
    }

    /// The contig's name.
    pub fn contig(&self) -> &str {
        &self.contig
    }

    /// The span on it.
    pub fn interval(&self) -> Interval {
        self.interval
    }
}

fn parse_span(span: &str) -> Option<(i64, i64)> {
    match span.split_once('-') {
        None => Some((parse_number(span)?, i64::MAX)),
        Some(("", end)) => Some((1, parse_number(end)?)),
        Some((start, "")) => Some((parse_number(start)?, i64::MAX)),
        Some((start, end)) => Some((parse_number(start)?, parse_number(end)?)),
    }
}

/// `1,000`, `10k`, `1.5M`: whole once the suffix is applied, and at most what an `i64` holds.
fn parse_number(text: &str) -> Option<i64> {
    let (digits, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 3),
        b'm' | b'M' => (&text[..text.len() - 1], 6),
        b'g' | b'G' => (&text[..text.len() - 1], 9),
        _ => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty()
        || whole.starts_with(',')
        || fraction.len() > scale
        || (digits.contains('.') && fraction.is_empty())
    {
        return None;
    }
    let zeros = std::iter::repeat_n(b'0', scale - fraction.len());
    whole.bytes().filter(|b| *b != b',').chain(fraction.bytes()).chain(zeros).try_fold(0i64, |n, b| {
        let digit = b.is_ascii_digit().then(|| i64::from(b - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.interval == Interval::ALL || (self.interval.start().get() == 1 && self.interval.end().get() == i64::MAX)
        {
            return f.write_str(&self.contig);
        }
        if self.contig.contains(':') {
            write!(f, "{{{}}}:{}", self.contig, self.interval)
        } else {
            write!(f, "{}:{}", self.contig, self.interval)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (String, i64, i64) {
        let hla = |name: &str| matches!(name, "HLA-A*01:01:01:01" | "chr1" | "a" | "a:1");
        let r = Region::parse(text, hla).unwrap();
        (r.contig().to_owned(), r.interval().start().get(), r.interval().end().get())
    }

    #[test]
    fn every_form_samtools_takes() {
        let all = i64::MAX;
        assert_eq!(parsed("chr1"), ("chr1".into(), 0, all));
        assert_eq!(parsed("chr1:100"), ("chr1".into(), 100, all));
        assert_eq!(parsed("chr1:100-"), ("chr1".into(), 100, all));
        assert_eq!(parsed("chr1:-100"), ("chr1".into(), 1, 100));
        assert_eq!(parsed("chr1:1,000-2,000"), ("chr1".into(), 1000, 2000));
        assert_eq!(parsed("chr1:1.5k-2M"), ("chr1".into(), 1500, 2_000_000));
        assert_eq!(parsed("HLA-A*01:01:01:01"), ("HLA-A*01:01:01:01".into(), 0, all));
        assert_eq!(parsed("HLA-A*01:01:01:01:5-9"), ("HLA-A*01:01:01:01".into(), 5, 9));
        assert_eq!(parsed("{a:1}"), ("a:1".into(), 0, all));
        assert_eq!(parsed("{a}:1"), ("a".into(), 1, all));
    }

    #[test]
    fn malformed_is_never_everything() {
        for text in
            ["", ":1-2", "chr1:x", "chr1:9-2", "chr1:1-2-3", "a:1", "chr1:99999999999999999999", "{a:1", "chr1:1.5-2"]
        {
            let result = Region::parse(text, |n| matches!(n, "a" | "a:1"));
            assert!(result.is_err_and(|e| e.is_invalid()), "{text}");
        }
    }
}
