//! Several columns of numbers, row by row in as few bits as their ranges need (specification §7.2).
//!
//! A column is described where it belongs; what it may hold in packed form follows when all have been described.
//! ```text
//! column: kind u8 │ ...
//!   0 INTS   the numbers, as integers (§7.1)
//!   1 RANGE  base: varint │ top: varint; a number is base + its digit, digits are 0 to top
//!   2 SET    top: varint │ top + 1 numbers, as integers; a number is the one that its digit counts to from 0
//! packed: groups of columns, until all are had
//! group:  columns u8 │ rows u8 │ ⌈n / rows⌉ × width bits, lowest first, filled up with 0 to whole bytes
//! ```
//! The digits of RANGE and SET are packed, unless top = 0: then all are 0 and take no room. Groups take the others in
//! their order, `columns` each. Where the radix of a column is its top + 1, a row of a group is the number
//! `d₀ + r₀ × (d₁ + r₁ × (d₂ + …))` below the product p of its radices. What is stored are `rows` of those at a time, in
//! the same way: `w₀ + p × (w₁ + p × (w₂ + …))`, with 0 for rows beyond the last. Neither p nor p to the power of `rows`
//! is above 2⁶⁴; width is the bits of that power less 1.
//!
//! Numbers have 64 bits and no sign; INTS and SET hold them as the signed integers of the same bits.

use genomicframe_core::{Error, Result};

use super::ints;
use super::level::Preset;
use super::stream::{Input, Packer, Unpacker, put_varint};

const INTS: u8 = 0;
const RANGE: u8 = 1;
const SET: u8 = 2;

/// Bitmaps of this many words are made for few values, too.
const SMALL_BITMAP: u64 = 1024;
/// How many values are looked at to guess whether values repeat.
const SAMPLE: usize = 1024;

/// Describes columns and keeps their digits.
#[derive(Debug, Default)]
pub(super) struct Writer {
    columns: Vec<Digits>,
}

/// The digits of a column, 0 to `top`.
#[derive(Debug)]
struct Digits {
    top: u64,
    values: Vec<u64>,
}

impl Writer {
    /// Appends the description of a column. All columns have the same number of values.
    ///
    /// # Errors
    /// When zstd fails.
    pub(super) fn put(&mut self, mut values: Vec<u64>, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
        let (Some(&base), Some(&most)) = (values.iter().min(), values.iter().max()) else { return Ok(()) };
        let span = most - base;
        let mut size = room(values.len(), span);
        let mut set = None;
        if let Some(found) = Distinct::of(&values, base, span) {
            let top = found.values.len() as u64 - 1;
            let mut stored = vec![SET];
            put_varint(top, &mut stored);
            let members: Vec<i64> = found.values.iter().map(|v| *v as i64).collect();
            ints::encode(&members, packer, &mut stored)?;
            let other = stored.len() + room(values.len(), top);
            if other < size {
                size = other;
                set = Some((found, stored, top));
            }
        }
        let share = if packer.level().preset() == Preset::Small { 0.995 } else { 0.93 };
        if span > 0 && uneven(&values, base, span, share) {
            let mut stored = vec![INTS];
            let signed: Vec<i64> = values.iter().map(|v| *v as i64).collect();
            ints::encode(&signed, packer, &mut stored)?;
            if stored.len() < size {
                out.extend_from_slice(&stored);
                return Ok(());
            }
        }
        let top = if let Some((found, stored, top)) = set {
            out.extend_from_slice(&stored);
            for v in &mut values {
                *v = found.digit(*v);
            }
            top
        } else {
            out.push(RANGE);
            put_varint(base, out);
            put_varint(span, out);
            for v in &mut values {
                *v -= base;
            }
            span
        };
        self.columns.push(Digits { top, values });
        Ok(())
    }

