//! One line: its fields by their tabs, each parsed when somebody asks.

use super::info;
use super::schema::{Columns, Kind, Source};
use super::values::integer;
use crate::error::{Error, Result};
use crate::scan::Fields;
use crate::text::numbers;

const NAMES: [&str; 8] = ["CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"];

/// The fields of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line<'a> {
    pub chrom: &'a [u8],
    pub pos: &'a [u8],
    pub id: &'a [u8],
    pub reference: &'a [u8],
    pub alt: &'a [u8],
    pub qual: &'a [u8],
    pub filter: &'a [u8],
    /// INFO and what follows it.
    rest: &'a [u8],
}

/// Where the fields before INFO end. INFO and the samples are long: their ends are looked for when they are needed.
pub(super) type Tabs = [u32; NAMES.len() - 1];

fn too_few(line: &[u8], fields: usize) -> Error {
    let message = format!("{fields} tab-separated fields where at least {} are needed", NAMES.len());
    let e = Error::corrupt(message).field(NAMES[fields]).text(line);
    match fields {
        1 => e.hint("fields must be separated by tabs; is the line cut short, or are they spaces?"),
        _ => e.hint("is the line cut short?"),
    }
}

/// A record's last position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub position: i64,
    /// INFO/END lay before POS and was not used.
    pub ignored: bool,
}

impl<'a> Line<'a> {
    /// Finds the fields of `line`, given without its end.
    pub(super) fn find(line: &'a [u8]) -> Result<Tabs> {
        let mut tabs = Tabs::default();
        let mut found = memchr::memchr_iter(b'\t', line);
        for (i, tab) in tabs.iter_mut().enumerate() {
            let at = found.next().ok_or_else(|| too_few(line, i + 1))?;
            *tab = u32::try_from(at).map_err(|_| Error::limit("a field is longer than 4 GiB").field(NAMES[i]))?;
        }
        Ok(tabs)
    }

    /// The fields of a line, which were found before.
    pub(super) fn cut(line: &'a [u8], tabs: &Tabs) -> Self {
        let mut start = 0;
        let mut fields = [&line[..0]; NAMES.len() - 1];
        for (field, tab) in fields.iter_mut().zip(tabs) {
            *field = &line[start..*tab as usize];
            start = *tab as usize + 1;
        }
        let [chrom, pos, id, reference, alt, qual, filter] = fields;
        Self { chrom, pos, id, reference, alt, qual, filter, rest: &line[start..] }
    }

    pub(super) fn info(&self) -> &'a [u8] {
        self.info_and_samples().0
    }

    /// INFO, and FORMAT and the samples, if the line has any.
    pub(super) fn info_and_samples(&self) -> (&'a [u8], Option<&'a [u8]>) {
        match memchr::memchr(b'\t', self.rest) {
            Some(tab) => (&self.rest[..tab], Some(&self.rest[tab + 1..])),
            None => (self.rest, None),
        }
    }

    /// The contig's name. One that cannot be a name (VCF §1.6.1) betrays a shifted or broken line.
    pub(super) fn check_chrom(&self) -> Result<()> {
        let bad = |why: &str| Err(Error::corrupt(why).field("CHROM").text(self.chrom));
        match self.chrom {
            [] => bad("it is empty"),
            name if memchr::memchr2(b',', 0, name).is_some() => bad("a comma or NUL byte in a contig's name"),
            name if name.starts_with(b"<") != name.ends_with(b">") => bad("an angle bracket in a contig's name"),
            _ => Ok(()),
        }
    }

    pub(super) fn pos(&self) -> Result<i64> {
        let pos = numbers::int(self.pos, "POS")?;
        if pos < 0 {
            return Err(Error::corrupt("a position is negative").field("POS").text(self.pos));
        }
        Ok(pos)
    }

    pub(super) fn reference(&self) -> Result<&'a [u8]> {
        if self.reference.is_empty() {
            return Err(Error::corrupt("it is empty").field("REF"));
        }
        Ok(self.reference)
    }

    pub(super) fn qual(&self) -> Result<Option<f32>> {
        optional(self.qual, "QUAL")?.map(|text| numbers::float(text, "QUAL")).transpose()
    }

    /// INFO/END where that is not before POS, else the end of REF: as tabix and bcftools index a record.
    pub(super) fn end(&self, pos: i64, key: &info::Finder) -> Result<End> {
        let length = self.reference()?.len() as i64;
        let of_reference = pos.saturating_add(length - 1);
        match key.find(self.info()).flatten() {
            None | Some(b"" | b".") => Ok(End { position: of_reference, ignored: false }),
            Some(text) => match numbers::int(text, "INFO/END")? {
                end if end >= pos => Ok(End { position: end, ignored: false }),
                _ => Ok(End { position: of_reference, ignored: true }),
            },
        }
    }
}

