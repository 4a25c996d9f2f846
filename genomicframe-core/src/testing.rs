//! What the formats' unit tests share: compressed bytes, and a scan of an object in memory.

use std::io::Write;
use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::TryStreamExt;
use futures::executor::block_on;

use crate::bgzf::EOF_BLOCK;
use crate::error::Result;
use crate::io::{MemoryIo, ObjectIo};
use crate::scan::{Dataset, ScanMetrics, ScanRequest, drive};

/// `text` as BGZF, `block_len` bytes in each block, with the end-of-file block.
pub(crate) fn bgzf(text: &[u8], block_len: usize) -> Vec<u8> {
    let mut compressor = libdeflater::Compressor::new(libdeflater::CompressionLvl::fastest());
    let mut out = Vec::new();
    for block in text.chunks(block_len) {
        let mut data = vec![0; compressor.deflate_compress_bound(block.len())];
        let len = compressor.deflate_compress(block, &mut data).unwrap();
        data.truncate(len);
        out.extend([0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0]);
        out.extend(u16::try_from(data.len() + 25).unwrap().to_le_bytes());
        out.extend(data);
        out.extend(libdeflater::crc32(block).to_le_bytes());
        out.extend((block.len() as u32).to_le_bytes());
    }
    out.extend(EOF_BLOCK);
    out
}

/// A plain gzip file with a member of each part.
pub(crate) fn gzip_members(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        let mut member = flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast());
        member.write_all(part).unwrap();
        member.finish().unwrap();
    }
    out
}

/// All batches of `request`, partition by partition, and what the scan counted.
pub(crate) fn scan(
    dataset: &dyn Dataset,
    io: &Arc<MemoryIo>,
    request: &ScanRequest,
) -> Result<(Vec<RecordBatch>, Arc<ScanMetrics>)> {
    let metrics = Arc::new(ScanMetrics::default());
    let plan = dataset.plan(request)?;
    let mut batches = Vec::new();
    for partition in &plan.partitions {
        let decoder = dataset.decoder(request, partition)?;
        let io = Arc::clone(io) as Arc<dyn ObjectIo>;
        let stream = drive(io, Arc::clone(&plan.objects), partition.clone(), decoder, Arc::clone(&metrics));
        batches.extend(block_on(stream.try_collect::<Vec<_>>())?);
    }
    Ok((batches, metrics))
}
