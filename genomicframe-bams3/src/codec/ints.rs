//! Integers (specification §7.1).
//!
//! ```text
//! kind u8 │ ...
//!   0 CONSTANT   zigzag varint: every value
//!   1 BITS       base: zigzag varint │ blocks of 128 values: width u8 (0 to 64), then 128 × width bits, lowest first
//!   2 PLANES     base: zigzag varint │ width u8 (1 to 8) │ width streams, the lowest bytes first
//!   3 DICTIONARY count u8 less 1 │ zigzag varint each │ a stream of a byte per value
//! ```
//! BITS and PLANES hold `value - base` as unsigned 64-bit numbers; the last block of BITS has as many values as remain.
//! With `kind + 128` the values decoded are differences: zigzagged, each to the value before it, the first one to 0.

use genomicframe_core::{Error, Result};

use super::level::Preset;
use super::stream::{Input, Packer, Unpacker, put_varint, unzigzag, zigzag};

const CONSTANT: u8 = 0;
const BITS: u8 = 1;
const PLANES: u8 = 2;
const DICTIONARY: u8 = 3;
const DELTA: u8 = 128;
const BLOCK: usize = 128;

/// Appends `values` in the smallest form that the packer's level tries. Sorted and unsorted input differ in nothing else
/// than size.
///
/// # Errors
/// When zstd fails.
pub fn encode(values: &[i64], packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    let Some(&first) = values.first() else { return Ok(()) };
    if values.iter().all(|v| *v == first) {
        out.push(CONSTANT);
        put_varint(zigzag(first), out);
        return Ok(());
    }
    let mut before = 0i64;
    let deltas = values.iter().map(|v| zigzag(v.wrapping_sub(std::mem::replace(&mut before, *v))) as i64);
    let deltas: Vec<i64> = deltas.collect();
    if deltas.iter().all(|d| *d == deltas[0]) {
        out.push(CONSTANT | DELTA);
        put_varint(zigzag(deltas[0]), out);
        return Ok(());
    }
    if packer.level().preset() < Preset::Small {
        // Which of the two is smaller shows in how many bits the numbers have; values repeat, which differences do not.
        return match bits(&deltas) * 4 < bits(values) * 3 {
            true => plain(&deltas, DELTA, packer, out),
            false => plain(values, 0, packer, out),
        };
    }
    let start = out.len();
    plain(values, 0, packer, out)?;
    let mut other = Vec::new();
    plain(&deltas, DELTA, packer, &mut other)?;
    if other.len() < out.len() - start {
        out.truncate(start);
        out.extend_from_slice(&other);
    }
    Ok(())
}

/// Significant bits of all values above the least.
fn bits(values: &[i64]) -> u64 {
    let base = values.iter().copied().min().unwrap_or_default();
    values.iter().map(|v| u64::from(u64::BITS - (v.wrapping_sub(base) as u64).leading_zeros())).sum()
}

fn plain(values: &[i64], flag: u8, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    let (Some(&base), Some(&top)) = (values.iter().min(), values.iter().max()) else { return Ok(()) };
    let span = top.wrapping_sub(base) as u64;
    let start = out.len();
    if let Some(dictionary) = dictionary(values, base, span) {
        out.extend([DICTIONARY | flag, (dictionary.len() - 1) as u8]);
        for value in &dictionary {
            put_varint(zigzag(*value), out);
        }
        let at: Vec<u8> = values.iter().map(|v| dictionary.binary_search(v).unwrap_or(0) as u8).collect();
        packer.put(&at, out)?;
    } else {
        let width = (64 - span.leading_zeros() as usize).div_ceil(8).max(1);
        out.push(PLANES | flag);
        put_varint(zigzag(base), out);
        out.push(width as u8);
        for plane in 0..width {
            let bytes: Vec<u8> = values.iter().map(|v| (v.wrapping_sub(base) as u64 >> (8 * plane)) as u8).collect();
            packer.put(&bytes, out)?;
        }
    }
    let mut bits = Vec::with_capacity(out.len() - start);
    bits.push(BITS | flag);
    put_varint(zigzag(base), &mut bits);
    for block in values.chunks(BLOCK) {
        let widest = block.iter().map(|v| v.wrapping_sub(base) as u64).fold(0, |a, b| a | b);
        let width = 64 - widest.leading_zeros();
        bits.push(width as u8);
        pack(block.iter().map(|v| v.wrapping_sub(base) as u64), width, &mut bits);
        if bits.len() >= out.len() - start {
            return Ok(());
        }
    }
    out.truncate(start);
    out.extend_from_slice(&bits);
    Ok(())
}

