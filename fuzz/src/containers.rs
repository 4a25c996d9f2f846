//! BGZF and gzip, of which nothing is believed.

use futures::executor::block_on;
use genomicframe_core::Result;
use genomicframe_core::bgzf::{GzipStream, Inflater, MAX_BLOCK};
use genomicframe_core::formats::{self, bed};
use genomicframe_core::io::MemoryIo;

use crate::harness::{Random, bgzf, open, place};
use crate::invariants::check;

/// Lines that a container may hold.
const BED: &[u8] = b"chr1\t10\t20\tone\nchr1\t15\t15\ttwo\nchr2\t0\t9\tthree\n";

/// Any bytes as a file of a format that is told by its content.
pub fn detect(data: &[u8]) {
    let io = MemoryIo::default();
    io.put(&place(), data.to_vec());
    if let Ok(format) = block_on(formats::detect(&place(), &io)).inspect_err(crate::harness::check_error)
        && let Ok(opened) = open(format, data.to_vec(), &[])
    {
        let _ = check(&opened, &mut Random::of(data));
    }
}

/// A block before sound ones and its rows: an error, or theirs after what it holds.
pub fn bgzf_block(data: &[u8]) {
    let mut block = data.to_vec();
    // The size is made to fit, else nothing behind the header would ever be looked at.
    if let (Some(size), Ok(len)) = (block.get_mut(16..18), u16::try_from(data.len().wrapping_sub(1))) {
        size.copy_from_slice(&len.to_le_bytes());
    }
    let (mut inflater, mut inflated) = (Inflater::default(), Vec::new());
    let alone = inflater.inflate(&block, &mut inflated);
    assert!(inflated.len() <= MAX_BLOCK, "{} bytes of a block", inflated.len());
    let stored = [&block[..], &bgzf(BED, 30)].concat();
    let Ok(opened) = open(&bed::Bed, stored, &[]) else { return };
    if let Ok(rows) = check(&opened, &mut Random::of(data))
        && alone.is_ok()
    {
        let plain = open(&bed::Bed, [&inflated[..], BED].concat(), &[]).and_then(|o| o.scan(|_| {}));
        assert_eq!(plain.expect("the same lines, plain"), rows);
    }
}

/// Deflate's stream in a block whose checksum and size are right, if there are any: only the inflater can refuse it.
pub fn bgzf_deflate(data: &[u8]) {
    let mut inflated = vec![0; MAX_BLOCK];
    let Ok(size) = libdeflater::Decompressor::new().deflate_decompress(data, &mut inflated) else { return };
    inflated.truncate(size);
    let mut block = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0];
    let Ok(len) = u16::try_from(data.len() + 25) else { return };
    block.extend(len.to_le_bytes());
    block.extend(data);
    block.extend(libdeflater::crc32(&inflated).to_le_bytes());
    block.extend((size as u32).to_le_bytes());
    bgzf_block(&block);
}

/// A gzip file, given whole and byte by byte: the same bytes or an error, and never more at once than asked for.
pub fn gzip(data: &[u8]) {
    const AT_MOST: usize = 1 << 12;
    let inflate = |pieces: &mut dyn Iterator<Item = &[u8]>| -> Result<Option<Vec<u8>>> {
        let (mut stream, mut out) = (GzipStream::default(), Vec::new());
        for mut piece in pieces {
            loop {
                let before = out.len();
                let done = stream.inflate(piece, &mut out, AT_MOST)?;
                assert!(out.len() - before <= 2 * AT_MOST, "{} bytes at once", out.len() - before);
                if done {
                    break;
                }
                // What is not used yet is kept.
                piece = &[];
                if out.len() > 1 << 24 {
                    return Ok(None);
                }
            }
        }
        stream.finish()?;
        Ok(Some(out))
    };
    match (inflate(&mut std::iter::once(data)), inflate(&mut data.chunks(1))) {
        (Ok(whole), Ok(bytes)) => assert!(whole == bytes, "other bytes where the input comes byte by byte"),
        (Err(_), Err(_)) => {}
        (whole, bytes) => panic!("whole: {whole:?}; byte by byte: {bytes:?}"),
    }
    detect(data);
}
