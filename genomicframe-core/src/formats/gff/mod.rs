//! GFF3: features of a genome, one per line, 1-based with both ends included.
//!
//! ```text
//! seqid ⇥ source ⇥ type ⇥ start ⇥ end ⇥ score ⇥ strand ⇥ phase ⇥ key=value;key=value,value
//! ```
//! - The specification's "type" is the column `feature`. `.` is null.
//! - `attributes` is a map of all of a record's attributes; `attr_<key>`, in lower case, are columns for the keys of the
//!   first records and for those that the options name. An attribute without `=` is null. Of a key that stands twice in a
//!   record the first value counts, with a warning.
//! - `%XX` is decoded in text columns, keys and values, after the line is split; where that gives no UTF-8, and where it is
//!   no escape, the text stays as it is. The values of a list stay joined by `,`: an escaped comma within one cannot be told
//!   from those between them.
//! - `##FASTA`, or a line that begins with `>`, ends the records. Other lines that begin with `#` and blank lines are
//!   skipped; `##gff-version` may be missing, but of version 1 or 2 it is refused. An empty file has no rows.
//! - GTF is another format.

mod attributes;
mod decode;
mod encode;
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

/// GFF, version 3.
#[derive(Debug, Clone, Copy)]
pub struct Gff;

/// What to do about a broken beginning.
const CORRECT: &str = "correct the line, or name the format if it is another one";

/// Its name.
const ID: FormatId = FormatId("gff");

impl Format for Gff {
    fn id(&self) -> FormatId {
        ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["gff", "gff3"]
    }

    fn sniff(&self, head: &[u8]) -> bool {
        header::version(head).is_some_and(|version| version.starts_with(b"3"))
    }

    fn open<'a>(
        &'a self,
        at: &'a Location,
        io: &'a dyn ObjectIo,
        options: &'a OpenOptions,
    ) -> BoxFuture<'a, Result<Arc<dyn Dataset>>> {
        async move {
            let dataset =
                plan::GffFile::open(at, io, options).await.map_err(|e| advice::on_header(e.in_object(at), CORRECT))?;
            Ok(Arc::new(dataset) as Arc<dyn Dataset>)
        }
        .boxed()
    }

    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        encode::encode(batch, out)
    }

    /// `attributes` holds every attribute; the columns of single ones repeat it.
    fn encodes(&self, column: &str) -> bool {
        !column.starts_with("attr_")
    }
}
