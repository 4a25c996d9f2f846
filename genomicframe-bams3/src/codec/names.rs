//! Read names: pages of texts (specification §7.3, §7.5), best as templates.
//!
//! Names of one instrument differ in a few numbers; in the order of positions those are random, and take the bits that
//! their ranges need.

use genomicframe_core::Result;

use super::stream::{Input, Packer, Unpacker};
use super::strings::Strings;
use super::text::{decode_page, encode_names};

/// Appends a page of `names` in the smallest encoding that the packer's level tries.
///
/// # Errors
/// When zstd fails, or the names have more than a GiB.
pub fn encode(names: &Strings, packer: &mut Packer, out: &mut Vec<u8>) -> Result<()> {
    encode_names(names, 0, packer, out)
}

/// Reads a page of `n` names.
///
/// # Errors
/// When the bytes are not what [`encode`] writes.
pub fn decode(input: &mut Input<'_>, n: usize, unpacker: &mut Unpacker) -> Result<Strings> {
    decode_page(input, n, 0, unpacker)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::tests::{damage, round_trip, strings, texts};
    use super::*;
    use crate::Level;

    /// Names of the shapes that instruments write.
    fn shaped() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            "A00111:55:HT5WYDSX3:[1-4]:[12][1-6][0-7][1-9]:[1-9][0-9]{3,4}:[1-9][0-9]{3,4}",
            "A00111:55:HT5WYDSX3:1:1101:[1-9][0-9]{3}:1000:[ACGTN]{8}\\+[ACGT]{8}",
            "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
            "m54119U_210401_160000/[1-9][0-9]{0,8}/ccs",
            "SRR1234567\\.[1-9][0-9]{0,8}",
            "V350012345L[1-4]C00[1-6]R0[0-7][0-9]0[0-9]{6}",
            "r[0-9]{1,25}",
        ]
        .prop_map(String::into_bytes)
    }

    fn noise() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            shaped(),
            "A00111:55:HT5WYDSX3:0{0,3}[1-4]:1101:0[0-9]{3}:[0-9]{0,22}".prop_map(String::into_bytes),
            prop::collection::vec(1u8.., 0..254),
            "[ -~]{0,30}".prop_map(String::into_bytes),
        ]
    }

    /// Names of a shape or two, with others among them.
    fn names() -> impl Strategy<Value = Strings> {
        let one = (0usize..6).prop_flat_map(|kind| {
            let one = match kind {
                0 => "A00111:55:HT5WYDSX3:[1-4]:[12][1-6][0-7][1-9]:[1-9][0-9]{3,4}:[1-9][0-9]{3,4}",
                1 => "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
                2 => "m54119U_210401_160000/[1-9][0-9]{0,8}/ccs",
                3 => "(I1:9:FC1|I2:8:FC2):[0-9]{1,20}",
                4 => "V350012345L[1-4]C00[1-6]R0[0-7][0-9]0[0-9]{6}",
                _ => "[A-Z]{2,3}0?[0-9]{1,3}\\.[ACGT]{6,7}",
            };
            prop::collection::vec(one.prop_map(String::into_bytes), 0..120)
        });
        let noisy = prop::collection::vec((any::<prop::sample::Index>(), noise()), 0..6);
        (one.clone(), one, noisy, any::<bool>()).prop_map(|(mut all, second, noise, both)| {
            if both {
                all.extend(second);
            }
            for (at, name) in noise {
                all.insert(at.index(all.len() + 1), name);
            }
            strings(&all)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_goes_in_comes_out(names in prop_oneof![names(), texts(), prop::collection::vec(noise(), 0..60).prop_map(|n| strings(&n))]) {
            for level in [Level::FAST, Level::DEFAULT, Level::SMALL] {
                round_trip(encode, &names, level);
            }
        }

        #[test]
        fn damage_is_an_error_or_other_names(names in names(), with in 1u8..) {
            damage(&round_trip(encode, &names, Level::DEFAULT), names.len(), with);
        }
    }

    #[test]
    fn names_of_any_length_and_repeated_ones() {
        let long = vec![b'x'; 1 << 16];
        round_trip(encode, &strings(&[&long[..], b"", b"a", b"a", b"a", &long[..9]]), Level::DEFAULT);
        round_trip(encode, &strings(&[b""; 3]), Level::DEFAULT);
        round_trip(encode, &strings(&[b":".repeat(254), b":".repeat(40)]), Level::DEFAULT);
        round_trip(encode, &Strings::default(), Level::DEFAULT);
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        // TEMPLATE of LITERAL "r." and NUMBER of at least 1 digit in RANGE 7 to 11; 3 rows at a time: 0 + 5 × (4 + 5 × 1).
        let page = round_trip(encode, &strings(&["r.7", "r.11", "r.8"]), Level::FAST);
        assert_eq!(page, [4, 2, 0, 2, b'r', b'.', 1, 1, 1, 7, 4, 1, 3, 45]);
    }

    #[test]
    fn random_names_take_the_bits_of_their_ranges() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let names: Vec<String> = (0..4096)
            .map(|_| format!("A1:5:HT5:{}:1{:03}:{}:{}", random(4) + 1, random(78), random(32000), random(32000)))
            .collect();
        let page = round_trip(encode, &strings(&names), Level::DEFAULT);
        assert!(page.len() * 8 < 4096 * 39, "{} bits a name", page.len() as f64 / 512.0);
    }
}
