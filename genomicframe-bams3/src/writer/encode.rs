//! Records to chunks, on all cores, in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use genomicframe_core::genome::Contigs;
use genomicframe_core::{Error, Result};
use rayon::ThreadPool;

use super::cut::{Cutter, Cutting, GroupInput};
use crate::Level;
use crate::bloom::filter_of;
use crate::chunk::{DatasetId, assemble};
use crate::codec::stream::Packer;
use crate::group::encode::encode;
use crate::group::{Columns, EncodedGroup};
use crate::index::ChunkEntry;
use crate::metadata::Tally;
use crate::source::Records;

/// A chunk ready to be stored.
#[derive(Debug)]
pub struct Chunk {
    /// What the index says of it.
    pub entry: ChunkEntry,
    /// As stored.
    pub bytes: Vec<u8>,
    /// What adds up.
    pub tally: Tally,
    /// A filter of read names per row group, where they are asked for.
    pub filters: Vec<Vec<u64>>,
    /// Records of the input that this chunk and all before it hold.
    pub records: u64,
}

struct Encoded {
    group: EncodedGroup,
    tally: Tally,
    filter: Option<Vec<u64>>,
    ends_chunk: bool,
    ends_contig: bool,
}

/// Encodes row groups in parallel and makes chunks of them, in order.
pub(super) struct Encoder<F> {
    pool: Arc<ThreadPool>,
    level: Level,
    contigs: Arc<Contigs>,
    cutting: Cutting,
    by_name: bool,
    dataset: DatasetId,
    waiting: VecDeque<Receiver<Result<Encoded>>>,
    most_waiting: usize,
    open: Vec<Encoded>,
    next_ordinal: u64,
    records: u64,
    /// Takes chunks; an error ends the encoding.
    send: F,
}

impl<F: FnMut(Chunk) -> Result<()>> Encoder<F> {
    #[allow(clippy::too_many_arguments, reason = "one caller, which has them all")]
    pub(super) fn new(
        pool: Arc<ThreadPool>,
        level: Level,
        contigs: Arc<Contigs>,
        cutting: Cutting,
        by_name: bool,
        dataset: DatasetId,
        next_ordinal: u64,
        records: u64,
        send: F,
    ) -> Self {
        let most_waiting = pool.current_num_threads() + 1;
        let (waiting, open) = (VecDeque::new(), Vec::new());
        Self {
            pool,
            level,
            contigs,
            cutting,
            by_name,
            dataset,
            waiting,
            most_waiting,
            open,
            next_ordinal,
            records,
            send,
        }
    }

    /// Encodes all of `blocks`.
    pub(super) fn run(mut self, mut blocks: impl FnMut() -> Result<Option<Records>>) -> Result<()> {
        let mut cutter = Cutter::new(self.cutting, self.records);
        while let Some(records) = blocks()? {
            cutter.push(Arc::new(records), |group| self.submit(group))?;
        }
        if let Some(group) = cutter.finish() {
            self.submit(group)?;
        }
        while let Some(next) = self.waiting.pop_front() {
            self.collect(next)?;
        }
        self.close()
    }

    fn submit(&mut self, input: GroupInput) -> Result<()> {
        while self.waiting.len() >= self.most_waiting {
            let Some(next) = self.waiting.pop_front() else { break };
            self.collect(next)?;
        }
        let (sender, receiver) = sync_channel(1);
        let (level, contigs, by_name) = (self.level, self.contigs.len(), self.by_name);
        self.pool.spawn(move || {
            // Nobody waits for it any more when this fails.
            let _ = sender.send(encode_group(&input, level, contigs, by_name));
        });
        self.waiting.push_back(receiver);
        Ok(())
    }

    fn collect(&mut self, encoded: Receiver<Result<Encoded>>) -> Result<()> {
        let encoded = encoded.recv().map_err(|_| Error::io("an encoding thread ended without a result"))??;
        let (must, may) = (encoded.ends_chunk, encoded.ends_contig);
        self.open.push(encoded);
        let bytes: u64 = self.open.iter().map(|e| e.group.bytes() as u64).sum();
        let rows: u64 = self.open.iter().map(|e| e.group.stats.rows).sum();
        let most_rows = self.cutting.chunk_rows.unwrap_or(u64::MAX);
        let is_full = bytes >= self.cutting.chunk_bytes || rows >= most_rows;
        // A chunk of one contig is read by queries of that contig only; a small one is not worth an object.
        let is_worth_it = bytes >= self.cutting.chunk_bytes / 4 || rows >= most_rows / 4;
        if must || is_full || (may && is_worth_it) { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let mut tally = Tally::default();
        let mut groups = Vec::with_capacity(self.open.len());
        let mut filters = Vec::new();
        for encoded in self.open.drain(..) {
            tally.merge(&encoded.tally);
            groups.push(encoded.group);
            filters.extend(encoded.filter);
        }
        let first = groups.first().and_then(|g| usize::try_from(g.stats.contig_first).ok());
        let contig = first.and_then(|id| self.contigs.name(id));
        let (entry, bytes) = assemble(groups, self.dataset, self.next_ordinal, contig);
        self.next_ordinal += 1;
        self.records += entry.rows();
        (self.send)(Chunk { entry, bytes, tally, filters, records: self.records })
    }
}

fn encode_group(input: &GroupInput, level: Level, contigs: usize, by_name: bool) -> Result<Encoded> {
    let columns = Columns::of(input.records(), contigs)?;
    let tally = columns.tally();
    let group = encode(&columns, &mut Packer::new(level)?)?;
    let filter = by_name.then(|| filter_of(columns.names.iter()));
    Ok(Encoded { group, tally, filter, ends_chunk: input.ends_chunk, ends_contig: input.ends_contig })
}
