//! Where datasets are written, and how they are opened to be looked at.

use std::sync::Arc;

use genomicframe_bams3::dataset::{Opened, open_root};
use genomicframe_bams3::index::ChunkEntry;
use genomicframe_bams3::writer::Destination;
use genomicframe_core::Error;
use genomicframe_core::io::Location;
use genomicframe_core::scan::Limits;
use object_store::path::Path as Key;

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
                let at = Location::Url(url.clone());
                let malformed = |e| Error::invalid("malformed object key").in_object(&at).caused_by(e);
                let key = Key::from_url_path(url.path()).map_err(malformed)?;
                let store = self.session().runtime_env().object_store_registry.get_store(&url)?;
                Ok(Destination::new(store, key, at.to_string()))
            }
        }
    }
}
