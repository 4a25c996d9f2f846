//! Numbers from bytes: a number that does not fit is an error, never another number.

use crate::error::{Error, Result};

/// A decimal integer.
///
/// # Errors
/// When it is none or does not fit an `i64`.
pub(crate) fn int(bytes: &[u8], field: &str) -> Result<i64> {
    let bad = |why: &str| Error::corrupt(why).field(field).text(bytes);
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() {
        return Err(bad("not a whole number"));
    }
    let mut n = 0i64;
    for b in digits {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return Err(bad("not a whole number"));
        }
        let next = n
            .checked_mul(10)
            .and_then(|n| if negative { n.checked_sub(i64::from(digit)) } else { n.checked_add(i64::from(digit)) });
        n = next.ok_or_else(|| bad("a number too large for 64 bits"))?;
    }
    Ok(n)
}

/// A decimal integer of 32 bits.
///
/// # Errors
/// When it is none or does not fit an `i32`.
pub(crate) fn int32(bytes: &[u8], field: &str) -> Result<i32> {
    i32::try_from(int(bytes, field)?)
        .map_err(|_| Error::corrupt("a number too large for 32 bits").field(field).text(bytes))
}

/// A floating number; `nan` and `inf` in any case are numbers too (VCF §1.3).
///
/// # Errors
/// When it is none.
pub(crate) fn float(bytes: &[u8], field: &str) -> Result<f32> {
    let parsed = std::str::from_utf8(bytes).ok().and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| Error::corrupt("not a number").field(field).text(bytes))
}

/// A floating number of 64 bits.
///
/// # Errors
/// When it is none.
pub(crate) fn double(bytes: &[u8], field: &str) -> Result<f64> {
    let parsed = std::str::from_utf8(bytes).ok().and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| Error::corrupt("not a number").field(field).text(bytes))
}

/// Appends the shortest text that reads back as `x`, with an exponent where it would be mostly zeros.
pub(crate) fn put_double(x: f64, out: &mut Vec<u8>) {
    let plain = x == 0.0 || (1e-4..1e16).contains(&x.abs());
    let text = if plain { x.to_string() } else { format!("{x:e}") };
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_floats_read_back() {
        for (x, text) in [(0.0, "0"), (-0.0, "-0"), (5.0, "5"), (0.5, "0.5"), (-6.4e-6, "-6.4e-6"), (1e300, "1e300")] {
            let mut out = Vec::new();
            put_double(x, &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(double(&out, "x").unwrap().to_bits(), x.to_bits());
        }
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut out = Vec::new();
            put_double(x, &mut out);
            assert_eq!(double(&out, "x").unwrap().to_bits(), x.to_bits());
        }
    }
}
