//! FORMAT and the sample columns: only the wanted keys of the wanted samples.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};

use super::schema::{Columns, Key};
use super::values::Cells;
use crate::error::{Error, Result};
use crate::scan::Warnings;
use crate::text::lists::{Broken, Lists};
use crate::text::repeated::{NULL, Texts};

/// A column of a key, and what it is to hold.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'k> {
    pub key: &'k Key,
    pub form: Form,
    /// Of each sample of the lists: whether it is counted. `None`: all are.
    pub of: Option<Vec<bool>>,
}

impl Wanted<'_> {
    /// Whether the sample at this place is looked at.
    fn looks_at(&self, position: usize) -> bool {
        match self.form {
            Form::OfSample(sample) => sample == position,
            _ => self.of.as_ref().is_none_or(|of| of.get(position) == Some(&true)),
        }
    }
}

/// What a row of a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// All samples' values.
    List,
    /// The value of the sample at this place among those of the lists.
    OfSample(usize),
    /// Of genotypes.
    AlleleNumber,
    AlleleCount,
    AlleleFrequency,
}

/// Reads the samples of lines into columns.
#[derive(Debug)]
pub(super) struct GenotypeReader {
    /// Of each spelling: which wanted key it is.
    slots: HashMap<Vec<u8>, usize>,
    keys: Vec<WantedKey>,
    /// Of each column: its key, and its place among the key's columns.
    columns: Vec<(usize, usize)>,
    genotypes: Genotypes,
    /// The FORMAT of the line before: most lines have the same.
    format: Vec<u8>,
    /// Of each of its keys: which wanted key it is.
    layout: Vec<Option<usize>>,
    /// How many of its keys reach to the last wanted one.
    needed: usize,
    /// The samples that are looked at: their places in the line, and in the lists.
    visited: Vec<(usize, usize)>,
    /// For each of these in the order of their places in the line: its number among them.
    order: Vec<usize>,
    /// Where their values are in the line.
    places: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct WantedKey {
    is_genotype: bool,
    in_format: bool,
    columns: Vec<KeyColumn>,
}

#[derive(Debug)]
enum KeyColumn {
    List(Values, Lists),
    OfSample(usize, Values),
    Count { form: Form, of: Option<Vec<bool>>, row: Alleles, rows: Vec<Option<Alleles>> },
}

/// Values of samples.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a column has one")]
enum Values {
    Cells(Cells),
    /// Numbers of [`Genotypes`].
    Genotypes(Vec<u32>),
}

/// The different genotypes that were met: each is checked and counted once.
#[derive(Debug, Default)]
struct Genotypes {
    texts: Texts,
    /// Of each number.
    alleles: Vec<Alleles>,
}

/// How many alleles are called, and how many of them are not the reference allele.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Alleles {
    called: u64,
    alternate: u64,
}

