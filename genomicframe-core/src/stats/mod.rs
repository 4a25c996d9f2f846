//! What is usually asked first of a file, counted in one pass over a few of its columns.
//!
//! | file | what it counts |
//! |---|---|
//! | `alignments` | [`AlignmentStats`]: samtools' flagstat, records by contig, mapping qualities |
//! | `variants` | [`VariantStats`]: bcftools' classes and Ts/Tv, QUAL, FILTER, records by contig |
//! | `reads` | [`ReadStats`]: bases, lengths, qualities by position |
//! | `features` | [`FeatureStats`]: annotations and intervals by contig and type |
//! | `flags` | categories of SAM flags |
//! | `tally`, `bins`, `sum` | counts by text, by number, and sums that no order of rows changes |
//!
//! Each is a plain struct: `update` counts a batch in, `merge` adds what was counted elsewhere, and the result does not
//! depend on how rows were split into batches and parts.

mod alignments;
mod bins;
mod features;
mod flags;
mod reads;
mod sum;
mod tally;
#[cfg(test)]
mod tests;
mod variants;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringViewArray};
use arrow::datatypes::Schema;

pub use alignments::{AlignmentStats, MateElsewhere};
pub use features::FeatureStats;
pub use flags::{CATEGORIES, Category, Passed, flagstat};
pub use reads::ReadStats;
pub use tally::Tally;
pub use variants::{QUAL_STEPS, QualStats, VariantStats};

use crate::error::{Error, Result};
use crate::genome::Contigs;

/// Statistics of rows of one kind.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
/// use genomicframe_core::stats::Stats;
///
/// let column = |text: &'static str| Arc::new(StringViewArray::from(vec![text])) as ArrayRef;
/// let reads = RecordBatch::try_from_iter([("seq", column("ACGTN")), ("qual", column("IIII#"))])?;
/// let mut stats = Stats::of_schema(&reads.schema())?;
/// stats.update(&reads)?;
/// assert!(stats.to_string().contains("mean quality\t32.4\n"));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Stats {
    /// Of BAM, SAM and BAMS3.
    Alignments(Box<AlignmentStats>),
    /// Of VCF.
    Variants(Box<VariantStats>),
    /// Of FASTQ.
    Reads(Box<ReadStats>),
    /// Of GFF and BED.
    Features(Box<FeatureStats>),
}

macro_rules! each {
    ($stats:expr, $one:ident => $do:expr) => {
        match $stats {
            Self::Alignments($one) => $do,
            Self::Variants($one) => $do,
            Self::Reads($one) => $do,
            Self::Features($one) => $do,
        }
    };
}

impl Stats {
    /// Statistics that fit rows with these columns, of no row yet.
    ///
    /// # Errors
    /// When the columns are not those of alignments, variants, reads, annotations or intervals.
    pub fn of_schema(schema: &Schema) -> Result<Self> {
        let kinds = [
            Self::Alignments(Box::default()),
            Self::Variants(Box::default()),
            Self::Reads(Box::default()),
            Self::Features(Box::new(FeatureStats::annotations())),
            Self::Features(Box::new(FeatureStats::intervals())),
        ];
        let fits = |kind: &Self| kind.columns().iter().all(|name| schema.column_with_name(name).is_some());
        kinds.into_iter().find(fits).ok_or_else(|| {
            let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            Error::unsupported("these columns are not those of alignments, variants, reads, annotations or intervals")
                .text(names.join(", ").as_bytes())
        })
    }

