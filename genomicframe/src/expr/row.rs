//! Questions about a row, with our tables' columns filled in.
//!
//! Boolean ones also work as computed columns: `col("is_snp")` where the table has no such column.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::prelude::{col, lit};
use genomicframe_core::genome::RegionSet;

use crate::functions::{filters, flags, region_sets, regions, variants};

fn of_alleles(function: ScalarUDF) -> Expr {
    function.call(vec![col("ref"), col("alt")])
}

/// A base is replaced by another one, in any alternate allele: [`variants::is_snp`] of `ref` and `alt`. Never null.
///
/// ```
/// use genomicframe::expr::is_snp;
///
/// assert_eq!(is_snp().to_string(), "is_snp(ref, alt)");
/// ```
pub fn is_snp() -> Expr {
    of_alleles(variants::is_snp())
}

/// Bases are inserted or deleted, in any alternate allele: [`variants::is_indel`]. Never null.
pub fn is_indel() -> Expr {
    of_alleles(variants::is_indel())
}

/// Several neighbouring bases are replaced by as many others: [`variants::is_mnp`]. Never null.
pub fn is_mnp() -> Expr {
    of_alleles(variants::is_mnp())
}

/// A SNP between A and G or C and T: [`variants::is_transition`]. Never null.
pub fn is_transition() -> Expr {
    of_alleles(variants::is_transition())
}

/// A SNP between one of A, G and one of C, T: [`variants::is_transversion`]. Never null.
pub fn is_transversion() -> Expr {
    of_alleles(variants::is_transversion())
}

/// `snp`, `indel`, `mnp` … as text: [`variants::variant_type`]. Never null.
pub fn variant_type() -> Expr {
    of_alleles(variants::variant_type())
}

/// FILTER is `PASS`: [`filters::is_pass`]. Never null.
pub fn is_pass() -> Expr {
    filters::is_pass().call(vec![col("filter")])
}

/// The row's span overlaps a region, whatever its columns are called: [`regions`].
///
/// Which columns tell contig, start and end stands in the table's schema, so this works for reads, variants,
/// annotations and intervals alike. Never null.
///
/// ```
/// use genomicframe::expr::in_region;
///
/// let arm = in_region("chr20:10M-20M");
/// ```
pub fn in_region(region: &str) -> Expr {
    regions::in_region().call(vec![lit(region)])
}

/// The row's span overlaps any of several regions: [`in_region`]. No regions hold no row.
pub fn in_regions<'a>(any: impl IntoIterator<Item = &'a str>) -> Expr {
    let regions: Vec<_> = any.into_iter().map(lit).collect();
    if regions.is_empty() { lit(false) } else { regions::in_region().call(regions) }
}

/// The row's span overlaps a set's regions, however many they are: [`in_region`].
///
/// ```
/// use genomicframe::core::genome::{Interval, Region, RegionSet};
/// use genomicframe::expr::in_region_set;
///
/// let every_other_base = (1..1000).step_by(2).map(|base| Region::new("chr1", Interval::new(base, base).unwrap()));
/// let some = in_region_set(every_other_base.collect::<RegionSet>());
/// ```
pub fn in_region_set(regions: impl Into<Arc<RegionSet>>) -> Expr {
    region_sets::in_region_set(regions.into()).call(Vec::new())
}

macro_rules! flag_predicates {
    ($($(#[$doc:meta])+ $name:ident: $index:literal;)+) => {
        $($(#[$doc])+
        ///
        /// Null where the flag is.
        pub fn $name() -> Expr {
            flags::TESTS[$index].function().call(vec![col("flag")])
        })+

        #[cfg(test)]
        const FLAG_PREDICATES: &[(&str, fn() -> Expr)] = &[$((stringify!($name), $name)),+];
    };
}

flag_predicates! {
    /// The read has a mate (`flag & 0x1`).
    is_paired: 0;
    /// The aligner holds both mates for properly placed (`flag & 0x2`).
    is_proper_pair: 1;
    /// The read is not mapped (`flag & 0x4`).
    is_unmapped: 2;
    /// The read is mapped (not `flag & 0x4`).
    is_mapped: 3;
    /// The mate is not mapped (`flag & 0x8`).
    is_mate_unmapped: 4;
    /// The read is on the reverse strand (`flag & 0x10`).
    is_reverse: 5;
    /// The mate is on the reverse strand (`flag & 0x20`).
    is_mate_reverse: 6;
    /// The first read of its template (`flag & 0x40`).
    is_first_in_pair: 7;
    /// The last read of its template (`flag & 0x80`).
    is_second_in_pair: 8;
    /// A secondary alignment (`flag & 0x100`).
    is_secondary: 9;
    /// The read fails quality checks (`flag & 0x200`).
    is_qc_fail: 10;
    /// A PCR or optical duplicate (`flag & 0x400`).
    is_duplicate: 11;
    /// A supplementary alignment (`flag & 0x800`).
    is_supplementary: 12;
    /// Neither a secondary nor a supplementary alignment (not `flag & 0x900`).
    is_primary: 13;
}

/// The question of this name, if the column it is about is one of `has`.
pub(super) fn named(name: &str, has: impl Fn(&str) -> bool) -> Option<Expr> {
    if let Some(test) = flags::test(name) {
        return has("flag").then(|| test.function().call(vec![col("flag")]));
    }
    let question: fn() -> Expr = match name {
        "is_pass" => return has("filter").then(is_pass),
        "is_snp" => is_snp,
        "is_indel" => is_indel,
        "is_mnp" => is_mnp,
        "is_transition" => is_transition,
        "is_transversion" => is_transversion,
        "variant_type" => variant_type,
        _ => return None,
    };
    (has("ref") && has("alt")).then(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_predicate_calls_the_function_of_its_name() {
        assert_eq!(FLAG_PREDICATES.len(), flags::TESTS.len());
        for (name, predicate) in FLAG_PREDICATES {
            assert_eq!(predicate().to_string(), format!("{name}(flag)"));
        }
    }

    #[test]
    fn questions_have_names() {
        for name in ["is_snp", "is_indel", "is_mnp", "is_transition", "is_transversion", "variant_type"] {
            assert_eq!(named(name, |_| true).unwrap().to_string(), format!("{name}(ref, alt)"));
            assert!(named(name, |column| column == "alt").is_none());
        }
        assert_eq!(named("is_pass", |c| c == "filter").unwrap(), is_pass());
        assert_eq!(named("is_read1", |c| c == "flag").unwrap(), is_first_in_pair());
        assert!(named("mapq", |_| true).is_none());
    }

    #[test]
    fn no_regions_hold_nothing() {
        assert_eq!(in_regions([]), lit(false));
        assert_eq!(in_regions(["chr1"]), in_region("chr1"));
    }
}
