//! Servers that give files by their URL.

use std::collections::HashMap;
use std::sync::Arc;

use genomicframe_core::Result;
use object_store::http::HttpBuilder;
use object_store::{ClientConfigKey as Key, ObjectStore};
use url::{Position, Url};

use super::settings::Settings;
use super::transport::Transport;
use super::unusable;

/// One for a server: which object is asked for, by whom and with which signature, comes with each request
/// ([`genomicframe_core::io::Errand`]).
pub(super) fn build(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let transport = Transport::of(settings)?;
    let keys: HashMap<Key, String> = settings.options_for();
    let root = format!("{}://{}/", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]);
    let builder = HttpBuilder::new()
        .with_url(root)
        .with_client_options(Transport::client_options().with_allow_http(true))
        .with_http_connector(transport.connector)
        .with_retry(transport.retry);
    let builder = keys.iter().fold(builder, |b, (key, value)| b.with_config(*key, value));
    Ok(Arc::new(builder.build().map_err(unusable)?))
}
