//! What an interrupted conversion has done, so that the next one goes on from there.
//!
//! `_resume/input.json` says of which input and with which settings; `_resume/<ordinal>.json` stands for each chunk that
//! was stored. All go when the dataset is complete.

use genomicframe_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::encode::Chunk;
use crate::index::ChunkEntry;
use crate::metadata::Tally;

const FOLDER: &str = "_resume";
const INPUT: &str = "_resume/input.json";

/// Which conversion it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    /// The dataset's id, which input and settings decide.
    pub(super) dataset: String,
    /// The input's size.
    pub(super) bytes: Option<u64>,
    /// The input's time of change, in nanoseconds since 1970.
    pub(super) modified: Option<u64>,
    /// Whether read names are filtered.
    #[serde(default)]
    pub(super) by_name: bool,
}

/// A chunk that was stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) entry: ChunkEntry,
    pub(super) tally: Tally,
    #[serde(default)]
    pub(super) filters: Vec<Vec<u64>>,
    pub(super) records: u64,
}

impl Done {
    pub(super) fn of(chunk: &Chunk) -> Self {
        let (entry, tally, filters) = (chunk.entry.clone(), chunk.tally.clone(), chunk.filters.clone());
        Self { entry, tally, filters, records: chunk.records }
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::invalid("no JSON").caused_by(e))
}

/// Begins a conversion; `false` when an interrupted or running one is there.
pub(super) async fn begin(to: &Destination, identity: &Identity) -> Result<bool> {
    to.create(INPUT, json(identity)?).await
}

/// The interrupted conversion that is there, if there is one.
pub(super) async fn interrupted(to: &Destination) -> Result<Option<Identity>> {
    let Some(found) = to.get(INPUT).await? else { return Ok(None) };
    // One that was cut short while it was written stands for nothing done.
    Ok(serde_json::from_slice(&found.bytes).ok())
}

/// The chunks that were stored, as far as none is missing.
pub(super) async fn done(to: &Destination) -> Result<Vec<Done>> {
    let mut done: Vec<Done> = Vec::new();
    for (key, _) in to.list(FOLDER).await?.into_iter().filter(|(key, _)| key != INPUT && key.ends_with(".json")) {
        let Some(found) = to.get(&key).await? else { break };
        match serde_json::from_slice::<Done>(&found.bytes) {
            Ok(next) if next.entry.ordinal == done.len() as u64 => done.push(next),
            _ => break,
        }
    }
    Ok(done)
}

/// Notes that `chunk` was stored.
pub(super) async fn note(to: &Destination, chunk: &Done) -> Result<()> {
    to.put(&format!("{FOLDER}/{:010}.json", chunk.entry.ordinal), json(chunk)?).await
}

/// Forgets everything.
pub(super) async fn clear(to: &Destination) -> Result<()> {
    let keys = to.list(FOLDER).await?;
    // The identity goes last: while it is there, another writer is told.
    for (key, _) in keys.iter().filter(|(key, _)| key != INPUT) {
        to.delete(key).await?;
    }
    to.delete(INPUT).await
}

/// Whether `key` belongs to this journal.
pub(crate) fn is_journal(key: &str) -> bool {
    key.starts_with(FOLDER)
}
