//! What is asked for, and the names of it in SQL.

use datafusion::dataframe::DataFrame;
use genomicframe_core::depth::{Bands, DepthRules, Statistic};

use crate::error::{Error, Result};
use crate::frame::GenomicFrame;

/// How depth is counted, and what is told of it. [`Default`] is mosdepth's exact mode, base by base.
///
/// ```
/// use genomicframe::DepthOptions;
/// use genomicframe::prelude::*;
///
/// # fn main() -> genomicframe::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
/// let windows = GenomicFrame::scan_bam(path)?.depth(DepthOptions::fast().by(500).min_mapq(20));
/// let deep = windows.filter(col("mean").gt(lit(1.0)));
/// # assert!(deep.count()? > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DepthOptions {
    pub(super) rules: DepthRules,
    pub(super) exclude_flags: u16,
    pub(super) include_flags: u16,
    pub(super) min_mapq: u8,
    pub(super) by: Option<DepthBy>,
    pub(super) step: Option<u64>,
    pub(super) statistics: Vec<Statistic>,
    pub(super) thresholds: Vec<u32>,
    pub(super) bands: Option<Bands>,
    pub(super) regions: Vec<String>,
}

/// Windows in which depth is summed up.
#[derive(Debug, Clone)]
pub enum DepthBy {
    /// Of so many bp.
    Size(u64),
    /// The intervals of a file (BED, GFF …).
    File(String),
    /// The rows of a query with contig, start and end columns, and `name` where there is one.
    Rows(DataFrame),
    /// Those of a frame, which may be broken.
    Frame(Result<DataFrame>),
}

impl From<u64> for DepthBy {
    fn from(bases: u64) -> Self {
        Self::Size(bases)
    }
}

impl From<&str> for DepthBy {
    fn from(path: &str) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<String> for DepthBy {
    fn from(path: String) -> Self {
        Self::File(path)
    }
}

impl From<DataFrame> for DepthBy {
    fn from(rows: DataFrame) -> Self {
        Self::Rows(rows)
    }
}

impl From<&GenomicFrame> for DepthBy {
    fn from(frame: &GenomicFrame) -> Self {
        Self::Frame(frame.dataframe())
    }
}

/// Unmapped, secondary, failed and duplicate reads.
const EXCLUDED: u16 = 0x4 | 0x100 | 0x200 | 0x400;

impl Default for DepthOptions {
    fn default() -> Self {
        Self {
            rules: DepthRules::default(),
            exclude_flags: EXCLUDED,
            include_flags: 0,
            min_mapq: 0,
            by: None,
            step: None,
            statistics: Vec::new(),
            thresholds: Vec::new(),
            bands: None,
            regions: Vec::new(),
        }
    }
}

impl DepthOptions {
    /// mosdepth's exact mode: aligned bases count, deleted and skipped ones do not, and a base on which both reads of a proper
    /// pair lie counts once. Reads with one of the flags 1796 (unmapped, secondary, failed, duplicate) are left out.
    pub fn new() -> Self {
        Self::default()
    }

    /// mosdepth's fast mode (`-x`): a read counts from its first to its last base, deletions and skips too, and each read of
    /// a pair by itself.
    pub fn fast() -> Self {
        Self { rules: DepthRules::fast(), ..Self::default() }
    }

    /// Whether a read counts from its first to its last base whatever its CIGAR, and each read of a pair by itself.
    #[must_use]
    pub fn with_fast(mut self, fast: bool) -> Self {
        (self.rules.whole, self.rules.mates_once) = (fast, !fast);
        self
    }

    /// Whether a base on which both reads of a proper pair lie counts once. It does unless counting is fast.
    #[must_use]
    pub fn mates_once(mut self, once: bool) -> Self {
        self.rules.mates_once = once;
        self
    }

    /// Whether deleted bases count (`samtools depth -J`).
    #[must_use]
    pub fn deletions(mut self, count: bool) -> Self {
        self.rules.deletions = count;
        self
    }

    /// Bases below this Phred score do not count (`samtools depth -q`). Fast counting does not look at bases.
    #[must_use]
    pub fn min_base_quality(mut self, least: u8) -> Self {
        self.rules.min_base_quality = least;
        self
    }

    /// Reads with a lower mapping quality are left out. One that is not known (255) is high, as for samtools and mosdepth.
    #[must_use]
    pub fn min_mapq(mut self, least: u8) -> Self {
        self.min_mapq = least;
        self
    }

    /// Reads with any of these flags are left out, instead of those with one of 1796. Unmapped reads are, in any case.
    #[must_use]
    pub fn exclude_flags(mut self, flags: u16) -> Self {
        self.exclude_flags = flags;
        self
    }

    /// Only reads with any of these flags; 0: all.
    #[must_use]
    pub fn include_flags(mut self, flags: u16) -> Self {
        self.include_flags = flags;
        self
    }

    /// A row per window instead of one per run: windows of so many bp, or the intervals of a BED file or of a frame.
    #[must_use]
    pub fn by(mut self, windows: impl Into<DepthBy>) -> Self {
        self.by = Some(windows.into());
        self
    }

    /// Of windows of a size, bp from the start of one to that of the next: as many as the size, where this is not set.
    #[must_use]
    pub fn step(mut self, bases: u64) -> Self {
        self.step = Some(bases);
        self
    }

    /// What is told of each window: its mean, where this is not set.
    #[must_use]
    pub fn statistics(mut self, statistics: impl IntoIterator<Item = Statistic>) -> Self {
        self.statistics = statistics.into_iter().collect();
        self
    }

