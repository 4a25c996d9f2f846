//! A read's CIGAR to the spans of the reference that count.

use super::DepthRules;
use crate::error::{Error, Result};

/// A span of the reference, 0-based and half-open.
pub(super) type Span = (i64, i64);

/// Longest operation: BAM has 28 bits for it.
const LONGEST: i64 = 1 << 28;
/// Phred score 0 as SAM writes it.
const PHRED_ZERO: u8 = b'!';

/// Puts the spans of a read that starts at `start` into `spans`, in order and apart from one another.
///
/// # Errors
/// When the CIGAR is none, or covers more bases than there are qualities.
pub(super) fn of_cigar(
    cigar: &[u8],
    quality: Option<&[u8]>,
    start: i64,
    rules: DepthRules,
    spans: &mut Vec<Span>,
) -> Result<()> {
    spans.clear();
    let least = PHRED_ZERO.saturating_add(rules.min_base_quality);
    let (mut at, mut base, mut length) = (start, 0usize, 0i64);
    for byte in cigar {
        match byte {
            b'0'..=b'9' => {
                length = length * 10 + i64::from(byte - b'0');
                if length >= LONGEST {
                    return Err(broken("an operation is too long", cigar));
                }
                continue;
            }
            b'M' | b'=' | b'X' => {
                match quality {
                    None => add(spans, at, at + length),
                    Some(scores) => {
                        let scores = scores.get(base..base + length as usize);
                        let scores = scores.ok_or_else(|| broken("it covers more bases than have qualities", cigar))?;
                        for (i, score) in (0i64..).zip(scores) {
                            if *score >= least {
                                add(spans, at + i, at + i + 1);
                            }
                        }
                        base += length as usize;
                    }
                }
                at += length;
            }
            b'D' => {
                // It is as good as the base behind it.
                let is_good = quality.and_then(|scores| scores.get(base)).is_none_or(|score| *score >= least);
                if rules.deletions && is_good {
                    add(spans, at, at + length);
                }
                at += length;
            }
            b'N' => at += length,
            b'I' | b'S' => base += length as usize,
            b'H' | b'P' => {}
            _ => return Err(broken("an operation is not one of the nine", cigar)),
        }
        length = 0;
    }
    Ok(())
}

#[inline]
fn add(spans: &mut Vec<Span>, start: i64, end: i64) {
    match spans.last_mut() {
        Some(last) if last.1 == start => last.1 = end,
        _ if start == end => {}
        _ => spans.push((start, end)),
    }
}

fn broken(why: &str, cigar: &[u8]) -> Error {
    Error::corrupt(why).field("CIGAR").text(cigar)
}

/// What two lists of spans have in common, in order.
pub(super) fn common(a: &[Span], b: &[Span], mut found: impl FnMut(i64, i64)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(left), Some(right)) = (a.get(i), b.get(j)) {
        let (start, end) = (left.0.max(right.0), left.1.min(right.1));
        if start < end {
            found(start, end);
        }
        if left.1 < right.1 { i += 1 } else { j += 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(cigar: &str, quality: Option<&str>, rules: DepthRules) -> Vec<Span> {
        let mut spans = Vec::new();
        of_cigar(cigar.as_bytes(), quality.map(str::as_bytes), 100, rules, &mut spans).unwrap();
        spans
    }

    #[test]
    fn only_aligned_bases_count_unless_deleted_ones_do() {
        let exact = DepthRules::default();
        let deletions = DepthRules { deletions: true, ..exact };
        for (cigar, aligned, deleted) in [
            ("10M", vec![(100, 110)], vec![(100, 110)]),
            ("5S3=2X1I4M5H", vec![(100, 109)], vec![(100, 109)]),
            ("3M2D3M", vec![(100, 103), (105, 108)], vec![(100, 108)]),
            ("3M2D4N1D3M", vec![(100, 103), (110, 113)], vec![(100, 105), (109, 113)]),
            ("2D3M", vec![(102, 105)], vec![(100, 105)]),
            ("4I", vec![], vec![]),
            ("0M3M", vec![(100, 103)], vec![(100, 103)]),
        ] {
            assert_eq!(spans(cigar, None, exact), aligned, "{cigar}");
            assert_eq!(spans(cigar, None, deletions), deleted, "{cigar} with deletions");
        }
    }

    #[test]
    fn bases_of_low_quality_do_not_count() {
        let rules = DepthRules { min_base_quality: 2, deletions: true, ..DepthRules::default() };
        let found = spans("1S3M1I1D2M", Some("!##!##!"), rules);
        assert_eq!(found, [(100, 102), (103, 105)], "the third and fifth aligned bases are below 2");
        let found = spans("1S3M1I1D2M", Some("!##!#!#"), rules);
        assert_eq!(found, [(100, 102), (105, 106)], "and the deletion, when the base behind it is");
    }

    #[test]
    fn what_is_no_cigar_is_told() {
        for (cigar, quality) in [("3Q", None), ("999999999999M", None), ("5M", Some("!!"))] {
            let mut spans = Vec::new();
            let found = of_cigar(cigar.as_bytes(), quality.map(str::as_bytes), 0, DepthRules::default(), &mut spans);
            assert!(found.is_err_and(|e| e.is_corrupt()), "{cigar}");
        }
    }
}
