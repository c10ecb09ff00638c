//! Deployment, StatefulSet, DaemonSet, ReplicaSet: enough pods, of the right revision, available.

use std::time::Duration;

use jiff::Timestamp;

use super::Assessment;
use super::facts::{Holder, Subject};
use super::required::{Pods, demands_all, far_enough, still_terminating};
use super::words::{counted, explained, so_many};
use crate::object::condition;

/// How long a workload that somebody else paused may stay so.
const PAUSED_GRACE: Duration = Duration::from_secs(60);

/// How long the server may refuse to create a ReplicaSet; quota and webhooks do recover.
const REFUSED_GRACE: Duration = Duration::from_secs(60);

/// Kubernetes' default of `progressDeadlineSeconds`.
const DEFAULT_PROGRESS_DEADLINE_SECONDS: i64 = 600;

/// Returns the answer for a Deployment: the controller's own `DeploymentComplete` (updated, total and
/// available replicas all equal the wanted ones), at an observed generation.
///
/// The wanted replicas are the live ones, never the manifest's: an autoscaler may own the field.
pub(super) fn deployment(subject: &Subject<'_>) -> Assessment {
    let wanted = subject.count_or("/spec/replicas", 1);
    let replicas = subject.count("/status/replicas");
    let updated = subject.count("/status/updatedReplicas");
    let available = subject.count("/status/availableReplicas");
    let unavailable = subject.count("/status/unavailableReplicas");
    let complete = updated == wanted && replicas == wanted && available == wanted && unavailable == 0;
    let paused = subject.flag("/spec/paused");
    if complete {
        return still_terminating(subject).unwrap_or_else(|| {
            Assessment::current_with(match (paused, wanted) {
                (true, _) => Some("paused: later changes will not roll out".into()),
                (_, 0) => Some("scaled to 0 replicas: nothing runs".into()),
                _ => None,
            })
        });
    }
    if paused {
        return paused_deployment(subject, updated, wanted);
    }
    if let Some(enough) = far_enough(subject, Pods { wanted, all: replicas, updated, available }) {
        return enough;
    }
    let reason = if updated < wanted {
        so_many(updated, wanted, "replica", "updated")
    } else if replicas > updated {
        format!("{} of the old revision still there", counted(replicas.saturating_sub(updated), "replica"))
    } else if replicas > wanted {
        format!("scaling down from {replicas} to {wanted} replicas")
    } else if available < wanted {
        so_many(available, wanted, "replica", "available")
    } else {
        format!("{} not available", counted(unavailable.max(1), "replica"))
    };
    past_progress_deadline(subject, &reason)
        .or_else(|| replica_set_refused(subject))
        .unwrap_or_else(|| Assessment::in_progress(with_refusal(subject, reason)))
}

/// Returns the answer for a Deployment that is paused before it is complete: nothing will roll. Ours to
/// report when the manifest says so, a failure when somebody else did.
fn paused_deployment(subject: &Subject<'_>, updated: i64, wanted: i64) -> Assessment {
    let counts = so_many(updated, wanted, "replica", "updated");
    let Some(Holder::Other { since }) = subject.holder("paused") else {
        return Assessment::noted(format!("paused, so nothing rolls out: {counts}"));
    };
    let reason = format!("paused by somebody else: {counts}");
    let applied_at = subject.receipt.applied_at;
    match subject.grace_since(since.unwrap_or(applied_at).max(applied_at), PAUSED_GRACE) {
        Some(left) => Assessment::in_progress(reason).again_in(left),
        None => Assessment::failed(format!(
            "{reason}; `kubectl rollout resume deployment/{}` lets it go on",
            subject.object.name()
        )),
    }
}

/// Returns an answer while the condition `Progressing` says that the deadline is exceeded.
///
/// A rollback to an existing ReplicaSet keeps that condition from the failed rollout (controller
/// `getNewReplicaSet`), so it counts only if written after our write, or once our rollout had the whole
/// deadline for itself (krane's guard).
fn past_progress_deadline(subject: &Subject<'_>, reason: &str) -> Option<Assessment> {
    let progressing = subject.condition("Progressing")?;
    if progressing.reason() != "ProgressDeadlineExceeded" {
        return None;
    }
    let failed = || Assessment::failed(format!("made no progress within its deadline: {reason}"));
    // In the second of our write it is the old one: a new one comes a deadline later, at least a second.
    let applied_in = subject.receipt.applied_at.as_second();
    if progressing.updated_at().is_some_and(|moment| moment.as_second() > applied_in) {
        return Some(failed());
    }
    let seconds = subject.count_or("/spec/progressDeadlineSeconds", DEFAULT_PROGRESS_DEADLINE_SECONDS);
    let deadline = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(match subject.grace_since_apply(deadline) {
        Some(left) => Assessment::in_progress(reason).again_in(left),
        None => failed(),
    })
}

