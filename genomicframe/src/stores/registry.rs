//! A URL becomes a store, which is kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result as QueryResult};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use genomicframe_core::{Error, Result};
use object_store::ObjectStore;
use url::{Position, Url};

use super::settings::Settings;
use super::{azure, gcs, http, s3};

/// Stores that were registered, and those that URLs, options and the environment make of themselves.
pub(crate) struct Stores {
    registered: DefaultObjectStoreRegistry,
    made: Mutex<HashMap<String, Arc<dyn ObjectStore>>>,
    settings: Settings,
}

impl fmt::Debug for Stores {
    /// Without the stores that were made, which hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("registered", &self.registered).field("settings", &self.settings).finish()
    }
}

impl Stores {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { registered: DefaultObjectStoreRegistry::new(), made: Mutex::default(), settings }
    }

    /// The store that serves a URL.
    ///
    /// # Errors
    /// When none does, or its settings contradict each other or lack something.
    pub(crate) fn store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.registered.get_store(url) {
            return Ok(store);
        }
        let build = match url.scheme() {
            "s3" | "s3a" => s3::build,
            "gs" => gcs::build,
            "az" | "azure" | "adl" | "abfs" | "abfss" => azure::build,
            "http" | "https" => http::build,
            other => return Err(Error::unsupported(format!("no object store serves {other}://"))),
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = made.get(&key(url)) {
            return Ok(Arc::clone(store));
        }
        let store = build(url, &self.settings)?;
        made.insert(key(url), Arc::clone(&store));
        Ok(store)
    }
}

/// What URLs of one store share. A container may stand before the host, and an `az://` URL bring its own signature.
fn key(url: &Url) -> String {
    if matches!(url.scheme(), "http" | "https") {
        return format!("{}://{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort]);
    }
    format!("{}?{}", &url[..Position::BeforePath], url.query().unwrap_or_default())
}

impl ObjectStoreRegistry for Stores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.registered.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> QueryResult<Arc<dyn ObjectStore>> {
        self.registered.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> QueryResult<Arc<dyn ObjectStore>> {
        self.store(url).map_err(|e| DataFusionError::External(Box::new(e)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::settings::tests::settings;

    #[test]
    fn a_store_is_made_once_and_for_what_urls_share() {
        let options = [("skip_signature", "true"), ("azure_storage_account_name", "me")];
        let stores = Stores::new(settings(&options, &[]));
        let same = |a: &str, b: &str| {
            let store = |text: &str| stores.store(&Url::parse(text).unwrap()).unwrap();
            Arc::ptr_eq(&store(a), &store(b))
        };
        assert!(same("s3://lab/a", "s3://lab/b"));
        assert!(!same("s3://lab/a", "s3://other/a"));
        assert!(same("https://u:p@host/a?sig=1", "https://host/b?sig=2"));
        assert!(!same("https://host/a", "https://host:8443/a"));
        assert!(same("gs://lab/a", "gs://lab/b"));
        assert!(!same("abfss://a@me.dfs.core.windows.net/x", "abfss://b@me.dfs.core.windows.net/x"));
        assert!(!same("az://lab/x", "az://lab/x?sv=1&sig=2"));
        assert!(stores.store(&Url::parse("ftp://host/x").unwrap()).unwrap_err().is_unsupported());
    }

    #[test]
    fn stores_show_no_secrets() {
        let options =
            [("aws_access_key_id", "CANARY"), ("aws_secret_access_key", "CANARY"), ("sas_token", "sig=CANARY")];
        let stores = Stores::new(settings(&options, &[("AWS_SESSION_TOKEN", "CANARY")]));
        stores.store(&Url::parse("s3://lab/x").unwrap()).unwrap();
        stores.store(&Url::parse("abfss://a@me.dfs.core.windows.net/x").unwrap()).unwrap();
        stores.store(&Url::parse("https://u:CANARY@host/x").unwrap()).unwrap();
        assert!(!format!("{stores:?}").contains("CANARY"));
    }
}
