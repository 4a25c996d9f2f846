//! Root, header and index of a dataset.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use genomicframe_core::genome::{Contigs, RegionSet};
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta, Requests};
use genomicframe_core::scan::Limits;
use genomicframe_core::{Error, Result};

use super::early::Early;
use super::prune::{Known, overlap};
use crate::bloom::NameFilters;
use crate::chunk::DatasetId;
use crate::index::{ChunkEntry, decode, merged};
use crate::metadata::{IndexPart, MOST_BYTES, Metadata, ObjectRef, ROOT};

/// An opened dataset.
#[derive(Debug)]
pub struct Opened {
    /// The folder or prefix.
    pub at: Location,
    /// The root.
    pub metadata: Metadata,
    /// The root's id.
    pub id: DatasetId,
    /// The SAM header.
    pub header_text: String,
    /// Its contigs.
    pub contigs: Arc<Contigs>,
    /// What suits its storage.
    pub(super) requests: Requests,
    parts: Mutex<BTreeMap<usize, Arc<Vec<ChunkEntry>>>>,
    /// The beginning of an index that was not needed yet.
    early: Early,
    names: OnceLock<Arc<NameFilters>>,
}

/// The bytes of the root of the dataset at `at`.
///
/// # Errors
/// When there is no dataset, or the storage fails.
pub async fn open_root(at: &Location, io: &dyn ObjectIo) -> Result<bytes::Bytes> {
    let root = at.join(ROOT);
    match io.read_small(&root, MOST_BYTES).await {
        Err(e) if e.is_not_found() => Err(Error::not_found(format!("no BAMS3 dataset: it has no {ROOT}"))
            .in_object(at)
            .hint("a conversion that was interrupted leaves none; --resume goes on with it")),
        read => read.map(|(_, bytes)| bytes),
    }
}

/// An index up to this is read together with the header: cheaper than to wait for it later.
pub(super) const SMALL_INDEX: u64 = 1 << 20;

impl Opened {
    /// Opens the dataset whose root is `root`.
    ///
    /// # Errors
    /// When root or header are damaged.
    pub async fn open(at: &Location, root: &[u8], io: &dyn ObjectIo, limits: &Limits) -> Result<Self> {
        Self::open_with(at, root, Early::default(), io, limits).await
    }

    /// The same, with what was asked for beside the root.
    pub(super) async fn open_with(
        at: &Location,
        root: &[u8],
        early: Early,
        io: &dyn ObjectIo,
        limits: &Limits,
    ) -> Result<Self> {
        let metadata = Metadata::parse(root).map_err(|e| e.in_object(at.join(ROOT)))?;
        let id = metadata.id().map_err(|e| e.in_object(at.join(ROOT)))?;
        check_totals(&metadata).map_err(|e| e.in_object(at.join(ROOT)))?;
        if metadata.header.bytes > limits.header_bytes as u64 {
            let e = Error::limit(format!(
                "a header of {} bytes, beyond the limit of {}",
                metadata.header.bytes, limits.header_bytes
            ));
            return Err(e.in_object(at.join(&metadata.header.path)));
        }
        let small = match metadata.index.as_slice() {
            [only] if only.object.bytes <= SMALL_INDEX => Some(only),
            _ => None,
        };
        // A small index that cannot be read fails when it is needed.
        let index = async { read_part(at, small?, 0, &early, io).await.ok() };
        let (header, index) = futures::join!(early.read(at, &metadata.header, io), index);
        let header = header?;
        let parsed = genomicframe_core::formats::sam::SamHeader::parse(&header, limits);
        let here = |e: Error| e.in_object(at.join(&metadata.header.path));
        let contigs = Arc::clone(&parsed.map_err(here)?.contigs);
        let header_text = String::from_utf8(header.to_vec())
            .map_err(|e| here(Error::corrupt("the header is not UTF-8").caused_by(e)))?;
        let early = if index.is_some() { Early::default() } else { early };
        let parts = Mutex::new(index.into_iter().map(|chunks| (0, Arc::new(chunks))).collect());
        let (at, requests, names) = (at.clone(), io.requests(at), OnceLock::new());
        Ok(Self { at, metadata, id, header_text, contigs, requests, parts, early, names })
    }

    /// What the index objects' own statistics say of `regions`.
    fn is_wanted(&self, part: usize, regions: Option<&RegionSet>) -> bool {
        let stats = &self.metadata.index[part].stats;
        let known = Known { stats, group: None, contigs: &self.contigs, names: None };
        regions.is_none_or(|r| overlap(r, known).can_pass)
    }