/// The distinct values, sorted, if a byte each can name them and packing the values themselves would take more than one.
fn dictionary(values: &[i64], base: i64, span: u64) -> Option<Vec<i64>> {
    if span <= u64::from(u8::MAX) {
        return None;
    }
    let distinct: Vec<i64> = if span <= u64::from(u16::MAX) {
        let mut seen = vec![false; span as usize + 1];
        values.iter().for_each(|v| seen[v.wrapping_sub(base) as usize] = true);
        if seen.iter().filter(|s| **s).count() > 256 {
            return None;
        }
        seen.iter().enumerate().filter(|(_, s)| **s).map(|(i, _)| base.wrapping_add(i as i64)).collect()
    } else {
        let mut seen = std::collections::BTreeSet::new();
        for v in values {
            if seen.insert(*v) && seen.len() > 256 {
                return None;
            }
        }
        seen.into_iter().collect()
    };
    (distinct.len() * 4 <= values.len()).then_some(distinct)
}

fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut held, mut bits) = (0u128, 0);
    for v in values {
        held |= u128::from(v) << bits;
        bits += width;
        while bits >= 8 {
            out.push(held as u8);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(held as u8);
    }
}

/// Reads `n` values.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(input: &mut Input<'_>, n: usize, unpacker: &mut Unpacker) -> Result<Vec<i64>> {
    if n == 0 {
        return Ok(Vec::new());
    }
    let kind = input.u8()?;
    let mut values = match kind & !DELTA {
        CONSTANT => vec![unzigzag(input.varint()?); n],
        BITS => {
            let base = unzigzag(input.varint()?);
            // Each block has at least its width's byte.
            let mut values = Vec::with_capacity(n.min(input.rest().len().saturating_mul(BLOCK)));
            while values.len() < n {
                let count = (n - values.len()).min(BLOCK);
                let width = u32::from(input.u8()?);
                if width > 64 {
                    return Err(Error::corrupt(format!("integers of {width} bits")));
                }
                let packed = input.take((count * width as usize).div_ceil(8))?;
                unpack(packed, width, count, base, &mut values);
            }
            values
        }
        PLANES => {
            let base = unzigzag(input.varint()?);
            let width = input.u8()?;
            if !(1..=8).contains(&width) {
                return Err(Error::corrupt(format!("integers of {width} bytes")));
            }
            let lowest = unpacker.get_exact(input, n)?;
            let mut values: Vec<i64> = lowest.iter().map(|b| i64::from(*b)).collect();
            for plane in 1..width {
                let bytes = unpacker.get_exact(input, n)?;
                for (v, b) in values.iter_mut().zip(bytes) {
                    *v |= (u64::from(b) << (8 * plane)) as i64;
                }
            }
            for v in &mut values {
                *v = v.wrapping_add(base);
            }
            values
        }
        DICTIONARY => {
            let count = usize::from(input.u8()?) + 1;
            let mut dictionary = [0; 256];
            for entry in &mut dictionary[..count] {
                *entry = unzigzag(input.varint()?);
            }
            let at = unpacker.get_exact(input, n)?;
            if let Some(bad) = at.iter().find(|i| usize::from(**i) >= count) {
                return Err(Error::corrupt(format!("entry {bad} of a dictionary of {count}")));
            }
            at.iter().map(|i| dictionary[usize::from(*i)]).collect()
        }
        _ => return Err(Error::unsupported(format!("integer encoding {kind} is not known to this version"))),
    };
    if kind & DELTA != 0 {
        let mut before = 0i64;
        for v in &mut values {
            before = before.wrapping_add(unzigzag(*v as u64));
            *v = before;
        }
    }
    Ok(values)
}

/// Reads `n` values that fit `T`; `None` when one does not.
///
/// # Errors
/// As [`decode`].
pub fn decode_as<T: TryFrom<i64> + Copy>(
    input: &mut Input<'_>,
    n: usize,
    unpacker: &mut Unpacker,
) -> Result<Option<Vec<T>>> {
    let mut ahead = *input;
    let kind = if n > 0 { ahead.u8()? } else { CONSTANT };
    // Values of a byte each need no wide numbers in between.
    let table: Option<[i64; 256]> = match kind {
        PLANES => {
            let base = unzigzag(ahead.varint()?);
            (ahead.u8()? == 1).then(|| std::array::from_fn(|i| base.wrapping_add(i as i64)))
        }
        DICTIONARY => {
            let count = usize::from(ahead.u8()?) + 1;
            let mut entries = [i64::MIN; 256];
            for entry in &mut entries[..count] {
                *entry = unzigzag(ahead.varint()?);
            }
            (count == 256 || T::try_from(i64::MIN).is_err()).then_some(entries)
        }
        _ => None,
    };
    if let Some(table) = table {
        let bytes = unpacker.get_exact(&mut ahead, n)?;
        *input = ahead;
        let fit: [Option<T>; 256] = table.map(|v| T::try_from(v).ok());
        return Ok(bytes.iter().map(|b| fit[usize::from(*b)]).collect());
    }
    Ok(decode(input, n, unpacker)?.into_iter().map(|v| T::try_from(v).ok()).collect())
}

