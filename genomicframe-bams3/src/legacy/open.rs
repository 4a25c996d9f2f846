//! A dataset's storage, and how far the chunks read so far reach.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use futures::TryStreamExt;
use genomicframe_core::genome::Contigs;
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta};
use genomicframe_core::scan::Limits;
use genomicframe_core::{Error, Result};

use super::{ChunkSummary, LegacyMetadata, decode_chunk, parse_metadata};
use crate::dataset::meta_of;

const HEADER: &str = "_header.json";
/// Sizes asked for at a time.
const REQUESTS_IN_FLIGHT: usize = 16;

/// Metadata and header of a dataset, and what was learnt of its chunks since.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) at: Location,
    pub(super) metadata: LegacyMetadata,
    pub(super) contigs: Arc<Contigs>,
    chunks: Vec<Learnt>,
}

#[derive(Debug, Default)]
struct Learnt {
    /// Of an object that the manifest lists several times: which of the sizes is its own cannot be told.
    object: OnceLock<ObjectMeta>,
    /// [`ChunkSummary::max_end`].
    reach: OnceLock<BTreeMap<usize, u64>>,
}

impl Opened {
    /// Reads the header of the dataset at `at`, whose `_metadata.json` is `root`.
    pub(super) async fn open(at: &Location, root: &[u8], io: &dyn ObjectIo, limits: &Limits) -> Result<Self> {
        let header = match io.head(&at.join(HEADER)).await {
            Err(e) if e.is_not_found() => None,
            found => {
                let meta = found?;
                if meta.size > limits.header_bytes as u64 {
                    let e = format!("a header of {} bytes, beyond the limit of {}", meta.size, limits.header_bytes);
                    return Err(Error::limit(e).in_object(meta.location));
                }
                Some(io.read(&meta, 0..meta.size).await?)
            }
        };
        let metadata = parse_metadata(root, header.as_deref()).map_err(|e| e.below(at))?;
        if metadata.contigs.len() > limits.contigs {
            let e = format!("{} contigs, more than the limit of {}", metadata.contigs.len(), limits.contigs);
            return Err(Error::limit(e).in_object(at.join(HEADER)));
        }
        let contigs = Arc::new(metadata.contigs.clone());
        let chunks = metadata.chunks.iter().map(|_| Learnt::default()).collect();
        Ok(Self { at: at.clone(), metadata, contigs, chunks })
    }

    /// Whether some object's size is not known from the manifest.
    pub(super) fn lacks_sizes(&self) -> bool {
        self.metadata.chunks.iter().any(|c| c.entries > 1)
    }

    /// Asks for the size of chunk `n` if the manifest leaves it open.
    pub(super) async fn find(&self, n: usize, io: &dyn ObjectIo) -> Result<()> {
        let (chunk, learnt) = (&self.metadata.chunks[n], &self.chunks[n]);
        if chunk.entries > 1 && learnt.object.get().is_none() {
            let object = io.head(&self.at.join(&chunk.path)).await?;
            // Whoever was faster found the same.
            let _ = learnt.object.set(object);
        }
        Ok(())
    }

    /// Asks for all sizes that the manifest leaves open.
    pub(super) async fn find_all(&self, io: &dyn ObjectIo) -> Result<()> {
        let each = (0..self.chunks.len()).map(|n| Ok::<_, Error>(self.find(n, io)));
        futures::stream::iter(each).try_buffer_unordered(REQUESTS_IN_FLIGHT).try_for_each(|()| async { Ok(()) }).await
    }

    /// The object of chunk `n`.
    pub(super) fn object(&self, n: usize) -> Result<ObjectMeta> {
        let chunk = &self.metadata.chunks[n];
        match self.chunks[n].object.get() {
            Some(object) => Ok(object.clone()),
            None if chunk.entries > 1 => Err(Error::invalid("the index was not loaded").in_object(&self.at)),
            None => Ok(meta_of(&self.at, &chunk.path, chunk.bytes)),
        }
    }

    /// How far the records of chunk `n` reach on each contig, 0-based and exclusive, if it was read before.
    pub(super) fn reach(&self, n: usize) -> Option<&BTreeMap<usize, u64>> {
        self.chunks[n].reach.get()
    }

    /// Appends the records of chunk `n`, whose object holds `bytes`, to `out`.
    pub(super) fn decode(&self, n: usize, bytes: &[u8], out: &mut Vec<u8>) -> Result<ChunkSummary> {
        let chunk = self.metadata.chunks.get(n).ok_or_else(|| Error::invalid(format!("there is no chunk {n}")))?;
        let summary = decode_chunk(bytes, &self.metadata, chunk, out).map_err(|e| e.below(&self.at))?;
        let _ = self.chunks[n].reach.set(summary.max_end.clone());
        Ok(summary)
    }

    /// Reads chunk `n` and appends its records to `out`.
    pub(super) async fn read(&self, n: usize, io: &dyn ObjectIo, out: &mut Vec<u8>) -> Result<ChunkSummary> {
        self.find(n, io).await?;
        let object = self.object(n)?;
        let bytes = io.read(&object, 0..object.size).await?;
        self.decode(n, &bytes, out)
    }
}
