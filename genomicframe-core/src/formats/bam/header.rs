//! The header (SAMv1 §4.2.1): text, then the contig dictionary that record fields refer to.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::genome::{Contig, Contigs};
use crate::scan::{Head, Limits};

pub(super) const MAGIC: &[u8] = b"BAM\x01";

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
        let mut reader = Reader { head, at: 0, field: 0 };
        match Self::parse(&mut reader, limits).await {
            Ok(header) => Ok(header),
            Err(e) => Err(e.at(reader.head.offset(reader.field))),
        }
    }

    async fn parse(reader: &mut Reader<'_, '_>, limits: &Limits) -> Result<Self> {
        if !reader.head.at_least(1).await? {
            return Err(Error::corrupt("no BAM header: the file holds no data"));
        }
        let magic = reader.take(4, "magic").await?;
        if magic != MAGIC {
            let text = magic.to_vec();
            return Err(Error::corrupt("not a BAM file").field("magic").text(&text));
        }
        let l_text = reader.length("l_text", 0, limits.header_bytes).await?;
        let text = reader.take(l_text, "text").await?;
        // Some writers pad the text with NULs.
        let text = text.iter().position(|b| *b == 0).map_or(text, |nul| &text[..nul]);
        let text = std::str::from_utf8(text)
            .map_err(|e| Error::corrupt("the header text is not UTF-8").field("text").caused_by(e))?
            .to_owned();
        let n_ref = reader.length("n_ref", 0, limits.contigs).await?;
        let mut contigs = Contigs::default();
        for id in 0..n_ref {
            let field = |name: &str| format!("{name} of contig {id}");
            let l_name = reader.length(&field("l_name"), 1, limits.header_bytes).await?;
            let name = match reader.take(l_name, &field("name")).await?.split_last() {
                Some((0, name)) if !name.is_empty() && !name.contains(&0) => name,
                _ => {
                    return Err(Error::corrupt(
                        "a contig's name must be NUL-terminated, not empty and without another NUL",
                    )
                    .field(field("name")));
                }
            };
            let name = std::str::from_utf8(name)
                .map_err(|e| Error::corrupt("a contig's name is not UTF-8").field(field("name")).caused_by(e))?
                .to_owned();
            let length = reader.length(&field("l_ref"), 0, usize::MAX).await? as u64;
            // Which of the two a region means cannot be told.
            if contigs.get(&name).is_some() {
                return Err(Error::corrupt(format!("contig {name} is in the dictionary twice")).field(field("name")));
            }
            contigs.push(Contig { name, length: Some(length) });
        }
        let mut header = Self { warnings: Vec::new(), len: reader.at, text, contigs: Arc::new(contigs) };
        if header.text_differs() {
            let what = "the header's @SQ lines and the contig dictionary differ; the dictionary is used";
            header.warnings.push(what.into());
        }
        Ok(header)
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

struct Reader<'a, 'io> {
    head: &'a mut Head<'io>,
    at: usize,
    /// Where the last field began.
    field: usize,
}

impl Reader<'_, '_> {
    async fn take(&mut self, n: usize, field: &str) -> Result<&[u8]> {
        let (start, end) = (self.at, self.at + n);
        self.field = start;
        if !self.head.at_least(end).await? {
            return Err(Error::corrupt("the BAM header is cut short").field(field));
        }
        self.at = end;
        Ok(&self.head.bytes()[start..end])
    }

    /// A length, checked before anything is read or allocated for it.
    async fn length(&mut self, field: &str, least: i64, most: usize) -> Result<usize> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4, field).await?);
        let n = i64::from(i32::from_le_bytes(bytes));
        if n < least {
            return Err(Error::corrupt(format!("{n} is not a possible length")).field(field));
        }
        match usize::try_from(n) {
            Ok(n) if n <= most => Ok(n),
            _ => Err(Error::limit(format!("{n} is beyond the limit of {most}")).field(field)),
        }
    }
}