    /// Appends what the columns hold in packed form.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        let columns: Vec<&Digits> = self.columns.iter().filter(|c| c.top > 0).collect();
        let tops: Vec<u64> = columns.iter().map(|c| c.top).collect();
        let mut rest = columns.as_slice();
        for (count, rows) in partition(&tops, columns.first().map_or(0, |c| c.values.len())) {
            let Some((group, others)) = rest.split_at_checked(count) else { return };
            let Some(radix) = Radix::of(group.iter().map(|c| c.top), rows) else { return };
            rest = others;
            out.extend([count as u8, rows as u8]);
            let mut whole: Vec<u64> = Vec::new();
            for Digits { top, values } in group.iter().rev() {
                if whole.is_empty() {
                    whole.clone_from(values);
                } else {
                    whole.iter_mut().zip(values).for_each(|(v, digit)| *v = *v * (top + 1) + digit);
                }
            }
            if rows > 1 {
                let one = |some: &[u64]| some.iter().rev().fold(0, |v, w| v * radix.row as u64 + w);
                whole = whole.chunks(rows).map(one).collect();
            }
            pack(&whole, radix.width, out);
        }
    }
}

/// Bytes of `n` digits of 0 to `top`.
fn room(n: usize, top: u64) -> usize {
    ((top as f64 + 1.0).log2() * n as f64 / 8.0) as usize
}

/// The distinct values of a column that has many repeated ones.
struct Distinct {
    /// Sorted.
    values: Vec<u64>,
    base: u64,
    /// A bit for each number of the column's range, and how many are set before each word; empty for wide ranges.
    bitmap: Vec<(u64, u32)>,
}

impl Distinct {
    fn of(values: &[u64], base: u64, span: u64) -> Option<Self> {
        let most = values.len() / 2;
        let words = span / 64 + 1;
        if words > SMALL_BITMAP.max(values.len() as u64) {
            let mut sample = values[..values.len().min(SAMPLE)].to_vec();
            sample.sort_unstable();
            sample.dedup();
            if sample.len() > values.len().min(SAMPLE) * 63 / 64 {
                return None;
            }
            let mut all = values.to_vec();
            all.sort_unstable();
            all.dedup();
            return (all.len() <= most).then_some(Self { values: all, base, bitmap: Vec::new() });
        }
        let mut bitmap = vec![(0u64, 0u32); words as usize];
        for v in values {
            bitmap[((v - base) / 64) as usize].0 |= 1 << ((v - base) % 64);
        }
        let mut count = 0;
        for (word, before) in &mut bitmap {
            *before = count;
            count += word.count_ones();
        }
        // Nearly every number of the range is there: the range says it in no bytes.
        if count as usize > most || u64::from(count) > span - span / 16 {
            return None;
        }
        let mut distinct = Vec::with_capacity(count as usize);
        for (at, (word, _)) in bitmap.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                distinct.push(base + at as u64 * 64 + u64::from(rest.trailing_zeros()));
                rest &= rest - 1;
            }
        }
        Some(Self { values: distinct, base, bitmap })
    }

    /// Where a value stands.
    fn digit(&self, value: u64) -> u64 {
        let at = value - self.base;
        match self.bitmap.get((at / 64) as usize) {
            Some((word, before)) => u64::from(*before + (word & ((1 << (at % 64)) - 1)).count_ones()),
            None => self.values.binary_search(&value).unwrap_or(0) as u64,
        }
    }
}

/// Whether `ints` might take less than the range says: values close to those before them, or some more common, so that
/// their entropy is below `share` of what it could be.
fn uneven(values: &[u64], base: u64, span: u64, share: f64) -> bool {
    let n = values.len() as u64;
    let wide = 64 - span.leading_zeros();
    let steps: u64 = values.windows(2).map(|w| u64::from(64 - w[0].abs_diff(w[1]).leading_zeros())).sum();
    if steps + 3 * n < u64::from(wide) * n || values.windows(2).filter(|w| w[0] <= w[1]).count() as u64 * 8 > 7 * n {
        return true;
    }
    let shift = wide.saturating_sub(8);
    let mut counts = [0u32; 256];
    for v in values {
        counts[((v - base) >> shift) as usize] += 1;
    }
    let entropy: f64 =
        counts.iter().filter(|c| **c > 0).map(|c| f64::from(*c) * (n as f64 / f64::from(*c)).log2()).sum();
    entropy < share * n as f64 * ((span >> shift) as f64 + 1.0).log2()
}

