//! Everything a dataset says, checked against what it holds; and its records against the BAM they came from.
//!
//! | file | what it holds |
//! |---|---|
//! | `report` | findings |
//! | `objects` | objects read and held against their parents; what no root refers to |
//! | `entries` | the index: order, counts, page ranges, the columns for other programs |
//! | `group` | row groups decoded, their statistics made again |
//! | `compare` | records against those of the original |

mod compare;
mod entries;
mod group;
mod objects;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use genomicframe_core::formats::sam::SamHeader;
use genomicframe_core::genome::Contigs;
use genomicframe_core::io::{Location, ObjectIo};
use genomicframe_core::scan::Limits;
use genomicframe_core::{Error, Result};

use crate::chunk::DatasetId;
use crate::column::ColumnId;
use crate::dataset::open_root;
use crate::index::{ChunkEntry, GroupStats};
use crate::metadata::{ColumnTotals, Metadata, ROOT, Tally};
use crate::stages::{IN_FLIGHT, run, threads};
use crate::writer::{Progress, RecordInput, header_json};
use compare::Compared;
use group::{Checked, Known};
use objects::Objects;
pub use report::{Finding, Report, Severity};

/// Checks the dataset at `at`: every object, page, count and statistic, the order of the records and, where `original` is
/// given, that they are its records. `original` is in coordinate order, sorted where the dataset's writer sorted.
///
/// What is wrong stands in the report. Chunks are fetched whole, each once.
///
/// # Errors
/// When there is no dataset, or its root cannot be read.
pub async fn validate(
    at: &Location,
    io: Arc<dyn ObjectIo>,
    original: Option<RecordInput>,
    workers: usize,
    progress: Arc<Progress>,
) -> Result<Report> {
    let bytes = open_root(at, &*io).await?;
    let mut report = Report::default();
    report.objects += 1;
    report.bytes += bytes.len() as u64;
    let root = match Metadata::parse(&bytes).and_then(|root| root.id().map(|id| (root, id))) {
        Ok(root) => root,
        Err(e) => {
            report.error(at.join(ROOT), e);
            return Ok(report);
        }
    };
    let (root, id) = root;
    let mut objects = Objects::new(at, Arc::clone(&io));
    let known = original.as_ref().map(|o| (o.header_text.as_str(), &*o.contigs));
    let contigs = header(&root, &mut objects, &mut report, known).await;
    let entries = index(&root, &mut objects, &mut report).await;
    let chunks = chunks(&objects, id, contigs, entries, original, workers, progress, &mut report).await?;
    totals(at, &root, &chunks, &mut report);
    objects.orphans(&mut report).await;
    Ok(report)
}

/// Checks both headers; how many contigs there are.
async fn header(
    root: &Metadata,
    objects: &mut Objects,
    report: &mut Report,
    original: Option<(&str, &Contigs)>,
) -> Option<usize> {
    let people = objects.read(&root.header_json, report).await;
    if let Some(filter) = &root.qname_index {
        objects.read(filter, report).await;
    }
    let text = objects.read(&root.header, report).await?;
    let place = objects.location(&root.header.path);
    let parsed = SamHeader::parse(&text, &Limits { header_bytes: usize::MAX, ..Limits::default() });
    let parsed = match (std::str::from_utf8(&text), parsed) {
        (Ok(text), Ok(parsed)) => (text, parsed),
        (Err(e), _) => {
            report.error(place, Error::corrupt("the header is not UTF-8").caused_by(e));
            return None;
        }
        (_, Err(e)) => {
            report.error(place, e);
            return None;
        }
    };
    let (text, parsed) = parsed;
    if let Some(people) = people
        && serde_json::from_slice::<serde_json::Value>(&people).ok() != Some(header_json(text))
    {
        let e = Error::corrupt("it does not say what the SAM header says");
        report.error(objects.location(&root.header_json.path), e);
    }
    if let Some((original_text, original_contigs)) = original {
        // Its @SQ lines are looked at as contigs: a BAM's text need not have them.
        let others = |text: &str| -> Vec<String> {
            text.lines().filter(|l| !l.starts_with("@SQ\t")).map(str::to_owned).collect()
        };
        let sorted = crate::sort::coordinate_header(original_text);
        if others(original_text) != others(text) && others(&sorted) != others(text) {
            report.error(&place, Error::corrupt("it is not the header of the original"));
        }
        if !original_contigs.iter().eq(parsed.contigs.iter()) {
            report.error(&place, Error::corrupt("its contigs are not those of the original"));
        }
    }
    Some(parsed.contigs.len())
}

/// Reads and checks the index; `None` stands for a part that is lost.
async fn index(root: &Metadata, objects: &mut Objects, report: &mut Report) -> Vec<Option<Vec<ChunkEntry>>> {
    let mut parts = Vec::new();
    let mut order = entries::Order::default();
    for part in &root.index {
        let place = objects.location(&part.object.path);
        let mut known = None;
        if let Some(bytes) = objects.read(&part.object, report).await {
            match crate::index::decode(&bytes) {
                Ok(chunks) => {
                    entries::part(part, &bytes, &chunks, &mut order, |e| report.error(&place, e));
                    known = Some(chunks);
                }
                Err(e) => report.error(&place, e),
            }
        }
        if known.is_none() {
            order.skip(part.chunks);
        }
        parts.push(known);
    }
    parts
}

/// What all chunks together come to.
#[derive(Debug, Default)]
struct Sums {
    chunks: u64,
    groups: u64,
    bytes: u64,
    stats: Option<GroupStats>,
    columns: BTreeMap<ColumnId, (u64, u64)>,
    tally: Tally,
    /// Whether a part of the index or a row group could not be read, so that sums say nothing.
    is_partial: bool,
}

