//! Chunks and row groups: checksums, then every row decoded and what is said of it made again.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use genomicframe_core::io::Location;
use genomicframe_core::{Error, Result};

use super::entries;
use crate::chunk::{ChunkHeader, DatasetId, sha256};
use crate::codec::stream::Unpacker;
use crate::dataset::held::Held;
use crate::group::columns::Columns;
use crate::group::encode::stats;
use crate::group::{GroupReader, records};
use crate::index::{ChunkEntry, GroupEntry};
use crate::metadata::Tally;
use crate::sort;
use crate::source::Records;
use crate::stages::Job;

/// What all row groups are checked against.
pub(super) struct Known {
    pub(super) id: DatasetId,
    pub(super) contigs: usize,
    pub(super) wants_records: bool,
}

/// What was found in a chunk, or in one of its row groups.
pub(super) struct Checked {
    pub(super) place: Arc<Location>,
    pub(super) findings: Vec<Error>,
    /// Of a chunk that was read.
    pub(super) object_bytes: Option<u64>,
    pub(super) group: Option<CheckedGroup>,
}

pub(super) struct CheckedGroup {
    pub(super) number: usize,
    /// Rows that the index tells of.
    pub(super) stated: u64,
    /// Unless they could not be decoded.
    pub(super) rows: Option<Rows>,
}

/// The rows of a row group.
pub(super) struct Rows {
    pub(super) count: u64,
    pub(super) tally: Tally,
    /// Places of the first and the last one.
    pub(super) first: (u32, i64),
    pub(super) last: (u32, i64),
    /// Empty unless they are to be compared.
    pub(super) records: Records,
}

/// The jobs that check a chunk.
pub(super) fn jobs(
    known: &Arc<Known>,
    place: &Location,
    chunk: &Arc<ChunkEntry>,
    bytes: Result<Bytes>,
) -> Vec<Job<Checked>> {
    let place = Arc::new(place.clone());
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(e) => {
            // Its rows are missing all the same.
            let lost = |(number, group): (usize, &GroupEntry)| {
                let group = Some(CheckedGroup { number, stated: group.stats.rows, rows: None });
                let place = Arc::clone(&place);
                Box::new(move || Checked { place, findings: Vec::new(), object_bytes: None, group }) as Job<Checked>
            };
            let mut jobs: Vec<Job<Checked>> = chunk.groups.iter().enumerate().map(lost).collect();
            jobs.insert(0, Box::new(|| Checked { place, findings: vec![e], object_bytes: None, group: None }));
            return jobs;
        }
    };
    let mut jobs: Vec<Job<Checked>> = Vec::with_capacity(chunk.groups.len() + 1);
    jobs.push(Box::new({
        let (known, place, chunk, bytes) = (Arc::clone(known), Arc::clone(&place), Arc::clone(chunk), bytes.clone());
        move || {
            let object_bytes = Some(bytes.len() as u64);
            let findings = whole(&known, &chunk, &bytes);
            Checked { place, findings, object_bytes, group: None }
        }
    }));
    for number in 0..chunk.groups.len() {
        let (known, place, chunk, bytes) = (Arc::clone(known), Arc::clone(&place), Arc::clone(chunk), bytes.clone());
        jobs.push(Box::new(move || {
            let entry = &chunk.groups[number];
            let mut findings = Vec::new();
            let rows = match group(&known, entry, bytes, &mut findings) {
                Ok(rows) => Some(rows),
                Err(e) => {
                    findings.push(e);
                    None
                }
            };
            let group = Some(CheckedGroup { number, stated: entry.stats.rows, rows });
            Checked { place, findings, object_bytes: None, group }
        }));
    }
    jobs
}

/// Checks a chunk as an object.
fn whole(known: &Known, chunk: &ChunkEntry, bytes: &[u8]) -> Vec<Error> {
    let mut findings = Vec::new();
    if sha256(bytes) != chunk.sha256 {
        findings.push(Error::corrupt("its SHA-256 is not the one that the index says"));
    }
    if let Err(e) = ChunkHeader::read(bytes).and_then(|header| header.check(known.id, chunk)) {
        findings.push(e);
    }
    entries::pages(chunk, |e| findings.push(e));
    findings
}

/// Decodes a row group to records, takes these apart as a writer would, and compares.
fn group(known: &Known, entry: &GroupEntry, bytes: Bytes, findings: &mut Vec<Error>) -> Result<Rows> {
    let mut held = Held::default();
    held.put(0, bytes);
    let mut unpacker = Unpacker::new()?;
    let mut reader = GroupReader::new(entry, &mut unpacker);
    let mut broken = Vec::new();
    for page in &entry.pages {
        if let Err(e) = held.find(&page.range()).and_then(|bytes| reader.put(page, bytes)) {
            broken.push(e);
        }
    }
    if let Some(last) = broken.pop() {
        findings.append(&mut broken);
        return Err(last);
    }
    let mut all = Records::default();
    records::write(&mut reader, &mut all.bytes)?;
    let mut at = 0;
    while let Some(size) = all.bytes.get(at..at + 4).and_then(|b| b.first_chunk()) {
        all.starts.push(u32::try_from(at).map_err(|_| Error::limit("a row group of more than 4 GiB"))?);
        at = at.saturating_add(4 + u32::from_le_bytes(*size) as usize);
    }
    let columns = Columns::of(all.iter(), known.contigs)?;
    for (field, what) in entries::differences(&entry.stats, &stats(&columns)) {
        findings.push(Error::corrupt(format!("statistics: {field}: {what}")));
    }
    let spans = reader.spans()?;
    if let Some(row) = spans.iter().zip(&columns.spans).position(|(said, found)| said != found) {
        let what = format!("row {row} spans {} bases where its CIGAR says {}", spans[row], columns.spans[row]);
        findings.push(Error::corrupt(what));
    }
    let unused: BTreeSet<_> = entry.pages.iter().map(|p| p.column).filter(|c| c.as_tag().is_some()).collect();
    for column in unused.into_iter().filter(|c| !columns.tags.contains_key(c)) {
        findings.push(Error::corrupt(format!("a page of {}, which no row has", column.name())));
    }
    let mut last = (0, -1);
    let mut first = None;
    for (row, record) in all.iter().enumerate() {
        let key = sort::key(record);
        if first.is_some() && key < last {
            findings.push(Error::corrupt(format!("row {row} comes before the row ahead of it")));
            break;
        }
        first.get_or_insert(key);
        last = key;
    }
    let tally = columns.tally();
    if !known.wants_records {
        all = Records::default();
    }
    let count = columns.rows() as u64;
    Ok(Rows { count, tally, first: first.unwrap_or_default(), last, records: all })
}
