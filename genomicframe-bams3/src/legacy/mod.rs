//! Datasets of BAMS3 0.1 (JSON, by two programs) and 0.2 (binary rows), read only.
//!
//! | file | what it holds |
//! |---|---|
//! | `metadata`, `header` | `_metadata.json` and `_header.json` |
//! | `chunk` | a chunk's bytes: compression, checksum, which records they hold |
//! | `binary`, `json` | the records of 0.2 and 0.1 |
//! | `tags` | tags get their types back |
//! | `row` | a record as BAM has it, and the order of records |
//! | `open` | a dataset's storage, and how far the chunks read so far reach |
//! | `dataset`, `decode` | the format as scans see it: planning, decoding |
//! | `upgrade` | the records as the writer takes them |
//!
//! What those programs dropped stays absent: see [`LegacyMetadata::absent_columns`].

mod binary;
mod chunk;
mod dataset;
mod decode;
mod header;
mod json;
mod metadata;
mod open;
mod row;
mod tags;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::BTreeMap;

use genomicframe_core::genome::Contigs;
use genomicframe_core::scan::Warnings;

pub use chunk::decode_chunk;
pub use dataset::LegacyDataset;
pub use metadata::{is_legacy, parse_metadata, version};
pub use upgrade::LegacySource;

/// Columns that no older dataset stores: the records' bytes have no mate and a template length of 0.
pub const ABSENT: [&str; 3] = ["rnext", "pnext", "tlen"];

/// Which program wrote a dataset, and from what: it decides what the same bytes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// 0.1, `bams3_converter.py`.
    PythonJson,
    /// 0.1, `bams3-go` from a file.
    GoJson,
    /// 0.1, `bams3-go` from a stream: positions count from 1.
    GoJsonStdin,
    /// 0.2, `bams3-go` from a file.
    GoBinary,
    /// 0.2, `bams3-go` from a stream: positions count from 1, and there is no CIGAR.
    GoBinaryStdin,
}

impl Flavour {
    /// Whether stored positions count from 1.
    pub fn is_stdin(self) -> bool {
        matches!(self, Self::GoJsonStdin | Self::GoBinaryStdin)
    }
}

/// An older dataset's metadata and header.
#[derive(Debug, Clone)]
pub struct LegacyMetadata {
    /// Who wrote it.
    pub flavour: Flavour,
    /// As stored: `0.1.0-poc`, `0.1.0`, `0.2.0`.
    pub version: String,
    /// One per object, sorted by contig and start, unplaced reads last.
    pub chunks: Vec<LegacyChunk>,
    /// Of the header, or, where that has none, those that the manifest names.
    pub contigs: Contigs,
    /// The SAM header, rebuilt.
    pub header_text: String,
    /// What was read leniently.
    pub warnings: Vec<String>,
    /// What the writer counted.
    pub totals: Totals,
    /// `contigs` are the manifest's, so that the numbers in records say nothing.
    names_from_manifest: bool,
}

impl LegacyMetadata {
    /// Columns that the dataset does not store; they are null.
    pub fn absent_columns(&self) -> Vec<&'static str> {
        let more = match self.flavour {
            Flavour::PythonJson => Some("tags"),
            Flavour::GoBinaryStdin => Some("cigar"),
            _ => None,
        };
        ABSENT.into_iter().chain(more).collect()
    }
}

/// Counts as stored. `mapped` and `unmapped` go by the flag in one program, by the contig in the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records.
    pub reads: Option<u64>,
    /// Mapped ones.
    pub mapped: Option<u64>,
    /// Unmapped ones.
    pub unmapped: Option<u64>,
    /// Records with the flag for duplicates.
    pub duplicates: Option<u64>,
    /// Bases of all records.
    pub bases: Option<u64>,
}

/// An object of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyChunk {
    /// Its key within the dataset.
    pub path: String,
    /// The contig its records lie on; `None`: they have no position, though the Python program's may name a contig.
    pub contig: Option<usize>,
    /// Its records start here or later, 0-based.
    pub start: u64,
    /// Its records start before this, 0-based. Nothing says how far they reach.
    pub end: u64,
    /// Records, as the manifest says. Where it lists the object several times, the most it says.
    pub rows: u64,
    /// Stored bytes, as the manifest says.
    pub bytes: u64,
    /// One per entry of the manifest, without repeats: SHA-256 in lower-case hexadecimal digits.
    pub checksums: Vec<String>,
    /// How many entries of the manifest name the object.
    pub entries: u64,
}

/// What a chunk's records were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChunkSummary {
    /// How many.
    pub rows: u64,
    /// Per contig how far they reach, 0-based and exclusive. Where no CIGAR is stored, as if all bases were aligned.
    pub max_end: BTreeMap<usize, u64>,
    /// What was read leniently.
    pub warnings: Warnings,
}
