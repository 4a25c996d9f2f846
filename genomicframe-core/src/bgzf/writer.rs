//! A BGZF file, compressed on several threads.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::mpsc::TryRecvError;

use super::block::EOF_BLOCK;
use super::deflate::{BLOCK_INPUT, Deflater, Level};
use super::virtual_offset::VirtualOffset;
use super::workers::{BATCH_BLOCKS, Batch, Ticket, Workers, gone};
use crate::error::{Error, Result};

/// Batches under way for each worker: one in work, one to go on with, one waiting to be written.
const AHEAD: usize = 3;

/// A place in a file whose blocks are not all written: the number of the block, from 0, and the offset within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockOffset {
    /// Number of the block.
    pub block: u64,
    /// Offset within the inflated block.
    pub within: u16,
}

impl BlockOffset {
    /// The virtual offset, when the block begins at byte `start` of the file.
    pub fn at(self, start: u64) -> VirtualOffset {
        VirtualOffset::new(start, self.within)
    }
}

/// Writes a BGZF file; worker threads compress its blocks, the caller's thread writes them in order.
///
/// About 3 MB per thread are under way at any time. A file that is not finished has no end-of-file block, and so is told
/// from a whole one.
///
/// ```
/// use genomicframe_core::bgzf::{EOF_BLOCK, Level, ParallelBgzfWriter};
///
/// let mut writer = ParallelBgzfWriter::new(Vec::new(), Level::DEFAULT, 2)?;
/// let place = writer.push(b"one record")?;
/// assert_eq!((place.block, place.within), (0, 0));
/// assert!(writer.finish()?.ends_with(&EOF_BLOCK));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
pub struct ParallelBgzfWriter<W> {
    sink: W,
    /// Bytes written.
    len: u64,
    /// Number of the block that is being filled.
    block: u64,
    batch: Batch,
    compress: Compress,
    under_way: VecDeque<Ticket>,
    most_under_way: usize,
    starts: Vec<u64>,
    spare: Vec<Batch>,
    failed: bool,
}

enum Compress {
    Here(Deflater),
    Workers(Workers),
}

