//! The one error type of the crate: what is wrong, where, and what to do about it.

use std::fmt;

use crate::bgzf::VirtualOffset;

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that says where it happened: object, offset, record, field and the offending text.
///
/// Ask it questions ([`Error::is_not_found`], [`Error::is_corrupt`] …) instead of matching variants.
///
/// ```
/// use genomicframe_core::Error;
///
/// let e = Error::corrupt("position is not a number").in_object("a.vcf").on_line(7).field("POS").text(b"12x");
/// assert!(e.is_corrupt());
/// assert_eq!(e.to_string(), "a.vcf: line 7: POS: position is not a number: \"12x\"");
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    object: Option<String>,
    offset: Option<Offset>,
    line: Option<u64>,
    record: Option<u64>,
    field: Option<String>,
    text: Option<String>,
    hint: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    NotFound,
    Denied,
    Corrupt,
    Unsupported,
    Invalid,
    Limit,
    Io,
}

/// A place in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offset {
    /// A byte of the stored object (of the inflated text for plain gzip).
    Byte(u64),
    /// A byte of a BGZF file's inflated data (SAMv1 §4.1.1).
    Virtual(VirtualOffset),
}

impl Offset {
    /// The offset of the byte `n` bytes further on in the same piece of data.
    ///
    /// A virtual offset is only meaningful within its block, so the sum is capped at the block's last byte.
    pub fn plus(self, n: u64) -> Self {
        match self {
            Self::Byte(b) => Self::Byte(b.saturating_add(n)),
            Self::Virtual(v) => {
                let within = u64::from(v.within()).saturating_add(n).min(u64::from(u16::MAX));
                Self::Virtual(VirtualOffset::new(v.compressed(), within as u16))
            }
        }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte(b) => write!(f, "byte {b}"),
            Self::Virtual(v) => write!(f, "virtual offset {v}"),
        }
    }
}

/// Longest piece of offending text that a message repeats.
const CLIP: usize = 60;

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            object: None,
            offset: None,
            line: None,
            record: None,
            field: None,
            text: None,
            hint: None,
            source: None,
        }))
    }

    /// The object does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The storage refuses access: no credentials, wrong ones, or too few rights.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Kind::Denied, message)
    }

    /// The bytes break their format's specification, or are cut short.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }

    /// Valid, but not something this version reads.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// The caller asked for something that makes no sense (a region string, an option, a column).
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// A configured limit was reached before memory was allocated.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }

    /// The storage failed.
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(Kind::Io, message)
    }

    /// Names the object, unless an inner layer already did.
    pub fn in_object(mut self, object: impl fmt::Display) -> Self {
        self.0.object.get_or_insert_with(|| object.to_string());
        self
    }

    /// Of an object that an inner layer named within a folder or prefix, gives the whole name; else names the folder.
    pub fn below(mut self, folder: impl fmt::Display) -> Self {
        let folder = folder.to_string();
        self.0.object = Some(match self.0.object.take() {
            Some(object) => format!("{}/{object}", folder.trim_end_matches('/')),
            None => folder,
        });
        self
    }

    /// Names the offset, unless an inner layer already did.
    pub fn at(mut self, offset: Offset) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// Names the 1-based line, unless an inner layer already did.
    pub fn on_line(mut self, line: u64) -> Self {
        self.0.line.get_or_insert(line);
        self
    }

    /// Names the 1-based record, unless an inner layer already did.
    pub fn in_record(mut self, record: u64) -> Self {
        self.0.record.get_or_insert(record);
        self
    }

    /// Names the field, unless an inner layer already did.
    pub fn field(mut self, field: impl fmt::Display) -> Self {
        self.0.field.get_or_insert_with(|| field.to_string());
        self
    }

    /// Repeats the offending bytes, clipped and with control characters escaped.
    pub fn text(mut self, text: &[u8]) -> Self {
        let clipped = &text[..text.len().min(CLIP)];
        let mut shown = String::from_utf8_lossy(clipped).escape_debug().to_string();
        if clipped.len() < text.len() {
            shown.push('…');
        }
        self.0.text.get_or_insert(shown);
        self
    }

    /// Says what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// Keeps the cause.
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The object it happened in.
    ///
    /// ```
    /// use genomicframe_core::Error;
    ///
    /// let e = Error::corrupt("not a number").in_object("a.vcf").on_line(7).field("QUAL").text(b"high");
    /// assert_eq!((e.object(), e.line(), e.field_name()), (Some("a.vcf"), Some(7), Some("QUAL")));
    /// assert_eq!((e.reason(), e.offending_text()), ("not a number", Some("high")));
    /// ```
    pub fn object(&self) -> Option<&str> {
        self.0.object.as_deref()
    }

    /// The 1-based line, of text.
    pub fn line(&self) -> Option<u64> {
        self.0.line
    }

    /// Where in the object.
    pub fn offset(&self) -> Option<Offset> {
        self.0.offset
    }

    /// The 1-based record, where those before it were counted.
    pub fn record(&self) -> Option<u64> {
        self.0.record
    }

    /// The field.
    pub fn field_name(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The offending bytes, clipped and escaped.
    pub fn offending_text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// What is wrong, without where.
    pub fn reason(&self) -> &str {
        &self.0.message
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.kind == Kind::NotFound
    }

    /// Whether the storage refused access.
    ///
    /// ```
    /// use genomicframe_core::Error;
    ///
    /// assert!(Error::denied("access denied").in_object("s3://lab/x.bam").is_denied());
    /// ```
    pub fn is_denied(&self) -> bool {
        self.0.kind == Kind::Denied
    }

    /// Whether the bytes are malformed or cut short.
    pub fn is_corrupt(&self) -> bool {
        self.0.kind == Kind::Corrupt
    }

    /// Whether this version cannot read or do what was asked.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == Kind::Unsupported
    }

    /// Whether the request itself was wrong.
    pub fn is_invalid(&self) -> bool {
        self.0.kind == Kind::Invalid
    }

    /// Whether a configured limit was reached.
    pub fn is_limit(&self) -> bool {
        self.0.kind == Kind::Limit
    }

    /// Whether the storage failed.
    pub fn is_io(&self) -> bool {
        self.0.kind == Kind::Io
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &self.0;
        if let Some(object) = &e.object {
            write!(f, "{object}: ")?;
        }
        if let Some(line) = e.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(offset) = e.offset {
            write!(f, "{offset}: ")?;
        }
        if let Some(record) = e.record {
            write!(f, "record {record}: ")?;
        }
        if let Some(field) = &e.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}", e.message)?;
        if let Some(text) = &e.text {
            write!(f, ": \"{text}\"")?;
        }
        if let Some(source) = &e.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &e.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(e: arrow::error::ArrowError) -> Self {
        Self::io("building an Arrow batch failed").caused_by(e)
    }
}
