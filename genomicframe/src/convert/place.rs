//! Where datasets are written, and how they are opened to be looked at.

use std::sync::Arc;

use genomicframe_bams3::dataset::{Opened, open_root};
use genomicframe_bams3::index::ChunkEntry;
use genomicframe_bams3::writer::Destination;
use genomicframe_core::Error;
use genomicframe_core::io::Location;
use genomicframe_core::scan::Limits;

use crate::context::GenomicContext;
use crate::error::Result;

impl GenomicContext {
    /// The BAMS3 dataset at a path or URL, to look at what its root says. Queries read it by its name.
    ///
    /// # Errors
    /// When there is none, or it is damaged.
    pub async fn open_bams3(&self, path: &str) -> Result<Opened> {
        let at = Location::parse(path)?.trimmed();
        let io = &*self.access().io;
        let root = open_root(&at, io).await?;
        Ok(Opened::open(&at, &root, io, &Limits::default()).await?)
    }

    /// The chunks of a dataset, from its index.
    ///
    /// # Errors
    /// When the index is missing or damaged.
    pub async fn bams3_chunks(&self, dataset: &Opened) -> Result<Vec<Arc<Vec<ChunkEntry>>>> {
        dataset.load_index(&*self.access().io, None).await?;
        Ok(dataset.index(None)?.into_iter().map(|(_, part)| part).collect())
    }

    /// The folder, made if `make` says so, or prefix where a dataset is written.
    ///
    /// # Errors
    /// When there is no folder and none is made, or no store serves the URL.
    pub fn bams3_destination(&self, path: &str, make: bool) -> Result<Destination> {
        match Location::parse(path)?.trimmed() {
            Location::Local(folder) if !make && !folder.is_dir() => {
                Err(Error::not_found("no such folder").in_object(folder.display()).into())
            }
            Location::Local(folder) => Ok(Destination::folder(&folder)?),
            Location::Url(url) => {
                let (store, key) = self.object(&url)?;
                Ok(Destination::new(store, key, Location::Url(url).to_string()))
            }
        }
    }
}
