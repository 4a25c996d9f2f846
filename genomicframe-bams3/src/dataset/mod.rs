//! BAMS3 as a format: opening, pruning, planning, decoding.
//!
//! | file | what it holds |
//! |---|---|
//! | `open` | root, header and index of a dataset |
//! | `early` | header and index, asked for together with the root |
//! | `prune` | what statistics say of conditions |
//! | `plan` | the dataset: requests to pages |
//! | `decode` | pages to batches, in one or two steps |
//! | `filter` | conditions tested on a group's rows |
//! | `held` | stored bytes at hand |
//! | `arrays`, `tags` | columns of a group as Arrow arrays |
//!
//! Datasets of versions 0.1 and 0.2 are [`crate::legacy`]'s.

mod arrays;
mod decode;
mod early;
mod filter;
pub(crate) mod held;
pub(crate) mod open;
pub(crate) mod plan;
pub(crate) mod prune;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::FutureExt;
use futures::future::BoxFuture;
use genomicframe_core::Result;
use genomicframe_core::alignment;
use genomicframe_core::io::{Location, ObjectIo};
use genomicframe_core::scan::{Dataset, Format, FormatId, OpenOptions};

use early::Early;
pub(crate) use open::meta_of;
pub use open::{Opened, open_root};
pub use plan::Bams3Dataset;

use crate::legacy::{self, LegacyDataset};

/// The BAMS3 format.
#[derive(Debug)]
pub struct Bams3;

impl Bams3 {
    /// Its name.
    pub const ID: FormatId = FormatId("bams3");
}

impl Format for Bams3 {
    fn id(&self) -> FormatId {
        Self::ID
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["bams3"]
    }

    fn is_prefix(&self) -> bool {
        true
    }

    /// A dataset is no single object.
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
            let (root, early) = futures::join!(open_root(at, io), Early::ask(at, io));
            let root = root?;
            Ok(match legacy::is_legacy(&root) {
                true => Arc::new(LegacyDataset::open(at, &root, io, options).await?) as Arc<dyn Dataset>,
                false => Arc::new(Bams3Dataset::open(at, &root, early, io, options).await?),
            })
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
