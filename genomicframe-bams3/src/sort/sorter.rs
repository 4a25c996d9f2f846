//! An external merge sort: runs of what fits memory, merged in the order they came, which keeps it stable.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::Path;

use genomicframe_core::{Error, Result};
use rayon::prelude::*;

use super::packed;
use super::spill::{Folder, PIECE, Reader, Run};
use crate::source::{Records, Source};

/// Runs merged at once.
const FAN_IN: usize = 64;
/// Bytes of a block of sorted records, about.
const BLOCK: usize = 4 << 20;
/// Pieces compressed at once.
const BATCH: usize = 16;

/// Sorts records by coordinate, stably.
#[derive(Debug)]
pub struct Sorter {
    memory: usize,
    folder: Folder,
    held: Held,
    bytes: usize,
    /// In the order of the input, each with how often it was merged.
    runs: Vec<(u32, Run)>,
}

impl Sorter {
    /// Holds about `memory` bytes, and spills to `folder` what is more.
    pub fn new(memory: usize, folder: &Path) -> Self {
        Self { memory, folder: Folder::new(folder), held: Held::default(), bytes: 0, runs: Vec::new() }
    }

    /// Adds records.
    ///
    /// # Errors
    /// When spilling fails.
    pub fn push(&mut self, records: Records) -> Result<()> {
        let bytes = records.bytes.capacity() + records.len() * (size_of::<Entry>() + size_of::<u32>());
        if self.bytes > 0 && self.bytes + bytes > self.memory {
            self.spill()?;
        }
        self.bytes += bytes;
        self.held.push(records)
    }

    fn spill(&mut self) -> Result<()> {
        self.bytes = 0;
        let run = write(&self.folder, std::mem::take(&mut self.held).sorted())?;
        self.runs.push((0, run));
        // As many runs of one size as can be merged at once become one of the next size: each record is written
        // only as often as the size of the run it is in grows.
        while let Some((level, _)) = self.runs.last()
            && let level = *level
            && self.runs.iter().rev().take_while(|(l, _)| *l == level).count() >= FAN_IN
        {
            self.merge_last(FAN_IN, level + 1)?;
        }
        Ok(())
    }

    fn merge_last(&mut self, n: usize, level: u32) -> Result<()> {
        let last = self.runs.split_off(self.runs.len().saturating_sub(n));
        let merged = Merge::new(last.into_iter().map(|(_, run)| run), None)?;
        self.runs.push((level, write(&self.folder, merged)?));
        Ok(())
    }

    /// All records in order.
    ///
    /// # Errors
    /// When spilled runs cannot be merged.
    pub fn finish(mut self) -> Result<Sorted> {
        while self.runs.len() > FAN_IN {
            let n = FAN_IN.min(self.runs.len() - FAN_IN + 1);
            self.merge_last(n, 0)?;
        }
        let held = self.held.sorted();
        let order = match self.runs.is_empty() {
            true => InOrder::Held(held),
            false => InOrder::Merged(Merge::new(self.runs.into_iter().map(|(_, run)| run), Some(held))?),
        };
        Ok(Sorted { order, seen: 0 })
    }
}

/// Sorted records; `first` of a block counts in their new order.
#[derive(Debug)]
pub struct Sorted {
    order: InOrder,
    seen: u64,
}

#[derive(Debug)]
enum InOrder {
    Held(SortedHeld),
    Merged(Merge),
}

impl Source for Sorted {
    fn next(&mut self) -> Result<Option<Records>> {
        let mut records = Records { first: self.seen, ..Records::default() };
        let more = match &mut self.order {
            InOrder::Held(held) => held.fill(BLOCK, &mut records)?,
            InOrder::Merged(merge) => merge.fill(BLOCK, &mut records)?,
        };
        self.seen += records.len() as u64;
        Ok(more.then_some(records))
    }
}

/// Gives records in order.
trait Stream {
    /// Fills an empty block with records of `most` bytes or, at the least, one; `false` at the end.
    fn fill(&mut self, most: usize, out: &mut Records) -> Result<bool>;
}

fn write(folder: &Folder, mut stream: impl Stream) -> Result<Run> {
    let mut writer = folder.create()?;
    let mut pieces = Vec::with_capacity(BATCH);
    loop {
        let mut records = Records::default();
        let more = stream.fill(PIECE, &mut records)?;
        if more {
            pieces.push(records.bytes);
        }
        if pieces.len() == BATCH || !more {
            writer.put(&pieces)?;
            pieces.clear();
        }
        if !more {
            return writer.finish();
        }
    }
}

