//! SAM (SAMv1 §1), read as the BAM records that it stands for, so that both give the same columns, types and errors.
//!
//! | file | what it holds |
//! |---|---|
//! | `header` | the `@` lines and the contigs they list |
//! | `parse` | a line to the bytes of a BAM record |
//! | `fields` | the parts of a line that need more than a number: CIGAR, bases, qualities, tags |
//! | `plan` | the dataset: cut at lines; regions through BAI or CSI where the file is BGZF |
//! | `decode` | lines framed, parsed, each handed to [`crate::alignment`] |
//!
//! What BAM cannot say is read as htslib reads it: a read without a place or a CIGAR becomes unmapped, with a warning.
//! A contig that no `@SQ` line lists is an error. A file needs no header, but it is not empty.

mod decode;
mod fields;
mod header;
mod parse;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::alignment;
use crate::error::Result;
use crate::io::{Location, ObjectIo};
use crate::scan::{Dataset, Format, FormatId, OpenOptions, advice};

pub use header::SamHeader;
pub use parse::{Repairs, parse_line};
pub use plan::SamDataset;

/// What to do about a broken header.
const CORRECT: &str = "correct the header; samtools reheader replaces it";

/// The SAM format.
#[derive(Debug)]
pub struct Sam;

impl Sam {
    /// Its name.
    pub const ID: FormatId = FormatId("sam");
}

impl Format for Sam {
    fn id(&self) -> FormatId {
        Self::ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["sam"]
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
            let dataset =
                SamDataset::open(at, io, options).await.map_err(|e| advice::on_header(e.in_object(at), CORRECT))?;
            Ok(Arc::new(dataset) as Arc<dyn Dataset>)
        }
        .boxed()
    }

    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        alignment::encode::encode(batch, out)
    }

    /// `tags` holds every tag; the columns of single tags repeat it.
    fn encodes(&self, column: &str) -> bool {
        !column.starts_with("tag_") && column != "end"
    }
}
