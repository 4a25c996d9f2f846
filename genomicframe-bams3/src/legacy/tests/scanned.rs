//! Datasets in memory, scanned, and what a scan should give.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use futures::executor::block_on;
use genomicframe_core::Result;
use genomicframe_core::genome::{Region, RegionSet};
use genomicframe_core::io::{Location, MemoryIo, ObjectIo};
use genomicframe_core::scan::{Format, OpenOptions, ScanMetrics, ScanPlan, ScanRequest, drive};

use super::super::*;
use super::build::*;
use super::flavours::expected;
use crate::Bams3;

pub(super) type Opened = Arc<dyn genomicframe_core::scan::Dataset>;

pub(super) fn place() -> Location {
    Location::parse("memory:///a.bams3").unwrap()
}

/// The dataset's objects.
pub(super) fn store(dataset: &Dataset) -> Arc<MemoryIo> {
    let io = MemoryIo::default();
    io.put(&place().join("_metadata.json"), dataset.metadata.to_string());
    io.put(&place().join("_header.json"), dataset.header.to_string());
    for (path, bytes) in &dataset.objects {
        io.put(&place().join(path), bytes.clone());
    }
    Arc::new(io)
}

pub(super) fn open(io: &Arc<MemoryIo>, options: &OpenOptions) -> Result<Opened> {
    block_on(Bams3.open(&place(), &**io, options))
}

/// What a scan gave.
pub(super) struct Scanned {
    pub(super) plan: ScanPlan,
    pub(super) batches: Vec<RecordBatch>,
    pub(super) metrics: Arc<ScanMetrics>,
}

impl Scanned {
    pub(super) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// SAM lines, each after the row's `end`, in some order.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut out = vec![];
        for batch in &self.batches {
            let mut text = vec![];
            Bams3.encode(batch, &mut text).unwrap();
            let end = batch.column_by_name("end").unwrap().as_primitive::<Int64Type>();
            let end = |i: usize| if end.is_null(i) { "none".to_owned() } else { end.value(i).to_string() };
            out.extend(String::from_utf8(text).unwrap().lines().enumerate().map(|(i, l)| format!("{} {l}", end(i))));
        }
        out.sort();
        out
    }
}

pub(super) fn scan(dataset: &Opened, io: Arc<dyn ObjectIo>, shape: impl FnOnce(&mut ScanRequest)) -> Result<Scanned> {
    let mut request = ScanRequest::all((0..dataset.schema().fields().len()).collect());
    shape(&mut request);
    if dataset.needs_index() || request.regions.is_some() {
        block_on(dataset.load_index(&*io, request.regions.as_deref()))?;
    }
    let plan = dataset.plan(&request)?;
    let (metrics, mut batches) = (Arc::new(ScanMetrics::default()), vec![]);
    for partition in &plan.partitions {
        let decoder = dataset.decoder(&request, partition)?;
        let objects = Arc::clone(&plan.objects);
        let stream = drive(Arc::clone(&io), objects, partition.clone(), decoder, Arc::clone(&metrics));
        batches.extend(block_on(stream.try_collect::<Vec<_>>())?);
    }
    assert!(batches.iter().all(|b| b.num_rows() <= request.batch_size && b.num_rows() > 0));
    Ok(Scanned { plan, batches, metrics })
}

/// The last base, from 1, as a dataset of this flavour tells it.
pub(super) fn end(read: &Read, flavour: Flavour) -> Option<i64> {
    let read = expected(read, flavour);
    if read.pos < 0 {
        return None;
    }
    let aligned: u32 = read.ops().iter().filter(|(_, op)| matches!(op, 0 | 2 | 3 | 7 | 8)).map(|(n, _)| n).sum();
    let span = match flavour {
        _ if read.flag & 4 != 0 => 1,
        Flavour::GoBinaryStdin if read.seq != "*" => read.seq.len() as i64,
        _ => i64::from(aligned),
    };
    Some(read.pos + span.max(1))
}

/// As [`Scanned::lines`] of a dataset of `reads`.
pub(super) fn lines<'a>(reads: impl IntoIterator<Item = &'a Read>, flavour: Flavour) -> Vec<String> {
    let line = |read: &Read| {
        let end = end(read, flavour).map_or("none".to_owned(), |end| end.to_string());
        let r = expected(read, flavour);
        let contig = usize::try_from(r.contig).map_or("*", |id| CONTIGS[id]);
        let (flag, pos, mapq) = (r.flag, r.pos + 1, r.mapq);
        let fixed =
            format!("{end} {}\t{flag}\t{contig}\t{pos}\t{mapq}\t{}\t*\t0\t0\t{}\t{}", r.name, r.cigar, r.seq, r.qual);
        r.tags.iter().fold(fixed, |line, (key, kind, text)| format!("{line}\t{key}:{kind}:{text}"))
    };
    let mut out: Vec<String> = reads.into_iter().map(line).collect();
    out.sort();
    out
}

/// A place to ask for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    Span(usize, i64, i64),
    Contig(usize),
    Unplaced,
}

impl Asked {
    pub(super) fn regions(self) -> Arc<RegionSet> {
        let text = match self {
            Self::Span(contig, start, end) => format!("{}:{start}-{end}", CONTIGS[contig]),
            Self::Contig(contig) => CONTIGS[contig].to_owned(),
            Self::Unplaced => "*".to_owned(),
        };
        Arc::new([Region::parse(&text, |c| CONTIGS.contains(&c)).unwrap()].into_iter().collect())
    }

    pub(super) fn holds(self, read: &Read, flavour: Flavour) -> bool {
        match self {
            Self::Unplaced => read.contig < 0,
            Self::Contig(contig) => read.contig == contig as i32,
            Self::Span(contig, start, last) => {
                read.contig == contig as i32 && end(read, flavour).is_some_and(|end| end >= start && read.pos < last)
            }
        }
    }
}

/// Numbers that look random and are the same in every run (xorshift).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as i64 % n
    }

    /// Reads over several chunks, some across borders, some over whole chunks, some without a place.
    pub(super) fn reads(&mut self, n: usize) -> Vec<Read> {
        let read = |i| {
            let (contig, mut pos) = (self.below(3) as i32, self.below(4_900_000));
            if self.below(3) == 0 {
                pos = (pos >> 20 << 20) + (1 << 20) - 3 + self.below(6);
            }
            let (name, tag) = (format!("r{i}"), self.below(100).to_string());
            let skip = 1 + self.below(3_000_000);
            let read = |cigar: &str| Read::new(&name, contig, pos, cigar, "ACGTACGTAC", "IIIIIHHHHH");
            match self.below(12) {
                0 => read(&format!("5M{skip}N5M")),
                1 => read("2S4M7D4M").flag(16).tag("NM", 'i', &tag),
                2 => read("*").flag(4),
                3 => Read::new(&name, -1, -1, "*", "ACGT", "IIII"),
                _ => read("10M").tag("NM", 'i', &tag),
            }
        };
        (0..n).map(read).collect()
    }
}
