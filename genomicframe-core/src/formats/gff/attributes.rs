//! The ninth column, and percent-encoding.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem;

use crate::error::Result;
use crate::text::fields::{present, utf8};
use crate::text::repeated::Texts;

/// An attribute as written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) key: &'a [u8],
    /// What follows `=`, if anything does.
    pub(super) value: Option<&'a [u8]>,
    /// Where the value ends in the column.
    pub(super) end: usize,
}

/// The attributes of a record. Blanks around them and empty ones are left out.
pub(super) fn parts(field: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut next = present(field).map(|_| 0);
    std::iter::from_fn(move || {
        loop {
            let start = next?;
            let rest = &field[start..];
            let semicolon = memchr::memchr(b';', rest);
            next = semicolon.map(|n| start + n + 1);
            let part = rest[..semicolon.unwrap_or(rest.len())].trim_ascii_end();
            let end = start + part.len();
            let part = part.trim_ascii_start();
            if !part.is_empty() {
                let (key, value) = match memchr::memchr(b'=', part) {
                    Some(equals) => (&part[..equals], Some(&part[equals + 1..])),
                    None => (part, None),
                };
                return Some(Part { key, value, end });
            }
        }
    })
}

/// The attribute whose key is the `len` bytes at `at`, if these are a key.
fn part_at(field: &[u8], at: usize, len: usize) -> Option<Part<'_>> {
    let before = field[..at].trim_ascii_end();
    if !(before.is_empty() || before.ends_with(b";")) {
        return None;
    }
    let rest = &field[at..];
    let part = rest[..memchr::memchr(b';', rest).unwrap_or(rest.len())].trim_ascii_end();
    let value = match part.get(len..)? {
        [] => None,
        [b'=', value @ ..] => Some(value),
        _ => return None,
    };
    Some(Part { key: &part[..len], value, end: at + part.len() })
}

/// `text` with its escapes decoded.
pub(super) fn decode(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let Some(first) = memchr::memchr(b'%', bytes) else { return Cow::Borrowed(text) };
    let mut out = bytes[..first].to_vec();
    let mut rest = &bytes[first..];
    while let [byte, after @ ..] = rest {
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(nibble(*high) << 4 | nibble(*low));
                rest = after;
            }
            _ => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// [`decode`] of bytes.
///
/// # Errors
/// When they are not UTF-8 or have a NUL byte.
pub(super) fn decode_bytes<'a>(bytes: &'a [u8], field: &str) -> Result<Cow<'a, str>> {
    Ok(decode(utf8(bytes, field)?))
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A') + 10,
    }
}

/// Appends `text` with `%`, control characters and those of `reserved` escaped.
pub(super) fn escape(text: &str, reserved: &[u8], out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if byte == b'%' || byte.is_ascii_control() || reserved.contains(&byte) {
            escape_byte(byte, out);
        } else {
            out.push(byte);
        }
    }
}

/// Appends `%XX`.
pub(super) fn escape_byte(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// A key whose values make a column.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// As the file writes it, decoded.
    pub(super) name: String,
    /// Whether any case will do: it was asked for, but not seen.
    pub(super) any_case: bool,
}

/// Wanted keys, to be found in records.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    keys: Vec<Key>,
    /// Where they are few and plain: what finds them without a look at the others.
    searches: Vec<memmem::Finder<'static>>,
    /// The keys met, wanted or not, and of each number: which wanted key it is.
    met: Texts,
    met_wanted: Vec<Option<usize>>,
    /// Where there are many, which a file can bring about.
    by_name: Option<HashMap<String, usize>>,
    any_case: bool,
}

/// Keys among which one is found by looking at each.
const FEW: usize = 8;
/// Keys that are faster searched one after another than by looking at all attributes.
const SEARCHED: usize = 3;

impl Wanted {
    pub(super) fn new(keys: Vec<Key>) -> Self {
        let exact = || keys.iter().enumerate().filter(|(_, k)| !k.any_case).map(|(i, k)| (k.name.clone(), i));
        let by_name = (keys.len() > FEW).then(|| exact().collect());
        let any_case = keys.iter().any(|k| k.any_case);
        let is_plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        let are_plain = keys.iter().all(|k| !k.name.is_empty() && k.name.as_bytes().iter().all(is_plain));
        let mut searches = Vec::new();
        if are_plain && !any_case && keys.len() <= SEARCHED {
            searches.extend(keys.iter().map(|k| memmem::Finder::new(k.name.as_bytes()).into_owned()));
        }
        Self { keys, searches, met: Texts::default(), met_wanted: Vec::new(), by_name, any_case }
    }

