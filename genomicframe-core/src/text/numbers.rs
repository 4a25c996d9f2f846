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
