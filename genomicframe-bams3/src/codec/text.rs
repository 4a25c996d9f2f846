//! Texts, such as values of a tag, in pages of a few encodings (specification §7.3).
//!
//! ```text
//! encoding u8 │ ...
//!   0 PLAIN      lengths: integers (§7.1) │ a stream: the strings, one after the other
//!   1 TERMINATED a stream: the strings, each followed by a byte 0, which none of them contains
//!   2 CONSTANT   length varint │ bytes: every string
//!   3 DICTIONARY count varint │ page of count strings │ column: which of them, from 0 │ what it holds in packed form (§7.2)
//!   4 TEMPLATE   strings of common fields (§7.4)
//!   5 PARTED     count varint │ rows, ascending: count integers │ page of the strings in these rows │ page of the others
//! ```
//! A page of no strings has no bytes. Pages are at most 8 deep within each other.

use std::collections::HashMap;

use genomicframe_core::{Error, Result};

use super::level::Preset;
use super::stream::{Input, LONGEST, Packer, Unpacker, put_varint};
use super::strings::Strings;
use super::{ints, radix, template, tokens};

const PLAIN: u8 = 0;
const TERMINATED: u8 = 1;
const CONSTANT: u8 = 2;
const DICTIONARY: u8 = 3;
const TEMPLATE: u8 = 4;
const PARTED: u8 = 5;

/// How deep pages may lie within pages.
const DEPTH: u8 = 8;
/// Strings in parts are split again up to here.
const PARTS: u8 = 4;
/// Most entries of a dictionary.
const ENTRIES: usize = 1 << 16;
/// A template is made if at least one string in so many fits.
const SHARE: usize = 16;

/// Appends a page of `values` in the smallest encoding that the packer's level tries.
///
/// # Errors
/// When zstd fails, or the values have more than a GiB.
pub fn encode(values: &Strings, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    encode_page(values, 0, packer, out)
}

/// Reads a page of `n` values.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(input: &mut Input<'_>, n: usize, unpacker: &mut Unpacker) -> Result<Strings> {
    decode_page(input, n, 0, unpacker)
}

/// As [`encode`], for a page within others.
pub(super) fn encode_page(values: &Strings, depth: u8, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    check(values)?;
    if values.is_empty() {
        return Ok(());
    }
    let first = values.get(0);
    if values.iter().all(|v| v == first) {
        out.push(CONSTANT);
        put_varint(first.len() as u64, out);
        out.extend_from_slice(first);
        return Ok(());
    }
    let mut best = None;
    if depth < PARTS {
        let enough = if packer.level().preset() == Preset::Fast { 4 } else { 32 };
        if let Some(page) = dictionary(values, depth, packer)? {
            keep(page, &mut best);
        }
        if !shorter(enough, &best, values)
            && let Some(page) = parted(values, SHARE, depth, packer)?
        {
            keep(page, &mut best);
        }
        if shorter(enough, &best, values) {
            out.extend(best.unwrap_or_default());
            return Ok(());
        }
    }
    keep(plain(values, packer)?, &mut best);
    out.extend(best.unwrap_or_default());
    Ok(())
}

/// As [`encode_page`], for strings of which most share a template.
pub(super) fn encode_names(names: &Strings, depth: u8, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    check(names)?;
    let mut best = None;
    if depth < PARTS && !names.is_empty() {
        best = parted(names, SHARE, depth, packer)?;
    }
    let sure = match packer.level().preset() {
        Preset::Fast => best.is_some(),
        Preset::Default => shorter(2, &best, names),
        Preset::Small => shorter(8, &best, names),
    };
    if !sure {
        let mut page = Vec::new();
        encode_page(names, PARTS, packer, &mut page)?;
        keep(page, &mut best);
    }
    out.extend(best.unwrap_or_default());
    Ok(())
}

fn check(values: &Strings) -> Result<()> {
    if values.bytes.len() > LONGEST {
        return Err(Error::limit(format!("strings of more than {LONGEST} bytes")));
    }
    Ok(())
}

fn keep(page: Vec<u8>, best: &mut Option<Vec<u8>>) {
    if best.as_ref().is_none_or(|b| page.len() < b.len()) {
        *best = Some(page);
    }
}

