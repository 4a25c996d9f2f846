//! BAM and SAM to BAMS3.
//!
//! ```text
//! file, object or stdin ─► Input ─► Ordered ─► write ─► folder or prefix
//!        counted                checked or sorted
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | settings, and what is told of a conversion while it runs and after it |
//! | `input` | where records come from |
//! | `place` | where datasets are written, and how they are opened to be looked at |
//! | `to_bams3` | the conversion |
//! | `to_bam` | the way back |
//! | `validate` | a dataset checked |

mod input;
mod options;
mod place;
mod to_bam;
mod to_bams3;
mod validate;

pub use options::{ConvertOptions, ConvertProgress, Converted};
pub use to_bam::BamOptions;

use genomicframe_core::io::Location;

use crate::context::GenomicContext;
use crate::error::{Error, Result};
use crate::formats;
use crate::frame::global;
use crate::runtime;

impl GenomicContext {
    /// Makes a dataset of a BAM, a SAM or a dataset of version 0.1 or 0.2: `from` is a path, a URL or `-` (standard input),
    /// `to` a path or URL that ends in `.bams3`. Records that the header does not claim to be in coordinate order are sorted. Until the last moment there
    /// is no dataset at `to`, or still the old one.
    ///
    /// ```
    /// use genomicframe::GenomicContext;
    /// use genomicframe::convert::ConvertOptions;
    ///
    /// # #[tokio::main]
    /// # async fn main() -> genomicframe::Result<()> {
    /// # let bam = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/sample.bam");
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let dataset = folder.path().join("sample.bams3").display().to_string();
    /// let ctx = GenomicContext::new();
    /// let made = ctx.convert(bam, &dataset, &ConvertOptions::new().level("small")?).await?;
    /// assert_eq!(made.rows(), 4905);
    /// let reads = ctx.sql(&format!("SELECT count(*) FROM '{dataset}' WHERE mapq >= 30")).await?;
    /// reads.show().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the input is neither BAM nor SAM or is damaged, a dataset is there already, another writer is faster, or the
    /// storage fails.
    pub async fn convert(&self, from: &str, to: &str, options: &ConvertOptions) -> Result<Converted> {
        let place = Location::parse(to)?.trimmed();
        if formats::dataset_by_name(place.file_name()).is_none() {
            let e = genomicframe_core::Error::unsupported("not a name that datasets have");
            return Err(e.in_object(place).hint("convert writes x.bams3; queries write other formats").into());
        }
        to_bams3::convert(self, from, to, options).await
    }
}

/// As [`GenomicContext::convert`], in the default context, waiting for the end.
///
/// # Errors
/// As there.
pub fn convert(from: &str, to: &str, options: &ConvertOptions) -> Result<Converted> {
    let (from, to, options) = (from.to_owned(), to.to_owned(), options.clone());
    runtime::wait(async move { global().convert(&from, &to, &options).await })
}

/// Whether `path` names standard input.
fn is_stdin(path: &str) -> bool {
    path == "-"
}

fn invalid(what: &str, hint: &str) -> Error {
    genomicframe_core::Error::invalid(what).hint(hint).into()
}
