//! Alignments: samtools' flagstat and idxstats, and mapping qualities.

use std::fmt;

use arrow::array::{Array, RecordBatch, StringViewArray, UInt8Array, UInt16Array};

use super::flags::{is_mapped_pair, is_unmapped};
use super::{CATEGORIES, Figures, Passed, Tally, column, complete, flagstat};
use crate::error::Result;
use crate::genome::Contigs;

/// Counts of alignment records.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, RecordBatch, StringViewArray, UInt8Array, UInt16Array};
/// use genomicframe_core::stats::AlignmentStats;
///
/// let text = |t: [Option<&str>; 3]| Arc::new(StringViewArray::from(t.to_vec())) as ArrayRef;
/// let batch = RecordBatch::try_from_iter_with_nullable([
///     ("flag", Arc::new(UInt16Array::from(vec![97, 145, 4])) as ArrayRef, false),
///     ("mapq", Arc::new(UInt8Array::from(vec![60, 3, 0])) as ArrayRef, false),
///     ("rname", text([Some("chr1"), Some("chr2"), None]), true),
///     ("rnext", text([Some("chr2"), Some("chr1"), None]), true),
/// ])?;
/// let mut stats = AlignmentStats::default();
/// stats.update(&batch)?;
/// let elsewhere = stats.mate_elsewhere().expect("counted from rows");
/// assert_eq!((elsewhere.all.passed, elsewhere.mapq_5.passed), (2, 1));
/// assert_eq!(stats.unplaced(), 1);
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlignmentStats {
    /// Records with each flag.
    flags: Vec<u64>,
    /// Records of each contig, mapped and unmapped; where details are missing all of them are called mapped.
    contigs: Tally<2>,
    /// What a dataset's own totals do not tell.
    details: Option<Details>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    mapq: Vec<u64>,
    elsewhere: MateElsewhere,
}

/// Primary records that are mapped, as their mate is, on another contig.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MateElsewhere {
    /// All of them.
    pub all: Passed,
    /// Those with a mapping quality of at least 5.
    pub mapq_5: Passed,
}

impl Default for AlignmentStats {
    fn default() -> Self {
        let details = Details { mapq: vec![0; 1 << 8], elsewhere: MateElsewhere::default() };
        Self { flags: vec![0; 1 << 16], contigs: Tally::default(), details: Some(details) }
    }
}

/// What flagstat calls [`MateElsewhere`].
const ELSEWHERE: [&str; 2] = ["with mate mapped to a different chr", "with mate mapped to a different chr (mapQ>=5)"];
/// Mapping quality from which flagstat believes that a mate lies elsewhere.
const SURE: u8 = 5;

impl AlignmentStats {
    /// The columns that it looks at.
    pub const COLUMNS: &'static [&'static str] = &["flag", "rname", "mapq", "rnext"];

    /// From totals that a dataset keeps: records with each flag, and on each contig (`None`: on none). Where mates lie,
    /// mapping qualities and unmapped records by contig are then unknown.
    pub fn of_totals<'a>(
        flags: impl IntoIterator<Item = (u16, u64)>,
        contigs: impl IntoIterator<Item = (Option<&'a str>, u64)>,
    ) -> Self {
        let mut stats = Self { details: None, ..Self::default() };
        for (flag, records) in flags {
            stats.flags[usize::from(flag)] += records;
        }
        for (contig, records) in contigs {
            stats.contigs.add_counts(contig, [records, 0]);
        }
        stats
    }

    /// Counts the rows of a batch in.
    ///
    /// # Errors
    /// When a column is missing, of another type, or a flag or mapping quality is null.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let flags = complete::<UInt16Array>(batch, "flag")?.values();
        let mapqs = complete::<UInt8Array>(batch, "mapq")?.values();
        let contigs = column::<StringViewArray>(batch, "rname")?;
        let mates = column::<StringViewArray>(batch, "rnext")?;
        for flag in flags {
            self.flags[usize::from(*flag)] += 1;
        }
        self.contigs.add(contigs, |row| usize::from(is_unmapped(flags[row])));
        let Some(Details { mapq: counts, elsewhere }) = &mut self.details else { return Ok(()) };
        for (row, (flag, mapq)) in flags.iter().zip(mapqs).enumerate() {
            counts[usize::from(*mapq)] += 1;
            if is_mapped_pair(*flag) && !is_same(contigs, mates, row) {
                elsewhere.all.add(*flag, 1);
                elsewhere.mapq_5.add(*flag, u64::from(*mapq >= SURE));
            }
        }
        Ok(())
    }

    /// Adds what was counted of other rows. What one of both does not know is then unknown.
    pub fn merge(&mut self, other: &Self) {
        for (a, b) in self.flags.iter_mut().zip(&other.flags) {
            *a += b;
        }
        self.contigs.merge(&other.contigs);
        self.details = match (self.details.take(), &other.details) {
            (Some(mut a), Some(b)) => {
                for (sum, n) in a.mapq.iter_mut().zip(&b.mapq) {
                    *sum += n;
                }
                a.elsewhere.all.merge(b.elsewhere.all);
                a.elsewhere.mapq_5.merge(b.elsewhere.mapq_5);
                Some(a)
            }
            _ => None,
        };
    }

    /// Puts contigs in the header's order.
    pub fn sort(&mut self, contigs: &Contigs) {
        self.contigs.sort_as(contigs);
    }

    /// All records.
    pub fn records(&self) -> u64 {
        self.flags.iter().sum()
    }

    /// Records with each flag that occurs.
    pub fn flags(&self) -> impl Iterator<Item = (u16, u64)> {
        let all = (0..=u16::MAX).zip(&self.flags);
        all.filter(|(_, n)| **n > 0).map(|(flag, n)| (flag, *n))
    }

    /// flagstat's categories, in the order of [`CATEGORIES`].
    pub fn flagstat(&self) -> [Passed; CATEGORIES.len()] {
        flagstat(self.flags())
    }

    /// Mates on other contigs; `None` when unknown.
    pub fn mate_elsewhere(&self) -> Option<MateElsewhere> {
        self.details.as_ref().map(|d| d.elsewhere)
    }

    /// Records with each mapping quality from 0 to 255; `None` when unknown.
    pub fn mapq(&self) -> Option<&[u64]> {
        self.details.as_ref().map(|d| d.mapq.as_slice())
    }

    /// Contigs that have records, with the number of all of them and of those that are unmapped (placed where their mate
    /// is), `None` when unknown.
    pub fn contigs(&self) -> impl Iterator<Item = (&str, u64, Option<u64>)> {
        let known = self.details.is_some();
        self.contigs.iter().map(move |(name, [mapped, unmapped])| (name, mapped + unmapped, known.then_some(unmapped)))
    }

    /// Records that lie on no contig.
    pub fn unplaced(&self) -> u64 {
        self.contigs.none().iter().sum()
    }

    pub(super) fn figures(&self, out: &mut Figures) {
        let flagstat = self.flagstat();
        let elsewhere = self.mate_elsewhere().map(|e| [e.all, e.mapq_5]);
        for (section, of) in [("passed", (|p| p.passed) as fn(&Passed) -> u64), ("failed", |p| p.failed)] {
            for (category, count) in CATEGORIES.iter().zip(&flagstat) {
                out.count(section, category.name, of(count));
            }
            for (name, count) in ELSEWHERE.iter().zip(elsewhere.iter().flatten()) {
                out.count(section, *name, of(count));
            }
        }
        for (name, records, unmapped) in self.contigs() {
            out.count("contig", name, records);
            out.known("contig_unmapped", name, unmapped.map(|n| n as f64));
        }
        out.count("contig", "*", self.unplaced());
        for (mapq, n) in self.mapq().into_iter().flatten().enumerate().filter(|(_, n)| **n > 0) {
            out.count("mapq", mapq.to_string(), *n);
        }
    }
}

