//! Variants: the classes and Ts/Tv of `bcftools stats`, QUAL, FILTER, records by contig.

use std::fmt;

use arrow::array::{Array, AsArray, Float32Array, ListArray, RecordBatch, StringViewArray};

use super::bins::add_all;
use super::sum::ExactSum;
use super::{Figures, Tally, column, ratio, show_tally, shown};
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::genome::alleles::Class;

/// Counts of variant records. A record with alternate alleles of several classes counts in each of them.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, Float32Array, ListBuilder, RecordBatch, StringViewArray, StringViewBuilder};
/// use genomicframe_core::stats::VariantStats;
///
/// let text = |t: [&str; 2]| Arc::new(StringViewArray::from(t.to_vec())) as ArrayRef;
/// let mut alt = ListBuilder::new(StringViewBuilder::new());
/// alt.append_value([Some("G"), Some("C")]);
/// alt.append_value([Some("CAT")]);
/// let batch = RecordBatch::try_from_iter([
///     ("chrom", text(["chr1", "chr1"])),
///     ("ref", text(["A", "C"])),
///     ("alt", Arc::new(alt.finish()) as ArrayRef),
///     ("qual", Arc::new(Float32Array::from(vec![Some(30.0), None])) as ArrayRef),
///     ("filter", text(["PASS", "q10"])),
/// ])?;
/// let mut stats = VariantStats::default();
/// stats.update(&batch)?;
/// assert_eq!((stats.records, stats.snps, stats.indels, stats.multiallelic_snps), (2, 1, 1, 1));
/// assert_eq!((stats.transitions(), stats.transversions()), (1, 1));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VariantStats {
    /// Records.
    pub records: u64,
    /// Records without an alternate allele that differs from the reference.
    pub no_alts: u64,
    /// Records with a SNP.
    pub snps: u64,
    /// Records with an MNP, as CC to TT.
    pub mnps: u64,
    /// Records with an indel.
    pub indels: u64,
    /// Records with another change: symbolic alleles, ACT to TCGA.
    pub others: u64,
    /// Records with a breakend, which bcftools counts in no class.
    pub breakends: u64,
    /// Records with `*`, the base deleted by a record before, which bcftools counts in no class.
    pub spanning_deletions: u64,
    /// Records with several alternate alleles.
    pub multiallelic: u64,
    /// Records with several alternate alleles, all of them SNPs.
    pub multiallelic_snps: u64,
    /// SNPs by reference and alternate base, in the order A, C, G, T: every allele counts. As in bcftools, of alleles with
    /// bases around the SNP the first bases are compared.
    pub substitutions: [[u64; 4]; 4],
    /// Transitions among records' first alternate alleles.
    pub first_transitions: u64,
    /// Transversions among records' first alternate alleles.
    pub first_transversions: u64,
    /// QUAL.
    pub qual: QualStats,
    filters: Tally<1>,
    contigs: Tally<1>,
}

/// Where the bins of QUAL begin: each holds the qualities from there up to the next.
pub const QUAL_STEPS: [f32; 14] =
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0];

/// Values of QUAL.
#[derive(Debug, Clone, PartialEq)]
pub struct QualStats {
    /// Records that have one.
    pub known: u64,
    /// Records without.
    pub missing: u64,
    /// The least; `None` without any.
    pub min: Option<f32>,
    /// The greatest.
    pub max: Option<f32>,
    /// Records by the bins of [`QUAL_STEPS`].
    pub bins: Vec<u64>,
    /// Records below the first bin: less than 0, or not a number.
    pub below: u64,
    sum: ExactSum,
    endless: bool,
}

impl Default for QualStats {
    fn default() -> Self {
        let (sum, bins) = (ExactSum::default(), vec![0; QUAL_STEPS.len()]);
        Self { known: 0, missing: 0, min: None, max: None, bins, below: 0, sum, endless: false }
    }
}

impl QualStats {
    fn update(&mut self, quals: &Float32Array) {
        self.missing += quals.null_count() as u64;
        self.known += (quals.len() - quals.null_count()) as u64;
        for qual in quals.iter().flatten() {
            match QUAL_STEPS.partition_point(|step| *step <= qual).checked_sub(1) {
                Some(bin) => self.bins[bin] += 1,
                None => self.below += 1,
            }
            self.include(qual);
            match qual.is_finite() {
                true => self.sum.add(qual),
                false => self.endless = true,
            }
        }
    }

    fn include(&mut self, qual: f32) {
        self.min = Some(self.min.map_or(qual, |min| min.min(qual)));
        self.max = Some(self.max.map_or(qual, |max| max.max(qual)));
    }

    fn merge(&mut self, other: &Self) {
        self.known += other.known;
        self.missing += other.missing;
        self.below += other.below;
        self.min.into_iter().chain(other.min).chain(self.max).chain(other.max).for_each(|qual| self.include(qual));
        add_all(&mut self.bins, &other.bins);
        self.sum.merge(&other.sum);
        self.endless |= other.endless;
    }