/// Whether a page is so many times shorter than its strings that there is no need to look further.
fn shorter(times: usize, best: &Option<Vec<u8>>, values: &Strings) -> bool {
    best.as_ref().is_some_and(|page| page.len().saturating_mul(times) <= values.bytes.len())
}

fn plain(values: &Strings, packer: &mut Packer) -> Result<Vec<u8>> {
    let mut page = vec![PLAIN];
    let lengths: Vec<i64> = values.iter().map(|v| v.len() as i64).collect();
    ints::encode(&lengths, packer, &mut page)?;
    let constant = lengths.iter().all(|l| *l == lengths[0]);
    packer.put(&values.bytes, &mut page)?;
    if !constant && memchr::memchr(0, &values.bytes).is_none() {
        let mut ended = Vec::with_capacity(values.bytes.len() + values.len());
        for value in values.iter() {
            ended.extend_from_slice(value);
            ended.push(0);
        }
        let mut other = vec![TERMINATED];
        packer.put(&ended, &mut other)?;
        if other.len() < page.len() {
            return Ok(other);
        }
    }
    Ok(page)
}

/// A dictionary, where strings repeat.
fn dictionary(values: &Strings, depth: u8, packer: &mut Packer) -> Result<Option<Vec<u8>>> {
    let mut counts: HashMap<&[u8], (u64, usize)> = HashMap::new();
    let mut ids = Vec::with_capacity(values.len());
    for value in values.iter() {
        let next = counts.len() as u64;
        let entry = counts.entry(value).or_insert((next, 0));
        entry.1 += 1;
        ids.push(entry.0);
        if counts.len() > ENTRIES.min(values.len() / 2) {
            return Ok(None);
        }
    }
    // What is common comes first, so that most numbers are small; the rest is sorted, which zstd likes.
    let mut order: Vec<(&[u8], (u64, usize))> = counts.into_iter().collect();
    order.sort_unstable_by(|a, b| (b.1.1, a.0).cmp(&(a.1.1, b.0)));
    let mut place = vec![0; order.len()];
    for ((_, (id, _)), at) in order.iter().zip(0..) {
        place[*id as usize] = at;
    }
    for id in &mut ids {
        *id = place[*id as usize];
    }
    let entries: Strings = order.iter().map(|(text, _)| *text).collect();
    let mut page = vec![DICTIONARY];
    put_varint(entries.len() as u64, &mut page);
    encode_page(&entries, depth + 1, packer, &mut page)?;
    let mut column = radix::Writer::default();
    column.put(ids, packer, &mut page)?;
    column.finish(&mut page);
    Ok(Some(page))
}

/// A template, with the strings that it does not fit apart, if it fits at least one in `share`.
fn parted(values: &Strings, share: usize, depth: u8, packer: &mut Packer) -> Result<Option<Vec<u8>>> {
    let Some((fields, rows)) = tokens::split(values, share) else { return Ok(None) };
    if fields.len() > usize::from(u8::MAX) {
        return Ok(None);
    }
    let mut page = Vec::new();
    if !rows.is_empty() {
        page.push(PARTED);
        put_varint(rows.len() as u64, &mut page);
        ints::encode(&rows, packer, &mut page)?;
        let others = rows.iter().map(|row| values.get(*row as usize)).collect();
        encode_names(&others, depth + 1, packer, &mut page)?;
    }
    page.push(TEMPLATE);
    template::encode(fields, depth + 1, packer, &mut page)?;
    Ok(Some(page))
}

