//! The one error type of the crate.

use std::fmt;
use std::io;
use std::sync::Arc;

use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;

/// `Result` with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong: in a file ([`genomicframe_core::Error`], which says where), or in a query.
///
/// ```
/// use genomicframe::GenomicFrame;
///
/// let e = GenomicFrame::scan("no/such/file.bam").unwrap_err();
/// assert!(e.is_not_found());
/// assert_eq!(e.to_string(), "no/such/file.bam: no such file");
/// ```
#[derive(Debug, Clone)]
pub struct Error(Arc<Inner>);

#[derive(Debug)]
enum Inner {
    Core(genomicframe_core::Error),
    Query(DataFusionError),
}

impl Error {
    /// The request itself is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        genomicframe_core::Error::invalid(message).into()
    }

    /// The error of the file, where a file is to blame.
    pub fn core(&self) -> Option<&genomicframe_core::Error> {
        match &*self.0 {
            Inner::Core(e) => Some(e),
            Inner::Query(e) => find_core(e),
        }
    }

    /// Whether a file does not exist.
    pub fn is_not_found(&self) -> bool {
        self.core().is_some_and(genomicframe_core::Error::is_not_found)
    }

    /// Whether a storage refused access: no credentials, wrong ones, or too few rights.
    pub fn is_denied(&self) -> bool {
        self.core().is_some_and(genomicframe_core::Error::is_denied)
    }

    /// Whether a file is malformed or cut short.
    pub fn is_corrupt(&self) -> bool {
        self.core().is_some_and(genomicframe_core::Error::is_corrupt)
    }

    /// Whether this version cannot read or do what was asked.
    pub fn is_unsupported(&self) -> bool {
        self.core().is_some_and(genomicframe_core::Error::is_unsupported)
            || matches!(&*self.0, Inner::Query(e) if matches!(e.find_root(), DataFusionError::NotImplemented(_)))
    }

    /// Whether the query is wrong: its text, a column's name, a type.
    pub fn is_invalid(&self) -> bool {
        match &*self.0 {
            Inner::Core(e) => e.is_invalid(),
            Inner::Query(e) => matches!(
                e.find_root(),
                DataFusionError::SQL(..) | DataFusionError::Plan(_) | DataFusionError::SchemaError(..)
            ),
        }
    }

    /// Whether the query's text is no SQL.
    pub fn is_syntax(&self) -> bool {
        matches!(&*self.0, Inner::Query(e) if matches!(e.find_root(), DataFusionError::SQL(..)))
    }

    /// Whether the memory limit was reached.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(&*self.0, Inner::Query(e) if matches!(e.find_root(), DataFusionError::ResourcesExhausted(_)))
    }
}

/// Looks for a file's error below DataFusion's wrappers.
fn find_core(e: &DataFusionError) -> Option<&genomicframe_core::Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(e);
    while let Some(e) = source {
        if let Some(core) = e.downcast_ref::<genomicframe_core::Error>() {
            return Some(core);
        }
        if let Some(shared) = e.downcast_ref::<Error>() {
            return shared.core();
        }
        if let Some(DataFusionError::External(inner)) = e.downcast_ref::<DataFusionError>() {
            if let Some(core) = inner.downcast_ref::<genomicframe_core::Error>() {
                return Some(core);
            }
            if let Some(shared) = inner.downcast_ref::<Error>() {
                return shared.core();
            }
        }
        source = e.source();
    }
    None
}

/// A mistake in a query without the names of the planning stages that passed it on, which say nothing to its author.
fn without_stage(e: &DataFusionError) -> &DataFusionError {
    match (e, e.find_root()) {
        (DataFusionError::Context(_, inner), DataFusionError::Plan(_) | DataFusionError::SchemaError(..)) => {
            without_stage(inner)
        }
        _ => e,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.0, self.core()) {
            // A file's error says it all; DataFusion's wrappers around it add nothing.
            (_, Some(core)) => core.fmt(f),
            (Inner::Query(e), None) => f.write_str(&without_stage(e).strip_backtrace()),
            (Inner::Core(e), None) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Inner::Core(e) => e.source(),
            Inner::Query(e) => Some(e),
        }
    }
}

impl From<genomicframe_core::Error> for Error {
    fn from(e: genomicframe_core::Error) -> Self {
        Self(Arc::new(Inner::Core(e)))
    }
}

impl From<DataFusionError> for Error {
    fn from(e: DataFusionError) -> Self {
        if let Some(cause) = full_disk(&e) {
            // What a query writes outside of its output are the rows that it cannot hold. DataFusion does not say where.
            let e = genomicframe_core::Error::io("the query needs temporary space there, and it cannot be written");
            let e = e.in_object(std::env::temp_dir().display()).caused_by(cause);
            return e.hint("TMPDIR names another folder; with a higher memory limit less is written").into();
        }
        Self(Arc::new(Inner::Query(e)))
    }
}

/// That there was no room for a file which a query spilled to.
fn full_disk(e: &DataFusionError) -> Option<io::Error> {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let cause = storage_cause(e)?;
    let is_full = matches!(cause.kind(), StorageFull | QuotaExceeded | FileTooLarge | ReadOnlyFilesystem);
    is_full.then(|| cause.raw_os_error().map_or_else(|| cause.kind().into(), io::Error::from_raw_os_error))
}

/// What the system said, below the errors that Arrow and DataFusion wrap around each other's.
fn storage_cause(e: &DataFusionError) -> Option<&io::Error> {
    let cause = match e.find_root() {
        DataFusionError::IoError(e) => e,
        DataFusionError::ArrowError(e, _) => match &**e {
            ArrowError::IoError(_, e) => e,
            _ => return None,
        },
        _ => return None,
    };
    match cause.get_ref().and_then(|inner| inner.downcast_ref::<DataFusionError>()) {
        Some(inner) => storage_cause(inner),
        None => Some(cause),
    }
}

impl From<ArrowError> for Error {
    fn from(e: ArrowError) -> Self {
        DataFusionError::from(e).into()
    }
}

/// A core error as DataFusion passes it on.
pub(crate) fn outer(e: genomicframe_core::Error) -> DataFusionError {
    DataFusionError::External(Box::new(e))
}

impl From<Error> for DataFusionError {
    fn from(e: Error) -> Self {
        match Arc::try_unwrap(e.0) {
            Ok(Inner::Core(e)) => outer(e),
            Ok(Inner::Query(e)) => e,
            Err(shared) => Self::External(Box::new(Error(shared))),
        }
    }
}
