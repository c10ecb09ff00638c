//! L1: why is a workload not ready? Joins a workload with its ReplicaSets, pods, claims and events, and
//! names the cause a person can act on. Pure: the caller brings what it has read, and may bring little.
//!
//! ```text
//! revision    which pods count: those of the revision we wrote, by owner uid, with news since
//! signals     what one pod's containers say, by the kubelet's words
//! images      an image that cannot be had;  probes  what the kubelet's probes say
//! missing     a Secret, a ConfigMap, a key that is named and not there
//! scheduling  a pod that no node takes: a matter of time, or not
//! placement   what keeps a pod from a volume or a network, or made it fail as a whole
//! control     what the controllers say: refused pods, a failed Job, a claim that does not bind
//! service     a Service that leads to nobody, or gets no address
//! events      events by the object they speak of, newest first
//! advice      what to try next;  refusal  which rule is behind a no of the server
//! ```
//!
//! A cause never fails a rollout for what it may have been before our write, nor for what passes: its class
//! and its grace say how far it can be trusted.

mod advice;
mod control;
mod events;
mod images;
mod missing;
mod placement;
mod probes;
mod refusal;
mod revision;
mod scheduling;
mod service;
mod signals;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod table;

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::object::{Object, ObjectRef};
use events::Events;
pub use missing::Missing;
pub use refusal::{documentation, rule_behind};
pub use service::of_service;
use signals::Signal;

/// How long, in seconds, what cannot change by itself must be seen before it counts: a state in between two
/// others is no cause.
const SURE_AFTER: u64 = 1;

/// What is known about a workload. Lists may hold more than belongs to it: owners are matched by uid.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What is not ready: a Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, Pod, or any other object.
    pub workload: &'a Object,
    /// ReplicaSets of the namespace; without them a Deployment's pods cannot be told apart.
    pub replica_sets: &'a [&'a Object],
    /// Pods of the namespace.
    pub pods: &'a [&'a Object],
    /// Events of the namespace, of either API (`v1` or `events.k8s.io/v1`).
    pub events: &'a [&'a Object],
    /// PersistentVolumeClaims of the namespace.
    pub claims: &'a [&'a Object],
    /// The nodes of the cluster; `None` when they are not known.
    pub nodes: Option<&'a [&'a Object]>,
    /// When our write was answered: what happened before proves nothing about it. `None` takes everything
    /// for news.
    pub since: Option<Timestamp>,
}

/// Why a workload is not ready: one cause, with the object it was seen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// From the workload down to the object the cause was seen on.
    pub chain: Vec<ObjectRef>,
    /// The container, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// What kind of cause. With the workload and the container it names one trouble across all pods.
    pub cause: Cause,
    /// The reason in Kubernetes' own word, such as `ImagePullBackOff`.
    pub reason: String,
    /// The cause, as a person would say it.
    pub message: String,
    /// Whether it can go away by itself.
    pub class: Class,
    /// How long it may last, from when it was first seen, before the workload counts as failed; `None` when
    /// it never fails it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<u64>,
    /// How many pods show it.
    pub affected: usize,
    /// How many pods of the new revision there are.
    pub counted: usize,
    /// Commands that show more, or help; the best one first.
    pub next: Vec<String>,
    /// The log that is worth reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wants_log: Option<LogWanted>,
    /// What is not there. Somebody may still make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

impl Diagnosis {
    /// Returns the cause that is in an object itself: what its own rule says of it.
    pub fn of_object(object: &Object, reason: &str, message: String, class: Class) -> Self {
        Self::new(object, Signal::new(Cause::Warning, class, reason, message))
    }

    /// Returns the cause that a signal of `object` tells.
    fn new(object: &Object, signal: Signal) -> Self {
        Self {
            next: advice::next(object, &signal),
            chain: vec![object.reference()],
            container: signal.container,
            cause: signal.cause,
            reason: signal.reason,
            message: signal.message,
            class: signal.class,
            grace_seconds: signal.grace_seconds,
            affected: 0,
            counted: 0,
            wants_log: None,
            missing: signal.missing,
        }
    }
}

/// A container's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogWanted {
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// True for the log of the run before the present one.
    pub previous: bool,
}

/// Whether a cause can go away by itself. Ordered: the surest failure first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It cannot: somebody must change something.
    Permanent,
    /// A program that ends when it should run: it may find later what it missed.
    Crash,
    /// It often does.
    Transient,
}

