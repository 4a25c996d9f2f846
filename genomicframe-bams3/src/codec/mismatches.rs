//! The tags `MD` and `NM`, told by the differences of a read from the consensus (specification §7.16).
//!
//! ```text
//! MD page: a stream of a byte per value: 1 as expected, 0 told │ the values told: text
//! NM page: a stream of a byte per value: 1 as expected, 0 told │ the values told: integers
//! ```
//! What is expected takes the consensus for the reference: `MD` as the SAM tags specification writes it, `NM` the number of
//! its letters plus the bases inserted. Nothing is expected of plain reads, and of those that delete a position which is
//! not covered. A writer that uses these encodings makes the consensus from the reference bases that `MD` tells of, so that
//! nearly all values are as expected.

use genomicframe_core::alignment::write_int;
use genomicframe_core::{Error, Result};

use super::consensus::Vote;
use super::layout::{Cover, Layout, Step, begins};
use super::packed::LETTERS;
use super::stream::{Input, LONGEST, Packer, Unpacker};
use super::strings::Strings;
use super::{consensus, ints, text};

/// The consensus as a reference, and the reads on it.
#[derive(Debug)]
pub struct Expected<'a> {
    cover: Cover<'a>,
    consensus: Vec<u8>,
    /// The letters of all reads.
    bases: &'a [u8],
    /// Where each read's begin.
    begins: Vec<usize>,
}

impl<'a> Expected<'a> {
    /// Of the reads of `layout`, whose letters are `bases`, and their consensus' page.
    ///
    /// # Errors
    /// When the page is not that of this layout.
    pub fn new(layout: &Layout<'a>, consensus: &[u8], bases: &'a [u8], unpacker: &mut Unpacker) -> Result<Self> {
        if layout.bases()? != bases.len() {
            return Err(Error::invalid("letters of other reads"));
        }
        let cover = Cover::new(layout);
        let consensus = consensus::decode(consensus, cover.positions, unpacker)?;
        Ok(Self { cover, consensus, bases, begins: begins(layout.lengths) })
    }

    /// Appends the MD of `row` to `out`; its NM. `None`: nothing is expected, and `out` may hold a part.
    fn write(&self, row: usize, out: &mut Vec<u8>) -> Option<i64> {
        let read = self.cover.reads.get(row)?.as_ref()?;
        let mut finder = self.cover.finder();
        let (mut base, mut position) = (self.begins[row], read.start);
        let (mut matching, mut edits) = (0i64, 0i64);
        for (step, len) in read.steps().filter(|(_, len)| *len > 0) {
            match step {
                Step::Match => {
                    let at = finder.find(read.contig, position);
                    for (own, common) in self.bases[base..base + len].iter().zip(&self.consensus[at..at + len]) {
                        if own == common {
                            matching += 1;
                        } else {
                            write_int(matching, out);
                            out.push(*common);
                            (matching, edits) = (0, edits + 1);
                        }
                    }
                    base += len;
                    position += len as i64;
                }
                Step::Insert => base += len,
                Step::Delete => {
                    let at = finder.find_all(read.contig, position, len)?;
                    write_int(matching, out);
                    out.push(b'^');
                    out.extend_from_slice(&self.consensus[at..at + len]);
                    (matching, edits, position) = (0, edits + len as i64, position + len as i64);
                }
                Step::Skip => position += len as i64,
                Step::Nothing => {}
            }
        }
        write_int(matching, out);
        // Clipped bases are no edits, so insertions are counted by their own code.
        let inserted: i64 = read.ops.iter().filter(|op| *op & 0xf == 1).map(|op| i64::from(op >> 4)).sum();
        Some(edits + inserted)
    }
}

/// Appends the MD values of the rows `owners`.
///
/// # Errors
/// When zstd fails.
pub fn encode_md(
    of: &Expected<'_>,
    owners: &[u32],
    values: &Strings,
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut told = Strings::default();
    let mut scratch = Vec::new();
    let kind = |(value, row): (usize, &u32)| {
        scratch.clear();
        let is_expected = of.write(*row as usize, &mut scratch).is_some() && scratch == values.get(value);
        if !is_expected {
            told.push(values.get(value));
        }
        u8::from(is_expected)
    };
    let kinds: Vec<u8> = owners.iter().enumerate().map(kind).collect();
    packer.put(&kinds, out)?;
    text::encode(&told, packer, out)
}

