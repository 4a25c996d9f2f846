//! A query of alignments becomes one of depths.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, LogicalPlan, col, ident, lit};
use genomicframe_core::depth::{Layout, Statistic, Windows};
use genomicframe_core::genome::{Contigs, Region, RegionSet};
use genomicframe_core::scan::Dataset;

use super::lists;
use super::node::{Depth, Spec};
use super::options::{DepthBy, DepthOptions};
use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::expr::in_region_set;
use crate::frame::{GenomicFrame, bind};
use crate::runtime;
use crate::scan::GenomicTable;

/// The one file whose alignments a query reads.
struct Source {
    dataset: Arc<dyn Dataset>,
    contigs: Arc<Contigs>,
    /// What the query is confined to.
    regions: Option<RegionSet>,
}

impl Source {
    fn of(plan: &LogicalPlan) -> Result<Self> {
        let (mut datasets, mut regions, mut filters) = (Vec::new(), None, Vec::new());
        plan.apply(|node| {
            match node {
                LogicalPlan::Filter(filter) => filters.extend(split_conjunction(&filter.predicate)),
                LogicalPlan::TableScan(scan) => {
                    if let Some(table) = GenomicTable::of(scan)? {
                        datasets.extend(table.datasets().cloned());
                        regions = table.confined_to(filters.iter().copied().chain(&scan.filters))?;
                    }
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let mut datasets = datasets.into_iter();
        match (datasets.next(), datasets.next()) {
            (Some(dataset), None) => {
                let contigs = dataset.contigs().cloned().unwrap_or_default();
                Ok(Self { dataset, contigs: Arc::new(contigs), regions })
            }
            (None, _) => Err(Error::invalid("depth is of the alignments of a file; these rows are of none")),
            (Some(_), Some(_)) => Err(Error::invalid("depth is of the alignments of one file, not of several")),
        }
    }

    /// The regions that `options` name, with the file's own names of contigs.
    fn narrow(&mut self, options: &DepthOptions) -> Result<()> {
        let known = |name: &str| self.contigs.get(name).is_some();
        let parsed = options.regions.iter().map(|text| Region::parse(text, known));
        let parsed = parsed.collect::<genomicframe_core::Result<RegionSet>>()?;
        if options.regions.is_empty() {
            return Ok(());
        }
        let (asked, _) = genomicframe_core::genome::resolve_names(&parsed, Some(&self.contigs));
        self.regions = Some(match &self.regions {
            Some(regions) => regions.intersection(&asked),
            None => asked,
        });
        Ok(())
    }
}

impl GenomicContext {
    /// Depth of coverage over the alignments that `reads` keeps, of one file that is sorted by position: a row per run of
    /// bases of one depth (`chrom start end depth`, 0-based and half-open), or as the options say. Every base of every contig
    /// of the header is in one row; where the query is confined to regions, only those of the regions are, and every read
    /// that overlaps one counts there.
    ///
    /// ```
    /// use genomicframe::{DepthOptions, GenomicContext, ReadOptions};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// let ctx = GenomicContext::new();
    /// let reads = ctx.read(path, ReadOptions::new().region("chr1:1-5,000")).await?;
    /// let depths = ctx.depth(reads, DepthOptions::new()).await?;
    /// depths.show().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the rows are not alignments of one file, the options contradict each other, or windows cannot be read. Reads that
    /// are not sorted by position are told when the query runs.
    pub async fn depth(&self, reads: DataFrame, options: DepthOptions) -> Result<DataFrame> {
        let mut source = Source::of(reads.logical_plan())?;
        source.narrow(&options)?;
        for (name, _) in
            source.regions.iter().flat_map(RegionSet::iter).filter(|(n, _)| source.contigs.get(n).is_none())
        {
            let what = format!("a region on {name}, which the alignments' header lacks, has no depth");
            self.access().warnings.tell(&what, 1);
        }
        let layout = self.layout(&options, &source).await?;
        let mut kept = left_out(reads, &options)?;
        let mut within = if options.regions.is_empty() { None } else { source.regions.clone() };
        if let Layout::Windows { windows: windows @ Windows::Listed { .. }, .. } = &layout {
            within = Some(lists::regions(windows, &source.contigs));
        }
        if let Some(within) = within {
            let inside = bind(&kept, in_region_set(within))?;
            kept = kept.filter(inside)?;
        }
        let names = options.rules.columns();
        let missing = names.iter().find(|name| !kept.schema().has_column_with_unqualified_name(name));
        if let Some(name) = missing {
            let format = source.dataset.format();
            return Err(Error::invalid(format!(
                "depth is of alignments: these rows of a {format} file have no {name}"
            )));
        }
        let kept = kept.select(names.into_iter().map(ident).collect::<Vec<_>>())?;
        let (state, plan) = kept.into_parts();
        let Source { contigs, regions, .. } = source;
        let spec = Spec { contigs, rules: options.rules, layout, regions };
        // What is wrong with the header is told now.
        spec.report(1)?;
        Ok(DataFrame::new(state, Depth::plan(plan, spec)?))
    }

    async fn layout(&self, options: &DepthOptions, source: &Source) -> Result<Layout> {
        let DepthOptions { by, step, statistics, thresholds, bands, .. } = options;
        let Some(by) = by else {
            let given = [(!statistics.is_empty(), "statistics"), (!thresholds.is_empty(), "thresholds")];
            if let Some((_, what)) = given.iter().chain(&[(step.is_some(), "step")]).find(|(given, _)| *given) {
                return Err(Error::invalid(format!("{what} are of windows: say which with by")));
            }
            return Ok(bands.clone().map_or(Layout::Runs, Layout::Bands));
        };
        if bands.is_some() {
            return Err(Error::invalid("windows and bands are different rows: choose one of by and quantize"));
        }
        let windows = match by {
            DepthBy::Size(size) => Windows::fixed(*size, step.unwrap_or(*size))?,
            _ if step.is_some() => return Err(Error::invalid("step is of windows of a size")),
            _ if source.regions.is_some() => {
                return Err(Error::invalid("windows of a list are regions already: leave the others out"));
            }
            DepthBy::File(path) => self.listed(self.read(path, crate::ReadOptions::new()).await?, source).await?,
            DepthBy::Rows(rows) => self.listed(rows.clone(), source).await?,
            DepthBy::Frame(rows) => self.listed(rows.clone()?, source).await?,
        };
        let statistics = if statistics.is_empty() { vec![Statistic::Mean] } else { statistics.clone() };
        Ok(Layout::Windows { windows, statistics, thresholds: thresholds.clone() })
    }

    async fn listed(&self, rows: DataFrame, source: &Source) -> Result<Windows> {
        let (windows, strange) = lists::windows(rows, &source.contigs).await?;
        for name in strange {
            self.access()
                .warnings
                .tell(&format!("windows on {name}, which the alignments' header lacks, are left out"), 1);
        }
        Ok(windows)
    }
}

/// The reads that count.
fn left_out(mut reads: DataFrame, options: &DepthOptions) -> Result<DataFrame> {
    let needed = |name: &str| {
        let has = reads.schema().has_column_with_unqualified_name(name);
        if has { Ok(()) } else { Err(Error::invalid(format!("depth is of alignments: these rows have no {name}"))) }
    };
    needed("flag")?;
    needed("mapq")?;
    let flags = |bits: u16| col("flag").bitwise_and_lit(bits);
    reads = reads.filter(flags(options.exclude_flags | UNMAPPED).eq(lit(0u16)))?;
    if options.include_flags != 0 {
        reads = reads.filter(flags(options.include_flags).not_eq(lit(0u16)))?;
    }
    if options.min_mapq > 0 {
        reads = reads.filter(col("mapq").gt_eq(lit(options.min_mapq)))?;
    }
    Ok(reads)
}

const UNMAPPED: u16 = 0x4;

trait Bits {
    fn bitwise_and_lit(self, bits: u16) -> Expr;
}

impl Bits for Expr {
    fn bitwise_and_lit(self, bits: u16) -> Expr {
        datafusion::logical_expr::binary_expr(self, datafusion::logical_expr::Operator::BitwiseAnd, lit(bits))
    }
}

impl GenomicFrame {
    /// Depth of coverage over the frame's alignments: see [`GenomicContext::depth`].
    ///
    /// ```
    /// use genomicframe::DepthOptions;
    /// use genomicframe::prelude::*;
    ///
    /// # fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// let reads = GenomicFrame::scan_bam(path)?.filter_by_region("chr1:10,000-20,000");
    /// let covered = reads.depth(DepthOptions::new()).filter(col("depth").gt_eq(lit(1)));
    /// # assert!(covered.count()? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn depth(self, options: DepthOptions) -> Self {
        let context = self.context().clone();
        self.then(|reads| runtime::wait(async move { context.depth(reads, options).await }))
    }

    /// Depth of coverage, to be summed up in windows.
    ///
    /// ```
    /// use genomicframe::core::depth::Statistic::{Max, Mean};
    /// use genomicframe::prelude::*;
    ///
    /// # fn main() -> genomicframe::Result<()> {
    /// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// let sliding = GenomicFrame::scan_bam(path)?.coverage().window(1_000, 100).agg(vec![Mean, Max]);
    /// # assert!(sliding.count()? > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn coverage(self) -> Coverage {
        Coverage { frame: self, options: DepthOptions::new() }
    }
}

/// Depth waiting for its windows.
#[derive(Debug)]
#[must_use = "coverage is nothing until it is aggregated"]
pub struct Coverage {
    frame: GenomicFrame,
    options: DepthOptions,
}

impl Coverage {
    /// Windows of `size` bp, one each `step` bp.
    pub fn window(self, size: u64, step: u64) -> Self {
        Self { options: self.options.by(size).step(step), ..self }
    }

    /// Counted as `options` say.
    pub fn options(self, options: DepthOptions) -> Self {
        Self { options, ..self }
    }

    /// A row per window, with these statistics.
    pub fn agg(self, statistics: impl IntoIterator<Item = Statistic>) -> GenomicFrame {
        let Self { frame, options } = self;
        frame.depth(options.statistics(statistics))
    }
}