    /// Calls `found` with the wanted attributes of a record and the numbers of their keys; those of a key in their order.
    ///
    /// # Errors
    /// The first of `found`.
    pub(super) fn find_all<'a>(
        &mut self,
        field: &'a [u8],
        mut found: impl FnMut(usize, Part<'a>) -> Result<()>,
    ) -> Result<()> {
        // Another key may be a wanted one with escapes.
        if self.searches.is_empty() || memchr::memchr(b'%', field).is_some() {
            return parts(field).try_for_each(|part| self.look_up(part.key).map_or(Ok(()), |key| found(key, part)));
        }
        for (key, search) in self.searches.iter().enumerate() {
            let len = search.needle().len();
            search.find_iter(field).filter_map(|at| part_at(field, at, len)).try_for_each(|part| found(key, part))?;
        }
        Ok(())
    }

    /// [`Wanted::find`], which is asked once for each key.
    fn look_up(&mut self, key: &[u8]) -> Option<usize> {
        if let Some(number) = self.met.find(key) {
            return self.met_wanted.get(number as usize).copied().flatten();
        }
        if self.met.are_many() {
            (self.met, self.met_wanted) = Default::default();
        }
        let wanted = self.find(key);
        if let Ok(number) = self.met.add(key, "attributes") {
            self.met_wanted.resize(number as usize + 1, None);
            self.met_wanted[number as usize] = wanted;
        }
        wanted
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The number of the key written as `key`.
    fn find(&self, key: &[u8]) -> Option<usize> {
        if memchr::memchr(b'%', key).is_some() {
            return self.find_text(&decode(std::str::from_utf8(key).ok()?));
        }
        if self.by_name.is_none() && !self.any_case {
            return self.keys.iter().position(|k| k.name.as_bytes() == key);
        }
        self.find_text(std::str::from_utf8(key).ok()?)
    }

    fn find_text(&self, key: &str) -> Option<usize> {
        let exact = match &self.by_name {
            Some(map) => map.get(key).copied(),
            None => self.keys.iter().position(|k| !k.any_case && k.name == key),
        };
        exact.or_else(|| {
            let folded = |k: &Key| k.any_case && k.name.eq_ignore_ascii_case(key);
            if self.any_case { self.keys.iter().position(folded) } else { None }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn parts_of_untidy_attributes() {
        let read = |text: &'static str| -> Vec<(String, Option<String>)> {
            let own = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
            let part = |p: Part<'_>| {
                assert!(p.value.is_none_or(|v| text.as_bytes()[..p.end].ends_with(v)));
                (own(p.key), p.value.map(own))
            };
            parts(text.as_bytes()).map(part).collect()
        };
        let some = |k: &str, v: &str| (k.to_owned(), Some(v.to_owned()));
        assert_eq!(read(""), []);
        assert_eq!(read("."), []);
        assert_eq!(read(" ; ;"), []);
        assert_eq!(
            read("ID=a ; Name=b=c;;flag; e=;"),
            [some("ID", "a"), some("Name", "b=c"), ("flag".into(), None), some("e", "")]
        );
    }

    /// Row 39.
    #[test]
    fn broken_escapes_stay() {
        for (text, decoded) in [
            ("a%20b%3B", "a b;"),
            ("%c3%A9", "é"),
            ("%ZZ%2", "%ZZ%2"),
            ("100%", "100%"),
            ("%FF", "%FF"),
            ("%%41", "%A"),
            ("%2541", "%41"),
        ] {
            assert_eq!(decode(text), decoded);
        }
    }

    #[test]
    fn attributes_are_searched_as_they_are_looked_through() {
        let keys = ["a", "ab", "ID"].map(|name| Key { name: name.to_owned(), any_case: false });
        let mut searched = Wanted::new(keys.to_vec());
        let mut looked = Wanted { searches: Vec::new(), ..Wanted::new(keys.to_vec()) };
        assert_eq!(searched.searches.len(), 3);
        let mut random = Random(9);
        for _ in 0..20_000 {
            let pieces = ["a", "b", "=", ";", " ", "ID", "ab=", ";a=", ".", "x", ";ID", "%41", "%61"];
            let most = pieces.len() - if random.below(9) == 0 { 0 } else { 2 };
            let field: String = (0..random.below(12)).map(|_| pieces[random.below(most)]).collect();
            let found = |wanted: &mut Wanted| {
                let mut all = Vec::new();
                let mut see = |key, p: Part<'_>| {
                    all.push((key, p.end, p.value.map(<[u8]>::to_vec)));
                    Ok(())
                };
                wanted.find_all(field.as_bytes(), &mut see).unwrap();
                all.sort();
                all
            };
            assert_eq!(found(&mut searched), found(&mut looked), "{field:?}");
        }
    }

    #[test]
    fn many_keys_are_found_as_few_are() {
        let keys = |n: usize| -> Vec<Key> {
            let key = |i: usize| Key { name: format!("k{i}"), any_case: i % 5 == 4 };
            (0..n).map(key).collect()
        };
        for n in [5, 50] {
            let wanted = Wanted::new(keys(n));
            assert_eq!(wanted.find(b"k2"), Some(2));
            assert_eq!(wanted.find(b"%6b2"), Some(2));
            assert_eq!(wanted.find(b"K2"), None);
            assert_eq!(wanted.find(b"K4"), Some(4));
            assert_eq!(wanted.find(b"x\xff"), None);
        }
    }
}
