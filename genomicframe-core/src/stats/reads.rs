//! Reads: bases, lengths, and qualities by position.

use std::fmt;

use arrow::array::{RecordBatch, StringViewArray};

use super::bins::{EXACT, add_all, add_at, bin_of, label, numbers_of};
use super::{Figures, complete, ratio, shown};
use crate::error::{Error, Result};

/// Counts of reads and their bases.
///
/// Lengths and positions have a bin each up to 1,023 and 32 bins for each doubling beyond, so that the longest reads take
/// no more memory than short ones. Positions count from 1, as they are shown.
///
/// ```
/// use std::sync::Arc;
///
/// use arrow::array::{ArrayRef, RecordBatch, StringViewArray};
/// use genomicframe_core::stats::ReadStats;
///
/// let text = |t: [&str; 2]| Arc::new(StringViewArray::from(t.to_vec())) as ArrayRef;
/// let batch = RecordBatch::try_from_iter([("seq", text(["ACGT", "GN"])), ("qual", text(["IIII", "I+"]))])?;
/// let mut stats = ReadStats::default();
/// stats.update(&batch)?;
/// assert_eq!((stats.reads, stats.bases, stats.shortest(), stats.longest()), (2, 6, Some(2), Some(4)));
/// assert_eq!(stats.gc(), Some(0.6));
/// // 40 and 40 at the first position, 40 and 10 at the second.
/// let means: Vec<_> = stats.positions().map(|(_, _, mean)| mean).collect();
/// assert_eq!(means, [40.0, 25.0, 40.0, 40.0]);
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadStats {
    /// Reads.
    pub reads: u64,
    /// Bases of all reads.
    pub bases: u64,
    /// Bases that are A, C, G, T and N, in either case.
    counts: [u64; 5],
    lengths: Vec<u64>,
    extremes: Option<(u64, u64)>,
    /// Bases of each quality, by its character.
    qualities: Vec<u64>,
    /// Sums of quality characters by the bin of their position, from 0.
    sums: Vec<u64>,
    /// Bases by the bin of their position, of positions from [`EXACT`] on.
    beyond: Vec<u64>,
}

/// The character of quality 0.
const ZERO: u8 = b'!';
/// The character of the highest quality.
const HIGHEST: u8 = b'~';
const LETTERS: &[u8; 5] = b"ACGTN";

impl Default for ReadStats {
    fn default() -> Self {
        Self {
            reads: 0,
            bases: 0,
            counts: [0; 5],
            lengths: Vec::new(),
            extremes: None,
            qualities: vec![0; 1 << 8],
            sums: Vec::new(),
            beyond: Vec::new(),
        }
    }
}

/// Reads after which 16-bit sums of bytes may be full; up to there none overflows.
const FULL: usize = 257;

/// Sums by position of a few reads, in numbers small enough that many are added at once.
#[derive(Default)]
struct Sums {
    sums: Vec<u16>,
    reads: usize,
}

impl Sums {
    fn add(&mut self, quality: &[u8], to: &mut [u64]) {
        if self.reads == FULL {
            self.empty(to);
        }
        self.reads += 1;
        if self.sums.len() < quality.len() {
            self.sums.resize(quality.len(), 0);
        }
        for (sum, q) in self.sums.iter_mut().zip(quality) {
            *sum = sum.wrapping_add(u16::from(*q));
        }
    }

    fn empty(&mut self, to: &mut [u64]) {
        self.reads = 0;
        for (to, sum) in to.iter_mut().zip(&mut self.sums) {
            *to += u64::from(std::mem::take(sum));
        }
    }
}

/// Tables that neighbouring bases are counted in, so that equal ones do not wait for each other.
const TABLES: usize = 4;

/// How often each byte occurs.
struct Bytes([[u64; 1 << 8]; TABLES]);

impl Bytes {
    fn add(&mut self, bytes: &[u8]) {
        let [one, two, three, four] = &mut self.0;
        let (fours, rest) = bytes.as_chunks::<TABLES>();
        for [a, b, c, d] in fours {
            one[usize::from(*a)] += 1;
            two[usize::from(*b)] += 1;
            three[usize::from(*c)] += 1;
            four[usize::from(*d)] += 1;
        }
        for byte in rest {
            one[usize::from(*byte)] += 1;
        }
    }
}

/// Bases counted at once in 8-bit numbers.
const COUNTED: usize = 255;

/// Bases that are A, C, G, T and N, in either case. Without a branch, so that the compiler makes it wide.
fn count_letters(sequence: &[u8]) -> [u64; 5] {
    let mut counts = [0; 5];
    for part in sequence.chunks(COUNTED) {
        // Of so few bases no sum overflows, and a test for it would make the loop narrow.
        let [mut a, mut c, mut g, mut t, mut n] = [0u8; 5];
        for base in part {
            let upper = base & !0x20;
            a = a.wrapping_add(u8::from(upper == b'A'));
            c = c.wrapping_add(u8::from(upper == b'C'));
            g = g.wrapping_add(u8::from(upper == b'G'));
            t = t.wrapping_add(u8::from(upper == b'T'));
            n = n.wrapping_add(u8::from(upper == b'N'));
        }
        for (sum, n) in counts.iter_mut().zip([a, c, g, t, n]) {
            *sum += u64::from(n);
        }
    }
    counts
}