/// Returns an answer while the server refuses the Deployment's new ReplicaSet. The controller says so in
/// the condition `Progressing`, without raising `observedGeneration` (controller `getNewReplicaSet`).
pub(super) fn replica_set_refused(subject: &Subject<'_>) -> Option<Assessment> {
    let progressing = subject.condition("Progressing").filter(|condition| condition.is_false())?;
    if progressing.reason() != "ReplicaSetCreateError" {
        return None;
    }
    let since = progressing.updated_at().filter(|moment| subject.not_before_apply(*moment))?;
    let reason =
        explained("its ReplicaSet cannot be created", condition::explanation("", progressing.message()));
    let since: Timestamp = since.max(subject.receipt.applied_at);
    Some(match subject.grace_since(since, REFUSED_GRACE) {
        Some(left) => Assessment::in_progress(reason).again_in(left),
        None => Assessment::failed(reason),
    })
}

/// Returns `reason`, with a hint when the server refuses pods. The condition's message is not quoted: it
/// is kept from the first failure until all is well (`calculateStatus`); the newest event is the truth.
fn with_refusal(subject: &Subject<'_>, reason: String) -> String {
    match subject.condition_true("ReplicaFailure") {
        Some(failure) if !failure.reason().is_empty() => {
            format!("{reason}; the server refused a pod ({})", failure.reason())
        }
        _ => reason,
    }
}

/// Returns the answer for a StatefulSet. The controller writes generation, revisions and counters in one
/// go, and sets `currentRevision` to `updateRevision` when a rollout is complete (`completeRollingUpdate`).
pub(super) fn stateful_set(subject: &Subject<'_>) -> Assessment {
    let wanted = subject.count_or("/spec/replicas", 1);
    let replicas = subject.count("/status/replicas");
    let ready = subject.count("/status/readyReplicas");
    let available = subject.count_or("/status/availableReplicas", ready);
    let updated = subject.count("/status/updatedReplicas");
    let on_delete = subject.object.text("/spec/updateStrategy/type") == "OnDelete";
    let partition = subject.count("/spec/updateStrategy/rollingUpdate/partition");
    let may_be_enough = !on_delete && partition == 0 && (updated < wanted || available < wanted);
    let pods = Pods { wanted, all: replicas, updated, available };
    if let Some(enough) = may_be_enough.then(|| far_enough(subject, pods)).flatten() {
        return enough;
    }
    if replicas > wanted {
        return Assessment::in_progress(format!("scaling down from {replicas} to {wanted} replicas"));
    }
    if ready < wanted || replicas < wanted {
        return Assessment::in_progress(stateful_set_unready(subject, wanted, replicas, ready));
    }
    if available < wanted {
        return Assessment::in_progress(so_many(available, wanted, "replica", "available"));
    }
    let old = wanted.saturating_sub(updated);
    if on_delete && !demands_all(subject) {
        let note = || {
            format!("updates on delete: {}, delete pods to update them", so_many(old, wanted, "pod", "old"))
        };
        return Assessment::current_with((old > 0).then(note));
    }
    let to_update = wanted.saturating_sub(partition).max(0);
    if updated < to_update {
        return Assessment::in_progress(so_many(updated, to_update, "replica", "updated"));
    }
    if partition == 0
        && !on_delete
        && subject.object.get("/status/currentRevision") != subject.object.get("/status/updateRevision")
    {
        return Assessment::in_progress("the last replica is updated, the rollout is being closed");
    }
    Assessment::current_with(if partition > 0 && old > 0 {
        Some(format!("partition {partition} holds back {} of the old revision", counted(old, "pod")))
    } else if wanted == 0 {
        Some("scaled to 0 replicas: nothing runs".into())
    } else {
        None
    })
}

