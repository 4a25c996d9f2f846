//! Chunk entries as an Arrow IPC stream, a row per chunk, row groups and pages nested.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryBuilder, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    StringBuilder, StructArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, Field, Fields, Int32Type, Int64Type, Schema, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use genomicframe_core::{Error, Result};

use super::{ChunkEntry, GroupEntry, GroupStats, PageEntry};
use crate::column::ColumnId;

fn list(values: ArrayRef, lengths: impl Iterator<Item = usize>, nulls: Option<NullBuffer>) -> ListArray {
    let field = Arc::new(Field::new("item", values.data_type().clone(), false));
    ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, nulls)
}

fn structs(columns: Vec<(&str, ArrayRef)>) -> Result<StructArray> {
    let fields: Fields =
        columns.iter().map(|(name, a)| Field::new(*name, a.data_type().clone(), a.is_nullable())).collect();
    Ok(StructArray::try_new(fields, columns.into_iter().map(|(_, a)| a).collect(), None)?)
}

/// Writes `chunks`.
///
/// # Errors
/// When Arrow fails.
pub fn encode(chunks: &[ChunkEntry]) -> Result<Vec<u8>> {
    let groups: Vec<&GroupEntry> = chunks.iter().flat_map(|c| &c.groups).collect();
    let pages: Vec<&PageEntry> = groups.iter().flat_map(|g| &g.pages).collect();
    macro_rules! of {
        ($array:ty, $list:expr, $field:expr) => {
            Arc::new(<$array>::from_iter_values($list.iter().map($field))) as ArrayRef
        };
    }
    let pages_array = structs(vec![
        ("column", of!(UInt32Array, pages, |p| p.column.0)),
        ("encoding", of!(UInt8Array, pages, |p| p.encoding)),
        ("offset", of!(UInt64Array, pages, |p| p.offset)),
        ("bytes", of!(UInt32Array, pages, |p| p.bytes)),
        ("crc32", of!(UInt32Array, pages, |p| p.crc)),
    ])?;
    let read_groups: StringArray = {
        let mut names = StringBuilder::new();
        groups.iter().flat_map(|g| g.stats.read_groups.iter().flatten()).for_each(|n| names.append_value(n));
        names.finish()
    };
    let known: NullBuffer = groups.iter().map(|g| g.stats.read_groups.is_some()).collect();
    let counts = groups.iter().map(|g| g.stats.read_groups.as_ref().map_or(0, Vec::len));
    let read_groups = list(Arc::new(read_groups), counts, Some(known));
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("rows", of!(UInt64Array, groups, |g| g.stats.rows)),
        ("contig_first", of!(Int32Array, groups, |g| g.stats.contig_first)),
        ("contig_last", of!(Int32Array, groups, |g| g.stats.contig_last)),
        ("start_first", of!(Int64Array, groups, |g| g.stats.start_first)),
        ("start_last", of!(Int64Array, groups, |g| g.stats.start_last)),
        ("start_min", of!(Int64Array, groups, |g| g.stats.start_min)),
        ("start_max", of!(Int64Array, groups, |g| g.stats.start_max)),
        ("end_min", of!(Int64Array, groups, |g| g.stats.end_min)),
        ("end_max", of!(Int64Array, groups, |g| g.stats.end_max)),
        ("unplaced", of!(UInt64Array, groups, |g| g.stats.unplaced)),
        ("mapq_min", of!(UInt8Array, groups, |g| g.stats.mapq_min)),
        ("mapq_max", of!(UInt8Array, groups, |g| g.stats.mapq_max)),
    ];
    for (i, name) in MAPQ_REACHING.into_iter().enumerate() {
        columns.push((name, of!(UInt64Array, groups, |g| g.stats.mapq_reaching[i])));
    }
    columns.extend([
        ("tlen_min", of!(Int32Array, groups, |g| g.stats.tlen_min)),
        ("tlen_max", of!(Int32Array, groups, |g| g.stats.tlen_max)),
        ("length_min", of!(UInt32Array, groups, |g| g.stats.length_min)),
        ("length_max", of!(UInt32Array, groups, |g| g.stats.length_max)),
        ("flag_or", of!(UInt16Array, groups, |g| g.stats.flag_or)),
        ("flag_and", of!(UInt16Array, groups, |g| g.stats.flag_and)),
        ("read_groups", Arc::new(read_groups) as ArrayRef),
        ("pages", Arc::new(list(Arc::new(pages_array), groups.iter().map(|g| g.pages.len()), None)) as ArrayRef),
    ]);
    let groups_array = structs(columns)?;
    let mut sha256 = FixedSizeBinaryBuilder::new(32);
    for chunk in chunks {
        sha256.append_value(chunk.sha256)?;
    }
    let stats: Vec<GroupStats> = chunks.iter().map(ChunkEntry::stats).collect();
    let chunk_columns: Vec<(&str, ArrayRef)> = vec![
        ("ordinal", of!(UInt64Array, chunks, |c| c.ordinal)),
        ("path", of!(StringArray, chunks, |c| &c.path)),
        ("bytes", of!(UInt64Array, chunks, |c| c.bytes)),
        ("sha256", Arc::new(sha256.finish())),
        ("rows", of!(UInt64Array, stats, |s| s.rows)),
        ("contig_first", of!(Int32Array, stats, |s| s.contig_first)),
        ("contig_last", of!(Int32Array, stats, |s| s.contig_last)),
        ("start_first", of!(Int64Array, stats, |s| s.start_first)),
        ("start_last", of!(Int64Array, stats, |s| s.start_last)),
        ("end_max", of!(Int64Array, stats, |s| s.end_max)),
        ("groups", Arc::new(list(Arc::new(groups_array), chunks.iter().map(|c| c.groups.len()), None))),
    ];
    let fields: Fields = chunk_columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), false)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), chunk_columns.into_iter().map(|(_, a)| a).collect())?;
    let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

