//! A dataset checked, also against the BAM it was made from.

use std::sync::Arc;

use genomicframe_bams3::dataset::open_root;
use genomicframe_bams3::metadata::Metadata;
use genomicframe_bams3::validate::{Report, validate};
use genomicframe_bams3::writer::Progress;
use genomicframe_core::io::Location;

use super::ConvertOptions;
use super::to_bams3::records;
use crate::context::GenomicContext;
use crate::error::Result;
use crate::runtime::processors;

impl GenomicContext {
    /// Checks every checksum, count and statistic of the dataset at `path`, the order of its records and, where `original`
    /// names the BAM or SAM it was made from, that they are its records. What is wrong stands in the report.
    ///
    /// # Errors
    /// When there is no dataset, or one of the two cannot be read.
    pub async fn validate_bams3(&self, path: &str, original: Option<&str>) -> Result<Report> {
        let at = Location::parse(path)?.trimmed();
        let io = Arc::clone(&self.access().io);
        let input = match original {
            Some(original) => {
                // As its writer put them in order, so does the comparison; a root that is broken is for the report.
                let root = Metadata::parse(&open_root(&at, &*io).await?);
                let sorted = root.is_ok_and(|r| r.source.sorted);
                Some(records(self, original, &ConvertOptions::new().sort(sorted)).await?)
            }
            None => None,
        };
        Ok(validate(&at, io, input, processors(), Arc::new(Progress::default())).await?)
    }
}
