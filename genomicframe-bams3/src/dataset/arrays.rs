//! Columns of a group as Arrow arrays.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringViewArray, UInt8Array, UInt16Array};
use arrow::buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::DataType;
use genomicframe_core::alignment::Column;
use genomicframe_core::genome::Contigs;
use genomicframe_core::{Error, Result};

use super::tags::{TagColumn, tags_map};
use crate::codec::mate_cigar::write_text;
use crate::group::GroupReader;

/// The array of `column`.
///
/// # Errors
/// When a page is missing or broken, or its text is not UTF-8.
pub(super) fn array(group: &mut GroupReader<'_>, column: Column, of: &DataType, contigs: &Contigs) -> Result<ArrayRef> {
    Ok(match column {
        Column::Flag => Arc::new(UInt16Array::from(Arc::unwrap_or_clone(group.flags()?))),
        Column::Mapq => Arc::new(UInt8Array::from(group.mapqs()?)),
        Column::Tlen => Arc::new(Int32Array::from(group.tlens()?)),
        Column::Pos => one_based(&group.starts()?, None),
        Column::End => {
            let spans = group.spans()?;
            one_based(&group.starts()?, Some(&spans))
        }
        Column::Pnext => one_based(&group.places()?.1, None),
        Column::Rname => names(contigs, &group.contigs()?)?,
        Column::Rnext => names(contigs, &group.places()?.0)?,
        Column::Qname => {
            let (names, ids) = group.names()?;
            let shown = |id: &u32| {
                let range = names.range(*id as usize);
                (!matches!(&names.bytes[range.clone()], b"" | b"*")).then_some(range)
            };
            let ranges: Vec<_> = ids.iter().map(shown).collect();
            text(names.bytes, ranges, "name")?
        }
        Column::Cigar => {
            let cigars = group.cigars()?;
            let mut bytes = Vec::new();
            let distinct = (0..cigars.ends.len()).map(|id| {
                let start = bytes.len();
                let ops = cigars.distinct(id);
                (!ops.is_empty()).then(|| {
                    write_text(ops, &mut bytes);
                    start..bytes.len()
                })
            });
            let distinct: Vec<_> = distinct.collect();
            let ranges = cigars.ids.iter().map(|id| distinct[*id as usize].clone()).collect();
            text(bytes, ranges, "cigar")?
        }
        Column::Seq => {
            let bases = Arc::unwrap_or_clone(group.bases()?);
            let lengths = group.lengths()?;
            text(bases, consecutive(&lengths).collect(), "bases")?
        }
        Column::Qual => qualities(group)?,
        Column::Tag(key, kind) => TagColumn::read(group, key, kind)?.into_array(of)?,
        Column::Tags => tags_map(group, of)?,
    })
}

/// Each row's range, where it has one.
fn consecutive(lengths: &[u32]) -> impl Iterator<Item = Option<Range<usize>>> {
    let mut at = 0;
    lengths.iter().map(move |n| {
        let start = at;
        at += *n as usize;
        (*n > 0).then_some(start..at)
    })
}

/// Highest Phred+33 character that SAM text can show.
const HIGHEST: u8 = b'~';

fn qualities(group: &mut GroupReader<'_>) -> Result<ArrayRef> {
    let lengths = group.lengths()?;
    let decoded = group.qualities(b'!')?;
    // As in BAM, a first score of 255 says that there are none.
    let missing_first = u8::MAX.wrapping_add(b'!');
    let is_missing = |row: usize| decoded.missing.as_ref().is_some_and(|m| m[row]);
    let shown = |(row, range): (usize, Option<Range<usize>>)| {
        range.filter(|r| !is_missing(row) && decoded.bytes[r.start] != missing_first)
    };
    let ranges: Vec<_> = consecutive(&lengths).enumerate().map(shown).collect();
    for range in ranges.iter().flatten() {
        if let Some(bad) = decoded.bytes[range.clone()].iter().find(|q| !(b'!'..=HIGHEST).contains(*q)) {
            let q = bad.wrapping_sub(b'!');
            return Err(Error::corrupt(format!("base quality {q} is above {}", HIGHEST - b'!')).field("qual"));
        }
    }
    text(decoded.bytes, ranges, "qual")
}

