//! BAM: header and records out of inflated bytes.

use genomicframe_core::Result;
use genomicframe_core::alignment::{Record, record};
use genomicframe_core::formats::bam::{BamHeader, HeaderParser};
use genomicframe_core::scan::Limits;

use super::Records;
use super::chunk::{Chunk, Head};
use super::frame::{Failed, Format};

/// Reads the header, which `head` begins with.
pub(super) fn header(head: &mut Head, limits: &Limits) -> Result<BamHeader> {
    let mut parser = HeaderParser::new(limits);
    loop {
        let parsed = match head.at_least(parser.wanted(), limits.header_bytes)? {
            true => parser.parse(head.bytes()),
            false => Err(parser.cut()),
        };
        match parsed {
            Ok(Some(header)) => return Ok(header),
            Ok(None) => {}
            Err(e) => return Err(e.at(head.place(parser.field()))),
        }
    }
}

/// Frames records by their `block_size` and checks each.
pub(super) struct Bam {
    pub(super) contigs: usize,
    pub(super) longest: usize,
}

impl Format for Bam {
    fn cut(&self, bytes: &[u8], last: bool, starts: &mut Vec<u32>) -> (usize, Result<()>) {
        let mut end = 0;
        while end < bytes.len() {
            match record::frame(&bytes[end..], last, self.longest) {
                Ok(Some(n)) => {
                    starts.push(end as u32);
                    end += n;
                }
                Ok(None) => break,
                Err(e) => return (end, Err(e)),
            }
        }
        (end, Ok(()))
    }

    fn finish(&self, chunk: Chunk, starts: Vec<u32>) -> Result<Records, Failed> {
        let records = Records { bytes: chunk.bytes, starts, first: 0 };
        for (i, body) in records.iter().enumerate() {
            if let Err(e) = Record::new(body, self.contigs) {
                return Err(Failed::of(e.at(chunk.places.at(records.starts[i] as usize)), i));
            }
        }
        Ok(records)
    }
}
