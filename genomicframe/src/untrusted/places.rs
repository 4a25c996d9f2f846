//! Which folders and prefixes may be read: the one gate before all that a query's text can name.

use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use genomicframe_core::io::{Location, ObjectIo, ObjectMeta, Requests};
use genomicframe_core::{Error, Result};
use percent_encoding::percent_decode_str;
use url::Url;

/// Folders of this machine, and prefixes of URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// With all links resolved.
    folders: Vec<PathBuf>,
    prefixes: Vec<Url>,
}

impl Places {
    /// With one more folder.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn folder(&mut self, path: &Path) -> Result<()> {
        let cannot =
            |e: std::io::Error| Error::invalid("no folder that can be allowed").in_object(path.display()).caused_by(e);
        let folder = path.canonicalize().map_err(cannot)?;
        if !folder.is_dir() {
            return Err(Error::invalid("is no folder").in_object(path.display()));
        }
        self.folders.push(folder);
        Ok(())
    }

    /// With one more prefix: scheme, host or bucket, and the beginning of a path that ends with one of its parts.
    ///
    /// # Errors
    /// When it is no URL, or has a user or a query.
    pub(super) fn prefix(&mut self, text: &str) -> Result<()> {
        match Location::parse(text)? {
            Location::Url(url) if is_plain(&url) => {
                self.prefixes.push(url);
                Ok(())
            }
            Location::Url(_) => Err(Error::invalid("a prefix has neither a user nor a query")
                .in_object(Location::shown(text))
                .hint("credentials are storage options")),
            Location::Local(_) => {
                Err(Error::invalid("is no URL").in_object(text).hint("folders are allowed by allow_folder"))
            }
        }
    }

    /// Whether a URL, which a server may have sent a reader on to, is below one of the prefixes.
    pub(crate) fn has_url(&self, url: &Url) -> bool {
        is_plain(url) && is_straight(url.path()) && self.prefixes.iter().any(|prefix| is_below(url, prefix))
    }

    fn has_path(&self, path: &Path) -> bool {
        resolved(path).is_some_and(|path| self.folders.iter().any(|folder| path.starts_with(folder)))
    }

    /// That `at` is in one of them. What is refused is not looked at any further, so that the answer does not tell whether
    /// it exists.
    fn check(&self, at: &Location) -> Result<()> {
        let is_allowed = match at {
            Location::Local(path) => self.has_path(path),
            Location::Url(url) => self.has_url(url),
        };
        if is_allowed {
            return Ok(());
        }
        Err(Error::denied("it is in none of the folders and prefixes that queries may read").in_object(at))
    }
}

/// Without a user, whose rights are not the caller's, and a query, which may name something else.
fn is_plain(url: &Url) -> bool {
    let has_container = matches!(url.scheme(), "az" | "azure" | "adl" | "abfs" | "abfss");
    (url.username().is_empty() || has_container) && url.password().is_none() && url.query().is_none()
}

/// Whether a path leads where it seems to, however often a server decodes it.
fn is_straight(path: &str) -> bool {
    let mut seen = path.to_owned();
    loop {
        if seen.contains(['\\', '\0']) || seen.split('/').any(|part| matches!(part, "." | "..")) {
            return false;
        }
        let decoded = percent_decode_str(&seen).decode_utf8_lossy().into_owned();
        if decoded == seen {
            return true;
        }
        seen = decoded;
    }
}

fn is_below(url: &Url, prefix: &Url) -> bool {
    let same = url.scheme() == prefix.scheme()
        && url.host() == prefix.host()
        && url.port_or_known_default() == prefix.port_or_known_default()
        && url.username() == prefix.username();
    let folder = prefix.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(folder);
    same && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path with links resolved, as far as it exists. `None` where it cannot be told where it leads.
fn resolved(path: &Path) -> Option<PathBuf> {
    if path.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    let whole = std::path::absolute(path).ok()?;
    let mut missing = Vec::new();
    let mut known = whole.as_path();
    loop {
        match known.canonicalize() {
            Ok(real) => return Some(missing.iter().rev().fold(real, |path, name| path.join(name))),
            // A link that leads nowhere now may lead somewhere later.
            Err(_) if known.is_symlink() => return None,
            Err(_) => {
                missing.push(known.file_name()?);
                known = known.parent()?;
            }
        }
    }
}

/// Storage of which only some places may be read.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) io: Arc<dyn ObjectIo>,
    pub(crate) places: Arc<Places>,
}

