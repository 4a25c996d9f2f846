//! S3, and what speaks its protocol.

use std::collections::HashMap;
use std::sync::Arc;

use genomicframe_core::{Error, Result};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
use object_store::{ClientConfigKey, ObjectStore};
use url::Url;

use super::credentials::{Brief, Missing};
use super::profile::{self, Found};
use super::settings::{Settings, is_true};
use super::transport::Transport;
use super::{bucket, unusable};

const HINT: &str =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a public bucket AWS_SKIP_SIGNATURE=true";

/// Where credentials come from.
#[derive(Debug, PartialEq)]
enum Source {
    /// The builder has all it needs.
    Told,
    /// A service of the machine, of which this is said when it does not answer.
    Service(&'static str),
}

const CONTAINER: Source = Source::Service("the container's credentials did not come");
const INSTANCE: Source = Source::Service("no instance metadata answered");

pub(super) fn build(url: &Url, settings: &Settings) -> Result<Arc<dyn ObjectStore>> {
    let bucket = bucket(url)?;
    let transport = Transport::of(settings)?;
    let found = profile::find(settings)?;
    let (keys, source) = keys(settings, &found)?;
    let builder = || {
        let builder = AmazonS3Builder::new()
            .with_client_options(Transport::client_options())
            .with_http_connector(transport.connector.clone());
        keys.iter().fold(builder, |b, (key, value)| b.with_config(*key, value)).with_bucket_name(bucket)
    };
    let store = builder().with_retry(transport.retry.clone());
    let store = match source {
        Source::Told => store,
        Source::Service(silent) => {
            let service = builder().with_retry(transport.brief()).build().map_err(unusable)?;
            let missing = missing(&found, silent);
            store.with_credentials(Arc::new(Brief::new(Arc::clone(service.credentials()), missing)))
        }
    };
    Ok(Arc::new(store.build().map_err(unusable)?))
}

/// What was looked for without success.
fn missing(found: &Found, last: &str) -> Missing {
    let [credentials, config] = &found.files;
    let profile = match &found.profile {
        Some(_) => format!("profile {} has no keys", found.name),
        None => format!("no profile {} in {} or {}", found.name, credentials.display(), config.display()),
    };
    let tried = vec!["neither options nor variables have keys".into(), profile, last.into()];
    Missing { of: "AWS", tried, hint: HINT }
}

/// Everything that is set, the nearest first: options, variables, the profile.
fn keys(settings: &Settings, found: &Found) -> Result<(HashMap<Key, String>, Source)> {
    let options: HashMap<Key, String> = settings.options_for();
    let mut keys: HashMap<Key, String> = settings.variables_for("AWS_");
    let given = |any: &[Key]| any.iter().any(|key| options.contains_key(key));
    // What belongs together comes from one place.
    if given(&[Key::AccessKeyId, Key::SecretAccessKey])
        || settings.option("profile").is_some()
        || settings.option("aws_profile").is_some()
    {
        [Key::AccessKeyId, Key::SecretAccessKey, Key::Token].iter().for_each(|key| _ = keys.remove(key));
    }
    if given(&[Key::Endpoint, Key::S3Endpoint]) {
        [Key::Endpoint, Key::S3Endpoint].iter().for_each(|key| _ = keys.remove(key));
    }
    keys.extend(options);
    // The two names of a region are one setting, whichever is read last.
    if let Some(region) = keys.remove(&Key::DefaultRegion) {
        keys.entry(Key::Region).or_insert(region);
    }
    if let Some(profile) = &found.profile {
        if let Some(region) = profile.get("region") {
            keys.entry(Key::Region).or_insert_with(|| region.to_owned());
        }
        if let Some(endpoint) = profile.endpoint()
            && !keys.contains_key(&Key::Endpoint)
        {
            keys.entry(Key::S3Endpoint).or_insert_with(|| endpoint.to_owned());
        }
    }
    // Who names an endpoint without encryption wants it so.
    let endpoint = keys.get(&Key::S3Endpoint).or_else(|| keys.get(&Key::Endpoint));
    if endpoint.is_some_and(|e| e.starts_with("http://")) {
        keys.entry(Key::Client(ClientConfigKey::AllowHttp)).or_insert_with(|| "true".into());
    }
    let source = credentials(&mut keys, settings, found)?;
    Ok((keys, source))
}

/// Finds credentials in the order of AWS's own tools.
fn credentials(keys: &mut HashMap<Key, String>, settings: &Settings, found: &Found) -> Result<Source> {
    if keys.get(&Key::SkipSignature).is_some_and(|v| is_true(v)) {
        return Ok(Source::Told);
    }
    match (keys.contains_key(&Key::AccessKeyId), keys.contains_key(&Key::SecretAccessKey)) {
        (true, true) => return Ok(Source::Told),
        (false, false) => {}
        (has_id, _) => {
            let (has, lacks) = if has_id { ("an access key", "its secret") } else { ("a secret", "its access key") };
            return Err(Error::denied(format!("incomplete AWS credentials: {has} without {lacks}"))
                .hint("set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
        }
    }
    let has_web_identity = keys.contains_key(&Key::WebIdentityTokenFile) && keys.contains_key(&Key::RoleArn);
    if has_web_identity && !found.is_named {
        return Ok(Source::Told);
    }
    if let Some(profile) = &found.profile {
        let mut take = |key: Key, name: &str| {
            if let Some(value) = profile.get(name) {
                keys.insert(key, value.to_owned());
            }
        };
        if profile.has_keys() {
            take(Key::AccessKeyId, "aws_access_key_id");
            take(Key::SecretAccessKey, "aws_secret_access_key");
            take(Key::Token, "aws_session_token");
            return match keys.contains_key(&Key::SecretAccessKey) {
                true => Ok(Source::Told),
                false => Err(Error::denied(format!("AWS profile {} has an access key without its secret", found.name))),
            };
        }
        if profile.get("web_identity_token_file").is_some() && profile.get("role_arn").is_some() {
            take(Key::WebIdentityTokenFile, "web_identity_token_file");
            take(Key::RoleArn, "role_arn");
            take(Key::RoleSessionName, "role_session_name");
            return Ok(Source::Told);
        }
        if let Some(way) = profile.foreign() {
            let what = format!("AWS profile {} gets its credentials by {way}, which is not done here", found.name);
            let hint = format!("eval \"$(aws configure export-credentials --profile {} --format env)\"", found.name);
            return Err(Error::unsupported(what).hint(hint));
        }
    }
    if keys.contains_key(&Key::ContainerCredentialsRelativeUri)
        || (keys.contains_key(&Key::ContainerCredentialsFullUri)
            && keys.contains_key(&Key::ContainerAuthorizationTokenFile))
    {
        return Ok(CONTAINER);
    }
    if settings.is_true("aws_ec2_metadata_disabled") {
        return Err(missing(found, "instance metadata is disabled").error());
    }
    Ok(INSTANCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stores::settings::tests::settings;

    fn decide(options: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<(HashMap<Key, String>, Source)> {
        let settings = settings(options, variables);
        let found = profile::find(&settings)?;
        keys(&settings, &found)
    }

    #[test]
    fn the_nearest_setting_wins_and_credentials_are_never_mixed() {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "env"),
            ("AWS_SECRET_ACCESS_KEY", "env"),
            ("AWS_SESSION_TOKEN", "env"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_S3", "https://env"),
        ];
        let (keys, source) = decide(&[], &variables).unwrap();
        assert_eq!((source, &*keys[&Key::Token], &*keys[&Key::Region]), (Source::Told, "env", "eu-west-1"));
        let options = [("access_key_id", "o"), ("secret_access_key", "o"), ("endpoint", "http://o")];
        let (keys, _) = decide(&options, &variables).unwrap();
        assert_eq!((&*keys[&Key::AccessKeyId], keys.get(&Key::Token)), ("o", None));
        assert_eq!((&*keys[&Key::Endpoint], keys.get(&Key::S3Endpoint)), ("http://o", None));
        assert_eq!(keys[&Key::Client(ClientConfigKey::AllowHttp)], "true");
    }

    #[test]
    fn a_profile_gives_keys_region_and_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let (credentials, config) = (folder.path().join("credentials"), folder.path().join("config"));
        std::fs::write(
            &credentials,
            "[lab]\naws_access_key_id = id\naws_secret_access_key = s#c\n[half]\naws_access_key_id=x\n",
        )
        .unwrap();
        let text = "[profile lab]\nregion = eu-north-1\nservices = near\n[services near]\ns3 =\n  endpoint_url = https://near\n\
                    [profile sso]\nsso_session = x\n[default]\nregion = us-west-2\n";
        std::fs::write(&config, text).unwrap();
        let files = |profile: Option<&'static str>| {
            let mut variables = vec![
                ("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()),
                ("AWS_CONFIG_FILE", config.to_str().unwrap()),
            ];
            variables.extend(profile.map(|p| ("AWS_PROFILE", p)));
            variables
        };
        let (keys, source) = decide(&[], &files(Some("lab"))).unwrap();
        assert_eq!((source, &*keys[&Key::SecretAccessKey]), (Source::Told, "s#c"));
        assert_eq!((&*keys[&Key::Region], &*keys[&Key::S3Endpoint]), ("eu-north-1", "https://near"));
        // An option is nearer than the variables' keys.
        let mut variables = files(None);
        variables.extend([("AWS_ACCESS_KEY_ID", "env"), ("AWS_SECRET_ACCESS_KEY", "env")]);
        assert_eq!(decide(&[("profile", "lab")], &variables).unwrap().0[&Key::AccessKeyId], "id");

        let (keys, source) = decide(&[], &files(None)).unwrap();
        assert_eq!((source, &*keys[&Key::Region]), (INSTANCE, "us-west-2"));
        let e = |profile| decide(&[], &files(Some(profile))).unwrap_err().to_string();
        assert!(e("none").contains("no AWS profile is called none (looked in "), "{}", e("none"));
        assert!(e("half").contains("without its secret"), "{}", e("half"));
        assert!(e("sso").contains("aws configure export-credentials --profile sso"), "{}", e("sso"));
    }

    #[test]
    fn what_was_tried_is_told() {
        let variables = [("HOME", "/nowhere"), ("AWS_EC2_METADATA_DISABLED", "true")];
        let e = decide(&[], &variables).unwrap_err();
        assert!(e.is_denied());
        let text = e.to_string();
        for part in ["no profile default in /nowhere/.aws/credentials", "metadata is disabled", "AWS_SKIP_SIGNATURE"] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(decide(&[("skip_signature", "true")], &variables).unwrap().1, Source::Told);
        let half = decide(&[], &[("AWS_SECRET_ACCESS_KEY", "CANARY")]).unwrap_err().to_string();
        assert!(half.contains("a secret without its access key") && !half.contains("CANARY"), "{half}");
    }

    #[test]
    fn urls_take_no_secrets() {
        for text in ["s3://key:CANARY@lab/x", "s3://lab/x?sig=CANARY"] {
            let e = build(&Url::parse(text).unwrap(), &settings(&[("skip_signature", "1")], &[])).unwrap_err();
            assert!(e.is_invalid() && !format!("{e} {e:?}").contains("CANARY"), "{e}");
        }
    }
}
