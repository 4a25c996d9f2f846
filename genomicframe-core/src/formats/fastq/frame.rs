//! Where a record ends: found line by line, each byte looked at once however small the pieces it comes in.

use std::collections::VecDeque;
use std::ops::{Deref, Range};

use crate::error::{Error, Result};
use crate::scan::advice;
use crate::text::lines::{BOM, LineFramer, trim_end};

/// Most lines of one record.
const MAX_LINES: usize = 1 << 20;

/// The lines of the record being framed.
#[derive(Debug)]
pub(super) struct RecordFramer {
    line: LineFramer,
    /// Ends of the lines found, line breaks included.
    ends: Vec<usize>,
    /// Which line begins with `+`.
    plus: Option<usize>,
    /// Lines of the file before this record, where they were counted.
    before: Option<u64>,
    blank: bool,
    after_blank: bool,
    /// Whether a broken record is found too, and broken when it is asked for.
    lenient: bool,
    /// Records found and not yet asked for.
    found: VecDeque<Framed>,
}

/// Where the lines of a record are.
#[derive(Debug)]
pub(super) struct Framed {
    /// Ends of its lines, line breaks included.
    ends: Ends,
    /// Which line begins with `+`; `None`: it is a blank line.
    plus: Option<usize>,
    /// Lines of the file before.
    before: Option<u64>,
    /// Why it is none.
    broken: Option<Error>,
    /// Whether blank lines come before it, though records do too.
    pub(super) after_blank: bool,
}

#[derive(Debug)]
enum Ends {
    /// Of nearly every record.
    Four([usize; 4]),
    Any(Vec<usize>),
}

impl Deref for Ends {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        match self {
            Self::Four(ends) => ends,
            Self::Any(ends) => ends,
        }
    }
}

impl RecordFramer {
    /// `from_start`: the first record is the file's, so that lines can be counted. `lenient`: a record that is none is framed
    /// too, up to where the next one may begin, and told by [`Framed::whole`].
    pub(super) fn new(from_start: bool, lenient: bool) -> Self {
        Self {
            line: LineFramer::default(),
            ends: Vec::new(),
            plus: None,
            before: from_start.then_some(0),
            blank: false,
            after_blank: false,
            lenient,
            found: VecDeque::new(),
        }
    }

    /// The length of the record at the start of `bytes`; `None`: it does not end within them.
    ///
    /// # Errors
    /// When the bytes are no record, or it is cut short.
    pub(super) fn frame(&mut self, bytes: &[u8], last: bool) -> Result<Option<usize>> {
        let is_begun = !self.ends.is_empty() || self.line.has_begun() || self.blank;
        if !is_begun && let Some(ends) = four_lines(bytes) {
            self.found.push_back(Framed {
                ends: Ends::Four(ends),
                plus: Some(2),
                before: self.before,
                broken: None,
                after_blank: false,
            });
            self.before = self.before.map(|n| n + 4);
            return Ok(Some(ends[3]));
        }
        let broken = match self.lines(bytes, last) {
            Ok(false) => return Ok(None),
            Ok(true) => None,
            Err(e) if self.lenient && !self.ends.is_empty() => {
                self.ends.truncate(self.resume(bytes));
                Some(e)
            }
            Err(e) => return Err(e),
        };
        let (ends, lines) = (std::mem::take(&mut self.ends), self.before);
        let after_blank = std::mem::take(&mut self.after_blank);
        self.before = self.before.map(|n| n + ends.len() as u64);
        let len = ends.last().copied();
        self.found.push_back(Framed {
            ends: Ends::Any(ends),
            plus: self.plus.take(),
            before: lines,
            broken,
            after_blank,
        });
        Ok(len)
    }

    /// Finds the lines of a record, all of them; `false` when more bytes are needed.
    fn lines(&mut self, bytes: &[u8], last: bool) -> Result<bool> {
        loop {
            let start = self.ends.last().copied().unwrap_or(0);
            let Some(len) = self.line.frame(&bytes[start..], last) else { return Ok(false) };
            // An empty last line needs no end; any other is not there.
            if len == 0 && !(self.plus.is_some() && self.expected(bytes) == Some(0)) {
                return Err(self.explain(Error::corrupt("the last record is cut short")));
            }
            self.ends.push(start + len);
            if self.check(bytes).map_err(|e| self.explain(e))? {
                return Ok(true);
            }
            if self.ends.len() >= MAX_LINES {
                return Err(self.explain(Error::limit(format!("a record of more than {MAX_LINES} lines"))));
            }
        }
    }

    /// How many of the lines found belong to a broken record: those before a line that may be the next one's first.
    fn resume(&self, bytes: &[u8]) -> usize {
        let all = self.ends.len();
        match self.plus {
            // Whatever the qualities begin with.
            Some(2) => all.min(4),
            _ => (1..all).find(|i| self.text(bytes, *i).first() == Some(&b'@')).unwrap_or(all),
        }
    }

    /// The record found first of those not yet asked for.
    pub(super) fn next(&mut self) -> Option<Framed> {
        self.found.pop_front()
    }

    /// Names the line found last.
    fn explain(&self, e: Error) -> Error {
        let e = advice::on_record(e);
        on_line(self.before, self.ends.len().max(1), e)
    }

