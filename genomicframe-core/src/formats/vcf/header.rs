//! The header: from `##fileformat` to the `#CHROM` line.
//!
//! Headers of real files break the specification in many ways that harm nothing. What does not change a value is read
//! with a warning, as htslib reads it; what leaves no column line or no certain sample order is an error.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use crate::scan::{Head, Limits};

/// How every VCF begins.
pub(super) const MAGIC: &[u8] = b"##fileformat=VCF";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const COLUMNS: [&str; 8] = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"];

/// Warnings kept of one header.
const MOST_WARNINGS: usize = 100;

/// `text` without a UTF-8 byte order mark.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// What the header says.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// As written, without a byte order mark.
    pub text: String,
    /// Its bytes in the inflated file.
    pub bytes: usize,
    /// Its lines.
    pub lines: u64,
    pub contigs: Contigs,
    pub info: Vec<Declaration>,
    pub format: Vec<Declaration>,
    pub samples: Vec<String>,
    pub warnings: Vec<String>,
}

/// An INFO or FORMAT line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration {
    pub id: String,
    pub number: Number,
    pub ty: Type,
    pub description: String,
}

/// How many values a key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Number {
    /// None: a flag.
    Zero,
    /// Exactly one.
    One,
    /// A list, as the header counts it (`A`, `R`, `G`, `.`, `2`, …).
    Many(String),
}

impl Number {
    /// As the header writes it.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Zero => "0",
            Self::One => "1",
            Self::Many(text) => text,
        }
    }
}

/// The type of a key's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Integer,
    Float,
    Flag,
    Character,
    String,
}

impl Type {
    /// As the header writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "Integer",
            Self::Float => "Float",
            Self::Flag => "Flag",
            Self::Character => "Character",
            Self::String => "String",
        }
    }
}

/// Reads the header and no more of the file than that takes.
pub(super) async fn read(head: &mut Head<'_>, limits: &Limits) -> Result<Header> {
    if !head.at_least(1).await? {
        return Err(Error::corrupt("empty file: no VCF header"));
    }
    head.at_least(BYTE_ORDER_MARK.len() + MAGIC.len()).await?;
    check_magic(head.bytes())?;
    let mut at = head.bytes().len() - without_mark(head.bytes()).len();
    let text_start = at;
    let mut parser = Parser { header: Header::default(), seen: HashSet::new(), most_contigs: limits.contigs };
    loop {
        let mut from = at;
        let end = loop {
            if let Some(end) = memchr::memchr(b'\n', &head.bytes()[from..]) {
                break from + end + 1;
            }
            from = head.bytes().len();
            if !head.more().await? {
                break from;
            }
        };
        if at == end {
            return Err(parser.without_columns());
        }
        let line = &head.bytes()[at..end];
        at = end;
        if parser.line(line).map_err(|e| e.on_line(parser.header.lines))? {
            break;
        }
    }
    let mut header = parser.header;
    header.bytes = at;
    header.text = match std::str::from_utf8(&head.bytes()[text_start..at]) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            header.warnings.push("the header is not UTF-8 throughout: its other bytes are shown as U+FFFD".into());
            String::from_utf8_lossy(&head.bytes()[text_start..at]).into_owned()
        }
    };
    Ok(header)
}

fn check_magic(head: &[u8]) -> Result<()> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(Error::unsupported("the text is UTF-16").hint("VCF is UTF-8: convert it first"));
    }
    if head.starts_with(b"BCF") {
        return Err(Error::unsupported("the file is BCF, not VCF").hint("convert it with bcftools view"));
    }
    if !without_mark(head).starts_with(MAGIC) {
        let first = &head[..memchr::memchr2(b'\n', b'\r', head).unwrap_or(head.len())];
        return Err(Error::corrupt("not a VCF: its first line is not ##fileformat=VCFv4.x").on_line(1).text(first));
    }
    Ok(())
}

struct Parser {
    header: Header,
    seen: HashSet<(&'static str, String)>,
    most_contigs: usize,
}

impl Parser {
    /// Whether this was the last line.
    fn line(&mut self, line: &[u8]) -> Result<bool> {
        self.header.lines += 1;
        let line = crate::text::lines::trim_end(line);
        if line.is_empty() {
            self.warn("an empty line in the header");
        } else if let Some(meta) = line.strip_prefix(b"##") {
            self.meta(&String::from_utf8_lossy(meta))?;
        } else if line.starts_with(b"#") {
            self.header.samples = samples(line)?;
            return Ok(true);
        } else {
            return Err(self.without_columns().text(line));
        }
        Ok(false)
    }

    fn without_columns(&self) -> Error {
        Error::corrupt("no #CHROM line: the header must end with one, before the first record")
            .on_line(self.header.lines.max(1))
    }

    fn warn(&mut self, what: &str) {
        if self.header.warnings.len() < MOST_WARNINGS {
            self.header.warnings.push(format!("line {}: {what}", self.header.lines));
        }
    }