/// `packed` has the bytes of `count` values.
fn unpack(packed: &[u8], width: u32, count: usize, base: i64, out: &mut Vec<i64>) {
    if width == 0 {
        out.extend(std::iter::repeat_n(base, count));
        return;
    }
    if width <= 56 {
        let mask = (1u64 << width) - 1;
        let whole = packed.len().saturating_sub(8);
        out.extend((0..count).map(|i| {
            let bit = i * width as usize;
            let at = bit / 8;
            let mut word = [0; 8];
            if at <= whole && packed.len() >= 8 {
                word.copy_from_slice(&packed[at..at + 8]);
            } else {
                let rest = &packed[at..];
                word[..rest.len().min(8)].copy_from_slice(&rest[..rest.len().min(8)]);
            }
            base.wrapping_add(((u64::from_le_bytes(word) >> (bit % 8)) & mask) as i64)
        }));
        return;
    }
    let (mut held, mut bits) = (0u128, 0);
    let mut bytes = packed.iter();
    for _ in 0..count {
        while bits < width {
            held |= u128::from(bytes.next().copied().unwrap_or_default()) << bits;
            bits += 8;
        }
        let v = if width == 64 { held as u64 } else { held as u64 & ((1 << width) - 1) };
        out.push(base.wrapping_add(v as i64));
        held >>= width;
        bits -= width;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Level;

    fn round_trip(values: &[i64], level: Level) -> Vec<u8> {
        let mut out = Vec::new();
        encode(values, &mut Packer::new(level).unwrap(), &mut out).unwrap();
        let mut input = Input::new(&out);
        let read = decode(&mut input, values.len(), &mut Unpacker::new().unwrap()).unwrap();
        assert_eq!(read, values);
        input.end().unwrap();
        out
    }

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        let narrow = prop::collection::vec(-300i64..300, 0..500);
        let wide = prop::collection::vec(any::<i64>(), 0..300);
        let few = prop::collection::vec(prop::sample::select(vec![0, 99, 147, 1 << 40, i64::MIN]), 0..400);
        let mixed = (0u32..64).prop_flat_map(|w| prop::collection::vec(any::<i64>().prop_map(move |v| v >> w), 0..300));
        let sorted = wide.clone().prop_map(|mut v| {
            v.sort_unstable();
            v
        });
        prop_oneof![narrow, wide, few, mixed, sorted]
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(values in numbers()) {
            for level in [Level::FAST, Level::DEFAULT, Level::SMALL] {
                round_trip(&values, level);
            }
        }

        #[test]
        fn narrow_numbers_are_read_as_wide_ones(values in numbers(), fit in any::<bool>()) {
            let values: Vec<i64> = values.into_iter().map(|v| if fit { v.rem_euclid(1 << 16) } else { v }).collect();
            let bytes = round_trip(&values, Level::DEFAULT);
            let narrow: Option<Vec<u16>> = values.iter().map(|v| u16::try_from(*v).ok()).collect();
            let read = decode_as(&mut Input::new(&bytes), values.len(), &mut Unpacker::new().unwrap());
            prop_assert_eq!(read.unwrap(), narrow);
        }

        #[test]
        fn damage_is_an_error_or_other_numbers(values in numbers(), at: prop::sample::Index, with: u8) {
            let mut bytes = round_trip(&values, Level::DEFAULT);
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = with;
                let _ = decode(&mut Input::new(&bytes), values.len(), &mut Unpacker::new().unwrap());
                let _ = decode(&mut Input::new(&bytes[..at]), values.len(), &mut Unpacker::new().unwrap());
            }
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        assert_eq!(round_trip(&[7, 7, 7], Level::DEFAULT), [CONSTANT, 14]);
        assert_eq!(round_trip(&[10, 20, 30], Level::DEFAULT), [CONSTANT | DELTA, 40]);
        assert_eq!(round_trip(&[3, 4, 5, 9], Level::FAST), [BITS, 6, 3, 0b1000_1000, 0b1100]);
    }
}
