//! What a caller may say about how a file is opened.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::io::Location;

/// Options of `Format::open`; [`Default`] is right for most files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct OpenOptions {
    /// Keys whose columns are wanted although neither the header nor the first records have them: `tag_xy`, `info_xy`,
    /// `format_xy` and `attr_xy`, by column name.
    pub columns: Vec<String>,
    /// Which index to use.
    pub index: IndexChoice,
    /// Read a BGZF file that lacks its end-of-file block, with a warning. By default that is an error.
    pub allow_missing_eof: bool,
    /// What becomes of a malformed record.
    pub on_error: OnError,
    /// Only these samples of a multi-sample VCF, in this order.
    pub samples: Option<Vec<String>>,
    /// Bounds on what a file may claim.
    pub limits: Limits,
}

/// What becomes of a record with a malformed field.
///
/// A record is looked at only as far as a query needs: of fields that no column or condition reads nothing is told. What
/// leaves unknown where the next record begins (a broken block, a file cut short, a binary record's impossible length) is an
/// error whatever this says, for else rows would be lost uncounted.
///
/// ```
/// use genomicframe_core::scan::OnError;
///
/// assert_eq!("skip".parse::<OnError>().unwrap(), OnError::Skip);
/// assert!("ignore".parse::<OnError>().unwrap_err().is_invalid());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// The scan fails, and says where.
    #[default]
    Fail,
    /// The record is left out, counted and told ([`BadRecords`](super::BadRecords)).
    Skip,
    /// The field is null, counted and told; a record that cannot be taken apart into fields is left out.
    Null,
}

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Null => "null",
        })
    }
}

impl FromStr for OnError {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Fail, Self::Skip, Self::Null]
            .into_iter()
            .find(|choice| choice.to_string() == text)
            .ok_or_else(|| Error::invalid(format!("on_error is fail, skip or null, not {text}")))
    }
}

/// Which index a scan uses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum IndexChoice {
    /// The one beside the data, under any of its usual names.
    #[default]
    Auto,
    /// None: every scan reads the whole file.
    Ignore,
    /// This one; it must be there.
    At(Location),
}

/// Bounds that turn a hostile length into an error instead of an allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Longest header, in bytes.
    pub header_bytes: usize,
    /// Longest line or record, in bytes.
    pub record_bytes: usize,
    /// Most contigs in a header.
    pub contigs: usize,
    /// Most keys in a VCF line's FORMAT.
    pub format_keys: usize,
    /// Records read to find out which tags or attributes a file has.
    pub sampled_records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 20,
            record_bytes: 64 << 20,
            contigs: 10_000_000,
            format_keys: 1000,
            sampled_records: 1000,
        }
    }
}
