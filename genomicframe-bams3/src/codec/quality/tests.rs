use proptest::prelude::*;

use super::*;
use crate::Level;

const LEVELS: [Level; 3] = [Level::FAST, Level::DEFAULT, Level::SMALL];

fn encoded(scores: &[u8], lengths: &[u32], level: Level) -> Vec<u8> {
    let mut out = Vec::new();
    encode(scores, lengths, &mut Packer::new(level).unwrap(), &mut out).unwrap();
    out
}

fn decoded(bytes: &[u8], lengths: &[u32], add: u8) -> Result<Scores> {
    let mut input = Input::new(bytes);
    let scores = decode(&mut input, lengths, add, &mut Unpacker::new()?)?;
    input.end()?;
    Ok(scores)
}

fn round_trip(reads: &[Vec<u8>], level: Level) -> Vec<u8> {
    let lengths: Vec<u32> = reads.iter().map(|r| r.len() as u32).collect();
    let scores = reads.concat();
    let bytes = encoded(&scores, &lengths, level);
    let missing: Vec<bool> = reads.iter().map(|r| !r.is_empty() && r.iter().all(|s| *s == MISSING)).collect();
    let read = decoded(&bytes, &lengths, 0).unwrap();
    assert_eq!(read.bytes, scores);
    // Of reads without bases nothing is known when all others are missing.
    let unknown = |i: &usize| !reads[*i].is_empty();
    let found = read.missing.unwrap_or_else(|| vec![false; reads.len()]);
    assert!((0..reads.len()).filter(unknown).all(|i| found[i] == missing[i]));
    let text = decoded(&bytes, &lengths, 33).unwrap().bytes;
    let mut expected = Vec::new();
    for (read, missing) in reads.iter().zip(&missing) {
        expected.extend(read.iter().map(|s| if *missing { MISSING } else { s.wrapping_add(33) }));
    }
    assert_eq!(text, expected);
    bytes
}

/// Reads of `kinds` scores, some missing; scores change slowly, as they do.
fn reads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let alphabets = prop::sample::select(vec![1usize, 2, 3, 4, 8, 10, 41, 94, 256]);
    (alphabets, 0usize..60, 0usize..200, any::<u64>()).prop_map(|(kinds, reads, longest, seed)| {
        let mut state = seed | 1;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as usize % below
        };
        let all = random(8) == 0;
        (0..reads)
            .map(|_| {
                let length = random(longest + 1);
                if all || random(9) == 0 {
                    return vec![MISSING; length];
                }
                let mut score = random(kinds);
                let mut next = || {
                    if random(3) == 0 {
                        score = random(kinds);
                    }
                    score.wrapping_mul(if kinds <= 10 { 13 } else { 1 }) as u8
                };
                (0..length).map(|_| next()).collect()
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_goes_in_comes_out(reads in reads()) {
        for level in LEVELS {
            round_trip(&reads, level);
        }
    }

    #[test]
    fn damage_is_an_error_or_other_scores(
        reads in reads(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let lengths: Vec<u32> = reads.iter().map(|r| r.len() as u32).collect();
        for level in LEVELS {
            let mut bytes = round_trip(&reads, level);
            for (at, with) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *with;
                let _ = decoded(&bytes, &lengths, 0);
            }
        }
    }
}

#[test]
fn a_cut_anywhere_is_an_error() {
    let reads: Vec<Vec<u8>> = (0..40u8).map(|i| (0..i).map(|j| i.wrapping_mul(j) % 41).collect()).collect();
    let lengths: Vec<u32> = reads.iter().map(|r| r.len() as u32).collect();
    for level in LEVELS {
        let bytes = round_trip(&reads, level);
        for cut in 0..bytes.len() {
            assert!(decoded(&bytes[..cut], &lengths, 0).is_err());
        }
    }
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    assert_eq!(round_trip(&[], Level::DEFAULT), [NONE]);
    assert_eq!(round_trip(&[vec![255; 9], vec![255]], Level::DEFAULT), [ALL]);
    assert_eq!(round_trip(&[vec![30; 9], vec![30]], Level::DEFAULT), [NONE, 0, 30]);
    let some = round_trip(&[vec![255; 9], vec![], vec![30]], Level::DEFAULT);
    assert_eq!(some, [SOME, 0, 1, 0b001, 0, 30]);
    let binned = round_trip(&[vec![2, 37, 37, 11, 25]], Level::DEFAULT);
    assert_eq!(binned, [NONE, 3, 2, 11, 25, 37, 3, 0, 2, 3 * 4 + 3 * 16, 1 + 2 * 4]);
    let wide = round_trip(&[(0..=255).collect()], Level::DEFAULT);
    assert_eq!(wide[..2], [NONE, 255]);
    assert!(wide[2..34].iter().all(|b| *b == 255));
}

#[test]
fn each_codec_has_its_page() {
    let mut state = 1u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16) % below
    };
    let mut noisy: Vec<Vec<u8>> = Vec::new();
    for _ in 0..400 {
        // Each read has its own share of low scores, as only an adaptive coder sees.
        let bad = [2, 40][random(2) as usize];
        noisy.push((0..100).map(|_| if random(100) < bad { 11 } else { 37 }).collect());
    }
    let lengths = vec![100; 400];
    let codec = |reads: &[Vec<u8>], level| {
        let bytes = round_trip(reads, level);
        let mut input = Input::new(&bytes);
        input.take(1).unwrap();
        get_alphabet(&mut input).unwrap();
        input.u8().unwrap();
        input.stream().unwrap().codec
    };
    assert_eq!(codec(&noisy, Level::DEFAULT), RANS1);
    assert_eq!(codec(&noisy, Level::SMALL), ADAPTIVE);
    let same: Vec<Vec<u8>> = std::iter::repeat_n((0..100).map(|i| (i * i % 97) as u8).collect(), 400).collect();
    assert_eq!(codec(&same, Level::DEFAULT), super::super::stream::ZSTD);
    assert!(encode(&[1, 2], &lengths, &mut Packer::new(Level::FAST).unwrap(), &mut Vec::new()).is_err());
}
