//! What an index says of chunks, row groups and pages (specification §4).

mod arrow_ipc;
mod contradictions;
mod messages;
mod stats;

use std::ops::Range;

pub use arrow_ipc::{decode, encode};
pub use stats::{GroupStats, MAPQ_STEPS};

use serde::{Deserialize, Serialize};

use crate::column::ColumnId;

/// A page's place and checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEntry {
    /// Its column.
    pub column: ColumnId,
    /// How it is encoded.
    pub encoding: u8,
    /// Where it lies in its chunk.
    pub offset: u64,
    /// Stored bytes.
    pub bytes: u32,
    /// CRC-32 (IEEE 802.3, as in gzip) of the stored bytes.
    pub crc: u32,
}

impl PageEntry {
    /// Its bytes in the chunk.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.bytes.into())
    }
}

/// A row group of a chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// What is known of its rows.
    pub stats: GroupStats,
    /// By column number.
    pub pages: Vec<PageEntry>,
}

impl GroupEntry {
    /// The page of `column`, if it has one.
    pub fn page(&self, column: ColumnId) -> Option<&PageEntry> {
        self.pages.binary_search_by_key(&column, |p| p.column).ok().map(|i| &self.pages[i])
    }
}

/// A chunk: an object of several row groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Its number in the dataset, from 0.
    pub ordinal: u64,
    /// Its key below the dataset's prefix.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the object.
    pub sha256: [u8; 32],
    /// In order.
    pub groups: Vec<GroupEntry>,
}

/// The statistics of all chunks together; `None` of none.
pub(crate) fn merged(chunks: &[ChunkEntry]) -> Option<GroupStats> {
    let mut all = chunks.iter().map(ChunkEntry::stats);
    let mut first = all.next()?;
    all.for_each(|s| first.merge(&s));
    Some(first)
}

impl ChunkEntry {
    /// All its rows.
    pub fn rows(&self) -> u64 {
        self.groups.iter().fold(0, |rows, g| g.stats.rows.saturating_add(rows))
    }

    /// The statistics of all its groups together.
    pub fn stats(&self) -> GroupStats {
        let mut groups = self.groups.iter().map(|g| &g.stats);
        let mut all = groups.next().cloned().unwrap_or_else(|| GroupStats::new(0));
        groups.for_each(|g| all.merge(g));
        all
    }
}
