//! Columns of a group as Arrow arrays.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, StringArray, StringViewArray, UInt8Array, UInt16Array, UInt32Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::DataType;
use genomicframe_core::alignment::Column;
use genomicframe_core::genome::Contigs;
use genomicframe_core::{Error, Result};

use super::tags::{TagColumn, tags_map};
use crate::codec::mate_cigar::write_text;
use crate::codec::stream::LONGEST;
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
        Column::Rname => match group.only_contig() {
            Some(contig) if contig >= 0 => {
                let name = contigs.name(contig as usize).ok_or_else(|| unknown(contig))?.as_bytes().to_vec();
                let ends = [name.len() as u32];
                picked(&strings(name, &ends, None, "contig")?, &UInt32Array::from(vec![0; group.rows()]))?
            }
            _ => names(contigs, &group.contigs()?)?,
        },
        Column::Rnext => names(contigs, &group.places()?.0)?,
        Column::Qname => {
            let (names, ids) = group.names()?;
            let shown = NullBuffer::from_iter(names.iter().map(|n| !matches!(n, b"" | b"*")));
            let distinct = strings(names.bytes, &names.ends, Some(shown), "name")?;
            picked(&distinct, &UInt32Array::from(ids))?
        }
        Column::Cigar => {
            let cigars = group.cigars()?;
            let (mut bytes, mut ends) = (Vec::new(), Vec::with_capacity(cigars.ends.len()));
            let shown = NullBuffer::from_iter((0..cigars.ends.len()).map(|id| {
                let ops = cigars.distinct(id);
                if !ops.is_empty() {
                    write_text(ops, &mut bytes);
                }
                ends.push(bytes.len() as u32);
                !ops.is_empty()
            }));
            if bytes.len() > LONGEST {
                return Err(Error::limit("CIGARs of a row group beyond 1 GiB of text").field("cigar"));
            }
            picked(&strings(bytes, &ends, Some(shown), "cigar")?, &UInt32Array::from(cigars.ids.clone()))?
        }
        Column::Seq => {
            let bases = Arc::unwrap_or_clone(group.bases()?);
            let lengths = group.lengths()?;
            let shown = NullBuffer::from_iter(lengths.iter().map(|n| *n > 0));
            Arc::new(strings(bases, &ends_of(&lengths), Some(shown), "bases")?)
        }
        Column::Qual => qualities(group)?,
        Column::Tag(key, kind) => TagColumn::read(group, key, kind)?.into_array(of)?,
        Column::Tags => tags_map(group, of)?,
    })
}

/// Where each of consecutive strings ends.
fn ends_of(lengths: &[u32]) -> Vec<u32> {
    let mut end = 0;
    let next = |n: &u32| {
        end += n;
        end
    };
    lengths.iter().map(next).collect()
}

/// Highest Phred+33 character that SAM text can show.
const HIGHEST: u8 = b'~';

fn qualities(group: &mut GroupReader<'_>) -> Result<ArrayRef> {
    let lengths = group.lengths()?;
    let decoded = group.qualities(b'!')?;
    // As in BAM, a first score of 255 says that there are none.
    let missing_first = u8::MAX.wrapping_add(b'!');
    let is_missing = |row: usize| decoded.missing.as_ref().is_some_and(|m| m[row]);
    let ends = ends_of(&lengths);
    let mut scores = decoded.bytes;
    let mut shown = Vec::with_capacity(lengths.len());
    for (row, (end, length)) in ends.iter().zip(lengths.iter()).enumerate() {
        let own = &mut scores[(end - length) as usize..*end as usize];
        let is_shown = own.first().is_some_and(|q| *q != missing_first) && !is_missing(row);
        shown.push(is_shown);
        if !is_shown {
            // What is not shown must still be text.
            own.fill(b'!');
        }
    }
    if let Some(bad) = scores.iter().find(|q| !(b'!'..=HIGHEST).contains(*q)) {
        let q = bad.wrapping_sub(b'!');
        return Err(Error::corrupt(format!("base quality {q} is above {}", HIGHEST - b'!')).field("qual"));
    }
    Ok(Arc::new(strings(scores, &ends, Some(NullBuffer::from(shown)), "qual")?))
}

/// Positions as text formats show them: from 1, null for none. With `spans`, the last one instead of the first.
fn one_based(starts: &[i64], spans: Option<&[i64]>) -> ArrayRef {
    let has_null = starts.iter().fold(false, |null, s| null | (*s == -1));
    let valid = has_null.then(|| NullBuffer::from_iter(starts.iter().map(|s| *s != -1)));
    let values: Vec<i64> = match spans {
        Some(spans) => starts.iter().zip(spans).map(|(s, n)| s + n).collect(),
        None => starts.iter().map(|s| s + 1).collect(),
    };
    Arc::new(Int64Array::new(values.into(), valid))
}

fn unknown(contig: i32) -> Error {
    Error::corrupt(format!("contig {contig} is not in the header")).field("contig")
}

/// Names of contigs: each stands once, and rows pick theirs.
fn names(contigs: &Contigs, ids: &[i32]) -> Result<ArrayRef> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut places: HashMap<i32, Option<u32>> = HashMap::new();
    let mut last: Option<(i32, Option<u32>)> = None;
    let mut picks = Vec::with_capacity(ids.len());
    for id in ids {
        // Neighbours mostly have the same one.
        let place = match last {
            Some((before, place)) if before == *id => place,
            _ => match places.get(id) {
                Some(place) => *place,
                None => {
                    let place = match usize::try_from(*id) {
                        Err(_) => None,
                        Ok(n) => {
                            bytes.extend_from_slice(contigs.name(n).ok_or_else(|| unknown(*id))?.as_bytes());
                            ends.push(bytes.len() as u32);
                            Some(ends.len() as u32 - 1)
                        }
                    };
                    places.insert(*id, place);
                    place
                }
            },
        };
        last = Some((*id, place));
        picks.push(place);
    }
    let has_null = places.values().any(Option::is_none);
    let picks =
        if has_null { UInt32Array::from(picks) } else { picks.into_iter().flatten().collect::<Vec<_>>().into() };
    picked(&strings(bytes, &ends, None, "contig")?, &picks)
}

/// Strings that follow one another in `bytes`, as views. Their text is checked as a whole.
///
/// # Errors
/// When it is not UTF-8.
pub(super) fn strings(bytes: Vec<u8>, ends: &[u32], valid: Option<NullBuffer>, field: &str) -> Result<StringViewArray> {
    let not_text = |e| Error::corrupt("text that is not UTF-8").field(field).caused_by(e);
    let mut offsets = Vec::with_capacity(ends.len() + 1);
    offsets.push(0);
    for end in ends {
        offsets.push(
            i32::try_from(*end).map_err(|_| Error::limit("a row group of more than 2 GiB of text").field(field))?,
        );
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let valid = valid.filter(|v| v.null_count() > 0);
    let array = StringArray::try_new(offsets, Buffer::from_vec(bytes), valid).map_err(not_text)?;
    Ok(StringViewArray::from(&array))
}

/// For each row one of `distinct`, by number; null for null.
///
/// # Errors
/// When Arrow fails.
pub(super) fn picked(distinct: &StringViewArray, rows: &UInt32Array) -> Result<ArrayRef> {
    Ok(take(distinct, rows, None)?)
}
