//! The way between one run of the program and the server, as a tower service: it takes time, and it can
//! fail in every way a network and a busy server do. A request that is under way goes on when its sender
//! dies.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::api_server::{Answer, ApiServer, Request};
use crate::journal::{Journal, RunId, What};
use crate::random::Random;
use crate::weather::Weather;

type ServerBody = UnsyncBoxBody<Bytes, io::Error>;

/// What happens to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Refused,
    Lost,
    Unanswered { served: bool },
    TooMany { seconds: u64 },
    ServerError { code: u16 },
    GatewayTimeout,
    Forbidden,
}

/// The connection of one run; clones are the same connection.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) server: ApiServer,
    pub(crate) journal: Journal,
    pub(crate) run: RunId,
    pub(crate) weather: Weather,
    pub(crate) random: Arc<Mutex<Random>>,
    pub(crate) next_id: Arc<Mutex<u64>>,
    pub(crate) failures: Failures,
}

/// When requests failed, by their path.
pub(crate) type Failures = Arc<Mutex<BTreeMap<String, Vec<Instant>>>>;

/// So often a path may fail before it is spared for a while. Discovery asks two at once, and the program asks
/// again four times.
const FAILS: usize = 2;

impl tower::Service<http::Request<Body>> for Connection {
    type Response = Response<ServerBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let connection = self.clone();
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(async move {
            if let Some(answer) = connection.carry(request).await {
                // The program may have died meanwhile: nobody is left to be answered.
                let _gone = sender.send(answer);
            } else {
                // Nobody answers, and nobody hangs up either.
                sender_held(sender).await;
            }
        });
        Box::pin(async move { receiver.await.unwrap_or_else(|_| Err(reset())) })
    }
}

/// Holds a connection open until its other end is gone.
async fn sender_held<T>(mut sender: oneshot::Sender<T>) {
    sender.closed().await;
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}

impl Connection {
    /// Carries a request to the server and its answer back; `None` when none ever comes.
    async fn carry(self, request: http::Request<Body>) -> Option<Result<Response<ServerBody>, io::Error>> {
        let request = self.read(request).await;
        let id = self.fresh_id();
        self.journal.write(What::Sent { run: self.run, id, request: Box::new(request.clone()) });
        let (there, back, fault) = self.draw(&request);
        travel(there).await;
        if self.weather.unwatchable && request.query.contains("watch=true") {
            let plural = request.path.rsplit('/').next().unwrap_or_default();
            let message = format!(
                "{plural} is forbidden: User \"ci\" cannot watch resource \"{plural}\" in the namespace \"shop\""
            );
            return Some(Ok(self.refuse(id, 403, "Forbidden", &message, None)));
        }
        match fault {
            Fault::None => {}
            Fault::Refused => return Some(Err(self.fail(id, fault, reset()))),
            Fault::Unanswered { served: false } => {
                self.journal.note(format!("#{id} {fault:?}"));
                return None;
            }
            Fault::TooMany { seconds } => {
                let message = "too many requests, please try again later";
                return Some(Ok(self.refuse(id, 429, "TooManyRequests", message, Some(seconds))));
            }
            Fault::Forbidden => {
                let message = "forbidden: User \"somebody\" cannot do this";
                return Some(Ok(self.refuse(id, 403, "Forbidden", message, None)));
            }
            Fault::ServerError { code } => {
                return Some(Ok(self.refuse(id, code, "InternalError", "etcdserver: leader changed", None)));
            }
            Fault::Lost | Fault::GatewayTimeout | Fault::Unanswered { served: true } => {
                self.journal.note(format!("#{id} {fault:?}"));
            }
        }
        let answer = self.server.handle(&request, self.page());
        let message = match &answer {
            Answer::Json(code, value) if *code >= 400 => {
                value["message"].as_str().unwrap_or_default().to_owned()
            }
            _ => String::new(),
        };
        self.journal.write(What::Served { run: self.run, id, code: answer.code(), message });
        travel(back).await;
        Some(match fault {
            Fault::Lost => Err(reset()),
            Fault::Unanswered { .. } => return None,
            Fault::GatewayTimeout => Ok(self.refuse(
                id,
                504,
                "Timeout",
                "request did not complete within the allotted timeout",
                None,
            )),
            _ => Ok(self.response(answer)),
        })
    }

