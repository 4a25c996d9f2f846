//! Records against those of the original, one after another.

use genomicframe_core::alignment::{Record, cigar};
use genomicframe_core::io::Location;
use genomicframe_core::{Error, Result};

use super::report::Report;
use crate::source::Records;
use crate::writer::RecordInput;

/// Differing records that are described; the others are counted.
const DESCRIBED: u64 = 10;

/// The original, as far as it was compared.
pub(super) struct Compared {
    input: RecordInput,
    block: Records,
    at: usize,
    /// Records of the dataset that were compared, or left out.
    number: u64,
    equal: u64,
    differing: u64,
    ended: bool,
    name: String,
}

impl Compared {
    pub(super) fn new(input: RecordInput) -> Self {
        let name = input.source.name.clone();
        Self { input, block: Records::default(), at: 0, number: 0, equal: 0, differing: 0, ended: false, name }
    }

    /// Whether the block has a next record, of another block if need be.
    fn fill(&mut self, report: &mut Report) -> bool {
        while !self.ended && self.at >= self.block.len() {
            match (self.input.blocks)() {
                Ok(Some(block)) => (self.block, self.at) = (block, 0),
                Ok(None) => self.ended = true,
                Err(e) => {
                    report.error(&self.name, e);
                    self.ended = true;
                }
            }
        }
        !self.ended
    }

    /// Compares the next records.
    pub(super) fn group(&mut self, records: &Records, place: &Location, report: &mut Report) {
        for record in records.iter() {
            self.number += 1;
            if !self.fill(report) {
                self.differ(report, place, "the original has no such record".into());
                continue;
            }
            let (block, at) = (&self.block, self.at);
            self.at += 1;
            let original = block.get(at).unwrap_or_default();
            let difference = match difference(record, original, self.input.contigs.len()) {
                Ok(None) => {
                    self.equal += 1;
                    continue;
                }
                Ok(Some(field)) => format!("{field} differs from the original's"),
                Err(e) => e.to_string(),
            };
            let name = original.get(32..).and_then(|n| n.split(|b| *b == 0).next()).unwrap_or_default();
            self.differ(report, place, format!("{difference} ({})", name.escape_ascii()));
        }
    }

    fn differ(&mut self, report: &mut Report, place: &Location, what: String) {
        self.differing += 1;
        if self.differing <= DESCRIBED {
            report.error(place, Error::corrupt(what).in_record(self.number));
        }
    }

    /// Leaves out `rows` records of the original that the dataset has lost.
    pub(super) fn skip(&mut self, rows: u64, report: &mut Report) {
        self.number = self.number.saturating_add(rows);
        for _ in 0..rows {
            if !self.fill(report) {
                break;
            }
            self.at += 1;
        }
    }

    /// Says how it went.
    pub(super) fn finish(mut self, report: &mut Report) {
        let mut left = 0;
        while self.fill(report) {
            left += (self.block.len() - self.at) as u64;
            self.at = self.block.len();
        }
        if left > 0 {
            report.error(&self.name, Error::corrupt(format!("its last {left} records are not in the dataset")));
        }
        if self.differing > DESCRIBED {
            report.error(&self.name, Error::corrupt(format!("{} records differ in all", self.differing)));
        }
        report.equal = Some(self.equal);
    }
}

/// Where `bin` lies in a record: nothing is kept in it, writers compute it.
const BIN: std::ops::Range<usize> = 10..12;

/// The first field in which records, without their `block_size`, differ.
fn difference(a: &[u8], b: &[u8], contigs: usize) -> Result<Option<&'static str>> {
    if a.len() == b.len() && a.get(..BIN.start) == b.get(..BIN.start) && a.get(BIN.end..) == b.get(BIN.end..) {
        return Ok(None);
    }
    let (a, b) = (Record::new(a, contigs)?, Record::new(b, contigs)?);
    let (ops_a, ops_b) = (a.cigar()?, b.cigar()?);
    let own_tags = |r: &Record<'_>, is_long: bool| -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for tag in r.tags() {
            let tag = tag?;
            // Where the tag that holds a long CIGAR stands says nothing.
            if !(is_long && tag.key == cigar::LONG_TAG) {
                out.extend(tag.key);
                out.push(tag.kind);
                out.extend((tag.value.len() as u64).to_le_bytes());
                out.extend_from_slice(tag.value);
            }
        }
        Ok(out)
    };
    // The half byte after an odd number of bases says nothing either.
    let bases = |r: &Record<'_>| {
        let mut packed = r.packed_sequence().to_vec();
        if r.sequence_length() % 2 == 1
            && let Some(last) = packed.last_mut()
        {
            *last &= 0xf0;
        }
        packed
    };
    Ok(Some(if a.name() != b.name() {
        "QNAME"
    } else if a.flag() != b.flag() {
        "FLAG"
    } else if a.contig() != b.contig() {
        "RNAME"
    } else if a.pos() != b.pos() {
        "POS"
    } else if a.mapq() != b.mapq() {
        "MAPQ"
    } else if ops_a.packed() != ops_b.packed() {
        "CIGAR"
    } else if a.mate_contig() != b.mate_contig() {
        "RNEXT"
    } else if a.mate_pos() != b.mate_pos() {
        "PNEXT"
    } else if a.template_length() != b.template_length() {
        "TLEN"
    } else if a.sequence_length() != b.sequence_length() || bases(&a) != bases(&b) {
        "SEQ"
    } else if a.stored_qualities() != b.stored_qualities() {
        "QUAL"
    } else if own_tags(&a, ops_a.is_from_tag())? != own_tags(&b, ops_b.is_from_tag())? {
        "a tag"
    } else {
        return Ok(None);
    }))
}
