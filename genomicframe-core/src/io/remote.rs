//! Objects of a store, through `object_store`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Extensions, GetOptions, GetRange, ObjectStore};
use url::Url;

use super::failure::has_no_range;
use super::{Errand, Location, ObjectIo, ObjectMeta, check_small, failure};
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
        let path = match Path::from_url_path(url.path()) {
            // The link itself is asked for, whatever it looks like.
            Err(_) if at.is_http() => Path::from(url.path()),
            path => path.map_err(|e| Error::invalid("malformed object key").in_object(at).caused_by(e))?,
        };
        Ok((store, path))
    }
}

/// Times that bytes are asked for anew where the store cannot go on in the middle, because the server names no version.
const TRIES: u32 = 3;

/// How often a request was sent, where that is known and more than once.
fn often(errand: &Errand) -> String {
    match errand.attempts() {
        0 | 1 => String::new(),
        n => format!(" in {n} attempts"),
    }
}

fn options(errand: &Errand) -> GetOptions {
    let mut extensions = Extensions::new();
    extensions.insert(errand.clone());
    GetOptions::new().with_extensions(extensions)
}

fn described(at: &Location, meta: &object_store::ObjectMeta) -> ObjectMeta {
    let modified = Some(meta.last_modified.into());
    ObjectMeta { location: at.clone(), size: meta.size, etag: meta.e_tag.clone(), modified }
}

/// Why a read gave no bytes.
enum Failed {
    /// No other attempt helps.
    Final(Error),
    /// The server's answer broke off.
    Body(Error),
}

impl RemoteIo {
    async fn read_once(&self, object: &ObjectMeta, range: Range<u64>, errand: &Errand) -> Result<Bytes, Failed> {
        let at = &object.location;
        let (store, path) = self.resolve(at).map_err(Failed::Final)?;
        let explain = |e: object_store::Error| {
            let what = format!("bytes {}..{} cannot be read{}", range.start, range.end, often(errand));
            failure(e, &what).in_object(at)
        };
        let options = options(errand).with_range(Some(range.clone())).with_if_match(object.etag.clone());
        let result = store.get_opts(&path, options).await.map_err(|e| Failed::Final(explain(e)))?;
        // Not every server honours If-Match, so the version that came is compared too.
        if result.meta.size != object.size || (object.etag.is_some() && result.meta.e_tag != object.etag) {
            let e = Error::io("the object was replaced while it was being read");
            return Err(Failed::Final(e.in_object(at)));
        }
        let bytes = result.bytes().await.map_err(|e| Failed::Body(explain(e)))?;
        let expected = range.end - range.start;
        if bytes.len() as u64 != expected {
            let e = Error::io(format!(
                "bytes {}..{} cannot be read{}: only {} of {expected} came",
                range.start,
                range.end,
                often(errand),
                bytes.len()
            ));
            return Err(Failed::Body(e.in_object(at)));
        }
        Ok(bytes)
    }
}

impl ObjectIo for RemoteIo {
    fn head<'a>(&'a self, at: &'a Location) -> BoxFuture<'a, Result<ObjectMeta>> {
        async move {
            let (store, path) = self.resolve(at)?;
            let errand = Errand::to(at);
            // A link may be signed for GET alone, so its first byte is asked for: the answer tells size and version too.
            let is_link = errand.link().is_some_and(|link| link.query().is_some());
            let options = match is_link {
                true => options(&errand).with_range(Some(0..1)),
                false => options(&errand).with_head(true),
            };
            let explain = |e| failure(e, &format!("it cannot be opened{}", often(&errand))).in_object(at);
            let meta = store.get_opts(&path, options).await.map_err(explain)?.meta;
            Ok(described(at, &meta))
        }
        .boxed()
    }

    fn read<'a>(&'a self, object: &'a ObjectMeta, range: Range<u64>) -> BoxFuture<'a, Result<Bytes>> {
        async move {
            if range.is_empty() {
                return Ok(Bytes::new());
            }
            let errand = Errand::to(&object.location);
            // Of a named version the store resumed where the answer broke off, as often as it may.
            let tries = if object.etag.is_some() { 1 } else { TRIES };
            for _ in 1..tries {
                match self.read_once(object, range.clone(), &errand).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(Failed::Final(e)) => return Err(e),
                    Err(Failed::Body(_)) => {}
                }
            }
            self.read_once(object, range, &errand).await.map_err(|e| match e {
                Failed::Final(e) | Failed::Body(e) => e,
            })
        }
        .boxed()
    }

    /// In one request, which tells size and version too.
    fn read_first<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let (store, path) = self.resolve(at)?;
            let errand = Errand::to(at);
            let explain = |e| failure(e, &format!("bytes 0..{most} cannot be read{}", often(&errand))).in_object(at);
            let result = match store.get_opts(&path, options(&errand).with_range(Some(0..most))).await {
                Ok(result) => result,
                Err(e) if !has_no_range(&e) => return Err(explain(e)),
                Err(e) => match self.head(at).await {
                    Ok(object) if object.size == 0 => return Ok((object, Bytes::new())),
                    _ => return Err(explain(e)),
                },
            };
            let object = described(at, &result.meta);
            match result.bytes().await {
                Ok(bytes) if bytes.len() as u64 == object.size.min(most) => Ok((object, bytes)),
                // It broke off; now the version is known, of which the rest can be asked for.
                _ => {
                    let bytes = self.read(&object, 0..object.size.min(most)).await?;
                    Ok((object, bytes))
                }
            }
        }
        .boxed()
    }

    /// Where the store knows such ranges, which Azure does not. What fails is for the read that is made for certain to tell.
    fn read_last<'a>(&'a self, at: &'a Location, n: u64) -> BoxFuture<'a, Option<(ObjectMeta, Bytes)>> {
        async move {
            let (store, path) = self.resolve(at).ok()?;
            let options = options(&Errand::to(at)).with_range(Some(GetRange::Suffix(n)));
            let result = store.get_opts(&path, options).await.ok()?;
            let object = described(at, &result.meta);
            let bytes = result.bytes().await.ok()?;
            (bytes.len() as u64 == object.size.min(n)).then_some((object, bytes))
        }
        .boxed()
    }

    /// In one request.
    fn read_small<'a>(&'a self, at: &'a Location, most: u64) -> BoxFuture<'a, Result<(ObjectMeta, Bytes)>> {
        async move {
            let (store, path) = self.resolve(at)?;
            let errand = Errand::to(at);
            let explain = |e| failure(e, &format!("it cannot be read{}", often(&errand))).in_object(at);
            let result = store.get_opts(&path, options(&errand)).await.map_err(explain)?;
            // Its bytes come only when they are asked for.
            check_small(at, result.meta.size, most)?;
            let object = described(at, &result.meta);
            let bytes = result.bytes().await.map_err(explain)?;
            if bytes.len() as u64 != object.size {
                let what = format!("it has {} bytes but {} came", object.size, bytes.len());
                return Err(Error::io(what).in_object(at));
            }
            Ok((object, bytes))
        }
        .boxed()
    }

    fn list<'a>(&'a self, below: &'a Location) -> BoxFuture<'a, Result<Vec<ObjectMeta>>> {
        async move {
            let (store, path) = self.resolve(below)?;
            let Location::Url(url) = below else { return Ok(Vec::new()) };
            let explain = |e| {
                let e = failure(e, "it cannot be listed").in_object(below);
                if below.is_http() { e.hint("most HTTP servers list nothing: name one file") } else { e }
            };
            let listed: Vec<_> = store.list(Some(&path)).try_collect().await.map_err(explain)?;
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