impl ReadStats {
    /// The columns that it looks at.
    pub const COLUMNS: &'static [&'static str] = &["seq", "qual"];

    /// Counts the rows of a batch in.
    ///
    /// # Errors
    /// When a column is missing, of another type or null, or qualities are not one of `!` to `~` for each base.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<()> {
        let sequences = complete::<StringViewArray>(batch, "seq")?;
        let qualities = complete::<StringViewArray>(batch, "qual")?;
        let (mut sums, mut bytes) = (Sums::default(), Bytes([[0; 1 << 8]; TABLES]));
        for row in 0..batch.num_rows() {
            let (sequence, quality) = (sequences.value(row).as_bytes(), qualities.value(row).as_bytes());
            if sequence.len() != quality.len() {
                let e = Error::corrupt(format!("{} qualities of {} bases", quality.len(), sequence.len()));
                return Err(e.field("qual"));
            }
            self.add_sequence(sequence);
            bytes.add(quality);
            self.add_by_position(quality, &mut sums);
        }
        for table in &bytes.0 {
            add_all(&mut self.qualities, table);
        }
        sums.empty(&mut self.sums);
        self.reads += batch.num_rows() as u64;
        match self.quality_counts().find(|(character, _)| !(ZERO..=HIGHEST).contains(character)) {
            Some((bad, _)) => Err(Error::corrupt("a quality outside '!' to '~'").field("qual").text(&[bad])),
            None => Ok(()),
        }
    }

    fn add_sequence(&mut self, sequence: &[u8]) {
        let length = sequence.len() as u64;
        self.bases += length;
        for (sum, n) in self.counts.iter_mut().zip(count_letters(sequence)) {
            *sum += n;
        }
        add_at(&mut self.lengths, bin_of(length), 1);
        let (least, most) = self.extremes.unwrap_or((length, length));
        self.extremes = Some((least.min(length), most.max(length)));
    }

    fn add_by_position(&mut self, quality: &[u8], sums: &mut Sums) {
        let (near, far) = quality.split_at(quality.len().min(EXACT));
        if self.sums.len() < near.len() {
            self.sums.resize(near.len(), 0);
        }
        sums.add(near, &mut self.sums);
        if !far.is_empty() {
            self.add_far(far);
        }
    }

    /// Adds the qualities of the positions from [`EXACT`] on.
    fn add_far(&mut self, mut far: &[u8]) {
        let mut bin = EXACT;
        while !far.is_empty() {
            let numbers = numbers_of(bin);
            let width = usize::try_from(numbers.end - numbers.start).unwrap_or(usize::MAX);
            let (here, next) = far.split_at(far.len().min(width));
            add_at(&mut self.sums, bin, here.iter().map(|q| u64::from(*q)).sum());
            add_at(&mut self.beyond, bin - EXACT, here.len() as u64);
            (far, bin) = (next, bin + 1);
        }
    }

    /// Adds what was counted of other rows.
    pub fn merge(&mut self, other: &Self) {
        self.reads += other.reads;
        self.bases += other.bases;
        for (sum, n) in self.counts.iter_mut().zip(other.counts) {
            *sum += n;
        }
        add_all(&mut self.lengths, &other.lengths);
        self.extremes = match (self.extremes, other.extremes) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, another) => one.or(another),
        };
        add_all(&mut self.qualities, &other.qualities);
        add_all(&mut self.sums, &other.sums);
        add_all(&mut self.beyond, &other.beyond);
    }

    /// Bases of each quality character that occurs.
    fn quality_counts(&self) -> impl Iterator<Item = (u8, u64)> {
        let all = (0..=u8::MAX).zip(&self.qualities);
        all.filter(|(_, n)| **n > 0).map(|(character, n)| (character, *n))
    }

    /// Bases that are `letter` (one of A, C, G, T and N) in either case.
    pub fn count(&self, letter: char) -> u64 {
        let found = LETTERS.iter().zip(self.counts).find(|(l, _)| char::from(**l) == letter);
        found.map_or(0, |(_, n)| n)
    }

    /// The share of G and C among A, C, G and T; `None` without any.
    pub fn gc(&self) -> Option<f64> {
        let [a, c, g, t, _] = self.counts;
        ratio(c + g, a + c + g + t)
    }

    /// The length of the shortest read; `None` without any.
    pub fn shortest(&self) -> Option<u64> {
        self.extremes.map(|(least, _)| least)
    }

    /// The length of the longest read; `None` without any.
    pub fn longest(&self) -> Option<u64> {
        self.extremes.map(|(_, most)| most)
    }

    /// The mean length; `None` without any read.
    pub fn mean_length(&self) -> Option<f64> {
        ratio(self.bases, self.reads)
    }

    /// Lengths, or ranges of them, and how many reads have them.
    pub fn lengths(&self) -> impl Iterator<Item = (std::ops::Range<u64>, u64)> {
        let all = self.lengths.iter().enumerate().filter(|(_, n)| **n > 0);
        all.map(|(bin, n)| (numbers_of(bin), *n))
    }

    /// Qualities (Phred) that occur, and how many bases have them.
    pub fn qualities(&self) -> impl Iterator<Item = (u8, u64)> {
        self.quality_counts().map(|(character, n)| (character.saturating_sub(ZERO), n))
    }

    /// The mean quality of all bases; `None` without any.
    pub fn mean_quality(&self) -> Option<f64> {
        let (sum, bases) = self.qualities().fold((0, 0), |(sum, bases), (q, n)| (sum + u64::from(q) * n, bases + n));
        ratio(sum, bases)
    }

    /// Positions, or ranges of them, from 1: how many bases lie there, and their mean quality.
    pub fn positions(&self) -> impl Iterator<Item = (std::ops::Range<u64>, u64, f64)> {
        let mut left = self.reads;
        self.sums.iter().enumerate().filter_map(move |(bin, sum)| {
            let bases = match bin.checked_sub(EXACT) {
                Some(beyond) => self.beyond.get(beyond).copied().unwrap_or_default(),
                // Reads that are longer than the position, counted from 0.
                None => {
                    left -= self.lengths.get(bin).copied().unwrap_or_default();
                    left
                }
            };
            let numbers = numbers_of(bin);
            let mean = ratio(*sum, bases)? - f64::from(ZERO);
            Some((numbers.start + 1..numbers.end + 1, bases, mean))
        })
    }

    pub(super) fn figures(&self, out: &mut Figures) {
        out.count("summary", "reads", self.reads);
        out.count("summary", "bases", self.bases);
        out.known("summary", "length min", self.shortest().map(|n| n as f64));
        out.known("summary", "length mean", self.mean_length());
        out.known("summary", "length max", self.longest().map(|n| n as f64));
        out.known("summary", "GC", self.gc());
        out.known("summary", "mean quality", self.mean_quality());
        for (letter, n) in LETTERS.iter().zip(self.counts) {
            out.count("base", char::from(*letter), n);
        }
        for (numbers, n) in self.lengths() {
            out.count("length", label(&numbers), n);
        }
        for (quality, n) in self.qualities() {
            out.count("quality", quality.to_string(), n);
        }
        for (numbers, _, mean) in self.positions() {
            out.number("position", label(&numbers), mean);
        }
    }
}

