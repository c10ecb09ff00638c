//! Watches of our own on pods, events and Jobs: they tell when the server showed what. The audit log then
//! tells whose write it was, and when that write came in.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::Evidence;
use crate::sandbox::audit::{Audit, Request};
use crate::sandbox::command::{SANDBOX, audit_log, sandbox};
use crate::sandbox::process::USER_AGENT;
use crate::sandbox::seen::{Seen, ensure};
use crate::trial::{PREFIX, SECOND};

/// What is watched, by plural and path.
const KINDS: [(&str, &str); 3] =
    [("pods", "/api/v1/pods"), ("events", "/api/v1/events"), ("jobs", "/apis/batch/v1/jobs")];

/// An object as a watch told of it.
struct Sighting {
    at: Timestamp,
    resource: &'static str,
    object: Value,
}

/// When the server knew of something, and from whom.
#[derive(Clone)]
pub(crate) struct Proof {
    /// When the write came in that made it visible.
    pub(crate) at: Timestamp,
    /// The writer and what it wrote, such as `kubelet: patch pods/status`.
    pub(crate) told_by: String,
}

/// The watches and the audit log.
pub(crate) struct Witness {
    sightings: Arc<Mutex<Vec<Sighting>>>,
    watches: Mutex<Vec<Child>>,
    log: Mutex<Log>,
}

/// The part of the audit log that is about the trials.
struct Log {
    audit: Audit,
    requests: Vec<Request>,
}

impl Witness {
    /// Begins to watch.
    pub(crate) fn begin() -> Seen<Self> {
        let audit = Audit::from_now_on(&audit_log()?)?;
        let sightings = Arc::new(Mutex::new(Vec::new()));
        let watch = |(resource, path)| watch(resource, path, &sightings);
        let watches = KINDS.into_iter().map(watch).collect::<Seen<Vec<Child>>>()?;
        let log = Mutex::new(Log { audit, requests: Vec::new() });
        Ok(Self { sightings, watches: Mutex::new(watches), log })
    }

    /// Returns the first proof of something in a namespace; `Err` inside while there is none.
    pub(crate) fn proof(&self, namespace: &str, evidence: Evidence) -> Seen<Result<Proof, String>> {
        let mut log = lock(&self.log);
        let news = log.audit.requests()?;
        log.requests.extend(news.into_iter().filter(|request| request.namespace.starts_with(PREFIX)));
        let here = |request: &&Request| {
            request.namespace.strip_prefix(namespace).is_some_and(|rest| rest.is_empty() || rest == SECOND)
        };
        let told = |request: &Request, at| {
            let part = if request.subresource.is_empty() { "" } else { "/" };
            let program = request.user_agent.split(['/', ' ']).next().unwrap_or_default();
            let Request { verb, resource, subresource, .. } = request;
            Proof { at, told_by: format!("{program}: {verb} {resource}{part}{subresource}") }
        };
        if let Evidence::Answer(code) = evidence {
            let is_it = |request: &&Request| {
                here(request) && request.user_agent.starts_with(USER_AGENT) && request.code == code
            };
            let answer = log.requests.iter().find(is_it);
            return Ok(answer.map(|answer| told(answer, answer.answered)).ok_or_else(|| {
                let codes: Vec<u16> = log.requests.iter().filter(here).map(|request| request.code).collect();
                format!("no answer {code} among {codes:?}")
            }));
        }
        let sightings = lock(&self.sightings);
        let is_it = |sighting: &&Sighting| {
            sighting.object["metadata"]["namespace"] == namespace
                && evidence.is_shown_by(sighting.resource, &sighting.object)
        };
        let Some(first) = sightings.iter().find(is_it) else {
            return Ok(Err(format!("nothing has shown {evidence:?}")));
        };
        // A watch tells of a write a moment after it came in: the last one before that moment is the one.
        let name = first.object["metadata"]["name"].as_str().unwrap_or_default();
        let made_it = |request: &&Request| {
            here(request)
                && request.is_write()
                && request.resource == first.resource
                && request.name == name
                && request.received <= first.at
        };
        let write = log.requests.iter().filter(made_it).max_by_key(|request| request.received);
        Ok(write
            .map(|write| told(write, write.received))
            .ok_or_else(|| format!("the audit log has no write of {} {name}", first.resource)))
    }

    /// Returns the last events of a namespace, for whoever has to find out what went wrong.
    pub(crate) fn events(&self, namespace: &str) -> String {
        let told = |sighting: &Sighting| {
            let Sighting { at, object, .. } = sighting;
            format!("{at} {} {}: {}", object["involvedObject"]["name"], object["reason"], object["message"])
        };
        let sightings = lock(&self.sightings);
        let here = |sighting: &&Sighting| {
            sighting.resource == "events" && sighting.object["metadata"]["namespace"] == namespace
        };
        sightings.iter().filter(here).map(told).collect::<Vec<_>>().join("\n")
    }

    /// Ends the watches.
    pub(crate) fn end(&self) {
        for mut watch in lock(&self.watches).drain(..) {
            // One that has ended by itself is as good.
            let _ended_already = watch.kill();
            let _status = watch.wait();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A trial that panicked has left a list, not a half-changed one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches a kind in all namespaces, from its present state on: nothing that happens after the call is
/// missed, however late the watch begins.
fn watch(resource: &'static str, path: &str, sightings: &Arc<Mutex<Vec<Sighting>>>) -> Seen<Child> {
    let list = sandbox(&["kubectl", "get", "--raw", &format!("{path}?limit=1")])?;
    let list: Value = serde_json::from_str(&list).map_err(|error| format!("{path}: {error}"))?;
    let from = list["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    ensure!(!from.is_empty(), "{path}: no resource version in {list}");
    let path = format!("{path}?watch=true&timeoutSeconds=3600&resourceVersion={from}");
    let mut child = Command::new(SANDBOX)
        .args(["kubectl", "get", "--raw", &path])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("kubectl: {error}"))?;
    let lines = BufReader::new(child.stdout.take().ok_or("no standard output")?).lines();
    let sightings = Arc::clone(sightings);
    thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let at = now();
            // A line that is cut off when the watch is ended is of no trial any more.
            let Ok(mut told) = serde_json::from_str::<Value>(&line) else { continue };
            let object = told["object"].take();
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            if namespace.starts_with(PREFIX) && told["type"] != "DELETED" {
                lock(&sightings).push(Sighting { at, resource, object });
            }
        }
    });
    Ok(child)
}

#[expect(clippy::disallowed_methods, reason = "held against the stamps of the server's audit log")]
fn now() -> Timestamp {
    Timestamp::now()
}
