//! What a store's failure means, without the secrets that it may repeat.

use object_store::Error as StoreError;

use crate::error::Error;

/// Longest piece of a server's answer that is repeated.
const CLIP: usize = 300;

/// A failure of a store in words of ours. `what` says what could not be done, for causes that no other words fit.
///
/// Of a server's answer its status, code and message are repeated. The rest of it may hold tokens, and the URLs of requests
/// signatures.
///
/// ```
/// use genomicframe_core::io::failure;
///
/// let e = object_store::Error::NotFound { path: "x.bam".into(), source: "404".into() };
/// assert!(failure(e, "it cannot be read").is_not_found());
/// ```
pub fn failure(e: StoreError, what: &str) -> Error {
    let e = match e {
        // Of a provider of credentials of ours.
        StoreError::Generic { store, source } => match source.downcast::<Error>() {
            Ok(own) => return *own,
            Err(source) => StoreError::Generic { store, source },
        },
        other => other,
    };
    let told = Told::by(&e);
    match (&e, told.status) {
        (StoreError::NotFound { .. }, _) | (_, Some(404)) => match told.code.as_deref() {
            Some("NoSuchBucket" | "ContainerNotFound") => Error::not_found("no such bucket"),
            _ => Error::not_found("no such object"),
        },
        (StoreError::Precondition { .. }, _) | (_, Some(412)) => {
            Error::io("the object was replaced while it was being read")
        }
        (StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. }, _) | (_, Some(401 | 403)) => {
            let code = told.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
            Error::denied(format!("access denied{code}")).hint("check the credentials, and what they allow")
        }
        _ if told.ignores_ranges(&e) => ranges_ignored(),
        (StoreError::NotImplemented { operation, .. }, _) => {
            Error::unsupported(format!("{what}: the store has no {operation}"))
        }
        _ if told.whole.contains("redirect without LOCATION") => {
            Error::io(format!("{what}: the bucket is in another region")).hint("set AWS_REGION")
        }
        _ if told.deepest.contains("URL scheme is not allowed") => {
            Error::denied(format!("{what}: the server is reached without encryption"))
                .hint("allow it by allow_http=true")
        }
        _ => Error::io(format!("{what}: {}", told.cause())),
    }
}

/// Whether a range was not answered because there is none: of an empty object none can be asked for.
pub(super) fn has_no_range(e: &StoreError) -> bool {
    let told = Told::by(e);
    told.ignores_ranges(e) || told.status == Some(416)
}

fn ranges_ignored() -> Error {
    Error::unsupported("the server ignores byte ranges and would send the whole file for each")
        .hint("copy the file, or serve it by one that knows ranges")
}

/// What an error's texts tell: those of `object_store` have no fields to ask.
struct Told {
    whole: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    deepest: String,
}

impl Told {
    fn by(e: &StoreError) -> Self {
        let mut deepest: &dyn std::error::Error = e;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let (whole, deepest) = (e.to_string(), deepest.to_string());
        let status = whole.split_once("status code: ").and_then(|(_, rest)| rest.get(..3)?.parse().ok());
        let between = |open: &str, close: &str| {
            let (text, _) = whole.split_once(open)?.1.split_once(close)?;
            text.lines().next().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let (code, message) = (between("<Code>", "</Code>"), between("<Message>", "</Message>"));
        Self { whole, status, code, message, deepest }
    }

    fn ignores_ranges(&self, e: &StoreError) -> bool {
        matches!(e, StoreError::NotSupported { .. }) || self.whole.contains("non-partial response")
    }

    fn cause(&self) -> String {
        let said = match (&self.code, &self.message) {
            (Some(code), Some(message)) => Some(format!("{code}: {message}")),
            (code, message) => code.clone().or_else(|| message.clone()),
        };
        let text = match (self.status, said) {
            (Some(status), Some(said)) => format!("HTTP {status}, {said}"),
            (Some(status), None) => format!("HTTP {status}"),
            (None, Some(said)) => said,
            (None, None) => redact(&self.deepest),
        };
        let mut clipped: String = text.chars().take(CLIP).filter(|c| !c.is_control()).collect();
        if text.chars().count() > CLIP {
            clipped.push('…');
        }
        clipped
    }
}

/// Cuts query strings and user info from URLs in a message.
fn redact(text: &str) -> String {
    text.split(' ').map(super::Location::shown).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> StoreError {
        StoreError::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn causes_are_told_and_secrets_are_not() {
        let head = "Error performing GET https://u:CANARY@h/b?sig=CANARY in 1s - Server returned non-2xx status code: ";
        let answer = |rest: &str| failure(generic(&format!("{head}{rest}")), "bytes 0..9 cannot be read");
        let slow =
            answer("503 Service Unavailable: <Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>");
        assert_eq!(slow.to_string(), "bytes 0..9 cannot be read: HTTP 503, SlowDown: Reduce your rate");
        let token = answer("400 Bad Request: <Error><Code>InvalidToken</Code><Token-0>CANARY</Token-0></Error>");
        assert_eq!(token.to_string(), "bytes 0..9 cannot be read: HTTP 400, InvalidToken");
        assert!(answer("403 Forbidden: <Error><Code>AccessDenied</Code></Error>").is_denied());
        assert_eq!(answer("404 Not Found: <Code>NoSuchBucket</Code>").to_string(), "no such bucket");
        let other = failure(generic("cannot reach https://me:CANARY@host/x?sig=CANARY now"), "it cannot be read");
        assert_eq!(other.to_string(), "it cannot be read: cannot reach https://host/x now");
        for e in [slow, token, other] {
            assert!(!format!("{e:?}").contains("CANARY"), "{e:?}");
        }
    }

    #[test]
    fn own_errors_pass_through() {
        let own =
            StoreError::Generic { store: "S3", source: Box::new(Error::denied("no credentials").hint("set some")) };
        assert_eq!(failure(own, "x").to_string(), "no credentials (set some)");
    }
}
