//! Records straight to SAM text (SAMv1 §1.4): the lines that [`super::encode`] makes of columns, without the columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};

use super::columns::{Broken, write_bases, write_qualities};
use super::fields::name_of;
use super::record::Record;
use super::tag_columns::TagOrder;
use super::tags::Tag;
use crate::error::{Error, Result};
use crate::genome::Contigs;
use crate::scan::Warnings;
use crate::text::fields::utf8;
use crate::text::numbers::write_int;
use crate::text::room_like;

/// The lines of a batch under construction.
pub(super) struct Lines {
    contigs: Arc<Contigs>,
    text: Vec<u8>,
    /// Where each line ends in the text, after a 0.
    ends: Vec<i32>,
    order: TagOrder,
}

impl Lines {
    pub(super) fn new(contigs: Arc<Contigs>) -> Self {
        Self { contigs, text: Vec::new(), ends: vec![0], order: TagOrder::default() }
    }

    pub(super) fn append(&mut self, records: &[Record<'_>], warnings: &mut Warnings) -> Result<(), Broken> {
        let (first, start) = (self.ends.len() - 1, self.text.len());
        let mut written = Ok(());
        for (index, record) in records.iter().enumerate() {
            written = self.line(record, warnings).map_err(|e| (index, e));
            if written.is_err() {
                break;
            }
        }
        // Neither BAM nor a SAM file promises that it is text, which it is found out to be much sooner at once.
        if !is_plain(&self.text[start..]) {
            let lines = self.ends[first..].windows(2).map(|w| &self.text[w[0] as usize..w[1] as usize]);
            lines.enumerate().try_for_each(|(index, line)| check(line).map_err(|e| (index, e)))?;
        }
        written
    }

    fn line(&mut self, record: &Record<'_>, warnings: &mut Warnings) -> Result<()> {
        let Self { contigs, text: out, order, .. } = self;
        let name = |id: Option<usize>| id.and_then(|id| contigs.name(id));
        out.extend_from_slice(name_of(record).unwrap_or(b"*"));
        number(record.flag().into(), out);
        let contig = name(record.contig());
        field(contig.unwrap_or("*"), out);
        number(record.pos().unwrap_or(0), out);
        number(record.mapq().into(), out);
        out.push(b'\t');
        let (cigar, _) = record.checked_cigar()?;
        cigar.write(out)?;
        if cigar.is_empty() {
            out.push(b'*');
        }
        match name(record.mate_contig()) {
            Some(mate) if record.mate_contig() == record.contig() || contig == Some(mate) => field("=", out),
            mate => field(mate.unwrap_or("*"), out),
        }
        number(record.mate_pos().unwrap_or(0), out);
        number(record.template_length().into(), out);
        out.push(b'\t');
        match record.sequence_length() {
            0 => out.push(b'*'),
            length => write_bases(record.packed_sequence(), length, out),
        }
        out.push(b'\t');
        match record.qualities() {
            Some(scores) => write_qualities(scores, out)?,
            None => out.push(b'*'),
        }
        order.walk(
            record,
            |_| None,
            Some(warnings),
            |tag, _| {
                write_tag(&tag, out);
                Ok(())
            },
        )?;
        out.push(b'\n');
        let end = i32::try_from(out.len()).map_err(|_| Error::limit("a batch of more than 2 GiB of text"))?;
        self.ends.push(end);
        Ok(())
    }

    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        let room = room_like(self.text.len());
        let text = std::mem::replace(&mut self.text, room);
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(ends));
        Ok(Arc::new(BinaryArray::try_new(offsets, text.into(), None)?))
    }
}

fn is_plain(text: &[u8]) -> bool {
    text.is_ascii() && memchr::memchr(0, text).is_none()
}

/// Whether the name and the tags of a line are text; all between them is.
fn check(line: &[u8]) -> Result<()> {
    if is_plain(line) {
        return Ok(());
    }
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let mut tabs = memchr::memchr_iter(b'\t', line);
    let name = tabs.next().unwrap_or(line.len());
    let tags = tabs.nth(TAGS_TAB).unwrap_or(line.len());
    utf8(&line[..name], "read_name")?;
    utf8(&line[tags..], "tag")?;
    // A name with a tab in it.
    utf8(line, "read_name").map(|_| ())
}

/// Tabs between that after the name and that before the tags.
const TAGS_TAB: usize = 9;

fn field(text: &str, out: &mut Vec<u8>) {
    out.push(b'\t');
    out.extend_from_slice(text.as_bytes());
}

fn number(n: i64, out: &mut Vec<u8>) {
    out.push(b'\t');
    write_int(n, out);
}

fn write_tag(tag: &Tag<'_>, out: &mut Vec<u8>) {
    let [first, second] = tag.key;
    let start = |kind: u8| [b'\t', first, second, b':', kind, b':'];
    if matches!(tag.kind, b'A' | b'Z' | b'H') {
        out.extend_from_slice(&start(tag.kind));
        out.extend_from_slice(tag.value);
    } else if let Some(n) = tag.int() {
        out.extend_from_slice(&start(b'i'));
        write_int(n, out);
    } else {
        out.extend_from_slice(&[b'\t', first, second, b':']);
        tag.write(out);
    }
}
