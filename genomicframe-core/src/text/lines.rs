//! Lines, ended by `\n` or `\r\n`.

use crate::error::{Error, Result};
use crate::scan::{Framing, Partition};

/// UTF-8's byte order mark, which some editors put before the first line.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// What to do about lines that no `\n` ends.
pub(crate) const RETURNS: &str = "lines must end with \\n or \\r\\n; tr '\\r' '\\n' makes such lines of old Macs' ones";

/// The length of the line at the start of `bytes`, its end included; the last line needs none.
fn frame(bytes: &[u8], last: bool) -> Option<usize> {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => Some(end + 1),
        None => last.then_some(bytes.len()),
    }
}

/// The line without its end.
pub(crate) fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Frames lines, remembering how far it has looked: a long line that arrives in many pieces is searched once.
#[derive(Debug, Default)]
pub(crate) struct LineFramer {
    searched: usize,
}

impl LineFramer {
    /// Whether the beginning of a line was searched.
    pub(crate) fn has_begun(&self) -> bool {
        self.searched > 0
    }

    /// [`frame`], for bytes that only grow until their line's end is found.
    pub(crate) fn frame(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        let from = self.searched.min(bytes.len());
        match frame(&bytes[from..], last) {
            Some(len) => {
                self.searched = 0;
                Some(from + len)
            }
            None => {
                self.searched = bytes.len();
                None
            }
        }
    }
}

/// Counts a partition's lines where their numbers are known, and takes the byte order mark off the file's first.
#[derive(Debug)]
pub(crate) struct LineCounter {
    /// Lines so far; `None` in a partition that begins within the file or leaves lines out.
    seen: Option<u64>,
}

impl LineCounter {
    pub(crate) fn new(partition: &Partition) -> Self {
        Self { seen: is_from_start(partition).then_some(0) }
    }

    /// The text of the next line, as framed.
    pub(crate) fn text<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        self.seen = self.seen.map(|n| n + 1);
        self.number().text(line)
    }

    /// The number of that line.
    pub(crate) fn number(&self) -> LineNumber {
        LineNumber(self.seen)
    }
}

/// The number of a line, from 1, where it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineNumber(Option<u64>);

impl LineNumber {
    /// The text of this line, as framed.
    pub(crate) fn text(self, line: &[u8]) -> &[u8] {
        let line = trim_end(line);
        if self.0 == Some(1) { line.strip_prefix(BOM).unwrap_or(line) } else { line }
    }

    /// Names the line.
    pub(crate) fn explain(self, e: Error) -> Error {
        on_line(self.0, e)
    }
}

/// Names the line, where its number is known.
pub(crate) fn on_line(line: Option<u64>, e: Error) -> Error {
    match line {
        Some(line) => e.on_line(line),
        None => e,
    }
}

/// Whether `partition` reads the object from its first byte on without leaving any out.
pub(crate) fn is_from_start(partition: &Partition) -> bool {
    let [segment] = partition.segments.as_slice() else { return false };
    match segment.framing {
        Framing::Raw { start, .. } => start == 0,
        Framing::Gzip => true,
        Framing::Pages { .. } | Framing::Counted { .. } => false,
        Framing::Bgzf { start, .. } => start.compressed() == 0 && start.within() == 0,
    }
}

/// Whether a file's first bytes are text that can be read.
///
/// # Errors
/// When they are UTF-16, or compressed in a way that is not known here.
pub(crate) fn check_encoding(head: &[u8]) -> Result<()> {
    let utf16 = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || is_wide(head);
    if utf16 {
        return Err(Error::unsupported("the text is UTF-16").hint("convert it to UTF-8"));
    }
    let packed = match head {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => "bzip2",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        _ => return Ok(()),
    };
    Err(Error::unsupported(format!("the file is {packed}-compressed")).hint("gzip and BGZF are read; use bgzip"))
}

/// Latin letters of UTF-16 without a mark: every other byte of the beginning is NUL.
fn is_wide(head: &[u8]) -> bool {
    match head {
        [a, b, c, d, ..] => {
            let zeros = [a, b, c, d].map(|byte| *byte == 0);
            zeros == [true, false, true, false] || zeros == [false, true, false, true]
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_in_pieces_is_searched_once() {
        let mut framer = LineFramer::default();
        let line = b"abcdef\ng";
        for n in 1..7 {
            assert_eq!(framer.frame(&line[..n], false), None);
            assert_eq!(framer.searched, n);
        }
        assert_eq!(framer.frame(line, false), Some(7));
        assert_eq!(framer.frame(b"g", false), None);
        assert_eq!(framer.frame(b"g", true), Some(1));
        assert_eq!(framer.searched, 0);
    }

    #[test]
    fn encodings_that_are_told() {
        for head in [&b"\xff\xfec\0"[..], b"\xfe\xff\0c", b"c\0h\0r\0", b"\0c\0h", b"BZh9", b"\x28\xb5\x2f\xfd"] {
            assert!(check_encoding(head).is_err_and(|e| e.is_unsupported()), "{head:?}");
        }
        for head in [&b""[..], b"chr1\t0", b"\xef\xbb\xbfchr1"] {
            assert!(check_encoding(head).is_ok(), "{head:?}");
        }
    }
}