    fn meta(&mut self, meta: &str) -> Result<()> {
        let Some((kind, value)) = meta.split_once('=') else { return Ok(()) };
        let kind = match kind {
            "contig" => "contig",
            "INFO" => "INFO",
            "FORMAT" => "FORMAT",
            _ => return Ok(()),
        };
        let Some(pairs) = value.strip_prefix('<') else {
            self.warn(&format!("##{kind} without <…> is left out"));
            return Ok(());
        };
        let (pairs, whole) = pairs_of(pairs);
        let get = |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| v.as_str());
        let Some(id) = get("ID").filter(|id| !id.is_empty()) else {
            self.warn(&format!("##{kind} without an ID is left out"));
            return Ok(());
        };
        if !whole {
            self.warn(&format!("##{kind}=<ID={id}: the line is malformed after its readable part"));
        }
        if !self.seen.insert((kind, id.to_owned())) {
            self.warn(&format!("##{kind}=<ID={id}: declared before; the first holds"));
            return Ok(());
        }
        if kind == "contig" {
            if self.header.contigs.len() >= self.most_contigs {
                return Err(Error::limit(format!("the header has more than {} contigs", self.most_contigs)));
            }
            let length = get("length").and_then(|l| l.parse().ok());
            self.header.contigs.push(Contig { name: id.to_owned(), length });
            return Ok(());
        }
        let ty = self.ty(kind, id, get("Type"));
        let number = self.number(kind, id, get("Number"), ty);
        let description = get("Description").unwrap_or_default().to_owned();
        let declaration = Declaration { id: id.to_owned(), number, ty, description };
        if kind == "INFO" {
            self.header.info.push(declaration);
        } else {
            self.header.format.push(declaration);
        }
        Ok(())
    }

    fn ty(&mut self, kind: &str, id: &str, ty: Option<&str>) -> Type {
        match ty {
            Some("Integer") => Type::Integer,
            Some("Float") => Type::Float,
            Some("Character") => Type::Character,
            Some("String") => Type::String,
            Some("Flag") if kind == "INFO" => Type::Flag,
            other => {
                self.warn(&format!("{kind}/{id}: Type={} is read as String", other.unwrap_or_default()));
                Type::String
            }
        }
    }

    fn number(&mut self, kind: &str, id: &str, number: Option<&str>, ty: Type) -> Number {
        let number = number.unwrap_or_default();
        if ty == Type::Flag {
            if number != "0" {
                self.warn(&format!("{kind}/{id}: a Flag with Number={number} is read with Number=0"));
            }
            return Number::Zero;
        }
        match number {
            "0" if kind == "INFO" => Number::Zero,
            "1" => Number::One,
            "A" | "R" | "G" | "." | "LA" | "LR" | "LG" | "P" | "M" => Number::Many(number.to_owned()),
            n if n.parse::<i32>().is_ok_and(|n| n > 1) => Number::Many(n.to_owned()),
            n => {
                self.warn(&format!("{kind}/{id}: Number={n} is read as Number=."));
                Number::Many(".".to_owned())
            }
        }
    }
}

/// `key=value,key="quoted \" value"` up to the closing `>`, and whether all of it could be read.
fn pairs_of(text: &str) -> (Vec<(&str, String)>, bool) {
    let mut pairs = Vec::new();
    let mut rest = text;
    loop {
        let Some((key, value)) = rest.split_once('=') else { return (pairs, false) };
        let key = key.trim();
        if let Some(quoted) = value.strip_prefix('"') {
            let (value, after) = unquote(quoted);
            pairs.push((key, value));
            let Some(after) = after else { return (pairs, false) };
            match after.trim_start().strip_prefix(',') {
                Some(next) => rest = next,
                None => return (pairs, after.trim() == ">"),
            }
        } else {
            let end = value.find([',', '>']).unwrap_or(value.len());
            pairs.push((key, value[..end].to_owned()));
            match value[end..].strip_prefix(',') {
                Some(next) => rest = next,
                None => return (pairs, value[end..].trim_end() == ">"),
            }
        }
    }
}

/// A quoted value without its escapes, and what follows the closing quote, if there is one.
fn unquote(text: &str) -> (String, Option<&str>) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, Some(&text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            c => value.push(c),
        }
    }
    let value = value.strip_suffix('>').map(str::to_owned).unwrap_or(value);
    (value, None)
}

fn samples(line: &[u8]) -> Result<Vec<String>> {
    let line = std::str::from_utf8(line)
        .map_err(|_| Error::corrupt("a sample name is not UTF-8").field("#CHROM").text(line))?;
    let mut fields = line.split('\t');
    for (i, name) in COLUMNS.iter().enumerate() {
        let field = fields.next();
        if field != Some(name) {
            let e = Error::corrupt(format!("column {} of the #CHROM line must be {name}", i + 1)).text(line.as_bytes());
            let spaced = line.split_whitespace().take(COLUMNS.len()).eq(COLUMNS);
            return Err(if spaced { e.hint("fields are separated by spaces; VCF wants tabs") } else { e });
        }
    }
    match fields.next() {
        None => return Ok(Vec::new()),
        Some("FORMAT") => {}
        Some(other) => {
            return Err(Error::corrupt("column 9 of the #CHROM line must be FORMAT").text(other.as_bytes()));
        }
    }
    let samples: Vec<_> = fields.map(str::to_owned).collect();
    if samples.is_empty() {
        return Err(Error::corrupt("the #CHROM line has FORMAT but no sample").text(line.as_bytes()));
    }
    let mut seen = HashSet::new();
    for (i, sample) in samples.iter().enumerate() {
        if sample.is_empty() || sample.contains('\0') {
            let why = format!("the name of sample {} is empty or has a NUL byte: a tab at the line's end?", i + 1);
            return Err(Error::corrupt(why).field("#CHROM"));
        }
        if !seen.insert(sample) {
            return Err(Error::corrupt("two samples have the same name").field("#CHROM").text(sample.as_bytes()));
        }
    }
    Ok(samples)
}
