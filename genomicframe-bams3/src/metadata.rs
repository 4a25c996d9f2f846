//! The root of a dataset, `_metadata.json`: written last, it is the commit (specification §2).

use std::collections::BTreeMap;

use genomicframe_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::chunk::{DatasetId, VERSION, hex, sha256};
use crate::index::GroupStats;

/// Key of the root below the dataset's prefix.
pub const ROOT: &str = "_metadata.json";
/// Key of the SAM header.
pub const HEADER: &str = "_header.sam";
/// Key of the index, where it is one object.
pub const INDEX: &str = "_index/chunks.arrow";
/// Most bytes of a root.
pub const MOST_BYTES: u64 = 64 << 20;

/// What the root says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// `bams3`.
    pub format: String,
    /// `major.minor`. Readers refuse another major; a later minor adds only what may be ignored.
    pub version: String,
    /// 32 hexadecimal digits.
    pub dataset: String,
    /// Program and version.
    pub created_by: String,
    /// What it was made from.
    pub source: Source,
    /// Features that a reader must know; one that it does not is refused.
    #[serde(default)]
    pub requires: Vec<String>,
    /// How it was cut and compressed.
    pub layout: Layout,
    /// The SAM header, byte for byte.
    pub header: ObjectRef,
    /// The same for people, as JSON.
    pub header_json: ObjectRef,
    /// Index objects, in the order of their chunks.
    pub index: Vec<IndexPart>,
    /// The Bloom filter of read names, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qname_index: Option<ObjectRef>,
    /// Columns that pages hold.
    pub columns: Vec<ColumnTotals>,
    /// What is known of all rows.
    pub totals: Totals,
}

/// What a dataset was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File name, without its folders.
    pub name: String,
    /// Its size, where it has one.
    pub bytes: Option<u64>,
    /// Whether the writer put its records in coordinate order.
    pub sorted: bool,
}

/// How a dataset was cut and compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// `fast`, `default`, `small`, or zstd's level.
    pub level: String,
    /// Most rows of a row group.
    pub group_rows: u32,
    /// Rows after which a chunk ends.
    pub chunk_rows: Option<u64>,
    /// Bytes after which a chunk ends.
    pub chunk_bytes: u64,
    /// Positions of which each chunk holds one window.
    pub window: Option<u64>,
}

/// An object and its checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Key below the dataset's prefix.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
}

impl ObjectRef {
    /// Of an object with these bytes.
    pub fn of(path: impl Into<String>, bytes: &[u8]) -> Self {
        Self { path: path.into(), bytes: bytes.len() as u64, sha256: hex(&sha256(bytes)) }
    }

    /// That `bytes` are the object's.
    ///
    /// # Errors
    /// When size or checksum differ.
    pub fn check(&self, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 != self.bytes {
            return Err(Error::corrupt(format!("it has {} bytes where the root says {}", bytes.len(), self.bytes)));
        }
        if hex(&sha256(bytes)) != self.sha256 {
            return Err(Error::corrupt("its SHA-256 is not the one that the root says"));
        }
        Ok(())
    }
}

/// An index object, and what it covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexPart {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Its chunks.
    pub chunks: u64,
    /// Their row groups.
    pub groups: u64,
    /// Their rows, and where they lie.
    pub stats: GroupStats,
}

/// A column of the dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnTotals {
    /// Its number.
    pub id: u32,
    /// Its name, for people.
    pub name: String,
    /// Row groups that have a page of it.
    pub pages: u64,
    /// Stored bytes of its pages.
    pub bytes: u64,
}

/// What is known of all rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Chunks.
    pub chunks: u64,
    /// Row groups.
    pub groups: u64,
    /// Bytes of all chunks.
    pub bytes: u64,
    /// Rows, and their ranges.
    pub stats: Option<GroupStats>,
    /// Counts of other kinds.
    #[serde(flatten)]
    pub tally: Tally,
}

/// Counts that add up over chunks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Bases of all rows.
    pub bases: u64,
    /// Rows per contig number; -1 for none.
    #[serde(deserialize_with = "by_number")]
    pub contigs: BTreeMap<i32, u64>,
    /// Rows per SAM flag.
    #[serde(deserialize_with = "by_number")]
    pub flags: BTreeMap<u16, u64>,
}

/// JSON's keys are texts, and those of a flattened member stay texts: numbers are made of them here.
fn by_number<'de, K, D>(from: D) -> std::result::Result<BTreeMap<K, u64>, D::Error>
where
    K: Ord + std::str::FromStr,
    D: serde::Deserializer<'de>,
{
    let texts = BTreeMap::<String, u64>::deserialize(from)?;
    let number = |text: String| text.parse().map_err(|_| serde::de::Error::custom(format!("{text} is no number")));
    texts.into_iter().map(|(key, rows)| Ok((number(key)?, rows))).collect()
}

impl Tally {
    /// Adds `other`.
    pub fn merge(&mut self, other: &Self) {
        self.bases += other.bases;
        for (contig, rows) in &other.contigs {
            *self.contigs.entry(*contig).or_default() += rows;
        }
        for (flag, rows) in &other.flags {
            *self.flags.entry(*flag).or_default() += rows;
        }
    }
}

const CHECKSUM: &str = "\"checksum\":\"";
const DIGITS: usize = 64;

