//! The promises of the program, each held against what the server itself remembers, what was sent and
//! what was told. Nothing here asks the program's own code what is ready.

mod ends;
mod foresight;
mod order;
mod ownership;
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

use crate::api_server::{Commit, Key, Request};
use crate::deployer::{Fate, Run};
use crate::foresight::Foresight;
use crate::journal::{Entry, RunId, What};
use crate::network::agent_of;
use crate::world::World;

/// What the oracle reads.
pub(crate) struct Evidence {
    entries: Vec<Entry>,
    history: Vec<Commit>,
    runs: Vec<Run>,
    foresights: Vec<Foresight>,
}

/// Returns every broken promise, in words.
pub(crate) fn judge(world: &World) -> Vec<String> {
    let evidence = Evidence {
        entries: world.journal.entries().clone(),
        history: world.server.store().history.clone(),
        runs: world.runs.clone(),
        foresights: world.foresights.clone(),
    };
    let checks = [
        ends::check,
        order::check,
        truth::check,
        ownership::check,
        repeat::check,
        resume::check,
        secrets::check,
        foresight::check,
    ];
    checks.iter().flat_map(|check| check(&evidence)).collect()
}

impl Evidence {
    /// Returns the events of a run with their places in the journal.
    fn events(&self, run: RunId) -> impl Iterator<Item = (usize, &Event)> {
        self.entries.iter().enumerate().filter_map(move |(at, entry)| match &entry.what {
            What::Told { run: told_by, event } if *told_by == run => Some((at, &**event)),
            _ => None,
        })
    }

    /// Returns the requests of a run with their places in the journal.
    fn requests(&self, run: RunId) -> impl Iterator<Item = (usize, &Request)> {
        self.entries.iter().enumerate().filter_map(move |(at, entry)| match &entry.what {
            What::Sent { run: sent_by, request, .. } if *sent_by == run => Some((at, &**request)),
            _ => None,
        })
    }

    /// Returns the requests of a run that change something; a dry run does not.
    fn writes(&self, run: RunId) -> impl Iterator<Item = (usize, &Request)> {
        let is_write =
            |request: &Request| request.method != http::Method::GET && !request.query.contains("dryRun=All");
        self.requests(run).filter(move |(_, request)| is_write(request))
    }

    /// Returns the changes a run has made.
    fn commits(&self, run: RunId) -> impl Iterator<Item = &Commit> {
        let agent = agent_of(run);
        self.history.iter().filter(move |commit| commit.agent == agent)
    }

    /// Returns the object as it was after a version.
    fn object_at(&self, key: &Key, version: u64) -> Option<Arc<Value>> {
        let until = self.history.partition_point(|commit| commit.version <= version);
        let last = self.history[..until].iter().rev().find(|commit| commit.key == *key)?;
        last.after.clone()
    }

    /// Returns all objects as they were after a version.
    fn objects_at(&self, version: u64) -> BTreeMap<&Key, &Arc<Value>> {
        let mut objects = BTreeMap::new();
        for commit in self.history.iter().take_while(|commit| commit.version <= version) {
            match &commit.after {
                Some(after) => objects.insert(&commit.key, after),
                None => objects.remove(&commit.key),
            };
        }
        objects
    }

    /// Returns when a run began and when it ended.
    fn span(&self, run: RunId) -> Option<(Duration, Duration)> {
        let began =
            self.entries.iter().find(|entry| matches!(entry.what, What::Began { run: r, .. } if r == run))?;
        let ended =
            self.entries.iter().find(|entry| matches!(entry.what, What::Ended { run: r, .. } if r == run))?;
        Some((began.at, ended.at))
    }

    /// Returns the server's version when a run ended.
    fn version_at_end(&self, run: RunId) -> u64 {
        let ended =
            self.entries.iter().find(|entry| matches!(entry.what, What::Ended { run: r, .. } if r == run));
        ended.map_or(0, |entry| entry.version)
    }

    /// Returns the server's version when a run began.
    fn version_at_start(&self, run: RunId) -> u64 {
        let began =
            self.entries.iter().find(|entry| matches!(entry.what, What::Began { run: r, .. } if r == run));
        began.map_or(0, |entry| entry.version)
    }
}

/// Returns true for a run without faults, death, stops and interrupts; another one may run beside it.
fn is_undisturbed(run: &Run) -> bool {
    let Fate { weather, death, interrupts, stopped, .. } = &run.fate;
    weather.ends.is_none() && death.is_none() && interrupts.is_empty() && stopped.is_none()
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
