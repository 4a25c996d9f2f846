//! Where a record begins in the middle of a GFF.

use super::header::FIELDS;
use crate::scan::RecordStarts;

/// Finds a line from which on all are records or comments: those of a `##FASTA` section are not.
#[derive(Debug, Clone, Copy)]
pub(super) struct GffStarts;

impl RecordStarts for GffStarts {
    fn first(&self, bytes: &[u8]) -> Option<usize> {
        let start = memchr::memchr(b'\n', bytes)? + 1;
        let mut lines = bytes[start..].split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")).peekable();
        lines.peek()?;
        let is_record = |line: &[u8]| memchr::memchr_iter(b'\t', line).count() + 1 == FIELDS;
        lines.all(|line| is_record(line) || (line.starts_with(b"#") && !line.starts_with(b"##FASTA"))).then_some(start)
    }
}
