//! `_metadata.json`: what the dataset is, and its list of chunks.

use std::collections::{HashMap, HashSet};

use genomicframe_core::genome::{Contig, Contigs};
use genomicframe_core::{Error, Result};
use serde::Deserialize;

use super::header::Header;
use super::{Flavour, LegacyChunk, LegacyMetadata, Totals};
use crate::paths::check_key;

const NAME: &str = "_metadata.json";
/// What both programs name the chunk of reads without a place; a contig may have this name too.
const UNMAPPED: &str = "unmapped";
/// Larger metadata is refused before it is parsed.
const LARGEST: usize = 64 << 20;

#[derive(Deserialize)]
struct Version {
    format: Option<String>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    created_by: Option<String>,
    source: Option<Source>,
    statistics: Option<Statistics>,
    chunks: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Source {
    file: Option<String>,
    format: Option<String>,
}

#[derive(Deserialize)]
struct Statistics {
    total_reads: Option<u64>,
    mapped_reads: Option<u64>,
    unmapped_reads: Option<u64>,
    duplicate_reads: Option<u64>,
    total_bases: Option<u64>,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    reference: String,
    start: i64,
    end: i64,
    reads: u64,
    size_bytes: u64,
    checksum: Option<String>,
}

/// `bytes` as JSON of type `T`.
pub(super) fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], name: &str) -> Result<T> {
    if bytes.len() > LARGEST {
        let e = format!("{} bytes of metadata, more than the limit of {LARGEST}", bytes.len());
        return Err(Error::limit(e).in_object(name));
    }
    serde_json::from_slice(bytes).map_err(|e| Error::corrupt("not what BAMS3 writes").in_object(name).caused_by(e))
}

/// The version that a dataset's `_metadata.json` states.
///
/// # Errors
/// When it is not the metadata of a BAMS3 dataset.
pub fn version(metadata_json: &[u8]) -> Result<String> {
    let stated: Version = parse(metadata_json, NAME)?;
    match (stated.format.as_deref(), stated.version) {
        (Some("bams3"), Some(version)) => Ok(version),
        (Some("bams3"), None) => Err(Error::corrupt("no version").in_object(NAME).field("version")),
        (other, _) => {
            let text = other.unwrap_or_default().as_bytes();
            Err(Error::corrupt("not a BAMS3 dataset").in_object(NAME).field("format").text(text))
        }
    }
}

/// Whether a dataset's `_metadata.json` is of a version that this module reads.
pub fn is_legacy(metadata_json: &[u8]) -> bool {
    version(metadata_json).is_ok_and(|v| minor(&v).is_some())
}

/// 1 or 2, of 0.1 and 0.2.
fn minor(version: &str) -> Option<u8> {
    let mut parts = version.split(['.', '-']);
    match (parts.next(), parts.next()) {
        (Some("0"), Some("1")) => Some(1),
        (Some("0"), Some("2")) => Some(2),
        _ => None,
    }
}

/// Reads a dataset's `_metadata.json` and, where there is one, its `_header.json`.
///
/// # Errors
/// When they are not what 0.1 and 0.2 write, or a chunk's path leads out of the dataset.
pub fn parse_metadata(metadata_json: &[u8], header_json: Option<&[u8]>) -> Result<LegacyMetadata> {
    let version = version(metadata_json)?;
    let Some(minor) = minor(&version) else {
        let e = Error::unsupported(format!("BAMS3 {version} is not 0.1 or 0.2"));
        return Err(e.in_object(NAME).field("version"));
    };
    let manifest: Manifest = parse(metadata_json, NAME)?;
    let flavour = flavour(minor, &version, &manifest);
    let mut warnings = Vec::new();
    let header = match header_json {
        Some(bytes) => Header::parse(bytes, &mut warnings)?,
        None => {
            warnings.push("the dataset has no header".to_owned());
            Header::default()
        }
    };
    let Header { text, mut contigs } = header;
    let entries = manifest.chunks.unwrap_or_default();
    let names_from_manifest = contigs.is_empty() && entries.iter().any(|e| !e.is_unplaced());
    if names_from_manifest {
        warnings.push("the header lists no contigs; those of the manifest are used".to_owned());
        contigs = names(&entries);
    }
    let mut chunks = collapse(entries, flavour, &contigs, &mut warnings).map_err(|e| e.in_object(NAME))?;
    chunks.sort_by(|a, b| {
        let key = |c: &LegacyChunk| (c.contig.is_none(), c.contig, c.start);
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
    });
    let totals = manifest.statistics.map_or_else(Totals::default, |s| Totals {
        reads: s.total_reads,
        mapped: s.mapped_reads,
        unmapped: s.unmapped_reads,
        duplicates: s.duplicate_reads,
        bases: s.total_bases,
    });
    let listed = chunks.iter().try_fold(0u64, |sum, c| sum.checked_add(c.rows));
    if totals.reads.is_some() && totals.reads != listed {
        warnings.push("the manifest's chunks have another number of reads than its statistics".to_owned());
    }
    let header_text = text;
    Ok(LegacyMetadata { flavour, version, chunks, contigs, header_text, warnings, totals, names_from_manifest })
}