impl GenotypeReader {
    /// A reader of the columns `wanted`.
    pub(super) fn new(wanted: &[Wanted<'_>], file: &Columns) -> Self {
        let mut slots: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut keys: Vec<WantedKey> = Vec::new();
        let mut columns = Vec::new();
        for Wanted { key, form, of } in wanted {
            let slot = *slots.entry(key.name.clone().into_bytes()).or_insert(keys.len());
            if let Some(alias) = &key.alias {
                slots.entry(alias.clone().into_bytes()).or_insert(slot);
            }
            if slot == keys.len() {
                keys.push(WantedKey { is_genotype: key.name == "GT", in_format: false, columns: Vec::new() });
            }
            let values =
                || if key.name == "GT" { Values::Genotypes(Vec::new()) } else { Values::Cells(Cells::new(key)) };
            columns.push((slot, keys[slot].columns.len()));
            keys[slot].columns.push(match form {
                Form::List => KeyColumn::List(values(), Lists::default()),
                Form::OfSample(sample) => KeyColumn::OfSample(*sample, values()),
                form => KeyColumn::Count { form: *form, of: of.clone(), row: Alleles::default(), rows: Vec::new() },
            });
        }
        let samples = file.samples.iter().enumerate().map(|(position, sample)| (*sample, position));
        let visited: Vec<_> = samples.filter(|(_, position)| wanted.iter().any(|w| w.looks_at(*position))).collect();
        let mut order: Vec<usize> = (0..visited.len()).collect();
        order.sort_by_key(|i| visited[*i].0);
        Self {
            slots,
            keys,
            columns,
            genotypes: Genotypes::default(),
            format: Vec::new(),
            layout: Vec::new(),
            needed: 0,
            places: vec![(0, 0); visited.len()],
            visited,
            order,
        }
    }

    /// Appends a row from FORMAT and what follows it; returns how many bytes of text it looked at.
    pub(super) fn read(&mut self, text: Option<&[u8]>, file: &Columns, warnings: &mut Warnings) -> Result<usize> {
        let Some(text) = text else {
            return Err(miscounted(0, file.all_samples).hint("the line has no FORMAT: is it cut short?"));
        };
        let format_end = memchr::memchr(b'\t', text).unwrap_or(text.len());
        if self.format.is_empty() || text[..format_end] != *self.format {
            self.learn(&text[..format_end], file.most_keys, warnings)?;
        }
        let samples = text.get(format_end + 1..);
        let found = samples.map_or(0, |samples| self.find(samples));
        if found != file.all_samples {
            return Err(miscounted(found, file.all_samples));
        }
        let mut seen = 0;
        for i in 0..self.visited.len() {
            let ((_, position), (start, end)) = (self.visited[i], self.places[i]);
            seen += end - start;
            self.sample(position, &samples.unwrap_or_default()[start..end]).map_err(|e| {
                match file.sample_names.get(position) {
                    Some(name) => {
                        e.hint(format!("of sample {name}; correct it, or read it as null: on_error => 'null'"))
                    }
                    None => e,
                }
            })?;
        }
        for key in &mut self.keys {
            key.end_row(file.samples.len())?;
        }
        Ok(seen)
    }

    /// Finds the places of the samples that are looked at; returns how many the line has.
    fn find(&mut self, samples: &[u8]) -> usize {
        let mut tabs = memchr::memchr_iter(b'\t', samples);
        // The sample that begins here; so many tabs are before it.
        let (mut sample, mut start) = (0, 0);
        for i in &self.order {
            let wanted = self.visited[*i].0;
            if wanted > sample {
                let Some(tab) = tabs.nth(wanted - sample - 1) else {
                    return memchr::memchr_iter(b'\t', samples).count() + 1;
                };
                (sample, start) = (wanted, tab + 1);
            }
            match tabs.next() {
                Some(tab) => {
                    self.places[*i] = (start, tab);
                    (sample, start) = (sample + 1, tab + 1);
                }
                None => self.places[*i] = (start, samples.len()),
            }
        }
        sample + tabs.count() + 1
    }

    fn learn(&mut self, format: &[u8], most: usize, warnings: &mut Warnings) -> Result<()> {
        self.format.clear();
        self.layout.clear();
        for key in &mut self.keys {
            key.in_format = false;
        }
        let bad = |why: &str| Err(Error::corrupt(why).field("FORMAT").text(format));
        for (i, name) in format.split(|b| *b == b':').enumerate() {
            if name.is_empty() {
                return bad("an empty key");
            }
            if i >= most {
                let e = Error::limit(format!("more keys than the limit of {most}")).field("FORMAT").text(format);
                return Err(e.hint("if the file is to be trusted, raise the option format_keys"));
            }
            if name == b"GT" && i > 0 && !format.starts_with(b"GT:") {
                return bad("GT must be the first key");
            }
            let slot = self.slots.get(name).copied();
            let key = slot.and_then(|s| self.keys.get_mut(s));
            self.layout.push(match key {
                Some(key) if key.in_format => {
                    warnings.add("a repeated FORMAT key: the first holds");
                    None
                }
                Some(key) => {
                    key.in_format = true;
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

    fn sample(&mut self, position: usize, text: &[u8]) -> Result<()> {
        let mut rest = Some(text);
        for slot in &self.layout[..self.needed] {
            let mut value = None;
            if let Some(bytes) = rest {
                // Values are a few bytes long: a loop is faster than a search.
                let colon = bytes.iter().position(|b| *b == b':');
                value = Some(&bytes[..colon.unwrap_or(bytes.len())]);
                rest = colon.map(|at| &bytes[at + 1..]);
            }
            if let Some(key) = slot.and_then(|s| self.keys.get_mut(s)) {
                key.push(position, value, &mut self.genotypes)?;
            }
        }
        let more = rest.map_or(0, |bytes| memchr::memchr_iter(b':', bytes).count() + 1);
        if self.needed + more > self.layout.len() {
            let what = format!("{} values where FORMAT has {} keys", self.needed + more, self.layout.len());
            return Err(Error::corrupt(what).field("FORMAT").text(text));
        }
        Ok(())
    }

    /// Checks the text of the rows appended since the last call.
    ///
    /// # Errors
    /// With the number among them of the first that has text that is none.
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        let columns = self.keys.iter_mut().flat_map(|key| &mut key.columns);
        let broken = columns.filter_map(|column| match column {
            KeyColumn::List(Values::Cells(cells), lists) => lists.check(cells.check()).err(),
            KeyColumn::OfSample(_, Values::Cells(cells)) => cells.check().err(),
            _ => None,
        });
        broken.min_by_key(|(row, _)| *row).map_or(Ok(()), Err)
    }

    /// The column `i` of those wanted.
    pub(super) fn finish(&mut self, i: usize) -> Result<Option<ArrayRef>> {
        let column = self.columns.get(i).and_then(|(key, at)| self.keys.get_mut(*key)?.columns.get_mut(*at));
        let Some(column) = column else { return Ok(None) };
        let texts = &self.genotypes.texts;
        Ok(Some(match column {
            KeyColumn::List(values, lists) => lists.finish(values.finish(texts)?)?,
            KeyColumn::OfSample(_, values) => values.finish(texts)?,
            KeyColumn::Count { form, rows, .. } => {
                let rows = std::mem::take(rows).into_iter();
                match form {
                    Form::AlleleNumber => Arc::new(rows.map(|a| Some(a?.called as i64)).collect::<Int64Array>()),
                    Form::AlleleCount => Arc::new(rows.map(|a| Some(a?.alternate as i64)).collect::<Int64Array>()),
                    _ => Arc::new(rows.map(|a| a?.frequency()).collect::<Float64Array>()),
                }
            }
        }))
    }

    /// Call when all columns of a batch are finished.
    pub(super) fn next_batch(&mut self) {
        if self.genotypes.texts.are_many() {
            self.genotypes = Genotypes::default();
        }
    }
}

impl WantedKey {
    /// Appends the value of the sample at `position` of the lists.
    #[inline]
    fn push(&mut self, position: usize, value: Option<&[u8]>, genotypes: &mut Genotypes) -> Result<()> {
        let genotype = if self.is_genotype { genotypes.number(value)? } else { NULL };
        for column in &mut self.columns {
            match column {
                KeyColumn::List(values, _) => values.push(value, genotype)?,
                KeyColumn::OfSample(sample, values) if *sample == position => values.push(value, genotype)?,
                KeyColumn::OfSample(..) => {}
                KeyColumn::Count { of: Some(of), .. } if of.get(position) != Some(&true) => {}
                KeyColumn::Count { row, .. } => row.add(genotypes.alleles(genotype)),
            }
        }
        Ok(())
    }

    /// Ends a row of `samples` samples.
    fn end_row(&mut self, samples: usize) -> Result<()> {
        for column in &mut self.columns {
            match column {
                KeyColumn::List(_, lists) if self.in_format => lists.push(samples)?,
                KeyColumn::List(_, lists) => lists.push_null(),
                KeyColumn::OfSample(_, values) if !self.in_format => values.push(None, NULL)?,
                KeyColumn::OfSample(..) => {}
                KeyColumn::Count { row, rows, .. } => rows.push(self.in_format.then_some(std::mem::take(row))),
            }
        }
        Ok(())
    }
}

impl Values {
    #[inline]
    fn push(&mut self, value: Option<&[u8]>, genotype: u32) -> Result<()> {
        match self {
            Self::Genotypes(numbers) => numbers.push(genotype),
            Self::Cells(cells) => cells.push(value)?,
        }
        Ok(())
    }

    fn finish(&mut self, texts: &Texts) -> Result<ArrayRef> {
        match self {
            Self::Genotypes(numbers) => {
                let room = Vec::with_capacity(numbers.len());
                texts.array(std::mem::replace(numbers, room))
            }
            Self::Cells(cells) => cells.finish(),
        }
    }
}

impl Genotypes {
    /// The number of a sample's genotype; null where it is a dot or dropped.
    #[inline]
    fn number(&mut self, value: Option<&[u8]>) -> Result<u32> {
        match value {
            None | Some(b".") => Ok(NULL),
            Some(text) => self.texts.find(text).map_or_else(|| self.add(text), Ok),
        }
    }

    fn add(&mut self, text: &[u8]) -> Result<u32> {
        check_genotype(text)?;
        let number = self.texts.add(text, "FORMAT/GT")?;
        self.alleles.resize(number as usize + 1, Alleles::default());
        self.alleles[number as usize] = Alleles::of(text);
        Ok(number)
    }

    #[inline]
    fn alleles(&self, number: u32) -> Alleles {
        self.alleles.get(number as usize).copied().unwrap_or_default()
    }
}

impl Alleles {
    fn of(genotype: &[u8]) -> Self {
        let alleles = genotype.split(|b| matches!(b, b'/' | b'|')).filter(|a| !matches!(*a, b"" | b"."));
        alleles.fold(Self::default(), |sum, allele| Self {
            called: sum.called + 1,
            alternate: sum.alternate + u64::from(allele != b"0"),
        })
    }

    fn add(&mut self, other: Self) {
        self.called += other.called;
        self.alternate += other.alternate;
    }

    fn frequency(self) -> Option<f64> {
        (self.called > 0).then(|| self.alternate as f64 / self.called as f64)
    }
}

fn miscounted(found: usize, declared: usize) -> Error {
    Error::corrupt(format!("the line has {found} samples where the header has {declared}")).field("FORMAT")
}

/// The largest allele that BCF can hold: greater numbers are garbage.
const LARGEST_ALLELE: u32 = (i32::MAX as u32 >> 1) - 1;

/// Alleles, as numbers or dots, between `/` and `|`; VCF 4.4 allows one of these before the first allele too.
fn check_genotype(text: &[u8]) -> Result<()> {
    let bad = |why: &str| Err(Error::corrupt(why).field("FORMAT/GT").text(text));
    if text.is_empty() {
        return bad("it is empty");
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
            assert!(check_genotype(good.as_bytes()).is_ok(), "{good}");
        }
        for bad in ["", "0/", "/", "0/|1", "1/C", "0.000", "1073741823", "99999999999", "0,1", "-1", "..", "//1"] {
            assert!(check_genotype(bad.as_bytes()).is_err(), "{bad}");
        }
        let many = vec!["0"; 300].join("/");
        assert!(check_genotype(many.as_bytes()).is_ok());
    }
}
