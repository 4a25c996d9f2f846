//! Files made in memory, for tests.

pub(crate) mod index;
pub(crate) mod logic;

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};
use futures::TryStreamExt;
use futures::executor::block_on;

use crate::bgzf::EOF_BLOCK;
use crate::error::Result;
use crate::io::{Location, MemoryIo, ObjectIo};
use crate::scan::{Dataset, Format, OpenOptions, ScanMetrics, ScanRequest, drive};

/// `data` in BGZF blocks of `block_len` bytes, with the end-of-file block.
pub(crate) fn bgzf(data: &[u8], block_len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for block in data.chunks(block_len) {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(block).unwrap();
        let deflated = deflated.finish().unwrap();
        let mut crc = Crc::new();
        crc.update(block);
        let size = u16::try_from(deflated.len() + 25).unwrap();
        out.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0]);
        out.extend(size.to_le_bytes());
        out.extend(deflated);
        out.extend(crc.sum().to_le_bytes());
        out.extend((block.len() as u32).to_le_bytes());
    }
    out.extend(EOF_BLOCK);
    out
}

/// Each part as a gzip member of its own.
pub(crate) fn gzip_members(parts: &[&[u8]]) -> Vec<u8> {
    let member = |part: &&[u8]| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(part).unwrap();
        gzip.finish().unwrap()
    };
    parts.iter().flat_map(member).collect()
}

/// A TBI of the given columns in which one bin of each contig has one chunk, of whole virtual offsets.
pub(crate) fn tbi(columns: [i32; 3], zero_based: bool, contigs: &[(&str, u64, u64)]) -> Vec<u8> {
    let mut out = b"TBI\x01".to_vec();
    let names: String = contigs.iter().map(|(name, ..)| format!("{name}\0")).collect();
    let format = if zero_based { 0x1_0000 } else { 0 };
    let [seq, beg, end] = columns;
    for n in [contigs.len() as i32, format, seq, beg, end, i32::from(b'#'), 0, names.len() as i32] {
        out.extend(n.to_le_bytes());
    }
    out.extend(names.as_bytes());
    for (_, start, stop) in contigs {
        for n in [1i32, 0, 1] {
            out.extend(n.to_le_bytes());
        }
        out.extend(start.to_le_bytes());
        out.extend(stop.to_le_bytes());
        out.extend(0i32.to_le_bytes());
    }
    out
}

/// A stored file, opened.
pub(crate) struct Opened {
    pub(crate) io: Arc<MemoryIo>,
    pub(crate) dataset: Arc<dyn Dataset>,
    pub(crate) metrics: Arc<ScanMetrics>,
}

/// Opens `bytes`, with `index` beside it.
pub(crate) fn open(
    format: &dyn Format,
    bytes: impl Into<Vec<u8>>,
    index: Option<Vec<u8>>,
    options: &OpenOptions,
) -> Result<Opened> {
    let io = Arc::new(MemoryIo::default());
    let at = Location::parse("memory:///data")?;
    io.put(&at, bytes.into());
    if let Some(index) = index {
        let suffix = match index.get(..3) {
            Some(b"BAI") => ".bai",
            Some(b"TBI") => ".tbi",
            _ => ".csi",
        };
        io.put(&at.with_suffix(suffix), index);
    }
    let dataset = block_on(format.open(&at, &*io, options))?;
    Ok(Opened { io, dataset, metrics: Arc::default() })
}

impl Opened {
    /// Every column of every row that `shape` asks for.
    pub(crate) fn scan(&self, shape: impl FnOnce(&mut ScanRequest)) -> Result<RecordBatch> {
        let schema = self.dataset.schema();
        let mut request = ScanRequest::all((0..schema.fields().len()).collect());
        shape(&mut request);
        if request.regions.is_some() {
            block_on(self.dataset.load_index(&*self.io, None))?;
        }
        let batches = run(&*self.dataset, &self.io, &request, &self.metrics)?;
        assert!(batches.iter().all(|b| b.num_rows() <= request.batch_size), "batches are no longer than asked for");
        let projected = Arc::new(schema.project(&request.projection)?);
        if request.projection.is_empty() {
            let rows = batches.iter().map(RecordBatch::num_rows).sum();
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows));
            return Ok(RecordBatch::try_new_with_options(projected, vec![], &options)?);
        }
        Ok(concat_batches(&projected, &batches)?)
    }
}

/// Opens `bytes` and reads all of it.
pub(crate) fn read(format: &dyn Format, bytes: impl Into<Vec<u8>>) -> Result<RecordBatch> {
    open(format, bytes, None, &OpenOptions::default())?.scan(|_| {})
}

/// The rows as text, for comparisons that should read well.
pub(crate) fn shown(batch: &RecordBatch) -> Vec<String> {
    let options = arrow::util::display::FormatOptions::default().with_null("∅");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| arrow::util::display::ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
        .collect();
    let row = |i: usize| columns.iter().map(|c| c.value(i).to_string()).collect::<Vec<_>>().join(" ");
    (0..batch.num_rows()).map(row).collect()
}

/// All batches of `request`, partition by partition, and what the scan counted.
pub(crate) fn scan(
    dataset: &dyn Dataset,
    io: &Arc<MemoryIo>,
    request: &ScanRequest,
) -> Result<(Vec<RecordBatch>, Arc<ScanMetrics>)> {
    let metrics = Arc::new(ScanMetrics::default());
    Ok((run(dataset, io, request, &metrics)?, metrics))
}

fn run(
    dataset: &dyn Dataset,
    io: &Arc<MemoryIo>,
    request: &ScanRequest,
    metrics: &Arc<ScanMetrics>,
) -> Result<Vec<RecordBatch>> {
    let plan = dataset.plan(request)?;
    let mut batches = Vec::new();
    for partition in &plan.partitions {
        let decoder = dataset.decoder(request, partition)?;
        let io = Arc::clone(io) as Arc<dyn ObjectIo>;
        let stream = drive(io, Arc::clone(&plan.objects), partition.clone(), decoder, Arc::clone(metrics));
        batches.extend(block_on(stream.try_collect::<Vec<_>>())?);
    }
    Ok(batches)
}

/// Numbers that look random and are the same in every run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    /// Some of `bytes` changed: bits flipped, numbers set to what counts fear, stretches cut, doubled or moved.
    pub(crate) fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(3) {
            if out.is_empty() {
                return out;
            }
            let at = self.below(out.len());
            match self.below(6) {
                0 => out[at] ^= 1 << self.below(8),
                1 => out[at] = self.below(256) as u8,
                2 | 3 => {
                    let feared = [0, 1, -1, i32::MAX, i32::MIN, 255, 65_535, 65_536, 1 << 24, 1 << 29];
                    let number = feared[self.below(feared.len())].to_le_bytes();
                    let end = (at + 4).min(out.len());
                    out[at..end].copy_from_slice(&number[..end - at]);
                }
                4 => out.truncate(at),
                _ => {
                    let end = (at + self.below(40)).min(out.len());
                    let stretch = out[at..end].to_vec();
                    let to = self.below(out.len());
                    out.splice(to..to, stretch);
                }
            }
        }
        out
    }
}