/// A fixed field; `.` is null.
pub(super) fn optional<'a>(text: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    match text {
        b"." => Ok(None),
        b"" => Err(Error::corrupt("it is empty").field(name).hint("a missing value is written as a dot")),
        text => Ok(Some(text)),
    }
}

/// An INFO or FORMAT value; nothing at all is null too.
pub(super) fn given(text: Option<&[u8]>) -> Option<&[u8]> {
    text.filter(|t| !matches!(*t, b"" | b"."))
}

/// A line as conditions see it; fields are numbered as in the schema.
pub(super) struct Tested<'a> {
    pub line: &'a Line<'a>,
    pub columns: &'a Columns,
    pub end: &'a info::Finder,
    /// For each INFO key of a condition.
    pub info: &'a [Option<info::Finder>],
}

impl Tested<'_> {
    fn source(&self, field: usize) -> Option<Source> {
        self.columns.sources.get(field).copied()
    }

    fn info(&self, key: usize) -> Option<&[u8]> {
        given(self.info.get(key)?.as_ref()?.find(self.line.info()).flatten())
    }

    /// An INFO value that is a single number.
    fn number(&self, key: usize) -> Option<(&[u8], &str)> {
        Some((self.info(key)?, self.columns.info.get(key)?.label.as_str()))
    }
}

impl Fields for Tested<'_> {
    fn int(&self, field: usize) -> Result<Option<i64>> {
        match self.source(field) {
            Some(Source::Pos) => self.line.pos().map(Some),
            Some(Source::End) => Ok(Some(self.line.end(self.line.pos()?, self.end)?.position)),
            Some(Source::Info(key)) => {
                let number = self.number(key).map(|(text, label)| integer(text, label));
                Ok(number.transpose()?.map(i64::from))
            }
            _ => Ok(None),
        }
    }

    fn float(&self, field: usize) -> Result<Option<f64>> {
        match self.source(field) {
            Some(Source::Qual) => Ok(self.line.qual()?.map(f64::from)),
            Some(Source::Info(key)) => {
                let number = self.number(key).map(|(text, label)| numbers::float(text, label));
                Ok(number.transpose()?.map(f64::from))
            }
            _ => Ok(None),
        }
    }

    fn text(&self, field: usize) -> Result<Option<&[u8]>> {
        match self.source(field) {
            Some(Source::Chrom) => self.line.check_chrom().map(|()| Some(self.line.chrom)),
            Some(Source::Id) => optional(self.line.id, "ID"),
            Some(Source::Ref) => self.line.reference().map(Some),
            Some(Source::Filter) => optional(self.line.filter, "FILTER"),
            Some(Source::Info(key)) if self.columns.info.get(key).is_some_and(|k| k.kind == Kind::Text) => {
                Ok(self.info(key))
            }
            _ => Ok(None),
        }
    }

    fn span(&self) -> Result<Option<(&[u8], i64, i64)>> {
        let pos = self.line.pos()?;
        Ok(Some((self.line.chrom, pos, self.line.end(pos, self.end)?.position)))
    }
}
