//! What a scan will read: a value, made without reading.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bgzf::VirtualOffset;
use crate::genome::RegionSet;
use crate::index::IndexKind;
use crate::io::{Location, ObjectMeta};

/// Which object of a plan: an index into [`ScanPlan::objects`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub u32);

/// How a segment's bytes become a decoder's input, and where its records end: with the first one that *starts* at or after `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What one task reads: self-contained, serialisable, independent of all other partitions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Partition {
    /// Disjoint, in file order.
    pub segments: Vec<Segment>,
}

impl Partition {
    /// Stored bytes it plans to read.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes.end - s.bytes.start).sum()
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
}

impl fmt::Display for IndexUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used(kind, at) => write!(f, "{kind} {}", at.file_name()),
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
    /// What the user should know: a stale index, a contig taken by its alias.
    pub warnings: Vec<String>,
}

impl ScanPlan {
    /// Stored bytes that the partitions plan to read.
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(Partition::bytes).sum()
    }

    /// Requests that the partitions plan to make.
    pub fn requests(&self) -> u64 {
        let of = |s: &Segment| (s.bytes.end - s.bytes.start).div_ceil(super::feed::READ_BYTES).max(1);
        self.partitions.iter().flat_map(|p| &p.segments).map(of).sum()
    }
}
