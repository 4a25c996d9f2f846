//! Random BAM records, framed, in coordinate order.

use std::sync::Arc;

use genomicframe_core::genome::{Contig, Contigs};

/// Contigs, with names that paths and regions could trip over.
pub(crate) const CONTIGS: [&str; 5] = ["chr1", "HLA-A*01:01", "a/b", "x.y", "never"];
const LAST_POSITION: i32 = i32::MAX - 1;

pub(crate) fn contigs() -> Arc<Contigs> {
    let mut out = Contigs::default();
    for name in CONTIGS {
        out.push(Contig { name: name.into(), length: Some(i32::MAX as u64) });
    }
    Arc::new(out)
}

pub(crate) fn header_text() -> String {
    let lines = CONTIGS.map(|name| format!("@SQ\tSN:{name}\tLN:{}\n", i32::MAX));
    format!("@HD\tVN:1.6\tSO:coordinate\n{}@RG\tID:a\tSM:s\n", lines.concat())
}

/// Marsaglia's xorshift: the same numbers on every run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// One time in `n`.
    pub(crate) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Which records are made.
#[derive(Clone, Copy)]
pub(crate) struct Kinds {
    /// CIGARs that do not cover their sequence, scores above 93, and keys with values of several types: kept by the
    /// format, refused by readers of columns.
    pub(crate) odd: bool,
    /// More than 65,535 operations.
    pub(crate) long_cigars: bool,
}

/// A record's fields.
#[derive(Clone, Default)]
pub(crate) struct Draft {
    pub(crate) name: Vec<u8>,
    pub(crate) flag: u16,
    pub(crate) contig: i32,
    pub(crate) pos: i32,
    pub(crate) mapq: u8,
    pub(crate) cigar: Vec<u32>,
    pub(crate) next_contig: i32,
    pub(crate) next_pos: i32,
    pub(crate) tlen: i32,
    pub(crate) bases: Vec<u8>,
    pub(crate) scores: Vec<u8>,
    pub(crate) tags: Vec<u8>,
}

impl Draft {
    /// A mapped read of `span` matching bases.
    pub(crate) fn simple(name: &str, contig: i32, pos: i32, span: usize) -> Self {
        let (bases, scores, cigar) = (vec![1; span], vec![30; span], vec![(span as u32) << 4]);
        let (name, mapq) = (name.as_bytes().to_vec(), 60);
        Self { name, contig, pos, mapq, cigar, next_contig: -1, next_pos: -1, bases, scores, ..Self::default() }
    }

    pub(crate) fn tag(mut self, key: &[u8; 2], text: &str) -> Self {
        self.tags.extend([key[0], key[1], b'Z']);
        self.tags.extend(text.as_bytes());
        self.tags.push(0);
        self
    }

    fn span(&self) -> i32 {
        self.cigar.iter().filter(|op| matches!(*op & 15, 0 | 2 | 3 | 7 | 8)).map(|op| (op >> 4) as i32).sum()
    }

    /// Framed. The bin is left 0.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let is_long = self.cigar.len() > usize::from(u16::MAX);
        let placeholder = [(self.bases.len() as u32) << 4 | 4, (self.span() as u32) << 4 | 3];
        let stored = if is_long { &placeholder[..] } else { &self.cigar };
        let words = |ops: &[u32]| ops.iter().flat_map(|op| op.to_le_bytes()).collect::<Vec<u8>>();
        let mut body = Vec::new();
        body.extend(self.contig.to_le_bytes());
        body.extend(self.pos.to_le_bytes());
        body.extend([self.name.len() as u8 + 1, self.mapq, 0, 0]);
        body.extend((stored.len() as u16).to_le_bytes());
        body.extend(self.flag.to_le_bytes());
        body.extend((self.bases.len() as u32).to_le_bytes());
        body.extend(self.next_contig.to_le_bytes());
        body.extend(self.next_pos.to_le_bytes());
        body.extend(self.tlen.to_le_bytes());
        body.extend(&self.name);
        body.push(0);
        body.extend(words(stored));
        body.extend(self.bases.chunks(2).map(|two| two[0] << 4 | two.get(1).copied().unwrap_or(0)));
        body.extend(&self.scores);
        body.extend(&self.tags);
        if is_long {
            body.extend(b"CGBI");
            body.extend((self.cigar.len() as u32).to_le_bytes());
            body.extend(words(&self.cigar));
        }
        [&(body.len() as u32).to_le_bytes()[..], &body].concat()
    }
}

