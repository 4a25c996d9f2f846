//! Object stores, made from URLs, options and the environment when they are first needed.
//!
//! | file | what it holds |
//! |---|---|
//! | `registry` | a URL becomes a store, which is kept |
//! | `settings` | options and environment, without showing what they hold |
//! | `pacing` | how many requests are under way, and how large they are |
//! | `client` | connections: their options, and where servers may send them on to |
//! | `transport` | timeouts by read, retries, links followed as they were given |
//! | `s3`, `gcs`, `azure`, `http` | one kind of store each |
//! | `credentials` | those that a service of the machine has, asked for briefly |
//! | `profile`, `ini` | AWS profiles, and the files that they stand in |

mod azure;
mod certificates;
mod client;
mod credentials;
mod gcs;
mod http;
mod ini;
mod pacing;
mod profile;
mod registry;
mod s3;
mod settings;
mod transport;

pub(crate) use pacing::Paced;
pub(crate) use registry::Stores;
pub(crate) use settings::Settings;

use genomicframe_core::Error;
use url::Url;

/// What `object_store` has against settings, without what they hold.
fn unusable(e: object_store::Error) -> Error {
    genomicframe_core::io::failure(e, "the store cannot be used")
}

/// The host of a URL that may have neither a user nor a query, which would be left out silently.
fn bucket(url: &Url) -> Result<&str, Error> {
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        let scheme = url.scheme();
        return Err(Error::invalid(format!("a {scheme}:// URL takes no user and no query"))
            .hint("credentials are storage options or variables; a signed link begins with https://"));
    }
    Ok(url.host_str().unwrap_or_default())
}
