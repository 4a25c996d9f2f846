//! FASTQ: reads with their qualities.
//!
//! ```text
//! @id description     the description is what follows the first blank or tab; null without one
//! ACGT…               the bases, as written
//! +                   may repeat the id or the whole first line, and nothing else
//! IIII…               the qualities, as written: one of '!' to '~' for each base
//! ```
//! - Sequence and quality may be wrapped over several lines if both are wrapped alike, so that a record's end is never a
//!   guess: each quality line is as long as its sequence line, whatever it begins with.
//! - Anything else is an error, a blank line between records too; blank lines at the end are none. An empty file has no
//!   rows, a record may be empty.
//! - Where a record of four lines begins is found in the middle of a file by its marks and lengths; a file of wrapped records
//!   is one partition.

mod decode;
mod encode;
mod frame;
mod header;
mod plan;
mod starts;
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

/// FASTQ, of four lines or wrapped.
#[derive(Debug, Clone, Copy)]
pub struct Fastq;

/// What to do about a broken beginning.
const CORRECT: &str = "correct the line, or name the format if it is another one";

/// Its name.
const ID: FormatId = FormatId("fastq");

impl Format for Fastq {
    fn id(&self) -> FormatId {
        ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["fastq", "fq"]
    }

    fn sniff(&self, head: &[u8]) -> bool {
        header::sniff(head)
    }

    fn open<'a>(
        &'a self,
        at: &'a Location,
        io: &'a dyn ObjectIo,
        options: &'a OpenOptions,
    ) -> BoxFuture<'a, Result<Arc<dyn Dataset>>> {
        async move {
            let dataset = plan::FastqFile::open(at, io, options)
                .await
                .map_err(|e| advice::on_header(e.in_object(at), CORRECT))?;
            Ok(Arc::new(dataset) as Arc<dyn Dataset>)
        }
        .boxed()
    }

    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        encode::encode(batch, out)
    }
}
