//! Whether an index of text was made for its file, as far as the file's beginning can tell.

use super::StreamFile;
use crate::error::{Error, Offset, Result};
use crate::io::ObjectIo;
use crate::text::lines::{BOM, trim_end};

/// Inflated bytes among which the first record is looked for.
const LOOK: usize = 1 << 20;

/// The first record of a text file.
struct First {
    /// What stands before its first tab.
    contig: Vec<u8>,
    at: Offset,
}

impl StreamFile {
    /// Checks that the index begins where the file's records do, and with their contig; `name` gives what the index calls the
    /// contig of that number. Records begin after `header` inflated bytes, and `is_record` tells them from comments.
    ///
    /// Only bytes that were read already are looked at: where they do not tell, the index is believed.
    ///
    /// # Errors
    /// When the index is another file's.
    pub(crate) async fn check_first_record(
        &self,
        io: &dyn ObjectIo,
        header: usize,
        is_record: fn(&[u8]) -> bool,
        name: impl Fn(usize) -> Option<String>,
        contig: impl Fn(&[u8]) -> Option<String>,
    ) -> Result<()> {
        let (Some(index), Some(first)) = (self.index(), self.first_record(io, header, is_record).await) else {
            return Ok(());
        };
        let Some(first_contig) = contig(&first.contig) else { return Ok(()) };
        let wrong = match index.start_of_placed() {
            None => format!("its index is empty but its first record lies on {first_contig}"),
            Some((start, _)) if matches!(first.at, Offset::Virtual(at) if start > at) => {
                format!("its first record is at {} but its index begins at {start}", first.at)
            }
            Some((_, id)) => match name(id) {
                Some(indexed) if indexed != first_contig => {
                    format!("its first record lies on {first_contig} but its index begins with {indexed}")
                }
                _ => return Ok(()),
            },
        };
        Err(Error::corrupt(wrong)
            .in_object(&self.object().location)
            .hint("the index belongs to another file or version: index it again"))
    }

    async fn first_record(&self, io: &dyn ObjectIo, header: usize, is_record: fn(&[u8]) -> bool) -> Option<First> {
        let mut head = self.head(io, LOOK);
        let mut at = header;
        if header == 0 && head.bytes().starts_with(BOM) {
            at = BOM.len();
        }
        loop {
            let rest = head.bytes().get(at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            match (memchr::memchr(b'\t', line), end) {
                (Some(tab), _) if is_record(line) => {
                    return Some(First { contig: line[..tab].to_vec(), at: head.offset(at) });
                }
                (_, Some(_)) if is_record(trim_end(line)) => return None,
                (_, Some(end)) => at += end + 1,
                // What is broken is told by the scan.
                (_, None) if head.reads_on() || !head.more().await.unwrap_or(false) => return None,
                (_, None) => {}
            }
        }
    }
}
