//! Places where a file can be cut into partitions though no index tells where its records begin.
//!
//! At a place wanted, a block is searched for, and in what it and its followers inflate to a record; both are believed only
//! if blocks and records follow one another from there on over at least [`CHAIN`] blocks. What is believed is checked once
//! more when it is read ([`Segment::joined`](super::Segment::joined)): a file made to deceive is an error and loses no row.

use std::fmt;
use std::sync::atomic::Ordering;

use futures::{StreamExt, TryStreamExt};

use super::{Compression, ScanMetrics};
use crate::bgzf::{Inflater, MAX_BLOCK, VirtualOffset, block_size};
use crate::error::{Offset, Result};
use crate::io::{ObjectIo, ObjectMeta};

/// How a format tells where records begin.
pub trait RecordStarts: fmt::Debug + Send + Sync {
    /// The first place in `bytes` from which records follow one another to their end, where the last may be cut short.
    ///
    /// `bytes` begin anywhere in a file. `None`: there is none, or too few records follow to be sure.
    fn first(&self, bytes: &[u8]) -> Option<usize>;
}

/// Of a format whose every line is a record or passed over.
#[derive(Debug, Clone, Copy)]
pub struct LineStarts;

impl RecordStarts for LineStarts {
    fn first(&self, bytes: &[u8]) -> Option<usize> {
        let start = memchr::memchr(b'\n', bytes)? + 1;
        memchr::memchr(b'\n', &bytes[start..]).map(|_| start)
    }
}

/// Blocks that must follow one another from a cut on.
const CHAIN: usize = 3;
/// Bytes looked at for a cut: first, and at most.
const LOOK: u64 = 256 << 10;
const LOOK_MOST: u64 = 8 << 20;
/// Bytes inflated to find a record, at most: longer ones are not looked for.
const INFLATED_MOST: usize = 32 << 20;
/// Stored bytes of a partition, at least: what finding a cut costs must be little beside it.
const LEAST: u64 = 1 << 20;
/// Places looked for at the same time.
const REQUESTS_IN_FLIGHT: usize = 8;

/// Where cuts are looked for, to make of a scan from `from` to the end of `object` about `wanted` even parts; where a block
/// begins, if `blocks` tell.
pub(super) fn places(object: &ObjectMeta, from: Offset, wanted: usize, blocks: Option<&[u64]>) -> Vec<u64> {
    let first = match from {
        Offset::Byte(byte) => byte,
        Offset::Virtual(v) => v.compressed(),
    };
    let size = object.size.saturating_sub(first);
    let parts = (size / LEAST).min(wanted as u64);
    let even = (1..parts).map(|i| first + (u128::from(size) * u128::from(i) / u128::from(parts)) as u64);
    let mut places: Vec<u64> = match blocks {
        Some(blocks) => even.filter_map(|at| blocks.get(blocks.partition_point(|b| *b < at)).copied()).collect(),
        None => even.collect(),
    };
    places.dedup();
    places
}

/// Where a scan of `object` can be cut at or after each of `places`, in order.
///
/// # Errors
/// When the storage fails. Where no cut is found there is none.
pub(super) async fn find(
    io: &dyn ObjectIo,
    object: &ObjectMeta,
    compression: Compression,
    places: Vec<u64>,
    starts: &dyn RecordStarts,
    metrics: &ScanMetrics,
) -> Result<Vec<Offset>> {
    let finder = Finder { io, object, compression, starts, metrics };
    let mut cuts: Vec<Offset> = futures::stream::iter(places)
        .map(|place| finder.find(place))
        .buffered(REQUESTS_IN_FLIGHT)
        .try_filter_map(|cut| std::future::ready(Ok(cut)))
        .try_collect()
        .await?;
    // Where a record is longer than a part, two places have the same cut.
    cuts.dedup();
    Ok(cuts)
}

struct Finder<'a> {
    io: &'a dyn ObjectIo,
    object: &'a ObjectMeta,
    compression: Compression,
    starts: &'a dyn RecordStarts,
    metrics: &'a ScanMetrics,
}

