//! Reads: one object, pages of a list, and watches with bookmarks, from the history.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;
use wesago::latest::Reader;

use super::answer::{Answer, Lines, Refusal};
use super::kinds::Kind;
use super::path::Query;
use super::store::{Commit, Key, Store};

/// How often a silent watch tells how far it is; the real server does so about once a minute.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The shortest of the server's own limits of a watch (`--min-request-timeout`).
const WATCH_AT_MOST: Duration = Duration::from_secs(1800);

/// A kind, and which of its objects.
#[derive(Clone)]
pub(crate) struct Selection {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) without_fields: Vec<(String, String)>,
    pub(crate) metadata_only: bool,
}

impl Selection {
    fn covers(&self, key: &Key) -> bool {
        key.group == self.kind.group
            && key.kind == self.kind.kind
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == key.namespace)
    }

    fn matches(&self, object: &Value) -> bool {
        let label = |(key, value): &(String, String)| object["metadata"]["labels"][key] == value.as_str();
        let field = |(path, value): &(String, String)| {
            let pointer = format!("/{}", path.replace('.', "/"));
            object.pointer(&pointer).and_then(Value::as_str).unwrap_or_default() == value
        };
        self.labels.iter().all(label)
            && self.fields.iter().all(field)
            && !self.without_fields.iter().any(field)
    }

    /// Returns the line about an object, as much of it as was asked for.
    fn line(&self, kind: &str, object: &Value) -> Bytes {
        if self.metadata_only { line(kind, &partial(object)) } else { line(kind, object) }
    }
}

/// LIST.
pub(crate) fn list(
    store: &mut Store,
    selection: &Selection,
    query: &Query,
    page: Option<usize>,
) -> Result<Answer, Refusal> {
    let (version, mut items) = match query.get("continue") {
        None => {
            let all = store.objects.iter().filter(|(key, _)| selection.covers(key));
            let rendered = all.map(|(_, stored)| Arc::clone(&stored.rendered));
            (store.current_version(), rendered.filter(|object| selection.matches(object)).collect())
        }
        Some(token) => store.continuations.remove(token).ok_or_else(|| {
            Refusal::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start \
                 a new list without the continue parameter.",
            )
        })?,
    };
    let limit =
        query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let limit = limit.into_iter().chain(page).min().unwrap_or(usize::MAX);
    let rest = if items.len() > limit { items.split_off(limit) } else { Vec::new() };
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if !rest.is_empty() {
        metadata["remainingItemCount"] = rest.len().into();
        let token = format!("page-{}", store.fresh_id());
        metadata["continue"] = token.clone().into();
        store.continuations.insert(token, (version, rest));
    }
    let (api_version, kind) = if selection.metadata_only {
        ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
    } else {
        (selection.kind.api_version(), format!("{}List", selection.kind.kind))
    };
    let mut answer = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata});
    answer["items"] = items.iter().map(|object| item(object, selection.metadata_only)).collect();
    Ok(Answer::Json(200, answer.into()))
}

/// Returns an item of a list: without `apiVersion` and `kind`, unless it is metadata only.
fn item(object: &Value, metadata_only: bool) -> Value {
    if metadata_only {
        return partial(object);
    }
    let mut item = object.clone();
    let map = item.as_object_mut().unwrap();
    map.shift_remove("apiVersion");
    map.shift_remove("kind");
    item
}

/// Returns an object's metadata alone.
pub(crate) fn partial(object: &Value) -> Value {
    let mut partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"});
    partial["metadata"] = object["metadata"].clone();
    partial
}

