//! Credentials that a service of the machine has.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use genomicframe_core::Error;
use object_store::CredentialProvider;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// A service that is there answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time for which a service that did not answer is not asked again.
const FORGET: Duration = Duration::from_secs(30);

/// What to tell when there are none.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    /// Of what: "AWS".
    pub(super) of: &'static str,
    /// Where they were looked for.
    pub(super) tried: Vec<String>,
    /// What to set.
    pub(super) hint: &'static str,
}

impl Missing {
    pub(super) fn error(&self) -> Error {
        Error::denied(format!("no {} credentials: {}", self.of, self.tried.join("; "))).hint(self.hint)
    }
}

/// Asks a service of the machine, as an instance's metadata, but not for long: where there is none, packets to it are lost
/// without an answer.
pub(super) struct Brief<C> {
    service: Arc<dyn CredentialProvider<Credential = C>>,
    missing: Missing,
    patience: Duration,
    failed: Mutex<Option<Instant>>,
}

impl<C> Brief<C> {
    pub(super) fn new(service: Arc<dyn CredentialProvider<Credential = C>>, missing: Missing) -> Self {
        Self { service, missing, patience: PATIENCE, failed: Mutex::new(None) }
    }

    fn none(&self) -> object_store::Error {
        object_store::Error::Generic { store: self.missing.of, source: Box::new(self.missing.error()) }
    }
}

impl<C> fmt::Debug for Brief<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brief").field("of", &self.missing.of).finish_non_exhaustive()
    }
}

#[async_trait]
impl<C: fmt::Debug + Send + Sync> CredentialProvider for Brief<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        // Held while asking, so that many requests at once ask once.
        let mut failed = self.failed.lock().await;
        if failed.is_some_and(|at| at.elapsed() < FORGET) {
            return Err(self.none());
        }
        match timeout(self.patience, self.service.get_credential()).await {
            Ok(Ok(credential)) => Ok(credential),
            _ => {
                *failed = Some(Instant::now());
                Err(self.none())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genomicframe_core::io::failure;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug, Default)]
    struct Silent(AtomicU32);

    #[async_trait]
    impl CredentialProvider for Silent {
        type Credential = ();

        async fn get_credential(&self) -> object_store::Result<Arc<()>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_silent_service_is_asked_once_and_not_for_long() {
        let silent = Arc::new(Silent::default());
        let missing = Missing { of: "AWS", tried: vec!["no answer".into()], hint: "set some" };
        let mut brief = Brief::new(Arc::clone(&silent) as Arc<dyn CredentialProvider<Credential = ()>>, missing);
        brief.patience = Duration::from_millis(20);
        for _ in 0..3 {
            let e = failure(brief.get_credential().await.unwrap_err(), "x");
            assert!(e.is_denied());
            assert_eq!(e.to_string(), "no AWS credentials: no answer (set some)");
        }
        assert_eq!(silent.0.load(Ordering::Relaxed), 1);
    }
}