    async fn read(&self, request: http::Request<Body>) -> Request {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Request {
            method: parts.method,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            accept: header(&parts.headers, &ACCEPT),
            content_type: header(&parts.headers, &CONTENT_TYPE),
            agent: agent_of(self.run),
            body,
        }
    }

    fn fresh_id(&self) -> u64 {
        let mut next = self.next_id.lock().unwrap();
        *next += 1;
        *next
    }

    fn is_stormy(&self) -> bool {
        self.weather.ends.is_some_and(|ends| Instant::now() < ends)
    }

    /// Returns how long the request and its answer travel, and what goes wrong.
    fn draw(&self, request: &Request) -> (Duration, Duration, Fault) {
        let mut random = self.random.lock().unwrap();
        let (mut there, mut back) = (random.millis(1, 8), random.millis(0, 8));
        if self.weather.instant {
            (there, back) = (Duration::ZERO, Duration::ZERO);
        }
        let roll = random.between(0, 999);
        let (seconds, code) = (random.between(1, 5), *random.pick(&[500, 502, 503]));
        let served = random.chance(500);
        let slow = random.chance(self.weather.slow).then(|| random.millis(100, 6000));
        if !self.is_stormy() {
            return (there, back, Fault::None);
        }
        let now = Instant::now();
        if self.weather.outage.is_some_and(|(begins, ends)| begins <= now && now < ends) {
            return (there, back, Fault::Refused);
        }
        let mut below = 0;
        let mut is = |share: u64| {
            below += share;
            roll < below
        };
        let weather = &self.weather;
        let fault = if is(weather.refused) {
            Fault::Refused
        } else if is(weather.lost) {
            Fault::Lost
        } else if is(weather.unanswered) {
            Fault::Unanswered { served }
        } else if is(weather.too_many) {
            Fault::TooMany { seconds }
        } else if is(weather.server_error) {
            Fault::ServerError { code }
        } else if is(weather.gateway_timeout) {
            Fault::GatewayTimeout
        } else if is(weather.forbidden) {
            Fault::Forbidden
        } else {
            Fault::None
        };
        let is_watch = ["watch=true", "follow=true"].iter().any(|word| request.query.contains(word));
        let fault = if is_watch && matches!(fault, Fault::Lost | Fault::GatewayTimeout) {
            Fault::Refused
        } else {
            fault
        };
        let fault = if fault != Fault::None && self.is_spared(&request.path) { Fault::None } else { fault };
        let slow = slow.unwrap_or_default();
        // An answer that is slow on its way back is an old one when it comes: a list of what was.
        let is_late = random.clone().chance(500);
        if is_late { (there, back + slow, fault) } else { (there + slow, back, fault) }
    }

    /// Returns true when a path has failed often enough for the moment, else notes that it fails once more.
    fn is_spared(&self, path: &str) -> bool {
        let Some(respite) = self.weather.respite else { return false };
        let mut failures = self.failures.lock().unwrap();
        let failures = failures.entry(path.to_owned()).or_default();
        failures.retain(|failed| failed.elapsed() < respite);
        let is_spared = failures.len() >= FAILS;
        if !is_spared {
            failures.push(Instant::now());
        }
        is_spared
    }

    fn page(&self) -> Option<usize> {
        let mut random = self.random.lock().unwrap();
        let small = random.chance(self.weather.small_pages);
        (small && self.is_stormy()).then_some(1)
    }

    fn fail(&self, id: u64, fault: Fault, error: io::Error) -> io::Error {
        self.journal.note(format!("#{id} {fault:?}"));
        error
    }