#[allow(clippy::too_many_arguments, reason = "one caller, which has them all")]
async fn chunks(
    objects: &Objects,
    id: DatasetId,
    contigs: Option<usize>,
    parts: Vec<Option<Vec<ChunkEntry>>>,
    original: Option<RecordInput>,
    workers: usize,
    progress: Arc<Progress>,
    report: &mut Report,
) -> Result<Sums> {
    let mut sums = Sums { is_partial: parts.iter().any(Option::is_none), ..Sums::default() };
    // Without the index nothing is known of how many rows are missing: what follows cannot be told from them.
    let original = original.filter(|_| !sums.is_partial);
    let mut chunks = Vec::new();
    for chunk in parts.into_iter().flatten().flatten() {
        sums.chunks += 1;
        sums.groups += chunk.groups.len() as u64;
        sums.bytes = sums.bytes.saturating_add(chunk.bytes);
        for group in &chunk.groups {
            match &mut sums.stats {
                Some(all) => all.merge(&group.stats),
                none => *none = Some(group.stats.clone()),
            }
            for page in &group.pages {
                let column = sums.columns.entry(page.column).or_default();
                *column = (column.0 + 1, column.1 + u64::from(page.bytes));
            }
        }
        chunks.push(Arc::new(chunk));
    }
    objects.refer(chunks.iter().map(|c| c.path.as_str()), report);
    let known = Arc::new(Known { id, contigs: contigs.unwrap_or(usize::MAX), wants_records: original.is_some() });
    let fetches = chunks.into_iter().map(|chunk| {
        let (known, progress, objects) = (Arc::clone(&known), Arc::clone(&progress), objects.clone());
        async move {
            let bytes = objects.fetch(&chunk.path, chunk.bytes).await;
            progress.chunks.fetch_add(1, Ordering::Relaxed);
            progress.bytes.fetch_add(chunk.bytes, Ordering::Relaxed);
            group::jobs(&known, &objects.location(&chunk.path), &chunk, bytes)
        }
    });
    let batches = futures::stream::iter(fetches).buffered(IN_FLIGHT);
    let mut found = std::mem::take(report);
    let counted = Arc::clone(&progress);
    let done = run(batches, threads(workers), move |results| {
        let mut compared = original.map(Compared::new);
        let mut last = None;
        let mut tally = Tally::default();
        let mut is_partial = false;
        while let Some(checked) = results.next()? {
            let Checked { place, findings, object_bytes, group } = checked;
            found.objects += u64::from(object_bytes.is_some());
            found.bytes += object_bytes.unwrap_or_default();
            let Some(group) = group else {
                findings.into_iter().for_each(|e| found.error(&place, e));
                continue;
            };
            findings.iter().for_each(|e| found.error_in(&place, group.number, e));
            match group.rows {
                Some(rows) => {
                    found.records += rows.count;
                    counted.records.store(found.records, Ordering::Relaxed);
                    tally.merge(&rows.tally);
                    if last.is_some_and(|last| rows.first < last) {
                        let e = Error::corrupt("its first record comes before the last one of the row group ahead");
                        found.error_in(&place, group.number, &e);
                    }
                    last = Some(rows.last);
                    if let Some(compared) = &mut compared {
                        compared.group(&rows.records, &place, &mut found);
                    }
                }
                None => {
                    is_partial = true;
                    if let Some(compared) = &mut compared {
                        compared.skip(group.stated, &mut found);
                    }
                }
            }
        }
        if let Some(compared) = compared {
            compared.finish(&mut found);
        }
        Ok((found, tally, is_partial))
    });
    let (found, tally, is_partial) = done.await?;
    *report = found;
    sums.tally = tally;
    sums.is_partial |= is_partial;
    Ok(sums)
}

/// Holds what the root says of all rows against what was found.
fn totals(at: &Location, root: &Metadata, sums: &Sums, report: &mut Report) {
    let place = at.join(ROOT);
    if sums.is_partial {
        report.note(&place, "its totals were not compared, since not everything could be read");
        return;
    }
    let totals = &root.totals;
    let mut differs = |field: &str, what: String| report.error(&place, Error::corrupt(what).field(field));
    for (field, said, found) in [
        ("totals.chunks", totals.chunks, sums.chunks),
        ("totals.groups", totals.groups, sums.groups),
        ("totals.bytes", totals.bytes, sums.bytes),
        ("totals.bases", totals.tally.bases, sums.tally.bases),
    ] {
        if said != found {
            differs(field, format!("it says {said} where {found} were found"));
        }
    }
    match (&totals.stats, &sums.stats) {
        (Some(said), Some(found)) => entries::differences(said, found)
            .into_iter()
            .for_each(|(field, what)| differs(&format!("totals.stats.{field}"), what)),
        (said, found) if said.as_ref().map_or(0, |s| s.rows) != found.as_ref().map_or(0, |s| s.rows) => {
            differs("totals.stats", "rows are told of that are not there, or the other way round".into());
        }
        _ => {}
    }
    if totals.tally.contigs != sums.tally.contigs {
        differs("totals.contigs", "the rows per contig are others".into());
    }
    if totals.tally.flags != sums.tally.flags {
        differs("totals.flags", "the rows per flag are others".into());
    }
    let column = |c: &ColumnTotals| (ColumnId(c.id), (c.pages, c.bytes));
    let said: BTreeMap<ColumnId, (u64, u64)> = root.columns.iter().map(column).collect();
    if said != sums.columns || said.len() != root.columns.len() {
        differs("columns", "the columns, their pages or their bytes are others".into());
    }
}
