//! Settings of a session that turn optimisations off: `SET genomicframe.use_index = false`.

#![allow(missing_docs, reason = "the macro documents the fields as settings")]

use datafusion::common::config::{ConfigExtension, ConfigOptions};
use datafusion::common::extensions_options;

extensions_options! {
    /// What a session's scans and joins may do to be faster. No setting changes a query's rows: each is there to find out whether
    /// something that looks wrong or slow is due to it. They hold for files that are opened after they were set.
    ///
    /// `information_schema.df_settings` lists them, under their names without the prefix.
    pub struct GenomicOptions {
        /// Filters are applied by the scan, on records before they become rows; else DataFusion applies them to rows. BAMS3's statistics leave out chunks by the same filters.
        pub pushdown_filters: bool, default = true
        /// Filters on contig, start and end become regions, of which alone is read what the index names.
        pub narrow_regions: bool, default = true
        /// An index beside a file is used, unless an option of the file says otherwise. Without it a whole file is read. BAMS3's index is part of its data.
        pub use_index: bool, default = true
        /// Numbers of rows, and least and greatest values, that an index or a dataset knows exactly answer queries without reading.
        pub use_statistics: bool, default = true
        /// Joins by overlap use an interval index; else DataFusion's hash join compares all rows of a contig with one another.
        pub interval_joins: bool, default = true
        /// The smaller side of a join by overlap tells the other side's scan which regions it needs.
        pub dynamic_regions: bool, default = true
        /// Calls as allele_frequency(format_gt) are answered by the scan, which then does not build what they are computed of.
        pub compute_in_scan: bool, default = true
    }
}

impl ConfigExtension for GenomicOptions {
    const PREFIX: &'static str = "genomicframe";
}

impl GenomicOptions {
    /// Those of a session; the defaults where it has none.
    pub(crate) fn of(config: &ConfigOptions) -> Self {
        config.extensions.get::<Self>().cloned().unwrap_or_default()
    }
}
