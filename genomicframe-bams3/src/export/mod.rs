//! Datasets back to BAM: row groups decoded on all cores, written in order, indexed in the same pass.

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::future::try_join_all;
use genomicframe_core::bgzf::Level;
use genomicframe_core::formats::bam::{BamWriteOptions, BamWriter, WriteIndex, WrittenBam};
use genomicframe_core::genome::{RegionSet, resolve_names};
use genomicframe_core::io::ObjectIo;
use genomicframe_core::scan::SpanFilter;
use genomicframe_core::{Error, Result};

use crate::chunk::{ChunkHeader, HEADER};
use crate::codec::stream::Unpacker;
use crate::dataset::Opened;
use crate::dataset::held::Held;
use crate::dataset::open::meta_of;
use crate::dataset::plan::{pages_of, ranges_of};
use crate::dataset::prune::{Action, Filter, Known};
use crate::group::decode::Part;
use crate::group::{GroupReader, records};
use crate::index::{ChunkEntry, GroupEntry};
use crate::stages::{IN_FLIGHT, Job, run, threads};
use crate::writer::Progress;

/// How a BAM is made from a dataset.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// How hard its blocks are compressed.
    pub level: Level,
    /// Threads that decode, and as many that compress; 0: one per core.
    pub threads: usize,
    /// Which index is made along with it.
    pub index: WriteIndex,
    /// Only the records that overlap these regions, each once, in coordinate order; `None`: all.
    pub regions: Option<RegionSet>,
}

/// Row groups of a chunk that are wanted.
struct Wanted {
    part: Arc<Vec<ChunkEntry>>,
    chunk: usize,
    /// Their numbers, and whether some of their rows may be outside the regions.
    groups: Vec<(usize, bool)>,
}

impl Wanted {
    fn entry(&self) -> &ChunkEntry {
        &self.part[self.chunk]
    }
}

/// A fetched chunk, as the jobs of its row groups share it.
struct Fetched {
    wanted: Wanted,
    held: Held,
    opened: Arc<Opened>,
    regions: Option<Arc<RegionSet>>,
    parts: Arc<BTreeSet<Part>>,
    spare: Spare,
}

/// Writes the dataset's records as a BAM to `out`, with its header as it stands. The order is the dataset's, so that an
/// index can always be made.
///
/// # Errors
/// When an object is missing or damaged, or writing fails; what was written then has no end-of-file block.
pub async fn to_bam<W: Write + Send + 'static>(
    opened: &Arc<Opened>,
    io: Arc<dyn ObjectIo>,
    out: W,
    options: &ExportOptions,
    progress: Arc<Progress>,
) -> Result<WrittenBam<W>> {
    let regions = options.regions.as_ref().map(|r| Arc::new(resolve_names(r, Some(&opened.contigs)).0));
    opened.load_index(&*io, regions.as_deref()).await?;
    let wanted = plan(opened, regions.as_deref())?;
    let parts = Arc::new(BTreeSet::from(Part::RECORD));
    let spare = Spare::default();
    let fetches = wanted.into_iter().map(|wanted| {
        let (opened, regions, parts) = (Arc::clone(opened), regions.clone(), Arc::clone(&parts));
        let fetched = Fetched { wanted, held: Held::default(), opened, regions, parts, spare: spare.clone() };
        let (io, progress) = (Arc::clone(&io), Arc::clone(&progress));
        async move {
            let bytes = fetched.wanted.entry().bytes;
            let jobs = jobs(fetched, &*io).await;
            progress.chunks.fetch_add(1, Ordering::Relaxed);
            progress.bytes.fetch_add(bytes, Ordering::Relaxed);
            jobs.unwrap_or_else(|e| vec![Box::new(|| Err(e))])
        }
    });
    let batches = futures::stream::iter(fetches).buffered(IN_FLIGHT);
    let threads = threads(options.threads);
    let bam = BamWriteOptions { level: options.level, threads, index: options.index };
    let (opened, spare, progress) = (Arc::clone(opened), spare.clone(), Arc::clone(&progress));
    let written = run(batches, threads, move |results| {
        let mut writer = BamWriter::new(out, &opened.header_text, &opened.contigs, bam)?;
        while let Some(records) = results.next()? {
            let records = records?;
            writer.write_records(&records)?;
            progress.records.store(writer.records(), Ordering::Relaxed);
            spare.give(records);
        }
        writer.finish()
    });
    written.await
}

