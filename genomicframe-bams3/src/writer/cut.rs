//! Where row groups and chunks end: decided by the records alone, so that every run cuts alike (specification §9.2).

use std::ops::Range;
use std::sync::Arc;

use genomicframe_core::{Error, Result};

use crate::source::Records;

/// Limits of row groups and chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutting {
    /// Most rows of a row group.
    pub group_rows: u32,
    /// Bases after which a row group ends.
    pub group_bases: u64,
    /// Rows after which a chunk ends.
    pub chunk_rows: Option<u64>,
    /// Bytes after which a chunk ends.
    pub chunk_bytes: u64,
    /// Positions of which each chunk holds one window: a power of two from 256 Ki to 8 Mi.
    pub window: Option<u64>,
}

impl Cutting {
    /// Rows of a row group. A page of 150 positions' depth 30 then spans some 80,000 bases.
    pub const GROUP_ROWS: u32 = 16_384;
    /// Bases after which a row group ends: long reads make groups of fewer rows.
    pub const GROUP_BASES: u64 = 8 << 20;
    /// Bytes after which a chunk ends: one request's worth, few objects.
    pub const CHUNK_BYTES: u64 = 12 << 20;

    /// The fixed power-of-two window of `text`: `256K`, `512K`, `1M` … `8M`.
    ///
    /// # Errors
    /// When it is another size.
    pub fn parse_window(text: &str) -> Result<u64> {
        let all = [("256K", 18), ("512K", 19), ("1M", 20), ("2M", 21), ("4M", 22), ("8M", 23)];
        let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found
            .map(|(_, bits)| 1 << bits)
            .ok_or_else(|| Error::invalid("a window is 256K, 512K, 1M, 2M, 4M or 8M").text(text.as_bytes()))
    }
}

impl Default for Cutting {
    fn default() -> Self {
        Self {
            group_rows: Self::GROUP_ROWS,
            group_bases: Self::GROUP_BASES,
            chunk_rows: None,
            chunk_bytes: Self::CHUNK_BYTES,
            window: None,
        }
    }
}

/// The records of one row group, not copied.
#[derive(Debug, Default)]
pub struct GroupInput {
    parts: Vec<(Arc<Records>, Range<usize>)>,
    rows: u32,
    bases: u64,
    /// Whether a chunk must not go on after it.
    pub ends_chunk: bool,
    /// Whether the next group begins on another contig, so that a chunk should rather end here.
    pub ends_contig: bool,
}

impl GroupInput {
    /// How many there are.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// Each record without its `block_size`.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().flat_map(|(records, range)| range.clone().filter_map(|i| records.get(i)))
    }
}

/// Cuts a stream of records into row groups.
#[derive(Debug)]
pub struct Cutter {
    cutting: Cutting,
    open: GroupInput,
    /// Contig and window of the last record.
    last: Option<(i32, i64)>,
    /// Records still to be skipped: a resumed conversion has them.
    skip: u64,
}

impl Cutter {
    /// A cutter that leaves out the first `skip` records.
    pub fn new(cutting: Cutting, skip: u64) -> Self {
        Self { cutting, open: GroupInput::default(), last: None, skip }
    }

    /// Adds `records`; `done` gets every group that is complete.
    ///
    /// # Errors
    /// When `done` fails.
    pub fn push(&mut self, records: Arc<Records>, mut done: impl FnMut(GroupInput) -> Result<()>) -> Result<()> {
        let all = records.len();
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(all);
        self.skip -= skipped as u64;
        let mut begin = skipped;
        for i in skipped..all {
            let Some(record) = records.get(i) else { break };
            let i32_at = |at: usize| i32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
            let (contig, start, bases) = (i32_at(0), i32_at(4), i32_at(16));
            let window = self.cutting.window.map_or(0, |w| i64::from(start).div_euclid(w as i64));
            let key = (contig, window);
            // Reads without a contig have chunks of their own, and windows do.
            let must = self
                .last
                .is_some_and(|last| last != key && (last.0 < 0 || contig < 0 || self.cutting.window.is_some()));
            let is_other = self.last.is_some_and(|last| last.0 != contig);
            let is_full = self.open.rows >= self.cutting.group_rows || self.open.bases >= self.cutting.group_bases;
            if must || is_full || (is_other && self.open.rows >= self.cutting.group_rows / 4) {
                (self.open.ends_chunk, self.open.ends_contig) = (must, is_other);
                self.close(&records, begin..i, &mut done)?;
                begin = i;
            }
            self.last = Some(key);
            self.open.rows += 1;
            self.open.bases += u64::try_from(bases).unwrap_or(0);
        }
        if begin < all {
            self.open.parts.push((records, begin..all));
        }
        Ok(())
    }

    fn close(
        &mut self,
        records: &Arc<Records>,
        range: Range<usize>,
        done: &mut impl FnMut(GroupInput) -> Result<()>,
    ) -> Result<()> {
        let mut group = std::mem::take(&mut self.open);
        if !range.is_empty() {
            group.parts.push((Arc::clone(records), range));
        }
        if group.rows == 0 { Ok(()) } else { done(group) }
    }

    /// The last group.
    pub fn finish(self) -> Option<GroupInput> {
        (self.open.rows > 0).then_some(self.open)
    }
}