    /// The columns that `update` looks at.
    pub fn columns(&self) -> &'static [&'static str] {
        match self {
            Self::Alignments(_) => AlignmentStats::COLUMNS,
            Self::Variants(_) => VariantStats::COLUMNS,
            Self::Reads(_) => ReadStats::COLUMNS,
            Self::Features(features) => features.columns(),
        }
    }

    /// Counts the rows of a batch in.
    ///
    /// # Errors
    /// When a column is missing, of another type, or null where it must have a value.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        each!(self, one => one.update(batch))
    }

    /// Adds what was counted of other rows.
    ///
    /// # Errors
    /// When those are of another kind.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        match (self, other) {
            (Self::Alignments(a), Self::Alignments(b)) => a.merge(b),
            (Self::Variants(a), Self::Variants(b)) => a.merge(b),
            (Self::Reads(a), Self::Reads(b)) => a.merge(b),
            (Self::Features(a), Self::Features(b)) => a.merge(b),
            _ => return Err(Error::invalid("statistics of rows of different kinds cannot be merged")),
        }
        Ok(())
    }

    /// Puts contigs in the order of the header, where there is one, else by name, and everything else that has no order of its own by
    /// frequency, so that the result is always shown alike.
    pub fn sort(&mut self, contigs: Option<&Contigs>) {
        let none = Contigs::default();
        let contigs = contigs.unwrap_or(&none);
        match self {
            Self::Alignments(one) => one.sort(contigs),
            Self::Variants(one) => one.sort(contigs),
            Self::Reads(_) => {}
            Self::Features(one) => one.sort(contigs),
        }
    }

    /// Every figure in one table, a row each: `section`, `key`, `value`. What is unknown has no row.
    ///
    /// # Errors
    /// Never in practice.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let mut figures = Figures::default();
        each!(self, one => one.figures(&mut figures));
        let text = |of: fn(&Figure) -> &str| {
            Arc::new(figures.0.iter().map(|f| Some(of(f))).collect::<StringViewArray>()) as ArrayRef
        };
        let values = figures.0.iter().map(|f| f.value).collect::<Float64Array>();
        Ok(RecordBatch::try_from_iter([
            ("section", text(|f| f.section)),
            ("key", text(|f| &f.key)),
            ("value", Arc::new(values) as ArrayRef),
        ])?)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, one => one.fmt(f))
    }
}

/// A number and what it is.
struct Figure {
    section: &'static str,
    key: String,
    value: f64,
}

/// The figures of one kind of rows, in the order in which they are shown.
#[derive(Default)]
struct Figures(Vec<Figure>);

impl Figures {
    fn count(&mut self, section: &'static str, key: impl Into<String>, n: u64) {
        self.number(section, key, n as f64);
    }

    fn number(&mut self, section: &'static str, key: impl Into<String>, value: f64) {
        self.0.push(Figure { section, key: key.into(), value });
    }

    /// A number that is unknown of no rows.
    fn known(&mut self, section: &'static str, key: impl Into<String>, value: Option<f64>) {
        if let Some(value) = value {
            self.number(section, key, value);
        }
    }

    fn tally(&mut self, section: &'static str, tally: &Tally<1>) {
        for (text, [n]) in with_none(tally) {
            self.count(section, text, n);
        }
    }
}

/// Each text with its count, and rows without one as `.`, where there are any.
fn with_none(tally: &Tally<1>) -> impl Iterator<Item = (&str, [u64; 1])> {
    let none = Some((".", tally.none())).filter(|(_, [n])| *n > 0);
    tally.iter().chain(none)
}

/// A tally under its heading.
fn show_tally(f: &mut fmt::Formatter<'_>, heading: &str, tally: &Tally<1>) -> fmt::Result {
    writeln!(f, "\n{heading}\trecords")?;
    with_none(tally).try_for_each(|(text, [n])| writeln!(f, "{text}\t{n}"))
}

/// `a / b`, of nothing none.
fn ratio(a: u64, b: u64) -> Option<f64> {
    (b > 0).then(|| a as f64 / b as f64)
}

/// A number with so many decimals, or `N/A`.
fn shown(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "N/A".to_owned(), |v| format!("{v:.decimals$}"))
}

/// A column of a batch.
fn column<'a, A: Array + Any>(batch: &'a RecordBatch, name: &str) -> Result<&'a A> {
    let Some(array) = batch.column_by_name(name) else {
        return Err(Error::invalid("statistics need this column, which the rows lack").field(name));
    };
    array.as_any().downcast_ref::<A>().ok_or_else(|| {
        Error::invalid(format!("statistics cannot be made of a column of {}", array.data_type())).field(name)
    })
}

/// A column that has a value in each row.
fn complete<'a, A: Array + Any>(batch: &'a RecordBatch, name: &str) -> Result<&'a A> {
    let array = column::<A>(batch, name)?;
    match array.null_count() {
        0 => Ok(array),
        nulls => Err(Error::invalid(format!("{nulls} rows have no value, so they are no records")).field(name)),
    }
}
