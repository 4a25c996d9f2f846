//! Tab-separated fields, found once per line.

use crate::error::{Error, Result};

/// Leading fields, and what follows them, if anything does.
pub(crate) type Split<'a, const N: usize> = ([&'a [u8]; N], Option<&'a [u8]>);

/// The first `N` tab-separated fields of `line` and what follows them after another tab.
///
/// # Errors
/// When there are fewer.
pub(crate) fn split<'a, const N: usize>(line: &'a [u8], names: &[&str; N]) -> Result<Split<'a, N>> {
    let mut out = [&line[..0]; N];
    let mut rest = Some(line);
    for (i, field) in out.iter_mut().enumerate() {
        let Some(bytes) = rest else {
            return Err(Error::corrupt(format!("{i} tab-separated fields where at least {N} are needed"))
                .field(names[i])
                .text(line));
        };
        (*field, rest) = match memchr::memchr(b'\t', bytes) {
            Some(tab) => (&bytes[..tab], Some(&bytes[tab + 1..])),
            None => (bytes, None),
        };
    }
    Ok((out, rest))
}

/// The field as text.
///
/// # Errors
/// When it is not UTF-8 or has a NUL byte.
pub(crate) fn utf8<'a>(bytes: &'a [u8], field: &str) -> Result<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if memchr::memchr(0, bytes).is_none() => Ok(text),
        Ok(_) => Err(Error::corrupt("a NUL byte in text").field(field).text(bytes)),
        Err(e) => {
            Err(Error::corrupt(format!("not UTF-8 at byte {} of the field", e.valid_up_to())).field(field).text(bytes))
        }
    }
}

/// Where the fields of a line lie; one is reused from line to line.
#[derive(Debug, Default)]
pub(crate) struct Cells(Vec<(usize, usize)>);

/// Fields of lines up to so many bytes are shorter than what a search for tabs takes to begin.
const SHORT: usize = 64;

impl Cells {
    /// Cuts `line` at tabs and returns the number of its fields; only the first `most` are kept.
    pub(crate) fn cut(&mut self, line: &[u8], most: usize) -> usize {
        if line.len() > SHORT {
            return self.cut_at(line, most, memchr::memchr_iter(b'\t', line));
        }
        self.cut_at(line, most, Tabs { line, word: 0, tabs: 0 })
    }

    fn cut_at(&mut self, line: &[u8], most: usize, tabs: impl Iterator<Item = usize>) -> usize {
        self.0.clear();
        let mut start = 0;
        for tab in tabs {
            if self.0.len() == most {
                return most + 1 + memchr::memchr_iter(b'\t', &line[start..]).count();
            }
            self.0.push((start, tab));
            start = tab + 1;
        }
        if self.0.len() == most {
            return most + 1;
        }
        self.0.push((start, line.len()));
        self.0.len()
    }

    /// The same with runs of blanks in place of tabs.
    pub(crate) fn cut_at_blanks(&mut self, line: &[u8], most: usize) -> usize {
        self.0.clear();
        let mut count = 0;
        let mut at = 0;
        while let Some(skipped) = line[at..].iter().position(|b| *b != b' ') {
            let start = at + skipped;
            at = memchr::memchr(b' ', &line[start..]).map_or(line.len(), |n| start + n);
            count += 1;
            if count <= most {
                self.0.push((start, at));
            }
        }
        count
    }

    /// Field `i` of the line that was cut last; empty when it has no such field.
    pub(crate) fn get<'a>(&self, line: &'a [u8], i: usize) -> &'a [u8] {
        self.0.get(i).and_then(|(start, end)| line.get(*start..*end)).unwrap_or_default()
    }
}

/// Places of tabs, found in eight bytes at once.
struct Tabs<'a> {
    line: &'a [u8],
    /// The next word.
    word: usize,
    /// The highest bit of each byte of the last one that is a tab, for those that are yet to be told.
    tabs: u64,
}

impl Tabs<'_> {
    /// The word of eight bytes, or of those that are left, the first one lowest.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        let rest = &self.line[at..];
        match (rest.first_chunk(), self.line.last_chunk()) {
            (Some(whole), _) => u64::from_le_bytes(*whole),
            (None, Some(last)) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
            (None, None) => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        }
    }
}

impl Iterator for Tabs<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
        while self.tabs == 0 {
            let at = 8 * self.word;
            if at >= self.line.len() {
                return None;
            }
            self.word += 1;
            // A byte that differs from a tab has a bit, which carries into its highest one or is that.
            let differs = self.word(at) ^ u64::from_le_bytes([b'\t'; 8]);
            self.tabs = !(((differs & LOW) + LOW) | differs) & !LOW;
        }
        let place = self.tabs.trailing_zeros() as usize / 8;
        self.tabs &= self.tabs - 1;
        Some(8 * (self.word - 1) + place)
    }
}

/// `None` for `.`, the missing value of many text formats.
pub(crate) fn present(bytes: &[u8]) -> Option<&[u8]> {
    (bytes != b".").then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_are_found_where_they_are() {
        let mut random = crate::testing::Random(5);
        for _ in 0..20_000 {
            let length = random.below(40);
            let bytes = [b'\t', b'a', 0, 8, 10, 0x89, 0xff];
            let line: Vec<u8> = (0..length).map(|_| bytes[random.below(bytes.len())]).collect();
            let expected: Vec<usize> = (0..length).filter(|at| line[*at] == b'\t').collect();
            assert_eq!(Tabs { line: &line, word: 0, tabs: 0 }.collect::<Vec<_>>(), expected, "{line:?}");
        }
    }

    #[test]
    fn fields_beyond_those_kept_are_counted() {
        let mut cells = Cells::default();
        for (line, most, n) in [("", 3, 1), ("a", 3, 1), ("a\tb\tc", 3, 3), ("a\tb\tc\t", 3, 4), ("a\tb\t\t\t\t", 2, 6)]
        {
            assert_eq!(cells.cut(line.as_bytes(), most), n, "{line:?}");
            assert!(cells.0.len() <= most);
        }
        assert_eq!(cells.get(b"a\tb\t\t\t\t", 1), b"b");
        assert_eq!(cells.get(b"a\tb\t\t\t\t", 2), b"");
        assert_eq!(cells.cut_at_blanks(b" chr1  0 10 ", 3), 3);
        assert_eq!(cells.get(b" chr1  0 10 ", 2), b"10");
    }
}