/// Bytes of a text that its view holds whole.
const INLINE: u32 = 12;

/// Whether a row has the same text, or none, in both columns.
fn is_same(a: &StringViewArray, b: &StringViewArray, row: usize) -> bool {
    if a.is_null(row) || b.is_null(row) {
        return a.is_null(row) && b.is_null(row);
    }
    let (one, other) = (a.views()[row], b.views()[row]);
    // The length is a view's first four bytes.
    if one as u32 <= INLINE { one == other } else { a.value(row) == b.value(row) }
}

/// A share as samtools prints it, from 32-bit floats.
fn percent(n: u64, of: u64) -> String {
    match of {
        0 => "N/A".to_owned(),
        _ => format!("{:.2}%", f64::from(n as f32 / of as f32) * 100.0),
    }
}

impl fmt::Display for AlignmentStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flagstat = self.flagstat();
        let count_of = |name: &str| CATEGORIES.iter().zip(&flagstat).find(|(c, _)| c.name == name).map(|(_, n)| *n);
        for (category, count) in CATEGORIES.iter().zip(&flagstat) {
            let Passed { passed, failed } = count;
            write!(f, "{passed} + {failed} ")?;
            match category.of.and_then(count_of) {
                Some(of) => {
                    let (passed, failed) = (percent(*passed, of.passed), percent(*failed, of.failed));
                    writeln!(f, "{} ({passed} : {failed})", category.name)?;
                }
                None if category.name == "total" => writeln!(f, "in total (QC-passed reads + QC-failed reads)")?,
                None => writeln!(f, "{}", category.name)?,
            }
        }
        let Some(Details { mapq, elsewhere }) = &self.details else {
            writeln!(f, "\ncontig\trecords")?;
            for (name, records, _) in self.contigs() {
                writeln!(f, "{name}\t{records}")?;
            }
            writeln!(f, "*\t{}", self.unplaced())?;
            return writeln!(
                f,
                "\nNot among the dataset's own totals: mates on other contigs, unmapped records by contig, mapping qualities"
            );
        };
        for (name, count) in ELSEWHERE.iter().zip([elsewhere.all, elsewhere.mapq_5]) {
            writeln!(f, "{} + {} {name}", count.passed, count.failed)?;
        }
        writeln!(f, "\ncontig\tmapped\tunmapped")?;
        for (name, [mapped, unmapped]) in self.contigs.iter() {
            writeln!(f, "{name}\t{mapped}\t{unmapped}")?;
        }
        let [mapped, unmapped] = self.contigs.none();
        writeln!(f, "*\t{mapped}\t{unmapped}")?;
        writeln!(f, "\nmapq\trecords")?;
        for (mapq, n) in mapq.iter().enumerate().filter(|(_, n)| **n > 0) {
            writeln!(f, "{mapq}\t{n}")?;
        }
        Ok(())
    }
}
