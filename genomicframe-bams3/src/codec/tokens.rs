//! Splits strings of one shape into fields: what they share, numbers, letters of a small alphabet, few texts.

use std::collections::HashMap;

use super::strings::Strings;

/// What a field of a template holds for every string.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The same for all.
    Literal(Vec<u8>),
    /// Decimal digits, filled up with zeros to `least` digits.
    Number { least: u8, values: Vec<u64> },
    /// As many letters for all, read as a number to the base of the alphabet's size.
    Letters { width: u8, alphabet: Vec<u8>, values: Vec<u64> },
    /// One of few texts.
    Dictionary { entries: Strings, ids: Vec<u64> },
    /// Anything.
    Text(Strings),
}

/// Strings of more parts have no template.
const PARTS: usize = 32;
/// A field of so few texts has a dictionary, if each stands for at least `REPEATS` strings.
const ENTRIES: usize = 64;
const REPEATS: usize = 16;
/// Most digits of a 64-bit number.
pub(super) const DIGITS: usize = 20;
/// Largest alphabet of letters.
pub(super) const ALPHABET: usize = 64;

/// Splits those strings that have the most common shape, if at least one in `share` has it. Returns their fields, and
/// which strings are others.
pub(super) fn split(strings: &Strings, share: usize) -> Option<(Vec<Field>, Vec<i64>)> {
    let (mut table, mut others) = Table::of(strings)?;
    table.drop_odd_numbers(&mut others);
    if table.rows == 0 || table.rows * share < strings.len() {
        return None;
    }
    others.sort_unstable();
    Some((table.fields(), others))
}

fn separates(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric()
}

/// The parts between separators of those strings that have the same separators.
struct Table<'a> {
    rows: usize,
    /// Which string each row is.
    origin: Vec<u32>,
    separators: Vec<u8>,
    /// `separators.len() + 1` a row.
    parts: Vec<&'a [u8]>,
}

impl<'a> Table<'a> {
    fn of(strings: &'a Strings) -> Option<(Self, Vec<i64>)> {
        let n = strings.len();
        let first = separators(strings.get(0));
        let (table, others) = Self::with(strings, first.clone());
        if others.len() * 8 <= n {
            return (table.separators.len() < PARTS).then_some((table, others));
        }
        let mut counts: HashMap<Vec<u8>, usize> = HashMap::from([(first, table.rows)]);
        for &at in &others {
            *counts.entry(separators(strings.get(at as usize))).or_default() += 1;
        }
        // Equal counts are told apart by the separators, so that equal input makes equal bytes.
        let (common, _) = counts.into_iter().max_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)))?;
        (common.len() < PARTS).then(|| Self::with(strings, common))
    }

    fn with(strings: &'a Strings, separators: Vec<u8>) -> (Self, Vec<i64>) {
        let count = separators.len() + 1;
        let mut parts = Vec::with_capacity(strings.len() * count.min(PARTS));
        let (mut origin, mut others) = (Vec::with_capacity(strings.len()), Vec::new());
        for (at, string) in strings.iter().enumerate() {
            let row = parts.len();
            let (mut start, mut fits) = (0, true);
            for (end, &byte) in string.iter().enumerate() {
                if separates(byte) {
                    fits = separators.get(parts.len() - row) == Some(&byte);
                    if !fits {
                        break;
                    }
                    parts.push(&string[start..end]);
                    start = end + 1;
                }
            }
            if fits && parts.len() - row == separators.len() {
                parts.push(&string[start..]);
                origin.push(at as u32);
            } else {
                parts.truncate(row);
                others.push(at as i64);
            }
        }
        (Self { rows: origin.len(), origin, separators, parts }, others)
    }

    fn width(&self) -> usize {
        self.separators.len() + 1
    }

    fn column(&self, part: usize) -> Vec<&'a [u8]> {
        self.parts.iter().skip(part).step_by(self.width()).copied().collect()
    }

    /// Where nearly all parts of a column are numbers, the strings of those that are not become others.
    fn drop_odd_numbers(&mut self, others: &mut Vec<i64>) {
        let width = self.width();
        let mut odd: Vec<u32> = Vec::new();
        for part in 0..width {
            let fits = |text: &[u8]| number(text).is_some() && (text.len() == 1 || text[0] != b'0');
            // The first few tell whether it is worth a look.
            let column = || self.parts.iter().skip(part).step_by(width);
            let head = column().take(64);
            if head.clone().filter(|t| fits(t)).count() * 8 < head.count() * 7 {
                continue;
            }
            let bad: Vec<u32> = column().zip(0u32..).filter(|(t, _)| !fits(t)).map(|(_, row)| row).collect();
            if bad.len() * 8 <= self.rows {
                odd.extend(bad);
            }
        }
        if odd.is_empty() {
            return;
        }
        odd.sort_unstable();
        odd.dedup();
        let mut next = odd.iter().copied().peekable();
        let (mut parts, mut origin) = (Vec::with_capacity(self.parts.len()), Vec::with_capacity(self.rows));
        for (row, (texts, &at)) in self.parts.chunks_exact(width).zip(&self.origin).enumerate() {
            if next.next_if_eq(&(row as u32)).is_some() {
                others.push(i64::from(at));
            } else {
                parts.extend_from_slice(texts);
                origin.push(at);
            }
        }
        (self.rows, self.parts, self.origin) = (origin.len(), parts, origin);
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut begin = 0;
        // Parts at the beginning that have few values together: what goes with an instrument, a run, a flow cell, a lane.
        if let Some((parts, dictionary)) = self.prefix() {
            push(dictionary, &mut fields);
            begin = parts;
        }
        for part in begin..self.width() {
            if part > 0 {
                push(Field::Literal(vec![self.separators[part - 1]]), &mut fields);
            }
            classify(&self.column(part), true, &mut fields);
        }
        fields
    }

    fn prefix(&self) -> Option<(usize, Field)> {
        let mut found = None;
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        let mut ids: Vec<u64> = vec![0; self.rows];
        for part in 0..self.width() {
            let column = self.parts.iter().skip(part).step_by(self.width()).copied();
            // From the texts so far, and this part, to the texts with this part.
            let mut next: HashMap<(u64, &[u8]), u64> = HashMap::new();
            let mut longer: Vec<Vec<u8>> = Vec::new();
            let mut last: ((u64, &[u8]), u64) = ((u64::MAX, b""), 0);
            let mut joint = Vec::with_capacity(self.rows);
            for (&id, text) in ids.iter().zip(column) {
                if last.0 != (id, text) {
                    let known = *next.entry((id, text)).or_insert_with(|| {
                        let mut whole = texts[id as usize].clone();
                        if part > 0 {
                            whole.push(self.separators[part - 1]);
                        }
                        whole.extend_from_slice(text);
                        longer.push(whole);
                        longer.len() as u64 - 1
                    });
                    if longer.len() > ENTRIES {
                        break;
                    }
                    last = ((id, text), known);
                }
                joint.push(last.1);
            }
            if joint.len() < self.rows || longer.len() > 1 && longer.len() * REPEATS > self.rows {
                break;
            }
            (texts, ids) = (longer, joint);
            found = Some(part + 1);
        }
        let parts = found?;
        if texts.len() == 1 {
            return Some((parts, Field::Literal(texts.swap_remove(0))));
        }
        let entries = texts.iter().map(Vec::as_slice).collect();
        Some((parts, Field::Dictionary { entries, ids }))
    }
}

