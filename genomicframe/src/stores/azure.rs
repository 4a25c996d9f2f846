//! Azure Blob Storage.

use std::collections::HashMap;
use std::sync::Arc;

use genomicframe_core::{Error, Result};
use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};
use object_store::{ClientConfigKey, ObjectStore};
use url::Url;

use super::credentials::{Brief, Missing};
use super::settings::{Settings, is_true};
use super::transport::Transport;
use super::unusable;

const HINT: &str = "set AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID with AZURE_CLIENT_SECRET and \
                    AZURE_TENANT_ID; for a public container AZURE_SKIP_SIGNATURE=true";

pub(super) fn build(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let transport = Transport::of(settings)?;
    let keys = keys(url, settings);
    let (container, host) = (url.username(), url.host_str().unwrap_or_default());
    let has_account = keys.contains_key(&Key::AccountName) || keys.get(&Key::UseEmulator).is_some_and(|v| is_true(v));
    if container.is_empty() && !has_account {
        return Err(Error::invalid("the URL names no storage account")
            .hint("set AZURE_STORAGE_ACCOUNT_NAME, or write abfss://container@account.dfs.core.windows.net/key"));
    }
    // Without what may be secret: errors repeat it.
    let at = if container.is_empty() { format!("az://{host}/") } else { format!("abfss://{container}@{host}/") };
    let builder = || {
        let builder = MicrosoftAzureBuilder::new()
            .with_client_options(Transport::client_options())
            .with_http_connector(transport.connector.clone());
        keys.iter().fold(builder, |b, (key, value)| b.with_config(*key, value)).with_url(&at)
    };
    let store = builder().with_retry(transport.retry.clone());
    let store = if is_told(&keys) {
        store
    } else {
        let service = builder().with_retry(transport.brief()).build().map_err(unusable)?;
        let tried =
            ["neither options nor variables have a key, a SAS token or a client", "no managed identity answered"];
        let missing = Missing { of: "Azure", tried: tried.map(str::to_owned).to_vec(), hint: HINT };
        store.with_credentials(Arc::new(Brief::new(Arc::clone(service.credentials()), missing)))
    };
    Ok(Arc::new(store.build().map_err(unusable)?))
}

/// Whether credentials, or their absence, are set.
fn is_told(keys: &HashMap<Key, String>) -> bool {
    let has = |key: Key| keys.contains_key(&key);
    let on = |key: Key| keys.get(&key).is_some_and(|v| is_true(v));
    has(Key::AccessKey)
        || has(Key::Token)
        || has(Key::SasKey)
        || has(Key::FabricSessionToken)
        || (has(Key::ClientId) && (has(Key::ClientSecret) || has(Key::FederatedTokenFile)))
        || on(Key::UseAzureCli)
        || on(Key::UseEmulator)
        || on(Key::SkipSignature)
}

fn keys(url: &Url, settings: &Settings) -> HashMap<Key, String> {
    let mut keys: HashMap<Key, String> = settings.variables_for("AZURE_");
    if let Some(endpoint) = settings.variable("IDENTITY_ENDPOINT") {
        keys.entry(Key::MsiEndpoint).or_insert_with(|| endpoint.to_owned());
    }
    let options: HashMap<Key, String> = settings.options_for();
    // Those of an option and of a variable would be of two accounts.
    let secrets = [Key::AccessKey, Key::SasKey, Key::Token];
    let signed = url.query().is_some();
    if signed || settings.option("azure_storage_key").is_some() || secrets.iter().any(|key| options.contains_key(key)) {
        secrets.iter().for_each(|key| _ = keys.remove(key));
    }
    keys.extend(options);
    // As Azure's own command line calls them.
    for (key, name) in [(Key::AccountName, "azure_storage_account"), (Key::AccessKey, "azure_storage_key")] {
        if let Some(value) = settings.get(name).filter(|_| !(signed && key == Key::AccessKey)) {
            keys.entry(key).or_insert_with(|| value.to_owned());
        }
    }
    if let Some(query) = url.query() {
        keys.insert(Key::SasKey, query.to_owned());
    }
    if keys.get(&Key::Endpoint).is_some_and(|e| e.starts_with("http://")) {
        keys.entry(Key::Client(ClientConfigKey::AllowHttp)).or_insert_with(|| "true".into());
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::settings::tests::settings;

    #[test]
    fn a_signed_url_brings_its_own_credentials() {
        let url = Url::parse("az://lab/x.bam?sv=1&sig=s").unwrap();
        let keys = keys(&url, &settings(&[], &[("AZURE_STORAGE_KEY", "k"), ("AZURE_STORAGE_ACCOUNT", "me")]));
        assert_eq!(
            (&*keys[&Key::SasKey], &*keys[&Key::AccountName], keys.get(&Key::AccessKey)),
            ("sv=1&sig=s", "me", None)
        );
        assert!(is_told(&keys));
    }

    #[test]
    fn accounts_are_asked_for() {
        let e = build(&Url::parse("az://lab/x").unwrap(), &settings(&[], &[])).unwrap_err();
        assert!(e.to_string().contains("AZURE_STORAGE_ACCOUNT_NAME"), "{e}");
        for url in ["abfss://lab@me.dfs.core.windows.net/x", "az://lab@me.blob.core.windows.net/x"] {
            assert!(build(&Url::parse(url).unwrap(), &settings(&[("skip_signature", "true")], &[])).is_ok(), "{url}");
        }
        let e = build(&Url::parse("abfss://lab:CANARY@host/x").unwrap(), &settings(&[("use_azure_cli", "1")], &[]));
        assert!(!e.unwrap_err().to_string().contains("CANARY"));
    }
}
