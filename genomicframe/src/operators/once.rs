//! Something that is made once, for all partitions, when the first of them asks.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::{DataFusionError, Result};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

type Made<T> = Shared<BoxFuture<'static, Result<Arc<T>, Arc<DataFusionError>>>>;

/// What [`Once::get`] makes, or will.
pub(super) struct Once<T>(Mutex<Option<Made<T>>>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Send + Sync + 'static> Once<T> {
    /// What `make` makes, which runs when the first caller waits; all others wait for the same.
    pub(super) fn get<F>(&self, make: impl FnOnce() -> F) -> BoxFuture<'static, Result<Arc<T>>>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = made.get_or_insert_with(|| {
            let making = make();
            async move { making.await.map(Arc::new).map_err(Arc::new) }.boxed().shared()
        });
        made.clone().map(|made| made.map_err(DataFusionError::Shared)).boxed()
    }
}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}