const MAPQ_REACHING: [&str; 5] = ["mapq_1", "mapq_10", "mapq_20", "mapq_30", "mapq_60"];

/// Reads chunk entries. `bytes` have been checked against their parent's checksum; whoever wrote that may have lied.
///
/// # Errors
/// When it is no such index: Arrow's own message, or the column that is missing or of another type.
pub fn decode(bytes: &[u8]) -> Result<Vec<ChunkEntry>> {
    let broken = |e: arrow::error::ArrowError| Error::corrupt("the index is no Arrow stream").caused_by(e);
    super::messages::check(bytes)?;
    let mut chunks = Vec::new();
    for batch in StreamReader::try_new(bytes, None).map_err(broken)? {
        read_chunks(&batch.map_err(broken)?.into(), &mut chunks)?;
    }
    Ok(chunks)
}

fn missing(name: &str) -> Error {
    Error::corrupt("missing from the index, or of another type").field(name)
}

fn column<'a>(of: &'a StructArray, name: &str) -> Result<&'a ArrayRef> {
    of.column_by_name(name).ok_or_else(|| missing(name))
}

fn values<'a, T: ArrowPrimitiveType>(of: &'a StructArray, name: &str) -> Result<&'a ScalarBuffer<T::Native>> {
    let array = column(of, name)?.as_primitive_opt::<T>().filter(|a| a.null_count() == 0);
    Ok(array.ok_or_else(|| missing(name))?.values())
}

/// The offsets and the structs of a list.
fn nested<'a>(of: &'a StructArray, name: &str) -> Result<(&'a OffsetBuffer<i32>, &'a StructArray)> {
    let array = column(of, name)?.as_list_opt::<i32>().filter(|a| a.null_count() == 0).ok_or_else(|| missing(name))?;
    Ok((array.offsets(), array.values().as_struct_opt().ok_or_else(|| missing(name))?))
}

fn read_chunks(batch: &StructArray, out: &mut Vec<ChunkEntry>) -> Result<()> {
    let ordinal = values::<UInt64Type>(batch, "ordinal")?;
    let paths = column(batch, "path")?.as_string_opt::<i32>().ok_or_else(|| missing("path"))?;
    let bytes = values::<UInt64Type>(batch, "bytes")?;
    let sha256 = column(batch, "sha256")?.as_fixed_size_binary_opt().ok_or_else(|| missing("sha256"))?;
    let (offsets, groups) = nested(batch, "groups")?;
    let mut groups = read_groups(groups)?.into_iter().skip(offsets.first().map_or(0, |o| *o as usize));
    for row in 0..batch.len() {
        let sha256 = sha256.value(row).try_into().map_err(|_| missing("sha256"))?;
        let count = (offsets[row + 1] - offsets[row]) as usize;
        crate::paths::check_key(paths.value(row))?;
        let groups = groups.by_ref().take(count).collect();
        let path = paths.value(row).to_owned();
        out.push(ChunkEntry { ordinal: ordinal[row], path, bytes: bytes[row], sha256, groups });
    }
    Ok(())
}

