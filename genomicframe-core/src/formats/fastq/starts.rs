//! Where a record begins in the middle of a FASTQ file whose records have four lines.

use crate::scan::RecordStarts;
use crate::text::lines::trim_end;

/// Whole records that must follow one another before a place is believed.
const RECORDS: usize = 3;
/// Lines at which a record may begin: those of one record, and one that is cut.
const LINES: usize = 5;

/// Finds a record by its marks and its two lengths. Of wrapped records none is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct FastqStarts;

impl RecordStarts for FastqStarts {
    fn first(&self, bytes: &[u8]) -> Option<usize> {
        let ends = memchr::memchr_iter(b'\n', bytes).take(LINES);
        ends.map(|end| end + 1).find(|start| follow(&bytes[*start..]))
    }
}

/// Whether records follow one another to the end of `bytes`.
fn follow(bytes: &[u8]) -> bool {
    let mut lines = bytes.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")).map(trim_end);
    let mut whole = 0;
    loop {
        let (Some(name), Some(seq), Some(plus), Some(qual)) = (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return whole >= RECORDS;
        };
        let marked = name.starts_with(b"@") && plus.starts_with(b"+");
        if !marked || seq.len() != qual.len() || (plus.len() > 1 && plus[1..] != name[1..]) {
            return false;
        }
        whole += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualities_that_look_like_names_deceive_nobody() {
        let record = "@r1\nACGT\n+\n@+@+\n";
        let text = record.repeat(5);
        for cut in 0..record.len() {
            let start = FastqStarts.first(&text.as_bytes()[cut..]).unwrap();
            assert_eq!((cut + start) % record.len(), 0, "{cut}");
        }
        assert_eq!(FastqStarts.first(record.repeat(3).as_bytes()), None);
        let wrapped = "@r1\nAC\nGT\n+\nII\nII\n".repeat(20);
        assert_eq!(FastqStarts.first(wrapped.as_bytes()), None);
    }
}
