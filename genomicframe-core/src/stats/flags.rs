//! SAM flags (SAMv1 §1.4) counted in the categories of `samtools flagstat`.

const PAIRED: u16 = 0x1;
const PROPER: u16 = 0x2;
const UNMAPPED: u16 = 0x4;
const MATE_UNMAPPED: u16 = 0x8;
const READ1: u16 = 0x40;
const READ2: u16 = 0x80;
const SECONDARY: u16 = 0x100;
const FAILED: u16 = 0x200;
const DUPLICATE: u16 = 0x400;
const SUPPLEMENTARY: u16 = 0x800;

/// Records that passed the sequencer's quality checks, and those that failed them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Without the flag 0x200.
    pub passed: u64,
    /// With it.
    pub failed: u64,
}

impl Passed {
    /// Counts `records` with this flag.
    pub fn add(&mut self, flag: u16, records: u64) {
        if is_failed(flag) {
            self.failed += records;
        } else {
            self.passed += records;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// A category of flags.
#[derive(Debug, Clone, Copy)]
pub struct Category {
    /// As flagstat calls it.
    pub name: &'static str,
    /// The category of whose records flagstat tells the share.
    pub of: Option<&'static str>,
    holds: fn(u16) -> bool,
}

fn is_primary(flag: u16) -> bool {
    flag & (SECONDARY | SUPPLEMENTARY) == 0
}

fn is_pair(flag: u16) -> bool {
    is_primary(flag) && flag & PAIRED != 0
}

fn is_failed(flag: u16) -> bool {
    flag & FAILED != 0
}

pub(super) fn is_unmapped(flag: u16) -> bool {
    flag & UNMAPPED != 0
}

/// Whether flagstat looks where record and mate are mapped.
pub(super) fn is_mapped_pair(flag: u16) -> bool {
    is_pair(flag) && flag & (UNMAPPED | MATE_UNMAPPED) == 0
}

const fn category(name: &'static str, of: Option<&'static str>, holds: fn(u16) -> bool) -> Category {
    Category { name, of, holds }
}

const ALL: &str = "total";
const PRIMARY: &str = "primary";
const PAIRS: &str = "paired in sequencing";

/// The categories, in flagstat's order. Those of mates on other contigs are not told by flags.
pub const CATEGORIES: [Category; 14] = [
    category(ALL, None, |_| true),
    category(PRIMARY, None, is_primary),
    category("secondary", None, |f| f & SECONDARY != 0),
    category("supplementary", None, |f| f & (SECONDARY | SUPPLEMENTARY) == SUPPLEMENTARY),
    category("duplicates", None, |f| f & DUPLICATE != 0),
    category("primary duplicates", None, |f| is_primary(f) && f & DUPLICATE != 0),
    category("mapped", Some(ALL), |f| !is_unmapped(f)),
    category("primary mapped", Some(PRIMARY), |f| is_primary(f) && !is_unmapped(f)),
    category(PAIRS, None, is_pair),
    category("read1", None, |f| is_pair(f) && f & READ1 != 0),
    category("read2", None, |f| is_pair(f) && f & READ2 != 0),
    category("properly paired", Some(PAIRS), |f| is_pair(f) && f & (PROPER | UNMAPPED) == PROPER),
    category("with itself and mate mapped", None, is_mapped_pair),
    category("singletons", Some(PAIRS), |f| is_pair(f) && f & (UNMAPPED | MATE_UNMAPPED) == MATE_UNMAPPED),
];

/// Records of each category, in the order of [`CATEGORIES`], from the number of records with each flag.
///
/// ```
/// use genomicframe_core::stats::{CATEGORIES, flagstat};
///
/// // A proper pair, and an unmapped read that failed quality checks.
/// let counts = flagstat([(99, 1), (147, 1), (516, 1)]);
/// assert_eq!((CATEGORIES[0].name, counts[0].passed, counts[0].failed), ("total", 2, 1));
/// ```
pub fn flagstat(flags: impl IntoIterator<Item = (u16, u64)>) -> [Passed; CATEGORIES.len()] {
    let mut counts = [Passed::default(); CATEGORIES.len()];
    for (flag, records) in flags {
        for (count, category) in counts.iter_mut().zip(&CATEGORIES) {
            if (category.holds)(flag) {
                count.add(flag, records);
            }
        }
    }
    counts
}