fn flavour(minor: u8, version: &str, manifest: &Manifest) -> Flavour {
    let creator = manifest.created_by.as_deref().unwrap_or_default();
    let source = manifest.source.as_ref().map(|s| (s.file.as_deref(), s.format.as_deref()));
    let stdin = source == Some((Some("stdin"), Some("SAM/BAM")));
    match (minor, stdin) {
        (1, _) if version.ends_with("poc") || creator.contains("converter.py") => Flavour::PythonJson,
        (1, true) => Flavour::GoJsonStdin,
        (1, false) => Flavour::GoJson,
        (_, true) => Flavour::GoBinaryStdin,
        (_, false) => Flavour::GoBinary,
    }
}

impl Entry {
    fn is_unplaced(&self) -> bool {
        self.reference == UNMAPPED && self.start == 0 && self.end == 0
    }
}

fn names(entries: &[Entry]) -> Contigs {
    let mut contigs = Contigs::default();
    for e in entries.iter().filter(|e| !e.is_unplaced()) {
        if contigs.get(&e.reference).is_none() {
            contigs.push(Contig { name: e.reference.clone(), length: None });
        }
    }
    contigs
}

/// One chunk per path: a stream longer than the writer's buffer listed every object again at each flush.
fn collapse(
    entries: Vec<Entry>,
    flavour: Flavour,
    contigs: &Contigs,
    warnings: &mut Vec<String>,
) -> Result<Vec<LegacyChunk>> {
    let mut chunks: Vec<LegacyChunk> = Vec::new();
    let mut by_path: HashMap<String, usize> = HashMap::new();
    // Lists of one object may be long.
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    let mut repeats = 0u64;
    for (n, entry) in entries.into_iter().enumerate() {
        let chunk = chunk(entry, flavour, contigs).map_err(|e| e.field(format!("chunks[{n}]")))?;
        let Some(&first) = by_path.get(&chunk.path) else {
            by_path.insert(chunk.path.clone(), chunks.len());
            seen.extend(chunk.checksums.iter().map(|checksum| (chunks.len(), checksum.clone())));
            chunks.push(chunk);
            continue;
        };
        let known = &mut chunks[first];
        if (known.contig, known.start, known.end) != (chunk.contig, chunk.start, chunk.end) {
            let e = Error::corrupt("the object is listed for two places").field(format!("chunks[{n}]"));
            return Err(e.text(chunk.path.as_bytes()));
        }
        repeats += 1;
        known.entries += 1;
        if chunk.rows > known.rows {
            (known.rows, known.bytes) = (chunk.rows, chunk.bytes);
        }
        for checksum in chunk.checksums {
            if seen.insert((first, checksum.clone())) {
                known.checksums.push(checksum);
            }
        }
    }
    if repeats > 0 {
        warnings.push(format!("the manifest lists objects again in {repeats} entries; each object is read once"));
    }
    Ok(chunks)
}

fn chunk(entry: Entry, flavour: Flavour, contigs: &Contigs) -> Result<LegacyChunk> {
    // A Go program joins paths as its system does.
    let path = entry.path.replace('\\', "/");
    check_key(&path)?;
    let text = entry.reference.as_bytes();
    let contig = match contigs.get(&entry.reference) {
        _ if entry.is_unplaced() => None,
        Some(id) => Some(id),
        None => return Err(Error::corrupt("a contig that the header does not list").field("reference").text(text)),
    };
    if entry.end < entry.start {
        return Err(Error::corrupt(format!("{} is before the start {}", entry.end, entry.start)).field("end"));
    }
    // Chunks of streams were chosen by positions from 1.
    let shift = i64::from(flavour.is_stdin());
    let bound = |n: i64| u64::try_from(n.saturating_sub(shift)).unwrap_or(0);
    let checksum = entry.checksum.unwrap_or_default().to_ascii_lowercase();
    let checksum = checksum.strip_prefix("sha256:").unwrap_or(&checksum);
    Ok(LegacyChunk {
        path,
        contig,
        start: bound(entry.start),
        end: bound(entry.end),
        rows: entry.reads,
        bytes: entry.size_bytes,
        checksums: if checksum.is_empty() { Vec::new() } else { vec![checksum.to_owned()] },
        entries: 1,
    })
}