impl<W> fmt::Debug for ParallelBgzfWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ParallelBgzfWriter");
        out.field("len", &self.len).field("block", &self.block).field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl<W: Write> ParallelBgzfWriter<W> {
    /// `threads` beside the caller's compress; with 0 the caller's does.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn new(sink: W, level: Level, threads: usize) -> Result<Self> {
        let compress = match threads {
            0 => Compress::Here(Deflater::new(level)?),
            _ => Compress::Workers(Workers::start(threads, level)?),
        };
        Ok(Self {
            sink,
            len: 0,
            block: 0,
            batch: Batch::default(),
            compress,
            under_way: VecDeque::new(),
            most_under_way: threads.saturating_mul(AHEAD),
            starts: Vec::new(),
            spare: Vec::new(),
            failed: false,
        })
    }

    /// Appends `bytes` and says where they begin. They are split only when they are longer than [`BLOCK_INPUT`]: where
    /// the block has no room for them, they begin the next one.
    ///
    /// # Errors
    /// When compressing or writing earlier bytes failed; from then on every call fails.
    pub fn push(&mut self, bytes: &[u8]) -> Result<BlockOffset> {
        self.unless_failed(|w| {
            if w.batch.filled() + bytes.len() > BLOCK_INPUT {
                w.close_block()?;
            }
            let place = BlockOffset { block: w.block, within: w.batch.filled() as u16 };
            for piece in bytes.chunks(BLOCK_INPUT) {
                w.batch.extend(piece);
                if w.batch.filled() == BLOCK_INPUT {
                    w.close_block()?;
                }
            }
            Ok(place)
        })
    }

    /// Ends the block, unless it is empty: what comes next begins another.
    ///
    /// # Errors
    /// As [`ParallelBgzfWriter::push`].
    pub fn end_block(&mut self) -> Result<()> {
        self.unless_failed(Self::close_block)
    }

    /// Ends the block and writes all that is there, without the end-of-file block.
    ///
    /// # Errors
    /// As [`ParallelBgzfWriter::push`].
    pub fn flush(&mut self) -> Result<()> {
        self.unless_failed(|w| {
            w.close_block()?;
            if !w.batch.ends.is_empty() {
                w.submit()?;
            }
            w.collect(0)?;
            w.sink.flush().map_err(write_failed)
        })
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.len
    }

    /// Where the blocks written since the last call begin in the file, in order: 8 bytes a block are kept until they are
    /// asked for.
    pub fn take_block_starts(&mut self) -> std::vec::Drain<'_, u64> {
        self.starts.drain(..)
    }

    /// Writes what is left and the end-of-file block, and gives the sink back, flushed.
    ///
    /// # Errors
    /// As [`ParallelBgzfWriter::push`].
    pub fn finish(mut self) -> Result<W> {
        self.flush()?;
        self.sink.write_all(&EOF_BLOCK).and_then(|()| self.sink.flush()).map_err(write_failed)?;
        Ok(self.sink)
    }

    /// After a failure the file has a hole, which nothing may follow.
    fn unless_failed<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.failed {
            return Err(Error::io("an earlier write failed"));
        }
        let done = work(self);
        self.failed = done.is_err();
        done
    }

    fn close_block(&mut self) -> Result<()> {
        if self.batch.filled() == 0 {
            return Ok(());
        }
        self.batch.ends.push(self.batch.raw.len());
        self.block += 1;
        if self.batch.ends.len() == BATCH_BLOCKS { self.submit() } else { Ok(()) }
    }

    /// Has the batch compressed, and writes those that are done.
    fn submit(&mut self) -> Result<()> {
        let next = self.spare.pop().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batch, next);
        match &mut self.compress {
            Compress::Here(deflater) => {
                batch.compress(deflater)?;
                self.write(batch)
            }
            Compress::Workers(workers) => {
                self.under_way.push_back(workers.send(batch)?);
                self.collect(self.most_under_way)
            }
        }
    }

    /// Writes the batches that are done, and waits while more than `most` are under way.
    fn collect(&mut self, most: usize) -> Result<()> {
        while let Some(first) = self.under_way.front() {
            let done = match first.try_recv() {
                Ok(done) => done,
                Err(TryRecvError::Empty) if self.under_way.len() <= most => break,
                Err(TryRecvError::Empty) => first.recv().map_err(|_| gone())?,
                Err(TryRecvError::Disconnected) => return Err(gone()),
            };
            self.under_way.pop_front();
            self.write(done?)?;
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch) -> Result<()> {
        self.sink.write_all(&batch.stored).map_err(write_failed)?;
        self.starts.extend(batch.starts.iter().map(|start| self.len + *start as u64));
        self.len += batch.stored.len() as u64;
        self.spare.push(batch.cleared());
        Ok(())
    }
}

fn write_failed(e: std::io::Error) -> Error {
    Error::io("cannot be written").caused_by(e)
}

#[cfg(test)]
mod tests {
    use std::io;

    use proptest::prelude::*;

    use super::*;
    use crate::bgzf::{Inflater, block_size};
    use crate::testing::Random;

    /// Where each block begins, and its inflated bytes; the last is the end-of-file block.
    fn blocks(file: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let (mut at, mut out) = (0, Vec::new());
        while at < file.len() {
            let size = block_size(&file[at..]).unwrap().unwrap();
            let mut inflated = Vec::new();
            Inflater::default().inflate(&file[at..at + size], &mut inflated).unwrap();
            out.push((at as u64, inflated));
            at += size;
        }
        out
    }