fn read_groups(of: &StructArray) -> Result<Vec<GroupEntry>> {
    let wide = |name| values::<UInt64Type>(of, name);
    let i64s = |name| values::<Int64Type>(of, name);
    let i32s = |name| values::<Int32Type>(of, name);
    let u32s = |name| values::<UInt32Type>(of, name);
    let u16s = |name| values::<UInt16Type>(of, name);
    let u8s = |name| values::<UInt8Type>(of, name);
    let rows = wide("rows")?;
    let (contig_first, contig_last) = (i32s("contig_first")?, i32s("contig_last")?);
    let (start_first, start_last) = (i64s("start_first")?, i64s("start_last")?);
    let (start_min, start_max) = (i64s("start_min")?, i64s("start_max")?);
    let (end_min, end_max) = (i64s("end_min")?, i64s("end_max")?);
    let unplaced = wide("unplaced")?;
    let (mapq_min, mapq_max) = (u8s("mapq_min")?, u8s("mapq_max")?);
    let mut reaching = Vec::new();
    for name in MAPQ_REACHING {
        reaching.push(wide(name)?);
    }
    let (tlen_min, tlen_max) = (i32s("tlen_min")?, i32s("tlen_max")?);
    let (length_min, length_max) = (u32s("length_min")?, u32s("length_max")?);
    let (flag_or, flag_and) = (u16s("flag_or")?, u16s("flag_and")?);
    let names = column(of, "read_groups")?.as_list_opt::<i32>().ok_or_else(|| missing("read_groups"))?;
    let (offsets, pages) = nested(of, "pages")?;
    let pages = read_pages(pages)?;
    let mut out = Vec::with_capacity(of.len());
    for row in 0..of.len() {
        let read_groups = names.is_valid(row).then(|| names.value(row));
        let read_groups = match read_groups {
            Some(list) => {
                let list = list.as_string_opt::<i32>().ok_or_else(|| missing("read_groups"))?;
                Some(list.iter().flatten().map(str::to_owned).collect())
            }
            None => None,
        };
        let stats = GroupStats {
            rows: rows[row],
            contig_first: contig_first[row],
            contig_last: contig_last[row],
            start_first: start_first[row],
            start_last: start_last[row],
            start_min: start_min[row],
            start_max: start_max[row],
            end_min: end_min[row],
            end_max: end_max[row],
            unplaced: unplaced[row],
            mapq_min: mapq_min[row],
            mapq_max: mapq_max[row],
            mapq_reaching: std::array::from_fn(|i| reaching[i][row]),
            tlen_min: tlen_min[row],
            tlen_max: tlen_max[row],
            length_min: length_min[row],
            length_max: length_max[row],
            flag_or: flag_or[row],
            flag_and: flag_and[row],
            read_groups,
        };
        if stats.rows == 0 || stats.rows > MOST_ROWS {
            return Err(Error::corrupt(format!("a row group of {} rows", stats.rows)));
        }
        let pages = pages.get(offsets[row] as usize..offsets[row + 1] as usize).unwrap_or_default().to_vec();
        if !pages.is_sorted_by(|a, b| a.column < b.column) {
            return Err(Error::corrupt("a row group's pages are not in the order of their columns"));
        }
        out.push(GroupEntry { stats, pages });
    }
    Ok(out)
}

/// Most rows of a row group.
const MOST_ROWS: u64 = 1 << 24;

fn read_pages(of: &StructArray) -> Result<Vec<PageEntry>> {
    let (column, encoding) = (values::<UInt32Type>(of, "column")?, values::<UInt8Type>(of, "encoding")?);
    let (offset, bytes) = (values::<UInt64Type>(of, "offset")?, values::<UInt32Type>(of, "bytes")?);
    let crc = values::<UInt32Type>(of, "crc32")?;
    let page = |i: usize| PageEntry {
        column: ColumnId(column[i]),
        encoding: encoding[i],
        offset: offset[i],
        bytes: bytes[i],
        crc: crc[i],
    };
    Ok((0..of.len()).map(page).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn chunk(ordinal: u64) -> ChunkEntry {
        let mut stats = GroupStats::new(2);
        (stats.contig_first, stats.contig_last, stats.start_first, stats.start_last) = (0, 1, 5, 9);
        stats.add(0, 5, 100, 99, 60, 300, 100);
        stats.add(1, 9, 1, 1024, 0, -5, 0);
        stats.read_groups = ordinal.is_multiple_of(2).then(|| vec!["a".into(), "b".into()]);
        let page = |column, offset| PageEntry { column, encoding: 1, offset, bytes: 7, crc: 0xdead_beef };
        let pages = vec![page(ColumnId::START, 48), page(ColumnId::FLAG, 55)];
        let group = GroupEntry { stats, pages };
        let path = format!("data/chr1/{ordinal}.chunk");
        ChunkEntry { ordinal, path, bytes: 100, sha256: [ordinal as u8; 32], groups: vec![group.clone(), group] }
    }

    #[test]
    fn what_goes_in_comes_out() {
        let chunks = [chunk(0), chunk(1), chunk(2)];
        let bytes = encode(&chunks).unwrap();
        assert_eq!(decode(&bytes).unwrap(), chunks);
        assert!(decode(&encode(&[]).unwrap()).unwrap().is_empty());
    }

    #[test]
    fn damage_is_told_or_changes_values_only() {
        let bytes = encode(&[chunk(0), chunk(1)]).unwrap();
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x40;
            let _ = decode(&broken);
        }
    }
}
