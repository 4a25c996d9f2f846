//! The contigs of a file, in its own order.

use std::collections::HashMap;

use super::RegionSet;

/// One contig of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contig {
    /// Its name as the file writes it.
    pub name: String,
    /// Its length in bp, where the header tells.
    pub length: Option<u64>,
}

/// A header's contigs, numbered from 0, looked up by name or by alias (`chr1` and `1`, `chrM` and `MT`).
///
/// ```
/// use genomicframe_core::genome::Contigs;
///
/// let contigs: Contigs = ["1", "2", "MT"].into_iter().collect();
/// assert_eq!(contigs.get("2"), Some(1));
/// assert_eq!(contigs.get("chr2"), None);
/// assert_eq!(contigs.resolve("chr2"), Some(1));
/// assert_eq!(contigs.resolve("chrM"), Some(2));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contigs {
    list: Vec<Contig>,
    by_name: HashMap<String, usize>,
    /// Whether records may lie on others.
    incomplete: bool,
}

impl Contigs {
    /// The same list of a file whose records may lie on contigs that it lacks, as those of a VCF may.
    #[must_use]
    pub fn or_others(self, incomplete: bool) -> Self {
        Self { incomplete, ..self }
    }

    /// Adds a contig; of a repeated name the first keeps the name.
    pub fn push(&mut self, contig: Contig) -> usize {
        let id = self.list.len();
        self.by_name.entry(contig.name.clone()).or_insert(id);
        self.list.push(contig);
        id
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Contig> {
        self.list.iter()
    }

    /// The name of contig `id`.
    pub fn name(&self, id: usize) -> Option<&str> {
        self.list.get(id).map(|c| c.name.as_str())
    }

    /// The length of contig `id`, where the header tells.
    pub fn length(&self, id: usize) -> Option<u64> {
        self.list.get(id)?.length
    }

    /// The contig of exactly this name.
    pub fn get(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The contig of this name, or else of its alias.
    pub fn resolve(&self, name: &str) -> Option<usize> {
        self.get(name).or_else(|| self.get(&alias(name)?))
    }

    /// `regions` with this file's own contig names, and the names that were replaced by an alias.
    ///
    /// Names that are not listed get both spellings: a list may be incomplete. Of one that is, so do those of which the other
    /// spelling is listed.
    fn localize(&self, regions: &RegionSet) -> (RegionSet, Vec<(String, String)>) {
        let listed = |name: &str| if self.incomplete { self.get(name) } else { self.resolve(name) };
        let own = |name: &str| listed(name).and_then(|id| self.name(id));
        let names = |name: &str| own(name).map_or_else(|| both_spellings(name), |own| vec![own.to_owned()]);
        let known = |name: &str| self.resolve(name).and_then(|id| self.name(id));
        let asked = regions.iter().filter_map(|(asked, _)| Some((asked, known(asked)?)));
        let replaced = asked.filter(|(asked, own)| asked != own).map(|(a, o)| (a.to_owned(), o.to_owned())).collect();
        (regions.rename(names), replaced)
    }
}

impl<'a> FromIterator<&'a str> for Contigs {
    fn from_iter<T: IntoIterator<Item = &'a str>>(names: T) -> Self {
        let mut out = Self::default();
        for name in names {
            out.push(Contig { name: name.to_owned(), length: None });
        }
        out
    }
}

/// `regions` with the contig names of the file whose list is `contigs`, and the names that were replaced by an alias
/// (`chr1` for `1`). Without a list both spellings belong.
pub fn resolve_names(regions: &RegionSet, contigs: Option<&Contigs>) -> (RegionSet, Vec<(String, String)>) {
    match contigs {
        Some(contigs) => contigs.localize(regions),
        None => (regions.rename(both_spellings), Vec::new()),
    }
}

fn both_spellings(name: &str) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(alias(name)).collect()
}

/// The other common spelling of a contig's name: UCSC's `chr1`, `chrM` against Ensembl's `1`, `MT`.
///
/// But for `M`, which is also `chrM`, two names are each other's spelling or neither's.
///
/// ```
/// use genomicframe_core::genome::alias;
///
/// assert_eq!(alias("chr1").as_deref(), Some("1"));
/// assert_eq!(alias("1").as_deref(), Some("chr1"));
/// assert_eq!(alias("chrchr1"), None);
/// ```
pub fn alias(name: &str) -> Option<String> {
    match name {
        "" => None,
        "chrM" => Some("MT".into()),
        "MT" | "M" => Some("chrM".into()),
        _ => match name.strip_prefix("chr") {
            // Nobody calls chr1 so, nor a contig MT by way of chrMT.
            Some(bare) if bare.is_empty() || bare.starts_with("chr") || matches!(bare, "M" | "MT") => None,
            Some(bare) => Some(bare.into()),
            None => Some(format!("chr{name}")),
        },
    }
}
