//! Read bases, as differences from the consensus of their row group (specification §7.11).
//!
//! Which reads are aligned, which positions they cover and in which order is said in [`layout`](super::layout). The
//! consensus ([`super::consensus`]) is a page of its own. The page of bases:
//!
//! ```text
//! packed bases (codec::packed): all literals
//! integers (codec::ints): differences per aligned read
//! stream:   a gap per difference, 255 also for those beyond
//! integers: for each 255 above, the gap less 255
//! stream:   2 bits per difference, lowest first; ⌈n / 4⌉ bytes
//! stream:   a BAM code (0 to 15) for each 3 above
//! ```
//!
//! Literals are the bases without a position: all of plain reads, and those of I and S of aligned ones; in the order of
//! reads, and within a read from left to right. An aligned read is laid out by its CIGAR: literals for I and S, the
//! consensus at their positions for M, = and X. Then its differences are put in: a gap is the number of bases between a
//! difference and the one before, or the beginning of the read, literals counted too. With bases numbered A C G T as 0
//! to 3, two bits of 0, 1 and 2 mean the base whose number is the consensus base's XOR 1, 2 and 3.

use genomicframe_core::{Error, Result};

use super::consensus::Vote;
use super::layout::{Cover, Layout, Placed, Step};
use super::packed::LETTERS;
use super::stream::{Input, Packer, Unpacker};
use super::{consensus, ints, packed};

/// The gap that stands for itself and all beyond.
const WIDE: u8 = 255;
/// The two bits of a difference that has a code.
const OTHER: u8 = 3;

/// The letter for each of the two bits 0, 1 and 2 where the consensus has A, C, T and G, in the order of bits 1 and 2 of
/// their letters.
const CHANGED: [[u8; 3]; 4] = [*b"CGT", *b"ATG", *b"GCA", *b"TAC"];