/// About `n` records, sorted.
pub(crate) fn records(rng: &mut Rng, n: usize, kinds: Kinds) -> Vec<Vec<u8>> {
    let mut drafts = Vec::new();
    while drafts.len() < n {
        template(rng, kinds, &mut drafts);
    }
    sorted(drafts)
}

/// In coordinate order.
pub(crate) fn sorted(mut drafts: Vec<Draft>) -> Vec<Vec<u8>> {
    drafts.sort_by_key(|d| (d.contig as u32, d.pos));
    drafts.iter().map(Draft::bytes).collect()
}

fn place(rng: &mut Rng) -> (i32, i32) {
    let contig = rng.below(4) as i32;
    let pos = match rng.below(20) {
        0 => 0,
        1 => LAST_POSITION - rng.below(3) as i32,
        2 => rng.below(LAST_POSITION as usize) as i32,
        3 => -1,
        _ => 1000 + rng.below(3000) as i32,
    };
    match rng.below(16) {
        0 => (-1, -1),
        1 => (-1, rng.below(5000) as i32),
        _ => (contig, pos),
    }
}

fn name(rng: &mut Rng) -> Vec<u8> {
    match rng.below(24) {
        0 => b"*".to_vec(),
        1 => vec![b'x'; 254],
        2 => b"again".to_vec(),
        3 => b"q/1 #0".to_vec(),
        _ => format!("A0:12:{}:{:04}", rng.below(4), rng.below(9999)).into_bytes(),
    }
}

fn template(rng: &mut Rng, kinds: Kinds, out: &mut Vec<Draft>) {
    let name = name(rng);
    let first = out.len();
    let parts = if rng.once_in(3) { 1 } else { 2 };
    for part in 0..parts {
        let mut read = read(rng, kinds);
        read.name.clone_from(&name);
        read.flag |= if parts == 2 { 1 | if part == 0 { 0x40 } else { 0x80 } } else { 0 };
        if part == 1 && !rng.once_in(6) && out[first].contig >= 0 && read.contig >= 0 {
            (read.contig, read.pos) = (out[first].contig, out[first].pos.saturating_add(rng.below(300) as i32));
        }
        out.push(read);
    }
    if parts == 2 {
        let (a, b) = (out[first].clone(), out[first + 1].clone());
        for (own, other, sign) in [(first, &b, 1), (first + 1, &a, -1)] {
            let right = rng.below(8);
            let outermost = (a.pos.min(b.pos), (a.pos.wrapping_add(a.span())).max(b.pos.wrapping_add(b.span())));
            let read = &mut out[own];
            read.flag |= (other.flag & 4) << 1 | (other.flag & 0x10) << 1;
            (read.next_contig, read.next_pos) = if right == 0 { place(rng) } else { (other.contig, other.pos) };
            read.tlen = match right {
                1 => rng.next() as i32,
                2 => 0,
                3 | 4 => sign * outermost.1.wrapping_sub(outermost.0),
                _ => {
                    // From 5' end to 5' end, as bwa has it.
                    let end =
                        |d: &Draft| if d.flag & 0x10 > 0 { d.pos.wrapping_add(d.span().max(1) - 1) } else { d.pos };
                    let n = end(other).wrapping_sub(end(if own == first { &a } else { &b }));
                    n.wrapping_add(n.signum())
                }
            };
            if !rng.once_in(3) {
                let ops: String = other
                    .cigar
                    .iter()
                    .map(|op| format!("{}{}", op >> 4, char::from(b"MIDNSHP=X"[(op & 15) as usize])))
                    .collect();
                let told = if ops.is_empty() { "*".into() } else { ops };
                *read = read.clone().tag(b"MC", if rng.once_in(5) { "7M" } else { &told });
            }
        }
        if rng.once_in(8) {
            out.remove(first + rng.below(2));
        }
    }
    for _ in 0..if rng.once_in(5) { rng.below(4) } else { 0 } {
        let mut more = out[first].clone();
        (more.contig, more.pos) = place(rng);
        more.flag |= *rng.pick(&[0x100, 0x800]);
        if rng.once_in(2) {
            (more.bases, more.scores, more.cigar) = (Vec::new(), Vec::new(), vec![5 << 4 | 5]);
        }
        out.push(more);
    }
}

