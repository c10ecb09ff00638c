//! The vigil over what workloads make: pods, ReplicaSets, claims and the events about them, watched while a
//! workload is not ready. It tells a rollout that cannot work from one that needs time, within seconds of
//! the evidence. Pure state; the loop brings the news and does what follows.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::around::{Around, diagnose_among};
use crate::cluster::{Observation, Scope};
use crate::diagnosis::{Cause, Class, Diagnosis};
use crate::object::{Object, ObjectRef, Uid, controls_pods};

/// How long some pods of a workload may crash while others do not.
const PARTIAL_FOR: Duration = Duration::from_secs(60);
/// How long what is missing is waited for while something else of the run may still make it: an operator
/// writes a Secret, a Job makes an account.
const EXPECTED_WITHIN: Duration = Duration::from_secs(60);
/// A trouble not seen for so long is over; a crash loop is out of sight while its program runs.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// News come in bursts; all of one are judged together.
const JUDGED_AFTER: Duration = Duration::from_millis(50);
/// What is known of the nodes is good for so long: they come and go.
const NODES_KNOWN_FOR: Duration = Duration::from_secs(10);

/// What one trouble is known by, across the pods that show it.
type Key = (Uid, Option<String>, Cause);

/// A trouble while it lasts.
#[derive(Clone, Copy, Debug)]
struct Sighting {
    first: Instant,
    last: Instant,
}

/// What is known of the nodes.
#[derive(Default)]
enum Nodes {
    #[default]
    Unasked,
    /// A pod no node takes was seen: somebody has to ask.
    Wanted,
    Asked {
        at: Instant,
    },
    Known {
        nodes: Vec<Object>,
        at: Instant,
    },
    /// We may not read them.
    Hidden,
}

/// What the vigil knows.
#[derive(Default)]
pub(super) struct Vigil {
    objects: BTreeMap<ObjectRef, Object>,
    nodes: Nodes,
    sightings: BTreeMap<Key, Sighting>,
    judged_at: Option<Instant>,
}

/// A workload under judgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Accused<'a> {
    /// As it was last seen.
    pub workload: &'a Object,
    /// When our write of it was answered.
    pub since: Timestamp,
    /// True while something else of the run is not ready that makes objects of its own.
    pub is_helped: bool,
}

/// What the vigil says of one workload.
#[derive(Debug, PartialEq)]
pub(super) enum Judgement {
    /// Nothing speaks against it, or not for long enough; the moment when it would be.
    Hope(Option<Instant>),
    /// It cannot become ready.
    Doomed(Box<Diagnosis>),
}

/// Returns true for the kinds whose pods can tell why they are not ready.
pub(super) fn makes_pods(kind: &str) -> bool {
    controls_pods(kind) || kind == "Pod"
}

impl Vigil {
    /// Takes in news.
    pub(super) fn hear(&mut self, scope: &Scope, observation: Observation) {
        match observation {
            Observation::Seen(object) => {
                self.objects.insert(object.reference(), object);
            }
            Observation::Gone(object) => {
                self.objects.remove(&object.reference());
            }
            Observation::Relisted(listing) => {
                let kind = scope.resource.group_kind();
                self.objects.retain(|name, _| name.group_kind() != kind || name.namespace != scope.namespace);
                self.objects.extend(listing.objects.into_iter().map(|object| (object.reference(), object)));
            }
            Observation::Unwatchable { .. } | Observation::Lost { .. } => return,
        }
        self.judge_after(JUDGED_AFTER);
    }

    /// Takes in what was answered to the question for the nodes; `None` when we may not know.
    pub(super) fn hear_nodes(&mut self, nodes: Option<Vec<Object>>) {
        self.nodes = match nodes {
            Some(nodes) => {
                Nodes::Known { nodes: nodes.iter().filter_map(essence).collect(), at: Instant::now() }
            }
            None => Nodes::Hidden,
        };
        self.judge_after(Duration::ZERO);
    }

    /// Returns true, once, when somebody has to ask for the nodes.
    pub(super) fn asks_for_nodes(&mut self) -> bool {
        let wanted = matches!(self.nodes, Nodes::Wanted);
        if wanted {
            self.nodes = Nodes::Asked { at: Instant::now() };
        }
        wanted
    }

    fn judge_after(&mut self, pause: Duration) {
        let soon = Instant::now() + pause;
        self.judged_at = Some(self.judged_at.map_or(soon, |at| at.min(soon)));
    }