/// Appends the page of `codes` (BAM's, 0 to 15, one per base, of one read after the other) to `out`, and that of their
/// consensus to `consensus`.
///
/// # Errors
/// When `codes` are not as many as `layout` says or beyond 15, its columns differ in length, or zstd fails.
pub fn encode(
    layout: &Layout<'_>,
    codes: &[u8],
    packer: &mut Packer,
    consensus: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<()> {
    encode_with_votes(layout, codes, codes, &[], packer, consensus, out)
}

/// As [`encode`], with a consensus of other codes than the reads have: `votes`, as many, and `deleted` where reads have no
/// base. Where they are the reference's, the consensus is the reference.
///
/// # Errors
/// As [`encode`].
pub fn encode_with_votes(
    layout: &Layout<'_>,
    codes: &[u8],
    votes: &[u8],
    deleted: &[Vote],
    packer: &mut Packer,
    consensus: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let bases = layout.bases()?;
    if votes.len() != codes.len()
        || votes.iter().chain(deleted.iter().map(|d| &d.code)).fold(0, |all, code| all | code) > 15
    {
        return Err(Error::invalid("votes for other bases"));
    }
    if bases != codes.len() || codes.iter().fold(0, |all, code| all | code) > 15 {
        return Err(Error::invalid(format!("{} codes for {bases} bases, or codes beyond 15", codes.len())));
    }
    let cover = Cover::new(layout);
    let common = consensus::count(&cover, layout.lengths, votes, deleted);
    consensus::encode(&common, packer, consensus)?;

    let mut differences = Differences::default();
    let mut literals = Vec::with_capacity(cover.literals);
    let mut finder = cover.finder();
    let mut rest = codes;
    for (read, length) in cover.reads.iter().zip(layout.lengths) {
        let (bases, after) = rest.split_at(*length as usize);
        rest = after;
        let Some(read) = read else {
            literals.extend_from_slice(bases);
            continue;
        };
        let (mut at, mut position) = (0, read.start);
        let before = differences.gaps.len();
        differences.next = 0;
        for (step, len) in read.steps() {
            match step {
                Step::Match if len > 0 => {
                    let from = finder.find(read.contig, position);
                    differences.compare(&bases[at..at + len], &common[from..from + len], at);
                    (at, position) = (at + len, position + len as i64);
                }
                Step::Insert => {
                    literals.extend_from_slice(&bases[at..at + len]);
                    at += len;
                }
                Step::Delete | Step::Skip => position += len as i64,
                Step::Match | Step::Nothing => {}
            }
        }
        differences.counts.push((differences.gaps.len() - before) as i64);
    }

    packed::encode(&literals, packer, out)?;
    ints::encode(&differences.counts, packer, out)?;
    packer.put(&differences.gaps, out)?;
    ints::encode(&differences.wide, packer, out)?;
    let fours = differences.symbols.chunks(4);
    let symbols: Vec<u8> = fours.map(|four| four.iter().rev().fold(0, |byte, symbol| byte << 2 | symbol)).collect();
    packer.put(&symbols, out)?;
    packer.put(&differences.others, out)
}

#[derive(Default)]
struct Differences {
    counts: Vec<i64>,
    gaps: Vec<u8>,
    wide: Vec<i64>,
    symbols: Vec<u8>,
    others: Vec<u8>,
    /// The base of the read that follows the difference before.
    next: usize,
}

impl Differences {
    /// `bases` begin at base `at` of their read.
    fn compare(&mut self, bases: &[u8], common: &[u8], at: usize) {
        let ((left, left_rest), (right, right_rest)) = (bases.as_chunks::<8>(), common.as_chunks::<8>());
        for (i, (a, b)) in left.iter().zip(right).enumerate() {
            let mut differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
            while differ != 0 {
                let j = differ.trailing_zeros() as usize / 8;
                self.push(at + 8 * i + j, a[j], b[j]);
                differ &= !(0xff << (8 * j));
            }
        }
        let at = at + 8 * left.len();
        for (j, (a, b)) in left_rest.iter().zip(right_rest).enumerate() {
            if a != b {
                self.push(at + j, *a, *b);
            }
        }
    }

    fn push(&mut self, at: usize, code: u8, common: u8) {
        let gap = at - self.next;
        self.next = at + 1;
        self.gaps.push(gap.min(usize::from(WIDE)) as u8);
        if gap >= usize::from(WIDE) {
            self.wide.push((gap - usize::from(WIDE)) as i64);
        }
        if code.count_ones() == 1 {
            self.symbols.push((code.trailing_zeros() ^ common.trailing_zeros()) as u8 - 1);
        } else {
            self.symbols.push(OTHER);
            self.others.push(code);
        }
    }
}

/// The letters of all bases, one read after the other.
///
/// # Errors
/// When the pages are not what [`encode`] writes for this layout.
pub fn decode(layout: &Layout<'_>, consensus: &[u8], page: &[u8], unpacker: &mut Unpacker) -> Result<Vec<u8>> {
    let bases = layout.bases()?;
    let cover = Cover::new(layout);
    let consensus = consensus::decode(consensus, cover.positions, unpacker)?;
    let mut input = Input::new(page);
    let literals = packed::decode(&mut input, cover.literals, unpacker)?;
    let mut changes = Changes::read(&mut input, &cover, bases, unpacker)?;
    input.end()?;

    let mut out = vec![0; bases];
    let (mut rest, mut literals) = (out.as_mut_slice(), literals.as_slice());
    let mut finder = cover.finder();
    for (read, length) in cover.reads.iter().zip(layout.lengths) {
        let (bases, after) = rest.split_at_mut(*length as usize);
        rest = after;
        match read {
            Some(read) => {
                lay_out(read, bases, |contig, position| &consensus[finder.find(contig, position)..], &mut literals);
                changes.apply(bases)?;
            }
            None => take(&mut literals, bases),
        }
    }
    if changes.others.next().is_some() {
        return Err(Error::corrupt("more codes than differences that have one"));
    }
    Ok(out)
}

/// Fills `bases`, which are as many as `read` has.
#[inline]
fn lay_out<'a>(
    read: &Placed<'_>,
    bases: &mut [u8],
    mut consensus: impl FnMut(i32, i64) -> &'a [u8],
    literals: &mut &[u8],
) {
    let (mut rest, mut position) = (bases, read.start);
    for (step, len) in read.steps() {
        match step {
            Step::Match if len > 0 => {
                let (aligned, after) = rest.split_at_mut(len);
                rest = after;
                aligned.copy_from_slice(&consensus(read.contig, position)[..len]);
                position += len as i64;
            }
            Step::Insert => {
                let (inserted, after) = rest.split_at_mut(len);
                rest = after;
                take(literals, inserted);
            }
            Step::Delete | Step::Skip => position += len as i64,
            Step::Match | Step::Nothing => {}
        }
    }
}