fn read(rng: &mut Rng, kinds: Kinds) -> Draft {
    let (contig, pos) = place(rng);
    let flag = match rng.below(6) {
        0 => 4,
        1 if kinds.odd => rng.next() as u16,
        _ => *rng.pick(&[0, 0x10, 0x200, 0x400, 2]),
    };
    let mapq = *rng.pick(&[0, 1, 9, 10, 20, 29, 30, 59, 60, 255]);
    let mut read = Draft { flag, contig, pos, mapq, next_contig: -1, next_pos: -1, ..Draft::default() };
    let is_long = kinds.long_cigars && contig >= 0 && pos >= 0 && rng.once_in(60);
    read.cigar = cigar(rng, is_long);
    let covered = read.cigar.iter().filter(|op| matches!(*op & 15, 0 | 1 | 4 | 7 | 8)).map(|op| op >> 4).sum::<u32>();
    let length = match rng.below(10) {
        0 => 0,
        _ if read.cigar.is_empty() => rng.below(40),
        1 if kinds.odd => rng.below(60),
        _ => covered as usize,
    };
    let all: Vec<u8> = (0..16).collect();
    let of = *rng.pick::<&[u8]>(&[&[1, 2, 4, 8], &[1, 2, 4, 8, 15], &[15], &all]);
    read.bases = (0..length)
        .map(|i| if rng.once_in(9) { *rng.pick(of) } else { of[(pos.max(0) as usize + i) % of.len()] })
        .collect();
    read.scores = match rng.below(8) {
        0 => vec![255; length],
        1 if kinds.odd => (0..length).map(|_| rng.next() as u8).collect(),
        2 => (0..length).map(|_| rng.below(94) as u8).collect(),
        _ => (0..length).map(|_| *rng.pick(&[2, 11, 25, 37])).collect(),
    };
    tags(rng, kinds, &mut read.tags);
    read
}

fn cigar(rng: &mut Rng, is_long: bool) -> Vec<u32> {
    if is_long {
        return (0..65_536 + rng.below(3) as u32).map(|i| 1 << 4 | if i % 2 == 0 { 0 } else { 2 }).collect();
    }
    match rng.below(8) {
        0 => Vec::new(),
        1 => (0..rng.below(9)).map(|_| (rng.below(12) as u32) << 4 | rng.below(9) as u32).collect(),
        2 => vec![20 << 4, (rng.below(5000) as u32) << 4 | 3, 15 << 4],
        3 => vec![4 << 4 | 4, 30 << 4, 2 << 4 | 1, 9 << 4, 3 << 4 | 2, 5 << 4],
        _ => vec![(20 + rng.below(2) as u32 * 30) << 4],
    }
}

fn tags(rng: &mut Rng, kinds: Kinds, out: &mut Vec<u8>) {
    for _ in 0..rng.below(7) {
        // One type per key, but all widths; with odd ones any type for two keys.
        let (key, of): (&[u8; 2], &[u8]) = *rng.pick(&[
            (b"NM", b"cCsSiI".as_slice()),
            (b"AS", b"cCsSiI"),
            (b"RG", b"Z"),
            (b"MD", b"Z"),
            (b"ZA", b"A"),
            (b"ZH", b"H"),
            (b"ZF", b"f"),
            (b"zf", b"f"),
            (b"ZB", b"B"),
            (b"ZE", b"E"),
            (b"YY", if kinds.odd { b"AcCsSiIfZHBE" } else { b"i" }),
            (b"MC", if kinds.odd { b"AZi" } else { b"Z" }),
        ]);
        let of = *rng.pick(of);
        out.extend(key);
        out.push(if of == b'E' { b'B' } else { of });
        match of {
            b'A' => out.push(b'!' + rng.below(94) as u8),
            b'Z' => {
                let texts = ["", "a", "b", "c c", "50", "10A5^AC6", "20M15S", "*"];
                let text = rng.pick(&texts).repeat(if rng.once_in(30) { 400 } else { 1 });
                out.extend(text.as_bytes());
                out.push(0);
            }
            b'H' => out.extend(b"1AE301\0"),
            b'B' | b'E' => {
                let sub = if of == b'E' { b'f' } else { *rng.pick(b"cCsSiI") };
                let n = rng.below(6) as u32;
                out.push(sub);
                out.extend(n.to_le_bytes());
                (0..n).for_each(|_| number(rng, sub, out));
            }
            _ => number(rng, of, out),
        }
    }
}

fn number(rng: &mut Rng, of: u8, out: &mut Vec<u8>) {
    if of == b'f' {
        let x = *rng.pick(&[0.0f32, -0.0, 1.5, -2.25e10, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE]);
        return out.extend(x.to_le_bytes());
    }
    let width = match of {
        b'c' | b'C' => 1,
        b's' | b'S' => 2,
        _ => 4,
    };
    let bytes = if rng.once_in(4) { rng.next() } else { rng.below(12) as u64 };
    out.extend(&bytes.to_le_bytes()[..width]);
}
