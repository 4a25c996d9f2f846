//! How much work compression may be.

use std::fmt;
use std::str::FromStr;

use genomicframe_core::Error;

/// Which encodings are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Preset {
    /// What decodes and encodes fastest.
    Fast,
    /// Small where that costs little.
    Default,
    /// Small; entropy coders too, which cost time on both sides.
    Small,
}

/// A preset, and the level of its zstd streams.
///
/// ```
/// use genomicframe_bams3::{Level, Preset};
///
/// let level: Level = "small".parse().unwrap();
/// assert_eq!(level.preset(), Preset::Small);
/// let level: Level = "9".parse().unwrap();
/// assert_eq!((level.preset(), level.zstd()), (Preset::Default, 9));
/// assert!("20".parse::<Level>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Level {
    preset: Preset,
    zstd: i32,
}

impl Level {
    /// `fast`.
    pub const FAST: Self = Self { preset: Preset::Fast, zstd: 1 };
    /// `default`.
    pub const DEFAULT: Self = Self { preset: Preset::Default, zstd: 3 };
    /// `small`.
    pub const SMALL: Self = Self { preset: Preset::Small, zstd: 12 };

    /// Which encodings are tried.
    pub fn preset(self) -> Preset {
        self.preset
    }

    /// zstd's level, 1 to 19.
    pub fn zstd(self) -> i32 {
        self.zstd
    }
}

impl Default for Level {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FAST => f.write_str("fast"),
            Self::DEFAULT => f.write_str("default"),
            Self::SMALL => f.write_str("small"),
            Self { zstd, .. } => zstd.fmt(f),
        }
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match (text, text.parse()) {
            ("fast", _) => Ok(Self::FAST),
            ("default", _) => Ok(Self::DEFAULT),
            ("small", _) => Ok(Self::SMALL),
            (_, Ok(zstd @ 1..=19)) => Ok(Self { preset: Preset::Default, zstd }),
            _ => {
                Err(Error::invalid("a level is fast, default, small or a zstd level from 1 to 19")
                    .text(text.as_bytes()))
            }
        }
    }
}
