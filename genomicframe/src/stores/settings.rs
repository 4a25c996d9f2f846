//! What stores are made with: options that were given, then the environment.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use genomicframe_core::io::Requests;
use genomicframe_core::{Error, Result};
use object_store::ClientConfigKey;
use object_store::aws::AmazonS3ConfigKey;
use object_store::azure::AzureConfigKey;
use object_store::gcp::GoogleConfigKey;

use crate::size::parse_size;
use crate::untrusted::Places;

/// Options beyond those of `object_store`.
const OWN: [&str; 16] = [
    "genomicframe_request_bytes",
    "genomicframe_request_gap",
    "genomicframe_requests_ahead",
    "genomicframe_cache_dir",
    "genomicframe_cache_size",
    "read_timeout",
    "max_retries",
    "retry_timeout",
    "aws_profile",
    "profile",
    "aws_shared_credentials_file",
    "aws_config_file",
    "aws_ec2_metadata_disabled",
    "azure_storage_account",
    "azure_storage_key",
    "google_bearer_token",
];

/// Bytes that a cache may hold where nothing else is said.
const CACHE: u64 = 1 << 30;

/// Sizes that a request may be asked to have.
const REQUEST_BYTES: std::ops::RangeInclusive<u64> = 64 << 10..=16 << 20;

/// Options and the environment's variables. Debug prints show no value.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// By names in lower case.
    options: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    /// Where servers may send readers on to, if not anywhere.
    places: Option<Arc<Places>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.options.keys()).finish()
    }
}

impl Settings {
    /// Of this process.
    ///
    /// # Errors
    /// When an option has a name that no store knows.
    pub(crate) fn new(options: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let variables = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
        Self::with_variables(options, variables)
    }

    pub(super) fn with_variables(
        options: impl IntoIterator<Item = (String, String)>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let options: BTreeMap<_, _> = options.into_iter().map(|(k, v)| (k.trim().to_ascii_lowercase(), v)).collect();
        if let Some(unknown) = options.keys().find(|k| !is_known(k)) {
            return Err(Error::invalid(format!("no storage option is called {unknown}"))
                .hint("docs/cloud.md lists them; AWS_REGION and region are the same"));
        }
        Ok(Self { options, variables: variables.into_iter().collect(), places: None })
    }

    /// The same, of stores whose servers may send readers on to these places only.
    pub(crate) fn confined_to(mut self, places: Arc<Places>) -> Self {
        self.places = Some(places);
        self
    }

    pub(super) fn places(&self) -> Option<&Arc<Places>> {
        self.places.as_ref()
    }

    /// An option of this name, else the variable that is called so in upper case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.option(name).or_else(|| self.variable(&name.to_ascii_uppercase()))
    }

    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_true)
    }

    /// What the variables that begin with `prefix` say, for keys that a store has. Without a prefix `$TOKEN` or `$REGION`
    /// of something else would be taken.
    pub(super) fn variables_for<K: FromStr + Eq + Hash>(&self, prefix: &str) -> HashMap<K, String> {
        let named = self.variables.iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty());
        named.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone()))).collect()
    }

    /// What the options say, for keys that a store has.
    pub(super) fn options_for<K: FromStr + Eq + Hash>(&self) -> HashMap<K, String> {
        self.options.iter().filter_map(|(name, value)| Some((name.parse().ok()?, value.clone()))).collect()
    }

    /// `30`, `30s`, `500ms` or `2m`.
    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>> {
        let Some(text) = self.option(name) else { return Ok(None) };
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let millis = match unit.trim() {
            "ms" => Some(1),
            "" | "s" => Some(1000),
            "m" => Some(60_000),
            _ => None,
        };
        let millis = millis.and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit)).filter(|ms| *ms > 0);
        let wrong = || Error::invalid(format!("{name} is no duration, as 15s or 500ms")).text(text.as_bytes());
        millis.map(Duration::from_millis).map(Some).ok_or_else(wrong)
    }

    /// Where and how much of remote files is kept between processes, if that is wanted: `genomicframe_cache_dir`, of which
    /// `auto` is the user's folder for such things, and `genomicframe_cache_size`.
    pub(crate) fn cache(&self) -> Result<Option<(PathBuf, u64)>> {
        let Some(folder) = self.get("genomicframe_cache_dir") else { return Ok(None) };
        let folder = if folder == "auto" {
            let own = self.variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
            let own = own.or_else(|| self.home().map(|home| home.join(".cache")));
            own.ok_or_else(|| Error::invalid("genomicframe_cache_dir=auto, but HOME is not set"))?.join("genomicframe")
        } else {
            folder.into()
        };
        Ok(Some((folder, self.bytes("genomicframe_cache_size")?.unwrap_or(CACHE))))
    }

    /// How remote files are read: `genomicframe_request_bytes` (most bytes of a request), `genomicframe_request_gap` (bytes
    /// between two stretches that are read over) and `genomicframe_requests_ahead` (requests under way for a partition).
    pub(crate) fn requests(&self) -> Result<Requests> {
        let usual = Requests::REMOTE;
        let largest = self.bytes("genomicframe_request_bytes")?.unwrap_or(usual.largest);
        if !REQUEST_BYTES.contains(&largest) {
            let (least, most) = (REQUEST_BYTES.start() >> 10, REQUEST_BYTES.end() >> 20);
            return Err(Error::invalid(format!("genomicframe_request_bytes is not between {least}K and {most}M")));
        }
        let ahead = match self.get("genomicframe_requests_ahead") {
            None => usual.ahead,
            Some(text) => {
                let wrong = |_| Error::invalid("genomicframe_requests_ahead is no number").text(text.as_bytes());
                text.parse::<usize>().map_err(wrong)?
            }
        };
        Ok(Requests { largest, gap: self.bytes("genomicframe_request_gap")?.unwrap_or(usual.gap), ahead, ..usual })
    }

    /// `1000000`, `500K`, `200M` or `2G`.
    fn bytes(&self, name: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let wrong = || Error::invalid(format!("{name} is no size, as 500M or 2G")).text(text.as_bytes());
        parse_size(text).map(Some).ok_or_else(wrong)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<usize>> {
        let Some(text) = self.option(name) else { return Ok(None) };
        let wrong = |_| Error::invalid(format!("{name} is no number")).text(text.as_bytes());
        text.parse().map(Some).map_err(wrong)
    }

    /// The user's own folder.
    pub(super) fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").or_else(|| self.variable("USERPROFILE")).map(PathBuf::from)
    }
}

