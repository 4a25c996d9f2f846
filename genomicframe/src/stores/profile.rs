//! Profiles in the files that AWS's own tools share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use genomicframe_core::{Error, Result};

use super::ini::{self, Sections};
use super::settings::Settings;

/// What the files say of one profile.
#[derive(Default)]
pub(super) struct Profile {
    values: BTreeMap<String, String>,
    /// Of a file's section that it names, for S3.
    service: BTreeMap<String, String>,
}

/// What was found, and where it was looked for.
pub(super) struct Found {
    pub(super) name: String,
    /// Whether it was asked for, and does not stand in for nothing.
    pub(super) is_named: bool,
    pub(super) profile: Option<Profile>,
    pub(super) files: [PathBuf; 2],
}

impl Profile {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    pub(super) fn has_keys(&self) -> bool {
        self.get("aws_access_key_id").is_some()
    }

    /// Where S3 is: said for S3 alone, or for all services.
    pub(super) fn endpoint(&self) -> Option<&str> {
        let own = self.service.get("s3.endpoint_url").map(String::as_str);
        own.or_else(|| self.get("s3.endpoint_url")).or_else(|| self.get("endpoint_url"))
    }

    /// How it would come to credentials that only AWS's own tools can make.
    pub(super) fn foreign(&self) -> Option<&'static str> {
        let ways = [
            ("credential_process", "a program"),
            ("sso_session", "single sign-on"),
            ("sso_start_url", "single sign-on"),
            ("source_profile", "another profile's role"),
            ("credential_source", "an instance's role"),
        ];
        ways.into_iter().find(|(key, _)| self.get(key).is_some()).map(|(_, way)| way)
    }
}

/// The profile that is asked for, else `default`.
///
/// # Errors
/// When one is asked for that no file has, or a file cannot be read.
pub(super) fn find(settings: &Settings) -> Result<Found> {
    let named = settings.option("profile").or_else(|| settings.get("aws_profile"));
    let name = named.or_else(|| settings.variable("AWS_DEFAULT_PROFILE")).unwrap_or("default").to_owned();
    let file = |setting: &str, usual: &str| {
        let home = settings.home().unwrap_or_default();
        match settings.get(setting) {
            Some(path) => path.strip_prefix("~/").map_or_else(|| PathBuf::from(path), |rest| home.join(rest)),
            None => home.join(".aws").join(usual),
        }
    };
    let files = [file("aws_shared_credentials_file", "credentials"), file("aws_config_file", "config")];
    // A file that nobody asked for may be another user's.
    let read = |file| read(file).or_else(|e| if named.is_some() { Err(e) } else { Ok(Sections::new()) });
    let (credentials, config) = (read(&files[0])?, read(&files[1])?);
    let own = credentials.get(&name);
    let section = if name == "default" { name.clone() } else { format!("profile {name}") };
    let also = config.get(&section).or_else(|| config.get(&format!("profile {name}")));
    let profile = (own.is_some() || also.is_some()).then(|| {
        let mut values = also.cloned().unwrap_or_default();
        values.extend(own.cloned().unwrap_or_default());
        let service = values.get("services").and_then(|name| config.get(&format!("services {name}")));
        Profile { service: service.cloned().unwrap_or_default(), values }
    });
    if named.is_some() && profile.is_none() {
        let [a, b] = &files;
        return Err(Error::invalid(format!("no AWS profile is called {name}")).hint(format!(
            "looked in {} and {}",
            a.display(),
            b.display()
        )));
    }
    Ok(Found { is_named: named.is_some(), name, profile, files })
}

/// Of a file that is not there, nothing.
fn read(file: &Path) -> Result<Sections> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(ini::parse(&text)),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(Sections::new())
        }
        Err(e) => Err(Error::io("cannot read it").in_object(file.display()).caused_by(e)),
    }
}
