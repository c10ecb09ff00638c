//! The promises of the program, each held against what the server itself remembers, what was sent and
//! what was told. Nothing here asks the program's own code what is ready.

mod ends;
mod foresight;
mod history;
mod logs;
mod order;
mod ownership;
mod patience;
mod preflight;
mod records;
mod repeat;
mod resume;
mod secrets;
mod truth;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wesago::event::{Event, EventKind};
use wesago::object::{Object, ObjectRef};

use crate::api_server::{Commit, Key, Log, Request};
use crate::deployer::{Fate, Run};
use crate::foresight::Foresight;
use crate::journal::{Entry, RunId, What};
use crate::network::agent_of;
use crate::world::World;

/// What the oracle reads, found by run and by object.
pub(crate) struct Evidence<'w> {
    entries: &'w [Entry],
    history: &'w [Commit],
    logs: &'w BTreeMap<String, Log>,
    runs: &'w [Run],
    foresights: &'w [Foresight],
    by_run: BTreeMap<RunId, Traces<'w>>,
    /// The changes of each object, in their order.
    by_object: BTreeMap<&'w Key, Vec<&'w Commit>>,
}

/// What one run has left in the journal, each with its place there.
#[derive(Default)]
struct Traces<'w> {
    began: Option<&'w Entry>,
    ended: Option<&'w Entry>,
    told: Vec<(usize, &'w Event)>,
    sent: Vec<(usize, &'w Request)>,
}

/// Returns every broken promise, in words.
pub(crate) fn judge(world: &World) -> Vec<String> {
    let (store, entries) = (world.server.store(), world.journal.entries());
    let evidence = Evidence {
        entries: &entries,
        history: &store.history,
        logs: &store.logs,
        runs: &world.runs,
        foresights: &world.foresights,
        by_run: traces(&entries),
        by_object: changes(&store.history),
    };
    let checks = [
        ends::check,
        order::check,
        truth::check,
        ownership::check,
        patience::check,
        preflight::check,
        repeat::check,
        resume::check,
        secrets::check,
        foresight::check,
        logs::check,
        records::check,
        history::check,
    ];
    checks.iter().flat_map(|check| check(&evidence)).collect()
}

fn traces(entries: &[Entry]) -> BTreeMap<RunId, Traces<'_>> {
    let mut by_run: BTreeMap<RunId, Traces<'_>> = BTreeMap::new();
    for (at, entry) in entries.iter().enumerate() {
        match &entry.what {
            What::Began { run, .. } => by_run.entry(*run).or_default().began = Some(entry),
            What::Ended { run, .. } => by_run.entry(*run).or_default().ended = Some(entry),
            What::Told { run, event } => by_run.entry(*run).or_default().told.push((at, event)),
            What::Sent { run, request, .. } => by_run.entry(*run).or_default().sent.push((at, request)),
            What::Served { .. } | What::Note(_) => {}
        }
    }
    by_run
}

fn changes(history: &[Commit]) -> BTreeMap<&Key, Vec<&Commit>> {
    let mut by_object: BTreeMap<&Key, Vec<&Commit>> = BTreeMap::new();
    for commit in history {
        by_object.entry(&commit.key).or_default().push(commit);
    }
    by_object
}

impl<'w> Evidence<'w> {
    /// Returns the events of a run with their places in the journal.
    fn events(&self, run: RunId) -> impl Iterator<Item = (usize, &'w Event)> {
        self.by_run.get(&run).into_iter().flat_map(|traces| traces.told.iter().copied())
    }

    /// Returns the requests of a run with their places in the journal.
    fn requests(&self, run: RunId) -> impl Iterator<Item = (usize, &'w Request)> {
        self.by_run.get(&run).into_iter().flat_map(|traces| traces.sent.iter().copied())
    }

    /// Returns the requests of a run that change something. A dry run does not; and a review is a question,
    /// though it is a POST.
    fn writes(&self, run: RunId) -> impl Iterator<Item = (usize, &'w Request)> {
        let is_write = |request: &Request| {
            request.method != http::Method::GET
                && !request.query.contains("dryRun=All")
                && !request.path.ends_with("reviews")
        };
        self.requests(run).filter(move |(_, request)| is_write(request))
    }

    /// Returns the changes a run has made.
    fn commits(&self, run: RunId) -> impl DoubleEndedIterator<Item = &'w Commit> {
        let agent = agent_of(run);
        self.history.iter().filter(move |commit| commit.agent == agent)
    }

    /// Returns the changes of an object between two versions, the first not among them.
    fn changes(&self, key: &Key, from: u64, until: u64) -> &[&'w Commit] {
        let all = self.by_object.get(key).map(Vec::as_slice).unwrap_or_default();
        let place = |version: u64| all.partition_point(|commit| commit.version <= version);
        all.get(place(from)..place(until)).unwrap_or_default()
    }

    /// Returns the object as it was after a version.
    fn object_at(&self, key: &Key, version: u64) -> Option<&'w Arc<Value>> {
        self.changes(key, 0, version).last()?.after.as_ref()
    }

    /// Returns all objects as they were after a version.
    fn objects_at(&self, version: u64) -> BTreeMap<&'w Key, &'w Arc<Value>> {
        let found = |key: &&'w Key| Some((*key, self.object_at(key, version)?));
        self.by_object.keys().filter_map(found).collect()
    }

    /// Returns when a run began and when it ended.
    fn span(&self, run: RunId) -> Option<(Duration, Duration)> {
        let traces = self.by_run.get(&run)?;
        Some((traces.began?.at, traces.ended?.at))
    }

    /// Returns the server's version when a run ended.
    fn version_at_end(&self, run: RunId) -> u64 {
        self.by_run.get(&run).and_then(|traces| traces.ended).map_or(0, |entry| entry.version)
    }

    /// Returns the server's version when a run began.
    fn version_at_start(&self, run: RunId) -> u64 {
        self.by_run.get(&run).and_then(|traces| traces.began).map_or(0, |entry| entry.version)
    }
}

/// Returns true for a run without faults, death, stops and interrupts; another one may run beside it.
fn is_undisturbed(run: &Run) -> bool {
    let Fate { weather, death, interrupts, stopped, disk, .. } = &run.fate;
    weather.ends.is_none() && death.is_none() && interrupts.is_empty() && stopped.is_none() && disk.is_none()
}

/// Returns true for a run alone, without faults, death and interrupts.
fn is_peaceful(run: &Run) -> bool {
    is_undisturbed(run) && !run.fate.raced
}

fn key_of(object: &ObjectRef) -> Key {
    Key {
        group: object.group.clone(),
        kind: object.kind.clone(),
        namespace: object.namespace.clone().unwrap_or_default(),
        name: object.name.clone(),
    }
}

/// Returns the name of the object a request writes: its last path segment, with the plural before it.
fn names(request: &Request, object: &Object) -> bool {
    let mut parts = request.path.rsplit('/');
    let (name, plural) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let kind = object.kind().to_lowercase();
    name == object.name() && (plural == format!("{kind}s") || plural == format!("{kind}es"))
}

/// Returns true for a verdict event's stage success.
fn succeeded(event: &Event) -> Option<&wesago::plan::StageId> {
    match &event.event {
        EventKind::StageFinished { stage, verdict, .. } if verdict.is_success() => Some(stage),
        _ => None,
    }
}