/// As [`decode`], for a page within others.
pub(super) fn decode_page(input: &mut Input<'_>, n: usize, depth: u8, unpacker: &mut Unpacker) -> Result<Strings> {
    if n == 0 {
        return Ok(Strings::default());
    }
    if depth >= DEPTH {
        return Err(Error::corrupt("pages too deep within each other"));
    }
    match input.u8()? {
        PLAIN => {
            let mut end = 0;
            let lengths = ints::decode(input, n, unpacker)?;
            let one = |length: i64| {
                end = usize::try_from(length).ok().and_then(|l| l.checked_add(end)).filter(|e| *e <= LONGEST)?;
                Some(end as u32)
            };
            let ends: Option<Vec<u32>> = lengths.into_iter().map(one).collect();
            let ends = ends.ok_or_else(|| Error::corrupt("impossible lengths of strings"))?;
            Ok(Strings { bytes: unpacker.get_exact(input, end)?, ends })
        }
        TERMINATED => {
            let mut bytes = unpacker.get(input)?;
            // Each string's end, less the terminators before it, and itself.
            let ends: Vec<u32> =
                memchr::memchr_iter(0, &bytes).zip(0..).map(|(end, before)| end as u32 - before).collect();
            if ends.len() != n || bytes.last() != Some(&0) {
                return Err(Error::corrupt(format!("{} strings where {n} belong", ends.len())));
            }
            bytes.retain(|b| *b != 0);
            Ok(Strings { bytes, ends })
        }
        CONSTANT => {
            let length = input.length(input.rest().len())?;
            repeat(input.take(length)?, n)
        }
        DICTIONARY => {
            let count = input.length(n)?;
            let entries = decode_page(input, count, depth + 1, unpacker)?;
            let mut column = radix::Reader::new(n);
            column.describe(input, unpacker)?;
            let ids = column.finish(input)?.pop().unwrap_or_default();
            look_up(&entries, &ids)
        }
        TEMPLATE => template::decode(input, n, depth + 1, unpacker),
        PARTED => {
            let count = input.length(n)?;
            let rows = ints::decode(input, count, unpacker)?;
            if rows.iter().any(|r| *r < 0 || *r >= n as i64) || !rows.is_sorted_by(|a, b| a < b) {
                return Err(Error::corrupt("rows of strings are out of order"));
            }
            let apart = decode_page(input, count, depth + 1, unpacker)?;
            let others = decode_page(input, n - count, depth + 1, unpacker)?;
            merge(&rows, &apart, &others)
        }
        other => Err(Error::unsupported(format!("text encoding {other} is not known to this version"))),
    }
}

pub(super) fn too_long() -> Error {
    Error::corrupt(format!("strings of more than {LONGEST} bytes"))
}

fn repeat(value: &[u8], n: usize) -> Result<Strings> {
    let total = value.len().checked_mul(n).filter(|t| *t <= LONGEST).ok_or_else(too_long)?;
    let ends = (1..=n).map(|i| (i * value.len()) as u32).collect();
    let mut bytes = Vec::with_capacity(total);
    for _ in 0..n {
        bytes.extend_from_slice(value);
    }
    Ok(Strings { bytes, ends })
}

fn look_up(entries: &Strings, ids: &[u64]) -> Result<Strings> {
    let mut total = 0usize;
    for id in ids {
        if *id >= entries.len() as u64 {
            return Err(Error::corrupt(format!("entry {id} of a dictionary of {}", entries.len())));
        }
        total += entries.range(*id as usize).len();
        if total > LONGEST {
            return Err(too_long());
        }
    }
    let mut out = Strings { bytes: Vec::with_capacity(total), ends: Vec::with_capacity(ids.len()) };
    for id in ids {
        out.push(entries.get(*id as usize));
    }
    Ok(out)
}

