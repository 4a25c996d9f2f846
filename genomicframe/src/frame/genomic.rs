//! Terminal calls that answer in the words of genomics.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::{Expr, col};
use genomicframe_core::genome::{Interval, Region, RegionSet};
use genomicframe_core::stats::{Stats, VariantStats};

use super::GenomicFrame;
use super::roles::Place;
use crate::error::{Error, Result};
use crate::expr::{count_all, sample};
use crate::functions::variants::variant_type;

/// Places of a contig that are added to a set at once, at least: where rows are not sorted, each time is a pass over what is
/// there.
const TOGETHER: usize = 1 << 16;

impl GenomicFrame {
    /// How many alternate alleles are transitions (A↔G, C↔T), as `bcftools stats` counts them.
    ///
    /// # Errors
    /// As [`GenomicFrame::stats`]; when the rows are no variants.
    pub fn count_transitions(&self) -> Result<u64> {
        Ok(self.variant_stats()?.transitions())
    }

    /// How many alternate alleles are transversions, as `bcftools stats` counts them.
    ///
    /// # Errors
    /// As [`GenomicFrame::stats`]; when the rows are no variants.
    pub fn count_transversions(&self) -> Result<u64> {
        Ok(self.variant_stats()?.transversions())
    }

    /// Transitions for each transversion; `None` without transversions.
    ///
    /// ```
    /// use genomicframe::prelude::*;
    ///
    /// # fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/cohort.vcf.gz");
    /// let passed = GenomicFrame::scan_vcf(path)?.filter(is_pass());
    /// println!("Ts/Tv {:.2}", passed.ts_tv_ratio()?.unwrap_or(f64::NAN));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`GenomicFrame::stats`]; when the rows are no variants.
    pub fn ts_tv_ratio(&self) -> Result<Option<f64>> {
        let stats = self.variant_stats()?;
        let (transitions, transversions) = (stats.transitions() as f64, stats.transversions() as f64);
        Ok((transversions > 0.0).then_some(transitions / transversions))
    }

    fn variant_stats(&self) -> Result<Box<VariantStats>> {
        match self.stats()? {
            Stats::Variants(stats) => Ok(stats),
            _ => Err(Error::invalid("transitions and transversions are counted of variants; these rows are none")),
        }
    }

    /// The rows' places, in the order of the rows. Rows without one are left out, and so are those of no length.
    ///
    /// # Errors
    /// When the frame has no contig, start and end columns; what is wrong with a verb or a file.
    pub fn to_intervals(&self) -> Result<Vec<Region>> {
        let mut regions = Vec::new();
        self.each_place(|contig, interval| regions.push(Region::new(contig, interval)))?;
        Ok(regions)
    }

    /// The bases that any row covers, for [`GenomicFrame::filter_by_regions`]. Rows come in batches, so that memory is that of
    /// the set: 16 bytes for each stretch of neighbouring bases.
    ///
    /// ```
    /// use genomicframe::prelude::*;
    ///
    /// # fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/panel.bed");
    /// let panel = GenomicFrame::scan_bed(path)?.to_region_set()?;
    /// assert!(!panel.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`GenomicFrame::to_intervals`].
    pub fn to_region_set(&self) -> Result<RegionSet> {
        let mut set = RegionSet::empty();
        let mut pending: HashMap<String, Vec<Interval>> = HashMap::new();
        self.each_place(|contig, interval| match pending.get_mut(contig) {
            Some(list) => {
                list.push(interval);
                if list.len() >= TOGETHER.max(set.intervals(contig).len()) {
                    set.add(contig, std::mem::take(list));
                }
            }
            None => {
                pending.insert(contig.to_owned(), vec![interval]);
            }
        })?;
        pending.into_iter().for_each(|(contig, list)| set.add(&contig, list));
        Ok(set)
    }

    fn each_place(&self, mut each: impl FnMut(&str, Interval)) -> Result<()> {
        let place = Place::of(self.dataframe()?.schema())?;
        let exprs = vec![
            Expr::Column(place.contig.clone()).alias("contig"),
            place.first().alias("first"),
            place.last().alias("last"),
        ];
        for batch in self.clone().select_exprs(exprs).to_arrow_stream()? {
            let batch = batch?;
            let contigs = text(&batch, 0)?;
            let (first, last) = (integers(&batch, 1)?, integers(&batch, 2)?);
            let (contigs, first, last) =
                (contigs.as_string_view(), first.as_primitive::<Int64Type>(), last.as_primitive::<Int64Type>());
            for row in 0..batch.num_rows() {
                if contigs.is_valid(row)
                    && first.is_valid(row)
                    && let Some(interval) = Interval::new(first.value(row), last.value(row))
                {
                    each(contigs.value(row), interval);
                }
            }
        }
        Ok(())
    }

