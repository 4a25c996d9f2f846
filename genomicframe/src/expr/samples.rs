//! Samples and their populations: `samples().allele_frequency()`, `panel.population("AFR")?.allele_frequency()`.

use std::collections::BTreeSet;

use datafusion::logical_expr::{Expr, col, lit};
use genomicframe_core::io::Location;

use crate::error::{Error, Result};
use crate::frame::global;
use crate::functions::genotypes;
use crate::runtime;

/// Longest panel file, in bytes.
const LONGEST: u64 = 64 << 20;

/// Which samples belong to which populations.
///
/// The text has a line for each sample: its name, then the names of the populations that it belongs to, as the panels of the
/// 1000 Genomes Project are written (`sample  pop  super_pop  gender`; a first line that begins with `sample` is skipped, and
/// so are lines that begin with `#`). Fields are separated by tabs or spaces.
///
/// ```
/// use genomicframe::prelude::*;
///
/// # fn main() -> genomicframe::Result<()> {
/// let panel = Panel::parse("sample\tpop\tsuper_pop\nNA12878\tCEU\tEUR\nNA19240\tYRI\tAFR\n")?;
/// let difference = (panel.population("AFR")?.allele_frequency() - panel.population("EUR")?.allele_frequency()).abs();
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Panel(Vec<(String, Vec<String>)>);

impl Panel {
    /// Reads a panel's file, from a path or a URL.
    ///
    /// # Errors
    /// When it cannot be read, is longer than 64 MB, or is no text of a panel.
    pub fn read(path: impl AsRef<str>) -> Result<Self> {
        let (path, io) = (path.as_ref().to_owned(), std::sync::Arc::clone(&global().access().io));
        runtime::wait(async move {
            let at = Location::parse(&path)?;
            let (_, bytes) = io.read_small(&at, LONGEST).await?;
            let text = std::str::from_utf8(&bytes).map_err(|_| Error::invalid(format!("{at}: a panel is text")))?;
            Self::parse(text)
        })
    }

    /// A panel of its text.
    ///
    /// # Errors
    /// When a line names a sample without any population, or a sample stands twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut samples = Vec::new();
        let mut seen = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            let mut fields = line.split_whitespace();
            let Some(name) = fields.next().filter(|name| !name.starts_with('#')) else { continue };
            if samples.is_empty() && name.eq_ignore_ascii_case("sample") {
                continue;
            }
            let populations: Vec<String> = fields.map(str::to_owned).collect();
            let bad = |why: &str| Err(Error::invalid(format!("line {} of the panel: {why}", number + 1)));
            if populations.is_empty() {
                return bad(&format!("sample {name} has no population"));
            }
            if !seen.insert(name.to_owned()) {
                return bad(&format!("sample {name} stands there before"));
            }
            samples.push((name.to_owned(), populations));
        }
        Ok(Self(samples))
    }

    /// The samples of a population.
    ///
    /// # Errors
    /// When no sample belongs to it.
    pub fn population(&self, name: &str) -> Result<Samples> {
        let of = self.0.iter().filter(|(_, populations)| populations.iter().any(|p| p == name));
        let names: Vec<String> = of.map(|(sample, _)| sample.clone()).collect();
        if names.is_empty() {
            let known: BTreeSet<&str> = self.0.iter().flat_map(|(_, p)| p).map(String::as_str).collect();
            let known: Vec<&str> = known.into_iter().take(20).collect();
            return Err(Error::invalid(format!("the panel has no population {name}; there are {}", known.join(", "))));
        }
        Ok(Samples(names))
    }
}

/// Samples of a file, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Samples(Vec<String>);

/// All samples of the row's file.
///
/// ```
/// use genomicframe::prelude::*;
///
/// let common = samples().allele_frequency().gt(lit(0.05));
/// assert_eq!(samples().named(["NA12878"]).allele_number().to_string(), "allele_number(format_gt, Utf8(\"NA12878\"))");
/// ```
pub fn samples() -> Samples {
    Samples::default()
}

impl Samples {
    /// The samples of these names, which the file must have.
    pub fn named<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The samples' names; none for all of a file.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The share of their called alleles that are not the reference allele: see [`genotypes::allele_frequency`].
    pub fn allele_frequency(&self) -> Expr {
        genotypes::allele_frequency().call(self.arguments())
    }

    /// How many of their called alleles are not the reference allele: see [`genotypes::allele_count`].
    pub fn allele_count(&self) -> Expr {
        genotypes::allele_count().call(self.arguments())
    }

    /// How many of their alleles are called: see [`genotypes::allele_number`].
    pub fn allele_number(&self) -> Expr {
        genotypes::allele_number().call(self.arguments())
    }

    fn arguments(&self) -> Vec<Expr> {
        std::iter::once(col("format_gt")).chain(self.0.iter().map(|name| lit(name.as_str()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_are_read_as_they_are_published() {
        let text = "sample\tpop\tsuper_pop\tgender\t\t\nHG00096\tGBR\tEUR\tmale\n\n#x\nNA19240 YRI AFR female\nNA19238\tYRI\tAFR\tfemale";
        let panel = Panel::parse(text).unwrap();
        assert_eq!(panel.population("YRI").unwrap().names(), ["NA19240", "NA19238"]);
        assert_eq!(panel.population("male").unwrap().names(), ["HG00096"]);
        let e = panel.population("EAS").unwrap_err().to_string();
        assert!(e.contains("no population EAS; there are AFR, EUR"), "{e}");
        for (text, why) in [("a\tX\na\tY", "line 2 of the panel: sample a stands there before"), ("a", "no population")]
        {
            let e = Panel::parse(text).unwrap_err().to_string();
            assert!(e.contains(why), "{e}");
        }
    }
}