    /// Line `i` of `record`, without its end.
    fn text<'a>(&self, record: &'a [u8], i: usize) -> &'a [u8] {
        line(record, &self.ends, i, self.before)
    }

    /// The length that the next quality line must have.
    fn expected(&self, record: &[u8]) -> Option<usize> {
        let sequence = self.ends.len().checked_sub(self.plus?)?;
        Some(self.text(record, sequence).len())
    }

    /// Whether the line found last is the record's last.
    fn check(&mut self, bytes: &[u8]) -> Result<bool> {
        let i = self.ends.len() - 1;
        let line = self.text(bytes, i);
        match (i, self.plus) {
            (0, _) => self.check_first(line),
            (1, None) if line.first() == Some(&b'+') => {
                Err(Error::corrupt("a '+' line where the sequence should be").text(line))
            }
            (1, None) => Ok(false),
            (_, None) if line.first() == Some(&b'+') => {
                self.plus = Some(i);
                Ok(false)
            }
            (_, None) if is_sequence(line) => Ok(false),
            (_, None) => Err(Error::corrupt("neither a '+' line nor more of the sequence").text(line)),
            (_, Some(plus)) => {
                let sequence = i - plus;
                let (bases, qualities) = (self.text(bytes, sequence).len(), line.len());
                if bases != qualities {
                    let wrapped = if plus > 2 { "this line of the sequence" } else { "the sequence" };
                    return Err(Error::corrupt(format!("{qualities} qualities, but {wrapped} has {bases} bases"))
                        .field("qual")
                        .text(line));
                }
                if sequence + 1 < plus {
                    return Ok(false);
                }
                // Told only now, for a line of qualities may begin with '@' as a record does.
                let told = check_repeated(self.text(bytes, 0), &self.text(bytes, plus)[1..]);
                told.map(|()| true).map_err(|e| on_line(self.before, plus + 1, e))
            }
        }
    }

    fn check_first(&mut self, line: &[u8]) -> Result<bool> {
        if line.iter().all(|b| matches!(b, b' ' | b'\t')) {
            self.blank = true;
            return Ok(true);
        }
        if std::mem::take(&mut self.blank) {
            if !self.lenient {
                return Err(Error::corrupt("blank lines between records"));
            }
            self.after_blank = true;
        }
        match line.first() {
            Some(b'@') => Ok(false),
            Some(b'>') => Err(Error::corrupt("a record begins with '>': this is FASTA, not FASTQ").text(line)),
            _ => Err(Error::corrupt("a record does not begin with '@'").text(line)),
        }
    }
}

fn check_repeated(first: &[u8], repeated: &[u8]) -> Result<()> {
    let name = &first[1..];
    if repeated.is_empty() || repeated == name || repeated == split_name(name).0 {
        return Ok(());
    }
    Err(Error::corrupt("the '+' line repeats another name than the record's").field("id").text(repeated))
}

/// Ends of the lines of a record that has four, and nothing that needs a closer look.
fn four_lines(bytes: &[u8]) -> Option<[usize; 4]> {
    let end = |from: usize| memchr::memchr(b'\n', &bytes[from..]).map(|n| from + n + 1);
    if bytes.first() != Some(&b'@') {
        return None;
    }
    let name = end(0)?;
    let seq = end(name)?;
    if bytes[name] == b'+' || bytes.get(seq) != Some(&b'+') {
        return None;
    }
    let plus = end(seq)?;
    let qual = end(plus)?;
    let len = |line: Range<usize>| trim_end(&bytes[line]).len();
    (len(seq..plus) == 1 && len(name..seq) == len(plus..qual)).then_some([name, seq, plus, qual])
}

/// Names the line of a record, from 1, where those before it were counted.
fn on_line(before: Option<u64>, line: usize, e: Error) -> Error {
    match before {
        Some(before) => e.on_line(before + line as u64),
        None => e,
    }
}

/// Line `i` of `record`, without its end; so many lines of the file come before the record.
fn line<'a>(record: &'a [u8], ends: &[usize], i: usize, before: Option<u64>) -> &'a [u8] {
    let start = i.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
    let line = trim_end(&record[start..ends[i]]);
    if i == 0 && before == Some(0) { line.strip_prefix(BOM).unwrap_or(line) } else { line }
}

impl Framed {
    /// Names the first line of the record.
    pub(super) fn explain(&self, e: Error) -> Error {
        on_line(self.before, 1, e)
    }

    fn text<'a>(&self, record: &'a [u8], i: usize) -> &'a [u8] {
        line(record, &self.ends, i, self.before)
    }

    /// Whether it is a record.
    ///
    /// # Errors
    /// Once, why it is none, where the framer is lenient.
    pub(super) fn whole(&mut self) -> Result<()> {
        self.broken.take().map_or(Ok(()), Err)
    }

    /// The parts of `record`; `None` when it is a blank line.
    pub(super) fn parts<'a>(&self, record: &'a [u8], joined: &'a mut [Vec<u8>; 2]) -> Option<Parts<'a>> {
        let plus = self.plus?;
        let name = &self.text(record, 0)[1..];
        if plus == 2 {
            return Some(Parts { name, seq: self.text(record, 1), qual: self.text(record, 3) });
        }
        let [seq, qual] = joined;
        for (joined, lines) in [(&mut *seq, 1..plus), (&mut *qual, plus + 1..self.ends.len())] {
            joined.clear();
            lines.for_each(|i| joined.extend_from_slice(self.text(record, i)));
        }
        Some(Parts { name, seq, qual })
    }
}

/// What a record says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    /// Id and description.
    name: &'a [u8],
    pub(super) seq: &'a [u8],
    pub(super) qual: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(super) fn id(&self) -> &'a [u8] {
        split_name(self.name).0
    }

    pub(super) fn description(&self) -> Option<&'a [u8]> {
        split_name(self.name).1
    }
}

/// The id and what follows the first blank.
fn split_name(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr2(b' ', b'\t', name) {
        Some(blank) => (&name[..blank], Some(&name[blank + 1..])),
        None => (name, None),
    }
}

/// Whether a line can be more of a wrapped sequence.
fn is_sequence(line: &[u8]) -> bool {
    !line.is_empty() && line.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'*' | b'-' | b'.'))
}
