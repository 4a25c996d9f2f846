//! Random records, and datasets of them in memory.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::executor::block_on;
use genomicframe_core::genome::{Contig, Contigs};
use genomicframe_core::io::{Location, ObjectIo, RemoteIo};
use genomicframe_core::scan::Limits;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::dataset::{Opened, open_root};
use crate::metadata::Source;
use crate::sort::key;
use crate::source::Records;
use crate::source::testing::block;
use crate::writer::{Cutting, Destination, RecordInput, WriteOptions, Written, write};

pub(crate) const HEADER: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:100000\n@SQ\tSN:HLA-A*01:01\tLN:5000\n\
    @SQ\tSN:empty\tLN:10\n@SQ\tSN:chr3\tLN:100000\n@RG\tID:a\n@RG\tID:b\n@CO\ta\tcomment é\n";

/// The contigs of [`HEADER`].
pub(crate) fn contigs() -> Arc<Contigs> {
    let mut contigs = Contigs::default();
    for (name, length) in [("chr1", 100_000), ("HLA-A*01:01", 5000), ("empty", 10), ("chr3", 100_000)] {
        contigs.push(Contig { name: name.into(), length: Some(length) });
    }
    Arc::new(contigs)
}

/// Numbers that only look random.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A framed record.
#[allow(clippy::too_many_arguments, reason = "a record's fields, in its order")]
pub(crate) fn record(
    place: (i32, i32),
    mate: (i32, i32, i32),
    name: &str,
    (flag, mapq): (u16, u8),
    ops: &[u32],
    bases: &[u8],
    qualities: &[u8],
    tags: &[u8],
) -> Vec<u8> {
    let is_long = ops.len() > 65_535;
    let covered: u32 = ops.iter().filter(|op| matches!(*op & 15, 0 | 2 | 3)).map(|op| op >> 4).sum();
    let stored = if is_long { vec![(bases.len() as u32) << 4 | 4, covered << 4 | 3] } else { ops.to_vec() };
    let mut body = Vec::new();
    body.extend(place.0.to_le_bytes());
    body.extend(place.1.to_le_bytes());
    body.extend([name.len() as u8 + 1, mapq, 0, 0]);
    body.extend((stored.len() as u16).to_le_bytes());
    body.extend(flag.to_le_bytes());
    body.extend((bases.len() as u32).to_le_bytes());
    [mate.0, mate.1, mate.2].iter().for_each(|n| body.extend(n.to_le_bytes()));
    body.extend(name.as_bytes());
    body.push(0);
    stored.iter().for_each(|op| body.extend(op.to_le_bytes()));
    body.extend(bases.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)));
    body.extend(qualities);
    body.extend(tags);
    if is_long {
        body.extend(b"CGBI");
        body.extend((ops.len() as u32).to_le_bytes());
        ops.iter().for_each(|op| body.extend(op.to_le_bytes()));
    }
    [&(body.len() as u32).to_le_bytes()[..], &body].concat()
}

fn tags(random: &mut Random) -> Vec<u8> {
    let mut all: Vec<&[u8]> = vec![
        b"XAAq",
        b"XcC\xff",
        b"Xdc\x80",
        b"XsS\xff\xff",
        b"XtS\x01\x00",
        b"Xus\x00\x80",
        b"XiI\xff\xff\xff\xff",
        b"Xji\x00\x00\x00\x80",
        b"Xff\x00\x00\xc0\x7f",
        b"XzZsome text\0",
        b"XeZ\0",
        b"XhH1AE3\0",
        b"BcBc\x02\0\0\0\x80\x7f",
        b"BSBS\x01\0\0\0\xff\xff",
        b"BfBf\x01\0\0\0\x00\x00\x80\x3f",
        b"BIBI\0\0\0\0",
        b"XgZmore\0",
        b"NMC\x03",
        b"NMi\x03\0\0\0",
        b"MCZ10M\0",
    ];
    let mut out = Vec::new();
    for _ in 0..random.below(6) {
        let at = random.below(all.len());
        out.extend(all.remove(at));
    }
    match random.below(4) {
        0 => out.extend(b"RGZa\0"),
        1 => out.extend(b"RGZb\0"),
        _ => {}
    }
    out
}

