//! Names of objects.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
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
/// // What follows the bucket is the key as the store has it, not a URL's path.
/// assert_eq!(Location::parse("s3://lab/run#1/50%.bam").unwrap().to_string(), "s3://lab/run#1/50%.bam");
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
    /// A URL when it has a scheme (`file://` becomes a path), else a local path. In URLs of object stores (`s3://`, `gs://`,
    /// `az://`, `abfs://`) what follows the bucket is the key, character for character; `?name=value` ends it.
    ///
    /// # Errors
    /// When the text is empty, has a NUL, is no valid URL, or its key has a part that stores do not keep (`.`, `..`).
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() || text.contains('\0') {
            return Err(Error::invalid("a location is empty or has a NUL byte"));
        }
        if !text.contains("://") {
            return Ok(Self::Local(PathBuf::from(text)));
        }
        if let Some((scheme, rest)) = text.split_once("://")
            && let scheme = scheme.to_ascii_lowercase()
            && has_keys(&scheme)
        {
            return Ok(Self::Url(object_url(&scheme, rest).map_err(|e| e.in_object(Self::shown(text)))?));
        }
        let malformed = |e| Error::invalid("malformed URL").in_object(Self::shown(text)).caused_by(e);
        let url = Url::parse(text).map_err(malformed)?;
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
    /// assert_eq!(dataset.join("data/HLA%2A01/1.chunk").to_string(), "s3://lab/x.bams3/data/HLA%2A01/1.chunk");
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

    /// The same name without `/` at its end.
    ///
    /// ```
    /// use genomicframe_core::io::Location;
    ///
    /// assert_eq!(Location::parse("s3://lab/x.bams3/")?.trimmed(), Location::parse("s3://lab/x.bams3")?);
    /// # Ok::<(), genomicframe_core::Error>(())
    /// ```
    pub fn trimmed(&self) -> Self {
        match self {
            Self::Local(path) => match path.to_str().map(|text| text.trim_end_matches('/')) {
                None | Some("") => self.clone(),
                Some(trimmed) => Self::Local(trimmed.into()),
            },
            Self::Url(url) => {
                let mut url = url.clone();
                let path = url.path().trim_end_matches('/').to_owned();
                url.set_path(&path);
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

    /// The path without scheme and host, with `/` between its parts; of an object its key.
    pub fn path(&self) -> String {
        match self {
            Self::Local(path) => path.to_string_lossy().into_owned(),
            Self::Url(url) => percent_decode_str(url.path()).decode_utf8_lossy().into_owned(),
        }
    }

    /// Whether it is neither a file of this machine nor an object in memory.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Url(url) if url.scheme() != "memory")
    }

    /// Whether an HTTP server has it, which knows it by its whole URL, query included.
    pub fn is_http(&self) -> bool {
        matches!(self, Self::Url(url) if matches!(url.scheme(), "http" | "https"))
    }

    /// What people may be shown of a path or URL that somebody gave: as [`fmt::Display`], for a glob too.
    ///
    /// ```
    /// use genomicframe_core::io::Location;
    ///
    /// assert_eq!(Location::shown("https://me:secret@host/*.bam?sig=abc"), "https://host/*.bam");
    /// assert_eq!(Location::shown("s3://lab/x?.bam"), "s3://lab/x?.bam");
    /// ```
    pub fn shown(text: &str) -> String {
        let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
        let behind_host = |rest: &str| rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // A password with a slash is no URL's, but a password.
        let port = rest[..behind_host(rest)].split_once(':').map_or("", |(_, port)| port);
        let is_cut = !port.contains('@') && !port.bytes().all(|b| b.is_ascii_digit());
        let rest = rest.rsplit_once('@').filter(|_| is_cut).map_or(rest, |(_, rest)| rest);
        let (host, path) = rest.split_at(behind_host(rest));
        let end = if has_keys(scheme) {
            // In a glob it stands for a character, unless a query follows.
            path.find('?').filter(|at| path[*at..].contains('='))
        } else {
            path.find(['?', '#'])
        };
        let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
        let container = user.split(':').next().filter(|c| has_containers(scheme) && !c.is_empty());
        let container = container.map(|c| format!("{c}@")).unwrap_or_default();
        format!("{scheme}://{container}{host}{}", &path[..end.unwrap_or(path.len())])
    }
}

/// Whether URLs of this scheme are a bucket and a key, which is no path of a URL.
fn has_keys(scheme: &str) -> bool {
    matches!(scheme, "s3" | "s3a" | "gs") || has_containers(scheme)
}

/// Whether the user of these URLs is a container: `abfss://container@account.dfs.core.windows.net/key`.
fn has_containers(scheme: &str) -> bool {
    matches!(scheme, "az" | "azure" | "adl" | "abfs" | "abfss")
}

/// The URL of an object by its key, which has no characters that mean more than themselves.
fn object_url(scheme: &str, rest: &str) -> Result<Url> {
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) if query.contains('=') => (rest, Some(query)),
        _ => (rest, None),
    };
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Error::invalid(format!("a {scheme}:// URL begins with a bucket or container")));
    }
    if key.contains(char::is_control) || key.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(Error::invalid("no key of an object: it has a control character, or a part that is . or .."));
    }
    let malformed = |e: url::ParseError| Error::invalid("malformed URL").caused_by(e);
    let mut url = Url::parse(&format!("{scheme}://{bucket}/")).map_err(malformed)?;
    if let Ok(mut parts) = url.path_segments_mut()
        && !key.is_empty()
    {
        parts.extend(key.split('/'));
    }
    url.set_query(query);
    Ok(url)
}