/// As `object_store` reads it.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y")
}

fn is_known(name: &str) -> bool {
    OWN.contains(&name)
        || name.parse::<AmazonS3ConfigKey>().is_ok()
        || name.parse::<GoogleConfigKey>().is_ok()
        || name.parse::<AzureConfigKey>().is_ok()
        || name.parse::<ClientConfigKey>().is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Settings of these options and variables.
    pub(in crate::stores) fn settings(options: &[(&str, &str)], variables: &[(&str, &str)]) -> Settings {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        Settings::with_variables(owned(options), owned(variables)).unwrap()
    }

    #[test]
    fn options_win_and_only_named_variables_count() {
        let s = settings(
            &[("AWS_REGION", "eu-west-1")],
            &[("AWS_REGION", "us-east-2"), ("TOKEN", "no"), ("AWS_SESSION_TOKEN", "t")],
        );
        assert_eq!(s.get("aws_region"), Some("eu-west-1"));
        let keys = s.variables_for::<AmazonS3ConfigKey>("AWS_");
        assert_eq!(keys.get(&AmazonS3ConfigKey::Token).map(String::as_str), Some("t"));
        assert_eq!(keys.len(), 2);
    }

    #[test]
    fn unknown_names_and_wrong_values_are_told() {
        let wrong = Settings::with_variables([("aws_regoin".to_owned(), "CANARY".to_owned())], []).unwrap_err();
        assert!(
            wrong.is_invalid() && wrong.to_string().contains("aws_regoin") && !wrong.to_string().contains("CANARY")
        );
        let s = settings(&[("read_timeout", "soon"), ("retry_timeout", "1500ms"), ("max_retries", "x")], &[]);
        assert!(s.duration("read_timeout").is_err() && s.number("max_retries").is_err());
        assert_eq!(s.duration("retry_timeout").unwrap(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_cache_is_where_one_wants_it() {
        let at = |options: &[(&str, &str)], variables: &[(&str, &str)]| settings(options, variables).cache();
        assert_eq!(at(&[], &[("HOME", "/me")]).unwrap(), None);
        let auto = [("genomicframe_cache_dir", "auto"), ("genomicframe_cache_size", "200M")];
        let expected = |folder: &str, size| Some((PathBuf::from(folder), size));
        assert_eq!(at(&auto, &[("HOME", "/me")]).unwrap(), expected("/me/.cache/genomicframe", 200 << 20));
        let other = [("HOME", "/me"), ("XDG_CACHE_HOME", "/tmp/c")];
        assert_eq!(at(&auto, &other).unwrap(), expected("/tmp/c/genomicframe", 200 << 20));
        let by_variable = [("GENOMICFRAME_CACHE_DIR", "/big"), ("GENOMICFRAME_CACHE_SIZE", "2G")];
        assert_eq!(at(&[], &by_variable).unwrap(), expected("/big", 2 << 30));
        assert!(at(&auto, &[]).is_err());
        assert!(at(&[auto[0], ("genomicframe_cache_size", "much")], &other).is_err());
        assert!(at(&[auto[0], ("genomicframe_cache_size", "99999999999G")], &other).is_err());
    }

    #[test]
    fn requests_are_as_large_as_one_wants() {
        assert_eq!(settings(&[], &[]).requests().unwrap(), Requests::REMOTE);
        let own = [("genomicframe_request_bytes", "8M"), ("genomicframe_requests_ahead", "2")];
        let expected = Requests { largest: 8 << 20, gap: 1 << 20, ahead: 2, ..Requests::REMOTE };
        assert_eq!(settings(&own, &[("GENOMICFRAME_REQUEST_GAP", "1M")]).requests().unwrap(), expected);
        for wrong in ["0", "1K", "17M", "x"] {
            assert!(settings(&[("genomicframe_request_bytes", wrong)], &[]).requests().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_shown() {
        let s = settings(&[("aws_secret_access_key", "CANARY")], &[("AWS_SESSION_TOKEN", "CANARY")]);
        assert_eq!(format!("{s:?}"), "{\"aws_secret_access_key\"}");
    }
}
