//! Where a record begins in the middle of a BAM.

use std::collections::HashSet;
use std::sync::Arc;

use crate::alignment::Record;
use crate::alignment::record::SMALLEST;
use crate::genome::Contigs;
use crate::scan::RecordStarts;

/// Whole records that must follow one another before a place is believed.
const RECORDS: usize = 3;
const BLOCK_SIZE: usize = 4;

/// Finds a record by what its fields say of each other and of the dictionary.
#[derive(Debug)]
pub(super) struct BamStarts {
    pub(super) contigs: Arc<Contigs>,
    pub(super) longest: usize,
}

enum Look {
    /// A record of so many bytes.
    Whole(usize),
    /// The beginning of one, perhaps.
    Cut,
    No,
}

impl RecordStarts for BamStarts {
    fn first(&self, bytes: &[u8]) -> Option<usize> {
        let mut broken = HashSet::new();
        (0..bytes.len()).find(|start| self.follow(bytes, *start, &mut broken))
    }
}

impl BamStarts {
    /// Whether records follow one another from `start` to the end of `bytes`. `broken` are places from which none do: many
    /// small records before something broken must not be walked again from each of them.
    fn follow(&self, bytes: &[u8], start: usize, broken: &mut HashSet<usize>) -> bool {
        let (mut at, mut whole) = (start, 0);
        loop {
            match self.look(&bytes[at..]) {
                Look::Whole(len) if !broken.contains(&(at + len)) => {
                    whole += 1;
                    at += len;
                }
                Look::Cut => return whole >= RECORDS,
                Look::Whole(_) | Look::No => break,
            }
        }
        // The records that led there, found once more: sound ones are rare where a place is wrong.
        let mut place = start;
        while whole > 0
            && let Look::Whole(len) = self.look(&bytes[place..])
        {
            place += len;
            broken.insert(place);
            if place >= at {
                break;
            }
        }
        false
    }

    fn look(&self, bytes: &[u8]) -> Look {
        let Some(size) = bytes.first_chunk::<BLOCK_SIZE>().map(|b| i32::from_le_bytes(*b)) else { return Look::Cut };
        let size = match usize::try_from(size) {
            Ok(size) if (SMALLEST..=self.longest).contains(&size) => size,
            _ => return Look::No,
        };
        match bytes.get(BLOCK_SIZE..BLOCK_SIZE + size) {
            Some(record) => match Record::new(record, self.contigs.len()) {
                Ok(record) if record.tags().all(|tag| tag.is_ok()) => Look::Whole(BLOCK_SIZE + size),
                _ => Look::No,
            },
            None => Look::Cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From each record on all that follow are walked: done for each of them that would take hours.
    #[test]
    fn many_small_records_before_a_broken_one_are_walked_once() {
        let mut record = 33i32.to_le_bytes().to_vec();
        record.extend([0xff; 8]);
        record.extend([1, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0]);
        record.extend([0xff; 8]);
        record.extend([0; 5]);
        let starts = BamStarts { contigs: Arc::default(), longest: 1 << 20 };
        let mut bytes = record.repeat(300_000);
        assert_eq!(starts.first(&bytes[5..]), Some(record.len() - 5));
        let whole = bytes.len();
        bytes.extend(b"no record, but more than the length of one".repeat(2));
        assert_eq!(starts.first(&bytes), None);
        bytes.extend(record.repeat(4));
        assert_eq!(starts.first(&bytes), Some(whole + 84));
    }
}
