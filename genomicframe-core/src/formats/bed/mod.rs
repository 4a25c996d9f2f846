//! BED (BEDv1 of hts-specs): intervals, one per line, 0-based and half-open.
//!
//! ```text
//! chrom ⇥ start ⇥ end [⇥ name ⇥ score ⇥ strand ⇥ thick_start ⇥ thick_end ⇥ item_rgb ⇥ block_count ⇥ block_sizes ⇥ block_starts] [⇥ …]
//! ```
//! - The first data line fixes the number of columns, 3 or more; another number later is an error.
//! - A column keeps the specification's name while the first records hold its type. Others are text columns called
//!   `column_<n>`: those beyond the twelfth, and custom ones as in narrowPeak (BED6+4).
//! - `browser`, `track` and `#` lines and blank lines are skipped wherever they stand. An empty file has no rows.
//! - Fields are separated by tabs; a line without any tab may use runs of blanks.
//! - `.` is null in every column but the first three.
//! - A zero-length interval (`start = end`) is kept. It lies between two bases: it belongs to a region that holds both of
//!   them, and to a region that begins or ends between them it does not.

mod decode;
mod encode;
mod header;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Result;
use crate::io::{Location, ObjectIo};
use crate::scan::{Dataset, Format, FormatId, OpenOptions, advice};
pub use encode::encode;

/// BED3 to BED12, with or without custom columns.
#[derive(Debug, Clone, Copy)]
pub struct Bed;

/// What to do about a broken beginning.
const CORRECT: &str = "correct the line, or name the format if it is another one";

/// Its name.
const ID: FormatId = FormatId("bed");

impl Format for Bed {
    fn id(&self) -> FormatId {
        ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["bed"]
    }

    /// Never: nothing in a BED file says that it is one.
    fn sniff(&self, _: &[u8]) -> bool {
        false
    }

    fn open<'a>(
        &'a self,
        at: &'a Location,
        io: &'a dyn ObjectIo,
        options: &'a OpenOptions,
    ) -> BoxFuture<'a, Result<Arc<dyn Dataset>>> {
        async move {
            let dataset =
                plan::BedFile::open(at, io, options).await.map_err(|e| advice::on_header(e.in_object(at), CORRECT))?;
            Ok(Arc::new(dataset) as Arc<dyn Dataset>)
        }
        .boxed()
    }

    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        encode::encode(batch, out)
    }
}
