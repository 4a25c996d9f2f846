//! Files in memory, opened and scanned as the engine does it.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::concat_batches;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use genomicframe_core::bgzf::{Deflater, EOF_BLOCK, Level};
use genomicframe_core::io::{Location, MemoryIo, ObjectIo};
use genomicframe_core::scan::{Dataset, Format, OpenOptions, ScanMetrics, ScanRequest, drive};
use genomicframe_core::{Error, Result};

/// Numbers that look random and follow from the input alone (xorshift), so that a failing input fails again.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Seeded by `data` (FNV-1a).
    pub fn of(data: &[u8]) -> Self {
        let hash = |h: u64, b: &u8| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3);
        Self(data.iter().fold(0xcbf2_9ce4_8422_2325, hash) | 1)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    /// One of `list`, which is not empty.
    pub fn one<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// `data` in BGZF blocks of `block_len` bytes, stored as they are (a mutated deflate stream would die of its checksum), with
/// the end-of-file block.
pub fn bgzf(data: &[u8], block_len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + data.len() / block_len.max(1) * 31 + 64);
    let mut deflater = Deflater::new(Level::STORED).expect("a level that is known");
    for block in data.chunks(block_len.max(1)) {
        deflater.compress_block(block, &mut out).expect("a block that is short enough");
    }
    out.extend_from_slice(&EOF_BLOCK);
    out
}

/// `data` as gzip members of `member_len` bytes, stored as they are.
pub fn gzip(data: &[u8], member_len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in data.chunks(member_len.clamp(1, 65_535)) {
        out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1]);
        let len = part.len() as u16;
        out.extend(len.to_le_bytes());
        out.extend((!len).to_le_bytes());
        out.extend(part);
        out.extend(libdeflater::crc32(part).to_le_bytes());
        out.extend((part.len() as u32).to_le_bytes());
    }
    out
}

/// Where the file of a target lies.
pub fn place() -> Location {
    Location::parse("memory:///data").expect("a location")
}

/// That an error says which object is meant, and never blames the storage: memory does not fail. An object of another size
/// than its parent says was replaced, as far as the storage knows.
pub fn check_error(e: &Error) {
    let replaced = e.to_string().contains("the object was replaced");
    assert!(!e.is_io() || replaced, "an error of the storage, which cannot fail: {e}");
    assert!(e.to_string().contains("memory:///data"), "an error that does not name its object: {e}");
}

/// An opened dataset.
pub struct Opened {
    /// What it lies in.
    pub io: Arc<dyn ObjectIo>,
    /// The dataset.
    pub dataset: Arc<dyn Dataset>,
}

/// Opens `stored`, with files of these suffixes beside it.
pub fn open(format: &dyn Format, stored: impl Into<Bytes>, beside: &[(&str, &[u8])]) -> Result<Opened> {
    let io = MemoryIo::default();
    io.put(&place(), stored);
    for (suffix, bytes) in beside {
        io.put(&place().with_suffix(suffix), bytes.to_vec());
    }
    open_in(format, Arc::new(io))
}

/// Opens what lies at [`place`] of `io`.
pub fn open_in(format: &dyn Format, io: Arc<dyn ObjectIo>) -> Result<Opened> {
    let opened = block_on(format.open(&place(), &*io, &OpenOptions::default())).inspect_err(check_error);
    Ok(Opened { dataset: opened?, io })
}

impl Opened {
    /// Reads the index.
    pub fn load_index(&self) -> Result<()> {
        block_on(self.dataset.load_index(&*self.io, None)).inspect_err(check_error)
    }

    /// All rows of all columns, unless `shape` says otherwise.
    pub fn scan(&self, shape: impl FnOnce(&mut ScanRequest)) -> Result<RecordBatch> {
        self.scan_all(shape).inspect_err(check_error)
    }

    fn scan_all(&self, shape: impl FnOnce(&mut ScanRequest)) -> Result<RecordBatch> {
        let schema = self.dataset.schema();
        let mut request = ScanRequest::all((0..schema.fields().len()).collect());
        shape(&mut request);
        let plan = self.dataset.plan(&request)?;
        assert!(plan.partitions.len() <= request.partitions.max(1), "no more partitions than were asked for");
        let mut batches = Vec::new();
        for partition in &plan.partitions {
            let decoder = self.dataset.decoder(&request, partition)?;
            let (io, metrics) = (Arc::clone(&self.io), Arc::<ScanMetrics>::default());
            let stream = drive(io, Arc::clone(&plan.objects), partition.clone(), decoder, metrics);
            batches.extend(block_on(stream.try_collect::<Vec<_>>())?);
        }
        let longest = batches.iter().map(RecordBatch::num_rows).max().unwrap_or(0);
        assert!(longest <= request.batch_size, "a batch of {longest} rows where {} were asked for", request.batch_size);
        let projected = Arc::new(schema.project(&request.projection)?);
        if request.projection.is_empty() {
            let rows = batches.iter().map(RecordBatch::num_rows).sum();
            return Ok(RecordBatch::try_new_with_options(
                projected,
                vec![],
                &RecordBatchOptions::new().with_row_count(Some(rows)),
            )?);
        }
        Ok(concat_batches(&projected, &batches)?)
    }
}
