//! The seam: the only folder that knows both DataFusion and the scan contract of `genomicframe-core`.
//!
//! | file | what it holds |
//! |---|---|
//! | `files` | a path, list, glob or folder becomes objects with their formats |
//! | `cost` | what reading costs, for `EXPLAIN` |
//! | `known` | files that were opened before |
//! | `table` | objects become one [`GenomicTable`]; a query's filters become a plan of file ranges |
//! | `condition` | DataFusion expressions become core conditions |
//! | `computed` | calls that the scan answers itself |
//! | `narrowing` | a planned scan narrowed when it starts, to what a join's other side turned out to have |
//! | `spans_in` | the filter that tells it |
//! | `pieces` | a planned scan cut finer, its rows still in order |
//! | `native` | a planned scan that hands out the rows' own text instead of their columns |
//! | `source` | planned ranges become streams of batches |

mod computed;
mod condition;
mod cost;
mod files;
mod known;
mod narrowing;
mod native;
mod pieces;
mod source;
mod spans_in;
mod table;

pub use files::ReadOptions;
pub(crate) use files::looks_like_files;
pub(crate) use native::as_native_text;
pub(crate) use pieces::{contigs_below, in_pieces, reads_genomic_files};
pub(crate) use spans_in::SpansIn;
pub use table::GenomicTable;

use std::sync::Arc;

use genomicframe_core::io::ObjectIo;
use genomicframe_core::scan::OnError;

use crate::options::GenomicOptions;
use crate::warnings::WarningLog;
use known::KnownFiles;

/// What a scan reads with, and whom it warns.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) io: Arc<dyn ObjectIo>,
    pub(crate) warnings: Arc<WarningLog>,
    pub(crate) known: Arc<KnownFiles>,
    /// Where a file's own options do not say.
    pub(crate) on_error: OnError,
    /// As they were when a file was opened.
    pub(crate) options: GenomicOptions,
}
