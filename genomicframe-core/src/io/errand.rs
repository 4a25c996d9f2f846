//! What rides with a request, down to the client that sends it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use url::Url;

use super::Location;

/// Goes with a request through the `extensions` of `object_store`, which knows nothing of it, to a client that does.
///
/// ```
/// use genomicframe_core::io::{Errand, Location};
///
/// let errand = Errand::to(&Location::parse("https://host/x.bam?sig=abc")?);
/// errand.clone().attempted();
/// assert_eq!((errand.link().and_then(|l| l.query()), errand.attempts()), (Some("sig=abc"), 1));
/// # Ok::<(), genomicframe_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Errand {
    link: Option<Url>,
    attempts: Arc<AtomicU32>,
}

impl Errand {
    /// For an object. One that an HTTP server has is asked for by its link: a store's keys have no query, no user, and
    /// forget which characters were escaped.
    pub fn to(at: &Location) -> Self {
        let link = match at {
            Location::Url(url) if at.is_http() => Some(url.clone()),
            _ => None,
        };
        Self { link, attempts: Arc::default() }
    }

    /// The URL that is to be asked for, instead of the one that the store makes of the key.
    pub fn link(&self) -> Option<&Url> {
        self.link.as_ref()
    }

    /// Told by the client each time that it sends the request.
    pub fn attempted(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was sent; 0 where the client does not tell.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Errand {
    /// Without the link, which may be signed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errand").field("attempts", &self.attempts()).finish_non_exhaustive()
    }
}
