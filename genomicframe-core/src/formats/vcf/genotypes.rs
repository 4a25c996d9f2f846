//! FORMAT and the sample columns: only the wanted keys of the wanted samples.

use std::collections::HashMap;

use arrow::array::ArrayRef;

use super::line::given;
use super::schema::{Columns, Key};
use super::values::{Cells, Lists};
use crate::error::{Error, Result};
use crate::scan::Warnings;

/// Reads the samples of lines into `format_*` columns.
#[derive(Debug)]
pub(super) struct GenotypeReader {
    /// Of each spelling: which wanted key it is.
    slots: HashMap<Vec<u8>, usize>,
    outputs: Vec<Output>,
    /// The wanted key that is GT.
    genotype: Option<usize>,
    /// The FORMAT of the line before: most lines have the same.
    format: Vec<u8>,
    /// Of each of its keys: which wanted key it is.
    layout: Vec<Option<usize>>,
    /// How many of its keys reach to the last wanted one.
    needed: usize,
    /// Where the line's samples are.
    places: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Output {
    cells: Cells,
    samples: Lists,
    in_format: bool,
}

impl GenotypeReader {
    /// A reader of `keys`.
    pub(super) fn new<'k>(keys: impl Iterator<Item = &'k Key>) -> Self {
        let mut slots = HashMap::new();
        let mut outputs = Vec::new();
        for key in keys {
            for name in [Some(&key.name), key.alias.as_ref()].into_iter().flatten() {
                slots.entry(name.clone().into_bytes()).or_insert(outputs.len());
            }
            outputs.push(Output { cells: Cells::new(key), samples: Lists::default(), in_format: false });
        }
        let genotype = slots.get(&b"GT"[..]).copied();
        Self { slots, outputs, genotype, format: Vec::new(), layout: Vec::new(), needed: 0, places: Vec::new() }
    }

    /// Appends a row from FORMAT and what follows it; returns how many bytes of text it looked at.
    pub(super) fn read(&mut self, text: Option<&[u8]>, columns: &Columns, warnings: &mut Warnings) -> Result<usize> {
        let Some(text) = text else {
            return Err(miscounted(0, columns.all_samples).hint("the line has no FORMAT: is it cut short?"));
        };
        let format_end = memchr::memchr(b'\t', text).unwrap_or(text.len());
        if self.format.is_empty() || text[..format_end] != *self.format {
            self.learn(&text[..format_end], warnings)?;
        }
        self.places.clear();
        if format_end < text.len() {
            let mut start = format_end + 1;
            for tab in memchr::memchr_iter(b'\t', &text[start..]) {
                let end = format_end + 1 + tab;
                self.places.push((start, end));
                start = end + 1;
            }
            self.places.push((start, text.len()));
        }
        if self.places.len() != columns.all_samples {
            return Err(miscounted(self.places.len(), columns.all_samples));
        }
        let mut seen = 0;
        for (sample, name) in columns.samples.iter().zip(&columns.sample_names) {
            let Some((start, end)) = self.places.get(*sample).copied() else { continue };
            seen += end - start;
            self.sample(&text[start..end]).map_err(|e| e.hint(format!("sample {name}")))?;
        }
        for output in &mut self.outputs {
            if output.in_format {
                output.samples.push(columns.samples.len())?;
            } else {
                output.samples.push_null();
            }
        }
        Ok(seen)
    }

    fn learn(&mut self, format: &[u8], warnings: &mut Warnings) -> Result<()> {
        self.format.clear();
        self.layout.clear();
        for output in &mut self.outputs {
            output.in_format = false;
        }
        let bad = |why: &str| Err(Error::corrupt(why).field("FORMAT").text(format));
        for (i, key) in format.split(|b| *b == b':').enumerate() {
            if key.is_empty() {
                return bad("an empty key");
            }
            if key == b"GT" && i > 0 && !format.starts_with(b"GT:") {
                return bad("GT must be the first key");
            }
            let slot = self.slots.get(key).copied();
            let output = slot.and_then(|s| self.outputs.get_mut(s));
            self.layout.push(match output {
                Some(output) if output.in_format => {
                    warnings.add("a repeated FORMAT key: the first holds");
                    None
                }
                Some(output) => {
                    output.in_format = true;
                    slot
                }
                None => None,
            });
        }
        self.needed = self.layout.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        // Last, so that a FORMAT that is an error is not taken for known.
        self.format.extend_from_slice(format);
        Ok(())
    }

