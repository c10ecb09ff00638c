//! Which pods count: those of the revision we wrote. A selector would also match pods of other owners and
//! of older revisions, and blame our rollout for them; owner uids do not.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::events::{Event, Events};
use super::signals::Signal;
use super::{Cause, Class, Evidence};
use crate::object::Object;
use crate::object::condition::{self, Condition};

/// The annotation that numbers a Deployment's revisions, on it and on its ReplicaSets.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// The label that names the ControllerRevision of a StatefulSet's or DaemonSet's pod.
const REVISION_HASH: &str = "controller-revision-hash";

/// The pods of a workload that tell about what we wrote.
#[derive(Default)]
pub(super) struct Revision<'a> {
    /// The new ReplicaSet of a Deployment.
    pub(super) replica_set: Option<&'a Object>,
    /// Pods of the new revision that nobody is deleting.
    pub(super) pods: Vec<&'a Object>,
    /// Pods of an older revision that keep new ones from being made.
    pub(super) blocking: Vec<&'a Object>,
}

/// Returns the pods of the evidence that count.
pub(super) fn of<'a>(evidence: &Evidence<'a>) -> Revision<'a> {
    let workload = evidence.workload;
    // Until the controller has seen our write, its revision and its pods are those of before.
    let observed = workload.get("/status/observedGeneration").and_then(Value::as_i64);
    if observed.is_some_and(|observed| observed < workload.generation().0) {
        return Revision::default();
    }
    match (workload.group(), workload.kind()) {
        ("apps", "Deployment") => of_deployment(evidence),
        ("apps", "StatefulSet") => of_stateful_set(evidence),
        ("apps", "DaemonSet") => of_daemon_set(evidence),
        ("", "Pod") => Revision { pods: vec![workload], ..Revision::default() },
        // Job, ReplicaSet, and whatever an operator makes pods for.
        _ => {
            let mut pods = living(evidence, workload);
            // The last try of a Job tells most.
            pods.sort_by_key(|pod| Reverse(condition::time(pod.get("/metadata/creationTimestamp"))));
            Revision { pods, ..Revision::default() }
        }
    }
}

fn of_deployment<'a>(evidence: &Evidence<'a>) -> Revision<'a> {
    let deployment = evidence.workload;
    let owned = || evidence.replica_sets.iter().copied().filter(|set| is_controlled_by(set, deployment));
    // The Deployment's number is right once its controller has seen our generation; a Deployment without
    // one is so new that its newest ReplicaSet is the right one.
    let replica_set = match deployment.annotation(REVISION) {
        Some(revision) => owned().find(|set| set.annotation(REVISION) == Some(revision)),
        None => owned().max_by_key(|set| {
            set.annotation(REVISION).and_then(|revision| revision.parse::<i64>().ok()).unwrap_or(0)
        }),
    };
    let pods = replica_set.map(|set| living(evidence, set)).unwrap_or_default();
    Revision { replica_set, pods, blocking: Vec::new() }
}

fn of_stateful_set<'a>(evidence: &Evidence<'a>) -> Revision<'a> {
    let stateful_set = evidence.workload;
    let wanted = stateful_set.text("/status/updateRevision");
    let (pods, old): (Vec<_>, Vec<_>) = living(evidence, stateful_set)
        .into_iter()
        .partition(|pod| wanted.is_empty() || pod.label(REVISION_HASH) == Some(wanted));
    // In order means: no pod is made or replaced while another one is not ready, even when the template of
    // that other one is the cause and has been mended since (kubernetes#67250).
    let in_order = stateful_set.text("/spec/podManagementPolicy") != "Parallel"
        && stateful_set.text("/spec/updateStrategy/type") != "OnDelete";
    let partition =
        stateful_set.get("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64).unwrap_or(0);
    let blocking = old
        .into_iter()
        .filter(|pod| in_order && !is_ready(pod) && ordinal(pod).is_some_and(|ordinal| ordinal >= partition))
        .collect();
    Revision { replica_set: None, pods, blocking }
}

fn of_daemon_set<'a>(evidence: &Evidence<'a>) -> Revision<'a> {
    let daemon_set = evidence.workload;
    let generation = daemon_set.annotation("deprecated.daemonset.template.generation");
    let mut pods = living(evidence, daemon_set);
    pods.retain(|pod| match (generation, pod.label("pod-template-generation")) {
        (Some(wanted), Some(has)) => wanted == has,
        _ => true,
    });
    Revision { pods, ..Revision::default() }
}

