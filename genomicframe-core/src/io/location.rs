//! Names of objects.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, Result};

/// A local path or a URL. Shown without credentials: user info, query and fragment are left out.
///
/// ```
/// use genomicframe_core::io::Location;
///
/// let url = Location::parse("s3://lab/NA12878.bam").unwrap();
/// assert_eq!(url.with_suffix(".bai").to_string(), "s3://lab/NA12878.bam.bai");
/// let signed = Location::parse("https://key:secret@host/x.bam?sig=abc").unwrap();
/// assert_eq!(signed.to_string(), "https://host/x.bam");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    /// A path of this machine.
    Local(PathBuf),
    /// An object of a store, or of memory (`memory:///name`).
    Url(Url),
}

impl Location {
    /// A URL when it has a scheme (`file://` becomes a path), else a local path.
    ///
    /// # Errors
    /// When the text is empty, has a NUL, or is no valid URL.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() || text.contains('\0') {
            return Err(Error::invalid("a location is empty or has a NUL byte"));
        }
        if !text.contains("://") {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|e| Error::invalid("malformed URL").caused_by(e))?;
        if url.scheme() == "file" {
            let path =
                url.to_file_path().map_err(|()| Error::invalid("a file URL must name an absolute local path"))?;
            return Ok(Self::Local(path));
        }
        Ok(Self::Url(url))
    }

    /// The same name with `suffix` added to its path: `x.bam` → `x.bam.bai`.
    pub fn with_suffix(&self, suffix: &str) -> Self {
        match self {
            Self::Local(path) => {
                let mut name = path.clone().into_os_string();
                name.push(suffix);
                Self::Local(name.into())
            }
            Self::Url(url) => {
                let mut url = url.clone();
                let path = format!("{}{suffix}", url.path());
                url.set_path(&path);
                Self::Url(url)
            }
        }
    }

    /// The same name with its last extension replaced: `x.bam` → `x.bai`. `None` when it has no extension.
    pub fn with_extension(&self, extension: &str) -> Option<Self> {
        match self {
            Self::Local(path) => path.extension().map(|_| Self::Local(path.with_extension(extension))),
            Self::Url(url) => {
                let stem = Path::new(url.path());
                stem.extension()?;
                let path = stem.with_extension(extension).to_str()?.to_owned();
                let mut url = url.clone();
                url.set_path(&path);
                Some(Self::Url(url))
            }
        }
    }

    /// An object below this folder or prefix, by its key: parts separated by `/`.
    ///
    /// ```
    /// use genomicframe_core::io::Location;
    ///
    /// let dataset = Location::parse("s3://lab/x.bams3/").unwrap();
    /// assert_eq!(dataset.join("data/HLA%2A01/1.chunk").to_string(), "s3://lab/x.bams3/data/HLA%252A01/1.chunk");
    /// ```
    pub fn join(&self, key: &str) -> Self {
        match self {
            Self::Local(path) => Self::Local(key.split('/').fold(path.clone(), |p, part| p.join(part))),
            Self::Url(url) => {
                let mut url = url.clone();
                // The key is what the store calls the object: its own percent signs are characters like all others.
                if let Ok(mut parts) = url.path_segments_mut() {
                    parts.pop_if_empty().extend(key.split('/'));
                }
                Self::Url(url)
            }
        }
    }

    /// The last part of the path.
    pub fn file_name(&self) -> &str {
        match self {
            Self::Local(path) => path.file_name().and_then(|n| n.to_str()).unwrap_or_default(),
            Self::Url(url) => url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default(),
        }
    }

    /// The path without scheme and host, with `/` between its parts.
    pub fn path(&self) -> String {
        match self {
            Self::Local(path) => path.to_string_lossy().into_owned(),
            Self::Url(url) => url.path().to_owned(),
        }
    }
}

impl TryFrom<String> for Location {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::parse(&text)
    }
}

impl From<Location> for String {
    /// Whole, with everything that is needed to open it: for another worker, not for people.
    fn from(location: Location) -> Self {
        match location {
            Location::Local(path) => path.to_string_lossy().into_owned(),
            Location::Url(url) => url.into(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => path.display().fmt(f),
            Self::Url(url) => {
                let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
                write!(f, "{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
            }
        }
    }
}

/// As [`fmt::Display`], so that a debug print cannot leak a signature either.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
