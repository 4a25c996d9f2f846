//! What reading costs, roughly: requests, and bytes where they leave the provider's network.

use std::fmt;

use genomicframe_core::io::Location;

/// US dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cost {
    requests: f64,
    /// Of the bytes, if they leave.
    egress: f64,
}

/// Roughly, of the first tier of standard storage in the United States: a thousand reads, and a gigabyte to the internet.
const PRICES: [(&[&str], f64, f64); 3] = [
    (&["s3", "s3a"], 0.000_4, 0.09),
    (&["gs"], 0.000_4, 0.12),
    (&["az", "azure", "adl", "abfs", "abfss"], 0.000_5, 0.087),
];

impl Cost {
    /// Of this many requests and bytes from where `at` lies; `None` where nobody is charged, or no one knows.
    pub(super) fn new(at: &Location, requests: u64, bytes: u64) -> Option<Self> {
        let Location::Url(url) = at else { return None };
        let (_, per_thousand, per_gigabyte) = PRICES.iter().find(|(schemes, ..)| schemes.contains(&url.scheme()))?;
        let egress = bytes as f64 / 1e9 * per_gigabyte;
        Some(Self { requests: requests as f64 / 1e3 * per_thousand, egress })
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let add = |a: Self, b: Self| Self { requests: a.requests + b.requests, egress: a.egress + b.egress };
        all.fold(Self { requests: 0.0, egress: 0.0 }, add)
    }
}

impl fmt::Display for Cost {
    /// `$0.0000016+$0.0062 egress`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}+${} egress", Dollars(self.requests), Dollars(self.egress))
    }
}

/// With two digits that are not 0.
struct Dollars(f64);

impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leading = if self.0 > 0.0 { -self.0.log10().floor() } else { 0.0 };
        let digits = (leading + 1.0).clamp(2.0, 12.0) as usize;
        write!(f, "{:.digits$}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_bytes_cost() {
        let cost = |at: &str, requests, bytes| {
            let at = Location::parse(at).unwrap();
            Cost::new(&at, requests, bytes).map(|c| c.to_string())
        };
        assert_eq!(cost("s3://lab/x.bam", 4, 70_000_000).unwrap(), "$0.0000016+$0.0063 egress");
        assert_eq!(cost("gs://lab/x.bam", 1_000_000, 1_000_000_000_000).unwrap(), "$0.40+$120.00 egress");
        assert_eq!(cost("abfss://c@a.dfs.core.windows.net/x", 0, 0).unwrap(), "$0.00+$0.00 egress");
        assert_eq!(cost("https://host/x.bam", 4, 70_000_000), None);
        assert_eq!(cost("x.bam", 4, 70_000_000), None);
    }
}