/// The row groups that reach into `regions`, by chunk.
fn plan(opened: &Opened, regions: Option<&RegionSet>) -> Result<Vec<Wanted>> {
    let filter = Filter { regions, conditions: &[] };
    let mut out = Vec::new();
    for (_, part) in opened.index(regions)? {
        for (chunk, entry) in part.iter().enumerate() {
            let action = |g: &GroupEntry| {
                filter.action(Known { stats: &g.stats, group: Some(g), contigs: &opened.contigs, names: None })
            };
            let groups: Vec<(usize, bool)> = entry
                .groups
                .iter()
                .enumerate()
                .filter_map(|(i, g)| match action(g) {
                    Action::Leave(_) => None,
                    Action::Keep => Some((i, false)),
                    Action::Count(_) | Action::Test => Some((i, true)),
                })
                .collect();
            if !groups.is_empty() {
                out.push(Wanted { part: Arc::clone(&part), chunk, groups });
            }
        }
    }
    Ok(out)
}

/// Reads what is wanted of a chunk; a job for each of its row groups.
async fn jobs(mut fetched: Fetched, io: &dyn ObjectIo) -> Result<Vec<Job<Result<Vec<u8>>>>> {
    let entry = fetched.wanted.entry();
    let meta = meta_of(&fetched.opened.at, &entry.path, entry.bytes);
    let here = |e: Error| e.in_object(&meta.location);
    let ranges = if fetched.wanted.groups.len() == entry.groups.len() {
        std::iter::once(0..entry.bytes).collect()
    } else {
        let mut ranges: Vec<_> = std::iter::once(0..HEADER as u64).collect();
        for (group, _) in &fetched.wanted.groups {
            ranges.extend(ranges_of(entry, *group..group + 1, &fetched.parts));
        }
        crate::dataset::plan::coalesce(ranges, &[])
    };
    let reads = ranges.into_iter().map(|range| {
        let meta = &meta;
        async move { Ok::<_, Error>((range.start, io.read(meta, range).await?)) }
    });
    let mut held = Held::default();
    for (at, bytes) in try_join_all(reads).await? {
        if at == 0 {
            ChunkHeader::read(&bytes).and_then(|h| h.check(fetched.opened.id, entry)).map_err(here)?;
        }
        held.put(at, bytes);
    }
    fetched.held = held;
    let location = Arc::new(meta.location.clone());
    let fetched = Arc::new(fetched);
    let job = |(group, is_tested): (usize, bool)| {
        let (fetched, location) = (Arc::clone(&fetched), Arc::clone(&location));
        Box::new(move || fetched.records(group, is_tested).map_err(|e| e.in_object(location))) as Job<_>
    };
    Ok(fetched.wanted.groups.iter().copied().map(job).collect())
}

impl Fetched {
    /// The records of a row group, as BAM frames them.
    fn records(&self, group: usize, is_tested: bool) -> Result<Vec<u8>> {
        let entry = &self.wanted.entry().groups[group];
        let mut unpacker = Unpacker::new()?;
        let mut reader = GroupReader::new(entry, &mut unpacker).checked();
        for page in pages_of(entry, &self.parts).filter_map(|c| entry.page(c)) {
            reader.put(page, self.held.find(&page.range())?)?;
        }
        let mut out = self.spare.take();
        out.clear();
        records::write(&mut reader, &mut out)?;
        if let Some(regions) = self.regions.as_ref().filter(|_| is_tested) {
            let filter = SpanFilter::new(Arc::clone(regions), true);
            keep(&mut reader, filter, &self.opened, &mut out)?;
        }
        Ok(out)
    }
}

/// Leaves only the records that `filter` keeps.
fn keep(group: &mut GroupReader<'_>, mut filter: SpanFilter, opened: &Opened, records: &mut Vec<u8>) -> Result<()> {
    let (contigs, starts, spans) = (group.contigs()?, group.starts()?, group.spans()?);
    let (mut from, mut to) = (0, 0);
    for row in 0..group.rows() {
        let name = usize::try_from(contigs[row]).ok().and_then(|id| opened.contigs.name(id));
        let is_kept = match (name, starts[row]) {
            (Some(name), -1) => filter.keeps_without_position(name.as_bytes()),
            (Some(name), start) => filter.keeps(name.as_bytes(), start + 1, start + spans[row])?,
            (None, _) => filter.keeps_unplaced(),
        };
        let size = records.get(from..from + 4).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b));
        let end = from + 4 + size as usize;
        if is_kept {
            records.copy_within(from..end, to);
            to += end - from;
        }
        from = end;
    }
    records.truncate(to);
    Ok(())
}

/// Buffers used again: fresh pages of memory cost much of what filling them does.
#[derive(Clone, Default)]
struct Spare(Arc<Mutex<Vec<Vec<u8>>>>);

/// Buffers that are kept, and the largest that is.
const MOST_SPARE: usize = 8;
const LARGEST_SPARE: usize = 32 << 20;

impl Spare {
    fn take(&self) -> Vec<u8> {
        self.0.lock().ok().and_then(|mut spare| spare.pop()).unwrap_or_default()
    }

    fn give(&self, buffer: Vec<u8>) {
        if let Ok(mut spare) = self.0.lock()
            && spare.len() < MOST_SPARE
            && buffer.capacity() <= LARGEST_SPARE
        {
            spare.push(buffer);
        }
    }
}
