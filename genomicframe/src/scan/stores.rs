//! Object stores, made from URLs and the environment when they are first needed.

use std::sync::Arc;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::object_store::{DefaultObjectStoreRegistry, ObjectStoreRegistry};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use url::Url;

/// DataFusion's registry, plus S3 buckets and HTTP hosts that nobody registered.
#[derive(Debug, Default)]
pub(crate) struct LazyStores {
    known: DefaultObjectStoreRegistry,
}

impl LazyStores {
    fn build(url: &Url) -> Result<Arc<dyn ObjectStore>> {
        let failed = |e: object_store::Error| DataFusionError::ObjectStore(Box::new(e));
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "s3" | "s3a" => {
                let store = AmazonS3Builder::from_env().with_bucket_name(host).build().map_err(failed)?;
                Ok(Arc::new(store))
            }
            "http" | "https" => {
                let root = url[..url::Position::BeforePath].to_owned();
                let options = object_store::ClientOptions::new().with_allow_http(true);
                Ok(Arc::new(HttpBuilder::new().with_url(root).with_client_options(options).build().map_err(failed)?))
            }
            other => Err(DataFusionError::NotImplemented(format!("no object store serves {other}:// here"))),
        }
    }
}

impl ObjectStoreRegistry for LazyStores {
    fn register_store(&self, url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        self.known.register_store(url, store)
    }

    fn deregister_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.known.deregister_store(url)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        if let Ok(store) = self.known.get_store(url) {
            return Ok(store);
        }
        let store = Self::build(url)?;
        self.known.register_store(url, Arc::clone(&store));
        Ok(store)
    }
}