fn random_record(random: &mut Random, number: usize) -> Vec<u8> {
    let contig = [0, 0, 1, 3, 3, -1][random.below(6)];
    let most = if contig == 1 { 4500 } else { 90_000 };
    let pos = if contig < 0 || random.one_in(40) { -1 } else { random.below(most) as i32 };
    let is_mapped = pos >= 0 && !random.one_in(10);
    let length = if random.one_in(12) { 0 } else { 1 + random.below(60) };
    let ops: Vec<u32> = match (is_mapped, random.below(4)) {
        (false, _) => Vec::new(),
        (_, _) if length < 3 => vec![(length.max(1) as u32) << 4],
        (_, 0) => vec![1 << 4 | 4, (length as u32 - 1) << 4],
        (_, 1) => vec![2 << 4, 2000 << 4 | 3, (length as u32 - 2) << 4],
        (_, 2) => vec![1 << 4, 1 << 4 | 1, 3 << 4 | 2, (length as u32 - 2) << 4, 5 << 4 | 5],
        _ => vec![(length as u32) << 4],
    };
    let bases: Vec<u8> = (0..length).map(|_| if random.one_in(20) { 15 } else { 1 << random.below(4) }).collect();
    let qualities: Vec<u8> = match random.one_in(6) {
        true => vec![0xff; length],
        false => (0..length).map(|_| [2, 11, 25, 37, 93][random.below(5)]).collect(),
    };
    let mate = match random.below(3) {
        0 => (-1, -1, 0),
        1 => (contig, (pos + 100).max(0), 150),
        _ => (3, random.below(90_000) as i32, -(random.below(1000) as i32)),
    };
    let mut flag = [0, 16, 99, 147, 83, 163, 1024, 2048][random.below(8)];
    flag |= u16::from(!is_mapped) << 2;
    let name = match random.below(4) {
        0 => "*".to_owned(),
        1 => format!("r{}", random.below(number + 1)),
        _ => format!("run:7:{}:{}", number / 10, random.below(5000)),
    };
    let mapq = [0, 1, 9, 30, 60, 255][random.below(6)];
    record((contig, pos), mate, &name, (flag, mapq), &ops, &bases, &qualities, &tags(random))
}

/// Framed records in coordinate order.
pub(crate) fn records(seed: u64, n: usize) -> Vec<Vec<u8>> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut all: Vec<Vec<u8>> = (0..n).map(|i| random_record(&mut random, i)).collect();
    all.sort_by_key(|r| key(&r[4..]));
    all
}

/// Records as a writer takes them, in blocks of 37.
pub(crate) fn input(records: &[Vec<u8>]) -> RecordInput {
    let mut blocks: Vec<Records> = records.chunks(37).map(block).collect();
    blocks.reverse();
    RecordInput {
        header_text: HEADER.into(),
        contigs: contigs(),
        source: Source { name: "x.bam".into(), bytes: Some(records.len() as u64), sorted: false },
        modified: Some(7),
        blocks: Box::new(move || Ok(blocks.pop())),
    }
}

/// Small row groups, some to a chunk.
pub(crate) fn options() -> WriteOptions {
    let cutting = Cutting { group_rows: 40, chunk_rows: Some(100), ..Cutting::default() };
    WriteOptions { cutting, threads: 2, ..WriteOptions::default() }
}

/// Where datasets of tests lie.
pub(crate) fn place() -> Location {
    Location::parse("mem://test/x.bams3").unwrap()
}

/// The same for a writer.
pub(crate) fn destination(store: Arc<dyn ObjectStore>) -> Destination {
    Destination::new(store, Key::from("x.bams3"), "mem://test/x.bams3")
}

/// Reads `store`.
pub(crate) fn io(store: &Arc<InMemory>) -> Arc<dyn ObjectIo> {
    let store = Arc::clone(store);
    Arc::new(RemoteIo::new(move |_| Ok(Arc::clone(&store) as Arc<dyn ObjectStore>)))
}

/// A dataset of `records`.
pub(crate) fn made(records: &[Vec<u8>], options: &WriteOptions) -> (Arc<InMemory>, Written) {
    let store = Arc::new(InMemory::new());
    let to = destination(Arc::clone(&store) as Arc<dyn ObjectStore>);
    let written = block_on(write(input(records), &to, options, Arc::default())).unwrap();
    (store, written)
}

/// Opens it.
pub(crate) fn opened(store: &Arc<InMemory>) -> genomicframe_core::Result<Arc<Opened>> {
    let io = io(store);
    block_on(async {
        let root = open_root(&place(), &*io).await?;
        Opened::open(&place(), &root, &*io, &Limits::default()).await.map(Arc::new)
    })
}

/// All objects, by key below the dataset's prefix.
pub(crate) fn objects(store: &InMemory) -> Vec<(String, Bytes)> {
    let listed: Vec<_> = block_on(store.list(None).try_collect()).unwrap();
    let get = |key: &Key| block_on(async { store.get(key).await.unwrap().bytes().await.unwrap() });
    let own = |key: &Key| key.as_ref().strip_prefix("x.bams3/").unwrap().to_owned();
    let mut all: Vec<_> =
        listed.iter().map(|m: &object_store::ObjectMeta| (own(&m.location), get(&m.location))).collect();
    all.sort();
    all
}

/// Replaces an object.
pub(crate) fn put(store: &InMemory, key: &str, bytes: impl Into<Bytes>) {
    let key = Key::parse(format!("x.bams3/{key}")).unwrap();
    block_on(store.put(&key, bytes.into().into())).unwrap();
}

/// Removes an object.
pub(crate) fn delete(store: &InMemory, key: &str) {
    block_on(store.delete(&Key::parse(format!("x.bams3/{key}")).unwrap())).unwrap();
}
