//! What validation found.

use std::fmt;

use genomicframe_core::Error;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is wrong, but worth knowing.
    Note,
    /// The dataset is damaged, or says what is not so.
    Error,
}

/// Something that validation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The object.
    pub object: String,
    /// What is wrong, and where in the object.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Note => "note",
            Severity::Error => "error",
        };
        write!(f, "{severity}: {}: {}", self.object, self.what)
    }
}

/// What validation found, and how much it looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order they were found.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub more: u64,
    /// Errors among all of them.
    pub errors: u64,
    /// Objects read.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records decoded.
    pub records: u64,
    /// Records found to be those of the original, where one was given.
    pub equal: Option<u64>,
}

/// A line per finding, then one for the whole.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.findings.iter().try_for_each(|finding| writeln!(f, "{finding}"))?;
        if self.more > 0 {
            writeln!(f, "and {} more", self.more)?;
        }
        let verdict = if self.is_sound() { "sound" } else { "damaged" };
        write!(f, "{verdict}: {} records in {} objects of {} bytes, ", self.records, self.objects, self.bytes)?;
        writeln!(f, "{} errors", self.errors)?;
        match self.equal {
            Some(equal) => writeln!(f, "{equal} records are those of the original"),
            None => Ok(()),
        }
    }
}

impl Report {
    /// Findings that are kept: a dataset that is wrong all over need not fill memory.
    pub const MOST_FINDINGS: usize = 1000;

    /// Whether there is no error.
    pub fn is_sound(&self) -> bool {
        self.errors == 0
    }

    /// The first error.
    pub fn first_error(&self) -> Option<&Finding> {
        self.findings.iter().find(|f| f.severity == Severity::Error)
    }

    pub(super) fn error(&mut self, object: impl fmt::Display, e: Error) {
        self.errors += 1;
        // The object is named once.
        let object = object.to_string();
        let text = e.to_string();
        let what = text.strip_prefix(&object).and_then(|t| t.strip_prefix(": ")).unwrap_or(&text).to_owned();
        self.add(Finding { severity: Severity::Error, object, what });
    }

    /// An error in a row group.
    pub(super) fn error_in(&mut self, object: impl fmt::Display, group: usize, e: &Error) {
        self.errors += 1;
        let what = format!("row group {group}: {e}");
        self.add(Finding { severity: Severity::Error, object: object.to_string(), what });
    }

    pub(super) fn note(&mut self, object: impl fmt::Display, what: impl Into<String>) {
        self.add(Finding { severity: Severity::Note, object: object.to_string(), what: what.into() });
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < Self::MOST_FINDINGS { self.findings.push(finding) } else { self.more += 1 }
    }
}