/// What kind of cause it is. Ordered: of one class, what explains the most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The image cannot be had.
    Image,
    /// A Secret, ConfigMap or key is missing, or the container's settings contradict each other.
    Config,
    /// The container cannot be started: its program is not there or may not be run.
    Start,
    /// The container was killed for using more memory than its limit.
    OutOfMemory,
    /// The container's program ends with an error.
    Crash,
    /// A liveness or startup probe fails, and the kubelet restarts the container.
    ProbeRestart,
    /// The pod ended as failed.
    PodFailed,
    /// An old, broken pod keeps an ordered StatefulSet from making the new ones.
    Blocked,
    /// The server refuses to create pods or a ReplicaSet.
    Refused,
    /// A claim is not bound.
    Claim,
    /// A volume cannot be mounted.
    Volume,
    /// No node takes the pod.
    Unschedulable,
    /// The node cannot make the pod's sandbox or network.
    Sandbox,
    /// A Service leads to no pod, or gets no address.
    Service,
    /// A readiness probe fails.
    NotReady,
    /// The Job's own verdict, when none of its pods tells more.
    JobFailed,
    /// A warning about the workload, and nothing better.
    Warning,
}

/// Prints `pod web-5d, container web: its program ended with exit code 3 (Error), 2 of 3 pods`.
impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [_, .., last] = self.chain.as_slice() {
            write!(f, "{} {}", last.kind.to_lowercase(), last.name)?;
            f.write_str(if self.container.is_some() { ", " } else { ": " })?;
        }
        if let Some(container) = &self.container {
            write!(f, "container {container}: ")?;
        }
        write!(f, "{} ({})", self.message, self.reason)?;
        if self.affected > 0 && self.counted > 1 {
            write!(f, ", {} of {} pods", self.affected, self.counted)?;
        }
        Ok(())
    }
}

/// Returns why the workload is not ready: each cause once, the surest and most telling first. Empty when
/// nothing known tells.
pub fn diagnose(evidence: &Evidence<'_>) -> Vec<Diagnosis> {
    let events = Events::new(evidence.events);
    let revision = revision::of(evidence);
    let mut found = Vec::new();
    for pod in &revision.pods {
        let mut told = BTreeSet::new();
        for signal in signals::of_pod(pod, evidence, &events) {
            // A pod counts once for one trouble.
            if !told.insert((signal.cause, signal.container.clone())) {
                continue;
            }
            let signal = control::as_job_sees_it(evidence.workload, signal);
            // What a pod has shown since before our write may be over: the kubelet tries again, and says so.
            let is_news = revision::has_news(pod, evidence.since, &events);
            let signal = if is_news { signal } else { signal.without_grace() };
            add(&mut found, evidence, pod, signal, revision.pods.len());
        }
    }
    for pod in &revision.blocking {
        for signal in signals::of_pod(pod, evidence, &events) {
            if let Some(signal) = revision::blocked_by(pod, &signal) {
                add(&mut found, evidence, pod, signal, 0);
            }
        }
    }
    for (object, signal) in control::of_workload(evidence, &revision, &events) {
        add(&mut found, evidence, object, signal, revision.pods.len());
    }
    found.sort_by_key(|diagnosis| (diagnosis.class, diagnosis.cause));
    if found.is_empty() {
        let warning = control::last_warning(evidence, &revision, &events);
        if let Some((object, signal)) = warning {
            add(&mut found, evidence, object, signal, revision.pods.len());
        }
    }
    found
}

/// Adds a signal: to the diagnosis that already tells it of another pod, or as a new one.
fn add(found: &mut Vec<Diagnosis>, evidence: &Evidence<'_>, place: &Object, signal: Signal, counted: usize) {
    let on_pod = place.kind() == "Pod";
    let same = |known: &&mut Diagnosis| {
        on_pod && known.affected > 0 && known.cause == signal.cause && known.container == signal.container
    };
    if let Some(known) = found.iter_mut().find(same) {
        known.affected = known.affected.saturating_add(1);
        // The surest of them speaks for all: one pod may be further on than another.
        let is_surer = (signal.class, signal.grace_seconds.unwrap_or(u64::MAX))
            < (known.class, known.grace_seconds.unwrap_or(u64::MAX));
        if is_surer {
            *known = Diagnosis { affected: known.affected, ..told(evidence, place, signal, counted) };
        }
        return;
    }
    found.push(told(evidence, place, signal, counted));
}

/// Returns a signal of `place` as a cause of the workload.
fn told(evidence: &Evidence<'_>, place: &Object, signal: Signal, counted: usize) -> Diagnosis {
    let mut chain = vec![evidence.workload.reference(), place.reference()];
    chain.dedup();
    chain.extend(signal.at.clone());
    let wants_log = signal.log.and_then(|previous| {
        let container = signal.container.clone()?;
        Some(LogWanted { pod: place.name().to_owned(), container, previous })
    });
    let affected = usize::from(place.kind() == "Pod");
    Diagnosis { chain, affected, counted, wants_log, ..Diagnosis::new(place, signal) }
}
