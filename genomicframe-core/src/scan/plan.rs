//! What a scan will read: a value, made without reading.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bgzf::VirtualOffset;
use crate::genome::RegionSet;
use crate::index::IndexKind;
use crate::io::{Location, ObjectMeta, Requests};

/// Which object of a plan: an index into [`ScanPlan::objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u32);

/// How a segment's bytes become a decoder's input, and where its records end: with the first one that *starts* at or after `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// As they are.
    Raw {
        /// Offset of the first byte.
        start: u64,
        /// Offset from which records belong to the next segment.
        stop: u64,
        /// Whether `start` may lie within a line, which belongs to the segment before.
        mid_line: bool,
    },
    /// A gzip file of one or several members, always whole.
    Gzip,
    /// BGZF blocks.
    Bgzf {
        /// The first record's start.
        start: VirtualOffset,
        /// Where records belong to the next segment.
        stop: VirtualOffset,
    },
    /// Pages of row groups, which the decoder asks for by [`Step::Need`](super::Step::Need).
    Pages {
        /// Number of the chunk in its dataset.
        chunk: u64,
        /// First row group.
        first: u32,
        /// Row groups.
        groups: u32,
        /// Stored bytes of the pages that may be asked for, and of the gaps between them that are read over.
        bytes: u64,
        /// Ranges that they make.
        requests: u32,
    },
    /// Rows that the plan itself has counted: nothing is read for them.
    Counted {
        /// How many.
        rows: u64,
        /// The contig of all of them, where that is a column; null when they have none.
        contig: Option<Arc<str>>,
    },
}

/// A stretch of one object, read in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Which object.
    pub object: ObjectId,
    /// Its stored bytes, as planned. The last record may reach further.
    pub bytes: Range<u64>,
    /// How they are read.
    pub framing: Framing,
    /// Whether another partition begins where this segment stops: then a record must begin there, which is checked when the
    /// last one ends.
    pub joined: bool,
    /// Of records sorted by place, the last one that can be wanted: what starts after it ends the segment.
    pub until: Option<Until>,
}

/// A place after which no record of a segment is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Until {
    /// The contig's name, as the file has it. Records of other contigs say nothing.
    pub contig: String,
    /// The last position, 1-based.
    pub position: i64,
}

/// What one task reads: self-contained, serialisable, independent of all other partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Partition {
    /// Disjoint, in file order.
    pub segments: Vec<Segment>,
}

impl Segment {
    /// Read to its stop, where nobody else begins.
    pub fn new(object: ObjectId, bytes: Range<u64>, framing: Framing) -> Self {
        Self { object, bytes, framing, joined: false, until: None }
    }

    /// Rows that the plan has counted. A segment names an object, though nothing is read of it.
    pub fn counted(rows: u64, contig: Option<Arc<str>>) -> Self {
        Self::new(ObjectId(0), 0..0, Framing::Counted { rows, contig })
    }

    /// Whether it is read as it lies, from its first byte on.
    pub(super) fn is_stretch(&self) -> bool {
        matches!(self.framing, Framing::Raw { .. } | Framing::Gzip | Framing::Bgzf { .. })
    }

    /// Stored bytes it holds.
    fn held_bytes(&self) -> u64 {
        match self.framing {
            Framing::Pages { bytes, .. } => bytes,
            Framing::Counted { .. } => 0,
            _ => self.bytes.end - self.bytes.start,
        }
    }
}

impl Partition {
    /// Stored bytes of its segments: how large it is beside others.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::held_bytes).sum()
    }

    /// Stored bytes and requests that it plans to read from such a storage.
    pub fn reads(&self, requests: Requests) -> (u64, u64) {
        let (mut bytes, mut number, mut rest) = (0, 0, &self.segments[..]);
        while let [first, after @ ..] = rest {
            rest = after;
            match first.framing {
                Framing::Pages { bytes: of_pages, requests, .. } => {
                    bytes += of_pages;
                    number += u64::from(requests);
                }
                Framing::Counted { .. } => {}
                _ => {
                    let (run, segments) = run(first, after, requests.gap);
                    bytes += run.end - run.start;
                    number += (run.end - run.start).div_ceil(requests.largest).max(1);
                    rest = after.get(segments..).unwrap_or_default();
                }
            }
        }
        (bytes, number)
    }
}

