//! Coordinate order: checked as records come, or made by an external merge sort.
//!
//! | file | what it holds |
//! |---|---|
//! | `mod` | the order, and records held to it |
//! | `sorter` | sorted runs, in memory and spilled, and their merge |
//! | `spill` | a run as a temporary file |
//! | `header` | what the header says of the order |

mod header;
mod sorter;
mod spill;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use genomicframe_core::genome::Contigs;
use genomicframe_core::{Error, Result};

pub use header::{coordinate_header, sort_order};
pub use sorter::{Sorted, Sorter};

use crate::source::{Records, Source};

/// The place of a record, given without its `block_size`, in coordinate order: contig, then position (0-based, -1
/// where there is none). Records without a contig come last, whatever position they claim.
pub fn key(record: &[u8]) -> (u32, i64) {
    let int = |at: usize| record.get(at..at + 4).and_then(|b| b.first_chunk()).map_or(-1, |b| i32::from_le_bytes(*b));
    match u32::try_from(int(0)) {
        Ok(contig) => (contig, i64::from(int(4)).max(-1)),
        Err(_) => (u32::MAX, -1),
    }
}

/// What records are sorted by: [`key`] as one number, then forward strands before reverse ones, as `samtools sort` does.
/// Order is checked by [`key`] alone.
fn packed(record: &[u8]) -> u64 {
    const REVERSE: u8 = 0x10;
    let (contig, pos) = key(record);
    if contig == u32::MAX {
        return u64::MAX;
    }
    let is_reverse = record.get(14).is_some_and(|flag| flag & REVERSE != 0);
    u64::from(contig) << 33 | ((pos + 1) as u64) << 1 | u64::from(is_reverse)
}

/// What is done about the order of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// They are in coordinate order; one that is not is an error.
    AssumeSorted,
    /// They are sorted.
    Sort,
}

impl Order {
    /// What the header asks for: records that it says are sorted are only checked, unless `sort` demands more.
    pub fn of(header_text: &str, sort: bool) -> Self {
        match sort_order(header_text) {
            Some("coordinate") if !sort => Self::AssumeSorted,
            _ => Self::Sort,
        }
    }
}

/// The records of a source in coordinate order.
#[derive(Debug)]
pub struct Ordered<S>(State<S>);

#[derive(Debug)]
enum State<S> {
    Check { source: S, contigs: Arc<Contigs>, last: Option<(u32, i64)> },
    Unsorted { source: S, sorter: Sorter },
    Sorted(Sorted),
    Ended,
}

impl<S: Source> Ordered<S> {
    /// Records of `source`, that refer to `contigs`. Sorting holds about `memory` bytes and spills to `folder`.
    pub fn new(source: S, contigs: Arc<Contigs>, order: Order, memory: usize, folder: &Path) -> Self {
        Self(match order {
            Order::AssumeSorted => State::Check { source, contigs, last: None },
            Order::Sort => State::Unsorted { source, sorter: Sorter::new(memory, folder) },
        })
    }

    /// The source, while its records are passed on as they come.
    pub fn source(&self) -> Option<&S> {
        match &self.0 {
            State::Check { source, .. } | State::Unsorted { source, .. } => Some(source),
            State::Sorted(_) | State::Ended => None,
        }
    }
}

impl<S: Source> Source for Ordered<S> {
    fn next(&mut self) -> Result<Option<Records>> {
        match std::mem::replace(&mut self.0, State::Ended) {
            State::Check { mut source, contigs, mut last } => {
                let records = source.next()?;
                if let Some(records) = &records {
                    check(records, &contigs, &mut last)?;
                }
                self.0 = State::Check { source, contigs, last };
                Ok(records)
            }
            State::Unsorted { mut source, mut sorter } => {
                while let Some(records) = source.next()? {
                    sorter.push(records)?;
                }
                self.0 = State::Sorted(sorter.finish()?);
                self.next()
            }
            State::Sorted(mut sorted) => {
                let records = sorted.next()?;
                self.0 = State::Sorted(sorted);
                Ok(records)
            }
            State::Ended => Ok(None),
        }
    }
}

fn check(records: &Records, contigs: &Contigs, last: &mut Option<(u32, i64)>) -> Result<()> {
    for (i, record) in records.iter().enumerate() {
        let this = key(record);
        if let Some(before) = last.replace(this)
            && this < before
        {
            let number = records.first + i as u64 + 1;
            let place = |(contig, pos): (u32, i64)| match contigs.name(contig as usize) {
                Some(name) => format!("{name}:{}", pos + 1),
                None => "no contig".to_owned(),
            };
            let what = format!("at {}, it follows record {} at {}", place(this), number - 1, place(before));
            return Err(Error::corrupt(format!("not in the coordinate order that the header claims: {what}"))
                .in_record(number)
                .hint("sort while converting: --sort"));
        }
    }
    Ok(())
}
