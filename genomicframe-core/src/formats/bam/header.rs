//! The header (SAMv1 §4.2.1): text, then the contig dictionary that record fields refer to.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use crate::scan::{Head, Limits};

/// The first inflated bytes of every BAM.
pub const MAGIC: &[u8] = b"BAM\x01";

/// A BAM header.
#[derive(Debug, Clone)]
pub struct BamHeader {
    /// The SAM header text, as stored.
    pub text: String,
    /// The dictionary: record fields refer to contigs by their number in it.
    pub contigs: Arc<Contigs>,
    /// What was read leniently.
    pub warnings: Vec<String>,
    /// Its length in inflated bytes.
    pub(super) len: usize,
}

impl BamHeader {
    /// Reads it from the beginning of a file.
    ///
    /// # Errors
    /// When it is cut short, breaks the specification, or is beyond `limits`.
    pub async fn read(head: &mut Head<'_>, limits: &Limits) -> Result<Self> {
        let mut parser = HeaderParser::new(limits);
        loop {
            let parsed = match head.at_least(parser.wanted()).await? {
                true => parser.parse(head.bytes()),
                false => Err(parser.cut()),
            };
            match parsed {
                Ok(Some(header)) => return Ok(header),
                Ok(None) => {}
                Err(e) => return Err(e.at(head.offset(parser.field()))),
            }
        }
    }

    /// Its length in inflated bytes: where the first record begins.
    pub fn byte_length(&self) -> usize {
        self.len
    }

    /// The dictionary counts, as it is what records refer to; a text that lists other contigs or lengths is told.
    fn text_differs(&self) -> bool {
        let listed = || {
            let lines = self.text.lines().filter_map(|l| l.strip_prefix("@SQ\t"));
            lines.map(|line| {
                let field = |key: &str| line.split('\t').find_map(|f| f.strip_prefix(key));
                (field("SN:").unwrap_or_default(), field("LN:").and_then(|n| n.parse().ok()))
            })
        };
        listed().next().is_some() && !listed().eq(self.contigs.iter().map(|c| (c.name.as_str(), c.length)))
    }
}

