//! Numbers from bytes: a number that does not fit is an error, never another number.

use crate::error::{Error, Result};

/// A decimal integer.
///
/// # Errors
/// When it is none or does not fit an `i64`.
#[inline]
pub(crate) fn int(bytes: &[u8], field: &str) -> Result<i64> {
    match short_int(bytes) {
        Some(n) => Ok(n),
        None => any_int(bytes, field),
    }
}

/// Digits that are too few to overflow: nearly all integers.
#[inline]
fn short_int(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        1..=8 => of_digits(bytes),
        9..=16 => {
            let (high, low) = bytes.split_at(bytes.len() - 8);
            Some(of_digits(high)? * 100_000_000 + of_digits(low)?)
        }
        _ => None,
    }
}

/// The number of 1 to 8 digits, all of them at once as the bytes of a word.
#[inline]
fn of_digits(bytes: &[u8]) -> Option<i64> {
    let each = |byte: u8| u64::from_le_bytes([byte; 8]);
    let bits = 8 * bytes.len() as u32;
    // The first digit is in the lowest byte.
    let digits = match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (bits - 32)
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // Zeros before them fill the word.
    let word = digits.checked_shl(64 - bits)? | each(b'0').checked_shr(bits).unwrap_or(0);
    // Digits are 0x30 to 0x39: in each byte the upper half is 3, and stays so when 6 is added.
    if (word & each(0xf0)) | (word.wrapping_add(each(0x06)) & each(0xf0)) >> 4 != each(0x33) {
        return None;
    }
    // Neighbours become numbers of two digits, then of four, then of eight.
    let word = word - each(b'0');
    let twos = (word * 10 + (word >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (twos * 100 + (twos >> 16)) & 0x0000_ffff_0000_ffff;
    Some(((fours * 10_000 + (fours >> 32)) & 0xffff_ffff) as i64)
}

#[cold]
fn any_int(bytes: &[u8], field: &str) -> Result<i64> {
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
#[inline]
pub(crate) fn float(bytes: &[u8], field: &str) -> Result<f32> {
    match short_decimal(bytes).and_then(narrow) {
        Some(x) => Ok(x),
        None => any_float(bytes, field),
    }
}

/// A floating number of 64 bits.
///
/// # Errors
/// When it is none.
#[inline]
pub(crate) fn double(bytes: &[u8], field: &str) -> Result<f64> {
    match short_decimal(bytes) {
        Some(x) => Ok(x),
        None => any_float(bytes, field),
    }
}

fn any_float<T: std::str::FromStr>(bytes: &[u8], field: &str) -> Result<T> {
    let parsed = std::str::from_utf8(bytes).ok().and_then(|t| t.parse().ok());
    parsed.ok_or_else(|| Error::corrupt("not a number").field(field).text(bytes))
}

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Bytes of which no mantissa overflows 64 bits.
const SHORT: usize = 19;

/// A decimal whose digits and power of ten are exact as doubles, so that one operation rounds it correctly (Clinger 1990);
/// `None` where they are not, or it is no such decimal.
#[inline]
fn short_decimal(bytes: &[u8]) -> Option<f64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if digits.len() > SHORT {
        return None;
    }
    let (mut mantissa, mut count, mut exponent) = (0u64, 0, 0i32);
    let mut point = None;
    for (i, b) in digits.iter().enumerate() {
        match b.wrapping_sub(b'0') {
            digit @ 0..=9 => {
                mantissa = mantissa * 10 + u64::from(digit);
                count += 1;
            }
            _ if *b == b'.' && point.is_none() => point = Some(count),
            _ if matches!(b, b'e' | b'E') => {
                exponent = short_exponent(&digits[i + 1..])?;
                break;
            }
            _ => return None,
        }
    }
    if count == 0 || mantissa >> 53 != 0 {
        return None;
    }
    exponent -= point.map_or(0, |before| count - before);
    let power = *POWERS.get(exponent.unsigned_abs() as usize)?;
    let x = mantissa as f64;
    let x = if exponent < 0 { x / power } else { x * power };
    Some(if negative { -x } else { x })
}

fn short_exponent(bytes: &[u8]) -> Option<i32> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] | rest => (false, rest),
    };
    let n = i32::from(i16::try_from(short_int(digits)?).ok()?);
    Some(if negative { -n } else { n })
}