/// The stored bytes of those of `segments` that follow one another in the first one's object, without gaps worth a request.
pub(super) fn runs(segments: &[Segment], gap: u64) -> Vec<Range<u64>> {
    let mut runs = Vec::new();
    let mut rest = segments;
    while let [first, after @ ..] = rest {
        if !first.is_stretch() || first.object != segments[0].object {
            break;
        }
        let (bytes, followers) = run(first, after, gap);
        runs.push(bytes);
        rest = after.get(followers..).unwrap_or_default();
    }
    runs
}

/// The stored bytes that `first` and those that follow it make without a gap that is worth a request, and how many follow.
fn run(first: &Segment, after: &[Segment], gap: u64) -> (Range<u64>, usize) {
    let mut run = first.bytes.clone();
    let mut followers = 0;
    for next in after {
        if !next.is_stretch() || next.object != first.object || next.bytes.start > run.end.saturating_add(gap) {
            break;
        }
        run.end = run.end.max(next.bytes.end);
        followers += 1;
    }
    (run, followers)
}

/// How much of a dataset a plan leaves out by its statistics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruning {
    /// Units of one kind (`chunks`, `row groups`): how many there are, and how many are read.
    pub units: Vec<(&'static str, u64, u64)>,
    /// Why units of the last kind are left out, and how many for each reason.
    pub reasons: Vec<(String, u64)>,
}

impl fmt::Display for Pruning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (unit, all, read)) in self.units.iter().enumerate() {
            write!(f, "{}{unit}={read} of {all}", if i > 0 { " " } else { "" })?;
        }
        let mut separator = " (";
        for (reason, times) in self.reasons.iter().filter(|(_, times)| *times > 0) {
            write!(f, "{separator}{times} {reason}")?;
            separator = ", ";
        }
        if separator == ", " { f.write_str(")") } else { Ok(()) }
    }
}

/// Whether an index narrows the scan, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexUse {
    /// This one does.
    Used(IndexKind, Location),
    /// Nothing asks for it.
    NotNeeded,
    /// It cannot, for this reason: the whole file is read.
    Missing(String),
    /// The dataset's own statistics do.
    Statistics,
}

impl fmt::Display for IndexUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used(kind, at) => write!(f, "{kind} {}", at.file_name()),
            Self::Statistics => f.write_str("statistics"),
            Self::NotNeeded => f.write_str("not needed"),
            Self::Missing(why) => write!(f, "none: {why}"),
        }
    }
}

/// What a scan of one dataset will read.
#[derive(Debug, Clone)]
pub struct ScanPlan {
    /// The objects that the partitions refer to.
    pub objects: Arc<[ObjectMeta]>,
    /// What each task reads. None at all when no row can match.
    pub partitions: Vec<Partition>,
    /// Whether an index narrows the scan.
    pub index: IndexUse,
    /// The regions it is narrowed to, with this file's contig names.
    pub regions: Option<Arc<RegionSet>>,
    /// What statistics leave out, where a dataset has them.
    pub pruning: Option<Pruning>,
    /// What the user should know: a stale index, a contig taken by its alias.
    pub warnings: Vec<String>,
}

impl ScanPlan {
    /// Stored bytes of the partitions' segments, without what lies between them.
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(Partition::bytes).sum()
    }

    /// Stored bytes and requests that the partitions plan to read from such a storage.
    pub fn reads(&self, requests: Requests) -> (u64, u64) {
        let all = self.partitions.iter().map(|p| p.reads(requests));
        all.fold((0, 0), |(bytes, number), (b, n)| (bytes + b, number + n))
    }
}
