//! Datasets back to BAM, with an index.

use std::path::Path;
use std::sync::Arc;

use genomicframe_bams3::export::{ExportOptions, to_bam};
use genomicframe_bams3::writer::Progress;
use genomicframe_core::bgzf::Level;
use genomicframe_core::formats::bam::WriteIndex;
use genomicframe_core::genome::{Region, RegionSet};
use genomicframe_core::index::IndexKind;
use genomicframe_core::io::Location;
use genomicframe_core::{Error as CoreError, Result as CoreResult};

use crate::context::GenomicContext;
use crate::error::Result;
use crate::output::write_bytes;

/// How a BAM is written. [`Default`]: all records, samtools' default level, an index beside it, all cores.
#[derive(Debug, Clone)]
pub struct BamOptions {
    /// How hard blocks are compressed, 0 to 12.
    pub level: Level,
    /// Threads; 0: one per core.
    pub threads: usize,
    /// Whether `x.bam.bai`, or `x.bam.csi` where a contig is too long for it, is written too.
    pub index: bool,
    /// Only records that overlap these regions (samtools' syntax, 1-based, inclusive), each once; none: all.
    pub regions: Vec<String>,
}

impl Default for BamOptions {
    fn default() -> Self {
        Self { level: Level::default(), threads: 0, index: true, regions: Vec::new() }
    }
}

impl GenomicContext {
    /// Writes the dataset `from` as the BAM `to`, a path or URL, which appears when it is whole; how many records it has.
    ///
    /// ```
    /// use genomicframe::GenomicContext;
    /// use genomicframe::convert::{BamOptions, ConvertOptions};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> genomicframe::Result<()> {
    /// # let bam = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let dataset = folder.path().join("sample.bams3").display().to_string();
    /// let ctx = GenomicContext::new();
    /// ctx.convert(bam, &dataset, &ConvertOptions::new()).await?;
    /// let out = folder.path().join("again.bam");
    /// assert_eq!(ctx.export_bam(&dataset, &out, &BamOptions::default()).await?, 4905);
    /// assert!(folder.path().join("again.bam.bai").exists());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no dataset of version 1, it is damaged, a region names no contig of it, or the BAM cannot be written.
    pub async fn export_bam(&self, from: &str, to: impl AsRef<Path>, options: &BamOptions) -> Result<u64> {
        let to = to.as_ref();
        let opened = Arc::new(self.open_bams3(from).await?);
        let known = |name: &str| opened.contigs.get(name).is_some();
        let region = |text: &String| {
            let region = Region::parse(text, known)?;
            match region.contig() {
                contig if contig == "*" || opened.contigs.resolve(contig).is_some() => Ok(region),
                contig => Err(CoreError::invalid(format!("the dataset has no contig {contig}")).in_object(from)),
            }
        };
        let regions: Option<RegionSet> = match options.regions.as_slice() {
            [] => None,
            texts => Some(texts.iter().map(region).collect::<CoreResult<_>>()?),
        };
        let index = if options.index { WriteIndex::Fitting } else { WriteIndex::No };
        let export = ExportOptions { level: options.level, threads: options.threads, index, regions };
        let (io, progress) = (Arc::clone(&self.access().io), Arc::new(Progress::default()));
        // An error of the dataset names its object already.
        let here = |e: CoreError| e.in_object(Location::shown(&to.to_string_lossy()));
        let write = |out| async {
            let written = to_bam(&opened, io, out, &export, progress).await.map_err(here)?;
            Ok((written.records, written.index))
        };
        let ((records, index), finish) = self.target(to)?.fill(write).await?;
        let beside = |suffix: &str| {
            let mut name = to.as_os_str().to_owned();
            name.push(suffix);
            self.target(Path::new(&name))
        };
        if index.is_some() {
            // An index of another file beside the BAM would be worse than none for a moment.
            for suffix in [".bai", ".csi"] {
                beside(suffix)?.remove().await?;
            }
        }
        finish.commit().await?;
        if let Some((kind, bytes)) = index {
            write_bytes(&bytes, beside(if kind == IndexKind::Csi { ".csi" } else { ".bai" })?).await?;
        }
        Ok(records)
    }
}