impl Metadata {
    /// Its bytes: a JSON object whose last member, `checksum`, is the SHA-256 of all bytes with those 64 digits as zeros.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_string(self).map_err(|e| Error::invalid("the root is no JSON").caused_by(e))?;
        text.pop();
        text.push_str(&format!(",{CHECKSUM}{}\"}}\n", "0".repeat(DIGITS)));
        let sum = hex(&sha256(text.as_bytes()));
        let at = text.len() - DIGITS - 3;
        text.replace_range(at..at + DIGITS, &sum);
        Ok(text.into_bytes())
    }

    /// Reads a root.
    ///
    /// # Errors
    /// When it is damaged, of another format, of a later version, or has a path that leaves the dataset.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|e| Error::corrupt("not UTF-8").caused_by(e))?;
        let version: VersionOnly =
            serde_json::from_str(text).map_err(|e| Error::corrupt("no JSON root").caused_by(e))?;
        if version.format != "bams3" {
            return Err(Error::corrupt("its format is not bams3").field("format").text(version.format.as_bytes()));
        }
        let major = version.version.split('.').next().and_then(|m| m.parse::<u16>().ok());
        if major != Some(VERSION.0) {
            return Err(Error::unsupported(format!(
                "a dataset of BAMS3 {}; this version reads {}.x",
                version.version, VERSION.0
            ))
            .hint("a newer program wrote it: use that or a later one"));
        }
        // Checked on the bytes, so that nothing that JSON overlooks can change unseen.
        let tail = text
            .len()
            .checked_sub(DIGITS + 3)
            .filter(|at| text.get(at - CHECKSUM.len().min(*at)..*at) == Some(CHECKSUM));
        let at = tail.ok_or_else(|| Error::corrupt("it does not end with its checksum: cut short?"))?;
        let zeroed = [&bytes[..at], "0".repeat(DIGITS).as_bytes(), &bytes[at + DIGITS..]].concat();
        if text.get(at..at + DIGITS) != Some(hex(&sha256(&zeroed)).as_str()) || &text[at + DIGITS..] != "\"}\n" {
            return Err(Error::corrupt("its checksum differs"));
        }
        let root: Self =
            serde_json::from_str(text).map_err(|e| Error::corrupt("a root without what belongs in it").caused_by(e))?;
        if let Some(unknown) = root.requires.first() {
            return Err(Error::unsupported(format!("it requires {unknown}, which this version does not know")));
        }
        let objects =
            root.index.iter().map(|p| &p.object).chain([&root.header, &root.header_json]).chain(&root.qname_index);
        for object in objects {
            crate::paths::check_key(&object.path)?;
        }
        Ok(root)
    }

    /// Its dataset's id.
    ///
    /// # Errors
    /// When it is not 32 hexadecimal digits.
    pub fn id(&self) -> Result<DatasetId> {
        let byte = |i: usize| self.dataset.get(2 * i..2 * i + 2).and_then(|d| u8::from_str_radix(d, 16).ok());
        let bytes: Option<Vec<u8>> = (0..16).map(byte).collect();
        let id = bytes.filter(|_| self.dataset.len() == 32).and_then(|b| b.try_into().ok());
        id.map(DatasetId).ok_or_else(|| Error::corrupt("not 32 hexadecimal digits").field("dataset"))
    }
}

#[derive(Deserialize)]
struct VersionOnly {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Metadata {
        let object = ObjectRef::of("_header.sam", b"@HD\tVN:1.6\n");
        Metadata {
            format: "bams3".into(),
            version: "1.0".into(),
            dataset: "0123456789abcdef0123456789abcdef".into(),
            created_by: "a test".into(),
            source: Source { name: "x.bam".into(), bytes: Some(7), sorted: false },
            requires: Vec::new(),
            layout: Layout { level: "default".into(), group_rows: 16, chunk_rows: None, chunk_bytes: 1, window: None },
            header: object.clone(),
            header_json: object.clone(),
            index: vec![IndexPart { object, chunks: 1, groups: 1, stats: GroupStats::new(1) }],
            qname_index: None,
            columns: Vec::new(),
            totals: Totals {
                stats: Some(GroupStats::new(0)),
                tally: Tally { bases: 9, contigs: [(-1, 3), (7, 2)].into(), flags: [(4, 3), (1040, 2)].into() },
                ..Totals::default()
            },
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_told() {
        let bytes = root().to_bytes().unwrap();
        assert_eq!(Metadata::parse(&bytes).unwrap(), root());
        for bit in 0..8 * bytes.len() {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert!(Metadata::parse(&broken).is_err(), "bit {bit}");
        }
        for cut in 0..bytes.len() {
            assert!(Metadata::parse(&bytes[..cut]).is_err(), "cut {cut}");
        }
    }

    #[test]
    fn what_this_version_cannot_read_is_named() {
        let error = |change: fn(&mut Metadata)| {
            let mut root = root();
            change(&mut root);
            Metadata::parse(&root.to_bytes().unwrap()).unwrap_err()
        };
        assert!(
            error(|r| r.version = "2.0".into()).to_string().contains("a dataset of BAMS3 2.0; this version reads 1.x")
        );
        assert!(
            error(|r| r.requires = vec!["columns-of-gold".into()]).to_string().contains("requires columns-of-gold")
        );
        for bad in ["../x", "/etc/passwd", "file:///x", "data/%2e%2e/x", "a\\..\\b"] {
            let mut root = root();
            root.index[0].object.path = bad.into();
            assert!(Metadata::parse(&root.to_bytes().unwrap()).is_err(), "{bad}");
        }
    }
}
