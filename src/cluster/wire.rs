//! One request on the wire: sent with the credentials read last, its whole answer read, a refusal told as
//! such. An answer of 401 has the credentials read anew; sending again is the engine's business.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use kube::core::Status;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::{ApiError, Refusal};

/// How long one answer is waited for; kube has no limit of its own.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

type Renew = Arc<dyn Fn() -> Result<kube::Client, kube::Error> + Send + Sync>;

/// The client in use, and how to get another one when its credentials have run out. Clones share both.
#[derive(Clone)]
pub(super) struct Wire {
    /// With the number of times its credentials were read anew.
    client: watch::Sender<(u32, kube::Client)>,
    renew: Option<Renew>,
    /// What the server's clock read when it answered last, and when that was.
    dated: watch::Sender<Option<(Timestamp, Instant)>>,
}

/// A whole answer of a status below 400.
pub(super) struct Received {
    pub status: StatusCode,
    pub body: Vec<u8>,
    /// The texts of its `Warning` headers.
    pub warnings: Vec<String>,
}

impl Wire {
    pub(super) fn new(client: kube::Client) -> Self {
        Self { client: watch::Sender::new((0, client)), renew: None, dated: watch::Sender::new(None) }
    }

    /// Returns the wire with a way to read its credentials anew.
    pub(super) fn renewed_by(self, renew: Renew) -> Self {
        Self { renew: Some(renew), ..self }
    }

    /// Returns what the server's clock reads now, by the date of its last answer: its second, or a later one.
    pub(super) fn server_time(&self) -> Option<Timestamp> {
        let (date, answered_at) = (*self.dated.borrow())?;
        let since = SignedDuration::try_from(answered_at.elapsed()).ok()?;
        date.checked_add(since).ok()
    }

    /// Does something with the client. Refused for want of a valid login, it reads the credentials anew,
    /// unless another request has done so meanwhile.
    pub(super) async fn with_client<T, F>(&self, work: impl FnOnce(kube::Client) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let (reading, client) = self.client.borrow().clone();
        let mut result = work(client).await;
        if let Err(ApiError::Refused(refusal)) = &mut result
            && refusal.code == 401
        {
            refusal.credentials_renewed = self.renew(reading);
        }
        result
    }