/// WATCH: the lines, for ever or until `timeoutSeconds`.
pub(crate) fn watch(server: &Arc<Mutex<Store>>, selection: Selection, query: &Query) -> Lines {
    let store = server.lock().unwrap();
    let asked = query.number("resourceVersion").filter(|asked| *asked > 0);
    let from = asked.unwrap_or_else(|| store.current_version());
    // Without a version a watch begins with the state, told as if it had just come to be.
    let state = if asked.is_none() { present(&store, &selection) } else { Vec::new() };
    let limit = query.number("timeoutSeconds").map_or(WATCH_AT_MOST, Duration::from_secs);
    let watcher = Watcher {
        expired: from < store.compacted,
        versions: store.version.reader(),
        server: Arc::clone(server),
        selection,
        seen: from,
        bookmarks: query.get("allowWatchBookmarks") == Some("true"),
        ends: Instant::now() + limit.min(WATCH_AT_MOST),
        bookmark_at: Instant::now() + BOOKMARK_EVERY,
        state,
        over: false,
    };
    drop(store);
    Box::pin(futures::stream::unfold(watcher, |mut watcher| async move {
        let lines = watcher.next().await?;
        Some((lines, watcher))
    }))
}

struct Watcher {
    server: Arc<Mutex<Store>>,
    versions: Reader<u64>,
    selection: Selection,
    /// The history has been told up to here.
    seen: u64,
    bookmarks: bool,
    ends: Instant,
    bookmark_at: Instant,
    expired: bool,
    /// The lines of what was there when the watch began.
    state: Vec<u8>,
    over: bool,
}

/// Returns the lines about all that a selection has now.
fn present(store: &Store, selection: &Selection) -> Vec<u8> {
    let covered = store.objects.iter().filter(|(key, _)| selection.covers(key));
    let selected = covered.filter(|(_, stored)| selection.matches(&stored.rendered));
    selected.flat_map(|(_, stored)| selection.line("ADDED", &stored.rendered)).collect()
}

impl Watcher {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if self.expired {
            self.over = true;
            let refusal = Refusal::expired(format!("too old resource version: {}", self.seen));
            return Some(line("ERROR", &refusal.status()));
        }
        if !self.state.is_empty() {
            return Some(std::mem::take(&mut self.state).into());
        }
        loop {
            self.versions.mark_seen();
            let news = self.news();
            if !news.is_empty() {
                return Some(news.into());
            }
            let wake = if self.bookmarks { self.bookmark_at.min(self.ends) } else { self.ends };
            tokio::select! {
                biased;
                changed = self.versions.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(wake) => {
                    if Instant::now() >= self.ends {
                        return None;
                    }
                    self.bookmark_at = Instant::now() + BOOKMARK_EVERY;
                    return Some(self.bookmark());
                }
            }
        }
    }

    /// Returns the lines of all that happened since the last time.
    fn news(&mut self) -> Vec<u8> {
        let store = self.server.lock().unwrap();
        let mut lines = Vec::new();
        for commit in store.since(self.seen) {
            self.seen = commit.version;
            if let Some(line) = told(&self.selection, commit) {
                lines.extend_from_slice(&line);
            }
        }
        lines
    }

    fn bookmark(&self) -> Bytes {
        let metadata = json!({"resourceVersion": self.seen.to_string(), "creationTimestamp": null});
        let kind = &self.selection.kind;
        line("BOOKMARK", &json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata}))
    }
}

/// Returns what a watch tells of a change: an object that leaves the selection is gone, one that enters
/// is new.
fn told(selection: &Selection, commit: &Commit) -> Option<Bytes> {
    if !selection.covers(&commit.key) {
        return None;
    }
    let matches = |object: &&Arc<Value>| selection.matches(object);
    let before = commit.before.as_ref().filter(matches);
    let after = commit.after.as_ref().filter(matches);
    match (before, after) {
        (None, Some(after)) => Some(selection.line("ADDED", after)),
        (Some(_), Some(after)) => Some(selection.line("MODIFIED", after)),
        (Some(before), None) => {
            let mut last = (**commit.last_words.as_ref().unwrap_or(before)).clone();
            last["metadata"]["resourceVersion"] = commit.version.to_string().into();
            Some(selection.line("DELETED", &last))
        }
        (None, None) => None,
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into()
}
