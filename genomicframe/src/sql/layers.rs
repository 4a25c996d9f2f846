//! A catalog in which one statement's files lie in front of the session's own tables.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, CatalogProviderList, MemorySchemaProvider, SchemaProvider, TableProvider};
use datafusion::common::Result;

/// The session's catalogs, of which one schema is [`Layered`].
#[derive(Debug)]
pub(super) struct Catalogs {
    session: Arc<dyn CatalogProviderList>,
    catalog: String,
    layered: Arc<Catalog>,
}

#[derive(Debug)]
struct Catalog {
    session: Option<Arc<dyn CatalogProvider>>,
    schema: String,
    layered: Arc<Layered>,
}

/// Files first, then what the session has under the name.
#[derive(Debug)]
struct Layered {
    files: MemorySchemaProvider,
    session: Option<Arc<dyn SchemaProvider>>,
}

impl Catalogs {
    pub(super) fn new(
        session: Arc<dyn CatalogProviderList>,
        catalog: String,
        schema: String,
        files: MemorySchemaProvider,
        behind: Option<Arc<dyn SchemaProvider>>,
    ) -> Self {
        let layered = Arc::new(Layered { files, session: behind });
        let layered = Arc::new(Catalog { session: session.catalog(&catalog), schema, layered });
        Self { session, catalog, layered }
    }
}

impl CatalogProviderList for Catalogs {
    fn register_catalog(&self, name: String, catalog: Arc<dyn CatalogProvider>) -> Option<Arc<dyn CatalogProvider>> {
        self.session.register_catalog(name, catalog)
    }

    fn catalog_names(&self) -> Vec<String> {
        self.session.catalog_names()
    }

    fn catalog(&self, name: &str) -> Option<Arc<dyn CatalogProvider>> {
        if name == self.catalog { Some(Arc::clone(&self.layered) as _) } else { self.session.catalog(name) }
    }
}

impl CatalogProvider for Catalog {
    fn schema_names(&self) -> Vec<String> {
        self.session.as_ref().map(|c| c.schema_names()).unwrap_or_default()
    }

    fn schema(&self, name: &str) -> Option<Arc<dyn SchemaProvider>> {
        if name == self.schema {
            Some(Arc::clone(&self.layered) as _)
        } else {
            self.session.as_ref().and_then(|c| c.schema(name))
        }
    }
}

#[async_trait]
impl SchemaProvider for Layered {
    fn table_names(&self) -> Vec<String> {
        let session = self.session.as_ref().map(|s| s.table_names()).unwrap_or_default();
        self.files.table_names().into_iter().chain(session).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.files.table(name).await? {
            return Ok(Some(table));
        }
        match &self.session {
            Some(session) => session.table(name).await,
            None => Ok(None),
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.files.table_exist(name) || self.session.as_ref().is_some_and(|s| s.table_exist(name))
    }
}