/// Returns the pods that `owner` controls and nobody is deleting.
fn living<'a>(evidence: &Evidence<'a>, owner: &Object) -> Vec<&'a Object> {
    let pods = evidence.pods.iter().copied();
    pods.filter(|pod| is_controlled_by(pod, owner) && !pod.is_being_deleted()).collect()
}

/// A stamp that is older than our write by no more than this may be of another clock, or a rounded one.
const ALLOWED_SKEW: SignedDuration = SignedDuration::from_secs(5);

/// Returns true for a stamp that lies after our write, as far as two clocks can tell.
pub(super) fn is_since(stamp: Option<Timestamp>, since: Option<Timestamp>) -> bool {
    let Some(since) = since else { return true };
    let earliest = since.checked_sub(ALLOWED_SKEW).unwrap_or(since);
    stamp.is_some_and(|stamp| stamp >= earliest)
}

/// Returns true when something happened to a pod since our write: it was made, a container of it ended, or
/// somebody warned of it. That an image is still held back (`BackOff`) is no news: nobody has tried.
pub(super) fn has_news<'a>(pod: &'a Object, since: Option<Timestamp>, events: &Events<'a>) -> bool {
    let ended = ["/status/initContainerStatuses", "/status/containerStatuses"]
        .into_iter()
        .filter_map(|list| pod.get(list)?.as_array())
        .flatten()
        .flat_map(|status| ["/state", "/lastState"].map(|state| status.pointer(state)))
        .filter_map(|state| condition::time(state?.pointer("/terminated/finishedAt")));
    let warned = events
        .about(pod)
        .filter(|event| event.is_warning() && event.reason() != "BackOff")
        .map(Event::last_seen);
    is_since(condition::time(pod.get("/metadata/creationTimestamp")), since)
        || ended.map(Some).chain(warned).any(|stamp| is_since(stamp, since))
}

/// Returns true when pods of this workload's older revisions, or pods that are ending, still hold what the
/// new ones need.
pub(super) fn frees_up(evidence: &Evidence<'_>, revision: &Revision<'_>) -> bool {
    let counts = |pod: &&Object| revision.pods.iter().any(|counted| std::ptr::eq(*counted, *pod));
    let sets = || evidence.replica_sets.iter().filter(|set| is_controlled_by(set, evidence.workload));
    let is_ours = |pod: &Object| {
        is_controlled_by(pod, evidence.workload) || sets().any(|set| is_controlled_by(pod, set))
    };
    let mut pods = evidence.pods.iter().copied();
    pods.any(|pod| pod.is_being_deleted() || (is_ours(pod) && !counts(&pod)))
}

fn is_controlled_by(object: &Object, owner: &Object) -> bool {
    let uid = owner.text("/metadata/uid");
    let owners = object.get("/metadata/ownerReferences").and_then(Value::as_array);
    !uid.is_empty()
        && owners.into_iter().flatten().any(|reference| {
            reference.get("controller") == Some(&Value::Bool(true))
                && reference.get("uid").and_then(Value::as_str) == Some(uid)
        })
}

pub(super) fn is_ready(pod: &Object) -> bool {
    Condition::find(pod, "Ready").is_some_and(Condition::is_true)
}

fn ordinal(pod: &Object) -> Option<i64> {
    pod.name().rsplit_once('-')?.1.parse().ok()
}

