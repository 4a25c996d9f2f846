//! Which bases of a read count.

/// Which bases of a read count towards depth. [`Default`] is mosdepth's exact mode.
///
/// ```
/// use genomicframe_core::depth::DepthRules;
///
/// assert_eq!(DepthRules::default().columns(), ["rname", "pos", "end", "cigar", "flag", "rnext", "pnext", "qname"]);
/// assert_eq!(DepthRules::fast().columns(), ["rname", "pos", "end"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DepthRules {
    /// Every base from a read's first to its last one counts, whatever its CIGAR says in between.
    pub whole: bool,
    /// Deleted bases (`D`) count. Skipped ones (`N`) only do where the read counts whole.
    pub deletions: bool,
    /// Where both reads of a proper pair lie on a base, it counts once.
    pub mates_once: bool,
    /// Bases below this Phred score do not count; deleted ones have the score of the base behind them, as for samtools. Those
    /// of a read without qualities count. A read that counts whole is not asked.
    pub min_base_quality: u8,
}

impl Default for DepthRules {
    fn default() -> Self {
        Self { whole: false, deletions: false, mates_once: true, min_base_quality: 0 }
    }
}

impl DepthRules {
    /// mosdepth's fast mode: a read counts whole, and each read of a pair by itself.
    pub fn fast() -> Self {
        Self { whole: true, mates_once: false, ..Self::default() }
    }

    /// The columns of alignments that are looked at.
    pub fn columns(&self) -> Vec<&'static str> {
        let mut columns = vec!["rname", "pos", "end"];
        if !self.whole {
            columns.push("cigar");
        }
        if self.mates_once {
            columns.extend(["flag", "rnext", "pnext", "qname"]);
        }
        if self.looks_at_qualities() {
            columns.push("qual");
        }
        columns
    }

    pub(super) fn looks_at_qualities(&self) -> bool {
        self.min_base_quality > 0 && !self.whole
    }
}