fn separators(string: &[u8]) -> Vec<u8> {
    string.iter().copied().filter(|b| separates(*b)).collect()
}

/// The number that decimal digits are.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > DIGITS || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |n: u64, b: &u8| n.checked_mul(10)?.checked_add(u64::from(b - b'0'));
    if text.len() == DIGITS { text.iter().try_fold(0, add) } else { Some(fast(text)) }
}

/// At most 19 digits.
fn fast(text: &[u8]) -> u64 {
    text.iter().fold(0, |n, b| n * 10 + u64::from(b - b'0'))
}

/// Adds a field; literals that follow each other become one.
fn push(field: Field, fields: &mut Vec<Field>) {
    match (fields.last_mut(), field) {
        (_, Field::Literal(more)) if more.is_empty() => {}
        (Some(Field::Literal(text)), Field::Literal(more)) => text.extend(more),
        (_, field) => fields.push(field),
    }
}

/// Adds the field, or fields, that `texts` are best held in.
fn classify(texts: &[&[u8]], whole: bool, fields: &mut Vec<Field>) {
    let Some(&first) = texts.first() else { return };
    if texts.iter().all(|t| *t == first) {
        return push(Field::Literal(first.to_vec()), fields);
    }
    if let Some(field) = numbers(texts).or_else(|| dictionary(texts)) {
        return push(field, fields);
    }
    if whole && let Some(columns) = runs(texts) {
        for column in columns {
            classify(&column, false, fields);
        }
        return;
    }
    let shortest = texts.iter().map(|t| t.len()).min().unwrap_or_default();
    let shared = texts.iter().map(|t| t.iter().zip(first).take_while(|(a, b)| a == b).count()).min();
    let shared = shared.unwrap_or_default().min(shortest);
    let rest: Vec<&[u8]> = texts.iter().map(|t| &t[shared..]).collect();
    push(Field::Literal(first[..shared].to_vec()), fields);
    if !letters(&rest, fields) {
        push(Field::Text(rest.into_iter().collect()), fields);
    }
}

fn numbers(texts: &[&[u8]]) -> Option<Field> {
    let least = texts.iter().map(|t| t.len()).min()?;
    let one = |t: &&[u8]| number(t).filter(|_| t.len() == least || t[0] != b'0');
    let values: Option<Vec<u64>> = texts.iter().map(one).collect();
    Some(Field::Number { least: least as u8, values: values? })
}

fn dictionary(texts: &[&[u8]]) -> Option<Field> {
    let mut known: HashMap<&[u8], u64> = HashMap::new();
    let mut entries = Strings::default();
    let mut ids = Vec::with_capacity(texts.len());
    for &text in texts {
        let next = known.len() as u64;
        let id = *known.entry(text).or_insert(next);
        if id == next {
            if known.len() > ENTRIES || known.len() * REPEATS > texts.len() {
                return None;
            }
            entries.push(text);
        }
        ids.push(id);
    }
    Some(Field::Dictionary { entries, ids })
}