/// Lines of a histogram that a person reads.
const LINES: usize = 30;

/// Neighbouring ranges joined until few are left, with the sums of their numbers.
fn joined(all: impl Iterator<Item = (std::ops::Range<u64>, [f64; 2])>) -> Vec<(std::ops::Range<u64>, [f64; 2])> {
    let all: Vec<_> = all.collect();
    let join = |part: &[(std::ops::Range<u64>, [f64; 2])]| {
        let mut part = part.iter().cloned();
        let first = part.next()?;
        Some(part.fold(first, |(range, [a, b]), (next, [c, d])| (range.start..next.end, [a + c, b + d])))
    };
    all.chunks(all.len().div_ceil(LINES).max(1)).filter_map(join).collect()
}

impl fmt::Display for ReadStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u64>| n.map_or_else(|| "N/A".to_owned(), |n| n.to_string());
        writeln!(f, "reads\t{}", self.reads)?;
        writeln!(f, "bases\t{}", self.bases)?;
        let (least, most) = (number(self.shortest()), number(self.longest()));
        writeln!(f, "length min, mean, max\t{least}\t{}\t{most}", shown(self.mean_length(), 2))?;
        writeln!(f, "GC\t{}%", shown(self.gc().map(|gc| 100.0 * gc), 2))?;
        writeln!(f, "N\t{}%", shown(ratio(self.count('N'), self.bases).map(|n| 100.0 * n), 2))?;
        writeln!(f, "mean quality\t{}", shown(self.mean_quality(), 1))?;
        writeln!(f, "\nlength\treads")?;
        for (numbers, [n, _]) in joined(self.lengths().map(|(numbers, n)| (numbers, [n as f64, 0.0]))) {
            writeln!(f, "{}\t{n}", label(&numbers))?;
        }
        writeln!(f, "\nquality\tbases")?;
        for (quality, n) in self.qualities() {
            writeln!(f, "{quality}\t{n}")?;
        }
        writeln!(f, "\nposition\tmean quality")?;
        let weighted = self.positions().map(|(numbers, n, mean)| (numbers, [n as f64, n as f64 * mean]));
        for (numbers, [n, sum]) in joined(weighted) {
            writeln!(f, "{}\t{:.2}", label(&numbers), sum / n)?;
        }
        Ok(())
    }
}
