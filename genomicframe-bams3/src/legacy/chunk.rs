//! A chunk's bytes: compression, checksum, and which records they hold.

use std::borrow::Cow;
use std::io::Read;

use genomicframe_core::{Error, Result};
use sha2::{Digest, Sha256};

use super::row::Rows;
use super::{ChunkSummary, Flavour, LegacyChunk, LegacyMetadata, binary, json};
use crate::chunk::hex;

const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Longest payload.
const LARGEST: u64 = 1 << 30;

/// Appends a chunk's records to `out` as BAM has them (SAMv1 §4.2), each after its `block_size`, sorted by contig and
/// position; those of one place keep their order. `bytes` is the whole object.
///
/// # Errors
/// When the bytes are not those that were written, or not what a writer writes; `out` is then as before.
pub fn decode_chunk(
    bytes: &[u8],
    metadata: &LegacyMetadata,
    chunk: &LegacyChunk,
    out: &mut Vec<u8>,
) -> Result<ChunkSummary> {
    let start = out.len();
    let decoded = decode(bytes, metadata, chunk, out);
    decoded.map_err(|e| {
        out.truncate(start);
        e.in_object(&chunk.path)
    })
}

fn decode(bytes: &[u8], metadata: &LegacyMetadata, chunk: &LegacyChunk, out: &mut Vec<u8>) -> Result<ChunkSummary> {
    let mut rows = Rows::new(metadata, chunk, out);
    // The Python program's checksum is of its records, not of its file.
    let python = metadata.flavour == Flavour::PythonJson;
    if !python {
        verify(&Sha256::digest(bytes), bytes.len(), chunk, &mut rows)?;
    }
    let payload = inflate(bytes)?;
    if binary::is_binary(&payload) {
        if python {
            return Err(Error::corrupt("binary records in a dataset of JSON records"));
        }
        binary::decode(&payload, &mut rows)?;
    } else if payload.trim_ascii_start().starts_with(b"[") {
        if python {
            let digest = json::python(&payload, &mut rows)?;
            verify(&digest, bytes.len(), chunk, &mut rows)?;
        } else {
            json::go(&payload, &mut rows)?;
        }
    } else {
        return Err(Error::corrupt("neither binary nor JSON records").text(&payload[..payload.len().min(8)]));
    }
    rows.finish()
}

fn verify(digest: &[u8], len: usize, chunk: &LegacyChunk, rows: &mut Rows<'_>) -> Result<()> {
    if chunk.checksums.is_empty() {
        rows.warnings().add("the manifest has no checksum");
        if chunk.entries == 1 && chunk.bytes != len as u64 {
            return Err(Error::corrupt(format!("{len} bytes where the manifest says {}", chunk.bytes)));
        }
        return Ok(());
    }
    let hex = hex(digest);
    match chunk.checksums.contains(&hex) {
        true => Ok(()),
        // Entries of earlier flushes are stale, and with several workers the last may be, too.
        false if chunk.entries > 1 => {
            rows.warnings().add("none of the manifest's checksums for an object listed again is its bytes'");
            Ok(())
        }
        false => Err(Error::corrupt(format!("its checksum is {hex}")).field("checksum").hint(format!(
            "the manifest says {}; the object was changed or is damaged",
            chunk.checksums[0].chars().take(64).collect::<String>().escape_debug()
        ))),
    }
}

fn inflate(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if !bytes.starts_with(ZSTD) {
        return Ok(Cow::Borrowed(bytes));
    }
    let broken = |e| Error::corrupt("broken zstd data").caused_by(e);
    let reader = zstd::stream::read::Decoder::with_buffer(bytes).map_err(broken)?;
    let mut payload = Vec::new();
    reader.take(LARGEST + 1).read_to_end(&mut payload).map_err(broken)?;
    if payload.len() as u64 > LARGEST {
        return Err(Error::limit(format!("a chunk of more than {LARGEST} bytes")));
    }
    Ok(Cow::Owned(payload))
}
