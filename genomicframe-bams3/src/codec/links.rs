//! Which rows of a group have the same name, and what a read's mate in the group says of its fields (specification §7.5).
//!
//! A row's link is the distance to the next row of the group with the same name, 0 if there is none. The mate of a paired
//! row is the first row of its name that is neither secondary nor supplementary and is the other one of first and last
//! segment.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use genomicframe_core::{Error, Result};

use super::strings::Strings;

const PAIRED: u16 = 0x1;
const UNMAPPED: u16 = 0x4;
const REVERSE: u16 = 0x10;
const FIRST: u16 = 0x40;
const LAST: u16 = 0x80;
const NOT_PRIMARY: u16 = 0x900;

/// Row numbers that are no row.
pub const NONE: u32 = u32::MAX;

/// Multiplies and folds: names are no attack surface here, since a collision only costs time bounded by the group's rows.
#[derive(Default)]
pub struct Fold(u64);

/// Makes [`Fold`]s.
pub type FoldState = BuildHasherDefault<Fold>;

impl Fold {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Fold {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|w| self.add(u64::from_le_bytes(*w)));
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(word));
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// The links of rows with these names, and the names that each stand first.
pub fn find(names: &Strings) -> (Vec<u32>, Strings) {
    let mut last: HashMap<&[u8], u32, FoldState> = HashMap::default();
    last.reserve(names.len());
    let mut links = vec![0; names.len()];
    let mut first = Strings::default();
    for row in 0..names.len() {
        let name = names.get(row);
        match last.insert(name, row as u32) {
            Some(before) => links[before as usize] = row as u32 - before,
            None => first.push(name),
        }
    }
    (links, first)
}

/// Links as read from a page.
///
/// # Errors
/// When one leaves the group, or two rows link to the same one.
pub fn check(links: &[i64]) -> Result<Vec<u32>> {
    let mut linked = vec![false; links.len()];
    let check = |(row, link): (usize, &i64)| {
        let link = usize::try_from(*link).ok()?;
        if link > 0 {
            let to = linked.get_mut(row.checked_add(link)?)?;
            if std::mem::replace(to, true) {
                return None;
            }
        }
        Some(link as u32)
    };
    let checked: Option<Vec<u32>> = links.iter().enumerate().map(check).collect();
    checked.ok_or_else(|| Error::corrupt("a row's link leads out of its group, or where another leads").field("link"))
}

/// For each row the number, among names that stand first, of its name.
pub fn name_ids(links: &[u32]) -> (Vec<u32>, usize) {
    let mut ids = vec![NONE; links.len()];
    let mut names = 0;
    for row in 0..links.len() {
        if ids[row] == NONE {
            ids[row] = names;
            names += 1;
        }
        if links[row] > 0 {
            ids[row + links[row] as usize] = ids[row];
        }
    }
    (ids, names as usize)
}

/// Each row's mate in the group, or [`NONE`].
pub fn mates(links: &[u32], flags: &[u16]) -> Vec<u32> {
    let mut mates = vec![NONE; links.len()];
    let mut is_linked = vec![false; links.len()];
    for head in 0..links.len() {
        if links[head] == 0 || is_linked[head] {
            continue;
        }
        // The first primary first segment of the name, and last segment.
        let (mut first, mut last) = (NONE, NONE);
        let walk = |visit: &mut dyn FnMut(usize)| {
            let mut row = head;
            loop {
                visit(row);
                if links[row] == 0 {
                    break;
                }
                row += links[row] as usize;
            }
        };
        walk(&mut |row| {
            is_linked[row] = true;
            let flag = flags[row];
            if flag & NOT_PRIMARY == 0 {
                match flag & (FIRST | LAST) {
                    FIRST if first == NONE => first = row as u32,
                    LAST if last == NONE => last = row as u32,
                    _ => {}
                }
            }
        });
        walk(&mut |row| {
            mates[row] = match flags[row] & (PAIRED | FIRST | LAST) {
                f if f == PAIRED | FIRST => last,
                f if f == PAIRED | LAST => first,
                _ => NONE,
            }
        });
    }
    mates
}