    /// Returns the pods seen last.
    pub(super) fn pods(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().filter(|object| object.kind() == "Pod")
    }

    /// Returns when the workloads are to be judged next.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        self.judged_at
    }

    /// Begins a judgement of all workloads.
    pub(super) fn begin(&mut self) {
        self.judged_at = None;
        let now = Instant::now();
        self.sightings.retain(|_, sighting| now.duration_since(sighting.last) < FORGOTTEN_AFTER);
    }

    /// Judges one workload.
    pub(super) fn judge(&mut self, accused: Accused<'_>) -> Judgement {
        let Some(uid) = accused.workload.uid() else { return Judgement::Hope(None) };
        let now = Instant::now();
        let mut next = None;
        for diagnosis in self.diagnose(accused) {
            if diagnosis.cause == Cause::Unschedulable {
                self.want_nodes(now);
            }
            let key = (uid.clone(), diagnosis.container.clone(), diagnosis.cause);
            let sighting = self.sightings.entry(key).or_insert(Sighting { first: now, last: now });
            sighting.last = now;
            let Some(grace) = grace(&diagnosis, accused.is_helped) else { continue };
            let due = sighting.first + grace;
            if due <= now {
                return Judgement::Doomed(Box::new(diagnosis));
            }
            next = Some(next.map_or(due, |at: Instant| at.min(due)));
        }
        if let Some(next) = next {
            self.judged_at = Some(self.judged_at.map_or(next, |at| at.min(next)));
        }
        Judgement::Hope(next)
    }

    /// Returns what is known of a namespace, with the nodes; `None` when it was never heard of.
    pub(super) fn around(&self, namespace: &str) -> Option<Around> {
        let here = |object: &&Object| object.namespace() == Some(namespace);
        let objects: Vec<Object> = self.objects.values().filter(here).cloned().collect();
        let nodes = self.known_nodes(Instant::now()).map(<[Object]>::to_vec);
        (!objects.is_empty()).then(|| Around::new(objects, nodes))
    }

    fn want_nodes(&mut self, now: Instant) {
        let is_due = match &self.nodes {
            Nodes::Unasked => true,
            Nodes::Asked { at } | Nodes::Known { at, .. } => now.duration_since(*at) >= NODES_KNOWN_FOR,
            Nodes::Wanted | Nodes::Hidden => false,
        };
        if is_due {
            self.nodes = Nodes::Wanted;
        }
    }

    fn known_nodes(&self, now: Instant) -> Option<&[Object]> {
        match &self.nodes {
            Nodes::Known { nodes, at } if now.duration_since(*at) < NODES_KNOWN_FOR => Some(nodes),
            _ => None,
        }
    }

    fn diagnose(&self, accused: Accused<'_>) -> Vec<Diagnosis> {
        let here = |object: &&Object| object.namespace() == accused.workload.namespace();
        let objects: Vec<&Object> = self.objects.values().filter(here).collect();
        let nodes: Option<Vec<&Object>> =
            self.known_nodes(Instant::now()).map(|nodes| nodes.iter().collect());
        diagnose_among(accused.workload, &objects, nodes.as_deref(), Some(accused.since))
    }
}

/// Returns how long a trouble may last; `None` when it never dooms a workload alone. A crash that some pods
/// show and others do not may be a matter of those pods, and is given longer.
fn grace(diagnosis: &Diagnosis, is_helped: bool) -> Option<Duration> {
    let told = Duration::from_secs(diagnosis.grace_seconds?);
    match diagnosis.class {
        Class::Permanent if is_helped && diagnosis.missing.is_some() => Some(told.max(EXPECTED_WITHIN)),
        Class::Crash if diagnosis.affected < diagnosis.counted => Some(told.max(PARTIAL_FOR)),
        Class::Permanent | Class::Crash => Some(told),
        Class::Transient => None,
    }
}

/// Returns a node with what matters here: one with all its images is large, and there may be thousands.
fn essence(node: &Object) -> Option<Object> {
    let of = |pointer: &str| node.get(pointer).cloned().unwrap_or(Value::Null);
    Object::new(json!({
        "apiVersion": node.api_version(),
        "kind": node.kind(),
        "metadata": {"name": node.name(), "labels": of("/metadata/labels")},
        "spec": {"taints": of("/spec/taints"), "providerID": of("/spec/providerID")},
        "status": {"allocatable": of("/status/allocatable")},
    }))
    .ok()
}

#[cfg(test)]
mod tests;