/// What the numbers of a group are below: those of a row, and those that are stored.
struct Radix {
    row: u128,
    /// Bits of what is stored.
    width: u32,
}

/// Above every number that is stored.
const LIMIT: u128 = 1 << 64;
/// Most rows in one number.
const ROWS: usize = 64;

impl Radix {
    /// Of columns with these tops, so many rows at a time, if a number can hold those.
    fn of(tops: impl Iterator<Item = u64>, rows: usize) -> Option<Self> {
        let times = |p: u128, r: u128| p.checked_mul(r).filter(|p| *p <= LIMIT);
        let row = tops.map(|top| u128::from(top) + 1).try_fold(1, times)?;
        let stored = std::iter::repeat_n(row, rows).try_fold(1, times)?;
        Some(Self { row, width: 128 - (stored - 1).leading_zeros() })
    }
}

/// How to divide columns into groups, and how many rows of each to store at a time, to lose the least to rounding.
fn partition(tops: &[u64], n: usize) -> Vec<(usize, usize)> {
    // For each number of columns: the fewest bits a row, and the last group.
    let mut best: Vec<(f64, usize, usize)> = vec![(0.0, 0, 0)];
    for end in 1..=tops.len() {
        let mut here = (f64::INFINITY, 0, 0);
        for start in (0..end).rev() {
            let group = || tops[start..end].iter().copied();
            if Radix::of(group(), 1).is_none() {
                break;
            }
            for rows in 1..=ROWS.min(n) {
                let Some(radix) = Radix::of(group(), rows) else { break };
                // A group costs a little, too: equal sizes take the fewest groups.
                let bits = best[start].0 + f64::from(radix.width) / rows as f64 + 0.02;
                if bits < here.0 - 0.01 {
                    here = (bits, end - start, rows);
                }
            }
        }
        best.push(here);
    }
    let mut groups = Vec::new();
    let mut end = tops.len();
    while end > 0 {
        let (_, count, rows) = best[end];
        groups.push((count, rows));
        end -= count.max(1);
    }
    groups.reverse();
    groups
}

fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    let (mut held, mut bits) = (0u128, 0);
    for v in values {
        held |= u128::from(*v) << bits;
        bits += width;
        if bits >= 64 {
            out.extend_from_slice(&(held as u64).to_le_bytes());
            held >>= 64;
            bits -= 64;
        }
    }
    out.extend_from_slice(&held.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

fn unpack(packed: &[u8], n: usize, width: u32) -> Vec<u64> {
    let mask = u64::MAX >> (64 - width);
    let load = |i: usize| {
        let bit = i * width as usize;
        let rest = packed.get(bit / 8..).unwrap_or_default();
        let word = if let Some(whole) = rest.first_chunk() {
            u128::from_le_bytes(*whole)
        } else {
            let mut whole = [0; 16];
            whole[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(whole)
        };
        (word >> (bit % 8)) as u64 & mask
    };
    (0..n).map(load).collect()
}

/// Reads columns of `n` values.
#[derive(Debug)]
pub(super) struct Reader {
    n: usize,
    columns: Vec<Column>,
}

#[derive(Debug)]
enum Column {
    Values(Vec<u64>),
    Range { base: u64, top: u64 },
    Set(Vec<u64>),
}

impl Reader {
    pub(super) fn new(n: usize) -> Self {
        Self { n, columns: Vec::new() }
    }

    /// Reads the description of the next column.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn describe(&mut self, input: &mut Input<'_>, unpacker: &mut Unpacker) -> Result<()> {
        let unsigned = |values: Vec<i64>| values.into_iter().map(|v| v as u64).collect();
        self.columns.push(match input.u8()? {
            INTS => Column::Values(unsigned(ints::decode(input, self.n, unpacker)?)),
            RANGE => {
                let (base, top) = (input.varint()?, input.varint()?);
                if base.checked_add(top).is_none() {
                    return Err(Error::corrupt(format!("a range of {top} from {base}")));
                }
                Column::Range { base, top }
            }
            SET => {
                let top = input.length(self.n.saturating_sub(1))?;
                Column::Set(unsigned(ints::decode(input, top + 1, unpacker)?))
            }
            other => return Err(Error::unsupported(format!("column encoding {other} is not known to this version"))),
        });
        Ok(())
    }

    /// Reads what is packed; returns the values of all columns.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn finish(self, input: &mut Input<'_>) -> Result<Vec<Vec<u64>>> {
        let n = self.n;
        let mut digits: Vec<Option<Vec<u64>>> = vec![None; self.columns.len()];
        let packed = self.columns.iter().zip(&mut digits).map(|(column, digits)| (column.top(), digits));
        let mut packed: Vec<(u64, &mut Option<Vec<u64>>)> = packed.filter(|(top, _)| *top > 0).collect();
        while !packed.is_empty() {
            let (count, rows) = (usize::from(input.u8()?), usize::from(input.u8()?));
            let radix = packed.get(..count).and_then(|group| Radix::of(group.iter().map(|(top, _)| *top), rows));
            let Some(radix) = radix.filter(|_| count > 0 && (1..=ROWS).contains(&rows)) else {
                return Err(Error::corrupt(format!("a group of {count} columns, {rows} rows at a time")));
            };
            let mut numbers = radix.read(input, n, rows)?;
            for (at, (top, digits)) in packed.drain(..count).enumerate() {
                if at + 1 < count {
                    *digits = Some(divide(&mut numbers, top + 1));
                } else if numbers.iter().all(|v| *v <= top) {
                    *digits = Some(std::mem::take(&mut numbers));
                } else {
                    return Err(Error::corrupt("a packed number beyond its range"));
                }
            }
        }
        let values = self.columns.into_iter().zip(digits).map(|(column, digits)| match (column, digits) {
            (Column::Values(values), _) => values,
            (Column::Range { base, .. }, None) => vec![base; n],
            (Column::Range { base, .. }, Some(mut digits)) => {
                for v in &mut digits {
                    *v += base;
                }
                digits
            }
            (Column::Set(set), None) => vec![set.first().copied().unwrap_or_default(); n],
            (Column::Set(set), Some(mut digits)) => {
                for v in &mut digits {
                    *v = set[*v as usize];
                }
                digits
            }
        });
        Ok(values.collect())
    }
}

impl Column {
    fn top(&self) -> u64 {
        match self {
            Self::Values(_) => 0,
            Self::Range { top, .. } => *top,
            Self::Set(set) => set.len() as u64 - 1,
        }
    }
}

impl Radix {
    /// The numbers of `n` rows.
    fn read(&self, input: &mut Input<'_>, n: usize, rows: usize) -> Result<Vec<u64>> {
        let count = n.div_ceil(rows);
        let bits = count.checked_mul(self.width as usize).ok_or_else(|| Error::corrupt("too many rows"))?;
        let mut numbers = unpack(input.take(bits.div_ceil(8))?, count, self.width);
        if rows == 1 {
            return Ok(numbers);
        }
        let mut all = vec![0; count * rows];
        for row in 0..rows - 1 {
            let digits = divide(&mut numbers, self.row as u64);
            all.iter_mut().skip(row).step_by(rows).zip(digits).for_each(|(v, digit)| *v = digit);
        }
        all.iter_mut().skip(rows - 1).step_by(rows).zip(numbers).for_each(|(v, digit)| *v = digit);
        all.truncate(n);
        Ok(all)
    }
}