    /// Writes `pieces`, ending blocks after those that `ends` names, and checks every promise.
    fn check(pieces: &[Vec<u8>], ends: &[usize], level: Level, threads: usize) {
        let mut writer = ParallelBgzfWriter::new(Vec::new(), level, threads).unwrap();
        let (mut places, mut starts) = (Vec::new(), Vec::new());
        for (i, piece) in pieces.iter().enumerate() {
            places.push(writer.push(piece).unwrap());
            if ends.contains(&i) {
                writer.end_block().unwrap();
            }
            starts.extend(writer.take_block_starts());
        }
        writer.flush().unwrap();
        starts.extend(writer.take_block_starts());
        let written = writer.written();
        let file = writer.finish().unwrap();
        assert_eq!(written as usize + EOF_BLOCK.len(), file.len());
        let mut blocks = blocks(&file);
        assert_eq!(blocks.pop(), Some((written, Vec::new())));
        assert_eq!(starts, blocks.iter().map(|b| b.0).collect::<Vec<_>>());
        assert!(blocks.iter().all(|b| !b.1.is_empty() && b.1.len() <= BLOCK_INPUT));
        let inflated: Vec<u8> = blocks.iter().flat_map(|b| b.1.iter().copied()).collect();
        assert!(inflated == pieces.concat());
        for (place, piece) in places.iter().zip(pieces).filter(|(_, p)| !p.is_empty()) {
            let (block, within) = (&blocks[place.block as usize], usize::from(place.within));
            assert_eq!(place.at(block.0), VirtualOffset::new(block.0, place.within));
            let here = piece.len().min(block.1.len() - within);
            assert!(block.1[within..within + here] == piece[..here]);
            assert!(if piece.len() <= BLOCK_INPUT { here == piece.len() } else { within == 0 && here == BLOCK_INPUT });
        }
    }

    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let len = prop_oneof![
            6 => 0..500usize, 3 => 10_000..40_000usize, 1 => BLOCK_INPUT - 2..BLOCK_INPUT + 3, 1 => 60_000..700_000usize
        ];
        let piece = (len, any::<u64>(), prop_oneof![Just(4usize), Just(256)]).prop_map(|(len, seed, letters)| {
            let mut random = Random(seed | 1);
            (0..len).map(|_| random.below(letters) as u8).collect()
        });
        proptest::collection::vec(piece, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_is_pushed_is_what_the_blocks_hold(
            pieces in pieces(),
            ends in proptest::collection::vec(0..60usize, 0..5),
            level in 0..4u8,
            threads in 0..4usize,
        ) {
            check(&pieces, &ends, Level::new(level).unwrap(), threads);
        }
    }

    #[test]
    fn boundaries() {
        let full = vec![b'x'; BLOCK_INPUT];
        let pieces = |lens: &[usize]| lens.iter().map(|n| vec![b'y'; *n]).collect::<Vec<_>>();
        for threads in [0, 2] {
            check(&[], &[], Level::DEFAULT, threads);
            check(&[full.clone(), full.clone()], &[0, 1], Level::DEFAULT, threads);
            check(&pieces(&[1, BLOCK_INPUT - 1, 1]), &[], Level::DEFAULT, threads);
            check(&pieces(&[1, BLOCK_INPUT, 1, BLOCK_INPUT + 1, 0]), &[], Level::DEFAULT, threads);
            check(&pieces(&[7, 20 * BLOCK_INPUT, 7]), &[], Level::DEFAULT, threads);
            check(&pieces(&[BLOCK_INPUT; 2 * BATCH_BLOCKS]), &[], Level::STORED, threads);
        }
    }

    /// Takes some writes, then no more.
    struct Sink(usize);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or_else(|| io::Error::other("the disk is full"))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_fails_at_any_write_is_told_once_and_for_all() {
        let noise: Vec<u8> = (0..BLOCK_INPUT as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let blocks = 5 * BATCH_BLOCKS + 1;
        for threads in [0, 1, 3] {
            // Six batches and the end-of-file block.
            for writes in 0..7 {
                let mut writer = ParallelBgzfWriter::new(Sink(writes), Level::new(1).unwrap(), threads).unwrap();
                let failed = (0..blocks).find_map(|_| writer.push(&noise).err());
                if let Some(e) = &failed {
                    assert!(e.is_io() && e.to_string().contains("the disk is full"), "{e}");
                    assert!(writer.push(b"more").unwrap_err().is_io() && writer.end_block().is_err());
                }
                assert!(writer.finish().err().is_some_and(|e| e.is_io()), "{writes}");
            }
            let mut writer = ParallelBgzfWriter::new(Sink(7), Level::new(1).unwrap(), threads).unwrap();
            (0..blocks).for_each(|_| assert!(writer.push(&noise).is_ok()));
            assert!(writer.finish().is_ok());
        }
    }

    #[test]
    fn a_writer_dropped_midway_leaves_no_end_of_file_block() {
        let mut file = Vec::new();
        let mut writer = ParallelBgzfWriter::new(&mut file, Level::DEFAULT, 2).unwrap();
        for _ in 0..100 {
            writer.push(&[1; 50_000]).unwrap();
        }
        drop(writer);
        assert!(!file.ends_with(&EOF_BLOCK));
    }

    #[test]
    fn what_is_under_way_is_bounded() {
        let mut writer = ParallelBgzfWriter::new(io::sink(), Level::new(1).unwrap(), 2).unwrap();
        for _ in 0..500 {
            writer.push(&[3; 40_000]).unwrap();
            assert!(writer.under_way.len() <= 6);
            writer.take_block_starts();
        }
        assert!(writer.spare.len() <= 8 && writer.spare.iter().all(|b| b.raw.capacity() == BATCH_BLOCKS * BLOCK_INPUT));
    }
}
