//! BAMS3 datasets one of whose objects may be anything, while all that vouches for it is made to fit.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use genomicframe_bams3::Bams3;
use genomicframe_bams3::chunk::{crc32, sha256};
use genomicframe_bams3::index::{ChunkEntry, decode, encode};
use genomicframe_bams3::metadata::{IndexPart, Metadata, ObjectRef, ROOT, Source};
use genomicframe_bams3::source::Records;
use genomicframe_bams3::writer::{Destination, RecordInput, WriteOptions, write};
use genomicframe_core::Result;
use genomicframe_core::io::MemoryIo;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::harness::{Opened, Random, open_in, place};
use crate::invariants::{check, check_whole};
use crate::seeds;

/// A root as it is, and with the checksum that it should have.
pub fn root(data: &[u8]) {
    let mut objects = DATASET.clone();
    objects.insert(ROOT.into(), data.to_vec().into());
    scan(&objects, data);
    if let Some(sealed) = sealed(data) {
        objects.insert(ROOT.into(), sealed.into());
        scan(&objects, data);
    }
}

/// A root whose last member is its checksum.
fn sealed(data: &[u8]) -> Option<Vec<u8>> {
    let mut root: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(data).ok()?;
    root.remove("checksum");
    let mut text = serde_json::to_string(&root).ok()?;
    text.truncate(text.len() - 1);
    text.push_str(if root.is_empty() { "" } else { "," });
    let before = text.len() + "\"checksum\":\"".len();
    text.push_str(&format!("\"checksum\":\"{}\"}}\n", "0".repeat(64)));
    let sum = genomicframe_bams3::chunk::hex(&sha256(text.as_bytes()));
    text.replace_range(before..before + 64, &sum);
    Some(text.into_bytes())
}

/// An index object, and a root that vouches for it. Statistics that lie leave out rows of regions, which nobody can tell who
/// does not read them; a scan of all rows tells, but of filters of names, which only `gf bams3 validate` compares.
pub fn index(data: &[u8]) {
    let mut objects = DATASET.clone();
    let mut root = Metadata::parse(&objects[ROOT]).expect("a sound root");
    let chunks = decode(data).unwrap_or_default();
    root.index = vec![part(data, &chunks)];
    objects.insert(INDEX.into(), data.to_vec().into());
    objects.insert(ROOT.into(), root.to_bytes().expect("a root").into());
    let _ = opened(&objects).and_then(|opened| check_whole(&opened, &mut Random::of(data)));
}

/// The first chunk, and an index whose checksums are those of its pages.
pub fn chunk(data: &[u8]) {
    let mut objects = DATASET.clone();
    let mut root = Metadata::parse(&objects[ROOT]).expect("a sound root");
    let mut chunks = decode(&objects[INDEX]).expect("a sound index");
    let entry = &mut chunks[0];
    (entry.bytes, entry.sha256) = (data.len() as u64, sha256(data));
    for page in entry.groups.iter_mut().flat_map(|g| &mut g.pages) {
        let range = page.range();
        page.crc = data.get(range.start as usize..range.end as usize).map_or(page.crc, crc32);
    }
    // The header's own checksum would hide what stands in it.
    let mut data = data.to_vec();
    if data.len() >= 52 {
        let crc = crc32(&data[..48]).to_le_bytes();
        data[48..52].copy_from_slice(&crc);
    }
    let bytes = encode(&chunks).expect("an index");
    root.index = vec![part(&bytes, &chunks)];
    objects.insert(chunks[0].path.clone(), data.clone().into());
    objects.insert(INDEX.into(), bytes.into());
    objects.insert(ROOT.into(), root.to_bytes().expect("a root").into());
    scan(&objects, &data);
}

/// Metadata of versions 0.1 and 0.2.
pub fn legacy_root(data: &[u8]) {
    let (_, header, chunks) = seeds::legacy(false);
    let objects = chunks.into_iter().chain([(ROOT.into(), data.to_vec()), (HEADER_JSON.into(), header)]);
    scan(&objects.map(|(key, bytes)| (key, bytes.into())).collect(), data);
}

/// A chunk of version 0.1 or 0.2, and metadata that vouch for it.
pub fn legacy_chunk(data: &[u8]) {
    let binary = data.starts_with(b"3MAB") || data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let (root, header, chunks) = seeds::legacy(binary);
    let mut root: serde_json::Value = serde_json::from_slice(&root).expect("sound metadata");
    let (path, _) = chunks.into_iter().next().expect("a chunk");
    root["chunks"][0]["checksum"] = genomicframe_bams3::chunk::hex(&sha256(data)).into();
    root["chunks"][0]["size_bytes"] = data.len().into();
    let objects = [(ROOT.into(), root.to_string().into_bytes()), (HEADER_JSON.into(), header), (path, data.to_vec())];
    scan(&objects.into_iter().map(|(key, bytes)| (key, bytes.into())).collect(), data);
}

const INDEX: &str = "_index/chunks.arrow";
const HEADER_JSON: &str = "_header.json";

fn part(bytes: &[u8], chunks: &[ChunkEntry]) -> IndexPart {
    let mut groups = chunks.iter().flat_map(|c| &c.groups).map(|g| g.stats.clone());
    let mut stats = groups.next().unwrap_or_else(|| genomicframe_bams3::index::GroupStats::new(0));
    groups.for_each(|g| stats.merge(&g));
    let groups = chunks.iter().map(|c| c.groups.len() as u64).sum();
    IndexPart { object: ObjectRef::of(INDEX, bytes), chunks: chunks.len() as u64, groups, stats }
}

/// Opens and scans a dataset in every way.
fn scan(objects: &BTreeMap<String, Bytes>, data: &[u8]) {
    let _ = opened(objects).and_then(|opened| check(&opened, &mut Random::of(data)));
}

fn opened(objects: &BTreeMap<String, Bytes>) -> Result<Opened> {
    let io = MemoryIo::default();
    for (key, bytes) in objects {
        io.put(&place().join(key), bytes.clone());
    }
    let opened = open_in(&Bams3, Arc::new(io))?;
    opened.load_index()?;
    Ok(opened)
}

/// A sound dataset of a few records, by key.
pub(crate) static DATASET: LazyLock<BTreeMap<String, Bytes>> = LazyLock::new(|| {
    let store = Arc::new(InMemory::new());
    let to = Destination::new(Arc::clone(&store) as Arc<dyn ObjectStore>, "d".into(), "d");
    let (header_text, contigs, records) = seeds::bam_records(24);
    let mut all = Records::default();
    for record in &records {
        all.starts.push(all.bytes.len() as u32);
        all.bytes.extend(record);
    }
    let mut blocks = Some(all);
    let input = RecordInput {
        header_text,
        contigs,
        source: Source { name: "x.bam".into(), bytes: None, sorted: false },
        modified: None,
        blocks: Box::new(move || Ok(blocks.take())),
    };
    let mut options = WriteOptions { threads: 1, ..WriteOptions::default() };
    (options.cutting.group_rows, options.cutting.chunk_rows) = (8, Some(16));
    block_on(async {
        write(input, &to, &options, Arc::default()).await.expect("a dataset");
        let mut out = BTreeMap::new();
        for meta in store.list(None).try_collect::<Vec<_>>().await.expect("a list") {
            let stored = store.get(&meta.location).await.expect("an object");
            let key = meta.location.as_ref().trim_start_matches("d/").to_owned();
            out.insert(key, stored.bytes().await.expect("its bytes"));
        }
        out
    })
});