/// The float nearest to what a double was rounded from; `None` where the double lies between two floats, so that rounding
/// twice could differ from rounding once, or is below what floats hold in full.
#[inline]
fn narrow(x: f64) -> Option<f32> {
    /// The bits of a double that a float lacks.
    const LACKING: u64 = (1 << 29) - 1;
    let between = x.to_bits() & LACKING == 1 << 28;
    let small = x != 0.0 && x.abs() < f64::from(f32::MIN_POSITIVE);
    (!between && !small).then_some(x as f32)
}

/// Appends a decimal integer.
///
/// Appending a number of bytes that the compiler knows is much cheaper than any number of them, so more than are wanted are
/// appended and the rest is taken away.
#[inline]
pub fn write_int(n: i64, out: &mut Vec<u8>) {
    if n < 0 {
        out.push(b'-');
    }
    let n = n.unsigned_abs();
    match n {
        0..10 => out.push(b'0' + n as u8),
        10..100 => out.extend_from_slice(&pair(n)),
        100..1000 => {
            let [tens, ones] = pair(n % 100);
            out.extend_from_slice(&[b'0' + (n / 100) as u8, tens, ones]);
        }
        1000..=99_999_999 => {
            let digits = eight_digits(n);
            let zeros = usize::from(n < 10_000_000)
                + usize::from(n < 1_000_000)
                + usize::from(n < 100_000)
                + usize::from(n < 10_000);
            // The first digit is the lowest byte.
            out.extend_from_slice(&(u64::from_le_bytes(digits) >> (8 * zeros)).to_le_bytes());
            out.truncate(out.len() - zeros);
        }
        _ => {
            write_int((n / 100_000_000) as i64, out);
            out.extend_from_slice(&eight_digits(n % 100_000_000));
        }
    }
}

fn pair(n: u64) -> [u8; 2] {
    DIGITS[n as usize]
}

/// Of a number below 10^8, with leading zeros.
fn eight_digits(n: u64) -> [u8; 8] {
    let (high, low) = (n / 10_000, n % 10_000);
    let ([a, b], [c, d], [e, f], [g, h]) = (pair(high / 100), pair(high % 100), pair(low / 100), pair(low % 100));
    [a, b, c, d, e, f, g, h]
}

/// The two digits of each number below 100.
const DIGITS: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        table[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    table
};

