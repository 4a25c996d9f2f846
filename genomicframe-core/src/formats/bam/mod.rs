//! BAM (SAMv1 §4.2), from record bytes straight to Arrow.
//!
//! | file | what it holds |
//! |---|---|
//! | `header` | the header text and the contig dictionary |
//! | `plan` | the dataset: regions to ranges through BAI or CSI |
//! | `decode` | records framed, each handed to [`crate::alignment`] |
//! | `write` | record bytes to a file and its index |

mod decode;
mod header;
mod plan;
mod starts;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::alignment;
use crate::error::Result;
use crate::io::{Location, ObjectIo};
use crate::scan::{Dataset, Format, FormatId, OpenOptions};

pub use header::{BamHeader, HeaderParser, MAGIC};
pub use plan::BamDataset;
pub use write::{BamWriteOptions, BamWriter, WriteIndex, WrittenBam};

/// The BAM format.
#[derive(Debug)]
pub struct Bam;

impl Bam {
    /// Its name.
    pub const ID: FormatId = FormatId("bam");
}

impl Format for Bam {
    fn id(&self) -> FormatId {
        Self::ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["bam"]
    }

    fn sniff(&self, head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    fn open<'a>(
        &'a self,
        at: &'a Location,
        io: &'a dyn ObjectIo,
        options: &'a OpenOptions,
    ) -> BoxFuture<'a, Result<Arc<dyn Dataset>>> {
        async move { Ok(Arc::new(BamDataset::open(at, io, options).await?) as Arc<dyn Dataset>) }.boxed()
    }

    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        alignment::encode::encode(batch, out)
    }

    /// `tags` holds every tag; the columns of single tags repeat it.
    fn encodes(&self, column: &str) -> bool {
        !column.starts_with("tag_") && column != "end"
    }
}
