//! VCF 4.0 to 4.5, plain, gzip or BGZF.
//!
//! | file | what it does |
//! |---|---|
//! | `header` | header text → contigs, INFO and FORMAT declarations, samples |
//! | `schema` | header → columns |
//! | `plan` | the dataset: header, columns, index |
//! | `line` | one line's fields, parsed on demand; conditions on them |
//! | `decode` | lines → rows: `fixed` builds the columns of fields, `info` and `genotypes` find keys, `values` holds their values |
//! | `encode` | rows → lines |
//!
//! ```text
//! CHROM POS ID REF ALT QUAL FILTER INFO    FORMAT    sample …
//!   │    │                          │         └ read only for `format_*` columns, and only the samples asked for
//!   │    │                          └ one pass, only the keys asked for
//!   └────┴ conditions first: a line that they exclude is not parsed any further
//! ```
//! What is read is checked: a malformed field is an error if the query needs that field. Else:
//! - Text stays as written; percent escapes (§1.2) are not decoded.
//! - Null is a dot, an absent key, and of scalars the empty value. A flag is true or false, whatever value it is given.
//!   A key that FORMAT does not have is a null list; a value that a sample drops is a null item.
//! - `end` is INFO/END where that is not before POS, else the end of REF, as tabix and bcftools index a record.
//! - A column that the query names and the header does not declare (`info_xy`) is text: the first of `XY` and `xy`, or
//!   however the name was written. GT needs no declaration where the header declares no FORMAT key at all.
//! - Empty lines and `#` lines among the records are skipped, repeated keys after the first too; all are told as warnings.

mod decode;
mod encode;
mod fixed;
mod genotypes;
mod header;
mod info;
mod line;
mod plan;
mod schema;
#[cfg(test)]
mod tests;
mod values;

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::Result;
use crate::io::{Location, ObjectIo};
use crate::scan::{Dataset, Format, FormatId, OpenOptions};

pub use encode::{encode, write_header};
pub use plan::VcfDataset;

/// The Variant Call Format.
#[derive(Debug, Clone, Copy)]
pub struct Vcf;

impl Vcf {
    /// Opens an object as what it is: with its header text and sample names.
    ///
    /// # Errors
    /// When it cannot be read, or has no valid VCF header.
    pub async fn dataset(at: &Location, io: &dyn ObjectIo, options: &OpenOptions) -> Result<VcfDataset> {
        VcfDataset::open(at, io, options).await.map_err(|e| e.in_object(at))
    }
}

impl Format for Vcf {
    fn id(&self) -> FormatId {
        plan::ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["vcf"]
    }

    fn sniff(&self, head: &[u8]) -> bool {
        header::without_mark(head).starts_with(header::MAGIC)
    }

    fn open<'a>(
        &'a self,
        at: &'a Location,
        io: &'a dyn ObjectIo,
        options: &'a OpenOptions,
    ) -> BoxFuture<'a, Result<Arc<dyn Dataset>>> {
        async move { Ok(Arc::new(Self::dataset(at, io, options).await?) as Arc<dyn Dataset>) }.boxed()
    }

    fn encode(&self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        encode::encode(batch, out)
    }

    /// The last position follows from the other columns.
    fn encodes(&self, column: &str) -> bool {
        column != "end"
    }
}