/// Appends a float as C's `%g` does, which SAM text is written with: six significant digits, no trailing zeros.
pub(crate) fn write_g(x: f32, out: &mut Vec<u8>) {
    let x = f64::from(x);
    if !x.is_finite() {
        let sign = if x.is_sign_negative() { "-" } else { "" };
        let name = if x.is_nan() { "nan" } else { "inf" };
        out.extend(sign.bytes().chain(name.bytes()));
        return;
    }
    let scientific = format!("{x:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
    };
    let text = if (-4..6).contains(&exponent) {
        trim(&format!("{x:.*}", (5 - exponent) as usize))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(mantissa), exponent.abs())
    };
    out.extend(text.bytes());
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
    use crate::testing::Random;

    #[test]
    fn floats_print_as_in_c() {
        let shown = |x| {
            let mut out = Vec::new();
            write_g(x, &mut out);
            String::from_utf8(out).unwrap()
        };
        let pairs =
            [(0.0, "0"), (0.1, "0.1"), (2.718_281_7, "2.71828"), (1e6, "1e+06"), (123456.7, "123457"), (1e-5, "1e-05")];
        for (x, text) in pairs {
            assert_eq!(shown(x), text);
        }
        assert_eq!(
            (shown(-2.5), shown(f32::NAN), shown(f32::NEG_INFINITY)),
            ("-2.5".into(), "nan".into(), "-inf".into())
        );
    }

    #[test]
    fn whole_numbers_are_those_of_the_standard_library() {
        let mut random = Random(11);
        for _ in 0..200_000 {
            let length = random.below(21);
            let mut text: Vec<u8> = (0..length).map(|_| b'0' + random.below(10) as u8).collect();
            if length > 0 && random.below(3) > 0 {
                let others = [b'/', b':', b'-', b'+', b' ', 0, 0x2a, 0x3a, 0x70, 0xb0, 0xff, b'7'];
                text[random.below(length)] = others[random.below(others.len())];
            }
            let expected = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i64>().ok());
            assert_eq!(int(&text, "x").ok(), expected, "{:?}", String::from_utf8_lossy(&text));
        }
        for n in [0, 7, 10, 99_999_999, 100_000_000, 9_999_999_999_999_999, 10_000_000_000_000_000, i64::MAX, i64::MIN]
        {
            assert_eq!(int(n.to_string().as_bytes(), "x").unwrap(), n);
        }
    }

    #[test]
    fn short_ways_read_what_the_standard_library_reads() {
        let mut random = Random(7);
        let mut texts: Vec<String> =
            ["0", "-0", ".5", "5.", ".", "-", "1e", "1e+", "1e5", "1E-5", "1.5e+05", "+1", "e5", "-.e1"]
                .into_iter()
                .chain(["16777217", "9007199254740993", "1.00000017881393421514957253748434595763683319091796875001"])
                .chain([
                    "1.000000178813934",
                    "3.4028236e38",
                    "1e-45",
                    "1.1e-38",
                    "1e-22",
                    "1e23",
                    "0.1.2",
                    "nan",
                    "iNf",
                    "1_0",
                ])
                .map(str::to_owned)
                .collect();
        for _ in 0..200_000 {
            let digits = |random: &mut Random, n| -> String {
                (0..random.below(n)).map(|_| char::from(b'0' + random.below(10) as u8)).collect()
            };
            let (whole, part) = (digits(&mut random, 9), digits(&mut random, 11));
            let exponent = match random.below(3) {
                0 => format!("e{}", random.below(40) as i64 - 20),
                _ => String::new(),
            };
            texts.push(format!("{}{whole}.{part}{exponent}", if random.below(4) == 0 { "-" } else { "" }));
            texts.push(whole);
        }
        for text in texts {
            let bytes = text.as_bytes();
            let bits = |x: Option<f64>| x.map(f64::to_bits);
            assert_eq!(bits(double(bytes, "x").ok()), bits(text.parse().ok()), "{text}");
            assert_eq!(float(bytes, "x").ok().map(f32::to_bits), text.parse().ok().map(f32::to_bits), "{text}");
            assert_eq!(int(bytes, "x").ok(), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_errors() {
        assert_eq!(int(b"9223372036854775807", "x").unwrap(), i64::MAX);
        assert_eq!(int(b"-9223372036854775808", "x").unwrap(), i64::MIN);
        for text in ["9223372036854775808", "", "-", "1.0", "1e3", " 1", "0x1"] {
            assert!(int(text.as_bytes(), "x").is_err(), "{text}");
        }
        assert!(int32(b"2147483648", "x").is_err());
    }

    #[test]
    fn integers_of_any_length_are_written() {
        let short = -20_000..20_000;
        for n in short.chain([
            i64::MIN,
            i64::MAX,
            99_999,
            100_000,
            9_999_999,
            10_000_000,
            99_999_999,
            100_000_000,
            248_956_422,
        ]) {
            let mut out = Vec::new();
            write_int(n, &mut out);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }

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
