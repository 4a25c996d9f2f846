//! Google Cloud Storage.

use std::collections::HashMap;
use std::sync::Arc;

use genomicframe_core::Result;
use object_store::gcp::{GcpCredential, GoogleCloudStorageBuilder, GoogleConfigKey as Key};
use object_store::{ClientConfigKey, ObjectStore, StaticCredentialProvider};
use url::Url;

use super::credentials::{Brief, Missing};
use super::settings::{Settings, is_true};
use super::transport::Transport;
use super::{bucket, unusable};

const HINT: &str = "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`; for a public bucket \
                    GOOGLE_SKIP_SIGNATURE=true";

pub(super) fn build(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let bucket = bucket(url)?;
    let transport = Transport::of(settings)?;
    let keys = keys(settings);
    let builder = || {
        let builder = GoogleCloudStorageBuilder::new()
            .with_client_options(Transport::client_options())
            .with_http_connector(transport.connector.clone());
        keys.iter().fold(builder, |b, (key, value)| b.with_config(*key, value)).with_bucket_name(bucket)
    };
    let store = builder().with_retry(transport.retry.clone());
    let told = [Key::ServiceAccount, Key::ServiceAccountKey, Key::ApplicationCredentials];
    let bearer = |token: &str| Arc::new(StaticCredentialProvider::new(GcpCredential { bearer: token.to_owned() }));
    let store = if keys.get(&Key::SkipSignature).is_some_and(|v| is_true(v)) {
        // Writing would still ask the metadata service.
        store.with_credentials(bearer(""))
    } else if let Some(token) = settings.get("google_bearer_token") {
        store.with_credentials(bearer(token))
    } else if told.iter().any(|key| keys.contains_key(key)) || default_file(settings).is_some_and(|f| f.exists()) {
        store
    } else {
        let service = builder().with_retry(transport.brief()).build().map_err(unusable)?;
        let mut tried = vec!["neither options nor variables name a service account".to_owned()];
        tried.extend(default_file(settings).map(|f| format!("no file {}", f.display())));
        tried.push("no instance metadata answered".into());
        let missing = Missing { of: "Google Cloud", tried, hint: HINT };
        store.with_credentials(Arc::new(Brief::new(Arc::clone(service.credentials()), missing)))
    };
    Ok(Arc::new(store.build().map_err(unusable)?))
}

/// Where `gcloud auth application-default login` leaves credentials.
fn default_file(settings: &Settings) -> Option<std::path::PathBuf> {
    Some(settings.home()?.join(".config/gcloud/application_default_credentials.json"))
}

fn keys(settings: &Settings) -> HashMap<Key, String> {
    let mut keys: HashMap<Key, String> = settings.variables_for("GOOGLE_");
    if let Some(path) = settings.variable("SERVICE_ACCOUNT") {
        keys.entry(Key::ServiceAccount).or_insert_with(|| path.to_owned());
    }
    // As Google's own libraries find an emulator, which knows no accounts.
    if let Some(host) = settings.variable("STORAGE_EMULATOR_HOST") {
        let base = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
        keys.entry(Key::BaseUrl).or_insert(base);
        keys.entry(Key::SkipSignature).or_insert_with(|| "true".into());
    }
    let options: HashMap<Key, String> = settings.options_for();
    // A key and a path of one would contradict each other.
    if options.contains_key(&Key::ServiceAccount) || options.contains_key(&Key::ServiceAccountKey) {
        keys.remove(&Key::ServiceAccount);
        keys.remove(&Key::ServiceAccountKey);
    }
    keys.extend(options);
    if let Some(base) = keys.get_mut(&Key::BaseUrl) {
        base.truncate(base.trim_end_matches('/').len());
        if base.starts_with("http://") {
            keys.entry(Key::Client(ClientConfigKey::AllowHttp)).or_insert_with(|| "true".into());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::settings::tests::settings;

    #[test]
    fn an_emulator_is_found_as_googles_libraries_find_it() {
        let keys = keys(&settings(&[], &[("STORAGE_EMULATOR_HOST", "localhost:9005"), ("GOOGLE_BUCKET", "x")]));
        assert_eq!((&*keys[&Key::BaseUrl], &*keys[&Key::SkipSignature]), ("http://localhost:9005", "true"));
        assert_eq!(keys[&Key::Client(ClientConfigKey::AllowHttp)], "true");
    }

    #[test]
    fn broken_accounts_are_told_without_their_content() {
        let options = [("google_service_account_key", "{\"private_key\": \"CANARY\"")];
        let e = build(&Url::parse("gs://lab/x").unwrap(), &settings(&options, &[])).unwrap_err();
        assert!(!format!("{e} {e:?}").contains("CANARY"), "{e:?}");
    }
}
