//! The header (SAMv1 §1.3): lines that begin with `@`, before the first record.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use crate::scan::{Head, Limits};
use crate::text::fields::utf8;
use crate::text::lines::{BOM, RETURNS, check_encoding, trim_end};

/// A SAM header; it may have no lines at all.
#[derive(Debug, Clone, Default)]
pub struct SamHeader {
    /// Its lines as written, each ended by one `\n`.
    pub text: String,
    /// The contigs of its `@SQ` lines, in their order.
    pub contigs: Arc<Contigs>,
    /// How many lines it has.
    pub(super) lines: u64,
    /// Its length in inflated bytes, a byte order mark included.
    pub(super) len: usize,
}

impl SamHeader {
    /// Reads header lines, all of `text`.
    ///
    /// # Errors
    /// When a line is none of a header; when an `@SQ` line lacks its name or length or names a contig again.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self> {
        let mut out = Self { len: text.len(), ..Self::default() };
        let mut contigs = Contigs::default();
        for line in text.split_inclusive(|b| *b == b'\n') {
            out.lines += 1;
            let line = header_line(trim_end(line), &mut contigs, limits).map_err(|e| e.on_line(out.lines))?;
            out.text.push_str(line);
            out.text.push('\n');
        }
        out.contigs = Arc::new(contigs);
        Ok(out)
    }

    /// Reads it from the beginning of a file.
    pub(super) async fn read(head: &mut Head<'_>, limits: &Limits) -> Result<Self> {
        head.at_least(8).await?;
        if matches!(head.bytes(), b"" | BOM) {
            return Err(Error::corrupt("the file is empty: no SAM header and no record"));
        }
        check_encoding(head.bytes())?;
        for (magic, name) in [(&b"BAM\x01"[..], "BAM"), (b"CRAM", "CRAM")] {
            if head.bytes().starts_with(magic) {
                return Err(Error::unsupported(format!("the file is {name}, not SAM")));
            }
        }
        let start = if head.bytes().starts_with(BOM) { BOM.len() } else { 0 };
        let mut at = start;
        loop {
            let mut searched = at;
            let end = loop {
                if head.bytes().get(at).is_some_and(|b| *b != b'@') {
                    break None;
                }
                if let Some(end) = memchr::memchr(b'\n', &head.bytes()[searched..]) {
                    break Some(searched + end + 1);
                }
                searched = head.bytes().len();
                if !head.more().await? {
                    break (searched > at).then_some(searched);
                }
            };
            match end {
                Some(end) => at = end,
                None => break,
            }
        }
        let header = Self::parse(&head.bytes()[start..at], limits)?;
        Ok(Self { len: at, ..header })
    }
}

/// Checks a line and adds its contig, if it has one.
fn header_line<'a>(line: &'a [u8], contigs: &mut Contigs, limits: &Limits) -> Result<&'a str> {
    let [b'@', a, b, rest @ ..] = line else { return Err(no_header_line(line)) };
    if !(a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && matches!(rest.first(), None | Some(b'\t'))) {
        return Err(no_header_line(line));
    }
    if memchr::memchr(b'\r', line).is_some() {
        return Err(Error::corrupt("a carriage return within a line").field("header").text(line).hint(RETURNS));
    }
    let text = utf8(line, "header")?;
    let kind = [*a, *b];
    if matches!(&kind, b"HD" | b"SQ" | b"RG" | b"PG") {
        check_fields(&text[3..]).map_err(|e| e.field(format!("@{}", &text[1..3])).text(line))?;
    }
    if matches!(&kind, b"RG" | b"PG") && !text.split('\t').any(|field| field.len() > 3 && field.starts_with("ID:")) {
        return Err(Error::corrupt("a line without ID").field(&text[..3]).text(line));
    }
    if kind != *b"SQ" {
        return Ok(text);
    }
    let value = |key: &str| text.split('\t').find_map(|field| field.strip_prefix(key)).filter(|v| !v.is_empty());
    let missing = |key: &str| Error::corrupt(format!("an @SQ line without {key}")).field("@SQ").text(line);
    let name = value("SN:").ok_or_else(|| missing("SN"))?;
    let written = value("LN:").ok_or_else(|| missing("LN"))?;
    let length = written.parse().ok().filter(|n| *n > 0 && i64::try_from(*n).is_ok());
    let Some(length) = length else {
        return Err(Error::corrupt("not a contig's length").field("LN").text(written.as_bytes()));
    };
    if matches!(name, "*" | "=") {
        return Err(Error::corrupt("not a contig's name").field("SN").text(name.as_bytes()));
    }
    if contigs.get(name).is_some() {
        return Err(Error::corrupt("a second @SQ line for this contig").field("SN").text(name.as_bytes()));
    }
    if contigs.len() >= limits.contigs {
        return Err(Error::limit(format!("the header has more than {} contigs", limits.contigs)));
    }
    contigs.push(Contig { name: name.to_owned(), length: Some(length) });
    Ok(text)
}

/// No key may stand twice in a line, for readers differ in which of the values counts.
fn check_fields(fields: &str) -> Result<()> {
    let key = |field: &&str| field.split_once(':').map(|(key, _)| key.to_owned());
    let mut keys: Vec<String> = fields.split('\t').filter_map(|field| key(&field)).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(Error::corrupt(format!("the key {} stands twice in a line", twice[0]))),
        None => Ok(()),
    }
}

fn no_header_line(line: &[u8]) -> Error {
    Error::corrupt("not a header line: it begins with '@' but not with @XX and a tab").text(line)
}

/// Whether `head` begins with a header line. A FASTQ record's second line has no tab, as SAM's lines all have.
pub(super) fn sniff(head: &[u8]) -> bool {
    let head = head.strip_prefix(BOM).unwrap_or(head);
    let begins = match head {
        [b'@', b'C', b'O', b'\t', ..] => true,
        [b'@', a, b, b'\t', key @ ..] if matches!(&[*a, *b], b"HD" | b"SQ" | b"RG" | b"PG") => {
            matches!(key, [c, d, b':', ..] if c.is_ascii_alphabetic() && d.is_ascii_alphanumeric())
        }
        _ => false,
    };
    let mut lines = head.split(|b| *b == b'\n').skip(1);
    let second = lines.next().filter(|_| lines.next().is_some());
    begins && second.is_none_or(|line| line.is_empty() || memchr::memchr(b'\t', line).is_some())
}