    /// The mean, the same in whatever order records come; `None` without any, or when one is infinite or not a number.
    pub fn mean(&self) -> Option<f64> {
        (self.known > 0 && !self.endless).then(|| self.sum.total() / self.known as f64)
    }
}

// What the alternate alleles of a record are, as bits.
const SNP: u8 = 1;
const MNP: u8 = 2;
const INDEL: u8 = 4;
const OTHER: u8 = 8;
const BREAKEND: u8 = 16;
const SPANNING: u8 = 32;

fn bit(class: Class) -> u8 {
    match class {
        Class::Reference => 0,
        Class::Snp(_) => SNP,
        Class::Mnp => MNP,
        Class::Indel => INDEL,
        Class::Symbolic | Class::Other => OTHER,
        Class::Breakend => BREAKEND,
        Class::SpanningDeletion => SPANNING,
    }
}

const BASES: &[u8; 4] = b"ACGT";

/// The number of a base: transitions are two apart.
fn base(allele: &[u8]) -> Option<usize> {
    match allele.first()?.to_ascii_uppercase() {
        b'A' => Some(0),
        b'C' => Some(1),
        b'G' => Some(2),
        b'T' => Some(3),
        _ => None,
    }
}

fn is_transition(from: usize, to: usize) -> bool {
    from.abs_diff(to) == 2
}