    fn sample(&mut self, text: &[u8]) -> Result<()> {
        let mut rest = Some(text);
        for slot in &self.layout[..self.needed] {
            let mut value = None;
            if let Some(bytes) = rest {
                // Values are a few bytes long: a loop is faster than a search.
                let colon = bytes.iter().position(|b| *b == b':');
                value = Some(&bytes[..colon.unwrap_or(bytes.len())]);
                rest = colon.map(|at| &bytes[at + 1..]);
            }
            let Some(slot) = slot else { continue };
            if self.genotype == Some(*slot) {
                check_genotype(value)?;
            }
            if let Some(output) = self.outputs.get_mut(*slot) {
                output.cells.push(value)?;
            }
        }
        let more = rest.map_or(0, |bytes| memchr::memchr_iter(b':', bytes).count() + 1);
        if self.needed + more > self.layout.len() {
            let what = format!("{} values where FORMAT has {} keys", self.needed + more, self.layout.len());
            return Err(Error::corrupt(what).field("FORMAT").text(text));
        }
        Ok(())
    }

    /// The column of the wanted key `slot`.
    pub(super) fn finish(&mut self, slot: usize) -> Result<Option<ArrayRef>> {
        let Some(output) = self.outputs.get_mut(slot) else { return Ok(None) };
        let items = output.cells.finish()?;
        output.samples.finish(items).map(Some)
    }
}

fn miscounted(found: usize, declared: usize) -> Error {
    Error::corrupt(format!("the line has {found} samples where the header has {declared}")).field("FORMAT")
}

/// The largest allele that BCF can hold: greater numbers are garbage.
const LARGEST_ALLELE: u32 = (i32::MAX as u32 >> 1) - 1;

/// Alleles, as numbers or dots, between `/` and `|`; VCF 4.4 allows one of these before the first allele too.
fn check_genotype(value: Option<&[u8]>) -> Result<()> {
    let Some(text) = value else { return Ok(()) };
    let bad = |why: &str| Err(Error::corrupt(why).field("FORMAT/GT").text(text));
    if given(value).is_none() {
        return if text.is_empty() { bad("it is empty") } else { Ok(()) };
    }
    let alleles = text.strip_prefix(b"/").or_else(|| text.strip_prefix(b"|")).unwrap_or(text);
    for allele in alleles.split(|b| matches!(b, b'/' | b'|')) {
        let number = match allele {
            b"." => continue,
            [] => return bad("an allele is missing"),
            digits => digits.iter().try_fold(0u32, |n, b| {
                let digit = b.is_ascii_digit().then(|| u32::from(b - b'0'))?;
                n.checked_mul(10)?.checked_add(digit)
            }),
        };
        if number.is_none_or(|n| n > LARGEST_ALLELE) {
            return bad("an allele is neither a dot nor a number that an allele can have");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genotypes() {
        for good in ["0", ".", "./.", "0/1", "0|1", "1|2/3", "|0/1", "/0|1", "0/.", "1073741822", "0/1/2/3/4/5/6/7"] {
            assert!(check_genotype(Some(good.as_bytes())).is_ok(), "{good}");
        }
        for bad in ["", "0/", "/", "0/|1", "1/C", "0.000", "1073741823", "99999999999", "0,1", "-1", "..", "//1"] {
            assert!(check_genotype(Some(bad.as_bytes())).is_err(), "{bad}");
        }
        let many = vec!["0"; 300].join("/");
        assert!(check_genotype(Some(many.as_bytes())).is_ok());
    }
}