/// Moves the first of `literals`, which there are, to `bases`.
fn take(literals: &mut &[u8], bases: &mut [u8]) {
    let (taken, rest) = literals.split_at(bases.len());
    bases.copy_from_slice(taken);
    *literals = rest;
}

/// Differences as read.
struct Changes {
    counts: std::vec::IntoIter<i64>,
    gaps: std::vec::IntoIter<u8>,
    wide: std::vec::IntoIter<i64>,
    symbols: Vec<u8>,
    others: std::vec::IntoIter<u8>,
    done: usize,
}

impl Changes {
    fn read(input: &mut Input<'_>, cover: &Cover<'_>, bases: usize, unpacker: &mut Unpacker) -> Result<Self> {
        let counts = ints::decode(input, cover.aligned, unpacker)?;
        let mut differences = 0;
        for count in &counts {
            match usize::try_from(*count) {
                Ok(n) if n <= bases - differences => differences += n,
                _ => return Err(Error::corrupt(format!("{count} differences in a read"))),
            }
        }
        let gaps = unpacker.get_exact(input, differences)?;
        let wide = ints::decode(input, memchr::memchr_iter(WIDE, &gaps).count(), unpacker)?;
        let symbols = unpacker.get_exact(input, differences.div_ceil(4))?;
        let others = unpacker.get(input)?;
        if let Some(code) = others.iter().find(|code| usize::from(**code) >= LETTERS.len()) {
            return Err(Error::corrupt(format!("code {code} of a base")));
        }
        let (counts, gaps, wide, others) = (counts.into_iter(), gaps.into_iter(), wide.into_iter(), others.into_iter());
        Ok(Self { counts, gaps, wide, symbols, others, done: 0 })
    }

    /// Puts in the next read's.
    #[inline]
    fn apply(&mut self, bases: &mut [u8]) -> Result<()> {
        let count = self.counts.next().unwrap_or_default() as usize;
        let mut rest = bases;
        for gap in self.gaps.by_ref().take(count) {
            let mut gap = usize::from(gap);
            if gap == usize::from(WIDE) {
                let more = self.wide.next().and_then(|more| usize::try_from(more).ok());
                gap = gap.saturating_add(more.unwrap_or(usize::MAX));
            }
            let after = rest.get_mut(gap..).and_then(<[u8]>::split_first_mut);
            let Some((base, after)) = after else { return Err(Error::corrupt("a difference beyond its read's end")) };
            rest = after;
            let symbol = self.symbols[self.done / 4] >> (2 * (self.done % 4)) & 3;
            self.done += 1;
            *base = if symbol == OTHER {
                let Some(code) = self.others.next() else { return Err(Error::corrupt("a difference without a code")) };
                LETTERS[usize::from(code)]
            } else {
                CHANGED[usize::from(*base >> 1 & 3)][usize::from(symbol)]
            };
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "bases_tests.rs"]
mod tests;