    /// Reads the parts of the index that `regions` touch and that were not read before.
    ///
    /// # Errors
    /// When an index object is missing or damaged, or its chunks are not what the root says.
    pub async fn load_index(&self, io: &dyn ObjectIo, regions: Option<&RegionSet>) -> Result<()> {
        for part in (0..self.metadata.index.len()).filter(|p| self.is_wanted(*p, regions)) {
            if self.parts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&part) {
                continue;
            }
            let before = self.metadata.index[..part].iter().fold(0u64, |n, part| n.saturating_add(part.chunks));
            let chunks = read_part(&self.at, &self.metadata.index[part], before, &self.early, io).await?;
            self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(part, Arc::new(chunks));
        }
        Ok(())
    }

    /// Bytes of the index objects that were read, and of the filters of read names.
    pub fn index_bytes(&self) -> u64 {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let index: u64 = parts.keys().filter_map(|p| Some(self.metadata.index.get(*p)?.object.bytes)).sum();
        let names = self.metadata.qname_index.as_ref().filter(|_| self.names.get().is_some());
        index + names.map_or(0, |object| object.bytes)
    }

    /// Reads the filters of read names, where the dataset has them.
    ///
    /// # Errors
    /// When they are missing or damaged.
    pub async fn load_names(&self, io: &dyn ObjectIo) -> Result<()> {
        let Some(object) = self.metadata.qname_index.as_ref().filter(|_| self.names.get().is_none()) else {
            return Ok(());
        };
        let bytes = read(&self.at, object, io).await?;
        let names = NameFilters::parse(bytes, self.metadata.totals.groups);
        let names = names.map_err(|e| e.in_object(self.at.join(&object.path)))?;
        // Another query may have been as fast.
        let _ = self.names.set(Arc::new(names));
        Ok(())
    }

    /// The filters of read names, when they were loaded.
    pub fn names(&self) -> Option<&NameFilters> {
        self.names.get().map(|n| &**n)
    }

    /// The parts of the index that `regions` touch, in order, each with the number of its first row group.
    ///
    /// # Errors
    /// When one was not loaded.
    pub fn index(&self, regions: Option<&RegionSet>) -> Result<Vec<(u64, Arc<Vec<ChunkEntry>>)>> {
        let loaded = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = |p: usize| self.metadata.index[..p].iter().map(|part| part.groups).sum();
        let missing = || Error::invalid("the index was not loaded");
        let part = |p: usize| Ok((before(p), loaded.get(&p).cloned().ok_or_else(missing)?));
        (0..self.metadata.index.len()).filter(|p| self.is_wanted(*p, regions)).map(part).collect()
    }

    /// The entry of chunk number `ordinal`, if its part of the index was loaded.
    pub fn chunk(&self, ordinal: u64) -> Option<(Arc<Vec<ChunkEntry>>, usize)> {
        let loaded = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.values().find_map(|part| {
            let at = part.binary_search_by_key(&ordinal, |c| c.ordinal).ok()?;
            Some((Arc::clone(part), at))
        })
    }
}

/// That the counts which answer queries are those of the index, to which chunks are held.
fn check_totals(root: &Metadata) -> Result<()> {
    let sum = |mut rows: Box<dyn Iterator<Item = u64> + '_>| rows.try_fold(0u64, |sum, n| sum.checked_add(n));
    let (totals, tally) = (&root.totals, &root.totals.tally);
    let rows = totals.stats.as_ref().map_or(0, |s| s.rows);
    let sums = [
        ("index", sum(Box::new(root.index.iter().map(|part| part.stats.rows)))),
        ("totals.contigs", sum(Box::new(tally.contigs.values().copied()))),
        ("totals.flags", sum(Box::new(tally.flags.values().copied()))),
    ];
    for (field, sum) in sums {
        if sum != Some(rows) {
            let told = sum.map_or_else(|| "more rows than there can be".into(), |n| format!("{n} rows"));
            return Err(Error::corrupt(format!("it tells of {told} where the totals are {rows}")).field(field));
        }
    }
    Ok(())
}

/// The chunks of an index object, `before` which there are so many.
async fn read_part(
    at: &Location,
    part: &IndexPart,
    before: u64,
    early: &Early,
    io: &dyn ObjectIo,
) -> Result<Vec<ChunkEntry>> {
    let bytes = early.read(at, &part.object, io).await?;
    let here = |e: Error| e.in_object(at.join(&part.object.path));
    let chunks = decode(&bytes).map_err(here)?;
    let rows = chunks.iter().fold(0, |rows, c| c.rows().saturating_add(rows));
    if (chunks.len() as u64, rows) != (part.chunks, part.stats.rows) {
        return Err(here(Error::corrupt(format!(
            "{} chunks of {rows} rows where the root tells of {} of {}",
            chunks.len(),
            part.chunks,
            part.stats.rows
        ))));
    }
    let belongs = |at: usize| before.saturating_add(at as u64);
    if let Some((at, chunk)) = chunks.iter().enumerate().find(|(at, chunk)| chunk.ordinal != belongs(*at)) {
        let what = format!("chunk {} where chunk {} belongs", chunk.ordinal, belongs(at));
        return Err(here(Error::corrupt(what).field("ordinal")));
    }
    if let Some(merged) = merged(&chunks) {
        merged.check_merged(&part.stats).map_err(here)?;
    }
    for chunk in &chunks {
        if chunk.groups.iter().flat_map(|g| &g.pages).any(|page| page.range().end > chunk.bytes) {
            let what = format!("a page lies outside its chunk of {} bytes", chunk.bytes);
            return Err(here(Error::corrupt(what).field("pages").text(chunk.path.as_bytes())));
        }
    }
    Ok(chunks)
}

/// What a parent says of an object is all that is needed to read it.
pub(crate) fn meta_of(at: &Location, path: &str, size: u64) -> ObjectMeta {
    ObjectMeta { location: at.join(path), size, etag: None, modified: None }
}

/// Reads an object whole and checks it against its parent.
pub(crate) async fn read(at: &Location, object: &ObjectRef, io: &dyn ObjectIo) -> Result<bytes::Bytes> {
    let meta = meta_of(at, &object.path, object.bytes);
    let bytes = io.read(&meta, 0..object.bytes).await?;
    object.check(&bytes).map_err(|e| e.in_object(&meta.location))?;
    Ok(bytes)
}