/// Reads a header from bytes that come piece by piece, without reading any of it twice.
#[derive(Debug)]
pub struct HeaderParser {
    limits: Limits,
    text: Option<String>,
    left: Option<usize>,
    contigs: Contigs,
    /// Where the first part begins that is not read yet.
    at: usize,
    field: usize,
    missing: (&'static str, Option<usize>),
    wanted: usize,
}

impl HeaderParser {
    /// A parser of a header within `limits`.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            text: None,
            left: None,
            contigs: Contigs::default(),
            at: 0,
            field: 0,
            missing: ("", None),
            wanted: 1,
        }
    }

    /// How many bytes [`HeaderParser::parse`] needs before it can go on.
    pub fn wanted(&self) -> usize {
        self.wanted
    }

    /// Where the last field began that was read, or is missing.
    pub fn field(&self) -> usize {
        self.field
    }

    /// What to say when the bytes end before [`HeaderParser::wanted`].
    pub fn cut(&self) -> Error {
        match self.wanted {
            1 => Error::corrupt("no BAM header: the file holds no data"),
            _ => Error::corrupt("the BAM header is cut short").field(field_name(self.missing)),
        }
    }

    /// The header, `bytes` being the inflated file from its beginning as far as it is there; `None`: more are needed.
    ///
    /// # Errors
    /// When it breaks the specification, or is beyond the limits.
    pub fn parse(&mut self, bytes: &[u8]) -> Result<Option<BamHeader>> {
        let mut reader = Reader { bytes, at: self.at, field: self.field, contig: None };
        let done = loop {
            match self.part(&mut reader) {
                Ok(true) => self.at = reader.at,
                Ok(false) => break Ok(true),
                Err(Stop::Short { wanted, name }) => {
                    self.wanted = wanted;
                    self.missing = (name, reader.contig);
                    break Ok(false);
                }
                Err(Stop::Bad(e)) => break Err(e),
            }
        };
        self.field = reader.field;
        if !done? {
            return Ok(None);
        }
        let mut header = BamHeader {
            warnings: Vec::new(),
            len: self.at,
            text: self.text.take().unwrap_or_default(),
            contigs: Arc::new(std::mem::take(&mut self.contigs)),
        };
        if header.text_differs() {
            let what = "the header's @SQ lines and the contig dictionary differ; the dictionary is used";
            header.warnings.push(what.into());
        }
        Ok(Some(header))
    }

    /// Reads the next part: the text, the number of contigs, or one of them. `false`: there is none.
    fn part(&mut self, reader: &mut Reader<'_>) -> Result<bool, Stop> {
        if self.text.is_none() {
            let magic = reader.take(4, "magic")?;
            if magic != MAGIC {
                return Err(Error::corrupt("not a BAM file").field("magic").text(magic).into());
            }
            let l_text = reader.length("l_text", 0, self.limits.header_bytes)?;
            let text = reader.take(l_text, "text")?;
            // Some writers pad the text with NULs.
            let text = memchr::memchr(0, text).map_or(text, |nul| &text[..nul]);
            let text = std::str::from_utf8(text)
                .map_err(|e| Error::corrupt("the header text is not UTF-8").field("text").caused_by(e))?;
            self.text = Some(text.to_owned());
            return Ok(true);
        }
        let Some(left) = self.left else {
            self.left = Some(reader.length("n_ref", 0, self.limits.contigs)?);
            return Ok(true);
        };
        let Some(left) = left.checked_sub(1) else { return Ok(false) };
        reader.contig = Some(self.contigs.len());
        let field = || field_name(("name", Some(self.contigs.len())));
        let l_name = reader.length("l_name", 1, self.limits.header_bytes)?;
        let name = match reader.take(l_name, "name")?.split_last() {
            Some((0, name)) if !name.is_empty() && !name.contains(&0) => name,
            _ => {
                let what = "a contig's name must be NUL-terminated, not empty and without another NUL";
                return Err(Error::corrupt(what).field(field()).into());
            }
        };
        let name = std::str::from_utf8(name)
            .map_err(|e| Error::corrupt("a contig's name is not UTF-8").field(field()).caused_by(e))?;
        let length = reader.length("l_ref", 0, usize::MAX)? as u64;
        // Which of the two a region means cannot be told.
        if self.contigs.get(name).is_some() {
            let what = format!("contig {name} is in the dictionary twice");
            return Err(Error::corrupt(what).field(field()).into());
        }
        self.contigs.push(Contig { name: name.to_owned(), length: Some(length) });
        self.left = Some(left);
        Ok(true)
    }
}

/// Why a part was not read.
enum Stop {
    Short { wanted: usize, name: &'static str },
    Bad(Error),
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Self::Bad(e)
    }
}

fn field_name((name, contig): (&str, Option<usize>)) -> String {
    contig.map_or_else(|| name.to_owned(), |id| format!("{name} of contig {id}"))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last field began.
    field: usize,
    contig: Option<usize>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize, name: &'static str) -> Result<&'a [u8], Stop> {
        self.field = self.at;
        let wanted = self.at.saturating_add(n);
        let taken = self.bytes.get(self.at..wanted).ok_or(Stop::Short { wanted, name })?;
        self.at = wanted;
        Ok(taken)
    }

    /// A length, checked before anything is read or allocated for it.
    fn length(&mut self, name: &'static str, least: i64, most: usize) -> Result<usize, Stop> {
        let n = i64::from(self.take(4, name)?.first_chunk().map_or(0, |n| i32::from_le_bytes(*n)));
        let field = || field_name((name, self.contig));
        if n < least {
            return Err(Error::corrupt(format!("{n} is not a possible length")).field(field()).into());
        }
        match usize::try_from(n) {
            Ok(n) if n <= most => Ok(n),
            _ => Err(Error::limit(format!("{n} is beyond the limit of {most}")).field(field()).into()),
        }
    }
}