/// How aligners count a template's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateRule {
    /// From one read's first sequenced base to the other's (bwa, minimap2).
    FivePrime,
    /// From the leftmost base to the rightmost (the specification's wording, bowtie2, STAR).
    Outermost,
}

impl TemplateRule {
    /// The rule numbered `id` on disk.
    pub fn from_id(id: u8) -> Option<Self> {
        match id {
            1 => Some(Self::FivePrime),
            2 => Some(Self::Outermost),
            _ => None,
        }
    }

    /// Its number on disk.
    pub fn id(self) -> u8 {
        match self {
            Self::FivePrime => 1,
            Self::Outermost => 2,
        }
    }

    /// TLEN of a read, from itself and its mate.
    pub fn length(self, read: Placed, mate: Placed) -> i64 {
        if (read.flag | mate.flag) & UNMAPPED != 0 || read.contig != mate.contig || read.contig < 0 {
            return 0;
        }
        match self {
            Self::FivePrime => {
                let first =
                    |p: Placed| if p.flag & REVERSE != 0 { p.start.saturating_add(p.span - 1) } else { p.start };
                let distance = first(mate).saturating_sub(first(read));
                distance.saturating_add(distance.signum())
            }
            Self::Outermost => {
                let end = |p: Placed| p.start.saturating_add(p.span);
                let length = end(read).max(end(mate)).saturating_sub(read.start.min(mate.start));
                let leftmost = read.start < mate.start || (read.start == mate.start && read.flag & FIRST != 0);
                if leftmost { length } else { -length }
            }
        }
    }
}

/// What a template's length is counted from.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// Number of the contig, -1 for none.
    pub contig: i32,
    /// 0-based.
    pub start: i64,
    /// Reference bases covered, at least 1.
    pub span: i64,
    /// SAM flag.
    pub flag: u16,
}

/// What TLEN is told relative to where the mate is elsewhere: the distance to its start, less a reverse read's own span.
pub fn elsewhere(flag: u16, start: i64, span: i64, next_start: i64) -> i64 {
    let distance = next_start.wrapping_sub(start);
    if flag & REVERSE != 0 { distance.wrapping_sub(span) } else { distance }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_name_are_linked_and_mates_found() {
        let names: Strings = [&b"a"[..], b"b", b"a", b"c", b"b", b"a"].into_iter().collect();
        let (links, first) = find(&names);
        assert_eq!(links, [2, 3, 3, 0, 0, 0]);
        assert_eq!(first.iter().collect::<Vec<_>>(), [&b"a"[..], b"b", b"c"]);
        assert_eq!(name_ids(&links), (vec![0, 1, 0, 2, 1, 0], 3));
        // The third row of `a` is a supplementary alignment of its first segment.
        let flags = [0x41, 0x41, 0x81, 0x41, 0x81, 0x841];
        assert_eq!(mates(&links, &flags), [2, 4, 0, NONE, 1, 2]);
        assert!(check(&[1, 0]).is_ok());
        for bad in [vec![1], vec![2, 0], vec![2, 1, 0], vec![-1, 0], vec![i64::MAX, 0]] {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn template_lengths_are_those_of_aligners() {
        let read = Placed { contig: 0, start: 100, span: 50, flag: 0x61 };
        let mate = Placed { contig: 0, start: 250, span: 40, flag: 0x91 };
        for rule in [TemplateRule::FivePrime, TemplateRule::Outermost] {
            assert_eq!((rule.length(read, mate), rule.length(mate, read)), (190, -190));
            assert_eq!(TemplateRule::from_id(rule.id()), Some(rule));
        }
        // Dovetailed: the reverse read lies left of the forward one.
        let mate = Placed { start: 80, ..mate };
        assert_eq!(TemplateRule::FivePrime.length(read, mate), 20);
        assert_eq!(TemplateRule::Outermost.length(read, mate), -70);
    }
}