/// Columns of digits and of letters, where those alternate alike in all texts.
fn runs<'a>(texts: &[&'a [u8]]) -> Option<Vec<Vec<&'a [u8]>>> {
    let cut = |text: &'a [u8]| text.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let first = texts.first().filter(|t| !t.is_empty())?;
    let digits = first[0].is_ascii_digit();
    let mut columns: Vec<Vec<&[u8]>> = vec![Vec::new(); cut(first).count()];
    if columns.len() < 2 || columns.len() > PARTS {
        return None;
    }
    for &text in texts {
        if text.first()?.is_ascii_digit() != digits {
            return None;
        }
        let mut pieces = cut(text);
        for column in &mut columns {
            column.push(pieces.next()?);
        }
        if pieces.next().is_some() {
            return None;
        }
    }
    Some(columns)
}

/// Adds fields of letters, as many of each as a 64-bit number holds, if all texts are of one length and few characters.
fn letters(texts: &[&[u8]], fields: &mut Vec<Field>) -> bool {
    let Some(&first) = texts.first() else { return false };
    let mut used = [false; 256];
    for &text in texts {
        if text.len() != first.len() {
            return false;
        }
        for &b in text {
            used[usize::from(b)] = true;
        }
    }
    let alphabet: Vec<u8> = (0..=255).filter(|b| used[usize::from(*b)]).collect();
    if alphabet.len() < 2 || alphabet.len() > ALPHABET {
        return false;
    }
    let mut at = [0u8; 256];
    for (i, b) in (0..).zip(&alphabet) {
        at[usize::from(*b)] = i;
    }
    let base = alphabet.len() as u64;
    let most = (1..).take_while(|w| u128::from(base).pow(*w) <= 1 << 64).count();
    if first.len() > most * PARTS {
        return false;
    }
    for start in (0..first.len()).step_by(most) {
        let end = first.len().min(start + most);
        let one = |t: &&[u8]| t[start..end].iter().fold(0, |v: u64, b| v * base + u64::from(at[usize::from(*b)]));
        let values = texts.iter().map(one).collect();
        fields.push(Field::Letters { width: (end - start) as u8, alphabet: alphabet.clone(), values });
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(names: &[&str]) -> (String, usize) {
        let names: Strings = names.iter().map(|n| n.as_bytes()).collect();
        let Some((fields, others)) = split(&names, 2) else { return ("none".into(), 0) };
        let kind = |f: &Field| match f {
            Field::Literal(text) => format!("'{}'", String::from_utf8_lossy(text)),
            Field::Number { least, .. } => format!("N{least}"),
            Field::Letters { width, alphabet, .. } => format!("L{width}/{}", alphabet.len()),
            Field::Dictionary { entries, .. } => format!("D{}", entries.len()),
            Field::Text(_) => "T".into(),
        };
        (fields.iter().map(kind).collect::<Vec<_>>().join(" "), others.len())
    }

    #[test]
    fn names_of_the_usual_kinds_fall_into_their_fields() {
        let of = |names: &[&str]| kinds(names);
        assert_eq!(
            of(&["A1:55:HT5:1:1101:10:99", "A1:55:HT5:1:2205:7:1000"]),
            ("'A1:55:HT5:1:' N4 ':' N1 ':' N2".into(), 0)
        );
        assert_eq!(of(&["SRR12.4", "SRR12.15", "SRR12.7"]), ("'SRR12.' N1".into(), 0));
        assert_eq!(of(&["V35L1C001R0020000001/1", "V35L1C004R0020000417/1"]), ("'V35L1C' N3 'R' N10 '/1'".into(), 0));
        assert_eq!(of(&["x:ACGT", "x:GGTC"]), ("'x:' L4/4".into(), 0));
        assert_eq!(of(&["a-b1", "a-b2", "a_b", "a-b3"]), ("'a-b' N1".into(), 1));
        assert_eq!(of(&["m1/12/ccs", "m1/345/ccs"]), ("'m1/' N2 '/ccs'".into(), 0));
        assert_eq!(of(&["", ""]), ("".into(), 0));
        assert_eq!(of(&["a:1", "b:07", "c:18446744073709551616"]), ("L1/3 ':' T".into(), 0));
    }

    #[test]
    fn what_repeats_at_the_beginning_is_one_dictionary() {
        let names: Vec<String> = (0..100).map(|i| format!("I{0}:9:FC{0}:{1}:{2}", i % 2, i % 3, i * 7)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(kinds(&names), ("D6 ':' N1".into(), 0));
    }

    #[test]
    fn a_few_odd_numbers_are_others() {
        let mut names: Vec<String> = (0..100).map(|i| format!("r:{}", i * 7)).collect();
        names[40] = "r:007".into();
        names[50] = "r:x".into();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(kinds(&names), ("'r:' N1".into(), 2));
    }
}