impl ObjectIo for Gate {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        async move {
            self.places.check(at)?;
            self.io.head(at).await
        }
        .boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            self.places.check(&object.location)?;
            self.io.read(object, range).await
        }
        .boxed()
    }

    fn requests(&self, at: &Location) -> Requests {
        self.io.requests(at)
    }

    fn permits(&self, at: &Location) -> Result<()> {
        self.places.check(at)
    }

    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            self.places.check(at)?;
            self.io.read_first(at, most).await
        }
        .boxed()
    }

    fn read_last<'a>(&'a self, at: &'a Location, n: u64) -> BoxFuture<'a, Option<(ObjectMeta, Bytes)>> {
        async move {
            self.places.check(at).ok()?;
            self.io.read_last(at, n).await
        }
        .boxed()
    }

    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            self.places.check(at)?;
            self.io.read_small(at, most).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move {
            self.places.check(below)?;
            self.io.list(below).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_a_folder_is_allowed() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir_all(path("open/deep")).unwrap();
        std::fs::create_dir(path("opened")).unwrap();
        std::fs::write(path("secret"), "x").unwrap();
        std::fs::write(path("open/file"), "x").unwrap();
        let mut places = Places::default();
        places.folder(&path("open")).unwrap();
        assert!(places.folder(&path("none")).is_err() && places.folder(&path("secret")).is_err());
        for name in ["open", "open/file", "open/deep/none/x*.bam", "open/./file"] {
            assert!(places.has_path(&path(name)), "{name}");
        }
        for name in ["", "secret", "opened", "opened/x", "none", "open/../secret", "open/deep/../file"] {
            assert!(!places.has_path(&path(name)), "{name}");
        }
        assert!(!places.has_path(Path::new("file")) && !places.has_path(Path::new("/etc/passwd")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::symlink;
            symlink(path("secret"), path("open/link")).unwrap();
            symlink(root.path(), path("open/up")).unwrap();
            symlink(path("nowhere"), path("open/broken")).unwrap();
            symlink(path("open/file"), path("open/inside")).unwrap();
            for name in ["open/link", "open/up/secret", "open/up/none", "open/broken", "open/broken/x"] {
                assert!(!places.has_path(&path(name)), "{name}");
            }
            assert!(places.has_path(&path("open/inside")) && places.has_path(&path("open/up/open/file")));
        }
    }

    #[test]
    fn only_what_is_below_a_prefix_is_allowed() {
        let mut places = Places::default();
        for prefix in ["s3://lab/public", "https://host/data/", "abfss://c@a.dfs.core.windows.net/"] {
            places.prefix(prefix).unwrap();
        }
        for bad in ["https://me:pw@host/", "https://host/?x=1", "data", "file:///data"] {
            assert!(places.prefix(bad).is_err(), "{bad}");
        }
        let has = |text: &str| Location::parse(text).is_ok_and(|at| places.check(&at).is_ok());
        for good in [
            "s3://lab/public/x.bam",
            "s3://lab/public",
            "https://host/data/x",
            "https://host:443/data/a/b",
            "abfss://c@a.dfs.core.windows.net/x",
        ] {
            assert!(has(good), "{good}");
        }
        for bad in [
            "s3://lab/publicly/x",
            "s3://lab/x",
            "s3://other/public/x",
            "gs://lab/public/x",
            "http://host/data/x",
            "https://host:8443/data/x",
            "https://host.evil/data/x",
            "https://host@evil/data/x",
            "https://me:pw@host/data/x",
            "https://host/data/x?next=/secret",
            "https://host/data/../secret",
            "https://host/data/%2e%2e/secret",
            "https://host/data/..%2fsecret",
            "https://host/data/%252e%252e%252fsecret",
            "https://host/data/..\\secret",
            "http://169.254.169.254/latest/meta-data",
            "abfss://other@a.dfs.core.windows.net/x",
            "memory:///x",
        ] {
            assert!(!has(bad), "{bad}");
        }
    }
}
