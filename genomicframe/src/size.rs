//! Sizes as people write them.

/// `512M`, `4G`, `1.5GiB`, `1048576`: bytes; the letters are powers of 1024. `None` where it is no size.
///
/// ```
/// use genomicframe::parse_size;
///
/// assert_eq!(parse_size("1.5GiB"), Some(3 << 29));
/// assert_eq!(parse_size("4X"), None);
/// ```
pub fn parse_size(text: &str) -> Option<u64> {
    let upper = text.trim().to_ascii_uppercase();
    let stem = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let (number, power) = match stem.as_bytes().last()? {
        b'K' => (&stem[..stem.len() - 1], 10),
        b'M' => (&stem[..stem.len() - 1], 20),
        b'G' => (&stem[..stem.len() - 1], 30),
        b'T' => (&stem[..stem.len() - 1], 40),
        _ => (stem, 0),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.trim().parse().ok().filter(|_| plain)?;
    let bytes = number * 2f64.powi(power);
    // Below 2^53 every whole number of bytes is exact.
    (bytes < 2f64.powi(53)).then_some(bytes as u64)
}
