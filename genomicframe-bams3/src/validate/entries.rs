//! What the index says, held against itself and the root.

use std::fmt;

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use genomicframe_core::Error;
use serde_json::Value;

use crate::chunk::HEADER;
use crate::column::ColumnId;
use crate::index::{ChunkEntry, GroupStats, PageEntry, encode, merged};
use crate::metadata::IndexPart;

/// Numbers of chunks, across the parts of the index.
#[derive(Debug, Default)]
pub(super) struct Order {
    next: u64,
}

impl Order {
    /// Leaves out the chunks of a part that is lost.
    pub(super) fn skip(&mut self, chunks: u64) {
        self.next = self.next.saturating_add(chunks);
    }
}

/// Checks a part of the index against the root.
pub(super) fn part(
    said: &IndexPart,
    bytes: &[u8],
    chunks: &[ChunkEntry],
    order: &mut Order,
    mut differs: impl FnMut(Error),
) {
    for chunk in chunks {
        if chunk.ordinal != order.next {
            let what = format!("chunk {} where chunk {} belongs", chunk.ordinal, order.next);
            differs(Error::corrupt(what).field("ordinal"));
        }
        order.next = chunk.ordinal.saturating_add(1);
        if chunk.groups.is_empty() {
            differs(Error::corrupt(format!("chunk {} has no row group", chunk.ordinal)));
        }
    }
    let groups: u64 = chunks.iter().map(|c| c.groups.len() as u64).sum();
    for (field, said, found) in [("chunks", said.chunks, chunks.len() as u64), ("groups", said.groups, groups)] {
        if said != found {
            differs(Error::corrupt(format!("it has {found} where the root says {said}")).field(field));
        }
    }
    if let Some(all) = merged(chunks) {
        for (field, what) in differences(&said.stats, &all) {
            differs(Error::corrupt(format!("the root's statistics of it: {what}")).field(field));
        }
    }
    for column in repeated(bytes, chunks) {
        differs(Error::corrupt("a column does not repeat what the row groups say").field(column));
    }
}

/// Columns that repeat, for other programs, what row groups say, and that differ from it.
fn repeated(bytes: &[u8], chunks: &[ChunkEntry]) -> Vec<String> {
    let read = |bytes: &[u8]| -> Option<RecordBatch> {
        let batches: Vec<RecordBatch> = StreamReader::try_new(bytes, None).ok()?.collect::<Result<_, _>>().ok()?;
        arrow::compute::concat_batches(&batches.first()?.schema(), &batches).ok()
    };
    let made = encode(chunks).ok().and_then(|made| read(&made));
    let (Some(stored), Some(made)) = (read(bytes), made) else { return Vec::new() };
    let schema = made.schema();
    let names = schema.fields().iter().map(|f| f.name()).filter(|name| *name != "groups");
    names.filter(|name| stored.column_by_name(name) != made.column_by_name(name)).cloned().collect()
}

/// The statistics in which `said` is not what was `found`.
pub(super) fn differences(said: &GroupStats, found: &GroupStats) -> Vec<(String, String)> {
    let (Ok(Value::Object(said)), Ok(Value::Object(found))) = (serde_json::to_value(said), serde_json::to_value(found))
    else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for (field, found) in &found {
        // Read groups need not be listed.
        let is_unlisted = field == "read_groups" && said.get(field).is_some_and(Value::is_null);
        if !is_unlisted && said.get(field) != Some(found) {
            let said = said.get(field).unwrap_or(&Value::Null);
            out.push((field.clone(), format!("it says {} where {} was found", Short(said), Short(found))));
        }
    }
    out
}

struct Short<'a>(&'a Value);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Array(list) if list.len() > 8 => write!(f, "a list of {}", list.len()),
            other => write!(f, "{other}"),
        }
    }
}

/// Checks that the pages of a chunk lie one after another and fill it.
pub(super) fn pages(chunk: &ChunkEntry, mut differs: impl FnMut(Error)) {
    let mut pages: Vec<(usize, &PageEntry)> = Vec::new();
    for (number, group) in chunk.groups.iter().enumerate() {
        pages.extend(group.pages.iter().map(|p| (number, p)));
        if group.pages.windows(2).any(|w| w[0].column >= w[1].column) {
            differs(Error::corrupt("its pages are not by column").field(format!("row group {number}")));
        }
        for column in REQUIRED {
            if group.page(column).is_none() {
                let e = Error::corrupt(format!("row group {number} has no page of it"));
                differs(e.field(column.name()));
            }
        }
    }
    pages.sort_by_key(|(_, p)| (p.offset, p.bytes));
    let mut end = HEADER as u64;
    for (number, page) in pages {
        let what = match page.offset.cmp(&end) {
            std::cmp::Ordering::Less => "overlaps what lies before it",
            std::cmp::Ordering::Greater => "leaves a gap before it",
            std::cmp::Ordering::Equal => "",
        };
        if !what.is_empty() {
            let e = Error::corrupt(format!("a page of row group {number} {what}")).field(page.column.name());
            differs(e.at(genomicframe_core::Offset::Byte(page.offset)));
        }
        end = end.max(page.range().end);
    }
    if end != chunk.bytes {
        differs(Error::corrupt(format!("its pages end at byte {end} of {}", chunk.bytes)));
    }
}

/// Columns of which every row group has a page.
const REQUIRED: [ColumnId; 14] = [
    ColumnId::START,
    ColumnId::SPAN,
    ColumnId::FLAG,
    ColumnId::MAPQ,
    ColumnId::LENGTH,
    ColumnId::LINK,
    ColumnId::MATE,
    ColumnId::TLEN,
    ColumnId::CIGAR,
    ColumnId::NAME,
    ColumnId::CONSENSUS,
    ColumnId::BASES,
    ColumnId::QUALITY,
    ColumnId::LAYOUT,
];
