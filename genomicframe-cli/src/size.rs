//! Sizes as people write them.

/// As [`genomicframe::parse_size`], of something that must have one.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let bytes = genomicframe::parse_size(text).and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| format!("{text} is no size; write it as 512M or 4G"))
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
