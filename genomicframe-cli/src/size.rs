//! Sizes as people write them.

/// `512M`, `4G`, `1.5GiB`, `1048576`: bytes; the letters are powers of 1024.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let bad = || format!("{text} is no size; write it as 512M or 4G");
    let upper = text.trim().to_ascii_uppercase();
    let stem = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let (number, power) = match stem.as_bytes().last().ok_or_else(bad)? {
        b'K' => (&stem[..stem.len() - 1], 10),
        b'M' => (&stem[..stem.len() - 1], 20),
        b'G' => (&stem[..stem.len() - 1], 30),
        b'T' => (&stem[..stem.len() - 1], 40),
        _ => (stem, 0),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number: f64 = number.trim().parse().ok().filter(|_| plain).ok_or_else(bad)?;
    let bytes = number * 2f64.powi(power);
    // Below 2^53 every whole number of bytes is exact.
    if bytes < 1.0 || bytes >= 2f64.powi(53) {
        return Err(bad());
    }
    usize::try_from(bytes as u64).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes() {
        let parsed = |text| parse_size(text).unwrap();
        assert_eq!(parsed("512M"), 512 << 20);
        assert_eq!(parsed("4g"), 4 << 30);
        assert_eq!(parsed("1.5GiB"), 3 << 29);
        assert_eq!(parsed("64KB"), 64 << 10);
        assert_eq!(parsed("1000"), 1000);
        for bad in ["", "G", "-1G", "0", "1e3", "4X", "1..5M", "nan", "99999999T", "4 G B"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