/// Positions as text formats show them: from 1, null for none. With `spans`, the last one instead of the first.
fn one_based(starts: &[i64], spans: Option<&[i64]>) -> ArrayRef {
    let valid = NullBuffer::from_iter(starts.iter().map(|s| *s != -1));
    let values: Vec<i64> = match spans {
        Some(spans) => starts.iter().zip(spans).map(|(s, n)| s + n).collect(),
        None => starts.iter().map(|s| s + 1).collect(),
    };
    Arc::new(Int64Array::new(values.into(), Some(valid).filter(|v| v.null_count() > 0)))
}

/// Names of contigs: text that stands once and is referred to.
fn names(contigs: &Contigs, ids: &[i32]) -> Result<ArrayRef> {
    let mut bytes = Vec::new();
    let mut known: Vec<(i32, Option<Range<usize>>)> = Vec::new();
    let mut ranges = Vec::with_capacity(ids.len());
    for id in ids {
        // Neighbours have the same one, and mates few others.
        let found = match known.iter().rev().find(|(k, _)| k == id) {
            Some((_, range)) => range.clone(),
            None => {
                let range = match usize::try_from(*id) {
                    Err(_) => None,
                    Ok(n) => {
                        let missing = || Error::corrupt(format!("contig {id} is not in the header")).field("contig");
                        let start = bytes.len();
                        bytes.extend_from_slice(contigs.name(n).ok_or_else(missing)?.as_bytes());
                        Some(start..bytes.len())
                    }
                };
                if known.len() == MOST_KNOWN {
                    known.remove(0);
                }
                known.push((*id, range.clone()));
                range
            }
        };
        ranges.push(found);
    }
    text(bytes, ranges, "contig")
}

/// Contig names remembered at a time.
const MOST_KNOWN: usize = 64;

/// Text of which each row shows a range.
///
/// # Errors
/// When it is not UTF-8.
pub(super) fn text(bytes: Vec<u8>, ranges: Vec<Option<Range<usize>>>, field: &str) -> Result<ArrayRef> {
    let view = |range: &Option<Range<usize>>| range.clone().map_or(0, |r| view_of(&bytes, r));
    let views: Vec<u128> = ranges.iter().map(view).collect();
    let valid = NullBuffer::from_iter(ranges.iter().map(Option::is_some));
    array_of(views, bytes, Some(valid).filter(|v| v.null_count() > 0), field)
}

/// An array of views into `bytes`.
///
/// # Errors
/// When it is not UTF-8.
pub(super) fn array_of(views: Vec<u128>, bytes: Vec<u8>, valid: Option<NullBuffer>, field: &str) -> Result<ArrayRef> {
    let array = StringViewArray::try_new(ScalarBuffer::from(views), vec![Buffer::from_vec(bytes)], valid);
    Ok(Arc::new(array.map_err(|e| Error::corrupt("text that is not UTF-8").field(field).caused_by(e))?))
}

/// Longest text that a view holds itself.
const INLINE: usize = 12;

/// Arrow's view of a range of the array's only buffer.
pub(super) fn view_of(bytes: &[u8], range: Range<usize>) -> u128 {
    let (text, length) = (&bytes[range.clone()], range.len() as u128);
    if range.len() <= INLINE {
        return inline(text);
    }
    let prefix = u128::from(u32::from_le_bytes([text[0], text[1], text[2], text[3]]));
    length | prefix << 32 | (range.start as u128) << 96
}

/// Arrow's view of text of at most 12 bytes.
pub(super) fn inline(text: &[u8]) -> u128 {
    let mut view = [0; 16];
    view[0] = text.len() as u8;
    view[4..4 + text.len()].copy_from_slice(text);
    u128::from_le_bytes(view)
}
