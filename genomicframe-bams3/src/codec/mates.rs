//! Mates' places and template lengths, told by the mate where it is in the group (specification §7.6, §7.7).
//!
//! ```text
//! mate page: a stream of a byte per row: 0 as the mate in the group is, 1 none (-1, -1), 2 on the row's contig, 3 elsewhere │
//!            start of each row of kind 2, less the row's own: integers │ contig of each row of kind 3: integers │
//!            start of each row of kind 3: integers
//! tlen page: rule u8 (1 from 5' end to 5' end, 2 outermost) │ a stream of a byte per row: 0 as the rule says of the mate in
//!            the group, 1 zero, 2 told │ of each row of kind 2 TLEN, less what is expected of a mate elsewhere: integers
//! ```

use genomicframe_core::{Error, Result};

use super::ints;
use super::links::{NONE, Placed, TemplateRule, elsewhere};
use super::stream::{Input, Packer, Unpacker};

const BY_MATE: u8 = 0;
const NOWHERE: u8 = 1;
const SAME_CONTIG: u8 = 2;
const ELSEWHERE: u8 = 3;

const ZERO: u8 = 1;
const TOLD: u8 = 2;

/// What mates' places are told by.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Contig numbers.
    pub contigs: &'a [i32],
    /// 0-based starts.
    pub starts: &'a [i64],
    /// Reference bases covered.
    pub spans: &'a [i64],
    /// SAM flags.
    pub flags: &'a [u16],
    /// Each row's mate in the group.
    pub mates: &'a [u32],
}

impl Rows<'_> {
    fn mate(&self, row: usize) -> Option<usize> {
        (self.mates[row] != NONE).then_some(self.mates[row] as usize)
    }

    fn placed(&self, row: usize) -> Placed {
        Placed { contig: self.contigs[row], start: self.starts[row], span: self.spans[row], flag: self.flags[row] }
    }

    /// TLEN by the mate in the group.
    fn length(&self, row: usize, rule: TemplateRule) -> Option<i64> {
        Some(rule.length(self.placed(row), self.placed(self.mate(row)?)))
    }
}

/// Appends a mate page.
///
/// # Errors
/// When zstd fails.
pub fn encode_places(
    rows: Rows<'_>,
    contigs: &[i32],
    starts: &[i64],
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<()> {
    let (mut near, mut far_contigs, mut far_starts) = (Vec::new(), Vec::new(), Vec::new());
    let kind = |row: usize| {
        let place = (contigs[row], starts[row]);
        if rows.mate(row).is_some_and(|m| (rows.contigs[m], rows.starts[m]) == place) {
            return BY_MATE;
        }
        if place == (-1, -1) {
            return NOWHERE;
        }
        if place.0 == rows.contigs[row] {
            near.push(place.1.wrapping_sub(rows.starts[row]));
            return SAME_CONTIG;
        }
        far_contigs.push(place.0.into());
        far_starts.push(place.1);
        ELSEWHERE
    };
    let kinds: Vec<u8> = (0..contigs.len()).map(kind).collect();
    packer.put(&kinds, out)?;
    for list in [near, far_contigs, far_starts] {
        ints::encode(&list, packer, out)?;
    }
    Ok(())
}

/// Reads the mates' contigs and starts.
///
/// # Errors
/// When the bytes are not what [`encode_places`] writes.
pub fn decode_places(rows: Rows<'_>, input: &mut Input<'_>, unpacker: &mut Unpacker) -> Result<(Vec<i32>, Vec<i64>)> {
    let kinds = unpacker.get_exact(input, rows.starts.len())?;
    let count = |kind| kinds.iter().filter(|k| **k == kind).count();
    let mut near = ints::decode(input, count(SAME_CONTIG), unpacker)?.into_iter();
    let mut far_contigs = ints::decode(input, count(ELSEWHERE), unpacker)?.into_iter();
    let mut far_starts = ints::decode(input, count(ELSEWHERE), unpacker)?.into_iter();
    let mut contigs = Vec::with_capacity(kinds.len());
    let mut starts = Vec::with_capacity(kinds.len());
    for (row, kind) in kinds.iter().enumerate() {
        let place = match *kind {
            BY_MATE => rows.mate(row).map(|m| (rows.contigs[m], rows.starts[m])),
            NOWHERE => Some((-1, -1)),
            SAME_CONTIG => near.next().map(|d| (rows.contigs[row], rows.starts[row].wrapping_add(d))),
            ELSEWHERE => {
                let contig = far_contigs.next().and_then(|c| i32::try_from(c).ok());
                contig.zip(far_starts.next())
            }
            _ => None,
        };
        let (contig, start) = place.ok_or_else(|| Error::corrupt("a mate's place that cannot be").field("mate"))?;
        contigs.push(contig);
        starts.push(start);
    }
    Ok((contigs, starts))
}

/// Appends a tlen page; `next_starts` are the mates' starts.
///
/// # Errors
/// When zstd fails.
pub fn encode_lengths(
    rows: Rows<'_>,
    next_starts: &[i64],
    lengths: &[i32],
    packer: &mut Packer,
    out: &mut Vec<u8>,
) -> Result<()> {
    let hits = |rule| (0..lengths.len()).filter(|row| rows.length(*row, rule) == Some(lengths[*row].into())).count();
    let rule = match hits(TemplateRule::FivePrime) >= hits(TemplateRule::Outermost) {
        true => TemplateRule::FivePrime,
        false => TemplateRule::Outermost,
    };
    let mut told = Vec::new();
    let kind = |row: usize| {
        if rows.length(row, rule) == Some(lengths[row].into()) {
            return BY_MATE;
        }
        if lengths[row] == 0 {
            return ZERO;
        }
        let expected = elsewhere(rows.flags[row], rows.starts[row], rows.spans[row], next_starts[row]);
        told.push(i64::from(lengths[row]).wrapping_sub(expected));
        TOLD
    };
    let kinds: Vec<u8> = (0..lengths.len()).map(kind).collect();
    out.push(rule.id());
    packer.put(&kinds, out)?;
    ints::encode(&told, packer, out)
}

/// Reads template lengths.
///
/// # Errors
/// When the bytes are not what [`encode_lengths`] writes.
pub fn decode_lengths(
    rows: Rows<'_>,
    next_starts: &[i64],
    input: &mut Input<'_>,
    unpacker: &mut Unpacker,
) -> Result<Vec<i32>> {
    let rule = input.u8()?;
    let rule = TemplateRule::from_id(rule)
        .ok_or_else(|| Error::unsupported(format!("template length rule {rule} is not known to this version")))?;
    let kinds = unpacker.get_exact(input, rows.starts.len())?;
    let mut told = ints::decode(input, kinds.iter().filter(|k| **k == TOLD).count(), unpacker)?.into_iter();
    let length = |(row, kind): (usize, &u8)| match *kind {
        BY_MATE => rows.length(row, rule).and_then(|n| i32::try_from(n).ok()),
        ZERO => Some(0),
        TOLD => {
            let expected = elsewhere(rows.flags[row], rows.starts[row], rows.spans[row], next_starts[row]);
            told.next().and_then(|n| i32::try_from(n.wrapping_add(expected)).ok())
        }
        _ => None,
    };
    let lengths: Option<Vec<i32>> = kinds.iter().enumerate().map(length).collect();
    lengths.ok_or_else(|| Error::corrupt("a template length that cannot be").field("tlen"))
}