impl VariantStats {
    /// The columns that it looks at.
    pub const COLUMNS: &'static [&'static str] = &["chrom", "ref", "alt", "qual", "filter"];

    /// Counts the rows of a batch in.
    ///
    /// # Errors
    /// When a column is missing or of another type.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let references = column::<StringViewArray>(batch, "ref")?;
        let alts = column::<ListArray>(batch, "alt")?;
        let alleles = alts.values().as_string_view_opt().ok_or_else(|| {
            let of = alts.value_type();
            Error::invalid(format!("statistics cannot be made of a list of {of}")).field("alt")
        })?;
        let quals = column::<Float32Array>(batch, "qual")?;
        let filters = column::<StringViewArray>(batch, "filter")?;
        self.contigs.add(column(batch, "chrom")?, |_| 0);
        self.filters.add(filters, |_| 0);
        self.qual.update(quals);
        self.records += batch.num_rows() as u64;
        for (row, span) in alts.value_offsets().windows(2).enumerate() {
            let span = if alts.is_null(row) { 0..0 } else { span[0] as usize..span[1] as usize };
            let reference = if references.is_null(row) { b"" } else { references.value(row).as_bytes() };
            self.add(reference, span.map(|i| if alleles.is_null(i) { b"" } else { alleles.value(i).as_bytes() }));
        }
        Ok(())
    }

    fn add<'a>(&mut self, reference: &[u8], alts: impl Iterator<Item = &'a [u8]>) {
        let (mut classes, mut number) = (0, 0);
        for alt in alts {
            let class = bit(Class::of(reference, alt));
            classes |= class;
            if class == SNP
                && let (Some(from), Some(to)) = (base(reference), base(alt))
                && from != to
            {
                self.substitutions[from][to] += 1;
                if number == 0 {
                    self.first_transitions += u64::from(is_transition(from, to));
                    self.first_transversions += u64::from(!is_transition(from, to));
                }
            }
            number += 1;
        }
        self.no_alts += u64::from(classes == 0);
        self.snps += u64::from(classes & SNP != 0);
        self.mnps += u64::from(classes & MNP != 0);
        self.indels += u64::from(classes & INDEL != 0);
        self.others += u64::from(classes & OTHER != 0);
        self.breakends += u64::from(classes & BREAKEND != 0);
        self.spanning_deletions += u64::from(classes & SPANNING != 0);
        self.multiallelic += u64::from(number > 1);
        self.multiallelic_snps += u64::from(number > 1 && classes == SNP);
    }

    /// Adds what was counted of other rows.
    pub fn merge(&mut self, other: &Self) {
        for (sum, n) in [
            (&mut self.records, other.records),
            (&mut self.no_alts, other.no_alts),
            (&mut self.snps, other.snps),
            (&mut self.mnps, other.mnps),
            (&mut self.indels, other.indels),
            (&mut self.others, other.others),
            (&mut self.breakends, other.breakends),
            (&mut self.spanning_deletions, other.spanning_deletions),
            (&mut self.multiallelic, other.multiallelic),
            (&mut self.multiallelic_snps, other.multiallelic_snps),
            (&mut self.first_transitions, other.first_transitions),
            (&mut self.first_transversions, other.first_transversions),
        ] {
            *sum += n;
        }
        for (sum, n) in self.substitutions.as_flattened_mut().iter_mut().zip(other.substitutions.as_flattened()) {
            *sum += n;
        }
        self.qual.merge(&other.qual);
        self.filters.merge(&other.filters);
        self.contigs.merge(&other.contigs);
    }

    /// Puts contigs in the header's order, and frequent filters first.
    pub fn sort(&mut self, contigs: &Contigs) {
        self.contigs.sort_as(contigs);
        self.filters.sort_by_count();
    }

    /// Substitutions of A and G, or of C and T, for each other.
    pub fn transitions(&self) -> u64 {
        self.substituted(is_transition)
    }

    /// All other substitutions.
    pub fn transversions(&self) -> u64 {
        self.substituted(|from, to| !is_transition(from, to))
    }

    fn substituted(&self, is_meant: fn(usize, usize) -> bool) -> u64 {
        let all = self.substitutions.iter().enumerate();
        let all = all.flat_map(|(from, row)| row.iter().enumerate().map(move |(to, n)| (from, to, n)));
        all.filter(|(from, to, _)| is_meant(*from, *to)).map(|(.., n)| n).sum()
    }

    /// Records by FILTER as written; those without are its [`Tally::none`].
    pub fn filters(&self) -> &Tally<1> {
        &self.filters
    }

    /// Records by contig.
    pub fn contigs(&self) -> &Tally<1> {
        &self.contigs
    }

    /// Numbers of records, as `bcftools stats` calls them, and of those that it leaves out.
    fn numbers(&self) -> [(&'static str, u64); 10] {
        [
            ("number of records", self.records),
            ("number of no-ALTs", self.no_alts),
            ("number of SNPs", self.snps),
            ("number of MNPs", self.mnps),
            ("number of indels", self.indels),
            ("number of others", self.others),
            ("number of multiallelic sites", self.multiallelic),
            ("number of multiallelic SNP sites", self.multiallelic_snps),
            ("number of breakends", self.breakends),
            ("number of spanning deletions", self.spanning_deletions),
        ]
    }

    /// Of all alternate alleles, and of the first of each record: a name, transitions and transversions.
    fn changes(&self) -> [(&'static str, u64, u64); 2] {
        [
            ("", self.transitions(), self.transversions()),
            (" (1st ALT)", self.first_transitions, self.first_transversions),
        ]
    }

    fn substitution_counts(&self) -> impl Iterator<Item = (String, u64)> {
        let pairs = (0..4).flat_map(|from| (0..4).map(move |to| (from, to))).filter(|(from, to)| from != to);
        pairs.map(|(from, to)| {
            let name = format!("{}>{}", char::from(BASES[from]), char::from(BASES[to]));
            (name, self.substitutions[from][to])
        })
    }

    fn qual_bins(&self) -> impl Iterator<Item = (String, u64)> {
        let label = |i: usize| match QUAL_STEPS.get(i + 1) {
            Some(next) => format!("{}..<{next}", QUAL_STEPS[i]),
            None => format!(">={}", QUAL_STEPS[i]),
        };
        let below = [(format!("<{}", QUAL_STEPS[0]), self.qual.below)];
        let bins = self.qual.bins.iter().enumerate().map(move |(i, n)| (label(i), *n));
        below.into_iter().chain(bins).filter(|(_, n)| *n > 0)
    }

    pub(super) fn figures(&self, out: &mut Figures) {
        for (name, n) in self.numbers() {
            out.count("summary", name, n);
        }
        for (of, ts, tv) in self.changes() {
            out.count("tstv", format!("ts{of}"), ts);
            out.count("tstv", format!("tv{of}"), tv);
            out.known("tstv", format!("ts/tv{of}"), ratio(ts, tv));
        }
        for (name, n) in self.substitution_counts() {
            out.count("substitution", name, n);
        }
        out.count("qual", "known", self.qual.known);
        out.count("qual", "missing", self.qual.missing);
        out.known("qual", "min", self.qual.min.map(f64::from));
        out.known("qual", "mean", self.qual.mean());
        out.known("qual", "max", self.qual.max.map(f64::from));
        for (name, n) in self.qual_bins() {
            out.count("qual_bin", name, n);
        }
        out.tally("filter", &self.filters);
        out.tally("contig", &self.contigs);
    }
}

impl fmt::Display for VariantStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, n) in self.numbers() {
            writeln!(f, "{name}:\t{n}")?;
        }
        for (of, ts, tv) in self.changes() {
            let names = format!("ts{of}, tv{of}, ts/tv{of}");
            writeln!(f, "{names}:\t{ts}\t{tv}\t{}", shown(ratio(ts, tv), 2))?;
        }
        writeln!(f, "\nsubstitution\talleles")?;
        for (name, n) in self.substitution_counts() {
            writeln!(f, "{name}\t{n}")?;
        }
        let qual = &self.qual;
        let number = |x: Option<f32>| x.map_or_else(|| "N/A".to_owned(), |x| x.to_string());
        writeln!(f, "\nqual min, mean, max:\t{}\t{}\t{}", number(qual.min), shown(qual.mean(), 2), number(qual.max))?;
        writeln!(f, "qual\trecords")?;
        for (name, n) in self.qual_bins() {
            writeln!(f, "{name}\t{n}")?;
        }
        if qual.missing > 0 {
            writeln!(f, ".\t{}", qual.missing)?;
        }
        show_tally(f, "filter", &self.filters)?;
        show_tally(f, "contig", &self.contigs)
    }
}
