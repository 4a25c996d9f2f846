//! Connections. What `object_store` would make follows a server anywhere, and tells the next one the link that led there, with
//! the signature in it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use object_store::{ClientConfigKey as Key, ClientOptions};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};

use super::certificates;
use crate::untrusted::Places;

/// Servers that send a reader on, one after the other.
const MOST_LINKS: usize = 10;

/// A client with these options; where `places` are given, servers may send it on to these only.
pub(super) fn build(options: &ClientOptions, places: Option<Arc<Places>>) -> object_store::Result<Client> {
    let failed = |e: reqwest::Error| object_store::Error::Generic { store: "HTTP client", source: Box::new(e) };
    let text = |key: Key| options.get_config_value(&key);
    let is_true = |key: Key| text(key).is_some_and(|value| value == "true");
    let mut builder = Client::builder()
        .referer(false)
        .redirect(policy(places))
        .dns_resolver(Arc::new(AnyAddress))
        .user_agent(text(Key::UserAgent).unwrap_or_else(|| concat!("genomicframe/", env!("CARGO_PKG_VERSION")).into()))
        .https_only(!is_true(Key::AllowHttp))
        .http2_keep_alive_while_idle(is_true(Key::Http2KeepAliveWhileIdle));
    if let Some(time) = duration(text(Key::ConnectTimeout))? {
        builder = builder.connect_timeout(time);
    }
    if let Some(time) = duration(text(Key::Timeout))? {
        builder = builder.timeout(time);
    }
    if let Some(time) = duration(text(Key::PoolIdleTimeout))? {
        builder = builder.pool_idle_timeout(time);
    }
    if let Some(time) = duration(text(Key::Http2KeepAliveInterval))? {
        builder = builder.http2_keep_alive_interval(time);
    }
    if let Some(time) = duration(text(Key::Http2KeepAliveTimeout))? {
        builder = builder.http2_keep_alive_timeout(time);
    }
    if let Some(most) = number(text(Key::PoolMaxIdlePerHost))? {
        builder = builder.pool_max_idle_per_host(most);
    }
    if let Some(size) = number(text(Key::Http2MaxFrameSize))? {
        builder = builder.http2_max_frame_size(Some(size as u32));
    }
    let mut protocols = &["h2", "http/1.1"][..];
    if is_true(Key::Http1Only) {
        builder = builder.http1_only();
        protocols = &["http/1.1"];
    }
    if is_true(Key::Http2Only) {
        builder = builder.http2_prior_knowledge();
        protocols = &["h2"];
    }
    let own_certificate = text(Key::ProxyCaCertificate);
    builder = if is_true(Key::AllowInvalidCertificates) {
        builder.danger_accept_invalid_certs(true)
    } else if own_certificate.is_none() {
        let config = certificates::config(protocols).map_err(|e| wrong(e.to_string()))?;
        builder.use_preconfigured_tls(config)
    } else {
        builder
    };
    if let Some(url) = text(Key::ProxyUrl) {
        let excludes = NoProxy::from_string(&text(Key::ProxyExcludes).unwrap_or_default());
        builder = builder.proxy(Proxy::all(url).map_err(failed)?.no_proxy(excludes));
        if let Some(certificate) = own_certificate {
            builder = builder.add_root_certificate(Certificate::from_pem(certificate.as_bytes()).map_err(failed)?);
        }
    }
    builder.build().map_err(failed)
}

fn policy(places: Option<Arc<Places>>) -> redirect::Policy {
    let Some(places) = places else { return redirect::Policy::limited(MOST_LINKS) };
    redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MOST_LINKS {
            attempt.error("sent on too often")
        } else if places.has_url(attempt.url()) {
            attempt.follow()
        } else {
            attempt.error("sent on to a place that queries may not read")
        }
    })
}

fn wrong(what: String) -> object_store::Error {
    object_store::Error::Generic { store: "HTTP client", source: what.into() }
}

/// As it was given or as `object_store` prints it: `5s`, `1m 30s`, `90 seconds`.
fn duration(text: Option<String>) -> object_store::Result<Option<Duration>> {
    let Some(text) = text else { return Ok(None) };
    let bad = || wrong(format!("{text} is no duration, as 15s or 500ms"));
    let (mut sum, mut rest) = (Duration::ZERO, text.trim());
    while !rest.is_empty() {
        let (number, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let behind = behind.trim_start();
        let (unit, behind) = behind.split_at(behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len()));
        let unit = match unit {
            "ns" | "nsec" => Duration::from_nanos(1),
            "us" | "usec" | "µs" => Duration::from_micros(1),
            "ms" | "msec" | "millis" => Duration::from_millis(1),
            "s" | "sec" | "secs" | "second" | "seconds" => Duration::from_secs(1),
            "m" | "min" | "mins" | "minute" | "minutes" => Duration::from_secs(60),
            "h" | "hr" | "hrs" | "hour" | "hours" => Duration::from_secs(3600),
            _ => return Err(bad()),
        };
        sum = sum.saturating_add(unit.saturating_mul(number.parse().map_err(|_| bad())?));
        rest = behind.trim_start();
    }
    Ok(Some(sum))
}

fn number(text: Option<String>) -> object_store::Result<Option<usize>> {
    text.map(|text| text.parse().map_err(|_| wrong(format!("{text} is no number")))).transpose()
}

/// Looks names up, and begins with any of their addresses, so that not all connections go to the first one.
#[derive(Debug)]
struct AnyAddress;

impl Resolve for AnyAddress {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let mut all: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if !all.is_empty() {
                // A hasher is made with random keys.
                let first = RandomState::new().hash_one(()) as usize % all.len();
                all.rotate_left(first);
            }
            Ok(Box::new(all.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_over() {
        let options = ClientOptions::new()
            .with_config(Key::Timeout, "90 seconds")
            .with_config(Key::ConnectTimeout, "1500ms")
            .with_config(Key::PoolMaxIdlePerHost, "3")
            .with_config(Key::Http2MaxFrameSize, "20000")
            .with_config(Key::ProxyUrl, "http://127.0.0.1:1")
            .with_config(Key::AllowHttp, "true");
        let client = format!("{:?}", build(&options, None).unwrap());
        assert!(client.contains("90s") && client.contains("127.0.0.1"), "{client}");
        assert_eq!(
            duration(options.get_config_value(&Key::ConnectTimeout)).unwrap(),
            Some(Duration::from_millis(1500))
        );
        assert_eq!(duration(options.get_config_value(&Key::Timeout)).unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(duration(Some("1m 30s 5ms".into())).unwrap(), Some(Duration::from_millis(90_005)));
        assert!(duration(Some("5".into())).is_err() && duration(Some("soon".into())).is_err());
        assert!(build(&options.with_config(Key::ProxyUrl, "::"), None).is_err());
    }
}
