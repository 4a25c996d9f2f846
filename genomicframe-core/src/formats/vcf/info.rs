//! Keys of INFO, found without parsing the others.

use std::collections::HashMap;

use memchr::memmem;

use super::schema::Key;
use crate::scan::Warnings;

/// Finds one key by searching for its bytes.
#[derive(Debug, Clone)]
pub(super) struct Finder {
    key: memmem::Finder<'static>,
    alias: Option<memmem::Finder<'static>>,
}

impl Finder {
    pub(super) fn new(key: &str, alias: Option<&str>) -> Self {
        let search = |text: &str| memmem::Finder::new(text.as_bytes()).into_owned();
        Self { key: search(key), alias: alias.map(search) }
    }

    /// The first entry with this key: its value, or `Some(None)` where the key stands alone.
    pub(super) fn find<'a>(&self, info: &'a [u8]) -> Option<Option<&'a [u8]>> {
        let first = |key| place(key, info).map(|at| (at, key.needle().len()));
        let found = first(&self.key).into_iter().chain(self.alias.as_ref().and_then(first)).min()?;
        let (at, len) = found;
        Some(value(&info[at + len..]).0)
    }
}

fn place(key: &memmem::Finder<'_>, info: &[u8]) -> Option<usize> {
    let begins = |at: usize| at == 0 || info[at - 1] == b';';
    let ends = |at: usize| matches!(info.get(at + key.needle().len()), None | Some(b'=' | b';'));
    key.find_iter(info).find(|at| begins(*at) && ends(*at))
}

/// What follows a key: its value, if it has one, and the bytes up to the next entry.
fn value(after_key: &[u8]) -> (Option<&[u8]>, usize) {
    let end = memchr::memchr(b';', after_key).unwrap_or(after_key.len());
    (after_key[..end].strip_prefix(b"="), end + 1)
}

/// An INFO entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    Absent,
    Alone,
    Value(&'a [u8]),
}

/// Finds any number of keys in one pass.
#[derive(Debug)]
pub(super) struct InfoReader {
    /// Of each spelling: which wanted key it is.
    slots: HashMap<Vec<u8>, usize>,
    /// Where each wanted key's entry is: absent, or start and end, the end before the start where the key stands alone.
    found: Vec<Option<(usize, Option<usize>)>>,
    /// The key at each place of the line before, and what it is: keys mostly come in the same order.
    last: Vec<(Vec<u8>, Option<usize>)>,
    /// Whether to stop when all are found. Else the rest is looked through for repetitions.
    stop_early: bool,
}

/// Entries whose keys are remembered from line to line.
const REMEMBERED: usize = 1024;

impl InfoReader {
    /// A reader of `keys`; `declared` is how many the header has.
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k Key>, declared: usize) -> Self {
        let mut slots = HashMap::new();
        let mut n = 0;
        for key in keys {
            for name in [Some(&key.name), key.alias.as_ref()].into_iter().flatten() {
                slots.entry(name.clone().into_bytes()).or_insert(n);
            }
            n += 1;
        }
        Self { slots, found: vec![None; n], last: Vec::new(), stop_early: n < declared }
    }

    /// Looks through `info`.
    pub(super) fn read(&mut self, info: &[u8], warnings: &mut Warnings) {
        self.found.fill(None);
        let mut left = self.found.len();
        let (mut at, mut place) = (0, 0);
        while at < info.len() && (left > 0 || !self.stop_early) {
            let rest = &info[at..];
            let (len, slot) = self.key(rest, place);
            let (value, next) = value(&rest[len..]);
            if let Some(found) = slot.and_then(|s| self.found.get_mut(s)) {
                if found.is_some() {
                    warnings.add("a repeated INFO key: the first holds");
                } else {
                    *found = Some((at + len + 1, value.map(|v| at + len + 1 + v.len())));
                    left -= 1;
                }
            }
            at += len + next;
            place += 1;
        }
    }

    /// The length of the key at the start of `entry`, and which wanted key it is.
    fn key(&mut self, entry: &[u8], place: usize) -> (usize, Option<usize>) {
        if let Some((key, slot)) = self.last.get(place)
            && entry.starts_with(key)
            && matches!(entry.get(key.len()), None | Some(b'=' | b';'))
        {
            return (key.len(), *slot);
        }
        let len = memchr::memchr2(b'=', b';', entry).unwrap_or(entry.len());
        let slot = self.slots.get(&entry[..len]).copied();
        if let Some((key, last)) = self.last.get_mut(place) {
            key.clear();
            key.extend_from_slice(&entry[..len]);
            *last = slot;
        } else if place < REMEMBERED {
            self.last.push((entry[..len].to_vec(), slot));
        }
        (len, slot)
    }

    /// What the last [`InfoReader::read`] of the same `info` found for the wanted key `slot`.
    pub(super) fn entry<'a>(&self, slot: usize, info: &'a [u8]) -> Entry<'a> {
        match self.found.get(slot).copied().flatten() {
            None => Entry::Absent,
            Some((_, None)) => Entry::Alone,
            Some((start, Some(end))) => Entry::Value(&info[start..end]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_whole_only() {
        let end = Finder::new("END", None);
        assert_eq!(end.find(b"CIEND=1,2;ENDPOS=7;END=9;END=10"), Some(Some(&b"9"[..])));
        assert_eq!(end.find(b"X=END;END"), Some(None));
        assert_eq!(end.find(b"END="), Some(Some(&b""[..])));
        assert_eq!(end.find(b"BEND=1"), None);
        assert_eq!(end.find(b""), None);
        let either = Finder::new("XY", Some("xy"));
        assert_eq!(either.find(b"xy=1;XY=2"), Some(Some(&b"1"[..])));
    }
}
