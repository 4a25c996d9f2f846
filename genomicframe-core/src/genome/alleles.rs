//! What an alternate allele does to the reference allele.
//!
//! The rules are those by which `bcftools view -v` selects (htslib's variant types): both alleles lose the bases
//! they share at their ends, and what remains decides. So `AC → AT` is a SNP, and `ATT → GC` is neither a SNP, an
//! indel nor an MNP.

/// The class of one alternate allele.
///
/// ```
/// use genomicframe_core::genome::alleles::{Change, Class};
///
/// assert_eq!(Class::of(b"A", b"G"), Class::Snp(Change::Transition));
/// assert_eq!(Class::of(b"CAT", b"C"), Class::Indel);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The same as the reference: `.`, the reference's own bases, or any unspecified allele (`<*>`, `<NON_REF>`).
    Reference,
    /// One base replaced by another.
    Snp(Change),
    /// Bases inserted or deleted.
    Indel,
    /// Several bases replaced by as many others.
    Mnp,
    /// `<DEL>`, `<INS>`, `<CNV>` …
    Symbolic,
    /// `G]17:198982]` …
    Breakend,
    /// `*`: the base is gone with a deletion that starts before.
    SpanningDeletion,
    /// Bases replaced by another number of bases.
    Other,
}

/// What kind of base change a SNP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A ↔ G or C ↔ T.
    Transition,
    /// Any other pair of A, C, G and T.
    Transversion,
    /// A base that is not one of the four.
    Ambiguous,
}

impl Class {
    /// The class of `alt`, given the reference allele. Bases compare without regard to case.
    pub fn of(reference: &[u8], alt: &[u8]) -> Self {
        match alt {
            [] | b"." | b"X" | b"<X>" | b"<*>" | b"<NON_REF>" => return Self::Reference,
            b"*" => return Self::SpanningDeletion,
            [b'<', ..] => return Self::Symbolic,
            _ => {}
        }
        // A single breakend is written with a dot on its open side (VCF 4.3 §5.4.9).
        let open = alt.starts_with(b".") || alt.ends_with(b".");
        if open || alt.iter().any(|b| matches!(b, b'[' | b']')) {
            return Self::Breakend;
        }
        let shared = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
        let head = reference.iter().zip(alt).take_while(shared).count();
        let (reference, alt) = (&reference[head..], &alt[head..]);
        match (reference.len(), alt.len()) {
            (0, 0) => return Self::Reference,
            (0, _) | (_, 0) => return Self::Indel,
            _ => {}
        }
        // Of two alleles whose trimmed ends meet, the shorter keeps nothing: an indel.
        let tail = reference.iter().rev().zip(alt.iter().rev()).take_while(shared).count();
        match (&reference[..reference.len() - tail], &alt[..alt.len() - tail]) {
            ([], _) | (_, []) => Self::Indel,
            ([from], [to]) => Self::Snp(Change::of(*from, *to)),
            (from, to) if from.len() == to.len() => Self::Mnp,
            _ => Self::Other,
        }
    }

    /// Its name, as the SQL function `variant_type` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "ref",
            Self::Snp(_) => "snp",
            Self::Indel => "indel",
            Self::Mnp => "mnp",
            Self::Symbolic => "symbolic",
            Self::Breakend => "breakend",
            Self::SpanningDeletion => "spanning_deletion",
            Self::Other => "other",
        }
    }
}

impl Change {
    fn of(from: u8, to: u8) -> Self {
        match (from.to_ascii_uppercase(), to.to_ascii_uppercase()) {
            (b'A', b'G') | (b'G', b'A') | (b'C', b'T') | (b'T', b'C') => Self::Transition,
            (b'A' | b'C' | b'G' | b'T', b'A' | b'C' | b'G' | b'T') => Self::Transversion,
            _ => Self::Ambiguous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alleles_are_classed_as_bcftools_does() {
        use Change::{Ambiguous, Transition, Transversion};
        use Class::{Breakend, Indel, Mnp, Other, Reference, Snp, SpanningDeletion, Symbolic};
        for (alleles, class) in [
            ("A G", Snp(Transition)),
            ("t c", Snp(Transition)),
            ("A C", Snp(Transversion)),
            ("A R", Snp(Ambiguous)),
            ("N A", Snp(Ambiguous)),
            ("AC AT", Snp(Transition)),
            ("CAT CGT", Snp(Transition)),
            ("a A", Reference),
            ("A .", Reference),
            ("A <*>", Reference),
            ("A <NON_REF>", Reference),
            ("A *", SpanningDeletion),
            ("AC GT", Mnp),
            ("ACG TCA", Mnp),
            ("A AT", Indel),
            ("AT A", Indel),
            ("ATT AT", Indel),
            ("TA A", Indel),
            ("CAG CG", Indel),
            ("CAG TG", Other),
            ("A TG", Other),
            ("A <DEL>", Symbolic),
            ("A <INS:ME:ALU>", Symbolic),
            ("G G]17:198982]", Breakend),
            ("T ]13:123456]T", Breakend),
            ("A A.", Breakend),
            ("A .A", Breakend),
        ] {
            let (reference, alt) = alleles.split_once(' ').unwrap();
            assert_eq!(Class::of(reference.as_bytes(), alt.as_bytes()), class, "{alleles}");
        }
    }
}
