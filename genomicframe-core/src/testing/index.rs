//! Indexes made the plain way, straight from the specifications' formulas.

use std::collections::BTreeMap;

use super::bgzf;
use crate::bgzf::{VirtualOffset, block_size};

/// A record that has a contig: where it lies on it (0-based, end excluded) and in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) contig: usize,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) at: u64,
    pub(crate) stop: u64,
}

/// Where byte `n` of the inflated data lies, in a file of blocks of `block_len` bytes.
pub(crate) fn virtual_offset(stored: &[u8], block_len: usize, n: usize) -> u64 {
    let mut at = 0;
    for _ in 0..n / block_len {
        at += block_size(&stored[at..]).unwrap().unwrap();
    }
    (at as u64) << 16 | (n % block_len) as u64
}

/// The smallest bin that holds `start..end`.
fn bin(start: i64, end: i64, min_shift: u32, depth: u32) -> u32 {
    // htslib's formula for a record that has a contig and no position.
    if start < 0 {
        return ((1u32 << (3 * depth)) - 1) / 7 - 1;
    }
    let last = (end - 1).max(start);
    for level in (0..=depth).rev() {
        let shift = min_shift + 3 * (depth - level);
        if start >> shift == last >> shift {
            return ((1u32 << (3 * level)) - 1) / 7 + (start >> shift) as u32;
        }
    }
    0
}

/// The first window of a bin.
fn first_window(bin: u32, depth: u32) -> usize {
    let level = (0..=depth).rev().find(|l| bin >= ((1u32 << (3 * l)) - 1) / 7).unwrap();
    ((bin - ((1u32 << (3 * level)) - 1) / 7) << (3 * (depth - level))) as usize
}

/// Empty windows say where the next record is, as htslib writes them, or nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gaps {
    Filled,
    Zero,
}

struct Contig {
    bins: BTreeMap<u32, Vec<(u64, u64)>>,
    windows: Vec<u64>,
    records: u64,
    span: (u64, u64),
}

fn contig(records: &[Placed], id: usize, min_shift: u32, depth: u32, gaps: Gaps) -> Contig {
    let mut out = Contig { bins: BTreeMap::new(), windows: Vec::new(), records: 0, span: (0, 0) };
    for r in records.iter().filter(|r| r.contig == id) {
        if out.records == 0 {
            out.span.0 = r.at;
        }
        out.records += 1;
        out.span.1 = r.stop;
        let chunks = out.bins.entry(bin(r.start, r.end, min_shift, depth)).or_default();
        match chunks.last_mut() {
            Some((_, stop)) if *stop == r.at => *stop = r.stop,
            _ => chunks.push((r.at, r.stop)),
        }
        if r.start < 0 {
            continue;
        }
        let (first, last) = ((r.start >> min_shift) as usize, ((r.end - 1).max(r.start) >> min_shift) as usize);
        if out.windows.len() <= last {
            out.windows.resize(last + 1, 0);
        }
        for w in &mut out.windows[first..=last] {
            if *w == 0 {
                *w = r.at;
            }
        }
    }
    if gaps == Gaps::Filled {
        for i in (1..out.windows.len()).rev() {
            if out.windows[i - 1] == 0 {
                out.windows[i - 1] = out.windows[i];
            }
        }
    }
    out
}

fn int(n: usize) -> [u8; 4] {
    (n as i32).to_le_bytes()
}

/// A BAI with counts.
pub(crate) fn bai(contigs: usize, records: &[Placed], unplaced: u64, gaps: Gaps) -> Vec<u8> {
    let mut out = [b"BAI\x01".as_slice(), &int(contigs)].concat();
    for id in 0..contigs {
        let c = contig(records, id, 14, 5, gaps);
        let counted = usize::from(c.records > 0);
        out.extend(int(c.bins.len() + counted));
        for (bin, chunks) in &c.bins {
            out.extend(bin.to_le_bytes());
            out.extend(int(chunks.len()));
            out.extend(chunks.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()));
        }
        if counted > 0 {
            out.extend(int(37_450));
            out.extend(int(2));
            out.extend([c.span.0, c.span.1, c.records, 0].map(u64::to_le_bytes).concat());
        }
        out.extend(int(c.windows.len()));
        out.extend(c.windows.iter().flat_map(|w| w.to_le_bytes()));
    }
    out.extend(unplaced.to_le_bytes());
    out
}

/// A CSI without counts, compressed as they are.
pub(crate) fn csi(contigs: usize, records: &[Placed], min_shift: u32, depth: u32) -> Vec<u8> {
    let mut out = b"CSI\x01".to_vec();
    for n in [min_shift as usize, depth as usize, 0, contigs] {
        out.extend(int(n));
    }
    for id in 0..contigs {
        let c = contig(records, id, min_shift, depth, Gaps::Filled);
        out.extend(int(c.bins.len()));
        for (bin, chunks) in &c.bins {
            out.extend(bin.to_le_bytes());
            out.extend(c.windows[first_window(*bin, depth)].to_le_bytes());
            out.extend(int(chunks.len()));
            out.extend(chunks.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()));
        }
    }
    bgzf(&out, 60_000)
}

impl Placed {
    /// Whether one of `chunks` has it.
    pub(crate) fn is_in(&self, chunks: &[crate::index::Chunk]) -> bool {
        let at = VirtualOffset::from_raw(self.at);
        chunks.iter().any(|c| c.start <= at && at < c.stop)
    }
}