impl TryFrom<String> for Location {
    type Error = Error;

    /// What [`String::from`] wrote, whose keys are encoded already.
    fn try_from(text: String) -> Result<Self> {
        match Url::parse(&text) {
            Ok(url) if has_keys(url.scheme()) => Ok(Self::Url(url)),
            _ => Self::parse(&text),
        }
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
                let (scheme, host) = (url.scheme(), url.host_str().unwrap_or_default());
                write!(f, "{scheme}://")?;
                if has_containers(scheme) && !url.username().is_empty() {
                    write!(f, "{}@", url.username())?;
                }
                write!(f, "{host}")?;
                if let Some(port) = url.port() {
                    write!(f, ":{port}")?;
                }
                // As people know it, and may give it again.
                if has_keys(scheme) { f.write_str(&self.path()) } else { f.write_str(url.path()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_as_they_are() {
        for text in [
            "s3://lab/a b.bam",
            "s3://lab/50%25.bam",
            "s3://lab/run#1/x[2].bam",
            "gs://lab/ü~é?.vcf",
            "abfss://c@account.dfs.core.windows.net/x+y.bam",
            "s3://lab/folder/",
            "s3://lab/",
        ] {
            let at = Location::parse(text).unwrap();
            assert_eq!(at.to_string(), text);
            let (_, rest) = text.split_once("://").unwrap();
            assert_eq!(at.path(), rest[rest.find('/').unwrap()..]);
            // As a worker gets it.
            let again = Location::try_from(String::from(at.clone())).unwrap();
            assert_eq!(again, at);
        }
        assert_eq!(Location::parse("S3://lab/50%.bam").unwrap().to_string(), "s3://lab/50%.bam");
        for bad in ["s3:///x.bam", "s3://lab/../x.bam", "s3://lab/./x.bam", "s3://lab/a\tb.bam"] {
            assert!(Location::parse(bad).unwrap_err().is_invalid(), "{bad}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, shown) in [
            ("https://me:CANARY@host:8443/x.bam?sig=CANARY#CANARY", "https://host:8443/x.bam"),
            ("http://host?token=CANARY", "http://host/"),
            ("az://lab/x.bam?sv=1&sig=CANARY", "az://lab/x.bam"),
            ("abfss://lab:CANARY@a.dfs.core.windows.net/x.bam", "abfss://lab@a.dfs.core.windows.net/x.bam"),
            ("s3://key:CANARY@lab/x.bam", "s3://lab/x.bam"),
        ] {
            let at = Location::parse(text).unwrap();
            assert_eq!((at.to_string(), format!("{at:?}")), (shown.to_owned(), shown.to_owned()));
            assert_eq!(Location::shown(text).trim_end_matches('/'), shown.trim_end_matches('/'));
        }
        assert_eq!(Location::shown("s3://lab/x?.bam"), "s3://lab/x?.bam");
        assert_eq!(Location::shown("data/x?.bam"), "data/x?.bam");
        for broken in ["s3://key:CAN/CANARY@lab/x.bam", "https://me:CANARY/CANARY@host/x.bam", "https://h:CANARY@b:x/"]
        {
            assert!(!Location::parse(broken).unwrap_err().to_string().contains("CANARY"), "{broken}");
        }
    }
}
