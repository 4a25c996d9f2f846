//! How requests are sent: timeouts by read, retries with back-off, links as they were given.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use genomicframe_core::Result;
use genomicframe_core::io::Errand;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Uri};
use http_body::{Body, Frame, SizeHint};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use percent_encoding::percent_decode_str;
use tokio::time::{Sleep, sleep, timeout};
use url::Url;

use super::client;
use super::settings::Settings;
use crate::untrusted::Places;

/// Longest time in which nothing comes.
const READ_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts after the first.
const RETRIES: usize = 6;
/// Time after which no other attempt is begun.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes a second of the slowest upload that is waited for, since its answer comes only behind its last byte.
const SLOWEST_UPLOAD: u64 = 256 << 10;

/// How the requests of a store are sent.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    pub(super) retry: RetryConfig,
    pub(super) connector: Connector,
}

impl Transport {
    pub(super) fn of(settings: &Settings) -> Result<Self> {
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            ..BackoffConfig::default()
        };
        let retry = RetryConfig {
            backoff,
            max_retries: settings.number("max_retries")?.unwrap_or(RETRIES),
            retry_timeout: settings.duration("retry_timeout")?.unwrap_or(RETRY_TIMEOUT),
        };
        let wait = settings.duration("read_timeout")?.unwrap_or(READ_TIMEOUT);
        Ok(Self { retry, connector: Connector { wait, places: settings.places().cloned() } })
    }

    /// For a service of the machine, which answers at once or is not there.
    pub(super) fn brief(&self) -> RetryConfig {
        RetryConfig { max_retries: 0, ..self.retry.clone() }
    }

    /// Without a timeout of whole requests: a slow one of many bytes is no hanging one.
    pub(super) fn client_options() -> ClientOptions {
        ClientOptions::new().with_timeout_disabled().with_connect_timeout(CONNECT_TIMEOUT)
    }
}

/// Makes clients that wait for each read.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    wait: Duration,
    places: Option<Arc<Places>>,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = HttpClient::new(client::build(options, self.places.clone())?);
        Ok(HttpClient::new(Client { client, wait: self.wait }))
    }
}

#[derive(Debug)]
struct Client {
    client: HttpClient,
    wait: Duration,
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(errand) = request.extensions().get::<Errand>().cloned() {
            errand.attempted();
            if let Some(link) = errand.link() {
                follow(&mut request, link)?;
            }
        }
        let upload = Duration::from_secs(request.body().content_length() as u64 / SLOWEST_UPLOAD);
        let answer = timeout(self.wait + upload, self.client.execute(request)).await;
        let (parts, body) = answer.map_err(|_| late(self.wait + upload))??.into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(Timed { body, wait: self.wait, sleep: None })))
    }
}

/// Asks for the link, character for character, by the user it names.
fn follow(request: &mut HttpRequest, link: &Url) -> Result<(), HttpError> {
    let wrong = |e| HttpError::new(HttpErrorKind::Unknown, e);
    let path = &link[url::Position::BeforePath..url::Position::AfterQuery];
    let host = &link[url::Position::BeforeHost..url::Position::AfterPort];
    *request.uri_mut() = Uri::try_from(format!("{}://{host}{path}", link.scheme())).map_err(wrong)?;
    if !link.username().is_empty() || link.password().is_some() {
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let mut pair = decoded(link.username());
        pair.push(b':');
        pair.extend(decoded(link.password().unwrap_or_default()));
        let value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair)));
        let mut value = value.map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    Ok(())
}

/// Nothing came in time.
#[derive(Debug, thiserror::Error)]
#[error("nothing came for {0:?}")]
struct Late(Duration);

fn late(wait: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Late(wait))
}

/// A body of which each piece must come in time. While nobody asks for one, no time is counted.
struct Timed {
    body: HttpResponseBody,
    wait: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("wait", &self.wait).finish_non_exhaustive()
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.sleep = None;
            return Poll::Ready(frame);
        }
        let wait = this.wait;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep(wait)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(late(wait))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::client::HttpRequestBody;

    #[test]
    fn links_are_followed_as_they_were_given() {
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        let link = Url::parse("https://me:p%40ss@host:8443/a%2Bb%2Fc.bam?sig=x%2By&k=#part").unwrap();
        follow(&mut request, &link).unwrap();
        assert_eq!(request.uri().to_string(), "https://host:8443/a%2Bb%2Fc.bam?sig=x%2By&k=");
        // me:p@ss
        assert_eq!(request.headers()[AUTHORIZATION], "Basic bWU6cEBzcw==");
        assert!(!format!("{request:?}").contains("bWU6"));
    }
}
