//! What the server holds: the objects, and the history of every change, from which watches are served and
//! against which a test can hold its promises.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;
use wesago::latest::Latest;

use super::fields::FieldSet;
use super::kinds::Kind;
use super::logs::Log;

/// What names an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) group: String,
    pub(crate) kind: String,
    /// Empty for a cluster-scoped object.
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// Who owns which fields of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manager {
    pub(crate) name: String,
    /// `Apply` or `Update`.
    pub(crate) operation: &'static str,
    pub(crate) subresource: &'static str,
    pub(crate) time: Timestamp,
    pub(crate) fields: FieldSet,
}

impl Manager {
    /// Returns the manager an entry of `managedFields` tells of.
    pub(crate) fn from_entry(entry: &Value) -> Self {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let subresource = ["scale", "status"].into_iter().find(|known| text("subresource") == *known);
        Self {
            name: text("manager").to_owned(),
            operation: if text("operation") == "Apply" { "Apply" } else { "Update" },
            subresource: subresource.unwrap_or_default(),
            time: text("time").parse().unwrap(),
            fields: FieldSet::from_json(&entry["fieldsV1"]),
        }
    }
}

/// An object, without its `managedFields`, and its managers.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) object: Value,
    pub(crate) managers: Vec<Manager>,
    /// Both together, as it is sent.
    pub(crate) rendered: Arc<Value>,
}

/// One change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) version: u64,
    /// Since the server began.
    pub(crate) at: Duration,
    /// Who asked for it: the user agent of the request.
    pub(crate) agent: String,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
    /// The object as a watch tells of its end; it carries the version of the deletion.
    pub(crate) last_words: Option<Arc<Value>>,
}

/// The server's state.
pub(crate) struct Store {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) objects: BTreeMap<Key, Stored>,
    pub(crate) history: Vec<Commit>,
    /// Watches cannot begin before this version.
    pub(crate) compacted: u64,
    pub(crate) continuations: BTreeMap<String, (u64, Vec<Arc<Value>>)>,
    pub(crate) version: Latest<u64>,
    /// What containers wrote, by the uid of the pod; kept for a test's judgement when the pod is gone.
    pub(crate) logs: BTreeMap<String, Log>,
    pub(crate) log_news: Latest<()>,
    /// No question about a log is answered to its end.
    pub(crate) logs_hang: bool,
    /// What whoever asks is told that they may do.
    pub(crate) rules: Value,
    epoch: Timestamp,
    /// How far the server's wall clock has stepped, as a machine's does that is set.
    steps: SignedDuration,
    origin: Instant,
    next_id: u64,
}

impl Store {
    /// Returns an empty server whose wall clock reads `epoch` now.
    pub(crate) fn new(epoch: Timestamp) -> Self {
        Self {
            kinds: Kind::built_in(),
            objects: BTreeMap::new(),
            history: Vec::new(),
            compacted: 0,
            continuations: BTreeMap::new(),
            version: Latest::new(1),
            logs: BTreeMap::new(),
            log_news: Latest::new(()),
            logs_hang: false,
            rules: super::rules::everything(),
            epoch,
            steps: SignedDuration::ZERO,
            origin: Instant::now(),
            next_id: 0,
        }
    }

    /// Returns a copy that can be written to without a trace, for a dry run.
    pub(crate) fn scratch(&self) -> Self {
        Self {
            kinds: self.kinds.clone(),
            objects: self.objects.clone(),
            history: Vec::new(),
            compacted: self.compacted,
            continuations: BTreeMap::new(),
            version: Latest::new(self.current_version()),
            logs: BTreeMap::new(),
            log_news: Latest::new(()),
            logs_hang: false,
            rules: self.rules.clone(),
            epoch: self.epoch,
            steps: self.steps,
            origin: self.origin,
            next_id: self.next_id,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Returns the server's wall time, in whole seconds as the API has it.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_second(self.precise_now().as_second()).unwrap()
    }

    /// Returns the server's wall time as a container runtime stamps lines.
    pub(crate) fn precise_now(&self) -> Timestamp {
        self.epoch + self.elapsed() + self.steps
    }

    /// Sets the server's wall clock forward or back.
    pub(crate) fn step_clock(&mut self, by: SignedDuration) {
        self.steps += by;
    }

    pub(crate) fn current_version(&self) -> u64 {
        self.version.get()
    }

    /// Returns a number that was never returned before, for names and uids.
    pub(crate) fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(crate) fn kind_of(&self, key: &Key) -> Kind {
        let found = self.kinds.iter().find(|kind| kind.group == key.group && kind.kind == key.kind);
        found.unwrap().clone()
    }

    /// Puts an object in, or replaces it, as a new version.
    pub(crate) fn put(
        &mut self,
        agent: &str,
        key: &Key,
        mut object: Value,
        managers: Vec<Manager>,
    ) -> Arc<Value> {
        let version = self.current_version() + 1;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let rendered = Arc::new(render(&object, &managers));
        let stored = Stored { object, managers, rendered: Arc::clone(&rendered) };
        let before = self.objects.insert(key.clone(), stored).map(|before| before.rendered);
        self.commit(agent, key, before, Some(Arc::clone(&rendered)), None);
        rendered
    }

    /// Takes an object out.
    pub(crate) fn remove(&mut self, agent: &str, key: &Key) {
        let Some(stored) = self.objects.remove(key) else { return };
        if key.kind == "Pod" {
            self.lose_log(&stored.object);
        }
        let mut last = (*stored.rendered).clone();
        last["metadata"]["resourceVersion"] = (self.current_version() + 1).to_string().into();
        self.commit(agent, key, Some(stored.rendered), None, Some(Arc::new(last)));
        if key.kind == "CustomResourceDefinition" {
            self.kinds.retain(|kind| key.name != format!("{}.{}", kind.plural, kind.group));
        }
    }

    fn commit(
        &mut self,
        agent: &str,
        key: &Key,
        before: Option<Arc<Value>>,
        after: Option<Arc<Value>>,
        last_words: Option<Arc<Value>>,
    ) {
        let version = self.current_version() + 1;
        let (agent, key) = (agent.to_owned(), key.clone());
        let at = self.elapsed();
        self.history.push(Commit { version, at, agent, key, before, after, last_words });
        self.version.set(version);
    }

    /// Forgets the history up to now: watches and pages that begin before it are refused.
    pub(crate) fn compact(&mut self) {
        self.compacted = self.current_version();
        self.continuations.clear();
    }

    /// Returns the part of the history after a version.
    pub(crate) fn since(&self, version: u64) -> &[Commit] {
        let first = self.history.partition_point(|commit| commit.version <= version);
        &self.history[first..]
    }
}

/// Returns an object with its `managedFields`.
fn render(object: &Value, managers: &[Manager]) -> Value {
    let mut object = object.clone();
    let api_version = object["apiVersion"].clone();
    let entries: Vec<Value> = managers
        .iter()
        .map(|manager| {
            let mut entry = json!({
                "manager": manager.name, "operation": manager.operation, "apiVersion": api_version,
                "time": manager.time.to_string(), "fieldsType": "FieldsV1",
            });
            entry["fieldsV1"] = manager.fields.to_json();
            if !manager.subresource.is_empty() {
                entry["subresource"] = manager.subresource.into();
            }
            entry
        })
        .collect();
    if !entries.is_empty() {
        object["metadata"]["managedFields"] = entries.into();
    }
    object
}