    /// Columns `ge_N`: how many bases of each window have at least a depth of N.
    #[must_use]
    pub fn thresholds(mut self, depths: impl IntoIterator<Item = u32>) -> Self {
        self.thresholds = depths.into_iter().collect();
        self
    }

    /// A row per run of bases in one band of depths.
    #[must_use]
    pub fn bands(mut self, bands: Bands) -> Self {
        self.bands = Some(bands);
        self
    }

    /// Only what lies in this region (samtools' syntax, 1-based, inclusive); several calls give a union.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.regions.push(region.into());
        self
    }

    /// Sets what SQL and the command line call `name`.
    pub(crate) fn set(self, name: &str, values: Vec<String>) -> Result<Self> {
        let one = || match values.as_slice() {
            [value] => Ok(value.as_str()),
            _ => Err(Error::invalid(format!("{name} takes one value"))),
        };
        let is = || match one()? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Error::invalid(format!("{name} is true or false, not {other}"))),
        };
        let parts = || values.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty());
        Ok(match name {
            "by" => {
                let value = one()?;
                if is_number(value) {
                    let size = bases(name, value)?;
                    self.by(size)
                } else {
                    self.by(value)
                }
            }
            "step" => {
                let step = bases(name, one()?)?;
                self.step(step)
            }
            "stat" | "stats" | "statistics" => {
                let known = Statistic::ALL.map(Statistic::name).join(", ");
                let of = |text: &str| {
                    Statistic::by_name(text)
                        .ok_or_else(|| Error::invalid(format!("no statistic is called {text}; there are {known}")))
                };
                let statistics = parts().map(of).collect::<Result<Vec<_>>>()?;
                self.statistics(statistics)
            }
            "thresholds" => {
                let depths = parts().map(|t| number(name, t)).collect::<Result<Vec<u32>>>()?;
                self.thresholds(depths)
            }
            "quantize" => {
                let bands = Bands::parse(one()?)?;
                self.bands(bands)
            }
            "region" | "regions" => values.into_iter().fold(self, Self::region),
            "fast" => {
                let fast = is()?;
                self.with_fast(fast)
            }
            "mates_once" => {
                let once = is()?;
                self.mates_once(once)
            }
            "deletions" => {
                let count = is()?;
                self.deletions(count)
            }
            "min_mapq" => {
                let least = number(name, one()?)?;
                self.min_mapq(least)
            }
            "min_base_quality" => {
                let least = number(name, one()?)?;
                self.min_base_quality(least)
            }
            "exclude_flags" => {
                let flags = flags(name, one()?)?;
                self.exclude_flags(flags)
            }
            "include_flags" => {
                let flags = flags(name, one()?)?;
                self.include_flags(flags)
            }
            _ => return Err(Error::invalid(format!("depth has no argument {name}; there are {NAMES}"))),
        })
    }
}

const NAMES: &str = "by, step, statistics, thresholds, quantize, region, fast, mates_once, deletions, min_mapq, \
    min_base_quality, exclude_flags, include_flags";

/// Whether it is a number of bp rather than the name of a file.
fn is_number(text: &str) -> bool {
    let digits = text.strip_suffix(['k', 'K', 'm', 'M']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_' || b == b',')
}

/// bp, as `500` or `10K`, which is 10,000, as in regions.
fn bases(name: &str, text: &str) -> Result<u64> {
    let (digits, scale) = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => (&text[..text.len() - 1], 1_000),
        Some(b'M') => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    let bases = digits.replace(['_', ','], "").parse::<u64>().ok().and_then(|n| n.checked_mul(scale));
    bases.filter(|n| *n > 0).ok_or_else(|| Error::invalid(format!("{name} is a number of bp above 0, not {text}")))
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N> {
    text.parse().map_err(|_| Error::invalid(format!("{name}: {text} is no number, or out of range")))
}

/// Flags as a number, also a hexadecimal one.
fn flags(name: &str, text: &str) -> Result<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => {
            u16::from_str_radix(digits, 16).map_err(|_| Error::invalid(format!("{name}: {text} is no flag")))
        }
        None => number(name, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, value: &str) -> Result<DepthOptions> {
        DepthOptions::new().set(name, vec![value.to_owned()])
    }

    #[test]
    fn what_sql_names_is_what_is_set() {
        assert!(matches!(set("by", "500").unwrap().by, Some(DepthBy::Size(500))));
        assert!(matches!(set("by", "10k").unwrap().by, Some(DepthBy::Size(10_000))));
        assert!(matches!(set("by", "1000.bed").unwrap().by, Some(DepthBy::File(path)) if path == "1000.bed"));
        assert_eq!(set("thresholds", "1, 10,20").unwrap().thresholds, [1, 10, 20]);
        assert_eq!(set("statistics", "mean,max").unwrap().statistics, [Statistic::Mean, Statistic::Max]);
        assert_eq!(set("exclude_flags", "0x704").unwrap().exclude_flags, DepthOptions::new().exclude_flags);
        assert_eq!(set("fast", "true").unwrap().rules, DepthRules::fast());
        assert_eq!(DepthOptions::new().exclude_flags, 1796);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (name, value) in [
            ("by", "0"),
            ("step", "x"),
            ("thresholds", "-1"),
            ("thresholds", "4294967296"),
            ("statistics", "mode"),
            ("quantize", "3:1"),
            ("fast", "yes"),
            ("min_mapq", "256"),
            ("exclude_flags", "65536"),
            ("depth", "1"),
        ] {
            assert!(set(name, value).is_err_and(|e| e.is_invalid()), "{name} {value}");
        }
    }
}