/// Appends a record, its `block_size` included, if there is room.
fn append(record: &[u8], most: usize, out: &mut Records) -> bool {
    if !out.is_empty() && out.bytes.len() + record.len() > most {
        return false;
    }
    out.starts.push(out.bytes.len() as u32);
    out.bytes.extend_from_slice(record);
    true
}

/// Key, block, and number in the block: all different, and in the order of the input where keys are equal.
type Entry = (u64, u32, u32);

#[derive(Debug, Default)]
struct Held {
    blocks: Vec<Records>,
    entries: Vec<Entry>,
}

impl Held {
    fn push(&mut self, records: Records) -> Result<()> {
        let block = u32::try_from(self.blocks.len()).map_err(|_| Error::limit("too many blocks to sort"))?;
        self.entries.extend(records.iter().zip(0..).map(|(record, i)| (packed(record), block, i)));
        self.blocks.push(records);
        Ok(())
    }

    fn sorted(mut self) -> SortedHeld {
        self.entries.par_sort_unstable();
        SortedHeld { held: self, next: 0 }
    }
}

#[derive(Debug)]
struct SortedHeld {
    held: Held,
    next: usize,
}

impl SortedHeld {
    /// The next record and its key.
    fn peek(&self) -> Option<(u64, &[u8])> {
        let (key, block, i) = *self.held.entries.get(self.next)?;
        let block = self.held.blocks.get(block as usize)?;
        let start = *block.starts.get(i as usize)? as usize;
        let end = block.starts.get(i as usize + 1).map_or(block.bytes.len(), |end| *end as usize);
        Some((key, block.bytes.get(start..end)?))
    }
}

impl Stream for SortedHeld {
    fn fill(&mut self, most: usize, out: &mut Records) -> Result<bool> {
        while let Some((_, record)) = self.peek()
            && append(record, most, out)
        {
            self.next += 1;
        }
        Ok(!out.is_empty())
    }
}

/// A run being merged.
#[derive(Debug)]
enum Cursor {
    Spilled { reader: Reader, piece: Vec<u8>, at: usize },
    Held(SortedHeld),
}

impl Cursor {
    fn record(&self) -> &[u8] {
        match self {
            Self::Spilled { piece, at, .. } => {
                let rest = &piece[*at..];
                let size = rest.first_chunk().map_or(0, |n| u32::from_le_bytes(*n) as usize);
                &rest[..rest.len().min(4 + size)]
            }
            Self::Held(held) => held.peek().map(|(_, record)| record).unwrap_or_default(),
        }
    }

    /// The key of the record it is at; `None` at the end.
    fn key(&self) -> Option<u64> {
        match self {
            Self::Spilled { .. } => self.record().get(4..).map(packed),
            Self::Held(held) => held.peek().map(|(key, _)| key),
        }
    }

    fn advance(&mut self) -> Result<()> {
        let n = self.record().len();
        match self {
            Self::Spilled { reader, piece, at } => {
                *at += n;
                if *at >= piece.len() {
                    piece.clear();
                    *at = 0;
                    reader.next(piece)?;
                }
            }
            Self::Held(held) => held.next += 1,
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Merge {
    cursors: Vec<Cursor>,
    /// Key and cursor of the next record of each: of equal keys, that of the earlier run comes first.
    heap: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merge {
    fn new(runs: impl Iterator<Item = Run>, held: Option<SortedHeld>) -> Result<Self> {
        let mut cursors = Vec::new();
        for run in runs {
            let mut cursor = Cursor::Spilled { reader: run.read()?, piece: Vec::new(), at: 0 };
            cursor.advance()?;
            cursors.push(cursor);
        }
        cursors.extend(held.map(Cursor::Held));
        let heap = cursors.iter().enumerate().filter_map(|(i, c)| Some(Reverse((c.key()?, i)))).collect();
        Ok(Self { cursors, heap })
    }
}

impl Stream for Merge {
    fn fill(&mut self, most: usize, out: &mut Records) -> Result<bool> {
        while let Some(mut top) = self.heap.peek_mut() {
            let Reverse((_, i)) = *top;
            let cursor = &mut self.cursors[i];
            if !append(cursor.record(), most, out) {
                break;
            }
            cursor.advance()?;
            match cursor.key() {
                Some(key) => *top = Reverse((key, i)),
                None => drop(PeekMut::pop(top)),
            }
        }
        Ok(!out.is_empty())
    }
}