    fn refuse(
        &self,
        id: u64,
        code: u16,
        reason: &str,
        message: &str,
        after: Option<u64>,
    ) -> Response<ServerBody> {
        let wait = after.map(|seconds| format!(" for {seconds} s")).unwrap_or_default();
        self.journal.note(format!("#{id} answered {code}{wait}"));
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        let mut response = self.response(Answer::Json(code, status.into()));
        if let Some(after) = after {
            response.headers_mut().insert(RETRY_AFTER, after.into());
        }
        response
    }

    fn response(&self, answer: Answer) -> Response<ServerBody> {
        let code = answer.code();
        let full = |text: String| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
        let body = match answer {
            Answer::Json(_, value) => full(value.to_string()),
            Answer::Text(_, text) => full(text),
            Answer::Watch(lines) => self.carry_watch(lines),
        };
        let response = Response::builder().status(code).header(CONTENT_TYPE, "application/json");
        response.header(DATE, self.server.date()).body(body).unwrap()
    }

    /// Carries the lines of a watch, which may come late, be cut off, or fall silent.
    fn carry_watch(&self, lines: crate::api_server::Lines) -> ServerBody {
        let mut random = self.random.lock().unwrap();
        let (cut, silent, late) = (
            random.chance(self.weather.cut_watch).then(|| random.millis(10, 60_000)),
            random.chance(self.weather.silent_watch).then(|| random.millis(10, 60_000)),
            random.chance(self.weather.late_watch),
        );
        let (broken, delays) = (random.chance(500), random.fork(&format!("watch {}", random.clone().any())));
        let stormy = self.is_stormy();
        let now = Instant::now();
        let outage = self.weather.outage.map(|(begins, _)| begins).filter(|begins| *begins > now);
        let carrier = Carrier {
            lines,
            cut: cut.map(|after| now + after).into_iter().chain(outage).min().filter(|_| stormy),
            silent: silent.filter(|_| stormy).map(|after| now + after),
            late: late && stormy,
            instant: self.weather.instant,
            broken,
            delays,
            storm_ends: self.weather.ends,
        };
        let frames = futures::stream::unfold(Some(carrier), |carrier| async move {
            let mut carrier = carrier?;
            match carrier.next().await {
                Some(Ok(bytes)) => Some((Ok(Frame::data(bytes)), Some(carrier))),
                Some(Err(error)) => Some((Err(error), None)),
                None => None,
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }
}

/// Carries the lines of one watch.
struct Carrier {
    lines: crate::api_server::Lines,
    cut: Option<Instant>,
    silent: Option<Instant>,
    late: bool,
    instant: bool,
    /// A cut shows as an error, not as an end.
    broken: bool,
    delays: Random,
    storm_ends: Option<Instant>,
}

impl Carrier {
    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        let cut = async {
            match self.cut {
                Some(moment) => tokio::time::sleep_until(moment).await,
                None => std::future::pending().await,
            }
        };
        let line = tokio::select! {
            biased;
            () = cut => return self.broken.then(|| Err(reset())),
            line = self.lines.next() => line?,
        };
        if self.silent.is_some_and(|moment| Instant::now() >= moment) {
            std::future::pending::<()>().await;
        }
        let stormy = self.storm_ends.is_some_and(|ends| Instant::now() < ends);
        let delay = if self.late && stormy { self.delays.millis(0, 4000) } else { self.delays.millis(0, 5) };
        travel(if self.instant { Duration::ZERO } else { delay }).await;
        Some(Ok(line))
    }
}

/// Lets the time pass that a message takes, if any.
async fn travel(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// How the names begin that runs' requests carry.
pub(crate) const AGENT: &str = "wesago-run-";

/// Returns the name a run's requests carry.
pub(crate) fn agent_of(run: RunId) -> String {
    format!("{AGENT}{run}")
}

fn header(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