/// Returns what a StatefulSet waits for. While it is growing in order, that is its newest pod.
fn stateful_set_unready(subject: &Subject<'_>, wanted: i64, replicas: i64, ready: i64) -> String {
    let in_order = subject.object.text("/spec/podManagementPolicy") != "Parallel";
    let counts = so_many(ready, wanted, "replica", "ready");
    if in_order && replicas < wanted && ready.saturating_add(1) == replicas {
        let ordinal = subject.count("/spec/ordinals/start").saturating_add(ready);
        return format!("waiting for pod {}-{ordinal} to be ready: {counts}", subject.object.name());
    }
    counts
}

/// Returns the answer for a DaemonSet. Its controller holds `observedGeneration` back while it still waits
/// for pods of its own making (`updateObservedGen`), so the generic rule protects the counters.
pub(super) fn daemon_set(subject: &Subject<'_>) -> Assessment {
    let wanted = subject.count("/status/desiredNumberScheduled");
    let updated = subject.count("/status/updatedNumberScheduled");
    let available = subject.count("/status/numberAvailable");
    if wanted == 0 {
        return Assessment::noted("no node matches: nothing runs");
    }
    let on_delete = subject.object.text("/spec/updateStrategy/type") == "OnDelete";
    let may_be_enough = !on_delete && (updated < wanted || available < wanted);
    let pods = Pods { wanted, all: subject.count("/status/currentNumberScheduled"), updated, available };
    if let Some(enough) = may_be_enough.then(|| far_enough(subject, pods)).flatten() {
        return enough;
    }
    if updated < wanted && (!on_delete || demands_all(subject)) {
        return Assessment::in_progress(so_many(updated, wanted, "pod", "updated"));
    }
    if available < wanted {
        return Assessment::in_progress(so_many(available, wanted, "pod", "available"));
    }
    let old = wanted.saturating_sub(updated);
    let note =
        || format!("updates on delete: {}, delete pods to update them", so_many(old, wanted, "pod", "old"));
    Assessment::current_with((old > 0).then(note))
}

