//! Objects of a store, through `object_store`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt};
use url::Url;

use super::{Location, ObjectIo, ObjectMeta, check_small};
use crate::error::{Error, Result};

/// Finds the store that serves a URL.
pub type StoreFor = dyn Fn(&Url) -> Result<Arc<dyn ObjectStore>> + Send + Sync;

/// Reads objects of any store that `object_store` speaks to, each read pinned to the version first seen.
pub struct RemoteIo {
    store_for: Box<StoreFor>,
}

impl fmt::Debug for RemoteIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteIo")
    }
}

impl RemoteIo {
    /// `store_for` is asked for every URL; it should remember the stores it made.
    pub fn new(store_for: impl Fn(&Url) -> Result<Arc<dyn ObjectStore>> + Send + Sync + 'static) -> Self {
        Self { store_for: Box::new(store_for) }
    }

    fn resolve(&self, at: &Location) -> Result<(Arc<dyn ObjectStore>, Path)> {
        let Location::Url(url) = at else { return Err(Error::invalid("not a URL").in_object(at)) };
        let store = (self.store_for)(url).map_err(|e| e.in_object(at))?;
        let path = Path::from_url_path(url.path())
            .map_err(|e| Error::invalid("malformed object key").in_object(at).caused_by(e))?;
        Ok((store, path))
    }
}

fn explain(at: &Location, e: object_store::Error) -> Error {
    let error = match &e {
        object_store::Error::NotFound { .. } => Error::not_found("no such object"),
        object_store::Error::Precondition { .. } => Error::io("the object was replaced while it was being read"),
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            Error::io("access denied").hint("check the credentials in the environment")
        }
        // The store's own text may repeat a signed URL, so only its kind is passed on.
        _ => Error::io(format!("the store failed: {}", redact(&e.to_string()))),
    };
    error.in_object(at)
}

/// Cuts query strings and user info from URLs in a message.
fn redact(text: &str) -> String {
    let word = |w: &str| match w.split_once("://") {
        Some((scheme, rest)) => {
            let rest = rest.split(['?', '#']).next().unwrap_or_default();
            let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
            format!("{scheme}://{rest}")
        }
        None => w.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

impl ObjectIo for RemoteIo {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        async move {
            let (store, path) = self.resolve(at)?;
            let meta = store.head(&path).await.map_err(|e| explain(at, e))?;
            let modified = Some(meta.last_modified.into());
            Ok(ObjectMeta { location: at.clone(), size: meta.size, etag: meta.e_tag, modified })
        }
        .boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            let at = &object.location;
            let (store, path) = self.resolve(at)?;
            let expected = range.end - range.start;
            if expected == 0 {
                return Ok(Bytes::new());
            }
            let options = GetOptions::new().with_range(Some(range)).with_if_match(object.etag.clone());
            let result = store.get_opts(&path, options).await.map_err(|e| explain(at, e))?;
            // Not every server honours If-Match, so the version that came is compared too.
            if result.meta.size != object.size || (object.etag.is_some() && result.meta.e_tag != object.etag) {
                return Err(Error::io("the object was replaced while it was being read").in_object(at));
            }
            let bytes = result.bytes().await.map_err(|e| explain(at, e))?;
            if bytes.len() as u64 != expected {
                return Err(Error::io(format!("asked for {expected} bytes but {} came", bytes.len())).in_object(at));
            }
            Ok(bytes)
        }
        .boxed()
    }

    /// In one request.
    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            let (store, path) = self.resolve(at)?;
            let result = store.get(&path).await.map_err(|e| explain(at, e))?;
            // Its bytes come only when they are asked for.
            check_small(at, result.meta.size, most)?;
            let size = result.meta.size;
            let bytes = result.bytes().await.map_err(|e| explain(at, e))?;
            if bytes.len() as u64 != size {
                return Err(Error::io(format!("it has {size} bytes but {} came", bytes.len())).in_object(at));
            }
            Ok(bytes)
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move {
            let (store, path) = self.resolve(below)?;
            let Location::Url(url) = below else { return Ok(Vec::new()) };
            let listed: Vec<_> = store.list(Some(&path)).try_collect().await.map_err(|e| explain(below, e))?;
            let mut found = Vec::with_capacity(listed.len());
            for meta in listed.into_iter().filter(|m| !m.location.filename().unwrap_or_default().starts_with('.')) {
                let mut url = url.clone();
                // As `Location::join`: a percent sign in a key is a character like all others.
                if let Ok(mut parts) = url.path_segments_mut() {
                    parts.clear().extend(meta.location.as_ref().split('/'));
                }
                let modified = Some(meta.last_modified.into());
                found.push(ObjectMeta { location: Location::Url(url), size: meta.size, etag: meta.e_tag, modified });
            }
            found.sort_by(|a, b| a.location.cmp(&b.location));
            Ok(found)
        }
        .boxed()
    }
}