    /// How many rows cover each stretch of the genome: stretches in order, those that no row covers left out. All places are
    /// held at once; [`GenomicFrame::depth`] streams alignments instead.
    ///
    /// # Errors
    /// When the frame has no contig, start and end columns; what is wrong with a verb or a file.
    pub fn interval_coverage(&self) -> Result<Vec<(Region, u64)>> {
        let mut changes: BTreeMap<String, BTreeMap<i64, i64>> = BTreeMap::new();
        for region in self.to_intervals()? {
            let on = changes.entry(region.contig().to_owned()).or_default();
            *on.entry(region.interval().start().get()).or_default() += 1;
            *on.entry(region.interval().end().get().saturating_add(1)).or_default() -= 1;
        }
        let mut out = Vec::new();
        for (contig, changes) in changes {
            let (mut covering, mut from) = (0i64, 0);
            for (at, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
                if let Some(interval) = Interval::new(from, at - 1).filter(|_| covering > 0) {
                    out.push((Region::new(contig.clone(), interval), covering.unsigned_abs()));
                }
                (covering, from) = (covering + change, at);
            }
        }
        Ok(out)
    }

    /// How many rows lie on each contig; rows without one are left out.
    ///
    /// # Errors
    /// When the frame has no contig column; what is wrong with a verb or a file.
    pub fn group_by_chromosome(&self) -> Result<BTreeMap<String, u64>> {
        let place = Place::of(self.dataframe()?.schema())?;
        self.counted(Expr::Column(place.contig))
    }

    /// How many variants are of each class: `snp`, `indel`, `mnp`, `mixed` … as [`crate::functions::variants`] tells them.
    ///
    /// # Errors
    /// When the rows are no variants; what is wrong with a verb or a file.
    pub fn group_by_variant_type(&self) -> Result<BTreeMap<String, u64>> {
        self.counted(variant_type().call(vec![col("ref"), col("alt")]))
    }

    /// Rows by the text of `key`.
    fn counted(&self, key: Expr) -> Result<BTreeMap<String, u64>> {
        let mut out = BTreeMap::new();
        for batch in
            self.clone().group_by_exprs(vec![key.alias("key")]).agg(vec![count_all().alias("rows")]).collect()?
        {
            let (keys, rows) = (text(&batch, 0)?, integers(&batch, 1)?);
            let (keys, rows) = (keys.as_string_view(), rows.as_primitive::<Int64Type>());
            let known = (0..batch.num_rows()).filter(|row| keys.is_valid(*row));
            out.extend(known.map(|row| (keys.value(row).to_owned(), rows.value(row).unsigned_abs())));
        }
        Ok(out)
    }

    /// Every allele that occurs, of the reference and of alternates, each once.
    ///
    /// # Errors
    /// When the rows are no variants; what is wrong with a verb or a file.
    pub fn unique_alleles(&self) -> Result<BTreeSet<String>> {
        let mut out = BTreeSet::new();
        for batch in self.clone().select_exprs(vec![col("ref"), col("alt")]).collect()? {
            let reference = text(&batch, 0)?;
            let lists = batch.column(1).as_list_opt::<i32>();
            let lists = lists.ok_or_else(|| Error::invalid("the column alt is no list of alleles"))?;
            let alternate = cast(lists.values(), &DataType::Utf8View)?;
            let all = reference.as_string_view().iter().chain(alternate.as_string_view().iter());
            for allele in all.flatten() {
                if !out.contains(allele) {
                    out.insert(allele.to_owned());
                }
            }
        }
        Ok(out)
    }

    /// A sample's genotypes as written (`0/1`, `1|2`), row by row; `None` where it has none.
    ///
    /// # Errors
    /// When there is no such sample, or the rows have no genotypes; what is wrong with a verb or a file.
    pub fn extract_genotypes(&self, name: &str) -> Result<Vec<Option<String>>> {
        let mut out = Vec::new();
        for batch in self.clone().select_exprs(vec![sample(col("format_gt"), name)]).collect()? {
            out.extend(text(&batch, 0)?.as_string_view().iter().map(|g| g.map(str::to_owned)));
        }
        Ok(out)
    }
}

fn text(batch: &RecordBatch, column: usize) -> Result<datafusion::arrow::array::ArrayRef> {
    Ok(cast(batch.column(column), &DataType::Utf8View)?)
}

fn integers(batch: &RecordBatch, column: usize) -> Result<datafusion::arrow::array::ArrayRef> {
    Ok(cast(batch.column(column), &DataType::Int64)?)
}
