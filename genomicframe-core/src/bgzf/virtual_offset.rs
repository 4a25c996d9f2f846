//! Virtual file offsets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `(block's offset in the file) << 16 | (offset within the inflated block)`, SAMv1 §4.1.1.
///
/// ```
/// use genomicframe_core::bgzf::VirtualOffset;
///
/// let v = VirtualOffset::new(1000, 7);
/// assert_eq!((v.compressed(), v.within(), v.to_string()), (1000, 7, "1000:7".to_string()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct VirtualOffset(u64);

impl VirtualOffset {
    /// Beyond every record of every file.
    pub const MAX: Self = Self(u64::MAX);

    /// From the block's offset (48 bits) and the offset within it.
    pub const fn new(compressed: u64, within: u16) -> Self {
        Self(compressed << 16 | within as u64)
    }

    /// From its stored form.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Its stored form.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Offset of the block's first byte in the file.
    pub const fn compressed(self) -> u64 {
        self.0 >> 16
    }

    /// Offset within the inflated block.
    pub const fn within(self) -> u16 {
        (self.0 & 0xffff) as u16
    }
}

impl fmt::Display for VirtualOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.compressed(), self.within())
    }
}
