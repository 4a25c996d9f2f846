use proptest::prelude::*;

use super::super::layout::Cigars;
use super::*;
use crate::Level;

#[derive(Debug, Clone, Default)]
struct Reads {
    contigs: Vec<i32>,
    starts: Vec<i64>,
    ops: Vec<u32>,
    ends: Vec<u32>,
    lengths: Vec<u32>,
    unmapped: Vec<bool>,
    codes: Vec<u8>,
}

impl Reads {
    fn add(&mut self, contig: i32, start: i64, cigar: &[(u32, u8)], codes: &[u8], unmapped: bool) {
        self.contigs.push(contig);
        self.starts.push(start);
        self.ops.extend(cigar.iter().map(|(len, op)| {
            let code = b"MIDNSHP=X".iter().position(|o| o == op).unwrap_or(9);
            len << 4 | code as u32
        }));
        self.ends.push(self.ops.len() as u32);
        self.lengths.push(codes.len() as u32);
        self.unmapped.push(unmapped);
        self.codes.extend_from_slice(codes);
    }

    fn layout(&self) -> Layout<'_> {
        Layout {
            contigs: &self.contigs,
            starts: &self.starts,
            cigars: Cigars { ops: &self.ops, ends: &self.ends },
            lengths: &self.lengths,
            unmapped: &self.unmapped,
        }
    }

    fn pages(&self, level: Level) -> (Vec<u8>, Vec<u8>) {
        let (mut consensus, mut page) = (Vec::new(), Vec::new());
        let mut packer = Packer::new(level).unwrap();
        encode(&self.layout(), &self.codes, &mut packer, &mut consensus, &mut page).unwrap();
        (consensus, page)
    }

    fn round_trip(&self, level: Level) -> (Vec<u8>, Vec<u8>) {
        let (consensus, page) = self.pages(level);
        let read = decode(&self.layout(), &consensus, &page, &mut Unpacker::new().unwrap()).unwrap();
        assert_eq!(String::from_utf8(read), String::from_utf8(text(&self.codes)));
        (consensus, page)
    }
}

fn text(codes: &[u8]) -> Vec<u8> {
    codes.iter().map(|c| LETTERS[usize::from(*c)]).collect()
}

fn codes(letters: &[u8]) -> Vec<u8> {
    letters.iter().map(|l| LETTERS.iter().position(|c| c == l).unwrap() as u8).collect()
}

/// Reads of a made-up genome with differences, or of anything.
fn reads() -> impl Strategy<Value = Reads> {
    let op = prop_oneof![
        6 => (1u32..30, prop::sample::select(b"M=X".to_vec())),
        2 => (0u32..6, prop::sample::select(b"ID".to_vec())),
        2 => (0u32..40, prop::sample::select(b"MIDNSHP=X".to_vec())),
        1 => (0u32..1 << 28, prop::sample::select(b"DNHP".to_vec())),
    ];
    let cigar = prop::collection::vec(op, 0..8);
    let start = prop_oneof![20 => 0i64..200, 1 => -2i64..1 << 40, 1 => Just(i64::MAX - 20), 1 => any::<i64>()];
    let contig = prop_oneof![10 => 0i32..3, 1 => -1i32..2, 1 => any::<i32>()];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0u8..16), 0..6);
    let read = (contig, start, cigar, changes, 0u8..20, 0u32..4, 0u8..16);
    (prop::collection::vec(read, 0..40), any::<bool>()).prop_map(|(mut reads, sorted)| {
        if sorted {
            reads.sort_by_key(|r| (r.0, r.1));
        }
        let mut all = Reads::default();
        for (contig, start, mut cigar, changes, kind, more, fill) in reads {
            let mut bases = Vec::new();
            let mut position = start;
            for (len, op) in &cigar {
                let at = |i: i64| 1u8 << (i.wrapping_mul(0x9e37_79b9).wrapping_add(i64::from(contig)) >> 5 & 3);
                match op {
                    b'M' | b'=' | b'X' => bases.extend((0..i64::from(*len)).map(|i| at(position.wrapping_add(i)))),
                    b'I' | b'S' => bases.extend((0..i64::from(*len)).map(at)),
                    _ => {}
                }
                if !matches!(op, b'I' | b'S' | b'H' | b'P') {
                    position = position.wrapping_add(i64::from(*len));
                }
            }
            for (at, code) in changes {
                if !bases.is_empty() {
                    let at = at.index(bases.len());
                    bases[at] = code;
                }
            }
            match kind {
                0 => bases.extend(std::iter::repeat_n(fill, more as usize)),
                1 => bases.fill(fill),
                2 => bases.clear(),
                3 => cigar.push((more, b'?')),
                _ => {}
            }
            all.add(contig, start, &cigar, &bases, kind == 4);
        }
        all
    })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(reads in reads()) {
        for level in [Level::FAST, Level::DEFAULT, Level::SMALL] {
            reads.round_trip(level);
        }
    }

    #[test]
    fn covered_positions_are_bounded_by_bases(reads in reads()) {
        let cover = Cover::new(&reads.layout());
        prop_assert!(cover.positions <= 2 * reads.codes.len());
        prop_assert!(cover.literals <= reads.codes.len());
    }

    #[test]
    fn damage_is_an_error_or_other_bases(reads in reads(), at: prop::sample::Index, with: u8) {
        let (consensus, page) = reads.pages(Level::DEFAULT);
        let mut unpacker = Unpacker::new().unwrap();
        for cut in 0..page.len() {
            prop_assert!(decode(&reads.layout(), &consensus, &page[..cut], &mut unpacker).is_err());
        }
        for cut in 0..consensus.len() {
            prop_assert!(decode(&reads.layout(), &consensus[..cut], &page, &mut unpacker).is_err());
        }
        for which in 0..2 {
            let mut pages = [consensus.clone(), page.clone()];
            if !pages[which].is_empty() {
                let at = at.index(pages[which].len());
                pages[which][at] = with;
            }
            let _ = decode(&reads.layout(), &pages[0], &pages[1], &mut unpacker);
        }
    }

    #[test]
    fn pages_of_other_reads_are_an_error_or_other_bases(one in reads(), other in reads()) {
        let (consensus, page) = one.pages(Level::DEFAULT);
        let _ = decode(&other.layout(), &consensus, &page, &mut Unpacker::new().unwrap());
    }
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let mut reads = Reads::default();
    reads.add(0, 10, &[(4, b'M')], &codes(b"ACGT"), false);
    reads.add(0, 10, &[(1, b'S'), (3, b'M')], &codes(b"TACA"), false);
    reads.add(0, 12, &[(1, b'='), (2, b'D'), (2, b'M')], &codes(b"GNC"), false);
    reads.add(-1, -1, &[], &codes(b"GN"), true);
    let (consensus, page) = reads.round_trip(Level::DEFAULT);
    // ACGT at 10 to 13. The D is longer than the = before it, so that 15 and 16, AC, are a run of their own.
    assert_eq!(consensus, [0, 2, 0b1110_0100, 0b0100]);
    // T of the clip, G and N of the read without a place.
    let literals = [0, 1, 0b11_1011, 1, 0, 4, 0, 0, 0, 1, 15];
    // 0, 1, 1; A for G at the 4th base (XOR 2, so 1), N at the 2nd.
    let counts = [1, 0, 1, 0b110];
    let gaps = [0, 2, 3, 1];
    let symbols = [0, 1, 0b1101];
    let others = [0, 1, 15];
    assert_eq!(page, [&literals[..], &counts, &gaps, &symbols, &others].concat());
}