impl Finder<'_> {
    async fn find(&self, place: u64) -> Result<Option<Offset>> {
        let mut look = LOOK;
        loop {
            let end = (place + look).min(self.object.size);
            let bytes = self.io.read(self.object, place..end).await?;
            self.metrics.requests.fetch_add(1, Ordering::Relaxed);
            self.metrics.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            let cut = match self.compression {
                Compression::Bgzf => in_blocks(&bytes, self.starts)
                    .map(|(block, within)| Offset::Virtual(VirtualOffset::new(place + block as u64, within))),
                Compression::Plain => self.starts.first(&bytes).map(|at| Offset::Byte(place + at as u64)),
                Compression::Gzip => None,
            };
            if cut.is_some() || end == self.object.size || look >= LOOK_MOST {
                return Ok(cut);
            }
            look *= 4;
        }
    }
}

/// A record's place: the index in `stored` of its block, and the offset within.
fn in_blocks(stored: &[u8], starts: &dyn RecordStarts) -> Option<(usize, u16)> {
    let mut looked = 0;
    for at in memchr::memmem::find_iter(&stored[..stored.len().min(2 * MAX_BLOCK)], &[0x1f, 0x8b, 0x08]) {
        // Blocks of a chain that led nowhere lead nowhere from its middle either: many small ones must not be walked again
        // from each of them.
        if at < looked {
            continue;
        }
        let chain = Chain::walk(stored, at);
        looked = chain.end;
        if let Some(place) = chain.place(starts) {
            return Some(place);
        }
    }
    None
}

/// Blocks that follow one another.
struct Chain {
    inflated: Vec<u8>,
    /// Where each block that is not empty begins, in `inflated` and in `stored`.
    blocks: Vec<(usize, usize)>,
    /// Where in `stored` the last one ends.
    end: usize,
    /// Whether what follows is no block.
    broken: bool,
}

impl Chain {
    fn walk(stored: &[u8], at: usize) -> Self {
        let mut inflater = Inflater::default();
        let mut chain = Self { inflated: Vec::new(), blocks: Vec::new(), end: at, broken: false };
        // What little data inflates to may be much.
        while chain.inflated.len() < INFLATED_MOST {
            let block = match block_size(&stored[chain.end..]) {
                Ok(Some(size)) if chain.end + size <= stored.len() => &stored[chain.end..chain.end + size],
                Ok(_) => return chain,
                Err(_) => return Self { broken: true, ..chain },
            };
            let before = chain.inflated.len();
            if inflater.inflate(block, &mut chain.inflated).is_err() {
                return Self { broken: true, ..chain };
            }
            if chain.inflated.len() > before {
                chain.blocks.push((before, chain.end));
            }
            chain.end += block.len();
        }
        chain
    }

    /// Where a record begins, if enough blocks follow it to be sure.
    fn place(&self, starts: &dyn RecordStarts) -> Option<(usize, u16)> {
        let Self { inflated, blocks, .. } = self;
        if self.broken {
            return None;
        }
        let start = starts.first(inflated)?;
        let block = blocks.partition_point(|(begin, _)| *begin <= start).checked_sub(1)?;
        if blocks.len() - block < CHAIN {
            return None;
        }
        let (begin, place) = blocks[block];
        Some((place, u16::try_from(start - begin).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::bgzf::EOF_BLOCK;

    /// Counts how often it is asked, and finds nothing.
    #[derive(Debug, Default)]
    struct Asked(AtomicUsize);

    impl RecordStarts for Asked {
        fn first(&self, _: &[u8]) -> Option<usize> {
            self.0.fetch_add(1, Ordering::Relaxed);
            None
        }
    }

    #[test]
    fn many_small_blocks_are_walked_once() {
        let asked = Asked::default();
        let mut stored = b"noise \x1f\x8b\x08 noise".to_vec();
        stored.extend(EOF_BLOCK.repeat(300_000));
        assert_eq!(in_blocks(&stored, &asked), None);
        // A place that only looks like a block, and the chain.
        assert!(asked.0.into_inner() <= 2);
        stored.extend(b"no block");
        let asked = Asked::default();
        assert_eq!(in_blocks(&stored, &asked), None);
        assert_eq!(asked.0.into_inner(), 0);
    }

    #[test]
    fn what_inflates_to_much_is_inflated_in_part() {
        let mut block = Vec::new();
        let mut deflater = crate::bgzf::Deflater::new(crate::bgzf::Level::DEFAULT).unwrap();
        deflater.compress_block(&[0; 65_000], &mut block).unwrap();
        let chain = Chain::walk(&block.repeat(10_000), 0);
        assert!(!chain.broken && chain.inflated.len() < INFLATED_MOST + MAX_BLOCK);
    }
}
