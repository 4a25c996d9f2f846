//! SAM text (SAMv1 §1): the header's contigs, and lines for a parser to turn into records.

use std::sync::{Arc, Mutex};

use genomicframe_core::formats::sam::Repairs;
use genomicframe_core::genome::{Contig, Contigs};
use genomicframe_core::scan::Limits;
use genomicframe_core::{Error, Result};

use super::chunk::{Chunk, Head};
use super::frame::{Failed, Format};
use super::workers::Buffers;
use super::{LineParser, Records};

/// Whether text that begins with `bytes` is SAM: a header line, or a line of at least eleven fields.
pub(super) fn sniff(bytes: &[u8]) -> bool {
    let line = memchr::memchr(b'\n', bytes).map_or(bytes, |n| &bytes[..n]);
    match line {
        [b'@', a, b, b'\t', ..] => a.is_ascii_uppercase() && b.is_ascii_uppercase(),
        _ => memchr::memchr_iter(b'\t', line).count() >= 10 && memchr::memchr(0, line).is_none(),
    }
}

/// A SAM header.
pub(super) struct Header {
    pub(super) text: String,
    pub(super) contigs: Contigs,
    pub(super) lines: u64,
}

/// Reads the lines that `head` begins with and that begin with `@`.
pub(super) fn header(head: &mut Head, limits: &Limits) -> Result<Header> {
    let (mut end, mut lines) = (0, 0);
    loop {
        let rest = &head.bytes()[end..];
        if rest.first().is_some_and(|b| *b != b'@') {
            break;
        }
        if let Some(newline) = memchr::memchr(b'\n', rest) {
            end += newline + 1;
            lines += 1;
        } else if !head.more(limits.header_bytes)? {
            // The last line may lack its newline.
            lines += u64::from(end < head.bytes().len());
            end = head.bytes().len();
            break;
        }
    }
    let text = std::str::from_utf8(&head.bytes()[..end])
        .map_err(|e| Error::corrupt("the header is not UTF-8").caused_by(e))?
        .to_owned();
    let mut contigs = Contigs::default();
    for (i, line) in text.lines().enumerate() {
        let Some(fields) = line.strip_prefix("@SQ\t") else { continue };
        let contig = contig(fields, &contigs, limits).map_err(|e| e.on_line(i as u64 + 1))?;
        contigs.push(contig);
    }
    Ok(Header { text, contigs, lines })
}

fn contig(fields: &str, contigs: &Contigs, limits: &Limits) -> Result<Contig> {
    let field = |key: &str| fields.split('\t').find_map(|f| f.strip_prefix(key));
    if contigs.len() >= limits.contigs {
        return Err(Error::limit(format!("more than {} contigs", limits.contigs)).field("@SQ"));
    }
    let Some(name) = field("SN:").filter(|name| !name.is_empty()) else {
        return Err(Error::corrupt("a contig without a name").field("SN"));
    };
    if contigs.get(name).is_some() {
        return Err(Error::corrupt(format!("contig {name} is listed twice")).field("SN"));
    }
    // Positions of records have 31 bits.
    let length = field("LN:").and_then(|n| n.parse::<u32>().ok()).filter(|n| i32::try_from(*n).is_ok());
    let Some(length) = length else {
        return Err(Error::corrupt(format!("contig {name} has no length of 0 to 2147483647")).field("LN"));
    };
    Ok(Contig { name: name.to_owned(), length: Some(length.into()) })
}

/// Frames lines, and parses them.
pub(super) struct Sam {
    pub(super) contigs: Arc<Contigs>,
    pub(super) longest: usize,
    pub(super) parse: LineParser,
    pub(super) buffers: Buffers,
    pub(super) warnings: Arc<Mutex<Vec<String>>>,
}

impl Format for Sam {
    fn cut(&self, bytes: &[u8], last: bool, _starts: &mut Vec<u32>) -> (usize, Result<()>) {
        let end = match memchr::memrchr(b'\n', bytes) {
            _ if last => bytes.len(),
            Some(newline) => newline + 1,
            None => 0,
        };
        if end == 0 && bytes.len() > self.longest {
            return (0, Err(Error::limit(format!("a line beyond the limit of {} bytes", self.longest))));
        }
        (end, Ok(()))
    }

    fn finish(&self, chunk: Chunk, mut starts: Vec<u32>) -> Result<Records, Failed> {
        let mut bytes = self.buffers.take();
        bytes.clear();
        let text = chunk.bytes.strip_suffix(b"\n").unwrap_or(&chunk.bytes);
        let (mut from, mut repairs) = (0, Repairs::default());
        let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
        for (i, end) in ends.enumerate() {
            let line = &text[from..end];
            let Ok(start) = u32::try_from(bytes.len()) else {
                return Err(Failed::of(Error::limit("a block of records beyond 4 GiB"), i));
            };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let repaired = (self.parse)(line, &self.contigs, &mut bytes).map_err(|e| Failed::of(e, i))?;
            repairs = repairs.and(repaired);
            starts.push(start);
            from = end + 1;
        }
        self.buffers.give(chunk.bytes);
        for warning in repairs.warnings() {
            if let Ok(mut warnings) = self.warnings.lock()
                && !warnings.iter().any(|w| w == warning)
            {
                warnings.push(warning.to_owned());
            }
        }
        Ok(Records { bytes, starts, first: 0 })
    }
}