#[test]
fn gaps_beyond_a_byte_stand_apart() {
    let mut reads = Reads::default();
    for changes in [&[][..], &[], &[254], &[255, 600, 999], &[0, 1]] {
        let mut bases = vec![1; 1000];
        for at in changes {
            bases[*at] = 8;
        }
        reads.add(3, 7, &[(1000, b'M')], &bases, false);
    }
    let (_, page) = reads.round_trip(Level::DEFAULT);
    let gaps = [254, 255, 255, 255, 0, 0];
    assert!(page.windows(gaps.len()).any(|w| w == gaps), "{page:?}");
}

#[test]
fn what_cannot_be_laid_out_is_plain() {
    let four = codes(b"ACGT");
    type Case<'a> = (i32, i64, &'a [(u32, u8)], bool);
    let plain: [Case<'_>; 9] = [
        (0, 5, &[(4, b'M')], true),
        (-1, 5, &[(4, b'M')], false),
        (0, -1, &[(4, b'M')], false),
        (0, i64::MIN, &[(4, b'M')], false),
        (0, i64::MAX - 3, &[(4, b'M')], false),
        (0, 5, &[], false),
        (0, 5, &[(5, b'M')], false),
        (0, 5, &[((1 << 28) - 1, b'M'); 40], false),
        (0, 5, &[(4, b'M'), (0, b'?')], false),
    ];
    for (contig, start, cigar, unmapped) in plain {
        let mut reads = Reads::default();
        reads.add(contig, start, cigar, &four, unmapped);
        let (consensus, _) = reads.round_trip(Level::DEFAULT);
        assert_eq!(Cover::new(&reads.layout()).literals, 4, "{cigar:?}");
        assert!(consensus.is_empty());
    }
    let mut reads = Reads::default();
    reads.add(0, i64::MAX - 4, &[(4, b'M')], &four, false);
    reads.round_trip(Level::DEFAULT);
    assert_eq!(Cover::new(&reads.layout()).positions, 4);
}

#[test]
fn gaps_between_reads_and_long_skips_cost_nothing() {
    let mut reads = Reads::default();
    for i in 0..100 {
        let skip = [(2, b'M'), ((1 << 28) - 1, b'N'), (1, b'M'), ((1 << 28) - 1, b'D'), (1, b'M')];
        reads.add(i, i64::from(i) << 40, &skip, &codes(b"ACGT"), false);
    }
    reads.round_trip(Level::DEFAULT);
    assert_eq!(Cover::new(&reads.layout()).positions, 400);
}

#[test]
fn reads_of_n_do_not_explode() {
    let mut reads = Reads::default();
    for i in 0..1000 {
        reads.add(0, i, &[(150, b'M')], &[15; 150], false);
        reads.add(-1, -1, &[], &[15; 150], true);
    }
    let (consensus, page) = reads.round_trip(Level::DEFAULT);
    assert!(consensus.len() + page.len() < 4096, "{} and {} bytes", consensus.len(), page.len());
}

#[test]
fn differing_columns_and_codes_are_errors() {
    let mut reads = Reads::default();
    reads.add(0, 5, &[(4, b'M')], &[1, 2, 4, 16], false);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut packer = Packer::new(Level::DEFAULT).unwrap();
    assert!(encode(&reads.layout(), &reads.codes, &mut packer, &mut a, &mut b).is_err());
    assert!(encode(&reads.layout(), &[1; 3], &mut packer, &mut a, &mut b).is_err());
    reads.ends[0] = 2;
    assert!(encode(&reads.layout(), &[1; 4], &mut packer, &mut a, &mut b).is_err());
    reads.ends[0] = 1;
    reads.starts.clear();
    assert!(encode(&reads.layout(), &[1; 4], &mut packer, &mut a, &mut b).is_err());
}