/// Divides all by `radix`, at least 2; returns the remainders.
fn divide(values: &mut [u64], radix: u64) -> Vec<u64> {
    // The quotient by way of the reciprocal is right or one too small, and takes a fraction of a division's time.
    let reciprocal = (u128::from(u64::MAX) + 1) / u128::from(radix);
    let one = |v: &mut u64| {
        let mut quotient = ((u128::from(*v) * reciprocal) >> 64) as u64;
        let mut digit = *v - quotient * radix;
        if digit >= radix {
            quotient += 1;
            digit -= radix;
        }
        *v = quotient;
        digit
    };
    values.iter_mut().map(one).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Level;

    fn round_trip(columns: &[Vec<u64>], level: Level) -> Vec<u8> {
        let (mut out, mut writer, mut packer) = (Vec::new(), Writer::default(), Packer::new(level).unwrap());
        for column in columns {
            writer.put(column.clone(), &mut packer, &mut out).unwrap();
        }
        writer.finish(&mut out);
        assert_eq!(read(&out, columns.len(), columns[0].len()).unwrap(), columns);
        out
    }

    fn read(bytes: &[u8], columns: usize, n: usize) -> Result<Vec<Vec<u64>>> {
        let (mut input, mut unpacker, mut reader) = (Input::new(bytes), Unpacker::new()?, Reader::new(n));
        for _ in 0..columns {
            reader.describe(&mut input, &mut unpacker)?;
        }
        let values = reader.finish(&mut input)?;
        input.end()?;
        Ok(values)
    }

    fn column(n: usize) -> impl Strategy<Value = Vec<u64>> {
        let wide = (0u32..64).prop_flat_map(move |w| prop::collection::vec(any::<u64>().prop_map(move |v| v >> w), n));
        let few = prop::collection::vec(prop::sample::select(vec![0, 9, 1 << 20, u64::MAX - 1, u64::MAX]), n);
        let lattice = prop::collection::vec((0u64..20).prop_map(|v| 1000 + 9 * v), n);
        let sorted = wide.clone().prop_map(|mut v| {
            v.sort_unstable();
            v
        });
        prop_oneof![wide, few, lattice, sorted]
    }

    fn columns() -> impl Strategy<Value = Vec<Vec<u64>>> {
        (1usize..200).prop_flat_map(|n| prop::collection::vec(column(n), 1..6))
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(columns in columns()) {
            for level in [Level::FAST, Level::DEFAULT, Level::SMALL] {
                round_trip(&columns, level);
            }
        }

        #[test]
        fn damage_is_an_error_or_other_numbers(columns in columns(), at: prop::sample::Index, with: u8) {
            let mut bytes = round_trip(&columns, Level::DEFAULT);
            let at = at.index(bytes.len());
            bytes[at] = with;
            let _ = read(&bytes, columns.len(), columns[0].len());
            prop_assert!(read(&bytes[..at], columns.len(), columns[0].len()).is_err());
        }

        #[test]
        fn division_is_exact(v: u64, radix in 2u64..) {
            for radix in [radix, 2, 3, 10, 1 << 63, u64::MAX, (radix >> 40).max(2)] {
                let mut quotient = [v];
                prop_assert_eq!(divide(&mut quotient, radix), [v % radix]);
                prop_assert_eq!(quotient, [v / radix]);
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        // 3 × 5 states take 4 bits: 0 + 3 × 1, 2 + 3 × 4, 1 + 3 × 0.
        let two = round_trip(&[vec![7, 9, 8], vec![1, 4, 0]], Level::FAST);
        assert_eq!(two, [RANGE, 7, 2, RANGE, 0, 4, 2, 1, 0xe3, 0x01]);
        // Five digits of radix 3 take 8 bits: 2 + 3 × (0 + 3 × (1 + 3 × (1 + 3 × 2))).
        let five = round_trip(&[vec![2, 0, 1, 1, 2, 1]], Level::FAST);
        assert_eq!(five, [RANGE, 0, 2, 1, 5, 200, 1]);
        let lattice: Vec<u64> = (0..64).map(|i| [5, 1 << 40][i % 2]).collect();
        let set = round_trip(&[lattice], Level::FAST);
        assert_eq!(set[..2], [SET, 1]);
        assert_eq!(set[set.len() - 8..], [0xaa; 8]);
    }
}