/// `rows` are those of `apart`, ascending.
fn merge(rows: &[i64], apart: &Strings, others: &Strings) -> Result<Strings> {
    let total = apart.bytes.len() + others.bytes.len();
    if total > LONGEST {
        return Err(too_long());
    }
    let n = apart.len() + others.len();
    let mut out = Strings { bytes: Vec::with_capacity(total), ends: Vec::with_capacity(n) };
    let mut next = rows.iter().zip(0..).peekable();
    let mut other = 0;
    for row in 0..n as i64 {
        if let Some((_, at)) = next.next_if(|(r, _)| **r == row) {
            out.push(apart.get(at));
        } else {
            out.push(others.get(other));
            other += 1;
        }
    }
    Ok(out)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Level;

    pub(crate) fn strings(all: &[impl AsRef<[u8]>]) -> Strings {
        all.iter().map(AsRef::as_ref).collect()
    }

    type Encode = fn(&Strings, &mut Packer, &mut Vec<u8>) -> Result<()>;

    pub(crate) fn round_trip(encode: Encode, values: &Strings, level: Level) -> Vec<u8> {
        let mut out = Vec::new();
        encode(values, &mut Packer::new(level).unwrap(), &mut out).unwrap();
        let mut input = Input::new(&out);
        let read = decode(&mut input, values.len(), &mut Unpacker::new().unwrap()).unwrap();
        assert_eq!(read, *values);
        input.end().unwrap();
        out
    }

    /// Reads every beginning of a page, and the page with each byte changed.
    pub(crate) fn damage(page: &[u8], n: usize, with: u8) {
        let mut unpacker = Unpacker::new().unwrap();
        let mut bytes = page.to_vec();
        for at in 0..page.len() {
            assert!(decode(&mut Input::new(&page[..at]), n, &mut unpacker).is_err());
            bytes[at] = bytes[at].wrapping_add(with);
            if let Ok(read) = decode(&mut Input::new(&bytes), n, &mut unpacker) {
                assert_eq!(read.len(), n);
                assert!(read.ends.is_sorted() && read.ends.last().is_none_or(|e| *e as usize == read.bytes.len()));
            }
            bytes[at] = page[at];
        }
    }

    pub(crate) fn texts() -> impl Strategy<Value = Strings> {
        let any = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..80);
        let few = prop::sample::select(vec!["150M", "75M75S", "", "10M2I138M", "*"]);
        let few = prop::collection::vec(few.prop_map(|t| t.as_bytes().to_vec()), 0..200);
        let shaped = "(chr[1-3],[+-][0-9]{1,6},[0-9]{1,3}M,[0-3];){1,2}";
        let shaped = prop::collection::vec(shaped.prop_map(String::into_bytes), 0..100);
        let letters = prop::collection::vec("[ACGT]{12}(-1)?".prop_map(String::into_bytes), 0..100);
        prop_oneof![any, few, shaped, letters].prop_map(|all| strings(&all))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_goes_in_comes_out(values in texts()) {
            for level in [Level::FAST, Level::DEFAULT, Level::SMALL] {
                round_trip(encode, &values, level);
            }
        }

        #[test]
        fn damage_is_an_error_or_other_texts(values in texts(), with in 1u8..) {
            damage(&round_trip(encode, &values, Level::DEFAULT), values.len(), with);
        }

        #[test]
        fn noise_is_no_page(mut noise in prop::collection::vec(0u8..6, 1..60), rest in prop::collection::vec(any::<u8>(), 0..60)) {
            noise.extend(rest);
            let _ = decode(&mut Input::new(&noise), 50, &mut Unpacker::new().unwrap());
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let of = |all: &[&str]| round_trip(encode, &strings(all), Level::DEFAULT);
        assert_eq!(of(&[]), b"");
        assert_eq!(of(&["ab", "ab"]), [CONSTANT, 2, b'a', b'b']);
        assert_eq!(of(&["?", "a,"]), [PLAIN, 128, 4, 0, 3, b'?', b'a', b',']);
        let dictionary: Vec<&str> = (0..64).map(|i| ["x", "yy"][i % 2]).collect();
        assert_eq!(of(&dictionary)[..2], [DICTIONARY, 2]);
        assert_eq!(of(&["r.10", "r.3", "r.4", "r.x/y", "r.5", "r.6", "r.7", "r.8", "r.9"])[..2], [PARTED, 1]);
    }

    #[test]
    fn what_is_not_known_is_unsupported() {
        let read = |bytes: &[u8]| decode(&mut Input::new(bytes), 1, &mut Unpacker::new().unwrap());
        assert!(read(&[6]).unwrap_err().is_unsupported());
        assert!(read(&[TEMPLATE, 1, 5]).unwrap_err().is_unsupported());
        assert!(read(&[TEMPLATE, 1, 1, 1, 3]).unwrap_err().is_unsupported());
        assert!(read(&[PARTED, 1, 0, 0].repeat(10)).unwrap_err().is_corrupt());
    }
}