/// Returns the signal of an old pod as what it is for the new revision: in the way. Passing troubles are
/// not.
pub(super) fn blocked_by(pod: &Object, signal: &Signal) -> Option<Signal> {
    (signal.class != Class::Transient).then(|| Signal {
        cause: Cause::Blocked,
        // A crash may pass, and the rollout goes on.
        class: signal.class,
        grace_seconds: signal.grace_seconds,
        reason: signal.reason.clone(),
        message: format!(
            "pod {} of the old revision is broken and keeps the new one from being rolled out: {}",
            pod.name(),
            signal.message
        ),
        container: signal.container.clone(),
        at: None,
        log: signal.log,
        missing: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{Scene, crashing, object, owned};
    use super::*;

    fn names(pods: &[&Object]) -> Vec<String> {
        pods.iter().map(|pod| pod.name().to_owned()).collect()
    }

    fn deployment(annotations: Value) -> Object {
        let mut metadata = json!({"name": "web", "uid": "d"});
        metadata["annotations"] = annotations;
        object("apps/v1", "Deployment", json!({"metadata": metadata}))
    }

    fn replica_set(name: &str, owner: &str, revision: &str) -> Object {
        let mut set = owned("apps/v1", "ReplicaSet", name, owner);
        set.set_annotation(REVISION, revision);
        set
    }

    #[test]
    fn only_pods_of_the_new_replica_set_count() {
        let mut scene = Scene::of(deployment(json!({"deployment.kubernetes.io/revision": "2"})));
        scene.replica_sets = vec![
            replica_set("web-1", "d", "1"),
            replica_set("web-2", "d", "2"),
            replica_set("x-2", "x", "2"),
        ];
        let mut deleted = owned("v1", "Pod", "web-2-z", "web-2").into_value();
        deleted["metadata"]["deletionTimestamp"] = json!("2026-03-01T12:00:00Z");
        scene.pods = vec![
            owned("v1", "Pod", "web-1-a", "web-1"),
            owned("v1", "Pod", "web-2-a", "web-2"),
            owned("v1", "Pod", "x-2-a", "x-2"),
            Object::new(deleted).unwrap(),
        ];
        scene.look(|evidence| assert_eq!(names(&of(evidence).pods), ["web-2-a"]));
    }

    #[test]
    fn a_deployment_without_a_number_means_its_newest_replica_set() {
        let mut scene = Scene::of(deployment(json!({})));
        scene.replica_sets = vec![replica_set("web-9", "d", "9"), replica_set("web-10", "d", "10")];
        scene.look(|evidence| assert_eq!(of(evidence).replica_set.unwrap().name(), "web-10"));
    }

    fn stateful_set(spec: Value) -> Object {
        let body = json!({"metadata": {"name": "db", "uid": "s"}, "status": {"updateRevision": "new"}});
        let mut value = object("apps/v1", "StatefulSet", body).into_value();
        value["spec"] = spec;
        Object::new(value).unwrap()
    }

    fn member(name: &str, revision: &str) -> Object {
        let mut pod = crashing(owned("v1", "Pod", name, "s"), 5);
        pod.set_label(REVISION_HASH, revision);
        pod
    }

    #[test]
    fn a_broken_pod_of_the_old_revision_blocks_an_ordered_stateful_set() {
        let mut scene = Scene::of(stateful_set(json!({})));
        scene.pods = vec![member("db-0", "new"), member("db-1", "old")];
        scene.look(|evidence| {
            let revision = of(evidence);
            assert_eq!(names(&revision.pods), ["db-0"]);
            assert_eq!(names(&revision.blocking), ["db-1"]);
        });
        for free in [
            json!({"podManagementPolicy": "Parallel"}),
            json!({"updateStrategy": {"type": "OnDelete"}}),
            json!({"updateStrategy": {"rollingUpdate": {"partition": 2}}}),
        ] {
            scene.workload = stateful_set(free);
            scene.look(|evidence| assert!(of(evidence).blocking.is_empty()));
        }
    }

    #[test]
    fn a_daemon_set_counts_by_template_generation() {
        let body = json!({"metadata": {"name": "agent", "uid": "ds",
            "annotations": {"deprecated.daemonset.template.generation": "3"}}});
        let mut scene = Scene::of(object("apps/v1", "DaemonSet", body));
        let pod = |name: &str, generation: &str| {
            let mut pod = owned("v1", "Pod", name, "ds");
            pod.set_label("pod-template-generation", generation);
            pod
        };
        scene.pods = vec![pod("agent-a", "2"), pod("agent-b", "3")];
        scene.look(|evidence| assert_eq!(names(&of(evidence).pods), ["agent-b"]));
    }

    #[test]
    fn without_uids_nothing_belongs_to_anything() {
        let mut scene = Scene::of(object("batch/v1", "Job", json!({"metadata": {"name": "j", "uid": null}})));
        scene.pods = vec![owned("v1", "Pod", "j-a", "")];
        scene.look(|evidence| assert!(of(evidence).pods.is_empty()));
    }
}