/// Returns the answer for a ReplicaSet or a ReplicationController that belongs to no Deployment. It never
/// replaces the pods it has.
pub(super) fn replica_set(subject: &Subject<'_>) -> Assessment {
    let wanted = subject.count_or("/spec/replicas", 1);
    let replicas = subject.count("/status/replicas");
    let available = subject.count("/status/availableReplicas");
    if replicas > wanted {
        return Assessment::in_progress(format!("scaling down from {replicas} to {wanted} replicas"));
    }
    if replicas < wanted || available < wanted {
        let reason = so_many(available.min(wanted), wanted, "replica", "available");
        return Assessment::in_progress(with_refusal(subject, reason));
    }
    let edited = subject.receipt.changed && subject.receipt.generation.0 > 1 && wanted > 0;
    let note = "pods made before this change keep the old template";
    Assessment::current_with(edited.then(|| note.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{Case, object};

    fn workload(kind: &str, spec: &Value, status: &Value) -> Case {
        let mut body = json!({"spec": spec, "status": {"observedGeneration": 1}});
        json_patch::merge(&mut body, &json!({"status": status}));
        Case::new(object("apps/v1", kind, body))
    }

    fn deployment(status: &Value) -> Case {
        workload("Deployment", &json!({"replicas": 3}), status)
    }

    #[test]
    fn a_rollout_is_told_step_by_step() {
        deployment(&json!({"replicas": 3, "availableReplicas": 3}))
            .is("in progress: 0 of 3 replicas are updated");
        deployment(&json!({"replicas": 4, "updatedReplicas": 3, "availableReplicas": 4}))
            .is("in progress: 1 replica of the old revision still there");
        deployment(&json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 2}))
            .is("in progress: 2 of 3 replicas are available");
        deployment(&json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3})).is("current");
    }

    #[test]
    fn a_deployment_that_scales_down_is_not_there_yet() {
        deployment(&json!({"replicas": 4, "updatedReplicas": 4, "availableReplicas": 4}))
            .is("in progress: scaling down from 4 to 3 replicas");
    }

    #[test]
    fn unavailable_replicas_count_even_when_enough_are_available() {
        deployment(
            &json!({"replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "unavailableReplicas": 1}),
        )
        .is("in progress: 1 replica not available");
    }

    #[test]
    fn replicas_default_to_1_and_0_is_told() {
        workload("Deployment", &json!({}), &json!({})).is("in progress: 0 of 1 replica is updated");
        workload("Deployment", &json!({"replicas": 0}), &json!({}))
            .is("current: scaled to 0 replicas: nothing runs");
        workload("StatefulSet", &json!({"replicas": 0}), &json!({}))
            .is("current: scaled to 0 replicas: nothing runs");
    }

    #[test]
    fn a_stateful_set_growing_in_order_names_the_pod_it_waits_for() {
        let spec = json!({"replicas": 3});
        workload("StatefulSet", &spec, &json!({"replicas": 2, "readyReplicas": 1}))
            .is("in progress: waiting for pod thing-1 to be ready: 1 of 3 replicas are ready");
        // At full size any of them can be the one that is not ready.
        workload("StatefulSet", &spec, &json!({"replicas": 3, "readyReplicas": 2}))
            .is("in progress: 2 of 3 replicas are ready");
        let parallel = json!({"replicas": 3, "podManagementPolicy": "Parallel"});
        workload("StatefulSet", &parallel, &json!({"replicas": 2, "readyReplicas": 1}))
            .is("in progress: 1 of 3 replicas are ready");
        let later = json!({"replicas": 3, "ordinals": {"start": 5}});
        workload("StatefulSet", &later, &json!({"replicas": 1}))
            .is("in progress: waiting for pod thing-5 to be ready: 0 of 3 replicas are ready");
    }

    #[test]
    fn a_stateful_set_must_close_its_rollout() {
        let spec = json!({"replicas": 2, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}});
        let status = |updated: i64, current: &str| {
            json!({"replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": updated,
                "currentRevision": current, "updateRevision": "new"})
        };
        workload("StatefulSet", &spec, &status(1, "old")).is("in progress: 1 of 2 replicas are updated");
        workload("StatefulSet", &spec, &status(2, "old"))
            .is("in progress: the last replica is updated, the rollout is being closed");
        workload("StatefulSet", &spec, &status(2, "new")).is("current");
    }

    #[test]
    fn a_stateful_set_waits_for_availability_and_for_scaling_down() {
        let spec = json!({"replicas": 2, "minReadySeconds": 5});
        workload("StatefulSet", &spec, &json!({"replicas": 2, "readyReplicas": 2, "availableReplicas": 1}))
            .is("in progress: 1 of 2 replicas are available");
        workload("StatefulSet", &spec, &json!({"replicas": 3, "readyReplicas": 3}))
            .is("in progress: scaling down from 3 to 2 replicas");
    }

    #[test]
    fn pods_updated_on_delete_must_still_be_ready() {
        let spec = json!({"replicas": 2, "updateStrategy": {"type": "OnDelete"}});
        workload("StatefulSet", &spec, &json!({"replicas": 2, "readyReplicas": 1}))
            .is("in progress: 1 of 2 replicas are ready");
        workload("DaemonSet", &spec, &json!({"desiredNumberScheduled": 2, "numberAvailable": 1}))
            .is("in progress: 1 of 2 pods are available");
    }

    #[test]
    fn a_daemon_set_needs_every_node() {
        let daemon_set = |status: Value| workload("DaemonSet", &json!({}), &status);
        daemon_set(json!({})).is("current: no node matches: nothing runs");
        daemon_set(json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2}))
            .is("in progress: 1 of 2 pods are updated");
        // An absent count is 0, not unknown.
        daemon_set(json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2}))
            .is("in progress: 0 of 2 pods are available");
        daemon_set(json!({"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}))
            .is("current");
    }

    #[test]
    fn a_replica_set_never_replaces_its_pods() {
        let spec = json!({"replicas": 2});
        workload("ReplicaSet", &spec, &json!({"replicas": 2, "availableReplicas": 1}))
            .is("in progress: 1 of 2 replicas are available");
        workload("ReplicaSet", &spec, &json!({"replicas": 2, "availableReplicas": 2})).is("current");
        workload("ReplicaSet", &spec, &json!({"replicas": 3}))
            .is("in progress: scaling down from 3 to 2 replicas");
        workload(
            "ReplicaSet",
            &spec,
            &json!({"replicas": 2, "availableReplicas": 2, "observedGeneration": 2}),
        )
        .answer_with(&json!({"metadata": {"generation": 2}}))
        .floor(2)
        .is("current: pods made before this change keep the old template");
    }
}
