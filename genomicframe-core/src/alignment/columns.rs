//! The fixed columns under construction, each for many records at a time.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Builder, StringViewArray, UInt8Array, UInt16Array, UInt32Builder};
use arrow::compute::take;

use super::fields::name_of;
use super::record::Record;
use super::schema::Column;
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::text::text_column::TextColumn;

/// A fixed column.
pub(super) enum FixedColumn {
    Flag(Vec<u16>),
    Mapq(Vec<u8>),
    Tlen(Vec<i32>),
    Pos(Int64Builder),
    End(Int64Builder),
    Pnext(Int64Builder),
    /// Numbers in the dictionary; its names are put in at the end.
    Rname(UInt32Builder),
    Rnext(UInt32Builder),
    Qname(TextColumn),
    Cigar(TextColumn),
    Seq(TextColumn),
    Qual(TextColumn),
}

/// What is wrong, and with which of the records.
pub(super) type Broken = (usize, Error);

impl FixedColumn {
    /// `None` for a tag's column and for that of all tags.
    pub(super) fn new(column: Column) -> Option<Self> {
        Some(match column {
            Column::Flag => Self::Flag(Vec::new()),
            Column::Mapq => Self::Mapq(Vec::new()),
            Column::Tlen => Self::Tlen(Vec::new()),
            Column::Pos => Self::Pos(Int64Builder::new()),
            Column::End => Self::End(Int64Builder::new()),
            Column::Pnext => Self::Pnext(Int64Builder::new()),
            Column::Rname => Self::Rname(UInt32Builder::new()),
            Column::Rnext => Self::Rnext(UInt32Builder::new()),
            Column::Qname => Self::Qname(TextColumn::default()),
            Column::Cigar => Self::Cigar(TextColumn::default()),
            Column::Seq => Self::Seq(TextColumn::default()),
            Column::Qual => Self::Qual(TextColumn::default()),
            Column::Tag(..) | Column::Tags => return None,
        })
    }

    /// Whether it holds names of contigs.
    pub(super) fn is_contig(&self) -> bool {
        matches!(self, Self::Rname(_) | Self::Rnext(_))
    }

    pub(super) fn append(&mut self, records: &[Record<'_>]) -> Result<(), Broken> {
        match self {
            Self::Flag(b) => b.extend(records.iter().map(Record::flag)),
            Self::Mapq(b) => b.extend(records.iter().map(Record::mapq)),
            Self::Tlen(b) => b.extend(records.iter().map(Record::template_length)),
            Self::Pos(b) => records.iter().for_each(|r| b.append_option(r.pos())),
            Self::Pnext(b) => records.iter().for_each(|r| b.append_option(r.mate_pos())),
            Self::Rname(b) => records.iter().for_each(|r| b.append_option(r.contig().map(|id| id as u32))),
            Self::Rnext(b) => records.iter().for_each(|r| b.append_option(r.mate_contig().map(|id| id as u32))),
            Self::End(b) => {
                for (i, record) in records.iter().enumerate() {
                    b.append_option(record.end().map_err(|e| (i, e))?);
                }
            }
            Self::Qname(b) => {
                records.iter().for_each(|r| b.push_option(name_of(r)));
                b.check("read_name")?;
            }
            Self::Cigar(b) => {
                for (i, record) in records.iter().enumerate() {
                    let (cigar, _) = record.checked_cigar().map_err(|e| (i, e))?;
                    if cigar.is_empty() {
                        b.push_null();
                    } else {
                        cigar.write(b.open()).map_err(|e| (i, e))?;
                        b.end();
                    }
                }
                b.check("CIGAR")?;
            }
            Self::Seq(b) => {
                for record in records {
                    match record.sequence_length() {
                        0 => b.push_null(),
                        length => {
                            write_bases(record.packed_sequence(), length, b.open());
                            b.end();
                        }
                    }
                }
                b.check("seq")?;
            }
            Self::Qual(b) => {
                for (i, record) in records.iter().enumerate() {
                    match record.qualities() {
                        Some(scores) => {
                            write_qualities(scores, b.open()).map_err(|e| (i, e))?;
                            b.end();
                        }
                        None => b.push_null(),
                    }
                }
                b.check("qual")?;
            }
        }
        Ok(())
    }

    /// `names` are those of the dictionary, if [`FixedColumn::is_contig`].
    pub(super) fn finish(&mut self, names: Option<&StringViewArray>) -> Result<ArrayRef> {
        Ok(match self {
            Self::Flag(b) => Arc::new(UInt16Array::from(next(b))),
            Self::Mapq(b) => Arc::new(UInt8Array::from(next(b))),
            Self::Tlen(b) => Arc::new(Int32Array::from(next(b))),
            Self::Pos(b) | Self::End(b) | Self::Pnext(b) => Arc::new(b.finish()),
            Self::Rname(b) | Self::Rnext(b) => {
                let names = names.ok_or_else(|| Error::invalid("names of contigs were not made"))?;
                take(names, &b.finish(), None)?
            }
            Self::Qname(b) | Self::Cigar(b) | Self::Seq(b) | Self::Qual(b) => b.finish()?,
        })
    }
}

/// The values, and room for as many.
fn next<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len());
    std::mem::replace(values, room)
}

/// The dictionary's names, from which rows pick theirs.
pub(super) fn names_of(contigs: &Contigs) -> Result<StringViewArray> {
    let mut names = TextColumn::default();
    contigs.iter().for_each(|c| names.push(c.name.as_bytes()));
    names.check("contig").map_err(|(_, e)| e)?;
    names.finish_views()
}

/// Letters of each two bases in a byte, the first in the high half.
const BASES: [[u8; 2]; 256] = {
    let letters = b"=ACMGRSVTWYHKDBN";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [letters[byte >> 4], letters[byte & 0xf]];
        byte += 1;
    }
    table
};

/// Appends `length` bases.
pub(super) fn write_bases(packed: &[u8], length: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * packed.len(), 0);
    for (letters, pair) in out[start..].chunks_exact_mut(2).zip(packed) {
        letters.copy_from_slice(&BASES[usize::from(*pair)]);
    }
    out.truncate(start + length);
}

/// Highest Phred score that SAM text can show.
const MAX_PHRED: u8 = b'~' - b'!';

/// Appends Phred scores as Phred+33 text.
pub(super) fn write_qualities(scores: &[u8], out: &mut Vec<u8>) -> Result<()> {
    // Without a way out of the loop, which so compares many scores at once.
    if scores.iter().fold(0, |most: u8, q| most.max(*q)) > MAX_PHRED {
        let q = scores.iter().find(|q| **q > MAX_PHRED).copied().unwrap_or_default();
        return Err(Error::corrupt(format!("base quality {q} is above {MAX_PHRED}")).field("qual"));
    }
    out.extend(scores.iter().map(|q| q + b'!'));
    Ok(())
}
