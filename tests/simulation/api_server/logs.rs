//! What containers write, and how it is read: at once, or followed. Every pod here has one container.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use wesago::latest::Reader;

use super::answer::{Answer, Lines, Refusal};
use super::kinds::Kind;
use super::path::Query;
use super::store::{Key, Store};

/// How long a followed log stays open behind the end of its container (kubelet, `stateCheckPeriod`).
const LINGERS: Duration = Duration::from_secs(5);

/// The log of one pod's container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<(Timestamp, String)>,
    /// When the container ended.
    ended: Option<Instant>,
    /// The pod is gone, and its log with it.
    gone: bool,
}

impl Log {
    pub(crate) fn write(&mut self, at: Timestamp, line: &str) {
        self.lines.push((at, line.to_owned()));
    }

    pub(crate) fn end(&mut self) {
        self.ended = Some(Instant::now());
    }

    pub(crate) fn lose(&mut self) {
        self.gone = true;
    }
}

/// What of a log is asked for.
#[derive(Clone, Copy)]
struct Part {
    timestamps: bool,
    since: Option<Timestamp>,
    tail: Option<usize>,
}

impl Part {
    fn of(query: &Query) -> Self {
        Self {
            timestamps: query.get("timestamps") == Some("true"),
            // The API has whole seconds here (`metav1.Time`).
            since: query.get("sinceTime").map(|since| since.parse().unwrap()),
            tail: query.number("tailLines").and_then(|tail| usize::try_from(tail).ok()),
        }
    }

    /// Returns the lines from a place on, as they are sent.
    fn text(&self, log: &Log, from: usize) -> String {
        let first = self.tail.map_or(0, |tail| log.lines.len().saturating_sub(tail));
        let from = if from == 0 { first } else { from };
        let wanted = log.lines[from..].iter().filter(|(at, _)| self.since.is_none_or(|since| *at >= since));
        let told =
            wanted.map(
                |(at, line)| {
                    if self.timestamps { format!("{at:.9} {line}\n") } else { format!("{line}\n") }
                },
            );
        told.collect()
    }
}

/// Answers a question about a pod's log.
pub(crate) fn answer(
    server: &Arc<Mutex<Store>>,
    kind: &Kind,
    key: &Key,
    query: &Query,
) -> Result<Answer, Refusal> {
    let store = server.lock().unwrap();
    let pod = store.objects.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
    let name = pod.object["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
    if query.get("container").is_some_and(|asked| asked != name) {
        let asked = query.get("container").unwrap_or_default();
        return Err(Refusal::bad_request(format!("container {asked} is not valid for pod {}", key.name)));
    }
    if pod.object["metadata"]["ownerReferences"][0]["kind"] != "Job" {
        // What a test has put in writes one line in every life.
        return Ok(Answer::Text(200, format!("starting {}\n", key.name)));
    }
    if query.get("previous") == Some("true") {
        let message = format!("previous terminated container \"{name}\" in pod \"{}\" not found", key.name);
        return Err(Refusal::bad_request(message));
    }
    let uid = pod.object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let part = Part::of(query);
    let Some(log) = store.logs.get(&uid) else {
        let message =
            format!("container \"{name}\" in pod \"{}\" is waiting to start: ContainerCreating", key.name);
        return Err(Refusal::bad_request(message));
    };
    if store.logs_hang {
        return Ok(Answer::Watch(Box::pin(futures::stream::pending())));
    }
    if query.get("follow") != Some("true") {
        return Ok(Answer::Text(200, part.text(log, 0)));
    }
    let (news, server) = (store.log_news.reader(), Arc::clone(server));
    drop(store);
    Ok(Answer::Watch(follow(Follower { server, news, uid, part, told: 0 })))
}

struct Follower {
    server: Arc<Mutex<Store>>,
    news: Reader<()>,
    uid: String,
    part: Part,
    /// Lines passed by so far.
    told: usize,
}

fn follow(follower: Follower) -> Lines {
    Box::pin(futures::stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((bytes, follower))
    }))
}

impl Follower {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.news.mark_seen();
            let ends = {
                let store = self.server.lock().unwrap();
                let log = &store.logs[&self.uid];
                if log.lines.len() > self.told {
                    let text = self.part.text(log, self.told);
                    self.told = log.lines.len();
                    if !text.is_empty() {
                        return Some(text.into());
                    }
                }
                if log.gone {
                    return None;
                }
                log.ended.map(|ended| ended + LINGERS)
            };
            let end = async {
                match ends {
                    Some(ends) => tokio::time::sleep_until(ends).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = self.news.changed() => if changed.is_err() { return None },
                () = end => return None,
            }
        }
    }
}

impl Store {
    /// Adds lines to the log of a pod, which has one from then on.
    pub(crate) fn write_log(&mut self, pod: &Value, lines: &[String]) {
        let now = self.precise_now();
        let log = self.logs.entry(uid_of(pod)).or_default();
        for line in lines {
            log.write(now, line);
        }
        self.log_news.set(());
    }

    /// Notes that a pod's container has ended.
    pub(crate) fn end_log(&mut self, pod: &Value) {
        self.logs.entry(uid_of(pod)).or_default().end();
        self.log_news.set(());
    }

    /// Notes that a pod is gone.
    pub(crate) fn lose_log(&mut self, pod: &Value) {
        if let Some(log) = self.logs.get_mut(&uid_of(pod)) {
            log.lose();
            self.log_news.set(());
        }
    }
}

fn uid_of(pod: &Value) -> String {
    pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}
