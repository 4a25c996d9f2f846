//! Where a chain begins.

use std::sync::OnceLock;

use super::GenomicFrame;
use crate::context::{GenomicContext, Paths};
use crate::error::Result;
use crate::runtime;
use crate::scan::ReadOptions;

/// The context of frames that name none.
pub(crate) fn global() -> &'static GenomicContext {
    static GLOBAL: OnceLock<GenomicContext> = OnceLock::new();
    GLOBAL.get_or_init(GenomicContext::new)
}

impl GenomicContext {
    /// A frame over what `paths` name; the format is detected unless `options` say it. Headers are read now.
    ///
    /// # Errors
    /// When nothing is found, or a header is broken.
    pub fn scan(&self, paths: impl Paths, options: ReadOptions) -> Result<GenomicFrame> {
        let (context, paths) = (self.clone(), paths.paths());
        let query = runtime::wait(async move { context.read(paths, options).await })?;
        Ok(GenomicFrame::new(self, query))
    }

    /// A frame over SQL.
    ///
    /// # Errors
    /// When the text is no SQL, names unknown columns, or a file cannot be opened.
    pub fn frame(&self, query: &str) -> Result<GenomicFrame> {
        let (context, query) = (self.clone(), query.to_owned());
        let query = runtime::wait(async move { context.sql(&query).await })?;
        Ok(GenomicFrame::new(self, query))
    }
}

macro_rules! scans {
    ($($(#[$doc:meta])* $name:ident = $format:literal;)*) => {
        /// Frames over files: a path, a list of paths, a glob (`reads/*.bam`) or a folder, local or remote.
        ///
        /// A list, glob or folder adds the columns `file` and `sample`, and one for each `key=value` folder of the paths.
        impl GenomicFrame {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// When nothing is found, or a header is broken.
                pub fn $name(paths: impl Paths) -> Result<Self> {
                    global().scan(paths, ReadOptions::new().format($format))
                }
            )*
        }
    };
}

scans! {
    /// Alignments of BAM files.
    scan_bam = "bam";
    /// Alignments of SAM files.
    scan_sam = "sam";
    /// Alignments of BAMS3 datasets: folders or prefixes (`s3://lab/NA12878.bams3`), each of which counts as one file.
    scan_bams3 = "bams3";
    /// Variants of VCF files.
    scan_vcf = "vcf";
    /// Annotations of GFF3 files.
    scan_gff = "gff";
    /// Reads of FASTQ files.
    scan_fastq = "fastq";
    /// Intervals of BED files.
    scan_bed = "bed";
}

impl GenomicFrame {
    /// Files of any known format, told by their content, or else by their name.
    ///
    /// # Errors
    /// When nothing is found, or a header is broken.
    pub fn scan(paths: impl Paths) -> Result<Self> {
        global().scan(paths, ReadOptions::new())
    }

    /// As [`GenomicFrame::scan`], with options.
    ///
    /// # Errors
    /// When nothing is found, or a header is broken.
    pub fn scan_with(paths: impl Paths, options: ReadOptions) -> Result<Self> {
        global().scan(paths, options)
    }

    /// A frame over SQL, in the default context.
    ///
    /// # Errors
    /// When the text is no SQL, names unknown columns, or a file cannot be opened.
    pub fn sql(query: &str) -> Result<Self> {
        global().frame(query)
    }
}
