//! Columns back to BAM records.

use std::collections::BTreeMap;

use genomicframe_core::alignment::record::bin;
use genomicframe_core::{Error, Result};

use super::decode::GroupReader;
use super::tags::{Values, write_value};
use crate::codec::packed::CODES;
use crate::codec::strings::Strings;
use crate::column::ColumnId;

/// Longest CIGAR that a record's field holds.
const MOST_OPS: usize = u16::MAX as usize;

/// Appends the rows of a group as BAM records, each after its `block_size`.
///
/// # Errors
/// When a page is missing or broken, or a row fits no BAM record.
pub fn write(group: &mut GroupReader<'_>, out: &mut Vec<u8>) -> Result<()> {
    let (contigs, starts, spans, flags) = (group.contigs()?, group.starts()?, group.spans()?, group.flags()?);
    let (mapqs, lengths, places, tlens) = (group.mapqs()?, group.lengths()?, group.places()?, group.tlens()?);
    let (names, name_ids) = group.names()?;
    let cigars = group.cigars()?;
    let bases = group.bases()?;
    let qualities = group.qualities(0)?.bytes;
    let layouts = group.layouts()?;
    let mut tags: BTreeMap<ColumnId, (Values, usize)> = BTreeMap::new();
    for (column, n) in layouts.counts() {
        tags.insert(column, (group.values(column, n)?, 0));
    }
    let mut at = 0;
    for row in 0..group.rows() {
        let start_of_record = out.len();
        out.extend_from_slice(&[0; 4]);
        let name = name_of(&names, name_ids[row])?;
        let ops = cigars.of(row);
        let length = lengths[row] as usize;
        let is_long = ops.len() > MOST_OPS;
        let start = i32::try_from(starts[row]).map_err(|_| beyond("pos"))?;
        let next_start = i32::try_from(places.1[row]).map_err(|_| beyond("next_pos"))?;
        out.extend_from_slice(&contigs[row].to_le_bytes());
        out.extend_from_slice(&start.to_le_bytes());
        out.extend([name.len() as u8 + 1, mapqs[row]]);
        out.extend_from_slice(&bin(starts[row], starts[row] + spans[row]).to_le_bytes());
        out.extend_from_slice(&(if is_long { 2 } else { ops.len() as u16 }).to_le_bytes());
        out.extend_from_slice(&flags[row].to_le_bytes());
        out.extend_from_slice(&i32::try_from(length).map_err(|_| beyond("l_seq"))?.to_le_bytes());
        out.extend_from_slice(&places.0[row].to_le_bytes());
        out.extend_from_slice(&next_start.to_le_bytes());
        out.extend_from_slice(&tlens[row].to_le_bytes());
        out.extend_from_slice(name);
        out.push(0);
        if is_long {
            // The specification's placeholder: all bases clipped, then the reference bases skipped.
            let covered: u64 =
                ops.iter().filter(|op| matches!(*op & 0xf, 0 | 2 | 3 | 7 | 8)).map(|op| u64::from(op >> 4)).sum();
            let clipped = u32::try_from(length).ok().filter(|n| *n < 1 << 28).ok_or_else(|| beyond("l_seq"))?;
            let skipped = u32::try_from(covered).ok().filter(|n| *n < 1 << 28).ok_or_else(|| beyond("cigar"))?;
            out.extend_from_slice(&(clipped << 4 | 4).to_le_bytes());
            out.extend_from_slice(&(skipped << 4 | 3).to_le_bytes());
        } else {
            ops.iter().for_each(|op| out.extend_from_slice(&op.to_le_bytes()));
        }
        for pair in bases[at..at + length].chunks(2) {
            let low = pair.get(1).map_or(0, |b| CODES[usize::from(*b)]);
            out.push(CODES[usize::from(pair[0])] << 4 | low);
        }
        out.extend_from_slice(&qualities[at..at + length]);
        at += length;
        for kind in layouts.of(row) {
            let Some((values, next)) = tags.get_mut(&ColumnId::tag(*kind)) else { continue };
            out.extend([kind.key[0], kind.key[1], kind.of]);
            write_value(*kind, values, *next, out);
            *next += 1;
        }
        if is_long {
            out.extend_from_slice(b"CGBI");
            out.extend_from_slice(&(ops.len() as u32).to_le_bytes());
            ops.iter().for_each(|op| out.extend_from_slice(&op.to_le_bytes()));
        }
        let size = i32::try_from(out.len() - start_of_record - 4).map_err(|_| beyond("block_size"))?;
        out[start_of_record..start_of_record + 4].copy_from_slice(&size.to_le_bytes());
    }
    Ok(())
}

fn name_of(names: &Strings, id: u32) -> Result<&[u8]> {
    let name = names.get(id as usize);
    if name.len() > 254 || name.contains(&0) {
        return Err(Error::corrupt("a name that no BAM record can have").field("name"));
    }
    Ok(name)
}

fn beyond(field: &str) -> Error {
    Error::corrupt("beyond what a BAM record can say").field(field)
}