    /// Returns true when there are other credentials than those of a certain reading.
    fn renew(&self, reading: u32) -> bool {
        if self.client.borrow().0 != reading {
            return true;
        }
        // Why the plugin or the file gave nothing is not told: the server's 401 is the cause to show.
        let Some(Ok(client)) = self.renew.as_ref().map(|renew| renew()) else { return false };
        self.client.send_replace((reading.saturating_add(1), client));
        true
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Received, ApiError> {
        let send = |client: kube::Client| async move {
            let response = client.send(request.map(Body::from)).await?;
            let status = response.status();
            let headers = response.headers();
            if let Some(date) = date(headers) {
                self.dated.send_replace(Some((date, Instant::now())));
            }
            let text = |value: &header::HeaderValue| value.to_str().ok().map(str::to_owned);
            let warnings = headers.get_all(header::WARNING).iter().filter_map(text);
            let warnings = warnings.flat_map(|header| super::warning::texts(&header)).collect();
            let retry_after = headers.get(header::RETRY_AFTER).and_then(|value| text(value)?.parse().ok());
            let body = Vec::from(response.into_body().collect().await?.to_bytes());
            if status.is_success() {
                return Ok(Received { status, body, warnings });
            }
            Err(refused(status, &String::from_utf8_lossy(&body), retry_after.map(Duration::from_secs)))
        };
        within(ANSWER_WITHIN, self.with_client(send)).await?
    }
}

/// Returns the time a server put on its answer, as every HTTP server with a clock does (RFC 9110, 6.6.1).
fn date(headers: &header::HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok()
}

/// Waits for an answer no longer than `limit`.
pub(super) async fn within<T>(limit: Duration, answer: impl Future<Output = T>) -> Result<T, ApiError> {
    tokio::time::timeout(limit, answer).await.map_err(|_| ApiError::NoAnswer { after: limit })
}

/// Returns a request.
///
/// # Errors
/// [`ApiError::Unreadable`] when `path` makes no URI.
pub(super) fn request(
    method: Method,
    path: &str,
    query: &[(&str, &str)],
    body: Option<(&'static str, String)>,
) -> Result<Request<Vec<u8>>, ApiError> {
    let mut uri = path.to_owned();
    if !query.is_empty() {
        uri.push('?');
        uri.push_str(&form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish());
    }
    let mut builder = Request::builder().method(method).uri(uri);
    if let Some((content_type, _)) = body {
        builder = builder.header(header::CONTENT_TYPE, content_type);
    }
    let body = body.map(|(_, text)| text.into_bytes()).unwrap_or_default();
    builder
        .body(body)
        .map_err(|cause| ApiError::Unreadable { cause: format!("request to `{path}`: {cause}") })
}

/// Says which form of an answer is wanted.
pub(super) fn accepting(request: &mut Request<Vec<u8>>, form: &'static str) {
    request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static(form));
}

/// Returns the refusal a body tells; a proxy on the way may answer something else than a `Status`.
pub(super) fn refused(status: StatusCode, body: &str, retry_after: Option<Duration>) -> ApiError {
    let told = serde_json::from_str::<Status>(body).ok().filter(|told| !told.message.is_empty());
    let status_of = |message: String| Status { message, ..Status::default() };
    let told = told.unwrap_or_else(|| {
        let reason = status.canonical_reason().unwrap_or("no reason given");
        let body: String = body.trim().chars().take(200).collect();
        status_of(if body.is_empty() { format!("{status}: {reason}") } else { format!("{status}: {body}") })
    });
    ApiError::Refused(Refusal::from_status(status.as_u16(), told, retry_after))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use http::{Method, Request, Response};
    use http_body_util::Full;
    use kube::client::Body;

    use super::{Wire, request};
    use crate::cluster::ApiError;

    /// Returns a client that is answered `code` to everything, and counts.
    fn answered(code: u16, asked: &Arc<AtomicU32>) -> kube::Client {
        let asked = Arc::clone(asked);
        let service = tower::service_fn(move |_: Request<Body>| {
            asked.fetch_add(1, Ordering::Relaxed);
            let body = Full::new(bytes::Bytes::from_static(b"{}"));
            std::future::ready(Ok::<_, Infallible>(Response::builder().status(code).body(body).unwrap()))
        });
        kube::Client::new(service, "default")
    }

    fn get() -> Request<Vec<u8>> {
        request(Method::GET, "/api", &[], None).unwrap()
    }

    fn renewed(result: Result<super::Received, ApiError>) -> bool {
        match result {
            Err(ApiError::Refused(refusal)) => {
                assert_eq!(refusal.code, 401);
                refusal.credentials_renewed
            }
            _ => panic!("it was not refused"),
        }
    }

    #[tokio::test]
    async fn credentials_that_ran_out_are_read_anew_for_the_next_try() {
        let (old, new) = (Arc::default(), Arc::default());
        let (fresh, read) = (answered(200, &new), Arc::new(AtomicU32::new(0)));
        let reads = Arc::clone(&read);
        let wire = Wire::new(answered(401, &old)).renewed_by(Arc::new(move || {
            reads.fetch_add(1, Ordering::Relaxed);
            Ok(fresh.clone())
        }));
        // Two requests that were on their way with the old ones have them read once.
        let both = futures::future::join(wire.send(get()), wire.clone().send(get())).await;
        assert!(renewed(both.0) && renewed(both.1));
        assert!(wire.send(get()).await.is_ok());
        let counts = [&old, &new, &read].map(|count| count.load(Ordering::Relaxed));
        assert_eq!(counts, [2, 1, 1]);
    }

    #[tokio::test]
    async fn credentials_that_cannot_be_read_anew_are_refused_for_good() {
        let asked = Arc::default();
        assert!(!renewed(Wire::new(answered(401, &asked)).send(get()).await));
    }
}