/// Reads the MD values of the rows `owners`.
///
/// # Errors
/// When the bytes are not what [`encode_md`] writes.
pub fn decode_md(of: &Expected<'_>, owners: &[u32], input: &mut Input<'_>, unpacker: &mut Unpacker) -> Result<Strings> {
    let kinds = unpacker.get_exact(input, owners.len())?;
    let told = text::decode(input, kinds.iter().filter(|k| **k != 1).count(), unpacker)?;
    let mut told = told.iter();
    let mut values = Strings::default();
    for (row, kind) in owners.iter().zip(kinds) {
        let is_there = match kind {
            1 => of.write(*row as usize, &mut values.bytes).is_some(),
            0 => told.next().map(|t| values.bytes.extend_from_slice(t)).is_some(),
            _ => false,
        };
        if !is_there || values.bytes.len() > LONGEST {
            return Err(Error::corrupt("a value that cannot be told").field("MD"));
        }
        values.ends.push(values.bytes.len() as u32);
    }
    Ok(values)
}

/// Appends the NM values of the rows `owners`.
///
/// # Errors
/// When zstd fails.
pub fn encode_nm(
    of: &Expected<'_>,
    owners: &[u32],
    values: &[i64],
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<()> {
    let (mut told, mut scratch) = (Vec::new(), Vec::new());
    let kind = |(row, value): (&u32, &i64)| {
        scratch.clear();
        let is_expected = of.write(*row as usize, &mut scratch) == Some(*value);
        if !is_expected {
            told.push(*value);
        }
        u8::from(is_expected)
    };
    let kinds: Vec<u8> = owners.iter().zip(values).map(kind).collect();
    packer.put(&kinds, out)?;
    ints::encode(&told, packer, out)
}

/// Reads the NM values of the rows `owners`.
///
/// # Errors
/// When the bytes are not what [`encode_nm`] writes.
pub fn decode_nm(
    of: &Expected<'_>,
    owners: &[u32],
    input: &mut Input<'_>,
    unpacker: &mut Unpacker,
) -> Result<Vec<i64>> {
    let kinds = unpacker.get_exact(input, owners.len())?;
    let mut told = ints::decode(input, kinds.iter().filter(|k| **k != 1).count(), unpacker)?.into_iter();
    let mut scratch = Vec::new();
    let mut value = |(row, kind): (&u32, u8)| {
        scratch.clear();
        match kind {
            1 => of.write(*row as usize, &mut scratch),
            0 => told.next(),
            _ => None,
        }
    };
    let values: Option<Vec<i64>> = owners.iter().zip(kinds).map(&mut value).collect();
    values.ok_or_else(|| Error::corrupt("a value that cannot be told").field("NM"))
}

/// Puts the reference bases that `md` tells of in the place of a read's own, where they differ, and adds those that the
/// read deletes to `deleted`. `at` is where the read starts. What does not fit the CIGAR changes nothing more.
pub fn put_reference(at: (i32, i64), ops: &[u32], md: &[u8], codes: &mut [u8], deleted: &mut Vec<Vote>) {
    let code_of = |letter: &u8| LETTERS.iter().position(|l| l == letter).map(|code| code as u8);
    let (contig, mut position) = at;
    let (mut rest, mut base) = (md, 0);
    let mut matching = take_number(&mut rest);
    for op in ops {
        let (Some(step), len) = (Step::of(*op), (*op >> 4) as usize) else { return };
        match step {
            Step::Match => {
                position = position.saturating_add_unsigned(len as u64);
                let end = base + len;
                while base < end {
                    if matching > 0 {
                        let same = usize::try_from(matching).unwrap_or(usize::MAX).min(end - base);
                        (base, matching) = (base + same, matching - same as u64);
                        continue;
                    }
                    let Some((letter, after)) = rest.split_first() else { return };
                    let (Some(code), Some(own)) = (code_of(letter), codes.get_mut(base)) else { return };
                    *own = code;
                    rest = after;
                    base += 1;
                    matching = take_number(&mut rest);
                }
            }
            Step::Insert => base += len,
            Step::Delete => {
                let letters = rest.strip_prefix(b"^").filter(|_| matching == 0).and_then(|r| r.split_at_checked(len));
                let Some((letters, after)) = letters else { return };
                for (i, letter) in letters.iter().enumerate() {
                    let Some(code) = code_of(letter) else { return };
                    deleted.push(Vote { contig, position: position.saturating_add_unsigned(i as u64), code });
                }
                position = position.saturating_add_unsigned(len as u64);
                rest = after;
                matching = take_number(&mut rest);
            }
            Step::Skip => position = position.saturating_add_unsigned(len as u64),
            Step::Nothing => {}
        }
    }
}

fn take_number(rest: &mut &[u8]) -> u64 {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.iter().fold(0, |n, d| n.saturating_mul(10).saturating_add(u64::from(d - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;
    use crate::codec::bases;
    use crate::codec::layout::Cigars;

    #[test]
    fn values_of_the_reference_are_expected_and_others_are_told() {
        // Reads of the reference ACGTACGTAC: one equal, one with a mismatch, one with an insertion and a deletion.
        let (ops, ends) = (vec![10 << 4, 10 << 4, 4 << 4, 1 << 4 | 1, 2 << 4 | 2, 4 << 4], vec![1, 2, 6]);
        let text = [b"ACGTACGTAC".to_vec(), b"ACGAACGTAC".to_vec(), b"ACGTTGTAC".to_vec()];
        let codes: Vec<u8> = text.concat().iter().map(|b| LETTERS.iter().position(|l| l == b).unwrap() as u8).collect();
        let layout = Layout {
            contigs: &[0; 3],
            starts: &[5; 3],
            cigars: Cigars { ops: &ops, ends: &ends },
            lengths: &[10, 10, 9],
            unmapped: &[false; 3],
        };
        let md: Strings = [&b"10"[..], b"3T6", b"4^AC4"].into_iter().collect();
        let mut votes = codes.clone();
        let mut deleted = Vec::new();
        put_reference((0, 5), &ops[1..2], md.get(1), &mut votes[10..20], &mut deleted);
        put_reference((0, 5), &ops[2..], md.get(2), &mut votes[20..], &mut deleted);
        let vote = |position, code| Vote { contig: 0, position, code };
        assert_eq!(deleted, [vote(9, 1), vote(10, 2)]);
        assert_eq!(votes[10..20], codes[..10]);

        let (mut packer, mut unpacker) = (Packer::new(Level::SMALL).unwrap(), Unpacker::new().unwrap());
        let (mut consensus, mut page) = (Vec::new(), Vec::new());
        bases::encode_with_votes(&layout, &codes, &votes, &deleted, &mut packer, &mut consensus, &mut page).unwrap();
        let letters = bases::decode(&layout, &consensus, &page, &mut unpacker).unwrap();
        assert_eq!(letters, text.concat());
        let of = Expected::new(&layout, &consensus, &letters, &mut unpacker).unwrap();
        for told in [None, Some(1)] {
            let values: Strings = (0..3).map(|i| if told == Some(i) { &b"no MD"[..] } else { md.get(i) }).collect();
            let mut out = Vec::new();
            encode_md(&of, &[0, 1, 2], &values, &mut packer, &mut out).unwrap();
            assert_eq!(out[2..5], [1, u8::from(told.is_none()), 1]);
            let read = decode_md(&of, &[0, 1, 2], &mut Input::new(&out), &mut unpacker).unwrap();
            assert_eq!(read, values);
            for cut in 0..out.len() {
                let _ = decode_md(&of, &[0, 1, 2], &mut Input::new(&out[..cut]), &mut unpacker);
            }
        }
        for nm in [[0, 1, 3], [0, 7, 3]] {
            let mut out = Vec::new();
            encode_nm(&of, &[0, 1, 2], &nm, &mut packer, &mut out).unwrap();
            assert_eq!(out[2..5], [1, u8::from(nm[1] == 1), 1]);
            assert_eq!(decode_nm(&of, &[0, 1, 2], &mut Input::new(&out), &mut unpacker).unwrap(), nm);
        }
    }
}
