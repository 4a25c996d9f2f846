//! Header, index and, last of all, the root.

use std::collections::BTreeMap;

use bytes::Bytes;
use genomicframe_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::destination::{Destination, Existing};
use super::resume::Done;
use crate::bloom;
use crate::chunk::{DatasetId, VERSION};
use crate::index::{ChunkEntry, GroupStats, encode, merged};
use crate::metadata::{
    ColumnTotals, HEADER, INDEX, IndexPart, Layout, Metadata, ObjectRef, ROOT, Source, Tally, Totals,
};

/// Row groups after which an index object ends: opening a dataset of any size for one region reads a few MB.
const PART_GROUPS: usize = 4096;

pub(super) async fn commit(
    to: &Destination,
    old: Option<&Existing>,
    header_text: &str,
    dataset: DatasetId,
    source: Source,
    layout: Layout,
    all: Vec<Done>,
) -> Result<Metadata> {
    let header = header_text.as_bytes().to_vec();
    let header_ref = put(to, HEADER, header).await?;
    let people =
        serde_json::to_vec_pretty(&header_json(header_text)).map_err(|e| Error::invalid("no JSON").caused_by(e))?;
    let people_ref = put(to, "_header.json", people).await?;

    let mut tally = Tally::default();
    let mut columns: BTreeMap<u32, ColumnTotals> = BTreeMap::new();
    for done in &all {
        tally.merge(&done.tally);
        for page in done.entry.groups.iter().flat_map(|g| &g.pages) {
            let (id, name) = (page.column.0, page.column.name());
            let column = columns.entry(id).or_insert(ColumnTotals { id, name, pages: 0, bytes: 0 });
            column.pages += 1;
            column.bytes += u64::from(page.bytes);
        }
    }
    let filters: Vec<Vec<u64>> = all.iter().flat_map(|d| d.filters.iter().cloned()).collect();
    let mut qname_index = None;
    if !filters.is_empty() {
        qname_index = Some(put(to, "_index/qname.bloom", bloom::encode(&filters)).await?);
    }
    let entries: Vec<ChunkEntry> = all.into_iter().map(|d| d.entry).collect();
    let mut index = Vec::new();
    for part in parts(&entries) {
        let bytes = encode(part)?;
        let is_only = part.len() == entries.len();
        let key = if is_only { INDEX.to_owned() } else { format!("_index/chunks-{:06}.arrow", index.len()) };
        let object = put(to, &key, bytes).await?;
        let groups = part.iter().map(|c| c.groups.len() as u64).sum();
        let stats = merged(part).unwrap_or_else(|| GroupStats::new(0));
        index.push(IndexPart { object, chunks: part.len() as u64, groups, stats });
    }
    let totals = Totals {
        chunks: entries.len() as u64,
        groups: entries.iter().map(|c| c.groups.len() as u64).sum(),
        bytes: entries.iter().map(|c| c.bytes).sum(),
        stats: merged(&entries),
        tally,
    };
    let metadata = Metadata {
        format: "bams3".into(),
        version: format!("{}.{}", VERSION.0, VERSION.1),
        dataset: dataset.to_string(),
        created_by: concat!("genomicframe ", env!("CARGO_PKG_VERSION")).into(),
        source,
        requires: Vec::new(),
        layout,
        header: header_ref,
        header_json: people_ref,
        index,
        qname_index,
        columns: columns.into_values().collect(),
        totals,
    };
    let root = metadata.to_bytes()?;
    if !to.settle(ROOT, old, root.into()).await? {
        return Err(Error::invalid(
            "another writer finished first; its dataset stands, this one's objects are left over",
        )
        .in_object(to.name())
        .hint("gf bams3 gc removes what no dataset uses"));
    }
    Ok(metadata)
}

/// Stores an object under `name`, or, where other bytes are there already, under one that tells its own: no object but the
/// root ever changes, whoever else writes there.
async fn put(to: &Destination, name: &str, bytes: Vec<u8>) -> Result<ObjectRef> {
    let object = ObjectRef::of(name, &bytes);
    let bytes = Bytes::from(bytes);
    if to.settle(name, None, bytes.clone()).await? || to.get(name).await?.is_some_and(|there| there.bytes == bytes) {
        return Ok(object);
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let object = ObjectRef { path: format!("{stem}-{}.{extension}", &object.sha256[..16]), ..object };
    to.put(&object.path, bytes).await?;
    Ok(object)
}

fn parts(entries: &[ChunkEntry]) -> Vec<&[ChunkEntry]> {
    let mut parts = Vec::new();
    let (mut begin, mut groups) = (0, 0);
    for (i, chunk) in entries.iter().enumerate() {
        groups += chunk.groups.len();
        if groups >= PART_GROUPS {
            parts.push(&entries[begin..=i]);
            (begin, groups) = (i + 1, 0);
        }
    }
    if begin < entries.len() {
        parts.push(&entries[begin..]);
    }
    parts
}

/// A SAM header for people: an object of `HD` and the lists `SQ`, `RG`, `PG` and `CO`, their fields by name.
pub fn header_json(text: &str) -> Value {
    let mut out = Map::new();
    for line in text.lines() {
        let Some((kind, rest)) = line.strip_prefix('@').and_then(|l| l.split_once('\t')) else { continue };
        let value = match kind {
            "CO" => json!(rest),
            _ => {
                let fields = rest.split('\t').filter_map(|f| f.split_once(':'));
                Value::Object(fields.map(|(k, v)| (k.to_owned(), json!(v))).collect())
            }
        };
        match (kind, out.get_mut(kind)) {
            ("HD", _) => {
                out.insert(kind.into(), value);
            }
            (_, Some(Value::Array(list))) => list.push(value),
            _ => {
                out.insert(kind.into(), Value::Array(vec![value]));
            }
        }
    }
    Value::Object(out)
}
